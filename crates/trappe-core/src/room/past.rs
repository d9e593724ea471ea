//! What lies further back than a log holds: asked of a store, and given back in portions.

use std::sync::Arc;

use super::batch::Batch;

/// What a listener needs of its room's past. Numbers are those of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The messages from `from` on, before `to`: as many as one portion holds.
    Run {
        /// The first.
        from: u64,
        /// One past the last.
        to: u64,
    },
    /// Where the last `count` messages before `to` begin.
    Last {
        /// How many.
        count: u64,
        /// One past the last.
        to: u64,
    },
    /// These messages, as many as one portion holds.
    These(Box<[u64]>),
    /// The newest messages in which all of these words are, so many at most.
    Words(Box<str>, usize),
}

/// What a store has there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Past {
    /// A portion of a run, or of certain messages.
    Portion(Portion),
    /// The first of the last messages, and how many there are from there on.
    Last {
        /// The number of the first; where there is none, one past the last.
        from: u64,
        /// How many.
        count: u64,
    },
    /// Messages in which words were found.
    Found {
        /// What was looked for.
        words: Box<str>,
        /// Their numbers, oldest first.
        seqs: Vec<u64>,
        /// There are older ones, too.
        more: bool,
    },
}

/// The next messages, and what is missing before them.
#[derive(Clone, Debug)]
pub struct Portion {
    /// Messages that are in no history: the first and the last of them, and why.
    pub gap: Option<(u64, u64, Lost)>,
    /// The messages after the gap.
    pub batch: Option<Arc<Batch>>,
    /// The number from which to go on; of certain messages, how many were looked for.
    pub next: u64,
}

impl Portion {
    /// Nothing is there from `from` on, before `to`.
    #[must_use]
    pub fn missing(from: u64, to: u64, why: Lost) -> Portion {
        Portion { gap: Some((from, to - 1, why)), batch: None, next: to }
    }
}

impl PartialEq for Portion {
    fn eq(&self, other: &Portion) -> bool {
        let seqs = |p: &Portion| {
            p.batch.as_ref().map(|b| b.records.iter().map(|r| r.seq).collect::<Vec<_>>())
        };
        self.gap == other.gap && self.next == other.next && seqs(self) == seqs(other)
    }
}

impl Eq for Portion {}

/// Why messages are in no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Their numbers were never given: the hub ended unclean.
    Unused,
    /// The disk didn't take them.
    NotStored,
    /// The disk gave them back changed, or not at all.
    Damaged,
    /// They are older than what is kept.
    Forgotten,
}

impl Lost {
    /// The cause as members in JSON are told it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Lost::Unused => "unused",
            Lost::NotStored => "not-stored",
            Lost::Damaged => "damaged",
            Lost::Forgotten => "forgotten",
        }
    }

    /// How many messages are missed where these numbers are.
    #[must_use]
    pub fn missed(self, (from, to): (u64, u64)) -> u64 {
        if self == Lost::Unused { 0 } else { to - from + 1 }
    }
}
