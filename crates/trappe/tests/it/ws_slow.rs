//! WebSocket members that don't read, that say much at once, that change their format, and that just go.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use crate::hub::Hub;
use crate::peer::Peer;
use crate::web::{PING, PONG, Socket, TEXT, frame};

const LINES: usize = 8000;
/// How many are said before the healthy one has to have heard them.
const STEP: usize = 50;

/// What was said: `17 xxx…`.
fn number(text: &str) -> Option<usize> {
    text.split(' ').next()?.parse().ok()
}

/// `alice` says `LINES` numbered lines of a kilobyte each, which `healthy` hears in lockstep; between them `meanwhile`.
#[track_caller]
fn flood(alice: &mut Peer, healthy: &mut Socket, mut meanwhile: impl FnMut(usize)) {
    let padding = "é".repeat(500);
    for first in (1..=LINES).step_by(STEP) {
        let step = first..first + STEP;
        alice.send(step.clone().map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
        for wanted in step {
            assert_eq!(number(&healthy.text()), Some(wanted));
        }
        meanwhile(first);
    }
}

#[test]
fn one_that_reads_slowly_delays_nobody_and_gets_whole_frames_gaps_and_pongs() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let mut alice = hub.named("alice");
    let mut healthy = Socket::member(&hub, "/ws", "raw");
    let slow = Peer::narrow(hub.port());
    let mut slow = Socket::over(slow, "/ws?room=lobby", "json", b"");
    slow.event_of("hello");
    let mut asked = 0;
    flood(&mut alice, &mut healthy, |first| {
        if first % 1000 == 1 {
            slow.send(PING, first.to_string());
            asked += 1;
        }
    });
    // Now it reads: whole frames only, each message once, in order, or inside a gap that is announced.
    let (mut next, mut gaps, mut pongs) = (1, 0, 0);
    loop {
        let (first, payload) = slow.next();
        if first == PONG {
            let answered = str::from_utf8(&payload).ok().and_then(number);
            assert_eq!(answered, Some(1000 * pongs + 1), "pongs come in order");
            pongs += 1;
            continue;
        }
        assert_eq!(first, TEXT);
        let event: serde_json::Value = serde_json::from_slice(&payload).expect("a whole event");
        let seq = |key: &str| event[key].as_u64().and_then(|seq| usize::try_from(seq).ok());
        if event["ev"] == "gap" {
            assert_eq!(seq("from"), Some(next), "{event}");
            assert_eq!(event["cause"], "slow", "{event}");
            next = seq("to").expect("the end of a gap") + 1;
            if gaps == 0 {
                alice.say("fin");
            }
            gaps += 1;
        } else if event["ev"] == "msg" {
            assert_eq!(seq("seq"), Some(next), "{next} is missing without a word");
            if event["text"] == "fin" {
                break;
            }
            assert_eq!(event["text"].as_str().and_then(number), Some(next));
            assert!(gaps > 0 || next < LINES, "it was never slow");
            next += 1;
        }
    }
    assert_eq!((next, pongs), (LINES + 1, asked));
}

#[test]
fn a_raw_one_that_is_too_slow_is_closed_and_what_it_got_has_no_hole() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let mut alice = hub.named("alice");
    let mut healthy = Socket::member(&hub, "/ws", "raw");
    let mut slow = Socket::over(Peer::narrow(hub.port()), "/ws", "raw", b"");
    slow.ask("/quiet on");
    flood(&mut alice, &mut healthy, |_| {});
    let rest = slow.peer.rest();
    let (mut at, mut next) = (0, 1);
    // Frames of a kilobyte each: two bytes of head, two of length. The last one may be cut where it was closed.
    while let Some(head) = rest.get(at..at + 4)
        && head[..2] == [TEXT, 126]
    {
        let end = at + 4 + usize::from(u16::from_be_bytes([head[2], head[3]]));
        let Some(body) = rest.get(at + 4..end) else { break };
        let body = str::from_utf8(body).expect("what alice said");
        assert_eq!(number(body), Some(next), "{next} is missing");
        (at, next) = (end, next + 1);
    }
    assert!(next > 1 && next < LINES, "it was never slow: {next}");
    assert!(rest.len() - at < 1100, "{} bytes that are no frames", rest.len() - at);
}

