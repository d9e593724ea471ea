//! HTTP as it must not be: each is refused, its connection closed, nothing of it spoken, and the hub lives on.

use std::io::Write;

use crate::hub::Hub;
use crate::web::{Answer, Socket, Witness, drip, get, post, post_bytes};

/// What would be speech if anybody took it for lines.
const LINES: &str = "/nick mallory\r\nje parle\r\n";

/// A head with these lines between the first and the empty one.
fn head(first: &str, fields: &str) -> String {
    format!("{first}\r\n{fields}\r\n")
}

/// A post with these fields, and lines for a body.
fn posted(fields: &str) -> String {
    let first = "POST /rooms/lobby/messages HTTP/1.1";
    head(first, &format!("Host: localhost\r\nX-Trappe: 1\r\n{fields}")) + LINES
}

/// Bytes whose answer has one of these statuses (none: closed without a word), whatever else is in it.
#[track_caller]
fn refused(hub: &Hub, room: &mut Witness, name: &str, bytes: &[u8], statuses: &[u16]) {
    for dripped in [false, true] {
        let mut peer = hub.connect();
        if dripped {
            drip(&peer, bytes);
        } else {
            peer.send(bytes);
        }
        let answer = peer.rest();
        let text = String::from_utf8_lossy(&answer);
        // Closed with bytes still on their way, the answer of who dripped may be lost to a reset.
        if !(dripped && answer.is_empty()) {
            let status = Answer::read(&answer).status;
            assert!(statuses.contains(&status), "{name}: {text}");
        }
        assert!(text.matches("HTTP/1.").count() <= 1, "{name}: a second answer: {text}");
        room.heard_nothing(name);
    }
}

#[test]
fn a_head_that_could_be_read_in_two_ways_is_refused() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let length = LINES.len();
    let table = [
        ("both lengths", format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n")),
        (
            "both, the other way",
            format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        ),
        ("two lengths", format!("Content-Length: {length}\r\nContent-Length: 3\r\n")),
        ("one length twice", format!("Content-Length: {length}\r\ncontent-length: {length}\r\n")),
        ("a list of lengths", format!("Content-Length: {length}, {length}\r\n")),
        ("a signed length", format!("Content-Length: +{length}\r\n")),
        ("a negative length", "Content-Length: -1\r\n".into()),
        ("no length", "Content-Length: \r\n".into()),
        ("a length in base 16", "Content-Length: 0x19\r\n".into()),
        ("a length past 64 bits", "Content-Length: 18446744073709551641\r\n".into()),
        ("a space before the colon", format!("Content-Length : {length}\r\n")),
        (
            "a tab before the colon",
            format!("Transfer-Encoding\t: chunked\r\nContent-Length: {length}\r\n"),
        ),
        ("a folded field", format!("X-A: b\r\n c\r\nContent-Length: {length}\r\n")),
        ("a folded length", format!("Content-Length:\r\n {length}\r\n")),
        ("a bare line feed", format!("X-A: b\nContent-Length: {length}\r\n")),
        ("a bare carriage return", format!("X-A: b\rContent-Length: {length}\r\n")),
        ("NUL", format!("X-A: b\0c\r\nContent-Length: {length}\r\n")),
        ("DEL", format!("X-A: b\u{7f}\r\nContent-Length: {length}\r\n")),
        ("a field without a name", format!(": b\r\nContent-Length: {length}\r\n")),
        ("a line that is no field", format!("X-A\r\nContent-Length: {length}\r\n")),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n".into()),
        ("chunked, chunked", "Transfer-Encoding: chunked, chunked\r\n".into()),
        ("chunked in between", "Transfer-Encoding: chunked, gzip\r\n".into()),
        ("chunked misspelt", "Transfer-Encoding: xchunked\r\n".into()),
        ("chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n".into()),
        ("two hosts", format!("Host: localhost\r\nContent-Length: {length}\r\n")),
        ("another host", format!("Host: evil.example\r\nContent-Length: {length}\r\n")),
    ];
    for (name, fields) in table {
        refused(&hub, &mut room, name, posted(&fields).as_bytes(), &[400]);
    }
    let other = "Transfer-Encoding: gzip, chunked\r\n";
    refused(&hub, &mut room, "a coding that is unknown", posted(other).as_bytes(), &[400, 501]);
    let plain = posted(&format!("Content-Length: {length}\r\n"));
    let bare = plain.replace("\r\n", "\n");
    refused(&hub, &mut room, "bare line feeds alone", bare.as_bytes(), &[400]);
    let old = plain
        .replacen("HTTP/1.1", "HTTP/1.0", 1)
        .replace("Content-Length", "Transfer-Encoding: chunked\r\nX-Y");
    refused(&hub, &mut room, "chunked in HTTP/1.0", old.as_bytes(), &[400]);
    alive(&hub);
}

