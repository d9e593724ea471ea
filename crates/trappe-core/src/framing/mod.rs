//! Bytes → messages: one [`Framer`] for each connection that sends a stream.
//!
//! Nothing is read here, and no clock is asked: the caller hands over what a read brought and the time, and is given
//! messages. One read is one [`Framer::read`], then [`Framer::next`] until it gives nothing; whenever something has
//! been called, [`Framer::deadline`] says when [`Framer::timeout`] is due; the end of the stream is
//! [`Framer::finish`].
//!
//! Where the bytes are cut by the network changes no message, except where a rule says so: the pause that stands in
//! for a newline as long as none was ever seen (`auto`), and `chunk`, which is about reads. A message that lies whole
//! in one read is given as a slice of it; only one that doesn't, or that has an 0xFF in it (`auto` looks for telnet
//! sequences), is copied. An idle connection holds no buffer.

mod kind;
mod scan;
mod telnet;
mod time;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use kind::{Framing, UnknownFraming};

use crate::limits::{LARGE_READ_BYTES, MESSAGE_BYTES_MAX};
use telnet::Pending;

/// Why a message ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A newline (`auto`, `line`).
    Newline,
    /// A pause, from a peer that never sent a newline (`auto`).
    Pause,
    /// The end of the stream (`auto`, `line`, `nul`).
    Eof,
    /// The end of the read (`chunk`).
    Read,
    /// The announced length (`len32`).
    Length,
    /// A NUL (`nul`).
    Nul,
    /// The end of a WebSocket text message.
    Text,
    /// The end of a WebSocket binary message.
    Binary,
    /// The end of a datagram (UDP).
    Datagram,
}

/// What the bytes turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A message, never empty, without what ended it.
    Message {
        /// The message, at most `max_message` bytes.
        body: &'a [u8],
        /// What ended it.
        end: End,
    },
    /// A message is longer than `max_message`. Said once, as soon as that is known; the rest up to its end is
    /// discarded.
    TooLong,
    /// A message began and didn't end in time, or the stream ended before the announced length. It is dropped; of a
    /// line that took too long the rest up to its end is discarded too.
    Unfinished {
        /// How many bytes of it there were (where not even its length was complete: of the length).
        bytes: usize,
    },
}

/// Cuts one connection's bytes into messages, by PROTOCOL §2.
///
/// Call [`next`](Self::next), [`timeout`](Self::timeout) and [`finish`](Self::finish) until they give `None`: a message
/// that had to be put together lies in the framer's buffer, which is given back at the next call.
#[derive(Debug)]
pub struct Framer {
    /// The unfinished message, or (in [`Phase::Given`]) the one that was given last.
    held: Vec<u8>,
    /// Bytes that may or may not be a telnet sequence. Rare, hence boxed.
    pending: Option<Box<Pending>>,
    /// When the first byte of the unfinished message came.
    first: Duration,
    /// When the last read came.
    last: Duration,
    max_message: usize,
    /// `len32`: the length as far as read, then the body's length, then (discarding) what is left of it.
    announced: usize,
    /// `len32`: how many bytes of the length were read.
    header: u8,
    framing: Framing,
    phase: Phase,
    pace: Pace,
    seen_newline: bool,
    first_line_held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// `held` is the beginning of a message.
    Collecting,
    /// `held` was given to the caller and is freed at the next call.
    Given,
    /// The message was refused; what comes up to its end is dropped.
    Discarding,
}

/// How the peer sends, as far as the length of a pause depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Every read so far brought one character only.
    Typing,
    /// The last read was small …
    Small,
    /// … or had [`LARGE_READ_BYTES`] or more.
    Large,
}

/// A frame found by the internals: what lies in the caller's bytes is told by its place, so that nothing is borrowed
/// yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Input { start: usize, len: usize, end: End },
    Held(End),
    TooLong,
    Unfinished(usize),
}

impl Framer {
    /// A framer for a new connection. `max_message` bytes is the longest message that passes, never more than
    /// [`MESSAGE_BYTES_MAX`].
    #[must_use]
    pub fn new(framing: Framing, max_message: usize) -> Self {
        Self {
            held: Vec::new(),
            pending: None,
            first: Duration::ZERO,
            last: Duration::ZERO,
            max_message: max_message.min(MESSAGE_BYTES_MAX),
            announced: 0,
            header: 0,
            framing,
            phase: Phase::Collecting,
            pace: Pace::Typing,
            seen_newline: false,
            first_line_held: false,
        }
    }

    /// How bytes are cut at present.
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Tells that a read brought `input` at `now`: once for each read, before [`next`](Self::next) is given the same
    /// bytes. A frame that was due before is to be fetched first, with [`timeout`](Self::timeout); else this read
    /// still belongs to it.
    pub fn read(&mut self, now: Duration, input: &[u8]) {
        if input.is_empty() {
            return;
        }
        self.last = now;
        if self.pace == Pace::Typing && self.is_typed(input) {
            return;
        }
        self.pace = if input.len() >= LARGE_READ_BYTES { Pace::Large } else { Pace::Small };
    }

