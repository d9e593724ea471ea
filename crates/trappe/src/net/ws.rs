//! WebSocket (RFC 6455), a server's receiving half: bytes in, messages out, and the answers that are due. Pure: no socket, no clock.
//!
//! Frames are measured and cut here, by their headers alone; what they mean (masks, fragments, UTF-8, pings, closes) is
//! tungstenite's, which only ever sees whole frames. So nothing is allocated for what a header merely announces, what is wrong
//! with a header ends the connection before its payload comes, and between two messages nothing is held at all.

use std::{
    borrow::Cow,
    io::{self, Cursor, Read, Write},
    mem,
};

use bytes::Bytes;
use trappe_core::{
    encode::ws as frames,
    limits::{READ_BYTES, WS_ANSWERS_BYTES, WS_BUFFER_BYTES},
};
use tungstenite::{
    Error, Message,
    handshake::derive_accept_key,
    protocol::{
        Role, WebSocketConfig, WebSocketContext,
        frame::{
            FrameHeader,
            coding::{Control, Data, OpCode},
        },
    },
};

#[cfg(test)]
mod tests;

/// Close codes (RFC 6455 §7.4.1) that end a connection of ours.
pub(crate) mod code {
    /// A frame that can't be.
    pub(crate) const PROTOCOL: u16 = 1002;
    /// Text that isn't UTF-8.
    pub(crate) const NOT_UTF8: u16 = 1007;
    /// What the hub doesn't allow.
    pub(crate) const POLICY: u16 = 1008;
    /// A message longer than is accepted.
    pub(crate) const TOO_LONG: u16 = 1009;
}

/// The payload of a control frame at most (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// The receiving half of one connection after its upgrade, as the server. Small while nothing is unfinished: no heap at all.
#[derive(Debug)]
pub(crate) struct WebSocket {
    /// The longest message, its fragments taken together.
    message_bytes: usize,
    /// The beginning of a frame, header included, whose rest is yet to come. It grows with what comes, not by what is announced.
    frame: Vec<u8>,
    /// Reads whole frames. There is one only while a message is unfinished, or while more frames are at hand.
    context: Option<Box<WebSocketContext>>,
    /// Bytes of the fragments so far; `None` while no message has begun.
    fragments: Option<usize>,
    /// What the context's own buffer has grown to: its largest frame.
    buffer: usize,
    closed: bool,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole message. Text is valid UTF-8.
    Message {
        /// Without masks and fragment bounds. It may be part of a larger allocation: copy what is kept for long.
        body: Bytes,
        /// It came in text frames, not in binary ones.
        text: bool,
    },
    /// The end: the peer closed, or broke the protocol. The frame is to be written last; nothing more will come out.
    Closed(Bytes),
}

/// Why the connection is ended by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Protocol(&'static str),
    NotUtf8,
    TooLong,
}

/// What a frame's header says, once it has been judged.
#[derive(Clone, Copy)]
struct Head {
    opcode: OpCode,
    /// Bytes of the payload.
    payload: usize,
    /// Bytes of header and payload.
    total: usize,
}

/// All of a frame.
struct Frame<'a> {
    head: Head,
    bytes: Cow<'a, [u8]>,
}

impl WebSocket {
    /// A connection just upgraded, whose messages may have so many bytes.
    pub(crate) fn new(message_bytes: usize) -> Self {
        Self {
            message_bytes,
            frame: Vec::new(),
            context: None,
            fragments: None,
            buffer: 0,
            closed: false,
        }
    }

