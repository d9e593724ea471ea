//! Rule 7: telnet sequences, whole, cut and broken.

use std::time::Duration;

use super::super::*;
use super::Act::{Bytes, Eof, Read, Switch};
use super::{AUTO, Script, check};

#[test]
fn telnet_sequences_between_the_keys_are_no_characters() {
    let acts = [(0, Read(b"\xff\xfb\x18\xff\xfd\x03")), (5, Read(b"a")), (900, Read(b"\xff\xf1b"))];
    check(AUTO, &acts, &["2900 Pause ab"]);
    let cut =
        [(0, Read(&b"a"[..])), (10, Read(b"\xff\xfa\x1f")), (30, Read(b"\0\x50\0\x18\xff\xf0"))];
    check(AUTO, &cut, &["2030 Pause a"]);
}

#[test]
fn telnet_sequences_are_swallowed_however_they_are_cut() {
    let all = b"\xff\xfb\x18he\xff\xf1l\xff\xfa\x1f\x00\x0a\xff\xff\xff\xf0lo\xff\xff!\xff\xfd\n\r\n\xff\xfd\x06\n";
    let expected = [r"0 Newline hello\xff!"];
    check(AUTO, &[(0, Read(all))], &expected);
    check(AUTO, &[(0, Bytes(all))], &expected);
    for cut in 0..all.len() {
        check(AUTO, &[(0, Read(&all[..cut])), (0, Read(&all[cut..]))], &expected);
    }
}

#[test]
fn an_iac_that_begins_no_sequence_is_text() {
    let all = b"\xffa\xff\n\xff\xf0b\n\xff\xfa\x01c\xff\nd\n";
    let expected = [
        r"0 Newline \xffa\xff",
        r"0 Newline \xff\xf0b",
        r"0 Newline \xff\xfa\x01c\xff",
        "0 Newline d",
    ];
    check(AUTO, &[(0, Read(all))], &expected);
    check(AUTO, &[(0, Bytes(all))], &expected);
    // Elsewhere every 0xFF is text.
    check(Framing::Line, &[(0, Read(b"\xff\xf1\xff\xff\n"))], &[r"0 Newline \xff\xf1\xff\xff"]);
}

#[test]
fn an_incomplete_sequence_is_text_once_nothing_more_comes() {
    let all = b"a\xff\xfa\x01b\nc";
    check(AUTO, &[(0, Read(all)), (7, Eof)], &[r"7 Newline a\xff\xfa\x01b", "7 Eof c"]);
    check(AUTO, &[(0, Read(b"a\n\xff\xfb")), (7, Eof)], &["0 Newline a", r"7 Eof \xff\xfb"]);
    // Like a cut character, it is waited for 200 ms longer. Its newline is one: no pause ends what is behind it.
    check(AUTO, &[(0, Read(all)), (700, Eof)], &[r"220 Newline a\xff\xfa\x01b", "700 Eof c"]);
    check(AUTO, &[(0, Read(b"hey\xff"))], &[r"220 Pause hey\xff"]);
    check(AUTO, &[(0, Read(b"hey\xff")), (100, Read(b"\xf1"))], &["100 Pause hey"]);
    let acts = [(0, Read(&b"hey"[..])), (5000, Read(b"\xff")), (5100, Read(b"\xf1yo"))];
    check(AUTO, &acts, &["20 Pause hey", "5120 Pause yo"]);
    // What is discarded ends with the newline that comes to light.
    let acts = [(0, Read(&b"123456789\xff\xfa\x01\nabc"[..])), (900, Eof)];
    check(AUTO, &acts, &["0 TooLong", "900 Eof abc"]);
    // After a newline, 2 s.
    let acts = [(0, Read(&b"\n\xff\xfaa\nb"[..])), (3000, Read(b"c\n"))];
    check(AUTO, &acts, &[r"2000 Newline \xff\xfaa", "3000 Newline bc"]);
}

#[test]
fn a_sequence_without_end_delays_lines_by_its_limit_at_most() {
    let mut all = b"\xff\xfa".to_vec();
    all.extend(b"xxxxxx\n".repeat(60));
    let mut script = Script::new(AUTO, 8);
    script.read(Duration::ZERO, &all);
    assert_eq!(script.log.len(), 60);
    let mut cut = Script::new(AUTO, 8);
    all.chunks(1).for_each(|byte| cut.read(Duration::ZERO, byte));
    assert_eq!(cut.log, script.log);
}

#[test]
fn bytes_whose_meaning_was_open_follow_a_switch() {
    let mut framer = Framer::new(AUTO, 64);
    let now = Duration::ZERO;
    let mut input = &b"\n\xff\xfaa\n/framing nul\nb\0c\0"[..];
    framer.read(now, input);
    assert_eq!(framer.next(now, &mut input), None);
    let due = framer.deadline().expect("an incomplete sequence isn't waited for without end");
    assert!(framer.timeout(due).is_some());
    assert!(matches!(framer.timeout(due), Some(Frame::Message { body: b"/framing nul", .. })));
    framer.switch(Framing::Nul);
    let mut bodies = Vec::new();
    while let Some(Frame::Message { body, .. }) = framer.next(now, &mut input) {
        bodies.push(body.to_vec());
    }
    assert_eq!(bodies, [b"b", b"c"]);
}

#[test]
fn a_switch_waits_for_no_rest_of_a_telnet_sequence() {
    let acts = [(0, Read(&b"\n\xff\xfaab"[..])), (1, Switch(Framing::Chunk)), (2, Read(b"c"))];
    check(AUTO, &acts, &["1 dropped 0", r"1 Read \xff\xfaab", "2 Read c"]);
}
