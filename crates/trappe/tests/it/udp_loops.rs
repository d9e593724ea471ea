//! Datagrams in the name of others: what they can bring about is little, and two hubs that are made to answer each
//! other fall silent.

use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::ops::Range;

use crate::hub::Hub;
use crate::net_lab::{COUNTERS, Forger, Lab, rules};
use crate::peer::Peer;
use crate::udp_peer::UdpPeer;

#[test]
fn in_the_name_of_others_no_more_than_three_times_what_was_sent_can_be_brought_about() {
    const EACH: u64 = 200;
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    lab.nft(COUNTERS);
    let (mut alice, forger) = (hub.listener(), Forger::new());
    // The first is somebody here, the second nobody, the third is elsewhere.
    let victims = [
        ("to_3", hub.add_address(3)),
        ("to_4", hub.outside(4)),
        ("to_others", Ipv4Addr::new(203, 0, 113, 9)),
    ];
    for (counter, victim) in victims {
        let mut sent = 0;
        for number in 0..EACH {
            let port = 4000 + u16::try_from(number % 4).expect("it is small");
            for datagram in
                ["/join a", "/join salon", "bonjour", "/who", "/join a aaaaaaaaaaaaa", ""]
            {
                forger.send(SocketAddrV4::new(victim, port), hub.address(), datagram);
                sent += datagram.len() as u64;
            }
            // What the hub has read, it has answered: this comes after it.
            if number % 10 == 9 {
                forger.send(
                    SocketAddrV4::new(victim, port),
                    hub.address(),
                    format!("marque {number}"),
                );
                alice.until(|line| line.ends_with(&format!("> marque {number}")));
            }
        }
        let brought = lab.count(counter);
        assert!(brought.bytes <= 3 * sent, "{brought:?} for {sent} bytes in the name of {victim}");
        assert!(brought.datagrams <= 2 * EACH, "{brought:?} in the name of {victim}");
    }
}

#[test]
fn forged_joins_of_a_hundred_thousand_addresses_cost_nothing_and_keep_nobody_out() {
    const ALL: u32 = 100_000;
    let Some(lab) = Lab::enter() else { return };
    let hub = lab.hub(&["--open", "--quiet"]);
    lab.nft(COUNTERS);
    let (mut alice, forger) = (hub.listener(), Forger::new());
    let mut member = hub.stranger();
    member.join_through_loss("lobby");
    let mut flood = |from: Range<u32>| {
        for number in from {
            // 10.0.0.0/8 lies beyond the laboratory, which drops what goes there.
            let from = Ipv4Addr::from_bits(0x0a00_0000 + number);
            forger.send(SocketAddrV4::new(from, 5000), hub.address(), "/join jeu");
            if number % 100 == 99 {
                forger.send(
                    SocketAddrV4::new(from, 5000),
                    hub.address(),
                    format!("marque {number}"),
                );
                alice.until(|line| line.ends_with(&format!("> marque {number}")));
            }
        }
    };
    flood(0..ALL / 4);
    let before = hub.hub.resident_kib();
    flood(ALL / 4..ALL);
    let after = hub.hub.resident_kib();
    assert!(after < before + 8 * 1024, "{before}, then {after} KiB");
    assert!(alice.ask("/rooms").iter().all(|line| !line.contains("jeu")), "nobody is there");
    member.send("toujours là");
    alice.until(|line| line == "<client-2> toujours là");
    hub.stranger().join_through_loss("jeu");
}

/// Two hubs that hear of each other only what is forged, and who listens and speaks there.
struct Pair<'a> {
    lab: &'a Lab,
    at: [SocketAddrV4; 2],
    talkers: [Peer; 2],
    pingers: [UdpPeer; 2],
    forger: Forger,
}

