//! Sessions (PROTOCOL §5): who loses a connection comes back on another as who it was, without a hole and without a repeat.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;
use std::thread;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json::assert_like;
use crate::json_peer::{BOTH, JsonPeer, Via, frame};
use crate::peer::Peer;

/// A connection that is in no room yet, or, on lines, has sent no op yet.
#[track_caller]
pub(crate) fn newcomer(hub: &Hub, via: Via) -> JsonPeer {
    match via {
        Via::Lines => JsonPeer::lines(hub),
        Via::WebSocket => JsonPeer::websocket(hub, "/ws"),
    }
}

/// Takes a session over, in these rooms; gives the hello and all that follows it, up to the answer of a ping.
#[track_caller]
pub(crate) fn takes_over(peer: &mut JsonPeer, session: &str, rooms: &Value) -> Vec<Value> {
    peer.ask(&json!({"op": "hello", "session": session, "rooms": rooms, "id": 1}))
}

/// A lost connection: no goodbye, just gone.
pub(crate) fn lose(peer: JsonPeer) {
    Peer::over(peer.writer()).reset();
    drop(peer);
}

/// The numbers of the messages among events.
fn seqs(events: &[Value]) -> Vec<u64> {
    events.iter().filter(|it| it["ev"] == "msg").filter_map(|it| it["seq"].as_u64()).collect()
}

#[test]
fn a_take_over_keeps_number_and_name_and_the_old_connection_gets_bye() {
    for (old, new) in BOTH.into_iter().flat_map(|old| BOTH.map(|new| (old, new))) {
        let hub = Hub::start(&["--quiet"]);
        let mut first = JsonPeer::named(&hub, old, "alice");
        let mut bob = hub.named("bob");
        let session = first.session().to_owned();
        let mut second = newcomer(&hub, new);
        let answer = takes_over(&mut second, &session, &json!([{"room": "lobby"}]));
        let rooms = json!([{"room": "lobby", "pos": "*"}]);
        let hello = json!({"ev": "hello", "session": session, "sid": 1, "name": "alice", "resumed": true, "rooms": rooms, "id": 1});
        assert_like(&answer[..1], &[hello], &format!("{old:?}, then {new:?}"));
        assert_eq!(seqs(&answer), [0; 0], "nothing was said");

        let bye = first.rest();
        let pattern = json!({"ev": "bye", "reason": "superseded", "text": "*", "rooms": "*"});
        assert_like(&bye, &[pattern], &format!("{old:?}, then {new:?}"));
        assert_eq!(first.closed().is_some(), old == Via::WebSocket);

        second.ask(&json!({"op": "send", "text": "me revoilà"}));
        assert_eq!(bob.line(), "<alice> me revoilà");
        bob.say("/msg client-1 par ton numéro");
        assert_eq!(second.event()["ev"], "direct");
        let who = bob.ask("/who").concat();
        assert!(who.contains("2 membres") && who.contains("alice"), "{who}");
    }
}

