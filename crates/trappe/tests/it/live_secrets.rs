//! What is secret, or said to one member only, never comes to who watches: asserted on all bytes that it is sent (PROTOCOL §9).

use serde_json::json;

use crate::hub::Hub;
use crate::json_peer::{JsonPeer, Via, WebSocket, frame};
use crate::watcher::Watcher;
use crate::web::{Socket, TEXT};

/// It must not be seen, nor any half of it.
const SECRET: &str = "s3same-ouvre-toi";
const HALVES: [&str; 2] = ["s3same-o", "uvre-toi"];
/// The same in base 64.
const IN_BASE64: &str = "czNzYW1lLW91dnJlLXRvaQ==";

#[track_caller]
fn is_hidden(watcher: &mut Watcher, case: &str) {
    watcher
        .until(|event| event["text"].as_str().is_some_and(|text| text.contains("fin de la garde")));
    for part in [SECRET, HALVES[0], HALVES[1], IN_BASE64] {
        assert!(!watcher.heard.contains(part), "{case}: {part} in {}", watcher.heard);
    }
    assert!(watcher.heard.contains("\"masked\":true"), "{case}: {}", watcher.heard);
}

#[test]
fn secrets_on_lines_are_masked_however_they_come() {
    let commands = [
        format!("/auth {SECRET}"),
        format!("/AUTH   {SECRET}"),
        format!("/msg bob {SECRET}"),
        format!("/mp bob {SECRET}"),
        format!("/mgs bob {SECRET}"),
        format!("/auht {SECRET}"),
        format!("/msg personne {SECRET}"),
    ];
    for command in commands {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut bob) = (hub.named("alice"), hub.named("bob"));
        let (mut watcher, _) = Watcher::of(&hub, "/live?room=lobby", 2);
        alice.ask(&command);
        // In two reads.
        let (begin, end) = command.split_at(command.len() - HALVES[1].len());
        alice.send(begin);
        watcher.until(|event| event["ev"] == "read" && event["len"] == begin.len());
        alice.say(end);
        // In a framing of its own, and in the same read as what changes to it.
        alice.send(format!("/framing nul\n{command}\0/framing line\0{command}\r\n"));
        alice.say("fin de la garde");
        bob.until(|line| line.ends_with("fin de la garde"));
        is_hidden(&mut watcher, &command);
    }
}

#[test]
fn a_secret_without_end_or_too_long_is_not_shown_either() {
    let hub = Hub::start(&["--quiet", "--max-message", "1KiB"]);
    let mut marker = hub.named("marker");
    let (mut watcher, _) = Watcher::of(&hub, "/tap", 1);
    let mut by_pause = hub.connect();
    by_pause.send(format!("/auth {SECRET}"));
    watcher.until(|event| event["end"] == "pause");
    let mut by_end = hub.member();
    by_end.send(format!("/auth {SECRET}"));
    by_end.finish();
    watcher.until(|event| event["end"] == "eof");
    let mut too_long = hub.member();
    too_long.say(&format!("/msg bob {}", SECRET.repeat(100)));
    watcher.until(|event| event["refused"] == "too-long");
    marker.say("fin de la garde");
    is_hidden(&mut watcher, "without an end");
}

#[test]
fn secrets_of_programs_are_masked_on_lines_and_in_frames() {
    for via in [Via::Lines, Via::WebSocket] {
        let hub = Hub::start(&["--quiet"]);
        let mut watcher = Watcher::open(&hub, "/tap");
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let _bob = hub.named("bob");
        let session = alice.session().to_owned();
        for op in [
            json!({"op": "msg", "to": "bob", "text": SECRET}),
            json!({"op": "msg", "to": "bob", "b64": IN_BASE64}),
            json!({"op": "msg", "to": "personne", "text": SECRET}),
            json!({"op": "auth", "token": SECRET}),
            json!({"op": "hello", "session": SECRET}),
            json!({"op": "mgs", "to": "bob", "text": SECRET}),
            json!({"op": "send", "text": "a", "password": SECRET}),
        ] {
            alice.ask(&op);
        }
        for line in [
            format!(r#"{{"op":"msg","to":"bob","text":"{SECRET}""#),
            format!(r#"{{"op":"auth","token":{SECRET}}}"#),
            format!("/auth {SECRET}"),
            SECRET.to_owned(),
        ] {
            alice.ask_line(line);
        }
        alice.ask(&json!({"op": "send", "text": "fin de la garde"}));
        is_hidden(&mut watcher, &format!("{via:?}"));
        // Nor the session that it was given.
        assert!(!watcher.heard.contains(&session), "{}", watcher.heard);
    }
}

#[test]
fn a_secret_in_the_read_that_changes_the_format_is_masked() {
    let hub = Hub::start(&["--quiet"]);
    let mut watcher = Watcher::open(&hub, "/tap");
    let mut alice = hub.connect();
    alice.say("/quiet on");
    alice.send(format!(
        "/format json\n{{\"op\":\"auth\",\"token\":\"{SECRET}\"}}\n{{\"op\":\"msg\",\"to\":\"x\",\"text\":\"{SECRET}\"}}\n"
    ));
    alice.say(r#"{"op":"send","text":"fin de la garde"}"#);
    is_hidden(&mut watcher, "a change of format");
}

#[test]
fn a_secret_in_several_frames_is_masked() {
    let hub = Hub::start(&["--quiet"]);
    let mut watcher = Watcher::open(&hub, "/tap");
    let mut socket = Socket::open(&hub, "/ws?room=lobby", "text");
    socket.send(0x01, format!("/auth {}", HALVES[0]));
    socket.send(0x80, HALVES[1]);
    socket.send(TEXT, "fin de la garde");
    is_hidden(&mut watcher, "text in frames");
    let mut watcher = Watcher::open(&hub, "/tap");
    let mut json = WebSocket::connect(hub.port(), "/ws?room=lobby", Some("trappe.json.v1"));
    json.send(&frame(0x01, format!(r#"{{"op":"auth","token":"{}"#, HALVES[0]).as_bytes()));
    json.send(&frame(0x80, format!(r#"{}"}}"#, HALVES[1]).as_bytes()));
    json.send_text(r#"{"op":"send","text":"fin de la garde"}"#);
    is_hidden(&mut watcher, "JSON in frames");
}
