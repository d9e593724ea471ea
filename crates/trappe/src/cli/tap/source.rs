//! Asks a hub for a wire, over HTTP/1.1, and reads what it tells. Every wait has its bound: what listens there may be anything.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use trappe_core::{command::Lang, limits::HEARTBEAT};

use super::events::{Events, Strange};
use crate::cli::place::{Failure, Place};

/// How long the head of the answer, or all of a refusal, may take.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// A stream that is silent for so long is lost: a hub gives a sign of life three times within.
const SILENCE_MAX: Duration = HEARTBEAT.saturating_mul(3);
/// The longest head, and the longest refusal.
const HEAD_BYTES: usize = 64 << 10;
/// The most fields in a head.
const FIELDS: usize = 64;
/// One read.
const READ_BYTES: usize = 64 << 10;

/// Whose wire is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whose<'a> {
    /// That of all members.
    Everybody,
    /// One member's.
    Member(&'a str),
    /// That of all in a room.
    Room(&'a str),
}

/// Why there is nothing to be read.
pub(super) enum NoSource<'a> {
    /// No connection.
    Unreached(Failure<'a>),
    /// The hub says no, in its own words.
    Refused {
        /// The code of the error.
        code: String,
        /// Its sentence.
        text: String,
    },
    /// There is neither a member nor a room of this name.
    Nobody(String),
    /// What listens there is no hub, or one that has no such thing.
    Stranger,
    /// It doesn't answer.
    Silent,
    /// It went away without an answer.
    Lost,
}

/// How a stream breaks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Broken {
    /// The connection is lost, or no sign of life came.
    Lost,
    /// What came is no event.
    Strange,
}

impl From<Strange> for Broken {
    fn from(Strange: Strange) -> Broken {
        Broken::Strange
    }
}

/// A wire that is being told.
pub(super) struct Source {
    stream: TcpStream,
    events: Events,
    buffer: Vec<u8>,
}

impl Source {
    /// Asks the hub at `place` for a wire; in `lang` if it has a reason to refuse.
    pub(super) fn open<'a>(
        place: &'a Place,
        whose: Whose<'_>,
        lang: Lang,
    ) -> Result<Source, NoSource<'a>> {
        let mut stream = place.connect().map_err(NoSource::Unreached)?.stream;
        // It fails where the peer is gone already; what it said before that may be a refusal, and is read all the same.
        drop(stream.write_all(request(&stream, whose, lang).as_bytes()));
        let mut answer = Answer { stream, held: Vec::new(), until: Instant::now() + HEAD_WITHIN };
        let rest = answer.take()?;
        let mut events = Events::default();
        events.push(&rest);
        // It fails for a zero alone.
        drop(answer.stream.set_read_timeout(Some(SILENCE_MAX)));
        Ok(Source { stream: answer.stream, events, buffer: vec![0; READ_BYTES] })
    }

    /// The next event: its text, and what it says. None: the hub has ended the stream.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, Value)>, Broken> {
        loop {
            if let Some(found) = self.events.next()? {
                return Ok(Some(found));
            }
            match self.stream.read(&mut self.buffer) {
                Ok(0) => return Ok(None),
                Ok(length) => self.events.push(&self.buffer[..length]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Broken::Lost),
            }
        }
    }
}

/// The request. The hub is called by its address, which is always allowed: its name may be one that it doesn't know.
fn request(stream: &TcpStream, whose: Whose<'_>, lang: Lang) -> String {
    // Without the zone, which no Host may have. A socket that is a file has no such address.
    let host = stream.peer_addr().map_or_else(
        |_| "localhost".to_owned(),
        |address| SocketAddr::new(address.ip(), address.port()).to_string(),
    );
    let encoded = |name| utf8_percent_encode(name, NON_ALPHANUMERIC);
    let query = match whose {
        Whose::Everybody => String::new(),
        Whose::Member(name) => format!("?member={}", encoded(name)),
        Whose::Room(name) => format!("?room={}", encoded(name)),
    };
    let lang = lang.as_str();
    format!(
        "GET /tap{query} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\
         Accept-Language: {lang}\r\nConnection: close\r\n\r\n"
    )
}

/// An answer that is coming.
struct Answer {
    stream: TcpStream,
    held: Vec<u8>,
    until: Instant,
}

impl Answer {
    /// Reads the head of a stream of events; gives what came after it.
    fn take<'a>(&mut self) -> Result<Vec<u8>, NoSource<'a>> {
        let (body, is_stream) = loop {
            match look(&self.held) {
                Look::Whole { body, is_stream } => break (body, is_stream),
                Look::Stranger => return Err(self.refusal_of_lines()?),
                Look::More if self.held.len() > HEAD_BYTES => return Err(NoSource::Stranger),
                Look::More if !self.fill()? => return Err(NoSource::Stranger),
                Look::More => {}
            }
        };
        self.held.drain(..body);
        if is_stream {
            return Ok(std::mem::take(&mut self.held));
        }
        // As soon as it can be read, since another server may leave the connection open.
        loop {
            if let Some(refused) = refusal(&self.held) {
                return Err(refused);
            }
            if self.held.len() > HEAD_BYTES || !self.fill()? {
                return Err(NoSource::Stranger);
            }
        }
    }

