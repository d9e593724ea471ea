//! What bounds datagrams and those who send them: the length of what is sent, sessions of an address and in all, and
//! what a crowd of addresses costs.

use std::io::Write;
use std::net::Ipv4Addr;
use std::thread;

use serde_json::json;

use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::Peer;
use crate::udp_peer::{SENT_MAX, UdpPeer, says_in};

/// Members by datagrams that one address may have, and all together (PROTOCOL §7, contract).
const OF_ADDRESS: usize = 32;
const IN_ALL: usize = 10_000;

#[test]
fn a_message_longer_than_a_datagram_is_a_gap_there_and_whole_for_others() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let mut program = JsonPeer::member(&hub, Via::WebSocket);
    let (mut text, mut json, mut raw) =
        (UdpPeer::member(&hub), UdpPeer::json(&hub, "jade"), UdpPeer::raw(&hub));
    let from_datagrams = UdpPeer::named(&hub, "denis");
    let long = "x".repeat(1500);
    alice.say(&long);
    assert_eq!(bob.line(), format!("<alice> {long}"));
    from_datagrams.send(&long);
    assert_eq!(bob.line(), format!("<denis> {long}"));
    alice.say("court");
    let seqs = [(); 3].map(|()| {
        let event = program.event();
        event["seq"].as_u64().expect("each has one")
    });
    for seq in &seqs[..2] {
        let gap = text.line();
        assert!(gap.starts_with(&format!("* gap {seq}..{seq} (1 message")), "{gap}");
        let gap = json!({"ev": "gap", "room": "lobby", "from": seq, "to": seq, "cause": "mtu"});
        assert_eq!(json.event(), gap);
    }
    assert_eq!(text.line(), "<alice> court");
    assert_eq!(json.event()["seq"], seqs[2]);
    assert_eq!(raw.datagram(), b"court");
}

#[test]
fn a_message_is_heard_up_to_the_last_byte_that_fits_its_format() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (mut text, mut raw) = (UdpPeer::member(&hub), UdpPeer::raw(&hub));
    let around = "<alice> \n".len();
    for (length, in_text, in_raw) in [
        (SENT_MAX - around, true, true),
        (SENT_MAX - around + 1, false, true),
        (SENT_MAX, false, true),
        (SENT_MAX + 1, false, false),
    ] {
        let body = "x".repeat(length);
        alice.say(&body);
        alice.say("fin");
        let first = text.line();
        assert_eq!(first == format!("<alice> {body}"), in_text, "{length}: {first}");
        assert_eq!(first.starts_with("* gap "), !in_text, "{length}: {first}");
        assert_eq!(text.line(), "<alice> fin");
        if in_raw {
            assert_eq!(raw.datagram(), body.as_bytes());
        }
        assert_eq!(raw.datagram(), b"fin");
    }
}

#[test]
fn what_is_longer_in_one_format_than_in_another_is_a_gap_only_there() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let (mut text, mut json, mut raw) =
        (UdpPeer::member(&hub), UdpPeer::json(&hub, "jade"), UdpPeer::raw(&hub));
    // A quotation mark takes two bytes in JSON; a line break takes a prefix in text.
    for (body, in_text, in_json) in
        [("\"".repeat(1000), true, false), ("\n".repeat(500), false, true)]
    {
        alice.send(format!("/framing nul\n{body}\0fin\0/framing line\0"));
        let first = text.line();
        assert_eq!(!first.starts_with("* gap "), in_text, "{first}");
        text.until(|line| line == "<alice> fin");
        let event = json.event();
        assert_eq!(event["ev"] == "msg", in_json, "{event}");
        assert_eq!(json.event_until(|event| event["ev"] == "msg")["text"], "fin");
        assert_eq!(raw.datagram(), body.as_bytes());
        assert_eq!(raw.datagram(), b"fin");
        alice.ask("");
    }
}

