//! A client that says something: how its bytes become messages, and when.

use std::{sync::Arc, task::Context, time::Duration};

use trappe_core::{
    encode::ws::{self, Opcode},
    framing::{End, Frame, Framer},
    limits::{PING, REPLIES_BYTES, TAKE_OVER, TURN_COMMANDS, UNFINISHED_IDLE, UNFINISHED_TOTAL},
    session::Session,
    watch::{Reads, Spoken},
};

use super::{
    Shared,
    conn::Conn,
    mail::Defaults,
    moves,
    pool::Share,
    reader::Timer,
    voice::{Verdict, Voice},
    wire,
};
use crate::net::{
    alive::{Alive, Check},
    sniff,
    ws::{Incoming, WebSocket, close_frame, code},
};

/// A WebSocket peer: its frames, and its signs of life.
struct Socket {
    frames: WebSocket,
    alive: Alive,
    /// Since when a message is unfinished.
    unfinished: Option<Duration>,
    /// It isn't read from for the others' sake: what it says lies unread, its signs of life too.
    unread: bool,
}

impl Socket {
    /// When there is something to be looked at.
    fn due(&self) -> Duration {
        let alive = self.alive.due();
        let unfinished = self
            .unfinished
            .map(|since| (self.alive.last_heard() + UNFINISHED_IDLE).min(since + UNFINISHED_TOTAL));
        unfinished.map_or(alive, |due| due.min(alive))
    }
}

/// What a client's bytes are.
enum Input {
    Stream(Framer),
    WebSocket(Box<Socket>),
    /// Each datagram is a message; there is nothing to be put together.
    Datagrams,
}

/// See the module.
pub(crate) struct Talk {
    input: Input,
    pub(super) voice: Voice,
    pub(super) timer: Timer,
    /// What was read, but isn't carried out yet.
    rest: Vec<u8>,
    /// What it holds of what is unfinished.
    share: Share,
    /// Where its reads were cut, while somebody watches.
    reads: Option<Box<Reads>>,
}

impl Talk {
    /// A client of lines. `suspect`: the first bytes, where they may still become an HTTP request line; then no pause ends it.
    pub(super) fn new(shared: &Shared, conn: &Arc<Conn>, suspect: Option<&[u8]>) -> Talk {
        let Defaults { look, message_bytes, .. } = shared.defaults;
        let session = Session::new(conn.number(), look, message_bytes);
        let mut voice = Voice::new(session, [(Arc::clone(shared.lobby()), conn.entry.1)]);
        voice.suspect = suspect.is_some();
        let mut framer = Framer::new(look.framing, message_bytes);
        framer.hold_first_line(suspect.is_some_and(sniff::is_suspect));
        let input = Input::Stream(framer);
        Talk {
            input,
            voice,
            timer: Timer::default(),
            rest: Vec::new(),
            share: Share::new(&shared.pool, conn),
            reads: None,
        }
    }

    /// A client whose upgrade to WebSocket is done.
    pub(crate) fn websocket(shared: &Shared, conn: &Arc<Conn>, voice: Voice) -> Talk {
        let now = shared.now();
        let frames = WebSocket::new(shared.defaults.message_bytes);
        let input = Input::WebSocket(Box::new(Socket {
            frames,
            alive: Alive::new(now),
            unfinished: None,
            unread: false,
        }));
        let mut timer = Timer::default();
        timer.set(now, Some(now + if voice.waits { TAKE_OVER } else { PING }));
        let share = Share::new(&shared.pool, conn);
        Talk { input, voice, timer, rest: Vec::new(), share, reads: None }
    }

    /// A member by UDP.
    pub(super) fn datagrams(shared: &Shared, conn: &Arc<Conn>, voice: Voice) -> Talk {
        let share = Share::new(&shared.pool, conn);
        let timer = Timer::default();
        Talk { input: Input::Datagrams, voice, timer, rest: Vec::new(), share, reads: None }
    }

