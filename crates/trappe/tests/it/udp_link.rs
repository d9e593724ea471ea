//! Datagrams of other machines, over a link of the test's own: an address is proven before anything else is sent to it,
//! and what the promises are worth where datagrams get lost, doubled, late and out of order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Instant;

use serde_json::json;

use crate::json_check::checked;
use crate::json_peer::JsonPeer;
use crate::net_lab::{COUNTERS, Lab, LabHub, Relay, rules, run};
use crate::peer::Peer;
use crate::process::{PATIENCE, Process};
use crate::tools::netcat;
use crate::udp_peer::{UdpPeer, cookie, messages, says_in};

/// Asks for a cookie, and gives the datagram that has it.
#[track_caller]
fn ask_for_cookie(peer: &mut UdpPeer, room: &str) -> String {
    peer.send(format!("/join {room}"));
    let answer = String::from_utf8(peer.datagram()).expect("a cookie is text");
    assert!(cookie(&answer, room).is_some(), "{answer:?}");
    answer
}

#[test]
fn a_peer_of_another_machine_proves_its_address_by_sending_a_cookie_back() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    let mut alice = hub.listener();
    alice.take_name("alice");
    let mut number = 1;
    for (room, request) in [
        ("a", "/join a"),
        ("salon", "/join salon"),
        ("salon", "/join salon\n"),
        ("salon", "/salon salon"),
        ("été", "/JOIN été\n"),
        ("un-salon-au-nom-long-de-32-lettr", "/join un-salon-au-nom-long-de-32-lettr"),
    ] {
        let mut peer = hub.stranger();
        peer.send(request);
        let answer = String::from_utf8(peer.datagram()).expect("a cookie is text");
        assert!(cookie(&answer, room).is_some(), "{request:?}: {answer:?}");
        assert_eq!(answer.ends_with('\n'), request.ends_with('\n'), "{request:?}: {answer:?}");
        assert!(answer.len() <= 3 * request.len(), "{request:?}: {answer:?}");
        // It is no member by having asked.
        assert!(alice.ask("/who").concat().starts_with("* 1 membre "));
        peer.send(&answer);
        assert!(says_in(&peer.line(), room), "{request:?}");
        number += 1;
        peer.until(|line| line.starts_with(&format!("* vous êtes client-{number}, dans {room}, ")));
        // The same datagram once more, as a network doubles it, does no harm.
        peer.send(&answer);
        peer.until(|line| says_in(line, room));
        alice.ask(&format!("/join {room}"));
        peer.send("bonjour");
        assert_eq!(alice.line(), format!("<client-{number}> bonjour"));
        alice.say("bonsoir");
        peer.until(|line| line == "<alice> bonsoir");
        peer.send("/quit");
        peer.until(|line| line.starts_with("* au revoir"));
        alice.ask("/leave");
    }
}

#[test]
fn by_ipv6_the_cookie_is_of_use_too() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    let (mut alice, mut peer) = (hub.listener(), hub.stranger_by_ipv6());
    let from = peer.address();
    peer.send("bonjour");
    assert_eq!(alice.line(), format!("<{from}> bonjour"));
    let answer = ask_for_cookie(&mut peer, "lobby");
    peer.send(answer);
    assert!(says_in(&peer.line(), "lobby"));
    peer.send("membre");
    assert_eq!(alice.line(), "<client-2> membre");
}

