//! Slow readers: they delay nobody, and are told what they missed.

use std::io::Write;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::Hub;
use crate::peer::Peer;
use crate::process::Process;
use crate::tools::netcat;

const LINES: usize = 12_000;

/// The number in `<alice> 17 xxx…` or `17 xxx…`.
fn number(line: &str) -> Option<usize> {
    line.strip_prefix("<alice> ").unwrap_or(line).split(' ').next()?.parse().ok()
}

/// `alice` says `LINES` numbered lines of about a kilobyte each; `healthy` hears all of them, in order, and is never far behind.
#[track_caller]
fn flood(alice: &mut Peer, healthy: &mut Peer) {
    const STEP: usize = 60;
    let padding = "x".repeat(1000);
    for first in (1..=LINES).step_by(STEP) {
        let step = first..(first + STEP).min(LINES + 1);
        alice.send(step.clone().map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
        for wanted in step {
            let line = healthy.line();
            assert_eq!(number(&line), Some(wanted), "{}", &line[..line.len().min(80)]);
        }
    }
}

/// A member that is in, and that the hub will soon be unable to write to.
fn slow_member(hub: &Hub, first: &str) -> Peer {
    let mut slow = Peer::narrow(hub.port());
    slow.send(first);
    slow.ready();
    slow
}

#[test]
fn a_slow_text_member_is_told_its_gaps_and_a_healthy_one_notices_nothing() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = slow_member(&hub, "");
    flood(&mut alice, &mut healthy);
    let why = alice.ask("/why client-3").join(" ");
    assert!(why.contains("manqué") || why.contains("retard"), "{why}");

    // Now it reads again: each message once, in order, or inside an announced gap. A word after the flood ends it.
    let mut next = 1;
    let mut gaps = 0;
    loop {
        let line = slow.line();
        if let Some(told) = line.strip_prefix("* gap ") {
            let (from, rest) = told.split_once("..").expect("FROM..TO");
            let (to, count) = rest.split_once(" (").expect("TO (N messages)");
            let [from, to, count] = [from, to, count.split(' ').next().expect("N")]
                .map(|word| word.parse::<usize>().expect("a number"));
            assert_eq!((from, count), (next, to + 1 - from), "{line}");
            next = to + 1;
            if gaps == 0 {
                // It has caught up with what is kept: what is said from here on must come.
                alice.say("fin");
            }
            gaps += 1;
        } else if line == "<alice> fin" {
            break;
        } else {
            assert_eq!(number(&line), Some(next), "{}", &line[..line.len().min(80)]);
            next += 1;
            assert!(gaps > 0 || next <= LINES, "it was never slow");
        }
    }
    assert_eq!(next, LINES + 1, "messages are missing without a word");
    let why = slow.ask("/why").join(" ");
    assert!(why.contains("manqué"), "{why}");
}

#[test]
fn a_slow_raw_member_is_closed_and_what_it_got_has_no_hole() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = slow_member(&hub, "/format raw\n");
    flood(&mut alice, &mut healthy);
    let rest = slow.rest();
    let text = String::from_utf8(rest).expect("the flood is text");
    let mut next = 1;
    for line in text.lines() {
        // Its last line may be cut where it was closed.
        let whole = line.len() > 1000;
        assert!(!whole || number(line) == Some(next), "{next} is missing");
        next += 1;
    }
    assert!(next < LINES, "it got everything: it was never slow");
    // The hub lingers for a second at most, so that the last line is read; then it is gone.
    let since = Instant::now();
    while healthy.ask("/who").concat().contains("client-3") {
        assert!(since.elapsed() < Duration::from_secs(5), "it is still a member");
    }
}

