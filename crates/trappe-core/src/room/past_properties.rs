//! The law of a log with a store behind it: whoever reads, however slowly, and from wherever it comes back, gets each message
//! once and in order, or is told of it in a gap, and gaps are only what the store has lost.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::{
    batch::{Batch, Life, Restored},
    item::Item,
    listener::{Listener, Next},
    log::{Log, Numbers, Retain},
    past::{Ask, Lost, Past, Portion},
    properties::{One, ROOM},
    view::View,
};
use crate::{
    command::{At, Epoch, Format, Lang},
    encode::{Look, Wire},
    framing::Framing,
    message::{Author, Entry, Kind},
    name::Name,
};

const READER: u64 = 1;
/// The number of the first message of this life: there were others before.
const FIRST: u64 = 11;
/// Messages of an earlier life of the server are on disk from here on; those between were never given.
const EARLIER: std::ops::RangeInclusive<u64> = 1..=5;

#[derive(Clone, Debug)]
enum Act {
    /// A member says something.
    Say(u64),
    Notice,
    Seal,
    /// The store takes so many more messages …
    Store(u64),
    /// … or loses them.
    Lose(u64),
    /// The store forgets its oldest messages.
    Prune(u64),
    /// The store answers what it was asked.
    Answer,
    /// The reader's socket takes so many bytes.
    Write(usize),
    /// The log lets go of all but the last batches.
    Trim(usize),
    /// The reader comes back to where it was so many messages ago.
    Resume(u64),
    /// It asks for the last messages.
    History(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (1..4u64).prop_map(Act::Say),
        1 => Just(Act::Notice),
        4 => Just(Act::Seal),
        4 => (0..8u64).prop_map(Act::Store),
        1 => (0..3u64).prop_map(Act::Lose),
        1 => (0..4u64).prop_map(Act::Prune),
        4 => Just(Act::Answer),
        6 => (0..900usize).prop_map(Act::Write),
        3 => (0..2usize).prop_map(Act::Trim),
    ];
    prop::collection::vec(act, 1..150)
}

/// The store, as it ought to be.
struct Store {
    said: Vec<(u64, u64)>,
    /// All before this one are on disk, or lost.
    settled: u64,
    lost: BTreeSet<u64>,
    oldest: u64,
}

impl Store {
    fn has(&self, seq: u64) -> bool {
        seq >= self.oldest && seq < self.settled && !self.lost.contains(&seq)
    }

    /// None: none of it is on disk yet.
    fn answer(&self, life: &Arc<Life>, ask: &Ask, most: usize) -> Option<Past> {
        Some(match ask {
            Ask::Last { to, .. } if *to > self.settled => return None,
            Ask::Last { count, to } => {
                let there: Vec<u64> = (1..*to).filter(|seq| self.has(*seq)).collect();
                let count = there.len().min(usize::try_from(*count).expect("few"));
                let from = there.get(there.len() - count).copied().unwrap_or(*to);
                Past::Last { from, count: count as u64 }
            }
            Ask::These(_) | Ask::Words(..) => unreachable!("nobody searches here"),
            Ask::Run { from, to } => {
                if *from >= self.settled {
                    return None;
                }
                let to = (*to).min(self.settled);
                let missing = (*from..to).take_while(|seq| !self.has(*seq)).count() as u64;
                let gap = (missing > 0).then(|| {
                    let why = if *from < self.oldest { Lost::Forgotten } else { Lost::NotStored };
                    (*from, from + missing - 1, why)
                });
                let begin = from + missing;
                let run: Vec<u64> =
                    (begin..to).take_while(|seq| self.has(*seq)).take(most).collect();
                let next = begin + run.len() as u64;
                let messages = run.iter().map(|seq| Restored {
                    seq: *seq,
                    time_us: *seq,
                    author: Author { number: self.author(*seq), name: None },
                    id: None,
                    body: b"x",
                });
                let batch = Batch::restored(life, messages).map(Arc::new);
                Past::Portion(Portion { gap, batch, next })
            }
        })
    }

    fn author(&self, seq: u64) -> u64 {
        self.said.iter().find(|(other, _)| *other == seq).map_or(9, |(_, who)| *who)
    }
}

struct World {
    log: Log<()>,
    view: View,
    life: Arc<Life>,
    listener: Listener<()>,
    store: Store,
    asked: Option<Ask>,
    wire: Vec<u8>,
    firsts: Vec<u64>,
}