impl Pair<'_> {
    /// Counts what goes from one hub to the other, over the laboratory or over its loopback.
    #[track_caller]
    fn of(lab: &Lab, at: [SocketAddrV4; 2]) -> Pair<'_> {
        let [a, b] = at;
        let rule = |from: SocketAddrV4, to: SocketAddrV4| {
            format!(
                "ip saddr {} udp sport {} ip daddr {} udp dport {} counter name between",
                from.ip(),
                from.port(),
                to.ip(),
                to.port()
            )
        };
        lab.nft(
            "table inet loops\ndelete table inet loops\ntable inet loops {\ncounter between { }\n}",
        );
        lab.nft(&rules("loops", "postrouting", &[rule(a, b), rule(b, a)].join("\n")));
        let talkers = at.map(|hub| {
            let stream = TcpStream::connect(hub).expect("the hub listens");
            let mut peer = Peer::over(stream);
            peer.ready();
            peer.ask("/echo on");
            peer
        });
        // In a room of their own, so that they hear nothing of what goes on in the lobby.
        let pingers = at.map(|hub| {
            let here = if hub.ip().is_loopback() { "127.0.0.1:0" } else { "0.0.0.0:0" };
            let mut peer = UdpPeer::between(here, hub);
            peer.join_through_loss("calme");
            peer.ask("/quiet on");
            peer
        });
        Pair { lab, at, talkers, pingers, forger: Forger::new() }
    }

    /// Says `datagram` to each hub in the name of the other.
    #[track_caller]
    fn provoke(&self, datagram: &str) {
        let [a, b] = self.at;
        self.forger.send(a, b, datagram);
        self.forger.send(b, a, datagram);
    }

    /// Talks with both hubs by datagrams for a while: what they have to say to each other they have said meanwhile.
    #[track_caller]
    fn while_it_goes_on(&mut self, rounds: usize) -> u64 {
        for _ in 0..rounds {
            for pinger in &mut self.pingers {
                pinger.ask("");
            }
        }
        self.lab.count("between").datagrams
    }

    /// Whether the two, of which `before` datagrams had come, say at most `most` more and then nothing; otherwise how they
    /// go on.
    #[track_caller]
    fn falls_silent(&mut self, before: u64, most: u64) -> Result<u64, String> {
        let first = self.while_it_goes_on(20);
        let second = self.while_it_goes_on(100);
        let silent = first <= before + most && first == second;
        if silent { Ok(second) } else { Err(format!("{before}, {first}, then {second} datagrams")) }
    }

    /// Somebody says something in each lobby.
    #[track_caller]
    fn talk(&mut self) {
        for talker in &mut self.talkers {
            talker.say("on parle");
            talker.until(|line| line.ends_with("> on parle"));
        }
    }
}

/// What two hubs might be made to answer each other without end.
const PROVOCATIONS: [&[&str]; 12] = [
    &["bonjour"],
    &["/join lobby"],
    &["/join lobby aaaaaaaaaaaaa"],
    &["/join lobby", "/ack on", "bonjour"],
    &["/join lobby", "/echo on", "bonjour"],
    &["/join lobby", "/echo on", "/ack on", "bonjour"],
    &["/join lobby", "/format json", "{\"ev\":\"error\"}"],
    &[
        "/join lobby",
        "/format json",
        "{\"op\":\"echo\",\"on\":true}",
        "{\"op\":\"send\",\"text\":\"a\"}",
    ],
    &["/join lobby", "/format raw", "/echo on", "bonjour"],
    &["/join lobby", "/format raw", "//ping", "///ping"],
    &["/join lobby", "/mgs", "/ping", "/who", "/why", "/help", "/history"],
    &["/join lobby", "/echo on", "/format json", "/format text", "/quit", "bonjour"],
];

/// Tries each provocation, in pairs of hubs that `start` makes.
#[track_caller]
fn provoke_all<const N: usize>(lab: &Lab, start: impl Fn() -> ([Hub; N], [SocketAddrV4; 2])) {
    let mut endless = Vec::new();
    for provocation in PROVOCATIONS {
        let (_hubs, at) = start();
        let mut pair = Pair::of(lab, at);
        for datagram in provocation {
            pair.provoke(datagram);
        }
        // The forged ones are counted too; each has some answers, `/help` the most.
        let forged = 2 * provocation.len() as u64;
        let first = pair.falls_silent(0, 50 * forged);
        assert!(
            !first.as_ref().is_ok_and(|count| *count < forged),
            "not all was counted: {first:?}"
        );
        let second = first.and_then(|before| {
            pair.talk();
            pair.falls_silent(before, 40).map_err(|how| format!("when somebody speaks: {how}"))
        });
        if let Err(how) = second {
            endless.push(format!("{provocation:?}: {how}"));
        }
    }
    assert!(endless.is_empty(), "they go on talking: {endless:#?}");
}

#[test]
fn two_hubs_that_do_not_trust_each_other_fall_silent_at_once() {
    let Some(lab) = Lab::enter() else { return };
    provoke_all(&lab, || start_two(&lab, &["--open", "--quiet"]));
}

#[test]
fn two_hubs_that_trust_each_others_network_fall_silent_at_once() {
    let Some(lab) = Lab::enter() else { return };
    provoke_all(&lab, || start_two(&lab, &["--open", "--quiet", "--udp-trust", "198.18.0.0/15"]));
}

#[test]
fn two_hubs_on_one_machine_fall_silent_at_once() {
    let Some(lab) = Lab::enter() else { return };
    provoke_all(&lab, || {
        let hubs = [(); 2].map(|()| Hub::start(&["--quiet"]));
        let at = hubs.each_ref().map(|hub| SocketAddrV4::new(Ipv4Addr::LOCALHOST, hub.port()));
        (hubs, at)
    });
}

#[test]
fn a_hub_that_is_made_to_answer_itself_falls_silent_at_once() {
    let Some(lab) = Lab::enter() else { return };
    provoke_all(&lab, || {
        let hub = Hub::start(&["--quiet"]);
        let at = SocketAddrV4::new(Ipv4Addr::LOCALHOST, hub.port());
        ([hub], [at, at])
    });
}

fn start_two(lab: &Lab, args: &[&str]) -> ([Hub; 2], [SocketAddrV4; 2]) {
    let [a, b] = [(); 2].map(|()| lab.hub(args));
    let at = [a.address(), b.address()];
    ([a.hub, b.hub], at)
}