#[test]
fn with_raw_gap_skip_a_slow_raw_member_goes_on() {
    let hub = Hub::start(&["--quiet", "--lag", "512KiB,8MiB", "--raw-gap", "skip"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut slow = slow_member(&hub, "/format raw\n");
    flood(&mut alice, &mut healthy);
    let (mut last, mut missing) = (0, 0);
    loop {
        let line = slow.line();
        if line == "fin" {
            break;
        }
        let number = number(&line).unwrap_or_else(|| panic!("no body: {line:?}"));
        assert!(number > last, "{number} after {last}");
        if number > last + 1 || number == LINES {
            alice.say("fin");
        }
        missing += number - last - 1;
        last = number;
    }
    assert!(missing > 0 || last < LINES, "it was never slow");
}

#[test]
fn who_speaks_to_nobody_but_a_slow_one_is_slowed_and_nothing_is_lost() {
    const TOTAL: usize = 40_000;
    let hub = Hub::start(&["--quiet", "--lag", "1MiB,8MiB"]);
    let alice = hub.named("alice");
    let mut slow = slow_member(&hub, "/format raw\n");
    let mut writer = alice.writer();
    let (slowed, was_slowed) = mpsc::channel();
    let talking = thread::spawn(move || {
        let padding = "x".repeat(1000);
        writer.set_write_timeout(Some(Duration::from_millis(300))).expect("it can be set");
        for number in 1..=TOTAL {
            let line = format!("{number} {padding}\n");
            let mut rest = line.as_bytes();
            while !rest.is_empty() {
                match writer.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    // Nobody takes it for a while: the hub has stopped reading.
                    Err(_) => drop(slowed.send(number)),
                }
            }
        }
    });
    let at = was_slowed.recv().expect("it is slowed before it has said everything");
    assert!(at < TOTAL);
    for wanted in 1..=TOTAL {
        assert_eq!(number(&slow.line()), Some(wanted));
    }
    talking.join().expect("it wrote everything");
}

#[test]
fn a_big_file_through_netcat_to_one_listener_arrives_whole() {
    let Some(netcat) = netcat() else { return };
    let hub = Hub::start(&["--quiet", "--format", "raw"]);
    let mut listener = hub.member();
    let script = "seq -f 'ligne numéro %.0f, assez longue pour un fichier de vingt mégaoctets' 1 \"$1\" | \"$0\" -N 127.0.0.1 \"$2\"";
    let (lines, port) = (300_000, hub.port().to_string());
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(netcat).args([&lines.to_string(), &port]);
    let sender = Process::spawn(&mut command);
    for number in 1..=lines {
        let wanted =
            format!("ligne numéro {number}, assez longue pour un fichier de vingt mégaoctets");
        assert_eq!(listener.line(), wanted);
    }
    sender.end();
    let mut marker = hub.member();
    marker.say("fin");
    assert_eq!(listener.line(), "fin");
}

#[test]
fn a_private_message_to_one_who_cannot_take_it_is_busy() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut stuck = slow_member(&hub, "");
    stuck.take_name("bob");
    let body = "x".repeat(30_000);
    let mut sent = 0;
    let refused = loop {
        let answer = alice.ask(&format!("/msg bob {body}"));
        sent += 1;
        if let Some(error) = answer.iter().find(|line| line.starts_with("! ")) {
            break error.clone();
        }
        assert!(sent < 2000, "60 MB were taken for one that never reads");
    };
    assert!(refused.starts_with("! busy ") && refused.contains("bob"), "{refused}");
    // What was taken for it is still delivered.
    for _ in 1..sent {
        assert_eq!(stuck.until(|line| line.starts_with("-alice- ")).len(), 8 + body.len());
    }
}

#[test]
fn stalled_readers_cost_no_more_memory_than_the_lag_allowance() {
    let hub = Hub::start(&["--quiet", "--lag", "1MiB,4MiB", "--retain", "100msg,128KiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let before = hub.resident_kib();
    let stalled: Vec<Peer> =
        ["", "/format raw\n", "/echo on\n"].iter().map(|first| slow_member(&hub, first)).collect();
    flood(&mut alice, &mut healthy);
    let after = hub.resident_kib();
    assert!(after < before + ((4 + 10) << 10), "{before} → {after} KiB");
    drop(stalled);
}

#[test]
fn when_all_rooms_together_are_at_the_limit_they_give_way_and_the_hub_stays_up() {
    const ROOMS: usize = 12;
    let hub = Hub::start(&["--quiet", "--lag", "1MiB,4MiB", "--workers", "1"]);
    let before = hub.resident_kib();
    let mut rooms: Vec<(Peer, Peer, Peer)> = (0..ROOMS)
        .map(|n| {
            let join = format!("/join r{n}\n");
            let slow = slow_member(&hub, &join);
            let (mut healthy, mut talker) = (hub.member(), hub.member());
            healthy.ask(join.trim());
            talker.ask(join.trim());
            (slow, healthy, talker)
        })
        .collect();
    let padding = "x".repeat(500);
    for round in 0..60 {
        let lines: Vec<String> =
            (0..100).map(|n| format!("{} {padding}\n", round * 100 + n)).collect();
        let lines = lines.concat();
        for (_, _, talker) in &mut rooms {
            talker.send(&lines);
        }
        for (_, healthy, _) in &mut rooms {
            for wanted in round * 100..(round + 1) * 100 {
                let line = healthy.line();
                let said = line.split("> ").nth(1).and_then(number);
                assert_eq!(said, Some(wanted), "{}", &line[..line.len().min(60)]);
            }
        }
    }
    // Each of the twelve rooms alone was allowed 1 MiB, all together 4 MiB; 36 MB were said.
    let grown = hub.resident_kib() - before;
    assert!(grown < 32 << 10, "{grown} KiB");
    // The kernel holds some megabytes for each of them too: whoever needed more has been told so.
    let mut gaps = 0;
    for (slow, _, _) in &mut rooms {
        let mut next = 0;
        while next < 6000 {
            let line = slow.line();
            if let Some(gap) = line.strip_prefix("* gap ") {
                let to = gap.split(' ').next().and_then(|range| range.split_once(".."));
                next = to.and_then(|(_, to)| to.parse().ok()).expect("a gap has two ends");
                gaps += 1;
            } else if let Some(said) = line.split("> ").nth(1).and_then(number) {
                assert_eq!(said, next, "neither given nor announced");
                next += 1;
            }
        }
    }
    assert!(gaps > 0, "nobody was made to give way");
}
