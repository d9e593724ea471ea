//! Replies of the hub in words: refusals and lists.

mod history;

use std::time::Duration;

pub use self::history::{Found, gap, not_stored};

use crate::{
    command::{Format, Lang, Refusal},
    encode::{Look, Wire, escape::to_terminal, ws},
    event::{Event, Standing},
    hub::{HubError, Listed},
    limits::{NAME_CHARS, OP_DEPTH, OP_FIELDS, ROOMS_OF_MEMBER, SEARCH_CHARS, STATE_KEY_CHARS},
    message::{Author, Position},
    name::{MARKS_IN_A_ROW, Name, NameError},
    op::{BadOp, Wanted, WhyBad},
    state_key::{StateKey, StateKeyError},
    words::{Value, lasting, say},
};

type Args<'a> = &'a [(&'static str, Value<'a>)];

/// To whom a reply goes, and to what. In JSON an op's id stands in every answer to it.
#[derive(Clone, Copy, Debug)]
pub struct To {
    /// How the member is written to.
    pub look: Look,
    /// The op that is answered, if it was one.
    pub op: Option<&'static str>,
    /// Its id, if it had one.
    pub id: Option<u64>,
}

impl To {
    /// To a member that has asked for nothing.
    #[must_use]
    pub fn unasked(look: Look) -> To {
        To { look, op: None, id: None }
    }

    /// What was asked for could not be done.
    pub fn error(self, out: &mut Vec<u8>, code: &str, sentence: &str) {
        if !self.look.is_json() {
            return self.look.error(out, code, sentence);
        }
        let event = Event::Error {
            code,
            text: sentence,
            op: self.op,
            id: self.id,
            at: None,
            field: None,
            room: None,
        };
        self.look.event(out, &event);
    }

    /// What was asked for is done: a sentence says so, or an acknowledgement of the op.
    pub(crate) fn done(
        self,
        out: &mut Vec<u8>,
        op: &'static str,
        id: &'static str,
        args: Args<'_>,
    ) {
        if self.look.is_json() {
            let op = Some(op);
            let event = Event::Ack { room: None, seq: None, op, count: None, id: self.id };
            return self.look.event(out, &event);
        }
        self.look.notice(out, &say(self.look.lang, id, args));
    }

    /// A refused command.
    pub(crate) fn refusal(self, out: &mut Vec<u8>, why: &Refusal) {
        let (code, sentence) = refusal(self.look.lang, why);
        self.error(out, code, &sentence);
    }

    /// `/ping`.
    pub(crate) fn pong(self, out: &mut Vec<u8>, text: &str) {
        let look = self.look;
        if look.is_json() {
            look.event(out, &Event::Pong { text, id: self.id });
        } else if text.is_empty() {
            look.notice(out, &say(look.lang, "pong-bare", &[]));
        } else {
            look.notice(out, &say(look.lang, "pong", &[("text", text.into())]));
        }
    }

    /// `/nick`: `before` is called `name` from now on.
    pub fn you_are(self, out: &mut Vec<u8>, before: &Author, name: &Name) {
        let (look, name) = (self.look, name.as_str());
        if look.is_json() {
            let event = Event::Nick { room: None, from: before, name, own: true, id: self.id };
            return look.event(out, &event);
        }
        look.notice(out, &say(look.lang, "you-are", &[("name", name.into())]));
    }

    /// `/join`, `/leave`: the member is in a room, which has so many members.
    pub fn now_in(
        self,
        out: &mut Vec<u8>,
        from: &Author,
        room: &str,
        count: usize,
        position: Position,
    ) {
        let look = self.look;
        if look.is_json() {
            let own = Some((position, count));
            return look.event(out, &Event::Join { room, from, own, id: self.id });
        }
        let position = position.to_string();
        let args = [
            ("room", room.into()),
            ("count", count.into()),
            ("position", position.as_str().into()),
        ];
        look.notice(out, &say(look.lang, "now-in", &args));
    }

    /// The member is in a room no longer; only JSON can be in none.
    pub fn left(self, out: &mut Vec<u8>, from: &Author, room: &str) {
        let event = Event::Leave { room, from, text: None, own: true, id: self.id };
        self.look.event(out, &event);
    }

    /// The hub couldn't give a name, or a room, called `wanted`.
    pub fn hub_error(self, out: &mut Vec<u8>, wanted: &Name, error: &HubError) {
        let (code, sentence) = hub_error(self.look.lang, wanted, error);
        self.error(out, code, &sentence);
    }

