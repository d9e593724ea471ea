//! The looking itself: where a message ends, and what is kept of one that doesn't end yet.

use std::time::Duration;

use memchr::{memchr, memchr2};

use super::telnet::{self, IAC, Pending, Sequence};
use super::{End, Found, Framer, Framing, Phase};

/// The least that is allocated for an unfinished message.
const HELD_BYTES_MIN: usize = 64;

/// What one look at some bytes gave.
enum Step {
    /// No frame; look at what follows.
    On,
    /// The message is the first `len` of these bytes.
    Slice { len: usize, end: End },
    /// The message is what is held.
    Held(End),
    /// A message is longer than allowed.
    TooLong,
    /// The bytes are the beginning of a telnet sequence, and none of them was used.
    Incomplete,
}

impl Framer {
    /// Looks at `input` (and before it at what was pending) up to the next frame; says how much was used.
    pub(super) fn advance(&mut self, now: Duration, input: &[u8]) -> (usize, Option<Found>) {
        let mut at = 0;
        loop {
            if let Some(pending) = self.pending.take() {
                if let Some(found) = self.replay(now, pending, input, &mut at) {
                    return (at, Some(found));
                }
                if self.pending.is_some() {
                    return (at, None);
                }
            }
            if at == input.len() {
                return (at, None);
            }
            let start = at;
            let (used, step) = self.step(now, &input[at..], false);
            at += used;
            match step {
                Step::On => {}
                Step::Slice { len, end } => return (at, Some(Found::Input { start, len, end })),
                Step::Held(end) => return (at, Some(Found::Held(end))),
                Step::TooLong => return (at, Some(Found::TooLong)),
                Step::Incomplete => {
                    if self.held.is_empty() {
                        self.first = now;
                    }
                    self.pending = Some(Pending::new(&input[at..]));
                    return (input.len(), None);
                }
            }
        }
    }

    /// Looks at pending bytes, topped up from `input`, until there is a frame or they are used up; puts them back where
    /// their meaning stays open.
    fn replay(
        &mut self,
        now: Duration,
        mut pending: Box<Pending>,
        input: &[u8],
        at: &mut usize,
    ) -> Option<Found> {
        while !pending.bytes().is_empty() {
            let (used, step) = self.step(now, pending.bytes(), pending.sealed);
            let found = match step {
                Step::On => None,
                Step::Slice { len, end } => {
                    self.hold(&pending.bytes()[..len]);
                    self.phase = Phase::Given;
                    Some(Found::Held(end))
                }
                Step::Held(end) => Some(Found::Held(end)),
                Step::TooLong => Some(Found::TooLong),
                Step::Incomplete => {
                    let taken = pending.top_up(&input[*at..]);
                    *at += taken;
                    if taken == 0 {
                        self.pending = Some(pending);
                        return None;
                    }
                    continue;
                }
            };
            pending.consume(used);
            if found.is_some() {
                self.pending = (!pending.bytes().is_empty()).then_some(pending);
                return found;
            }
        }
        None
    }

    /// One look at `bytes`, which aren't empty: how many of them were used, and for what. In `sealed` bytes an
    /// incomplete telnet sequence is text.
    fn step(&mut self, now: Duration, bytes: &[u8], sealed: bool) -> (usize, Step) {
        match self.framing {
            Framing::Auto => match memchr2(b'\n', IAC, bytes) {
                Some(0) if bytes[0] == IAC => self.command(now, bytes, sealed),
                Some(at) if bytes[at] == IAC => (at, self.take(now, &bytes[..at])),
                newline => self.line(now, bytes, newline),
            },
            Framing::Line => self.line(now, bytes, memchr(b'\n', bytes)),
            Framing::Nul => match memchr(0, bytes) {
                Some(at) => (at + 1, self.end(&bytes[..at], End::Nul)),
                None => (bytes.len(), self.take(now, bytes)),
            },
            Framing::Chunk if bytes.len() > self.max_message => (bytes.len(), Step::TooLong),
            Framing::Chunk => (bytes.len(), Step::Slice { len: bytes.len(), end: End::Read }),
            Framing::Len32 => self.announced(bytes),
        }
    }

    /// What stands at `bytes[0]`, an IAC.
    fn command(&mut self, now: Duration, bytes: &[u8], sealed: bool) -> (usize, Step) {
        match telnet::parse(bytes) {
            Sequence::Command(len) => (len, Step::On),
            Sequence::Escaped => (2, self.take(now, &[IAC])),
            Sequence::Incomplete if !sealed => (0, Step::Incomplete),
            Sequence::Text | Sequence::Incomplete => (1, self.take(now, &[IAC])),
        }
    }

