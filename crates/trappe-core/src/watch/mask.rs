//! What nobody else may see of a message: secrets, and what is said to one member only.
//!
//! Each byte that is masked becomes a `*`, so that offsets stay what they are. What isn't known to be harmless is masked: the
//! rest of a command that nobody knows (a slip in `/msg bob …` is still a secret), an op's fields that have no meaning to
//! it, and all of an object that can't be read.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use crate::command::{is_known, split_command};

/// What stands for a byte that is masked.
const MASK: u8 = b'*';

/// Fields of an op that anybody may see: `op`, `id`, and these. Of an op that isn't here, none.
const OPEN: [(&str, &[&str]); 17] = [
    ("hello", &["rooms"]),
    ("send", &["room", "text", "b64"]),
    ("join", &["room", "after"]),
    ("leave", &["room"]),
    ("nick", &["name"]),
    ("msg", &["to"]),
    ("who", &["room"]),
    ("rooms", &[]),
    ("history", &["room", "n"]),
    ("resume", &["room", "after"]),
    ("format", &["format"]),
    ("lang", &["lang"]),
    ("echo", &["on"]),
    ("quiet", &["on"]),
    ("ping", &["text"]),
    ("why", &["name"]),
    ("quit", &["text"]),
];

/// The message as anybody may see it, and whether that differs from what it is. `json`: its member speaks JSON.
#[must_use]
pub fn mask(message: &[u8], json: bool) -> (Cow<'_, [u8]>, bool) {
    let masked = match message.first() {
        Some(b'/') => command(message),
        // Where JSON isn't spoken it is speech, and heard by all.
        _ if json => Some(op(message)),
        _ => None,
    };
    match masked {
        Some(masked) if masked != message => (Cow::Owned(masked), true),
        _ => (Cow::Borrowed(message), false),
    }
}

/// A line that begins with a slash.
fn command(message: &[u8]) -> Option<Vec<u8>> {
    let (word, rest) = split_command(message)?;
    let open = if ["msg", "mp"].iter().any(|name| name.eq_ignore_ascii_case(word)) {
        // The name, and the spaces around it.
        let name = rest.iter().position(|&b| b != b' ').unwrap_or(rest.len());
        rest[name..].iter().position(|&b| b == b' ').map_or(rest.len(), |end| name + end)
    } else if is_known(word) {
        return None;
    } else {
        0
    };
    let mut masked = message.to_vec();
    let from = message.len() - rest.len() + open;
    hide(&mut masked[from..]);
    Some(masked)
}

/// An op, or what was meant as one.
fn op(message: &[u8]) -> Vec<u8> {
    let mut masked = message.to_vec();
    let Some(strings) = strings(message) else {
        hide(&mut masked);
        return masked;
    };
    let is_op = |string: &&Quoted| !string.is_key && string.depth == 1 && string.field == "op";
    let mut ops = strings.iter().filter(is_op);
    let open = match (ops.next(), ops.next()) {
        (Some(op), None) => OPEN.iter().find(|(name, _)| *name == op.value).map(|(_, open)| *open),
        _ => None,
    };
    for string in &strings {
        let field = string.field.as_str();
        let is_open = field == "op" || open.is_some_and(|open| open.contains(&field));
        let is_name = string.is_key && string.depth == 1;
        if !is_open && !is_name {
            hide(&mut masked[string.from..string.to]);
        }
    }
    masked
}

fn hide(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace()) {
        *byte = MASK;
    }
}

/// A string in an object.
struct Quoted {
    /// What it says.
    value: String,
    /// Where it lies, without its quotes.
    from: usize,
    to: usize,
    /// It names a field.
    is_key: bool,
    /// How deep: 1 in the outermost object.
    depth: usize,
    /// The field of the outermost object that it names, or stands in.
    field: String,
}

/// The strings of an object in JSON; none if it isn't one, as far as that is certain.
fn strings(message: &[u8]) -> Option<Vec<Quoted>> {
    // What is well-formed can be taken apart by its quotes and brackets alone.
    let _: IgnoredAny = serde_json::from_slice(message).ok()?;
    if message.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let (mut strings, mut field) = (Vec::new(), String::new());
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = message.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            b'"' => {
                let from = at;
                while message[at] != b'"' {
                    at += if message[at] == b'\\' { 2 } else { 1 };
                }
                let to = at;
                at += 1;
                let value: String = serde_json::from_slice(&message[from - 1..at]).ok()?;
                let is_key = message[at..].trim_ascii_start().first() == Some(&b':');
                if is_key && depth == 1 {
                    field.clone_from(&value);
                }
                strings.push(Quoted { value, from, to, is_key, depth, field: field.clone() });
            }
            _ => {}
        }
    }
    Some(strings)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op;

    fn shown(message: &str, json: bool) -> String {
        let (shown, masked) = mask(message.as_bytes(), json);
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
            assert_eq!(shown(typed, false), seen, "{typed}");
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
                r#"{"\u006fp":"hello","s\u0065ssion":"20f34e"}"#,
                r#"{"\u006fp":"hello","s\u0065ssion":"******"}"#,
            ),
            (
                r#"{"op":"send","text":"a","password":{"of":["b","c"]}}"#,
                r#"{"op":"send","text":"a","password":{"**":["*","*"]}}"#,
            ),
            (
                r#"{"op":"send","op":"auth","text":"s3same"}"#,
                r#"{"op":"send","op":"auth","text":"******"}"#,
            ),
            (r#"{"op":"nothing","text":"s3same"}"#, r#"{"op":"nothing","text":"******"}"#),
            (r#"{"op":["send"],"text":"s3same"}"#, r#"{"op":["send"],"text":"******"}"#),
            (r#"{"text":"s3same"}"#, r#"{"text":"******"}"#),
            (r#"{"op":"auth","token":s3same}"#, "****************************"),
            (r#"{"op":"auth","token":"s3same"#, "***************************"),
            (r#"["s3same"]"#, "**********"),
            ("s3same", "******"),
            ("/auth s3same", "/auth ******"),
            ("/who", "/who"),
        ] {
            assert_eq!(shown(said, true), seen, "{said}");
        }
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
            op in "(hello|auth|msg|nick|zzz)",
            key in "(session|token|key)",
        ) {
            for message in [
                format!(r#"{before}{{"op":"{op}","{key}":"S3SAME"}}{after}"#),
                format!(r#"{{"op":"{op}","{key}":"{before}S3SAME{after}"}}"#),
                format!(r#"{{"op":"{op}",{before}"{key}":"S3SAME"{after}}}"#),
            ] {
                let seen = shown(&message, true);
                prop_assert!(!seen.contains("S3SAME"), "{} -> {}", message, seen);
                prop_assert_eq!(seen.len(), message.len());
            }
        }

        #[test]
        fn any_bytes_can_be_masked(message: Vec<u8>, json: bool) {
            prop_assert_eq!(mask(&message, json).0.len(), message.len());
        }
    }
}
