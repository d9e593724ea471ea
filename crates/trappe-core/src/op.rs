//! A line or a frame of a JSON member → an op (PROTOCOL §4, "In").
//!
//! An op is one JSON object whose `op` says what is asked for. Fields that an op does not know are ignored, so that
//! a client may be newer than the hub; a field that is given twice is refused, since two readers of one line could understand
//! it in two ways. A field that is `null` counts as absent: many languages write what they have not that way.
//!
//! Reading goes on past what is wrong, as far as the bytes are JSON, so that an error can say which `id` it is about.

use crate::{
    command::{At, Request, cut},
    name::{Name, NameError},
    state_key::StateKeyError,
};

mod fields;
mod json;

use fields::Fields;
use json::{Given, Object};

/// What a JSON member asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// The op's word: `send`.
    pub name: &'static str,
    /// The room that was named, by any op but `hello`, which may name many. None is the only one that the member is in.
    pub room: Option<Name>,
    /// The client's own number for it, below 2^53.
    pub id: Option<u64>,
    /// What is to be done.
    pub what: What,
}

/// What an op is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// To begin, or to take a session over; the first op of a connection.
    Hello {
        /// The session to take over, as it was given; none is known by most texts.
        session: Option<Box<str>>,
        /// Rooms to be in, each from its position on, as they were listed (the same one may be there twice); at most
        /// [`ROOMS_OF_MEMBER`](crate::limits::ROOMS_OF_MEMBER). None, unlike an empty list, says nothing about rooms.
        rooms: Option<Vec<(Name, Option<At>)>>,
    },
    /// To say something in a room.
    Send {
        /// The message; it may be empty.
        body: Vec<u8>,
    },
    /// What a command can ask for too. Its room, where it has one, is [`Op::room`] as well.
    Request(Request),
}

/// What is wrong with a line, and all that can be said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOp {
    /// The op's word, as given, in at most 64 characters.
    pub op: Option<Box<str>>,
    /// The `id`, wherever it stands before the end of what is JSON.
    pub id: Option<u64>,
    /// The byte of the line at which it stops being JSON: known for [`WhyBad::BadJson`] alone.
    pub at: Option<usize>,
    /// The field that is missing or wrong; a room or a position in `hello`'s list is `room` or `after`.
    pub field: Option<&'static str>,
    /// The rule that is broken, the first that was met.
    pub why: WhyBad,
}

impl BadOp {
    /// The stable code of the error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.why.code()
    }
}

/// Why a line is no op, with what a sentence about it needs. What the client gave is given back in at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhyBad {
    /// Not JSON (RFC 8259): also a lone surrogate, bytes that are not UTF-8, a number that no double holds, and anything
    /// after the object.
    BadJson,
    /// JSON, but no object.
    NotAnObject,
    /// A field that an object has twice.
    DuplicateKey {
        /// Its name.
        key: Box<str>,
    },
    /// An object of more than [`OP_FIELDS`](crate::limits::OP_FIELDS) fields.
    TooManyFields,
    /// Objects and lists in one another, more than [`OP_DEPTH`](crate::limits::OP_DEPTH) deep.
    TooDeep,
    /// There is no such op.
    UnknownOp,
    /// An op of the protocol that this version does not have yet.
    NotYet,
    /// A field that the op needs is absent.
    MissingField,
    /// A field that is not what the op takes.
    BadField(Wanted),
    /// A field that has to be a name is none.
    BadName(NameError),
    /// A field that has to be a position is none.
    BadPosition {
        /// What was given.
        given: Box<str>,
    },
    /// A field that has to be a key of a room's state is none.
    BadKey(StateKeyError),
    /// A number that is no version: negative, a fraction, or too great ([`Wanted::Version`]).
    BadVersion,
}

impl WhyBad {
    fn code(&self) -> &'static str {
        match self {
            Self::BadJson => "bad-json",
            Self::NotAnObject => "not-an-object",
            Self::DuplicateKey { .. } => "duplicate-key",
            Self::TooManyFields => "too-many-fields",
            Self::TooDeep => "too-deep",
            Self::UnknownOp => "unknown-op",
            Self::NotYet => "not-yet",
            Self::MissingField => "missing-field",
            Self::BadField(_) => "bad-field",
            Self::BadName(why) => why.code(),
            Self::BadPosition { .. } => "bad-position",
            Self::BadKey(why) => why.code(),
            Self::BadVersion => "bad-version",
        }
    }
}

