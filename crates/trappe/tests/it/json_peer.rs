//! A program that speaks JSON, on lines or over WebSocket; and a WebSocket client in a few lines.
//!
//! Each event is checked as it arrives, whatever the test is about: see `json_check`.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json_check::checked;
use crate::peer::Peer;
use crate::process::PATIENCE;

/// The mask of each frame: the one of RFC 6455 §5.7. Nothing between this client and the hub could be confused by it.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame from the hub, or the end of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame {
    /// A message of text.
    Text(String),
    /// A message of bytes.
    Binary(Vec<u8>),
    /// A request for a sign of life.
    Ping(Vec<u8>),
    /// The answer to one.
    Pong(Vec<u8>),
    /// The closing handshake: the code, if there is one, and the reason.
    Close(Option<u16>, String),
    /// The stream has ended.
    End,
}

/// A WebSocket client (RFC 6455). It answers nothing by itself.
pub(crate) struct WebSocket {
    stream: BufReader<TcpStream>,
    head: String,
}

impl WebSocket {
    /// Opens `path` with a subprotocol, or none.
    #[track_caller]
    pub(crate) fn connect(port: u16, path: &str, subprotocol: Option<&str>) -> WebSocket {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the hub listens");
        WebSocket::over(stream, path, subprotocol)
    }

    /// The same over a connected stream.
    #[track_caller]
    pub(crate) fn over(stream: TcpStream, path: &str, subprotocol: Option<&str>) -> WebSocket {
        let fields = subprotocol.map(|it| format!("Sec-WebSocket-Protocol: {it}\r\n"));
        let socket = WebSocket::ask(stream, path, &fields.unwrap_or_default());
        let head = socket.head.to_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        // RFC 6455 §1.3: what this key is answered with.
        assert!(socket.head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{}", socket.head);
        let chosen = subprotocol.map(|it| format!("sec-websocket-protocol: {it}\r\n"));
        assert!(chosen.is_none_or(|it| head.contains(&it)), "{head}");
        socket
    }

    /// Asks for an upgrade with more `fields`, whatever the answer is: [`head`](Self::head) has it.
    #[track_caller]
    pub(crate) fn ask(mut stream: TcpStream, path: &str, fields: &str) -> WebSocket {
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out can be set");
        stream.set_nodelay(true).expect("Nagle can be turned off");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the hub reads");
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let count = stream.read_line(&mut head).expect("the head comes in time, as text");
            assert!(count > 0, "the stream ended in the head: {head:?}");
        }
        WebSocket { stream, head }
    }

    /// The head of the answer to the upgrade.
    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    /// Sends a message of text.
    #[track_caller]
    pub(crate) fn send_text(&mut self, text: &str) {
        self.send(&frame(0x81, text.as_bytes()));
    }

    /// Sends a message of bytes.
    #[track_caller]
    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.send(&frame(0x82, bytes));
    }

    /// Asks for a sign of life.
    #[track_caller]
    pub(crate) fn ping(&mut self, payload: &[u8]) {
        self.send(&frame(0x89, payload));
    }

    /// Begins, or answers, the closing handshake.
    #[track_caller]
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.send(&frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat()));
    }

    /// Writes bytes as they are: frames made by [`frame`], or what isn't one.
    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the hub reads");
    }

    /// The stream itself, for a thread that only writes, or to shut it down.
    #[track_caller]
    pub(crate) fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().expect("a descriptor is left")
    }

    /// The next frame. A hub's frames are whole and unmasked.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Frame {
        match self.stream.fill_buf() {
            Ok([]) => return Frame::End,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Frame::End,
            Err(error) => panic!("nothing came within {PATIENCE:?} ({error})"),
        }
        let [first, second] = self.exactly();
        assert!(first & 0xf0 == 0x80 && second < 0x80, "not a whole frame: {first:x} {second:x}");
        let length = match second {
            126 => usize::from(u16::from_be_bytes(self.exactly())),
            127 => usize::try_from(u64::from_be_bytes(self.exactly())).expect("it fits in memory"),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).expect("the frame comes in time");
        match first & 0xf {
            1 => Frame::Text(String::from_utf8(payload).expect("text is UTF-8")),
            2 => Frame::Binary(payload),
            8 => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                let reason = String::from_utf8(payload.split_off(payload.len().min(2)));
                Frame::Close(code, reason.expect("a reason is UTF-8"))
            }
            9 => Frame::Ping(payload),
            10 => Frame::Pong(payload),
            opcode => panic!("opcode {opcode}"),
        }
    }

    fn exactly<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("the frame comes in time");
        bytes
    }
}

