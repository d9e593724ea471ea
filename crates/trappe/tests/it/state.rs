//! Shared state (PROTOCOL §6): the latest value of each key, told in the same way over every wire.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json::assert_like;
use crate::json_peer::{BOTH, JsonPeer};
use crate::peer::Peer;
use crate::state_peer::Way::{
    Json, Raw, Text, UdpJson, UdpRaw, WebSocketJson, WebSocketRaw, WebSocketText,
};
use crate::state_peer::{Member, Place, WAYS, Wire};
use crate::udp_peer::UdpPeer;
use crate::web::Socket;

#[test]
fn each_wire_tells_the_same_story() {
    for way in WAYS {
        let place = Place::new();
        let (mut alice, mut bob) = (place.member(Text), place.member(Json));
        let mut x = place.member(way);
        let each_hears = |members: [&mut Member; 3], key: &str, value: &str| {
            for member in members {
                member.hears(key, value);
            }
        };
        for member in [&mut alice, &mut bob, &mut x] {
            assert_eq!(member.follow(), 0, "{way:?}");
        }
        alice.set("a", "1");
        each_hears([&mut alice, &mut bob, &mut x], "a", "1");
        // The setter too.
        x.set("b/é.1:2_3", "deux mots");
        each_hears([&mut alice, &mut bob, &mut x], "b/é.1:2_3", "deux mots");
        assert_eq!(x.get("a").as_deref(), Ok("1"), "{way:?}");
        assert_eq!(x.get("A"), Err("no-such-key".to_owned()), "{way:?}: case matters");

        x.set("v#5", "cinq");
        each_hears([&mut alice, &mut bob, &mut x], "v", "cinq");
        // Who sends datagrams has to do with old ones all the time: told only if it has given an id.
        let told = (way == UdpJson || !way.is_udp()).then(|| "stale-version".to_owned());
        assert_eq!(x.refused("v#4", "quatre"), told, "{way:?}: older");
        assert_eq!(x.refused("v#5", "cinq encore"), told, "{way:?}: equal");
        alice.set("v#1", "un");
        each_hears([&mut alice, &mut bob, &mut x], "v", "un");
        assert_eq!(x.refused("v#3", "trois"), told, "{way:?}: another's version changes nothing");
        x.set("v#6", "six");
        each_hears([&mut alice, &mut bob, &mut x], "v", "six");

        let all = [("a", "1"), ("b/é.1:2_3", "deux mots"), ("v", "six")];
        let all: BTreeMap<_, _> = all.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(x.snapshot(), all, "{way:?}: asked again");
        bob.set("a", "");
        each_hears([&mut alice, &mut bob, &mut x], "a", "");
        assert_eq!(x.get("a"), Err("no-such-key".to_owned()), "{way:?}: it was taken away");

        // What it followed has ended with its leaving, and nothing of one room is in another.
        x.go("lobby", "jardin");
        alice.set("a", "pour le lobby");
        alice.hears("a", "pour le lobby");
        bob.hears("a", "pour le lobby");
        assert_eq!(x.follow(), 0, "{way:?}");
        x.set("c", "pour le jardin");
        x.hears("c", "pour le jardin");
        assert_eq!(alice.get("c"), Err("no-such-key".to_owned()));
        x.go("jardin", "lobby");
        alice.set("a", "encore");
        alice.hears("a", "encore");
        assert_eq!(x.get("a").as_deref(), Ok("encore"), "{way:?}: it follows no more");
        assert_eq!(x.snapshot().len(), 3, "{way:?}");
        assert_eq!(x.get("c"), Err("no-such-key".to_owned()), "{way:?}");
    }
}

