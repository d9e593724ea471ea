//! What a hostile review found in HTTP and WebSocket: forged names, words said unacknowledged, ends that never came.

use std::time::{Duration, Instant};

use crate::crowd::raise_file_limit;
use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::web::{
    Answer, CLOSE, Socket, TEXT, Witness, announced, close_payload, frame, get, handshake, post,
    post_bytes,
};

#[test]
fn an_end_that_comes_together_with_the_upgrade_is_an_end_at_once() {
    let hub = Hub::start(&["--quiet"]);
    let bye = close_payload(1000, "");
    let op = format!(r#"{{"op":"ping","x":"{}"}}"#, "y".repeat(60_000));
    let table = [
        ("json", vec![frame(TEXT, "/quit")], 1000),
        ("json", vec![frame(TEXT, r#"{"op":"quit"}"#)], 1000),
        ("json", vec![frame(TEXT, op), frame(TEXT, "/quit")], 1000),
        ("text", vec![frame(TEXT, "salut"), frame(TEXT, "/quit")], 1000),
        ("json", vec![frame(CLOSE, &bye)], 1000),
        ("raw", vec![frame(CLOSE, "")], 0),
        // What comes after the end is of no interest, whole or not.
        ("json", vec![frame(TEXT, "/quit"), frame(TEXT, "zz"), announced(TEXT, 60_000)], 1000),
        ("json", vec![frame(CLOSE, &bye), frame(CLOSE, &bye), frame(TEXT, "/quit")], 1000),
    ];
    for target in ["/ws?room=cour", "/ws"] {
        for (format, frames, code) in &table {
            let since = Instant::now();
            let mut socket = Socket::over(hub.connect(), target, format, &frames.concat());
            let (closed, _, passed) = socket.closed();
            let took = since.elapsed();
            assert_eq!(closed, *code, "{target} {format}: {passed:?}");
            assert!(took < Duration::from_millis(1500), "{target} {format}: {took:?}");
        }
    }
}

#[test]
fn a_name_that_somebody_takes_while_the_body_trickles_is_not_said_by_another() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    for (n, keyed) in ["", "Idempotency-Key: k\r\n"].into_iter().enumerate() {
        let name = format!("victime-{n}");
        let fields = format!("X-Trappe: 1\r\nX-Trappe-Name: {name}\r\n{keyed}");
        let bytes = post_bytes("lobby", &fields, "je suis la victime");
        let (start, last) = bytes.split_at(bytes.len() - 5);
        let mut forger = hub.connect();
        forger.send(start);
        let mut victim = hub.named(&name);
        forger.send(last);
        let answer = Answer::read(&forger.rest());
        assert_eq!(answer.status, 409, "{answer:?}");
        assert_eq!(answer.json()["code"], "name-taken");
        room.heard_nothing("the name is another's");
        victim.ask("c'est moi");
        assert_eq!(room.heard(), [format!("<{name}> c'est moi")]);
    }
}

#[test]
fn what_was_said_under_a_key_is_acknowledged_again_though_its_name_is_taken_by_now() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let fields = "X-Trappe-Name: capteur\r\nIdempotency-Key: k-1\r\n";
    let first = post(&hub, "lobby", fields, "21 °C");
    assert_eq!(first.status, 201, "{first:?}");
    let _other = hub.named("capteur");
    let again = post(&hub, "lobby", fields, "21 °C");
    assert_eq!((again.status, again.text()), (201, first.text()), "it was said, and once");
    assert_eq!(room.heard(), ["<capteur> 21 °C"]);
}

#[test]
fn a_key_holds_for_its_room_its_name_and_its_words_only() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let key = "Idempotency-Key: k-2\r\n";
    let first = post(&hub, "lobby", key, "bonjour");
    let named = format!("{key}X-Trappe-Name: zoé\r\n");
    let table = [
        ("lobby", key, "bonjour", 201),
        ("lobby", key, "bonsoir", 422),
        ("cour", key, "bonjour", 422),
        ("lobby", &named, "bonjour", 422),
    ];
    for (place, fields, words, status) in table {
        let answer = post(&hub, place, fields, words);
        assert_eq!(answer.status, status, "{place} {fields} {words}: {answer:?}");
        assert_eq!(answer.text() == first.text(), status == 201);
    }
    assert_eq!(room.heard(), ["<http> bonjour"]);
}

/// Posts to the lobby until it is told to come again. Gives how many were said.
#[track_caller]
fn press(hub: &Hub) -> usize {
    let body = "x".repeat(60_000);
    for said in 0..400 {
        let since = Instant::now();
        let answer = post(hub, "lobby", "", &body);
        if answer.status != 201 {
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.json()["code"], "pressed");
            let seconds: u32 =
                answer.field("retry-after").and_then(|it| it.parse().ok()).expect("a number");
            assert!(seconds > 0, "{answer:?}");
            assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
            return said;
        }
    }
    panic!("nobody reads, and all of it is taken");
}

