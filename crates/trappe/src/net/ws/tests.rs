//! Frames from a model client, in tables and properties: no cut of the bytes changes a message, nothing panics, every bound holds.

use proptest::{collection::vec, prelude::*};

use super::*;

/// The longest message in these tests: short, so that random input passes it often.
const MAX: usize = 300;
const MASK: [u8; 4] = [0xa5, 0x00, 0x3c, 0xff];

const CONTINUE: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// A client's frame, its length as short as it can be.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).expect("below 126")),
        length => {
            frame.push(0x80 | 0x7e);
            frame.extend(u16::try_from(length).expect("tests are short").to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A header alone that announces `length` in its longest form.
fn announced(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first, 0xff];
    header.extend(length.to_be_bytes());
    header.extend(MASK);
    header
}

fn text(body: &str) -> Incoming {
    Incoming::Message { body: Bytes::copy_from_slice(body.as_bytes()), text: true }
}

fn binary(body: &[u8]) -> Incoming {
    Incoming::Message { body: Bytes::copy_from_slice(body), text: false }
}

/// All that comes out of `socket` for these pieces, and the answers.
fn drain<'a>(
    socket: &mut WebSocket,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Incoming>, Vec<u8>) {
    let (mut came, mut out) = (Vec::new(), Vec::new());
    for mut input in pieces {
        came.extend(std::iter::from_fn(|| socket.next(&mut input, &mut out)));
        assert!(input.is_empty(), "all of a read is used");
    }
    (came, out)
}

fn all(bytes: &[u8]) -> (Vec<Incoming>, Vec<u8>) {
    drain(&mut WebSocket::new(MAX), [bytes])
}

/// The code and the reason of the close frame that `bytes` lead to, after no message.
#[track_caller]
fn end(bytes: &[u8]) -> (u16, String) {
    let (came, out) = all(bytes);
    assert_eq!(out, b"", "an end goes by itself, after what is still due");
    let [Incoming::Closed(frame)] = &came[..] else { panic!("{came:?}") };
    assert_eq!(frame[..2], [FIN | CLOSE, u8::try_from(frame.len() - 2).expect("short")]);
    let code = u16::from_be_bytes([frame[2], frame[3]]);
    (code, String::from_utf8(frame[4..].to_vec()).expect("a reason is text"))
}