#[test]
fn what_is_said_in_between_arrives_exactly_once_in_each_room() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut first = JsonPeer::named(&hub, via, "alice");
        first.ask(&json!({"op": "join", "room": "jardin"}));
        let (mut bob, mut carol) = (hub.named("bob"), hub.named("carol"));
        carol.ask("/join jardin");
        for n in 1..=3 {
            bob.say(&format!("avant {n}"));
            carol.say(&format!("avant {n}"));
        }
        let mut last = BTreeMap::new();
        while last.len() < 2 || last.values().any(|seq: &u64| *seq < 3) {
            let event = first.event();
            last.insert(event["room"].to_string(), event["seq"].as_u64().expect("a number"));
        }
        let why = first.answer(&json!({"op": "why"}));
        let rooms: Vec<Value> = why["rooms"]
            .as_array()
            .expect("its rooms")
            .iter()
            .map(|it| json!({"room": it["room"], "after": it["pos"]}))
            .collect();
        let session = first.session().to_owned();
        lose(first);
        for n in 1..=5 {
            bob.say(&format!("entre {n}"));
            carol.say(&format!("entre {n}"));
        }
        bob.ask("");
        carol.ask("");
        let mut second = newcomer(&hub, via);
        let answer = takes_over(&mut second, &session, &json!(rooms));
        assert_eq!((&answer[0]["ev"], &answer[0]["resumed"]), (&json!("hello"), &json!(true)));
        bob.say("après");
        carol.say("après");
        let mut heard = answer;
        while heard.iter().filter(|it| it["text"] == "après").count() < 2 {
            heard.push(second.event());
        }
        for room in ["lobby", "jardin"] {
            let of_room: Vec<Value> =
                heard.iter().filter(|it| it["room"] == room).cloned().collect();
            assert_eq!(seqs(&of_room), [4, 5, 6, 7, 8, 9], "{room} by {via:?}: {of_room:#?}");
            let old: Vec<bool> = of_room.iter().map(|it| it.get("old").is_some()).collect();
            assert_eq!(old, [true, true, true, true, true, false, false], "5, then live, then 1");
            assert_eq!(of_room[5]["ev"], "live");
        }
    }
}

#[test]
fn a_session_that_moves_again_and_again_hears_a_busy_room_without_hole_or_repeat() {
    const LAST: u64 = 4000;
    let hub = Hub::start(&["--quiet", "--workers", "2", "--retain", "10000msg,8MiB"]);
    let bob = hub.named("bob");
    let mut alice = JsonPeer::named(&hub, Via::WebSocket, "alice");
    let (session, sid) = (alice.session().to_owned(), alice.sid());
    let mut writer = bob.writer();
    let talking = thread::spawn(move || {
        for n in 1..=LAST {
            writer.write_all(format!("mot {n}\n").as_bytes()).expect("the hub reads");
        }
    });
    let mut heard = 0;
    for moves in 0..12 {
        for _ in 0..50 {
            let event = alice.until(|event| event["ev"] == "msg");
            assert_eq!(event["seq"].as_u64(), Some(heard + 1), "after {moves} moves");
            heard += 1;
        }
        let mut next = newcomer(&hub, BOTH[moves % 2]);
        let rooms = json!([{"room": "lobby", "after": heard}]);
        next.op(&json!({"op": "hello", "session": session, "rooms": rooms}));
        let hello = next.until(|event| event["ev"] == "hello" && event.get("resumed").is_some());
        assert_eq!(hello["sid"], json!(sid));
        // One in two is lost before it is told; the other is left to be closed.
        if moves % 4 < 2 {
            lose(alice);
        } else {
            drop(alice.rest());
        }
        alice = next;
    }
    while heard < LAST {
        let event = alice.until(|event| event["ev"] == "msg");
        assert_eq!(event["seq"].as_u64(), Some(heard + 1));
        heard += 1;
    }
    talking.join().expect("it wrote everything");
}

#[test]
fn a_superseded_connection_changes_nothing_any_more() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut first = JsonPeer::named(&hub, via, "alice");
        let mut bob = hub.named("bob");
        let session = first.session().to_owned();
        let mut second = newcomer(&hub, via);
        takes_over(&mut second, &session, &json!([{"room": "lobby"}]));
        assert_eq!(first.event()["reason"], "superseded");
        let late = [
            json!({"op": "nick", "name": "mallory"}),
            json!({"op": "join", "room": "ailleurs"}),
            json!({"op": "leave", "room": "lobby"}),
            json!({"op": "send", "room": "lobby", "text": "trop tard", "id": 9}),
            json!({"op": "msg", "to": "bob", "text": "trop tard"}),
            json!({"op": "hello", "session": session, "rooms": [{"room": "ailleurs"}]}),
            json!({"op": "quit", "text": "trop tard"}),
        ];
        let mut writer = first.writer();
        for op in late {
            let bytes = match via {
                Via::Lines => format!("{op}\n").into_bytes(),
                Via::WebSocket => frame(0x81, op.to_string().as_bytes()),
            };
            // The hub drains for a moment what still comes; then it is closed.
            drop(writer.write_all(&bytes));
        }
        drop(writer.shutdown(Shutdown::Write));
        assert_eq!(first.rest(), [Value::Null; 0], "nothing comes after bye");
        drop(first);

        second.ask(&json!({"op": "send", "text": "toujours là", "id": 9}));
        assert_eq!(bob.line(), "<alice> toujours là", "by {via:?}");
        let why = second.answer(&json!({"op": "why"}));
        assert_eq!((&why["name"], &why["sid"]), (&json!("alice"), &json!(1)));
        assert_eq!(why["rooms"].as_array().map(Vec::len), Some(1), "{why}");
        let who = bob.ask("/who").concat();
        assert!(who.contains("2 membres") && who.contains("alice"), "{who}");
    }
}

