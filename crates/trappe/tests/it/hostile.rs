//! Clients that mean harm: what they do ends with them.

use std::{
    io::Write,
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::hub::Hub;
use crate::peer::Peer;

/// `alice` says so many lines of a kilobyte, and `healthy` hears each of them.
fn flood(alice: &mut Peer, healthy: &mut Peer, lines: usize) {
    let padding = "x".repeat(1000);
    for first in (0..lines).step_by(50) {
        let step = first..(first + 50).min(lines);
        let said: Vec<String> = step.clone().map(|n| format!("{n} {padding}\n")).collect();
        alice.send(said.concat());
        for wanted in step {
            let line = healthy.line();
            assert!(line.starts_with(&format!("<alice> {wanted} ")), "{}", &line[..40]);
        }
    }
}

/// Writes until nothing is taken for a while, or until `bytes` are written. Returns how many were.
fn pour(writer: &mut TcpStream, bytes: usize) -> usize {
    let line = format!("{}\n", "x".repeat(1023));
    writer.set_write_timeout(Some(Duration::from_millis(500))).expect("it can be set");
    let mut written = 0;
    while written < bytes {
        match writer.write(&line.as_bytes()[written % line.len()..]) {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    written
}

/// Asks who is there until only `count` members are.
fn wait_until_alone(asker: &mut Peer, count: usize) {
    let begun = Instant::now();
    let wanted = format!("* {count} membre");
    loop {
        let answer = asker.ask("/who").join(" ");
        if answer.starts_with(&wanted) {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(15), "{answer}");
    }
}

#[test]
fn a_raw_member_that_falls_behind_in_the_middle_of_its_history_harms_nobody() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,64MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    flood(&mut alice, &mut healthy, 500);
    let mut slow = Peer::narrow(hub.port());
    slow.send("/format raw\n");
    slow.ready();
    slow.send("/history 1000\n".repeat(20));
    flood(&mut alice, &mut healthy, 8000);
    // Whatever it still gets, then its end; and the hub is there as before.
    slow.rest();
    flood(&mut alice, &mut healthy, 100);
    wait_until_alone(&mut alice, 2);
}

#[test]
fn who_joins_a_room_and_breaks_off_at_once_is_no_listener_there() {
    const BYTES: usize = 16 << 20;
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,64MiB"]);
    for _ in 0..20 {
        let mut ghost = hub.connect();
        ghost.send("bonjour\n/join victime\n");
        ghost.reset();
    }
    let mut alone = hub.named("alice");
    alone.ask("/join victime");
    wait_until_alone(&mut alone, 1);
    let written = pour(&mut alone.writer(), BYTES);
    assert!(written >= BYTES, "slowed after {written} bytes for nobody's sake");
}

#[test]
fn members_that_never_read_their_replies_are_freed_when_they_break_off() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (descriptors, memory) = (hub.descriptors(), hub.resident_kib());
    let flooders: Vec<Peer> = (0..10)
        .map(|_| {
            let flooder = Peer::narrow(hub.port());
            let mut writer = flooder.writer();
            writer.set_write_timeout(Some(Duration::from_millis(200))).expect("it can be set");
            // It is not read from any more once its replies wait: three thousand ask for far more than the hub and the
            // kernel hold. Not more of them, since all that it has sent is carried out, also after it has gone.
            for _ in 0..3 {
                if writer.write_all(&b"/help\n".repeat(1000)).is_err() {
                    break;
                }
            }
            flooder
        })
        .collect();
    let grown = hub.resident_kib().saturating_sub(memory);
    assert!(grown < 32 << 10, "{grown} KiB for ten private queues");
    alice.ask("/ping");
    for flooder in flooders {
        flooder.reset();
    }
    wait_until_alone(&mut alice, 1);
    let begun = Instant::now();
    while hub.descriptors() > descriptors {
        alice.ask("/ping");
        assert!(begun.elapsed() < Duration::from_mins(1), "connections are never closed");
    }
}

#[test]
fn a_newcomer_that_reads_frees_a_sender_that_waits_for_a_slow_one() {
    let hub = Hub::start(&["--quiet", "--no-notices", "--lag", "1MiB,64MiB"]);
    let alice = hub.named("alice");
    let mut slow = Peer::narrow(hub.port());
    slow.ready();
    let mut writer = alice.writer();
    let before = pour(&mut writer, 64 << 20);
    assert!(before < 64 << 20, "it is slowed for the only listener's sake");
    let mut newcomer = hub.member();
    // Nobody says anything new: what waits in alice's socket is read as soon as the newcomer is there.
    assert!(newcomer.line().starts_with("<alice> x"));
}

#[test]
fn connections_that_close_just_when_they_would_be_admitted_leave_no_member() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    for _ in 0..20 {
        let silent: Vec<Peer> = (0..50).map(|_| hub.connect()).collect();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(195) {
            alice.ask("/ping");
        }
        drop(silent);
    }
    wait_until_alone(&mut alice, 1);
}

#[test]
fn one_who_floods_commands_delays_nobody_for_long() {
    let hub = Hub::start(&["--quiet", "--workers", "1"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    let flooder = hub.member();
    let mut writer = flooder.writer();
    let flooding = std::thread::spawn(move || {
        writer.set_write_timeout(Some(Duration::from_millis(500))).expect("it can be set");
        while writer.write_all(&b"/history 1\n".repeat(500)).is_ok() {}
    });
    for n in 0..200 {
        alice.say(&format!("mot {n}"));
        assert_eq!(bob.line(), format!("<alice> mot {n}"));
    }
    drop(hub);
    flooding.join().expect("it ends with the hub");
    drop(flooder);
}

#[test]
fn when_many_leave_in_the_middle_of_a_pass_nobody_else_is_left_out() {
    let hub = Hub::start(&["--quiet", "--workers", "1"]);
    let mut alice = hub.named("alice");
    let mut stay: Vec<Peer> = (0..300).map(|_| hub.member()).collect();
    for round in 0..5 {
        let leave: Vec<Peer> = (0..200).map(|_| hub.connect()).collect();
        wait_until_alone(&mut alice, 501);
        let said = format!("tour {round}");
        alice.say(&said);
        drop(leave);
        // No later message brings this one along: each has to come by itself.
        for peer in &mut stay {
            assert_eq!(peer.line(), format!("<alice> {said}"));
        }
        wait_until_alone(&mut alice, 301);
    }
}