#[test]
fn a_request_line_that_is_none_is_refused() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let host = "Host: localhost\r\n";
    let table: [(&str, &str, &[u16]); 12] = [
        ("GET /\tHTTP/1.1 HTTP/1.1", host, &[400]),
        ("GET / HTTP/1.1 ", host, &[400]),
        ("GET / HTTP/1.2", host, &[400, 505]),
        ("GET / HTTP/1.11", host, &[400, 505]),
        ("GET / HTTP/1.x", host, &[400, 505]),
        ("GET /a#b HTTP/1.1", host, &[400]),
        ("GET /\u{e9} HTTP/1.1", host, &[400]),
        ("GET x HTTP/1.1", host, &[400]),
        ("GET * HTTP/1.1", host, &[400]),
        ("CONNECT localhost:80 HTTP/1.1", host, &[400, 405, 501]),
        ("GET http://evil.example/ HTTP/1.1", host, &[400, 403]),
        ("GET / HTTP/1.1", "", &[400]),
    ];
    for (first, fields, statuses) in table {
        let bytes = head(first, fields) + LINES;
        refused(&hub, &mut room, first, bytes.as_bytes(), statuses);
    }
    let nul = head("GET /a\0b HTTP/1.1", host) + LINES;
    refused(&hub, &mut room, "NUL in the target", nul.as_bytes(), &[400]);
    alive(&hub);
}

#[test]
fn a_chunk_that_is_none_ends_the_request_unsaid() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let start = head(
        "POST /rooms/lobby/messages HTTP/1.1",
        "Host: localhost\r\nX-Trappe: 1\r\nTransfer-Encoding: chunked\r\n",
    );
    let bodies: [&[u8]; 14] = [
        b"x\r\nbonjour\r\n0\r\n\r\n",
        b"-7\r\nbonjour\r\n0\r\n\r\n",
        b"+7\r\nbonjour\r\n0\r\n\r\n",
        b"0x7\r\nbonjour\r\n0\r\n\r\n",
        b"7 7\r\nbonjour\r\n0\r\n\r\n",
        b"\r\nbonjour\r\n0\r\n\r\n",
        b"7\nbonjour\n0\n\n",
        b"7;x\ny\r\nbonjour\r\n0\r\n\r\n",
        b"7\r\nbonjour\n\n0\r\n\r\n",
        b"7\r\nbonjour!\r\n0\r\n\r\n",
        b"7\r\nbonjour0\r\n\r\n",
        b"7\r\nbonjour\r\n0\n\n",
        b"7\r\nbonjour\r\n0\r\nA: b\nC: d\r\n\r\n",
        b"10000000000000007\r\nbonjour\r\n0\r\n\r\n",
    ];
    for body in bodies {
        let bytes = [start.as_bytes(), body, LINES.as_bytes()].concat();
        let name = body.escape_ascii().to_string();
        refused(&hub, &mut room, &name, &bytes, &[400]);
    }
    // What isn't wrong yet, but has no end: an extension, a trailer, a chunk.
    let endless = [b"7;", &b"7\r\nbonjour\r\n0\r\nA: "[..]];
    for body in endless {
        let bytes = [start.as_bytes(), body, &vec![b'x'; 100 << 10]].concat();
        let mut peer = hub.connect();
        peer.send(bytes);
        let answer = peer.rest();
        let status = (!answer.is_empty()).then(|| Answer::read(&answer).status);
        assert!(matches!(status, None | Some(400..500)), "{status:?}");
    }
    let mut peer = hub.connect();
    peer.send([start.as_bytes(), b"ffffffffffffffff\r\nbonjour\r\n0\r\n\r\n"].concat());
    peer.finish();
    peer.rest();
    room.heard_nothing("bodies without an end");
    alive(&hub);
}