#[test]
fn a_message_comes_out_as_it_went_in() {
    let long = "é".repeat(MAX / 2);
    let table: [(Vec<u8>, Vec<Incoming>); 8] = [
        (frame(FIN | TEXT, "à 8 h".as_bytes()), vec![text("à 8 h")]),
        (frame(FIN | TEXT, b""), vec![text("")]),
        (frame(FIN | BINARY, b"\x00\xff"), vec![binary(b"\x00\xff")]),
        (frame(FIN | TEXT, long.as_bytes()), vec![text(&long)]),
        (
            [frame(FIN | TEXT, b"a"), frame(FIN | BINARY, b"b"), frame(FIN | TEXT, b"c")].concat(),
            vec![text("a"), binary(b"b"), text("c")],
        ),
        // A character cut by a fragment's end is still one.
        (
            [frame(TEXT, b"caf\xc3"), frame(CONTINUE, b""), frame(FIN | CONTINUE, b"\xa9")]
                .concat(),
            vec![text("café")],
        ),
        ([frame(BINARY, b""), frame(FIN | CONTINUE, b"")].concat(), vec![binary(b"")]),
        // A length in a longer form than needed is no reason to lose a client.
        ([announced(FIN | TEXT, 1), vec![b'x' ^ MASK[0]]].concat(), vec![text("x")]),
    ];
    for (bytes, want) in table {
        assert_eq!(all(&bytes), (want, Vec::new()), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_ping_is_answered_with_its_payload_also_between_fragments() {
    let bytes = [
        frame(FIN | PING, b"one"),
        frame(TEXT, b"a"),
        frame(FIN | PING, b""),
        frame(FIN | PONG, b"nobody asked"),
        frame(FIN | CONTINUE, b"b"),
        frame(FIN | PING, &[7; 125]),
    ]
    .concat();
    let (came, out) = all(&bytes);
    assert_eq!(came, [text("ab")]);
    let last = [&[FIN | PONG, 125][..], &[7; 125]].concat();
    assert_eq!(out, [b"\x8a\x03one\x8a\x00", &last[..]].concat());
}

#[test]
fn so_many_pings_that_the_answers_would_pile_up_are_answered_by_the_latest() {
    let last = frame(FIN | PING, b"last");
    let bytes = [frame(FIN | PING, &[7; 125]).repeat(1000), last].concat();
    let (came, out) = all(&bytes);
    assert_eq!(came, []);
    assert!(out.len() >= WS_ANSWERS_BYTES && out.len() < WS_ANSWERS_BYTES + 127, "{}", out.len());
    assert!(out.ends_with(b"\x8a\x04last"));
    assert!(out[..out.len() - 6].chunks(127).all(|pong| pong[..2] == [0x8a, 125]));
}

#[test]
fn a_close_is_answered_with_its_own_code() {
    let table: [(&[u8], &[u8]); 6] = [
        (b"", b"\x88\x00"),
        (b"\x03\xe8", b"\x88\x02\x03\xe8"),
        (b"\x03\xe8\xc3\xa0 plus", b"\x88\x09\x03\xe8\xc3\xa0 plus"),
        (b"\x03\xf3", b"\x88\x02\x03\xf3"),
        (b"\x0b\xb8", b"\x88\x02\x0b\xb8"),
        (b"\x13\x87", b"\x88\x02\x13\x87"),
    ];
    for (payload, answer) in table {
        let (came, out) = all(&frame(FIN | CLOSE, payload));
        assert_eq!(came, [Incoming::Closed(Bytes::from_static(answer))]);
        assert_eq!(out, b"");
    }
}

#[test]
fn after_the_end_nothing_comes_out() {
    for first in [frame(FIN | CLOSE, b""), frame(FIN | 0x3, b""), frame(FIN | TEXT, b"\xff")] {
        let mut socket = WebSocket::new(MAX);
        let more = [frame(FIN | PING, b"there?"), frame(FIN | TEXT, b"more"), vec![FIN]].concat();
        let together = [first, more.clone()].concat();
        let (came, out) = drain(&mut socket, [&together[..], &more, &more[..3]]);
        assert!(matches!(came[..], [Incoming::Closed(_)]), "{came:?}");
        assert_eq!((out.len(), socket.held()), (0, 0));
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_with_1002() {
    let mut unmasked = frame(FIN | TEXT, b"");
    unmasked[1] &= 0x7f;
    let table: [(&str, Vec<u8>); 16] = [
        ("no mask", unmasked),
        ("reserved bit", frame(FIN | 0x40 | TEXT, b"rsv1: no compression was agreed on")),
        ("reserved bit", frame(FIN | 0x20 | TEXT, b"")),
        ("reserved bit", frame(FIN | 0x10 | PING, b"")),
        ("opcode", frame(FIN | 0x3, b"")),
        ("opcode", frame(FIN | 0x7, b"")),
        ("opcode", frame(FIN | 0xb, b"")),
        ("opcode", frame(FIN | 0xf, b"")),
        ("control frame in fragments", frame(PING, b"")),
        ("control frame too long", frame(FIN | PING, &[0; 126])),
        ("control frame too long", announced(FIN | CLOSE, u64::MAX)),
        ("nothing to continue", frame(CONTINUE, b"")),
        ("message inside a message", [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat()),
        ("close frame", frame(FIN | CLOSE, b"\x03")),
        ("Protocol violation", frame(FIN | CLOSE, b"\x03\xed")),
        ("Protocol violation", frame(FIN | CLOSE, b"\xff\xff")),
    ];
    for (reason, bytes) in table {
        assert_eq!(end(&bytes), (code::PROTOCOL, reason.to_owned()), "{}", bytes.escape_ascii());
    }
}

#[test]
fn text_that_is_not_utf8_ends_the_connection_with_1007() {
    let table = [
        frame(FIN | TEXT, b"caf\xe9"),
        // A surrogate, an overlong form, and a code point past the last one.
        frame(FIN | TEXT, b"\xed\xa0\x80"),
        frame(FIN | TEXT, b"\xc0\xaf"),
        frame(FIN | TEXT, b"\xf4\x90\x80\x80"),
        // Cut at the end, as a whole and in fragments.
        frame(FIN | TEXT, b"caf\xc3"),
        [frame(TEXT, b"caf\xc3"), frame(FIN | CONTINUE, b"")].concat(),
        // In the first of several fragments: the rest isn't waited for.
        frame(TEXT, b"\xff"),
        frame(FIN | CLOSE, b"\x03\xe8\xff"),
    ];
    for bytes in table {
        assert_eq!(end(&bytes).0, code::NOT_UTF8, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_message_too_long_ends_the_connection_by_its_header_alone() {
    let limit = u64::try_from(MAX).expect("small");
    let table = [
        announced(FIN | BINARY, limit + 1),
        announced(FIN | TEXT, 1 << 40),
        announced(BINARY, u64::MAX),
        [frame(TEXT, &[b'a'; 200]), announced(CONTINUE, limit - 199)].concat(),
        [frame(TEXT, &[b'a'; MAX]), announced(FIN | CONTINUE, u64::MAX)].concat(),
    ];
    for bytes in table {
        assert_eq!(end(&bytes), (code::TOO_LONG, "too-long > 300".to_owned()));
    }
    let whole = [frame(TEXT, &[b'a'; 200]), frame(FIN | CONTINUE, &[b'a'; 100])].concat();
    assert_eq!(all(&whole).0, [text(&"a".repeat(MAX))]);
}

#[test]
fn what_is_announced_costs_nothing_until_it_comes() {
    let mut socket = WebSocket::new(1 << 20);
    let header = announced(FIN | BINARY, 1 << 20);
    let (came, _) = drain(&mut socket, [&header[..], b"x"]);
    assert_eq!(came, []);
    assert!((1..=64).contains(&socket.held()), "{}", socket.held());
}

#[test]
fn an_idle_connection_holds_nothing() {
    assert!(size_of::<WebSocket>() <= 128, "{}", size_of::<WebSocket>());
    let mut socket = WebSocket::new(1 << 20);
    let bytes = [
        frame(FIN | TEXT, &vec![b'a'; 60_000]),
        frame(FIN | PING, b"still there?"),
        frame(BINARY, &vec![1; 60_000]),
        frame(FIN | CONTINUE, &vec![2; 60_000]),
    ]
    .concat();
    for piece in [bytes.len(), 1000, 7] {
        let (came, _) = drain(&mut socket, bytes.chunks(piece));
        assert_eq!(came.len(), 2);
        assert_eq!(socket.held(), 0);
        assert!(socket.context.is_none() && socket.frame.capacity() == 0);
    }
    // Nor does one that has only begun its next frame keep what the last one took.
    let (came, _) = drain(&mut socket, [&[&bytes[..], &bytes[..1]].concat()[..]]);
    assert_eq!(came.len(), 2);
    assert!((1..=64).contains(&socket.held()), "{}", socket.held());
}

#[test]
fn fragments_without_end_are_an_unfinished_message_of_bounded_memory() {
    let mut socket = WebSocket::new(MAX);
    let (came, _) = drain(&mut socket, [&frame(TEXT, b"")[..]]);
    assert_eq!((came, socket.held()), (vec![], WS_BUFFER_BYTES));
    let empty = frame(CONTINUE, b"").repeat(10_000);
    let (came, out) = drain(&mut socket, [&empty[..]]);
    assert_eq!((came, out.len(), socket.held()), (vec![], 0, WS_BUFFER_BYTES));
    let (came, _) = drain(&mut socket, [&frame(FIN | CONTINUE, b"done")[..]]);
    assert_eq!(came, [text("done")]);
}

#[test]
fn a_key_is_accepted_only_if_it_is_base64_of_16_bytes() {
    let table = [
        // RFC 6455 §1.3.
        ("dGhlIHNhbXBsZSBub25jZQ==", Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")),
        ("", None),
        ("==", None),
        ("dGhlIHNhbXBsZSBub25jZQ", None),
        ("dGhlIHNhbXBsZSBub25jZQ=", None),
        ("dGhlIHNhbXBsZSBub25jZQQ==", None),
        ("dGhlIHNhbXBsZSBub25jZ===", None),
        ("dGhlIHNhbXBsZSBub25jZ-==", None),
        ("dGhlIHNhbXBsZSBub25jZ\u{e9}==", None),
    ];
    for (key, want) in table {
        assert_eq!(accept_key(key).as_deref(), want, "{key}");
    }
}

#[test]
fn a_close_of_ours_keeps_to_a_control_frame() {
    assert_eq!(close_frame(1001, "bye")[..], *b"\x88\x05\x03\xe9bye");
    let long = close_frame(1008, &"é".repeat(100));
    assert_eq!((long.len(), long[1]), (2 + 2 + 122, 124));
    assert!(str::from_utf8(&long[4..]).is_ok());
}

/// What a client does next.
#[derive(Clone, Debug)]
enum Act {
    /// A message, cut into fragments at these places, with a ping after each if so.
    Say {
        body: Vec<u8>,
        text: bool,
        cuts: Vec<usize>,
        ping: bool,
    },
    Ping(Vec<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    let text = ".{0,60}".prop_map(|body| (body.into_bytes(), true));
    let body = prop_oneof![text, vec(any::<u8>(), 0..MAX).prop_map(|body| (body, false))];
    prop_oneof![
        4 => (body, vec(0..MAX, 0..4), any::<bool>())
            .prop_map(|((body, text), cuts, ping)| Act::Say { body, text, cuts, ping }),
        1 => vec(any::<u8>(), 0..=125).prop_map(Act::Ping),
    ]
}

/// An act's bytes; what should come of it is put into the other two.
fn enact(act: &Act, bytes: &mut Vec<u8>, came: &mut Vec<Incoming>, out: &mut Vec<u8>) {
    let mut ping = |bytes: &mut Vec<u8>, payload: &[u8]| {
        bytes.extend(frame(FIN | PING, payload));
        out.extend([FIN | PONG, u8::try_from(payload.len()).expect("125 at most")]);
        out.extend(payload);
    };
    match act {
        Act::Ping(payload) => ping(bytes, payload),
        Act::Say { body, text, cuts, ping: also } => {
            let mut cuts: Vec<usize> = cuts.iter().map(|&cut| cut.min(body.len())).collect();
            cuts.sort_unstable();
            let mut opcode = if *text { TEXT } else { BINARY };
            let mut start = 0;
            for cut in cuts {
                bytes.extend(frame(opcode, &body[start..cut]));
                if *also {
                    ping(bytes, b"ping");
                }
                (opcode, start) = (CONTINUE, cut);
            }
            bytes.extend(frame(FIN | opcode, &body[start..]));
            came.push(Incoming::Message { body: body.clone().into(), text: *text });
        }
    }
}

/// Cuts `bytes` at these places.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    ends.push(bytes.len());
    ends.sort_unstable();
    let mut start = 0;
    ends.into_iter().map(|end| &bytes[mem::replace(&mut start, end)..end]).collect()
}

/// Frames that are nearly right: bytes that matter are as frequent as all others together.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => (any::<bool>(), 0..=0xa_u8, vec(any::<u8>(), 0..150))
            .prop_map(|(fin, opcode, payload)| frame(if fin { FIN } else { 0 } | opcode, &payload)),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(first, length)| announced(first, length)),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..10).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_cut_of_the_bytes_changes_a_message_or_an_answer(
        acts in vec(act(), 0..8),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (mut bytes, mut came, mut out) = Default::default();
        for act in &acts {
            enact(act, &mut bytes, &mut came, &mut out);
        }
        let want = (came, out);
        let mut socket = WebSocket::new(MAX);
        prop_assert_eq!(&drain(&mut socket, pieces(&bytes, &cuts)), &want);
        prop_assert_eq!(socket.held(), 0);
        prop_assert_eq!(&drain(&mut socket, bytes.chunks(1)), &want);
    }

    #[test]
    fn any_bytes_are_read_the_same_however_cut_and_within_bounds(
        bytes in noise(),
        cuts in vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = all(&bytes);
        prop_assert_eq!(&drain(&mut WebSocket::new(MAX), bytes.chunks(1)), &whole);
        let mut socket = WebSocket::new(MAX);
        let (mut came, mut out) = (Vec::new(), Vec::new());
        for mut input in pieces(&bytes, &cuts) {
            came.extend(std::iter::from_fn(|| socket.next(&mut input, &mut out)));
            prop_assert!(input.is_empty());
            // A frame whose rest is missing, the fragments, and a buffer of one frame.
            prop_assert!(socket.held() <= MAX + 14 + MAX + WS_BUFFER_BYTES);
            prop_assert!(out.len() <= bytes.len());
        }
        prop_assert_eq!((came, out), whole);
    }
}
