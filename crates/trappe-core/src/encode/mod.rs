//! Records → bytes. A batch is encoded once for each [`Key`] in use, and sent from there to everyone.

pub mod escape;
pub mod json;
pub(crate) mod state;
pub mod text;
pub mod watch;
pub mod ws;

use std::fmt;

use bytes::Bytes;

use crate::{
    command::{Format, Lang},
    event::{Event, Said},
    framing::Framing,
    limits::DATAGRAM_BYTES,
    message::{Author, Kind, Record},
    reply::To,
    room::batch::{Batch, Encoded},
    words::say,
};

/// What a member's bytes are wrapped in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wire {
    /// Nothing: lines, or what the member's framing says.
    #[default]
    Stream,
    /// WebSocket: each message, reply and notice is a frame of its own.
    WebSocket,
    /// Server-Sent Events (WHATWG HTML §9.2), JSON in each; a message's `id` is its position.
    Events,
    /// UDP: each message, reply and notice is a datagram of its own. What waits to be written to one member is a row of
    /// datagrams, see [`first_datagram`]; the records of a room are encoded as for [`Wire::Stream`], and cut where each ends.
    Datagram,
}

/// How one member is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// For eyes, for programs that want bytes, or for programs that want all facts.
    pub format: Format,
    /// How bodies are delimited in raw format: as the member delimits its own.
    pub framing: Framing,
    /// What all of it is wrapped in.
    pub wire: Wire,
    /// The language of sentences.
    pub lang: Lang,
    /// No notices.
    pub quiet: bool,
}

/// Which of a batch's encodings serves a member: what differs for nobody has no key of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(u8);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [&str; Key::COUNT] = [
            "text",
            "text fr",
            "text en",
            "text ws",
            "text ws fr",
            "text ws en",
            "json",
            "json notices",
            "json ws",
            "json ws notices",
            "raw line",
            "raw nul",
            "raw len32",
            "raw chunk",
            "raw ws",
            "events",
        ];
        f.write_str(NAMES[self.index()])
    }
}

impl Key {
    /// How many there are.
    pub const COUNT: usize = 16;
    const TEXT_WS: u8 = 3;
    const JSON: u8 = 6;
    const RAW_LINE: u8 = 10;
    const RAW_NUL: u8 = 11;
    const RAW_LEN32: u8 = 12;
    const RAW_CHUNK: u8 = 13;
    const RAW_WS: u8 = 14;
    const EVENTS: u8 = 15;

    /// A small number below [`Key::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The encoding for who wants no notices, or where there are none: then the language makes no difference.
    #[must_use]
    pub fn without_notices(self) -> Key {
        Key(match self.0 {
            0..3 => 0,
            3..6 => 3,
            6..8 => 6,
            8..10 => 8,
            other => other,
        })
    }
}

/// What a message is to one reader alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Marks {
    /// It was asked for again.
    pub old: bool,
    /// The reader said it itself.
    pub own: bool,
}

impl Look {
    /// The encoding that serves this look.
    #[must_use]
    pub fn key(self) -> Key {
        let ws = self.wire == Wire::WebSocket;
        Key(match self.format {
            _ if self.wire == Wire::Events => Key::EVENTS,
            Format::Text => {
                let lang = match self.lang {
                    _ if self.quiet => 0,
                    Lang::Fr => 1,
                    Lang::En => 2,
                };
                if ws { Key::TEXT_WS + lang } else { lang }
            }
            Format::Json => Key::JSON + if ws { 2 } else { 0 } + u8::from(!self.quiet),
            Format::Raw if ws => Key::RAW_WS,
            // A datagram is the body, and nothing else.
            Format::Raw if self.wire == Wire::Datagram => Key::RAW_CHUNK,
            Format::Raw => match self.framing {
                Framing::Auto | Framing::Line => Key::RAW_LINE,
                Framing::Nul => Key::RAW_NUL,
                Framing::Len32 => Key::RAW_LEN32,
                Framing::Chunk => Key::RAW_CHUNK,
            },
        })
    }

