//! Up to where everything of a room was had: what a client asks to go on after when it comes back (PROTOCOL §5).

use std::{collections::BTreeSet, fmt};

use super::read::NUMBER_END;
use crate::limits::CLIENT_AHEAD;

/// A place in a room: one life of its log, and the number of a message there. Shown as the hub writes it, `EPOCH@SEQ`;
/// without an epoch, a bare number of whatever life it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the room's log: ten letters and digits; empty: the present one.
    pub epoch: String,
    /// The message's number in it, from 1; 0 stands before the first.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch.is_empty() {
            write!(f, "{}", self.seq)
        } else {
            write!(f, "{}@{}", self.epoch, self.seq)
        }
    }
}

impl Position {
    /// Before everything that a room has.
    #[must_use]
    pub fn start() -> Self {
        Self { epoch: String::new(), seq: 0 }
    }
}

/// A text that is no [`Position`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no position; expected EPOCH@SEQ, as Message::position and Client::send give it")]
pub struct PositionError(String);

impl std::str::FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let wrong = || PositionError(text.chars().take(64).collect());
        let (epoch, seq) = text.split_once('@').ok_or_else(wrong)?;
        let is_epoch =
            (1..=32).contains(&epoch.len()) && epoch.bytes().all(|b| b.is_ascii_alphanumeric());
        let is_seq = seq.bytes().all(|b| b.is_ascii_digit());
        let seq = seq.parse().ok().filter(|&seq| is_epoch && is_seq && seq < NUMBER_END);
        Ok(Self { epoch: epoch.to_owned(), seq: seq.ok_or_else(wrong)? })
    }
}

/// How far a member is in a room. Its own messages count by their acknowledgements, which may come before and after the
/// messages around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Everything up to it was had.
    at: Position,
    /// What was had beyond; never `at.seq + 1`.
    ahead: BTreeSet<u64>,
    /// The last message that was passed on, or the place where it began.
    passed: u64,
}

impl Mark {
    pub(super) fn new(at: Position) -> Self {
        Self { passed: at.seq, at, ahead: BTreeSet::new() }
    }

    pub(super) fn at(&self) -> &Position {
        &self.at
    }

    /// This number came. False: it was had before.
    pub(super) fn had(&mut self, seq: u64) -> bool {
        if seq <= self.at.seq || !self.ahead.insert(seq) {
            return false;
        }
        if self.ahead.len() > CLIENT_AHEAD {
            // A hole that nothing has filled for so long is of messages that were never to come.
            let first = *self.ahead.first().expect("it holds many");
            self.at.seq = first - 1;
        }
        self.close_up();
        true
    }

    /// Whether this message can be passed on in its order. From now on none before it can: one that fills a hole there
    /// is what this member said itself in a session that the hub forgot before it acknowledged it.
    pub(super) fn is_next(&mut self, seq: u64) -> bool {
        let is_next = seq > self.passed;
        self.passed = self.passed.max(seq);
        is_next
    }

    /// Nothing up to `seq` comes any more.
    pub(super) fn skip(&mut self, seq: u64) {
        if seq > self.at.seq {
            self.at.seq = seq;
            self.ahead.retain(|&ahead| ahead > seq);
            self.close_up();
        }
    }

    fn close_up(&mut self) {
        while self.ahead.remove(&(self.at.seq + 1)) {
            self.at.seq += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(text: &str) -> Mark {
        Mark::new(text.parse().expect("a position of this table"))
    }

    #[test]
    fn a_mark_stands_where_nothing_before_it_is_missing() {
        // (what comes, where the mark stands then); `..n` is a gap up to n.
        let steps = [
            ("1", 1),
            ("2", 2),
            ("4", 2),
            ("2", 2),
            ("3", 4),
            ("9", 4),
            ("..7", 7),
            ("8", 9),
            ("..3", 9),
            ("12", 9),
            ("..11", 12),
        ];
        let mut mark = mark("aaaaaaaaaa@0");
        for (what, stands) in steps {
            match what.strip_prefix("..") {
                Some(to) => mark.skip(to.parse().expect("a number")),
                None => drop(mark.had(what.parse().expect("a number"))),
            }
            assert_eq!(mark.at().seq, stands, "{what}");
        }
    }

    #[test]
    fn what_was_had_before_is_told_from_what_is_new() {
        let mut mark = mark("aaaaaaaaaa@5");
        assert!(!mark.had(5) && mark.had(7) && !mark.had(7) && mark.had(6) && !mark.had(7));
    }

    #[test]
    fn what_fills_a_hole_before_what_was_passed_on_isnt_next() {
        let mut mark = mark("aaaaaaaaaa@5");
        assert!(mark.had(6), "acknowledged, which passes nothing on");
        assert!(mark.is_next(8) && !mark.is_next(7) && !mark.is_next(8) && mark.is_next(9));
    }

    #[test]
    fn a_hole_that_nothing_fills_is_given_up() {
        let mut mark = mark("aaaaaaaaaa@0");
        for seq in 2..=CLIENT_AHEAD as u64 + 1 {
            mark.had(seq);
            assert_eq!(mark.at().seq, 0);
        }
        mark.had(CLIENT_AHEAD as u64 + 2);
        assert_eq!(mark.at().seq, CLIENT_AHEAD as u64 + 2);
    }

    #[test]
    fn a_position_is_read_as_it_is_shown() {
        let position: Position = "wmnb53jb7n@1043".parse().expect("a position");
        assert_eq!(position.to_string(), "wmnb53jb7n@1043");
        for wrong in ["", "5", "@5", "a@", "a@+5", "a@-1", "a b@5", "é@5", "a@99999999999999999999"]
        {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }
}
