//! Shared state over a network that loses, doubles, delays and reorders: the latest value wins, an older one never
//! replaces a newer one, and who comes late gets all of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use crate::json_check::checked;
use crate::json_peer::JsonPeer;
use crate::net_lab::{Lab, LabHub, Relay};
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::udp_peer::UdpPeer;

/// How often each member sets its key.
const VERSIONS: u64 = 200;
/// What the hub may take more, in KiB, however much is set.
const GROWN_KIB: u64 = 8 << 10;

/// A value as it was told: its number, its version, its text.
type Told = (u64, u64, String);

fn told(event: &Value) -> (String, Told) {
    let number = |field: &str| event[field].as_u64().expect("a number");
    let text = |field: &str| event[field].as_str().expect("text").to_owned();
    (text("key"), (number("seq"), number("v"), text("text")))
}

/// A follower by TCP, which is told everything in order.
struct Truth {
    program: JsonPeer,
    state: BTreeMap<String, Told>,
}

impl Truth {
    fn of(hub: &LabHub) -> Truth {
        let stream = TcpStream::connect(hub.address()).expect("the hub listens");
        let mut program = JsonPeer::on_lines(Peer::over(stream));
        program.ask(&json!({"op": "quiet", "on": true}));
        program.ask(&json!({"op": "get"}));
        Truth { program, state: BTreeMap::new() }
    }

    /// Reads until each of the keys has its last version; no value that comes is older than the one that it replaces.
    #[track_caller]
    fn read(&mut self, keys: &[String]) {
        let last = |state: &BTreeMap<String, Told>, key: &String| {
            state.get(key).is_some_and(|(_, version, _)| *version == VERSIONS)
        };
        while !keys.iter().all(|key| last(&self.state, key)) {
            let event = self.program.event();
            if event["ev"] != "state" {
                continue;
            }
            let (key, new) = told(&event);
            assert_eq!(new.2, format!("{key} à {}", new.1), "{event}");
            if let Some(old) = self.state.insert(key, new.clone()) {
                assert!(old.0 < new.0 && old.1 < new.1, "{old:?} was replaced by {new:?}");
            }
        }
    }
}

/// Asks for all that a member by UDP lacks, until it has what `truth` has; of two values the one with the lower number
/// is the older one, in whatever order they come.
#[track_caller]
fn complete(member: &mut UdpPeer, truth: &BTreeMap<String, Told>) {
    let mut state: BTreeMap<String, Told> = BTreeMap::new();
    let until = Instant::now() + PATIENCE;
    for round in 0.. {
        if state == *truth {
            return;
        }
        assert!(Instant::now() < until, "it has {state:#?}");
        member.op(&json!({"op": "get"}));
        let mut heard = Vec::new();
        member.pong(&format!("tout {round}"), &mut heard);
        // What was sent as text before it asked for JSON may come late.
        let lines = heard.iter().filter(|line| line.starts_with('{'));
        for event in lines.map(|line| checked(line)).filter(|event| event["ev"] == "state") {
            let (key, new) = told(&event);
            if state.get(&key).is_none_or(|old| old.0 < new.0) {
                state.insert(key, new);
            }
        }
    }
}

#[test]
fn the_latest_value_wins_over_a_network_that_loses_doubles_delays_and_reorders() {
    let Some(lab) = Lab::enter() else { return };
    for seed in 1..=3 {
        let hub = lab.hub(&["--open", "--quiet"]);
        let mut truth = Truth::of(&hub);
        let relays = [0, 1, 2].map(|number| Relay::start(&hub, 100 * seed + number));
        let mut members = relays.each_ref().map(|relay| relay.peer().json_through_loss());
        let keys = [0, 1, 2].map(|number| format!("place/{number}"));
        let before = hub.hub.resident_kib();
        let set = |member: &UdpPeer, number: usize, version: u64, id: Option<u64>| {
            let key = &keys[number];
            let mut op = json!({"op": "set", "key": key, "v": version, "text": format!("{key} à {version}")});
            if let Some(id) = id {
                op["id"] = id.into();
            }
            member.op(&op);
        };
        for version in 1..VERSIONS {
            for (number, member) in members.iter().enumerate() {
                set(member, number, version, None);
            }
        }
        // The last one is to arrive, and those before it still may, late: they change nothing.
        let mut open: BTreeSet<usize> = (0..members.len()).collect();
        let until = Instant::now() + PATIENCE;
        while !open.is_empty() {
            assert!(Instant::now() < until, "seed {seed}: never taken: {open:?}");
            for number in open.clone() {
                set(&members[number], number, VERSIONS, Some(VERSIONS));
                let mut heard = Vec::new();
                members[number].pong(&format!("{number} encore"), &mut heard);
                let lines = heard.iter().filter(|line| line.starts_with('{'));
                // Taken: acknowledged, or already there when it came once more.
                if lines.map(|line| checked(line)).any(|event| {
                    event["id"] == VERSIONS
                        && (event["ev"] == "ack" || event["code"] == "stale-version")
                }) {
                    open.remove(&number);
                }
            }
        }
        truth.read(&keys);
        for member in &mut members {
            complete(member, &truth.state);
        }
        // Who comes late gets all of it, by the same network.
        let late = Relay::start(&hub, 1000 * seed);
        complete(&mut late.peer().json_through_loss(), &truth.state);
        let grown = hub.hub.resident_kib().saturating_sub(before);
        assert!(grown < GROWN_KIB, "seed {seed}: {grown} KiB more");
    }
}

#[test]
fn after_a_partition_who_asks_again_has_the_latest_values() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    let mut alice = hub.listener();
    let mut member = hub.stranger().json_through_loss();
    member.op(&json!({"op": "get", "id": 1}));
    member.event_until(|event| event["ev"] == "ack" && event["id"] == 1);
    alice.ask("/set pos#1 avant");
    member.event_until(|event| event["ev"] == "state" && event["text"] == "avant");
    lab.nft(&crate::net_lab::rules("cut", "input", "meta l4proto udp drop"));
    for version in 2..=100 {
        alice.ask(&format!("/set pos#{version} pendant"));
    }
    alice.ask("/set pos#101 après");
    lab.nft("delete table inet cut");
    let mut heard = Vec::new();
    member.pong("là", &mut heard);
    member.op(&json!({"op": "get", "id": 2}));
    let event = member.event_until(|event| event["ev"] == "state" && event["seq"] == 101);
    assert_eq!((&event["text"], &event["v"]), (&json!("après"), &json!(101)));
}
