//! A server that dies without a word, under load (PROTOCOL §5): what was acknowledged is there exactly once, for ever.

use serde_json::json;

use crate::disk_lab::{Disk, stop};
use crate::disk_log::read;
use crate::disk_storm::{End, storm};

#[test]
fn four_times_killed_under_load_a_server_has_every_acknowledged_message_once_and_in_order() {
    let disk = Disk::plain();
    let (hub, end) = storm(&disk, &["--quiet"], &[End::Kill; 4], 1200, |_| {});
    assert!(end.acked.len() >= 5000, "only {}", end.acked.len());
    assert_eq!(end.refused, 0);
    assert!(end.log.gaps.iter().all(|(_, _, cause)| cause == "unused"), "{:?}", end.log.gaps);
    // And once more, after an end like any other: now nothing is left out.
    stop(hub);
    let hub = disk.start(&["--quiet"]);
    let again = read(hub.port(), "lobby", &json!(0));
    again.assert_same(&end.log, "after a clean stop");
    assert_eq!((again.epoch, again.gaps, again.end), (end.log.epoch, end.log.gaps, end.log.end));
    stop(hub);
}