#[test]
fn nothing_but_a_cookie_ever_goes_to_an_unproven_address() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    lab.nft(COUNTERS);
    let mut alice = hub.listener();
    let mut peer = hub.stranger();
    let proven = ask_for_cookie(&mut peer, "salon");
    let cookie_of = |datagram: &str| cookie(datagram, "salon").expect("it has one").to_owned();
    let own = cookie_of(&proven);
    // Of another port, and of another address.
    let other_port = cookie_of(&ask_for_cookie(&mut hub.stranger(), "salon"));
    let mut elsewhere = UdpPeer::between((hub.add_address(3), 0), hub.address());
    let other_address = cookie_of(&ask_for_cookie(&mut elsewhere, "salon"));
    let before = lab.count("to_2");
    assert_eq!((before.datagrams, before.bytes), (2, 2 * proven.len() as u64));

    // One letter of its own cookie changed.
    let changed = match own.strip_prefix('a') {
        Some(rest) => format!("b{rest}"),
        None => format!("a{}", &own[1..]),
    };
    let refused = [
        "/join salon aaaaaaaaaaaaa".to_owned(),
        format!("/join salon {changed}"),
        format!("/join salon {other_port}"),
        format!("/join salon {other_address}"),
        format!("/join autre {own}"),
        format!("/join salon {}", &own[..12]),
        format!("/join salon {own}a"),
        format!("/join salon {own} {own}"),
        format!("/join salon {}", own.to_uppercase()),
        own.clone(),
    ];
    let commands = [
        "/join",
        "/join a/b",
        "/join salon 3",
        "/nick x",
        "/msg x y",
        "/mgs x y",
        "/who",
        "/help",
        "/ping x",
        "/why",
        "/quit",
        "/udp",
        "/format json",
        "/get",
        "/history",
        "",
        "\n",
    ];
    for datagram in refused.iter().map(String::as_str).chain(commands) {
        peer.send(datagram);
    }
    peer.send([0xff; 1000]);
    peer.send("x".repeat(5000));
    peer.send("fin");
    let mut said = Vec::new();
    while said.last().is_none_or(|line: &String| !line.ends_with("> fin")) {
        said.push(alice.line());
    }
    // Of all that, what had not the form of a command was said. A cookie alone is a word like any other.
    assert_eq!(said.len(), 4, "{said:#?}");
    assert_eq!(lab.count("to_2"), before, "something was answered");
    // It still is good.
    peer.send(&proven);
    assert!(says_in(&peer.line(), "salon"));
}

#[test]
fn without_open_datagrams_of_other_machines_are_dropped_and_named_on_the_console_once() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&[]);
    lab.nft(COUNTERS);
    for peer in [hub.stranger(), hub.stranger(), hub.stranger_by_ipv6()] {
        for datagram in ["bonjour d'ailleurs", "/join lobby", "/join lobby aaaaaaaaaaaaa"] {
            peer.send(datagram);
        }
    }
    let is_named = |line: &str, address: &str| line.contains(address) && line.contains("--open");
    for address in ["198.18.1.2", "2001:db8:1::2"] {
        let until = Instant::now() + PATIENCE;
        while ![hub.hub.console(), hub.hub.log()]
            .concat()
            .iter()
            .any(|line| is_named(line, address))
        {
            assert!(Instant::now() < until, "{address} isn't named: {:#?}", hub.hub.console());
            thread::yield_now();
        }
        let talk = [hub.hub.console(), hub.hub.log()].concat();
        let times = talk.iter().filter(|line| is_named(line, address));
        assert_eq!(times.count(), 1, "{talk:#?}");
        assert!(talk.iter().all(|line| !line.contains("d'ailleurs")), "{talk:#?}");
    }
    assert_eq!(lab.count("to_2").datagrams, 0);
}

#[test]
fn a_trusted_network_need_not_prove_its_addresses() {
    let Some(lab) = Lab::enter() else { return };
    for (trust, trusted) in [
        ("198.18.0.0/16", true),
        ("10.0.0.0/8,2001:db8::/32,198.18.0.0/15", true),
        ("198.19.0.0/16", false),
    ] {
        let hub = lab.hub(&["--open", "--quiet", "--udp-trust", trust]);
        let mut peer = hub.stranger();
        peer.send("/join lobby");
        let first = peer.line();
        assert_eq!(says_in(&first, "lobby"), trusted, "{trust}: {first}");
    }
    let hub = lab.hub(&["--open", "--quiet", "--udp-trust", "2001:db8::/32"]);
    hub.stranger_by_ipv6().join("lobby");
}

