//! One client, from its first message to its goodbye: what it says becomes speech, or a request of the hub.
//!
//! What needs nobody else (how the member is written to and read, `/ping`, `/help`) is answered here; the rest is
//! handed on as a [`Request`]. Replies are written to a buffer that goes to the member's private queue.

use std::borrow::Cow;

use crate::{
    command::{self, COMMANDS, CommandHelp, Format, Lang, Parsed, Request},
    encode::{Look, escape::looks_like},
    framing::{End, Frame, Framing},
    message::{Author, Position},
    reply,
    words::{help, say},
};

/// What became of a message.
#[derive(Debug)]
pub enum Step<'a> {
    /// It was answered, refused or empty: nothing else is to be done.
    Nothing,
    /// To be said in the room.
    Speak(Cow<'a, [u8]>),
    /// To be asked of the hub.
    Ask(Request),
}

/// The state of one client that has said something.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own that the client turns"
)]
#[derive(Debug)]
pub struct Session {
    /// Who it is.
    pub author: Author,
    look: Look,
    echo: bool,
    ack: bool,
    greeted: bool,
    told_cut: bool,
    told_bytes: bool,
    /// Messages since `/ack on`, refused ones too: an error says which it means.
    spoken: u64,
    framing: Option<Framing>,
    /// The longest message that is taken.
    message_bytes: usize,
    look_changed: bool,
}

impl Session {
    /// A session of a client that has said nothing yet.
    #[must_use]
    pub fn new(number: u64, look: Look, message_bytes: usize) -> Session {
        Session {
            author: Author { number, name: None },
            look,
            echo: false,
            ack: false,
            greeted: false,
            told_cut: false,
            told_bytes: false,
            spoken: 0,
            framing: None,
            message_bytes,
            look_changed: false,
        }
    }

    /// How the member is written to.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// The look and the echo, if they have changed since this was last asked: the cursor is to be told.
    pub fn look_changed(&mut self) -> Option<(Look, bool)> {
        std::mem::take(&mut self.look_changed).then_some((self.look, self.echo))
    }

    /// The framing that the member has just asked for.
    pub fn framing_asked(&mut self) -> Option<Framing> {
        self.framing.take()
    }

    /// Whether nothing is written to the member but bodies, unless it asks.
    #[must_use]
    fn is_raw(&self) -> bool {
        self.look.format == Format::Raw
    }