    /// Takes a datagram: a whole message, said by the member itself or by an address that is attached to it. A newline at its
    /// end is none of it; an empty one says nothing.
    pub(super) fn datagram(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        datagram: &[u8],
    ) -> Verdict {
        debug_assert!(!self.has_rest(), "what came before is carried out first");
        let now = shared.now();
        let body = without_newline(datagram);
        let frame = if body.len() > shared.defaults.message_bytes {
            Frame::TooLong
        } else {
            Frame::Message { body, end: End::Datagram }
        };
        if matches!(self.input, Input::Datagrams) {
            // What an attached address says is no part of the stream that is watched.
            let before = conn.heard_bytes();
            conn.count_heard(datagram.len());
            wire::read(shared, conn, &mut self.reads, before, datagram.len());
            if body.is_empty() {
                if let Some(reads) = &mut self.reads {
                    reads.used(datagram);
                }
            } else {
                tell(&mut self.reads, shared, conn, &self.voice, datagram, &frame);
            }
        }
        if body.is_empty() {
            return Verdict::GoOn;
        }
        let verdict = self.voice.frame(shared, conn, now, frame);
        self.voice.flush(shared, conn);
        verdict
    }

    /// Takes what was read.
    pub(crate) fn hear(&mut self, shared: &Shared, conn: &Arc<Conn>, data: &[u8]) -> Verdict {
        let verdict = self.catch_up(shared, conn);
        if verdict != Verdict::GoOn {
            return verdict;
        }
        let now = shared.now();
        // What was due before this read came is not glued to it.
        if let Input::Stream(framer) = &self.input
            && framer.deadline().is_some_and(|due| due <= now)
        {
            let verdict = self.drain(shared, conn, now, |framer| framer.timeout(now));
            if verdict != Verdict::GoOn {
                return verdict;
            }
        }
        let before = conn.heard_bytes();
        conn.count_heard(data.len());
        wire::read(shared, conn, &mut self.reads, before, data.len());
        match &mut self.input {
            Input::Stream(framer) => framer.read(now, data),
            Input::WebSocket(socket) => socket.alive.heard(now),
            Input::Datagrams => {}
        }
        self.carry_out(shared, conn, now, data)
    }

    /// Goes on with what was read but not carried out yet.
    pub(super) fn go_on(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let rest = std::mem::take(&mut self.rest);
        self.carry_out(shared, conn, shared.now(), &rest)
    }

    /// Carries out all that was read, however much that is: something that came after it is due now.
    fn catch_up(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let mut verdict = Verdict::GoOn;
        while verdict == Verdict::GoOn && self.has_rest() {
            verdict = self.go_on(shared, conn);
        }
        verdict
    }

    /// Whether something was read that isn't carried out yet: nothing more is read before it is.
    pub(super) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Takes the messages of `data` until its end, or until it is time for others: the private queue is full, or many
    /// commands have been carried out. What remains is kept for [`go_on`](Self::go_on).
    fn carry_out(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        data: &[u8],
    ) -> Verdict {
        let mut verdict = Verdict::GoOn;
        let (mut input, mut told) = (data, data);
        self.voice.commands = 0;
        loop {
            match &mut self.input {
                Input::Stream(framer) => {
                    let Some(frame) = framer.next(now, &mut input) else { break };
                    let used = &told[..told.len() - input.len()];
                    tell(&mut self.reads, shared, conn, &self.voice, used, &frame);
                    told = input;
                    verdict = self.voice.frame(shared, conn, now, frame);
                    if verdict == Verdict::GoOn
                        && let Some(framing) = self.voice.session.framing_asked()
                    {
                        framer.switch(framing);
                    }
                }
                Input::WebSocket(socket) => {
                    let Some(incoming) = socket.frames.next(&mut input, &mut self.voice.out) else {
                        break;
                    };
                    if let Incoming::Message { body, text } = &incoming {
                        let used = &told[..told.len() - input.len()];
                        let frame = ws_frame(body, *text);
                        tell(&mut self.reads, shared, conn, &self.voice, used, &frame);
                        told = input;
                    }
                    verdict = incoming_frame(&mut self.voice, shared, conn, now, incoming);
                }
                // They come by [`Self::datagram`].
                Input::Datagrams => break,
            }
            if verdict != Verdict::GoOn {
                break;
            }
            if self.voice.commands > 0 {
                if self.voice.out.len() >= REPLIES_BYTES {
                    self.voice.flush(shared, conn);
                }
                if self.voice.commands >= TURN_COMMANDS || conn.is_full() {
                    break;
                }
            }
        }
        if let Some(reads) = &mut self.reads {
            reads.used(&told[..told.len() - input.len()]);
        }
        if verdict == Verdict::GoOn {
            self.rest.extend_from_slice(input);
        }
        self.after(shared, conn, now);
        verdict
    }

