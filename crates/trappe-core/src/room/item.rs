//! What can stand in a member's private queue.

use bytes::Bytes;

use crate::{command::At, encode::Look, limits::ITEM_BYTES, message::Author};

/// What stands in a private queue. `A` is what the shell wants to be told at this place in the order.
#[derive(Debug)]
pub enum Item<A> {
    /// Bytes to write as they are: replies and errors.
    Bytes(Bytes),
    /// A private message, to be written as the member is written to when its turn comes.
    Direct {
        /// Who says it.
        from: Author,
        /// When, in microseconds since 1970.
        time_us: u64,
        /// What.
        body: Bytes,
    },
    /// Bytes that take no room in the queue: the listener's own talk around a replay.
    Own(Bytes),
    /// The last messages of a room, between two notices.
    History {
        /// The room.
        room: u32,
        /// How many.
        count: usize,
        /// The id of the op that asks.
        id: Option<u64>,
    },
    /// The last messages of a room before one, for a text member that has just come; nothing where there are none.
    Greeting {
        /// The room.
        room: u32,
        /// How many.
        count: usize,
        /// The number of the first message that it hears by itself.
        before: u64,
    },
    /// The newest messages of a room in which all of these words are.
    Search {
        /// The room.
        room: u32,
        /// What is looked for.
        words: Box<str>,
        /// How many at most.
        count: usize,
        /// The id of the op that asks.
        id: Option<u64>,
    },
    /// Everything after a position (the room's view holds all that was said by now), then `* live`; the cursor goes on from there.
    Resume {
        /// The room.
        room: u32,
        /// The position.
        at: At,
        /// The id of the op that asks.
        id: Option<u64>,
    },
    /// An address of datagrams speaks for the member from now on.
    Attached(Box<str>),
    /// A change of look, from this place on.
    Look(Look, bool),
    /// Handed to the shell when reached.
    Act(A),
    /// The same, and the member is out of a room from there on.
    Leave(u32, A),
}

impl<A> Item<A> {
    /// What it takes of the private queue's room.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Item::Bytes(bytes) => ITEM_BYTES + bytes.len(),
            Item::Direct { body, .. } => ITEM_BYTES + body.len(),
            Item::Own(_) => 0,
            _ => ITEM_BYTES,
        }
    }
}