    fn line(&mut self, now: Duration, bytes: &[u8], newline: Option<usize>) -> (usize, Step) {
        let Some(at) = newline else { return (bytes.len(), self.take(now, bytes)) };
        self.seen_newline = true;
        let mut piece = &bytes[..at];
        if let Some(without) = piece.strip_suffix(b"\r") {
            piece = without;
        } else if piece.is_empty() && self.held.last() == Some(&b'\r') {
            self.held.pop();
        }
        (at + 1, self.end(piece, End::Newline))
    }

    /// `piece` belongs to a message that doesn't end with it.
    fn take(&mut self, now: Duration, piece: &[u8]) -> Step {
        if self.phase == Phase::Discarding {
            return Step::On;
        }
        if self.held.is_empty() {
            self.first = now;
        }
        let len = self.held.len() + piece.len();
        // A last `\r` may turn out to belong to the newline, and then doesn't count.
        let may_shrink = self.framing != Framing::Nul && piece.last() == Some(&b'\r');
        if len > self.max_message + usize::from(may_shrink) {
            self.discard();
            return Step::TooLong;
        }
        self.hold(piece);
        Step::On
    }

    /// A message ends with `piece`, in which its delimiter has no part.
    fn end(&mut self, piece: &[u8], end: End) -> Step {
        if self.phase == Phase::Discarding {
            self.phase = Phase::Collecting;
            return Step::On;
        }
        match self.held.len() + piece.len() {
            0 => {
                self.held = Vec::new();
                Step::On
            }
            len if len > self.max_message => {
                self.held = Vec::new();
                Step::TooLong
            }
            len if self.held.is_empty() => {
                self.held = Vec::new();
                Step::Slice { len, end }
            }
            _ => {
                self.hold(piece);
                self.phase = Phase::Given;
                Step::Held(end)
            }
        }
    }

    /// The message ends without a delimiter, or the discarding of one does.
    pub(super) fn end_here(&mut self, end: End) -> Option<Found> {
        match self.end(&[], end) {
            Step::Held(end) => Some(Found::Held(end)),
            Step::TooLong => Some(Found::TooLong),
            Step::On | Step::Slice { .. } | Step::Incomplete => None,
        }
    }

    /// `len32`: a part of the length, or of the body.
    fn announced(&mut self, bytes: &[u8]) -> (usize, Step) {
        if self.header < 4 {
            return self.length(bytes);
        }
        let missing = self.announced - self.held.len();
        let used = missing.min(bytes.len());
        if self.phase == Phase::Discarding {
            self.announced -= used;
            if used == missing {
                self.phase = Phase::Collecting;
                self.header = 0;
            }
            return (used, Step::On);
        }
        if used < missing {
            self.hold(&bytes[..used]);
            return (used, Step::On);
        }
        self.header = 0;
        self.announced = 0;
        (used, self.end(&bytes[..used], End::Length))
    }

    fn length(&mut self, bytes: &[u8]) -> (usize, Step) {
        let mut used = 0;
        for &byte in bytes.iter().take(usize::from(4 - self.header)) {
            self.announced = self.announced << 8 | usize::from(byte);
            self.header += 1;
            used += 1;
        }
        if self.header == 4 && self.announced == 0 {
            self.header = 0;
        } else if self.header == 4 && self.announced > self.max_message {
            self.discard();
            return (used, Step::TooLong);
        }
        (used, Step::On)
    }

    /// `len32` at the end of the stream: what is there of a message can't be completed any more.
    pub(super) fn end_of_announced(&mut self) -> Option<Found> {
        let refused = self.phase == Phase::Discarding;
        let bytes = if self.header < 4 { usize::from(self.header) } else { self.held.len() };
        let begun = self.header > 0;
        self.held = Vec::new();
        self.phase = Phase::Collecting;
        self.header = 0;
        self.announced = 0;
        (begun && !refused).then_some(Found::Unfinished(bytes))
    }

    /// Appends to what is held, by doubling, but never beyond the longest message and its `\r`.
    fn hold(&mut self, piece: &[u8]) {
        let len = self.held.len() + piece.len();
        if len > self.held.capacity() {
            let roomy = (self.held.capacity() * 2).max(HELD_BYTES_MIN).min(self.max_message + 1);
            self.held.reserve_exact(roomy.max(len) - self.held.len());
        }
        self.held.extend_from_slice(piece);
    }
}
