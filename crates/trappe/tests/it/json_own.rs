//! What a JSON member does itself comes back to it once, as the answer, whatever its rooms.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_peer::{BOTH, JsonPeer, Via, frame};
use crate::sessions::{newcomer, takes_over};

/// Several ops in one write.
#[track_caller]
fn send_at_once(peer: &JsonPeer, via: Via, ops: &[Value]) {
    let bytes: Vec<u8> = ops
        .iter()
        .flat_map(|op| match via {
            Via::Lines => format!("{op}\n").into_bytes(),
            Via::WebSocket => frame(0x81, op.to_string().as_bytes()),
        })
        .collect();
    peer.writer().write_all(&bytes).expect("the hub reads");
}

/// Nobody tells the member of itself: neither its own messages, nor that it came, unless it is an answer.
#[track_caller]
fn assert_nothing_of_its_own(events: &[Value], sid: u64, about: &str) {
    let echoed = |event: &&Value| {
        let told = matches!(event["ev"].as_str(), Some("msg" | "join" | "leave" | "nick"));
        told && event["sid"] == sid && event.get("own").is_none()
    };
    let echoed: Vec<&Value> = events.iter().filter(echoed).collect();
    assert!(echoed.is_empty(), "{about}: {echoed:#?} of {events:#?}");
}

#[test]
fn one_that_comes_into_several_rooms_at_once_is_not_told_of_itself() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut bob = JsonPeer::member(&hub, Via::Lines);
        let rooms: Vec<Value> = ["lobby", "jardin", "cave"].map(|it| json!({"room": it})).into();
        for room in &rooms {
            bob.ask(&json!({"op": "join", "room": room["room"]}));
        }
        let mut alice = match via {
            Via::Lines => JsonPeer::lines(&hub),
            Via::WebSocket => JsonPeer::websocket(&hub, "/ws"),
        };
        let answer = alice.ask(&json!({"op": "hello", "rooms": rooms}));
        let sid = answer[0]["sid"].as_u64().expect("it has had its hello");
        let mut events = answer;
        events.extend(alice.ask(&json!({"op": "ping"})));
        // Something of each room: what stood there before it has come by then.
        for room in &rooms {
            bob.ask(&json!({"op": "send", "room": room["room"], "text": "bienvenue"}));
            events.push(alice.until(|event| event["text"] == "bienvenue"));
        }
        assert_nothing_of_its_own(&events, sid, &format!("hello by {via:?}"));
    }
}

#[test]
fn one_that_moves_between_rooms_is_not_told_of_itself() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let sid = alice.sid();
        let mut events = alice.ask(&json!({"op": "quiet", "on": false}));
        let rooms = ["lobby", "jardin", "cave"];
        let moves: Vec<Value> = (0..30)
            .flat_map(|n| {
                let room = rooms[n % 3];
                [
                    json!({"op": "join", "room": room}),
                    json!({"op": "nick", "name": format!("a{n}")}),
                    json!({"op": "send", "room": room, "text": "ici"}),
                    json!({"op": "leave", "room": rooms[(n + 1) % 3]}),
                ]
            })
            .collect();
        send_at_once(&alice, via, &moves);
        events.extend(alice.ask(&json!({"op": "ping"})));
        events.extend(alice.ask(&json!({"op": "ping"})));
        assert_nothing_of_its_own(&events, sid, &format!("{via:?}"));
        let answers = events.iter().filter(|it| it["ev"] != "error").count();
        assert!(answers > 90, "{answers} of {events:#?}");
    }
}

