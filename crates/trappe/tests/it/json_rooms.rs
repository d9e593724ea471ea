//! A JSON member in many rooms: what it hears of each, where it stands in each, and what it gets again.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::thread;

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use crate::hub::Hub;
use crate::json::{assert_like, plays};
use crate::json_peer::{BOTH, JsonPeer, Via, WebSocket};
use crate::peer::Peer;

/// The text of a message; anything else has none.
fn text(event: &Value) -> &str {
    match event["ev"].as_str() {
        Some("msg") => event["text"].as_str().unwrap_or_default(),
        _ => "",
    }
}

/// The room and the number of a message.
#[track_caller]
fn place(event: &Value) -> (&str, u64) {
    let room = event["room"].as_str().expect("a room");
    (room, event["seq"].as_u64().expect("a number"))
}

/// The epoch and the number of a position.
#[track_caller]
fn position(event: &Value, field: &str) -> (String, u64) {
    let position = event[field].as_str().unwrap_or_else(|| panic!("no {field} in {event}"));
    let (epoch, seq) = position.split_once('@').expect("EPOCH@SEQ");
    (epoch.to_owned(), seq.parse().expect("a number"))
}

/// `peer` says `texts` in its room, and they are in the room's order.
#[track_caller]
fn say_all(peer: &mut Peer, texts: std::ops::RangeInclusive<u64>) {
    peer.send(texts.map(|n| format!("mot {n}\n")).collect::<Vec<_>>().concat());
    peer.ask("");
}

const IN_AND_OUT: &str = r#"
> {"op":"join","room":"jardin"}
< {"ev":"join","room":"jardin","from":"client-1","sid":1,"pos":"*","members":1,"own":true}
> {"op":"join","room":"JARDIN"}
< {"ev":"join","room":"jardin","from":"client-1","sid":1,"pos":"*","members":1,"own":true}
> {"op":"send","text":"où ?","id":1}
< {"ev":"error","code":"which-room","text":"*","op":"send","id":1}
> {"op":"leave"}
< {"ev":"error","code":"which-room","text":"*","op":"leave"}
> {"op":"who"}
< {"ev":"error","code":"which-room","text":"*","op":"who"}
> {"op":"history"}
< {"ev":"error","code":"which-room","text":"*","op":"history"}
> {"op":"resume","after":0}
< {"ev":"error","code":"which-room","text":"*","op":"resume"}
> {"op":"send","room":"Jardin","text":"ici","id":2}
< {"ev":"ack","room":"jardin","seq":1,"id":2}
> {"op":"leave","room":"lobby"}
< {"ev":"leave","room":"lobby","from":"client-1","sid":1,"own":true}
> {"op":"send","room":"lobby","text":"partie"}
< {"ev":"error","code":"not-in-room","text":"*","op":"send"}
> {"op":"send","text":"encore ici"}
< {"ev":"ack","room":"jardin","seq":2}
> {"op":"leave"}
< {"ev":"leave","room":"jardin","from":"client-1","sid":1,"own":true}
> {"op":"send","text":"nulle part"}
< {"ev":"error","code":"which-room","text":"*","op":"send"}
> {"op":"rooms"}
< {"ev":"rooms","count":"*","rooms":"*"}
> {"op":"join","room":"lobby"}
< {"ev":"join","room":"lobby","from":"client-1","sid":1,"pos":"*","members":"*","own":true}
> {"op":"send","text":"de retour"}
< {"ev":"ack","room":"lobby","seq":1}
"#;

#[test]
fn join_adds_a_room_leave_takes_it_away_and_one_alone_needs_no_name() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        let mut witness = hub.member();
        plays(&mut alice, IN_AND_OUT, &format!("by {via:?}"));
        assert_eq!(witness.line(), "<client-1> de retour", "something was said in the wrong room");
    }
}

#[test]
fn a_member_hears_all_its_rooms_each_in_its_order_and_none_that_it_left() {
    const LAST: u64 = 500;
    for via in BOTH {
        let hub = Hub::start(&["--quiet", "--workers", "2"]);
        let mut alice = JsonPeer::member(&hub, via);
        let rooms = ["lobby", "jardin", "cave"];
        let mut talkers = Vec::new();
        for room in rooms {
            alice.ask(&json!({"op": "join", "room": room}));
            let mut talker = hub.member();
            talker.ask(&format!("/join {room}"));
            talkers.push(talker);
        }
        let talking: Vec<_> = talkers
            .iter()
            .map(|talker| {
                let mut writer = talker.writer();
                thread::spawn(move || {
                    for n in 1..=LAST {
                        writer.write_all(format!("mot {n}\n").as_bytes()).expect("the hub reads");
                    }
                })
            })
            .collect();
        let mut next: BTreeMap<String, u64> = BTreeMap::new();
        for _ in 0..3 * LAST {
            let event = alice.event();
            let (room, seq) = place(&event);
            let last = next.entry(room.to_owned()).or_default();
            assert_eq!((seq, text(&event)), (*last + 1, &*format!("mot {seq}")), "{room}");
            *last = seq;
        }
        assert!(next.len() == 3 && next.values().all(|seq| *seq == LAST), "{next:?}");
        for thread in talking {
            thread.join().expect("it wrote everything");
        }
        alice.ask(&json!({"op": "leave", "room": "jardin"}));
        talkers[1].say("personne n'écoute");
        talkers[1].ask("");
        talkers[2].say("fin");
        let heard = alice.event();
        assert_eq!((heard["room"].as_str(), text(&heard)), (Some("cave"), "fin"), "by {via:?}");
    }
}