    /// Nobody is called that.
    pub fn no_such_member(self, out: &mut Vec<u8>, name: &str) {
        let sentence = say(self.look.lang, "no-such-member", &[("name", name.into())]);
        self.error(out, "no-such-member", &sentence);
    }

    /// There is no room of that name.
    fn no_such_room(self, out: &mut Vec<u8>, room: &str) {
        let sentence = say(self.look.lang, "no-such-room", &[("room", room.into())]);
        self.error(out, "no-such-room", &sentence);
    }

    /// The member isn't in that room; or, without one, it has to say which it means: it is in `count` of them.
    pub fn not_in_room(self, out: &mut Vec<u8>, room: Option<&Name>, count: usize) {
        let lang = self.look.lang;
        if let Some(room) = room {
            let sentence = say(lang, "not-in-room", &[("room", room.as_str().into())]);
            self.error(out, "not-in-room", &sentence);
        } else if count == 0 {
            self.error(out, "which-room", &say(lang, "nowhere", &[]));
        } else {
            let sentence = say(lang, "which-room", &[("count", count.into())]);
            self.error(out, "which-room", &sentence);
        }
    }

    /// The id of a send is too old for the hub to know whether it has had it.
    pub fn stale_id(self, out: &mut Vec<u8>) {
        let id = self.id.unwrap_or_default().into();
        self.error(out, "stale-id", &say(self.look.lang, "stale-id", &[("id", id)]));
    }

    /// A private message is on its way; in JSON an op that has an id is acknowledged.
    pub fn delivered(self, out: &mut Vec<u8>) {
        if self.look.is_json() && self.id.is_some() {
            let op = self.op;
            let event = Event::Ack { room: None, seq: None, op, count: None, id: self.id };
            self.look.event(out, &event);
        }
    }

    /// The member's private queue is full.
    pub fn busy(self, out: &mut Vec<u8>, name: &str) {
        self.error(out, "busy", &say(self.look.lang, "busy", &[("name", name.into())]));
    }

    /// Who is in a room; `asked` is its name as it was asked for.
    pub fn who(self, out: &mut Vec<u8>, asked: &str, found: Option<(Name, Listed<Author>)>) {
        let Some((room, Listed { first, count })) = found else {
            return self.no_such_room(out, asked);
        };
        let (look, room) = (self.look, room.as_str());
        if look.is_json() {
            return look.event(out, &Event::Who { room, count, members: &first, id: self.id });
        }
        let heading = say(look.lang, "who", &[("room", room.into()), ("count", count.into())]);
        list(look, out, &heading, first.iter().map(ToString::to_string), count - first.len());
    }

    /// Which rooms there are.
    pub fn rooms(self, out: &mut Vec<u8>, listed: &Listed<(Name, usize)>) {
        let (look, count) = (self.look, listed.count);
        if look.is_json() {
            return look.event(out, &Event::Rooms { count, rooms: &listed.first, id: self.id });
        }
        let heading = say(look.lang, "rooms", &[("count", count.into())]);
        let one = |(name, count): &(Name, usize)| {
            say(
                look.lang,
                "rooms-one",
                &[("room", name.as_str().into()), ("count", (*count).into())],
            )
        };
        list(look, out, &heading, listed.first.iter().map(one), count - listed.first.len());
    }

    /// `/set`: the change has this number in the order of the room's state. In JSON an op with an id is acknowledged.
    pub fn state_ack(self, out: &mut Vec<u8>) {
        if self.look.is_json() && self.id.is_some() {
            let (op, id) = (Some("set"), self.id);
            let event = Event::Ack { room: None, seq: None, op, count: None, id };
            self.look.event(out, &event);
        }
    }

    /// `/get` without a key: the member follows the state of a room, whose values come after this.
    pub fn following(self, out: &mut Vec<u8>, room: &str, keys: usize) {
        let look = self.look;
        if look.is_json() {
            let (op, count, id) = (Some("get"), Some(keys), self.id);
            return look.event(out, &Event::Ack { room: None, seq: None, op, count, id });
        }
        let args = [("room", room.into()), ("count", keys.into())];
        look.notice(out, &say(look.lang, "following", &args));
    }

    /// The member has fallen so far behind a room's state that it gets all of it anew: keys that aren't in it are gone.
    pub(crate) fn following_anew(self, out: &mut Vec<u8>, room: &str, keys: usize) {
        if self.look.is_json() {
            let cause = "state";
            let event = Event::Gap { room, from: None, to: None, cause, oldest: None, id: None };
            self.look.event(out, &event);
        } else if self.look.format == Format::Text {
            self.following(out, room, keys);
        }
    }