#[test]
fn who_comes_late_is_sent_all_of_it_once() {
    // No more by datagrams than what a socket's buffer takes at once.
    for (keys, by_udp) in [(500, false), (100, true)] {
        let place = Place::new();
        let mut alice = place.member(Text);
        let all: BTreeMap<String, String> =
            (0..keys).map(|n| (format!("clé-{n}"), format!("{n} {}", "v".repeat(n)))).collect();
        for (key, value) in &all {
            alice.set(key, "avant");
            alice.set(key, value);
        }
        alice.ask("/quiet on");
        for way in WAYS.into_iter().filter(|way| way.is_udp() == by_udp) {
            let mut late = place.member(way);
            assert_eq!(late.snapshot(), all, "{way:?}");
            alice.set("clé-0", "après");
            late.hears("clé-0", "après");
            alice.set("clé-0", "0 ");
            late.hears("clé-0", "0 ");
        }
    }
}

#[test]
fn a_follower_that_does_not_read_gets_few_values_and_the_last() {
    const SETS: usize = 100_000;
    for way in [Text, Raw, Json, WebSocketJson] {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut healthy) = (hub.member(), Member::of(&hub, way));
        let mut slow = match way {
            WebSocketJson => {
                let peer = Peer::narrow(hub.port());
                let socket = Socket::over(peer, "/ws?room=lobby", "json", b"");
                Member::over(Wire::Frames(socket), way)
            }
            _ => Member::on(Peer::narrow(hub.port()), way),
        };
        assert_eq!((healthy.follow(), slow.follow()), (0, 0));
        let last_of = |member: &mut Member| {
            let (mut last, mut count) = (0, 0);
            while last < SETS {
                let (key, value) = member.state();
                let number = value.split(' ').next().and_then(|n| n.parse().ok());
                let number: usize = number.unwrap_or_else(|| panic!("{key} is {value:?}"));
                assert!(number > last, "{number} after {last} ({way:?})");
                (last, count) = (number, count + 1);
            }
            assert!(count < SETS / 10, "{count} values of {SETS} were sent ({way:?})");
        };
        thread::scope(|scope| {
            scope.spawn(|| last_of(&mut healthy));
            let padding = "x".repeat(200);
            for first in (1..=SETS).step_by(100) {
                let lines = (first..first + 100).map(|n| format!("/set k {n} {padding}\n"));
                alice.send(lines.collect::<String>());
            }
            assert_eq!(alice.ask("/echo off").len(), 1, "what succeeds is answered by nothing");
        });
        last_of(&mut slow);
    }
}

#[test]
fn no_older_value_ever_comes_after_a_newer_one() {
    const ROUNDS: usize = 300;
    let place = Place::new();
    let mut followers: Vec<Member> = WAYS.iter().map(|&way| place.member(way)).collect();
    let setters = [place.member(Text), place.member(WebSocketText)];
    let mut end = place.member(Text);
    for follower in &mut followers {
        assert_eq!(follower.follow(), 0);
    }
    thread::scope(|scope| {
        let heard: Vec<_> = followers
            .iter_mut()
            .map(|follower| {
                scope.spawn(|| {
                    let (mut newest, mut state) = (BTreeMap::new(), BTreeMap::new());
                    loop {
                        let (key, value) = follower.state();
                        if key == "fin" {
                            return state;
                        }
                        let (who, n) = value.split_once(' ').expect("WHO N");
                        let n: usize = n.parse().expect("a number");
                        let before = newest.insert((key.clone(), who.to_owned()), n);
                        assert!(before < Some(n), "{key}: {n} after {before:?}");
                        state.insert(key, value);
                    }
                })
            })
            .collect();
        let setting: Vec<_> = setters
            .into_iter()
            .enumerate()
            .map(|(who, mut setter)| {
                scope.spawn(move || {
                    for n in 0..ROUNDS {
                        for key in 0..8 {
                            setter.set(&format!("k{key}#{n}"), &format!("{who} {n}"));
                        }
                    }
                    setter.ask("/quiet on");
                })
            })
            .collect();
        for thread in setting {
            thread.join().expect("it sets its values");
        }
        end.set("fin", "!");
        let states: Vec<BTreeMap<_, _>> =
            heard.into_iter().map(|it| it.join().expect("it hears the end")).collect();
        assert_eq!(states[0].len(), 8);
        for (state, way) in states.iter().zip(WAYS) {
            assert_eq!(*state, states[0], "{way:?} and the others have different states");
        }
    });
}

