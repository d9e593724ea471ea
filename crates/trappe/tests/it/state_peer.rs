//! A member that follows a room's shared state: the same words over every wire (PROTOCOL §6).
//!
//! Each event in JSON is checked as it arrives, whatever the test is about, and so is that no value is older than one of the
//! same key that came before.

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::peer::Peer;
use crate::process::PATIENCE;
use crate::udp_peer::UdpPeer;
use crate::web::Socket;

/// By which wire, and in which format, a member speaks with the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Text,
    Raw,
    Json,
    Unix,
    WebSocketText,
    WebSocketRaw,
    WebSocketJson,
    UdpText,
    UdpRaw,
    UdpJson,
}

use Way::{
    Json, Raw, Text, UdpJson, UdpRaw, UdpText, Unix, WebSocketJson, WebSocketRaw, WebSocketText,
};

/// All of them.
pub(crate) const WAYS: [Way; 10] =
    [Text, Raw, Json, Unix, WebSocketText, WebSocketRaw, WebSocketJson, UdpText, UdpRaw, UdpJson];

impl Way {
    /// Whether in JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Json | WebSocketJson | UdpJson)
    }

    /// Whether by datagrams.
    pub(crate) fn is_udp(self) -> bool {
        matches!(self, UdpText | UdpRaw | UdpJson)
    }
}

/// A hub that also listens on a socket in a folder of its own.
pub(crate) struct Place {
    /// The hub.
    pub(crate) hub: Hub,
    folder: PathBuf,
}

