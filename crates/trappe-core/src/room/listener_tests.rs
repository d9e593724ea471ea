//! What a hostile review found in [`Listener`]: own notices, ends that overtook entries, a second farewell.

use bytes::Bytes;

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
    limits::BATCH_RECORDS,
    message::{Author, Entry, Kind},
    name::Name,
};

/// The member whose listener is tried, and another.
const ME: u64 = 1;
const OTHER: u64 = 2;
/// Two rooms.
const HERE: u32 = 3;
const THERE: u32 = 4;

struct Room {
    log: Log<()>,
    view: View,
}

impl Room {
    fn new(number: u64) -> Room {
        let name = Name::parse("r").expect("a name");
        let life = Life::new(name, Epoch::from_random(number), std::sync::Arc::default());
        let log = Log::new(life.clone(), Retain { messages: 9, bytes: 9000 }, 8 << 20, 1);
        let view = View::new(life, log.kept(), log.sealed());
        Room { log, view }
    }

    /// Appends, and gives the index after it.
    fn add(&mut self, number: u64, kind: Kind, body: &[u8]) -> u64 {
        let entry = Entry { author: Author { number, name: None }, kind, tag: None, body };
        let appended = self.log.append(0, entry, 0);
        if appended.index.is_multiple_of(BATCH_RECORDS as u64) {
            self.publish();
        }
        appended.index + 1
    }

    fn publish(&mut self) {
        if let Some(batch) = self.log.seal() {
            self.view.push(batch);
        }
    }
}

struct Rooms([Room; 2]);

impl Rooms {
    fn new() -> Rooms {
        Rooms([Room::new(1), Room::new(2)])
    }

    fn of(&mut self, room: u32) -> &mut Room {
        &mut self.0[usize::from(room == THERE)]
    }

    /// The member is to be in a room, from where it ends now.
    fn enter(&mut self, listener: &mut Listener<(u32, (u64, u64))>, room: u32) {
        let (at, _) = self.of(room).log.enter(0, ME);
        listener.push(Item::Act((room, at)));
    }

    /// Everything that is due, written as the pump does, and whether it is the end.
    fn write(&mut self, listener: &mut Listener<(u32, (u64, u64))>) -> (String, bool) {
        for room in &mut self.0 {
            room.publish();
        }
        let mut out = Vec::new();
        loop {
            match listener.next(self) {
                Next::Idle => return (told(out), false),
                Next::Done => return (told(out), true),
                Next::Act((room, at)) => {
                    listener.enter(ME, room, &self.of(room).view, at);
                }
                Next::TooLong(_) => unreachable!("no datagrams here"),
                Next::Ask(..) | Next::Wait => unreachable!("no store here"),
                Next::Half => {
                    out.extend_from_slice(listener.half());
                    listener.half_written(listener.half().len());
                }
                Next::Records(i) => {
                    let view = &self.of(listener.cursor(i).room()).view;
                    let bytes: Vec<u8> =
                        listener.runs(i, view).flat_map(|run| run.bytes.to_vec()).collect();
                    if bytes.is_empty() {
                        listener.nothing_ahead(i, view);
                    } else {
                        listener.written(i, view, bytes.len());
                    }
                    out.extend(bytes);
                }
            }
        }
    }
}

impl Views for Rooms {
    fn view(&self, room: u32) -> Option<&View> {
        Some(&self.0[usize::from(room == THERE)].view)
    }

    fn state(&self, _: u32) -> Option<&StateView> {
        None
    }
}

fn told(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("all that is said here is UTF-8")
}

fn look(format: Format, quiet: bool) -> Look {
    Look { format, framing: Framing::Auto, wire: Wire::Stream, lang: Lang::En, quiet }
}

