//! The framings that are asked for, the switch between them, and what a framer costs.

use std::time::Duration;

use super::super::*;
use super::Act::{Bytes, Eof, Forget, Read, Switch};
use super::{AUTO, check};

#[test]
fn len32_gives_what_was_announced() {
    let all = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x08\n2345678\0\0\0\x01z";
    let expected = ["0 Length abc", r"0 Length \n2345678", "0 Length z"];
    check(Framing::Len32, &[(0, Read(all))], &expected);
    check(Framing::Len32, &[(0, Bytes(all))], &expected);
    check(
        Framing::Len32,
        &[(0, Read(b"\0\0\0\x05ab")), (99_000, Read(b"cde"))],
        &["99000 Length abcde"],
    );
}

#[test]
fn len32_refuses_what_is_too_long_by_its_length_alone() {
    let acts = [(0, Read(&b"\0\0\0\x09123"[..])), (5, Read(b"456789\0\0\0\x01z"))];
    check(Framing::Len32, &acts, &["0 TooLong", "5 Length z"]);
    let mut framer = Framer::new(Framing::Len32, 64 << 10);
    let mut input = &b"\xff\xff\xff\xffabc"[..];
    assert_eq!(framer.next(Duration::ZERO, &mut input), Some(Frame::TooLong));
    assert_eq!(framer.next(Duration::ZERO, &mut input), None);
    assert_eq!(framer.held(), 0, "nothing is allocated for an announced 4 GB");
    assert_eq!(framer.finish(), None);
    // Allocated is what arrived, not what is announced.
    let mut framer = Framer::new(Framing::Len32, 64 << 10);
    let mut input = &b"\0\x01\0\0abc"[..];
    assert_eq!(framer.next(Duration::ZERO, &mut input), None);
    assert!(framer.held() <= 64, "{}", framer.held());
}

#[test]
fn len32_drops_what_is_incomplete_at_the_end() {
    check(Framing::Len32, &[(0, Read(b"\0\0\0\x05ab")), (1, Eof)], &["1 Unfinished 2"]);
    check(Framing::Len32, &[(0, Read(b"\0\0\0\x05")), (1, Eof)], &["1 Unfinished 0"]);
    check(Framing::Len32, &[(0, Read(b"\0\0\0")), (1, Eof)], &["1 Unfinished 3"]);
    check(Framing::Len32, &[(0, Read(b"\0\0\0\x01z")), (1, Eof)], &["0 Length z"]);
}

#[test]
fn a_nul_ends_a_message_and_empty_ones_are_ignored() {
    let all = b"a\0\0b\n\xff\xf1\r\0c";
    let expected = ["0 Nul a", r"0 Nul b\n\xff\xf1\r", "3 Eof c"];
    check(Framing::Nul, &[(0, Read(all)), (3, Eof)], &expected);
    check(Framing::Nul, &[(0, Bytes(all)), (3, Eof)], &expected);
}

#[test]
fn each_read_is_a_chunk() {
    check(
        Framing::Chunk,
        &[(0, Read(b"a\nb")), (0, Read(b"")), (0, Read(b"\n")), (1, Eof)],
        &[r"0 Read a\nb", r"0 Read \n"],
    );
}

#[test]
fn a_switch_counts_from_the_next_byte() {
    let mut framer = Framer::new(AUTO, 64);
    let mut input = &b"/framing len32\n\0\0\0\x02hi\0\0"[..];
    let now = Duration::ZERO;
    framer.read(now, input);
    assert!(matches!(framer.next(now, &mut input), Some(Frame::Message { end: End::Newline, .. })));
    assert_eq!(framer.switch(Framing::Len32), 0);
    assert_eq!(framer.framing(), Framing::Len32);
    let message = Frame::Message { body: b"hi", end: End::Length };
    assert_eq!(framer.next(now, &mut input), Some(message));
    assert_eq!(framer.next(now, &mut input), None);
    assert_eq!(framer.finish(), Some(Frame::Unfinished { bytes: 2 }));
    check(
        Framing::Line,
        &[(0, Read(b"abc")), (1, Switch(Framing::Nul)), (2, Read(b"d\0"))],
        &["1 dropped 3", "2 Nul d"],
    );
    let too_long = [(0, Read(&b"123456789"[..])), (1, Switch(Framing::Chunk)), (2, Read(b"d"))];
    check(Framing::Line, &too_long, &["0 TooLong", "1 dropped 0", "2 Read d"]);
}

#[test]
fn a_forgotten_message_is_discarded_up_to_its_end() {
    let acts =
        [(0, Read(&b"\nabc"[..])), (1, Forget), (2, Forget), (3, Read(b"d\nnext\n")), (4, Forget)];
    check(AUTO, &acts, &["1 forgot 3", "2 forgot 0", "3 Newline next", "4 forgot 0"]);
    let acts = [(0, Read(&b"\0\0\0\x05ab"[..])), (1, Forget), (3, Read(b"cde\0\0\0\x01z"))];
    check(Framing::Len32, &acts, &["1 forgot 2", "3 Length z"]);
    let acts = [(0, Read(&b"abc"[..])), (1, Forget), (3, Read(b"de")), (60, Read(b"new"))];
    check(AUTO, &acts, &["1 forgot 3", "80 Pause new"]);
}

#[test]
fn a_message_in_one_read_is_not_copied_and_a_buffer_is_given_back() {
    let mut framer = Framer::new(AUTO, 64 << 10);
    let now = Duration::ZERO;
    let mut input = &b"hello\nwor"[..];
    let start = input.as_ptr();
    let Some(Frame::Message { body, .. }) = framer.next(now, &mut input) else {
        panic!("a line is a message")
    };
    assert_eq!(body.as_ptr(), start);
    assert_eq!(framer.held(), 0);
    assert_eq!(framer.next(now, &mut input), None);
    assert_ne!(framer.held(), 0);
    let mut input = &b"ld\n"[..];
    assert!(framer.next(now, &mut input).is_some());
    assert_eq!(framer.next(now, &mut input), None);
    assert_eq!(framer.held(), 0);
}

#[test]
fn an_idle_framer_is_small() {
    assert!(size_of::<Framer>() <= 96, "{}", size_of::<Framer>());
}
