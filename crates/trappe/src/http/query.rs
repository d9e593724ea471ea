//! What follows the question mark: `?room=R&after=POS&limit=N&q=WORDS`, and percent-decoding for it and for paths.
//!
//! Strict where the web is lenient: what isn't well encoded is refused, not passed on as it is, so that nobody's request
//! means something else than what they wrote.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use trappe_core::{
    command::{At, Lang, ValueError},
    limits::SEARCH_CHARS,
    name::{Name, NameError},
    reply,
    words::say,
};

/// The parameters that a route may ask for. Each route takes those that mean something to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Query {
    /// `room`
    pub(crate) room: Option<Name>,
    /// `member`: a name or `client-N`, as given.
    pub(crate) member: Option<String>,
    /// `after`: the last message that isn't asked for.
    pub(crate) after: Option<At>,
    /// `limit`: at least 1; how much of it is given is the route's affair.
    pub(crate) limit: Option<usize>,
    /// `q`: words to search for, as given; they aren't blank, and have at most [`SEARCH_CHARS`] characters.
    pub(crate) words: Option<String>,
}

/// Why a query is refused; always a 400.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BadQuery {
    /// `%` without two hexadecimal digits, or what it stands for isn't UTF-8.
    Encoding,
    /// A parameter that means something stands there twice; whichever was meant, the other wasn't.
    Twice(&'static str),
    /// `room` is no name.
    Room(NameError),
    /// `after` is no position.
    After(ValueError),
    /// `limit` is no number from 1 on.
    Limit,
    /// `q` is blank, or too long.
    Words,
}

impl BadQuery {
    /// What is wrong, in words.
    pub(crate) fn sentence(&self, lang: Lang) -> String {
        match self {
            Self::Encoding => say(lang, "http-bad-query", &[]),
            Self::Twice(key) => say(lang, "http-twice", &[("key", (*key).into())]),
            Self::Room(why) => reply::bad_name(lang, why),
            Self::After(why) => say(lang, "bad-position", &[("given", why.given.as_ref().into())]),
            Self::Limit => say(lang, "http-bad-limit", &[]),
            Self::Words => say(lang, "http-bad-words", &[("limit", SEARCH_CHARS.into())]),
        }
    }

    /// The stable code of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Encoding => "bad-query",
            Self::Twice(_) => "duplicate-parameter",
            Self::Room(why) => why.code(),
            Self::After(_) => "bad-position",
            Self::Limit => "bad-limit",
            Self::Words => "bad-words",
        }
    }
}

impl Query {
    /// Reads what follows the question mark. Parameters that nobody knows are passed over, whatever they hold.
    ///
    /// # Errors
    /// The first thing that is wrong, from left to right.
    pub(crate) fn parse(raw: &str) -> Result<Self, BadQuery> {
        let mut query = Self::default();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = || decode_form(value).ok_or(BadQuery::Encoding);
            match &*decode_form(key).ok_or(BadQuery::Encoding)? {
                "room" => {
                    let room = Name::parse(&value()?).map_err(BadQuery::Room)?;
                    once(&mut query.room, "room", room)?;
                }
                "member" => once(&mut query.member, "member", value()?.into_owned())?,
                "after" => {
                    let after = value()?.parse().map_err(BadQuery::After)?;
                    once(&mut query.after, "after", after)?;
                }
                "limit" => once(&mut query.limit, "limit", parse_limit(&value()?)?)?,
                "q" => once(&mut query.words, "q", parse_words(&value()?)?)?,
                _ => {}
            }
        }
        Ok(query)
    }
}

fn once<T>(place: &mut Option<T>, parameter: &'static str, value: T) -> Result<(), BadQuery> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(BadQuery::Twice(parameter)),
    }
}

fn parse_limit(text: &str) -> Result<usize, BadQuery> {
    // `parse` alone would take a sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&limit| digits && limit > 0).ok_or(BadQuery::Limit)
}

fn parse_words(text: &str) -> Result<String, BadQuery> {
    let is_short = text.chars().nth(SEARCH_CHARS).is_none();
    if is_short && !text.trim().is_empty() { Ok(text.to_owned()) } else { Err(BadQuery::Words) }
}

/// Decodes what a form encodes (application/x-www-form-urlencoded): a plus is a space.
fn decode_form(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        Some(Cow::Owned(decode(&text.replace('+', " "))?.into_owned()))
    } else {
        decode(text)
    }
}

