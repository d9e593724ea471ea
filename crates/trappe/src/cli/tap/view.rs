//! What happens on a wire, as a person reads it: one line each, and below a message its bytes.
//!
//! All that an event says may be chosen by somebody: none of it can make a line of its own, or be obeyed by a terminal.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use trappe_core::{command::Lang, encode::escape::to_terminal, limits::MEMBERS, words::say};

use super::{number, rows::rows};

/// How many cuts of a message are told in words; the rows show all.
const CUTS_TOLD: usize = 6;

/// Ink for a line on a terminal.
#[derive(Debug, Clone, Copy)]
enum Ink {
    /// A member, a message.
    Bold,
    /// What happens beside.
    Dim,
}

/// Shows events.
pub(super) struct View {
    lang: Lang,
    has_ink: bool,
    /// The members that have been told of, by number.
    names: BTreeMap<u64, String>,
}

impl View {
    /// In `lang`; `has_ink`: on a terminal that may be written to in bold and dim.
    pub(super) fn new(lang: Lang, has_ink: bool) -> View {
        View { lang, has_ink, names: BTreeMap::new() }
    }

    /// The lines of an event, each ended; none for one that tells nothing of a wire.
    pub(super) fn show(&mut self, event: &Value) -> String {
        let sid = number(event, "sid");
        let mut out = String::new();
        match event["ev"].as_str() {
            Some("open") => self.open(&mut out, event, sid),
            Some("read") => {
                let (bytes, at) = (number(event, "len").into(), number(event, "at").into());
                let line = self.say(sid, "tap-read", &[("bytes", bytes), ("at", at)]);
                self.line(&mut out, event, Ink::Dim, &line);
            }
            Some("message") => self.message(&mut out, event, sid),
            Some("write") => self.write(&mut out, event, sid),
            Some("gap") => {
                let room = text(event, "room");
                let (from, to) = (number(event, "from").into(), number(event, "to").into());
                let args = [("room", (&room).into()), ("from", from), ("to", to)];
                let line = self.say(sid, "tap-gap", &args);
                self.line(&mut out, event, Ink::Bold, &line);
            }
            Some("close") => {
                let line = self.say(sid, "tap-close", &[]);
                self.line(&mut out, event, Ink::Bold, &line);
                self.names.remove(&sid);
            }
            Some("lost") => {
                let count = number(event, "count");
                let line = say(self.lang, "tap-lost", &[("count", count.into())]);
                self.line(&mut out, event, Ink::Bold, &line);
            }
            _ => {}
        }
        out
    }

    fn open(&mut self, out: &mut String, event: &Value, sid: u64) {
        // As many as a hub can have; beyond that they are called by their numbers.
        if self.names.len() < MEMBERS {
            self.names.insert(sid, text(event, "name"));
        }
        let rooms: Vec<String> = event["rooms"].as_array().map_or_else(Vec::new, |rooms| {
            rooms.iter().map(|room| shown(room.as_str().unwrap_or_default())).collect()
        });
        let rooms = match &rooms[..] {
            [] => say(self.lang, "tap-no-room", &[]),
            rooms => rooms.join(", "),
        };
        let (transport, address) = (text(event, "transport"), text(event, "address"));
        let args = [
            ("transport", (&transport).into()),
            ("address", (&address).into()),
            ("rooms", (&rooms).into()),
            ("at", number(event, "at").into()),
        ];
        let line = self.say(sid, "tap-open", &args);
        self.line(out, event, Ink::Bold, &line);
    }

