//! WebSocket members: what a message, a command, a ping and a mistake are to them (PROTOCOL §1, §3, §4, §8; RFC 6455).

use serde_json::json;

use crate::hub::Hub;
use crate::web::{
    BINARY, CLOSE, PING, PONG, Socket, TEXT, Witness, announced, close_payload, frame, get, post,
};

/// A frame of a message that goes on, and the frames that go on with one.
const TEXT_BEGINS: u8 = 0x01;
const BINARY_BEGINS: u8 = 0x02;
const GOES_ON: u8 = 0x00;
const ENDS: u8 = 0x80;

#[test]
fn each_subprotocol_writes_in_its_own_format() {
    let hub = Hub::start(&["--quiet"]);
    let mut text = Socket::member(&hub, "/ws", "text");
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut json = Socket::open(&hub, "/ws?room=lobby", "json");
    let hello = json.event();
    assert_eq!(hello["ev"], "hello", "{hello}");
    assert_eq!(hello["session"].as_str().map(str::len), Some(32), "128 bits: {hello}");
    let mut alice = hub.named("alice");
    alice.say("bonjour, ça va ?");
    assert_eq!(text.next(), (TEXT, "<alice> bonjour, ça va ?".as_bytes().to_vec()));
    assert_eq!(raw.next(), (TEXT, "bonjour, ça va ?".as_bytes().to_vec()));
    let said = json.event_of("msg");
    assert_eq!(said["from"], "alice", "{said}");
    assert_eq!(said["text"], "bonjour, ça va ?", "{said}");
    assert_eq!((&said["room"], &said["seq"]), (&json!("lobby"), &json!(1)), "{said}");
}

#[test]
fn one_message_is_one_message_whatever_it_holds() {
    let hub = Hub::start(&["--quiet"]);
    let mut sender = Socket::member(&hub, "/ws", "raw");
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut text = Socket::member(&hub, "/ws", "text");
    let full = vec![b'x'; 64 << 10];
    let bodies: [(u8, &[u8]); 12] = [
        (TEXT, b"a"),
        (TEXT, "été 😀".as_bytes()),
        (BINARY, "été 😀".as_bytes()),
        (BINARY, b"caf\xe9"),
        (BINARY, b"\0"),
        (TEXT, b"\x1b[31m"),
        (TEXT, b"deux\nlignes"),
        (TEXT, b"fin de ligne\n"),
        (TEXT, b"\r\n"),
        (BINARY, &full[..125]),
        (BINARY, &full[..65_535]),
        (TEXT, &full),
    ];
    // An empty one is nothing, as an empty line is.
    sender.send(TEXT, b"");
    sender.send(BINARY, b"");
    for (opcode, body) in bodies {
        sender.send(opcode, body);
        let kind = if str::from_utf8(body).is_ok() { TEXT } else { BINARY };
        let shown = &body[..body.len().min(20)];
        assert!(raw.next() == (kind, body.to_vec()), "{}", shown.escape_ascii());
        let seen = text.text();
        assert!(seen.starts_with("<client-1> "), "{seen}");
        if body == b"deux\nlignes" {
            assert_eq!(seen, "<client-1> deux\n<client-1> lignes");
        }
        if body == b"\x1b[31m" {
            assert_eq!(seen, r"<client-1> \x1b[31m");
        }
    }
}

#[test]
fn commands_are_text_frames_and_never_binary_ones() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut socket = Socket::member(&hub, "/ws", "text");
    let answer = socket.ask("/nick carole");
    assert!(answer.iter().any(|line| line.contains("carole")), "{answer:?}");
    socket.send(BINARY, "/nick mallory");
    assert_eq!(witness.line(), "<carole> /nick mallory");
    socket.send(BINARY, "/quit");
    assert_eq!(witness.line(), "<carole> /quit");
    socket.say("//join x");
    assert_eq!(witness.line(), "<carole> /join x");
    let answer = socket.ask("/mgs bob secret");
    assert!(answer[0].starts_with("! unknown-command "), "{answer:?}");
    // Only as a whole is a message a command: this one has two lines.
    socket.say("/ping\n/ping");
    assert_eq!(witness.line(), "<carole> /ping");
    assert_eq!(witness.line(), "<carole> /ping");
    assert!(socket.ask("").is_empty());
}

