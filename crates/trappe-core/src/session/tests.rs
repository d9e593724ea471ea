//! Scripts: what a client says, and what becomes of it.

use super::*;
use crate::command::{Epoch, Lang};

fn session(format: Format) -> Session {
    let look =
        Look { format, framing: Framing::Auto, wire: Wire::Stream, lang: Lang::Fr, quiet: false };
    Session::new(7, look, 1000)
}

/// What one message brings: `> speech`, `? request`, or nothing; then the replies.
fn say(session: &mut Session, body: &[u8], end: End) -> (String, String) {
    let mut out = Vec::new();
    let step = match session.frame(Frame::Message { body, end }, &mut out) {
        Step::Nothing => String::new(),
        Step::Speak { body, room: None, id: None } => {
            format!("> {}", String::from_utf8_lossy(&body))
        }
        Step::Speak { body, room, id } => {
            let room = room.map(|room| room.to_string()).unwrap_or_default();
            format!("> {} [{room} {id:?}]", String::from_utf8_lossy(&body))
        }
        Step::Ask { request, room: None } => format!("? {request:?}"),
        Step::Ask { request, room: Some(room) } => format!("? {request:?} [{room}]"),
        Step::Hello { session, rooms } => format!("hello {session:?} {rooms:?}"),
    };
    (step, String::from_utf8(out).expect("replies are UTF-8"))
}

#[test]
fn messages_become_speech_requests_or_replies() {
    let table = [
        ("bonjour", "> bonjour", ""),
        ("/usr/bin/x", "> /usr/bin/x", ""),
        ("//join x", "> /join x", ""),
        ("/me danse", "> * danse", ""),
        ("/rooms", "? Rooms", ""),
        ("/RESUME 12", "? Resume(At { epoch: None, seq: 12 })", ""),
        ("/ping", "", "* pong\n"),
        ("/ping  deux", "", "* pong  deux\n"),
        ("/lang en", "", "* language: en\n"),
        ("/echo on", "", "* vos messages vous reviennent\n"),
    ];
    for (said, step, reply) in table {
        let got = say(&mut session(Format::Text), said.as_bytes(), End::Newline);
        assert_eq!((got.0.as_str(), got.1.as_str()), (step, reply), "{said}");
    }
}

#[test]
fn a_typo_in_a_command_is_an_error_and_tells_the_room_nothing() {
    let (step, reply) = say(&mut session(Format::Text), b"/mgs bob secret", End::Newline);
    assert_eq!(step, "");
    assert!(reply.starts_with("! unknown-command ") && reply.contains("//mgs"), "{reply}");
}

#[test]
fn a_cut_message_and_foreign_bytes_are_explained_once_and_never_in_raw() {
    let mut text = session(Format::Text);
    assert!(say(&mut text, b"un", End::Pause).1.starts_with("* message coup"));
    assert_eq!(say(&mut text, b"deux", End::Pause).1, "");
    assert!(say(&mut text, b"\xe9t\xe9", End::Pause).1.contains("Latin-1"));
    assert_eq!(say(&mut text, b"\xe9t\xe9", End::Pause).1, "");
    let mut raw = session(Format::Raw);
    assert_eq!(say(&mut raw, b"\xe9t\xe9", End::Pause).1, "");
}

#[test]
fn a_refused_message_is_named_where_messages_are_acknowledged() {
    let mut session = session(Format::Text);
    say(&mut session, b"avant", End::Newline);
    say(&mut session, b"/ack on", End::Newline);
    say(&mut session, b"un", End::Newline);
    let mut out = Vec::new();
    session.frame(Frame::TooLong, &mut out);
    assert!(out.starts_with(b"! too-long #2 > 1000 octets"), "{}", out.escape_ascii());
    out.clear();
    let position = Position { epoch: Epoch::from_random(0), seq: 9 };
    session.spoke(&mut out, "lobby", None, || position);
    assert_eq!(out, b"+ack aaaaaaaaaa@9\n");
}

#[test]
fn raw_is_told_nothing_that_it_did_not_ask_for() {
    let mut session = session(Format::Raw);
    let mut out = Vec::new();
    session.frame(Frame::TooLong, &mut out);
    session.frame(Frame::Unfinished { bytes: 3 }, &mut out);
    let position = Position { epoch: Epoch::from_random(0), seq: 0 };
    session.greet(|| ("lobby".into(), position), &mut out);
    assert_eq!(out, b"");
    assert_eq!(say(&mut session, b"/ping", End::Newline).1, "* pong\n", "but it is answered");
}

#[test]
fn replies_are_delimited_as_the_member_delimits() {
    let mut session = session(Format::Raw);
    say(&mut session, b"/framing nul", End::Newline);
    assert_eq!(session.framing_asked(), Some(Framing::Nul));
    assert_eq!(say(&mut session, b"/ping x", End::Nul).1, "* pong x\0");
    assert!(
        session.look_changed().is_some_and(|(look, echo)| look.framing == Framing::Nul && !echo)
    );
    assert!(session.look_changed().is_none(), "told once");
}

#[test]
fn commands_are_speech_where_framing_is_for_programs() {
    let mut session = session(Format::Raw);
    say(&mut session, b"/framing len32", End::Newline);
    assert_eq!(say(&mut session, b"/ping", End::Length).0, "> /ping");
}
