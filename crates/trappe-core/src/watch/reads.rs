//! Where a watched member's messages lie in what it has sent, and where the reads were cut.

use std::collections::VecDeque;

use crate::{framing::End, limits::WATCH_CUTS};

/// Where something lies in all that was heard from a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Its first byte.
    pub at: u64,
    /// How many bytes, delimiter and frame header included.
    pub len: u64,
    /// The offsets in the body, each above 0, at which a new read began; at most [`WATCH_CUTS`].
    pub cuts: Vec<usize>,
}

/// Follows the reads of one member, and what its framing makes of them.
///
/// Each read is told by [`read`](Self::read), then what the framing used of it, message by message, by
/// [`message`](Self::message), and what it used without giving one by [`used`](Self::used).
#[derive(Debug, Default)]
pub struct Reads {
    /// Everything before this was heard.
    heard: u64,
    /// Everything before this was handed to the framing.
    given: u64,
    /// The message that isn't finished begins here.
    begun: u64,
    /// Where reads ended that lie in it.
    ends: VecDeque<u64>,
    /// The last byte that was handed to the framing.
    last: Option<u8>,
}

impl Reads {
    /// So many bytes were heard before the next read.
    #[must_use]
    pub fn new(heard: u64) -> Reads {
        Reads { heard, given: heard, begun: heard, ..Reads::default() }
    }

    /// A read brought `len` bytes. Returns where they begin.
    pub fn read(&mut self, len: usize) -> u64 {
        let at = self.heard;
        self.heard += len as u64;
        if self.ends.len() < WATCH_CUTS {
            self.ends.push_back(self.heard);
        }
        at
    }

    /// The framing has used `bytes` since it was last told, the last of them for a message of `size` bytes that ended by
    /// `end`.
    pub fn message(&mut self, bytes: &[u8], size: usize, end: End) -> Span {
        let before = bytes.len().checked_sub(2).map_or(self.last, |at| Some(bytes[at]));
        self.used(bytes);
        let size = size as u64;
        let (header, delimiter) = match end {
            End::Newline => (0, 1 + u64::from(before == Some(b'\r'))),
            End::Nul => (0, 1),
            End::Length => (4, 0),
            End::Text | End::Binary => (header_of(size), 0),
            // Of a datagram its newline may have been taken off: then there is nothing to cut either.
            End::Pause | End::Eof | End::Read | End::Datagram => (0, 0),
        };
        let len = self.given - self.begun;
        let after = self.given.saturating_sub(delimiter);
        let body = after.saturating_sub(size)..after;
        // Telnet sequences, several frames, bytes that were heard before: then it can't be told from here where the body lies.
        let is_whole = len == header + size + delimiter;
        let inside = |read: &&u64| is_whole && body.start < **read && **read < body.end;
        let offset = |read: &u64| usize::try_from(read - body.start).unwrap_or(usize::MAX);
        let cuts = self.ends.iter().filter(inside).map(offset).collect();
        self.finish(cuts)
    }

    /// What was begun is dropped, or refused.
    pub fn refused(&mut self, bytes: &[u8]) -> Span {
        self.used(bytes);
        self.finish(Vec::new())
    }

    /// The framing has used `bytes`; what they belong to isn't finished.
    pub fn used(&mut self, bytes: &[u8]) {
        self.given += bytes.len() as u64;
        self.last = bytes.last().copied().or(self.last);
    }

    fn finish(&mut self, cuts: Vec<usize>) -> Span {
        let at = std::mem::replace(&mut self.begun, self.given);
        while self.ends.front().is_some_and(|&end| end <= self.given) {
            self.ends.pop_front();
        }
        Span { at, len: self.given - at, cuts }
    }
}