    /// Whether what it is written is lines: an empty one more says nothing.
    #[must_use]
    pub fn is_lines(self) -> bool {
        let in_lines = matches!(self.framing, Framing::Auto | Framing::Line);
        self.wire == Wire::Stream && (self.format != Format::Raw || in_lines)
    }

    /// Whether the member is told things as events, not as sentences.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.format == Format::Json || self.wire == Wire::Events
    }

    /// A notice to this member alone: `* sentence`.
    pub fn notice(self, out: &mut Vec<u8>, sentence: &str) {
        if self.is_json() {
            return self.event(out, &Event::Notice { text: sentence, id: None });
        }
        self.reply(out, |line| text::notice(line, sentence));
    }

    /// An error to this member alone: `! code sentence`.
    pub fn error(self, out: &mut Vec<u8>, code: &str, sentence: &str) {
        if self.is_json() {
            return self.event(out, &Event::error(code, sentence));
        }
        self.reply(out, |line| text::error(line, code, sentence));
    }

    /// A message that would be longer than [`DATAGRAM_BYTES`]: the answer to the op `id` says so instead of it.
    fn too_long(self, out: &mut Vec<u8>, bytes: usize, id: Option<u64>) {
        let args = [("bytes", bytes.into()), ("limit", DATAGRAM_BYTES.into())];
        To { look: self, op: None, id }.error(out, "mtu", &say(self.lang, "mtu-reply", &args));
    }

    /// An acknowledgement: `+ack position`.
    pub fn ack(self, out: &mut Vec<u8>, position: impl fmt::Display) {
        self.reply(out, |line| line.extend_from_slice(format!("+ack {position}\n").as_bytes()));
    }

    /// A private message: `-alice- body` in text; in raw the body alone, exact. `time_us`: microseconds since 1970.
    pub fn direct(self, out: &mut Vec<u8>, from: &Author, time_us: u64, body: &[u8]) {
        if self.is_json() {
            return self.event(out, &Event::Direct { from, time_us, body });
        }
        match self.format {
            Format::Text => self.reply(out, |line| text::direct(line, &from.to_string(), body)),
            _ => self.delimit(out, body),
        }
    }

    /// An event, in the JSON format.
    pub fn event(self, out: &mut Vec<u8>, event: &Event<'_>) {
        match self.wire {
            Wire::Stream => {
                json::event(out, event);
                out.push(b'\n');
            }
            Wire::WebSocket => {
                let mut payload = Vec::new();
                json::event(&mut payload, event);
                ws::frame(out, ws::Opcode::Text, &payload);
            }
            Wire::Events => {
                out.extend_from_slice(b"data: ");
                json::event(out, event);
                out.extend_from_slice(b"\n\n");
            }
            Wire::Datagram => {
                let mut payload = Vec::new();
                json::event(&mut payload, event);
                payload.push(b'\n');
                match event.shorter() {
                    _ if payload.len() <= DATAGRAM_BYTES => datagram(out, &payload),
                    Some(event) => self.event(out, &event),
                    None => self.too_long(out, payload.len(), event.id()),
                }
            }
        }
    }

    /// Lines of talk, delimited as this member delimits: text is always lines, and on WebSocket a frame.
    fn reply(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.wire == Wire::Stream
            && (self.format == Format::Text || self.key().0 == Key::RAW_LINE)
        {
            return write(out);
        }
        let mut lines = Vec::new();
        write(&mut lines);
        if self.wire == Wire::WebSocket {
            return ws::frame(out, ws::Opcode::Text, lines.strip_suffix(b"\n").unwrap_or(&lines));
        }
        if self.wire == Wire::Datagram {
            let body = if self.format == Format::Raw {
                lines.strip_suffix(b"\n").unwrap_or(&lines)
            } else {
                &lines
            };
            if body.len() <= DATAGRAM_BYTES {
                return datagram(out, body);
            }
            let (line, len) = (lines.split_inclusive(|&b| b == b'\n'), lines.len());
            return line.for_each(|line| {
                if line.len() <= DATAGRAM_BYTES {
                    datagram(out, line);
                } else {
                    self.too_long(out, len, None);
                }
            });
        }
        for line in lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            self.delimit(out, line);
        }
    }

    fn delimit(self, out: &mut Vec<u8>, body: &[u8]) {
        if self.wire != Wire::Datagram {
            raw(out, self.key(), body);
        } else if body.len() > DATAGRAM_BYTES {
            self.too_long(out, body.len(), None);
        } else {
            datagram(out, body);
        }
    }
}

