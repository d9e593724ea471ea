//! What a hostile review of UDP found: datagrams without end for one member, a join at the very end.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::hub::Hub;
use crate::udp_keys::key_of;
use crate::udp_peer::UdpPeer;

/// What the hub may take more, in KiB.
const GROWN_KIB: u64 = 16 << 10;

#[test]
fn who_lets_datagrams_speak_for_it_and_reads_nothing_costs_no_more_than_others() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    alice.ask(&format!("/set k {}", "x".repeat(8000)));
    let before = hub.resident_kib();
    let datagrams = UdpPeer::stranger(&hub);
    datagrams.send(key_of(&mut alice));
    alice.until(|line| line.contains(&datagrams.address().to_string()));
    // Each asks for far more than it is long, over the connection and by datagrams, and reads nothing of it.
    let ask = "/get k\n".repeat(9000);
    let mut writer = alice.writer();
    let writing = std::thread::spawn(move || writer.write_all(ask.as_bytes()));
    for _ in 0..2000 {
        datagrams.send("/get k");
        assert!(!bob.ask("/who").is_empty());
    }
    let grown = hub.resident_kib().saturating_sub(before);
    assert!(grown < GROWN_KIB, "{grown} KiB more");
    alice.reset();
    // It could not be written any more: whether it was is all the same.
    let _written = writing.join().expect("it doesn't panic");
}

#[test]
fn who_joins_when_the_server_stops_is_answered_or_not_and_harms_nothing() {
    for _ in 0..5 {
        let mut hub = Hub::start(&["--quiet", "--format", "json"]);
        let sockets: Vec<UdpSocket> = (1..=30_u8)
            .map(|last| {
                UdpSocket::bind((Ipv4Addr::new(127, 0, 3, last), 0)).expect("all of 127/8 is here")
            })
            .collect();
        for round in 0..4 {
            for socket in &sockets {
                let sent = socket.send_to(b"/join lobby", ("127.0.0.1", hub.port()));
                sent.expect("there is room");
            }
            if round == 1 {
                hub.signal("TERM");
            }
        }
        let ended = hub.ended_within(Duration::from_secs(5));
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
}