/// Percent-decodes `text`; None if a `%` isn't followed by two hexadecimal digits, or if what comes out isn't UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    let is_escape = |after: &str| {
        after.as_bytes().first_chunk::<2>().is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit))
    };
    let well_formed = text.split('%').skip(1).all(is_escape);
    if well_formed { percent_decode_str(text).decode_utf8().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name of this table")
    }

    fn at(text: &str) -> At {
        text.parse().expect("a position of this table")
    }

    #[test]
    fn a_query_is_read_into_what_it_means() {
        let table = [
            ("", Query::default()),
            ("&&", Query::default()),
            ("room=lobby", Query { room: Some(name("lobby")), ..Query::default() }),
            ("room=caf%C3%A9", Query { room: Some(name("café")), ..Query::default() }),
            ("%72oom=a", Query { room: Some(name("a")), ..Query::default() }),
            (
                "after=12&limit=5",
                Query { after: Some(at("12")), limit: Some(5), ..Query::default() },
            ),
            (
                "after=abcdefghij%40412",
                Query { after: Some(at("abcdefghij@412")), ..Query::default() },
            ),
            (
                "limit=007&after=abcdefghij@0&room=a-b_c.d&",
                Query {
                    room: Some(name("a-b_c.d")),
                    member: None,
                    after: Some(at("abcdefghij@0")),
                    limit: Some(7),
                    words: None,
                },
            ),
            (
                "q=rendez-vous+%C3%A9t%C3%A9&limit=5",
                Query {
                    words: Some("rendez-vous été".into()), limit: Some(5), ..Query::default()
                },
            ),
            ("q=%22a%26b%22", Query { words: Some("\"a&b\"".into()), ..Query::default() }),
            ("token=%zz&x&=&Room=b&room=a", Query { room: Some(name("a")), ..Query::default() }),
        ];
        for (raw, query) in table {
            assert_eq!(Query::parse(raw), Ok(query), "{raw:?}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_query_is_told_by_its_code() {
        let most = format!("q={}", "%c3%a9".repeat(SEARCH_CHARS));
        assert!(Query::parse(&most).is_ok(), "characters are counted, not bytes");
        let too_long = format!("{most}a");
        let table = [
            ("room=a&room=a", "duplicate-parameter"),
            ("after=1&limit=1&after=2", "duplicate-parameter"),
            ("limit=1&limit=1", "duplicate-parameter"),
            ("room=%", "bad-query"),
            ("room=%4", "bad-query"),
            ("room=%+1", "bad-query"),
            ("room=%zz", "bad-query"),
            ("room=%FF", "bad-query"),
            ("%=1", "bad-query"),
            ("%ff=1", "bad-query"),
            ("room", "bad-name"),
            ("room=", "bad-name"),
            ("room=a+b", "bad-name"),
            ("room=..%2fetc", "bad-name"),
            ("room=%00", "bad-name"),
            ("after=", "bad-position"),
            ("after=-1", "bad-position"),
            ("after=short@1", "bad-position"),
            ("limit=", "bad-limit"),
            ("limit=0", "bad-limit"),
            ("limit=-1", "bad-limit"),
            ("limit=%2B1", "bad-limit"),
            ("limit=1e3", "bad-limit"),
            ("limit=99999999999999999999999", "bad-limit"),
            ("q", "bad-words"),
            ("q=", "bad-words"),
            ("q=+%20%0A", "bad-words"),
            (&too_long, "bad-words"),
            ("q=a&q=a", "duplicate-parameter"),
            ("q=%e9", "bad-query"),
        ];
        for (raw, code) in table {
            assert_eq!(Query::parse(raw).map_err(|why| why.code()), Err(code), "{raw:?}");
        }
    }

    #[test]
    fn decoding_gives_back_what_was_encoded_or_nothing() {
        let table = [
            ("", Some("")),
            ("a+b", Some("a+b")),
            ("%2F%2f", Some("//")),
            ("%25", Some("%")),
            ("%2525", Some("%25")),
            ("%e2%82%ac", Some("€")),
            ("%e2%82", None),
            ("a%", None),
            ("%é0", None),
            ("% 41", None),
        ];
        for (text, decoded) in table {
            assert_eq!(decode(text).as_deref(), decoded, "{text:?}");
        }
    }
}
