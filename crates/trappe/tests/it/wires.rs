//! One port: what other protocols get on it. Each is answered or refused in its own way, and none of it is ever speech.

use crate::hub::{ARRIVES, Hub};
use crate::peer::Peer;

/// The beginning of a real TLS 1.2 or 1.3 greeting (`ClientHello`), as long as its record header says.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x03, 0x03];
    hello.extend_from_slice(&[0x5a; 32]);
    hello.extend_from_slice(&[0, 0, 2, 0x13, 0x01, 1, 0, 0, 0]);
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).expect("it is short");
    let mut handshake = vec![0x01, 0, 0, length(&hello)];
    handshake.extend(hello);
    let mut record = vec![0x16, 0x03, 0x01, 0, length(&handshake)];
    record.extend(handshake);
    record
}

/// What another protocol says first, and how its refusal is recognized by the program that spoke it. HTTP is answered as
/// HTTP, by a 4xx where it asks for nothing that there is.
struct Wire {
    name: &'static str,
    opening: Vec<u8>,
    refused: fn(&[u8]) -> bool,
}

fn http_refused(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    answer.starts_with("HTTP/1.1 4")
        || answer.starts_with("HTTP/1.1 501 ")
        || answer.starts_with("HTTP/1.1 204 ")
}

fn names_trappe(answer: &[u8]) -> bool {
    String::from_utf8_lossy(answer).contains("trappe")
}

fn wires() -> Vec<Wire> {
    let mut wires = vec![
        Wire {
            name: "TLS",
            opening: client_hello(),
            // RFC 8446 §6: an alert record, fatal.
            refused: |answer| answer.len() == 7 && answer[0] == 0x15 && answer[5] == 2,
        },
        Wire {
            name: "HTTP/2",
            opening: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec(),
            refused: |answer| !answer.is_empty(),
        },
        Wire { name: "SSH 2", opening: b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), refused: names_trappe },
        Wire { name: "SSH 1", opening: b"SSH-1.5-old\r\n".to_vec(), refused: names_trappe },
        Wire {
            name: "MQTT 3.1.1",
            opening: b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00".to_vec(),
            refused: |answer| !answer.is_empty(),
        },
        Wire {
            name: "MQTT 5",
            opening: b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00".to_vec(),
            refused: |answer| !answer.is_empty(),
        },
    ];
    for name in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT"] {
        let opening = format!("{name} /x HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
        wires.push(Wire { name, opening, refused: http_refused });
    }
    let post =
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n/nick mallory\nx\n\n".to_vec();
    wires.push(Wire { name: "POST with lines", opening: post, refused: http_refused });
    wires
}

/// The witness heard nothing but `marker`, and the console showed nothing of `wire`.
#[track_caller]
fn nothing_was_said(hub: &Hub, witness: &mut Peer, wire: &str) {
    let mut marker = hub.named("marker");
    marker.say(wire);
    assert_eq!(witness.line(), format!("<marker> {wire}"), "something of {wire} was relayed");
    marker.say("/quit");
    marker.rest();
    hub.wait_console(|line| line == format!("<marker> {wire}"));
    let ours = |line: &str| line.starts_with("<marker> ") || line == "<client-1> avant";
    let speech = |line: &&String| line.starts_with('<') && !ours(line);
    assert_eq!(hub.console().iter().find(speech), None, "{wire}");
}

#[test]
fn each_other_protocol_is_refused_in_its_own_way_and_never_spoken() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    for wire in wires() {
        let mut peer = hub.connect();
        peer.send(&wire.opening);
        let answer = peer.rest();
        assert!((wire.refused)(&answer), "{}: {:?}", wire.name, String::from_utf8_lossy(&answer));
        nothing_was_said(&hub, &mut witness, wire.name);
    }
    // Who was refused never was a member: only the witness and the markers came.
    let came = hub.console().iter().filter(|line| line.starts_with(ARRIVES)).count();
    assert_eq!(came, 1 + wires().len());
}

