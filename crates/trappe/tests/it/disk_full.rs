//! A disk that is full: nothing is acknowledged, everything is still delivered, and it goes on by itself once there is room.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::disk_lab::{Cut, Disk, FITS, NOTHING_FITS, ONLY_ROOM, Word, kill, stop};
use crate::disk_log::{Log, read};
use crate::disk_storm::storm;
use crate::hub::Hub;
use crate::json_peer::{BOTH, JsonPeer, Via};
use crate::peer::Peer;
use crate::process::PATIENCE;

/// Lines that a log may have for one disk that failed and came back, however long that took.
const FEW: usize = 8;

/// What becomes of a message: the `ack` or the `error`, and nothing else.
#[track_caller]
pub(crate) fn fate(sender: &mut JsonPeer, id: u64, text: &str) -> Value {
    sender.op(&json!({"op": "send", "text": text, "id": id}));
    let answer = sender.until(|event| event["ev"] == "ack" || event["ev"] == "error");
    assert_eq!(answer["id"], id, "{answer}");
    if answer["ev"] == "error" {
        assert_eq!((&answer["code"], &answer["room"]), (&json!("not-stored"), &json!("lobby")));
    }
    answer
}

/// Says one message after the other until one is acknowledged again; gives the next id, and the number of the one that was.
#[track_caller]
pub(crate) fn until_acknowledged(sender: &mut JsonPeer, mut id: u64) -> (u64, u64) {
    let began = Instant::now();
    loop {
        let answer = fate(sender, id, &format!("mot {id}"));
        id += 1;
        if answer["ev"] == "ack" {
            return (id, answer["seq"].as_u64().expect("a number"));
        }
        assert!(began.elapsed() < PATIENCE, "it doesn't come back");
    }
}

/// What is kept is `mot N` for each acknowledged N and for no other; the rest is announced.
#[track_caller]
pub(crate) fn assert_kept(log: &Log, acked: &[u64], causes: &[&str]) {
    log.assert_whole(causes);
    let wanted: BTreeSet<String> = acked.iter().map(|id| format!("mot {id}")).collect();
    let there: BTreeSet<String> = log.texts().into_values().collect();
    let lost: Vec<_> = wanted.difference(&there).collect();
    let more = there.difference(&wanted).count();
    assert!(lost.is_empty() && more == 0, "{lost:?} lost, {more} more; {:?}", log.gaps);
    assert_eq!(log.heard.len(), acked.len(), "said twice");
    assert!(log.gaps.iter().any(|(_, _, cause)| cause == "not-stored"), "{:?}", log.gaps);
}

fn post(hub: &Hub, body: &str) -> String {
    let mut peer = Peer::connect(hub.port());
    let length = body.len();
    peer.send(format!("POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"));
    String::from_utf8_lossy(&peer.rest()).into_owned()
}

#[test]
fn a_full_disk_refuses_nobody_a_hearing_and_comes_back_by_itself() {
    for via in BOTH {
        let Some(disk) = Disk::faulty() else { return };
        let hub = disk.start(&["--quiet"]);
        let (mut alice, mut bob) = (JsonPeer::named(&hub, via, "alice"), hub.named("bob"));
        let mut acked: Vec<u64> = (1..=5).collect();
        for id in 1..=5 {
            assert_eq!(fate(&mut alice, id, &format!("mot {id}"))["ev"], "ack");
        }
        disk.set(Word::Full, NOTHING_FITS);
        for id in 6..=300 {
            assert_eq!(fate(&mut alice, id, &format!("mot {id}"))["ev"], "error", "{id}");
        }
        let answer = post(&hub, "par http");
        assert!(answer.starts_with("HTTP/1.1 507 ") && answer.contains("not-stored"), "{answer}");
        for id in 1..=300 {
            assert_eq!(bob.line(), format!("<alice> mot {id}"), "the live relay goes on");
        }
        // Its own wire for errors, too: text.
        bob.ask("/ack on");
        bob.say("et moi");
        assert!(bob.until(|line| line.starts_with("! ")).starts_with("! not-stored "));

        disk.set(Word::Full, FITS);
        let (next, _) = until_acknowledged(&mut alice, 301);
        acked.push(next - 1);
        for id in next..next + 5 {
            assert_eq!(fate(&mut alice, id, &format!("mot {id}"))["ev"], "ack");
            acked.push(id);
        }
        // Said again, what was refused is not acknowledged as if it were there.
        let answer = fate(&mut alice, next - 2, "encore");
        assert_eq!(answer["ev"], "error", "{answer}");
        assert_eq!(alice.answer(&json!({"op": "ping", "text": "là"}))["ev"], "pong");
        let log = read(hub.port(), "lobby", &json!(0));
        log.assert_whole(&["not-stored"]);
        let noise = hub.log();
        assert!(
            noise.len() <= FEW && hub.console().len() < 10 + FEW,
            "{noise:#?} {:#?}",
            hub.console()
        );
        let said = [noise, hub.console()].concat().join("\n");
        assert!(
            said.contains("the disk is full") && said.contains("the disk writes again"),
            "{said}"
        );
        stop(hub);
        let hub = disk.start(&["--quiet"]);
        // The log in memory has some of what is on no disk; the next server hasn't.
        assert_kept(&read(hub.port(), "lobby", &json!(0)), &acked, &["not-stored"]);
        stop(hub);
    }
}