#[test]
fn the_sixty_fifth_room_is_refused_and_the_others_stay() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, via);
        for n in 1..64 {
            let join = alice.answer(&json!({"op": "join", "room": format!("r{n}")}));
            assert_eq!(join["ev"], "join", "{join}");
        }
        let refused =
            json!({"ev": "error", "code": "too-many-rooms", "text": "*", "op": "join", "id": 9});
        let one_more = json!({"op": "join", "room": "r64", "id": 9});
        let mut refused = vec![refused];
        let mut answer = alice.ask(&one_more);
        answer[0].as_object_mut().expect("an object").remove("room");
        assert_like(&answer, &refused, &format!("{via:?}"));
        // One that it is in already is not one more.
        assert_eq!(alice.answer(&json!({"op": "join", "room": "r63"}))["ev"], "join");
        let mut bob = hub.member();
        bob.ask("/join r63");
        bob.say("toujours là ?");
        assert_eq!(place(&alice.event()), ("r63", 1));
        alice.ask(&json!({"op": "leave", "room": "r1"}));
        assert_eq!(alice.answer(&one_more)["ev"], "join");
        // And by hello: the whole list is refused, nothing of it is done.
        let list: Vec<Value> = (0..65).map(|n| json!({"room": format!("h{n}")})).collect();
        refused = alice.ask(&json!({"op": "hello", "rooms": list}));
        assert_eq!(refused[0]["ev"], "error");
        let why = alice.answer(&json!({"op": "why"}));
        assert_eq!(why["rooms"].as_array().map(Vec::len), Some(64));
    }
}

#[test]
fn text_and_json_members_see_one_same_order() {
    const LINES: usize = 200;
    let hub = Hub::start(&["--quiet", "--workers", "2"]);
    let mut json_ears: Vec<JsonPeer> = BOTH.map(|via| JsonPeer::member(&hub, via)).into();
    let mut text_ear = hub.member();
    let talkers: Vec<JsonPeer> = (0..2).map(|_| JsonPeer::member(&hub, Via::Lines)).collect();
    let text_talkers: Vec<Peer> = (0..2).map(|_| hub.member()).collect();
    let lines = |n: usize| json!({"op": "send", "text": format!("mot {n}")}).to_string();
    let writers = talkers.iter().map(|it| (it.writer(), true));
    let writers = writers.chain(text_talkers.iter().map(|it| (it.writer(), false)));
    let talking: Vec<_> = writers
        .map(|(mut writer, json)| {
            thread::spawn(move || {
                for n in 1..=LINES {
                    let line = if json { lines(n) } else { format!("mot {n}") };
                    writer.write_all(format!("{line}\n").as_bytes()).expect("the hub reads");
                }
            })
        })
        .collect();
    let order: Vec<String> = (0..4 * LINES).map(|_| text_ear.line()).collect();
    for ear in &mut json_ears {
        for (line, seq) in order.iter().zip(1..) {
            let event = ear.event();
            let from = event["from"].as_str().expect("somebody");
            assert_eq!(place(&event), ("lobby", seq));
            assert_eq!(*line, format!("<{from}> {}", text(&event)));
        }
    }
    for thread in talking {
        thread.join().expect("it wrote everything");
    }
}

