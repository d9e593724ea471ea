//! HTTP that comes slowly, or not at all: it has ten seconds for its head, and is in nobody's way.

use std::io::{ErrorKind, Read, Write};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::crowd::raise_file_limit;
use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::web::{Answer, Socket, Witness, get, post, post_bytes};

#[test]
fn a_head_that_takes_longer_than_ten_seconds_is_given_up_however_it_drips() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let since = Instant::now();
    let (mut silent, dripping) = (hub.connect(), hub.connect());
    let start = "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\n";
    silent.send(start);
    let mut dripping = dripping.writer();
    dripping.write_all(start.as_bytes()).expect("it is read");
    dripping.set_read_timeout(Some(Duration::from_millis(250))).expect("it can be set");
    // The wait for an answer is the clock: a byte more for each quarter of a second without one.
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match dripping.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let _closed = dripping.write_all(b"a");
            }
            Err(_) => break,
        }
        assert!(since.elapsed() < Duration::from_secs(14), "it is still read");
    }
    let took = since.elapsed();
    assert!(took > Duration::from_secs(9), "given up after {took:?} already");
    for answer in [answer, silent.rest()] {
        assert!(answer.is_empty() || Answer::read(&answer).status == 408, "{answer:?}");
    }
    assert!(since.elapsed() < Duration::from_secs(14), "the silent one was read for longer");
    room.heard_nothing("a head that never came");
}

#[test]
fn three_hundred_that_send_half_a_head_are_in_nobodys_way() {
    raise_file_limit();
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let half = "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Tra";
    let _halves: Vec<Peer> = (0..300)
        .map(|_| {
            let mut peer = hub.connect();
            peer.send(half);
            peer
        })
        .collect();
    let mut slowest = Duration::ZERO;
    for number in 0..20 {
        let since = Instant::now();
        alice.say(&format!("mot {number}"));
        assert_eq!(bob.line(), format!("<alice> mot {number}"));
        slowest = slowest.max(since.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert_eq!(hub.named("carole").ask("").len(), 0, "who comes now is a member as ever");
    // Nor in the way of who speaks HTTP.
    assert_eq!(post(&hub, "lobby", "", "bonjour").status, 201);
    assert_eq!(bob.line(), "<http> bonjour");
    assert_eq!(get(&hub, "/healthz").status, 200);
    Socket::member(&hub, "/ws", "text").say("moi aussi");
    assert!(bob.line().ends_with("> moi aussi"));
}

#[test]
fn slow_bodies_are_in_nobodys_way_and_are_said_when_they_are_whole() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let bytes = post_bytes("lobby", "X-Trappe: 1\r\n", "un corps lent");
    let (start, last) = bytes.split_at(bytes.len() - 6);
    let mut slow: Vec<Peer> = (0..100).map(|_| hub.connect()).collect();
    for peer in &mut slow {
        peer.send(start);
    }
    assert_eq!(post(&hub, "lobby", "", "vite").status, 201);
    assert_eq!(room.heard(), ["<http> vite"]);
    for peer in &mut slow {
        peer.send(last);
        assert_eq!(Answer::read(&peer.rest()).status, 201);
    }
    assert_eq!(room.heard(), vec!["<http> un corps lent"; 100]);
}

#[test]
fn who_posts_is_slowed_before_the_only_listener_misses_anything() {
    const POSTS: usize = 400;
    let hub = Hub::start(&["--quiet", "--lag", "1MiB,16MiB"]);
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let (tell, told) = mpsc::channel();
    thread::scope(|scope| {
        let hub = &hub;
        scope.spawn(move || {
            for number in 0..POSTS {
                let mut peer = hub.connect();
                let body = format!("{number} {}", "x".repeat(60_000));
                peer.send(post_bytes("lobby", "X-Trappe: 1\r\n", body));
                // No answer for so long: it is being slowed.
                let wait =
                    |time| peer.writer().set_read_timeout(Some(time)).expect("it can be set");
                wait(Duration::from_millis(500));
                if peer.writer().peek(&mut [0]).is_err() {
                    let _read = tell.send(number);
                }
                wait(PATIENCE);
                assert_eq!(Answer::read(&peer.rest()).status, 201, "{number}");
            }
        });
        let slowed = told.recv().expect("it is slowed before it has said everything");
        assert!(slowed < POSTS - 1);
        for number in 0..POSTS {
            let line = slow.line();
            let (start, _) = line.split_at(line.len().min(30));
            assert!(start.starts_with(&format!("<http> {number} ")), "{number}: {start}");
        }
    });
}

#[test]
fn requests_that_are_under_way_do_not_hold_up_the_end() {
    let mut hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let whole = post_bytes("lobby", "X-Trappe: 1\r\n", "jamais fini");
    let mut halves: Vec<Peer> = (0..3).map(|_| hub.connect()).collect();
    halves[0].send(&whole[..40]);
    halves[1].send(&whole[..whole.len() - 1]);
    halves[2].send("GET /rooms/lobby/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    halves[2].through(b"\r\n\r\n");
    let mut socket = Socket::member(&hub, "/ws", "text");
    socket.send(0x01, "jamais ");
    room.heard_nothing("halves of requests");
    hub.signal("TERM");
    let ended = hub.ended_within(Duration::from_secs(5));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.err.contains("panic"), "{ended:?}");
}

#[test]
fn who_is_refused_before_the_body_has_come_can_still_read_why() {
    let hub = Hub::start(&["--quiet"]);
    let mut room = Witness::of(&hub);
    let body = vec![b'x'; 4 << 20];
    let table = [
        ("X-Trappe: 1\r\n", 413),
        ("", 415),
        ("X-Trappe: 1\r\nOrigin: null\r\n", 403),
        ("X-Trappe: 1\r\nX-Trappe-Name: marker\r\n", 409),
        ("X-Trappe: 1\r\nContent-Length: 3\r\n", 400),
    ];
    for (fields, status) in table {
        let mut peer = hub.connect();
        peer.send(post_bytes("lobby", fields, &body));
        assert_eq!(Answer::read(&peer.rest()).status, status, "{fields}");
    }
    room.heard_nothing("bodies that were refused");
}
