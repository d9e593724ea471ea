//! What nobody else may see of a message: secrets, and what is said to one member only.
//!
//! Each byte that is masked becomes a `*`, so that offsets stay what they are. What isn't known to be harmless is masked: the
//! rest of a command that nobody knows (a slip in `/msg bob …` is still a secret), fields of an op that have no meaning to
//! it, values of another kind than it takes, and all of what can't be read. One pass over the message, and no copy but the
//! one that is shown.

use std::{borrow::Cow, ops::Range};

use serde::de::IgnoredAny;

use crate::{
    command::{is_known, split_command},
    limits::OP_FIELDS,
};

/// What stands for a byte that is masked.
const MASK: u8 = b'*';

/// What a message is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// Speech, whatever it looks like: everybody hears it.
    Speech,
    /// Speech, or a command.
    Lines,
    /// An op or a command in the JSON format; anything else is an error, and heard by nobody.
    Json,
}

/// Fields of an op that anybody may see: `op`, `id`, and these. Of an op that isn't here, none.
const OPEN: [(&str, &[&str]); 22] = [
    ("hello", &["rooms"]),
    ("send", &["room", "text", "b64"]),
    ("join", &["room", "after"]),
    ("leave", &["room"]),
    ("nick", &["name"]),
    ("msg", &["to"]),
    ("who", &["room"]),
    ("rooms", &[]),
    ("history", &["room", "n"]),
    ("search", &["room", "words", "count"]),
    ("resume", &["room", "after"]),
    ("format", &["format"]),
    ("lang", &["lang"]),
    ("echo", &["on"]),
    ("quiet", &["on"]),
    ("ping", &["text"]),
    ("why", &["name"]),
    ("quit", &["text"]),
    ("set", &["room", "key", "v", "text", "b64"]),
    ("get", &["room", "key"]),
    ("udp", &[]),
    ("auth", &[]),
];

/// Fields whose values are numbers, or switches.
const NUMBERS: [&str; 6] = ["id", "n", "after", "on", "v", "count"];

/// Names of fields that are no secret themselves, though what they hold may be.
const NAMES: [&str; 19] = [
    "op", "id", "room", "rooms", "text", "b64", "after", "name", "to", "n", "format", "lang", "on",
    "session", "token", "key", "v", "words", "count",
];

/// The message as anybody may see it, and whether that differs from what it is.
#[must_use]
pub fn mask(message: &[u8], spoken: Spoken) -> (Cow<'_, [u8]>, bool) {
    let masked = match (spoken, message.first()) {
        (Spoken::Speech, _) => None,
        (_, Some(b'/')) => command(message, spoken),
        (Spoken::Lines, _) => None,
        (Spoken::Json, _) => Some(op(message)),
    };
    match masked {
        Some(masked) if masked != message => (Cow::Owned(masked), true),
        _ => (Cow::Borrowed(message), false),
    }
}

/// A line that begins with a slash.
fn command(message: &[u8], spoken: Spoken) -> Option<Vec<u8>> {
    let mut masked = message.to_vec();
    let Some((word, rest)) = split_command(message) else {
        if spoken == Spoken::Lines {
            return None;
        }
        hide(&mut masked);
        return Some(masked);
    };
    let open = if ["msg", "mp"].iter().any(|name| name.eq_ignore_ascii_case(word)) {
        // The name, and the spaces around it.
        let name = rest.iter().position(|&b| b != b' ').unwrap_or(rest.len());
        rest[name..].iter().position(|&b| b == b' ').map_or(rest.len(), |end| name + end)
    } else if is_known(word) {
        return None;
    } else {
        0
    };
    let from = message.len() - rest.len() + open;
    hide(&mut masked[from..]);
    Some(masked)
}

/// An op, or what was meant as one.
fn op(message: &[u8]) -> Vec<u8> {
    let mut masked = message.to_vec();
    // What is well-formed can be taken apart by its quotes and brackets alone.
    let is_json = serde_json::from_slice::<IgnoredAny>(message).is_ok();
    let fields = if is_json { fields(message, 0..message.len()) } else { None };
    let Some(fields) = fields else {
        hide(&mut masked);
        return masked;
    };
    let mut ops = fields.iter().filter(|field| field.name == "op");
    let op = match (ops.next(), ops.next()) {
        (Some(op), None) => text(&message[op.value.clone()]),
        _ => None,
    };
    let open = OPEN.iter().find(|(name, _)| op.as_deref() == Some(name));
    for field in &fields {
        let value = field.value.clone();
        let name = field.name.as_str();
        if !NAMES.contains(&name) {
            hide(&mut masked[field.key.clone()]);
        }
        let is_open =
            name == "id" || open.is_some_and(|(_, fields)| name == "op" || fields.contains(&name));
        if !is_open {
            hide_value(&mut masked[value]);
        } else if name == "rooms" && message[value.start] == b'[' {
            rooms(message, value, &mut masked);
        } else if !is_plain(name, &message[value.clone()]) {
            hide_value(&mut masked[value]);
        }
    }
    masked
}