#[test]
fn the_name_of_a_lost_connection_is_kept_for_its_session() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut witness = JsonPeer::lines(&hub);
        witness.ask(&json!({"op": "ping"}));
        let first = JsonPeer::named(&hub, via, "alice");
        let (session, sid) = (first.session().to_owned(), first.sid());
        lose(first);
        witness.until(|event| event["ev"] == "leave" && event["from"] == "alice");
        let mut bob = hub.member();
        for taken in ["alice", "ALICE"] {
            assert!(bob.error(&format!("/nick {taken}")).starts_with("! name-taken "), "{taken}");
        }
        let answer = witness.ask(&json!({"op": "nick", "name": "Alice", "id": 2}));
        let error = answer.last().expect("it is answered");
        assert_eq!((&error["code"], &error["id"]), (&json!("name-taken"), &json!(2)));
        let mut second = newcomer(&hub, via);
        // What it was called meanwhile is free again.
        second.ask(&json!({"op": "nick", "name": "passage"}));
        let answer = takes_over(&mut second, &session, &json!([{"room": "lobby"}]));
        let hello = answer.iter().find(|it| it["ev"] == "hello").expect("a hello");
        let known = (&hello["sid"], &hello["name"], &hello["resumed"]);
        assert_eq!(known, (&json!(sid), &json!("alice"), &json!(true)));
        bob.take_name("passage");
    }
}

#[test]
fn a_session_that_nobody_has_begins_a_new_one_and_harms_nobody() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let session = alice.session().to_owned();
        let tokens = [
            String::new(),
            "0".repeat(32),
            session[..session.len() - 1].to_owned(),
            format!("{session}0"),
            format!(" {session}"),
            "é\0\u{202e}".repeat(20),
            "x".repeat(60_000),
            "client-1".to_owned(),
        ];
        let mut sessions = vec![session.clone()];
        for token in tokens {
            let mut mallory = newcomer(&hub, via);
            let answer = takes_over(&mut mallory, &token, &json!([{"room": "lobby"}]));
            let hello = answer.iter().find(|it| it["ev"] == "hello");
            let hello = hello.unwrap_or_else(|| panic!("no hello: {answer:#?}"));
            assert!(hello.get("resumed").is_none() && hello["sid"] != 1, "{hello}");
            sessions.push(hello["session"].as_str().expect("a session").to_owned());
        }
        for token in [json!(5), json!(["x"]), json!({"a": 1})] {
            let mut mallory = newcomer(&hub, via);
            let answer = mallory.ask(&json!({"op": "hello", "session": token}));
            assert!(answer.iter().any(|it| it["field"] == "session"), "{answer:#?}");
        }
        // Its own is taken over by nobody, not by itself either.
        let answer = takes_over(&mut alice, &session, &json!([{"room": "lobby"}]));
        assert_eq!((&answer[0]["ev"], &answer[0]["sid"]), (&json!("hello"), &json!(1)));
        assert_eq!(alice.answer(&json!({"op": "send", "text": "là"}))["ev"], "ack");
        let count = sessions.len();
        sessions.sort();
        sessions.dedup();
        assert_eq!(sessions.len(), count, "two have the same session");
    }
}