/// What stands before each datagram that waits: its length.
pub const DATAGRAM_HEADER_BYTES: usize = 4;

/// One datagram among what waits to be written to a member: its length in four bytes, then its bytes.
pub(crate) fn datagram(out: &mut Vec<u8>, payload: &[u8]) {
    debug_assert!(payload.len() <= DATAGRAM_BYTES, "longer ones were refused before");
    let len = u32::try_from(payload.len()).expect("a datagram is bounded far below 4 GiB");
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(payload);
}

/// The first of the datagrams that wait: its bytes, and how many it takes of `waiting`.
///
/// # Panics
/// If what waits is no row of datagrams: only a listener by UDP has one.
#[must_use]
pub fn first_datagram(waiting: &[u8]) -> (&[u8], usize) {
    let (len, rest) = waiting.split_first_chunk().expect("a datagram begins with its length");
    let len = usize::try_from(u32::from_be_bytes(*len)).expect("a datagram is bounded");
    (&rest[..len], DATAGRAM_HEADER_BYTES + len)
}

/// One body, exact, delimited as `key` says.
fn raw(out: &mut Vec<u8>, key: Key, body: &[u8]) {
    match key.0 {
        Key::RAW_NUL => {
            out.extend_from_slice(body);
            out.push(0);
        }
        Key::RAW_LEN32 => {
            let len = u32::try_from(body.len()).expect("a message is bounded far below 4 GiB");
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(body);
        }
        Key::RAW_CHUNK => out.extend_from_slice(body),
        Key::RAW_WS => ws::message(out, body),
        _ => {
            out.extend_from_slice(body);
            out.push(b'\n');
        }
    }
}

/// All records of a batch in one format.
pub(crate) fn batch(batch: &Batch, key: Key) -> Encoded {
    if key.0 == Key::RAW_LINE {
        // The buffer holds the bodies with a newline after each already.
        return Encoded { bytes: batch.body.clone(), ends: None };
    }
    // Enough for the plain case, so that it is one allocation: `<client-123456> ` and a newline around each body.
    let around = if key.0 >= Key::RAW_LINE && key.0 < Key::EVENTS { 10 } else { 18 };
    let around = if matches!(key.0, 6..10 | Key::EVENTS) { 140 } else { around };
    let mut out = Vec::with_capacity(batch.body.len() + batch.records.len() * around);
    let mut ends = Vec::with_capacity(batch.records.len());
    let mut writer = Writer::new(key);
    for record in &batch.records {
        writer.record(&mut out, batch, record, Marks::default());
        ends.push(u32::try_from(out.len()).expect("an encoding is bounded far below 4 GiB"));
    }
    out.shrink_to_fit();
    Encoded { bytes: Bytes::from(out), ends: Some(ends.into_boxed_slice()) }
}

/// One record as one reader alone gets it.
pub(crate) fn marked(out: &mut Vec<u8>, key: Key, batch: &Batch, record: &Record, marks: Marks) {
    Writer::new(key).record(out, batch, record, marks);
}

/// Writes records in one format; remembers what one record shares with the next.
struct Writer {
    key: Key,
    /// The language of notices, where there are any.
    lang: Option<Lang>,
    number: u64,
    author: String,
    payload: Vec<u8>,
}

