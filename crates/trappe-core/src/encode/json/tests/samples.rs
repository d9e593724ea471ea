//! An event of each kind, with and without what may be absent, and the line that is written for it.

use proptest::prelude::*;

use crate::{
    command::Epoch,
    event::{Event, Said, Standing},
    message::{Author, Position},
    name::Name,
};

/// 23 November 2026, 9:41:07.120 UTC.
pub(super) const MORNING_US: u64 = 1_795_426_867_120_000;

/// The room and the text in the lines of [`for_each`].
pub(super) const ROOM: &str = "lobby";
pub(super) const TEXT: &str = "bonjour";

pub(super) fn alice() -> Author {
    Author { number: 3, name: Some(Name::parse("alice").expect("a name")) }
}

/// A position in a life of the room whose digits are all `a`.
fn at(seq: u64) -> Position {
    Position { epoch: Epoch::from_random(0), seq }
}

/// Calls `check` with each sample and its line; where the lines say [`ROOM`] and [`TEXT`], the events have `room` and
/// `text`.
#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn for_each(room: &str, text: &str, mut check: impl FnMut(Event<'_>, &str)) {
    let (alice, numbered) = (&alice(), &Author { number: 7, name: None });
    let http = &Author { number: 0, name: Some(Name::parse("bob").expect("a name")) };
    let body = text.as_bytes();
    let (time_us, id) = (MORNING_US, None);
    let said = Said { room, seq: 1043, from: alice, time_us, id, body, old: false, own: false };
    let error = |at, field, room: Option<_>| Event::Error {
        code: "bad-field",
        text,
        op: room.map(|_| "history"),
        id: room.map(|_| 13),
        at,
        field,
        room,
    };
    let ack = |room, seq, op, count, id| Event::Ack { room, seq, op, count, id };
    let gap = |from, to, cause, oldest| Event::Gap { room, from, to, cause, oldest, id };
    let hello = |name, resumed, rooms, id| Event::Hello {
        session: text,
        sid: alice.number,
        name,
        resumed,
        rooms,
        id,
    };
    let state = |key, version, from, body, id| Event::State {
        room,
        seq: 8,
        key,
        version,
        from,
        time_us,
        body,
        id,
    };
    let udp = |key, seconds, address, id| Event::Udp { key, seconds, address, id };
    let why = |rooms| Event::Why {
        name: "alice",
        sid: 3,
        transport: "ws",
        address: text,
        since_s: 61,
        rooms,
        missed: 37,
        refused: 0,
        watched: 1,
        id: Some(9),
    };
    let places = &[(room, at(1043)), ("jardin", at(0))];
    let rooms =
        &[(Name::parse("jardin").expect("a name"), 2), (Name::parse("bureau").expect("a name"), 0)];
    for (event, line) in [
        (
            hello("alice", true, places, Some(1)),
            r#"{"ev":"hello","session":"bonjour","sid":3,"name":"alice","resumed":true,"rooms":[{"room":"lobby","pos":"aaaaaaaaaa@1043"},{"room":"jardin","pos":"aaaaaaaaaa@0"}],"id":1}"#,
        ),
        (
            hello("client-3", false, &[], None),
            r#"{"ev":"hello","session":"bonjour","sid":3,"name":"client-3","rooms":[]}"#,
        ),
        (
            Event::Msg(said),
            r#"{"ev":"msg","room":"lobby","seq":1043,"from":"alice","sid":3,"ts":"2026-11-23T09:41:07.120Z","text":"bonjour"}"#,
        ),
        (
            Event::Msg(Said { from: numbered, id: Some(12), old: true, own: true, ..said }),
            r#"{"ev":"msg","room":"lobby","seq":1043,"from":"client-7","sid":7,"ts":"2026-11-23T09:41:07.120Z","text":"bonjour","id":12,"old":true,"own":true}"#,
        ),
        (
            Event::Msg(Said { from: http, body: b"caf\xe9", ..said }),
            r#"{"ev":"msg","room":"lobby","seq":1043,"from":"bob","ts":"2026-11-23T09:41:07.120Z","b64":"Y2Fm6Q=="}"#,
        ),
        (
            Event::Direct { from: alice, time_us, body },
            r#"{"ev":"direct","from":"alice","sid":3,"ts":"2026-11-23T09:41:07.120Z","text":"bonjour"}"#,
        ),
        (
            ack(Some(room), Some(1043), None, None, Some(12)),
            r#"{"ev":"ack","room":"lobby","seq":1043,"id":12}"#,
        ),
        (ack(None, None, Some("nick"), None, None), r#"{"ev":"ack","op":"nick"}"#),
        (
            ack(None, None, Some("get"), Some(3), Some(14)),
            r#"{"ev":"ack","op":"get","count":3,"id":14}"#,
        ),
        (ack(None, None, Some("get"), Some(0), None), r#"{"ev":"ack","op":"get","count":0}"#),
        (
            error(Some(24), Some("n"), Some(room)),
            r#"{"ev":"error","code":"bad-field","text":"bonjour","room":"lobby","op":"history","field":"n","at":24,"id":13}"#,
        ),
        (error(None, None, None), r#"{"ev":"error","code":"bad-field","text":"bonjour"}"#),
        (
            gap(Some(1043), Some(1079), "slow", None),
            r#"{"ev":"gap","room":"lobby","from":1043,"to":1079,"cause":"slow"}"#,
        ),
        (
            gap(None, None, "epoch", Some(at(7))),
            r#"{"ev":"gap","room":"lobby","cause":"epoch","oldest":"aaaaaaaaaa@7"}"#,
        ),
        (
            gap(Some(7), Some(7), "mtu", None),
            r#"{"ev":"gap","room":"lobby","from":7,"to":7,"cause":"mtu"}"#,
        ),
        (
            gap(Some(1044), Some(10_000), "unused", None),
            r#"{"ev":"gap","room":"lobby","from":1044,"to":10000,"cause":"unused"}"#,
        ),
        (
            gap(Some(8), Some(9), "not-stored", None),
            r#"{"ev":"gap","room":"lobby","from":8,"to":9,"cause":"not-stored"}"#,
        ),
        (
            gap(Some(8), Some(8), "damaged", None),
            r#"{"ev":"gap","room":"lobby","from":8,"to":8,"cause":"damaged"}"#,
        ),
        (
            Event::Join { room, from: numbered, own: None, id },
            r#"{"ev":"join","room":"lobby","from":"client-7","sid":7}"#,
        ),
        (
            Event::Join { room, from: alice, own: Some((at(1043), 5)), id: Some(2) },
            r#"{"ev":"join","room":"lobby","from":"alice","sid":3,"pos":"aaaaaaaaaa@1043","members":5,"id":2,"own":true}"#,
        ),
        (
            Event::Leave { room, from: alice, text: Some(text), own: false, id },
            r#"{"ev":"leave","room":"lobby","from":"alice","sid":3,"text":"bonjour"}"#,
        ),
        (
            Event::Leave { room, from: alice, text: None, own: true, id: Some(3) },
            r#"{"ev":"leave","room":"lobby","from":"alice","sid":3,"id":3,"own":true}"#,
        ),
        (
            Event::Nick { room: Some(room), from: numbered, name: "bob", own: false, id },
            r#"{"ev":"nick","room":"lobby","from":"client-7","sid":7,"name":"bob"}"#,
        ),
        (
            Event::Nick { room: None, from: alice, name: "bob", own: true, id: Some(4) },
            r#"{"ev":"nick","from":"alice","sid":3,"name":"bob","id":4,"own":true}"#,
        ),
        (
            Event::Who { room, count: 2, members: &[alice.clone(), numbered.clone()], id: Some(5) },
            r#"{"ev":"who","room":"lobby","count":2,"members":[{"name":"alice","sid":3},{"name":"client-7","sid":7}],"id":5}"#,
        ),
        (
            Event::Rooms { count: 2, rooms, id: Some(6) },
            r#"{"ev":"rooms","count":2,"rooms":[{"room":"jardin","members":2},{"room":"bureau","members":0}],"id":6}"#,
        ),
        (
            Event::History { room, count: 10, position: at(1043), id: Some(7) },
            r#"{"ev":"history","room":"lobby","count":10,"pos":"aaaaaaaaaa@1043","id":7}"#,
        ),
        (
            Event::Search {
                room,
                words: text,
                count: 20,
                more: true,
                position: at(1043),
                id: Some(16),
            },
            r#"{"ev":"search","room":"lobby","words":"bonjour","count":20,"more":true,"pos":"aaaaaaaaaa@1043","id":16}"#,
        ),
        (
            Event::Search { room, words: text, count: 0, more: false, position: at(0), id },
            r#"{"ev":"search","room":"lobby","words":"bonjour","count":0,"pos":"aaaaaaaaaa@0"}"#,
        ),
        (
            Event::Live { room, position: at(1043), id },
            r#"{"ev":"live","room":"lobby","pos":"aaaaaaaaaa@1043"}"#,
        ),
        (
            state("étage/2:porte", Some(u32::MAX), alice, body, Some(11)),
            r#"{"ev":"state","room":"lobby","seq":8,"key":"étage/2:porte","v":4294967295,"from":"alice","sid":3,"ts":"2026-11-23T09:41:07.120Z","text":"bonjour","id":11}"#,
        ),
        (
            state("a", Some(0), http, b"caf\xe9", None),
            r#"{"ev":"state","room":"lobby","seq":8,"key":"a","v":0,"from":"bob","ts":"2026-11-23T09:41:07.120Z","b64":"Y2Fm6Q=="}"#,
        ),
        (
            state("a", None, numbered, b"", None),
            r#"{"ev":"state","room":"lobby","seq":8,"key":"a","from":"client-7","sid":7,"ts":"2026-11-23T09:41:07.120Z","text":""}"#,
        ),
        (
            udp(Some("abcdefghijklmnopqrstuvwxyz"), Some(60), None, Some(15)),
            r#"{"ev":"udp","key":"abcdefghijklmnopqrstuvwxyz","seconds":60,"id":15}"#,
        ),
        (udp(None, None, Some("[::1]:40000"), None), r#"{"ev":"udp","address":"[::1]:40000"}"#),
        (Event::Pong { text, id: Some(8) }, r#"{"ev":"pong","text":"bonjour","id":8}"#),
        (
            why(&[Standing { room, position: at(1040), lag: 3 }]),
            r#"{"ev":"why","name":"alice","sid":3,"transport":"ws","address":"bonjour","since_s":61,"rooms":[{"room":"lobby","pos":"aaaaaaaaaa@1040","lag":3}],"missed":37,"refused":0,"watched":1,"id":9}"#,
        ),
        (Event::Notice { text, id }, r#"{"ev":"notice","text":"bonjour"}"#),
        (
            Event::Bye { reason: "quit", text: Some(text), rooms: places, id: Some(10) },
            r#"{"ev":"bye","reason":"quit","text":"bonjour","rooms":[{"room":"lobby","pos":"aaaaaaaaaa@1043"},{"room":"jardin","pos":"aaaaaaaaaa@0"}],"id":10}"#,
        ),
        (
            Event::Bye { reason: "superseded", text: None, rooms: &[], id },
            r#"{"ev":"bye","reason":"superseded","rooms":[]}"#,
        ),
        (
            Event::Bye { reason: "silent", text: Some(text), rooms: &places[..1], id },
            r#"{"ev":"bye","reason":"silent","text":"bonjour","rooms":[{"room":"lobby","pos":"aaaaaaaaaa@1043"}]}"#,
        ),
    ] {
        check(event, line);
    }
}

/// The kind of an event, below [`KINDS`]. A new kind doesn't compile until it is here, and then asks for a sample.
pub(super) fn kind(event: &Event<'_>) -> usize {
    match event {
        Event::Hello { .. } => 0,
        Event::Msg(_) => 1,
        Event::Direct { .. } => 2,
        Event::Ack { .. } => 3,
        Event::Error { .. } => 4,
        Event::Gap { .. } => 5,
        Event::Join { .. } => 6,
        Event::Leave { .. } => 7,
        Event::Nick { .. } => 8,
        Event::Who { .. } => 9,
        Event::Rooms { .. } => 10,
        Event::History { .. } => 11,
        Event::Live { .. } => 12,
        Event::State { .. } => 13,
        Event::Udp { .. } => 14,
        Event::Pong { .. } => 15,
        Event::Why { .. } => 16,
        Event::Notice { .. } => 17,
        Event::Bye { .. } => 18,
        Event::Search { .. } => 19,
    }
}

/// How many kinds there are.
pub(super) const KINDS: usize = 20;

pub(super) fn an_author() -> impl Strategy<Value = Author> {
    // Not every such text is a name: those that aren't make a numbered member.
    (0..1_u64 << 53, r"[\p{L}0-9_.-]{1,12}")
        .prop_map(|(number, name)| Author { number, name: Name::parse(&name).ok() })
}

pub(super) fn a_text() -> impl Strategy<Value = String> {
    r#"(\PC|[\x00-\x9f\u{2000}-\u{2070}\u{feff}\u{600}-\u{620}]|["\\\\]|[ -~]{0,50}){0,30}"#
}

pub(super) fn a_body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![a_text().prop_map(String::into_bytes), any::<Vec<u8>>()]
}
