//! What is told to who watches the hub from its own machine: its state once a second, and the wire of a member.
//!
//! The wire is told in events, each of which says what happened to the bytes and never more of them than others may see:
//! what is secret, and what is said to one member only, is taken out before the event is made ([`mask`]).
//! [`crate::encode::watch`] writes them; `docs/protocol.schema.json` describes what is written.

mod mask;
mod reads;

pub use self::{
    mask::{Spoken, mask},
    reads::{Reads, Span},
};
use crate::framing::End;

/// The hub as it is at one moment. Totals only ever grow.
#[derive(Clone, Debug)]
pub struct Hub<'a> {
    /// When, in microseconds since the beginning of 1970 (UTC).
    pub time_us: u64,
    /// For how many seconds it has been up.
    pub up_s: u64,
    /// How many members there are.
    pub members: usize,
    /// How many rooms.
    pub rooms: usize,
    /// Messages taken so far.
    pub messages: u64,
    /// Messages written to members so far.
    pub deliveries: u64,
    /// Bytes read from clients so far.
    pub bytes_in: u64,
    /// Bytes written to clients so far.
    pub bytes_out: u64,
    /// Messages missed so far.
    pub missed: u64,
    /// Messages refused so far.
    pub refused: u64,
    /// Bytes that all rooms keep at present.
    pub kept_bytes: u64,
    /// How many members came by each wire, by its name.
    pub transports: &'a [(&'static str, u64)],
    /// The rooms with most members.
    pub room_list: &'a [RoomRow],
    /// Members: the slow ones first, then by number.
    pub member_list: &'a [MemberRow],
}

/// A room as it is at one moment.
#[derive(Clone, Debug)]
pub struct RoomRow {
    /// Its name.
    pub room: String,
    /// How many members are in it.
    pub members: usize,
    /// The number of its last message.
    pub seq: u64,
}

/// A member as it is at one moment.
#[derive(Clone, Debug)]
pub struct MemberRow {
    /// Its number.
    pub sid: u64,
    /// Its name, or `client-N`.
    pub name: String,
    /// The wire by which it came: `tcp`, `ws` …
    pub transport: &'static str,
    /// Where it comes from.
    pub address: String,
    /// For how many seconds it has been here.
    pub since_s: u64,
    /// The first of its rooms.
    pub rooms: Vec<String>,
    /// Records that it hasn't been written yet.
    pub lag: u64,
    /// Bytes that were heard from it.
    pub bytes_in: u64,
    /// Bytes that were written to it.
    pub bytes_out: u64,
    /// Messages that it missed.
    pub missed: u64,
    /// Its own messages that were refused.
    pub refused: u64,
    /// How many watch its wire.
    pub watched: u64,
    /// Its socket takes no more at this moment.
    pub slow: bool,
}

/// One thing that happened on the wire of a member. Times are in microseconds since the beginning of 1970 (UTC).
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A member is watched from here on.
    Open {
        /// When.
        time_us: u64,
        /// Its number.
        sid: u64,
        /// Its name, or `client-N`.
        name: &'a str,
        /// The wire by which it came.
        transport: &'a str,
        /// Where it comes from.
        address: &'a str,
        /// The rooms that it is in.
        rooms: &'a [String],
        /// How many bytes had been heard from it before.
        at: u64,
    },
    /// One read brought bytes.
    Read {
        /// When.
        time_us: u64,
        /// Whose.
        sid: u64,
        /// Where they lie in all that was heard from it.
        at: u64,
        /// How many.
        len: usize,
    },
    /// A message was made of bytes.
    Message {
        /// When.
        time_us: u64,
        /// Whose.
        sid: u64,
        /// Where it lies, its delimiter or frame header included.
        span: &'a Span,
        /// Why it ended there.
        end: End,
        /// How long its body is.
        size: usize,
        /// The body, or its beginning, without what is secret.
        body: &'a [u8],
        /// What it is written in: `utf-8`, `latin-1`, `windows-1252`, `damaged`, `binary`.
        decoding: &'static str,
        /// Something in it is masked.
        masked: bool,
    },
    /// Bytes that will be no message were dropped.
    Refused {
        /// When.
        time_us: u64,
        /// Whose.
        sid: u64,
        /// Where they lie, as far as they have come.
        span: &'a Span,
        /// `too-long` or `unfinished`.
        why: &'static str,
    },
    /// Something was written to it.
    Write {
        /// When.
        time_us: u64,
        /// To whom.
        sid: u64,
        /// How many bytes the kernel took.
        len: usize,
        /// If it was a room's: the room, and the numbers of its first and its last message, which may not be written whole.
        messages: Option<(&'a str, u64, u64)>,
        /// The kernel took less than was due.
        blocked: bool,
    },
    /// Messages that it won't be sent, since it reads too slowly.
    Gap {
        /// When.
        time_us: u64,
        /// Who.
        sid: u64,
        /// Whose messages.
        room: &'a str,
        /// The first that is missing.
        from: u64,
        /// The last.
        to: u64,
    },
    /// It has left.
    Close {
        /// When.
        time_us: u64,
        /// Who.
        sid: u64,
    },
    /// So many events are missing here: whoever watches was too slow for them.
    Lost {
        /// How many.
        count: u64,
    },
}