#[test]
fn a_message_in_fragments_is_one_message_and_a_ping_between_them_is_answered() {
    let hub = Hub::start(&["--quiet"]);
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut socket = Socket::member(&hub, "/ws", "raw");
    // A character is cut by a fragment's end, and a fragment is empty.
    socket.send(TEXT_BEGINS, b"\xc3");
    socket.send(PING, "es-tu là ?");
    assert_eq!(socket.next(), (PONG, "es-tu là ?".as_bytes().to_vec()));
    socket.send(PONG, "jamais demandé");
    socket.send(GOES_ON, b"");
    socket.send(PING, b"");
    assert_eq!(socket.next(), (PONG, Vec::new()));
    socket.send(ENDS, b"\xa9t\xc3\xa9");
    assert_eq!(raw.next(), (TEXT, "été".as_bytes().to_vec()));
    // As long as a message may be, in many small pieces.
    socket.send(BINARY_BEGINS, vec![0xff; 1 << 10]);
    for _ in 0..62 {
        socket.send(GOES_ON, vec![0xff; 1 << 10]);
    }
    socket.send(ENDS, vec![0xff; 1 << 10]);
    assert!(raw.next() == (BINARY, vec![0xff; 64 << 10]), "64 KiB in fragments");
}

#[test]
fn bytes_that_come_with_the_request_or_one_by_one_are_not_lost() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let whole = frame(TEXT, "avec la demande");
    let cut = frame(TEXT, "en deux");
    let together = [&whole[..], &cut[..4]].concat();
    let mut socket = Socket::over(hub.connect(), "/ws", "text", &together);
    assert_eq!(witness.line(), "<client-2> avec la demande");
    socket.peer.send(&cut[4..]);
    assert_eq!(witness.line(), "<client-2> en deux");
    crate::web::drip(&socket.peer, &frame(TEXT, "goutte à goutte"));
    assert_eq!(witness.line(), "<client-2> goutte à goutte");
    // Also JSON, which waits a moment for its first op before it enters the lobby.
    let said = frame(TEXT, r#"{"op":"send","text":"sans attendre"}"#);
    let _json = Socket::over(hub.connect(), "/ws", "json", &said);
    assert_eq!(witness.line(), "<client-3> sans attendre");
}

#[test]
fn who_breaks_the_protocol_is_closed_with_the_code_that_says_how() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let mut unmasked = frame(TEXT, "");
    unmasked[1] = 3;
    unmasked.truncate(2);
    unmasked.extend(b"abc");
    let two = |first: Vec<u8>, second: Vec<u8>| [first, second].concat();
    let long = vec![b'x'; (64 << 10) + 1];
    let table: [(&str, Vec<u8>, u16); 22] = [
        ("not masked", unmasked, 1002),
        ("RSV1", frame(0xc1, "abc"), 1002),
        ("RSV2", frame(0xa1, "abc"), 1002),
        ("RSV3", frame(0x91, "abc"), 1002),
        ("opcode 3", frame(0x83, "abc"), 1002),
        ("opcode 11", frame(0x8b, "abc"), 1002),
        ("a ping in fragments", frame(0x09, "abc"), 1002),
        ("a ping of 126 bytes", frame(PING, [b'x'; 126]), 1002),
        ("nothing to go on with", frame(ENDS, "abc"), 1002),
        ("a message in a message", two(frame(TEXT_BEGINS, "a"), frame(TEXT, "b")), 1002),
        ("half a code", frame(CLOSE, [3]), 1002),
        ("a code that is never sent", frame(CLOSE, close_payload(1005, "")), 1002),
        ("a code of nobody's", frame(CLOSE, close_payload(999, "")), 1002),
        ("text that isn't", frame(TEXT, b"caf\xe9"), 1007),
        ("text cut in a character", frame(TEXT, b"caf\xc3"), 1007),
        ("a surrogate", frame(TEXT, b"\xed\xa0\x80"), 1007),
        ("fragments that aren't text", two(frame(TEXT_BEGINS, "a"), frame(ENDS, b"\xff")), 1007),
        ("a reason that isn't text", frame(CLOSE, b"\x03\xe8\xff"), 1007),
        ("a byte too long", frame(TEXT, &long), 1009),
        ("too long in fragments", two(frame(0x02, &long[1..]), frame(ENDS, "x")), 1009),
        ("a terabyte announced", announced(BINARY, 1 << 40), 1009),
        ("a fragment too much", two(frame(0x02, "x"), announced(ENDS, 64 << 10)), 1009),
    ];
    for (name, bytes, wanted) in table {
        let mut socket = Socket::open(&hub, "/ws", "raw");
        socket.peer.send(bytes);
        // What follows is none of it any more.
        crate::web::drip(&socket.peer, &frame(TEXT, "après"));
        let (code, reason, before) = socket.closed();
        assert_eq!((code, before), (wanted, vec![]), "{name}: {reason}");
        room.heard_nothing(name);
    }
}