/// The rooms of a `hello`: objects, of which the room and the position may be seen.
fn rooms(message: &[u8], value: Range<usize>, masked: &mut [u8]) {
    let mut at = value.start + 1;
    while let Some(begin) = message[at..value.end].iter().position(|&b| b == b'{') {
        let begin = at + begin;
        let end = end_of(message, begin);
        hide_between(&mut masked[at..begin]);
        let Some(fields) = fields(message, begin..end) else {
            return hide(&mut masked[begin..value.end]);
        };
        for field in fields {
            let is_open = matches!(field.name.as_str(), "room" | "after")
                && is_plain(&field.name, &message[field.value.clone()]);
            if !is_open {
                hide(&mut masked[field.key]);
                hide_value(&mut masked[field.value]);
            }
        }
        at = end;
    }
    let rest = value.end.saturating_sub(1).max(at);
    hide_between(&mut masked[at..rest]);
}

/// Where only commas may stand.
fn hide_between(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|b| !b.is_ascii_whitespace() && **b != b',').for_each(cover);
}

/// Whether a value is of a kind that a field which everybody hears can have.
fn is_plain(name: &str, value: &[u8]) -> bool {
    match value.first() {
        Some(b'"') => !matches!(name, "id" | "n" | "on" | "v" | "rooms" | "count"),
        Some(b'{' | b'[') | None => false,
        Some(_) => NUMBERS.contains(&name),
    }
}

fn cover(byte: &mut u8) {
    *byte = MASK;
}

fn hide(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace()).for_each(cover);
}

/// Hides a value; of a string its quotes stay.
fn hide_value(bytes: &mut [u8]) {
    match bytes {
        [b'"', inner @ .., b'"'] => hide(inner),
        bytes => hide(bytes),
    }
}

/// A field of an object.
struct Field {
    /// Its name, unescaped.
    name: String,
    /// Where the name lies, without its quotes.
    key: Range<usize>,
    /// Where the value lies.
    value: Range<usize>,
}