    /// What a hub says that serves nobody at present, without looking at what it is asked: `! CODE TEXT`.
    fn refusal_of_lines<'a>(&mut self) -> Result<NoSource<'a>, NoSource<'a>> {
        while self.held.starts_with(b"! ") && self.held.len() <= HEAD_BYTES {
            if let Some(end) = memchr::memchr(b'\n', &self.held) {
                let line = String::from_utf8_lossy(&self.held[2..end]);
                let (code, text) = line.split_once(' ').unwrap_or((&line, ""));
                return Ok(NoSource::Refused { code: code.to_owned(), text: text.to_owned() });
            }
            if !self.fill()? {
                break;
            }
        }
        Ok(NoSource::Stranger)
    }

    /// Reads more; false at the end of the stream.
    fn fill<'a>(&mut self) -> Result<bool, NoSource<'a>> {
        let mut buffer = [0; 4096];
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoSource::Silent);
            }
            // It fails for a zero alone.
            drop(self.stream.set_read_timeout(Some(left)));
            match self.stream.read(&mut buffer) {
                Ok(length) => {
                    self.held.extend_from_slice(&buffer[..length]);
                    return Ok(length > 0);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(NoSource::Silent),
                    _ => return Err(NoSource::Lost),
                },
            }
        }
    }
}

/// What the bytes of an answer are so far.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The head is whole.
    Whole {
        /// Here the body begins.
        body: usize,
        /// It is a stream of events, as a hub writes it: without chunks.
        is_stream: bool,
    },
    /// It isn't whole yet.
    More,
    /// No HTTP.
    Stranger,
}

fn look(bytes: &[u8]) -> Look {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut head = httparse::Response::new(&mut fields);
    match head.parse(bytes) {
        Ok(httparse::Status::Complete(body)) => {
            let value = |name: &str| {
                head.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name)).map(|it| it.value)
            };
            let kind = value("content-type").unwrap_or_default();
            let kind = kind.split(|&b| b == b';').next().unwrap_or_default().trim_ascii();
            let is_stream = head.code == Some(200)
                && kind.eq_ignore_ascii_case(b"text/event-stream")
                && value("transfer-encoding").is_none();
            Look::Whole { body, is_stream }
        }
        Ok(httparse::Status::Partial) => Look::More,
        Err(_) => Look::Stranger,
    }
}

/// The error that a body is, once it is whole.
fn refusal<'a>(body: &[u8]) -> Option<NoSource<'a>> {
    let error: Value = serde_json::from_slice(body).ok()?;
    let text = |field: &str| error[field].as_str().map(str::to_owned);
    match (error["ev"].as_str(), text("code"), text("text")) {
        (Some("error"), Some(code), Some(text)) => Some(NoSource::Refused { code, text }),
        _ => Some(NoSource::Stranger),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_told_from_everything_else_that_answers() {
        let stream = Look::Whole { body: 0, is_stream: true };
        let other = Look::Whole { body: 0, is_stream: false };
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", &stream),
            ("HTTP/1.0 200 \r\ncontent-type: Text/Event-Stream; charset=utf-8\r\n\r\n", &stream),
            ("HTTP/1.1 403 No\r\nContent-Type: text/event-stream\r\n\r\n", &other),
            ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", &other),
            (
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
                &other,
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", &other),
            ("HTTP/1.1 200 OK\r\nContent-Ty", &Look::More),
            ("", &Look::More),
            ("SSH-2.0-x\r\n", &Look::Stranger),
            ("GET /tap HTTP/1.1\r\n", &Look::Stranger),
            ("! full x\n", &Look::Stranger),
            ("\x15\x03\x01", &Look::Stranger),
        ] {
            let found = match look(head.as_bytes()) {
                Look::Whole { body, is_stream } => {
                    assert_eq!(body, head.len(), "{head:?}");
                    Look::Whole { body: 0, is_stream }
                }
                other => other,
            };
            assert_eq!(found, *expected, "{head:?}");
        }
    }

    #[test]
    fn a_refusal_is_one_of_the_hubs_own() {
        let read = |body: &str| match refusal(body.as_bytes()) {
            None => "more".to_owned(),
            Some(NoSource::Refused { code, text }) => format!("{code}: {text}"),
            Some(_) => "stranger".to_owned(),
        };
        for (body, expected) in [
            (r#"{"ev":"error","code":"local-only","text":"a"}"#, "local-only: a"),
            (r#"{"ev":"error","code":"local-only","#, "more"),
            ("<html>", "more"),
            ("", "more"),
            (r#"{"ev":"error","code":3,"text":"a"}"#, "stranger"),
            (r#"{"error":"x"}"#, "stranger"),
            ("12", "stranger"),
        ] {
            assert_eq!(read(body), expected, "{body:?}");
        }
    }
}
