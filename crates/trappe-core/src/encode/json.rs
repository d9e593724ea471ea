//! Events in the JSON format: one object each, written by hand (PROTOCOL §4).
//!
//! By hand, because the order of the keys is promised and because a message is written for every batch that a program
//! listens to: nothing is copied on the way, nothing allocated but in the output itself.
//!
//! What is absent isn't written: there is no `null` and no `false`. An object is one line, whatever is in it: every
//! control, bidi control and line separator is written as `\uXXXX`, which a parser reads as the character and a
//! terminal shows as six harmless ones.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::{
    event::{Event, Said, Standing},
    message::{Author, Position},
};

/// Appends one event as one JSON object, without a newline after it.
#[expect(clippy::too_many_lines, reason = "one arm for each event, in the order of the enum")]
pub fn event(out: &mut Vec<u8>, event: &Event<'_>) {
    match *event {
        Event::Hello { session, sid, name, resumed, rooms, id } => Object::new(out, "hello")
            .str("session", session)
            .sid(sid)
            .str("name", name)
            .flag("resumed", resumed)
            .positions("rooms", rooms)
            .id(id)
            .end(),
        Event::Msg(ref said) => msg(out, said),
        Event::Direct { from, time_us, body } => {
            Object::new(out, "direct").from(from).time(time_us).body(body).end();
        }
        Event::Ack { room, position, op, id } => Object::new(out, "ack")
            .maybe_str("room", room)
            .maybe_number("seq", position.map(|position| position.seq))
            .maybe_str("op", op)
            .id(id)
            .end(),
        Event::Error { code, text, op, id, at, field, room } => Object::new(out, "error")
            .str("code", code)
            .str("text", text)
            .maybe_str("room", room)
            .maybe_str("op", op)
            .maybe_str("field", field)
            .maybe_number("at", at.map(size))
            .id(id)
            .end(),
        Event::Gap { room, from, to, cause, oldest, id } => Object::new(out, "gap")
            .str("room", room)
            .maybe_number("from", from)
            .maybe_number("to", to)
            .str("cause", cause)
            .maybe_position("oldest", oldest)
            .id(id)
            .end(),
        Event::Join { room, from, own, id } => Object::new(out, "join")
            .str("room", room)
            .from(from)
            .maybe_position("pos", own.map(|(position, _)| position))
            .maybe_number("members", own.map(|(_, members)| size(members)))
            .id(id)
            .flag("own", own.is_some())
            .end(),
        Event::Leave { room, from, text, own, id } => Object::new(out, "leave")
            .str("room", room)
            .from(from)
            .maybe_str("text", text)
            .id(id)
            .flag("own", own)
            .end(),
        Event::Nick { room, from, name, own, id } => Object::new(out, "nick")
            .maybe_str("room", room)
            .from(from)
            .str("name", name)
            .id(id)
            .flag("own", own)
            .end(),
        Event::Who { room, count, members, id } => Object::new(out, "who")
            .str("room", room)
            .number("count", size(count))
            .list("members", members, |item, member| item.author("name", member))
            .id(id)
            .end(),
        Event::Rooms { count, rooms, id } => Object::new(out, "rooms")
            .number("count", size(count))
            .list("rooms", rooms, |item, (room, members)| {
                item.str("room", room.as_str()).number("members", size(*members))
            })
            .id(id)
            .end(),
        Event::History { room, count, position, id } => Object::new(out, "history")
            .str("room", room)
            .number("count", size(count))
            .position("pos", position)
            .id(id)
            .end(),
        Event::Live { room, position, id } => {
            Object::new(out, "live").str("room", room).position("pos", position).id(id).end();
        }
        Event::Pong { text, id } => Object::new(out, "pong").str("text", text).id(id).end(),
        Event::Notice { text, id } => Object::new(out, "notice").str("text", text).id(id).end(),
        Event::Why { name, sid, transport, address, since_s, rooms, missed, refused, id } => {
            Object::new(out, "why")
                .str("name", name)
                .sid(sid)
                .str("transport", transport)
                .str("address", address)
                .number("since_s", since_s)
                .list("rooms", rooms, |item, Standing { room, position, lag }| {
                    item.str("room", room).position("pos", *position).number("lag", *lag)
                })
                .number("missed", missed)
                .number("refused", refused)
                .id(id)
                .end();
        }
        Event::Bye { reason, text, rooms, id } => Object::new(out, "bye")
            .str("reason", reason)
            .maybe_str("text", text)
            .positions("rooms", rooms)
            .id(id)
            .end(),
    }
}

