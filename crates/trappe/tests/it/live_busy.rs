//! Who watches a busy hub, or a large one: what is told when there is much to tell.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::hub::Hub;
use crate::watcher::Watcher;

#[test]
fn a_busy_wire_keeps_nobody_from_being_told_the_state_of_the_hub() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut watcher = Watcher::open(&hub, "/live?member=alice");
    let enough = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            // Always something new on the wire, as fast as it is answered.
            while !enough.load(Ordering::Relaxed) {
                alice.say("/ping encore");
                assert_eq!(alice.line(), "* pong encore");
            }
        });
        for _ in 0..4 {
            watcher.through(|event| event["ev"] == "hub");
        }
        enough.store(true, Ordering::Relaxed);
    });
    assert!(watcher.heard.contains("/ping encore"));
}

#[test]
fn who_begins_to_watch_a_large_hub_is_told_of_everybody_and_loses_nothing() {
    const MEMBERS: usize = 2500;
    let hub = Hub::start(&["--quiet"]);
    let port = hub.port();
    let _silent: Vec<TcpStream> = (0..MEMBERS)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).expect("the hub listens"))
        .collect();
    let mut state = Watcher::open(&hub, "/live");
    state.through(|event| event["ev"] == "hub" && event["members"] == MEMBERS);
    let mut watcher = Watcher::open(&hub, "/tap");
    for _ in 0..MEMBERS {
        assert_eq!(watcher.event()["ev"], "open");
    }
}
