//! Said again after the hub ended (PROTOCOL §5): under its id, or its key, it is said once, and acknowledged where it was.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;

use serde_json::{Value, json};

use crate::json::assert_like;
use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer, Via};
use crate::kept_hub::{ENDS, End, Kept, says};
use crate::sessions::{newcomer, takes_over};
use crate::web::{Witness, get, post};

#[test]
fn an_id_of_before_the_restart_is_acknowledged_where_it_was_and_not_said_again() {
    for (end, via) in ENDS.into_iter().flat_map(|end| BOTH.map(|via| (end, via))) {
        let mut kept = Kept::start(&[]);
        let mut alice = JsonPeer::named(kept.hub(), via, "alice");
        alice.ask(&json!({"op": "join", "room": "jeu"}));
        let rooms = ["lobby", "jeu"];
        let seqs: Vec<u64> = (1..=40)
            .map(|id| says(&mut alice, rooms[usize::from(id % 2 == 0)], &format!("mot {id}"), id))
            .collect();
        let session = alice.session().to_owned();
        kept.again(end);
        let mut witness = Witness::of(kept.hub());
        let mut alice = newcomer(kept.hub(), via);
        takes_over(&mut alice, &session, &json!([{"room": "lobby"}, {"room": "jeu"}]));
        for (id, seq) in (1..=40).zip(&seqs) {
            let room = rooms[usize::from(id % 2 == 0)];
            assert_eq!(says(&mut alice, room, &format!("mot {id}"), id), *seq, "{end:?} {via:?}");
        }
        witness.heard_nothing("ids of before");
        let next = says(&mut alice, "lobby", "mot 41", 41);
        assert!(next > seqs[38], "{next}");
        assert_eq!(witness.heard(), ["<alice> mot 41"]);
        // And once more, whatever has happened in between.
        kept.again(end);
        let mut alice = newcomer(kept.hub(), via);
        takes_over(&mut alice, &session, &json!([{"room": "lobby"}]));
        assert_eq!(says(&mut alice, "lobby", "mot 41", 41), next);
        assert_eq!(says(&mut alice, "lobby", "mot 39", 39), seqs[38]);
    }
}

#[test]
fn an_id_below_the_floor_is_stale_after_a_restart_too() {
    const LAST: u64 = 2500;
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let mut alice = JsonPeer::named(kept.hub(), Via::Lines, "alice");
        let session = alice.session().to_owned();
        for id in 1..=LAST {
            alice.op(&json!({"op": "send", "text": format!("mot {id}"), "id": id}));
            if id % 500 == 0 {
                alice.until(|event| event["ev"] == "ack" && event["id"] == id);
            }
        }
        kept.again(end);
        let mut witness = Witness::of(kept.hub());
        let mut alice = newcomer(kept.hub(), Via::Lines);
        takes_over(&mut alice, &session, &json!([{"room": "lobby"}]));
        for id in [LAST, LAST - 1, LAST - 1000, LAST - 1023] {
            assert_eq!(says(&mut alice, "lobby", "encore", id), id, "{end:?}");
        }
        for id in [1, 2, 1000, LAST - 1024] {
            let error = alice.answer(&json!({"op": "send", "text": "encore", "id": id}));
            let stale =
                json!({"ev": "error", "code": "stale-id", "text": "*", "op": "send", "id": id});
            assert_like(&[error], &[stale], &format!("{id}, {end:?}"));
        }
        witness.heard_nothing("ids of before");
    }
}

#[test]
fn ids_of_one_session_are_nobody_elses_after_a_restart() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let mut alice = JsonPeer::named(kept.hub(), Via::Lines, "alice");
        says(&mut alice, "lobby", "un", 1);
        kept.again(end);
        let mut witness = Witness::of(kept.hub());
        let mut bob = JsonPeer::named(kept.hub(), Via::Lines, "bob");
        let seq = says(&mut bob, "lobby", "à moi", 1);
        assert!(seq > 1, "{seq}");
        assert_eq!(witness.heard(), ["<bob> à moi"]);
        let mallory = "0".repeat(32);
        let mut other = newcomer(kept.hub(), Via::Lines);
        let answer = takes_over(&mut other, &mallory, &json!([{"room": "lobby"}]));
        assert!(answer.iter().all(|it| it.get("resumed").is_none()), "{answer:#?}");
    }
}