/// Appends one message of a room, as [`event`] does: the way that is taken for each record of a batch.
pub fn msg(out: &mut Vec<u8>, said: &Said<'_>) {
    Object::new(out, "msg")
        .str("room", said.room)
        .number("seq", said.seq)
        .from(said.from)
        .time(said.time_us)
        .body(said.body)
        .id(said.id)
        .flag("old", said.old)
        .flag("own", said.own)
        .end();
}

/// An object that is being written: begun when it is made, `end` ends it.
#[must_use]
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl Object<'_> {
    fn new<'a>(out: &'a mut Vec<u8>, ev: &'static str) -> Object<'a> {
        out.extend_from_slice(b"{\"ev\":\"");
        out.extend_from_slice(ev.as_bytes());
        out.push(b'"');
        Object { out }
    }

    fn end(self) {
        self.out.push(b'}');
    }

    fn key(self, key: &'static str) -> Self {
        // A value never ends with a brace that opens.
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    fn str(self, key: &'static str, value: &str) -> Self {
        let this = self.key(key);
        string(this.out, value);
        this
    }

    fn maybe_str(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(key, value),
            None => self,
        }
    }

    fn number(self, key: &'static str, value: u64) -> Self {
        let this = self.key(key);
        write!(this.out, "{value}").expect("a Vec takes every byte");
        this
    }

    fn maybe_number(self, key: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    fn flag(self, key: &'static str, value: bool) -> Self {
        if !value {
            return self;
        }
        let this = self.key(key);
        this.out.extend_from_slice(b"true");
        this
    }

    fn position(self, key: &'static str, value: Position) -> Self {
        let this = self.key(key);
        // Base-32 digits, a sign and decimal digits: nothing to escape.
        write!(this.out, "\"{value}\"").expect("a Vec takes every byte");
        this
    }

    fn maybe_position(self, key: &'static str, value: Option<Position>) -> Self {
        match value {
            Some(value) => self.position(key, value),
            None => self,
        }
    }

    fn positions(self, key: &'static str, rooms: &[(&str, Position)]) -> Self {
        self.list(key, rooms, |item, &(room, position)| {
            item.str("room", room).position("pos", position)
        })
    }

    fn list<T>(
        self,
        key: &'static str,
        items: &[T],
        write: impl for<'o> Fn(Object<'o>, &T) -> Object<'o>,
    ) -> Self {
        let this = self.key(key);
        this.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                this.out.push(b',');
            }
            this.out.push(b'{');
            write(Object { out: &mut *this.out }, item).end();
        }
        this.out.push(b']');
        this
    }

    fn id(self, id: Option<u64>) -> Self {
        self.maybe_number("id", id)
    }

    /// A member's number; the hub itself and HTTP have none.
    fn sid(self, number: u64) -> Self {
        self.maybe_number("sid", (number != 0).then_some(number))
    }

    fn from(self, author: &Author) -> Self {
        self.author("from", author)
    }

    /// Who, under `key`, and its number.
    fn author(self, key: &'static str, author: &Author) -> Self {
        let this = self.key(key);
        if let Some(name) = &author.name {
            string(this.out, name.as_str());
        } else {
            // `client-7`: nothing to escape.
            write!(this.out, "\"{author}\"").expect("a Vec takes every byte");
        }
        this.sid(author.number)
    }

    fn time(self, time_us: u64) -> Self {
        let this = self.key("ts");
        timestamp(this.out, time_us);
        this
    }

    /// The body as `text` if it is UTF-8, as `b64` otherwise.
    fn body(self, body: &[u8]) -> Self {
        if let Ok(text) = str::from_utf8(body) {
            return self.str("text", text);
        }
        let this = self.key("b64");
        this.out.push(b'"');
        let start = this.out.len();
        let len = base64::encoded_len(body.len(), true).expect("a message is bounded");
        this.out.resize(start + len, 0);
        STANDARD.encode_slice(body, &mut this.out[start..]).expect("its length was asked for");
        this.out.push(b'"');
        this
    }
}

