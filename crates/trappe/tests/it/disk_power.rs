//! A power cut (PROTOCOL §5): what was acknowledged had been synced, whatever became of the rest.

use serde_json::json;

use crate::disk_full::fate;
use crate::disk_lab::{Cut, Disk, Word, kill, stop};
use crate::disk_log::read;
use crate::disk_storm::{End, storm};
use crate::json_peer::{JsonPeer, Via};

#[test]
fn what_was_acknowledged_survives_the_loss_of_all_that_was_not_synced() {
    let Some(disk) = Disk::faulty() else { return };
    let (hub, end) = storm(&disk, &["--quiet"], &[End::Cut(Cut::Synced); 4], 300, |_| {});
    assert!(end.acked.len() >= 1500, "only {}", end.acked.len());
    assert_eq!(end.refused, 0);
    assert!(disk.get(Word::Syncs) > 20, "the server doesn't sync by the shim's way");
    stop(hub);
}

#[test]
fn what_was_acknowledged_survives_half_written_pages() {
    for seed in 1..=3 {
        let Some(disk) = Disk::faulty() else { return };
        let ends: Vec<End> = (0..4).map(|n| End::Cut(Cut::Torn(10 * seed + n))).collect();
        let (hub, end) = storm(&disk, &["--quiet"], &ends, 200, |_| {});
        assert_eq!(end.refused, 0, "seed {seed}");
        stop(hub);
    }
}

#[test]
fn after_a_kill_what_is_only_in_memory_is_not_taken_for_stored() {
    // A killed server's last writes are in the system's memory: the next one finds them there, and has to sync them before it
    // says of them that they are stored.
    let Some(disk) = Disk::faulty() else { return };
    let ends = [End::Kill, End::Cut(Cut::Synced), End::Kill, End::Kill, End::Cut(Cut::Torn(7))];
    let (hub, end) = storm(&disk, &["--quiet"], &ends, 200, |_| {});
    assert_eq!(end.refused, 0);
    stop(hub);
}

#[test]
fn a_message_that_was_acknowledged_a_moment_before_the_power_cut_is_there() {
    let Some(disk) = Disk::faulty() else { return };
    // A slow disk: whoever acknowledges too early is caught.
    disk.set(Word::SyncMs, 20);
    let mut known = Vec::new();
    for round in 1..=12 {
        let hub = disk.start(&["--quiet"]);
        let mut alice = JsonPeer::member(&hub, Via::Lines);
        let text = format!("mot {round}");
        let ack = fate(&mut alice, 1, &text);
        assert_eq!(ack["ev"], "ack", "{ack}");
        known.push((ack["seq"].as_u64().expect("a number"), text));
        // This one isn't waited for.
        alice.op(&json!({"op": "send", "text": "trop tard", "id": 2}));
        kill(hub);
        disk.power_cut(if round % 2 == 0 { Cut::Synced } else { Cut::Torn(round) });
        let hub = disk.start(&["--quiet"]);
        let log = read(hub.port(), "lobby", &json!(0));
        log.assert_whole(&["unused"]);
        let texts: Vec<(u64, String)> =
            log.texts().into_iter().filter(|(_, it)| it != "trop tard").collect();
        assert_eq!(texts, known, "round {round}");
        kill(hub);
    }
}

#[test]
fn a_clean_stop_leaves_nothing_to_a_power_cut() {
    let Some(disk) = Disk::faulty() else { return };
    let (hub, end) = storm(&disk, &["--quiet"], &[], 300, |_| {});
    stop(hub);
    disk.power_cut(Cut::Synced);
    let hub = disk.start(&["--quiet"]);
    let log = read(hub.port(), "lobby", &json!(0));
    log.assert_same(&end.log, "a clean stop");
    assert_eq!((log.epoch, log.gaps), (end.log.epoch, end.log.gaps));
    stop(hub);
}
