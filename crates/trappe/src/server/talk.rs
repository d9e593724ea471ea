//! A client that says something: its framing and its session, and what the hub does for it.

use std::{sync::Arc, task::Context, time::Duration};

use bytes::Bytes;
use trappe_core::{
    framing::{Frame, Framer},
    limits::{REPLIES_BYTES, TURN_COMMANDS},
    message::{Kind, Position},
    room::cursor::Item,
    session::{Session, Step},
};

use super::{
    Shared,
    conn::Conn,
    desk,
    mail::{Act, Defaults, Mail},
    reader::Timer,
    room::Room,
};
use crate::net::sniff;

/// What is to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    GoOn,
    /// The member has left.
    Quit,
    /// Its first line turned out to be an HTTP request: none of it is speech.
    Http,
}

/// See the module.
pub(super) struct Talk {
    framer: Framer,
    pub(super) voice: Voice,
    pub(super) timer: Timer,
    /// What was read, but isn't carried out yet.
    rest: Vec<u8>,
    /// What the pool of unfinished bytes knows of this client.
    held: usize,
}

/// A client apart from its framing: what its messages are handed to.
pub(super) struct Voice {
    pub(super) session: Session,
    pub(super) room: Arc<Room>,
    /// Replies that are not in the private queue yet.
    out: Vec<u8>,
    /// The first line may still become an HTTP request.
    suspect: bool,
    /// Commands since others had their turn.
    commands: usize,
    /// One past the last record of its own, while the pump doesn't know of it.
    own_until: u64,
}

impl Talk {
    /// `suspect`: the first bytes, where they may still become an HTTP request line; then no pause ends it.
    pub(super) fn new(shared: &Shared, conn: &Conn, suspect: Option<&[u8]>) -> Talk {
        let Defaults { look, message_bytes, .. } = shared.defaults;
        let voice = Voice {
            session: Session::new(conn.number(), look, message_bytes),
            room: Arc::clone(shared.lobby()),
            out: Vec::new(),
            suspect: suspect.is_some(),
            commands: 0,
            own_until: 0,
        };
        let mut framer = Framer::new(look.framing, message_bytes);
        framer.hold_first_line(suspect.is_some_and(sniff::is_suspect));
        Talk { framer, voice, timer: Timer::default(), rest: Vec::new(), held: 0 }
    }

    /// Takes what was read.
    pub(super) fn hear(&mut self, shared: &Shared, conn: &Arc<Conn>, data: &[u8]) -> Verdict {
        let verdict = self.catch_up(shared, conn);
        if verdict != Verdict::GoOn {
            return verdict;
        }
        let now = shared.now();
        // What was due before this read came is not glued to it.
        if self.framer.deadline().is_some_and(|due| due <= now) {
            let verdict = self.drain(shared, conn, now, |framer| framer.timeout(now));
            if verdict != Verdict::GoOn {
                return verdict;
            }
        }
        self.framer.read(now, data);
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
        let mut input = data;
        self.voice.commands = 0;
        while let Some(frame) = self.framer.next(now, &mut input) {
            verdict = self.voice.frame(shared, conn, now, frame);
            if verdict != Verdict::GoOn {
                break;
            }
            if let Some(framing) = self.voice.session.framing_asked() {
                self.framer.switch(framing);
            }
            if self.voice.commands > 0 {
                if self.voice.out.len() >= REPLIES_BYTES {
                    self.voice.flush(shared, conn);
                }
                if self.voice.commands >= TURN_COMMANDS || conn.is_full() {
                    self.rest = input.to_vec();
                    break;
                }
            }
        }
        self.after(shared, conn, now);
        verdict
    }

    /// A deadline of the framing has passed.
    pub(super) fn timeout(&mut self, shared: &Shared, conn: &Arc<Conn>) -> Verdict {
        let now = shared.now();
        let verdict = self.drain(shared, conn, now, |framer| framer.timeout(now));
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

    fn drain(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        next: impl for<'f> Fn(&'f mut Framer) -> Option<Frame<'f>>,
    ) -> Verdict {
        while let Some(frame) = next(&mut self.framer) {
            let verdict = self.voice.frame(shared, conn, now, frame);
            if verdict != Verdict::GoOn {
                return verdict;
            }
            if let Some(framing) = self.voice.session.framing_asked() {
                self.framer.switch(framing);
            }
        }
        Verdict::GoOn
    }

    /// This client says nothing more: the pool of unfinished bytes forgets it.
    pub(super) fn fall_silent(&mut self, shared: &Shared, conn: &Arc<Conn>) {
        shared.pool.update(conn, &mut self.held, 0);
    }

    /// The unfinished message of this client is dropped: all clients' were too large together, and this one's was
    /// the largest.
    pub(super) fn evict(&mut self, shared: &Shared, conn: &Arc<Conn>) {
        let bytes = self.framer.forget();
        conn.count_rejected();
        self.voice.session.pool_full(bytes, &mut self.voice.out);
        self.after(shared, conn, shared.now());
    }

    fn after(&mut self, shared: &Shared, conn: &Arc<Conn>, now: Duration) {
        self.voice.flush(shared, conn);
        self.timer.set(now, self.framer.deadline());
        shared.pool.update(conn, &mut self.held, self.framer.held());
    }
}