    /// The next message of `input`, which is advanced past what was taken; `None` when all of it is used up.
    ///
    /// Pongs are appended to `out` as whole frames: fewer bytes than the pings had, and [`WS_ANSWERS_BYTES`] and one frame a
    /// call at most; past that the latest of several pings is answered for all (RFC 6455 §5.5.3). After
    /// [`Incoming::Closed`] everything is swallowed. Empty fragments without end cost no memory, only their sender's time:
    /// that of an unfinished message is the caller's to bound, and there is one while [`Self::held`] isn't 0.
    pub(crate) fn next(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Option<Incoming> {
        let before = out.len();
        let mut last_pong = None;
        while !self.closed {
            let came = match self.cut(input) {
                Ok(None) => {
                    self.rest();
                    return None;
                }
                Ok(Some(Frame { head, bytes })) => {
                    if head.opcode == OpCode::Control(Control::Ping) {
                        if let Some(start) = last_pong
                            && out.len() - before >= WS_ANSWERS_BYTES
                        {
                            out.truncate(start);
                        }
                        last_pong = Some(out.len());
                    }
                    self.read(head, &bytes, out)
                }
                Err(fault) => Err(fault),
            };
            if input.is_empty() {
                self.rest();
            }
            let end = match came {
                Ok(None) => continue,
                Ok(Some(Incoming::Closed(frame))) => frame,
                Ok(message) => return message,
                Err(fault) => fault.frame(self.message_bytes),
            };
            *self = Self { closed: true, ..Self::new(self.message_bytes) };
            *input = &[];
            return Some(Incoming::Closed(end));
        }
        *input = &[];
        None
    }

    /// Bytes held for an unfinished frame or message; 0 when there is none.
    pub(crate) fn held(&self) -> usize {
        self.frame.capacity() + self.fragments.unwrap_or(0) + self.buffer
    }

    /// Gives its memory back, unless a message is unfinished.
    fn rest(&mut self) {
        if self.fragments.is_none() {
            self.context = None;
            self.buffer = 0;
        }
    }

    /// The next frame, if all of it is there; else its beginning is kept.
    fn cut<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Fault> {
        // Nearly always: whole frames in one read, which nobody needs to copy.
        if self.frame.is_empty()
            && let Some(head) = self.measure(input)?
            && let Some((frame, rest)) = input.split_at_checked(head.total)
        {
            *input = rest;
            return Ok(Some(Frame { head, bytes: Cow::Borrowed(frame) }));
        }
        loop {
            let Some(head) = self.measure(&self.frame)? else {
                // A header has 14 bytes at most: byte by byte is soon done, and takes nothing that isn't its own.
                let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
                self.frame.push(byte);
                *input = rest;
                continue;
            };
            let missing = head.total - self.frame.len();
            let (piece, rest) = input.split_at(missing.min(input.len()));
            // Doubling keeps many small reads linear; no step goes past the end of the frame.
            let needed = self.frame.len() + piece.len();
            if needed > self.frame.capacity() {
                let wanted = needed.max(2 * self.frame.capacity()).min(head.total);
                self.frame.reserve_exact(wanted - self.frame.len());
            }
            self.frame.extend_from_slice(piece);
            *input = rest;
            let whole = piece.len() == missing;
            return Ok(whole.then(|| {
                let bytes = Cow::Owned(mem::take(&mut self.frame));
                Frame { head, bytes }
            }));
        }
    }

    /// The header at the beginning of `bytes`; `None` while it isn't whole.
    fn measure(&self, bytes: &[u8]) -> Result<Option<Head>, Fault> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Fault::Protocol("opcode"))?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let payload = self.judge(&header, length)?;
        let header_bytes = usize::try_from(cursor.position()).expect("14 at most");
        Ok(Some(Head { opcode: header.opcode, payload, total: header_bytes + payload }))
    }

    /// Everything that a header can be wrong in (RFC 6455 §5.1–5.5), and the length that it may announce.
    fn judge(&self, header: &FrameHeader, length: u64) -> Result<usize, Fault> {
        let wrong = |what| Err(Fault::Protocol(what));
        if header.mask.is_none() {
            return wrong("no mask");
        }
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return wrong("reserved bit");
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let before = match (header.opcode, self.fragments) {
            (OpCode::Control(_), _) if !header.is_final => {
                return wrong("control frame in fragments");
            }
            (OpCode::Control(_), _) if length > CONTROL_BYTES => {
                return wrong("control frame too long");
            }
            (OpCode::Control(_), _) => return Ok(length),
            (OpCode::Data(Data::Continue), None) => return wrong("nothing to continue"),
            (OpCode::Data(Data::Continue), Some(before)) => before,
            (OpCode::Data(_), Some(_)) => return wrong("message inside a message"),
            (OpCode::Data(_), None) => 0,
        };
        if length > self.message_bytes - before {
            return Err(Fault::TooLong);
        }
        Ok(length)
    }

    /// Has one whole frame read for what it means.
    fn read(
        &mut self,
        head: Head,
        frame: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Incoming>, Fault> {
        let before = out.len();
        // As large as the frame, within a read's size: then it's taken in few pieces. What a context has at first it keeps, but
        // where a large frame follows a tiny one each byte is still taken once.
        let buffer = head.total.clamp(WS_BUFFER_BYTES, READ_BYTES);
        self.buffer = self.buffer.max(buffer).max(head.total);
        let context = self.context.get_or_insert_with(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(buffer)
                .write_buffer_size(0)
                .max_message_size(Some(self.message_bytes))
                .max_frame_size(Some(self.message_bytes.max(CONTROL_BYTES)));
            Box::new(WebSocketContext::new(Role::Server, Some(config)))
        });
        let mut memory = Memory { input: frame, out };
        let message = match context.read(&mut memory) {
            Ok(Message::Text(body)) => Incoming::Message { body: body.into(), text: true },
            Ok(Message::Binary(body)) => Incoming::Message { body, text: false },
            Ok(Message::Ping(_)) => {
                context.flush(&mut memory)?;
                return Ok(None);
            }
            Ok(Message::Close(_)) => {
                // That the answer is written is reported as the end of the connection, which it is.
                let _ended = context.flush(&mut memory);
                return Ok(Some(Incoming::Closed(out.split_off(before).into())));
            }
            // A `Frame` is only ever written.
            Ok(Message::Pong(_) | Message::Frame(_)) => return Ok(None),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                // Whole, and yet no message: a fragment.
                self.fragments = Some(self.fragments.unwrap_or(0) + head.payload);
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        self.fragments = None;
        Ok(Some(message))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Utf8(_) => Fault::NotUtf8,
            Error::Capacity(_) => Fault::TooLong,
            _ => Fault::Protocol("close frame"),
        }
    }
}

