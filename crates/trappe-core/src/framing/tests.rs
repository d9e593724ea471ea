//! Scripts: what comes when, and what that gives when. The clock is the script's.

mod explicit;
mod rules;
mod telnet;

use std::fmt::Write as _;
use std::time::Duration;

use super::*;

/// What happens at some millisecond.
#[derive(Clone, Copy)]
enum Act<'a> {
    Read(&'a [u8]),
    /// Many reads of one byte each, all at once.
    Bytes(&'a [u8]),
    Hold(bool),
    Switch(Framing),
    Forget,
    Eof,
}

/// One connection with a clock that goes on to each deadline by itself, and a log of every frame.
struct Script {
    framer: Framer,
    now: Duration,
    log: Vec<String>,
}

impl Script {
    fn new(framing: Framing, max: usize) -> Self {
        Self { framer: Framer::new(framing, max), now: Duration::ZERO, log: Vec::new() }
    }

    fn note(log: &mut Vec<String>, at: Duration, frame: Frame<'_>) {
        let mut line = format!("{} ", at.as_millis());
        match frame {
            Frame::Message { body, end } => {
                let short = if body.len() > 40 {
                    format!("{} bytes", body.len())
                } else {
                    body.escape_ascii().to_string()
                };
                write!(line, "{end:?} {short}")
            }
            Frame::TooLong => write!(line, "TooLong"),
            Frame::Unfinished { bytes } => write!(line, "Unfinished {bytes}"),
        }
        .expect("a String takes everything");
        log.push(line);
    }

    /// Lets time go on to `end` (for ever, if none is given).
    fn until(&mut self, end: Option<Duration>) {
        while let Some(at) = self.framer.deadline()
            && end.is_none_or(|end| at <= end)
        {
            self.now = self.now.max(at);
            match self.framer.timeout(self.now) {
                Some(frame) => Self::note(&mut self.log, self.now, frame),
                None => assert_ne!(self.framer.deadline(), Some(at), "what is due gets done"),
            }
        }
        self.now = end.unwrap_or(self.now);
    }

    fn read(&mut self, now: Duration, mut input: &[u8]) {
        self.framer.read(now, input);
        while let Some(frame) = self.framer.next(now, &mut input) {
            Self::note(&mut self.log, now, frame);
        }
        assert!(input.is_empty(), "all of a read is used");
    }

    fn act(&mut self, now: Duration, act: Act<'_>) {
        match act {
            Act::Read(input) => self.read(now, input),
            Act::Bytes(input) => input.chunks(1).for_each(|byte| self.read(now, byte)),
            Act::Hold(hold) => self.framer.hold_first_line(hold),
            Act::Switch(framing) => {
                let dropped = self.framer.switch(framing);
                self.log.push(format!("{} dropped {dropped}", now.as_millis()));
            }
            Act::Forget => {
                let forgotten = self.framer.forget();
                self.log.push(format!("{} forgot {forgotten}", now.as_millis()));
                assert_eq!(self.framer.held(), 0);
            }
            Act::Eof => {
                while let Some(frame) = self.framer.finish() {
                    Self::note(&mut self.log, now, frame);
                }
                assert_eq!(self.framer.held(), 0, "nothing is held after the end");
                assert_eq!(self.framer.deadline(), None, "nothing is due after the end");
            }
        }
    }
}

/// Runs `acts` (millisecond, act) with messages of at most 8 bytes, then lets time go on for ever; the frames must be
/// `expected`.
#[track_caller]
fn check(framing: Framing, acts: &[(u64, Act<'_>)], expected: &[&str]) {
    check_with(framing, 8, acts, expected);
}

#[track_caller]
fn check_with(framing: Framing, max: usize, acts: &[(u64, Act<'_>)], expected: &[&str]) {
    let mut script = Script::new(framing, max);
    for &(ms, act) in acts {
        let now = Duration::from_millis(ms);
        script.until(Some(now));
        script.act(now, act);
    }
    script.until(None);
    assert_eq!(script.log, expected);
}

const AUTO: Framing = Framing::Auto;
