//! Rooms, names and private messages: who hears whom.

use std::collections::BTreeMap;
use std::thread;

use crate::hub::Hub;
use crate::peer::{Peer, position_in};

#[test]
fn who_speaks_is_heard_by_everyone_else_in_the_room_and_not_by_itself() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob, mut carol) =
        (hub.named("alice"), hub.named("bob"), hub.named("carol"));
    alice.say("bonjour");
    assert_eq!(bob.line(), "<alice> bonjour");
    assert_eq!(carol.line(), "<alice> bonjour");
    bob.say("salut");
    assert_eq!(alice.line(), "<bob> salut", "its own message came back");
    assert_eq!(carol.line(), "<bob> salut");
}

#[test]
fn clients_are_numbered_from_1_in_the_order_they_came() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for number in 2..=12 {
        let mut peer = hub.member();
        peer.say("présent");
        assert_eq!(witness.line(), format!("<client-{number}> présent"));
    }
}

#[test]
fn rooms_do_not_hear_each_other() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob, mut carol) =
        (hub.named("alice"), hub.named("bob"), hub.named("carol"));
    let moved = alice.ask("/join jeu");
    assert!(moved.iter().any(|line| line.starts_with("* ") && line.contains("jeu")), "{moved:?}");
    bob.ask("/join jeu");
    alice.say("au jeu");
    carol.say("au lobby");
    assert_eq!(bob.line(), "<alice> au jeu");
    alice.ask("/leave");
    bob.say("encore au jeu");
    bob.ask("");
    carol.say("te revoilà");
    assert_eq!(alice.line(), "<carol> te revoilà");
    carol.ask("/join jeu");
    bob.say("bienvenue");
    assert_eq!(carol.line(), "<bob> bienvenue");
}

#[test]
fn nothing_more_of_the_old_room_comes_after_the_reply_to_join() {
    let hub = Hub::start(&["--quiet"]);
    let (alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let mut writer = alice.writer();
    let talking = thread::spawn(move || {
        for number in 0..5000 {
            let line = format!("{number}\n");
            std::io::Write::write_all(&mut writer, line.as_bytes()).expect("the hub reads");
        }
    });
    bob.until(|line| line.starts_with("<alice> "));
    bob.say("/join ailleurs");
    bob.until(|line| line.starts_with("* ") && line.contains("ailleurs"));
    talking.join().expect("it wrote everything");
    let mut carol = hub.named("carol");
    carol.ask("/join ailleurs");
    carol.say("ici");
    assert_eq!(bob.line(), "<carol> ici");
}

#[test]
fn what_was_said_before_join_goes_to_the_old_room_and_after_it_to_the_new_one() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob, mut carol) =
        (hub.named("alice"), hub.named("bob"), hub.named("carol"));
    carol.ask("/join jeu");
    alice.send("avant\n/join jeu\naprès\n/leave\nde retour\n");
    assert_eq!(bob.line(), "<alice> avant");
    assert_eq!(bob.line(), "<alice> de retour");
    assert_eq!(carol.line(), "<alice> après");
}

#[test]
fn a_private_message_reaches_one_member_in_whatever_room() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob, mut carol) =
        (hub.named("alice"), hub.named("bob"), hub.named("carol"));
    bob.ask("/join loin");
    alice.say("/msg bob rendez-vous à 8 h");
    assert_eq!(bob.line(), "-alice- rendez-vous à 8 h");
    alice.say("fini");
    assert_eq!(carol.line(), "<alice> fini");
    let history = carol.ask("/history");
    assert!(history.iter().all(|line| !line.contains("rendez-vous")), "{history:?}");
    assert!(alice.error("/msg personne coucou").contains("personne"));
    // By number as well, and under case folding.
    alice.say("/msg BOB encore");
    assert_eq!(bob.line(), "-alice- encore");
}

#[test]
fn a_taken_name_is_an_error_that_proposes_a_free_one() {
    let hub = Hub::start(&["--quiet"]);
    let (_alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for taken in ["alice", "ALICE", "Alice"] {
        let error = bob.error(&format!("/nick {taken}"));
        let proposed = error.rsplit("/nick ").next().expect("it ends with a command").to_owned();
        assert!(error.contains("/nick ") && proposed != taken, "{error}");
        bob.take_name(&proposed);
        bob.take_name("bob");
    }
}

#[test]
fn a_name_is_free_again_when_it_was_left_or_its_member_is_gone() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    alice.take_name("alicia");
    bob.take_name("alice");
    alice.say("/quit");
    alice.rest();
    bob.take_name("alicia");
    bob.take_name("ALICIA");
}

