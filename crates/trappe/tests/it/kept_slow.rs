//! Who reads slowly, where history is on (PROTOCOL §5): served from the disk until it has caught up, it misses nothing.

use std::time::Instant;

use crate::kept_ear::{Ear, Wire};
use crate::kept_hub::{ENDS, Kept};
use crate::kept_trail::Trail;
use crate::peer::Peer;
use crate::process::PATIENCE;

/// How much of it is said at a time, before those who listen have to have heard it.
const STEP: u64 = 60;

/// The wires on which one can be slow; first those that are asked for a sign of life meanwhile.
const WIRES: [Wire; 7] = [
    Wire::SocketText,
    Wire::SocketRaw,
    Wire::SocketJson,
    Wire::Text,
    Wire::Raw,
    Wire::Json,
    Wire::Events,
];

/// `alice` says messages of a kilobyte each; `healthy` hears all of them, in order, and is never far behind.
#[track_caller]
fn flood(alice: &mut Peer, healthy: &mut Peer, numbers: std::ops::RangeInclusive<u64>) {
    let padding = "x".repeat(1000);
    let (mut first, last) = (*numbers.start(), *numbers.end());
    while first <= last {
        let end = (first + STEP).min(last + 1);
        alice.send(
            (first..end).map(|n| format!("mot {n} {padding}\n")).collect::<Vec<_>>().concat(),
        );
        for n in first..end {
            let line = healthy.line();
            let begins = format!("<alice> mot {n} x");
            assert!(line.starts_with(&begins), "{n}: {}", &line[..line.len().min(40)]);
        }
        first = end;
    }
}

#[test]
fn whoever_reads_nothing_while_much_is_said_misses_nothing_on_any_wire() {
    const LAST: u64 = 12_000;
    for workers in ["1", "2"] {
        let lag = ["--lag", "512KiB,8MiB", "--retain", "10msg", "--workers", workers];
        let kept = Kept::start(&lag);
        let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
        let slow: Vec<(Wire, Ear)> =
            WIRES.into_iter().map(|wire| (wire, Ear::narrow(kept.hub(), wire))).collect();
        flood(&mut alice, &mut healthy, 1..=LAST);
        let mut trails: Vec<(Trail, Ear)> =
            slow.into_iter().map(|(wire, ear)| (Trail::from_now(wire), ear)).collect();
        for (trail, ear) in &mut trails {
            trail.up_to(LAST, ear);
        }
        // And they are live again.
        alice.say(&format!("mot {}", LAST + 1));
        for (trail, ear) in &mut trails {
            trail.up_to(LAST + 1, ear);
            assert!(trail.unused.is_empty(), "{trail:?}");
        }
    }
}

#[test]
fn whoever_reads_nothing_costs_no_more_memory_however_much_is_said() {
    let kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg"]);
    let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
    let slow: Vec<Ear> = WIRES.into_iter().map(|wire| Ear::narrow(kept.hub(), wire)).collect();
    let before = kept.hub().resident_kib();
    let mut most = 0;
    for turn in 0..18 {
        flood(&mut alice, &mut healthy, turn * 10_000 + 1..=(turn + 1) * 10_000);
        most = kept.hub().resident_kib().saturating_sub(before).max(most);
    }
    // 180 MB were said, and seven have read nothing of it. There is what rooms may keep (8 MiB), what may wait for the disk
    // (64 MiB, if it is slow), and its caches.
    assert!(most < 90 << 10, "{most} KiB more");
    drop(slow);
}

#[test]
fn whoever_is_served_from_the_disk_hears_what_is_said_meanwhile_after_it_once() {
    const LAST: u64 = 12_000;
    for wire in WIRES {
        let kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg"]);
        let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
        let mut ear = Ear::narrow(kept.hub(), wire);
        flood(&mut alice, &mut healthy, 1..=LAST);
        let mut trail = Trail::from_now(wire);
        // It reads on, in turns with what is said.
        for turn in 1..=20 {
            trail.up_to(turn * LAST / 20, &mut ear);
            let first = LAST + 1 + (turn - 1) * STEP;
            flood(&mut alice, &mut healthy, first..=first + STEP - 1);
        }
        trail.up_to(LAST + 20 * STEP, &mut ear);
        let why = healthy.ask("/why client-3").join(" ");
        assert!(why.contains("rien de manqué") || wire == Wire::Events, "{wire:?}: {why}");
    }
}

#[test]
fn its_own_messages_do_not_come_back_from_the_disk_unless_it_asked_for_an_echo() {
    for echo in ["off", "on"] {
        let kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg"]);
        let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
        let mut slow = Peer::narrow(kept.hub().port());
        slow.ready();
        slow.ask(&format!("/echo {echo}"));
        slow.send((0..300).map(|n| format!("à moi {n}\n")).collect::<Vec<_>>().concat());
        for n in 0..300 {
            assert_eq!(healthy.line(), format!("<client-3> à moi {n}"));
            alice.until(|line| line == format!("<client-3> à moi {n}"));
        }
        flood(&mut alice, &mut healthy, 1..=12_000);
        slow.send("à moi encore\n");
        healthy.until(|line| line == "<client-3> à moi encore");
        alice.say("fin");
        let (mut own, mut others) = (0, 0);
        loop {
            let line = slow.line();
            match line.as_str() {
                "<alice> fin" => break,
                own_line if own_line.starts_with("<client-3> à moi") => own += 1,
                other => {
                    others += 1;
                    let begins = format!("<alice> mot {others} x");
                    assert!(other.starts_with(&begins), "{}", &other[..other.len().min(60)]);
                }
            }
        }
        assert_eq!(others, 12_000);
        assert_eq!(own, if echo == "on" { 301 } else { 0 }, "/echo {echo}");
    }
}