#[test]
fn one_that_pings_and_never_reads_is_not_read_from_either() {
    let hub = Hub::start(&["--quiet"]);
    let mut socket = Socket::over(Peer::narrow(hub.port()), "/ws", "raw", b"");
    let mut others = (hub.named("alice"), hub.member());
    let before = hub.resident_kib();
    let ping = frame(PING, [b'?'; 100]);
    let many = ping.repeat(200);
    let mut writer = socket.peer.writer();
    writer.set_write_timeout(Some(Duration::from_secs(1))).expect("it can be set");
    let (mut sent, most) = (0, 64 << 20);
    while sent < most {
        match writer.write(&many[sent % ping.len()..]) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                break;
            }
            Err(error) => panic!("{error}"),
        }
        if sent % (1 << 20) < many.len() {
            others.0.say("entre-temps");
            assert_eq!(others.1.line(), "<alice> entre-temps");
        }
    }
    // Either it is made to wait, or only the latest ping is answered (RFC 6455 §5.5.3): nothing piles up in the hub.
    let grown = hub.resident_kib().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} KiB for {sent} bytes of pings");
    for _ in 0..100 {
        loop {
            match socket.next() {
                (PONG, payload) => break assert_eq!(payload, [b'?'; 100]),
                (TEXT, _) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn thousands_of_frames_in_one_write_are_all_dealt_with_in_their_order() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut socket = Socket::member(&hub, "/ws", "text");
    let mut all = Vec::new();
    for number in 0..3000 {
        all.extend(frame(TEXT, format!("mot {number}")));
        if number % 10 == 0 {
            all.extend(frame(TEXT, format!("/ping {number}")));
            all.extend(frame(PING, number.to_string()));
        }
    }
    socket.peer.send(all);
    for number in 0..3000 {
        assert!(witness.line().ends_with(&format!("> mot {number}")), "{number}");
    }
    let (mut answered, mut pongs) = (0, Vec::new());
    while answered < 3000 {
        match socket.next() {
            (PONG, payload) => pongs.push(number(str::from_utf8(&payload).expect("ASCII"))),
            (TEXT, payload) => {
                assert_eq!(payload, format!("* pong {answered}").as_bytes());
                answered += 10;
            }
            other => panic!("{other:?}"),
        }
    }
    // Not each has to be answered (RFC 6455 §5.5.3), but in their order, and the last one surely.
    socket.send(PING, "3000");
    while pongs.last() != Some(&Some(3000)) {
        let (first, payload) = socket.next();
        assert_eq!(first, PONG);
        pongs.push(number(str::from_utf8(&payload).expect("ASCII")));
    }
    assert!(pongs.is_sorted() && pongs.contains(&Some(2990)), "{pongs:?}");
}

#[test]
fn one_that_changes_its_format_or_framing_is_still_written_whole_frames() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut socket = Socket::member(&hub, "/ws", "text");
    for framing in ["len32", "nul", "chunk", "line"] {
        // Refused or taken: a message stays a message.
        socket.say(&format!("/framing {framing}"));
        assert!(socket.text().starts_with(['*', '!']), "{framing}");
        alice.say(framing);
        assert_eq!(socket.text(), format!("<alice> {framing}"));
        assert!(socket.ask("").is_empty(), "{framing}: commands are commands");
    }
    socket.ask("/format raw");
    alice.say("deux");
    assert_eq!(socket.next(), (TEXT, b"deux".to_vec()));
    alice.send(b"caf\xe9\n");
    assert_eq!(socket.next(), (0x82, b"caf\xe9".to_vec()));
    socket.say("/format json");
    alice.ask("");
    socket.say(r#"{"op":"ping","text":"là"}"#);
    assert_eq!(socket.event_of("pong")["text"], "là");
    alice.say("trois");
    assert_eq!(socket.event_of("msg")["text"], "trois");
}

#[test]
fn one_that_just_goes_leaves_the_room_and_its_name_is_told() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.connect();
    alice.ask("/nick alice");
    for reset in [false, true] {
        let mut socket = Socket::open(&hub, "/ws", "text");
        socket.ask("/nick carole");
        alice.until(|line| line.starts_with("* ") && line.contains("carole"));
        if reset {
            socket.peer.reset();
        } else {
            drop(socket);
        }
        alice.until(|line| line.starts_with("* carole"));
    }
}

#[test]
fn half_a_message_at_the_end_of_the_stream_is_not_said() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let mut alice = hub.named("alice");
    let mut socket = Socket::member(&hub, "/ws", "text");
    let whole = frame(TEXT, "jamais entendu");
    for cut in [1, 3, 7, whole.len() - 1] {
        let mut socket = Socket::member(&hub, "/ws", "text");
        socket.peer.send(&whole[..cut]);
        socket.peer.finish();
        socket.peer.rest();
    }
    // A message whose last fragment never came.
    socket.send(0x01, "jamais ");
    socket.peer.finish();
    socket.peer.rest();
    alice.say("fin");
    assert_eq!(witness.line(), "<alice> fin");
}
