//! Properties: no cut of the bytes changes a message, nothing panics, and every bound holds.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::telnet::Pending;
use super::*;
use crate::limits::{HOLD_UTF8, UNFINISHED_TOTAL};

/// What a [`Frame`] says, kept.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kept {
    Message(Vec<u8>, End),
    TooLong,
    Unfinished(usize),
}

impl From<Frame<'_>> for Kept {
    fn from(frame: Frame<'_>) -> Self {
        match frame {
            Frame::Message { body, end } => Self::Message(body.to_vec(), end),
            Frame::TooLong => Self::TooLong,
            Frame::Unfinished { bytes } => Self::Unfinished(bytes),
        }
    }
}

/// The longest message in these tests: short, so that random input passes it often.
const MAX: usize = 12;

fn drain(framer: &mut Framer, now: Duration, mut input: &[u8], kept: &mut Vec<Kept>) {
    framer.read(now, input);
    while let Some(frame) = framer.next(now, &mut input) {
        kept.push(frame.into());
    }
    assert!(input.is_empty(), "all of a read is used");
}

/// Every frame of a stream that arrives in these pieces, without a pause.
fn frames<'a>(framing: Framing, pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Kept> {
    let mut framer = Framer::new(framing, MAX);
    let mut kept = Vec::new();
    for piece in pieces {
        drain(&mut framer, Duration::ZERO, piece, &mut kept);
    }
    while let Some(frame) = framer.finish() {
        kept.push(frame.into());
    }
    kept
}

/// Bytes that matter to some framing are as frequent as all others together.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(b"ab\r\n\0\xc3\xa9\x01".as_slice()).prop_map(|byte| vec![byte]),
        2 => Just(b"\r\n".to_vec()),
        2 => prop::sample::select(b"\xff\xfa\xf0\xf1\xfb\xfe\xec\x0a".as_slice()).prop_map(|byte| vec![byte]),
        1 => Just(b"\xff\xff".to_vec()),
        1 => Just(b"\xff\xf0".to_vec()),
        1 => (vec(any::<u8>(), 0..5)).prop_map(|payload| [b"\xff\xfa", &payload[..], b"\xff\xf0"].concat()),
        1 => (0_usize..300).prop_map(|len| [b"\xff\xfa", &vec![b'x'; len][..], b"\xff\xf0"].concat()),
        1 => (0_u8..15).prop_map(|len| [&[0, 0, 0, len], &vec![b'x'; len.into()][..]].concat()),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn framing() -> impl Strategy<Value = Framing> {
    prop::sample::select(Framing::ALL.as_slice())
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]).collect()
}

/// What `line` and `nul` are to give, said in the shortest way.
fn split(bytes: &[u8], delimiter: u8, drop_cr: bool, end: End) -> Vec<Kept> {
    let mut parts: Vec<_> = bytes.split(|byte| *byte == delimiter).collect();
    let last = parts.pop().expect("split gives at least one part");
    let parts = parts.into_iter().map(|part| match part {
        [line @ .., b'\r'] if drop_cr => (line, end),
        _ => (part, end),
    });
    parts
        .chain([(last, End::Eof)])
        .filter(|(body, _)| !body.is_empty())
        .map(
            |(body, end)| {
                if body.len() > MAX { Kept::TooLong } else { Kept::Message(body.to_vec(), end) }
            },
        )
        .collect()
}

