//! `GET /live`, and who may watch at all: the hub as it lives, for its own machine (PROTOCOL §9).

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::watcher::{Watcher, request};
use crate::web::{self, Answer, Socket, ask, get};

/// How many may watch at once.
const PLACES: usize = 16;

/// The row of a member.
#[track_caller]
fn row<'a>(hub: &'a Value, name: &str) -> &'a Value {
    let rows = hub["member_list"].as_array().expect("the schema says so");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}: {hub:#}"))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_hub_is_told_at_once_and_every_second() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut bob = Socket::open(&hub, "/ws?room=jardin", "json");
    bob.event_of("join");
    let since = Instant::now();
    let mut watcher = Watcher::open(&hub, "/live");
    let first = watcher.event();
    assert!(since.elapsed() < Duration::from_secs(1), "after {:?} only", since.elapsed());
    assert_eq!(watcher.head.field("content-type"), Some("text/event-stream"));
    assert_eq!((&first["members"], &first["rooms"]), (&2.into(), &2.into()), "{first:#}");
    let transports = serde_json::json!({"tcp": 1, "unix": 0, "ws": 1, "sse": 0, "udp": 0});
    assert_eq!(first["transports"], transports);
    let told = row(&first, "alice");
    assert_eq!(told["sid"], 1);
    assert_eq!(told["address"], alice.address().to_string());
    assert_eq!((&told["transport"], &told["rooms"]), (&"tcp".into(), &vec!["lobby"].into()));
    assert_eq!(row(&first, "client-2")["rooms"], Value::from(vec!["jardin"]));
    let rooms = first["room_list"].as_array().expect("the schema says so");
    assert!(
        rooms.iter().any(|it| *it == serde_json::json!({"room": "jardin", "members": 1, "seq": 0}))
    );

    // What is said since then is counted: here by alice, in a room of two.
    bob.say(r#"{"op":"join","room":"lobby"}"#);
    bob.event_of("join");
    alice.say("bonjour");
    bob.event_of("msg");
    alice.error(&"x".repeat(70_000));
    let counted =
        |hub: &Value| number(&hub["messages"]) == 1 && number(&row(hub, "alice")["refused"]) == 1;
    let then = watcher.until(counted);
    assert_eq!(number(&then["deliveries"]), 1, "{then:#}");
    for total in ["bytes_in", "bytes_out", "refused"] {
        assert!(number(&then[total]) > number(&first[total]), "{total}: {then:#}");
    }
    for total in ["in", "out"] {
        assert!(number(&row(&then, "alice")[total]) > number(&told[total]), "{total}: {then:#}");
    }
    let rooms = then["room_list"].as_array().expect("the schema says so");
    assert_eq!(rooms[0], serde_json::json!({"room": "lobby", "members": 2, "seq": 1}));

    // A second is a second.
    let next = watcher.event();
    let seconds = |hub: &Value| {
        let ts = hub["ts"].as_str().expect("the schema says so");
        ts[17..23].parse::<f64>().expect("SS.mmm")
    };
    let between = (seconds(&next) - seconds(&then)).rem_euclid(60.0);
    assert!((0.5..5.0).contains(&between), "{between} s");
    // Who watches the hub is no member, and no member notices.
    assert_eq!(next["members"], 2);
    assert_eq!(row(&next, "alice").get("watched"), None, "{next:#}");
}

#[test]
fn a_member_that_left_is_told_no_more_and_who_watches_a_wire_is_counted() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let bob = hub.named("bob");
    let mut watcher = Watcher::open(&hub, "/live?member=alice");
    let seen = watcher.until(|event| event["ev"] == "hub");
    assert_eq!(row(&seen, "alice")["watched"], 1, "{seen:#}");
    assert_eq!(row(&seen, "bob").get("watched"), None, "{seen:#}");
    let why = alice.ask("/why").join(" ");
    assert!(why.contains("1 personne regarde"), "{why}");
    drop(bob);
    watcher.until(|event| event["ev"] == "hub" && event["members"] == 1);
    // The wire stands between the states.
    alice.say("bonjour");
    let message = watcher.next_of("message");
    assert_eq!(message["text"], "bonjour");
    watcher.next_of("hub");
    drop(alice);
    watcher.next_of("close");
    assert!(watcher.rest().iter().all(|event| event["ev"] == "hub"));
}

#[test]
fn a_slow_member_stands_first_with_its_lag() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut healthy = hub.member();
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let mut watcher = Watcher::open(&hub, "/live");
    let padding = "x".repeat(1000);
    for round in 0..4000 {
        alice.say(&padding);
        if round % 100 == 99 {
            for _ in 0..100 {
                healthy.line();
            }
        }
    }
    let told = watcher.until(|hub| row(hub, "client-3")["slow"] == true);
    assert_eq!(told["member_list"][0]["name"], "client-3", "{told:#}");
    assert!(number(&row(&told, "client-3")["lag"]) > 0, "{told:#}");
    assert_eq!(row(&told, "client-2").get("slow"), None, "{told:#}");
    // It reads again: it has everything, and is slow no more.
    for _ in 0..4000 {
        slow.line();
    }
    let told = watcher.until(|hub| row(hub, "client-3").get("slow").is_none());
    assert_eq!(row(&told, "client-3")["lag"], 0, "{told:#}");
}

