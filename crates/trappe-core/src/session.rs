//! One client, from its first message to its goodbye: what it says becomes speech, or a request of the hub.
//!
//! What needs nobody else (how the member is written to and read, `/ping`, `/help`) is answered here; the rest is
//! handed on as a [`Request`]. Replies are written to a buffer that goes to the member's private queue.

use std::borrow::Cow;

use crate::{
    command::{self, At, COMMANDS, CommandHelp, Format, Lang, Parsed, Request},
    encode::{Look, Wire, escape::looks_like},
    event::Event,
    framing::{End, Frame, Framing},
    message::{Author, Position},
    name::Name,
    op::{self, What},
    reply::{self, To},
    words::{help, say},
};

/// What became of a message.
#[derive(Debug)]
pub enum Step<'a> {
    /// It was answered, refused or empty: nothing else is to be done.
    Nothing,
    /// To be said.
    Speak {
        /// What.
        body: Cow<'a, [u8]>,
        /// The room, if the client named one.
        room: Option<Name>,
        /// The client's own number for it.
        id: Option<u64>,
    },
    /// To be asked of the hub.
    Ask {
        /// What.
        request: Request,
        /// The room, if the client named one.
        room: Option<Name>,
    },
    /// The client wants to know who it is, or says who it was before.
    Hello {
        /// The session that is to be taken over.
        session: Option<Box<str>>,
        /// The rooms that it is to be in, each from a position on.
        rooms: Option<Vec<(Name, Option<At>)>>,
    },
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
    /// How many rooms it is in; the shell keeps it true.
    pub rooms: usize,
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
    /// The name and the id of the op that is being answered.
    asked: (Option<&'static str>, Option<u64>),
}

impl Session {
    /// A session of a client that has said nothing yet.
    #[must_use]
    pub fn new(number: u64, look: Look, message_bytes: usize) -> Session {
        Session {
            author: Author { number, name: None },
            rooms: 1,
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
            asked: (None, None),
        }
    }

    /// How the member is written to.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// To whom, and to what, the next reply is.
    #[must_use]
    pub fn to(&self) -> To {
        To { look: self.look, op: self.asked.0, id: self.asked.1 }
    }

    /// The look and the echo, if they have changed since this was last asked: the listener is to be told.
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
        self.asked = (None, None);
        match frame {
            Frame::Message { body, end } => {
                if end == End::Pause && !self.told_cut && self.look.format == Format::Text {
                    self.told_cut = true;
                    self.look.notice(out, &say(self.look.lang, "cut-by-pause", &[]));
                }
                if self.look.is_json() {
                    self.json(body, end, out)
                } else {
                    self.message(body, end, out)
                }
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
        self.asked = (None, None);
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

    /// Whether a message that ended so may be a command (PROTOCOL §3).
    #[must_use]
    pub fn takes_commands(&self, end: End) -> bool {
        match end {
            End::Binary => false,
            End::Text | End::Datagram => true,
            _ => !matches!(self.look.framing, Framing::Chunk | Framing::Len32),
        }
    }

    /// A message that is speech unless it is a command.
    fn message<'a>(&mut self, body: &'a [u8], end: End, out: &mut Vec<u8>) -> Step<'a> {
        match if self.takes_commands(end) { command::parse(body) } else { Parsed::Speech(body) } {
            Parsed::Speech(body) => {
                if !self.told_bytes && !self.is_raw() && std::str::from_utf8(body).is_err() {
                    self.told_bytes = true;
                    self.look.notice(out, &say(self.look.lang, looks_like(body).hint(), &[]));
                }
                self.spoken += 1;
                Step::Speak { body: Cow::Borrowed(body), room: None, id: None }
            }
            Parsed::Bad(refusal) => {
                self.to().refusal(out, &refusal);
                Step::Nothing
            }
            Parsed::Request(request) => self.request(request, None, out),
        }
    }