impl World {
    fn new() -> World {
        let name = Name::parse("r").expect("a name");
        let life = Life::with_past(name, Epoch::from_random(7), 1, Arc::default());
        let numbers = Numbers { next: FIRST, until: u64::MAX, spare: life.epoch() };
        let retain = Retain { messages: 3, bytes: 4000 };
        let mut log = Log::resumed(Arc::clone(&life), numbers, retain, 8 << 20, 1);
        let (at, _) = log.enter(0, READER);
        let (format, framing, wire) = (Format::Json, Framing::Auto, Wire::Stream);
        let look = Look { format, framing, wire, lang: Lang::En, quiet: true };
        let view = View::new(Arc::clone(&life), log.kept(), log.sealed());
        let mut listener = Listener::new(look);
        listener.enter(READER, ROOM, &view, at);
        let store = Store {
            said: EARLIER.map(|seq| (seq, seq % 3 + 1)).collect(),
            settled: FIRST,
            lost: (*EARLIER.end() + 1..FIRST).collect(),
            oldest: 1,
        };
        let (asked, wire, firsts) = (None, Vec::new(), Vec::new());
        World { log, view, life, listener, store, asked, wire, firsts }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Say(who) => {
                let author = Author { number: *who, name: None };
                let appended = self.log.append(0, Entry::speech(author, None, b"x"), 0);
                self.store.said.push((appended.seq, *who));
                if *who == READER {
                    self.listener.spoke(ROOM, appended.index + 1);
                }
            }
            Act::Notice => {
                let author = Author { number: 2, name: None };
                self.log.append(0, Entry::notice(author, Kind::Joined), 0);
            }
            Act::Seal => self.seal(),
            Act::Store(count) => self.settle(*count, false),
            Act::Lose(count) => self.settle(*count, true),
            Act::Prune(count) => {
                self.store.oldest = (self.store.oldest + count).min(self.store.settled);
                self.life.forget_before(self.store.oldest);
            }
            Act::Answer => self.answer(2),
            Act::Write(room) => self.write(*room),
            Act::Trim(left) => {
                let at = self.firsts.len().saturating_sub(*left + 1);
                let index = self.firsts.get(at).copied().unwrap_or(self.view.end());
                let index = if *left == 0 { self.view.end() } else { index };
                self.listener.cut(ROOM, &self.view, index);
                let needed = self.listener.cursors().map(|c| self.listener.oldest(c)).min();
                self.view.trim(index.min(needed.unwrap_or(index)));
            }
            Act::Resume(back) => {
                // So that no position is beyond the view.
                self.seal();
                let seq = (self.log.next_seq() - 1).saturating_sub(*back);
                self.listener.push(Item::Bytes(Bytes::from_static(b"{\"ev\":\"mark\"}\n")));
                let at = At { epoch: Some(self.life.epoch()), seq };
                self.listener.push(Item::Resume { room: ROOM, at, id: None });
            }
            Act::History(count) => {
                self.listener.push(Item::Bytes(Bytes::from_static(b"{\"ev\":\"mark\"}\n")));
                self.listener.push(Item::History { room: ROOM, count: *count, id: None });
            }
        }
    }

    fn seal(&mut self) {
        if let Some(batch) = self.log.seal() {
            self.firsts.push(batch.first);
            self.view.push(batch);
        }
    }

    /// The store only hears of what is sealed.
    fn settle(&mut self, count: u64, lost: bool) {
        let end = self.view.position().seq + 1;
        let to = (self.store.settled + count).min(end);
        if lost {
            self.store.lost.extend(self.store.settled..to);
        }
        self.store.settled = to;
    }

    fn answer(&mut self, most: usize) {
        let Some(ask) = &self.asked else { return };
        if let Some(past) = self.store.answer(&self.life, ask, most) {
            self.asked = None;
            self.listener.answered(&One(&self.view), &past);
        }
    }

    fn write(&mut self, mut room: usize) {
        loop {
            match self.listener.next(&One(&self.view)) {
                Next::Idle | Next::Done => return,
                Next::Wait => {
                    assert!(self.asked.is_some(), "it waits for what was asked");
                    return;
                }
                Next::Ask(ROOM, ask) => {
                    assert!(self.asked.replace(ask).is_none(), "one thing at a time");
                    return;
                }
                Next::Ask(..) | Next::TooLong(_) | Next::Act(()) => unreachable!("none of these"),
                Next::Half => {
                    let n = self.listener.half().len().min(room);
                    self.wire.extend_from_slice(&self.listener.half()[..n]);
                    self.listener.half_written(n);
                    room -= n;
                }
                Next::Records(i) => {
                    let (mut n, mut any) = (0, false);
                    for run in self.listener.runs(i, &self.view) {
                        any = true;
                        let take = run.bytes.len().min(room - n);
                        self.wire.extend_from_slice(&run.bytes[..take]);
                        n += take;
                    }
                    if any {
                        self.listener.written(i, &self.view, n);
                        room -= n;
                    } else {
                        self.listener.nothing_ahead(i, &self.view);
                    }
                }
            }
            if room == 0 {
                return;
            }
        }
    }

    /// Everything is published, stored, asked and written.
    fn finish(&mut self) -> Vec<Value> {
        self.seal();
        self.settle(u64::MAX / 2, false);
        for _ in 0..2000 {
            self.write(usize::MAX);
            self.answer(3);
        }
        let lines = self.wire.split(|b| *b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }
}