#[test]
fn a_terabyte_that_is_only_announced_costs_no_memory_nor_does_what_may_yet_come() {
    let hub = Hub::start(&["--quiet"]);
    let refused = |count| {
        for _ in 0..count {
            let mut socket = Socket::open(&hub, "/ws", "raw");
            // The whole header, to its mask; of the payload, nothing.
            socket.peer.send([announced(TEXT, 1 << 40), vec![0; 4]].concat());
            assert_eq!(socket.closed().0, 1009);
        }
    };
    refused(20);
    let before = hub.resident_kib();
    refused(50);
    let mut sockets: Vec<Socket> = (0..200).map(|_| Socket::open(&hub, "/ws", "raw")).collect();
    for socket in &mut sockets {
        // The answer to the ping says that the rest was read: they come in one segment.
        let beginning = [announced(BINARY, 64 << 10), vec![0; 4 + 10]].concat();
        socket.peer.send([frame(PING, "?"), beginning].concat());
        assert_eq!(socket.next(), (PONG, b"?".to_vec()));
    }
    let grown = hub.resident_kib().saturating_sub(before);
    // 200 announced messages would be 12.5 MiB.
    assert!(grown < 6 << 10, "{grown} KiB");
}

#[test]
fn a_goodbye_is_answered_in_kind_and_what_came_before_it_is_said() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let table = [
        (close_payload(1000, "au revoir"), 1000),
        (close_payload(1001, ""), 1001),
        (close_payload(3000, ""), 3000),
        (close_payload(4999, "à nous"), 4999),
        (Vec::new(), 0),
    ];
    for (payload, wanted) in table {
        let mut socket = Socket::member(&hub, "/ws", "text");
        let last = [frame(TEXT, "un mot"), frame(CLOSE, payload), frame(TEXT, "après")].concat();
        socket.peer.send(last);
        assert_eq!(socket.closed().0, wanted);
        let heard = room.heard();
        assert!(matches!(&heard[..], [one] if one.ends_with("> un mot")), "{wanted}: {heard:?}");
    }
}