    /// A deadline has passed.
    pub(super) fn timeout(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let now = shared.now();
        let verdict = match &mut self.input {
            Input::Datagrams => Verdict::GoOn,
            Input::Stream(_) => self.drain(shared, conn, now, |framer| framer.timeout(now)),
            Input::WebSocket(socket) => {
                if self.voice.waits {
                    moves::enter_lobby(shared, conn, &mut self.voice);
                }
                if socket.unread {
                    socket.alive.heard(now);
                }
                let idle = now.saturating_sub(socket.alive.last_heard());
                let total = socket.unfinished.map(|since| now.saturating_sub(since));
                if total.is_some_and(|total| total >= UNFINISHED_TOTAL || idle >= UNFINISHED_IDLE) {
                    return self.close(shared, conn, code::POLICY, "unfinished");
                }
                match socket.alive.check(now) {
                    Check::Wait(_) => Verdict::GoOn,
                    Check::Ask => {
                        ws::frame(&mut self.voice.out, Opcode::Ping, b"");
                        Verdict::GoOn
                    }
                    Check::Gone => {
                        return self.close(shared, conn, code::POLICY, "no sign of life");
                    }
                }
            }
        };
        self.after(shared, conn, now);
        verdict
    }

    /// The end of the stream: what is unfinished is a message.
    pub(super) fn finish(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let mut verdict = self.catch_up(shared, conn);
        if verdict == Verdict::GoOn {
            verdict = self.drain(shared, conn, shared.now(), Framer::finish);
        }
        self.voice.flush(shared, conn);
        verdict
    }

    /// The server stops, and the stream goes on: what is unfinished is a message all the same. But in JSON it is
    /// dropped: half an object would be refused, and its sender takes that for the answer to all of it, which it else
    /// says again to the next server.
    pub(super) fn stop(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let verdict = self.catch_up(shared, conn);
        if verdict == Verdict::GoOn
            && self.voice.session.look().is_json()
            && let Input::Stream(framer) = &mut self.input
        {
            let bytes = framer.forget();
            if bytes > 0 {
                let dropped = Frame::Unfinished { bytes };
                tell(&mut self.reads, shared, conn, &self.voice, &[], &dropped);
            }
            self.voice.flush(shared, conn);
            return verdict;
        }
        if verdict == Verdict::GoOn { self.finish(shared, conn) } else { verdict }
    }