#[test]
fn a_websocket_without_a_room_waits_for_its_hello_and_then_is_in_the_lobby() {
    let hub = Hub::start(&["--quiet"]);
    let mut silent = JsonPeer::websocket(&hub, "/ws");
    assert_eq!(silent.hello()["rooms"], json!([]), "it is in no room yet");
    let join = json!({"ev": "join", "room": "lobby", "from": "client-1", "sid": 1, "pos": "*", "members": 1, "own": true});
    assert_like(&[silent.event()], &[join], "after 200 ms without a word");

    // Its first word is no hello: it is in the lobby before that is done.
    let mut eager = JsonPeer::websocket(&hub, "/ws");
    eager.op(&json!({"op": "send", "text": "bonjour", "id": 1}));
    let events = eager.through(|event| event["ev"] == "ack");
    let evs: Vec<&Value> = events.iter().map(|it| &it["ev"]).collect();
    assert_eq!(evs, ["join", "ack"], "{events:#?}");
    assert_eq!(silent.until(|event| event["ev"] == "msg")["text"], "bonjour");
}

#[test]
fn who_enters_by_hello_or_by_its_url_was_never_in_the_lobby() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = JsonPeer::lines(&hub);
    witness.ask(&json!({"op": "ping"}));
    let mut there = hub.named("bob");
    there.ask("/join jardin");
    witness.until(|event| event["ev"] == "leave" && event["from"] == "bob");
    let mut by_url = JsonPeer::websocket(&hub, "/ws?room=jardin");
    by_url.ask(&json!({"op": "send", "text": "par l'adresse"}));
    let mut by_hello = JsonPeer::websocket(&hub, "/ws");
    let hello = by_hello.ask(&json!({"op": "hello", "rooms": [{"room": "jardin"}]}));
    assert_eq!(hello[0]["rooms"].as_array().map(Vec::len), Some(1), "{hello:#?}");
    assert_eq!(hello[0]["rooms"][0]["room"], "jardin");
    by_hello.ask(&json!({"op": "send", "text": "par hello"}));
    assert_eq!(there.line(), format!("<client-{}> par l'adresse", by_url.sid()));
    assert_eq!(there.line(), format!("<client-{}> par hello", by_hello.sid()));
    let heard = witness.ask(&json!({"op": "who"}));
    assert_eq!(heard.len(), 1, "the lobby was told of it: {heard:#?}");
    assert_eq!(heard[0]["count"], 1);
}

#[test]
fn a_room_in_the_url_with_a_position_goes_on_from_there() {
    let hub = Hub::start(&["--quiet"]);
    let mut bob = hub.named("bob");
    bob.send("un\ndeux\ntrois\n");
    let epoch = bob.ask("/why").join(" ");
    let epoch = crate::peer::position_in(&epoch);
    let epoch = epoch.split('@').next().expect("EPOCH@SEQ");
    let mut alice = JsonPeer::websocket(&hub, &format!("/ws?room=lobby&after={epoch}@1"));
    let events = alice.through(|event| event["ev"] == "live");
    assert_eq!(seqs(&events), [2, 3], "{events:#?}");
    bob.say("quatre");
    assert_eq!(alice.event()["seq"], 4);
}

#[test]
fn others_are_told_of_no_arrival_when_a_session_only_moves() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = JsonPeer::lines(&hub);
    witness.ask(&json!({"op": "ping"}));
    let first = JsonPeer::named(&hub, Via::WebSocket, "alice");
    witness.until(|event| event["ev"] == "nick");
    let mut second = newcomer(&hub, Via::WebSocket);
    takes_over(&mut second, first.session(), &json!([{"room": "lobby"}]));
    second.ask(&json!({"op": "send", "text": "me revoilà"}));
    let mut told = witness.through(|event| event["ev"] == "msg");
    told.pop();
    // Nobody left: who counts arrivals and departures would count it twice.
    assert!(told.is_empty(), "{told:#?}");
}