fn size(size: usize) -> u64 {
    u64::try_from(size).expect("a usize has at most 64 bits")
}

/// RFC 3339, in UTC, cut to milliseconds: `2026-11-23T09:41:07.120Z`. What lies beyond the year 9999 is written as its end.
fn timestamp(out: &mut Vec<u8>, time_us: u64) {
    let time = i64::try_from(time_us)
        .ok()
        .and_then(|time_us| Timestamp::from_microsecond(time_us).ok())
        .unwrap_or(Timestamp::MAX);
    write!(out, "\"{time:.3}\"").expect("a Vec takes every byte");
}

/// A string, quoted and escaped.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = next_suspect(bytes, at) {
        let c = text[found..].chars().next().expect("a suspect byte begins a character");
        at = found + c.len_utf8();
        if is_escaped(c) {
            out.extend_from_slice(&bytes[kept..found]);
            kept = at;
            escape(out, c);
        }
    }
    out.extend_from_slice(&bytes[kept..]);
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, c: char) {
    let short = match c {
        '"' => b'"',
        '\\' => b'\\',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\u{8}' => b'b',
        '\u{c}' => b'f',
        _ => return write!(out, "\\u{:04x}", u32::from(c)).expect("a Vec takes every byte"),
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// What JSON wants escaped, and what must not reach a terminal or end a line there. All of it is below U+10000: one
/// `\uXXXX` is enough.
fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}')
        || c.is_control()
}

/// Whether a character that is escaped may begin with this byte (1, else 0): C0, quote, backslash, DEL, and the lead
/// bytes of C1 (C2), U+061C (D8), U+200E–2069 (E2), U+FEFF (EF).
fn suspect(b: u8) -> u8 {
    let ascii = u8::from(b < b' ') | u8::from(b == b'"') | u8::from(b == b'\\');
    let lead =
        u8::from(b == 0xc2) | u8::from(b == 0xd8) | u8::from(b == 0xe2) | u8::from(b == 0xef);
    ascii | u8::from(b == 0x7f) | lead
}

/// The first such byte at `from` or later. Where they are dense (JSON in a string), the next one is near; elsewhere whole
/// blocks are folded without a way out in the middle, which the compiler turns into vector instructions.
fn next_suspect(bytes: &[u8], from: usize) -> Option<usize> {
    const NEAR: usize = 8;
    const BLOCK: usize = 32;
    let rest = &bytes[from..];
    let (near, far) = rest.split_at(NEAR.min(rest.len()));
    let is_suspect = |&b: &u8| suspect(b) != 0;
    if let Some(n) = near.iter().position(is_suspect) {
        return Some(from + n);
    }
    let (blocks, _) = far.as_chunks::<BLOCK>();
    let clean = |block: &&[u8; BLOCK]| block.iter().fold(0, |any, &b| any | suspect(b)) == 0;
    let skipped = blocks.iter().take_while(clean).count() * BLOCK;
    far[skipped..].iter().position(is_suspect).map(|n| from + near.len() + skipped + n)
}

#[cfg(test)]
mod tests;