impl Place {
    /// Starts one.
    #[track_caller]
    pub(crate) fn new() -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("trappe-state-{}-{number}", process::id()));
        fs::create_dir(&folder).expect("a new folder of our own");
        let unix = format!("unix:{}", folder.join("hub").display());
        Place { hub: Hub::start(&["--quiet", "--listen", &unix]), folder }
    }

    /// A new member of its lobby.
    #[track_caller]
    pub(crate) fn member(&self, way: Way) -> Member {
        if way == Unix {
            let stream = UnixStream::connect(self.folder.join("hub")).expect("the hub listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
            return Member::over(Wire::Unix(BufReader::new(stream)), way);
        }
        Member::of(&self.hub, way)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// What the bytes go over.
pub(crate) enum Wire {
    Lines(Peer),
    Unix(BufReader<UnixStream>),
    Frames(Socket),
    Datagrams(UdpPeer),
}

/// What the hub has told a member.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A value: key and value.
    State(String, String),
    /// The code of an error.
    Error(String),
    /// Anything else.
    Other(String),
}

/// A member of the lobby without notices, that says the same by every way.
pub(crate) struct Member {
    wire: Wire,
    /// How it speaks.
    pub(crate) way: Way,
    /// Lines of a frame that had several.
    lines: VecDeque<String>,
    /// Values that came while something else was waited for.
    states: VecDeque<(String, String)>,
    /// Of each key the last change that came, in JSON.
    seqs: BTreeMap<String, u64>,
    asked: u32,
}

impl Member {
    /// By any way but [`Way::Unix`].
    #[track_caller]
    pub(crate) fn of(hub: &Hub, way: Way) -> Member {
        let wire = match way {
            WebSocketText => Wire::Frames(Socket::open(hub, "/ws?room=lobby", "text")),
            WebSocketRaw => Wire::Frames(Socket::open(hub, "/ws?room=lobby", "raw")),
            WebSocketJson => Wire::Frames(Socket::open(hub, "/ws?room=lobby", "json")),
            UdpText | UdpRaw | UdpJson => Wire::Datagrams(UdpPeer::member(hub)),
            Text | Raw | Json | Unix => Wire::Lines(hub.connect()),
        };
        Member::over(wire, way)
    }

    /// Over a connection of lines, which may be narrow.
    #[track_caller]
    pub(crate) fn on(peer: Peer, way: Way) -> Member {
        Member::over(Wire::Lines(peer), way)
    }

    /// Over any wire that a member of the lobby has.
    #[track_caller]
    pub(crate) fn over(wire: Wire, way: Way) -> Member {
        let (lines, states, seqs) = <_>::default();
        let mut member = Member { wire, way, lines, states, seqs, asked: 0 };
        match way {
            Raw | UdpRaw => member.say("/format raw"),
            Json | UdpJson => member.say("/format json"),
            _ => {}
        }
        // The first op brings the hello.
        member.ask(if way.is_json() { r#"{"op":"quiet","on":true}"# } else { "/quiet on" });
        member
    }

    /// Sends a command or an op as one message.
    #[track_caller]
    pub(crate) fn say(&mut self, words: &str) {
        match &mut self.wire {
            Wire::Lines(peer) => peer.say(words),
            Wire::Unix(stream) => {
                let line = format!("{words}\n");
                stream.get_mut().write_all(line.as_bytes()).expect("the hub reads");
            }
            Wire::Frames(socket) => socket.say(words),
            Wire::Datagrams(peer) => peer.send(words),
        }
    }

    #[track_caller]
    fn line(&mut self) -> String {
        if self.lines.is_empty() {
            let whole = match &mut self.wire {
                Wire::Lines(peer) => peer.line(),
                Wire::Unix(stream) => {
                    let mut line = String::new();
                    stream.read_line(&mut line).expect("something comes in time");
                    line.strip_suffix('\n').expect("a line, not the end of the stream").to_owned()
                }
                Wire::Frames(socket) => socket.text(),
                Wire::Datagrams(peer) if self.way == UdpRaw => {
                    let body = peer.datagram();
                    String::from_utf8(body).expect("what is set here is UTF-8")
                }
                Wire::Datagrams(peer) => peer.line(),
            };
            // In raw format a frame and a datagram are one body, line breaks and all.
            if matches!(self.way, WebSocketRaw | UdpRaw) {
                return whole;
            }
            self.lines = whole.split('\n').map(str::to_owned).collect();
        }
        self.lines.pop_front().expect("there is at least one")
    }

    #[track_caller]
    fn next(&mut self) -> Heard {
        let line = self.line();
        if line.starts_with('{') {
            let event = checked(&line);
            return match event["ev"].as_str() {
                Some("state") => self.state_of(&event),
                Some("error") => Heard::Error(text(&event["code"])),
                _ => Heard::Other(line),
            };
        }
        if let Some((key, value)) = line.strip_prefix('=').and_then(|line| line.split_once("= ")) {
            return Heard::State(key.to_owned(), value.to_owned());
        }
        match line.strip_prefix("! ") {
            Some(error) => Heard::Error(error.split(' ').next().unwrap_or(error).to_owned()),
            None => Heard::Other(line),
        }
    }

    /// A value in JSON; it is never older than one that came before.
    #[track_caller]
    fn state_of(&mut self, event: &Value) -> Heard {
        let decoded = || {
            let bytes = STANDARD.decode(text(&event["b64"])).expect("base 64");
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let value = event["text"].as_str().map_or_else(decoded, str::to_owned);
        let (key, seq) = (text(&event["key"]), event["seq"].as_u64().expect("a number"));
        let before = self.seqs.insert(key.clone(), seq).unwrap_or(0);
        assert!(seq >= before, "change {seq} after {before}: {event}");
        Heard::State(key, value)
    }

    /// Says `command`, then waits for the answer to a ping: all before that, but values, which are kept for `state`.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Vec<Heard> {
        self.say(command);
        self.asked += 1;
        let mark = format!("mark-{}", self.asked);
        self.say(&format!("/ping {mark}"));
        let pongs = [format!("* pong {mark}"), json!({"ev": "pong", "text": mark}).to_string()];
        let mut heard = Vec::new();
        loop {
            match self.next() {
                Heard::Other(line) if pongs.contains(&line) => return heard,
                Heard::State(key, value) => self.states.push_back((key, value)),
                other => heard.push(other),
            }
        }
    }

    /// The code of the one error that `command` is answered with, if it is answered with one.
    #[track_caller]
    pub(crate) fn error(&mut self, command: &str) -> Option<String> {
        let heard = self.ask(command);
        let codes: Vec<String> = heard
            .into_iter()
            .filter_map(|heard| match heard {
                Heard::Error(code) => Some(code),
                // An op with an id is acknowledged.
                Heard::Other(line) if line.starts_with(r#"{"ev":"ack","#) => None,
                other => panic!("{command:?} is answered with {other:?} ({:?})", self.way),
            })
            .collect();
        assert!(codes.len() < 2, "{command:?} is answered with {codes:?}");
        codes.into_iter().next()
    }

    fn setting(&self, key: &str, value: &str, id: Option<u32>) -> String {
        if !self.way.is_json() {
            return format!("/set {key} {value}");
        }
        let (key, version) = key.split_once('#').map_or((key, None), |(k, v)| (k, Some(v)));
        let mut op = json!({"op": "set", "key": key, "text": value});
        if let Some(version) = version {
            op["v"] = version.parse::<u64>().expect("a version").into();
        }
        if let Some(id) = id {
            op["id"] = id.into();
        }
        op.to_string()
    }

    /// Sets a value, `KEY` or `KEY#V`; that this is answered by nothing is seen later, by who reads on.
    #[track_caller]
    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.say(&self.setting(key, value, None));
    }

    /// The error that setting a value is answered with, if there is one; in JSON the op has an `id`.
    #[track_caller]
    pub(crate) fn refused(&mut self, key: &str, value: &str) -> Option<String> {
        self.error(&self.setting(key, value, Some(self.asked + 1)))
    }

    /// Asks for one value, once: the value, or the code of the error.
    #[track_caller]
    pub(crate) fn get(&mut self, key: &str) -> Result<String, String> {
        assert_eq!(self.states, [], "unread before /get {key} ({:?})", self.way);
        let op = json!({"op": "get", "key": key}).to_string();
        let command = if self.way.is_json() { op } else { format!("/get {key}") };
        if let Some(code) = self.error(&command) {
            return Err(code);
        }
        let (got, value) = self.states.pop_front().expect("it comes before the answer to a ping");
        assert_eq!((got.as_str(), &self.states), (key, &VecDeque::new()), "{:?}", self.way);
        Ok(value)
    }

    /// Follows the state from now on: how many keys there are.
    #[track_caller]
    pub(crate) fn follow(&mut self) -> usize {
        self.say(if self.way.is_json() { r#"{"op":"get"}"# } else { "/get" });
        loop {
            match self.next() {
                Heard::State(key, value) => self.states.push_back((key, value)),
                Heard::Error(code) => panic!("/get is answered with {code} ({:?})", self.way),
                Heard::Other(line) => return count_in(&line),
            }
        }
    }

    /// Follows the state: all values, each once, and as many as were announced.
    #[track_caller]
    pub(crate) fn snapshot(&mut self) -> BTreeMap<String, String> {
        assert_eq!(self.states, [], "unread before /get ({:?})", self.way);
        let count = self.follow();
        let values: BTreeMap<String, String> = (0..count).map(|_| self.state()).collect();
        assert_eq!(values.len(), count, "a key came twice ({:?})", self.way);
        values
    }

    /// The next value.
    #[track_caller]
    pub(crate) fn state(&mut self) -> (String, String) {
        if let Some(state) = self.states.pop_front() {
            return state;
        }
        match self.next() {
            Heard::State(key, value) => (key, value),
            other => panic!("a value was to come, not {other:?} ({:?})", self.way),
        }
    }

    /// The next value, which must be this one.
    #[track_caller]
    pub(crate) fn hears(&mut self, key: &str, value: &str) {
        let (k, v) = self.state();
        assert_eq!((k.as_str(), v.as_str()), (key, value), "{:?}", self.way);
    }

    /// Leaves a room for another.
    #[track_caller]
    pub(crate) fn go(&mut self, from: &str, to: &str) {
        if self.way.is_json() {
            self.ask(&json!({"op": "join", "room": to}).to_string());
            self.ask(&json!({"op": "leave", "room": from}).to_string());
        } else {
            self.ask(&format!("/join {to}"));
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

/// The number of keys in the answer to `/get`.
#[track_caller]
fn count_in(line: &str) -> usize {
    if line.starts_with('{') {
        let ack: Value = serde_json::from_str(line).expect("it was checked");
        assert_eq!((&ack["ev"], &ack["op"]), (&json!("ack"), &json!("get")), "{line}");
        return ack["count"].as_u64().and_then(|it| it.try_into().ok()).expect("a count");
    }
    assert!(line.starts_with("* "), "{line:?} is no notice");
    let number = line.split(|c: char| !c.is_ascii_digit()).find(|it| !it.is_empty());
    number.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no number in {line:?}"))
}