#[test]
fn the_longest_datagram_comes_in_fragments_and_is_one_message() {
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    let (mut alice, peer) = (hub.listener(), hub.stranger());
    let long = "x".repeat(65_507);
    peer.send(&long);
    assert_eq!(alice.line(), format!("<{}> {long}", peer.address()));
}

/// A member by TCP that knows the text of all that is said, by number.
struct Truth {
    program: JsonPeer,
    said: BTreeMap<u64, String>,
}

impl Truth {
    fn of(hub: &LabHub) -> Truth {
        let stream = TcpStream::connect(hub.address()).expect("the hub listens");
        let mut program = JsonPeer::on_lines(Peer::over(stream));
        program.ask(&json!({"op": "quiet", "on": true}));
        Truth { program, said: BTreeMap::new() }
    }

    /// Says something, and waits until it and all before it is known: whatever becomes of datagrams, this is not
    /// delayed.
    #[track_caller]
    fn say(&mut self, text: &str) {
        self.program.op(&json!({"op": "send", "text": text}));
        let mut acknowledged = false;
        while !acknowledged || self.said.keys().next_back() != Some(&(self.said.len() as u64)) {
            let event = self.program.event();
            acknowledged |= event["ev"] == "ack";
            let said = if event["ev"] == "ack" { Some(text) } else { event["text"].as_str() };
            let seq = event["seq"].as_u64().expect("each has one");
            let before = self.said.insert(seq, said.expect("it is text").to_owned());
            assert_eq!(before, None, "{event}");
        }
    }
}

#[test]
fn where_each_fifth_datagram_is_lost_nobody_is_stuck_and_what_comes_is_in_order() {
    const ROUNDS: usize = 100;
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    let loss = "meta l4proto udp numgen random mod 100 < 20 drop";
    let loss = rules("loss", "input", loss);
    lab.nft(&loss);
    hub.nft(&loss);
    let mut truth = Truth::of(&hub);
    let mut members = [(); 4].map(|()| (hub.stranger().json_through_loss(), Vec::new()));
    for round in 1..=ROUNDS {
        for (number, (member, heard)) in members.iter_mut().enumerate() {
            member.op(&json!({"op": "send", "text": format!("{number} dit {round}"), "id": round}));
            if round % 10 == 0 {
                member.pong(&format!("{round}"), heard);
            }
        }
        truth.say(&format!("tour {round}"));
    }
    for (number, (member, heard)) in members.iter_mut().enumerate() {
        member.pong("fin", heard);
        let said = truth.said.values().filter(|text| text.starts_with(&format!("{number} dit ")));
        let said = said.count();
        assert!((ROUNDS / 2..ROUNDS).contains(&said), "{number} said {said}");
        let mut last = 0;
        for (seq, event) in messages(heard) {
            assert!(seq > last, "{seq} came after {last}");
            assert_eq!(event["text"], truth.said[&seq], "{event}");
            last = seq;
        }
        let count = messages(heard).count();
        assert!(count > truth.said.len() / 2, "{number} heard {count} of {}", truth.said.len());
    }
    let once: BTreeSet<_> = truth.said.values().collect();
    assert_eq!(once.len(), truth.said.len(), "something was said twice");
}

