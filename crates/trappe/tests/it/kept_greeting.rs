//! What a text member gets with its welcome (PROTOCOL §4): the last messages of before, once, and nobody else gets any.

use serde_json::json;

use crate::json_peer::{BOTH, JsonPeer};
use crate::kept_hub::{ENDS, Kept, Talker};
use crate::peer::Peer;
use crate::web::Socket;

/// The room that everyone comes into, in which alice has said `mot 1` to `mot 20`.
#[track_caller]
fn hub_of_twenty(args: &[&str]) -> Kept {
    let kept = Kept::loud(args);
    Talker::enter(kept.hub(), "alice", "lobby", 0).say(20);
    kept
}

/// The words among lines.
fn said(lines: &[String]) -> Vec<String> {
    lines.iter().filter_map(|line| line.strip_prefix("<alice> mot ")).map(str::to_owned).collect()
}

fn numbers(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|n| n.to_string()).collect()
}

#[test]
fn the_last_ten_come_with_the_welcome_between_their_two_lines() {
    for end in ENDS {
        for args in [&[][..], &["--retain", "10msg"]] {
            let mut kept = hub_of_twenty(args);
            for round in 0..2 {
                let mut bob = kept.hub().connect();
                let answer = bob.ask("/nick bob");
                let welcome = answer.iter().position(|line| line.contains("position"));
                let welcome = welcome.unwrap_or_else(|| panic!("no welcome: {answer:?}"));
                let mut wanted = vec!["* historique (10)".to_owned()];
                wanted.extend((11..=20).map(|n| format!("<alice> mot {n}")));
                wanted.push("* fin".to_owned());
                assert_eq!(answer[welcome + 1..], wanted, "{end:?} {round} {args:?}");
                // Once.
                assert_eq!(said(&bob.ask("/who")), numbers(1, 0));
                if round == 0 {
                    drop(bob);
                    kept.again(end);
                }
            }
        }
    }
}

#[test]
fn as_many_come_as_the_hub_was_told_and_none_with_zero() {
    for (greet, first) in [("0", 21), ("1", 20), ("15", 6), ("100", 1)] {
        let mut kept = hub_of_twenty(&["--greet", greet, "--retain", "10msg"]);
        for end in ENDS {
            let answer = kept.hub().connect().ask("/nick bob");
            assert_eq!(said(&answer), numbers(first, 20), "--greet {greet}: {answer:?}");
            let begun = answer.iter().any(|line| line.starts_with("* historique"));
            assert_eq!(begun, greet != "0", "{answer:?}");
            kept.again(end);
        }
    }
}

#[test]
fn where_nothing_was_said_there_is_only_a_welcome() {
    let mut kept = Kept::start(&[]);
    for end in ENDS {
        let answer = kept.hub().connect().ask("/nick bob");
        assert!(!answer.iter().any(|line| line.contains("historique")), "{answer:?}");
        kept.again(end);
    }
}

#[test]
fn raw_and_json_members_get_none() {
    let mut kept = hub_of_twenty(&[]);
    for end in ENDS {
        let mut raw = kept.hub().connect();
        raw.send("/format raw\n");
        let answer = raw.ask("/who");
        assert!(!answer.iter().any(|line| line.contains("mot")), "{answer:?}");
        let mut raw = Socket::open(kept.hub(), "/ws", "raw");
        let answer = raw.ask("/who");
        assert!(!answer.iter().any(|line| line.contains("mot")), "{answer:?}");
        for via in BOTH {
            let mut carol = JsonPeer::member(kept.hub(), via);
            let answer = carol.ask(&json!({"op": "who"}));
            assert!(answer.iter().all(|it| it["ev"] != "msg"), "{answer:#?}");
        }
        // Nor once it speaks for the first time in text again: it has been welcomed.
        let answer = raw.ask("/format text");
        assert!(!answer.iter().any(|line| line.contains("<alice>")), "{answer:?}");
        kept.again(end);
    }
}

#[test]
fn a_text_frame_member_is_greeted_as_one_of_lines_is() {
    let kept = hub_of_twenty(&[]);
    let mut text = Socket::open(kept.hub(), "/ws", "text");
    assert_eq!(said(&text.ask("/who")), numbers(11, 20));
}

#[test]
fn what_it_heard_itself_while_it_was_silent_is_not_said_again() {
    let kept = hub_of_twenty(&[]);
    let mut bob = kept.hub().silent_listener();
    let mut alice = Talker::enter(kept.hub(), "alix", "lobby", 20);
    alice.say(15);
    for n in 21..=35 {
        let heard = bob.until(|line| line.starts_with('<'));
        assert_eq!(heard, format!("<alix> mot {n}"));
    }
    let answer = bob.ask("/nick bob");
    assert_eq!(said(&answer), numbers(11, 20), "{answer:?}");
    assert!(!answer.iter().any(|line| line.starts_with("<alix>")), "{answer:?}");
}

#[test]
fn whoever_speaks_first_is_greeted_too_and_not_with_its_own_word() {
    let kept = hub_of_twenty(&[]);
    let mut bob = kept.hub().connect();
    let answer = bob.ask("bonjour");
    assert_eq!(said(&answer), numbers(11, 20), "{answer:?}");
    assert!(!answer.iter().any(|line| line.contains("bonjour")), "{answer:?}");
}

#[test]
fn whoever_asks_for_it_at_once_is_not_given_it_twice() {
    let kept = hub_of_twenty(&[]);
    let mut jeu = Talker::enter(kept.hub(), "alice", "jeu", 0);
    jeu.say(20);
    let once = |command: &str, first: u64| {
        let answer = kept.hub().connect().ask(command);
        assert_eq!(said(&answer), numbers(first, 20), "{command}: {answer:?}");
    };
    once("/join jeu 15", 16);
    once("/resume 15", 16);
    once("/resume 20", 21);
}

#[test]
fn whoever_floods_the_room_meanwhile_neither_tears_nor_doubles_it() {
    let kept = Kept::start(&["--retain", "10msg"]);
    let alice = Talker::enter(kept.hub(), "alice", "lobby", 0);
    let flood = crate::kept_hub::Flood::default();
    std::thread::scope(|scope| {
        let ends = crate::kept_hub::Ends(&flood);
        let talking = alice.flood(scope, &flood);
        while flood.said() < 100 {
            kept.hub().member().ask("/who");
        }
        for _ in 0..50 {
            let mut bob: Peer = kept.hub().connect();
            let mut heard = said(&bob.ask("/nick bob"));
            heard.extend((0..30).map(|_| {
                bob.until(|line| line.starts_with('<'))["<alice> mot ".len()..].to_owned()
            }));
            let first: u64 = heard[0].parse().expect("a number");
            let wanted = numbers(first, first + heard.len() as u64 - 1);
            assert_eq!(heard, wanted, "a hole or a repeat");
            assert!(heard.len() >= 40, "{heard:?}");
            bob.say("/quit");
            bob.rest();
        }
        drop(ends);
        talking.join().expect("it was answered all the time");
    });
}