#[test]
fn the_same_holds_when_it_drips_in_byte_by_byte() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    for wire in wires() {
        let mut peer = hub.connect();
        let mut writer = peer.writer();
        for byte in &wire.opening {
            // It may be refused before it said everything: that is no failure of the test.
            if std::io::Write::write_all(&mut writer, &[*byte]).is_err() {
                break;
            }
        }
        let answer = peer.rest();
        let text = String::from_utf8_lossy(&answer);
        // Closed with bytes still on their way, its answer may be lost to a reset; never may it be another one.
        assert!(answer.is_empty() || (wire.refused)(&answer), "{}: {text:?}", wire.name);
        nothing_was_said(&hub, &mut witness, wire.name);
    }
}

#[test]
fn the_same_holds_after_a_silence_that_made_it_a_member() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    for wire in wires() {
        // Its line on the console comes after 200 ms of silence.
        let mut peer = hub.silent_listener();
        peer.send(&wire.opening);
        let answer = peer.rest();
        let text = String::from_utf8_lossy(&answer);
        assert!((wire.refused)(&answer), "{}: {text:?}", wire.name);
        nothing_was_said(&hub, &mut witness, wire.name);
    }
}

#[test]
fn http_that_comes_after_something_was_written_to_it_is_closed_and_never_spoken() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    for wire in wires() {
        let mut peer = hub.silent_listener();
        witness.say("avant");
        assert_eq!(peer.line(), "<client-1> avant");
        peer.send(&wire.opening);
        peer.rest();
        nothing_was_said(&hub, &mut witness, wire.name);
    }
}

#[test]
fn a_request_line_that_takes_longer_than_a_second_is_refused_too() {
    let hub = Hub::start(&[]);
    let mut witness = hub.member();
    let mut slow = hub.connect();
    slow.send("GET / HT");
    // Another prefix, sent later, is held for one second as well: when it is spoken, the first one's second is over.
    let mut clock = hub.connect();
    clock.send("PUT");
    assert_eq!(witness.line(), format!("<{}> PUT", name_on_console(&hub, &clock)));
    slow.send("TP/1.1\r\nHost: localhost\r\n\r\n/nick mallory\n");
    slow.rest();
    clock.finish();
    clock.rest();
    let mut marker = hub.named("marker");
    marker.say("fin");
    assert_eq!(witness.line(), "<marker> fin");
}

fn name_on_console(hub: &Hub, peer: &Peer) -> String {
    let line = hub.arrival(peer);
    let words = line.split(|c: char| !c.is_alphanumeric() && c != '-');
    words.into_iter().find(|word| word.starts_with("client-")).expect("its name").to_owned()
}

#[test]
fn words_that_only_look_like_another_protocol_are_speech() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let said = [
        "GET well soon",
        "GET /",
        "GET / HTTP",
        "POST",
        "PUTAIN",
        "HEADLINE / HTTP/1.1",
        "get / http/1.1",
        "PRI *",
        "SSH",
        "SSH is on port 22",
        "Hello HTTP/1.1",
        "\u{10}x",
    ];
    for words in said {
        let mut peer = hub.connect();
        peer.say(words);
        let heard = witness.line();
        let shown = words.replace('\u{10}', r"\x10");
        assert!(heard.ends_with(&format!("> {shown}")), "{words:?}: {heard:?}");
    }
}

#[test]
fn a_prefix_of_another_protocol_is_spoken_when_nothing_follows() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    let prefixes = ["G", "OPTION", "SSH-", "PRI * HT"];
    let mut peers = Vec::new();
    for words in prefixes {
        let mut peer = hub.connect();
        peer.send(words);
        peers.push(peer);
    }
    let mut heard: Vec<String> = prefixes.iter().map(|_| witness.line()).collect();
    for words in prefixes {
        let at = heard.iter().position(|line| line.ends_with(&format!("> {words}")));
        heard.remove(at.unwrap_or_else(|| panic!("{words:?} is not in {heard:?}")));
    }
}

#[test]
fn who_spoke_first_may_say_anything_later() {
    let hub = Hub::start(&["--quiet"]);
    let (mut witness, mut alice) = (hub.member(), hub.named("alice"));
    for words in ["GET / HTTP/1.1", "SSH-2.0-x", "PRI * HTTP/2.0"] {
        alice.say(words);
        assert_eq!(witness.line(), format!("<alice> {words}"));
    }
}
