//! Everything that a member in the JSON format can be sent (PROTOCOL §4 and §5).
//!
//! One closed list: who reads it knows what the hub says to programs. The fields are borrowed from wherever they are
//! kept; [`crate::encode::json`] writes them, and `docs/protocol.schema.json` describes what is written.
//!
//! An `id` is the `id` of the op that an event answers; what nobody asked for has none. Numbers stay below 2^53, so that
//! every JSON parser reads them exactly; the hub counts up to them, or refuses greater ones where it reads them.

use crate::{
    message::{Author, Position},
    name::Name,
};

/// A message of a room.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Where it was said.
    pub room: &'a str,
    /// Its number there, from 1.
    pub seq: u64,
    /// Who said it.
    pub from: &'a Author,
    /// When, in microseconds since the beginning of 1970 (UTC).
    pub time_us: u64,
    /// The `id` that its sender gave it.
    pub id: Option<u64>,
    /// What was said.
    pub body: &'a [u8],
    /// It was asked for again.
    pub old: bool,
    /// Who gets it said it.
    pub own: bool,
}

/// Where a member stands in one of its rooms.
#[derive(Clone, Copy, Debug)]
pub struct Standing<'a> {
    /// The room.
    pub room: &'a str,
    /// The last message that it was written.
    pub position: Position,
    /// Records that it hasn't been written yet.
    pub lag: u64,
}

/// One thing that the hub says.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Who the member is: the first event of a connection, and the answer to `hello`.
    Hello {
        /// What a later connection says to go on with this session.
        session: &'a str,
        /// The member's number.
        sid: u64,
        /// Its name.
        name: &'a str,
        /// It was taken over from another connection.
        resumed: bool,
        /// The rooms that it is in, and the position from which it hears each.
        rooms: &'a [(&'a str, Position)],
        /// See the module.
        id: Option<u64>,
    },
    /// A message of a room.
    Msg(Said<'a>),
    /// A message to this member alone; it has no number and isn't kept.
    Direct {
        /// Who said it.
        from: &'a Author,
        /// When, in microseconds since the beginning of 1970 (UTC).
        time_us: u64,
        /// What was said.
        body: &'a [u8],
    },
    /// An op was carried out. Of a `send` it has room and number, of another op its name: of a `set` room and number
    /// too, of a `get` that follows a room's state the room and how many values come after it.
    Ack {
        /// Where the message was said, or whose state it is.
        room: Option<&'a str>,
        /// What the message is in the room's order; of a `set`, what the change is in that of the state.
        seq: Option<u64>,
        /// Which op.
        op: Option<&'static str>,
        /// How many keys the state has.
        count: Option<usize>,
        /// See the module.
        id: Option<u64>,
    },
    /// Something was refused, or went wrong; the connection lives.
    Error {
        /// What, for programs: kebab-case, never changed.
        code: &'a str,
        /// What, for people, in the member's language.
        text: &'a str,
        /// The op, as it was given.
        op: Option<&'a str>,
        /// See the module.
        id: Option<u64>,
        /// Where in the frame or the line, in bytes from 0.
        at: Option<usize>,
        /// In which of the op's fields.
        field: Option<&'a str>,
        /// About which room.
        room: Option<&'a str>,
    },
    /// Messages that the member will not be sent.
    Gap {
        /// Whose messages.
        room: &'a str,
        /// The first that is missing, if that is known.
        from: Option<u64>,
        /// The last that is missing.
        to: Option<u64>,
        /// `slow`: the member read too slowly; `forgotten`: they are no longer kept; `epoch`: the position asked for
        /// is of another life of the room; `mtu`: it is longer than a datagram may be; `state`: the member fell too far
        /// behind the room's state. With history on disk, `unused`: these numbers were never given; `not-stored`: the
        /// disk didn't take them; `damaged`: the disk doesn't give them back.
        cause: &'static str,
        /// The oldest message that is still kept: the first that comes after this gap.
        oldest: Option<Position>,
        /// See the module.
        id: Option<u64>,
    },
    /// Somebody came into a room; the member itself, where there is an `own`.
    Join {
        /// Which room.
        room: &'a str,
        /// Who.
        from: &'a Author,
        /// To the one who came: the position from which it hears the room, and how many members are in it.
        own: Option<(Position, usize)>,
        /// See the module.
        id: Option<u64>,
    },
    /// Somebody left a room.
    Leave {
        /// Which room.
        room: &'a str,
        /// Who.
        from: &'a Author,
        /// Its last word.
        text: Option<&'a str>,
        /// It is the member itself.
        own: bool,
        /// See the module.
        id: Option<u64>,
    },
    /// Somebody took a name.
    Nick {
        /// The room in which it is known; none to the one who is in no room.
        room: Option<&'a str>,
        /// Who, by the name of before.
        from: &'a Author,
        /// The name from now on.
        name: &'a str,
        /// It is the member itself.
        own: bool,
        /// See the module.
        id: Option<u64>,
    },
    /// The members of a room.
    Who {
        /// Which room.
        room: &'a str,
        /// How many there are; not all of them may be listed.
        count: usize,
        /// The first of them.
        members: &'a [Author],
        /// See the module.
        id: Option<u64>,
    },
    /// The rooms of the hub.
    Rooms {
        /// How many there are; not all of them may be listed.
        count: usize,
        /// The first of them, and how many members each has.
        rooms: &'a [(Name, usize)],
        /// See the module.
        id: Option<u64>,
    },
    /// The messages that `history` asked for have all been sent, before this.
    History {
        /// Of which room.
        room: &'a str,
        /// How many they were.
        count: usize,
        /// Where the member stands in the room, as before.
        position: Position,
        /// See the module.
        id: Option<u64>,
    },
    /// The messages that `search` found have all been sent, before this.
    Search {
        /// In which room.
        room: &'a str,
        /// What was searched for, as it was given.
        words: &'a str,
        /// How many were sent.
        count: usize,
        /// Older messages have these words too.
        more: bool,
        /// Where the member stands in the room, as before.
        position: Position,
        /// See the module.
        id: Option<u64>,
    },
    /// What was asked for again has all been sent: from here on it is new.
    Live {
        /// In which room.
        room: &'a str,
        /// The last message before what is new.
        position: Position,
        /// See the module.
        id: Option<u64>,
    },
    /// A value of a room's state: what was asked for, or the latest after a change.
    State {
        /// Which room.
        room: &'a str,
        /// Which change of this room's state it is, from 1: an event with a lower number is older. Messages are counted
        /// apart.
        seq: u64,
        /// Which key.
        key: &'a str,
        /// Its version, if its sender gave it one.
        version: Option<u32>,
        /// Who set it.
        from: &'a Author,
        /// When, in microseconds since the beginning of 1970 (UTC).
        time_us: u64,
        /// The value; it is empty where the key was taken away.
        body: &'a [u8],
        /// See the module.
        id: Option<u64>,
    },
    /// How datagrams are taken as the member's: the key to begin one with, or the address from which one came.
    Udp {
        /// What a datagram begins with, once. A secret.
        key: Option<&'a str>,
        /// For how many seconds the key is good.
        seconds: Option<u64>,
        /// The address whose datagrams are the member's from here on.
        address: Option<&'a str>,
        /// See the module.
        id: Option<u64>,
    },
    /// The answer to `ping`.
    Pong {
        /// Its text, given back.
        text: &'a str,
        /// See the module.
        id: Option<u64>,
    },
    /// The state of a connection.
    Why {
        /// Its member.
        name: &'a str,
        /// That member's number.
        sid: u64,
        /// The wire: `tcp`, `ws` …
        transport: &'a str,
        /// Where it comes from.
        address: &'a str,
        /// For how many seconds it has been here.
        since_s: u64,
        /// Where it stands.
        rooms: &'a [Standing<'a>],
        /// Messages that it missed.
        missed: u64,
        /// Its own messages that were refused.
        refused: u64,
        /// How many watch its wire.
        watched: u64,
        /// See the module.
        id: Option<u64>,
    },
    /// Something to be told to the person, in the member's language.
    Notice {
        /// The sentence.
        text: &'a str,
        /// See the module.
        id: Option<u64>,
    },
    /// The last event of a connection.
    Bye {
        /// `quit`: the member wanted it; `shutdown`: the hub closes; `superseded`: another connection has taken the
        /// session over; `slow`: it didn't read; `silent`: it is a member by datagrams, and sent none for too long.
        reason: &'static str,
        /// A sentence for people.
        text: Option<&'a str>,
        /// Where the member stood in each room, to come back there.
        rooms: &'a [(&'a str, Position)],
        /// See the module.
        id: Option<u64>,
    },
}

