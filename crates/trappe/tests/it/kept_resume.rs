//! Coming back after the hub has ended, over every wire (PROTOCOL §5): everything after the position, once and in order.

use serde_json::json;

use crate::json_peer::{BOTH, JsonPeer};
use crate::kept_ear::{Ear, ROADS, Way, Wire, of_event};
use crate::kept_hub::{ENDS, End, Ends, Flood, Kept, Talker, place, says, shown};
use crate::kept_trail::Trail;
use crate::sessions::{newcomer, takes_over};
use crate::web::{BINARY, Socket, TEXT, post};

/// A hub that keeps little in memory, so that most comes from the disk.
const SMALL: [&str; 2] = ["--retain", "10msg"];

/// A hub with little memory, which listens on a Unix socket, too: it is where the second part says.
#[track_caller]
fn hub_with_socket() -> (Kept, std::path::PathBuf) {
    let mut kept = Kept::start(&SMALL);
    let unix = kept.folder.path("hub");
    let listen = format!("unix:{}", shown(&unix));
    kept.again_with(End::Stopped, &[&SMALL[..], &["--listen", &listen]].concat());
    (kept, unix)
}

#[test]
fn who_comes_back_after_a_restart_hears_each_message_once_and_then_is_live_over_every_wire() {
    for end in ENDS {
        let (mut kept, unix) = hub_with_socket();
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(3000);
        let epoch = alice.epoch();
        kept.again(end);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 3000);
        assert_eq!(alice.epoch(), epoch, "another life after {end:?}");
        alice.say(50);
        for road in ROADS {
            for after in [0, 1, 2500, 2999, 3000, 3049] {
                let what = (end, road, after);
                let mut ear =
                    Ear::open(kept.hub(), &unix, road, "jeu", &format!("{epoch}@{after}"));
                // A number that a crash left unused is of no message: what follows it begins after the crash.
                let begins = if end == End::Killed { after.min(3000) } else { after };
                let mut trail = Trail::after(begins, what);
                trail.up_to(alice.said, &mut ear);
                trail.live(&mut ear);
                assert_eq!(trail.live, Some(alice.said), "{what:?}");
                alice.say(2);
                trail.up_to(alice.said, &mut ear);
            }
        }
    }
}

#[test]
fn the_seam_between_what_was_said_and_what_is_being_said_has_no_hole_and_no_repeat() {
    for workers in ["1", "2"] {
        let (mut kept, unix) = hub_with_socket();
        let listen = format!("unix:{}", shown(&unix));
        let args = ["--retain", "10msg", "--listen", &listen, "--workers", workers];
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(2000);
        kept.again_with(End::Stopped, &args);
        let epoch = alice.epoch();
        let alice = Talker::enter(kept.hub(), "alice", "jeu", 2000);
        let flood = Flood::default();
        std::thread::scope(|scope| {
            let ends = Ends(&flood);
            let talking = alice.flood(scope, &flood);
            for road in ROADS {
                for back in [0, 40, 2000] {
                    let after = flood.said() - back.min(flood.said());
                    let what = (workers, road, after);
                    let position = format!("{epoch}@{after}");
                    let mut ear = Ear::open(kept.hub(), &unix, road, "jeu", &position);
                    let mut trail = Trail::after(after, what);
                    if road.1 == Way::Resume {
                        trail.asks_again(&mut ear);
                    } else {
                        trail.live(&mut ear);
                    }
                    let well_past = flood.said().max(trail.last) + 100;
                    trail.up_to(well_past, &mut ear);
                }
            }
            drop(ends);
            talking.join().expect("it was answered all the time");
        });
    }
}

#[test]
fn a_datagram_member_comes_back_too_and_each_that_is_missing_is_announced() {
    for end in ENDS {
        let mut kept = Kept::start(&SMALL);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
        alice.say(150);
        let epoch = alice.epoch();
        kept.again(end);
        let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 150);
        for way in [Way::Join, Way::Resume] {
            for after in [0, 100, 149] {
                let road = (Wire::Udp, way);
                let position = format!("{epoch}@{after}");
                let mut ear =
                    Ear::open(kept.hub(), std::path::Path::new(""), road, "jeu", &position);
                let mut trail = Trail::after(after, (end, road, after));
                trail.live(&mut ear);
                assert_eq!(trail.last, alice.said);
                alice.say(3);
                trail.up_to(alice.said, &mut ear);
            }
        }
    }
}

