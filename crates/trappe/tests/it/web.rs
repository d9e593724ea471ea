//! HTTP and WebSocket as a test writes them: byte for byte, so that it can also write what no library would.

use std::io::Write;

use serde_json::Value;

use crate::hub::Hub;
use crate::peer::Peer;

/// The key of the example in RFC 6455 §1.3 …
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// … and what it is answered with.
pub(crate) const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// All lines of its head.
    pub(crate) head: String,
    /// What follows the head.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Takes an answer apart.
    #[track_caller]
    pub(crate) fn read(bytes: &[u8]) -> Answer {
        let told = || String::from_utf8_lossy(bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer of HTTP: {:?}", told()));
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is ASCII");
        // To one of 1.0 an answer of 1.0 is right as well.
        let after = head.strip_prefix("HTTP/1.1 ").or_else(|| head.strip_prefix("HTTP/1.0 "));
        let status = after.and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {:?}", told()));
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }

    /// The value of a field, if it stands there once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, v)| v);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} stands there twice: {}", self.head);
        value
    }

    /// The body as text.
    #[track_caller]
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).expect("what the hub says is UTF-8")
    }

    /// The body as one object.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends `request` as it is over a connection of its own, and reads the answer to the end of the stream.
#[track_caller]
pub(crate) fn ask(hub: &Hub, request: impl AsRef<[u8]>) -> Answer {
    let mut peer = hub.connect();
    peer.send(request);
    Answer::read(&peer.rest())
}

/// A request without a body; `fields` are whole lines.
#[track_caller]
pub(crate) fn request(hub: &Hub, method: &str, target: &str, fields: &str) -> Answer {
    let port = hub.port();
    ask(hub, format!("{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{fields}\r\n"))
}

/// `GET`.
#[track_caller]
pub(crate) fn get(hub: &Hub, target: &str) -> Answer {
    request(hub, "GET", target, "")
}

/// The bytes of a `POST` to a room; `fields` are whole lines.
pub(crate) fn post_bytes(room: &str, fields: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "POST /rooms/{room}/messages HTTP/1.1\r\nHost: localhost\r\n{fields}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// Posts to a room; `fields` are whole lines beside `X-Trappe: 1`.
#[track_caller]
pub(crate) fn post(hub: &Hub, room: &str, fields: &str, body: impl AsRef<[u8]>) -> Answer {
    ask(hub, post_bytes(room, &format!("X-Trappe: 1\r\n{fields}"), body))
}

/// The opening handshake of a WebSocket, with `fields` (whole lines) besides.
pub(crate) fn handshake(target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{fields}\r\n"
    )
}

/// One frame as a client has to write it: masked. `first` is its first byte: FIN, reserved bits, opcode.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x01, 0xfe, 0x37];
    let payload = payload.as_ref();
    let mut frame = announced(first, payload.len() as u64);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The beginning of a masked frame, up to its length.
pub(crate) fn announced(first: u8, length: u64) -> Vec<u8> {
    let mut head = vec![first];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..=125), _) => head.push(0x80 | short),
        (_, Ok(length)) => {
            head.push(0xfe);
            head.extend(length.to_be_bytes());
        }
        _ => {
            head.push(0xff);
            head.extend(length.to_be_bytes());
        }
    }
    head
}

/// What a close frame holds.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

/// A whole text message.
pub(crate) const TEXT: u8 = 0x81;
/// A whole binary message.
pub(crate) const BINARY: u8 = 0x82;
/// The end.
pub(crate) const CLOSE: u8 = 0x88;
/// Asks for a sign of life.
pub(crate) const PING: u8 = 0x89;
/// The sign of life.
pub(crate) const PONG: u8 = 0x8a;

/// One frame of the hub's: its first byte, and what it holds.
pub(crate) type Frame = (u8, Vec<u8>);

/// A WebSocket member.
pub(crate) struct Socket {
    /// The connection below.
    pub(crate) peer: Peer,
    asked: u32,
}

impl Socket {
    /// Opens one with a subprotocol (`json`, `text`, `raw`).
    #[track_caller]
    pub(crate) fn open(hub: &Hub, target: &str, format: &str) -> Socket {
        Socket::over(hub.connect(), target, format, b"")
    }

    /// The same over a connection that is there already; `more` is sent together with the request.
    #[track_caller]
    pub(crate) fn over(mut peer: Peer, target: &str, format: &str, more: &[u8]) -> Socket {
        let subprotocol = format!("Sec-WebSocket-Protocol: trappe.{format}.v1\r\n");
        peer.send([handshake(target, &subprotocol).as_bytes(), more].concat());
        let answer = Answer::read(&peer.through(b"\r\n\r\n"));
        assert_eq!(answer.status, 101, "{answer:?}");
        Socket { peer, asked: 0 }
    }