/// A masked frame as a client sends it; `first` is its first byte: 0x81 is a whole message of text.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(payload.len()) {
        Ok(length @ ..126) => frame.push(0x80 | u8::try_from(length).expect("it is below 126")),
        Ok(length) => {
            frame.push(0xfe);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Err(_) => {
            frame.push(0xff);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// By which way JSON comes to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// Lines on TCP, after `/format json`.
    Lines,
    /// Frames of text, subprotocol `trappe.json.v1`.
    WebSocket,
}

/// Both ways.
pub(crate) const BOTH: [Via; 2] = [Via::Lines, Via::WebSocket];

enum Wire {
    Lines(Peer),
    WebSocket(WebSocket),
}

/// A program that speaks JSON.
pub(crate) struct JsonPeer {
    wire: Wire,
    hello: Value,
    close: Option<(Option<u16>, String)>,
    asked: u32,
}

impl JsonPeer {
    /// Lines on TCP, after `/format json`; no op was sent, so there is no hello yet.
    #[track_caller]
    pub(crate) fn lines(hub: &Hub) -> JsonPeer {
        JsonPeer::on_lines(hub.connect())
    }

    /// The same on a connection that is there already.
    #[track_caller]
    pub(crate) fn on_lines(mut peer: Peer) -> JsonPeer {
        peer.say("/format json");
        let mut peer = JsonPeer::on(Wire::Lines(peer));
        peer.until(|event| *event == json!({"ev": "ack", "op": "format"}));
        peer
    }

    /// WebSocket on `path`, up to the hello.
    #[track_caller]
    pub(crate) fn websocket(hub: &Hub, path: &str) -> JsonPeer {
        JsonPeer::on_websocket(WebSocket::connect(hub.port(), path, Some("trappe.json.v1")))
    }

    /// The same on a WebSocket that is there already.
    #[track_caller]
    pub(crate) fn on_websocket(socket: WebSocket) -> JsonPeer {
        let mut peer = JsonPeer::on(Wire::WebSocket(socket));
        peer.hello = peer.event();
        assert_eq!(peer.hello["ev"], "hello");
        peer
    }

    fn on(wire: Wire) -> JsonPeer {
        JsonPeer { wire, hello: Value::Null, close: None, asked: 0 }
    }

    /// A member of the lobby that has had its hello, and is told nothing of who comes and goes.
    #[track_caller]
    pub(crate) fn member(hub: &Hub, via: Via) -> JsonPeer {
        let mut peer = match via {
            Via::Lines => JsonPeer::lines(hub),
            Via::WebSocket => JsonPeer::websocket(hub, "/ws?room=lobby"),
        };
        let answer = peer.ask(&json!({"op": "quiet", "on": true}));
        if via == Via::Lines {
            peer.hello = answer.into_iter().find(|it| it["ev"] == "hello").expect("a hello");
        }
        peer
    }

    /// The same with a name, which must be free.
    #[track_caller]
    pub(crate) fn named(hub: &Hub, via: Via, name: &str) -> JsonPeer {
        let mut peer = JsonPeer::member(hub, via);
        let answer = peer.ask(&json!({"op": "nick", "name": name}));
        let taken = answer.iter().any(|it| it["ev"] == "nick" && it["name"] == name);
        assert!(taken, "nick {name} was answered with {answer:#?}");
        peer
    }

    /// The first hello that it had.
    pub(crate) fn hello(&self) -> &Value {
        &self.hello
    }

    /// The session that the first hello gave.
    pub(crate) fn session(&self) -> &str {
        self.hello["session"].as_str().expect("it has had its hello")
    }

    /// Its number.
    pub(crate) fn sid(&self) -> u64 {
        self.hello["sid"].as_u64().expect("it has had its hello")
    }

    /// Sends an op.
    #[track_caller]
    pub(crate) fn op(&mut self, op: &Value) {
        self.send(op.to_string());
    }

    /// Sends one line, or one frame of text where it is UTF-8 and of bytes where it isn't.
    #[track_caller]
    pub(crate) fn send(&mut self, line: impl AsRef<[u8]>) {
        let line = line.as_ref();
        match (&mut self.wire, str::from_utf8(line)) {
            (Wire::Lines(peer), _) => peer.send([line, b"\n"].concat()),
            (Wire::WebSocket(socket), Ok(text)) => socket.send_text(text),
            (Wire::WebSocket(socket), Err(_)) => socket.send_binary(line),
        }
    }

    /// The stream itself, to write bytes as they are, or to shut it down.
    #[track_caller]
    pub(crate) fn writer(&self) -> TcpStream {
        match &self.wire {
            Wire::Lines(peer) => peer.writer(),
            Wire::WebSocket(socket) => socket.writer(),
        }
    }

    /// The next event as it is written; `None` at the end of the stream, or once the hub closes the WebSocket.
    #[track_caller]
    pub(crate) fn next_text(&mut self) -> Option<String> {
        match &mut self.wire {
            Wire::Lines(peer) => {
                let line = peer.next_line()?;
                Some(String::from_utf8(line).expect("the hub writes UTF-8"))
            }
            Wire::WebSocket(socket) => loop {
                match socket.next() {
                    Frame::Text(text) => return Some(text),
                    Frame::Ping(_) | Frame::Pong(_) => {}
                    Frame::Close(code, reason) => self.close = Some((code, reason)),
                    Frame::End => return None,
                    binary @ Frame::Binary(_) => panic!("an event is text: {binary:?}"),
                }
            },
        }
    }

    /// The next event, checked; `None` at the end.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Value> {
        let text = self.next_text()?;
        assert!(self.close.is_none(), "it comes after the closing handshake: {text}");
        Some(checked(&text))
    }

    /// The next event; fails at the end of the stream.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        self.next().expect("an event, not the end of the stream")
    }

    /// Reads up to the event that `wanted` accepts, and gives it.
    #[track_caller]
    pub(crate) fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.through(wanted).pop().expect("it ends with what was wanted")
    }

    /// All events up to and with the one that `wanted` accepts.
    #[track_caller]
    pub(crate) fn through(&mut self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut passed = Vec::new();
        while let Some(event) = self.next() {
            let found = wanted(&event);
            passed.push(event);
            if found {
                return passed;
            }
        }
        panic!("the stream ended before the event; it held {passed:#?}");
    }

    /// Sends an op, then waits for the answer to a ping: all events before that, since replies come in order.
    #[track_caller]
    pub(crate) fn ask(&mut self, op: &Value) -> Vec<Value> {
        self.ask_line(op.to_string())
    }

    /// The same for any line.
    #[track_caller]
    pub(crate) fn ask_line(&mut self, line: impl AsRef<[u8]>) -> Vec<Value> {
        self.asked += 1;
        let mark = format!("mark-{}", self.asked);
        self.send(line);
        self.op(&json!({"op": "ping", "text": mark}));
        let mut events = self.through(|event| *event == json!({"ev": "pong", "text": mark}));
        events.pop();
        events
    }

    /// The one event that an op is answered with.
    #[track_caller]
    pub(crate) fn answer(&mut self, op: &Value) -> Value {
        let mut answer = self.ask(op);
        assert_eq!(answer.len(), 1, "{op} must be answered with one event, but: {answer:#?}");
        answer.remove(0)
    }

    /// Everything up to the end of the stream.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// How the hub closed the WebSocket, once it has.
    pub(crate) fn closed(&self) -> Option<&(Option<u16>, String)> {
        self.close.as_ref()
    }
}
