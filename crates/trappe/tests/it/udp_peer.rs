//! A client by datagrams, as a test script reads: say this, then hear that.
//!
//! Each datagram that comes is checked, whatever the test is about: none is longer than the protocol allows, and one in
//! text or JSON ends with a newline.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::process::PATIENCE;

/// No datagram of the hub's is longer (PROTOCOL §7), in bytes.
pub(crate) const SENT_MAX: usize = 1200;

/// How long an answer is waited for before what asked is sent again, where datagrams get lost.
const AGAIN: Duration = Duration::from_millis(100);

/// A UDP socket of the test's own, connected to the hub that it talks to.
pub(crate) struct UdpPeer {
    socket: UdpSocket,
    /// Lines of datagrams that have come, and weren't asked for yet.
    lines: VecDeque<String>,
    asked: u32,
}

impl UdpPeer {
    /// A socket that has said nothing yet, on the loopback of IPv4.
    #[track_caller]
    pub(crate) fn stranger(hub: &Hub) -> UdpPeer {
        UdpPeer::between("127.0.0.1:0", ("127.0.0.1", hub.port()))
    }

    /// A socket bound to `from` that talks to `hub`, and hears nobody else.
    #[track_caller]
    pub(crate) fn between(from: impl ToSocketAddrs, hub: impl ToSocketAddrs) -> UdpPeer {
        let socket = UdpSocket::bind(from).expect("the address is one of this machine's");
        socket.connect(hub).expect("there is a way to the hub");
        UdpPeer { socket, lines: VecDeque::new(), asked: 0 }
    }

    /// A member of the lobby, from loopback, in text and without notices.
    #[track_caller]
    pub(crate) fn member(hub: &Hub) -> UdpPeer {
        let mut peer = UdpPeer::stranger(hub);
        peer.join("lobby");
        peer.ask("/quiet on");
        peer
    }

    /// The same with a name, which must be free.
    #[track_caller]
    pub(crate) fn named(hub: &Hub, name: &str) -> UdpPeer {
        let mut peer = UdpPeer::member(hub);
        let answer = peer.ask(&format!("/nick {name}"));
        let taken = answer.iter().any(|line| line.starts_with("* ") && line.contains(name));
        assert!(taken, "/nick {name} was answered with {answer:?}");
        peer
    }

    /// The same, and from then on in JSON.
    #[track_caller]
    pub(crate) fn json(hub: &Hub, name: &str) -> UdpPeer {
        let mut peer = UdpPeer::named(hub, name);
        peer.send("/format json");
        peer.event_until(|event| *event == json!({"ev": "ack", "op": "format"}));
        peer
    }

    /// A member of the lobby that gets bodies alone: only by [`datagram`](Self::datagram), where none has a newline of its own.
    #[track_caller]
    pub(crate) fn raw(hub: &Hub) -> UdpPeer {
        let mut peer = UdpPeer::member(hub);
        peer.send("/format raw");
        assert_eq!(peer.datagram(), b"* format : raw");
        peer
    }

    /// Goes to a room, from an address that needs no proof, and waits until it is there. Gives the notice that says so.
    #[track_caller]
    pub(crate) fn join(&mut self, room: &str) -> String {
        self.send(format!("/join {room}"));
        self.until(|line| says_in(line, room))
    }