    /// One in text or raw that is in and gets no notices.
    #[track_caller]
    pub(crate) fn member(hub: &Hub, target: &str, format: &str) -> Socket {
        let mut socket = Socket::open(hub, target, format);
        socket.ask("/quiet on");
        socket
    }

    /// Sends one frame.
    #[track_caller]
    pub(crate) fn send(&mut self, first: u8, payload: impl AsRef<[u8]>) {
        self.peer.send(frame(first, payload));
    }

    /// Sends a text message.
    #[track_caller]
    pub(crate) fn say(&mut self, text: &str) {
        self.send(TEXT, text);
    }

    /// The next frame, which must be well formed: whole, unmasked, without reserved bits, in as few bytes as can be.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Frame {
        let head = self.peer.bytes(2);
        assert!(matches!(head[0], 0x81 | 0x82 | 0x88 | 0x89 | 0x8a), "no frame of ours: {head:x?}");
        assert!(head[0] & 8 == 0 || head[1] <= 125, "a long control frame: {head:x?}");
        let length = match head[1] {
            short @ ..=125 => u64::from(short),
            126 => {
                let long = self.peer.bytes(2);
                u64::from(u16::from_be_bytes([long[0], long[1]]))
            }
            127 => self.peer.bytes(8).iter().fold(0, |all, &byte| all << 8 | u64::from(byte)),
            _ => panic!("a masked frame from the server (RFC 6455 §5.1)"),
        };
        assert!(length < 2 << 20, "no frame of ours has {length} bytes");
        (head[0], self.peer.bytes(usize::try_from(length).expect("it is short")))
    }

    /// The next frame, which must be a text frame.
    #[track_caller]
    pub(crate) fn text(&mut self) -> String {
        let (first, payload) = self.next();
        assert_eq!(first, TEXT, "{:?}", String::from_utf8_lossy(&payload));
        String::from_utf8(payload).expect("a text frame is UTF-8")
    }

    /// Says a command (in text or raw), then gives all frames before the answer to a ping.
    #[track_caller]
    pub(crate) fn ask(&mut self, command: &str) -> Vec<String> {
        self.asked += 1;
        let mark = format!("* pong mark-{}", self.asked);
        if !command.is_empty() {
            self.say(command);
        }
        self.say(&format!("/ping mark-{}", self.asked));
        let mut passed = Vec::new();
        loop {
            let text = self.text();
            if text == mark {
                return passed;
            }
            passed.push(text);
        }
    }

    /// The next event, in JSON.
    #[track_caller]
    pub(crate) fn event(&mut self) -> Value {
        let text = self.text();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Reads up to the event `ev`, and gives it.
    #[track_caller]
    pub(crate) fn event_of(&mut self, ev: &str) -> Value {
        loop {
            let event = self.event();
            if event["ev"] == ev {
                return event;
            }
        }
    }

    /// Reads up to the close frame, after which the stream must end: its code (0 where it has none) and its reason, and the
    /// text frames before it.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> (u16, String, Vec<String>) {
        let mut passed = Vec::new();
        loop {
            let (first, payload) = self.next();
            if first != CLOSE {
                passed.push(String::from_utf8_lossy(&payload).into_owned());
                continue;
            }
            assert_eq!(self.peer.rest(), b"", "something follows a close frame");
            let Some((code, reason)) = payload.split_first_chunk() else {
                assert_eq!(payload, b"", "half a code");
                return (0, String::new(), passed);
            };
            let reason = String::from_utf8(reason.to_vec()).expect("a reason is UTF-8");
            return (u16::from_be_bytes(*code), reason, passed);
        }
    }
}

/// A member that says something, and one that heard all before it: proof that nothing else was said in between.
pub(crate) struct Witness {
    marker: Peer,
    witness: Peer,
}

impl Witness {
    /// Two members of the lobby, without notices.
    #[track_caller]
    pub(crate) fn of(hub: &Hub) -> Witness {
        Witness { marker: hub.named("marker"), witness: hub.member() }
    }

    /// What was said since it was asked last.
    #[track_caller]
    pub(crate) fn heard(&mut self) -> Vec<String> {
        self.marker.say("fin");
        self.witness.before("<marker> fin")
    }

    /// Nothing was said since it was asked last.
    #[track_caller]
    pub(crate) fn heard_nothing(&mut self, since: &str) {
        let heard = self.heard();
        assert!(heard.is_empty(), "{since}: it was said: {heard:?}");
    }
}

/// Writes `bytes` one by one, each a segment of its own, as long as the other side takes them.
pub(crate) fn drip(peer: &Peer, bytes: &[u8]) {
    let mut writer = peer.writer();
    for byte in bytes {
        if writer.write_all(&[*byte]).is_err() {
            return;
        }
    }
}
