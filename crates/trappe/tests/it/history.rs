//! What was said before: asked for again, and taken up where one left.

use std::io::Write;
use std::thread::{self, JoinHandle};

use crate::hub::Hub;
use crate::peer::{Peer, position_in};

#[track_caller]
fn say_in_turn(peer: &mut Peer, numbers: std::ops::RangeInclusive<u32>) {
    for number in numbers {
        peer.say(&format!("mot {number}"));
    }
    peer.ask("");
}

/// Goes to `room`; gives the epoch of its log, which the reply shows.
#[track_caller]
fn join(peer: &mut Peer, room: &str) -> String {
    let reply = peer.ask(&format!("/join {room}")).join(" ");
    position_in(&reply).split('@').next().expect("EPOCH@SEQ").to_owned()
}

/// What `/history` gives, up to its last line; the position follows.
#[track_caller]
fn history(peer: &mut Peer, command: &str) -> Vec<String> {
    let mut answer = peer.ask(command);
    let end = answer.iter().position(|line| line == "* fin");
    let after = answer.split_off(end.unwrap_or_else(|| panic!("no end: {answer:?}")) + 1);
    position_in(&after.join(" "));
    answer
}

#[test]
fn history_gives_the_last_ones_with_ones_own_between_its_two_lines() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    say_in_turn(&mut alice, 1..=20);
    bob.until(|line| line == "<alice> mot 20");
    let wanted = ["* historique (2)", "<alice> mot 19", "<alice> mot 20", "* fin"];
    assert_eq!(history(&mut bob, "/history 2"), wanted);
    assert_eq!(history(&mut alice, "/history 2"), wanted, "its own are included");
    let ten = history(&mut bob, "/history");
    assert_eq!(ten.len(), 12, "{ten:?}");
    assert_eq!(ten[1], "<alice> mot 11");
    let all = history(&mut bob, "/history 1000");
    assert_eq!(all.len(), 22, "{all:?}");
    assert_eq!(all[0], "* historique (20)");
}

#[test]
fn a_late_joiner_hears_nothing_of_before_but_may_ask() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    say_in_turn(&mut alice, 1..=3);
    let mut late = hub.member();
    alice.say("mot 4");
    assert_eq!(late.line(), "<alice> mot 4");
    assert_eq!(late.ask("/history 4")[1], "<alice> mot 1");
}

#[test]
fn resume_from_the_position_of_the_welcome_gives_everything_since_then() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    say_in_turn(&mut alice, 1..=5);
    let mut bob = hub.connect();
    let welcome = bob.ask("/nick bob");
    let position = position_in(&welcome.join(" "));
    assert!(position.ends_with("@5"), "{position}");
    bob.ask("/quiet on");
    bob.say("le mien");
    drop(bob);
    alice.until(|line| line == "<bob> le mien");

    say_in_turn(&mut alice, 6..=8);
    let mut again = hub.member();
    let missed = again.ask(&format!("/resume {position}"));
    let wanted = ["<bob> le mien", "<alice> mot 6", "<alice> mot 7", "<alice> mot 8", "* live"];
    assert_eq!(missed, wanted);
    alice.say("en direct");
    assert_eq!(again.line(), "<alice> en direct");
}

#[test]
fn a_bare_seq_is_of_the_present_epoch() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    say_in_turn(&mut alice, 1..=5);
    bob.until(|line| line == "<alice> mot 5");
    assert_eq!(bob.ask("/resume 3"), ["<alice> mot 4", "<alice> mot 5", "* live"]);
    assert_eq!(bob.ask("/resume 5"), ["* live"]);
    assert_eq!(alice.ask("/resume 4"), ["<alice> mot 5", "* live"], "its own are included");
}

#[test]
fn a_position_of_another_life_is_told_and_then_what_is_kept_comes() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    say_in_turn(&mut alice, 1..=3);
    bob.until(|line| line == "<alice> mot 3");
    let answer = bob.ask("/resume aaaaaaaaaa@2");
    assert!(answer[0].starts_with("! gap oldest="), "{answer:?}");
    assert!(position_in(&answer[0]).ends_with("@1"), "{answer:?}");
    assert_eq!(answer[1..], ["<alice> mot 1", "<alice> mot 2", "<alice> mot 3", "* live"]);
}

