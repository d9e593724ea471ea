//! Many rooms on one disk: each keeps its own order and its own numbers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer};
use crate::kept_hub::{ENDS, End, Kept, Talker, join, place, says};
use crate::web::{get, post};

/// In how many rooms one member may be, but for the lobby.
const ROOMS: usize = 60;

#[test]
fn each_of_many_rooms_keeps_its_order_over_restarts_with_one_worker_and_with_two() {
    for (workers, end) in
        [("1", End::Killed), ("2", End::Killed), ("1", End::Stopped), ("2", End::Stopped)]
    {
        let mut kept = Kept::start(&["--workers", workers, "--retain", "10msg"]);
        let mut said: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for round in 0..3 {
            let mut members: Vec<JsonPeer> =
                (0..3).map(|n| JsonPeer::member(kept.hub(), BOTH[n % 2])).collect();
            for (member, which) in members.iter_mut().zip(0..) {
                for n in 0..ROOMS {
                    member.op(&json!({"op": "join", "room": format!("r{which}-{n}")}));
                }
                member.ask(&json!({"op": "quiet", "on": true}));
            }
            // All at once, in turns through the rooms.
            for (member, which) in members.iter_mut().zip(0..) {
                for id in 0..10 * ROOMS {
                    let room = format!("r{which}-{}", id % ROOMS);
                    let text = format!("{round} {id}");
                    member.op(&json!({"op": "send", "room": room, "text": text, "id": id + 1}));
                }
            }
            for (member, which) in members.iter_mut().zip(0..) {
                for _ in 0..10 * ROOMS {
                    let ack = member.until(|it| it["ev"] == "ack" && it.get("seq").is_some());
                    let id = ack["id"].as_u64().expect("each has one") - 1;
                    let room = ack["room"].as_str().expect("a room").to_owned();
                    assert_eq!(room, format!("r{which}-{}", id % ROOMS as u64));
                    let seq = ack["seq"].as_u64().expect("a number");
                    said.entry(room).or_default().push((seq, format!("{round} {id}")));
                }
            }
            kept.again(end);
            for (room, said) in &mut said {
                said.sort_unstable();
                let answer = get(kept.hub(), &format!("/rooms/{room}/messages"));
                let events: Vec<Value> = answer.text().lines().map(checked).collect();
                let heard: Vec<(u64, String)> = events
                    .iter()
                    .filter(|it| it["ev"] == "msg")
                    .map(|it| {
                        assert_eq!(it["room"], *room, "{it}");
                        let text = it["text"].as_str().expect("text").to_owned();
                        (it["seq"].as_u64().expect("a number"), text)
                    })
                    .collect();
                assert_eq!(&heard, said, "{room} after {round} with {workers} workers, {end:?}");
            }
        }
        // In each, what one member said is in the order in which it said it.
        for (room, said) in &said {
            let ids: Vec<u64> = said
                .iter()
                .map(|(_, text)| {
                    let (round, id) = text.split_once(' ').expect("ROUND ID");
                    let of = |it: &str| it.parse::<u64>().expect("a number");
                    of(round) * 1_000_000 + of(id)
                })
                .collect();
            assert!(ids.is_sorted(), "{room}: {ids:?}");
        }
    }
}

#[test]
fn a_room_that_was_emptied_and_is_made_again_goes_on_with_its_numbers() {
    for end in ENDS {
        let mut kept = Kept::start(&["--retain", "10msg"]);
        let mut epochs = Vec::new();
        for round in 0..3 {
            let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 20 * round);
            epochs.push(alice.epoch());
            alice.say(20);
            alice.peer().ask("/leave");
            let mut bob = kept.hub().member();
            let (epoch, last) = join(&mut bob, "jeu");
            assert_eq!((epoch, last), place(&alice.position));
            bob.ask("/leave");
            kept.again(end);
        }
        assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
        let mut bob = kept.hub().member();
        bob.ask("/join jeu");
        let answer = bob.ask(&format!("/resume {}@0", epochs[0]));
        let said: Vec<&String> = answer.iter().filter(|line| line.starts_with('<')).collect();
        assert_eq!(
            said,
            (1..=60)
                .map(|n| format!("<alice> mot {n}"))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_room_is_the_same_whatever_its_case_and_keeps_the_name_that_it_was_made_with() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let first = post(kept.hub(), "Caf%C3%A9", "", "un").json();
        kept.again(end);
        let second = post(kept.hub(), "CAF%C3%89", "", "deux").json();
        assert_eq!(first["epoch"], second["epoch"], "{end:?}");
        let answer = get(kept.hub(), "/rooms/caf%C3%A9/messages");
        let events: Vec<Value> = answer.text().lines().map(checked).collect();
        let said: Vec<(&Value, &Value)> = events
            .iter()
            .filter(|it| it["ev"] == "msg")
            .map(|it| (&it["room"], &it["text"]))
            .collect();
        let (name, un, deux) = (json!("Café"), json!("un"), json!("deux"));
        assert_eq!(said, [(&name, &un), (&name, &deux)], "{end:?}");
    }
}

#[test]
fn a_member_of_many_rooms_comes_back_to_all_of_them_where_it_was() {
    for end in ENDS {
        let mut kept = Kept::start(&["--retain", "10msg"]);
        let mut carol = JsonPeer::named(kept.hub(), BOTH[1], "carole");
        let session = carol.session().to_owned();
        let mut bob = JsonPeer::member(kept.hub(), BOTH[0]);
        says(&mut carol, "lobby", "me voici", 1);
        let mut rooms = Vec::new();
        for n in 0..50 {
            let room = format!("r{n}");
            carol.op(&json!({"op": "join", "room": room, "id": n}));
            let join = carol.until(|it| it["ev"] == "join" && it["id"] == n);
            rooms.push(json!({"room": room, "after": join["pos"]}));
            bob.op(&json!({"op": "join", "room": room}));
            for id in 1..=n {
                bob.op(&json!({"op": "send", "room": room, "text": format!("mot {id}")}));
            }
        }
        for _ in 0..(0..50).sum::<u64>() {
            bob.until(|it| it["ev"] == "ack" && it.get("seq").is_some());
        }
        kept.again(end);
        let mut again = crate::sessions::newcomer(kept.hub(), BOTH[1]);
        let answer = crate::sessions::takes_over(&mut again, &session, &json!(rooms));
        for n in 0..50_u64 {
            let of_room = answer.iter().filter(|it| it["room"] == format!("r{n}"));
            let said: Vec<&str> = of_room
                .filter_map(|it| {
                    if it["ev"] == "live" { it["ev"].as_str() } else { it["text"].as_str() }
                })
                .collect();
            let wanted: Vec<String> =
                (1..=n).map(|id| format!("mot {id}")).chain(["live".to_owned()]).collect();
            assert_eq!(said, wanted, "r{n}, {end:?}");
        }
    }
}