#[test]
fn a_session_is_taken_over_after_a_restart_with_its_number_its_name_and_its_rooms() {
    for end in ENDS {
        for via in BOTH {
            let mut kept = Kept::start(&SMALL);
            let mut carol = JsonPeer::named(kept.hub(), via, "carole");
            says(&mut carol, "lobby", "me voici", 1);
            let (session, sid) = (carol.session().to_owned(), carol.sid());
            let mut talkers: Vec<Talker> = ["jeu", "cave"]
                .iter()
                .map(|room| {
                    carol.ask(&json!({"op": "join", "room": room}));
                    Talker::enter(kept.hub(), &format!("dans-{room}"), room, 0)
                })
                .collect();
            for talker in &mut talkers {
                talker.say(100);
            }
            let rooms: Vec<_> = talkers
                .iter()
                .zip(["jeu", "cave"])
                .map(|(talker, room)| json!({"room": room, "after": format!("{}@40", talker.epoch())}))
                .collect();
            kept.again(end);
            let mut again = newcomer(kept.hub(), via);
            again.op(&json!({"op": "hello", "session": session, "rooms": rooms, "id": 7}));
            let hello = again.until(|event| event["ev"] == "hello" && event["id"] == 7);
            let known = (&hello["sid"], &hello["name"], &hello["resumed"], &hello["session"]);
            let wanted = (&json!(sid), &json!("carole"), &json!(true), &json!(session));
            assert_eq!(known, wanted, "{end:?} {via:?}");
            assert_eq!(hello["rooms"].as_array().map(Vec::len), Some(2), "{hello}");
            let mut trails = [Trail::after(40, "jeu"), Trail::after(40, "cave")];
            while trails.iter().any(|trail| trail.live.is_none()) {
                let event = again.event();
                for (trail, room) in trails.iter_mut().zip(["jeu", "cave"]) {
                    trail.take(&of_event(&event, room));
                }
            }
            assert_eq!((trails[0].last, trails[1].last), (100, 100));
            // Its name is its own again, and others see it.
            let mut bob = kept.hub().member();
            assert!(bob.error("/nick carole").starts_with("! name-taken "));
            bob.ask("/join cave");
            again.op(&json!({"op": "send", "room": "cave", "text": "me revoilà"}));
            bob.until(|line| line == "<carole> me revoilà");
        }
    }
}

#[test]
fn a_name_that_a_session_has_is_kept_for_it_across_a_restart() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let mut carol = JsonPeer::named(kept.hub(), BOTH[0], "carole");
        says(&mut carol, "lobby", "me voici", 1);
        let session = carol.session().to_owned();
        kept.again(end);
        let mut bob = kept.hub().member();
        assert!(bob.error("/nick Carole").starts_with("! name-taken "), "{end:?}");
        let mut again = newcomer(kept.hub(), BOTH[1]);
        let answer = again.ask(&json!({"op": "hello", "session": session, "rooms": []}));
        let hello = answer.iter().rfind(|event| event["ev"] == "hello").expect("a hello");
        assert_eq!(hello["name"], "carole", "{end:?}: {answer:#?}");
    }
}

#[test]
fn a_session_that_only_listens_is_taken_over_after_a_restart_too() {
    for end in ENDS {
        for via in BOTH {
            let mut kept = Kept::start(&[]);
            let carol = JsonPeer::named(kept.hub(), via, "carole");
            let (session, sid) = (carol.session().to_owned(), carol.sid());
            // What is acknowledged came after her name.
            Talker::enter(kept.hub(), "alice", "lobby", 0).say(1);
            kept.again(end);
            let mut again = newcomer(kept.hub(), via);
            let answer = takes_over(&mut again, &session, &json!([{"room": "lobby", "after": 0}]));
            let hello = answer.iter().rfind(|event| event["ev"] == "hello").expect("a hello");
            let known = (&hello["sid"], &hello["name"], &hello["resumed"]);
            let wanted = (&json!(sid), &json!("carole"), &json!(true));
            assert_eq!(known, wanted, "{end:?} {via:?}");
        }
    }
}

#[test]
fn numbers_of_members_are_not_given_again_after_a_restart() {
    for end in ENDS {
        let mut kept = Kept::start(&[]);
        let mut alice = kept.hub().member();
        alice.say("un");
        let mut first = JsonPeer::member(kept.hub(), BOTH[0]);
        says(&mut first, "lobby", "me voici", 1);
        let (session, sid) = (first.session().to_owned(), first.sid());
        kept.again(end);
        let others: Vec<u64> =
            (0..20).map(|_| JsonPeer::member(kept.hub(), BOTH[0]).sid()).collect();
        assert!(!others.contains(&sid), "{sid} is someone else now: {others:?}");
        assert!(others.iter().all(|other| *other > sid), "{sid}, then {others:?}");
        let mut again = newcomer(kept.hub(), BOTH[0]);
        let answer = again.ask(&json!({"op": "hello", "session": session, "rooms": []}));
        assert!(answer.iter().any(|it| it["resumed"] == true && it["sid"] == sid), "{answer:#?}");
    }
}

