//! Who listens, over whatever wire: enters a room at a position, and hears what was said there since.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::json_peer::{JsonPeer, Via, WebSocket};
use crate::peer::{Peer, position_in};
use crate::process::PATIENCE;
use crate::udp_peer::UdpPeer;
use crate::web::{Answer, BINARY, PING, Socket, TEXT};

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

    /// Enters the lobby without a position, with a receive buffer so small that the hub soon can't write, and reads no more.
    #[track_caller]
    pub(crate) fn narrow(hub: &Hub, wire: Wire) -> Ear {
        let mut peer = Peer::narrow(hub.port());
        let link = match wire {
            Wire::Text | Wire::Raw => {
                peer.say(if wire == Wire::Raw { "/format raw" } else { "/lang fr" });
                peer.ready();
                Link::Lines(peer)
            }
            Wire::Json => {
                let mut peer = JsonPeer::on_lines(peer);
                peer.ask(&json!({"op": "quiet", "on": true}));
                Link::Json(peer)
            }
            Wire::SocketJson => {
                let (stream, path) = (peer.writer(), "/ws?room=lobby");
                let socket = WebSocket::over(stream, path, Some("trappe.json.v1"));
                Link::Json(JsonPeer::on_websocket(socket))
            }
            Wire::SocketText | Wire::SocketRaw => {
                let format = if wire == Wire::SocketRaw { "raw" } else { "text" };
                let mut socket = Socket::over(peer, "/ws", format, b"");
                socket.ask("/quiet on");
                Link::Frames(socket)
            }
            Wire::Events => Link::Events(follows(peer, "/rooms/lobby/events", "")),
            Wire::Local | Wire::Udp => panic!("its buffer can't be made small"),
        };
        Ear { link, room: "lobby".to_owned(), waiting: VecDeque::new() }
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
                let (kind, payload) = socket.next();
                // A sign of life is asked for, where the others took long to read.
                if kind != PING {
                    assert!(matches!(kind, TEXT | BINARY), "{kind:x}: {payload:x?}");
                    self.waiting.extend(String::from_utf8_lossy(&payload).lines().map(of_line));
                }
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
        (Wire::Events, Way::Address) => Link::Events(follows(
            hub.connect(),
            &format!("/rooms/{room}/events?after={position}"),
            "",
        )),
        (Wire::Events, _) => {
            let field = format!("Last-Event-ID: {position}\r\n");
            // What the browser has heard outweighs what the page was made with.
            Link::Events(follows(hub.connect(), &format!("/rooms/{room}/events?after=0"), &field))
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

/// Asks for a stream of events, and reads the head of the answer.
#[track_caller]
fn follows(mut peer: Peer, target: &str, fields: &str) -> Peer {
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

/// The number in `mot N` or `mot N xxx…`.
fn number(body: &str) -> Option<u64> {
    body.strip_prefix("mot ")?.split(' ').next()?.parse().ok()
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
    match number(body) {
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
    let of = |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("no {key}: {event}"));
    match event["ev"].as_str() {
        Some("live") => Heard::Live,
        Some("gap") if event.get("oldest").is_some() => {
            Heard::Oldest(event["oldest"].as_str().expect("a position").to_owned())
        }
        Some("gap") => {
            let cause = event["cause"].as_str().expect("a cause").to_owned();
            Heard::Gap(of("from"), of("to"), cause)
        }
        Some("msg") => match event["text"].as_str().and_then(number) {
            Some(said) => Heard::Said(said, Some((of("seq"), event.get("old").is_some()))),
            None => Heard::Other(event.to_string()),
        },
        _ => Heard::Other(event.to_string()),
    }
}