#[test]
fn a_position_older_than_what_is_kept_is_told_too() {
    let hub = Hub::start(&["--quiet", "--retain", "10msg,1MiB"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    say_in_turn(&mut alice, 1..=2000);
    bob.until(|line| line == "<alice> mot 2000");
    let answer = bob.ask("/resume 5");
    assert!(answer[0].starts_with("! gap oldest="), "{:?}", &answer[..3]);
    let position = position_in(&answer[0]);
    let oldest: usize =
        position.split_once('@').and_then(|(_, seq)| seq.parse().ok()).expect("a seq");
    assert!(oldest > 6 && oldest <= 1991, "{oldest}");
    assert_eq!(answer[1], format!("<alice> mot {oldest}"));
    assert_eq!(answer.last().map(String::as_str), Some("* live"));
    assert_eq!(answer.len(), 2001 - oldest + 2);
}

#[test]
fn join_with_a_position_enters_without_hole_or_repeat() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    alice.ask("/join jeu");
    let mut bob = hub.member();
    let epoch = join(&mut bob, "jeu");
    say_in_turn(&mut alice, 1..=4);
    bob.until(|line| line == "<alice> mot 4");
    bob.ask("/leave");
    say_in_turn(&mut alice, 5..=8);
    bob.say(&format!("/join jeu {epoch}@4"));
    bob.until(|line| line.starts_with("* ") && line.contains("jeu"));
    for number in 5..=8 {
        assert_eq!(bob.until(|line| line.starts_with('<')), format!("<alice> mot {number}"));
    }
    say_in_turn(&mut alice, 9..=9);
    assert_eq!(bob.until(|line| line.starts_with('<')), "<alice> mot 9");
}

#[test]
fn a_room_that_everyone_left_keeps_its_history() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let epoch = join(&mut alice, "jeu");
    say_in_turn(&mut alice, 1..=3);
    alice.say("/quit");
    alice.rest();
    let mut bob = hub.member();
    bob.ask("/join jeu");
    let answer = bob.ask(&format!("/resume {epoch}@0"));
    assert_eq!(answer, ["<alice> mot 1", "<alice> mot 2", "<alice> mot 3", "* live"]);
}

#[test]
fn history_is_given_whole_to_one_who_reads_late() {
    let hub = Hub::start(&["--quiet", "--greet", "0", "--retain", "1000msg,8MiB"]);
    let mut alice = hub.named("alice");
    let padding = "x".repeat(1000);
    for number in 1..=1000 {
        alice.say(&format!("{number} {padding}"));
    }
    alice.ask("");
    // More than its private queue could ever hold, asked for three times before a byte is read.
    let mut bob = Peer::narrow(hub.port());
    bob.send("/quiet on\n/history 1000\n/history 1000\n/history 1000\n/ping fin\n");
    let lines = bob.before("* pong fin");
    let bodies = lines.iter().filter(|line| line.starts_with("<alice> ")).count();
    assert_eq!(bodies, 3000);
    assert_eq!(lines.iter().filter(|line| *line == "* fin").count(), 3);
}

/// `alice` says the numbers up to `last` on a thread of its own.
fn count_up_to(alice: &Peer, last: u32) -> JoinHandle<()> {
    let mut writer = alice.writer();
    thread::spawn(move || {
        for number in 1..=last {
            writer.write_all(format!("mot {number}\n").as_bytes()).expect("the hub reads");
        }
    })
}

/// Hears `mot FIRST` up to `mot LAST`, each once and in order, whatever notices stand between.
#[track_caller]
fn hears(peer: &mut Peer, first: u32, last: u32) {
    for number in first..=last {
        assert_eq!(peer.until(|line| line.starts_with('<')), format!("<alice> mot {number}"));
    }
}

#[test]
fn resume_in_the_middle_of_a_flood_has_no_hole_and_no_repeat() {
    const LAST: u32 = 6000;
    for back in [0, 1, 300] {
        let hub = Hub::start(&["--quiet", "--retain", "10000msg,8MiB"]);
        let (alice, mut bob) = (hub.named("alice"), hub.member());
        let talking = count_up_to(&alice, LAST);
        hears(&mut bob, 1, 500);
        bob.say(&format!("/resume {back}"));
        // What was on its way still comes; then it begins again after that position.
        let first = format!("<alice> mot {}", back + 1);
        bob.until(|line| line == first);
        hears(&mut bob, back + 2, LAST);
        talking.join().expect("it wrote everything");
    }
}

#[test]
fn join_with_a_position_in_the_middle_of_a_flood_has_no_hole_and_no_repeat() {
    const LAST: u32 = 6000;
    let hub = Hub::start(&["--quiet", "--retain", "10000msg,8MiB"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    let epoch = join(&mut alice, "jeu");
    bob.ask("/join jeu");
    let talking = count_up_to(&alice, LAST);
    let mut heard = 0;
    for pause in [10, 300, 1500] {
        hears(&mut bob, heard + 1, heard + pause);
        heard += pause;
        bob.say("/leave");
        bob.until(|line| line.starts_with("* ") && line.contains("lobby"));
        bob.say(&format!("/join jeu {epoch}@{heard}"));
        bob.until(|line| line.starts_with("* ") && line.contains("jeu"));
    }
    hears(&mut bob, heard + 1, LAST);
    talking.join().expect("it wrote everything");
}
