//! Telnet sequences inside a text stream (RFC 854, RFC 855), as a telnet program sends them unasked.
//!
//! A sequence is swallowed only if it is well formed: an 0xFF that begins none is text (Latin-1 `ÿ`, binary data).
//! What a 0xFF begins may be decided only by later reads; until then its bytes wait in a [`Pending`].

use crate::limits::TELNET_SUBNEGOTIATION_BYTES;

/// "Interpret as command": the first byte of every sequence.
pub(super) const IAC: u8 = 255;
const DONT: u8 = 254;
const WILL: u8 = 251;
const SB: u8 = 250;
const GA: u8 = 249;
const NOP: u8 = 241;
const SE: u8 = 240;
/// End of record (RFC 885); below it RFC 1184's EOF, SUSP and ABORT, which telnet(1) sends for Ctrl-D, Ctrl-Z, Ctrl-\.
const EOR: u8 = 239;
const EOF: u8 = 236;

/// Where the IAC of the closing `IAC SE` stands at the latest, counted from the sequence's first byte.
const SUBNEGOTIATION_END: usize = 2 + TELNET_SUBNEGOTIATION_BYTES;
/// The longest sequence: with this many bytes in view, [`parse`] never answers [`Sequence::Incomplete`].
const SEQUENCE_BYTES_MAX: usize = SUBNEGOTIATION_END + 2;

/// What the 0xFF at the head of some bytes begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// A sequence of so many bytes, to be swallowed.
    Command(usize),
    /// `IAC IAC`: two bytes that stand for one 0xFF of text.
    Escaped,
    /// No well-formed sequence: the 0xFF is text, the bytes behind it are to be looked at anew.
    Text,
    /// Too few bytes to tell.
    Incomplete,
}

/// Judges the sequence that `bytes`, whose first byte is [`IAC`], begins with. More bytes never change an answer
/// other than [`Sequence::Incomplete`]: the judgement doesn't depend on how the stream was cut.
pub(super) fn parse(bytes: &[u8]) -> Sequence {
    match bytes.get(1) {
        None => Sequence::Incomplete,
        Some(&IAC) => Sequence::Escaped,
        Some(WILL..=DONT) if bytes.len() < 3 => Sequence::Incomplete,
        Some(WILL..=DONT) => Sequence::Command(3),
        Some(&SB) => parse_subnegotiation(&bytes[..bytes.len().min(SEQUENCE_BYTES_MAX)]),
        Some(EOF..=EOR | NOP..=GA) => Sequence::Command(2),
        Some(_) => Sequence::Text,
    }
}

fn parse_subnegotiation(bytes: &[u8]) -> Sequence {
    let mut at = 2;
    while let Some(offset) = memchr::memchr(IAC, &bytes[at..]) {
        let iac = at + offset;
        if iac > SUBNEGOTIATION_END {
            return Sequence::Text;
        }
        match bytes.get(iac + 1) {
            None => return Sequence::Incomplete,
            // The option's number is missing.
            Some(&SE) if iac == 2 => return Sequence::Text,
            Some(&SE) => return Sequence::Command(iac + 2),
            Some(&IAC) => at = iac + 2,
            Some(_) => return Sequence::Text,
        }
    }
    if bytes.len() > SUBNEGOTIATION_END { Sequence::Text } else { Sequence::Incomplete }
}

/// What a read brought besides the telnet sequences at its head; empty if it brought nothing else (the last one may be
/// incomplete).
pub(super) fn without_leading_sequences(mut bytes: &[u8]) -> &[u8] {
    while bytes.first() == Some(&IAC) {
        match parse(bytes) {
            Sequence::Command(len) => bytes = &bytes[len..],
            Sequence::Incomplete => return &[],
            Sequence::Escaped | Sequence::Text => break,
        }
    }
    bytes
}

/// Bytes whose meaning is still open: they begin with the IAC of an unfinished sequence, or did so until it turned out
/// to be none, and then are replayed as if they arrived once more.
#[derive(Debug)]
pub(super) struct Pending {
    bytes: [u8; SEQUENCE_BYTES_MAX],
    start: usize,
    end: usize,
    /// Nothing more is waited for: what is incomplete is text.
    pub(super) sealed: bool,
}

