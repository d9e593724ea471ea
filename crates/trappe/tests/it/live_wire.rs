//! `GET /tap`: what passes on the wire of members, told as it was (PROTOCOL §9).

use std::io::Write;
use std::thread;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::Peer;
use crate::watcher::Watcher;
use crate::web::{BINARY, PING, Socket, TEXT, frame};

fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("no {field}: {event}"))
}

/// The next message or refusal of the wire, in what a test says of one: all but its time and its number.
#[track_caller]
fn message(watcher: &mut Watcher) -> Value {
    let mut event = watcher.next_of("message");
    let fields = event.as_object_mut().expect("an event is an object");
    for field in ["ev", "ts", "sid"] {
        fields.remove(field);
    }
    event
}

/// A connection that speaks in reads of the test's choice: each is told before the next is written.
#[track_caller]
fn say_in_reads(watcher: &mut Watcher, peer: &mut Peer, reads: &[&[u8]]) {
    for (read, bytes) in (1..).zip(reads) {
        peer.send(bytes);
        if read < reads.len() {
            assert_eq!(number(&watcher.next_of("read"), "len"), bytes.len() as u64);
        }
    }
}

#[test]
fn a_message_is_told_with_its_reads_and_where_they_cut_it() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut watcher = Watcher::open(&hub, "/tap?member=alice");
    let open = watcher.event();
    assert_eq!(
        (&open["ev"], &open["name"], &open["sid"]),
        (&"open".into(), &"alice".into(), &1.into())
    );
    assert_eq!(open["address"], alice.address().to_string());
    assert_eq!((&open["transport"], &open["rooms"]), (&"tcp".into(), &json!(["lobby"])));
    let at = number(&open, "at");
    say_in_reads(
        &mut watcher,
        &mut alice,
        &[b"bon", b"jour \xc3", b"\xa0 tous\nsuite\r\nfin", b"\n"],
    );
    assert_eq!(
        message(&mut watcher),
        json!({"at": at, "len": 16, "end": "newline", "size": 15, "cuts": [3, 9], "decoding": "utf-8", "text": "bonjour à tous"})
    );
    assert_eq!(
        message(&mut watcher),
        json!({"at": at + 16, "len": 7, "end": "newline", "size": 5, "decoding": "utf-8", "text": "suite"})
    );
    // Its newline came in a read of its own: that cuts no body.
    assert_eq!(
        message(&mut watcher),
        json!({"at": at + 23, "len": 4, "end": "newline", "size": 3, "decoding": "utf-8", "text": "fin"})
    );
}

#[test]
fn each_way_to_end_a_message_is_told_by_its_word() {
    let hub = Hub::start(&["--quiet"]);
    let mut watcher = Watcher::open(&hub, "/tap");
    let told = |watcher: &mut Watcher| {
        let event = message(watcher);
        let word = event["end"].as_str().expect("it isn't refused").to_owned();
        (word, number(&event, "len"), number(&event, "size"), event["text"].clone())
    };
    let expected = |end: &str, len, size, text: &str| (end.to_owned(), len, size, text.into());

    let mut peer = hub.connect();
    peer.send("sans fin");
    assert_eq!(told(&mut watcher), expected("pause", 8, 8, "sans fin"));
    peer.send("avec\nreste");
    assert_eq!(told(&mut watcher), expected("newline", 5, 4, "avec"));
    peer.finish();
    assert_eq!(told(&mut watcher), expected("eof", 5, 5, "reste"));
    watcher.next_of("close");
    drop(peer);

    for (framing, bytes, end, len) in [
        ("chunk", &b"un\ndeux"[..], "read", 7),
        ("len32", b"\0\0\0\x07un\ndeux", "length", 11),
        ("nul", b"un\ndeux\0", "nul", 8),
    ] {
        let mut peer = hub.member();
        peer.say(&format!("/framing {framing}"));
        watcher.until(|event| event["text"] == format!("/framing {framing}"));
        peer.send(bytes);
        assert_eq!(told(&mut watcher), expected(end, len, 7, "un\ndeux"), "{framing}");
        drop(peer);
        watcher.next_of("close");
    }

    let mut socket = Socket::open(&hub, "/ws?room=lobby", "raw");
    socket.say("une trame");
    assert_eq!(told(&mut watcher), expected("text", 15, 9, "une trame"));
    socket.send(BINARY, "octets");
    assert_eq!(told(&mut watcher), expected("binary", 12, 6, "octets"));
}