#[test]
fn what_is_too_long_is_refused_as_such() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let host = "Host: localhost\r\n";
    let fields = |count: usize| host.to_owned() + &"A: b\r\n".repeat(count - 1);
    let target = |len: usize| format!("GET /{} HTTP/1.1", "a".repeat(len - 1));
    let long = format!("{host}A: {}\r\n", "a".repeat(17 << 10));
    let table = [
        ("a field of 17 KiB", head("GET / HTTP/1.1", &long), 431),
        ("101 fields", head("GET / HTTP/1.1", &fields(101)), 431),
        ("3000 fields", head("GET / HTTP/1.1", &fields(3000)), 431),
        ("a target of 8 KiB and a byte", head(&target((8 << 10) + 1), host), 414),
        ("a target of 20 KiB", head(&target(20 << 10), host), 414),
    ];
    for (name, bytes, status) in table {
        refused(&hub, &mut room, name, (bytes + LINES).as_bytes(), &[status]);
    }
    // What is just short enough is served.
    let mut peer = hub.connect();
    peer.send(head("GET / HTTP/1.1", &fields(100)));
    assert_eq!(Answer::read(&peer.rest()).status, 200);
    let mut peer = hub.connect();
    peer.send(head(&target(8 << 10), host));
    assert_eq!(Answer::read(&peer.rest()).status, 404);
    let mut peer = hub.connect();
    peer.send(head("GET / HTTP/1.1", &format!("{host}A: {}\r\n", "a".repeat(16_200))));
    assert_eq!(Answer::read(&peer.rest()).status, 200);
    // A target without an end, for as long as it is let.
    let mut peer = hub.connect();
    let mut writer = peer.writer();
    let endless = [b"GET /".to_vec(), vec![b'a'; 64 << 10]].concat();
    while writer.write_all(&endless).is_ok() {}
    peer.rest();
    room.heard_nothing("a target without an end");
    alive(&hub);
}

#[test]
fn what_follows_a_request_is_neither_served_nor_spoken() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let get = head("GET /healthz HTTP/1.1", "Host: localhost\r\nConnection: keep-alive\r\n");
    let post =
        String::from_utf8(post_bytes("lobby", "X-Trappe: 1\r\n", "une fois")).expect("UTF-8");
    for (first, says) in [(&get, 0), (&post, 1)] {
        for second in [&post, &get, LINES, "\r\n\r\nje parle\r\n", &"x".repeat(100_000)] {
            let mut peer = hub.connect();
            peer.send(format!("{first}{second}"));
            let answer = peer.rest();
            let text = String::from_utf8_lossy(&answer);
            assert_eq!(text.matches("HTTP/1.").count(), 1, "{first}{second}: {text}");
            assert!(matches!(Answer::read(&answer).status, 200 | 201), "{text}");
            assert_eq!(room.heard().len(), says, "{first}{second}");
        }
    }
    alive(&hub);
}