#[test]
fn quit_closes_with_1000_once_everything_due_is_written() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut text = Socket::member(&hub, "/ws", "text");
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut json = Socket::open(&hub, "/ws?room=lobby", "json");
    alice.say("avant");
    alice.ask("");
    text.say("/quit à demain");
    let (code, _, before) = text.closed();
    assert_eq!((code, before[0].as_str()), (1000, "<alice> avant"), "{before:?}");
    raw.say("/quit");
    assert_eq!((raw.text(), raw.closed().0), ("avant".to_owned(), 1000));
    json.say(r#"{"op":"quit"}"#);
    let (code, _, before) = json.closed();
    assert_eq!(code, 1000);
    let last = before.last().expect("a goodbye");
    assert!(last.starts_with(r#"{"ev":"bye""#), "{before:?}");
    assert!(before.iter().any(|event| event.contains("avant")), "{before:?}");
}

#[test]
fn at_shutdown_each_is_closed_with_1001_and_a_reason_in_json_after_its_bye() {
    let mut hub = Hub::start(&[]);
    let mut alice = hub.named("alice");
    let mut text = Socket::open(&hub, "/ws", "text");
    text.ask("");
    let mut raw = Socket::member(&hub, "/ws", "raw");
    let mut json = Socket::open(&hub, "/ws?room=lobby", "json");
    json.event_of("hello");
    alice.say("le dernier mot");
    alice.ask("");
    hub.signal("TERM");
    let (code, reason, before) = raw.closed();
    assert_eq!((code, before), (1001, vec!["le dernier mot".to_owned()]));
    assert_ne!(reason, "");
    let (code, reason, before) = text.closed();
    assert!(code == 1001 && !reason.is_empty(), "{code} {reason}");
    assert!(before.contains(&"<alice> le dernier mot".to_owned()), "{before:?}");
    let last = before.last().expect("a goodbye");
    assert!(last.starts_with("* ") && last.contains("arrête"), "{before:?}");
    let (code, reason, before) = json.closed();
    assert!(code == 1001 && !reason.is_empty(), "{code} {reason}");
    let last = before.last().expect("a goodbye");
    assert!(last.starts_with(r#"{"ev":"bye""#), "{before:?}");
    assert!(before.iter().any(|event| event.contains("le dernier mot")), "{before:?}");
    assert_eq!(hub.ended_within(std::time::Duration::from_secs(5)).code, Some(0));
}

#[test]
fn who_enters_at_a_position_never_was_in_the_lobby_and_misses_nothing() {
    let hub = Hub::start(&[]);
    let mut lobby = hub.connect();
    lobby.ask("/nick témoin");
    let mut alice = hub.named("alice");
    alice.ask("/join jardin");
    let answers: Vec<_> = (1..=3).map(|n| post(&hub, "jardin", "", format!("mot {n}"))).collect();
    let epoch = answers[0].json()["epoch"].as_str().expect("a position").to_owned();
    lobby.ask("");
    for (after, first) in [("0".to_owned(), 1), (format!("{epoch}@1"), 2), ("3".to_owned(), 4)] {
        let target = format!("/ws?room=jardin&after={after}");
        let mut socket = Socket::open(&hub, &target, "json");
        for seq in first..=3 {
            let said = socket.event_of("msg");
            assert_eq!((&said["seq"], &said["room"]), (&json!(seq), &json!("jardin")), "{said}");
            assert_eq!(said["text"], format!("mot {seq}"), "{said}");
        }
        let live = socket.event_of("live");
        assert_eq!(live["pos"], format!("{epoch}@3"), "{live}");
        socket.say(r#"{"op":"who","room":"lobby"}"#);
        let who = socket.event_of("who");
        assert_eq!(who["count"], 1, "{who}");
        socket.say(r#"{"op":"quit"}"#);
        socket.closed();
    }
    let mut raw = Socket::open(&hub, "/ws?room=jardin&after=0", "raw");
    for seq in 1..=3 {
        assert_eq!(raw.text(), format!("mot {seq}"));
    }
    raw.say("et maintenant");
    alice.until(|line| line.ends_with("> et maintenant"));
    // Four came and spoke: none of it was seen in the lobby.
    assert_eq!(lobby.ask(""), Vec::<String>::new());
}

#[test]
fn a_position_of_another_life_is_answered_with_a_gap_and_what_there_is() {
    let hub = Hub::start(&["--quiet"]);
    let epoch = post(&hub, "lobby", "", "un").json()["epoch"].as_str().map(str::to_owned);
    let epoch = epoch.expect("a position");
    let mut socket = Socket::open(&hub, "/ws?room=lobby&after=aaaaaaaaaa@7", "json");
    let gap = socket.event_of("gap");
    assert_eq!(gap["oldest"], format!("{epoch}@1"), "{gap}");
    assert_eq!(socket.event_of("msg")["text"], "un");
    let refused = [
        "/ws?room=client-7",
        "/ws?room=..",
        "/ws?room=a%2Fb",
        "/ws?room=lobby&after=demain",
        "/ws?room=lobby&room=jardin",
        "/ws?room=%zz",
    ];
    for target in refused {
        let answer = crate::web::ask(&hub, crate::web::handshake(target, ""));
        assert!((400..500).contains(&answer.status), "{target}: {answer:?}");
    }
    assert_eq!(get(&hub, "/rooms/jardin/messages").status, 404, "a refused request made a room");
}