    /// A message in the JSON format: an op, or a command.
    fn json<'a>(&mut self, body: &'a [u8], end: End, out: &mut Vec<u8>) -> Step<'a> {
        match body.trim_ascii_start().first() {
            Some(b'{') => match op::parse(body) {
                Ok(op) => {
                    self.asked = (Some(op.name), op.id);
                    match op.what {
                        What::Hello { session, rooms } => Step::Hello { session, rooms },
                        What::Send { body } => {
                            Step::Speak { body: Cow::Owned(body), room: op.room, id: op.id }
                        }
                        What::Request(request) => self.request(request, op.room, out),
                    }
                }
                Err(bad) => {
                    reply::bad_op(self.look, out, &bad);
                    Step::Nothing
                }
            },
            Some(b'/')
                if end != End::Binary && matches!(command::parse(body), Parsed::Speech(_)) =>
            {
                self.not_an_op(out)
            }
            Some(b'/') if end != End::Binary => self.message(body, end, out),
            _ => self.not_an_op(out),
        }
    }

    fn not_an_op<'a>(&self, out: &mut Vec<u8>) -> Step<'a> {
        let event = Event::Error {
            code: "not-an-op",
            text: &say(self.look.lang, "not-an-op", &[]),
            op: None,
            id: None,
            at: Some(0),
            field: None,
            room: None,
        };
        self.look.event(out, &event);
        Step::Nothing
    }

    fn request<'a>(&mut self, request: Request, room: Option<Name>, out: &mut Vec<u8>) -> Step<'a> {
        match request {
            Request::Me(text) => {
                self.spoken += 1;
                let body = Cow::Owned(format!("* {text}").into_bytes());
                return Step::Speak { body, room, id: self.asked.1 };
            }
            Request::Format(format)
                if self.look.is_json() && format != Format::Json && self.rooms != 1 =>
            {
                let sentence = say(self.look.lang, "one-room", &[("count", self.rooms.into())]);
                self.to().error(out, "one-room", &sentence);
            }
            Request::Format(format) => {
                self.relook(|look| look.format = format);
                self.echo &= self.may_echo();
                self.to().done(out, "format", "format-is", &[("format", format.as_str().into())]);
            }
            Request::Framing(_) if self.look.wire != Wire::Stream => {
                let id =
                    if self.look.wire == Wire::Datagram { "framing-udp" } else { "framing-fixed" };
                let sentence = say(self.look.lang, id, &[]);
                self.to().error(out, "framing-fixed", &sentence);
            }
            Request::Framing(framing) => {
                self.framing = Some(framing);
                self.relook(|look| look.framing = framing);
                self.to().done(
                    out,
                    "framing",
                    "framing-is",
                    &[("framing", framing.as_str().into())],
                );
            }
            Request::Lang(lang) => {
                self.relook(|look| look.lang = lang);
                self.to().done(out, "lang", "lang-is", &[("lang", lang.as_str().into())]);
            }
            Request::Echo(true) if !self.may_echo() => {
                let sentence = say(self.look.lang, "no-echo", &[]);
                self.to().error(out, "no-echo", &sentence);
            }
            Request::Echo(on) => {
                self.echo = on;
                self.look_changed = true;
                self.to().done(out, "echo", if on { "echo-on" } else { "echo-off" }, &[]);
            }
            Request::Ack(on) => {
                self.ack = on;
                self.spoken = 0;
                self.to().done(out, "ack", if on { "ack-on" } else { "ack-off" }, &[]);
            }
            Request::Quiet(on) => {
                self.relook(|look| look.quiet = on);
                self.to().done(out, "quiet", if on { "quiet-on" } else { "quiet-off" }, &[]);
            }
            Request::Ping(text) => self.to().pong(out, &text),
            Request::Help(None) => {
                self.look.notice(out, &say(self.look.lang, "help-intro", &[]));
                for entry in COMMANDS {
                    self.help(out, entry);
                }
            }
            Request::Help(Some(name)) => {
                if let Some(entry) = COMMANDS.iter().find(|c| c.name == &*name) {
                    self.help(out, entry);
                }
            }
            other => return Step::Ask { request: other, room },
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

    /// Whether its own messages may come back to it. By UDP only as events: to another hub, which somebody has made a member in
    /// its name, anything else is speech, and would come back in turn.
    fn may_echo(&self) -> bool {
        self.look.wire != Wire::Datagram || self.look.is_json()
    }

    fn relook(&mut self, change: impl FnOnce(&mut Look)) {
        change(&mut self.look);
        self.look_changed = true;
    }

    /// The member's message has its place in the order: acknowledges it, if that was asked for, and always in JSON.
    /// Where that comes later, [`To::spoke`] does it.
    pub fn spoke(
        &self,
        out: &mut Vec<u8>,
        room: &str,
        id: Option<u64>,
        position: impl FnOnce() -> Position,
    ) {
        if self.look.is_json() || self.ack {
            To { id, ..self.to() }.spoke(out, room, self.ack, position());
        }
    }

    /// Welcomes the member, once, after it has spoken or commanded; in text only. `where_` gives its room and position.
    /// Tells whether it was welcomed now.
    pub fn greet(
        &mut self,
        where_: impl FnOnce() -> (String, Position),
        out: &mut Vec<u8>,
    ) -> bool {
        if std::mem::replace(&mut self.greeted, true) || self.look.format != Format::Text {
            return false;
        }
        let (room, position) = where_();
        let (name, position) = (self.author.to_string(), position.to_string());
        let args = [
            ("name", name.as_str().into()),
            ("room", room.as_str().into()),
            ("position", position.as_str().into()),
        ];
        self.look.notice(out, &say(self.look.lang, "welcome", &args));
        true
    }

    /// Whether its messages are acknowledged.
    #[must_use]
    pub fn acknowledges(&self) -> bool {
        self.look.is_json() || self.ack
    }

    /// The member was announced before, over another connection, or has gone since.
    pub fn set_greeted(&mut self, greeted: bool) {
        self.greeted = greeted;
    }

    /// Whether the member has been welcomed, and so been announced to the room.
    #[must_use]
    pub fn greeted(&self) -> bool {
        self.greeted
    }
}

#[cfg(test)]
mod tests;
