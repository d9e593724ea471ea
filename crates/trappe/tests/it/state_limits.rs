//! The bounds of shared state (PROTOCOL §6): keys, bytes, all rooms together, and the memory that they take.

use std::collections::BTreeMap;
use std::thread;

use crate::hub::Hub;
use crate::peer::Peer;
use crate::state_peer::Member;
use crate::state_peer::Way::{Json, Text};

/// Keys of one room.
const KEYS: usize = 4096;
/// About what one value may have at most: a message of 64 KiB, less its command.
const LARGE: usize = 65_000;
/// What a room's state may take …
const ROOM_BYTES: usize = 1 << 20;
/// … and those of all rooms.
const TOTAL_BYTES: usize = 64 << 20;
/// How much more memory a hub may hold after any number of changes than it may keep: queues, buffers, the allocator's slack.
const SLACK_KIB: u64 = 32 << 10;

/// Sets values until one is refused: how many fitted, and how it was refused. Each is asked after, so that the order is clear.
#[track_caller]
fn fill(peer: &mut Peer, value: &str) -> (usize, String) {
    for n in 0..=KEYS {
        let answer = peer.ask(&format!("/set k{n} {value}"));
        if let [error] = &answer[..] {
            return (n, error.clone());
        }
        assert!(answer.is_empty(), "{answer:?}");
    }
    panic!("more than {KEYS} keys were taken");
}

/// Says what differs, and only that.
#[track_caller]
fn same(found: &BTreeMap<String, String>, wanted: &BTreeMap<String, String>) {
    let in_one = |one: &BTreeMap<_, _>, other: &BTreeMap<String, String>| -> Vec<String> {
        let lacks = |(key, value): &(&String, &String)| other.get(*key) != Some(value);
        one.iter().filter(lacks).map(|(key, value)| format!("{key} {value}")).collect()
    };
    let (more, less) = (in_one(found, wanted), in_one(wanted, found));
    assert_eq!((more, less), (vec![], vec![]));
}

#[test]
fn the_4097th_key_is_refused_and_nothing_is_lost() {
    const CHURN: usize = 2000;
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (Member::of(&hub, Text), Member::of(&hub, Json));
    let mut all = BTreeMap::new();
    for n in 0..KEYS {
        alice.set(&format!("k{n}"), &format!("{n}"));
        all.insert(format!("k{n}"), n.to_string());
    }
    assert_eq!(alice.refused("une-de-trop", "x").as_deref(), Some("state-full"));
    assert_eq!(bob.refused("une-de-trop", "x").as_deref(), Some("state-full"));
    // What bob knows by what he is told, from here on.
    let mut mirror = bob.snapshot();
    same(&mirror, &all);
    // Those that are there may change, and one that goes makes room for one that comes: as often as one likes.
    alice.set("k7", "sept");
    bob.hears("k7", "sept");
    mirror.insert("k7".to_owned(), "sept".to_owned());
    for n in 0..CHURN {
        let (old, new) = (n.checked_sub(1).map(|n| format!("neuve-{n}")), format!("neuve-{n}"));
        alice.set(old.as_deref().unwrap_or("k8"), "");
        alice.set(&new, "x");
    }
    assert_eq!(alice.refused("une-de-trop", "x").as_deref(), Some("state-full"));
    let last = format!("neuve-{}", CHURN - 1);
    while !mirror.contains_key(&last) {
        let (key, value) = bob.state();
        if value.is_empty() {
            mirror.remove(&key);
        } else {
            mirror.insert(key, value);
        }
    }
    all.insert("k7".to_owned(), "sept".to_owned());
    all.remove("k8");
    all.insert(last, "x".to_owned());
    same(&mirror, &all);
    same(&alice.snapshot(), &all);
    same(&bob.snapshot(), &all);
    // Another room isn't full.
    alice.go("lobby", "jardin");
    assert_eq!(alice.refused("k", "x"), None);
}

