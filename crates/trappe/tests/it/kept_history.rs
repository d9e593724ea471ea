//! What was said before, further back than memory goes: `/history N`, pages of HTTP, and what comes with a welcome.

use serde_json::{Value, json};

use crate::json_check::checked;
use crate::json_peer::{BOTH, JsonPeer};
use crate::kept_hub::{ENDS, End, Kept, Talker, place};
use crate::kept_search::wait_until;
use crate::web::{Answer, get};

/// `mot FIRST` to `mot LAST` as alice said them.
fn words(first: u64, last: u64) -> Vec<String> {
    (first..=last).map(|n| format!("<alice> mot {n}")).collect()
}

/// What `/history N` gives: the number that it says, and the lines up to its end.
#[track_caller]
fn history(answer: &[String]) -> (u64, Vec<String>) {
    let begin = answer.iter().position(|line| line.starts_with("* historique ("));
    let begin = begin.unwrap_or_else(|| panic!("no beginning: {answer:?}"));
    let end = answer.iter().position(|line| line == "* fin").expect("an end");
    let count = answer[begin]["* historique (".len()..].trim_end_matches(')').parse();
    (count.expect("a number"), answer[begin + 1..end].to_vec())
}

#[test]
fn history_goes_further_back_than_memory_and_across_a_restart() {
    for end in ENDS {
        let mut kept = Kept::start(&["--retain", "10msg", "--greet", "0"]);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(2500);
        let mut bob = kept.hub().member();
        bob.ask("/join jeu");
        let check = |bob: &mut crate::peer::Peer, last: u64| {
            for n in [1, 9, 10, 11, 500, 1000, 2400, last, last + 1, 100_000] {
                let (count, lines) = history(&bob.ask(&format!("/history {n}")));
                let first = last.saturating_sub(n) + 1;
                assert_eq!(count, last + 1 - first, "/history {n}, {end:?}");
                assert!(lines == words(first, last), "/history {n}, {end:?}: {:?}", lines.first());
            }
        };
        check(&mut bob, 2500);
        kept.again(end);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 2500);
        let mut bob = kept.hub().member();
        bob.ask("/join jeu");
        check(&mut bob, 2500);
        // And where the messages are partly of before, partly of now; numbers between them may be unused.
        alice.say(7);
        check(&mut bob, 2507);
        kept.again(end);
        let mut bob = kept.hub().member();
        bob.ask("/join jeu");
        check(&mut bob, 2507);
    }
}

#[test]
fn history_in_json_is_marked_and_counted_and_followed_by_its_end() {
    for (end, via) in ENDS.into_iter().zip(BOTH) {
        let mut kept = Kept::start(&["--retain", "10msg"]);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(300);
        kept.again(end);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 300);
        alice.say(3);
        let last = place(&alice.position).1;
        let mut carol = JsonPeer::member(kept.hub(), via);
        carol.ask(&json!({"op": "join", "room": "jeu"}));
        let answer = carol.ask(&json!({"op": "history", "room": "jeu", "n": 250, "id": 5}));
        let said: Vec<&Value> = answer.iter().filter(|it| it["ev"] == "msg").collect();
        assert_eq!(said.len(), 250, "{end:?}");
        for (event, n) in said.iter().zip(54..) {
            let known = (&event["text"], &event["old"]);
            assert_eq!(known, (&json!(format!("mot {n}")), &json!(true)), "{event}");
            let seq = if n <= 300 { n } else { last - 303 + n };
            assert_eq!(event["seq"], seq, "{event}");
        }
        let end = answer.last().expect("an end");
        let known = (&end["ev"], &end["count"], &end["id"]);
        assert_eq!(known, (&json!("history"), &json!(250), &json!(5)), "{end}");
    }
}

/// The target of `Link: <…>; rel="next"`.
fn next_page(answer: &Answer) -> Option<String> {
    let link = answer.field("link")?;
    let (target, rel) = link.strip_prefix('<')?.split_once('>')?;
    assert!(rel.contains("rel=\"next\""), "{link}");
    Some(target.to_owned())
}

/// All messages and gaps after a position, page by page, and how many pages they were.
#[track_caller]
fn pages(hub: &crate::hub::Hub, first: &str) -> (Vec<Value>, usize) {
    let (mut lines, mut next, mut count) = (Vec::new(), Some(first.to_owned()), 0);
    while let Some(target) = next.take() {
        let answer = get(hub, &target);
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
        assert!(answer.body.len() < 600 << 10, "{} bytes in a page", answer.body.len());
        lines.extend(answer.text().lines().map(checked));
        next = next_page(&answer);
        count += 1;
        assert!(count < 5000, "pages without end");
    }
    (lines, count)
}

