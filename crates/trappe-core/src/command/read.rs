//! How each command's arguments become its request: one function a command, named in the table.

use std::str::FromStr;

use super::{
    Arguments, At, NAME_BYTES_TYPED, Name, NameError, Refusal, Request, StateKey, cut, find,
};
use crate::limits::{HISTORY_DEFAULT, SEARCH_CHARS, SEARCH_DEFAULT};

type Read = Result<Request, Refusal>;

pub(super) fn nick(arguments: &Arguments<'_>) -> Read {
    Ok(Request::Nick(name(arguments.word()?)?))
}

pub(super) fn join(arguments: &Arguments<'_>) -> Read {
    let [room, after] = arguments.words()?;
    let room = name(room.ok_or_else(|| arguments.missing())?)?;
    Ok(Request::Join { room, after: after.map(position).transpose()? })
}

pub(super) fn leave(arguments: &Arguments<'_>) -> Read {
    arguments.words().map(|[]| Request::Leave)
}

pub(super) fn msg(arguments: &Arguments<'_>) -> Read {
    let (to, text) =
        arguments.rest.trim_ascii_start().split_once(' ').ok_or_else(|| arguments.missing())?;
    Ok(Request::Msg { to: whoever(to)?, body: said(arguments, text)?.into() })
}

pub(super) fn who(arguments: &Arguments<'_>) -> Read {
    let [room] = arguments.words()?;
    Ok(Request::Who(room.map(whoever).transpose()?))
}

pub(super) fn rooms(arguments: &Arguments<'_>) -> Read {
    arguments.words().map(|[]| Request::Rooms)
}

pub(super) fn history(arguments: &Arguments<'_>) -> Read {
    let [count] = arguments.words()?;
    let Some(given) = count else { return Ok(Request::History(HISTORY_DEFAULT)) };
    // `parse` alone would take a sign.
    let digits = given.bytes().all(|b| b.is_ascii_digit());
    match given.parse() {
        Ok(count @ 1..) if digits => Ok(Request::History(count)),
        _ => Err(arguments.bad(given)),
    }
}

pub(super) fn search(arguments: &Arguments<'_>) -> Read {
    let words = arguments.rest.trim();
    if words.is_empty() {
        return Err(arguments.missing());
    }
    if words.chars().nth(SEARCH_CHARS).is_some() {
        return Err(arguments.bad(words));
    }
    Ok(Request::Search { words: words.into(), count: SEARCH_DEFAULT })
}

pub(super) fn resume(arguments: &Arguments<'_>) -> Read {
    Ok(Request::Resume(position(arguments.word()?)?))
}

pub(super) fn set(arguments: &Arguments<'_>) -> Read {
    // The space has to be there: without one a value was forgotten, and taking the key away is not what was meant.
    let (key, value) =
        arguments.rest.trim_ascii_start().split_once(' ').ok_or_else(|| arguments.missing())?;
    let (key, version) = match key.split_once('#') {
        Some((key, given)) => (key, Some(given)),
        None => (key, None),
    };
    let key = state_key(key)?;
    let version = version.map(version_of).transpose()?;
    Ok(Request::Set { key, version, value: value.as_bytes().into() })
}

pub(super) fn get(arguments: &Arguments<'_>) -> Read {
    let [key] = arguments.words()?;
    Ok(Request::Get(key.map(state_key).transpose()?))
}

pub(super) fn udp(arguments: &Arguments<'_>) -> Read {
    arguments.words().map(|[]| Request::Udp)
}

pub(super) fn format(arguments: &Arguments<'_>) -> Read {
    value(arguments, Request::Format)
}

pub(super) fn framing(arguments: &Arguments<'_>) -> Read {
    value(arguments, Request::Framing)
}

pub(super) fn lang(arguments: &Arguments<'_>) -> Read {
    value(arguments, Request::Lang)
}

pub(super) fn echo(arguments: &Arguments<'_>) -> Read {
    switch(arguments, Request::Echo)
}

pub(super) fn ack(arguments: &Arguments<'_>) -> Read {
    switch(arguments, Request::Ack)
}

pub(super) fn quiet(arguments: &Arguments<'_>) -> Read {
    switch(arguments, Request::Quiet)
}

pub(super) fn me(arguments: &Arguments<'_>) -> Read {
    Ok(Request::Me(said(arguments, arguments.rest)?))
}

#[expect(clippy::unnecessary_wraps, reason = "the table holds functions of one shape")]
pub(super) fn ping(arguments: &Arguments<'_>) -> Read {
    Ok(Request::Ping(arguments.rest.into()))
}

pub(super) fn why(arguments: &Arguments<'_>) -> Read {
    let [member] = arguments.words()?;
    Ok(Request::Why(member.map(whoever).transpose()?))
}

pub(super) fn help(arguments: &Arguments<'_>) -> Read {
    let [topic] = arguments.words()?;
    let Some(given) = topic else { return Ok(Request::Help(None)) };
    match find(given.strip_prefix('/').unwrap_or(given)) {
        Ok(command) => Ok(Request::Help(Some(command.name.into()))),
        // "Unknown" would advise to say it with `//`, which is not what was meant.
        Err(Refusal::UnknownCommand { .. }) => Err(arguments.bad(given)),
        Err(later) => Err(later),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the table holds functions of one shape")]
pub(super) fn quit(arguments: &Arguments<'_>) -> Read {
    Ok(Request::Quit(arguments.rest.into()))
}

/// The only word, as one of a closed set of values, in any case.
fn value<T: FromStr>(arguments: &Arguments<'_>, request: fn(T) -> Request) -> Read {
    let given = arguments.word()?;
    given.to_ascii_lowercase().parse().map(request).map_err(|_| arguments.bad(given))
}

/// The only word, `on` or `off`.
fn switch(arguments: &Arguments<'_>, request: fn(bool) -> Request) -> Read {
    let given = arguments.word()?;
    match given.to_ascii_lowercase().as_str() {
        "on" => Ok(request(true)),
        "off" => Ok(request(false)),
        _ => Err(arguments.bad(given)),
    }
}

/// A text as it was typed, which has to say something.
fn said(arguments: &Arguments<'_>, text: &str) -> Result<Box<str>, Refusal> {
    if text.trim().is_empty() { Err(arguments.missing()) } else { Ok(text.into()) }
}

/// A name to be taken, or a room to be gone to.
fn name(given: &str) -> Result<Name, Refusal> {
    Name::parse(given).map_err(|why| Refusal::BadName { given: cut(given), why })
}

/// A name to be looked up: any text (`client-17` is one) that is not longer than every name.
fn whoever(given: &str) -> Result<Box<str>, Refusal> {
    if given.len() > NAME_BYTES_TYPED {
        return Err(Refusal::BadName { given: cut(given), why: NameError::TooLong });
    }
    Ok(given.into())
}

fn state_key(given: &str) -> Result<StateKey, Refusal> {
    StateKey::parse(given).map_err(|why| Refusal::BadKey { given: cut(given), why })
}

fn version_of(given: &str) -> Result<u32, Refusal> {
    // `parse` alone would take a sign; it refuses the empty text and what overflows.
    let digits = given.bytes().all(|b| b.is_ascii_digit());
    let version = given.parse().ok().filter(|_| digits);
    version.ok_or_else(|| Refusal::BadVersion { given: cut(given) })
}

fn position(given: &str) -> Result<At, Refusal> {
    given.parse().map_err(|_| Refusal::BadPosition { given: cut(given) })
}
