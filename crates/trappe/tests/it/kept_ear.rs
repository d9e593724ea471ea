//! Who listens, over whatever wire: enters a room at a position, and hears what was said there since.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{JsonPeer, Via};
use crate::peer::{Peer, position_in};
use crate::process::PATIENCE;
use crate::udp_peer::UdpPeer;
use crate::web::{Answer, Socket};

/// By which wire, and in which format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// TCP, as `nc` is.
    Text,
    /// TCP, bodies alone.
    Raw,
    /// TCP, a program in JSON.
    Json,
    /// A Unix socket, text.
    Local,
    /// WebSocket, `trappe.text.v1`.
    SocketText,
    /// WebSocket, `trappe.raw.v1`.
    SocketRaw,
    /// WebSocket, `trappe.json.v1`.
    SocketJson,
    /// Server-Sent Events.
    Events,
    /// Datagrams, text.
    Udp,
}

/// How one comes to a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Enters there: `/join ROOM POS`, `{"op":"join"}`.
    Join,
    /// Is in the room, and asks: `/resume POS`, `{"op":"resume"}`.
    Resume,
    /// `?after=POS` in the address.
    Address,
    /// `Last-Event-ID: POS`.
    LastEvent,
}

/// All that carry everything, each by all its ways.
pub(crate) const ROADS: [(Wire, Way); 16] = [
    (Wire::Text, Way::Join),
    (Wire::Text, Way::Resume),
    (Wire::Raw, Way::Join),
    (Wire::Raw, Way::Resume),
    (Wire::Json, Way::Join),
    (Wire::Json, Way::Resume),
    (Wire::Local, Way::Join),
    (Wire::Local, Way::Resume),
    (Wire::SocketText, Way::Address),
    (Wire::SocketText, Way::Resume),
    (Wire::SocketRaw, Way::Address),
    (Wire::SocketJson, Way::Address),
    (Wire::SocketJson, Way::Join),
    (Wire::SocketJson, Way::Resume),
    (Wire::Events, Way::Address),
    (Wire::Events, Way::LastEvent),
];

/// What one hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// `mot N`; with its number in the room, and whether it was asked for, where that is told.
    Said(u64, Option<(u64, bool)>),
    /// Numbers that nothing will come for; `unused` if nothing ever was there.
    Gap(u64, u64, String),
    /// What was asked for is there no more; the oldest position that is.
    Oldest(String),
    /// From here on it is new.
    Live,
    /// Anything else.
    Other(String),
}

enum Link {
    Lines(Peer),
    Local(BufReader<UnixStream>),
    Json(JsonPeer),
    Frames(Socket),
    Events(Peer),
    Udp(UdpPeer),
}

/// One that listens.
pub(crate) struct Ear {
    link: Link,
    room: String,
    waiting: VecDeque<Heard>,
}

impl Ear {
    /// Comes to `room` at `position` by a road. `unix` is where the hub's Unix socket is.
    #[track_caller]
    pub(crate) fn open(
        hub: &Hub,
        unix: &Path,
        (wire, way): (Wire, Way),
        room: &str,
        position: &str,
    ) -> Ear {
        let mut ear = Ear {
            link: link(hub, unix, (wire, way), room, position),
            room: room.to_owned(),
            waiting: VecDeque::new(),
        };
        match way {
            Way::Join => ear.command(
                &format!("/join {room} {position}"),
                &json!({"op": "join", "room": room, "after": position}),
            ),
            Way::Resume => ear.command(
                &format!("/resume {position}"),
                &json!({"op": "resume", "room": room, "after": position}),
            ),
            Way::Address | Way::LastEvent => {}
        }
        ear
    }

    /// Says a command, or in JSON an op.
    #[track_caller]
    pub(crate) fn command(&mut self, command: &str, op: &Value) {
        match &mut self.link {
            Link::Lines(peer) => peer.say(command),
            Link::Local(stream) => {
                stream.get_mut().write_all(format!("{command}\n").as_bytes()).expect("it reads");
            }
            Link::Json(peer) => peer.op(op),
            Link::Frames(socket) => socket.say(command),
            Link::Udp(peer) => peer.send(command),
            Link::Events(_) => panic!("a stream of events says nothing"),
        }
    }

    /// The next thing that it hears.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Heard {
        if let Some(heard) = self.waiting.pop_front() {
            return heard;
        }
        match &mut self.link {
            Link::Lines(peer) => of_line(&peer.line()),
            Link::Local(stream) => {
                let mut line = String::new();
                stream.read_line(&mut line).expect("something comes in time");
                of_line(line.strip_suffix('\n').expect("a line, not the end of the stream"))
            }
            Link::Json(peer) => {
                let event = peer.event();
                of_event(&event, &self.room)
            }
            Link::Frames(socket) => {
                self.waiting.extend(socket.text().lines().map(of_line));
                self.next()
            }
            Link::Events(peer) => {
                let event = next_event(peer);
                of_event(&event, &self.room)
            }
            Link::Udp(peer) => of_line(&peer.line()),
        }
    }

    /// Reads until it hears what is wanted; nothing of the room may be passed over.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Heard) -> bool) -> Heard {
        loop {
            match self.next() {
                heard if wanted(&heard) => return heard,
                Heard::Other(_) => {}
                heard => panic!("{heard:?} comes before what is wanted"),
            }
        }
    }
}