    /// The key has no value in the member's room.
    pub fn no_such_key(self, out: &mut Vec<u8>, key: &StateKey) {
        let sentence = say(self.look.lang, "no-such-key", &[("key", key.as_str().into())]);
        self.error(out, "no-such-key", &sentence);
    }

    /// The member has given the key this version, or a newer one, before.
    pub fn stale_version(self, out: &mut Vec<u8>, key: &StateKey, version: u32) {
        let args = [("key", key.as_str().into()), ("version", u64::from(version).into())];
        self.error(out, "stale-version", &say(self.look.lang, "stale-version", &args));
    }

    /// The room's state, or that of all rooms together, holds no more.
    pub fn state_full(self, out: &mut Vec<u8>, room: &str) {
        let sentence = say(self.look.lang, "state-full", &[("room", room.into())]);
        self.error(out, "state-full", &sentence);
    }

    /// `/udp`: a datagram that begins with `key` makes its address the member's.
    pub fn udp_key(self, out: &mut Vec<u8>, key: &str, seconds: u64) {
        let look = self.look;
        if look.is_json() {
            let (key, seconds) = (Some(key), Some(seconds));
            return look.event(out, &Event::Udp { key, seconds, address: None, id: self.id });
        }
        let args = [("key", key.into()), ("seconds", seconds.into())];
        look.notice(out, &say(look.lang, "udp-key", &args));
    }

    /// Datagrams from `address` are the member's from here on.
    pub fn udp_attached(self, out: &mut Vec<u8>, address: &str) {
        let look = self.look;
        if look.is_json() {
            let address = Some(address);
            let event = Event::Udp { key: None, seconds: None, address, id: self.id };
            return look.event(out, &event);
        }
        look.notice(out, &say(look.lang, "udp-attached", &[("address", address.into())]));
    }

    /// A private message to `name` fits into no datagram, and `name` is sent nothing else.
    pub fn too_long_for_datagram(self, out: &mut Vec<u8>, name: &str) {
        self.error(out, "mtu", &say(self.look.lang, "mtu", &[("name", name.into())]));
    }
}

/// An op that can't be carried out as it stands.
pub(crate) fn bad_op(look: Look, out: &mut Vec<u8>, bad: &BadOp) {
    let lang = look.lang;
    let field = ("field", bad.field.unwrap_or_default().into());
    let text = match &bad.why {
        WhyBad::BadJson => say(lang, "bad-json", &[("at", bad.at.unwrap_or_default().into())]),
        WhyBad::NotAnObject => say(lang, "not-an-object", &[]),
        WhyBad::DuplicateKey { key } => say(lang, "duplicate-key", &[("key", key.as_ref().into())]),
        WhyBad::TooManyFields => say(lang, "too-many-fields", &[("limit", OP_FIELDS.into())]),
        WhyBad::TooDeep => say(lang, "too-deep", &[("limit", OP_DEPTH.into())]),
        WhyBad::UnknownOp => {
            say(lang, "unknown-op", &[("op", bad.op.as_deref().unwrap_or_default().into())])
        }
        WhyBad::NotYet => say(lang, "op-not-yet", &[]),
        WhyBad::MissingField => say(lang, "missing-field", &[field]),
        WhyBad::BadField(wanted) => bad_field(lang, field, *wanted),
        WhyBad::BadVersion => bad_field(lang, field, Wanted::Version),
        WhyBad::BadKey(why) => bad_key(lang, why),
        WhyBad::BadName(why) => bad_name(lang, why),
        WhyBad::BadPosition { given } => {
            say(lang, "bad-position", &[("given", given.as_ref().into())])
        }
    };
    let event = Event::Error {
        code: bad.code(),
        text: &text,
        op: bad.op.as_deref(),
        id: bad.id,
        at: bad.at,
        field: match &bad.why {
            WhyBad::DuplicateKey { key } => Some(key),
            _ => bad.field,
        },
        room: None,
    };
    look.event(out, &event);
}

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The member wanted it.
    Quit,
    /// The hub closes.
    Shutdown,
    /// Another connection has taken the session over.
    Superseded,
    /// The member didn't read.
    Slow,
    /// Nothing came from a member by UDP.
    Silent,
}

