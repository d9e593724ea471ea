//! What can go wrong with a client, and what is to be done then.

use std::{fmt, time::Duration};

use thiserror::Error;

/// What the hub says when it refuses something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// What, for programs; it never changes (docs/protocol.md §12).
    pub code: String,
    /// What, for people, in the hub's language; most say what to do.
    pub text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.text)
    }
}

/// Why something was not said, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The hub refused it: it was not said.
    #[error("sending: the hub refused the message ({0})")]
    Refused(Refusal),
    /// The others have heard it, but the hub's disk did not take it: it is in no history.
    #[error(
        "sending: the message was delivered, but the hub's disk did not keep it ({0}); say it again if it has to stay"
    )]
    NotStored(Refusal),
    /// It was on its way when the session ended (or it was too old for the hub to know): it was said once, or not at
    /// all.
    #[error(
        "sending: the connection ended before the acknowledgement, and the hub can't be asked any more; look into the history before you say it again"
    )]
    Unconfirmed,
    /// The client ended before it was on its way: it was not said.
    #[error("sending: the client ended before the message was on its way; it was not said")]
    NotSent,
    /// As much as may wait is waiting already (returned by what doesn't wait itself).
    #[error(
        "sending: as many messages as may wait are unacknowledged; wait for one, or raise Options::outbox"
    )]
    Full,
    /// The client takes no more: it drains, or has ended.
    #[error("sending: the client takes no more messages, it drains or has ended; make a new one")]
    Closed,
    /// Longer than the hub takes.
    #[error(
        "sending: the message takes {bytes} bytes as JSON, and the hub takes {max}; send less at once, or raise Options::max_message and the hub's --max-message"
    )]
    TooLong {
        /// What it takes on its way.
        bytes: usize,
        /// The bound.
        max: usize,
    },
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// The hub refused it.
    #[error("asking: the hub refused ({0})")]
    Refused(Refusal),
    /// The connection was lost before the answer came: it may have been done.
    #[error(
        "asking: the connection was lost before the hub answered; ask again if it does no harm twice"
    )]
    Lost,
    /// The client drains, or has ended.
    #[error("asking: the client drains or has ended; make a new one")]
    Closed,
    /// Too many questions wait for their answers.
    #[error("asking: {0} questions wait for their answers; wait for one of them")]
    Full(usize),
    /// It can't be asked so.
    #[error("asking: {0}")]
    Invalid(String),
    /// The answer isn't what it should be.
    #[error("asking: the hub's answer can't be read: {0}")]
    Answer(String),
}

/// Why there is no connection (any more). Another attempt may help.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Lost {
    /// No connection could be made.
    #[error("{0}")]
    Unreachable(String),
    /// The hub took the connection, but didn't answer as a hub in time.
    #[error(
        "no greeting came from the hub in time; is it one, and does it take JSON over lines there?"
    )]
    NoGreeting,
    /// The stream ended without a word: the hub was killed, or something in between cut it.
    #[error("the connection ended")]
    Closed,
    /// The stream broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// Nothing came for a minute, and no answer to the question whether anybody is there.
    #[error("the hub says nothing any more")]
    Silent,
    /// Something that no hub says, cut short.
    #[error("what came is no event of a hub: {0:?}")]
    NotAnEvent(String),
    /// A line without end.
    #[error("a line is longer than {0} bytes")]
    LineTooLong(usize),
    /// The hub said goodbye: it stops (`shutdown`), or this client read too slowly (`slow`), or …
    #[error("the hub said goodbye ({0})")]
    Goodbye(Refusal),
    /// The hub can't take this client now.
    #[error("the hub refused the connection ({0})")]
    Refused(Refusal),
}

/// Why a client has ended. It makes no further attempt.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Ended {
    /// It was closed by its program.
    #[error("the client was closed")]
    Closed,
    /// It was drained by its program, and all that it had sent was acknowledged.
    #[error("the client was drained")]
    Drained,
    /// It was drained by its program, and the time was up.
    #[error("the client was drained, and its time was up before everything was acknowledged")]
    DrainTimedOut,
    /// The hub was told to quit.
    #[error("the hub has said goodbye, as it was asked to")]
    Quit,
    /// Another connection goes on with this session.
    #[error("another connection has taken this session over")]
    Superseded,
    /// The hub won't have this client: a room or a name that can't be, another machine where only its own may connect.
    #[error("the hub refuses this client ({0})")]
    Refused(Refusal),
    /// As many attempts as it may make have failed.
    #[error("given up after {attempts} attempts: {why}")]
    GaveUp {
        /// How many were made in a row since the connection was lost.
        attempts: u32,
        /// What the last one failed by.
        why: Lost,
    },
}

/// Not everything was acknowledged in time.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DrainError {
    /// The time was up. Each of these sends has ended with its own error.
    #[error(
        "draining: {unacknowledged} sends were not acknowledged within {within:?}; their own errors say which"
    )]
    TimedOut {
        /// How many.
        unacknowledged: usize,
        /// How long was waited.
        within: Duration,
    },
    /// Everything has ended, but some of it in doubt: the hub lost the session meanwhile.
    #[error(
        "draining: {unconfirmed} sends ended in doubt, since the hub lost the session; their own errors say which"
    )]
    InDoubt {
        /// How many.
        unconfirmed: usize,
    },
    /// The client had ended, or ended meanwhile, by something else.
    #[error("draining: {why}; {unacknowledged} sends were not acknowledged")]
    Ended {
        /// Why it ended.
        why: Ended,
        /// How many sends were not acknowledged.
        unacknowledged: usize,
    },
}