    fn message(&self, out: &mut String, event: &Value, sid: u64) {
        let place = [("at", number(event, "at").into()), ("len", number(event, "len").into())];
        if event["refused"].is_string() {
            let why = text(event, "refused");
            let line = self.say(sid, "tap-refused", &[place[0], place[1], ("why", (&why).into())]);
            return self.line(out, event, Ink::Bold, &line);
        }
        let end = text(event, "end");
        let line = self.say(sid, "tap-message", &[place[0], place[1], ("end", (&end).into())]);
        self.line(out, event, Ink::Bold, &line);
        let cuts: Vec<u64> = event["cuts"]
            .as_array()
            .map_or_else(Vec::new, |cuts| cuts.iter().filter_map(Value::as_u64).collect());
        let facts = self.facts(event, &cuts);
        if !facts.is_empty() {
            self.ink(out, Ink::Dim, &format!("  {}", facts.join(" · ")));
        }
        let body = match (event["text"].as_str(), event["b64"].as_str()) {
            (Some(text), _) => text.as_bytes().to_vec(),
            // What isn't base 64 is no hub's.
            (None, Some(encoded)) => STANDARD.decode(encoded).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        rows(out, &body, &cuts);
        let more = number(event, "size").saturating_sub(body.len() as u64);
        if more > 0 {
            let more = say(self.lang, "tap-shortened", &[("bytes", more.into())]);
            self.ink(out, Ink::Dim, &format!("  {more}"));
        }
    }

    /// What is to be said of a message beside what its rows show.
    fn facts(&self, event: &Value, cuts: &[u64]) -> Vec<String> {
        let mut facts = Vec::new();
        let decoding = text(event, "decoding");
        if decoding != "utf-8" {
            facts.push(say(self.lang, "tap-decoding", &[("decoding", (&decoding).into())]));
        }
        if !cuts.is_empty() {
            let mut places: Vec<String> =
                cuts.iter().take(CUTS_TOLD).map(ToString::to_string).collect();
            if cuts.len() > CUTS_TOLD {
                places.push("…".to_owned());
            }
            let places = places.join(", ");
            let args = [("reads", (cuts.len() + 1).into()), ("cuts", (&places).into())];
            facts.push(say(self.lang, "tap-cuts", &args));
        }
        if event["masked"] == true {
            facts.push(say(self.lang, "tap-masked", &[]));
        }
        facts
    }

    fn write(&self, out: &mut String, event: &Value, sid: u64) {
        let mut line = self.say(sid, "tap-write", &[("bytes", number(event, "len").into())]);
        if event["room"].is_string() {
            let room = text(event, "room");
            let (from, to) = (number(event, "from"), number(event, "to"));
            line.extend([" · ", &*room, " ", &from.to_string()]);
            if to > from {
                line.extend(["..", &to.to_string()]);
            }
        }
        if event["blocked"] == true {
            line += " · ";
            line += &say(self.lang, "tap-blocked", &[]);
        }
        self.line(out, event, Ink::Dim, &line);
    }

    /// A sentence about a member.
    fn say(
        &self,
        sid: u64,
        id: &'static str,
        args: &[(&'static str, trappe_core::words::Value<'_>)],
    ) -> String {
        let number = format!("client-{sid}");
        let name = self.names.get(&sid).unwrap_or(&number);
        say(self.lang, id, &[&[("name", name.into())], args].concat())
    }

    /// A line with the time of the event, in UTC as the hub gives it.
    fn line(&self, out: &mut String, event: &Value, ink: Ink, line: &str) {
        let time = text(event, "ts");
        let time = time.split_once('T').map_or(&*time, |(_, time)| time);
        let line = if time.is_empty() { line.to_owned() } else { format!("{time} {line}") };
        self.ink(out, ink, &line);
    }

    fn ink(&self, out: &mut String, ink: Ink, line: &str) {
        let (begin, end) = match ink {
            _ if !self.has_ink => ("", ""),
            Ink::Bold => ("\x1b[1m", "\x1b[0m"),
            Ink::Dim => ("\x1b[2m", "\x1b[0m"),
        };
        out.extend([begin, line, end, "\n"]);
    }
}

/// A text of an event, as a terminal may have it.
fn text(event: &Value, field: &str) -> String {
    shown(event[field].as_str().unwrap_or_default())
}

fn shown(text: &str) -> String {
    to_terminal(text).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn view() -> View {
        let mut view = View::new(Lang::En, false);
        view.show(&json!({"ev": "open", "sid": 3, "name": "alice", "rooms": []}));
        view
    }

    #[test]
    fn each_event_is_a_line_and_a_message_has_its_bytes_below() {
        let ts = "2026-11-23T09:41:07.120Z";
        for (event, expected) in [
            (
                json!({"ev": "open", "ts": ts, "sid": 3, "name": "alice", "transport": "tcp",
                       "address": "127.0.0.1:50000", "rooms": ["lobby", "jardin"], "at": 120}),
                "09:41:07.120Z alice: tcp 127.0.0.1:50000; in lobby, jardin; 120 B before\n",
            ),
            (
                json!({"ev": "open", "ts": ts, "sid": 4, "name": "bob", "transport": "unix",
                       "address": "unix", "rooms": [], "at": 0}),
                "09:41:07.120Z bob: unix unix; in no room; 0 B before\n",
            ),
            (
                json!({"ev": "read", "ts": ts, "sid": 3, "at": 120, "len": 9}),
                "09:41:07.120Z alice: read 9 B at 120\n",
            ),
            (
                json!({"ev": "message", "ts": ts, "sid": 3, "at": 120, "len": 4, "end": "newline",
                       "size": 3, "decoding": "utf-8", "text": "oui"}),
                "09:41:07.120Z alice: message 120+4, ended by a newline\n  \
                 0000  6f 75 69                                          oui\n",
            ),
            (
                json!({"ev": "message", "ts": ts, "sid": 3, "at": 120, "len": 9, "end": "pause",
                       "size": 9, "cuts": [1, 2], "decoding": "latin-1", "b64": "Y2Fm6Q==",
                       "shortened": true, "masked": true}),
                "09:41:07.120Z alice: message 120+9, ended by a pause\n  \
                 looks like Latin-1 · 3 reads, cut at 1, 2 · each * hides what is secret or private\n  \
                 0000  63|61|66 e9                                       caf.\n  \
                 … and 5 B more\n",
            ),
            (
                json!({"ev": "message", "ts": ts, "sid": 3, "at": 1, "len": 2, "refused": "too-long"}),
                "09:41:07.120Z alice: message 1+2 refused: too long\n",
            ),
            (
                json!({"ev": "write", "ts": ts, "sid": 3, "len": 120, "room": "lobby", "from": 12,
                       "to": 15, "blocked": true}),
                "09:41:07.120Z alice: wrote 120 B · lobby 12..15 · its socket takes no more\n",
            ),
            (
                json!({"ev": "write", "ts": ts, "sid": 9, "len": 1}),
                "09:41:07.120Z client-9: wrote 1 B\n",
            ),
            (
                json!({"ev": "gap", "ts": ts, "sid": 3, "room": "lobby", "from": 3, "to": 39,
                       "cause": "slow"}),
                "09:41:07.120Z alice: misses lobby 3..39, since it reads too slowly\n",
            ),
            (json!({"ev": "close", "ts": ts, "sid": 3}), "09:41:07.120Z alice has left\n"),
            (
                json!({"ev": "lost", "count": 17}),
                "… 17 events left out here: they came faster than they were shown\n",
            ),
            (json!({"ev": "hub", "ts": ts}), ""),
        ] {
            assert_eq!(view().show(&event), expected, "{event}");
        }
    }

    #[test]
    fn with_ink_the_same_lines_are_bold_or_dim() {
        let mut view = View::new(Lang::En, true);
        let read = view.show(&json!({"ev": "read", "ts": "", "sid": 3, "at": 0, "len": 1}));
        assert_eq!(read, "\x1b[2mclient-3: read 1 B at 0\x1b[0m\n");
    }

    proptest! {
        #[test]
        fn nothing_that_somebody_chose_makes_a_line_or_reaches_the_terminal(
            ev in "(open|read|message|write|gap|close|lost)",
            field in "(ts|name|transport|address|room|text|end|decoding|refused)",
            value in any::<String>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut event = json!({"ev": ev, "ts": "T1", "sid": 3, "name": "a", "rooms": [value],
                                   "b64": STANDARD.encode(&bytes), "size": 1, "end": "nul"});
            event[&field] = value.clone().into();
            let text = View::new(Lang::Fr, false).show(&event);
            prop_assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{:?}", text);
            let mut lines = text.lines();
            lines.next();
            // What isn't the event's own line is set in.
            prop_assert!(lines.all(|line| line.starts_with("  ")), "{}", text);
        }
    }
}