    /// The next frame of `input`, which is advanced past what was used up. `None` when all of it was; what is
    /// unfinished is kept inside.
    pub fn next<'a, 'i: 'a>(
        &'a mut self,
        now: Duration,
        input: &mut &'i [u8],
    ) -> Option<Frame<'a>> {
        self.release();
        let bytes = *input;
        let (used, found) = self.advance(now, bytes);
        *input = &bytes[used..];
        found.map(|found| self.frame(bytes, found))
    }

    /// When [`timeout`](Self::timeout) is to be called; may be in the past. `None`: time changes nothing.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.due().map(|(at, _)| at)
    }

    /// To be called once `now` has reached [`deadline`](Self::deadline); gives what that ended. `None` if nothing is
    /// due, or if what was due is no frame; the deadline has then moved on.
    pub fn timeout(&mut self, now: Duration) -> Option<Frame<'_>> {
        self.release();
        let found = self.time_out(now)?;
        Some(self.frame(&[], found))
    }

    /// The stream ended, by its end or by a reset. Gives what that ended.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        self.release();
        self.seal();
        let (_, found) = self.advance(self.last, &[]);
        let found = found.or_else(|| match self.framing {
            Framing::Len32 => self.end_of_announced(),
            Framing::Auto | Framing::Line | Framing::Nul => self.end_here(End::Eof),
            Framing::Chunk => None,
        })?;
        Some(self.frame(&[], found))
    }

    /// Cuts otherwise from the next byte on, and starts afresh: an unfinished message is dropped, and the return value
    /// is its length. It is 0 where a message (`/framing …`) asked for the switch, since nothing is unfinished then.
    pub fn switch(&mut self, framing: Framing) -> usize {
        self.release();
        let dropped = self.held.len();
        self.held = Vec::new();
        self.phase = Phase::Collecting;
        self.header = 0;
        self.announced = 0;
        self.framing = framing;
        // Bytes whose meaning was open come after the message that asked: they belong to the new framing.
        if framing != Framing::Auto {
            self.seal();
        }
        dropped
    }

    /// How many bytes of memory an unfinished message (or the one given last) takes at present.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.capacity() + if self.pending.is_some() { size_of::<Pending>() } else { 0 }
    }

    /// Drops the unfinished message, because there is no room for it: the rest up to its end is discarded as for one
    /// that is too long. Returns how many bytes of it there were, 0 if there was none. [`held`](Self::held) is 0
    /// afterwards.
    pub fn forget(&mut self) -> usize {
        self.release();
        let pending = self.pending.take().map_or(0, |pending| pending.bytes().len());
        if self.phase == Phase::Discarding {
            return 0;
        }
        let bytes = self.held.len() + pending;
        if bytes > 0 {
            self.discard();
        }
        bytes
    }

    /// While `hold` is true, a pause ends no message: the caller still suspects that it is the first line of another
    /// protocol. A newline, the end of the stream and the time-outs of unfinished lines still do.
    pub fn hold_first_line(&mut self, hold: bool) {
        self.first_line_held = hold;
    }

    /// Whether a newline ever ended a line here: from then on a pause ends nothing.
    #[must_use]
    pub fn seen_newline(&self) -> bool {
        self.seen_newline
    }

    /// Whether this read is what one key of a terminal sends: a character, or telnet sequences, which are none.
    fn is_typed(&self, input: &[u8]) -> bool {
        if self.framing != Framing::Auto {
            return is_one_character(input);
        }
        if self.pending.is_some() {
            return true;
        }
        let text = telnet::without_leading_sequences(input);
        text.is_empty() || is_one_character(text)
    }

    /// Frees the message that was given last.
    fn release(&mut self) {
        if self.phase == Phase::Given {
            self.held = Vec::new();
            self.phase = Phase::Collecting;
        }
    }

    /// Drops the unfinished message, and what will come up to its end.
    fn discard(&mut self) {
        match self.framing {
            Framing::Auto | Framing::Line | Framing::Nul => self.phase = Phase::Discarding,
            Framing::Len32 if self.header == 4 => {
                self.announced -= self.held.len();
                self.phase = Phase::Discarding;
            }
            Framing::Len32 | Framing::Chunk => {}
        }
        self.held = Vec::new();
    }

    /// Nothing more is waited for to complete a telnet sequence.
    fn seal(&mut self) {
        if let Some(pending) = &mut self.pending {
            pending.sealed = true;
        }
    }

    fn frame<'a>(&'a self, input: &'a [u8], found: Found) -> Frame<'a> {
        match found {
            Found::Input { start, len, end } => {
                Frame::Message { body: &input[start..start + len], end }
            }
            Found::Held(end) => Frame::Message { body: &self.held, end },
            Found::TooLong => Frame::TooLong,
            Found::Unfinished(bytes) => Frame::Unfinished { bytes },
        }
    }
}

/// One byte (a character may come cut), or one well-formed character of several.
fn is_one_character(text: &[u8]) -> bool {
    match text.len() {
        1 => true,
        2..=4 => str::from_utf8(text).is_ok_and(|text| text.chars().count() == 1),
        _ => false,
    }
}
