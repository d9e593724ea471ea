//! JSON, written by hand: an object key by key, and what a string is escaped to.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use crate::message::{Author, Position};

/// An object that is being written: begun when it is made, `end` ends it.
#[must_use]
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl Object<'_> {
    pub(crate) fn new<'a>(out: &'a mut Vec<u8>, ev: &'static str) -> Object<'a> {
        out.extend_from_slice(b"{\"ev\":\"");
        out.extend_from_slice(ev.as_bytes());
        out.push(b'"');
        Object { out }
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    pub(crate) fn key(self, key: &'static str) -> Self {
        // A value never ends with a brace that opens.
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
        self
    }

    pub(crate) fn str(self, key: &'static str, value: &str) -> Self {
        let this = self.key(key);
        string(this.out, value);
        this
    }

    pub(crate) fn maybe_str(self, key: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(key, value),
            None => self,
        }
    }

    pub(crate) fn number(self, key: &'static str, value: u64) -> Self {
        let this = self.key(key);
        write!(this.out, "{value}").expect("a Vec takes every byte");
        this
    }

    pub(crate) fn size(self, key: &'static str, value: usize) -> Self {
        self.number(key, size(value))
    }

    pub(crate) fn maybe_number(self, key: &'static str, value: Option<u64>) -> Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    pub(crate) fn flag(self, key: &'static str, value: bool) -> Self {
        if !value {
            return self;
        }
        let this = self.key(key);
        this.out.extend_from_slice(b"true");
        this
    }

    pub(crate) fn position(self, key: &'static str, value: Position) -> Self {
        let this = self.key(key);
        // Base-32 digits, a sign and decimal digits: nothing to escape.
        write!(this.out, "\"{value}\"").expect("a Vec takes every byte");
        this
    }

    pub(crate) fn maybe_position(self, key: &'static str, value: Option<Position>) -> Self {
        match value {
            Some(value) => self.position(key, value),
            None => self,
        }
    }

    pub(crate) fn positions(self, key: &'static str, rooms: &[(&str, Position)]) -> Self {
        self.list(key, rooms, |item, &(room, position)| {
            item.str("room", room).position("pos", position)
        })
    }

    pub(crate) fn list<T>(
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

    /// A list of strings.
    pub(crate) fn strings(self, key: &'static str, items: &[String]) -> Self {
        self.values(key, items, |out, item| string(out, item))
    }

    /// A list of numbers, if there are any.
    pub(crate) fn sizes(self, key: &'static str, items: &[usize]) -> Self {
        if items.is_empty() {
            return self;
        }
        self.values(key, items, |out, item| write!(out, "{item}").expect("a Vec takes every byte"))
    }

    fn values<T>(self, key: &'static str, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> Self {
        let this = self.key(key);
        this.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                this.out.push(b',');
            }
            write(this.out, item);
        }
        this.out.push(b']');
        this
    }

    /// An object in the object.
    pub(crate) fn object(
        self,
        key: &'static str,
        write: impl for<'o> FnOnce(Object<'o>) -> Object<'o>,
    ) -> Self {
        let this = self.key(key);
        this.out.push(b'{');
        write(Object { out: &mut *this.out }).end();
        this
    }

    pub(crate) fn id(self, id: Option<u64>) -> Self {
        self.maybe_number("id", id)
    }

    /// A member's number; the hub itself and HTTP have none.
    pub(crate) fn sid(self, number: u64) -> Self {
        self.maybe_number("sid", (number != 0).then_some(number))
    }

    pub(crate) fn from(self, author: &Author) -> Self {
        self.author("from", author)
    }

    /// Who, under `key`, and its number.
    pub(crate) fn author(self, key: &'static str, author: &Author) -> Self {
        let this = self.key(key);
        if let Some(name) = &author.name {
            string(this.out, name.as_str());
        } else {
            // `client-7`: nothing to escape.
            write!(this.out, "\"{author}\"").expect("a Vec takes every byte");
        }
        this.sid(author.number)
    }

    pub(crate) fn time(self, time_us: u64) -> Self {
        let this = self.key("ts");
        timestamp(this.out, time_us);
        this
    }

    /// The body as `text` if it is UTF-8, as `b64` otherwise.
    pub(crate) fn body(self, body: &[u8]) -> Self {
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

/// A count as JSON has it.
pub(crate) fn size(size: usize) -> u64 {
    u64::try_from(size).expect("a usize has at most 64 bits")
}

/// RFC 3339, in UTC, cut to milliseconds: `2026-11-23T09:41:07.120Z`. What lies beyond the year 9999 is written as its end.
pub(crate) fn timestamp(out: &mut Vec<u8>, time_us: u64) {
    let time = i64::try_from(time_us)
        .ok()
        .and_then(|time_us| Timestamp::from_microsecond(time_us).ok())
        .unwrap_or(Timestamp::MAX);
    write!(out, "\"{time:.3}\"").expect("a Vec takes every byte");
}

/// A string, quoted and escaped.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
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
pub(crate) fn is_escaped(c: char) -> bool {
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
pub(crate) fn next_suspect(bytes: &[u8], from: usize) -> Option<usize> {
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