#[test]
fn a_record_keeps_the_name_of_its_moment() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.member());
    alice.say("avant");
    alice.take_name("alicia");
    alice.say("après");
    bob.until(|line| line == "<alicia> après");
    let history = bob.ask("/history 2");
    assert_eq!(history[1..3], ["<alice> avant", "<alicia> après"]);
}

#[test]
fn names_of_every_script_are_taken() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.member();
    for name in ["Zoë", "Łukasz", "Дмитрий", "Ἀθηνᾶ", "محمد", "太郎", "a", "x_1.2-3", "नेहा"]
    {
        peer.take_name(name);
    }
    // NFC: the decomposed form is the same name.
    let answer = peer.ask("/nick Zoe\u{308}");
    assert!(answer.iter().any(|line| line.contains("Zo\u{eb}")), "{answer:?}");
}

#[test]
fn who_and_rooms_list_a_hundred_at_most_and_count_all() {
    let hub = Hub::start(&["--quiet"]);
    let mut peer = hub.named("alice");
    let _others: Vec<Peer> = (0..120).map(|number| hub.named(&format!("m{number}"))).collect();
    let who = peer.ask("/who");
    assert!(who.iter().all(|line| line.starts_with("* ")), "{who:?}");
    assert!(who.concat().contains("121"), "{who:?}");
    assert!(who.concat().contains("21 autres"), "{who:?}");
    let rooms = peer.ask("/rooms");
    assert!(rooms.iter().any(|line| line.contains("lobby") && line.contains("121")), "{rooms:?}");
    peer.ask("/join jeu");
    let rooms = peer.ask("/rooms").concat();
    assert!(rooms.contains("jeu") && rooms.contains("lobby"), "{rooms}");
    let who = peer.ask("/who jeu").concat();
    assert!(who.contains("alice") && !who.contains("m7"), "{who}");
    assert!(peer.error("/who nullepart").contains("nullepart"));
}

#[test]
fn everyone_sees_one_same_order_whoever_speaks() {
    const SENDERS: usize = 4;
    const LINES: usize = 300;
    let hub = Hub::start(&["--quiet", "--workers", "3"]);
    let mut listeners: Vec<Peer> = (0..6).map(|_| hub.member()).collect();
    let mut senders: Vec<Peer> = (0..SENDERS).map(|s| hub.named(&format!("s{s}"))).collect();
    for sender in &mut senders {
        sender.ask("/echo on");
    }
    let talking: Vec<_> = senders
        .iter()
        .map(|sender| {
            let mut writer = sender.writer();
            thread::spawn(move || {
                for number in 0..LINES {
                    let line = format!("{number}\n");
                    std::io::Write::write_all(&mut writer, line.as_bytes()).expect("it reads");
                }
            })
        })
        .collect();
    for thread in talking {
        thread.join().expect("it wrote everything");
    }
    listeners.extend(senders);
    let mut orders: Vec<Vec<String>> = Vec::new();
    for peer in &mut listeners {
        orders.push((0..SENDERS * LINES).map(|_| peer.line()).collect());
    }
    let mut next: BTreeMap<&str, usize> = BTreeMap::new();
    for line in &orders[0] {
        let (sender, number) = line.split_once(' ').expect("<name> number");
        let expected = next.entry(sender).or_default();
        assert_eq!(number, expected.to_string(), "out of its sender's order: {line}");
        *expected += 1;
    }
    assert!(orders.iter().all(|order| *order == orders[0]), "the orders differ");
}