#[test]
fn the_offsets_lie_end_to_end_whatever_comes() {
    let hub = Hub::start(&["--quiet", "--max-message", "1KiB"]);
    let mut alice = hub.named("alice");
    let mut watcher = Watcher::open(&hub, "/tap?member=alice");
    let begun = number(&watcher.event(), "at");
    let (mut read, mut taken, mut whole) = (begun, begun, begun);
    let long = [&vec![b'x'; 3000][..], b"\n"].concat();
    let telnet = b"\xff\xfb\x01d\n";
    let pieces: [&[u8]; 9] =
        [b"a", b"\n", b"\r\n\r\nb\n\nc", telnet, &long, b"e\r", b"\n", b"\n\n\n", b"fin\n"];
    let mut is_over = false;
    for piece in pieces {
        alice.send(piece);
        whole += piece.len() as u64;
        // What isn't ended yet is only read; empty lines, which are no messages, count to the message after them.
        while read < whole || (piece == b"fin\n" && !is_over) {
            let event = watcher.event();
            match event["ev"].as_str() {
                Some("read") => {
                    assert_eq!(number(&event, "at"), read, "{event}");
                    read += number(&event, "len");
                }
                Some("message") => {
                    assert_eq!(number(&event, "at"), taken, "{event}");
                    taken += number(&event, "len");
                    is_over = event["text"] == "fin";
                }
                _ => {}
            }
        }
    }
    assert_eq!((read, taken), (whole, whole));
}

#[test]
fn the_offsets_of_frames_lie_end_to_end() {
    let hub = Hub::start(&["--quiet"]);
    let mut socket = Socket::member(&hub, "/ws?room=lobby", "raw");
    let mut watcher = Watcher::open(&hub, "/tap?member=client-1");
    let mut at = number(&watcher.event(), "at");
    let frames = [
        frame(TEXT, "court"),
        // In two frames, with a ping between them, and cut in the middle of a header.
        [frame(0x01, "en deux "), frame(PING, "x"), frame(0x80, "trames")].concat(),
        frame(BINARY, vec![b'y'; 300]),
        frame(TEXT, ""),
        frame(TEXT, "fin"),
    ];
    let mut sizes = [5, 14, 300, 0, 3].into_iter();
    for bytes in frames {
        let (begin, end) = bytes.split_at(3);
        socket.peer.send(begin);
        watcher.next_of("read");
        socket.peer.send(end);
        let event = watcher.next_of("message");
        assert_eq!(
            (number(&event, "at"), number(&event, "len")),
            (at, bytes.len() as u64),
            "{event}"
        );
        assert_eq!(Some(number(&event, "size")), sizes.next(), "{event}");
        at += bytes.len() as u64;
    }
}

#[test]
fn what_a_body_is_written_in_is_told_and_of_a_long_one_the_beginning() {
    let hub = Hub::start(&["--quiet", "--max-message", "10KiB"]);
    let mut alice = hub.named("alice");
    let (mut watcher, _) = Watcher::of(&hub, "/tap?member=alice", 1);
    for (line, decoding, body) in [
        (&b"caf\xc3\xa9"[..], "utf-8", json!({"text": "café"})),
        (b"caf\xe9 au lait", "latin-1", json!({"b64": "Y2Fm6SBhdSBsYWl0"})),
        (b"\x80 99,90 le plat", "windows-1252", json!({"b64": "gCA5OSw5MCBsZSBwbGF0"})),
        (
            "été à la me\u{301}r".as_bytes().split_at(15).0,
            "damaged",
            json!({"b64": "w6l0w6kgw6AgbGEgbWXM"}),
        ),
        (b"\x00\xff\x01", "binary", json!({"b64": "AP8B"})),
        (b"\x1b[2J\x9b", "latin-1", Value::Null),
    ] {
        alice.send([line, b"\n"].concat());
        let event = message(&mut watcher);
        assert_eq!(event["size"], line.len(), "{event}");
        for field in ["text", "b64"] {
            assert!(body.is_null() || event.get(field) == body.get(field), "{event}");
        }
        assert!(body.is_null() || event["decoding"] == decoding, "{event}");
        assert_eq!(event.get("shortened"), None, "{event}");
    }
    // No character of it is cut: 4096 would lie within the last é.
    let long = format!("x{}", "é".repeat(4000));
    alice.say(&long);
    let event = message(&mut watcher);
    assert_eq!((&event["size"], &event["shortened"]), (&8001.into(), &true.into()), "{event}");
    assert_eq!(event["text"], long[..4095]);
    alice.say(&"x".repeat(4096));
    assert_eq!(message(&mut watcher).get("shortened"), None);
    alice.say(&"x".repeat(20_000));
    let event = message(&mut watcher);
    assert_eq!((&event["refused"], &event["len"]), (&"too-long".into(), &20_001.into()), "{event}");
    assert_eq!((event.get("text"), event.get("end")), (None, None), "{event}");
}