#[test]
fn versions_are_serial_numbers_of_each_sender() {
    let place = Place::new();
    let (mut alice, mut bob) = (place.member(Text), place.member(Json));
    let mut count = 0;
    // RFC 1982: newer is what is less than half of all numbers ahead.
    for (version, newer) in [
        ("4294967294", true),
        ("4294967295", true),
        ("4294967295", false),
        ("4294967294", false),
        ("0", true),
        ("4294967295", false),
        ("0", false),
        ("2147483647", true),
        ("0", false),
        ("4294967294", true),
        ("1", true),
        ("0", false),
    ] {
        for member in [&mut alice, &mut bob] {
            let value = format!("valeur {count}");
            count += 1;
            let refused = member.refused(&format!("k#{version}"), &value);
            let refused = refused.as_deref();
            assert_eq!(refused, (!newer).then_some("stale-version"), "{version}");
            assert_eq!(member.get("k").is_ok_and(|it| it == value), newer, "{version}");
        }
    }
    // Without one, by arrival; what a sender's last version was is not forgotten by that.
    bob.set("k", "sans");
    assert_eq!(bob.get("k").as_deref(), Ok("sans"));
    assert_eq!(alice.refused("k#1", "vieux").as_deref(), Some("stale-version"));
    alice.set("k", "sans aussi");
    assert_eq!(alice.refused("k#1", "vieux").as_deref(), Some("stale-version"));
    assert_eq!(alice.refused("k#2", "neuf"), None);
    // Each key has its own.
    assert_eq!(alice.refused("autre#1", "neuf"), None);
    // A key that was taken away isn't brought back by what is older.
    assert_eq!(alice.refused("k#5", ""), None);
    assert_eq!(alice.refused("k#4", "revenant").as_deref(), Some("stale-version"));
    assert_eq!(alice.get("k"), Err("no-such-key".to_owned()));
}