#[test]
fn a_private_message_that_fits_no_datagram_is_refused_to_its_sender() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut program) = (hub.named("alice"), JsonPeer::member(&hub, Via::WebSocket));
    let mut denis = UdpPeer::named(&hub, "denis");
    let long = "x".repeat(1300);
    let error = alice.error(&format!("/msg denis {long}"));
    assert!(error.starts_with("! mtu "), "{error}");
    let error = program.answer(&json!({"op": "msg", "to": "denis", "text": long, "id": 5}));
    assert_eq!((&error["code"], &error["id"]), (&json!("mtu"), &json!(5)), "{error}");
    // The other way there is room.
    denis.send(format!("/msg alice {long}"));
    assert_eq!(alice.line(), format!("-denis- {long}"));
    // Whichever format it is read in.
    let fits = "x".repeat(1000);
    let answer = alice.ask(&format!("/msg denis {fits}"));
    assert!(answer.is_empty(), "{answer:?}");
    assert_eq!(denis.line(), format!("-alice- {fits}"));
}

#[test]
fn lists_and_histories_that_fit_no_datagram_name_fewer() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let _crowd: Vec<Peer> = (0..80)
        .map(|number| hub.named(&format!("quelqu-un-au-nom-fort-long-{number:03}")))
        .collect();
    let mut denis = UdpPeer::named(&hub, "denis");
    // Each datagram's length is looked at where it comes in.
    let who = denis.ask("/who");
    assert!(who[0].starts_with("* 82 membres "), "{who:?}");
    assert!(who.concat().contains("quelqu-un"), "{who:?}");
    for number in 0..20 {
        alice.say(&format!("{number} {}", "x".repeat(number * 100)));
        denis.line();
    }
    let history = denis.ask("/history 20");
    assert!(history.iter().any(|line| line.starts_with("<alice> 0 ")), "{history:?}");
    let mut jade = UdpPeer::json(&hub, "jade");
    for (op, answer) in [("who", "who"), ("rooms", "rooms")] {
        jade.op(&json!({"op": op}));
        jade.event_until(|event| event["ev"] == answer);
    }
}

#[test]
fn who_is_behind_by_datagrams_gets_the_newest_and_is_told_what_was_passed_over() {
    const LINES: u64 = 20_000;
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut healthy) = (hub.named("alice"), hub.member());
    let (mut json, mut writer) = (UdpPeer::json(&hub, "jade"), alice.writer());
    let lines: String = (1..=LINES).fold(String::new(), |all, number| all + &format!("{number}\n"));
    let writing = thread::spawn(move || writer.write_all(lines.as_bytes()));
    // Each number at most once, in order, said or passed over; the network may lose some of both.
    let (mut last, mut passed_over) = (0, 0);
    let hears = thread::spawn(move || {
        while last <= LINES {
            let event = json.event();
            let number = |key: &str| event[key].as_u64().expect("a number");
            let (from, to) = match event["ev"].as_str() {
                Some("msg") => (number("seq"), number("seq")),
                Some("gap") => (number("from"), number("to")),
                _ => panic!("{event}"),
            };
            assert!(from > last && from <= to, "{last}, then {event}");
            assert!(event["ev"] == "msg" || event["cause"] == "slow", "{event}");
            passed_over += if event["ev"] == "gap" { to + 1 - from } else { 0 };
            last = to;
        }
        passed_over
    });
    healthy.until(|line| line == format!("<alice> {LINES}"));
    writing.join().expect("no panic").expect("the hub reads");
    // What is said now it hears, however much there was before; its own kernel may have no room at first.
    while !hears.is_finished() {
        alice.say("encore");
        healthy.until(|line| line == "<alice> encore");
    }
    let passed_over = hears.join().expect("it hears to the end");
    assert!((1..LINES).contains(&passed_over), "{passed_over} were passed over");
}

