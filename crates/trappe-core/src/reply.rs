//! Replies of the hub in words: refusals and lists.

use crate::{
    command::{Lang, Refusal},
    encode::{Look, escape::to_terminal},
    hub::{HubError, Listed},
    limits::NAME_CHARS,
    message::Author,
    name::{MARKS_IN_A_ROW, Name, NameError},
    words::say,
};

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
        Refusal::NotUtf8 { .. } => say(lang, "not-utf8", &[]),
        Refusal::NotYet { what } => say(lang, "not-yet", &[("what", (*what).into())]),
    };
    (refusal.code(), sentence)
}

/// Why a name isn't one.
fn bad_name(lang: Lang, why: &NameError) -> String {
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

/// The hub couldn't give a name, or a room, called `wanted`.
pub fn hub_error(look: Look, out: &mut Vec<u8>, wanted: &Name, error: &HubError) {
    let lang = look.lang;
    let name = || ("name", wanted.as_str().into());
    match error {
        HubError::NameTaken { free: Some(free) } => {
            look.error(
                out,
                "name-taken",
                &say(lang, "name-taken", &[name(), ("free", free.as_str().into())]),
            );
        }
        HubError::NameTaken { free: None } => {
            look.error(out, "name-taken", &say(lang, "name-taken-bare", &[name()]));
        }
        HubError::MembersFull => look.error(out, "full", &say(lang, "full-members", &[])),
        HubError::RoomsFull => look.error(out, "full", &say(lang, "full-rooms", &[])),
    }
}

/// Nobody is called that.
pub fn no_such_member(look: Look, out: &mut Vec<u8>, name: &str) {
    look.error(out, "no-such-member", &say(look.lang, "no-such-member", &[("name", name.into())]));
}

/// The member's private queue is full.
pub fn busy(look: Look, out: &mut Vec<u8>, name: &str) {
    look.error(out, "busy", &say(look.lang, "busy", &[("name", name.into())]));
}

/// Who is in a room; `asked` is its name as it was asked for.
pub fn who(look: Look, out: &mut Vec<u8>, asked: &str, found: Option<(Name, Listed<Author>)>) {
    let Some((room, listed)) = found else {
        return look.error(
            out,
            "no-such-room",
            &say(look.lang, "no-such-room", &[("room", asked.into())]),
        );
    };
    let heading =
        say(look.lang, "who", &[("room", room.as_str().into()), ("count", listed.count.into())]);
    list(
        look,
        out,
        &heading,
        listed.first.iter().map(ToString::to_string),
        listed.count - listed.first.len(),
    );
}

/// Which rooms there are.
pub fn rooms(look: Look, out: &mut Vec<u8>, listed: &Listed<(Name, usize)>) {
    let heading = say(look.lang, "rooms", &[("count", listed.count.into())]);
    let one = |(name, count): &(Name, usize)| {
        say(look.lang, "rooms-one", &[("room", name.as_str().into()), ("count", (*count).into())])
    };
    list(look, out, &heading, listed.first.iter().map(one), listed.count - listed.first.len());
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
pub struct Why {
    /// Its member.
    pub name: String,
    /// The wire: `tcp`.
    pub transport: &'static str,
    /// Where it comes from.
    pub address: String,
    /// For how long it has been here, in words.
    pub since: String,
    /// The last message of its room.
    pub position: String,
    /// Records of its room that it hasn't been written yet.
    pub lag: u64,
    /// Messages that it missed.
    pub missed: u64,
    /// Its own messages that were refused.
    pub refused: u64,
}

/// `/why`.
pub fn why(look: Look, out: &mut Vec<u8>, facts: &Why) {
    let lang = look.lang;
    let behind = say(lang, "why-lag", &[("messages", facts.lag.into())]);
    let missed = if facts.missed == 0 {
        say(lang, "why-never-missed", &[])
    } else {
        let cause = say(lang, "why-cause-slow", &[]);
        say(lang, "why-missed", &[("count", facts.missed.into()), ("cause", cause.as_str().into())])
    };
    let args = [
        ("name", facts.name.as_str().into()),
        ("transport", facts.transport.into()),
        ("address", facts.address.as_str().into()),
        ("since", facts.since.as_str().into()),
        ("lag", behind.as_str().into()),
        ("position", facts.position.as_str().into()),
        ("missed", missed.as_str().into()),
    ];
    let mut line = say(lang, "why-one", &args);
    if facts.refused > 0 {
        line.push_str(if lang == Lang::Fr { " ; " } else { "; " });
        line.push_str(&say(lang, "why-refused", &[("count", facts.refused.into())]));
    }
    look.notice(out, &line);
}