    /// Takes one frame of what the client sent; replies go to `out`.
    pub fn frame<'a>(&mut self, frame: Frame<'a>, out: &mut Vec<u8>) -> Step<'a> {
        match frame {
            Frame::Message { body, end } => {
                if end == End::Pause && !self.told_cut && !self.is_raw() {
                    self.told_cut = true;
                    self.look.notice(out, &say(self.look.lang, "cut-by-pause", &[]));
                }
                self.message(body, out)
            }
            Frame::TooLong => {
                self.refused(
                    out,
                    "too-long",
                    &say(self.look.lang, "too-long", &[("limit", self.message_bytes.into())]),
                );
                Step::Nothing
            }
            Frame::Unfinished { bytes } => {
                self.refused(
                    out,
                    "unfinished",
                    &say(self.look.lang, "unfinished", &[("bytes", bytes.into())]),
                );
                Step::Nothing
            }
        }
    }

    /// The unfinished message was dropped: all of the hub's were too large together.
    pub fn pool_full(&mut self, bytes: usize, out: &mut Vec<u8>) {
        let sentence = say(self.look.lang, "unfinished-pool", &[("bytes", bytes.into())]);
        self.refused(out, "unfinished", &sentence);
    }

    /// A message that was not accepted: unasked for, so raw is not told.
    fn refused(&mut self, out: &mut Vec<u8>, code: &str, sentence: &str) {
        self.spoken += 1;
        if self.is_raw() {
            return;
        }
        if self.ack {
            self.look.error(out, code, &format!("#{} {sentence}", self.spoken));
        } else {
            self.look.error(out, code, sentence);
        }
    }

    fn message<'a>(&mut self, body: &'a [u8], out: &mut Vec<u8>) -> Step<'a> {
        let commands = !matches!(self.look.framing, Framing::Chunk | Framing::Len32);
        let parsed = if commands { command::parse(body) } else { Parsed::Speech(body) };
        match parsed {
            Parsed::Speech(body) => {
                if !self.told_bytes && !self.is_raw() && std::str::from_utf8(body).is_err() {
                    self.told_bytes = true;
                    self.look.notice(out, &say(self.look.lang, looks_like(body).hint(), &[]));
                }
                self.spoken += 1;
                Step::Speak(Cow::Borrowed(body))
            }
            Parsed::Bad(refusal) => {
                let (code, sentence) = reply::refusal(self.look.lang, &refusal);
                self.look.error(out, code, &sentence);
                Step::Nothing
            }
            Parsed::Request(request) => self.request(request, out),
        }
    }

    fn request<'a>(&mut self, request: Request, out: &mut Vec<u8>) -> Step<'a> {
        match request {
            Request::Me(text) => {
                self.spoken += 1;
                return Step::Speak(Cow::Owned(format!("* {text}").into_bytes()));
            }
            Request::Format(format) => {
                self.relook(|look| look.format = format);
                self.told(out, "format-is", &[("format", format.as_str().into())]);
            }
            Request::Framing(framing) => {
                self.framing = Some(framing);
                self.relook(|look| look.framing = framing);
                self.told(out, "framing-is", &[("framing", framing.as_str().into())]);
            }
            Request::Lang(lang) => {
                self.relook(|look| look.lang = lang);
                self.told(out, "lang-is", &[("lang", lang.as_str().into())]);
            }
            Request::Echo(on) => {
                self.echo = on;
                self.look_changed = true;
                self.told(out, if on { "echo-on" } else { "echo-off" }, &[]);
            }
            Request::Ack(on) => {
                self.ack = on;
                self.spoken = 0;
                self.told(out, if on { "ack-on" } else { "ack-off" }, &[]);
            }
            Request::Quiet(on) => {
                self.relook(|look| look.quiet = on);
                self.told(out, if on { "quiet-on" } else { "quiet-off" }, &[]);
            }
            Request::Ping(text) if text.is_empty() => self.told(out, "pong-bare", &[]),
            Request::Ping(text) => self.told(out, "pong", &[("text", text.as_ref().into())]),
            Request::Help(None) => {
                self.told(out, "help-intro", &[]);
                for entry in COMMANDS {
                    self.help(out, entry);
                }
            }
            Request::Help(Some(name)) => {
                if let Some(entry) = COMMANDS.iter().find(|c| c.name == &*name) {
                    self.help(out, entry);
                }
            }
            other => return Step::Ask(other),
        }
        Step::Nothing
    }

    fn help(&self, out: &mut Vec<u8>, entry: &CommandHelp) {
        let lang = self.look.lang;
        let what = help(lang, entry.name).unwrap_or_default();
        let also = entry
            .alias
            .map(|alias| say(lang, "help-also", &[("alias", format!("/{alias}").as_str().into())]));
        let also = also.map(|also| format!(" ({also})")).unwrap_or_default();
        let colon = if lang == Lang::Fr { " :" } else { ":" };
        self.look.notice(out, &format!("{}{colon} {what}{also}", entry.usage));
    }

    fn relook(&mut self, change: impl FnOnce(&mut Look)) {
        change(&mut self.look);
        self.look_changed = true;
    }

    fn told(
        &self,
        out: &mut Vec<u8>,
        id: &'static str,
        args: &[(&'static str, crate::words::Value<'_>)],
    ) {
        self.look.notice(out, &say(self.look.lang, id, args));
    }

    /// The member's message has its place in the order: acknowledges it, if that was asked for.
    pub fn spoke(&self, position: impl FnOnce() -> Position, out: &mut Vec<u8>) {
        if self.ack {
            self.look.ack(out, position());
        }
    }

    /// Welcomes the member, once, after it has spoken or commanded; never in raw. `where_` gives its room and position.
    pub fn greet(&mut self, where_: impl FnOnce() -> (String, Position), out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.greeted, true) || self.is_raw() {
            return;
        }
        let (room, position) = where_();
        let (name, position) = (self.author.to_string(), position.to_string());
        let args = [
            ("name", name.as_str().into()),
            ("room", room.as_str().into()),
            ("position", position.as_str().into()),
        ];
        self.told(out, "welcome", &args);
    }

    /// Whether the member has been welcomed, and so been announced to the room.
    #[must_use]
    pub fn greeted(&self) -> bool {
        self.greeted
    }
}

#[cfg(test)]
mod tests;