impl Ending {
    /// The word for it in a `bye`.
    fn as_str(self) -> &'static str {
        match self {
            Ending::Quit => "quit",
            Ending::Shutdown => "shutdown",
            Ending::Superseded => "superseded",
            Ending::Slow => "slow",
            Ending::Silent => "silent",
        }
    }

    /// The code of a WebSocket close frame (RFC 6455 §7.4.1).
    fn close_code(self) -> u16 {
        match self {
            Ending::Quit => 1000,
            Ending::Shutdown => 1001,
            Ending::Superseded | Ending::Slow | Ending::Silent => 1008,
        }
    }
}

/// What a member is written last, and how its connection is closed where that can be said (RFC 6455 §7.4.1).
#[must_use]
pub fn farewell(to: To, ending: Ending, sentence: &str, rooms: &[(&str, Position)]) -> Vec<u8> {
    let look = to.look;
    let mut out = Vec::new();
    if look.is_json() {
        let text = (!sentence.is_empty()).then_some(sentence);
        look.event(&mut out, &Event::Bye { reason: ending.as_str(), text, rooms, id: to.id });
    } else if ending == Ending::Quit {
        look.notice(&mut out, sentence);
    } else if ending == Ending::Silent && look.format == Format::Text {
        look.error(&mut out, ending.as_str(), sentence);
    }
    if look.wire == Wire::WebSocket {
        ws::close(&mut out, ending.close_code(), sentence);
    }
    out
}

/// The hub couldn't give a name, or a room, called `wanted`: the code, and the sentence that says why and what to do.
#[must_use]
pub fn hub_error(lang: Lang, wanted: &Name, error: &HubError) -> (&'static str, String) {
    let name = || ("name", wanted.as_str().into());
    match error {
        HubError::NameTaken { free: Some(free) } => {
            let args = [name(), ("free", free.as_str().into())];
            ("name-taken", say(lang, "name-taken", &args))
        }
        HubError::NameTaken { free: None } => {
            ("name-taken", say(lang, "name-taken-bare", &[name()]))
        }
        HubError::MembersFull => ("full", say(lang, "full-members", &[])),
        HubError::RoomsFull => ("full", say(lang, "full-rooms", &[])),
        HubError::Gone => ("gone", say(lang, "gone", &[])),
        HubError::TooManyRooms => {
            let args = [("limit", ROOMS_OF_MEMBER.into())];
            ("too-many-rooms", say(lang, "too-many-rooms", &args))
        }
    }
}

/// A refused command: its code, and the sentence that says why and what to do.
#[must_use]
pub fn refusal(lang: Lang, refusal: &Refusal) -> (&'static str, String) {
    let sentence = match refusal {
        Refusal::UnknownCommand { word } => {
            say(lang, "unknown-command", &[("word", word.as_ref().into())])
        }
        Refusal::MissingArgument { usage, .. } => {
            say(lang, "missing-argument", &[("usage", (*usage).into())])
        }
        Refusal::TooManyArguments { usage, .. } => {
            say(lang, "too-many-arguments", &[("usage", (*usage).into())])
        }
        Refusal::BadArgument { given, usage, .. } => say(
            lang,
            "bad-argument",
            &[("given", given.as_ref().into()), ("usage", (*usage).into())],
        ),
        Refusal::BadName { why, .. } => bad_name(lang, why),
        Refusal::BadPosition { given } => {
            say(lang, "bad-position", &[("given", given.as_ref().into())])
        }
        Refusal::BadKey { why, .. } => bad_key(lang, why),
        Refusal::BadVersion { given } => {
            say(lang, "bad-version", &[("given", given.as_ref().into())])
        }
        Refusal::NotUtf8 { .. } => say(lang, "not-utf8", &[]),
        Refusal::NotYet { what } => say(lang, "not-yet", &[("what", (*what).into())]),
    };
    (refusal.code(), sentence)
}

/// Why a name isn't one.
#[must_use]
pub fn bad_name(lang: Lang, why: &NameError) -> String {
    match why {
        NameError::Empty => say(lang, "bad-name-empty", &[]),
        NameError::TooLong => say(lang, "bad-name-long", &[("limit", NAME_CHARS.into())]),
        NameError::Character(c) => {
            let shown = to_terminal(&c.to_string()).into_owned();
            say(lang, "bad-name-character", &[("character", shown.as_str().into())])
        }
        NameError::Start => say(lang, "bad-name-start", &[]),
        NameError::Marks => say(lang, "bad-name-marks", &[("limit", MARKS_IN_A_ROW.into())]),
        NameError::Scripts => say(lang, "bad-name-scripts", &[]),
        NameError::Reserved => say(lang, "bad-name-reserved", &[]),
    }
}

