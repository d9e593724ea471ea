//! `/udp`: a member by TCP or WebSocket speaks by datagrams as well, once its address has shown the key that was given
//! to it.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::json;

use crate::hub::Hub;
use crate::json_peer::{BOTH, Frame, JsonPeer, WebSocket};
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::udp_peer::{UdpPeer, base_32, says_in};
use crate::watcher::Watcher;

/// The key in what `/udp` was answered with.
#[track_caller]
fn key_in(answer: &str) -> String {
    let mut keys = answer.split(' ').filter(|word| word.len() == 26 && base_32(word));
    match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_owned(),
        _ => panic!("one key must be in {answer:?}"),
    }
}

/// Asks for a key.
#[track_caller]
pub(crate) fn key_of(peer: &mut Peer) -> String {
    let answer = peer.ask("/udp");
    assert!(answer.len() == 1 && answer[0].starts_with("* "), "{answer:?}");
    key_in(&answer[0])
}

/// Reads the notice that says which address speaks for a member now.
#[track_caller]
fn is_told_of(peer: &mut Peer, address: SocketAddr) {
    peer.until(|line| line.starts_with("* ") && line.contains(&address.to_string()));
}

#[test]
fn what_an_address_says_after_its_key_is_said_by_the_member() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let mut datagrams = UdpPeer::stranger(&hub);
    let key = key_of(&mut alice);
    datagrams.send(format!("{key} bonjour"));
    assert_eq!(bob.line(), "<alice> bonjour");
    is_told_of(&mut alice, datagrams.address());
    datagrams.send("encore\n");
    assert_eq!(bob.line(), "<alice> encore");
    datagrams.send("//ping");
    assert_eq!(bob.line(), "<alice> /ping");
    // Its commands are carried out, and answered over the connection; so is what others say.
    datagrams.send("/ping d'ici");
    alice.until(|line| line == "* pong d'ici");
    datagrams.send("/nick alicia");
    alice.until(|line| line == "* vous êtes alicia");
    bob.say("salut");
    alice.until(|line| line == "<bob> salut");
    datagrams.send("/msg bob entre nous");
    assert_eq!(bob.line(), "-alicia- entre nous");
    // It is one member, by TCP.
    assert!(bob.ask("/who").concat().starts_with("* 2 membres "));
    assert!(bob.ask("/why alicia").concat().contains(" tcp "));
    // Nothing of all that came to the address: what comes first is the answer to its join, as a stranger.
    alice.say("/quit");
    alice.rest();
    datagrams.send("/join salon");
    assert!(says_in(&datagrams.line(), "salon"));
}

#[test]
fn a_key_alone_attaches_and_is_not_said() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    for (number, end) in ["", "\n", "\r\n", " "].into_iter().enumerate() {
        let datagrams = UdpPeer::stranger(&hub);
        datagrams.send(key_of(&mut alice) + end);
        is_told_of(&mut alice, datagrams.address());
        datagrams.send(format!("mot {number}"));
        assert_eq!(bob.line(), format!("<alice> mot {number}"));
    }
}

#[test]
fn programs_get_a_key_too_and_are_told_of_its_use() {
    let hub = Hub::start(&["--quiet"]);
    let mut bob = hub.named("bob");
    for (via, name) in BOTH.into_iter().zip(["lise", "wanda"]) {
        let mut program = JsonPeer::named(&hub, via, name);
        let answer = program.answer(&json!({"op": "udp", "id": 4}));
        let key = answer["key"].as_str().expect("a key");
        assert!(key.len() == 26 && base_32(key), "{answer}");
        assert_eq!(answer, json!({"ev": "udp", "key": key, "seconds": 60, "id": 4}));
        let datagrams = UdpPeer::stranger(&hub);
        // What it says is read as everything is that the member says: in JSON.
        datagrams.send(format!("{key} {}", json!({"op": "send", "text": "bonjour", "id": 1})));
        assert_eq!(bob.line(), format!("<{name}> bonjour"));
        let address = datagrams.address().to_string();
        program.until(|event| *event == json!({"ev": "udp", "address": address}));
        program.until(|event| event["ev"] == "ack" && event["id"] == 1);
        datagrams.send("en clair");
        program.until(|event| event["ev"] == "error" && event["code"] == "not-an-op");
        datagrams.send("/ping d'ici");
        program.until(|event| *event == json!({"ev": "pong", "text": "d'ici"}));
        // The command gives one as well.
        let answer = program.ask_line("/udp").pop().expect("an answer");
        assert!(answer["ev"] == "udp" && answer["key"].is_string(), "{answer}");
    }
}