    fn drain(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        next: impl for<'f> Fn(&'f mut Framer) -> Option<Frame<'f>>,
    ) -> Verdict {
        let Input::Stream(framer) = &mut self.input else { return Verdict::GoOn };
        while let Some(frame) = next(framer) {
            tell(&mut self.reads, shared, conn, &self.voice, &[], &frame);
            let verdict = self.voice.frame(shared, conn, now, frame);
            if verdict != Verdict::GoOn {
                return verdict;
            }
            if let Some(framing) = self.voice.session.framing_asked() {
                framer.switch(framing);
            }
        }
        Verdict::GoOn
    }

    /// The unfinished message of this client is dropped: all clients' were too large together, and this one's was
    /// the largest.
    pub(super) fn evict(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        shared.reject(conn);
        let verdict = match &mut self.input {
            Input::Stream(framer) => {
                let bytes = framer.forget();
                let dropped = Frame::Unfinished { bytes };
                tell(&mut self.reads, shared, conn, &self.voice, &[], &dropped);
                self.voice.session.pool_full(bytes, &mut self.voice.out);
                Verdict::GoOn
            }
            Input::Datagrams => Verdict::GoOn,
            // A part of a message can't be taken out of the stream of frames: RFC 6455 has a close code for it.
            Input::WebSocket(_) => {
                return self.close(shared, conn, code::TOO_LONG, "unfinished");
            }
        };
        self.after(shared, conn, shared.now());
        verdict
    }

    /// Ends a WebSocket connection from this side: nothing more that comes is of interest.
    fn close(&mut self, shared: &Shared, conn: &Arc<Conn>, code: u16, reason: &str) -> Verdict {
        self.share.set(0);
        self.voice.depart(shared, conn, None, close_frame(code, reason));
        Verdict::Quit
    }

    /// Whether reading is to wait: in a room where it speaks, everyone else is too far behind, or its own replies are.
    pub(super) fn must_wait(&mut self, shared: &Shared, conn: &Conn, cx: &Context<'_>) -> bool {
        let held_back = self.voice.must_wait(shared, conn, cx);
        if let Input::WebSocket(socket) = &mut self.input {
            // That it doesn't read its own replies is its own affair.
            socket.unread = held_back;
        }
        held_back || conn.is_full()
    }

    fn after(&mut self, shared: &Shared, conn: &Arc<Conn>, now: Duration) {
        self.voice.flush(shared, conn);
        let held = match &mut self.input {
            Input::Stream(framer) => {
                self.timer.set(now, framer.deadline());
                framer.held()
            }
            Input::WebSocket(socket) => {
                // One that is set goes off in time; who was heard meanwhile is then left in peace.
                socket.unfinished = match socket.unfinished {
                    _ if socket.frames.held() == 0 => None,
                    None => Some(now),
                    since => since,
                };
                if !self.timer.is_set() {
                    self.timer.set(now, Some(socket.due().max(now)));
                }
                socket.frames.held()
            }
            Input::Datagrams => 0,
        };
        self.share.set(held);
    }
}

/// A datagram without the newline at its end, which is what `nc -u` puts there.
pub(super) fn without_newline(datagram: &[u8]) -> &[u8] {
    let body = datagram.strip_suffix(b"\n").unwrap_or(datagram);
    if body.len() < datagram.len() { body.strip_suffix(b"\r").unwrap_or(body) } else { body }
}

/// Tells what the framing made of bytes, if somebody watches; `used` are those since the frame before.
fn tell(
    reads: &mut Option<Box<Reads>>,
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &Voice,
    used: &[u8],
    frame: &Frame<'_>,
) {
    if let Some(reads) = reads
        && !is_request(voice, frame)
    {
        wire::frame(shared, conn, reads, used, frame, spoken(voice, frame));
    }
}

/// A first line that turns out to be a request of HTTP is nobody's message, and may hold what its sender keeps to itself.
fn is_request(voice: &Voice, frame: &Frame<'_>) -> bool {
    voice.suspect && matches!(frame, Frame::Message { body, .. } if sniff::is_request(body))
}

/// What a message is taken for, as far as that decides who hears it.
fn spoken(voice: &Voice, frame: &Frame<'_>) -> Spoken {
    let Frame::Message { end, .. } = frame else { return Spoken::Speech };
    if voice.session.look().is_json() {
        Spoken::Json
    } else if voice.session.takes_commands(*end) {
        Spoken::Lines
    } else {
        Spoken::Speech
    }
}

/// A WebSocket message as a frame like any other.
fn ws_frame(body: &[u8], text: bool) -> Frame<'_> {
    Frame::Message { body, end: if text { End::Text } else { End::Binary } }
}

/// One WebSocket message, or the end of them.
fn incoming_frame(
    voice: &mut Voice,
    shared: &Shared,
    conn: &Arc<Conn>,
    now: Duration,
    incoming: Incoming,
) -> Verdict {
    match incoming {
        // As an empty line: nobody has said anything.
        Incoming::Message { body, .. } if body.is_empty() => Verdict::GoOn,
        Incoming::Message { body, text } => voice.frame(shared, conn, now, ws_frame(&body, text)),
        Incoming::Closed(farewell) => {
            voice.depart(shared, conn, None, farewell);
            Verdict::Quit
        }
    }
}