impl Fault {
    /// The close frame that says so. Its reason is for developers, hence a code and no sentence.
    fn frame(self, message_bytes: usize) -> Bytes {
        match self {
            Fault::Protocol(what) => close_frame(code::PROTOCOL, what),
            Fault::NotUtf8 => close_frame(code::NOT_UTF8, "not UTF-8"),
            Fault::TooLong => close_frame(code::TOO_LONG, &format!("too-long > {message_bytes}")),
        }
    }
}

/// What tungstenite takes for a stream: one frame to read, and where the answers go.
struct Memory<'a> {
    input: &'a [u8],
    out: &'a mut Vec<u8>,
}

impl Read for Memory<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // An end of stream would be taken for the end of the connection.
        if self.input.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            self.input.read(buffer)
        }
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A close frame from the server, with a code of [`code`].
pub(crate) fn close_frame(code: u16, reason: &str) -> Bytes {
    let mut frame = Vec::new();
    frames::close(&mut frame, code, reason);
    frame.into()
}

/// The answer to `Sec-WebSocket-Key` (RFC 6455 §4.2.2); `None` unless the key is base64 of 16 bytes, as it must be.
pub(crate) fn accept_key(key: &str) -> Option<String> {
    let digits = key.strip_suffix("==")?.as_bytes();
    let good = |&b: &u8| b.is_ascii_alphanumeric() || b == b'+' || b == b'/';
    // 16 bytes are 21 digits and a third of one, then padding.
    (digits.len() == 22 && digits.iter().all(good)).then(|| derive_accept_key(key.as_bytes()))
}