/// Why a key isn't one.
fn bad_key(lang: Lang, why: &StateKeyError) -> String {
    match why {
        StateKeyError::Empty => say(lang, "bad-key-empty", &[]),
        StateKeyError::TooLong => say(lang, "bad-key-long", &[("limit", STATE_KEY_CHARS.into())]),
        StateKeyError::Character(c) => {
            let shown = to_terminal(&c.to_string()).into_owned();
            say(lang, "bad-key-character", &[("character", shown.as_str().into())])
        }
        StateKeyError::Marks => say(lang, "bad-key-marks", &[("limit", MARKS_IN_A_ROW.into())]),
    }
}

fn bad_field(lang: Lang, field: (&'static str, Value<'_>), wanted: Wanted) -> String {
    let limit = if wanted == Wanted::Words { SEARCH_CHARS } else { ROOMS_OF_MEMBER }.into();
    say(lang, "bad-field", &[field, ("wanted", wanted.as_str().into()), ("limit", limit)])
}

fn list(
    look: Look,
    out: &mut Vec<u8>,
    heading: &str,
    items: impl Iterator<Item = String>,
    more: usize,
) {
    let mut line = heading.to_owned();
    for (i, item) in items.enumerate() {
        line.push_str(if i == 0 { " " } else { ", " });
        line.push_str(&item);
    }
    if more > 0 {
        line.push(' ');
        line.push_str(&say(look.lang, "who-more", &[("count", more.into())]));
    }
    look.notice(out, &line);
}

/// The state of a connection, as `/why` tells it.
#[derive(Debug)]
pub struct Why<'a> {
    /// Its member.
    pub author: Author,
    /// The wire: `tcp`, `unix`, `ws`, `sse`.
    pub transport: &'static str,
    /// Where it comes from.
    pub address: String,
    /// For how long it has been here.
    pub since: Duration,
    /// Its rooms: the last message of each, and how many records it hasn't been written yet.
    pub rooms: &'a [Standing<'a>],
    /// Messages that it missed.
    pub missed: u64,
    /// Its own messages that were refused.
    pub refused: u64,
    /// How many watch its wire.
    pub watched: u64,
}

impl To {
    /// `/why`.
    pub fn why(self, out: &mut Vec<u8>, facts: &Why<'_>) {
        let (look, lang) = (self.look, self.look.lang);
        let Why { author, transport, address, since, rooms, missed, refused, watched } = facts;
        let name = author.to_string();
        if look.is_json() {
            return look.event(
                out,
                &Event::Why {
                    name: &name,
                    sid: author.number,
                    transport,
                    address,
                    since_s: since.as_secs(),
                    rooms,
                    missed: *missed,
                    refused: *refused,
                    watched: *watched,
                    id: self.id,
                },
            );
        }
        let records: u64 = rooms.iter().map(|room| room.lag).sum();
        let behind = say(lang, "why-lag", &[("messages", records.into())]);
        let missed = if *missed == 0 {
            say(lang, "why-never-missed", &[])
        } else {
            let cause = if *transport == "udp" { "why-cause-udp" } else { "why-cause-slow" };
            let cause = say(lang, cause, &[]);
            say(
                lang,
                "why-missed",
                &[("count", (*missed).into()), ("cause", cause.as_str().into())],
            )
        };
        let since = lasting(lang, *since);
        let positions: Vec<String> = rooms.iter().map(|room| room.position.to_string()).collect();
        let positions = positions.join(", ");
        let args = [
            ("name", name.as_str().into()),
            // A socket of this machine has no address that says more.
            ("transport", if *transport == "unix" { "socket" } else { transport }.into()),
            ("address", address.as_str().into()),
            ("since", since.as_str().into()),
            ("lag", behind.as_str().into()),
            ("position", positions.as_str().into()),
            ("missed", missed.as_str().into()),
        ];
        let mut line = say(lang, "why-one", &args);
        for (id, count) in [("why-refused", *refused), ("why-watched", *watched)] {
            if count > 0 {
                line.push_str(if lang == Lang::Fr { " ; " } else { "; " });
                line.push_str(&say(lang, id, &[("count", count.into())]));
            }
        }
        look.notice(out, &line);
    }
}