impl Voice {
    fn frame(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        frame: Frame<'_>,
    ) -> Verdict {
        if std::mem::take(&mut self.suspect) {
            let request = match &frame {
                Frame::Message { body, .. } => sniff::is_request(body),
                // Too long for a line, and still no end to the target.
                Frame::TooLong => true,
                Frame::Unfinished { .. } => false,
            };
            if request {
                return Verdict::Http;
            }
        }
        let before = self.out.len();
        let rejected = !matches!(frame, Frame::Message { .. });
        let step = self.session.frame(frame, &mut self.out);
        if rejected {
            conn.count_rejected();
        }
        if let Some((look, echo)) = self.session.look_changed() {
            // What was said before is in the old look, the reply in the new.
            let reply = self.out.split_off(before);
            self.queue(shared, conn, Item::Look(look, echo));
            self.out = reply;
        }
        self.commands += usize::from(!matches!(step, Step::Speak(_)));
        match step {
            Step::Nothing => {}
            Step::Speak(body) => {
                self.announce(shared, conn, now);
                self.speak(shared, conn, now, &body);
            }
            Step::Ask(request) => {
                if !desk::ask(shared, conn, self, now, request) {
                    return Verdict::Quit;
                }
            }
        }
        if !rejected {
            self.announce(shared, conn, now);
        }
        Verdict::GoOn
    }

    fn speak(&mut self, shared: &Shared, conn: &Arc<Conn>, now: Duration, body: &[u8]) {
        let appended = self.room.append(
            &shared.posts,
            micros(now),
            conn,
            &self.session.author,
            Kind::Speech,
            body,
        );
        self.own_until = appended.index + 1;
        if appended.wake {
            shared.said(conn.worker, &self.room);
        }
        let room = &self.room;
        self.session.spoke(
            || Position { epoch: room.tail.with(|log| log.epoch()), seq: appended.seq },
            &mut self.out,
        );
    }

    /// A notice in the member's room that it doesn't get itself.
    pub(super) fn notice(&mut self, shared: &Shared, conn: &Conn, now: Duration, kind: Kind) {
        let appended =
            self.room.append(&shared.posts, micros(now), conn, &self.session.author, kind, &[]);
        self.own_until = appended.index + 1;
        if appended.wake {
            shared.said(conn.worker, &self.room);
        }
    }

    /// The first thing that a client says or asks makes it known to the room, and gets it its welcome.
    fn announce(&mut self, shared: &Shared, conn: &Conn, now: Duration) {
        if self.session.greeted() {
            return;
        }
        let announced = shared.announces(&shared.hub.lock(), conn.number());
        if announced {
            self.notice(shared, conn, now, Kind::Joined);
        }
        let room = &self.room;
        self.session.greet(|| (room.name.to_string(), room.position()), &mut self.out);
    }

    /// The replies so far go into the private queue; the pump learns which records are the member's own.
    pub(super) fn flush(&mut self, shared: &Shared, conn: &Arc<Conn>) {
        if self.own_until > 0 {
            let until = std::mem::take(&mut self.own_until);
            shared.posts.workers[conn.worker].leave(Mail::Spoke(Arc::clone(conn), until));
        }
        if !self.out.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.out));
            send(shared, conn, Item::Bytes(bytes));
        }
    }

    /// Something that is served in its place among the replies.
    pub(super) fn queue(&mut self, shared: &Shared, conn: &Arc<Conn>, item: Item<Act>) {
        self.flush(shared, conn);
        send(shared, conn, item);
    }

    /// A reply.
    pub(super) fn reply(&mut self, write: impl FnOnce(&Session, &mut Vec<u8>)) {
        write(&self.session, &mut self.out);
    }

    /// The member leaves: the room is told, the name is free, and what is due to it up to now is still written.
    pub(super) fn depart(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        word: Option<&str>,
        farewell: Bytes,
    ) {
        let now = shared.now();
        let announced = {
            let mut hub = shared.hub.lock();
            let announced = shared.announces(&hub, conn.number());
            hub.depart(now, conn.number());
            announced
        };
        let end = self.room.tail.with(|log| log.next());
        if announced && self.session.greeted() {
            self.notice(shared, conn, now, Kind::Left(word.map(Into::into)));
        }
        self.flush(shared, conn);
        shared.posts.to(conn, Mail::Finish(Arc::clone(conn), end, farewell));
    }

    /// Whether reading is to wait: everyone else in the room is too far behind.
    pub(super) fn must_wait(&self, conn: &Conn, cx: &Context<'_>) -> bool {
        self.room.tail.must_wait(conn.number(), conn.worker, || cx.waker().clone())
    }
}

/// Puts an item into the member's own private queue: there is always room, but its reader stops when it is full.
fn send(shared: &Shared, conn: &Arc<Conn>, item: Item<Act>) {
    conn.claim(item.cost());
    shared.posts.to(conn, Mail::Private(Arc::clone(conn), item));
}

/// A time since the hub began in microseconds: 584 000 years fit.
pub(super) fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
