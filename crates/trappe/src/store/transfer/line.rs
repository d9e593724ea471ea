//! The lines: how each is written, and what one says.

use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use trappe_core::{command::Epoch, encode::escape::to_terminal, limits::MESSAGE_BYTES_MAX};

use super::import::Bad;
use crate::store::{
    row::Row,
    schema::SEQ_BITS,
    tables::{Cause, Hole},
};

/// The version of the lines.
pub(super) const VERSION: u64 = 1;

/// The longest line that is read. The longest message, all of it escaped, is about six times as long as it is.
pub(super) const LINE_BYTES: u64 = 8 << 20;

/// The first line: what it is, and how many rooms follow.
pub(super) fn head(out: &mut Vec<u8>, rooms: usize) {
    writeln!(out, r#"{{"trappe":"history","version":{VERSION},"rooms":{rooms}}}"#)
        .expect("a Vec takes every byte");
}

/// A room: its life, the number from which on everything follows, and the first that was never given.
pub(super) fn room(out: &mut Vec<u8>, name: &str, epoch: Epoch, from: u64, next: u64) {
    out.extend_from_slice(br#"{"room":"#);
    string(out, name);
    writeln!(out, r#","epoch":"{epoch}","from":{from},"next":{next}}}"#)
        .expect("a Vec takes every byte");
}

/// Numbers that are in no history.
pub(super) fn hole(out: &mut Vec<u8>, room: &str, hole: &Hole) {
    out.extend_from_slice(br#"{"room":"#);
    string(out, room);
    let Hole { first, last, cause } = *hole;
    let cause = cause.as_str();
    writeln!(out, r#","gap":{first},"to":{last},"cause":"{cause}"}}"#)
        .expect("a Vec takes every byte");
}

/// A message, with all that is known of it.
pub(super) fn message(out: &mut Vec<u8>, room: &str, row: &Row) {
    out.extend_from_slice(br#"{"room":"#);
    string(out, room);
    write!(out, r#","seq":{},"time_us":{}"#, row.seq, row.time_us).expect("a Vec takes every byte");
    if row.sid != 0 {
        write!(out, r#","sid":{}"#, row.sid).expect("a Vec takes every byte");
    }
    if let Some(mid) = row.mid {
        write!(out, r#","id":{mid}"#).expect("a Vec takes every byte");
    }
    if let Some(author) = &row.author {
        out.extend_from_slice(br#","author":"#);
        string(out, author.as_str());
    }
    if let Ok(text) = str::from_utf8(&row.body) {
        out.extend_from_slice(br#","text":"#);
        string(out, text);
    } else {
        let encoded = STANDARD.encode(&row.body);
        write!(out, r#","b64":"{encoded}""#).expect("a Vec takes every byte");
    }
    out.extend_from_slice(b"}\n");
}

/// A string. What a terminal could obey is escaped: the lines may be looked at there, and stay exact.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for piece in text.split_inclusive(|c: char| !matches!(c, ' '..='~') || c == '"' || c == '\\') {
        let Some(last) = piece.chars().next_back() else { continue };
        let plain = &piece[..piece.len() - last.len_utf8()];
        out.extend_from_slice(plain.as_bytes());
        let mut buffer = [0; 4];
        let one: &str = last.encode_utf8(&mut buffer);
        match last {
            '"' | '\\' => out.extend_from_slice(&[b'\\', one.as_bytes()[0]]),
            '\n' => out.extend_from_slice(br"\n"),
            '\t' => out.extend_from_slice(br"\t"),
            _ if to_terminal(one) == one => out.extend_from_slice(one.as_bytes()),
            _ => {
                for unit in last.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a Vec takes every byte");
                }
            }
        }
    }
    out.push(b'"');
}

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The first one, with the number of rooms.
    Head(u64),
    Room {
        room: String,
        epoch: Epoch,
        from: u64,
        next: u64,
    },
    Hole {
        room: String,
        hole: Hole,
    },
    Message {
        room: String,
        message: Message,
    },
}

/// A message as a line has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) seq: u64,
    pub(super) time_us: u64,
    pub(super) sid: u64,
    pub(super) mid: Option<u64>,
    pub(super) author: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(text: &[u8]) -> Result<Line, Bad> {
        let fields = match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) => return Err(Bad::NotObject),
            Err(error) => return Err(Bad::NotJson(error.to_string())),
        };
        let mut fields = Fields(fields);
        let line = if fields.has("trappe") {
            fields.head()?
        } else if fields.has("epoch") {
            Line::Room {
                room: fields.text("room")?,
                epoch: fields.text("epoch")?.parse().map_err(|_| Bad::Field("epoch"))?,
                from: fields.seq("from")?,
                next: fields.seq("next")?,
            }
        } else if fields.has("gap") {
            let room = fields.text("room")?;
            let (first, last) = (fields.seq("gap")?, fields.seq("to")?);
            let cause = fields.text("cause")?;
            let causes = [Cause::Unused, Cause::NotStored, Cause::Damaged];
            let cause = causes.into_iter().find(|known| known.as_str() == cause);
            let cause = cause.ok_or(Bad::Field("cause"))?;
            if last < first {
                return Err(Bad::Field("to"));
            }
            Line::Hole { room, hole: Hole { first, last, cause } }
        } else {
            Line::Message { room: fields.text("room")?, message: fields.message()? }
        };
        match fields.0.into_iter().next() {
            Some((name, _)) => Err(Bad::Unknown(name)),
            None => Ok(line),
        }
    }
}

/// The fields of a line that nobody has taken yet.
struct Fields(Map<String, Value>);

impl Fields {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn text(&mut self, name: &'static str) -> Result<String, Bad> {
        match self.0.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Bad::Field(name)),
        }
    }

    /// A whole number that SQLite can hold.
    fn number(&mut self, name: &'static str) -> Result<u64, Bad> {
        let number = self.0.remove(name).and_then(|value| value.as_u64());
        number.filter(|n| i64::try_from(*n).is_ok()).ok_or(Bad::Field(name))
    }

    fn seq(&mut self, name: &'static str) -> Result<u64, Bad> {
        let seq = self.number(name)?;
        if (1..1 << SEQ_BITS).contains(&seq) { Ok(seq) } else { Err(Bad::Field(name)) }
    }

    fn head(&mut self) -> Result<Line, Bad> {
        if self.text("trappe")? != "history" {
            return Err(Bad::NotExport);
        }
        match self.number("version")? {
            VERSION => Ok(Line::Head(self.number("rooms")?)),
            // What else a newer one has, nobody knows here.
            newer => Err(Bad::Newer(newer)),
        }
    }

    fn message(&mut self) -> Result<Message, Bad> {
        let (seq, time_us) = (self.seq("seq")?, self.number("time_us")?);
        let sid = if self.has("sid") { self.number("sid")? } else { 0 };
        let mid = if self.has("id") { Some(self.number("id")?) } else { None };
        let author = if self.has("author") { Some(self.text("author")?) } else { None };
        let body = if self.has("b64") {
            STANDARD.decode(self.text("b64")?).map_err(|_| Bad::Field("b64"))?
        } else {
            self.text("text")?.into_bytes()
        };
        if body.len() > MESSAGE_BYTES_MAX {
            return Err(Bad::TooLong);
        }
        Ok(Message { seq, time_us, sid, mid, author, body })
    }
}