#[test]
fn beyond_32_sessions_of_an_address_a_join_is_not_heard_and_speech_still_is() {
    let hub = Hub::start(&["--quiet"]);
    let mut alice = hub.named("alice");
    let mut peers: Vec<UdpPeer> = (0..OF_ADDRESS).map(|_| UdpPeer::member(&hub)).collect();
    let mut one_more = UdpPeer::stranger(&hub);
    one_more.send("/join lobby");
    one_more.send("moi aussi");
    let from = one_more.address();
    assert_eq!(alice.line(), format!("<{from}> moi aussi"));
    assert!(alice.ask("/who").concat().starts_with("* 33 membres "));
    // Another address has its own.
    let mut other = UdpPeer::between("127.0.0.2:0", ("127.0.0.1", hub.port()));
    other.join("lobby");
    // Where one leaves there is room for one; it hears nothing before that.
    let mut first = peers.swap_remove(0);
    first.send("/quit");
    first.until(|line| line.starts_with("* au revoir"));
    one_more.send("/join lobby");
    assert!(says_in(&one_more.line(), "lobby"));
    for peer in &mut peers {
        peer.until(|line| line == format!("<{from}> moi aussi"));
    }
}

/// Those among whom a crowd comes: who hears it in the lobby, and two that talk in a room of their own.
struct Among {
    hub: Hub,
    alice: Peer,
    bob: Peer,
    denis: UdpPeer,
}

impl Among {
    fn start() -> Among {
        let hub = Hub::start(&["--quiet"]);
        let (alice, mut bob) = (hub.named("alice"), hub.named("bob"));
        let mut denis = UdpPeer::named(&hub, "denis");
        bob.ask("/join calme");
        denis.join("calme");
        Among { hub, alice, bob, denis }
    }

    /// `count` sockets, one after the other, with an address or a port of their own; each sends `datagram`. After each
    /// hundred the hub has read them: what was sent after them is heard.
    #[track_caller]
    fn crowd(&mut self, count: usize, datagram: &str) {
        let marker = UdpPeer::stranger(&self.hub);
        for number in 0..count {
            // No more than 25 of one address.
            let (high, low) = (number / 25 / 200, number / 25 % 200);
            let [high, low] = [high, low].map(|it| u8::try_from(1 + it).expect("it is below 256"));
            let from = (Ipv4Addr::new(127, 1, high, low), 0);
            UdpPeer::between(from, ("127.0.0.1", self.hub.port())).send(datagram);
            if number % 100 == 99 {
                let mark = format!("marque {number}");
                marker.send(&mark);
                self.alice.until(|line| line.ends_with(&mark));
                // Who says nothing for a minute is gone.
                self.denis.send("");
            }
        }
    }

    /// How many have joined the crowd's room.
    #[track_caller]
    fn joined(&mut self) -> usize {
        let who = self.alice.ask("/who foule");
        let told = who.iter().find_map(|line| line.strip_prefix("* ")?.split(' ').next());
        told.and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{who:?}"))
    }

    /// Who was there before is there, hears, and is heard.
    #[track_caller]
    fn still_talk(&mut self) {
        self.denis.send("toujours là");
        assert_eq!(self.bob.line(), "<denis> toujours là");
        self.bob.say("moi aussi");
        self.denis.until(|line| line == "<bob> moi aussi");
    }
}

#[test]
fn a_hundred_thousand_addresses_that_speak_are_all_heard_and_cost_no_memory() {
    let mut among = Among::start();
    let descriptors = among.hub.descriptors();
    among.crowd(25_000, "bonjour");
    let before = among.hub.resident_kib();
    among.crowd(75_000, "bonjour");
    let after = among.hub.resident_kib();
    assert!(after < before + 8 * 1024, "{before}, then {after} KiB");
    assert_eq!(among.hub.descriptors(), descriptors);
    among.still_talk();
}

#[test]
fn a_hundred_thousand_addresses_that_join_cost_what_ten_thousand_members_do() {
    let mut among = Among::start();
    let (descriptors, empty) = (among.hub.descriptors(), among.hub.resident_kib());
    among.crowd(2 * IN_ALL, "/join foule");
    assert_eq!(among.joined(), IN_ALL - 1, "denis is one too");
    let full = among.hub.resident_kib();
    among.crowd(8 * IN_ALL, "/join foule");
    let after = among.hub.resident_kib();
    assert!(among.joined() < IN_ALL, "{}", among.joined());
    assert!(full < empty + 64 * 1024, "{empty}, then {full} KiB");
    assert!(after < full + 8 * 1024, "{full}, then {after} KiB");
    assert_eq!(among.hub.descriptors(), descriptors);
    among.still_talk();
}