/// The length of the header of one frame from a client, with its mask (RFC 6455 §5.2).
fn header_of(size: u64) -> u64 {
    match size {
        0..126 => 6,
        126..0x1_0000 => 8,
        _ => 14,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::framing::{Frame, Framer, Framing};

    /// Reads `pieces`, each as one read; gives each message with its span.
    fn messages(framing: Framing, pieces: &[&[u8]]) -> Vec<(String, End, Span)> {
        let mut framer = Framer::new(framing, 1 << 12);
        let mut reads = Reads::new(100);
        let mut found = Vec::new();
        let now = Duration::ZERO;
        for piece in pieces {
            reads.read(piece.len());
            framer.read(now, piece);
            let (mut input, mut told) = (*piece, *piece);
            while let Some(frame) = framer.next(now, &mut input) {
                let used = &told[..told.len() - input.len()];
                told = input;
                if let Frame::Message { body, end } = frame {
                    let span = reads.message(used, body.len(), end);
                    found.push((String::from_utf8_lossy(body).into_owned(), end, span));
                } else {
                    reads.refused(used);
                }
            }
            reads.used(told);
        }
        if let Some(Frame::Message { body, end }) = framer.finish() {
            let span = reads.message(&[], body.len(), end);
            found.push((String::from_utf8_lossy(body).into_owned(), end, span));
        }
        found
    }

    fn span(at: u64, len: u64, cuts: &[usize]) -> Span {
        Span { at, len, cuts: cuts.to_vec() }
    }

    #[test]
    fn a_message_lies_where_its_bytes_came_and_is_cut_where_they_were_read() {
        let told = |framing, pieces: &[&[u8]]| {
            let all = messages(framing, pieces);
            all.into_iter().map(|(body, _, span)| (body, span)).collect::<Vec<_>>()
        };
        assert_eq!(
            told(Framing::Auto, &[b"bon", b"jour\nsa", b"lut\r", b"\nfin"]),
            [
                ("bonjour".into(), span(100, 8, &[3])),
                ("salut".into(), span(108, 7, &[2])),
                ("fin".into(), span(115, 3, &[])),
            ]
        );
        assert_eq!(
            told(Framing::Len32, &[b"\0\0", b"\0\x03a", b"bc\0\0\0\x01d"]),
            [("abc".into(), span(100, 7, &[1])), ("d".into(), span(107, 5, &[]))]
        );
        assert_eq!(
            told(Framing::Nul, &[b"a\0b", b"c\0"]),
            [("a".into(), span(100, 2, &[])), ("bc".into(), span(102, 3, &[1]))]
        );
    }

    #[test]
    fn where_the_body_does_not_lie_as_it_was_read_no_cut_is_told() {
        // A telnet sequence in the middle.
        let all = messages(Framing::Auto, &[b"bon", b"\xff\xf1jour\n"]);
        assert_eq!(all, [("bonjour".into(), End::Newline, span(100, 10, &[]))]);
        // Two frames of WebSocket: the header of the second is no part of the body.
        let mut reads = Reads::new(0);
        reads.read(8);
        reads.read(8);
        assert_eq!(reads.message(&[0; 16], 4, End::Text), span(0, 16, &[]));
        reads.read(9);
        reads.read(1);
        assert_eq!(reads.message(&[0; 10], 4, End::Text), span(16, 10, &[3]));
        // It had begun before anybody watched.
        reads.read(2);
        reads.read(3);
        assert_eq!(reads.message(b"jour\n", 7, End::Newline), span(26, 5, &[]));
    }

    #[test]
    fn a_newline_in_a_read_of_its_own_cuts_nothing() {
        let all = messages(Framing::Line, &[b"abc", b"\n"]);
        assert_eq!(all, [("abc".into(), End::Newline, span(100, 4, &[]))]);
    }

    #[test]
    fn the_cuts_of_one_message_are_bounded() {
        let pieces = vec![&b"x"[..]; 10 * WATCH_CUTS];
        let all = messages(Framing::Line, &pieces);
        assert_eq!(all[0].2.len, 10 * WATCH_CUTS as u64);
        assert!(all[0].2.cuts.len() <= WATCH_CUTS);
    }

    proptest! {
        #[test]
        fn whatever_the_reads_the_spans_lie_end_to_end_and_the_cuts_where_the_reads_ended(
            text in "[ab]{1,9}(\r?\n[ab]{1,9}){0,5}\r?\n",
            cuts in proptest::collection::btree_set(1_usize..60, 0..8),
        ) {
            let bytes = text.as_bytes();
            let cuts: Vec<usize> = cuts.into_iter().filter(|&at| at < bytes.len()).collect();
            let bounds = || std::iter::once(0).chain(cuts.iter().copied());
            let pieces: Vec<&[u8]> = bounds()
                .zip(bounds().skip(1).chain([bytes.len()]))
                .map(|(from, to)| &bytes[from..to])
                .collect();
            let mut at = 100;
            for (body, _, span) in messages(Framing::Line, &pieces) {
                prop_assert_eq!(span.at, at);
                at += span.len;
                let begins = usize::try_from(span.at - 100).expect("small");
                let inside = |cut: &&usize| begins < **cut && **cut < begins + body.len();
                let expected: Vec<usize> =
                    cuts.iter().filter(inside).map(|cut| cut - begins).collect();
                prop_assert_eq!(span.cuts, expected);
            }
            prop_assert_eq!(at, 100 + bytes.len() as u64);
        }
    }
}
