//! Ops as a client writes them (docs/protocol.md §5): one JSON object, without its newline.

use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::mark::Position;

/// An op under way.
pub(super) struct Op(String);

impl Op {
    pub(super) fn new(op: &str) -> Self {
        Self(format!("{{\"op\":{}", quoted(op)))
    }

    pub(super) fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.0.push_str(&quoted(value));
        self
    }

    pub(super) fn maybe(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(key, value),
            None => self,
        }
    }

    pub(super) fn number(mut self, key: &str, value: u64) -> Self {
        self.key(key);
        write!(self.0, "{value}").expect("a String takes every text");
        self
    }

    pub(super) fn flag(mut self, key: &str, value: bool) -> Self {
        self.key(key);
        self.0.push_str(if value { "true" } else { "false" });
        self
    }

    /// What is said: `text` where it is UTF-8, else `b64`.
    pub(super) fn body(self, body: &[u8]) -> Self {
        match str::from_utf8(body) {
            Ok(text) => self.text("text", text),
            Err(_) => self.text("b64", &BASE64_STANDARD.encode(body)),
        }
    }

    /// The rooms of a hello, each with where it is gone on after.
    pub(super) fn rooms<'a>(
        mut self,
        rooms: impl IntoIterator<Item = (&'a str, Option<&'a Position>)>,
    ) -> Self {
        self.key("rooms");
        self.0.push('[');
        for (n, (room, after)) in rooms.into_iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(self.0, "{comma}{{\"room\":{}", quoted(room))
                .expect("a String takes every text");
            if let Some(after) = after {
                write!(self.0, ",\"after\":\"{after}\"").expect("a String takes every text");
            }
            self.0.push('}');
        }
        self.0.push(']');
        self
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn key(&mut self, key: &str) {
        write!(self.0, ",\"{key}\":").expect("a String takes every text");
    }
}

fn quoted(text: &str) -> String {
    // A control character that isn't escaped would end the line.
    Value::String(text.to_owned()).to_string()
}

/// A program's own op with the number under which it is answered.
///
/// # Errors
/// What is wrong with it.
pub(super) fn numbered(op: &str, id: u64) -> Result<String, String> {
    let parsed: Value =
        serde_json::from_str(op).map_err(|error| format!("this is no JSON: {error}"))?;
    let Value::Object(mut object) = parsed else {
        return Err("an op is a JSON object, such as {\"op\":\"rooms\"}".to_owned());
    };
    let name = object.get("op").and_then(Value::as_str).unwrap_or_default();
    match name {
        "" => {
            return Err("an op is a JSON object with \"op\", such as {\"op\":\"rooms\"}".to_owned());
        }
        "hello" | "send" | "join" | "leave" | "resume" | "quit" | "format" | "history"
        | "search" => {
            return Err(format!("the op {name:?} is the client's own: call its method"));
        }
        _ => {}
    }
    object.insert("id".to_owned(), id.into());
    Ok(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op;

    #[test]
    fn an_op_is_written_as_the_hub_reads_it() {
        let at: Position = "aaaaaaaaaa@7".parse().expect("a position");
        let lines = [
            (
                "hello",
                Op::new("hello")
                    .maybe("session", Some("s"))
                    .maybe("x", None)
                    .rooms([("lobby", Some(&at)), ("é", None)])
                    .number("id", 1)
                    .end(),
                r#"{"op":"hello","session":"s","rooms":[{"room":"lobby","after":"aaaaaaaaaa@7"},{"room":"é"}],"id":1}"#,
            ),
            (
                "send",
                Op::new("send").body("a\n\u{2028}b".as_bytes()).end(),
                "{\"op\":\"send\",\"text\":\"a\\n\u{2028}b\"}",
            ),
            (
                "send",
                Op::new("send").body(b"caf\xe9").flag("on", true).end(),
                r#"{"op":"send","b64":"Y2Fm6Q==","on":true}"#,
            ),
        ];
        for (name, written, wanted) in &lines {
            assert_eq!(written, wanted);
            assert!(op::parse(written.as_bytes()).is_ok_and(|op| op.name == *name), "{written}");
        }
    }

    #[test]
    fn a_programs_own_op_gets_its_number_or_is_refused_with_the_reason() {
        let good = numbered(r#"{"op":"rooms","id":3,"x":[1]}"#, 7);
        assert_eq!(good.as_deref(), Ok(r#"{"id":7,"op":"rooms","x":[1]}"#));
        for (op, why) in [
            ("", "no JSON"),
            ("[]", "an op is a JSON object, such"),
            ("{}", "with \"op\""),
            (r#"{"op":1}"#, "with \"op\""),
            (r#"{"op":"send","text":"a"}"#, "the client's own"),
        ] {
            let error = numbered(op, 1).expect_err("it isn't an op to ask");
            assert!(error.contains(why), "{op}: {error}");
        }
    }
}