#[test]
fn a_disk_that_fills_up_keeps_what_it_acknowledged_before() {
    let Some(disk) = Disk::faulty() else { return };
    let hub = disk.start(&["--quiet"]);
    let (mut alice, mut bob) = (JsonPeer::named(&hub, Via::Lines, "alice"), hub.named("bob"));
    disk.set(Word::Room, 200_000);
    disk.set(Word::Full, ONLY_ROOM);
    let (mut acked, mut id) = (Vec::new(), 1);
    let mut refused = 0;
    while refused < 50 {
        let answer = fate(&mut alice, id, &format!("mot {id}"));
        assert_eq!(bob.line(), format!("<alice> mot {id}"));
        if answer["ev"] == "ack" {
            acked.push(id);
        } else {
            refused += 1;
        }
        id += 1;
    }
    assert!(!acked.is_empty() && disk.get(Word::WritesRefused) > 0);
    // It dies so, and the power goes, too.
    kill(hub);
    disk.power_cut(Cut::Synced);
    disk.set(Word::Full, FITS);
    let hub = disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(0));
    log.assert_whole(&["not-stored", "unused"]);
    let texts: Vec<String> = log.texts().into_values().collect();
    let wanted: Vec<String> = acked.iter().map(|id| format!("mot {id}")).collect();
    for text in &wanted {
        assert!(texts.contains(text), "{text} was acknowledged: {texts:?}");
    }
    assert!(log.epoch.len() == 10 && texts.is_sorted_by_key(|it| it[4..].parse::<u64>().ok()));
    stop(hub);
}

#[test]
fn a_full_disk_at_the_start_is_a_sentence_and_changes_nothing() {
    let Some(disk) = Disk::faulty() else { return };
    disk.set(Word::Full, NOTHING_FITS);
    let sentence = disk.refused(&["--quiet"]);
    assert!(!sentence.is_empty());
    disk.set(Word::Full, FITS);
    let (hub, end) = storm(&disk, &["--quiet"], &[], 100, |_| {});
    stop(hub);
    disk.set(Word::Full, NOTHING_FITS);
    disk.refused(&["--quiet"]);
    disk.set(Word::Full, FITS);
    let hub = disk.start(&["--quiet"]);
    read(hub.port(), "lobby", &json!(0)).assert_same(&end.log, "refused twice");
    stop(hub);
}

#[test]
fn a_disk_that_is_full_now_and_then_under_load_loses_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::faulty() else { return };
    let (hub, end) = storm(&disk, &["--quiet"], &[], 4000, |_| {
        disk.set(Word::Full, NOTHING_FITS);
        // Until it is noticed: the next acknowledgements only come when there is room again.
        let noticed = disk.get(Word::WritesRefused);
        let began = Instant::now();
        while disk.get(Word::WritesRefused) == noticed {
            assert!(began.elapsed() < PATIENCE, "nothing is written any more");
            std::thread::yield_now();
        }
        disk.set(Word::Full, FITS);
    });
    assert!(end.refused > 0);
    kill(hub);
    disk.power_cut(Cut::Synced);
    let hub = disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(0));
    end.assert_kept(&log);
    stop(hub);
}
