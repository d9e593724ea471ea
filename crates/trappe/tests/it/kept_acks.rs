//! Acknowledged means on disk (PROTOCOL §5): killed right after it, the hub still has it, once, where it was said to be.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer, Via};
use crate::kept_hub::{End, Kept, place, says};
use crate::peer::{Peer, position_in};
use crate::web::{Answer, get, post, post_bytes};

/// How often the hub is killed.
const ROUNDS: usize = 30;

/// All that history has of a room: the number and the text of each, in order.
#[track_caller]
fn everything(hub: &Hub, room: &str) -> Vec<(u64, String)> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let answer = get(hub, &format!("/rooms/{room}/messages?after={after}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines: Vec<Value> = answer.text().lines().map(checked).collect();
        for line in &lines {
            match line["ev"].as_str() {
                Some("msg") => {
                    let seq = line["seq"].as_u64().expect("a number");
                    assert!(seq > after, "{seq} after {after}");
                    after = seq;
                    all.push((seq, line["text"].as_str().expect("text").to_owned()));
                }
                _ => assert_eq!(line["cause"], "unused", "{line}"),
            }
        }
        if answer.field("link").is_none() {
            return all;
        }
    }
}

/// What was acknowledged is there at its place, and nothing is there twice.
#[track_caller]
fn check(hub: &Hub, acknowledged: &BTreeMap<u64, String>) -> usize {
    let all = everything(hub, "jeu");
    let texts: BTreeMap<&str, u64> = all.iter().map(|(seq, text)| (text.as_str(), *seq)).collect();
    assert_eq!(texts.len(), all.len(), "something is there twice");
    let by_seq: BTreeMap<u64, &str> = all.iter().map(|(seq, text)| (*seq, text.as_str())).collect();
    for (seq, text) in acknowledged {
        assert_eq!(by_seq.get(seq), Some(&text.as_str()), "{seq} was acknowledged");
    }
    all.len()
}

#[test]
fn killed_at_once_after_an_acknowledgement_the_hub_has_it_by_every_wire() {
    let mut kept = Kept::start(&[]);
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let text = format!("mot {round}");
        let seq = match round % 4 {
            0 => {
                let mut alice = kept.hub().member();
                alice.ask("/join jeu");
                alice.ask("/ack on");
                alice.say(&text);
                place(&position_in(&alice.until(|line| line.starts_with("+ack ")))).1
            }
            1 => {
                let answer = post(kept.hub(), "jeu", "", &text);
                assert_eq!(answer.status, 201, "{answer:?}");
                answer.json()["seq"].as_u64().expect("a number")
            }
            odd => {
                let mut carol = JsonPeer::member(kept.hub(), BOTH[odd - 2]);
                carol.ask(&json!({"op": "join", "room": "jeu"}));
                says(&mut carol, "jeu", &text, 1)
            }
        };
        kept.again(End::Killed);
        acknowledged.insert(seq, text);
        // Only what was acknowledged was said.
        assert_eq!(check(kept.hub(), &acknowledged), round + 1, "round {round}");
    }
}

/// Says numbered messages until the hub is gone, and reports each that is acknowledged.
trait Says: Send {
    /// Says the next, and waits for its acknowledgement; None: the hub is gone.
    fn next(&mut self, text: &str) -> Option<u64>;
}

struct Text(Peer);

impl Says for Text {
    fn next(&mut self, text: &str) -> Option<u64> {
        // Several at a time, so that some are always on their way; only the first is reported.
        let mut writer = self.0.writer();
        writer.write_all(format!("{text}\n{text} bis\n{text} ter\n").as_bytes()).ok()?;
        let mut first = None;
        for _ in 0..3 {
            let ack = std::iter::from_fn(|| self.0.next_line()).find(|it| it.starts_with(b"+ack "));
            let ack = String::from_utf8(ack?).expect("the hub writes UTF-8");
            first = first.or(Some(place(&ack["+ack ".len()..]).1));
        }
        first
    }
}

struct Json(JsonPeer, u64);

impl Says for Json {
    fn next(&mut self, text: &str) -> Option<u64> {
        self.1 += 1;
        let op = json!({"op": "send", "room": "jeu", "text": text, "id": self.1}).to_string();
        let mut writer = self.0.writer();
        writer.write_all(format!("{op}\n").as_bytes()).ok()?;
        loop {
            let event = self.0.next()?;
            if event["id"] == self.1 && event["ev"] == "ack" {
                return event["seq"].as_u64();
            }
        }
    }
}

struct Http(u16);

impl Says for Http {
    fn next(&mut self, text: &str) -> Option<u64> {
        let stream = std::net::TcpStream::connect(("127.0.0.1", self.0)).ok()?;
        let mut peer = Peer::over(stream);
        peer.writer().write_all(&post_bytes("jeu", "X-Trappe: 1\r\n", text)).ok()?;
        let bytes = peer.rest();
        // Without its whole answer nothing is known.
        let is_whole = bytes.ends_with(b"}") || bytes.ends_with(b"}\n");
        let answer = Some(Answer::read(is_whole.then_some(&bytes)?))?;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["seq"].as_u64()
    }
}