#[test]
fn a_request_that_is_cut_is_not_said_wherever_that_is() {
    let hub = Hub::start(&[]);
    let mut room = Witness::of(&hub);
    let plain = post_bytes("lobby", "X-Trappe: 1\r\n", "bonjour\nje parle\n");
    let head = head(
        "POST /rooms/lobby/messages HTTP/1.1",
        "Host: localhost\r\nX-Trappe: 1\r\nTransfer-Encoding: chunked\r\n",
    );
    let chunked = [head.as_bytes(), b"8\r\nbonjour\n\r\n8\r\nje parle\r\n0\r\n\r\n"].concat();
    // From the version on it can't be taken for anything else any more.
    let sure = b"POST /rooms/lobby/messages HTTP/1.1\r\n".len();
    for whole in [plain, chunked] {
        for cut in (sure..whole.len()).step_by(3).chain([whole.len() - 1]) {
            let mut peer = hub.connect();
            peer.send(&whole[..cut]);
            peer.finish();
            let answer = peer.rest();
            let text = String::from_utf8_lossy(&answer);
            assert!(!text.contains(" 201 "), "after {cut} bytes: {text}");
            let reset = hub.connect();
            reset.writer().write_all(&whole[..cut]).expect("it is read");
            reset.reset();
        }
    }
    room.heard_nothing("requests that were cut");
    alive(&hub);
}

#[test]
fn lines_that_begin_like_a_request_are_speech_also_when_they_drip() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for line in
        ["GET well soon", "GET /etc/passwd", "POST it there HTTP/2", "OPTIONS: none HTTP/1.1"]
    {
        for dripped in [false, true] {
            let mut peer = hub.connect();
            let bytes = format!("{line}\n");
            if dripped {
                drip(&peer, bytes.as_bytes());
            } else {
                peer.send(bytes);
            }
            let heard = witness.line();
            assert!(heard.ends_with(&format!("> {line}")), "{line:?}: {heard:?}");
            // It is a member for good, and may say what it likes.
            peer.say("GET / HTTP/1.1");
            assert!(witness.line().ends_with("> GET / HTTP/1.1"));
        }
    }
}

#[test]
fn a_connection_that_a_browser_opened_ahead_is_served_if_nothing_was_written_to_it() {
    let hub = Hub::start(&["--greet", "0"]);
    let mut witness = hub.member();
    let mut clock = hub.named("clock");
    // Its line on the console comes after 200 ms of silence: by now it is taken for a silent listener.
    let mut early = hub.silent_listener();
    let who = clock.ask("/who").concat();
    assert!(who.contains("3 membres"), "{who}");
    early.send(post_bytes("lobby", "X-Trappe: 1\r\n", "un peu tard"));
    let answer = early.rest();
    assert_eq!(Answer::read(&answer).status, 201, "nothing but the answer: {answer:?}");
    assert_eq!(witness.line(), "<http> un peu tard");
    // HTTP is no member: nobody is left of the silent listener.
    let who = clock.ask("/who").concat();
    assert!(who.contains("2 membres"), "{who}");

    let upgraded = hub.silent_listener();
    let mut socket = Socket::over(upgraded, "/ws", "text", b"");
    assert!(socket.ask("/quiet on").iter().all(|line| !line.starts_with('<')));
    socket.say("moi aussi");
    assert!(witness.line().ends_with("> moi aussi"));

    let mut late = hub.silent_listener();
    clock.say("quelqu'un parle");
    late.wait_unread();
    late.send(post_bytes("lobby", "X-Trappe: 1\r\n", "trop tard"));
    let rest = String::from_utf8_lossy(&late.rest()).into_owned();
    assert!(!rest.contains("HTTP/1."), "{rest}");
    assert_eq!(witness.line(), "<clock> quelqu'un parle");
    clock.say("fin");
    assert_eq!(witness.line(), "<clock> fin");
}

/// The hub serves as if nothing had been.
#[track_caller]
fn alive(hub: &Hub) {
    let mut witness = hub.member();
    assert_eq!(post(hub, "lobby", "", "toujours là").status, 201);
    assert_eq!(witness.line(), "<http> toujours là");
    assert_eq!(get(hub, "/healthz").status, 200);
    let log = hub.log();
    assert!(log.iter().all(|line| !line.contains("panic")), "{log:#?}");
}