#[test]
fn what_has_an_id_is_said_once_over_a_network_that_loses_doubles_delays_and_reorders() {
    const EACH: u64 = 60;
    let Some(lab) = Lab::enter() else { return };
    for seed in 1..=3 {
        let hub = lab.hub(&["--open", "--quiet"]);
        let mut truth = Truth::of(&hub);
        let relays = [0, 1, 2].map(|number| Relay::start(&hub, 10 * seed + number));
        let mut members =
            relays.each_ref().map(|relay| (relay.peer().json_through_loss(), Vec::new()));
        for (number, (member, heard)) in members.iter_mut().enumerate() {
            let mut open: BTreeSet<u64> = (1..=EACH).collect();
            let until = Instant::now() + PATIENCE;
            while !open.is_empty() {
                assert!(Instant::now() < until, "seed {seed}: never acknowledged: {open:?}");
                for id in &open {
                    let text = format!("{number} dit {id}");
                    member.op(&json!({"op": "send", "text": text, "id": id}));
                }
                let before = heard.len();
                member.pong(&format!("{number}, {} de plus", open.len()), heard);
                // What was sent as text before it asked for JSON may come late.
                let events = heard[before..].iter().filter(|line| line.starts_with('{'));
                let events = events.map(|line| checked(line));
                for ack in events.filter(|event| event["ev"] == "ack") {
                    ack["id"].as_u64().map(|id| open.remove(&id));
                }
            }
        }
        truth.say("fin");
        let said = truth.said.values().filter(|text| *text != "fin").cloned();
        let wanted = (0..3).flat_map(|n| (1..=EACH).map(move |id| format!("{n} dit {id}")));
        let [said, wanted] = [said.collect(), wanted.collect()].map(|mut texts: Vec<String>| {
            texts.sort_unstable();
            texts
        });
        assert_eq!(said, wanted, "seed {seed}");
        for (seq, event) in members.iter().flat_map(|(_, heard)| messages(heard)) {
            assert_eq!(event["text"], truth.said[&seq], "seed {seed}: {event}");
        }
    }
}

/// Lets no datagram through between the hub and the laboratory, in one of several ways, or lets them through again.
#[track_caller]
fn cut(lab: &Lab, hub: &LabHub, way: &str, cut: bool) {
    let filter = |hook: &str| {
        let table = rules("cut", hook, "meta l4proto udp drop");
        if cut { table } else { "delete table inet cut".to_owned() }
    };
    match way {
        "lost on the way" => {
            lab.nft(&filter("input"));
            hub.nft(&filter("input"));
        }
        "refused by the hub's kernel" => hub.nft(&filter("output")),
        _ => {
            let state = if cut { "down" } else { "up" };
            run(Command::new("ip").args(["link", "set", &hub.device(), state]));
        }
    }
}

#[test]
fn after_a_partition_a_member_hears_again_and_may_ask_for_what_it_missed() {
    const MEANWHILE: usize = 50;
    let (Some(lab), Some(netcat)) = (Lab::enter(), netcat()) else { return };
    for way in ["lost on the way", "refused by the hub's kernel", "no carrier"] {
        let hub = lab.hub(&["--open", "--quiet"]);
        // Two that talk on the hub's own machine.
        let (id, port) = (hub.hub.id().to_string(), hub.hub.port().to_string());
        let inside = || {
            let mut command = Command::new("nsenter");
            command.args(["--target", &id, "--net"]).arg(&netcat).args(["127.0.0.1", &port]);
            Process::spawn(&mut command)
        };
        let (mut nora, mut omar) = (inside(), inside());
        omar.write("/quiet on\n/ping\n");
        omar.out.line(|line| line == "* pong");
        let (mut member, mut heard) = (hub.stranger().json_through_loss(), Vec::new());
        let mut say = |text: &str| {
            nora.write(format!("{text}\n"));
            omar.out.line(|line| line.ends_with(&format!("> {text}")));
        };
        say("avant");
        let before = member.event_until(|event| event["text"] == "avant");
        cut(&lab, &hub, way, true);
        for number in 0..MEANWHILE {
            say(&format!("pendant {number}"));
        }
        cut(&lab, &hub, way, false);
        // Its way is there again; it needn't join again.
        member.pong("là", &mut heard);
        // Where there is no carrier the kernel may keep some for when there is one again.
        let came = messages(&heard).count();
        assert!(came == 0 || way == "no carrier", "{way}: there was no partition");
        say("après");
        let after = member.event_until(|event| event["text"] == "après");
        assert!(after["seq"].as_u64() > before["seq"].as_u64(), "{way}: {before}, {after}");
        member.op(&json!({"op": "resume", "room": "lobby", "after": before["seq"]}));
        for number in 0..MEANWHILE {
            let event = member.event_until(|event| event["ev"] == "msg");
            assert_eq!(event["text"], format!("pendant {number}"), "{way}");
            assert_eq!(event["old"], true, "{way}: {event}");
        }
    }
}
