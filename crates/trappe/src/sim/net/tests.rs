//! What the simulated network does to bytes is what a real one may do, and no more.

use std::io::ErrorKind;

use tokio::time::Instant;

use super::{
    Weather,
    wire::{Side, Wire},
};
use crate::sim::chance::Chance;

const RAIN: Weather = Weather { delay_ms: (0, 50), most: 7, buffer: 60, choke_one_in: 5 };

/// Writes all of `bytes` from one side, and reads as much at the other; gives what was read, and whether the end was.
fn pass(wire: &mut Wire, from: Side, bytes: &[u8], ends: bool) -> (Vec<u8>, bool) {
    let to = if from == Side::Hub { Side::Client } else { Side::Hub };
    let (mut now, mut read, mut rest) = (Instant::now(), Vec::new(), bytes);
    loop {
        if !rest.is_empty() {
            match wire.write(from, rest, now) {
                Ok(n) => rest = &rest[n..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => rest = &[],
            }
        }
        if rest.is_empty() && ends {
            wire.shut(from, now);
        }
        let mut buffer = [0; 64];
        match wire.read(to, &mut buffer) {
            Ok(0) => return (read, true),
            Ok(n) => read.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                match wire.carry(now, &mut |_, _| {}) {
                    Some(due) => now = due.max(now),
                    None if rest.is_empty() && !wire.is_readable(to) => return (read, false),
                    None => {}
                }
            }
            Err(_) => return (read, false),
        }
    }
}

fn wire(seed: u64) -> Wire {
    Wire::new(RAIN, Chance::of(seed, "wire"))
}

#[test]
fn all_that_is_written_comes_once_and_in_order_then_the_end() {
    let bytes: Vec<u8> = (0..=255).collect();
    for seed in 0..200 {
        let mut wire = wire(seed);
        assert_eq!(pass(&mut wire, Side::Client, &bytes, true), (bytes.clone(), true));
        assert_eq!(pass(&mut wire, Side::Hub, &bytes, true), (bytes.clone(), true), "half closed");
    }
}

#[test]
fn of_what_is_under_way_at_a_reset_a_beginning_comes_then_the_error_once() {
    let bytes: Vec<u8> = (0..40).collect();
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut wire = wire(seed);
        let now = Instant::now();
        let mut rest = &bytes[..];
        for _ in 0..30 {
            rest = &rest[wire.write(Side::Client, rest, now).unwrap_or(0)..];
        }
        wire.reset(now);
        let (read, ended) = pass(&mut wire, Side::Client, &[], false);
        assert!(bytes.starts_with(&read) && !ended);
        assert_eq!(wire.read(Side::Hub, &mut [0; 9]).ok(), Some(0), "then it is the end");
        let broken = wire.write(Side::Hub, b"x", now).map_err(|error| error.kind());
        assert_eq!(broken, Err(ErrorKind::BrokenPipe));
        lengths.insert(read.len());
    }
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn who_closes_and_leaves_something_unread_resets() {
    let mut wire = Wire::new(Weather::default(), Chance::of(1, "wire"));
    let now = Instant::now();
    wire.write(Side::Client, b"unread", now).expect("there is room");
    let later = now + std::time::Duration::from_millis(5);
    wire.carry(later, &mut |_, _| {});
    wire.close(Side::Hub, later);
    wire.carry(later + std::time::Duration::from_millis(5), &mut |_, _| {});
    let read = wire.read(Side::Client, &mut [0; 9]).map_err(|error| error.kind());
    assert_eq!(read, Err(ErrorKind::ConnectionReset));
}

#[test]
fn who_writes_to_who_has_closed_is_reset() {
    let mut wire = Wire::new(Weather::default(), Chance::of(1, "wire"));
    let at = |ms| Instant::now() + std::time::Duration::from_millis(ms);
    wire.close(Side::Hub, at(0));
    wire.carry(at(10), &mut |_, _| {});
    assert_eq!(wire.read(Side::Client, &mut [0; 9]).ok(), Some(0), "first it is an end only");
    wire.write(Side::Client, b"more", at(10)).expect("nobody has said that it can't be");
    wire.carry(at(20), &mut |_, _| {});
    wire.carry(at(30), &mut |_, _| {});
    let written = wire.write(Side::Client, b"more", at(40)).map_err(|error| error.kind());
    assert_eq!(written, Err(ErrorKind::BrokenPipe));
}

#[test]
fn a_write_of_nothing_takes_nothing_and_never_blocks() {
    let mut wire = wire(4);
    let now = Instant::now();
    // Until its buffer is full, or it is choked.
    while wire.write(Side::Hub, &[1; 60], now).is_ok() {}
    assert_eq!(wire.write(Side::Hub, &[], now).ok(), Some(0));
}

#[test]
fn nothing_comes_through_a_stall_and_all_of_it_after() {
    let mut wire = wire(3);
    let now = Instant::now();
    wire.stall(Side::Hub, true);
    let n = wire.write(Side::Client, b"hello", now).expect("there is room");
    let later = now + std::time::Duration::from_mins(10);
    wire.carry(later, &mut |_, _| {});
    let blocked = wire.read(Side::Hub, &mut [0; 9]).map_err(|error| error.kind());
    assert_eq!(blocked, Err(ErrorKind::WouldBlock));
    wire.stall(Side::Hub, false);
    assert_eq!(pass(&mut wire, Side::Client, &b"hello"[n..], false).0, b"hello");
}
