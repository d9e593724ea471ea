//! What arrives after a `-m`: a refusal is told, answers are shown where a command was sent, all else is no concern of it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{
    lines::{Line, Lines},
    screen::{Screen, Sink},
};
use crate::cli::out;

/// Looks through what arrives for refusals.
#[derive(Debug)]
pub(super) struct Answers {
    lines: Lines,
    /// Where all other lines are shown.
    shown: Screen,
    /// Whether a line can be a refusal: not in raw format without commands, where it can only be what someone said.
    refusals: bool,
    /// Set as soon as something was refused.
    refused: Arc<AtomicBool>,
}

impl Answers {
    pub(super) fn new(shown: Screen, refusals: bool, refused: Arc<AtomicBool>) -> Self {
        Self { lines: Lines::default(), shown, refusals, refused }
    }

    fn take(&mut self, line: &Line) -> io::Result<()> {
        match line.after("! ") {
            Some(words) if self.refusals => {
                self.refused.store(true, Ordering::Relaxed);
                out::talk_bytes(words);
                Ok(())
            }
            _ => self.shown.show(&line.bytes),
        }
    }
}

impl Sink for Answers {
    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lines.push(bytes);
        while let Some(line) = self.lines.next() {
            self.take(&line)?;
        }
        Ok(())
    }

    fn holds(&self) -> bool {
        self.lines.holds()
    }

    fn settle(&mut self) -> io::Result<()> {
        if let Some(line) = self.lines.rest() {
            self.take(&line)?;
        }
        self.shown.settle()
    }
}