#[test]
fn in_several_rooms_each_that_is_behind_comes_from_the_disk() {
    use serde_json::json;

    use crate::json_peer::JsonPeer;
    const LAST: u64 = 6000;
    const ROOMS: [&str; 3] = ["lobby", "jeu", "cave"];
    let kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg"]);
    let mut slow = JsonPeer::on_lines(Peer::narrow(kept.hub().port()));
    let mut talkers = Vec::new();
    for room in ROOMS {
        slow.ask(&json!({"op": "join", "room": room}));
        let (mut alice, mut healthy) = (kept.hub().member(), kept.hub().member());
        alice.ask(&format!("/join {room}"));
        healthy.ask(&format!("/join {room}"));
        talkers.push((alice, healthy));
    }
    let padding = "x".repeat(1000);
    for first in (1..=LAST).step_by(50) {
        for (alice, healthy) in &mut talkers {
            let lines = (first..first + 50).map(|n| format!("mot {n} {padding}\n"));
            alice.send(lines.collect::<Vec<_>>().concat());
            for _ in 0..50 {
                healthy.until(|line| line.starts_with('<'));
            }
        }
    }
    let mut trails = ROOMS.map(Trail::from_now);
    while trails.iter().any(|trail| trail.last < LAST) {
        let event = slow.event();
        for (trail, room) in trails.iter_mut().zip(ROOMS) {
            trail.take(&crate::kept_ear::of_event(&event, room));
        }
    }
}

#[test]
fn only_what_is_kept_no_more_is_a_gap_for_whoever_reads_too_slowly() {
    const LAST: u64 = 12_000;
    let kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg", "--keep", "1000msg"]);
    let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
    let mut slow = Peer::narrow(kept.hub().port());
    slow.ready();
    flood(&mut alice, &mut healthy, 1..=LAST);
    let until = Instant::now() + PATIENCE;
    while healthy.ask("/resume 0")[0].starts_with("<alice> mot 1 ") {
        assert!(Instant::now() < until, "it is never pruned");
    }
    let (mut next, mut gaps) = (1, 0);
    while next <= LAST {
        let line = slow.line();
        if let Some(told) = line.strip_prefix("* gap ") {
            let (from, rest) = told.split_once("..").expect("FROM..TO");
            let (to, why) = rest.split_once(' ').expect("TO (why)");
            let [from, to] = [from, to].map(|it| it.parse::<u64>().expect("a number"));
            assert_eq!(from, next, "{line}");
            assert!(why.contains(&format!("{} messages", to + 1 - from)), "{line}");
            next = to + 1;
            gaps += 1;
        } else {
            let begins = format!("<alice> mot {next} x");
            assert!(line.starts_with(&begins), "{next}: {}", &line[..line.len().min(40)]);
            next += 1;
        }
    }
    assert!(gaps > 0, "it missed nothing, though 11 000 are kept no more");
}

#[test]
fn a_slow_member_that_comes_back_after_a_restart_goes_on_where_it_was() {
    const LAST: u64 = 5000;
    for end in ENDS {
        let mut kept = Kept::start(&["--lag", "512KiB,8MiB", "--retain", "10msg"]);
        let (mut alice, mut healthy) = (kept.hub().named("alice"), kept.hub().member());
        alice.ask("/ack on");
        let mut slow = Ear::narrow(kept.hub(), Wire::Json);
        flood_acknowledged(&mut alice, &mut healthy, LAST);
        let mut trail = Trail::from_now(end);
        trail.up_to(LAST / 10, &mut slow);
        kept.again(end);
        // What was on its way when it ended is lost, and comes again.
        let road = (Wire::Json, crate::kept_ear::Way::Resume);
        let unix = kept.folder.path("none");
        let position = trail.last.to_string();
        let mut again = Ear::open(kept.hub(), &unix, road, "lobby", &position);
        let mut trail = Trail::after(trail.last, end);
        trail.live(&mut again);
        assert_eq!(trail.last, LAST);
    }
}

/// The same as a flood, and everything is acknowledged at its end.
#[track_caller]
fn flood_acknowledged(alice: &mut Peer, healthy: &mut Peer, last: u64) {
    let padding = "x".repeat(1000);
    for first in (1..=last).step_by(50) {
        alice.send(
            (first..first + 50)
                .map(|n| format!("mot {n} {padding}\n"))
                .collect::<Vec<_>>()
                .concat(),
        );
        for _ in 0..50 {
            alice.until(|line| line.starts_with("+ack "));
            healthy.until(|line| line.starts_with('<'));
        }
    }
}