/// What a string in JSON says, quotes included.
fn text(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

/// The fields of the object that lies there, in JSON that is well-formed. None: it is no object, or has too many.
fn fields(message: &[u8], within: Range<usize>) -> Option<Vec<Field>> {
    let skip = |at: usize| {
        at + message
            .get(at..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| b.is_ascii_whitespace())
            .count()
    };
    let mut at = skip(within.start);
    if message.get(at) != Some(&b'{') {
        return None;
    }
    at = skip(at + 1);
    let mut fields = Vec::new();
    while message.get(at) == Some(&b'"') {
        if fields.len() == OP_FIELDS {
            return None;
        }
        let key_end = end_of(message, at);
        let name = text(message.get(at..key_end)?)?;
        let colon = skip(key_end);
        let value = skip(colon + 1);
        let end = end_of(message, value);
        fields.push(Field { name, key: at + 1..key_end - 1, value: value..end });
        // A comma, or the end.
        at = skip(skip(end) + 1);
    }
    Some(fields)
}

/// Where the value that begins at `at` ends.
fn end_of(message: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = message.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while message.get(at).is_some_and(|&b| b != b'"') {
                    at += if message[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 0 => depth -= 1,
            b'}' | b']' | b',' if depth == 0 => return at,
            b if depth == 0 && b.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            return at.min(message.len());
        }
    }
    message.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{limits::MESSAGE_BYTES_MAX, op};

    fn shown(message: &str, spoken: Spoken) -> String {
        let (shown, masked) = mask(message.as_bytes(), spoken);
        assert_eq!(masked, shown != message.as_bytes());
        String::from_utf8(shown.into_owned()).expect("only ASCII takes the place of anything")
    }

    #[test]
    fn of_a_command_everything_is_shown_but_secrets_and_private_words() {
        for (typed, seen) in [
            ("bonjour", "bonjour"),
            ("/nick alice", "/nick alice"),
            ("/nom alice", "/nom alice"),
            ("/join jardin 12", "/join jardin 12"),
            ("/quit au revoir", "/quit au revoir"),
            ("/me se lève", "/me se lève"),
            ("/msg bob rendez-vous à 8 h", "/msg bob *********** ** * *"),
            ("/MSG bob secret", "/MSG bob ******"),
            ("/mp  bob  secret", "/mp  bob  ******"),
            ("/msg bob", "/msg bob"),
            ("/msg", "/msg"),
            ("/set score#3 dix points", "/set score#3 dix points"),
            ("/SET score ", "/SET score "),
            ("/get score", "/get score"),
            ("/get", "/get"),
            ("/udp", "/udp"),
            ("/sett score 3", "/sett ***** *"),
            ("/auth s3same", "/auth ******"),
            ("/AUTH s3same", "/AUTH ******"),
            ("/auht s3same ouvre", "/auht ****** *****"),
            ("/mgs bob secret", "/mgs *** ******"),
            // All of this is speech, which everybody hears.
            ("//auth s3same", "//auth s3same"),
            ("/usr/bin/env x", "/usr/bin/env x"),
            ("/auth\ts3same", "/auth\ts3same"),
            (r#"{"op":"auth","token":"s3same"}"#, r#"{"op":"auth","token":"s3same"}"#),
        ] {
            assert_eq!(shown(typed, Spoken::Lines), seen, "{typed}");
        }
    }

    #[test]
    fn of_an_op_only_the_fields_that_everybody_hears_are_shown() {
        for (said, seen) in [
            (
                r#"{"op":"send","room":"lobby","text":"salut","id":3}"#,
                r#"{"op":"send","room":"lobby","text":"salut","id":3}"#,
            ),
            (
                r#"{"op":"hello","session":"20f34e","rooms":[{"room":"lobby","after":"a@1"}]}"#,
                r#"{"op":"hello","session":"******","rooms":[{"room":"lobby","after":"a@1"}]}"#,
            ),
            (
                r#"{"op":"msg","to":"bob","text":"se \"c\" ret"}"#,
                r#"{"op":"msg","to":"bob","text":"** ***** ***"}"#,
            ),
            (
                r#"{"op":"msg","to":"bob","b64":"c2VjcmV0"}"#,
                r#"{"op":"msg","to":"bob","b64":"********"}"#,
            ),
            (r#"{"op":"auth","token":"s3same"}"#, r#"{"op":"auth","token":"******"}"#),
            (
                r#"{"op":"set","room":"a","key":"score","v":3,"text":"dix","id":7}"#,
                r#"{"op":"set","room":"a","key":"score","v":3,"text":"dix","id":7}"#,
            ),
            (
                r#"{"op":"set","key":"score","b64":"ZGl4","token":"s3same"}"#,
                r#"{"op":"set","key":"score","b64":"ZGl4","token":"******"}"#,
            ),
            (
                r#"{"op":"set","key":"score","v":"s3same","text":42}"#,
                r#"{"op":"set","key":"score","v":"******","text":**}"#,
            ),
            (
                r#"{"op":"set","key":["s3same"],"value":"s3same"}"#,
                r#"{"op":"set","key":**********,"*****":"******"}"#,
            ),
            (
                r#"{"op":"get","room":"a","key":"score"}"#,
                r#"{"op":"get","room":"a","key":"score"}"#,
            ),
            (
                r#"{"op":"get","key":"a","text":"s3same"}"#,
                r#"{"op":"get","key":"a","text":"******"}"#,
            ),
            (r#"{"op":"udp","id":7}"#, r#"{"op":"udp","id":7}"#),
            (r#"{"op":"udp","key":"s3same"}"#, r#"{"op":"udp","key":"******"}"#),
            // A key is open for those that have one.
            (
                r#"{"op":"send","text":"a","key":"s3same"}"#,
                r#"{"op":"send","text":"a","key":"******"}"#,
            ),
            (
                r#"{"\u006fp":"hello","s\u0065ssion":"20f34e"}"#,
                r#"{"\u006fp":"hello","s\u0065ssion":"******"}"#,
            ),
            (
                r#"{"op":"send","text":"a","password":{"of":["b","c"]}}"#,
                r#"{"op":"send","text":"a","********":****************}"#,
            ),
            (
                r#"{"op":"send","op":"auth","text":"s3same"}"#,
                r#"{"op":"****","op":"****","text":"******"}"#,
            ),
            (r#"{"op":"nothing","text":"s3same"}"#, r#"{"op":"*******","text":"******"}"#),
            (r#"{"op":["send"],"text":"s3same"}"#, r#"{"op":********,"text":"******"}"#),
            (r#"{"text":"s3same"}"#, r#"{"text":"******"}"#),
            (r#"{"op":"auth","token":s3same}"#, "****************************"),
            (r#"{"op":"auth","token":"s3same"#, "****************************"),
            (r#"["s3same"]"#, "**********"),
            ("s3same", "******"),
            ("/auth s3same", "/auth ******"),
            ("/who", "/who"),
            // Values of another kind than the field takes are an error, and heard by nobody.
            (r#"{"op":"auth","token":12345678}"#, r#"{"op":"auth","token":********}"#),
            (r#"{"op":"msg","to":"bob","text":4242}"#, r#"{"op":"msg","to":"bob","text":****}"#),
            (r#"{"op":"send","text":4242,"id":7}"#, r#"{"op":"send","text":****,"id":7}"#),
            (
                r#"{"op":"send","text":{"token":"s3same"}}"#,
                r#"{"op":"send","text":******************}"#,
            ),
            (
                r#"{"op":"hello","pin":1234,"id":"s3same"}"#,
                r#"{"op":"hello","***":****,"id":"******"}"#,
            ),
            (
                r#"{"op":"hello","rooms":[{"session":"s3same","room":"a"}, 42, "s3same"]}"#,
                r#"{"op":"hello","rooms":[{"*******":"******","room":"a"}, **, ********]}"#,
            ),
            (r#"{"op":"hello","rooms":"s3same"}"#, r#"{"op":"hello","rooms":"******"}"#),
            (r#"{"op":"history","n":5,"room":"a"}"#, r#"{"op":"history","n":5,"room":"a"}"#),
            (r#"{"op":"echo","on":true}"#, r#"{"op":"echo","on":true}"#),
            (r#"{"op":"auth s3same"}"#, r#"{"op":"**** ******"}"#),
            ("/auth\ts3same", "*****\t******"),
            ("//auth s3same", "****** ******"),
            ("/msg bob secret\nmore", "**** *** ******\n****"),
        ] {
            assert_eq!(shown(said, Spoken::Json), seen, "{said}");
        }
    }

    #[test]
    fn of_a_search_the_words_are_shown() {
        for (said, seen) in [
            (
                r#"{"op":"search","words":"mot","count":5,"after":"s3same"}"#,
                r#"{"op":"search","words":"mot","count":5,"after":"******"}"#,
            ),
            (
                r#"{"op":"search","words":42,"count":"s3same"}"#,
                r#"{"op":"search","words":**,"count":"******"}"#,
            ),
        ] {
            assert_eq!(shown(said, Spoken::Json), seen, "{said}");
        }
    }

    #[test]
    fn what_everybody_hears_is_shown_whatever_it_looks_like() {
        for said in ["/msg bob hello", "/auth s3same", r#"{"op":"auth","token":"s3same"}"#] {
            assert_eq!(shown(said, Spoken::Speech), said);
        }
    }

    #[test]
    fn the_longest_message_is_masked_in_one_pass() {
        // A long name of a field and many strings under it: what is done for each string must not grow with the name.
        let half = MESSAGE_BYTES_MAX / 2;
        let strings = vec![r#""""#; half / 3].join(",");
        let message = format!(r#"{{"{}":[{strings}]}}"#, "k".repeat(half));
        let (seen, masked) = mask(message.as_bytes(), Spoken::Json);
        assert!(masked && seen.len() == message.len());
        assert!(!seen.contains(&b'k'));
    }

    #[test]
    fn no_op_is_shown_that_the_hub_does_not_know() {
        for (name, _) in OPEN {
            let known = op::parse(format!(r#"{{"op":"{name}","x":1}}"#).as_bytes());
            assert!(!matches!(known, Err(bad) if bad.code() == "unknown-op"), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_gets_through_whatever_stands_around_it(
            before in r#"[ {}":,\\a-z]{0,12}"#,
            after in r#"[ {}":,\\a-z]{0,12}"#,
            op in "(hello|auth|msg|nick|udp|zzz)",
            key in "(session|token|key)",
        ) {
            for message in [
                format!(r#"{before}{{"op":"{op}","{key}":"S3SAME"}}{after}"#),
                format!(r#"{{"op":"{op}","{key}":"{before}S3SAME{after}"}}"#),
                format!(r#"{{"op":"{op}",{before}"{key}":"S3SAME"{after}}}"#),
            ] {
                let seen = shown(&message, Spoken::Json);
                prop_assert!(!seen.contains("S3SAME"), "{} -> {}", message, seen);
                prop_assert_eq!(seen.len(), message.len());
            }
        }

        #[test]
        fn any_bytes_can_be_masked(message: Vec<u8>, beginning in r#"(|/|\{|\{"op":"hello","rooms":\[)"#) {
            let message = [beginning.as_bytes(), &message].concat();
            for spoken in [Spoken::Speech, Spoken::Lines, Spoken::Json] {
                prop_assert_eq!(mask(&message, spoken).0.len(), message.len());
            }
        }

        #[test]
        fn any_json_can_be_masked_and_shows_no_string_but_those_of_open_fields(
            text in r#"\{("(op|rooms|text|x)":("(S3|hello)"|1|\[(\{"(room|y)":"S3"\}|"S3"|2|\[\])(,\{\})?\]|\{"z":"S3"\}) ?)?\}"#,
        ) {
            let seen = shown(&text, Spoken::Json);
            prop_assert!(!seen.contains("S3"), "{} -> {}", text, seen);
        }
    }
}