#[test]
fn who_is_not_there_cannot_be_watched() {
    let hub = Hub::start(&["--quiet"]);
    let _alice = hub.named("alice");
    for path in ["/live", "/tap"] {
        for (query, status, code) in [
            ("member=bob", 404, "no-such-member"),
            ("member=client-7", 404, "no-such-member"),
            ("member=", 404, "no-such-member"),
            ("room=jardin", 404, "no-such-room"),
            ("room=a%20b", 400, "bad-name"),
            ("room=a&room=b", 400, "duplicate-parameter"),
            ("member=a&member=b", 400, "duplicate-parameter"),
            ("member=%ff", 400, "bad-query"),
        ] {
            let answer = get(&hub, &format!("{path}?{query}"));
            assert_eq!(answer.status, status, "{path}?{query}: {answer:?}");
            assert_eq!(answer.json()["code"], code, "{path}?{query}");
        }
        // By any of its names.
        for query in ["member=ALICE", "member=client-1", "room=Lobby"] {
            Watcher::open(&hub, &format!("{path}?{query}"));
        }
    }
}

#[test]
fn only_this_machine_may_watch_without_a_proxy_and_no_foreign_page() {
    for open in [&["--quiet"][..], &["--quiet", "--open"]] {
        let hub = Hub::start(open);
        for path in ["/live", "/tap"] {
            for (field, code) in [
                ("X-Forwarded-For: 192.0.2.7", "local-only"),
                ("Forwarded: for=127.0.0.1", "local-only"),
                ("Via: 1.1 proxy", "local-only"),
                ("X-Real-IP: 127.0.0.1", "local-only"),
                ("Sec-Fetch-Site: cross-site", "origin-not-allowed"),
                ("Origin: http://evil.example", "origin-not-allowed"),
                ("Origin: null", "origin-not-allowed"),
            ] {
                let answer = web::request(&hub, "GET", path, &format!("{field}\r\n"));
                assert_eq!(answer.status, 403, "{path} {field}: {answer:?}");
                assert_eq!(answer.json()["code"], code, "{path} {field}");
                assert_eq!(answer.field("access-control-allow-origin"), None, "{answer:?}");
            }
            let evil = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n");
            assert_eq!(ask(&hub, evil).json()["code"], "host-not-allowed");
            let post = web::request(&hub, "POST", path, "X-Trappe: 1\r\nContent-Length: 0\r\n");
            assert_eq!(post.status, 405, "{post:?}");
        }
        let mut watcher = Watcher::open(&hub, "/live");
        assert_eq!(watcher.event()["ev"], "hub");
    }
}

#[test]
fn where_no_http_is_spoken_nobody_watches() {
    for only in ["lines", "ws"] {
        let hub = Hub::start(&["--quiet", "--only", only]);
        for path in ["/live", "/tap"] {
            let answer = get(&hub, path);
            assert_eq!(answer.status, 403, "{only} {path}: {answer:?}");
            assert!(answer.text().contains("--only"), "{only} {path}: {answer:?}");
        }
    }
}

#[test]
fn a_seventeenth_is_told_to_come_back_and_a_place_that_is_left_is_free() {
    let hub = Hub::start(&["--quiet"]);
    let mut watchers: Vec<Watcher> = (0..PLACES)
        .map(|n| Watcher::open(&hub, if n % 2 == 0 { "/live" } else { "/tap" }))
        .collect();
    for path in ["/live", "/tap"] {
        let refused = get(&hub, path);
        assert_eq!(refused.status, 503, "{refused:?}");
        assert_eq!(refused.json()["code"], "too-many-watchers");
        assert!(refused.field("retry-after").is_some(), "{refused:?}");
        let head = web::request(&hub, "HEAD", path, "");
        assert_eq!((head.status, head.text()), (200, ""), "it takes no place, and ends: {head:?}");
    }
    // However one goes.
    for leave in
        [|it: Watcher| drop(it), |it: Watcher| it.peer.reset(), |it: Watcher| it.peer.finish()]
    {
        leave(watchers.pop().expect("there are sixteen"));
        let until = Instant::now() + PATIENCE;
        loop {
            let mut peer = hub.connect();
            peer.send(request("/tap"));
            let head = Answer::read(&peer.through(b"\r\n\r\n"));
            if head.status == 200 {
                break;
            }
            assert!(Instant::now() < until, "no place is free: {head:?}");
        }
    }
    // Those that stayed are told all the same.
    let _alice = hub.named("alice");
    watchers[0].until(|hub| hub["members"] == 1);
    watchers[1].until(|event| event["ev"] == "open" && event["name"] == "alice");
}

#[test]
fn a_silent_wire_gives_a_sign_of_life_within_twenty_seconds() {
    let hub = Hub::start(&["--quiet"]);
    let mut watcher = Watcher::open(&hub, "/tap");
    let since = Instant::now();
    watcher.peer.writer().set_read_timeout(Some(Duration::from_secs(20))).expect("it can be set");
    let mut signs = 0;
    while since.elapsed() < Duration::from_secs(5) {
        assert_eq!((watcher.peer.line(), watcher.peer.line()), (":".to_owned(), String::new()));
        signs += 1;
    }
    assert!(since.elapsed() < Duration::from_secs(20) && signs < 5, "{signs} signs");
}

#[test]
fn at_shutdown_those_who_watch_are_not_waited_for() {
    let mut hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (mut live, mut tap) = (Watcher::open(&hub, "/live"), Watcher::open(&hub, "/tap"));
    let unread = Watcher::over(Peer::narrow(hub.port()), "/tap");
    alice.ask("bonjour");
    hub.signal("TERM");
    live.rest();
    tap.rest();
    assert_eq!(hub.ended_within(Duration::from_secs(5)).code, Some(0));
    drop(unread);
}
