//! The limit of open files: reached, refused with a reason, and left again.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::hub::{Hub, TRAPPE};
use crate::peer::Peer;

const LIMIT: usize = 64;

fn hub_with_few_descriptors() -> Hub {
    let script = format!("ulimit -n {LIMIT} && exec \"$0\" \"$@\"");
    let args = ["server", "--port", "0", "--quiet", "--workers", "1"];
    let mut command = Command::new("sh");
    Hub::launch(command.args(["-c", &script, TRAPPE]).args(args).env_remove("TRAPPE_LANG"))
}

/// A connection that asked for an answer: whether it was let in, and what it was told.
fn knock(hub: &Hub) -> (Peer, bool, String) {
    let mut peer = hub.connect();
    // It may be closed already: then its refusal is there to be read.
    drop(std::io::Write::write_all(&mut peer.writer(), b"/ping toc\n"));
    let told = peer.until(|line| line == "* pong toc" || line.starts_with("! "));
    (peer, told.starts_with("* "), told)
}

/// Connects until one is refused; gives the members, and the words of the refusal.
fn fill(hub: &Hub) -> (Vec<Peer>, String) {
    let mut members = Vec::new();
    loop {
        let (peer, inside, told) = knock(hub);
        if !inside {
            return (members, told);
        }
        members.push(peer);
        assert!(members.len() < LIMIT, "more members than descriptors");
    }
}

#[test]
fn at_the_limit_of_files_it_refuses_with_a_reason_and_goes_on_serving() {
    let hub = hub_with_few_descriptors();
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let (members, told) = fill(&hub);
    assert!(told.contains("plein"), "{told}");
    assert!(members.len() > LIMIT / 3, "only {} were let in", members.len());
    for round in 0..20 {
        let (mut refused, inside, told) = knock(&hub);
        assert!(!inside && told.contains("plein"), "{told}");
        refused.rest();
        alice.say(&format!("tour {round}"));
        bob.until(|line| line == format!("<alice> tour {round}"));
    }
}

#[test]
fn at_the_limit_of_files_it_does_not_spin() {
    let hub = hub_with_few_descriptors();
    let (mut typist, mut bob) = (hub.connect(), hub.member());
    let (_members, _) = fill(&hub);
    // These wait in the system's queue, or are refused: either way nobody else comes in.
    let _waiting: Vec<Peer> = (0..LIMIT).map(|_| hub.connect()).collect();
    let (before, since) = (hub.cpu(), Instant::now());
    // One letter alone may be followed by others: it is a message after two seconds. That is the clock.
    typist.send("x");
    bob.until(|line| line.ends_with("> x"));
    let (used, passed) = (hub.cpu().saturating_sub(before), since.elapsed());
    let allowed = passed / 20 + Duration::from_millis(20);
    assert!(passed >= Duration::from_secs(2) && used <= allowed, "{used:?} in {passed:?}");
}

#[test]
fn it_recovers_within_a_second_when_descriptors_are_free_again() {
    let hub = hub_with_few_descriptors();
    let (members, _) = fill(&hub);
    drop(members);
    let freed = Instant::now();
    while !knock(&hub).1 {
        assert!(freed.elapsed() < Duration::from_secs(1), "it still refuses");
    }
    assert!(freed.elapsed() < Duration::from_secs(1), "{:?}", freed.elapsed());
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let script = "ulimit -S -n 24 && ulimit -H -n 256 && exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, TRAPPE, "server", "--port", "0", "--quiet"]);
    let hub = Hub::launch(&mut command);
    let members: Vec<Peer> = (0..100).map(|_| hub.member()).collect();
    assert_eq!(members.len(), 100);
}