#[test]
fn any_number_of_its_own_notices_is_passed_over_on_one_stack() {
    const NOTICES: u64 = 200_000;
    let mut rooms = Rooms::new();
    let mut listener = Listener::new(look(Format::Text, false));
    // With its echo it gets its own messages back, and without notices none of its own.
    listener.push(Item::Look(look(Format::Json, true), true));
    rooms.enter(&mut listener, HERE);
    assert_eq!(rooms.write(&mut listener), (String::new(), false));
    for _ in 0..NOTICES {
        rooms.of(HERE).add(ME, Kind::Joined, b"");
    }
    rooms.of(HERE).add(OTHER, Kind::Speech, b"bonjour");
    let until = rooms.of(HERE).add(ME, Kind::Speech, b"bonsoir");
    listener.spoke(HERE, until);
    let (said, _) = rooms.write(&mut listener);
    let said: Vec<&str> = said.lines().collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("bonjour") && !said[0].contains("own"), "{said:?}");
    assert!(said[1].contains("bonsoir") && said[1].ends_with(r#""own":true}"#), "{said:?}");
}

#[test]
fn an_end_holds_for_a_room_that_is_entered_after_it_was_told() {
    let mut rooms = Rooms::new();
    rooms.of(THERE).add(OTHER, Kind::Speech, b"before it came");
    let mut listener = Listener::new(look(Format::Text, true));
    rooms.enter(&mut listener, THERE);
    let end = rooms.of(THERE).add(OTHER, Kind::Speech, b"while it was there");
    listener.finish(&[(THERE, end)], Bytes::from_static(b"bye\n"));
    rooms.of(THERE).add(OTHER, Kind::Speech, b"after it had left");
    let expected = "<client-2> while it was there\nbye\n".to_owned();
    assert_eq!(rooms.write(&mut listener), (expected, true));
}

#[test]
fn an_end_that_names_no_room_is_an_end_of_all_of_them() {
    let mut rooms = Rooms::new();
    let mut listener = Listener::new(look(Format::Text, true));
    listener.finish(&[], Bytes::new());
    rooms.enter(&mut listener, HERE);
    rooms.enter(&mut listener, THERE);
    assert_eq!(rooms.write(&mut listener), (String::new(), true));
}

#[test]
fn only_the_first_farewell_is_said_wherever_the_second_comes() {
    for written in [0, 2, 4] {
        let mut rooms = Rooms::new();
        let mut listener = Listener::new(look(Format::Text, true));
        listener.finish(&[], Bytes::from_static(b"one\n"));
        if written > 0 {
            assert!(matches!(listener.next(&rooms), Next::Half));
            listener.half_written(written);
        }
        listener.finish(&[], Bytes::from_static(b"two\n"));
        let expected = "one\n"[written..].to_owned();
        assert_eq!(rooms.write(&mut listener), (expected, true), "{written} bytes before");
    }
}

#[test]
fn who_leaves_and_comes_back_any_number_of_times_does_not_hear_itself() {
    let mut rooms = Rooms::new();
    let mut listener = Listener::new(look(Format::Text, true));
    rooms.enter(&mut listener, HERE);
    rooms.write(&mut listener);
    for _ in 0..3 {
        rooms.enter(&mut listener, THERE);
        listener.exit(HERE);
        rooms.enter(&mut listener, HERE);
        // It speaks before any of that is carried out, and is told of others as ever.
        let until = rooms.of(HERE).add(ME, Kind::Speech, b"my own");
        listener.spoke(HERE, until);
        rooms.of(HERE).add(OTHER, Kind::Speech, b"another's");
        assert_eq!(rooms.write(&mut listener), ("<client-2> another's\n".to_owned(), false));
        listener.exit(THERE);
    }
}

#[test]
fn a_second_end_does_not_take_back_what_the_first_had_promised() {
    let mut rooms = Rooms::new();
    let mut listener = Listener::new(look(Format::Text, true));
    rooms.enter(&mut listener, THERE);
    let end = rooms.of(THERE).add(OTHER, Kind::Speech, b"while it was there");
    listener.finish(&[(THERE, end)], Bytes::from_static(b"bye\n"));
    rooms.of(THERE).add(OTHER, Kind::Speech, b"after it had left");
    // The server stops, before the member has entered the room: it isn't among those that it stands in.
    listener.finish(&[], Bytes::from_static(b"stopping\n"));
    let expected = "<client-2> while it was there\nbye\n".to_owned();
    assert_eq!(rooms.write(&mut listener), (expected, true));
}

#[test]
fn an_end_without_a_farewell_leaves_its_place_to_the_next_one() {
    let mut rooms = Rooms::new();
    let mut listener = Listener::new(look(Format::Text, true));
    // Its reader has found out that it is superseded before it was told so.
    listener.finish(&[], Bytes::new());
    listener.finish(&[], Bytes::from_static(b"superseded\n"));
    listener.finish(&[], Bytes::from_static(b"stopping\n"));
    assert_eq!(rooms.write(&mut listener), ("superseded\n".to_owned(), true));
}
