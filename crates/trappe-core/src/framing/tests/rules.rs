//! Rules 1 to 5: `auto` and `line`, which differ by the pause.

use std::time::Duration;

use super::super::*;
use super::Act::{Bytes, Eof, Hold, Read};
use super::{AUTO, Script, check, check_with};

#[test]
fn a_newline_ends_a_message_and_empty_lines_are_ignored() {
    for framing in [Framing::Auto, Framing::Line] {
        let all = b"a\nb\r\n\n\r\n\r\r\nc\rd\n";
        let expected = ["0 Newline a", "0 Newline b", r"0 Newline \r", r"0 Newline c\rd"];
        check(framing, &[(0, Read(all))], &expected);
        check(framing, &[(0, Bytes(all))], &expected);
        check(
            framing,
            &[(0, Read(b"a\nb")), (9, Read(b"c\r")), (19, Read(b"\nd\n"))],
            &["0 Newline a", "19 Newline bc", "19 Newline d"],
        );
    }
}

#[test]
fn the_end_of_the_stream_ends_a_message() {
    for framing in [Framing::Auto, Framing::Line] {
        check(framing, &[(0, Read(b"hello")), (5, Eof)], &["5 Eof hello"]);
        check(framing, &[(0, Read(b"a\nbc\r")), (5, Eof)], &["0 Newline a", r"5 Eof bc\r"]);
        check(framing, &[(0, Read(b"a\n")), (5, Eof)], &["0 Newline a"]);
        check(framing, &[(5, Eof)], &[]);
    }
}

#[test]
fn a_pause_ends_the_message_of_a_peer_that_sends_no_newline() {
    check(
        AUTO,
        &[(0, Read(b"hello")), (100, Read(b"again"))],
        &["20 Pause hello", "120 Pause again"],
    );
    check(AUTO, &[(0, Read(b"hel")), (15, Read(b"lo"))], &["35 Pause hello"]);
    check(AUTO, &[(0, Read(b"hello")), (100, Read(b"\n"))], &["20 Pause hello"]);
}

#[test]
fn a_message_is_held_at_most_fifty_milliseconds() {
    let acts =
        [(0, Read(b"ab")), (15, Read(b"c")), (30, Read(b"d")), (45, Read(b"e")), (60, Read(b"fg"))];
    check(AUTO, &acts, &["50 Pause abcde", "80 Pause fg"]);
}

#[test]
fn a_large_send_that_still_arrives_is_waited_for() {
    let large = [b'x'; 1200];
    let almost = [b'x'; 1199];
    let check = |acts: &[_], expected: &[_]| check_with(AUTO, 64 << 10, acts, expected);
    check(&[(0, Read(&large))], &["200 Pause 1200 bytes"]);
    check(&[(0, Read(&almost))], &["20 Pause 1199 bytes"]);
    check(&[(0, Read(&large)), (30, Read(b"end"))], &["50 Pause 1203 bytes"]);
    check(&[(0, Read(&large)), (150, Read(b"end"))], &["150 Pause 1203 bytes"]);
    let long =
        [(0, Read(&large[..])), (190, Read(&large)), (380, Read(&large)), (490, Read(&large))];
    check(&long, &["500 Pause 4800 bytes"]);
}

#[test]
fn once_a_newline_was_seen_no_pause_ends_anything() {
    check(AUTO, &[(0, Read(b"a\nb")), (5000, Read(b"c\n"))], &["0 Newline a", "5000 Newline bc"]);
    check(AUTO, &[(0, Read(b"\n")), (1, Read(b"b")), (9000, Eof)], &["9000 Eof b"]);
    check(
        AUTO,
        &[(0, Read(b"a")), (9, Read(b"\r\nb")), (900, Read(b"\n"))],
        &["9 Newline a", "900 Newline b"],
    );
}

#[test]
fn a_terminal_that_sends_each_key_is_given_time_to_type() {
    let typed =
        [(0, Read(b"a")), (1500, Read("é".as_bytes())), (3000, Read(b"b")), (4900, Read(b"\r\n"))];
    check(AUTO, &typed, &[r"4900 Newline a\xc3\xa9b"]);
    check(AUTO, &typed[..3], &[r"5000 Pause a\xc3\xa9b"]);
    // A character in two reads is one too.
    let cut = [(0, Read(b"\xc3")), (1, Read(b"\xa9")), (1500, Read("€".as_bytes()))];
    check(AUTO, &cut, &[r"3500 Pause \xc3\xa9\xe2\x82\xac"]);
    // Two characters at once are no typing, nor is anything after them.
    let pasted = [(0, Read(b"ab")), (500, Read(b"c"))];
    check(AUTO, &pasted, &["20 Pause ab", "520 Pause c"]);
    check(AUTO, &[(0, Read(b"a")), (500, Read(b"bc"))], &["500 Pause abc"]);
}

#[test]
fn a_cut_character_is_waited_for_and_then_given_as_it_is() {
    check(AUTO, &[(0, Read(b"caf\xc3"))], &[r"220 Pause caf\xc3"]);
    check(AUTO, &[(0, Read(b"caf\xc3")), (15, Read(b"\xa9"))], &[r"35 Pause caf\xc3\xa9"]);
    check(AUTO, &[(0, Read(b"caf\xc3")), (219, Read(b"\xa9"))], &[r"219 Pause caf\xc3\xa9"]);
    check(
        AUTO,
        &[(0, Read(b"a\xf0\x9f\x98")), (221, Read(b"\x80b"))],
        &[r"220 Pause a\xf0\x9f\x98", r"241 Pause \x80b"],
    );
    check(AUTO, &[(0, Read(b"caf\xe9"))], &[r"220 Pause caf\xe9"]);
    check(AUTO, &[(0, Read(b"\xc3"))], &[r"2200 Pause \xc3"]);
}