impl<'a> Event<'a> {
    /// The same with fewer rooms listed, where it lists some that it is no use without: a datagram holds so many.
    pub(crate) fn shorter(&self) -> Option<Event<'a>> {
        match *self {
            Event::Hello { session, sid, name, resumed, rooms: [rooms @ .., _], id } => {
                Some(Event::Hello { session, sid, name, resumed, rooms, id })
            }
            Event::Bye { reason, text, rooms: [rooms @ .., _], id } => {
                Some(Event::Bye { reason, text, rooms, id })
            }
            _ => None,
        }
    }

    /// The id of the op that it answers.
    pub(crate) fn id(&self) -> Option<u64> {
        match *self {
            Event::Msg(Said { id, .. })
            | Event::Hello { id, .. }
            | Event::Ack { id, .. }
            | Event::Error { id, .. }
            | Event::Gap { id, .. }
            | Event::Join { id, .. }
            | Event::Leave { id, .. }
            | Event::Nick { id, .. }
            | Event::Who { id, .. }
            | Event::Rooms { id, .. }
            | Event::History { id, .. }
            | Event::Search { id, .. }
            | Event::Live { id, .. }
            | Event::State { id, .. }
            | Event::Udp { id, .. }
            | Event::Pong { id, .. }
            | Event::Notice { id, .. }
            | Event::Why { id, .. }
            | Event::Bye { id, .. } => id,
            Event::Direct { .. } => None,
        }
    }

    /// An error that is about no op and no place: a code and its sentence.
    #[must_use]
    pub fn error(code: &'a str, text: &'a str) -> Event<'a> {
        Event::Error { code, text, op: None, id: None, at: None, field: None, room: None }
    }
}
