//! Records → bytes. A batch is encoded once for each [`Key`] in use, and sent from there to everyone.

pub mod escape;
pub mod text;

use std::fmt;

use bytes::Bytes;

use crate::{
    command::{Format, Lang},
    framing::Framing,
    message::{Author, Kind, Record},
    room::batch::{Batch, Encoded},
    words::say,
};

/// How one member is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// For eyes, or for programs.
    pub format: Format,
    /// How bodies are delimited in raw format: as the member delimits its own.
    pub framing: Framing,
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
        const NAMES: [&str; Key::COUNT] =
            ["text", "text fr", "text en", "raw line", "raw nul", "raw len32", "raw chunk"];
        f.write_str(NAMES[self.index()])
    }
}

impl Key {
    /// How many there are.
    pub const COUNT: usize = 7;
    const TEXT: Key = Key(0);
    const RAW_LINE: Key = Key(3);

    /// A small number below [`Key::COUNT`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The encoding for who wants no notices, or where there are none: then the language makes no difference.
    #[must_use]
    pub fn without_notices(self) -> Key {
        if self.0 < Key::RAW_LINE.0 { Key::TEXT } else { self }
    }
}

impl Look {
    /// The encoding that serves this look.
    #[must_use]
    pub fn key(self) -> Key {
        match (self.format, self.framing, self.lang) {
            (Format::Text, ..) if self.quiet => Key::TEXT,
            (Format::Text, _, Lang::Fr) => Key(1),
            (Format::Text, _, Lang::En) => Key(2),
            (Format::Raw, Framing::Auto | Framing::Line, _) => Key::RAW_LINE,
            (Format::Raw, Framing::Nul, _) => Key(4),
            (Format::Raw, Framing::Len32, _) => Key(5),
            (Format::Raw, Framing::Chunk, _) => Key(6),
        }
    }

    /// A notice to this member alone: `* sentence`.
    pub fn notice(self, out: &mut Vec<u8>, sentence: &str) {
        self.reply(out, |line| text::notice(line, sentence));
    }

    /// An error to this member alone: `! code sentence`.
    pub fn error(self, out: &mut Vec<u8>, code: &str, sentence: &str) {
        self.reply(out, |line| text::error(line, code, sentence));
    }

    /// An acknowledgement: `+ack position`.
    pub fn ack(self, out: &mut Vec<u8>, position: impl fmt::Display) {
        self.reply(out, |line| line.extend_from_slice(format!("+ack {position}\n").as_bytes()));
    }

    /// A private message: `-alice- body` in text; in raw the body alone, exact.
    pub fn direct(self, out: &mut Vec<u8>, from: &Author, body: &[u8]) {
        match self.format {
            Format::Text => text::direct(out, &from.to_string(), body),
            Format::Raw => self.delimit(out, body),
        }
    }

    /// Lines of talk, delimited as this member delimits: text is always lines.
    fn reply(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        if self.format == Format::Text || self.key() == Key::RAW_LINE {
            return write(out);
        }
        let mut lines = Vec::new();
        write(&mut lines);
        for line in lines.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            self.delimit(out, line);
        }
    }

    fn delimit(self, out: &mut Vec<u8>, body: &[u8]) {
        raw(out, self.key(), body);
    }
}

/// One body, exact, delimited as `key` says.
fn raw(out: &mut Vec<u8>, key: Key, body: &[u8]) {
    match key.0 {
        4 => {
            out.extend_from_slice(body);
            out.push(0);
        }
        5 => {
            let len = u32::try_from(body.len()).expect("a message is bounded far below 4 GiB");
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(body);
        }
        6 => out.extend_from_slice(body),
        _ => {
            out.extend_from_slice(body);
            out.push(b'\n');
        }
    }
}

/// All records of a batch in one format.
pub(crate) fn batch(batch: &Batch, key: Key) -> Encoded {
    if key == Key::RAW_LINE {
        // The buffer holds the bodies with a newline after each already.
        return Encoded { bytes: batch.body.clone(), ends: None };
    }
    let lang = match key.0 {
        1 => Some(Lang::Fr),
        2 => Some(Lang::En),
        _ => None,
    };
    // Enough for the plain case, so that it is one allocation: `<client-123456> ` and a newline around each body.
    let mut out = Vec::with_capacity(batch.body.len() + batch.records.len() * 18);
    let mut ends = Vec::with_capacity(batch.records.len());
    let mut author = String::new();
    let mut number = 0;
    for record in &batch.records {
        if key.0 > Key::RAW_LINE.0 {
            if record.kind == Kind::Speech {
                raw(&mut out, key, batch.body(record));
            }
        } else if record.kind == Kind::Speech {
            if number != record.author.number
                || record.author.name.as_ref().is_some_and(|n| n.as_str() != author)
            {
                number = record.author.number;
                author = record.author.to_string();
            }
            text::speech(&mut out, &author, batch.body(record));
        } else if let Some(lang) = lang {
            text::notice(&mut out, &sentence(record, lang));
        }
        ends.push(u32::try_from(out.len()).expect("an encoding is bounded far below 4 GiB"));
    }
    out.shrink_to_fit();
    Encoded { bytes: Bytes::from(out), ends: Some(ends.into_boxed_slice()) }
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