/// The connection, up to where it asks for its position, or past that where the address says it.
#[track_caller]
fn link(hub: &Hub, unix: &Path, (wire, way): (Wire, Way), room: &str, position: &str) -> Link {
    let lines = |first: &str| {
        let mut peer = hub.connect();
        peer.say(first);
        peer.ready();
        if way == Way::Resume {
            peer.ask(&format!("/join {room}"));
        }
        Link::Lines(peer)
    };
    let address = match way {
        Way::Address => format!("/ws?room={room}&after={position}"),
        Way::Resume => format!("/ws?room={room}"),
        _ => "/ws".to_owned(),
    };
    let frames = |format: &str| match way {
        Way::Address => Link::Frames(Socket::open(hub, &address, format)),
        _ => Link::Frames(Socket::member(hub, &address, format)),
    };
    match (wire, way) {
        (Wire::Text, _) => lines("/lang fr"),
        (Wire::Raw, _) => lines("/format raw"),
        (Wire::Json, _) => {
            let mut peer = JsonPeer::member(hub, Via::Lines);
            if way == Way::Resume {
                peer.ask(&json!({"op": "join", "room": room}));
            }
            Link::Json(peer)
        }
        (Wire::SocketJson, _) => Link::Json(JsonPeer::websocket(hub, &address)),
        (Wire::SocketText, _) => frames("text"),
        (Wire::SocketRaw, _) => frames("raw"),
        (Wire::Local, _) => local(unix, way, room),
        (Wire::Events, Way::Address) => {
            Link::Events(events(hub, &format!("/rooms/{room}/events?after={position}"), ""))
        }
        (Wire::Events, _) => {
            let field = format!("Last-Event-ID: {position}\r\n");
            // What the browser has heard outweighs what the page was made with.
            Link::Events(events(hub, &format!("/rooms/{room}/events?after=0"), &field))
        }
        (Wire::Udp, _) => {
            let mut peer = UdpPeer::member(hub);
            if way == Way::Resume {
                peer.join(room);
            }
            Link::Udp(peer)
        }
    }
}

#[track_caller]
fn local(unix: &Path, way: Way, room: &str) -> Link {
    let stream = UnixStream::connect(unix).expect("the hub listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
    let mut stream = BufReader::new(stream);
    let join = if way == Way::Resume { format!("/join {room}\n") } else { String::new() };
    let hello = format!("/quiet on\n{join}/ping là\n");
    stream.get_mut().write_all(hello.as_bytes()).expect("the hub reads");
    let mut line = String::new();
    while line != "* pong là\n" {
        line.clear();
        let count = stream.read_line(&mut line).expect("something comes in time");
        assert!(count > 0, "the stream ended");
    }
    Link::Local(stream)
}

#[track_caller]
fn events(hub: &Hub, target: &str, fields: &str) -> Peer {
    let mut peer = hub.connect();
    let accept = "Host: localhost\r\nAccept: text/event-stream\r\n";
    peer.send(format!("GET {target} HTTP/1.1\r\n{accept}{fields}\r\n"));
    let head = Answer::read(&peer.through(b"\r\n\r\n"));
    assert_eq!(head.status, 200, "{head:?}");
    peer
}

/// The next event of a stream. The `id` of each message is its position.
#[track_caller]
fn next_event(peer: &mut Peer) -> Value {
    let mut id = None;
    loop {
        let line = peer.line();
        if let Some(position) = line.strip_prefix("id: ") {
            id = Some(position.to_owned());
        }
        if let Some(data) = line.strip_prefix("data: ") {
            let event = checked(data);
            if event["ev"] == "msg" {
                let id = id.expect("a message has its position as its id");
                assert!(id.ends_with(&format!("@{}", event["seq"])), "{id}: {event}");
            }
            return event;
        }
    }
}

/// A line of text, or a body.
#[track_caller]
fn of_line(line: &str) -> Heard {
    if line == "* live" {
        return Heard::Live;
    }
    if line.starts_with("! gap oldest=") {
        return Heard::Oldest(position_in(line));
    }
    if let Some(gap) = line.strip_prefix("* gap ") {
        let (from, rest) = gap.split_once("..").expect("FROM..TO");
        let (to, why) = rest.split_once(' ').expect("TO (why)");
        let [from, to] = [from, to].map(|number| number.parse().expect("a number"));
        let cause = if why.contains("jamais donnés") { "unused" } else { why };
        return Heard::Gap(from, to, cause.to_owned());
    }
    let body = line.strip_prefix('<').and_then(|it| it.split_once("> ")).map_or(line, |it| it.1);
    match body.strip_prefix("mot ").and_then(|number| number.parse().ok()) {
        Some(number) => Heard::Said(number, None),
        None => Heard::Other(line.to_owned()),
    }
}

/// What an event is to who listens to `room`.
#[track_caller]
pub(crate) fn of_event(event: &Value, room: &str) -> Heard {
    if event["room"] != room {
        return Heard::Other(event.to_string());
    }
    let number = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key}: {event}"));
    match event["ev"].as_str() {
        Some("live") => Heard::Live,
        Some("gap") if event.get("oldest").is_some() => {
            Heard::Oldest(event["oldest"].as_str().expect("a position").to_owned())
        }
        Some("gap") => {
            let cause = event["cause"].as_str().expect("a cause").to_owned();
            Heard::Gap(number("from"), number("to"), cause)
        }
        Some("msg") => match event["text"].as_str().and_then(|it| it.strip_prefix("mot ")) {
            Some(said) => {
                let said = said.parse().expect("a number");
                Heard::Said(said, Some((number("seq"), event.get("old").is_some())))
            }
            None => Heard::Other(event.to_string()),
        },
        _ => Heard::Other(event.to_string()),
    }
}