#[test]
fn what_is_written_is_told_with_the_numbers_of_its_messages() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut bob = hub.named("bob");
    let mut watcher = Watcher::open(&hub, "/tap?member=bob");
    watcher.next_of("open");
    for seq in 1..=3 {
        alice.say("bonjour");
        let event = watcher.event();
        assert_eq!((&event["ev"], &event["room"]), (&"write".into(), &"lobby".into()), "{event}");
        assert_eq!((&event["from"], &event["to"]), (&seq.into(), &seq.into()), "{event}");
        assert_eq!(event["len"], bob.line().len() + 1, "{event}");
    }
    // An answer is no message of a room; nor is what comes in private.
    let answer = bob.ask("/who").iter().map(|line| line.len() + 1).sum::<usize>();
    let pong = watcher.through(|event| event["ev"] == "write");
    assert!(number(&pong[pong.len() - 1], "len") >= answer as u64, "{pong:?}");
    assert_eq!(pong[pong.len() - 1].get("room"), None, "{pong:?}");
    alice.say("/msg bob en privé");
    let private = bob.line();
    let event = watcher.until(|event| event["ev"] == "write" && event["len"] == private.len() + 1);
    assert_eq!(event.get("room"), None, "{event}");
    // To whom it was said it wasn't written.
    bob.say("à moi");
    alice.line();
    alice.say("fin");
    let passed = watcher.through(|event| event["to"] == 5);
    assert_eq!(passed.iter().filter(|event| event["ev"] == "write").count(), 1, "{passed:#?}");
}

#[test]
fn who_enters_a_watched_room_is_seen_until_it_leaves() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.ask("/join jardin");
    let mut watcher = Watcher::open(&hub, "/tap?room=jardin");
    let open = watcher.next_of("open");
    assert_eq!((&open["name"], &open["rooms"]), (&"alice".into(), &json!(["jardin"])), "{open}");
    bob.say("dans le lobby");
    bob.ask("/join jardin");
    let open = watcher.event();
    assert_eq!((&open["ev"], &open["name"]), (&"open".into(), &"bob".into()), "{open}");
    assert_eq!(open["rooms"], json!(["jardin"]), "{open}");
    bob.say("dans le jardin");
    watcher.until(|event| event["sid"] == 2 && event["text"] == "dans le jardin");
    // It is told anew what it is called.
    bob.ask("/nick robert");
    watcher.until(|event| event["ev"] == "open" && event["name"] == "robert");
    bob.ask("/leave");
    bob.ask("de retour");
    alice.say("fin");
    let passed = watcher.through(|event| event["text"] == "fin");
    let after = passed.iter().filter(|event| event["text"] == "de retour").count();
    assert_eq!(after, 0, "{passed:#?}");
    drop(bob);
    drop(alice);
    let passed = watcher.through(|event| event["ev"] == "close" && event["sid"] == 1);
    assert!(passed.iter().all(|event| event["sid"] == 1), "{passed:#?}");
    // The room is none any more; who comes into one of its name is another matter, and the stream has no end.
    let mut carol = hub.named("carol");
    carol.ask("/join jardin");
}

#[test]
fn with_the_one_member_its_stream_ends() {
    let hub = Hub::start(&["--quiet"]);
    for leave in ["/quit", "", "reset"] {
        let mut alice = hub.named("alice");
        let (mut watcher, open) = Watcher::of(&hub, "/tap?member=alice", 1);
        let (mut everybody, _) = Watcher::of(&hub, "/tap", 1);
        let sid = &open[0]["sid"];
        match leave {
            "reset" => alice.reset(),
            "" => alice.finish(),
            quit => alice.say(quit),
        }
        let rest = watcher.rest();
        assert_eq!(rest.last().map(|event| &event["ev"]), Some(&"close".into()), "{rest:#?}");
        everybody.until(|event| event["ev"] == "close" && event["sid"] == *sid);
    }
}

#[test]
fn a_session_that_is_taken_over_stays_watched() {
    for via in [Via::Lines, Via::WebSocket] {
        let hub = Hub::start(&["--quiet"]);
        let mut first = JsonPeer::named(&hub, via, "alice");
        let session = first.session().to_owned();
        let mut watcher = Watcher::open(&hub, "/tap?member=alice");
        watcher.next_of("open");
        first.ask(&json!({"op": "send", "text": "avant"}));
        watcher.until(|event| {
            event["ev"] == "message"
                && event["text"].as_str().is_some_and(|it| it.contains("avant"))
        });
        let mut second = crate::sessions::newcomer(&hub, via);
        crate::sessions::takes_over(&mut second, &session, &json!([{"room": "lobby"}]));
        first.rest();
        second.ask(&json!({"op": "send", "text": "après"}));
        let passed =
            watcher.through(|event| event["text"].as_str().is_some_and(|it| it.contains("après")));
        assert!(passed.iter().all(|event| event["sid"] == 1), "{passed:#?}");
        assert!(passed.iter().all(|event| event["ev"] != "close"), "{passed:#?}");
        assert!(!watcher.heard.contains(&session), "{}", watcher.heard);
        crate::sessions::lose(second);
    }
}