impl Writer {
    fn new(key: Key) -> Writer {
        let lang = match key.0 {
            1 | 4 => Some(Lang::Fr),
            2 | 5 => Some(Lang::En),
            _ => None,
        };
        Writer { key, lang, number: 0, author: String::new(), payload: Vec::new() }
    }

    fn record(&mut self, out: &mut Vec<u8>, batch: &Batch, record: &Record, marks: Marks) {
        match self.key.0 {
            0..3 => self.text(out, batch, record),
            3..6 => self.framed(out, |writer, payload| {
                writer.text(payload, batch, record);
                payload.pop_if(|last| *last == b'\n');
            }),
            6..8 => {
                let before = out.len();
                self.json(out, batch, record, marks);
                if out.len() > before {
                    out.push(b'\n');
                }
            }
            8..10 => {
                self.framed(out, |writer, payload| writer.json(payload, batch, record, marks));
            }
            Key::EVENTS if record.kind == Kind::Speech => {
                let id = batch.life.position(record.seq);
                out.extend_from_slice(format!("id: {id}\ndata: ").as_bytes());
                self.json(out, batch, record, marks);
                out.extend_from_slice(b"\n\n");
            }
            Key::EVENTS => {}
            _ if record.kind == Kind::Speech => raw(out, self.key, batch.body(record)),
            _ => {}
        }
    }

    /// A text frame around what `write` writes; none around nothing.
    fn framed(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Writer, &mut Vec<u8>)) {
        let mut payload = std::mem::take(&mut self.payload);
        payload.clear();
        write(self, &mut payload);
        if !payload.is_empty() {
            ws::frame(out, ws::Opcode::Text, &payload);
        }
        self.payload = payload;
    }

    fn text(&mut self, out: &mut Vec<u8>, batch: &Batch, record: &Record) {
        if record.kind == Kind::Speech {
            let author = &record.author;
            if self.author.is_empty()
                || self.number != author.number
                || author.name.as_ref().is_some_and(|n| n.as_str() != self.author)
            {
                self.number = author.number;
                self.author = author.to_string();
            }
            text::speech(out, &self.author, batch.body(record));
        } else if let Some(lang) = self.lang {
            text::notice(out, &sentence(record, lang));
        }
    }

    fn json(&self, out: &mut Vec<u8>, batch: &Batch, record: &Record, marks: Marks) {
        let (room, from) = (batch.life.name.as_str(), &record.author);
        let notices = matches!(self.key.0, 7 | 9);
        match &record.kind {
            Kind::Speech => {
                let Record { seq, time_us, .. } = *record;
                let id = record.id();
                let Marks { old, own } = marks;
                let body = batch.body(record);
                json::msg(out, &Said { room, seq, from, time_us, id, body, old, own });
            }
            // Each member gets its own goodbye, once for all of its rooms.
            Kind::Goodbye => {}
            _ if !notices => {}
            Kind::Joined => json::event(out, &Event::Join { room, from, own: None, id: None }),
            Kind::Left(text) => {
                let text = text.as_deref();
                json::event(out, &Event::Leave { room, from, text, own: false, id: None });
            }
            Kind::Renamed(name) => {
                let (room, name) = (Some(room), name.as_str());
                json::event(out, &Event::Nick { room, from, name, own: false, id: None });
            }
        }
    }
}

fn sentence(record: &Record, lang: Lang) -> String {
    let name = record.author.to_string();
    match &record.kind {
        Kind::Joined => say(lang, "joined", &[("name", name.as_str().into())]),
        Kind::Left(None) => say(lang, "left", &[("name", name.as_str().into())]),
        Kind::Left(Some(text)) => say(
            lang,
            "left-saying",
            &[("name", name.as_str().into()), ("text", text.as_ref().into())],
        ),
        Kind::Renamed(new) => {
            say(lang, "renamed", &[("old", name.as_str().into()), ("new", new.as_str().into())])
        }
        Kind::Goodbye | Kind::Speech => say(lang, "server-goodbye", &[]),
    }
}
