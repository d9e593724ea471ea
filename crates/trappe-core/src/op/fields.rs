//! How each op's fields become what it asks for: one function an op, named in the table.

use std::{borrow::Cow, str::FromStr};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{Given, Object, Wanted, What, WhyBad, Wrong};
use crate::{
    command::{At, Request, cut},
    limits::{HISTORY_DEFAULT, ROOMS_OF_MEMBER, SEARCH_CHARS, SEARCH_DEFAULT, SEARCH_MAX},
    name::{NAME_BYTES_TYPED, Name, NameError},
    state_key::StateKey,
};

/// The first whole number that JavaScript, and every reader that makes doubles of numbers, may confuse with another.
const NUMBER_END: u64 = 1 << 53;

/// The standard alphabet (RFC 4648 §4), with or without the `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

type Read = Result<What, Wrong>;

/// The fields of one op, taken out one by one.
pub(super) struct Fields<'a> {
    given: Object<'a>,
    /// The room, once it has been read.
    pub(super) room: Option<Name>,
}

impl<'a> Fields<'a> {
    pub(super) fn new(given: Object<'a>) -> Self {
        Self { given, room: None }
    }

    /// What the op is called.
    pub(super) fn op(&mut self) -> Result<Cow<'a, str>, Wrong> {
        self.needed("op", Self::text)
    }

    /// The client's own number for the op.
    pub(super) fn id(&mut self) -> Result<Option<u64>, Wrong> {
        self.number("id", Wanted::Number)
    }

    fn take(&mut self, field: &'static str) -> Option<Given<'a>> {
        self.given.remove(field).filter(|given| !matches!(given, Given::Null))
    }

    /// A field that has to be there.
    fn needed<T>(
        &mut self,
        field: &'static str,
        read: fn(&mut Self, &'static str) -> Result<Option<T>, Wrong>,
    ) -> Result<T, Wrong> {
        read(self, field)?.ok_or((Some(field), WhyBad::MissingField))
    }

    fn text(&mut self, field: &'static str) -> Result<Option<Cow<'a, str>>, Wrong> {
        match self.take(field) {
            None => Ok(None),
            Some(Given::Text(text)) => Ok(Some(text)),
            Some(_) => Err(bad(field, Wanted::Text)),
        }
    }

    /// A text that others are shown in a line of the hub's own: a break in it would begin a line that the hub never wrote.
    fn line(&mut self, field: &'static str) -> Result<Option<Cow<'a, str>>, Wrong> {
        let text = self.text(field)?;
        if text.as_ref().is_some_and(|text| text.contains(['\n', '\r'])) {
            return Err(bad(field, Wanted::Line));
        }
        Ok(text)
    }

    fn switch(&mut self, field: &'static str) -> Result<Option<bool>, Wrong> {
        match self.take(field) {
            None => Ok(None),
            Some(Given::Switch(on)) => Ok(Some(on)),
            Some(_) => Err(bad(field, Wanted::Switch)),
        }
    }

    fn number(&mut self, field: &'static str, wanted: Wanted) -> Result<Option<u64>, Wrong> {
        let least = u64::from(wanted == Wanted::Count);
        match self.take(field) {
            None => Ok(None),
            Some(Given::Whole(n)) if (least..NUMBER_END).contains(&n) => Ok(Some(n)),
            Some(_) => Err(bad(field, wanted)),
        }
    }

    /// How many, at least one.
    fn count(&mut self, field: &'static str) -> Result<Option<usize>, Wrong> {
        let count = self.number(field, Wanted::Count)?;
        // Where memory is addressed with fewer bits, more than all there can be is all there is.
        Ok(count.map(|count| usize::try_from(count).unwrap_or(usize::MAX)))
    }

    fn position(&mut self, field: &'static str) -> Result<Option<At>, Wrong> {
        match self.take(field) {
            None => Ok(None),
            Some(Given::Whole(seq)) if seq < NUMBER_END => Ok(Some(At { epoch: None, seq })),
            Some(Given::Text(text)) => match text.parse() {
                Ok(at) => Ok(Some(at)),
                Err(_) => Err((Some(field), WhyBad::BadPosition { given: cut(&text) })),
            },
            Some(_) => Err(bad(field, Wanted::Position)),
        }
    }

    /// A name to be taken, or a room.
    fn name(&mut self, field: &'static str) -> Result<Option<Name>, Wrong> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        Name::parse(&text).map(Some).map_err(|why| (Some(field), WhyBad::BadName(why)))
    }

    /// A name to be looked up: any text that is not longer than every name.
    fn whoever(&mut self, field: &'static str) -> Result<Option<Box<str>>, Wrong> {
        match self.text(field)? {
            Some(text) if text.len() > NAME_BYTES_TYPED => {
                Err((Some(field), WhyBad::BadName(NameError::TooLong)))
            }
            text => Ok(text.map(Cow::into)),
        }
    }

    /// A key of a room's state.
    fn key(&mut self, field: &'static str) -> Result<Option<StateKey>, Wrong> {
        let Some(text) = self.text(field)? else { return Ok(None) };
        StateKey::parse(&text).map(Some).map_err(|why| (Some(field), WhyBad::BadKey(why)))
    }

    /// The version of a value.
    fn version(&mut self, field: &'static str) -> Result<Option<u32>, Wrong> {
        let number = match self.take(field) {
            None => return Ok(None),
            Some(Given::Whole(number)) => u32::try_from(number).ok(),
            Some(Given::Number) => None,
            Some(_) => return Err(bad(field, Wanted::Version)),
        };
        number.map(Some).ok_or((Some(field), WhyBad::BadVersion))
    }

    /// The room that the op is about, kept for [`super::Op::room`].
    fn room(&mut self) -> Result<Option<Name>, Wrong> {
        self.room = self.name("room")?;
        Ok(self.room.clone())
    }

    /// The message: `text`, or the bytes of `b64`.
    fn body(&mut self) -> Result<Vec<u8>, Wrong> {
        match (self.text("text")?, self.text("b64")?) {
            (Some(text), None) => Ok(text.into_owned().into()),
            (None, Some(coded)) => BASE64.decode(&*coded).map_err(|_| bad("b64", Wanted::Base64)),
            (None, None) => Err((Some("text"), WhyBad::MissingField)),
            (Some(_), Some(_)) => Err(bad("b64", Wanted::OneBody)),
        }
    }

    /// One of a closed set of words, in any case.
    fn value<T: FromStr>(&mut self, field: &'static str, wanted: Wanted) -> Result<T, Wrong> {
        let given = self.needed(field, Self::text).map_err(|(field, why)| match why {
            WhyBad::BadField(_) => (field, WhyBad::BadField(wanted)),
            why => (field, why),
        })?;
        given.parse().map_err(|_| bad(field, wanted))
    }
}

fn bad(field: &'static str, wanted: Wanted) -> Wrong {
    (Some(field), WhyBad::BadField(wanted))
}

pub(super) fn send(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    Ok(What::Send { body: fields.body()? })
}

pub(super) fn hello(fields: &mut Fields<'_>) -> Read {
    let session = fields.text("session")?.map(Cow::into);
    let rooms = match fields.take("rooms") {
        None => None,
        Some(Given::List(items)) if items.len() <= ROOMS_OF_MEMBER => {
            Some(items.into_iter().map(entered).collect::<Result<_, _>>()?)
        }
        Some(_) => return Err(bad("rooms", Wanted::Rooms)),
    };
    Ok(What::Hello { session, rooms })
}

/// One of `hello`'s rooms.
fn entered(item: Given<'_>) -> Result<(Name, Option<At>), Wrong> {
    let Given::Object(given) = item else { return Err(bad("rooms", Wanted::Rooms)) };
    let mut fields = Fields::new(given);
    Ok((fields.needed("room", Fields::name)?, fields.position("after")?))
}

pub(super) fn join(fields: &mut Fields<'_>) -> Read {
    let room = fields.room()?.ok_or((Some("room"), WhyBad::MissingField))?;
    asks(Request::Join { room, after: fields.position("after")? })
}

pub(super) fn leave(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    asks(Request::Leave)
}

pub(super) fn nick(fields: &mut Fields<'_>) -> Read {
    asks(Request::Nick(fields.needed("name", Fields::name)?))
}

pub(super) fn msg(fields: &mut Fields<'_>) -> Read {
    let to = fields.needed("to", Fields::whoever)?;
    let is_text = fields.given.contains_key("text");
    let body = fields.body()?;
    if body.is_empty() {
        return Err(bad(if is_text { "text" } else { "b64" }, Wanted::Something));
    }
    asks(Request::Msg { to, body: body.into() })
}

pub(super) fn who(fields: &mut Fields<'_>) -> Read {
    let room = fields.room()?;
    asks(Request::Who(room.map(|room| room.as_str().into())))
}

pub(super) fn rooms(_: &mut Fields<'_>) -> Read {
    asks(Request::Rooms)
}

pub(super) fn history(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    asks(Request::History(fields.count("n")?.unwrap_or(HISTORY_DEFAULT)))
}

pub(super) fn search(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    let words = fields.needed("words", Fields::text)?;
    if words.trim().is_empty() || words.chars().nth(SEARCH_CHARS).is_some() {
        return Err(bad("words", Wanted::Words));
    }
    let count = fields.count("count")?.unwrap_or(SEARCH_DEFAULT).min(SEARCH_MAX);
    asks(Request::Search { words: words.into(), count })
}

pub(super) fn resume(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    asks(Request::Resume(fields.needed("after", Fields::position)?))
}

pub(super) fn set(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    let key = fields.needed("key", Fields::key)?;
    let version = fields.version("v")?;
    asks(Request::Set { key, version, value: fields.body()?.into() })
}

pub(super) fn get(fields: &mut Fields<'_>) -> Read {
    fields.room()?;
    asks(Request::Get(fields.key("key")?))
}

pub(super) fn udp(_: &mut Fields<'_>) -> Read {
    asks(Request::Udp)
}

/// An op of the protocol that this version does not have yet.
pub(super) fn later(_: &mut Fields<'_>) -> Read {
    Err((None, WhyBad::NotYet))
}

pub(super) fn ping(fields: &mut Fields<'_>) -> Read {
    asks(Request::Ping(fields.text("text")?.unwrap_or_default().into()))
}

pub(super) fn quit(fields: &mut Fields<'_>) -> Read {
    asks(Request::Quit(fields.line("text")?.unwrap_or_default().into()))
}

pub(super) fn format(fields: &mut Fields<'_>) -> Read {
    asks(Request::Format(fields.value("format", Wanted::Format)?))
}

pub(super) fn lang(fields: &mut Fields<'_>) -> Read {
    asks(Request::Lang(fields.value("lang", Wanted::Lang)?))
}

pub(super) fn echo(fields: &mut Fields<'_>) -> Read {
    asks(Request::Echo(fields.needed("on", Fields::switch)?))
}

pub(super) fn quiet(fields: &mut Fields<'_>) -> Read {
    asks(Request::Quiet(fields.needed("on", Fields::switch)?))
}

pub(super) fn why(fields: &mut Fields<'_>) -> Read {
    asks(Request::Why(fields.whoever("name")?))
}

#[expect(clippy::unnecessary_wraps, reason = "it ends each of the table's functions")]
fn asks(request: Request) -> Read {
    Ok(What::Request(request))
}
