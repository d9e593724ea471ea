//! What every member costs: these sizes times 15 000 are the server's memory.

use std::{mem::size_of, sync::Arc, time::Duration};

use trappe_core::limits::PRIVATE_BYTES;

use super::{
    conn::{Conn, Stage},
    pump::Slot,
    reader::Reader,
};
use crate::net::address::Peer;

fn conn() -> Arc<Conn> {
    Arc::new(Conn::new(Peer::Unix, Duration::ZERO, 0, 0, false, (0, 1)))
}

#[test]
fn what_every_member_costs_stays_small() {
    // One cache line more for each member is a megabyte more for 15 000.
    assert!(size_of::<Conn>() <= 152, "Conn: {}", size_of::<Conn>());
    assert!(size_of::<Slot>() <= 152, "Slot: {}", size_of::<Slot>());
    assert!(size_of::<Reader>() <= 56, "Reader: {}", size_of::<Reader>());
}

#[test]
fn a_private_queue_takes_what_fits_and_one_thing_when_it_is_empty() {
    let conn = conn();
    assert!(conn.reserve(PRIVATE_BYTES * 2), "an empty queue takes one thing of any size");
    assert!(!conn.reserve(1));
    conn.release(PRIVATE_BYTES * 2);
    assert!(conn.reserve(PRIVATE_BYTES - 1) && conn.reserve(1) && !conn.reserve(1));
    assert!(!conn.is_full(), "full is what goes beyond");
    conn.claim(1);
    assert!(conn.is_full(), "its own replies are always taken, and stop its reader");
}

#[test]
fn a_connection_never_goes_back_to_an_earlier_stage() {
    let conn = conn();
    conn.advance(Stage::Linger);
    conn.advance(Stage::Heard);
    assert_eq!(conn.stage(), Stage::Linger);
}