/// What can be done to a framer.
#[derive(Debug, Clone)]
enum Act {
    Read(Vec<u8>),
    Wait(u64),
    Switch(Framing),
    Hold(bool),
    Forget,
    Finish,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => stream().prop_map(Act::Read),
        4 => vec(any::<u8>(), 0..3).prop_map(Act::Read),
        1 => vec(any::<u8>(), 1200..1300).prop_map(Act::Read),
        4 => (0_u64..60).prop_map(Act::Wait),
        2 => (0_u64..400_000).prop_map(Act::Wait),
        1 => framing().prop_map(Act::Switch),
        1 => any::<bool>().prop_map(Act::Hold),
        1 => Just(Act::Forget),
        1 => Just(Act::Finish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_cut_changes_a_message(
        framing in prop::sample::select([Framing::Auto, Framing::Line, Framing::Len32, Framing::Nul].as_slice()),
        bytes in stream(),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = frames(framing, [&bytes[..]]);
        prop_assert_eq!(&frames(framing, pieces(&bytes, &cuts)), &whole);
        prop_assert_eq!(&frames(framing, bytes.chunks(1)), &whole);
    }

    #[test]
    fn once_a_newline_was_seen_no_pause_changes_a_message(
        bytes in stream(),
        cuts in vec((any::<prop::sample::Index>(), 0_u64..1900), 0..8),
    ) {
        let bytes = [b"\n", &bytes[..]].concat();
        let (cuts, pauses): (Vec<_>, Vec<_>) = cuts.into_iter().unzip();
        let mut framer = Framer::new(Framing::Auto, MAX);
        let mut now = Duration::ZERO;
        let mut kept = Vec::new();
        drain(&mut framer, now, &bytes[..1], &mut kept);
        for (piece, pause) in pieces(&bytes[1..], &cuts).into_iter().zip(pauses.into_iter().chain([0])) {
            drain(&mut framer, now, piece, &mut kept);
            now += Duration::from_millis(pause);
            if !piece.is_empty() {
                prop_assert_eq!(framer.timeout(now), None);
            }
        }
        kept.extend(std::iter::from_fn(|| framer.finish().map(Kept::from)));
        prop_assert_eq!(kept, frames(Framing::Auto, [&bytes[..]]));
    }

    #[test]
    fn line_and_nul_are_a_split(bytes in stream()) {
        prop_assert_eq!(frames(Framing::Line, [&bytes[..]]), split(&bytes, b'\n', true, End::Newline));
        prop_assert_eq!(frames(Framing::Nul, [&bytes[..]]), split(&bytes, 0, false, End::Nul));
    }

    #[test]
    fn without_an_iac_auto_is_line(bytes in stream()) {
        let bytes: Vec<_> = bytes.into_iter().filter(|byte| *byte != telnet::IAC).collect();
        prop_assert_eq!(frames(Framing::Auto, [&bytes[..]]), frames(Framing::Line, [&bytes[..]]));
    }

    #[test]
    fn a_doubled_iac_is_a_byte_like_others(bytes in stream()) {
        let times = |byte: u8| if byte == telnet::IAC { 2 } else { 1 };
        let doubled: Vec<_> =
            bytes.iter().flat_map(|&byte| std::iter::repeat_n(byte, times(byte))).collect();
        prop_assert_eq!(frames(Framing::Auto, [&doubled[..]]), frames(Framing::Line, [&bytes[..]]));
    }

    #[test]
    fn len32_gives_back_what_was_put_in(bodies in vec(vec(any::<u8>(), 0..20), 0..10), lost in 1_usize..8) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for body in &bodies {
            bytes.extend(u32::try_from(body.len()).expect("a short body").to_be_bytes());
            bytes.extend(body);
            match body.len() {
                0 => {}
                1..=MAX => expected.push(Kept::Message(body.clone(), End::Length)),
                _ => expected.push(Kept::TooLong),
            }
        }
        prop_assert_eq!(frames(Framing::Len32, [&bytes[..]]), &expected[..]);
        // Without its end, the last one isn't given.
        if let Some(last) = bodies.last().filter(|last| (lost..=MAX).contains(&last.len())) {
            expected.pop();
            expected.push(Kept::Unfinished(last.len() - lost));
            prop_assert_eq!(frames(Framing::Len32, [&bytes[..bytes.len() - lost]]), expected);
        }
    }

    #[test]
    fn whatever_happens_every_bound_holds(
        framing in framing(),
        max in 0_usize..2000,
        acts in vec(act(), 0..40),
    ) {
        let mut framer = Framer::new(framing, max);
        let mut now = Duration::ZERO;
        for act in acts {
            match act {
                Act::Read(bytes) => {
                    let mut input = &bytes[..];
                    framer.read(now, input);
                    while let Some(frame) = framer.next(now, &mut input) {
                        check_frame(frame, max);
                    }
                    prop_assert!(input.is_empty());
                }
                Act::Wait(ms) => now += Duration::from_millis(ms),
                Act::Switch(framing) => prop_assert!(framer.switch(framing) <= max + 1),
                Act::Hold(hold) => framer.hold_first_line(hold),
                Act::Forget => {
                    let held = framer.held();
                    prop_assert!(framer.forget() <= held);
                    prop_assert_eq!(framer.held(), 0);
                }
                Act::Finish => {
                    while let Some(frame) = framer.finish() {
                        check_frame(frame, max);
                    }
                    prop_assert_eq!((framer.held(), framer.deadline()), (0, None));
                }
            }
            prop_assert!(framer.held() <= max + 1 + size_of::<Pending>(), "{}", framer.held());
            run_timers(&mut framer, now, max);
            if let Some(at) = framer.deadline() {
                prop_assert!(at > now && at <= now + UNFINISHED_TOTAL + HOLD_UTF8);
            }
        }
        run_timers(&mut framer, Duration::MAX, max);
        prop_assert_eq!(framer.deadline(), None);
    }
}

fn check_frame(frame: Frame<'_>, max: usize) {
    if let Frame::Message { body, .. } = frame {
        assert!(!body.is_empty() && body.len() <= max);
    }
}

/// Does what is due up to `now`; each call gives a frame or moves the deadline on.
fn run_timers(framer: &mut Framer, now: Duration, max: usize) {
    while let Some(at) = framer.deadline()
        && at <= now
    {
        match framer.timeout(now) {
            Some(frame) => check_frame(frame, max),
            None => assert_ne!(framer.deadline(), Some(at), "what is due gets done"),
        }
    }
}
