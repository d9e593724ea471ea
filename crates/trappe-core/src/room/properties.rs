//! The laws of a log and its cursors, tried on random histories.

use std::{
    collections::VecDeque,
    sync::{Arc, atomic::AtomicUsize},
};

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    batch::Life,
    item::Item,
    listener::{Listener, Next, Views},
    log::{Log, Retain},
    state::StateView,
    view::View,
};
use crate::{
    command::{Epoch, Format, Lang},
    encode::{Look, Wire},
    framing::Framing,
    message::{Author, Entry, Kind},
    name::Name,
};

/// One step of a room's life.
#[derive(Clone, Debug)]
enum Act {
    /// A member (by number) says so many bytes.
    Say(u64, usize),
    /// A notice.
    Notice(u64),
    /// What was said is published.
    Seal,
    /// The reader is written to: the socket takes so many bytes.
    Write(usize),
    /// The reader gets a reply.
    Reply,
    /// The room lets go of all but the last batches.
    Trim(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (1..4u64, 0..200usize).prop_map(|(who, len)| Act::Say(who, len)),
        1 => (1..4u64).prop_map(Act::Notice),
        3 => Just(Act::Seal),
        4 => (0..400usize).prop_map(Act::Write),
        1 => Just(Act::Reply),
        1 => (0..3usize).prop_map(Act::Trim),
    ];
    prop::collection::vec(act, 1..120)
}

const READER: u64 = 1;
pub(super) const ROOM: u32 = 0;

/// The view of the only room.
pub(super) struct One<'v>(pub(super) &'v View);

impl Views for One<'_> {
    fn view(&self, room: u32) -> Option<&View> {
        (room == ROOM).then_some(self.0)
    }

    fn state(&self, _: u32) -> Option<&StateView> {
        None
    }
}

fn life() -> Arc<Life> {
    Life::new(Name::parse("r").expect("a name"), Epoch::from_random(1), Arc::default())
}

fn speech(number: u64, body: &[u8]) -> Entry<'_> {
    Entry::speech(Author { number, name: None }, None, body)
}

struct Room {
    log: Log<()>,
    view: View,
    listener: Listener<()>,
    wire: Vec<u8>,
    all: Arc<AtomicUsize>,
    firsts: VecDeque<u64>,
}

impl Room {
    fn new(format: Format, echo: bool) -> Room {
        let all = Arc::new(AtomicUsize::new(0));
        let retain = Retain { messages: 5, bytes: 4000 };
        let epoch = Epoch::from_random(7);
        let life = Life::new(Name::parse("r").expect("a name"), epoch, Arc::clone(&all));
        let mut log = Log::new(Arc::clone(&life), retain, 8 << 20, 1);
        let (at, _) = log.enter(0, READER);
        let look = Look {
            format,
            framing: Framing::Auto,
            wire: Wire::Stream,
            lang: Lang::En,
            quiet: false,
        };
        let view = View::new(life, log.kept(), log.sealed());
        let mut listener = Listener::new(look);
        listener.enter(READER, ROOM, &view, at);
        listener.push(Item::Look(look, echo));
        Room { log, view, listener, wire: Vec::new(), all, firsts: VecDeque::new() }
    }

    /// Writes as the pump does, to a socket that takes `room` bytes.
    fn write(&mut self, mut room: usize) {
        loop {
            match self.listener.next(&One(&self.view)) {
                Next::Idle | Next::Done => return,
                Next::Act(()) => {}
                Next::TooLong(_) => unreachable!("no datagrams here"),
                Next::Ask(..) | Next::Wait => unreachable!("no store here"),
                Next::Half => {
                    let n = self.listener.half().len().min(room);
                    self.wire.extend_from_slice(&self.listener.half()[..n]);
                    self.listener.half_written(n);
                    room -= n;
                }
                Next::Records(i) => {
                    let mut n = 0;
                    let mut any = false;
                    for run in self.listener.runs(i, &self.view) {
                        any = true;
                        let take = run.bytes.len().min(room - n);
                        self.wire.extend_from_slice(&run.bytes[..take]);
                        n += take;
                        if n == room {
                            break;
                        }
                    }
                    if any {
                        self.listener.written(i, &self.view, n);
                    } else {
                        self.listener.nothing_ahead(i, &self.view);
                    }
                    room -= n;
                }
            }
            if room == 0 {
                return;
            }
        }
    }