/// The messages that events give, and those that they say are missing.
fn understood<'v>(events: impl IntoIterator<Item = &'v Value>) -> (Vec<u64>, BTreeSet<u64>) {
    let (mut got, mut missed) = (Vec::new(), BTreeSet::new());
    for event in events {
        let number = |key: &str| event[key].as_u64().expect("a number");
        match event["ev"].as_str() {
            Some("msg") => got.push(number("seq")),
            Some("gap") => {
                let last = got.last().copied().unwrap_or(0);
                assert!(number("from") > last, "a gap stands where it belongs");
                missed.extend(number("from")..=number("to"));
            }
            _ => {}
        }
    }
    (got, missed)
}

proptest! {
    #[test]
    fn who_is_slow_gets_all_from_the_store_or_is_told_what_it_lost(acts in acts()) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        let events = world.finish();
        let (got, missed) = understood(&events);
        prop_assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "in order, once: {:?}", got);
        for &(seq, who) in world.store.said.iter().filter(|(seq, _)| *seq >= FIRST) {
            let has = got.contains(&seq);
            if missed.contains(&seq) {
                prop_assert!(!has && !world.store.has(seq), "{} is missing", seq);
            } else {
                prop_assert_eq!(has, who != READER, "message {}", seq);
            }
        }
    }

    #[test]
    fn who_comes_back_has_no_hole_and_no_repeat(
        before in acts(),
        back in 0..40u64,
        after in acts(),
    ) {
        let mut world = World::new();
        for act in &before {
            world.act(act);
        }
        let from = world.log.next_seq().saturating_sub(back).max(1);
        world.act(&Act::Resume(back));
        for act in &after {
            world.act(act);
        }
        let events = world.finish();
        let mark = events.iter().position(|e| e["ev"] == "mark").expect("it was reached");
        let live = events.iter().position(|e| e["ev"] == "live").expect("it was reached");
        let seam = events[live]["pos"].as_str().and_then(|p| p.split('@').nth(1));
        let seam: u64 = seam.and_then(|seq| seq.parse().ok()).expect("a position");
        let (got, missed) = understood(&events[mark..]);
        prop_assert!(got.windows(2).all(|pair| pair[0] < pair[1]), "in order, once: {:?}", got);
        for seq in from..world.log.next_seq() {
            let author = world.store.author(seq);
            if missed.contains(&seq) {
                prop_assert!(!got.contains(&seq) && !world.store.has(seq), "{} is missing", seq);
            } else {
                // Of what it asked for again its own is part, of what follows it isn't.
                let wanted = author != READER || seq <= seam;
                prop_assert_eq!(got.contains(&seq), wanted, "message {}, seam {}", seq, seam);
            }
        }
        prop_assert!(got.first().is_none_or(|first| *first >= from));
    }

    #[test]
    fn after_the_position_that_stands_behind_the_last_messages_comes_all_that_comes(
        acts in acts(),
        count in 1..30usize,
        meanwhile in acts(),
    ) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.act(&Act::History(count));
        for act in meanwhile.iter().filter(|act| !matches!(act, Act::Resume(_) | Act::History(_))) {
            world.act(act);
        }
        let events = world.finish();
        let end = events.iter().rposition(|e| e["ev"] == "history").expect("it was answered");
        let position = events[end]["pos"].as_str().expect("a position");
        let (_, had) = position.split_once('@').expect("EPOCH@SEQ");
        let had: u64 = had.parse().expect("a number");
        let (got, missed) = understood(&events[end..]);
        let first = got.into_iter().chain(missed).min();
        prop_assert!(first.is_none_or(|first| first > had), "{:?} after {}", first, had);
    }

    #[test]
    fn the_last_messages_are_as_many_as_there_are(acts in acts(), count in 1..30usize) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.act(&Act::History(count));
        let events = world.finish();
        let mark = events.iter().position(|e| e["ev"] == "mark").expect("it was reached");
        let end = events.iter().position(|e| e["ev"] == "history").expect("it was answered");
        let (got, _) = understood(&events[mark..end]);
        let told = events[end]["count"].as_u64().expect("a count");
        // What is pruned while it is given is told as a gap: here nothing is.
        prop_assert_eq!(got.len() as u64, told);
        prop_assert!(got.len() <= count);
        let kept = world.store.said.iter().filter(|(seq, _)| world.store.has(*seq)).count();
        prop_assert!(got.len() >= kept.min(count), "{} of {}", got.len(), kept);
    }
}