#[test]
fn what_was_private_and_what_was_a_notice_are_not_in_history() {
    let mut kept = Kept::start(&SMALL);
    let mut alice = kept.hub().named("alice");
    let mut bob = kept.hub().named("bob");
    alice.ask("/msg bob un secret");
    bob.until(|line| line == "-alice- un secret");
    alice.say("/me se lève");
    alice.say("//join x");
    alice.say("mot 1");
    bob.until(|line| line == "<alice> mot 1");
    alice.ask("/nick alix");
    alice.say("mot 2");
    bob.until(|line| line == "<alix> mot 2");
    kept.again(End::Stopped);
    let mut carol = kept.hub().member();
    let answer = carol.ask("/resume 0");
    let wanted =
        ["<alice> * se lève", "<alice> /join x", "<alice> mot 1", "<alix> mot 2", "* live"];
    assert_eq!(answer, wanted);
}

#[test]
fn bytes_and_line_breaks_come_back_from_the_disk_as_they_were_said() {
    let mut kept = Kept::start(&SMALL);
    let bodies: [&[u8]; 7] = [
        b"caf\xe9",
        b"\0",
        b"deux\nlignes",
        b"\r\n",
        b" ",
        "\u{202e}été😀".as_bytes(),
        &vec![b'x'; 64 << 10],
    ];
    for body in bodies {
        assert_eq!(post(kept.hub(), "octets", "", body).status, 201);
    }
    for n in 0..30 {
        post(kept.hub(), "octets", "", format!("mot {n}"));
    }
    kept.again(End::Killed);
    let mut raw = Socket::open(kept.hub(), "/ws?room=octets&after=0", "raw");
    for body in bodies {
        let kind = if str::from_utf8(body).is_ok() { TEXT } else { BINARY };
        assert!(
            raw.next() == (kind, body.to_vec()),
            "{}",
            body[..body.len().min(9)].escape_ascii()
        );
    }
}

#[test]
fn a_gap_that_a_crash_left_is_announced_as_unused_and_nothing_is_missed() {
    let (mut kept, unix) = hub_with_socket();
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
    alice.say(100);
    let epoch = alice.epoch();
    kept.again(End::Killed);
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 100);
    alice.say(5);
    let (same, seq) = place(&alice.position);
    assert_eq!(same, epoch);
    assert!(seq > 105, "numbers that may have been given before the crash are given again");
    for road in ROADS {
        // Entering before it, in it, and at its end.
        for (after, said) in [(90, 90), (100, 100), (101, 100), (seq - 5, 100), (seq - 4, 101)] {
            let what = (road, after);
            let mut ear = Ear::open(kept.hub(), &unix, road, "jeu", &format!("{epoch}@{after}"));
            let mut trail = Trail::after(said, what);
            trail.up_to(105, &mut ear);
            let tells = !matches!(road.0, Wire::Raw | Wire::SocketRaw);
            let told = (tells && after < seq - 5).then_some((after.max(100) + 1, seq - 5));
            assert_eq!(trail.unused, Vec::from_iter(told), "{what:?}");
        }
    }
    // Nor is it counted as missed.
    let why = alice.peer().ask("/why").join(" ");
    assert!(why.contains("rien de manqué"), "{why}");
}

#[test]
fn a_room_that_ends_with_a_gap_is_live_once_that_is_told() {
    let (mut kept, unix) = hub_with_socket();
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 0);
    alice.say(100);
    let epoch = alice.epoch();
    kept.again(End::Killed);
    // Nobody has said anything since.
    for road in ROADS {
        let mut ear = Ear::open(kept.hub(), &unix, road, "jeu", &format!("{epoch}@98"));
        let mut trail = Trail::after(98, road);
        trail.live(&mut ear);
        assert_eq!(trail.last, 100, "{road:?}");
    }
    let mut ear = Ear::open(kept.hub(), &unix, ROADS[0], "jeu", &format!("{epoch}@100"));
    let mut alice = Talker::enter(kept.hub(), "alice", "jeu", 100);
    alice.say(1);
    let mut trail = Trail::after(100, "after the gap");
    trail.up_to(101, &mut ear);
}