#[test]
fn killed_while_many_speak_over_all_wires_the_hub_has_all_that_it_acknowledged_once() {
    let mut kept = Kept::start(&["--retain", "10msg", "--no-notices"]);
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut speakers: Vec<Box<dyn Says>> = Vec::new();
        for _ in 0..3 {
            let mut alice = kept.hub().member();
            alice.ask("/join jeu");
            alice.ask("/ack on");
            let mut carol = JsonPeer::member(kept.hub(), Via::Lines);
            carol.ask(&json!({"op": "join", "room": "jeu"}));
            speakers.push(Box::new(Text(alice)));
            speakers.push(Box::new(Json(carol, 0)));
            speakers.push(Box::new(Http(kept.hub().port())));
        }
        let (tell, told) = mpsc::channel();
        let threads: Vec<_> = speakers
            .into_iter()
            .enumerate()
            .map(|(which, mut speaker)| {
                let tell = tell.clone();
                thread::spawn(move || {
                    for n in 0.. {
                        let text = format!("{round} {which} {n}");
                        let Some(seq) = speaker.next(&text) else { return };
                        tell.send((seq, text)).expect("it is listened to");
                    }
                })
            })
            .collect();
        drop(tell);
        let least = acknowledged.len() + 50 + 7 * round;
        while acknowledged.len() < least {
            let (seq, text) = told.recv().expect("they speak");
            assert_eq!(acknowledged.insert(seq, text), None, "{seq} was given twice");
        }
        kept.end(End::Killed);
        for thread in threads {
            thread.join().expect("it ends when the hub is gone");
        }
        for (seq, text) in told {
            assert_eq!(acknowledged.insert(seq, text), None, "{seq} was given twice");
        }
        kept.begin();
        check(kept.hub(), &acknowledged);
    }
    assert!(acknowledged.len() > 4000, "{}", acknowledged.len());
}

#[test]
fn each_message_of_a_member_gets_one_acknowledgement_in_the_order_sent() {
    let kept = Kept::start(&[]);
    let mut alice = kept.hub().named("alice");
    alice.ask("/join jeu");
    alice.ask("/ack on");
    alice.send(lines("mot", 5000));
    for n in 1..=5000 {
        let ack = alice.until(|line| line.starts_with("+ack ") || line.starts_with("! "));
        assert_eq!(place(&position_in(&ack)).1, n, "{ack}");
    }
    let mut carol = JsonPeer::member(kept.hub(), Via::WebSocket);
    carol.ask(&json!({"op": "join", "room": "jeu"}));
    for id in 1..=1000 {
        carol.op(&json!({"op": "send", "room": "jeu", "text": "x", "id": id}));
    }
    for id in 1..=1000 {
        let ack = carol.until(|it| it["ev"] == "ack" && it.get("seq").is_some());
        assert_eq!((&ack["id"], &ack["seq"]), (&json!(id), &json!(5000 + id)));
    }
}

#[test]
fn whoever_leaves_is_acknowledged_first() {
    for leaves in ["/quit\n", ""] {
        let mut kept = Kept::start(&[]);
        let mut alice = kept.hub().named("alice");
        let mut bob = kept.hub().member();
        alice.ask("/ack on");
        // Said, and gone at once: by a word, or by the end of its stream, as `printf … | nc -N` does.
        alice.send(lines("mot", 200) + leaves);
        alice.finish();
        let lines = alice.last_lines();
        let acks = lines.iter().filter(|line| line.starts_with("+ack ")).count();
        assert_eq!(acks, 200, "{leaves:?}: {:?}", lines.last());
        for n in 1..=200 {
            assert_eq!(bob.line(), format!("<alice> mot {n}"));
        }
        kept.again(End::Killed);
        assert_eq!(everything(kept.hub(), "lobby").len(), 200);
    }
}

#[test]
fn a_program_that_leaves_is_acknowledged_first() {
    for via in BOTH {
        let mut kept = Kept::start(&[]);
        let mut carol = JsonPeer::member(kept.hub(), via);
        for id in 1..=200 {
            carol.op(&json!({"op": "send", "room": "lobby", "text": "x", "id": id}));
        }
        carol.op(&json!({"op": "quit"}));
        let rest = carol.rest();
        let acks: Vec<&Value> = rest.iter().filter(|it| it["ev"] == "ack").collect();
        assert_eq!(acks.len(), 200, "{via:?}: {:?}", rest.last());
        assert_eq!(rest.last().map(|it| &it["ev"]), Some(&json!("bye")));
        kept.again(End::Killed);
        assert_eq!(everything(kept.hub(), "lobby").len(), 200);
    }
}

#[test]
fn what_was_said_before_the_hub_is_told_to_stop_is_kept_and_acknowledged() {
    let mut kept = Kept::start(&[]);
    let mut alice = kept.hub().named("alice");
    alice.ask("/ack on");
    let mut said = 0;
    for round in 0..5 {
        alice.send(lines(&format!("mot {round}"), 300));
        // Read from it, and then at once told to stop.
        alice.until(|line| line.starts_with("+ack "));
        said += 1;
        kept.end(End::Stopped);
        let rest = alice.last_lines();
        said += rest.iter().filter(|line| line.starts_with("+ack ")).count();
        kept.begin();
        let all = everything(kept.hub(), "lobby");
        assert!(all.len() >= said, "{} of {said} that were acknowledged", all.len());
        said = all.len();
        alice = kept.hub().named("alice");
        alice.ask("/ack on");
    }
}

/// `word 1`, `word 2` and so on, each in a line.
fn lines(word: &str, count: u32) -> String {
    let lines: Vec<String> = (1..=count).map(|n| format!("{word} {n}\n")).collect();
    lines.concat()
}
