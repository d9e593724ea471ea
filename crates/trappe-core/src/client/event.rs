//! What a client tells its program: what is said in its rooms and to it, what it misses, and how its connection does.

use std::time::Duration;

use super::{Ended, Lost, mark::Position};

/// Something that a hub said, or that became of the connection to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message in a room.
    Message(Message),
    /// A message to this client alone.
    Direct(Direct),
    /// Messages that won't come, or that never were.
    Gap(Gap),
    /// After a position was asked for: everything up to here has come, and what follows is new.
    Live {
        /// In which room.
        room: String,
        /// Where the client stands in it.
        position: Position,
    },
    /// Somebody came into a room.
    Joined {
        /// Which.
        room: String,
        /// Who.
        who: Member,
    },
    /// Somebody left a room.
    Left {
        /// Which.
        room: String,
        /// Who.
        who: Member,
        /// Its last word.
        text: Option<String>,
    },
    /// Somebody is called otherwise from now on.
    Renamed {
        /// A room in which both are, where the hub says one.
        room: Option<String>,
        /// Who, by its name of before.
        who: Member,
        /// Its name from now on.
        name: String,
    },
    /// A value of a room's shared state, to who follows it.
    State(State),
    /// All values of a room's shared state follow, each as a [`Event::State`]; a key that isn't among them is gone.
    /// Comes first when a state is followed, and again after a reconnect.
    Snapshot {
        /// In which room.
        room: String,
        /// How many values.
        keys: u64,
    },
    /// A sentence of the hub for a person.
    Notice {
        /// The sentence, in the hub's language.
        text: String,
    },
    /// The hub refused something that no call waits for: a name that is to be taken again after a restart, say.
    Refused {
        /// What, for programs; it never changes (docs/protocol.md §12).
        code: String,
        /// What, for people, in the hub's language.
        text: String,
        /// Which op, where the hub knows.
        op: Option<String>,
    },
    /// The hub has answered, and the rooms are entered.
    Connected(Connected),
    /// The connection is lost; the next attempt is made by itself.
    Reconnecting {
        /// Which attempt in a row it will be, from 1.
        attempt: u32,
        /// When it is made, from now on.
        after: Duration,
        /// Why the connection, or the attempt before, was lost.
        why: Lost,
    },
    /// The last event.
    Ended(Ended),
    /// An event of a kind that this version doesn't know, as the hub wrote it: a JSON object.
    Unknown(String),
}

/// A message in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The room, as the hub spells it.
    pub room: String,
    /// Its place in the room's order. To join a room there goes on after it.
    pub position: Position,
    /// Who said it, by the name of that moment; an address, of one who is no member.
    pub name: String,
    /// The number of who said it, which stays the same under any name; none where it came by HTTP, or from an address.
    pub sid: Option<u64>,
    /// The number that its sender gave it.
    pub id: Option<u64>,
    /// When the hub took it: since 1970 (UTC), to the millisecond.
    pub time: Duration,
    /// What was said: UTF-8 as a rule, but any bytes may come.
    pub body: Vec<u8>,
    /// This client said it itself.
    pub own: bool,
    /// It was said before, and was asked for: by a position, after a reconnect, or as history.
    pub old: bool,
}

impl Message {
    /// What was said as text; what isn't UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// A message to this client alone. It has no number, is in no history, and is lost where the connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Direct {
    /// Who said it.
    pub name: String,
    /// Its number.
    pub sid: Option<u64>,
    /// When the hub took it: since 1970 (UTC), to the millisecond.
    pub time: Duration,
    /// What was said.
    pub body: Vec<u8>,
}

impl Direct {
    /// What was said as text; what isn't UTF-8 in it is replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Numbers of a room that no message will come for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// In which room.
    pub room: String,
    /// The first number that is missing, where the hub knows.
    pub from: Option<u64>,
    /// The last one.
    pub to: Option<u64>,
    /// Why.
    pub cause: Cause,
    /// The oldest message that is still there, and that comes next.
    pub oldest: Option<Position>,
}

impl Gap {
    /// Whether a message may be missing. Numbers that a crash left [unused](Cause::Unused) never were messages.
    #[must_use]
    pub fn misses_something(&self) -> bool {
        self.cause != Cause::Unused
    }
}

/// Why there is a [`Gap`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// This client read too slowly for what the hub keeps for it.
    Slow,
    /// Numbers that a crash of the hub left unused: nothing is missing.
    Unused,
    /// Delivered to those who were there, but the hub's disk did not take it.
    NotStored,
    /// The hub's disk doesn't give it back as it was.
    Damaged,
    /// Older than what the hub keeps.
    Forgotten,
    /// The position was of another life of the room: what came after it there is not to be had.
    Epoch,
    /// Values of the shared state, not messages: all of them come anew, and a key that isn't among them is gone.
    State,
    /// A cause that this version doesn't know.
    Other(String),
}

impl From<&str> for Cause {
    fn from(text: &str) -> Self {
        match text {
            "slow" => Self::Slow,
            "unused" => Self::Unused,
            "not-stored" => Self::NotStored,
            "damaged" => Self::Damaged,
            "forgotten" => Self::Forgotten,
            "epoch" => Self::Epoch,
            "state" => Self::State,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// Who is in a room.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its name: what it took, or `client-N`.
    pub name: String,
    /// Its number, which stays the same under any name.
    pub sid: Option<u64>,
}

/// Who is in a room, as far as the hub lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Members {
    /// How many they are.
    pub count: u64,
    /// The first hundred.
    pub listed: Vec<Member>,
}

/// A value of a room's shared state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct State {
    /// In which room.
    pub room: String,
    /// Which change of this room's state it is: of two values of a key, the one with the lower number is older.
    pub seq: u64,
    /// Of which key.
    pub key: String,
    /// The version that its sender gave it.
    pub version: Option<u32>,
    /// Who set it.
    pub name: String,
    /// The number of who set it.
    pub sid: Option<u64>,
    /// When the hub took it: since 1970 (UTC), to the millisecond.
    pub time: Duration,
    /// The value; empty where the key was taken away.
    pub value: Vec<u8>,
}

/// A connection is there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// This client is who it was: number, name and places are those of before, and no send is in doubt. False for the
    /// first connection, and where the hub knew the session no more.
    pub resumed: bool,
    /// This client's number.
    pub sid: u64,
    /// This client's name.
    pub name: String,
    /// The rooms that it is in, and where in them.
    pub rooms: Vec<(String, Position)>,
}