    fn act(&mut self, act: &Act, said: &mut Vec<(u64, u64, Vec<u8>)>) {
        match *act {
            Act::Say(number, len) => {
                let body = format!("{:04}{}", said.len(), "x".repeat(len)).into_bytes();
                let author = Author { number, name: None };
                let entry = Entry::speech(author, None, &body);
                let appended = self.log.append(0, entry, 0);
                said.push((appended.seq, number, body));
                if number == READER {
                    self.listener.spoke(ROOM, appended.index + 1);
                }
            }
            Act::Notice(number) => {
                let author = Author { number, name: None };
                let appended = self.log.append(0, Entry::notice(author, Kind::Joined), 0);
                if number == READER {
                    self.listener.spoke(ROOM, appended.index + 1);
                }
            }
            Act::Seal => {
                if let Some(batch) = self.log.seal() {
                    self.firsts.push_back(batch.first);
                    self.view.push(batch);
                }
            }
            Act::Write(room) => self.write(room),
            Act::Reply => self.listener.push(Item::Bytes(Bytes::from_static(b"* reply\n"))),
            Act::Trim(keep) => {
                while self.firsts.len() > keep {
                    self.firsts.pop_front();
                }
                let oldest = self.firsts.front().copied().unwrap_or(self.view.end());
                self.listener.cut(ROOM, &self.view, oldest);
                self.view.trim(oldest);
            }
        }
    }
}

/// What a text reader understands of its stream: messages by their number in the order said, and gaps.
fn understand(wire: &[u8]) -> (Vec<usize>, Vec<(u64, u64)>) {
    let text = std::str::from_utf8(wire).expect("the text format is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "nothing is torn at the end: {text:?}");
    let (mut messages, mut gaps) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(gap) = line.strip_prefix("* gap ") {
            let range = gap.split(' ').next().expect("a gap has a range");
            let (from, to) = range.split_once("..").expect("a range has two ends");
            gaps.push((from.parse().expect("a seq"), to.parse().expect("a seq")));
        } else if line.starts_with('<') {
            let body = line.split_once("> ").expect("a message has an author").1;
            messages.push(body[..4].parse().expect("a message begins with its place"));
        } else {
            assert!(line.starts_with("* "), "a torn or foreign line: {line:?}");
        }
    }
    (messages, gaps)
}