#[test]
fn who_posts_to_a_pressed_room_is_told_to_come_again_and_what_was_acknowledged_is_all_that_is_said()
{
    let mut hub = Hub::start(&["--lag", "1MiB,16MiB"]);
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let said = press(&hub);
    // One is being slowed when the server stops.
    let mut late = hub.connect();
    late.send(post_bytes("lobby", "X-Trappe: 1\r\n", "en retard"));
    let short = Some(Duration::from_millis(300));
    late.writer().set_read_timeout(short).expect("it can be set");
    assert!(late.writer().peek(&mut [0]).is_err(), "it isn't slowed");
    late.writer().set_read_timeout(Some(PATIENCE)).expect("it can be set");
    hub.signal("TERM");
    // Who is read from before it stops makes room, and the late one would be right to be taken.
    hub.wait_console(|line| line.starts_with("arrêt"));
    let lines = slow.last_lines();
    let answer = Answer::read(&late.rest());
    assert_eq!(answer.status, 503, "{answer:?}");
    let heard = lines.iter().filter(|line| line.starts_with("<http> ")).count();
    assert_eq!(heard, said, "each 201 was said, and nothing else was");
    assert!(!lines.iter().any(|line| line.contains("en retard")));
    assert_eq!(hub.ended_within(PATIENCE).code, Some(0));
}

/// The status that a `GET` is answered with, whether or not the answer ever ends.
#[track_caller]
fn status(hub: &Hub, target: &str, fields: &str) -> u16 {
    let mut peer = hub.connect();
    peer.send(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
    Answer::read(&peer.through(b"\r\n\r\n")).status
}

#[test]
fn events_of_a_room_that_cannot_be_had_are_refused_and_not_those_of_another() {
    const ROOMS: usize = 10_000;
    const EACH: usize = 63;
    raise_file_limit();
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    // Rooms that nobody is in give way: all of these have a member.
    let mut members: Vec<Peer> = (0..=ROOMS / EACH).map(|_| hub.connect()).collect();
    for (n, peer) in members.iter_mut().enumerate() {
        let join = |i| format!("{{\"op\":\"join\",\"room\":\"r{n}-{i}\"}}\n");
        let joins: Vec<String> = (0..EACH).map(join).collect();
        peer.send(format!("/format json\n{}{{\"op\":\"ping\"}}\n", joins.concat()));
    }
    for peer in &mut members {
        peer.until(|line| line.starts_with(r#"{"ev":"pong""#));
    }
    let full = alice.error("/join une-de-trop");
    assert!(full.starts_with("! full"), "{full}");
    assert_eq!(status(&hub, "/rooms/une-de-trop/events", ""), 503);
    assert_eq!(status(&hub, "/rooms/une-de-trop/events?after=3", ""), 503);
    assert_eq!(post(&hub, "une-de-trop", "", "mot").status, 503);
    // One that there is can be had as ever.
    assert_eq!(status(&hub, "/rooms/r7-7/events", ""), 200);
}

#[test]
fn what_a_page_of_another_site_asks_without_saying_who_it_is_makes_nothing_happen() {
    let hub = Hub::start(&["--quiet"]);
    let before = get(&hub, "/metrics");
    for mode in ["no-cors", "navigate", "websocket"] {
        let fields = format!("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: {mode}\r\n");
        for target in ["/rooms/piege/events", "/rooms/lobby/messages", "/metrics", "/ws"] {
            assert_eq!(status(&hub, target, &fields), 403, "{target} {mode}");
        }
        let mut socket = hub.connect();
        socket.send(handshake("/ws?room=piege", &fields));
        assert_eq!(Answer::read(&socket.through(b"\r\n\r\n")).status, 403, "{mode}");
    }
    let rooms = |page: &Answer| {
        page.text().lines().find(|line| line.starts_with("trappe_rooms ")).map(str::to_owned)
    };
    assert_eq!(rooms(&get(&hub, "/metrics")), rooms(&before), "a room was made");
    // Whoever follows a link comes to the page; and what the page itself, or nobody's page, asks for is given.
    let followed =
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n";
    for (target, fields) in [
        ("/connect", followed),
        ("/", followed),
        ("/connect/python", followed),
        ("/metrics", "Sec-Fetch-Site: none\r\n"),
        ("/metrics", "Sec-Fetch-Site: same-origin\r\n"),
        ("/metrics", ""),
    ] {
        assert_ne!(status(&hub, target, fields), 403, "{target} {fields}");
    }
}

#[test]
fn an_expectation_that_nobody_knows_is_refused_before_anything_is_said() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    for (expected, status) in [("zzz", 417), ("100-continue, zzz", 417), ("200-ok", 417), ("", 417)]
    {
        let answer = post(&hub, "lobby", &format!("Expect: {expected}\r\n"), "non");
        assert_eq!(answer.status, status, "{expected}: {answer:?}");
        room.heard_nothing(expected);
    }
    let mut peer = hub.connect();
    peer.send(post_bytes("lobby", "X-Trappe: 1\r\nExpect: 100-Continue\r\n", "oui"));
    let answer = String::from_utf8(peer.rest()).expect("an answer is text");
    assert!(answer.contains("HTTP/1.1 201 "), "{answer}");
    assert_eq!(room.heard(), ["<http> oui"]);
}

#[test]
fn what_members_held_when_they_ended_is_held_no_more() {
    // As many as would fill the 64 MiB that all may hold, if theirs still counted.
    const ENDED: usize = 1300;
    let hub = Hub::start(&["--quiet"]);
    let held = [announced(TEXT, 64_000), vec![0; 4], vec![b' '; 60_000]].concat();
    let more = [frame(TEXT, "/quit"), held].concat();
    for _ in 0..ENDED {
        let mut socket = Socket::over(hub.connect(), "/ws?room=cour", "json", &more);
        socket.closed();
    }
    // One that holds more than each of those did is the largest, and would have to go.
    let mut alone = hub.named("alice");
    alone.send("x".repeat(65_000));
    let mut witness = hub.member();
    alone.send("\n");
    let line = witness.line();
    assert_eq!(line.len(), "<alice> ".len() + 65_000, "{}", &line[..80]);
}
