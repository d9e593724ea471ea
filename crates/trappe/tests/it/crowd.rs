//! Crowds: two thousand in one room, and two hundred beside one that doesn't read.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::hub::Hub;
use crate::peer::Peer;

/// Each peer here is a descriptor of the test's own; many systems give a process 1024 unless it asks.
pub(crate) fn raise_file_limit() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("it can always be asked");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("up to the hard limit it may be set");
}

#[test]
fn two_thousand_in_a_room_get_each_line_once_and_in_one_same_order() {
    const MEMBERS: usize = 2000;
    const SENDERS: usize = 5;
    const LINES: usize = 100;
    raise_file_limit();
    let hub = Hub::start(&["--quiet"]);
    let mut listeners: Vec<Peer> = (0..MEMBERS - SENDERS).map(|_| hub.connect()).collect();
    for peer in &mut listeners {
        peer.send("/quiet on\n/ping là\n");
    }
    for peer in &mut listeners {
        peer.before("* pong là");
    }
    let mut senders: Vec<Peer> = (0..SENDERS).map(|s| hub.named(&format!("s{s}"))).collect();
    assert!(senders[0].ask("/rooms").concat().contains("2000"));

    let talking: Vec<_> = senders
        .iter()
        .map(|sender| {
            let mut writer = sender.writer();
            thread::spawn(move || {
                for number in 0..LINES {
                    writer.write_all(format!("{number}\n").as_bytes()).expect("the hub reads");
                }
            })
        })
        .collect();
    let hear =
        |peer: &mut Peer, count| -> Vec<String> { (0..count).map(|_| peer.line()).collect() };
    let order = hear(&mut listeners[0], SENDERS * LINES);
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for line in &order {
        let (sender, number) = line.split_once(' ').expect("<name> number");
        let expected = next.entry(sender.to_owned()).or_default();
        assert_eq!(number, expected.to_string(), "out of its sender's order: {line}");
        *expected += 1;
    }
    for (peer, which) in listeners[1..].iter_mut().zip(2..) {
        let heard = hear(peer, order.len());
        assert!(heard == order, "listener {which} heard another order");
    }
    for (peer, s) in senders.iter_mut().zip(0..) {
        let own = format!("<s{s}> ");
        let others: Vec<String> =
            order.iter().filter(|line| !line.starts_with(&own)).cloned().collect();
        assert_eq!(hear(peer, others.len()), others);
    }
    for thread in talking {
        thread.join().expect("it wrote everything");
    }
    // Nothing came twice: what comes next is the marker, for everyone.
    let mut marker = hub.named("marker");
    marker.say("fin");
    for peer in listeners.iter_mut().chain(&mut senders) {
        assert_eq!(peer.line(), "<marker> fin");
    }
}

#[test]
fn two_hundred_beside_one_that_never_reads_get_everything() {
    const LINES: usize = 5000;
    const STEP: usize = 100;
    raise_file_limit();
    let hub = Hub::start(&["--quiet", "--format", "raw", "--lag", "512KiB,64MiB"]);
    let stalled = {
        let mut peer = Peer::narrow(hub.port());
        peer.send("/ping\n");
        peer.wait_unread();
        peer
    };
    let mut alice = hub.member();
    let mut healthy: Vec<Peer> = (0..200).map(|_| hub.member()).collect();
    let padding = "x".repeat(1000);
    for first in (0..LINES).step_by(STEP) {
        let lines: Vec<String> =
            (first..first + STEP).map(|n| format!("{n} {padding}\n")).collect();
        let lines = lines.concat();
        alice.send(&lines);
        for peer in &mut healthy {
            assert!(
                peer.bytes(lines.len()) == lines.as_bytes(),
                "another stream than what was said"
            );
        }
    }
    drop(stalled);
}

#[test]
fn idle_members_cost_no_processor_time() {
    raise_file_limit();
    let hub = Hub::start(&["--quiet"]);
    let (mut typist, mut witness) = (hub.connect(), hub.member());
    let mut idle: Vec<Peer> = (0..500).map(|_| hub.member()).collect();
    // Elsewhere, so that the clock's one message is not delivered to them.
    for peer in &mut idle {
        peer.ask("/join ailleurs");
    }
    let before = hub.cpu();
    // One letter alone may be followed by others: it is a message after two seconds. That is the clock.
    typist.send("x");
    witness.until(|line| line.ends_with("> x"));
    let used = hub.cpu().saturating_sub(before);
    assert!(used <= Duration::from_millis(30), "{used:?} in two seconds");
}