/// Gaps of which each one that goes on with the one before is one with it.
fn joined(gaps: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for &(from, to) in gaps {
        match joined.last_mut() {
            Some((_, last)) if *last + 1 == from => *last = to,
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[test]
fn a_slow_member_is_seen_blocked_and_with_its_gaps_as_it_is_told_them() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let mut watcher = Watcher::open(&hub, "/tap?member=client-3");
    watcher.next_of("open");
    let padding = "x".repeat(1000);
    for first in (0..8000).step_by(50) {
        alice.send(lines(first..first + 50, &padding));
        for _ in 0..50 {
            healthy.line();
        }
    }
    // Now it reads, and hears of the same gaps, in the same order.
    alice.say("fin");
    let mut told = Vec::new();
    loop {
        let line = slow.line();
        if let Some(gap) = line.strip_prefix("* gap ") {
            let numbers = gap.split(' ').next().expect("FROM..TO");
            let (from, to) = numbers.split_once("..").expect("FROM..TO");
            told.push([from, to].map(|it| it.parse::<u64>().expect("a number")).into());
        } else if line == "<alice> fin" {
            break;
        }
    }
    assert!(!told.is_empty(), "it was never slow");
    let (mut seen, mut to, mut is_blocked) = (Vec::new(), 0, false);
    while to < 8001 {
        let event = watcher.event();
        is_blocked |= event["ev"] == "write" && event["blocked"] == true;
        if event["ev"] == "gap" {
            assert_eq!((&event["room"], &event["cause"]), (&"lobby".into(), &"slow".into()));
            seen.push((number(&event, "from"), number(&event, "to")));
        }
        if event["room"].is_string() {
            // Each number once, whether written or missed.
            assert_eq!(number(&event, "from"), to + 1, "{event}");
            to = number(&event, "to");
        }
    }
    // It is told them together, once it can be told anything; they are seen one by one, when they come to be.
    assert_eq!(joined(&seen), told);
    assert!(is_blocked, "it was never blocked");
}

#[test]
fn a_watcher_that_does_not_read_loses_events_is_told_and_delays_nobody() {
    const LINES: u32 = 20_000;
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    let mut watcher = Watcher::over(Peer::narrow(hub.port()), "/tap");
    for _ in 0..2 {
        watcher.next_of("open");
    }
    let padding = "x".repeat(200);
    for first in (0..LINES).step_by(100) {
        alice.send(lines(first..first + 100, &padding));
        for n in first..first + 100 {
            assert!(bob.line().starts_with(&format!("<alice> {n} ")), "{n}");
        }
    }
    // Those that it wasn't told are counted where they are missing; what comes after that is told again.
    let (mut heard, mut lost) = (0, 0);
    while lost == 0 {
        let event = watcher.event();
        match event["ev"].as_str() {
            Some("lost") => lost += number(&event, "count"),
            Some("message") => heard += 1,
            _ => {}
        }
    }
    assert!(heard < LINES, "it lost nothing");
    alice.say("fin");
    watcher.until(|event| event["text"] == "fin");
}

#[test]
fn nothing_changes_for_who_is_watched() {
    let script = |hub: &Hub| {
        let (mut alice, mut witness) = (hub.named("alice"), hub.connect());
        witness.say("/quiet on\n/format raw\n/ping prêt");
        witness.until(|line| line == "* pong prêt");
        let mut writer = alice.writer();
        thread::scope(|scope| {
            scope.spawn(move || {
                for n in 0..2000 {
                    let line = format!("mot {n} \u{e9}{}\r\n", "z".repeat(n % 700));
                    let (begin, end) = line.as_bytes().split_at(n % line.len());
                    writer.write_all(begin).expect("the hub reads");
                    writer.write_all(end).expect("the hub reads");
                }
                writer.write_all(b"fin\n").expect("the hub reads");
            });
            let heard = witness.through(b"fin\n");
            (heard, alice.ask(""))
        })
    };
    let unwatched = script(&Hub::start(&["--quiet"]));
    let hub = Hub::start(&["--quiet"]);
    let mut watchers: Vec<Watcher> = (0..4).map(|_| Watcher::open(&hub, "/tap")).collect();
    let watched = script(&hub);
    assert!(unwatched == watched, "watched, it says something else");
    for watcher in &mut watchers {
        watcher.next_of("message");
    }
}

/// A line for each number, all ended alike.
fn lines(numbers: std::ops::Range<u32>, padding: &str) -> String {
    numbers.fold(String::new(), |all, n| all + &format!("{n} {padding}\n"))
}