/// Where one is: what comes must go on from there, each once and in order.
#[derive(Debug)]
pub(crate) struct Trail {
    /// The last that it heard.
    pub(crate) last: u64,
    /// Its number in the room.
    seq: u64,
    /// Where it became live.
    pub(crate) live: Option<u64>,
    /// Numbers that were announced as given to nothing.
    pub(crate) unused: Vec<(u64, u64)>,
    /// For whoever reads what went wrong.
    what: String,
}

impl Trail {
    /// After `last`; `what` says whose it is.
    pub(crate) fn after(last: u64, what: impl std::fmt::Debug) -> Trail {
        Trail { last, seq: 0, live: None, unused: Vec::new(), what: format!("{what:?}") }
    }

    /// Goes on by what was heard.
    #[track_caller]
    pub(crate) fn take(&mut self, heard: &Heard) {
        match heard {
            Heard::Said(number, told) => {
                assert_eq!(*number, self.last + 1, "{}: a hole or a repeat", self.what);
                self.last = *number;
                if let Some((seq, old)) = told {
                    assert!(*seq > self.seq, "{}: {seq} after {}", self.what, self.seq);
                    self.seq = *seq;
                    assert_eq!(
                        *old,
                        self.live.is_none(),
                        "{}: old until live: {self:?}",
                        self.what
                    );
                }
            }
            Heard::Gap(from, to, cause) => {
                assert_eq!(cause, "unused", "{}: {from}..{to}", self.what);
                self.unused.push((*from, *to));
            }
            Heard::Live => {
                assert_eq!(self.live, None, "{}: live twice", self.what);
                self.live = Some(self.last);
            }
            Heard::Oldest(position) => panic!("{}: a gap up to {position}", self.what),
            Heard::Other(_) => {}
        }
    }

    /// Listens until `last` was heard.
    #[track_caller]
    pub(crate) fn up_to(&mut self, last: u64, ear: &mut Ear) {
        while self.last < last {
            self.take(&ear.next());
        }
    }

    /// Is in the room while others talk, and has asked for what follows its position: what was on its way still comes; then it
    /// begins again, up to where it is live.
    #[track_caller]
    pub(crate) fn asks_again(&mut self, ear: &mut Ear) {
        let mut heard = Vec::new();
        while heard.last() != Some(&Heard::Live) {
            heard.push(ear.next());
        }
        let first = self.last + 1;
        let begins = |it: &Heard| matches!(it, Heard::Said(number, _) if *number == first);
        let begins = heard.iter().rposition(begins).unwrap_or(heard.len() - 1);
        let on_its_way: Vec<u64> = heard[..begins]
            .iter()
            .filter_map(|it| if let Heard::Said(number, _) = it { Some(*number) } else { None })
            .collect();
        assert!(on_its_way.is_sorted_by(|one, next| one + 1 == *next), "{}: {heard:?}", self.what);
        for it in &heard[begins..] {
            self.take(it);
        }
        let newest = on_its_way.last().copied().unwrap_or(0);
        assert!(self.last >= newest, "{}: {newest} doesn't come again", self.what);
    }

    /// Listens until it is live.
    #[track_caller]
    pub(crate) fn live(&mut self, ear: &mut Ear) {
        while self.live.is_none() {
            self.take(&ear.next());
        }
    }
}
