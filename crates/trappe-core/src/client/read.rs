//! A line of the hub, read (docs/protocol.md §5): what a client acts on by its fields, everything else as it came.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value};

use super::{
    error::Refusal,
    event::{Cause, Direct, Event, Gap, Member, Members, Message, State},
    mark::Position,
};

/// All numbers of the protocol are below 2^53.
pub(super) const NUMBER_END: u64 = 1 << 53;

/// An event of the hub.
#[derive(Debug, PartialEq)]
pub(super) struct Heard {
    /// The op that it answers, by the number which that bore. Of a message, the number that its sender gave it.
    pub(super) id: Option<u64>,
    pub(super) what: What,
    /// As it came.
    pub(super) line: String,
}

#[derive(Debug, PartialEq)]
pub(super) enum What {
    Hello {
        session: String,
        sid: u64,
        name: String,
        resumed: bool,
        rooms: Vec<(String, Position)>,
    },
    Message(Message),
    /// A send has its place.
    Ack {
        room: String,
        seq: u64,
    },
    /// An op is done; of a state that is followed, how many values come.
    Done {
        op: String,
        count: Option<u64>,
    },
    Error {
        refusal: Refusal,
        op: Option<String>,
    },
    Gap(Gap),
    /// This client has entered a room.
    Entered {
        room: String,
        position: Position,
    },
    /// This client has left a room.
    OwnLeft {
        room: String,
    },
    /// This client has a new name.
    OwnName {
        name: String,
    },
    Who(Members),
    /// The end of what history and search give.
    Found {
        more: bool,
    },
    Live {
        room: String,
        position: Position,
    },
    State(State),
    Bye(Refusal),
    /// Nothing to act upon.
    Plain(Event),
    /// Of a kind that is only passed on, or the answer to a question in the program's own words.
    Other,
}

/// Reads a line. None: it is no event.
pub(super) fn read(line: &[u8]) -> Option<Heard> {
    let Value::Object(object) = serde_json::from_slice(line).ok()? else { return None };
    let fields = Fields(&object);
    let what = fields.what()?;
    let line = String::from_utf8(line.to_vec()).ok()?;
    Some(Heard { id: fields.number("id"), what, line })
}

struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.0.get(key)?.as_str().map(str::to_owned)
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.as_u64().filter(|number| *number < NUMBER_END)
    }

    fn flag(&self, key: &str) -> bool {
        self.0.get(key).is_some_and(|it| it == &Value::Bool(true))
    }

    fn position(&self, key: &str) -> Option<Position> {
        self.0.get(key)?.as_str()?.parse().ok()
    }

    fn body(&self) -> Option<Vec<u8>> {
        match self.0.get("b64") {
            Some(b64) => BASE64_STANDARD.decode(b64.as_str()?).ok(),
            None => self.text("text").map(String::into_bytes),
        }
    }

    fn time(&self) -> Option<Duration> {
        let time: jiff::Timestamp = self.0.get("ts")?.as_str()?.parse().ok()?;
        u64::try_from(time.as_millisecond()).ok().map(Duration::from_millis)
    }

    fn refusal(&self, code: &str) -> Option<Refusal> {
        Some(Refusal { code: self.text(code)?, text: self.text("text").unwrap_or_default() })
    }

    fn who(&self) -> Option<Member> {
        Some(Member { name: self.text("from")?, sid: self.number("sid") })
    }

    /// The items of a list, each read by `item`.
    fn list<T>(&self, key: &str, item: impl Fn(Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
        self.0.get(key)?.as_array()?.iter().map(|it| item(Fields(it.as_object()?))).collect()
    }

    fn places(&self) -> Option<Vec<(String, Position)>> {
        self.list("rooms", |it| Some((it.text("room")?, it.position("pos")?)))
    }

    fn message(&self) -> Option<Message> {
        Some(Message {
            room: self.text("room")?,
            // The epoch is the room's: whoever knows the room fills it in.
            position: Position { epoch: String::new(), seq: self.number("seq")? },
            name: self.text("from")?,
            sid: self.number("sid"),
            id: self.number("id"),
            time: self.time()?,
            body: self.body()?,
            own: self.flag("own"),
            old: self.flag("old"),
        })
    }

    fn gap(&self) -> Option<Gap> {
        Some(Gap {
            room: self.text("room")?,
            from: self.number("from"),
            to: self.number("to"),
            cause: Cause::from(self.text("cause")?.as_str()),
            oldest: self.position("oldest"),
        })
    }

    fn state(&self) -> Option<State> {
        Some(State {
            room: self.text("room")?,
            seq: self.number("seq")?,
            key: self.text("key")?,
            version: self.number("v").and_then(|v| u32::try_from(v).ok()),
            name: self.text("from")?,
            sid: self.number("sid"),
            time: self.time()?,
            value: self.body()?,
        })
    }

    /// None: a field that has to be there isn't, or isn't what it should be.
    fn what(&self) -> Option<What> {
        let own = self.flag("own");
        let room = || self.text("room");
        Some(match self.0.get("ev")?.as_str()? {
            "hello" => What::Hello {
                session: self.text("session")?,
                sid: self.number("sid")?,
                name: self.text("name")?,
                resumed: self.flag("resumed"),
                rooms: self.places()?,
            },
            "msg" => What::Message(self.message()?),
            "direct" => What::Plain(Event::Direct(Direct {
                name: self.text("from")?,
                sid: self.number("sid"),
                time: self.time()?,
                body: self.body()?,
            })),
            "ack" => match self.text("op") {
                Some(op) => What::Done { op, count: self.number("count") },
                None => What::Ack { room: room()?, seq: self.number("seq")? },
            },
            "error" => What::Error { refusal: self.refusal("code")?, op: self.text("op") },
            "gap" => What::Gap(self.gap()?),
            "join" if own => What::Entered { room: room()?, position: self.position("pos")? },
            "leave" if own => What::OwnLeft { room: room()? },
            "nick" if own => What::OwnName { name: self.text("name")? },
            "join" => What::Plain(Event::Joined { room: room()?, who: self.who()? }),
            "leave" => What::Plain(Event::Left {
                room: room()?,
                who: self.who()?,
                text: self.text("text"),
            }),
            "nick" => What::Plain(Event::Renamed {
                room: room(),
                who: self.who()?,
                name: self.text("name")?,
            }),
            "who" => What::Who(Members {
                count: self.number("count")?,
                listed: self.list("members", |it| {
                    Some(Member { name: it.text("name")?, sid: it.number("sid") })
                })?,
            }),
            "history" | "search" => What::Found { more: self.flag("more") },
            "live" => What::Live { room: room()?, position: self.position("pos")? },
            "state" => What::State(self.state()?),
            "notice" => What::Plain(Event::Notice { text: self.text("text")? }),
            "bye" => What::Bye(self.refusal("reason")?),
            _ => What::Other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(line: &str) -> Option<What> {
        read(line.as_bytes()).map(|heard| heard.what)
    }

    #[test]
    fn a_message_is_read_with_all_that_it_bears() {
        let line = r#"{"ev":"msg","room":"lobby","seq":3,"from":"bob","sid":2,"ts":"2026-11-23T17:18:45.656Z","b64":"Y2Fm6Q==","id":9,"old":true}"#;
        let Some(What::Message(message)) = what(line) else { panic!("{line}") };
        assert_eq!((message.position.seq, message.body.as_slice()), (3, &b"caf\xe9"[..]));
        assert_eq!(
            (message.sid, message.id, message.own, message.old),
            (Some(2), Some(9), false, true)
        );
        assert_eq!(message.time, Duration::from_millis(1_795_454_325_656));
    }

    #[test]
    fn what_is_no_event_is_told_from_one_that_is_unknown() {
        assert_eq!(what(r#"{"ev":"later","x":1}"#), Some(What::Other));
        let wrong = [
            "",
            "bonjour",
            "* bonjour",
            "[]",
            "1",
            "{",
            "{}",
            r#"{"ev":7}"#,
            r#"{"ev":"msg"}"#,
            r#"{"ev":"msg","room":"r","seq":-1,"from":"a","ts":"2026-11-23T17:18:45.656Z","text":""}"#,
            r#"{"ev":"msg","room":"r","seq":1,"from":"a","ts":"hier","text":""}"#,
            r#"{"ev":"msg","room":"r","seq":1,"from":"a","ts":"2026-11-23T17:18:45.656Z","b64":"é"}"#,
            r#"{"ev":"live","room":"r","pos":"5"}"#,
            r#"{"ev":"hello","session":"s","sid":1,"name":"a","rooms":[{"room":"r"}]}"#,
        ];
        for line in wrong {
            assert_eq!(what(line), None, "{line}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(what(&format!(r#"{{"ev":"later","x":{deep}"#)), None);
        assert_eq!(read(b"{\"ev\":\"notice\",\"text\":\"\xff\"}"), None);
    }
}