#[test]
fn what_is_wrong_is_told_by_a_code_and_changes_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = Member::of(&hub, Text);
    let long = "é".repeat(65);
    for (command, code) in [
        ("/set", "missing-argument"),
        ("/set a=b x", "bad-key"),
        ("/set a,b x", "bad-key"),
        ("/set <a> x", "bad-key"),
        ("/set 💥 x", "bad-key"),
        ("/set #1 x", "bad-key"),
        (&format!("/set {long} x"), "bad-key"),
        ("/set a#x 1", "bad-version"),
        ("/set a# 1", "bad-version"),
        ("/set a#-1 1", "bad-version"),
        ("/set a#+1 1", "bad-version"),
        ("/set a#1.5 1", "bad-version"),
        ("/set a#1#2 1", "bad-version"),
        ("/set a#4294967296 1", "bad-version"),
        ("/get a=b", "bad-key"),
        ("/get a#1", "bad-key"),
        ("/get a", "no-such-key"),
    ] {
        assert_eq!(alice.error(command).as_deref(), Some(code), "{command}");
    }
    assert_eq!(alice.follow(), 0);
    for via in BOTH {
        let (mut bob, mut id) = (JsonPeer::member(&hub, via), 0);
        for (op, code) in [
            (r#"{"op":"set"}"#, "missing-field"),
            (r#"{"op":"set","key":"a"}"#, "missing-field"),
            (r#"{"op":"set","text":"x"}"#, "missing-field"),
            (r#"{"op":"set","key":"","text":"x"}"#, "bad-key"),
            (r#"{"op":"set","key":"a b","text":"x"}"#, "bad-key"),
            (r#"{"op":"set","key":"a#1","text":"x"}"#, "bad-key"),
            (r#"{"op":"set","key":"a","v":-1,"text":"x"}"#, "bad-version"),
            (r#"{"op":"set","key":"a","v":1.5,"text":"x"}"#, "bad-version"),
            (r#"{"op":"set","key":"a","v":"1","text":"x"}"#, "bad-field"),
            (r#"{"op":"set","key":"a","v":4294967296,"text":"x"}"#, "bad-version"),
            (r#"{"op":"set","key":"a","text":"x","room":"jardin"}"#, "not-in-room"),
            (r#"{"op":"get","key":"a b"}"#, "bad-key"),
            (r#"{"op":"get","key":"a"}"#, "no-such-key"),
            (r#"{"op":"get","room":"jardin"}"#, "not-in-room"),
        ] {
            let mut op: Value = serde_json::from_str(op).expect("an op");
            id += 1;
            op["id"] = id.into();
            let answer = bob.ask(&op);
            assert_eq!(answer.len(), 1, "{op}: {answer:#?}");
            let told = (&answer[0]["ev"], &answer[0]["code"], &answer[0]["id"]);
            assert_eq!(told, (&json!("error"), &json!(code), &json!(id)), "{op}");
        }
    }
    // Nothing of that was taken; and what is allowed to its last character is.
    let key = "é".repeat(64);
    alice.set(&key, "x");
    alice.hears(&key, "x");
}

#[test]
fn ops_and_events_are_as_the_schema_shows_them() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let mut bob = JsonPeer::member(&hub, via);
        let k = |id: Option<u64>| {
            let mut event = json!({"ev": "state", "room": "lobby", "seq": 1, "key": "k", "v": 7,
                "from": "alice", "sid": 1, "ts": "*", "text": "x"});
            if let Some(id) = id {
                event["id"] = id.into();
            }
            event
        };
        let caf = json!({"ev": "state", "room": "lobby", "seq": 2, "key": "octets",
            "from": "alice", "sid": 1, "ts": "*", "b64": "Y2Fm6Q=="});
        let gone = json!({"ev": "state", "room": "lobby", "seq": 3, "key": "k",
            "from": "alice", "sid": 1, "ts": "*", "text": ""});
        for (op, answer) in [
            // Without an id it is answered by nothing.
            (json!({"op": "set", "key": "k", "v": 7, "text": "x"}), vec![]),
            (json!({"op": "get", "key": "k", "id": 1}), vec![k(Some(1))]),
            (json!({"op": "get", "key": "k", "room": "lobby"}), vec![k(None)]),
            (
                json!({"op": "set", "key": "octets", "b64": "Y2Fm6Q==", "id": 2}),
                vec![json!({"ev": "ack", "op": "set", "id": 2})],
            ),
            (
                json!({"op": "set", "key": "k", "text": "", "id": 3}),
                vec![json!({"ev": "ack", "op": "set", "id": 3})],
            ),
        ] {
            assert_like(&alice.ask(&op), &answer, &format!("{op} by {via:?}"));
        }
        alice.op(&json!({"op": "get", "id": 4}));
        let ack = json!({"ev": "ack", "op": "get", "count": 1, "id": 4});
        assert_like(&[alice.event(), alice.event()], &[ack, caf.clone()], "all of it");
        bob.op(&json!({"op": "get", "room": "lobby"}));
        let ack = json!({"ev": "ack", "op": "get", "count": 1});
        assert_like(&[bob.event(), bob.event()], &[ack, caf], "without an id");
        alice.op(&json!({"op": "set", "key": "octets", "text": ""}));
        let mut last = gone;
        last["key"] = "octets".into();
        last["seq"] = 4.into();
        assert_like(&[bob.event()], &[last], "what is taken away");
    }
}

#[test]
fn a_json_member_of_two_rooms_follows_the_one_that_it_asked_for() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (JsonPeer::named(&hub, BOTH[0], "alice"), Member::of(&hub, Text));
    alice.ask(&json!({"op": "join", "room": "jardin"}));
    let which = alice.answer(&json!({"op": "set", "key": "k", "text": "x"}));
    assert_eq!(which["code"], "which-room", "{which}");
    let set = |room: &str, text: &str| json!({"op": "set", "room": room, "key": "k", "text": text});
    alice.op(&set("lobby", "du lobby"));
    alice.op(&set("jardin", "du jardin"));
    alice.op(&json!({"op": "get", "room": "jardin"}));
    let told = alice.through(|event| event["ev"] == "state");
    let [ack, state] = &told[..] else { panic!("{told:#?}") };
    assert_eq!((&ack["op"], &ack["count"]), (&json!("get"), &json!(1)));
    assert_eq!((&state["room"], &state["text"]), (&json!("jardin"), &json!("du jardin")));
    assert_eq!(bob.get("k").as_deref(), Ok("du lobby"));
    bob.follow();
    bob.hears("k", "du lobby");
    alice.op(&set("lobby", "2"));
    bob.hears("k", "2");
    alice.op(&set("jardin", "2"));
    let state = alice.event();
    assert_eq!((&state["room"], &state["text"]), (&json!("jardin"), &json!("2")), "{state}");
}

#[test]
fn no_value_is_taken_for_the_line_of_another_key_or_for_the_hubs_own() {
    let place = Place::new();
    let mut alice = JsonPeer::named(&place.hub, BOTH[0], "alice");
    let value = "x\n=autre= faux\r\n<bob> faux\n! busy\n\u{1b}[2J\u{202e}\tfin";
    let shown = ["x", "=autre= faux\\x0d", "<bob> faux", "! busy", "\\x1b[2J\\u{202e}\tfin"];
    for way in WAYS {
        if way == Raw || way.is_json() {
            continue;
        }
        let mut x = place.member(way);
        x.follow();
        alice.op(&json!({"op": "set", "key": "k", "text": value}));
        if matches!(way, UdpRaw | WebSocketRaw) {
            // A datagram or a frame ends where it ends: the exact bytes.
            x.hears("k", value);
        } else {
            for line in shown {
                x.hears("k", line);
            }
        }
        alice.op(&json!({"op": "set", "key": "k", "text": "."}));
        x.hears("k", ".");
        alice.op(&json!({"op": "set", "key": "k", "text": ""}));
        x.hears("k", "");
    }
    // In raw format on lines: the exact bytes too.
    let mut raw = place.hub.connect();
    raw.ask("/format raw\n/quiet on\n/get");
    alice.op(&json!({"op": "set", "key": "k", "text": value}));
    assert_eq!(String::from_utf8(raw.through(b"fin\n")), Ok(format!("=k= {value}\n")));
    // No byte is lost where it isn't UTF-8; for eyes it is shown.
    let mut bob = place.member(Text);
    bob.follow();
    bob.hears("k", "x");
    alice.op(&json!({"op": "set", "key": "k", "b64": "Y2Fm6Q=="}));
    assert_eq!(raw.through(b"\n"), b"=k= caf\xe9\n");
    while bob.state().1 != "caf\\xe9" {}
}

#[test]
fn a_member_by_udp_gets_several_values_in_a_datagram_and_none_that_is_too_long() {
    const KEYS: usize = 200;
    let hub = Hub::start(&["--quiet"]);
    let mut alice = Member::of(&hub, Text);
    for n in 0..KEYS {
        alice.set(&format!("bot-{n}"), &format!("{n},{n}"));
    }
    alice.set("long", &"x".repeat(2000));
    alice.ask("/quiet on");
    let [mut text, mut json] = [UdpPeer::named(&hub, "texte"), UdpPeer::json(&hub, "json")];
    text.send("/get");
    json.op(&json!({"op": "get"}));
    let is_value = |line: &str| line.starts_with("=bot-") || line.contains(r#""key":"bot-"#);
    for (peer, most) in [(&mut text, KEYS / 10), (&mut json, KEYS / 4)] {
        let (mut values, mut datagrams) = (Vec::new(), 0);
        while values.len() < KEYS {
            let datagram = String::from_utf8(peer.datagram()).expect("the hub writes UTF-8");
            assert!(datagram.ends_with('\n'), "{datagram:?} is cut");
            datagrams += usize::from(datagram.lines().any(is_value));
            values.extend(datagram.lines().filter(|it| is_value(it)).map(str::to_owned));
        }
        assert!(datagrams <= most, "{KEYS} values in {datagrams} datagrams");
        values.sort_unstable();
        values.dedup();
        assert_eq!(values.len(), KEYS, "a value came twice");
    }
    alice.set("bot-7", "fin");
    text.until(|line| line == "=bot-7= fin");
    json.event_until(|event| event["key"] == "bot-7" && event["text"] == "fin");
}
