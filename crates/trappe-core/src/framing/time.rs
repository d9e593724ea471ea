//! What time does to an unfinished message: the pause, and the patience with lines that never end.

use std::time::Duration;

use super::{End, Found, Framer, Framing, Pace, Phase};
use crate::limits::{
    HOLD, HOLD_LARGE, HOLD_UTF8, PAUSE, PAUSE_LARGE, PAUSE_TYPING, UNFINISHED_IDLE,
    UNFINISHED_TOTAL,
};

/// What becomes due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Pending bytes are what they are: an incomplete telnet sequence is text.
    Pending,
    /// The pause that ends a message, or the discarding of one.
    Pause,
    /// The message takes too long and is dropped.
    Unfinished,
}

impl Framer {
    /// What becomes due next, and when. Worked out from when the first and the last byte came, so that there is no
    /// timer to keep in step.
    pub(super) fn due(&self) -> Option<(Duration, Due)> {
        if self.pending.as_ref().is_some_and(|pending| pending.sealed) {
            return Some((self.last, Due::Pending));
        }
        match self.framing {
            Framing::Auto if self.pause_ends() => self.due_by_pause(),
            Framing::Auto => {
                // A sequence that stays incomplete must not keep the lines behind it: here a peer has been heard that
                // ends its lines, so 2 s without a byte is no network's doing.
                let pending = self
                    .pending
                    .as_ref()
                    .map(|_| (self.last.saturating_add(PAUSE_TYPING), Due::Pending));
                pending.into_iter().chain(self.due_as_unfinished()).min_by_key(|(at, _)| *at)
            }
            Framing::Line | Framing::Nul => self.due_as_unfinished(),
            // A body may take its time: its length is known, and the pool of unfinished bytes bounds it.
            Framing::Len32 | Framing::Chunk => None,
        }
    }

    /// Does what is due at `now`.
    pub(super) fn time_out(&mut self, now: Duration) -> Option<Found> {
        let (_, due) = self.due().filter(|(at, _)| *at <= now)?;
        if due == Due::Unfinished {
            return Some(Found::Unfinished(self.forget()));
        }
        self.seal();
        let (_, found) = self.advance(now, &[]);
        // A newline may have come to light among the pending bytes: then the pause ends nothing any more.
        if found.is_none() && due == Due::Pause && self.pause_ends() {
            return self.end_here(End::Pause);
        }
        found
    }

    /// Whether a pause stands in for the newline.
    fn pause_ends(&self) -> bool {
        !self.seen_newline && !self.first_line_held
    }

    fn due_by_pause(&self) -> Option<(Duration, Due)> {
        let discarding = self.phase == Phase::Discarding;
        let unfinished = self.unfinished();
        if unfinished.is_empty() && self.pending.is_none() && !discarding {
            return None;
        }
        let (pause, hold) = match self.pace {
            Pace::Typing => (PAUSE_TYPING, None),
            Pace::Small => (PAUSE, Some(HOLD)),
            Pace::Large => (PAUSE_LARGE, Some(HOLD_LARGE)),
        };
        let mut at = self.last.saturating_add(pause);
        if discarding {
            // No cap: what is longer than allowed is refused once, not once every half second.
            return Some((at, Due::Pause));
        }
        if let Some(hold) = hold {
            at = at.min(self.first.saturating_add(hold));
        }
        if self.pending.is_some() || ends_inside_a_character(unfinished) {
            at = at.saturating_add(HOLD_UTF8);
        }
        let total = self.first.saturating_add(UNFINISHED_TOTAL);
        Some(if total < at { (total, Due::Unfinished) } else { (at, Due::Pause) })
    }

    fn due_as_unfinished(&self) -> Option<(Duration, Due)> {
        if self.unfinished().is_empty() {
            return None;
        }
        let idle = self.last.saturating_add(UNFINISHED_IDLE);
        let total = self.first.saturating_add(UNFINISHED_TOTAL);
        Some((idle.min(total), Due::Unfinished))
    }

    /// The beginning of a message that hasn't ended.
    fn unfinished(&self) -> &[u8] {
        if self.phase == Phase::Collecting { &self.held } else { &[] }
    }
}

/// Whether the last one to three bytes are the beginning of a character that isn't complete.
fn ends_inside_a_character(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    let is_lead = |byte: &u8| !matches!(byte, 0x80..=0xBF);
    tail.iter().rposition(is_lead).is_some_and(|at| {
        str::from_utf8(&tail[at..]).is_err_and(|error| error.error_len().is_none())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_complete_or_not() {
        let table: [(&[u8], bool); 14] = [
            (b"", false),
            (b"a", false),
            ("é".as_bytes(), false),
            (b"\xc3", true),
            (b"caf\xc3", true),
            (b"\xe2\x82", true),
            ("€".as_bytes(), false),
            (b"a\xf0\x9f\x98", true),
            ("😀".as_bytes(), false),
            (b"\x80\x80\x80", false),
            (b"\xff", false),
            (b"\xc3a", false),
            // Surrogates and over-long forms begin no character.
            (b"\xed\xa0", false),
            (b"\xc0", false),
        ];
        for (bytes, expected) in table {
            assert_eq!(ends_inside_a_character(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