    /// Becomes a member of `room` however many datagrams get lost, and proves its address where it is asked to.
    #[track_caller]
    pub(crate) fn join_through_loss(&mut self, room: &str) {
        let request = format!("/join {room}");
        let mut what = request.clone();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.send(&what);
            while let Some(line) = self.line_within(AGAIN) {
                if says_in(&line, room) {
                    return;
                }
                if cookie(&line, room).is_some() {
                    what = line;
                    self.send(&what);
                }
            }
        }
        panic!("{} isn't let into {room} within {PATIENCE:?}", self.address());
    }

    /// The same for the lobby, and from then on in JSON.
    #[track_caller]
    pub(crate) fn json_through_loss(mut self) -> UdpPeer {
        self.join_through_loss("lobby");
        let done = json!({"ev": "ack", "op": "format"});
        self.insist("/format json", &mut Vec::new(), |line| {
            line.starts_with('{') && checked(line) == done
        });
        self
    }

    /// Asks for an answer, in JSON, until one comes; all else that comes until then goes to `passed`.
    #[track_caller]
    pub(crate) fn pong(&mut self, text: &str, passed: &mut Vec<String>) {
        let (ping, answer) =
            (json!({"op": "ping", "text": text}), json!({"ev": "pong", "text": text}));
        self.insist(ping.to_string(), passed, |line| {
            line.starts_with('{') && checked(line) == answer
        });
    }

    /// Sends `what` until something that `wanted` accepts is the answer; gives that. All else that comes goes to
    /// `passed`.
    #[track_caller]
    pub(crate) fn insist(
        &mut self,
        what: impl AsRef<[u8]>,
        passed: &mut Vec<String>,
        wanted: impl Fn(&str) -> bool,
    ) -> String {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            self.send(&what);
            while let Some(line) = self.line_within(AGAIN) {
                if wanted(&line) {
                    return line;
                }
                passed.push(line);
            }
        }
        let asked = String::from_utf8_lossy(what.as_ref());
        panic!("{asked:?} was never answered; these came: {passed:#?}");
    }

    /// Sends one datagram as it is.
    #[track_caller]
    pub(crate) fn send(&self, datagram: impl AsRef<[u8]>) {
        let datagram = datagram.as_ref();
        match self.socket.send(datagram) {
            Ok(count) => assert_eq!(count, datagram.len()),
            // An earlier one met no socket, or a rule of the network that the test set up.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied
                ) => {}
            Err(error) => panic!("a datagram can't be sent: {error}"),
        }
    }

    /// Sends an op.
    #[track_caller]
    pub(crate) fn op(&self, op: &Value) {
        self.send(op.to_string());
    }

    /// The next datagram as it is; fails if none comes in time.
    #[track_caller]
    pub(crate) fn datagram(&mut self) -> Vec<u8> {
        assert!(self.lines.is_empty(), "unread lines: {:?}", self.lines);
        self.datagram_within(PATIENCE).expect("a datagram comes in time")
    }

    /// The next datagram, if one comes within a time. Only where nothing may come because datagrams get lost.
    #[track_caller]
    pub(crate) fn datagram_within(&mut self, within: Duration) -> Option<Vec<u8>> {
        let until = Instant::now() + within;
        // The largest that UDP has, so that none can look shorter than it is.
        let mut buffer = vec![0; 1 << 16];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            self.socket.set_read_timeout(Some(left)).expect("a time-out can be set");
            match self.socket.recv(&mut buffer) {
                Ok(count) => {
                    assert!(count <= SENT_MAX, "{count} bytes in a datagram");
                    buffer.truncate(count);
                    return Some(buffer);
                }
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock
                            | ErrorKind::TimedOut
                            | ErrorKind::Interrupted
                            | ErrorKind::ConnectionRefused
                    ) => {}
                Err(error) => panic!("nothing can be received: {error}"),
            }
        }
    }

    /// The next line of what comes, if one comes within a time, without its newline.
    #[track_caller]
    pub(crate) fn line_within(&mut self, within: Duration) -> Option<String> {
        if self.lines.is_empty() {
            let datagram = String::from_utf8(self.datagram_within(within)?);
            let datagram = datagram.expect("the hub writes UTF-8");
            // Only the answer to who has shown no newline has none: a cookie.
            assert!(
                datagram.ends_with('\n') || datagram.starts_with("/join "),
                "{datagram:?} doesn't end with a newline"
            );
            self.lines.extend(datagram.lines().map(str::to_owned));
        }
        self.lines.pop_front()
    }

    /// The next line of what comes; fails if none does.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let line = self.line_within(PATIENCE);
        line.expect("something comes in time")
    }

    /// Reads up to the line that `wanted` accepts, and gives it.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        let mut passed = Vec::new();
        while let Some(line) =
            self.line_within(until.saturating_duration_since(Instant::now()).min(PATIENCE))
        {
            if wanted(&line) {
                return line;
            }
            passed.push(line);
        }
        panic!("the line never came to {}; these did: {passed:#?}", self.address());
    }

    /// Says `command`, then waits for the answer to a ping: all lines before that, since replies come in order.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Vec<String> {
        self.asked += 1;
        let mark = format!("mark-{}", self.asked);
        self.send(command);
        self.send(format!("/ping {mark}"));
        let (mut passed, pong) = (Vec::new(), format!("* pong {mark}"));
        loop {
            match self.line_within(PATIENCE) {
                Some(line) if line == pong => return passed,
                Some(line) => passed.push(line),
                None => panic!("no {pong:?} came to {}; these did: {passed:#?}", self.address()),
            }
        }
    }

    /// The next event, checked.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        checked(&self.line())
    }

    /// Reads up to the event that `wanted` accepts, and gives it. Lines of text before the first event are passed over.
    #[track_caller]
    pub(crate) fn event_until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let line = self.until(|line| line.starts_with('{') && wanted(&checked(line)));
        checked(&line)
    }

    /// Its own address, as the hub shows it.
    pub(crate) fn address(&self) -> SocketAddr {
        self.socket.local_addr().expect("it is bound")
    }
}

/// Whether a line is the notice that says in which room one is now.
pub(crate) fn says_in(line: &str, room: &str) -> bool {
    line.starts_with(&format!("* vous êtes dans {room}, "))
}

/// What was said in a room, by number, out of the lines that came.
pub(crate) fn messages(heard: &[String]) -> impl Iterator<Item = (u64, Value)> {
    let events = heard.iter().filter(|line| line.starts_with('{')).map(|line| checked(line));
    let events = events.filter(|event| event["ev"] == "msg");
    events.map(|event| (event["seq"].as_u64().expect("each has one"), event))
}

/// The cookie in `/join ROOM COOKIE`, the only thing that is sent to an unproven address.
pub(crate) fn cookie<'a>(answer: &'a str, room: &str) -> Option<&'a str> {
    let answer = answer.strip_suffix('\n').unwrap_or(answer);
    let cookie = answer.strip_prefix("/join ")?.strip_prefix(room)?.strip_prefix(' ')?;
    (cookie.len() == 13 && base_32(cookie)).then_some(cookie)
}

/// Whether all of it is of the alphabet of cookies and keys.
pub(crate) fn base_32(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}