#[test]
fn what_was_on_its_way_when_the_hub_was_killed_is_said_once_when_it_is_said_again() {
    let mut kept = Kept::start(&["--retain", "10msg"]);
    let mut alice = JsonPeer::named(kept.hub(), Via::Lines, "alice");
    let session = alice.session().to_owned();
    says(&mut alice, "lobby", "mot 1", 1);
    let sid = alice.sid();
    let (mut first, mut acknowledged) = (2, BTreeMap::from([(1, 1)]));
    for round in 0..12 {
        // More than ever fits between two fsyncs, and fewer than may be in flight.
        let last = first + 900;
        let mut writer = alice.writer();
        let sending = thread::spawn(move || {
            for id in first..last {
                let op =
                    json!({"op": "send", "room": "lobby", "text": format!("mot {id}"), "id": id});
                if writer.write_all(format!("{op}\n").as_bytes()).is_err() {
                    return;
                }
            }
        });
        let wanted = acknowledged.len() + 20 + 60 * round;
        let mut ack = |event: &Value| {
            if event["ev"] == "ack" && event.get("seq").is_some() {
                let seq = event["seq"].as_u64().expect("a number");
                let id = event["id"].as_u64().expect("each has an id");
                let before = acknowledged.insert(id, seq);
                assert!(before.is_none_or(|before| before == seq), "{id}: {before:?}, then {seq}");
            }
            acknowledged.len()
        };
        while ack(&alice.event()) < wanted {}
        kept.end(End::Killed);
        for event in alice.rest() {
            ack(&event);
        }
        sending.join().expect("it wrote, or the hub was gone");
        kept.begin();
        alice = newcomer(kept.hub(), Via::Lines);
        let answer = takes_over(&mut alice, &session, &json!([{"room": "lobby"}]));
        assert!(answer.iter().any(|it| it["resumed"] == true && it["sid"] == sid), "{answer:#?}");
        // It says everything again, as a client library would, and hears where each is.
        for id in first..last {
            let seq = says(&mut alice, "lobby", &format!("mot {id}"), id);
            let before = acknowledged.insert(id, seq);
            assert!(before.is_none_or(|before| before == seq), "{id}: {before:?}, then {seq}");
        }
        first = last;
    }
    // History has each once, where it was acknowledged.
    let (mut places, mut after) = (BTreeMap::new(), 0);
    loop {
        let answer = get(kept.hub(), &format!("/rooms/lobby/messages?after={after}"));
        for event in answer.text().lines().map(checked).filter(|it| it["ev"] == "msg") {
            after = event["seq"].as_u64().expect("a number");
            let text = event["text"].as_str().and_then(|it| it.strip_prefix("mot "));
            let id: u64 = text.and_then(|it| it.parse().ok()).expect("mot N");
            assert_eq!(places.insert(id, after), None, "mot {id} is there twice");
        }
        if answer.field("link").is_none() {
            break;
        }
    }
    assert_eq!(places, acknowledged);
}

#[test]
fn an_idempotency_key_is_known_after_a_restart() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let with = |kept: &Kept, room: &str, key: &str, body: &str| {
            let answer = post(kept.hub(), room, &format!("Idempotency-Key: {key}\r\n"), body);
            (answer.status, answer.json()["seq"].as_u64(), answer.json()["epoch"].clone())
        };
        let first = with(&kept, "lobby", "k1", "une fois");
        let second = with(&kept, "jeu", "k2", "au jeu");
        assert_eq!((first.0, first.1, second.0, second.1), (201, Some(1), 201, Some(1)));
        for _ in 0..2 {
            kept.again(end);
            let mut witness = Witness::of(kept.hub());
            assert_eq!(with(&kept, "lobby", "k1", "une fois"), first, "{end:?}");
            assert_eq!(with(&kept, "jeu", "k2", "au jeu"), second, "{end:?}");
            assert_eq!(with(&kept, "lobby", "k1", "autre chose").0, 422, "{end:?}");
            assert_eq!(with(&kept, "jeu", "k1", "une fois").0, 422, "another room, {end:?}");
            witness.heard_nothing("what was posted before");
            let new = with(&kept, "lobby", "k3", "une fois");
            assert!(new.0 == 201, "{new:?}");
            drop(witness.heard());
        }
        // Said twice under its key over two restarts: it is there once.
        let all = get(kept.hub(), "/rooms/lobby/messages");
        assert_eq!(all.text().matches("\"une fois\"").count(), 2, "{}", all.text());
    }
}
