//! A listener by UDP: whatever is due to it leaves as datagrams, each whole, none too long.

use std::sync::Arc;

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
    command::{At, Epoch, Format, Lang},
    encode::{Look, Wire, first_datagram},
    framing::Framing,
    limits::DATAGRAM_BYTES,
    message::{Author, Entry},
    name::Name,
};

/// The member whose listener is tried, and another; and their room.
const ME: u64 = 1;
const OTHER: u64 = 2;
const ROOM: u32 = 3;

struct Room {
    log: Log<()>,
    view: View,
}

impl Views for Room {
    fn view(&self, _: u32) -> Option<&View> {
        Some(&self.view)
    }

    fn state(&self, _: u32) -> Option<&StateView> {
        None
    }
}

impl Room {
    fn new() -> Room {
        let name = Name::parse("r").expect("a name");
        let life = Life::new(name, Epoch::from_random(7), Arc::default());
        let log = Log::new(life.clone(), Retain { messages: 999, bytes: 1 << 20 }, 8 << 20, 1);
        let view = View::new(life, log.kept(), log.sealed());
        Room { log, view }
    }

    fn say(&mut self, number: u64, body: &[u8]) {
        let author = Author { number, name: None };
        self.log.append(0, Entry::speech(author, None, body), 0);
        if let Some(batch) = self.log.seal() {
            self.view.push(batch);
        }
    }

    fn listener(&self, format: Format) -> Listener<()> {
        let look = Look {
            format,
            framing: Framing::Auto,
            wire: Wire::Datagram,
            lang: Lang::En,
            quiet: false,
        };
        let mut listener = Listener::new(look);
        listener.enter(ME, ROOM, &self.view, (self.view.end(), 1));
        listener
    }

    /// All that is due, as the datagrams that it leaves in.
    fn sent(&self, listener: &mut Listener<()>) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        loop {
            match listener.next(self) {
                Next::Half => {
                    let (datagram, taken) = first_datagram(listener.half());
                    sent.push(datagram.to_vec());
                    listener.half_written(taken);
                }
                Next::TooLong(i) => {
                    listener.too_long(i, &self.view);
                }
                Next::Ask(..) | Next::Wait => unreachable!("no store here"),
                Next::Records(i) => {
                    let look = listener.look();
                    let runs = listener.runs(i, &self.view);
                    let records: Vec<_> = runs.flat_map(|run| run.records(look)).collect();
                    if records.is_empty() {
                        listener.nothing_ahead(i, &self.view);
                    }
                    for (after, _, bytes) in records {
                        if bytes.len() > DATAGRAM_BYTES {
                            break;
                        }
                        sent.push(bytes.to_vec());
                        listener.reached(i, after);
                    }
                }
                Next::Act(()) => {}
                Next::Done | Next::Idle => return sent,
            }
        }
    }

    fn told(&self, listener: &mut Listener<()>) -> Vec<String> {
        let sent = self.sent(listener).into_iter();
        sent.map(|it| String::from_utf8(it).expect("all that is said here is UTF-8")).collect()
    }
}

#[test]
fn each_message_is_a_datagram_and_what_is_too_long_is_told_in_its_place() {
    let long = vec![b'x'; DATAGRAM_BYTES];
    for (format, un, gap, deux) in [
        (
            Format::Text,
            "<client-2> un\n",
            "* gap 2..2 (1 message, longer than a datagram of 1200 bytes)\n",
            "<client-2> de\n<client-2> ux\n",
        ),
        (Format::Raw, "un", "", "de\nux"),
    ] {
        let mut room = Room::new();
        let mut listener = room.listener(format);
        room.say(OTHER, b"un");
        room.say(OTHER, &[&long[..], b"x"].concat());
        room.say(ME, b"my own");
        listener.spoke(ROOM, room.view.end());
        room.say(OTHER, b"de\nux");
        let told: Vec<_> = [un, gap, deux].into_iter().filter(|it| !it.is_empty()).collect();
        assert_eq!(room.told(&mut listener), told);
    }
}