#[test]
fn history_and_resume_give_again_and_say_where_one_stands() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut bob) = (JsonPeer::member(&hub, via), hub.named("bob"));
        alice.ask(&json!({"op": "join", "room": "jardin"}));
        say_all(&mut bob, 1..=20);
        bob.ask("/join jardin");
        say_all(&mut bob, 1..=5);
        alice.until(|event| event["room"] == "jardin" && event["seq"] == 5);
        let again = |events: &[Value], room: &str, seqs: std::ops::RangeInclusive<u64>| {
            let given: Vec<_> = events.iter().map(|it| (place(it), it["old"].clone())).collect();
            let wanted: Vec<_> = seqs.map(|seq| ((room, seq), json!(true))).collect();
            assert_eq!(given, wanted, "by {via:?}");
        };
        let ten = alice.ask(&json!({"op": "history", "room": "lobby"}));
        again(&ten[..10], "lobby", 11..=20);
        assert_eq!(
            (ten.len(), &ten[10]["ev"], &ten[10]["count"]),
            (11, &json!("history"), &json!(10))
        );
        let (epoch, seq) = position(&ten[10], "pos");
        assert_eq!(seq, 20);
        let all = alice.ask(&json!({"op": "history", "room": "jardin", "n": 1000}));
        again(&all[..5], "jardin", 1..=5);

        for after in [json!(format!("{epoch}@17")), json!("17"), json!(17)] {
            let answer = alice.ask(&json!({"op": "resume", "room": "lobby", "after": after}));
            again(&answer[..3], "lobby", 18..=20);
            let live = json!({"ev": "live", "room": "lobby", "pos": format!("{epoch}@20")});
            assert_like(&answer[3..], &[live], &after.to_string());
        }
        let none = alice.ask(&json!({"op": "resume", "room": "lobby", "after": 20}));
        assert_eq!((none.len(), &none[0]["ev"]), (1, &json!("live")));
        // Entering at a position; and from there on it is new.
        alice.ask(&json!({"op": "leave", "room": "jardin"}));
        say_all(&mut bob, 6..=8);
        let back = alice.ask(&json!({"op": "join", "room": "jardin", "after": 5, "id": 3}));
        assert_eq!((&back[0]["ev"], &back[0]["id"]), (&json!("join"), &json!(3)));
        again(&back[1..4], "jardin", 6..=8);
        assert_eq!((back.len(), &back[4]["ev"], &back[4]["id"]), (5, &json!("live"), &json!(3)));
        bob.say("en direct");
        let new = alice.event();
        assert_eq!((text(&new), new.get("old")), ("en direct", None));
    }
}

#[test]
fn a_position_that_is_not_there_any_more_is_a_gap_with_the_oldest_that_is() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet", "--retain", "10msg,1MiB"]);
        let (mut alice, mut bob) = (JsonPeer::member(&hub, via), hub.named("bob"));
        say_all(&mut bob, 1..=3000);
        alice.until(|event| event["seq"] == 3000);
        for (after, cause) in
            [("aaaaaaaaaa@2", "epoch"), ("0", "forgotten"), ("aaaaaaaaaa@5000", "epoch")]
        {
            let answer = alice.ask(&json!({"op": "resume", "after": after, "id": 4}));
            let gap = &answer[0];
            let known = (&gap["ev"], &gap["room"], &gap["cause"], &gap["id"]);
            assert_eq!(known, (&json!("gap"), &json!("lobby"), &json!(cause), &json!(4)), "{gap}");
            // The schema: "the first that comes after this gap".
            let (_, oldest) = position(gap, "oldest");
            let (messages, live) = answer[1..].split_at(answer.len() - 2);
            assert!(!messages.is_empty() && oldest < 2990, "{gap}");
            for (message, seq) in messages.iter().zip(oldest..) {
                assert_eq!(place(message), ("lobby", seq), "by {via:?}, after {gap}");
            }
            assert_eq!(place(messages.last().expect("there are some")).1, 3000);
            assert_eq!((&live[0]["ev"], &live[0]["id"]), (&json!("live"), &json!(4)));
            if cause == "forgotten" {
                let named = (gap.get("from"), gap.get("to"));
                assert_eq!(named, (Some(&json!(1)), Some(&json!(oldest - 1))), "what is missing");
            }
        }
    }
}

#[test]
fn a_position_that_is_still_to_come_is_no_gap_and_nothing_is_lost() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (JsonPeer::member(&hub, Via::Lines), hub.named("bob"));
    say_all(&mut bob, 1..=3);
    alice.until(|event| event["seq"] == 3);
    let answer = alice.ask(&json!({"op": "resume", "after": 500}));
    assert_eq!(answer.last().expect("an answer")["ev"], "live", "{answer:?}");
    say_all(&mut bob, 4..=4);
    assert_eq!(place(&alice.event()), ("lobby", 4));
}

/// A connection with a receive buffer of a few KiB, so that the hub soon can't write.
fn narrow(port: u16) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket can be made");
    socket.set_recv_buffer_size(4096).expect("before connecting it may be set");
    socket.connect(&SocketAddr::from(([127, 0, 0, 1], port)).into()).expect("the hub listens");
    socket.into()
}

