//! What a datagram is, from an address that is no member. Pure.

use trappe_core::{
    command::{self, At, Parsed, split_command},
    name::Name,
};

use crate::net::cookie::{KEY_CHARS, is_cookie, is_key};

/// What is asked, or said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First<'a> {
    /// Nothing is asked: it is said in the lobby.
    Speech(&'a [u8]),
    /// To be a member of a room.
    Join(Join<'a>),
    /// To speak for a member, and perhaps something that it says.
    Key {
        /// The key.
        key: &'a str,
        /// What is said; it may be nothing.
        rest: &'a [u8],
    },
    /// Something that isn't heard from here.
    Other,
}

/// `/join ROOM [COOKIE] [POS]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Join<'a> {
    /// The room.
    pub(super) room: Name,
    /// The same as it was typed.
    pub(super) typed: &'a str,
    /// The proof.
    pub(super) cookie: Option<&'a str>,
    /// From where on.
    pub(super) after: Option<At>,
}

/// Reads a datagram, never an empty one.
pub(super) fn first(body: &[u8]) -> First<'_> {
    if let Some((key, rest)) = key(body) {
        return First::Key { key, rest };
    }
    match split_command(body) {
        None => match command::parse(body) {
            Parsed::Speech(body) => First::Speech(body),
            Parsed::Request(_) | Parsed::Bad(_) => First::Other,
        },
        Some((word, rest)) if is_join(word) => join(rest).map_or(First::Other, First::Join),
        Some(_) => First::Other,
    }
}

/// A one-time key, and what is said after it, if a datagram begins with one.
pub(super) fn key(body: &[u8]) -> Option<(&str, &[u8])> {
    let (word, rest) = body.split_at_checked(KEY_CHARS)?;
    let key = str::from_utf8(word).ok().filter(|_| is_key(word))?;
    match rest {
        [] | [b' '] => Some((key, &[])),
        [b' ', rest @ ..] => Some((key, rest)),
        _ => None,
    }
}

/// A join that bears a cookie, from who is a member already: the datagram came twice, or the answer to it was lost. Gives the
/// same without the cookie.
pub(super) fn again(body: &[u8]) -> Option<Vec<u8>> {
    let (word, rest) = split_command(body).filter(|(word, _)| is_join(word))?;
    let Join { typed, cookie: Some(_), .. } = join(rest)? else { return None };
    Some(format!("/{word} {typed}").into_bytes())
}

/// Whether a datagram is what a hub answers a member with, unasked: an acknowledgement, or, where the member speaks JSON, an event.
/// Answered in turn, it would come back for ever.
pub(super) fn is_answer(body: &[u8], json: bool) -> bool {
    if json && body.starts_with(br#"{"ev":""#) {
        return true;
    }
    let position = body.strip_prefix(b"+ack ").and_then(|rest| str::from_utf8(rest).ok());
    position.is_some_and(|it| it.contains('@') && it.parse::<At>().is_ok())
}

fn is_join(word: &str) -> bool {
    word.eq_ignore_ascii_case("join") || word.eq_ignore_ascii_case("salon")
}

fn join(rest: &[u8]) -> Option<Join<'_>> {
    let mut words = str::from_utf8(rest).ok()?.split_ascii_whitespace();
    let typed = words.next()?;
    let room = Name::parse(typed).ok()?;
    let mut next = words.next();
    let cookie = next.filter(|word| is_cookie(word));
    if cookie.is_some() {
        next = words.next();
    }
    let after = next.map(str::parse).transpose().ok()?;
    words.next().is_none().then_some(Join { room, typed, cookie, after })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcdefghijklmnopqrstuvwx27";
    const COOKIE: &str = "aaaaaaaaaaaaa";

    fn joins(text: &str) -> Option<(String, bool, Option<u64>)> {
        match first(text.as_bytes()) {
            First::Join(Join { room, cookie, after, .. }) => {
                Some((room.to_string(), cookie.is_some(), after.map(|at| at.seq)))
            }
            _ => None,
        }
    }

    #[test]
    fn a_join_is_read_with_and_without_its_cookie() {
        let lobby = |cookie, after| Some(("lobby".to_owned(), cookie, after));
        for (text, read) in [
            ("/join lobby", lobby(false, None)),
            ("/SALON lobby", lobby(false, None)),
            ("/join lobby 7", lobby(false, Some(7))),
            (&format!("/join lobby {COOKIE}"), lobby(true, None)),
            (&format!("/join lobby {COOKIE} 7"), lobby(true, Some(7))),
            ("/join", None),
            ("/join server", None),
            ("/join lobby x", None),
            (&format!("/join lobby 7 {COOKIE}"), None),
            ("/join lobby 7 8", None),
            ("/nick alice", None),
        ] {
            assert_eq!(joins(text), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_command_and_no_key_is_said() {
        for (text, said) in [
            ("bonjour", Some("bonjour")),
            ("/usr/bin/x", Some("/usr/bin/x")),
            ("//join x", Some("/join x")),
            ("/joinx lobby", None),
            ("/quit", None),
            (&format!("{KEY}x"), Some(&*format!("{KEY}x"))),
            (KEY, None),
        ] {
            let read = match first(text.as_bytes()) {
                First::Speech(body) => Some(str::from_utf8(body).expect("UTF-8")),
                _ => None,
            };
            assert_eq!(read, said, "{text}");
        }
    }

    #[test]
    fn a_hubs_own_answers_are_known() {
        for (text, json, known) in [
            ("+ack 4ywtjtzgsu@17", false, true),
            ("+ack 4ywtjtzgsu@17", true, true),
            ("+ack 17", false, false),
            ("+ack 4ywtjtzgsu@17 merci", false, false),
            (r#"{"ev":"ack","op":"nick"}"#, true, true),
            (r#"{"ev":"ack","op":"nick"}"#, false, false),
            (r#"{"op":"send","text":"x"}"#, true, false),
            ("* pong", false, false),
        ] {
            assert_eq!(is_answer(text.as_bytes(), json), known, "{text}");
        }
    }

    #[test]
    fn a_key_may_bring_something_to_say() {
        let said = format!("{KEY} bonjour");
        assert_eq!(first(KEY.as_bytes()), First::Key { key: KEY, rest: b"" });
        assert_eq!(first(said.as_bytes()), First::Key { key: KEY, rest: b"bonjour" });
    }

    #[test]
    fn a_join_that_comes_twice_is_a_plain_one_the_second_time() {
        let twice = format!("/join arena {COOKIE}");
        assert_eq!(again(twice.as_bytes()), Some(b"/join arena".to_vec()));
        for other in ["/join arena", "bonjour", "/join arena 7"] {
            assert_eq!(again(other.as_bytes()), None, "{other}");
        }
    }
}
