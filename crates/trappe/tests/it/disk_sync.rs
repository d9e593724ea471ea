//! A disk whose sync fails. Linux forgets what a failed sync was to write, so that the next one succeeds and means nothing:
//! nothing may be acknowledged until the history was opened again and what is in it verified.

use std::time::Instant;

use serde_json::json;

use crate::disk_full::{assert_kept, fate, until_acknowledged};
use crate::disk_lab::{Cut, Disk, Word, kill, stop};
use crate::disk_log::read;
use crate::disk_storm::storm;
use crate::json_peer::{JsonPeer, Via};
use crate::process::PATIENCE;

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_until_the_disk_is_well() {
    for fails in [1, 2, -1] {
        let Some(disk) = Disk::faulty() else { return };
        let hub = disk.start(&["--quiet"]);
        let (mut alice, mut bob) = (JsonPeer::named(&hub, Via::Lines, "alice"), hub.named("bob"));
        assert_eq!(fate(&mut alice, 1, "mot 1")["ev"], "ack");
        disk.set(Word::SyncFails, fails);
        assert_eq!(fate(&mut alice, 2, "mot 2")["ev"], "error");
        let mut next = 3;
        if fails < 0 {
            let (began, mut tried) = (Instant::now(), disk.get(Word::SyncsRefused));
            // It is tried again, in vain, twice: and nothing is acknowledged meanwhile.
            let until = tried + 2;
            while tried < until {
                assert_eq!(fate(&mut alice, next, &format!("mot {next}"))["ev"], "error");
                next += 1;
                tried = disk.get(Word::SyncsRefused);
                assert!(began.elapsed() < PATIENCE, "it isn't tried again");
            }
            disk.set(Word::SyncFails, 0);
        }
        let (next, seq) = until_acknowledged(&mut alice, next);
        for id in 1..next {
            assert_eq!(bob.line(), format!("<alice> mot {id}"), "the live relay goes on");
        }
        assert_eq!(seq, next - 1, "each has its number");
        assert_eq!(fate(&mut alice, next, &format!("mot {next}"))["ev"], "ack");
        read(hub.port(), "lobby", &json!(0)).assert_whole(&["not-stored"]);
        assert!(hub.log().len() <= 8, "{:#?}", hub.log());
        // What is acknowledged now is on the disk, not only in the memory that a failed sync leaves.
        kill(hub);
        disk.power_cut(Cut::Synced);
        let hub = disk.start(&["--quiet"]);
        let log = read(hub.port(), "lobby", &json!(0));
        assert_kept(&log, &[1, next - 1, next], &["not-stored", "unused"]);
        stop(hub);
    }
}

#[test]
fn syncs_that_fail_now_and_then_under_load_lose_nothing_that_was_acknowledged() {
    let Some(disk) = Disk::faulty() else { return };
    let (hub, end) = storm(&disk, &["--quiet"], &[], 4000, |_| disk.set(Word::SyncFails, 1));
    assert!(end.refused > 0 && disk.get(Word::SyncsRefused) >= 3);
    disk.set(Word::SyncFails, 0);
    kill(hub);
    disk.power_cut(Cut::Torn(3));
    let hub = disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(0));
    end.assert_kept(&log);
    stop(hub);
}

#[test]
fn a_slow_disk_delays_acknowledgements_and_nothing_else() {
    let Some(disk) = Disk::faulty() else { return };
    let hub = disk.start(&["--quiet"]);
    let (mut alice, mut bob) = (JsonPeer::named(&hub, Via::Lines, "alice"), hub.named("bob"));
    disk.set(Word::SyncMs, 1500);
    let began = Instant::now();
    alice.op(&json!({"op": "send", "text": "vite", "id": 1}));
    assert_eq!(bob.line(), "<alice> vite");
    assert!(began.elapsed().as_millis() < 1000, "it waited for the disk");
    alice.until(|event| event["ev"] == "ack");
    assert!(began.elapsed().as_millis() >= 1500, "it was acknowledged before it was synced");
    disk.set(Word::SyncMs, 0);
    stop(hub);
}