#[test]
fn a_slow_member_is_told_the_gap_of_each_room_apart() {
    const LAST: u64 = 9000;
    for via in BOTH {
        let hub = Hub::start(&["--quiet", "--lag", "512KiB,16MiB"]);
        let mut alice = match via {
            Via::Lines => JsonPeer::on_lines(Peer::over(narrow(hub.port()))),
            Via::WebSocket => JsonPeer::on_websocket(WebSocket::over(
                narrow(hub.port()),
                "/ws?room=lobby",
                Some("trappe.json.v1"),
            )),
        };
        alice.ask(&json!({"op": "quiet", "on": true}));
        alice.ask(&json!({"op": "join", "room": "calme"}));
        alice.ask(&json!({"op": "join", "room": "foule"}));
        let mut talkers = ["lobby", "foule", "calme"].map(|room| {
            let mut talker = hub.member();
            talker.ask(&format!("/join {room}"));
            talker
        });
        // Senders wait only while everybody else is behind: this one never is.
        let mut healthy = JsonPeer::member(&hub, via);
        healthy.ask(&json!({"op": "join", "room": "foule"}));
        let padding = "x".repeat(1000);
        for first in (1..=LAST).step_by(60) {
            let step: Vec<String> =
                (first..first + 60).map(|n| format!("mot {n} {padding}\n")).collect();
            let step = step.concat();
            talkers[..2].iter_mut().for_each(|talker| talker.send(&step));
            (0..120).for_each(|_| assert_eq!(healthy.event()["ev"], "msg"));
        }
        talkers[2].say("rien ne manque ici");
        talkers[2].ask("");
        // It reads again. In each room each number comes once, in order: as a message, or within a gap.
        let mut next = BTreeMap::from([("lobby", 1), ("foule", 1), ("calme", 1)]);
        let mut gaps = BTreeMap::new();
        let mut ended = 0;
        while ended < 3 {
            let event = alice.event();
            let room = event["room"].as_str().expect("a room");
            let next = next.get_mut(room).expect("one of the three");
            if event["ev"] == "gap" {
                assert_eq!(
                    (&event["cause"], event["from"].as_u64()),
                    (&json!("slow"), Some(*next))
                );
                *next = event["to"].as_u64().expect("to") + 1;
                *gaps.entry(room.to_owned()).or_insert(0) += 1;
            } else {
                assert_eq!(event["seq"].as_u64(), Some(*next), "{room} by {via:?}");
                *next += 1;
            }
            if *next == if room == "calme" { 2 } else { LAST + 1 } {
                ended += 1;
            }
        }
        let rooms: Vec<&str> = gaps.keys().map(String::as_str).collect();
        assert_eq!(rooms, ["foule", "lobby"], "where nothing is missing there is no gap");
        let why = alice.answer(&json!({"op": "why"}));
        assert!(why["missed"].as_u64() > Some(0), "{why}");
    }
}

#[test]
fn back_to_text_only_from_exactly_one_room() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut bob) = (JsonPeer::member(&hub, via), hub.named("bob"));
        alice.ask(&json!({"op": "join", "room": "jardin"}));
        for format in ["text", "raw"] {
            let error = alice.answer(&json!({"op": "format", "format": format, "id": 5}));
            let known = (&error["ev"], &error["op"], &error["id"]);
            assert_eq!(known, (&json!("error"), &json!("format"), &json!(5)), "{error}");
        }
        assert_eq!(alice.ask_line("/format text")[0]["ev"], "error");
        alice.ask(&json!({"op": "leave", "room": "lobby"}));
        bob.ask("/join jardin");
        alice.send("/format text");
        let reply = alice.next_text().expect("the reply is in the new format");
        assert!(reply.starts_with("* format"), "{reply}");
        bob.say("bonjour");
        assert_eq!(alice.next_text().as_deref().map(str::trim_end), Some("<bob> bonjour"));
        // In text it is in one room at a time.
        alice.send("/join lobby");
        alice.next_text();
        bob.say("personne ?");
        bob.ask("/join lobby");
        bob.say("te voilà");
        assert_eq!(alice.next_text().as_deref().map(str::trim_end), Some("<bob> te voilà"));
    }
}

#[test]
fn who_takes_its_session_over_by_lines_is_announced_in_no_room_that_it_is_not_in() {
    let hub = Hub::start(&["--quiet"]);
    let mut ear = Peer::connect(hub.port());
    ear.ask("/echo off");
    let hello = |peer: &mut JsonPeer, op: Value| {
        let answer = peer.ask(&op).into_iter().find(|event| event["ev"] == "hello");
        answer.expect("it says hello")
    };
    let mut member = JsonPeer::lines(&hub);
    let told = hello(&mut member, json!({"op": "hello", "rooms": [{"room": "chess"}]}));
    let room = json!({"room": "chess", "after": 0});
    for _ in 0..2 {
        let mut again = JsonPeer::lines(&hub);
        let session = &told["session"];
        hello(&mut again, json!({"op": "hello", "session": session, "rooms": [room]}));
        assert!(member.rest().iter().any(|event| event["ev"] == "bye"));
        member = again;
    }
    member.ask(&json!({"op": "msg", "to": "client-1", "text": "fin"}));
    assert_eq!(ear.before("-client-2- fin"), Vec::<String>::new());
}