#[test]
fn the_longest_datagram_is_as_long_as_it_may_be() {
    let mut room = Room::new();
    let mut listener = room.listener(Format::Raw);
    room.say(OTHER, &[b'x'; DATAGRAM_BYTES]);
    assert_eq!(room.sent(&mut listener), [[b'x'; DATAGRAM_BYTES]]);
}

#[test]
fn a_gap_by_length_is_an_event_with_its_cause() {
    let mut room = Room::new();
    let mut listener = room.listener(Format::Json);
    room.say(OTHER, &[b'x'; DATAGRAM_BYTES]);
    let gap = "{\"ev\":\"gap\",\"room\":\"r\",\"from\":1,\"to\":1,\"cause\":\"mtu\"}\n";
    assert_eq!(room.told(&mut listener), [gap]);
}

#[test]
fn replies_of_several_lines_and_what_is_asked_for_again_leave_one_by_one() {
    let mut room = Room::new();
    let mut listener = room.listener(Format::Text);
    let look = listener.look();
    for n in 0..3 {
        room.say(OTHER, format!("n {n}").as_bytes());
    }
    assert_eq!(room.sent(&mut listener).len(), 3);
    let mut replies = Vec::new();
    look.notice(&mut replies, "one");
    look.error(&mut replies, "two", "three");
    listener.push(Item::Bytes(replies.into()));
    listener.push(Item::Resume { room: ROOM, at: At { epoch: None, seq: 1 }, id: None });
    let told = room.told(&mut listener);
    let expected = ["* one\n", "! two three\n", "<client-2> n 1\n", "<client-2> n 2\n", "* live\n"];
    assert_eq!(told, expected);
}

#[test]
fn a_reply_that_is_too_long_says_so_instead() {
    let room = Room::new();
    let mut listener = room.listener(Format::Text);
    let mut reply = Vec::new();
    listener.look().notice(&mut reply, &"x".repeat(DATAGRAM_BYTES));
    listener.push(Item::Bytes(reply.into()));
    let told = room.told(&mut listener);
    assert!(told.len() == 1 && told[0].starts_with("! mtu "), "{told:?}");
}

proptest! {
    #[test]
    fn nothing_is_too_long_or_lost_or_out_of_order(
        lengths in prop::collection::vec(prop_oneof![0..40_usize, 1100..1300_usize], 1..60),
        format in prop::sample::select(vec![Format::Text, Format::Json, Format::Raw]),
    ) {
        let mut room = Room::new();
        let mut listener = room.listener(format);
        for (n, len) in lengths.iter().enumerate() {
            room.say(OTHER, format!("{n:03}{}", "y".repeat(*len)).as_bytes());
        }
        let sent = room.told(&mut listener);
        prop_assert!(sent.iter().all(|it| it.len() <= DATAGRAM_BYTES && !it.is_empty()));
        // Each message once, in order, itself or told as missed; raw has no word for what it misses.
        let number = |it: &String| -> usize {
            let is_gap = it.starts_with("* gap") || it.contains("\"ev\":\"gap\"");
            let before = match (format, is_gap) {
                (Format::Text, true) => "gap ",
                (Format::Text, false) => "> ",
                (_, true) => "\"from\":",
                (Format::Json, false) => "\"text\":\"",
                _ => "",
            };
            let digits = it.split_once(before).map_or(&it[..], |(_, rest)| rest);
            let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
            let number: usize = digits[..end].parse().expect("a number");
            number - usize::from(is_gap)
        };
        let numbers: Vec<usize> = sent.iter().map(number).collect();
        let there = |n: &usize| format != Format::Raw || lengths[*n] + 3 <= DATAGRAM_BYTES;
        let expected: Vec<usize> = (0..lengths.len()).filter(there).collect();
        prop_assert_eq!(numbers, expected);
    }
}