proptest! {
    #[test]
    fn a_member_gets_every_record_once_in_order_or_an_announced_gap(acts in acts(), echo: bool) {
        let mut room = Room::new(Format::Text, echo);
        let mut said = Vec::new();
        for act in &acts {
            room.act(act, &mut said);
        }
        room.act(&Act::Seal, &mut said);
        room.write(usize::MAX);
        let (got, gaps) = understand(&room.wire);
        prop_assert!(got.is_sorted_by(|a, b| a < b), "out of order or twice: {got:?}");
        for (place, (seq, author, _)) in said.iter().enumerate() {
            let announced = gaps.iter().any(|(from, to)| (from..=to).contains(&seq));
            let own = *author == READER && !echo;
            let has = got.contains(&place);
            prop_assert!(!(has && announced), "message {seq} was both given and announced as missed");
            prop_assert!(has || announced || own, "message {seq} was neither given nor announced");
            prop_assert!(!(has && own), "the member's own message came back");
        }
    }

    #[test]
    fn a_raw_member_gets_the_exact_bytes(acts in acts()) {
        let mut room = Room::new(Format::Raw, true);
        let mut said = Vec::new();
        for act in acts.iter().filter(|a| !matches!(a, Act::Trim(_) | Act::Reply)) {
            room.act(act, &mut said);
        }
        room.act(&Act::Seal, &mut said);
        room.write(usize::MAX);
        let want: Vec<u8> = said.iter().flat_map(|(_, _, body)| [&body[..], b"\n"].concat()).collect();
        prop_assert_eq!(room.wire, want);
    }

    #[test]
    fn history_gives_the_last_messages_that_are_kept(acts in acts(), n in 1..20usize) {
        let mut room = Room::new(Format::Text, false);
        let mut said = Vec::new();
        for act in acts.iter().filter(|a| !matches!(a, Act::Reply)) {
            room.act(act, &mut said);
        }
        room.act(&Act::Seal, &mut said);
        room.write(usize::MAX);
        room.wire.clear();
        let (_, _, kept) = room.view.window(u64::MAX, room.view.position().seq + 1);
        room.listener.push(Item::History { room: ROOM, count: n, id: None });
        room.write(usize::MAX);
        let (got, gaps) = understand(&room.wire);
        let count = n.min(usize::try_from(kept).expect("a few"));
        let want: Vec<usize> = (said.len() - count..said.len()).collect();
        prop_assert_eq!(got, want);
        prop_assert!(gaps.is_empty());
    }

    #[test]
    fn when_all_is_let_go_nothing_is_counted(acts in acts()) {
        let mut room = Room::new(Format::Text, true);
        let mut said = Vec::new();
        for act in &acts {
            room.act(act, &mut said);
        }
        let all = Arc::clone(&room.all);
        drop(room);
        prop_assert_eq!(all.load(std::sync::atomic::Ordering::Relaxed), 0);
    }
}

#[test]
fn what_is_kept_is_the_smaller_of_both_rules() {
    let retain = Retain { messages: 3, bytes: 1 << 20 };
    let mut log: Log<()> = Log::new(life(), retain, 1 << 20, 1);
    for i in 0..10u32 {
        log.append(0, speech(1, &i.to_be_bytes()), 0);
        log.seal();
    }
    assert_eq!(log.kept().iter().map(|b| b.messages()).sum::<u64>(), 3);
    let big = vec![b'x'; 600 << 10];
    for _ in 0..3 {
        log.append(0, speech(1, &big), 0);
        log.seal();
    }
    assert!(log.kept().len() <= 1, "three messages fit the number, not the bytes");
}

#[test]
fn a_sender_is_slowed_only_while_all_others_are_far_behind() {
    let lag = 100_000;
    let retain = Retain { messages: 10, bytes: 1 << 20 };
    let mut log: Log<&str> = Log::new(life(), retain, lag, 2);
    let (sender, slow, quick) = (1, 2, 3);
    log.enter(0, sender);
    log.enter(0, slow);
    let say = |log: &mut Log<&str>| log.append(0, speech(sender, &[b'x'; 10_000]), 0).pressed;
    assert!(!say(&mut log), "nobody is behind yet");
    assert!((0..10).any(|_| say(&mut log)), "the only listener is far behind");
    log.slow(sender, "sender");
    assert_eq!(
        log.enter(1, quick).1,
        ["sender"],
        "a newcomer may be nearer: who was slowed looks again"
    );
    log.slow(sender, "sender");
    assert!(!log.pressed(sender, 0), "a newcomer is at the head");
    assert_eq!(log.exit(1, quick), ["sender"], "who was slowed looks again");
    assert!(log.pressed(sender, 0));
    log.exit(0, slow);
    assert!(!log.pressed(sender, 0), "nobody else is there");
}

#[test]
fn a_worker_is_woken_once_between_two_seals() {
    let retain = Retain { messages: 10, bytes: 1 << 20 };
    let mut log: Log<()> = Log::new(life(), retain, 1 << 20, 2);
    let mut say = |worker| log.append(0, speech(1, b"x"), worker).wake;
    assert_eq!([say(0), say(0), say(1), say(1)], [true, false, true, false]);
    log.seal();
    assert!(log.append(0, speech(1, b"x"), 0).wake);
}