#[test]
fn a_room_keeps_a_mebibyte_and_what_would_be_more_changes_nothing() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.member();
    let large = "x".repeat(LARGE);
    let (fitted, error) = fill(&mut alice, &large);
    assert!(error.starts_with("! state-full "), "{error}");
    assert_eq!(fitted, ROOM_BYTES / (LARGE + 300), "values of {LARGE} bytes in {ROOM_BYTES}");
    let mut late = Member::of(&hub, Json);
    assert!(late.snapshot().values().eq((0..fitted).map(|_| &large)));
    // The last one may be another of the same length, or shorter; the rest that it leaves is for a new one.
    assert_eq!(alice.ask(&format!("/set k0 {}", "y".repeat(LARGE))), Vec::<String>::new());
    assert_eq!(alice.ask("/set k0 court"), Vec::<String>::new());
    assert_eq!(alice.ask(&format!("/set autre {}", "z".repeat(LARGE - 500))), Vec::<String>::new());
    assert_eq!(alice.ask("/set k0 "), Vec::<String>::new(), "taking away is always possible");
    assert_eq!(alice.ask("/get k0").len(), 1);
    assert_eq!(alice.ask("/get k1"), [format!("=k1= {large}")]);
}

#[test]
fn a_full_room_lets_each_of_its_keys_be_taken_away_also_with_a_version() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.member(), hub.member());
    alice.ask("/set petite x");
    fill(&mut alice, &"x".repeat(LARGE));
    // To the last byte.
    let (mut taken, mut refused) = (0, LARGE);
    while taken + 1 < refused {
        let length = taken.midpoint(refused);
        let answer = alice.ask(&format!("/set reste {}", "x".repeat(length)));
        *if answer.is_empty() { &mut taken } else { &mut refused } = length;
    }
    assert_eq!(bob.ask("/set petite#1 "), Vec::<String>::new());
    assert!(bob.ask("/get petite")[0].starts_with("! no-such-key "));
}

#[test]
fn all_rooms_together_keep_64_mebibytes() {
    let hub = Hub::start(&["--quiet"]);
    let large = "x".repeat(LARGE);
    let mut rooms = 0;
    let mut peers = Vec::new();
    loop {
        let mut peer = hub.member();
        peer.ask(&format!("/join r{rooms}"));
        let (fitted, error) = fill(&mut peer, &large);
        assert!(error.starts_with("! state-full "), "{error}");
        if fitted < ROOM_BYTES / (LARGE + 300) {
            break;
        }
        rooms += 1;
        peers.push(peer);
    }
    // The last bytes of each room are too few for one value more.
    let most = TOTAL_BYTES / (ROOM_BYTES - LARGE);
    assert!((TOTAL_BYTES / ROOM_BYTES..=most).contains(&rooms), "{rooms} full rooms");
    // What one room gives back, another may have.
    let mut other = hub.member();
    other.ask("/join jardin");
    for n in 0..4 {
        peers[0].ask(&format!("/set k{n} "));
    }
    assert_eq!(other.ask(&format!("/set k {large}")), Vec::<String>::new());
    assert_eq!(peers[1].ask("/get k1"), [format!("=k1= {large}")]);
}

/// Ten members set values of 64 KiB, more than half a gigabyte in all, while two follow and never read, and one follows and does.
#[track_caller]
fn memory_after_a_flood(keys: usize) {
    const SETTERS: usize = 10;
    const SETS: usize = 10_000;
    let hub = Hub::start(&["--quiet"]);
    let mut deaf = [Text, Json].map(|way| Member::on(Peer::narrow(hub.port()), way));
    let mut healthy = Member::of(&hub, Json);
    for follower in deaf.iter_mut().chain([&mut healthy]) {
        follower.follow();
    }
    // Of many keys, most are refused: a room keeps a mebibyte.
    let value = format!("{}\n", "x".repeat(LARGE));
    let before = hub.resident_kib();
    thread::scope(|scope| {
        for setter in 0..SETTERS {
            let (hub, value) = (&hub, &value);
            scope.spawn(move || {
                let mut peer = hub.member();
                for n in 0..SETS / SETTERS {
                    peer.send(format!("/set k{} ", (n * SETTERS + setter) % keys));
                    peer.send(value);
                    if n % 100 == 99 {
                        let refused = peer.ask("/quiet on");
                        assert!(refused.len() <= 101, "{} answers to 100 values", refused.len());
                    }
                }
            });
        }
    });
    let after = hub.resident_kib();
    assert!(after < before + SLACK_KIB, "{before} KiB, then {after} KiB");
    // It is all there still, for who reads.
    healthy.set("k0", "fin");
    while healthy.state() != ("k0".to_owned(), "fin".to_owned()) {}
}

#[test]
fn a_flood_of_large_values_of_one_key_takes_no_memory() {
    memory_after_a_flood(1);
}

#[test]
fn a_flood_of_large_values_of_4096_keys_takes_no_memory() {
    memory_after_a_flood(KEYS);
}