#[test]
fn members_in_raw_and_in_text_over_websocket_get_a_key_as_a_reply() {
    let hub = Hub::start(&["--greet", "0", "--quiet"]);
    let (mut raw, mut bob) = (hub.named("rose"), hub.named("bob"));
    raw.ask("/format raw");
    let key = key_of(&mut raw);
    let datagrams = UdpPeer::stranger(&hub);
    datagrams.send(format!("{key} brut"));
    assert_eq!(bob.line(), "<rose> brut");

    let mut websocket = WebSocket::connect(hub.port(), "/ws", Some("trappe.text.v1"));
    websocket.send_text("/nick wanda");
    websocket.send_text("/udp");
    let key = loop {
        match websocket.next() {
            Frame::Text(text) if text.contains("wanda") => {}
            Frame::Text(text) => break key_in(&text),
            other => panic!("{other:?}"),
        }
    };
    let datagrams = UdpPeer::stranger(&hub);
    datagrams.send(format!("{key} par WebSocket"));
    assert_eq!(bob.line(), "<wanda> par WebSocket");
}

#[test]
fn a_key_is_good_once_and_one_that_is_not_good_is_not_said() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let (first, second) = (UdpPeer::stranger(&hub), UdpPeer::stranger(&hub));
    let key = key_of(&mut alice);
    first.send(format!("{key} un"));
    assert_eq!(bob.line(), "<alice> un");
    let wrong = "abcdefghijklmnopqrstuvwxyz";
    assert_eq!(wrong.len(), key.len());
    // Used, alone and with more behind it; never given.
    for datagram in [key.clone(), format!("{key} deux"), wrong.to_owned(), format!("{wrong} trois")]
    {
        second.send(&datagram);
        second.send(format!("{datagram}\n"));
    }
    second.send("quatre");
    assert_eq!(bob.line(), format!("<{}> quatre", second.address()));
    // What only looks a little like it is speech.
    for said in [
        "abcdefghijklmnopqrstuvwxy",
        "abcdefghijklmnopqrstuvwxyzz ah",
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    ] {
        second.send(said);
        assert_eq!(bob.line(), format!("<{}> {said}", second.address()));
    }
    // A doubled datagram says the key twice: the second time it isn't said either.
    first.send(format!("{key} un"));
    first.send("cinq");
    let lines = bob.through(b"<alice> cinq\n");
    let lines = String::from_utf8(lines).expect("the hub writes UTF-8");
    assert!(!lines.contains(&key), "{lines}");
}

#[test]
fn an_attached_address_ends_with_its_member() {
    let hub = Hub::start(&["--quiet"]);
    let mut bob = hub.named("bob");
    for how in ["/quit", "end", "reset"] {
        let mut alice = hub.named("alice");
        let mut datagrams = UdpPeer::stranger(&hub);
        datagrams.send(format!("{} moi", key_of(&mut alice)));
        assert_eq!(bob.line(), "<alice> moi");
        match how {
            "/quit" => alice.say("/quit"),
            "end" => alice.finish(),
            _ => alice.reset(),
        }
        let until = Instant::now() + PATIENCE;
        while !bob.ask("/who").concat().starts_with("* 1 membre ") {
            assert!(Instant::now() < until, "{how}: alice is still there");
        }
        // What was meant to be alice's word is nobody's; to speak for itself it joins.
        datagrams.send("qui suis-je");
        datagrams.join("lobby");
        datagrams.send("personne");
        let said = bob.line();
        assert!(said.starts_with("<client-") && said.ends_with("> personne"), "{how}: {said}");
        datagrams.send("/quit");
    }
}

#[test]
fn a_key_that_outlives_its_member_is_no_good() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let key = key_of(&mut alice);
    alice.say("/quit");
    alice.rest();
    let datagrams = UdpPeer::stranger(&hub);
    datagrams.send(format!("{key} fantôme"));
    datagrams.send("fin");
    assert_eq!(bob.line(), format!("<{}> fin", datagrams.address()));
}

#[test]
fn who_watches_a_wire_never_sees_a_key() {
    let hub = Hub::start(&["--quiet"]);
    let mut program = JsonPeer::named(&hub, BOTH[0], "lise");
    let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
    let mut watcher = Watcher::open(&hub, "/tap");
    let key = key_of(&mut alice);
    let answer = program.answer(&json!({"op": "udp"}));
    let other = answer["key"].as_str().expect("a key").to_owned();
    let (first, second) = (UdpPeer::stranger(&hub), UdpPeer::stranger(&hub));
    first.send(format!("{key} un"));
    second.send(format!("{other} deux"));
    bob.say("fin de la garde");
    watcher
        .until(|event| event["text"].as_str().is_some_and(|text| text.contains("fin de la garde")));
    for key in [key, other] {
        for part in [&key[..], &key[..13], &key[13..]] {
            assert!(!watcher.heard.contains(part), "{part} is in {}", watcher.heard);
        }
    }
}