#[test]
fn pages_of_http_lead_through_all_that_was_said_once_and_in_order() {
    for end in ENDS {
        let mut kept = Kept::start(&["--retain", "10msg"]);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(4321);
        kept.again(end);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 4321);
        alice.say(20);
        let epoch = alice.epoch();
        let table = [
            ("/rooms/jeu/messages".to_owned(), 0, 1000),
            ("/rooms/jeu/messages?after=0&limit=100".to_owned(), 0, 100),
            (format!("/rooms/jeu/messages?after={epoch}@4000&limit=7"), 4000, 7),
            (format!("/rooms/jeu/messages?limit=1&after={epoch}@4310"), 4310, 1),
            ("/rooms/jeu/messages?after=3341&limit=1000".to_owned(), 3341, 1000),
        ];
        for (target, after, limit) in table {
            let (lines, count) = pages(kept.hub(), &target);
            let said: Vec<&str> = lines.iter().filter_map(|it| it["text"].as_str()).collect();
            let wanted: Vec<String> = (after + 1..=4341).map(|n| format!("mot {n}")).collect();
            assert!(said == wanted, "{target}, {end:?}: {} of {}", said.len(), wanted.len());
            let least = wanted.len().div_ceil(limit);
            assert!((least..=least + 2).contains(&count), "{target}: {count} pages");
            let gaps: Vec<&Value> = lines.iter().filter(|it| it["ev"] == "gap").collect();
            match end {
                End::Stopped => assert!(gaps.is_empty(), "{gaps:?}"),
                End::Killed => {
                    assert_eq!(gaps.len(), 1, "{gaps:?}");
                    let gap = (&gaps[0]["cause"], &gaps[0]["from"]);
                    assert_eq!(gap, (&json!("unused"), &json!(4322)), "{gaps:?}");
                }
            }
        }
    }
}

#[test]
fn pages_of_long_messages_are_bounded_in_bytes() {
    let mut kept = Kept::start(&["--retain", "10msg"]);
    let padding = "é".repeat(30_000);
    for n in 0..60 {
        let said = crate::web::post(kept.hub(), "long", "", format!("{n} {padding}"));
        assert_eq!(said.status, 201);
    }
    kept.again(End::Stopped);
    let (lines, count) = pages(kept.hub(), "/rooms/long/messages");
    let numbers: Vec<String> = lines
        .iter()
        .map(|it| it["text"].as_str().and_then(|it| it.split(' ').next()).unwrap_or("?").to_owned())
        .collect();
    assert_eq!(numbers, (0..60).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(count > 5, "3.6 MB in {count} pages");
}

#[test]
fn a_room_that_only_the_disk_knows_can_be_read_over_http() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        assert_eq!(crate::web::post(kept.hub(), "vide", "", "un").status, 201);
        kept.again(end);
        let (lines, _) = pages(kept.hub(), "/rooms/vide/messages");
        assert_eq!(lines[0]["text"], "un", "{end:?}");
        assert_eq!(get(kept.hub(), "/rooms/jamais/messages").status, 404);
    }
}

#[test]
fn whoever_asks_the_disk_and_leaves_is_answered_first() {
    for leaves in ["", "/quit\n"] {
        let mut kept = Kept::start(&["--retain", "10msg", "--greet", "0"]);
        Talker::enter(kept.hub(), "alice", "jeu", 0).say(2000);
        kept.again(End::Stopped);
        wait_until(kept.hub(), "1999");
        for (command, count) in
            [("/history 1500", 1500), ("/resume 500", 1500), ("/search mot", 20)]
        {
            // As `printf … | nc -N` does.
            let mut peer = kept.hub().connect();
            peer.send(format!("/join jeu\n{command}\n{leaves}"));
            peer.finish();
            let lines = peer.last_lines();
            let said: Vec<&String> = lines.iter().filter(|it| it.starts_with('<')).collect();
            assert_eq!(said.len(), count, "{command}, {leaves:?}: {:?}", lines.last());
            assert_eq!(said.last().map(|it| it.as_str()), Some("<alice> mot 2000"), "{command}");
        }
    }
}