/// What a field should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Wanted {
    /// A string.
    Text,
    /// A string without a line break.
    Line,
    /// A string that is not empty.
    Something,
    /// Words to search for: a string that isn't blank, of at most [`SEARCH_CHARS`](crate::limits::SEARCH_CHARS) characters.
    Words,
    /// Bytes in base 64.
    Base64,
    /// Either `text` or `b64`, and both were given.
    OneBody,
    /// `true` or `false`.
    Switch,
    /// A whole number from 0 up, below 2^53.
    Number,
    /// A whole number from 1 up, below 2^53.
    Count,
    /// A position: a string or a number.
    Position,
    /// A whole number from 0 up, below 2^32.
    Version,
    /// A list of at most [`ROOMS_OF_MEMBER`](crate::limits::ROOMS_OF_MEMBER) objects, each with a room.
    Rooms,
    /// A format's word.
    Format,
    /// A language's word.
    Lang,
}

impl Wanted {
    /// The word by which the sentence of the error chooses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Line => "line",
            Self::Something => "something",
            Self::Words => "words",
            Self::Base64 => "base64",
            Self::OneBody => "one-body",
            Self::Switch => "switch",
            Self::Number => "number",
            Self::Count => "count",
            Self::Position => "position",
            Self::Version => "version",
            Self::Rooms => "rooms",
            Self::Format => "format",
            Self::Lang => "lang",
        }
    }
}

/// A field of an op, and what is wrong with it; no field where the fault is not one field's.
type Wrong = (Option<&'static str>, WhyBad);

type Read = fn(&mut Fields<'_>) -> Result<What, Wrong>;

/// Every op: its word, and how its fields are read. The order is the protocol's.
const OPS: [(&str, Read); 22] = [
    ("send", fields::send),
    ("hello", fields::hello),
    ("join", fields::join),
    ("leave", fields::leave),
    ("nick", fields::nick),
    ("msg", fields::msg),
    ("who", fields::who),
    ("rooms", fields::rooms),
    ("history", fields::history),
    ("search", fields::search),
    ("resume", fields::resume),
    ("set", fields::set),
    ("get", fields::get),
    ("udp", fields::udp),
    ("auth", fields::later),
    ("ping", fields::ping),
    ("quit", fields::quit),
    ("format", fields::format),
    ("lang", fields::lang),
    ("echo", fields::echo),
    ("quiet", fields::quiet),
    ("why", fields::why),
];

/// Reads one line or frame; white space around the object is no part of it.
///
/// # Errors
/// Says the first thing that is wrong: first whether it is an object of JSON at all, then whether its fields are as they
/// should be for any op, then for this one.
pub fn parse(line: &[u8]) -> Result<Op, BadOp> {
    let mut object = Object::new();
    let read = json::read(line, &mut object);
    let mut fields = Fields::new(object);
    // Both are taken first: whatever is wrong, the error says what it is about.
    let (id, name) = (fields.id(), fields.op());
    let given_id = id.as_ref().copied().unwrap_or(None);
    let (known, shown) = match &name {
        Ok(given) => (OPS.iter().find(|(name, _)| name == given), Some(cut(given))),
        Err(_) => (None, None),
    };
    let bad = |at, (field, why): Wrong| BadOp { op: shown.clone(), id: given_id, at, field, why };
    read.map_err(|(at, why)| bad(at, (None, why)))?;
    name.map_err(|wrong| bad(None, wrong))?;
    let &(name, read) = known.ok_or_else(|| bad(None, (None, WhyBad::UnknownOp)))?;
    let id = id.map_err(|wrong| bad(None, wrong))?;
    let what = read(&mut fields).map_err(|wrong| bad(None, wrong))?;
    Ok(Op { name, room: fields.room, id, what })
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