impl Pending {
    /// Keeps `bytes`, an [`Sequence::Incomplete`] sequence.
    pub(super) fn new(bytes: &[u8]) -> Box<Self> {
        let mut pending =
            Box::new(Self { bytes: [0; SEQUENCE_BYTES_MAX], start: 0, end: 0, sealed: false });
        let taken = pending.top_up(bytes);
        debug_assert_eq!(
            taken,
            bytes.len(),
            "an incomplete sequence is shorter than the longest one"
        );
        pending
    }

    /// The bytes not yet consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes as much of `input` as there is room for, and says how much.
    pub(super) fn top_up(&mut self, input: &[u8]) -> usize {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        let taken = input.len().min(SEQUENCE_BYTES_MAX - self.end);
        self.bytes[self.end..self.end + taken].copy_from_slice(&input[..taken]);
        self.end += taken;
        taken
    }

    /// Forgets the first `len` bytes.
    pub(super) fn consume(&mut self, len: usize) {
        self.start += len;
        debug_assert!(self.start <= self.end, "only what is there can be consumed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_judged_by_the_rfcs() {
        use Sequence::{Command, Escaped, Incomplete, Text};
        let table: [(&[u8], Sequence); 22] = [
            (b"\xff", Incomplete),
            (b"\xff\xff", Escaped),
            (b"\xff\xffa", Escaped),
            (b"\xff\xfd", Incomplete),
            (b"\xff\xfd\x03", Command(3)),
            (b"\xff\xfb\x18rest", Command(3)),
            (b"\xff\xfc\n", Command(3)),
            (b"\xff\xfe\xff", Command(3)),
            (b"\xff\xf1", Command(2)),
            (b"\xff\xf4\xff\xfd\x06", Command(2)),
            (b"\xff\xf9", Command(2)),
            (b"\xff\xec", Command(2)),
            (b"\xff\xef", Command(2)),
            (b"\xff\xf0", Text),
            (b"\xff\xeb", Text),
            (b"\xffa", Text),
            (b"\xff\n", Text),
            (b"\xff\xfa\x1f\x00\x50\x00\x0a\xff\xf0next", Command(9)),
            (b"\xff\xfa\x1f\xff\xff\xff", Incomplete),
            (b"\xff\xfa\x1f\xff\xff\xff\xf0", Command(7)),
            (b"\xff\xfa\xff\xf0", Text),
            (b"\xff\xfa\x1fa\xffb", Text),
        ];
        for (bytes, expected) in table {
            assert_eq!(parse(bytes), expected, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn a_subnegotiation_is_swallowed_up_to_its_limit_and_not_beyond() {
        let sequence = |payload: &[u8]| [b"\xff\xfa", payload, b"\xff\xf0"].concat();
        let longest = sequence(&[b'x'; TELNET_SUBNEGOTIATION_BYTES]);
        assert_eq!(parse(&longest), Sequence::Command(SEQUENCE_BYTES_MAX));
        assert_eq!(parse(&sequence(&[b'x'; TELNET_SUBNEGOTIATION_BYTES + 1])), Sequence::Text);
        assert_eq!(
            parse(&sequence(&[IAC; TELNET_SUBNEGOTIATION_BYTES])),
            Sequence::Command(SEQUENCE_BYTES_MAX)
        );
        let mut pair_over_the_limit = [b'x'; TELNET_SUBNEGOTIATION_BYTES + 1];
        pair_over_the_limit[TELNET_SUBNEGOTIATION_BYTES - 1..].fill(IAC);
        assert_eq!(parse(&sequence(&pair_over_the_limit)), Sequence::Text);
        for cut in 1..longest.len() {
            assert_eq!(parse(&longest[..cut]), Sequence::Incomplete, "cut at {cut}");
        }
    }

    #[test]
    fn only_sequences_at_the_head_of_a_read_are_left_out() {
        let table: [(&[u8], &[u8]); 6] = [
            (b"", b""),
            (b"a", b"a"),
            (b"\xff\xfb\x18\xff\xfd\x03", b""),
            (b"\xff\xfb\x18\xff\xfd", b""),
            (b"\xff\xfb\x18a\xff\xfd\x03", b"a\xff\xfd\x03"),
            (b"\xff\xfb\x18\xff\xffa", b"\xff\xffa"),
        ];
        for (bytes, expected) in table {
            assert_eq!(without_leading_sequences(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
