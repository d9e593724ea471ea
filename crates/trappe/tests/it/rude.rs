//! Many rude peers at once: they cost little, nothing of them stays, and those who talk notice nothing.

use std::time::{Duration, Instant};

use crate::crowd::raise_file_limit;
use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::PATIENCE;

/// Waits until the hub has no more descriptors open than `count`; each look is a round trip, not a rest.
#[track_caller]
fn wait_descriptors(hub: &Hub, clock: &mut Peer, count: usize) {
    let since = Instant::now();
    while hub.descriptors() > count {
        clock.ask("");
        assert!(since.elapsed() < PATIENCE, "{} descriptors, not {count}", hub.descriptors());
    }
}

#[test]
fn three_thousand_rude_connects_leave_no_descriptor_and_no_memory() {
    let hub = Hub::start(&["--quiet"]);
    let (mut witness, mut clock) = (hub.member(), hub.member());
    // The first thousand warm the allocator up; what counts is whether two thousand more add to it.
    let mut after = Vec::new();
    let descriptors = hub.descriptors();
    for round in 0..3000 {
        let mut peer = hub.connect();
        match round % 4 {
            0 => peer.reset(),
            1 => drop(peer),
            2 => {
                peer.send("à moi");
                peer.reset();
            }
            _ => {
                peer.send("/who\n/history\nà moi");
                drop(peer);
            }
        }
        if round % 1000 == 999 {
            wait_descriptors(&hub, &mut clock, descriptors);
            after.push(hub.resident_kib());
        }
    }
    assert!(after[2] < after[0] + (4 << 10), "{after:?} KiB");
    let mut marker = hub.named("marker");
    marker.say("fin");
    let heard = witness.before("<marker> fin");
    assert_eq!(heard.iter().filter(|line| line.ends_with("> à moi")).count(), 1500);
}

#[test]
fn three_hundred_that_drip_byte_by_byte_are_in_nobodys_way() {
    raise_file_limit();
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let mut dripping: Vec<Peer> = (0..300).map(|_| hub.member()).collect();
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        for peer in &mut dripping {
            peer.send("g");
        }
        for number in 0..20 {
            let since = Instant::now();
            alice.say(&format!("{round} {number}"));
            assert_eq!(bob.line(), format!("<alice> {round} {number}"));
            slowest = slowest.max(since.elapsed());
        }
    }
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    for (peer, number) in dripping.iter_mut().zip(0..) {
        peer.send(format!(" {number}\n"));
    }
    for _ in 0..300 {
        let line = bob.line();
        assert!(line.contains("> gggggggggg "), "{line}");
    }
}

#[test]
fn half_finished_openings_of_other_protocols_are_closed_or_stay_silent() {
    let hub = Hub::start(&["--quiet"]);
    let (mut witness, mut clock) = (hub.member(), hub.member());
    let descriptors = hub.descriptors();
    let mut peers = Vec::new();
    for opening in ["GET / HTTP/1.1\r\nHost: ", "POST /x HTTP/1.0\r\n", "\u{16}\u{3}\u{1}"] {
        for _ in 0..50 {
            let mut peer = hub.connect();
            peer.send(opening);
            peers.push(peer);
        }
    }
    let mut marker = hub.named("marker");
    marker.say("fin");
    assert_eq!(witness.line(), "<marker> fin");
    drop(peers);
    drop(marker);
    wait_descriptors(&hub, &mut clock, descriptors);
}
