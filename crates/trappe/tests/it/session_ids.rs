//! The ids of a session's own messages (PROTOCOL §5): what is said again after a lost connection is said once.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::thread;

use serde_json::json;

use crate::hub::Hub;
use crate::json::assert_like;
use crate::json_peer::{BOTH, JsonPeer, Via, frame};
use crate::sessions::{lose, newcomer, takes_over};

#[test]
fn what_is_sent_again_with_its_id_is_acknowledged_again_and_said_once() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut first = JsonPeer::named(&hub, via, "alice");
        first.ask(&json!({"op": "join", "room": "jardin"}));
        let mut bob = hub.named("bob");
        let send = |id: u64, room: &str, text: &str| json!({"op": "send", "room": room, "text": text, "id": id});
        let ack = |id: u64, room: &str, seq: u64| json!({"ev": "ack", "room": room, "seq": seq, "id": id});
        assert_eq!(first.ask(&send(1, "lobby", "un")), [ack(1, "lobby", 1)]);
        assert_eq!(first.ask(&send(2, "jardin", "au jardin")), [ack(2, "jardin", 1)]);
        assert_eq!(first.ask(&send(3, "lobby", "deux")), [ack(3, "lobby", 2)]);
        // Again on the same connection: the same seq, whatever is said with it.
        assert_eq!(first.ask(&send(1, "lobby", "un")), [ack(1, "lobby", 1)]);
        assert_eq!(first.ask(&send(1, "lobby", "autre chose")), [ack(1, "lobby", 1)]);
        // And on the next.
        let session = first.session().to_owned();
        lose(first);
        let mut second = newcomer(&hub, via);
        takes_over(&mut second, &session, &json!([{"room": "lobby"}, {"room": "jardin"}]));
        second.ask(&json!({"op": "quiet", "on": true}));
        assert_eq!(second.ask(&send(3, "lobby", "deux")), [ack(3, "lobby", 2)]);
        assert_eq!(second.ask(&send(2, "jardin", "au jardin")), [ack(2, "jardin", 1)]);
        assert_eq!(second.ask(&send(4, "lobby", "trois")), [ack(4, "lobby", 3)]);
        for line in ["<alice> un", "<alice> deux", "<alice> trois"] {
            assert_eq!(bob.line(), line);
        }
        // Another session's ids are its own.
        let mut carol = JsonPeer::member(&hub, via);
        assert_eq!(carol.ask(&send(1, "lobby", "mien")), [ack(1, "lobby", 4)]);
        assert!(bob.line().ends_with("> mien"));
    }
}

#[test]
fn an_id_that_is_too_old_to_know_is_stale_and_never_said_a_second_time() {
    const KEPT: u64 = 1024;
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (JsonPeer::named(&hub, Via::Lines, "alice"), hub.named("bob"));
    let send = |id: u64| json!({"op": "send", "text": format!("mot {id}"), "id": id}).to_string();
    for id in 1..=KEPT + 1 {
        alice.send(send(id));
        assert_eq!(alice.event()["id"], json!(id));
    }
    // The oldest of as many as may be in flight is still known.
    assert_eq!(alice.ask_line(send(2)), [json!({"ev": "ack", "room": "lobby", "seq": 2, "id": 2})]);
    let stale = json!({"ev": "error", "code": "stale-id", "text": "*", "op": "send", "id": 1});
    assert_like(&alice.ask_line(send(1)), &[stale], "forgotten");
    assert_eq!(alice.answer(&json!({"op": "send", "text": "fin"}))["seq"], json!(KEPT + 2));
    for id in 1..=KEPT + 1 {
        assert_eq!(bob.line(), format!("<alice> mot {id}"));
    }
    assert_eq!(bob.line(), "<alice> fin");
}

#[test]
fn a_take_over_while_the_old_connection_still_sends_says_each_message_once() {
    const LAST: u64 = 600;
    for (old, new) in BOTH.into_iter().flat_map(|old| BOTH.map(|new| (old, new))) {
        let hub = Hub::start(&["--quiet", "--workers", "2"]);
        let mut ear = JsonPeer::member(&hub, Via::Lines);
        let first = JsonPeer::named(&hub, old, "alice");
        let send = |id: u64| {
            json!({"op": "send", "room": "lobby", "text": format!("mot {id}"), "id": id})
                .to_string()
        };
        let mut writer: TcpStream = first.writer();
        let sending = thread::spawn(move || {
            for id in 1..=LAST {
                let bytes = match old {
                    Via::Lines => format!("{}\n", send(id)).into_bytes(),
                    Via::WebSocket => frame(0x81, send(id).as_bytes()),
                };
                // It may be closed by now: what it couldn't say, the next connection says.
                if writer.write_all(&bytes).is_err() {
                    break;
                }
            }
        });
        ear.until(|event| event["id"] == 20);
        let mut second = newcomer(&hub, new);
        takes_over(&mut second, first.session(), &json!([{"room": "lobby"}]));
        // It doesn't know what arrived: it says everything again, as a client library would.
        let mut acks = BTreeMap::new();
        for id in 1..=LAST {
            second.send(send(id));
            let ack = second.until(|event| event["ev"] == "ack" || event["ev"] == "error");
            assert_eq!((&ack["ev"], &ack["id"]), (&json!("ack"), &json!(id)), "{ack}");
            acks.insert(id, ack["seq"].as_u64().expect("a number"));
        }
        sending.join().expect("it wrote, or was closed");
        second.ask(&json!({"op": "send", "text": "fin"}));
        let mut times: BTreeMap<u64, Vec<u64>> = (1..=20).map(|id| (id, vec![acks[&id]])).collect();
        for event in ear.through(|event| event["text"] == "fin") {
            let Some(id) = event["id"].as_u64() else { continue };
            assert_eq!(
                (event["sid"].as_u64(), &event["from"]),
                (Some(first.sid()), &json!("alice"))
            );
            times.entry(id).or_default().push(event["seq"].as_u64().expect("a number"));
        }
        let wanted: BTreeMap<u64, Vec<u64>> =
            acks.iter().map(|(id, seq)| (*id, vec![*seq])).collect();
        assert_eq!(times, wanted, "{old:?}, then {new:?}: each is said once, where its ack says");
    }
}