#[test]
fn own_messages_in_several_rooms_are_acknowledged_and_do_not_come_back() {
    const EACH: u64 = 100;
    for via in BOTH {
        let hub = Hub::start(&["--quiet", "--workers", "2"]);
        let (mut alice, mut ear) = (JsonPeer::member(&hub, via), JsonPeer::member(&hub, via));
        let rooms = ["lobby", "jardin", "cave"];
        for room in rooms {
            alice.ask(&json!({"op": "join", "room": room}));
            ear.ask(&json!({"op": "join", "room": room}));
        }
        let sends: Vec<Value> = (1..=EACH)
            .flat_map(|n| {
                rooms.map(|room| json!({"op": "send", "room": room, "text": n.to_string()}))
            })
            .collect();
        send_at_once(&alice, via, &sends);
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for n in 0..3 * EACH {
            let ack = alice.event();
            let room = ack["room"].as_str().expect("a room").to_owned();
            let seq = next.entry(room).or_default();
            *seq += 1;
            assert_eq!((&ack["ev"], &ack["seq"]), (&json!("ack"), &json!(*seq)), "{n} by {via:?}");
        }
        let mut heard: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..3 * EACH {
            let event = ear.event();
            let last = heard.entry(event["room"].to_string()).or_default();
            *last += 1;
            assert_eq!(
                (event["seq"].as_u64(), &event["text"]),
                (Some(*last), &json!(last.to_string()))
            );
        }
        // And with another's in between, in each room: only those come, after all of its own that might.
        let mut events = Vec::new();
        for room in rooms {
            ear.ask(&json!({"op": "send", "room": room, "text": "à moi"}));
            alice.op(&json!({"op": "send", "room": room, "text": "à moi aussi"}));
            events.extend(alice.through(|event| event["text"] == "à moi"));
        }
        events.extend(alice.ask(&json!({"op": "history", "room": "cave", "n": 2})));
        let (old, new): (Vec<Value>, Vec<Value>) =
            events.into_iter().partition(|event| event.get("old").is_some());
        assert_nothing_of_its_own(&new, alice.sid(), &format!("{via:?}"));
        let own: Vec<_> = old.iter().map(|it| it.get("own").is_some()).collect();
        assert_eq!(own, [false, true], "{old:#?}");
    }
}

#[test]
fn one_that_leaves_a_room_and_is_back_at_once_is_not_told_of_itself() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut bob = JsonPeer::member(&hub, Via::Lines);
        let mut alice = JsonPeer::member(&hub, via);
        alice.ask(&json!({"op": "quiet", "on": false}));
        bob.ask(&json!({"op": "join", "room": "jardin"}));
        for turn in 1..=10 {
            let ops = ["lobby", "jardin"].map(|room| {
                [
                    json!({"op": "leave", "room": room}),
                    json!({"op": "join", "room": room}),
                    json!({"op": "send", "room": room, "text": "de retour"}),
                ]
            });
            send_at_once(&alice, via, &ops.concat());
            let mut events = Vec::new();
            for _ in 0..2 {
                bob.until(|event| event["text"] == "de retour");
            }
            for room in ["lobby", "jardin"] {
                bob.ask(&json!({"op": "send", "room": room, "text": "bienvenue"}));
                let heard = |it: &Value| it["text"] == "bienvenue" && it["room"] == room;
                events.extend(alice.through(heard));
            }
            let about = format!("turn {turn} by {via:?}");
            assert_nothing_of_its_own(&events, alice.sid(), &about);
        }
    }
}

#[test]
fn one_that_leaves_a_room_and_is_back_at_once_does_not_hear_itself_in_text_either() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for _ in 0..10 {
        alice.send("/join jardin\n/leave\nde retour\n");
        assert_eq!(bob.line(), "<alice> de retour");
        bob.say("bienvenue");
        let heard = alice.before("<bob> bienvenue");
        assert!(heard.iter().all(|line| line.starts_with("* ")), "{heard:?}");
    }
}

#[test]
fn a_session_that_moves_is_not_told_of_itself() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let (first, mut bob) = (JsonPeer::named(&hub, via, "alice"), hub.member());
        // On lines it is in the lobby already, under a number of its own, and known there.
        let mut second = newcomer(&hub, via);
        let rooms = json!([{"room": "lobby"}, {"room": "jardin"}]);
        let mut events = takes_over(&mut second, first.session(), &rooms);
        for room in ["jardin", "lobby"] {
            bob.ask(&format!("/join {room}"));
            bob.say("bienvenue");
            events.extend(second.through(|it| it["text"] == "bienvenue" && it["room"] == room));
        }
        assert_nothing_of_its_own(&events, first.sid(), &format!("{via:?}"));
    }
}
