//! What is said: records, who said them, and where they stand.

use std::{fmt, sync::Arc};

use crate::{command::Epoch, name::Name};

/// Who said something, as of the moment it was said: a record keeps the name of its moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The member's number, from 1; never given twice in one life of the hub.
    pub number: u64,
    /// The name that was taken with `/nick`; without one it is `client-N`.
    pub name: Option<Name>,
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name.as_str()),
            None => write!(f, "client-{}", self.number),
        }
    }
}

/// What a record is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Something said in the room; it has a number.
    Speech,
    /// The author came into the room. Notices have no number: they are in no history, no gap and no raw stream.
    Joined,
    /// The author left the room, perhaps with a last word.
    Left(Option<Arc<str>>),
    /// The author took this name.
    Renamed(Name),
    /// The hub is closing.
    Goodbye,
}

/// By what a sender knows a message of its own, so that it isn't said twice when it comes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The number that a session gave it.
    Id(u64),
    /// The key under which it was posted.
    Key(Arc<PostKey>),
}

/// The idempotency key of a message that was posted (PROTOCOL §5).
#[derive(Debug, PartialEq, Eq)]
pub struct PostKey {
    /// What the client calls it.
    pub key: Box<str>,
    /// A short form of who said what: to tell a mistake, not an attack.
    pub digest: [u8; 32],
}

/// What is to be appended to a room's log.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub author: Author,
    /// What.
    pub kind: Kind,
    /// By what its sender knows it.
    pub tag: Option<Tag>,
    /// What is said; empty for a notice.
    pub body: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A message.
    #[must_use]
    pub fn speech(author: Author, tag: Option<Tag>, body: &'a [u8]) -> Entry<'a> {
        Entry { author, kind: Kind::Speech, tag, body }
    }

    /// Something that happened.
    #[must_use]
    pub fn notice(author: Author, kind: Kind) -> Entry<'static> {
        Entry { author, kind, tag: None, body: &[] }
    }
}

/// One entry of a room's log.
#[derive(Clone, Debug)]
pub struct Record {
    /// Who.
    pub author: Author,
    /// What.
    pub kind: Kind,
    /// Its number in the room, from 1; 0 for a notice.
    pub seq: u64,
    /// When it was appended, in microseconds since 1970; never before the record before it.
    pub time_us: u64,
    /// By what its sender knows it, where that was said.
    pub tag: Option<Tag>,
    /// Where its body begins in the batch's buffer.
    pub(crate) start: u32,
    /// Where the next record's begins: one past the newline that the buffer has after each body.
    pub(crate) end: u32,
}

impl Record {
    /// The number that its sender gave it, where it gave one.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        match self.tag {
            Some(Tag::Id(id)) => Some(id),
            _ => None,
        }
    }
}

/// A place in one life of a room's log, written `EPOCH@SEQ` (PROTOCOL §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which life of the log.
    pub epoch: Epoch,
    /// The last message before this place.
    pub seq: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.epoch, self.seq)
    }
}