#[test]
fn arrivals_and_departures_are_told_but_not_to_who_wants_quiet() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.connect();
    let welcome = alice.ask("/nick alice");
    let welcome = welcome.iter().find(|line| line.contains("/help")).expect("a welcome");
    assert!(welcome.starts_with("* ") && welcome.contains("lobby"), "{welcome}");
    assert!(position_in(welcome).ends_with("@0"), "{welcome}");

    let mut quiet = hub.member();
    quiet.take_name("calme");
    let mut bob = hub.named("bob");
    bob.say("me voici");
    let heard = alice.before("<bob> me voici");
    assert!(heard.iter().all(|line| line.starts_with("* ")), "{heard:?}");
    assert!(heard.iter().any(|line| line.ends_with("vient d'arriver")), "{heard:?}");
    bob.say("/quit à demain");
    let left = alice.until(|line| line.contains("vient de partir"));
    assert!(left.starts_with("* bob ") && left.contains("à demain"), "{left}");
    alice.say("seules");
    let heard = quiet.before("<alice> seules");
    assert_eq!(heard, ["<bob> me voici"]);
}

#[test]
fn no_notices_at_all_where_the_hub_was_told_so() {
    let hub = Hub::start(&["--quiet", "--no-notices"]);
    let mut alice = hub.connect();
    alice.ask("/nick alice");
    let mut bob = hub.named("bob");
    bob.say("me voici");
    assert_eq!(alice.line(), "<bob> me voici");
}

#[test]
fn a_silent_listener_is_counted_but_not_announced_before_it_speaks() {
    let hub = Hub::start(&[]);
    let mut alice = hub.connect();
    alice.ask("/nick alice");
    let mut silent = hub.silent_listener();
    assert!(alice.ask("/who").concat().contains('2'), "it is not counted");
    alice.say("qui est là ?");
    assert_eq!(silent.line(), "<alice> qui est là ?");
    silent.say("moi");
    let heard = alice.before("<client-2> moi");
    assert!(heard.iter().any(|line| line == "* client-2 vient d'arriver"), "{heard:?}");
}

#[test]
fn above_fifty_members_a_room_is_not_told_who_comes_and_goes() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.connect();
    witness.ask("/nick alice");
    let mut others: Vec<Peer> = Vec::new();
    let mut notices = |others: &mut Vec<Peer>| {
        let mut peer = hub.member();
        peer.say("présent");
        others.push(peer);
        let mut notices = 0;
        while !witness.line().ends_with("> présent") {
            notices += 1;
        }
        notices
    };
    let counts: Vec<usize> = (0..60).map(|_| notices(&mut others)).collect();
    assert!(counts[..48].iter().all(|&count| count == 1), "{counts:?}");
    assert!(counts[51..].iter().all(|&count| count == 0), "{counts:?}");
    for mut peer in others.drain(..15) {
        peer.say("/quit");
        peer.rest();
    }
    assert_eq!(notices(&mut others), 0, "above 40 it stays silent");
    for mut peer in others.drain(..15) {
        peer.say("/quit");
        peer.rest();
    }
    assert!(notices(&mut others) > 0, "below 40 it is told again");
}

#[test]
fn one_that_moves_between_two_busy_rooms_hears_each_only_while_in_it() {
    let hub = Hub::start(&["--quiet", "--workers", "2"]);
    let mut bob = hub.member();
    let rooms = ["ici", "là"];
    let talking: Vec<_> = rooms
        .map(|room| {
            let mut talker = hub.named(&format!("de-{room}"));
            talker.ask(&format!("/join {room}"));
            let mut writer = talker.writer();
            let thread = thread::spawn(move || {
                for number in 0..4000 {
                    let line = format!("{number}\n");
                    std::io::Write::write_all(&mut writer, line.as_bytes()).expect("it reads");
                }
            });
            (talker, thread)
        })
        .into();
    let mut inside = None;
    for moves in 0..300 {
        let room = rooms[moves % 2];
        bob.say(&format!("/join {room}"));
        let mut last: Option<u32> = None;
        loop {
            let line = bob.line();
            if let Some(said) = line.strip_prefix("<de-") {
                let (from, number) = said.split_once("> ").expect("<name> number");
                assert_eq!(Some(from), inside, "it is in {inside:?}");
                let number = number.parse().expect("a number");
                assert!(last.is_none_or(|last| number == last + 1), "{last:?}, then {number}");
                last = Some(number);
            } else if line.starts_with("* ") && line.contains(&format!("dans {room},")) {
                break;
            }
        }
        inside = Some(room);
    }
    for (_talker, thread) in talking {
        thread.join().expect("it wrote everything");
    }
}
