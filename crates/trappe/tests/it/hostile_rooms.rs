//! What a hostile review found in rooms and sessions: each was a crash, a deaf room, a lost word or a forged name once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::web::{Witness, get};

/// More than the kernel holds for a reader that doesn't read.
const LINES: usize = 8000;

/// `alice` says so many lines of a kilobyte, and `healthy` hears each of them: who doesn't read is blocked from then on.
#[track_caller]
fn flood(alice: &mut Peer, healthy: &mut Peer) {
    let padding = "x".repeat(1000);
    for first in (0..LINES).step_by(50) {
        let step = first..first + 50;
        alice.send(step.clone().map(|n| format!("{n} {padding}\n")).collect::<Vec<_>>().concat());
        for wanted in step {
            assert!(healthy.line().starts_with(&format!("<alice> {wanted} ")));
        }
    }
}

/// Asks until the answer is what is `wanted`.
#[track_caller]
fn ask_until(asker: &mut Peer, command: &str, wanted: impl Fn(&str) -> bool) {
    let begun = Instant::now();
    loop {
        let answer = asker.ask(command).join(" ");
        if wanted(&answer) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{command} is still answered with {answer}");
    }
}

#[test]
fn twenty_thousand_notices_of_its_own_that_it_does_not_want_are_nothing() {
    const ROOMS: usize = 63;
    const NAMES: usize = 320;
    let hub = Hub::start(&["--quiet", "--workers", "1", "--lag", "512KiB,64MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut many = JsonPeer::on_lines(Peer::narrow(hub.port()));
    many.op(&json!({"op": "quiet", "on": true}));
    many.ask(&json!({"op": "echo", "on": true}));
    for room in 0..ROOMS {
        many.ask(&json!({"op": "join", "room": format!("r{room}")}));
    }
    // It reads nothing, so that all of them are due at once.
    flood(&mut alice, &mut healthy);
    for name in 0..NAMES {
        many.op(&json!({"op": "nick", "name": format!("nom-{name}")}));
    }
    let last = format!("nom-{}", NAMES - 1);
    ask_until(&mut alice, "/who", |members| members.contains(&last));
    alice.say("fin");
    let fin = |event: &Value| event["text"] == "fin";
    let events = many.through(fin);
    let told = |event: &&Value| event["from"] != "alice" && event["ev"] == "nick";
    let replies = events.iter().filter(told).count();
    assert_eq!(replies, NAMES, "one reply to each, and none of its notices");
    assert!(!hub.log().concat().contains("overflow"));
}

#[test]
fn a_room_whose_members_all_left_in_the_middle_of_a_pass_is_not_deaf() {
    let hub = Hub::start(&["--quiet", "--workers", "1", "--lag", "512KiB,64MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    // One is about to enter the room for as long as it doesn't read: the room stays.
    let mut blocked = Peer::narrow(hub.port());
    blocked.ready();
    flood(&mut alice, &mut healthy);
    blocked.say("/join couloir");
    ask_until(&mut alice, "/who couloir", |members| members.starts_with("* 1 membre"));
    for turn in 0..30 {
        let mut crowd: Vec<Peer> = (0..6).map(|_| hub.connect()).collect();
        for peer in &mut crowd {
            peer.ask("/join couloir");
        }
        // The worker is busy while all of this comes: it sees the news and the leaving at once.
        alice.send("/ping\n".repeat(2000));
        for (i, peer) in crowd.iter_mut().enumerate() {
            peer.send(if i == 0 { "des nouvelles\n/join cour\n" } else { "/join cour\n" });
        }
        for peer in &mut crowd {
            peer.ask("");
        }
        let (mut speaker, mut listener) = (hub.member(), hub.member());
        listener.ask("/join couloir");
        speaker.ask("/join couloir");
        speaker.say("y a-t-il quelqu'un ?");
        let heard = listener.until(|line| line.ends_with("y a-t-il quelqu'un ?"));
        assert!(heard.starts_with("<client-"), "turn {turn}: {heard}");
    }
}

#[test]
fn who_ends_in_the_room_that_it_has_just_asked_for_ends_at_once() {
    // What it sends, whether it ends its stream itself, and what the last line is.
    let table = [
        ("salut\n/quit\n", false, "au revoir"),
        ("/join cour\nsalut\n/quit\n", false, "au revoir"),
        ("/join cour\n/join jardin\n/join cour\nsalut\n/quit\n", false, "au revoir"),
        ("/join cour\nsalut\n", true, "cour"),
        ("/join cour\nsalut", true, "cour"),
    ];
    let hub = Hub::start(&["--quiet", "--greet", "0"]);
    let mut alice = hub.named("alice");
    alice.ask("/join cour");
    for (words, finish, last) in table {
        let since = Instant::now();
        let mut peer = hub.connect();
        peer.send(words);
        if finish {
            peer.finish();
        }
        let lines = peer.last_lines();
        let took = since.elapsed();
        assert!(took < Duration::from_millis(1500), "{words:?}: {took:?}, {lines:?}");
        assert!(lines.last().is_some_and(|it| it.contains(last)), "{words:?}: {lines:?}");
        if words.contains("cour") {
            alice.until(|line| line.ends_with("> salut"));
        }
    }
}

#[test]
fn what_is_said_in_a_room_that_it_was_about_to_enter_still_comes_when_the_server_stops() {
    let mut hub = Hub::start(&["--quiet", "--workers", "1", "--lag", "512KiB,64MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut blocked = Peer::narrow(hub.port());
    blocked.ready();
    flood(&mut alice, &mut healthy);
    blocked.say("/join cour");
    ask_until(&mut alice, "/who cour", |members| members.starts_with("* 1 membre"));
    healthy.ask("/join cour");
    alice.ask("/join cour");
    alice.say("un mot");
    healthy.until(|line| line == "<alice> un mot");
    hub.signal("TERM");
    // By then the server has told all of them to end.
    alice.rest();
    let lines = blocked.last_lines();
    let after: Vec<&String> =
        lines.iter().skip_while(|line| !line.starts_with("* vous êtes dans cour")).collect();
    assert!(after.iter().any(|line| *line == "<alice> un mot"), "{after:?}");
    assert_eq!(hub.ended_within(PATIENCE).code, Some(0));
}

/// Takes the session of `old` over, on a connection that is there already.
#[track_caller]
fn take_over(new: &mut JsonPeer, session: &str) {
    let hello = json!({"op": "hello", "session": session, "rooms": [{"room": "lobby"}]});
    let answer = new.ask(&hello);
    assert!(answer.iter().any(|it| it["resumed"] == true), "{answer:?}");
}

#[test]
fn nobody_hears_a_superseded_connection_that_does_not_read_its_end() {
    let hub = Hub::start(&["--quiet", "--workers", "1", "--lag", "512KiB,64MiB"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let mut old = JsonPeer::on_lines(Peer::narrow(hub.port()));
    let hello = old.ask(&json!({"op": "hello"}));
    let session = hello[0]["session"].as_str().expect("a session").to_owned();
    old.ask(&json!({"op": "nick", "name": "bob"}));
    flood(&mut alice, &mut healthy);
    let mut new = JsonPeer::lines(&hub);
    take_over(&mut new, &session);
    new.ask(&json!({"op": "nick", "name": "robert"}));
    let mut victim = hub.named("bob");
    let mut room = Witness::of(&hub);
    for _ in 0..10 {
        old.op(&json!({"op": "send", "room": "lobby", "text": "je suis bob"}));
        room.heard_nothing("the session goes on elsewhere");
    }
    victim.ask("non, moi");
    assert_eq!(room.heard(), ["<bob> non, moi"]);
}

#[test]
fn a_superseded_connection_that_still_says_something_is_counted_as_a_member_no_more() {
    let hub = Hub::start(&["--quiet", "--workers", "1"]);
    let mut old = JsonPeer::member(&hub, Via::Lines);
    let session = old.session().to_owned();
    let hello = json!({"op": "hello", "session": session, "rooms": [{"room": "lobby"}]});
    for _ in 0..10 {
        let mut new = JsonPeer::lines(&hub);
        new.op(&hello);
        // It doesn't know yet; and the hub may end it at this very moment.
        let word = json!({"op": "ping"}).to_string() + "\n";
        drop(std::io::Write::write_all(&mut old.writer(), word.as_bytes()));
        new.until(|event| event["resumed"] == true);
        old.rest();
        old = new;
    }
    let begun = Instant::now();
    let counted = loop {
        let page = get(&hub, "/metrics");
        let line = page
            .text()
            .lines()
            .find_map(|it| it.strip_prefix("trappe_members{transport=\"tcp\"} "));
        let counted: u32 = line.and_then(|n| n.parse().ok()).expect("a number of members");
        // The last ones may be on their way out.
        if counted == 1 || begun.elapsed() > Duration::from_secs(3) {
            break counted;
        }
    };
    assert_eq!(counted, 1, "only the last connection is a member");
}

#[test]
fn the_first_op_in_one_read_with_the_change_to_json_is_answered_in_whole_events() {
    let hub = Hub::start(&["--quiet"]);
    for _ in 0..5 {
        let mut peer = hub.connect();
        peer.send(
            "/format json\n{\"op\":\"quiet\",\"on\":true,\"id\":123456}\n{\"op\":\"ping\"}\n",
        );
        let mut events = Vec::new();
        while events.last().is_none_or(|it: &Value| it["ev"] != "pong") {
            events.push(checked(&peer.line()));
        }
        let order: Vec<&str> = events.iter().filter_map(|it| it["ev"].as_str()).collect();
        assert_eq!(order, ["ack", "hello", "ack", "pong"], "{events:?}");
        assert_eq!(events[2]["id"], 123_456);
    }
}

#[test]
fn who_asks_for_what_is_no_longer_kept_is_not_said_to_have_read_too_slowly() {
    let hub = Hub::start(&["--quiet", "--retain", "5msg,64KiB"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    for n in 0..50 {
        alice.say(&format!("mot {n}"));
        assert_eq!(bob.line(), format!("<alice> mot {n}"));
    }
    let before = bob.ask("/why").join(" ");
    assert!(before.contains("rien de manqué"), "{before}");
    bob.send("/resume 1\n");
    bob.until(|line| line == "* live");
    let after = bob.ask("/why").join(" ");
    assert!(!after.contains("trop lente"), "it had heard all of it: {after}");
}