#[test]
fn a_message_up_to_the_limit_passes_and_one_byte_more_does_not() {
    for framing in [Framing::Auto, Framing::Line] {
        let all = b"12345678\r\n123456789\n12345678\n12345678\r\r\nz\n";
        let expected =
            ["0 Newline 12345678", "0 TooLong", "0 Newline 12345678", "0 TooLong", "0 Newline z"];
        check(framing, &[(0, Read(all))], &expected);
        check(framing, &[(0, Bytes(all))], &expected);
        check(framing, &[(0, Read(b"12345678\r")), (1, Eof)], &["1 TooLong"]);
        check(framing, &[(0, Read(b"12345678")), (1, Eof)], &["1 Eof 12345678"]);
    }
    check(
        Framing::Chunk,
        &[(0, Read(b"12345678")), (1, Read(b"123456789")), (2, Read(b"z"))],
        &["0 Read 12345678", "1 TooLong", "2 Read z"],
    );
    let all = b"12345678\x00123456789\x00z\0";
    check(Framing::Nul, &[(0, Bytes(all))], &["0 Nul 12345678", "0 TooLong", "0 Nul z"]);
    check(Framing::Nul, &[(0, Read(all))], &["0 Nul 12345678", "0 TooLong", "0 Nul z"]);
}

#[test]
fn too_long_is_said_once_as_soon_as_it_is_known() {
    let acts = [
        (0, Read(&b"\n12345"[..])),
        (10, Read(b"6789")),
        (900, Read(b"more")),
        (40_000, Read(b"end\nnext\n")),
    ];
    check(AUTO, &acts, &["10 TooLong", "40000 Newline next"]);
    check(AUTO, &[(0, Read(b"123456789")), (9, Read(b"more")), (15, Eof)], &["0 TooLong"]);
}

#[test]
fn without_newlines_the_pause_ends_the_discarding() {
    let acts =
        [(0, Read(&b"123456789"[..])), (15, Read(b"abc")), (30, Read(b"def")), (60, Read(b"new"))];
    check(AUTO, &acts, &["0 TooLong", "80 Pause new"]);
    // The cap doesn't: a stream that never rests is one message.
    let acts: Vec<_> = (0..100).map(|i| (i * 15, Read(&b"12345"[..]))).collect();
    check(AUTO, &acts, &["15 TooLong"]);
    // `\r` of a ninth byte, and no newline behind it.
    check(AUTO, &[(0, Read(b"12345678\r"))], &["20 TooLong"]);
}

#[test]
fn a_line_without_end_costs_one_refusal_and_no_memory() {
    let read = vec![b'x'; 64 << 10];
    let mut script = Script::new(Framing::Line, 64 << 10);
    let mut held = 0;
    for _ in 0..(12 << 20) / read.len() {
        script.read(Duration::ZERO, &read);
        held = held.max(script.framer.held());
    }
    script.read(Duration::ZERO, b"\nnext\n");
    assert_eq!(script.log, ["0 TooLong", "0 Newline next"]);
    assert!(held <= (64 << 10) + 1, "{held}");
    assert_eq!(script.framer.held(), 0);
}

#[test]
fn an_unfinished_line_is_dropped_and_its_rest_discarded() {
    for (framing, newline) in [(Framing::Line, b"\n"), (AUTO, b"\n"), (Framing::Nul, b"\0")] {
        let rest = [b"rest", &newline[..], b"next", newline].concat();
        let end = if framing == Framing::Nul { "Nul" } else { "Newline" };
        let next = format!("40000 {end} next");
        let idle = [(0, Read(&newline[..])), (10, Read(b"abc")), (40_000, Read(&rest))];
        check(framing, &idle, &["30010 Unfinished 3", &next]);
        // Not idle, but 5 minutes in all.
        let drip: Vec<_> = [(0, Read(&newline[..]))]
            .into_iter()
            .chain((0..6).map(|i| (10 + i * 29_000, Read(&b"x"[..]))))
            .collect();
        check(framing, &drip, &["175010 Unfinished 6"]);
        let drip: Vec<_> = [(0, Read(&newline[..]))]
            .into_iter()
            .chain(
                (0..20).map(|i| (10 + i * 29_000, Read(if i % 4 == 0 { &b"x"[..] } else { b"" }))),
            )
            .collect();
        check(framing, &drip, &["30010 Unfinished 1"]);
    }
    let drip: Vec<_> = (0..400).map(|i| (i * 1000, Read(&b"x"[..]))).collect();
    check_with(Framing::Line, 4096, &drip, &["300000 Unfinished 300"]);
    // Here it isn't a line but typing, and the discarding ends with a pause.
    let drip: Vec<_> = drip.into_iter().chain([(410_000, Read(&b"a"[..]))]).collect();
    check_with(AUTO, 4096, &drip, &["300000 Unfinished 300", "412000 Pause a"]);
}

#[test]
fn a_held_first_line_is_not_ended_by_a_pause() {
    let acts = [(0, Hold(true)), (0, Read(b"GET ")), (500, Read(b"/ x\n"))];
    check(AUTO, &acts, &["500 Newline GET / x"]);
    check(AUTO, &[(0, Hold(true)), (0, Read(b"GET ")), (500, Eof)], &["500 Eof GET "]);
    check(AUTO, &[(0, Hold(true)), (0, Read(b"GET "))], &["30000 Unfinished 4"]);
    check(AUTO, &[(0, Hold(true)), (0, Read(b"GET ")), (500, Hold(false))], &["500 Pause GET "]);
}
