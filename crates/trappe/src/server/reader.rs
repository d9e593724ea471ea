//! One connection's reader: bytes in, as far as its session.
//!
//! A future written by hand, since there is one for each member: what a silent one needs is four words. It reads into
//! its worker's scratch buffer, and owns whatever belongs to its client's speech. It never writes to the socket.

use std::{
    cell::RefCell,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};
use trappe_core::{
    limits::{HEARTBEAT, LINGER, READ_BYTES, SNIFF, SNIFF_BYTES, TURN_COMMANDS},
    room::item::Item,
};

use super::{
    Shared,
    conn::{Conn, Stage},
    mail::Mail,
    metrics::Refused,
    talk::Talk,
    voice::{self, Verdict, Voice},
    worker::full_line,
};
use crate::{
    http,
    net::{
        sniff::{self, Guess},
        stream::OwnedReadHalf,
    },
};

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
}

/// One read of at most `most` bytes into the worker's scratch buffer (a buffer a connection would be most of its memory),
/// handed to `take`. Ready(false): the end of the stream; a reset counts as one, since what was sent before it has been
/// read (PROTOCOL §2, rule 2).
pub(crate) fn read(
    half: &mut OwnedReadHalf,
    cx: &mut Context<'_>,
    most: usize,
    take: impl FnOnce(&[u8]),
) -> Poll<bool> {
    SCRATCH.with_borrow_mut(|scratch| {
        let most = most.min(scratch.len());
        let mut buffer = ReadBuf::new(&mut scratch[..most]);
        match Pin::new(half).poll_read(cx, &mut buffer) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                take(buffer.filled());
                Poll::Ready(true)
            }
            Poll::Ready(_) => Poll::Ready(false),
        }
    })
}

/// Reads of one poll; then others have their turn.
const READS: usize = 2;
/// What the last read of a connection takes at most when the server stops.
const LAST_READ_BYTES: usize = 1 << 20;

/// A timer that exists only while it is needed.
#[derive(Default)]
pub(super) struct Timer(Option<(Duration, Pin<Box<Sleep>>)>);

impl Timer {
    /// Sets the time, since the hub began, at which it goes off; none: never.
    pub(super) fn set(&mut self, now: Duration, due: Option<Duration>) {
        match (due, &mut self.0) {
            (None, timer) => *timer = None,
            (Some(due), Some((old, _))) if *old == due => {}
            (Some(due), Some((old, sleep))) => {
                *old = due;
                sleep.as_mut().reset(tokio::time::Instant::now() + due.saturating_sub(now));
            }
            (Some(due), timer) => *timer = Some((due, Box::pin(sleep(due.saturating_sub(now))))),
        }
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        let off = self.0.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready());
        if off {
            self.0 = None;
        }
        off
    }
}

enum State {
    /// Nothing was sent yet.
    Silent,
    /// The first bytes are still the beginning of more than one protocol.
    Sniffing(Box<Sniffing>),
    /// A client that says something.
    Talking(Box<Talk>),
    /// A client that only listens: to a stream of events.
    Listening(Box<Listening>),
    /// What still comes is of no interest: drained until the end of the stream, or until the timer goes off.
    Deaf(Timer),
}

#[derive(Default)]
struct Sniffing {
    bytes: Vec<u8>,
    /// How long each read was: the framing looks at that.
    reads: Vec<usize>,
    timer: Timer,
}

/// A client that only listens.
struct Listening {
    voice: Voice,
    heartbeat: Timer,
}

/// What a connection is once its HTTP request has been dealt with.
pub(crate) enum After {
    /// It is over.
    End,
    /// It has become a WebSocket member, which has sent these bytes already.
    Talk(Box<Talk>, Vec<u8>),
    /// It has become a stream of events.
    Listen(Voice),
}

/// See the module.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    /// None once another task has taken it over.
    half: Option<OwnedReadHalf>,
    state: State,
    read_last: bool,
    gone: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, conn: Arc<Conn>, half: OwnedReadHalf) -> Reader {
        Reader {
            shared,
            conn,
            half: Some(half),
            state: State::Silent,
            read_last: false,
            gone: false,
        }
    }

    /// Goes on where an HTTP request was dealt with.
    pub(crate) fn after(
        shared: Arc<Shared>,
        conn: Arc<Conn>,
        half: OwnedReadHalf,
        after: After,
    ) -> Reader {
        let state = match after {
            After::End => {
                shared.posts.to(&conn, Mail::Finish(Arc::clone(&conn), Vec::new(), Bytes::new()));
                State::Deaf(Timer::default())
            }
            After::Talk(mut talk, sent) => match talk.hear(&shared, &conn, &sent) {
                Verdict::GoOn => State::Talking(talk),
                Verdict::Quit | Verdict::Http => State::Deaf(Timer::default()),
            },
            After::Listen(voice) => {
                let mut heartbeat = Timer::default();
                let now = shared.now();
                heartbeat.set(now, Some(now + HEARTBEAT));
                State::Listening(Box::new(Listening { voice, heartbeat }))
            }
        };
        Reader { shared, conn, half: Some(half), state, read_last: false, gone: false }
    }

    fn mail(&self, mail: Mail) {
        self.shared.posts.to(&self.conn, mail);
    }

    /// One read; what came is dealt with at once. Ready(true): there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let Some(mut half) = self.half.take() else { return Poll::Pending };
        let mut taken = false;
        let read = read(&mut half, cx, READ_BYTES, |data| taken = self.received(data));
        if taken {
            // It was an HTTP request: its own task goes on.
            self.gone = true;
            let State::Sniffing(sniffing) = std::mem::replace(&mut self.state, State::Silent)
            else {
                unreachable!("only first bytes are handed over");
            };
            http::start(&self.shared, &self.conn, half, sniffing.bytes);
        } else {
            self.half = Some(half);
        }
        read
    }

    /// Deals with what was read. True: the connection is to be served as HTTP.
    fn received(&mut self, data: &[u8]) -> bool {
        self.shared.metrics.worker(self.conn.worker).bytes_in(data.len() as u64);
        match &mut self.state {
            State::Deaf(_) | State::Listening(_) => {}
            State::Talking(talk) => {
                let verdict = talk.hear(&self.shared, &self.conn, data);
                self.judged(verdict);
            }
            State::Silent => {
                self.conn.set_heard();
                self.conn.advance(Stage::Heard);
                return self.sniff(Sniffing::default(), data);
            }
            State::Sniffing(sniffing) => {
                let sniffing = std::mem::take(&mut **sniffing);
                return self.sniff(sniffing, data);
            }
        }
        false
    }

    /// Looks at the first bytes. True: they are HTTP, which is served here.
    fn sniff(&mut self, mut sniffing: Sniffing, data: &[u8]) -> bool {
        sniffing.bytes.extend_from_slice(data);
        sniffing.reads.push(data.len());
        let guess = match sniff::guess(&sniffing.bytes) {
            // Only a request's target can be unfinished for so long.
            Guess::More if sniffing.bytes.len() > SNIFF_BYTES => Guess::Http,
            guess => guess,
        };
        match guess {
            Guess::More => {
                if sniffing.timer.0.is_none() {
                    let now = self.shared.now();
                    sniffing.timer.set(now, Some(now + SNIFF));
                }
                self.state = State::Sniffing(Box::new(sniffing));
            }
            Guess::Raw => self.talk(&sniffing, false),
            Guess::Http if !self.conn.refused && self.shared.only.speaks_http() => {
                let withdrawn = self.conn.number() == 0 || self.withdraw();
                if withdrawn {
                    self.state = State::Sniffing(Box::new(sniffing));
                }
                return withdrawn;
            }
            other => self.refuse(self.shared.refuse_protocol(&self.conn, other)),
        }
        false
    }

    /// What was taken for a silent listener speaks HTTP. True: nothing was written to it yet, so that it can be served.
    fn withdraw(&mut self) -> bool {
        self.shared.depart(&mut self.shared.hub.lock(), self.shared.now(), &self.conn);
        self.conn.set_number(0);
        self.mail(Mail::Withdraw(Arc::clone(&self.conn)));
        if self.conn.wrote() {
            self.refuse(Bytes::new());
            return false;
        }
        true
    }

    /// The first bytes are a raw client's. `suspect`: they may still become an HTTP request line.
    fn talk(&mut self, sniffed: &Sniffing, suspect: bool) {
        if self.conn.refused {
            return self.refuse(self.shared.refusal(&self.conn));
        }
        if !self.shared.only.lines {
            self.shared.metrics.refused(Refused::Only);
            return self.refuse(self.shared.no_lines());
        }
        if self.conn.number() == 0 && self.shared.admit(&self.conn).is_err() {
            self.shared.metrics.refused(Refused::Full);
            return self.refuse(full_line(self.shared.defaults.look));
        }
        let suspect = suspect.then_some(&sniffed.bytes[..]);
        let mut talk = Box::new(Talk::new(&self.shared, &self.conn, suspect));
        let mut rest = &sniffed.bytes[..];
        let mut verdict = Verdict::GoOn;
        for &len in &sniffed.reads {
            let (read, more) = rest.split_at(len);
            rest = more;
            verdict = talk.hear(&self.shared, &self.conn, read);
            if verdict != Verdict::GoOn {
                break;
            }
        }
        self.state = State::Talking(talk);
        self.judged(verdict);
    }

    fn judged(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::GoOn => {}
            Verdict::Quit => self.deafen(),
            Verdict::Http => self.refuse(self.shared.refuse_protocol(&self.conn, Guess::Http)),
        }
    }

    /// Nothing that still comes is of interest.
    fn deafen(&mut self) {
        self.state = State::Deaf(Timer::default());
    }

    /// This is no member: it is told why, if nothing was written to it yet, and closed.
    fn refuse(&mut self, why: Bytes) {
        if self.conn.number() != 0 {
            self.shared.depart(&mut self.shared.hub.lock(), self.shared.now(), &self.conn);
        }
        self.deafen();
        self.mail(Mail::Refuse(Arc::clone(&self.conn), why));
    }

    /// The client's stream has ended, or is to be taken as ended: its last message is delivered, and it leaves.
    fn hang_up(&mut self) {
        match &mut self.state {
            State::Talking(talk) => {
                let verdict = talk.finish(&self.shared, &self.conn);
                if verdict != Verdict::GoOn {
                    // Its last message was a goodbye, or no speech at all: it has left already.
                    return self.judged(verdict);
                }
            }
            State::Sniffing(sniffing) => {
                // It ended before it was clear what it is: so it was none of the other protocols.
                let sniffing = std::mem::take(&mut **sniffing);
                self.talk(&sniffing, true);
                return self.hang_up();
            }
            State::Silent => return self.depart_silently(),
            State::Listening(_) => {}
            State::Deaf(_) => return,
        }
        self.depart();
    }

    /// Carries out what datagrams have said for the member: not before what it has said itself, and no more than is due to it
    /// in one go.
    fn said(&mut self) {
        let State::Talking(talk) = &mut self.state else { return };
        if talk.has_rest() || !self.conn.take_said() {
            return;
        }
        for _ in 0..TURN_COMMANDS {
            if self.conn.is_full() {
                break;
            }
            let Some(datagram) = self.shared.keys.next(&self.conn) else { return };
            let verdict = talk.datagram(&self.shared, &self.conn, &datagram);
            if verdict != Verdict::GoOn {
                return self.judged(verdict);
            }
        }
        // The others have their turn first; who is full is woken when it isn't any more.
        self.conn.set_said();
    }

    /// The member leaves, without a last word.
    fn depart(&mut self) {
        let voice = match &mut self.state {
            State::Talking(talk) => &mut talk.voice,
            State::Listening(listening) => &mut listening.voice,
            _ => return self.deafen(),
        };
        voice.depart(&self.shared, &self.conn, None, Bytes::new());
        self.deafen();
    }

    /// A listener that never said anything goes, unannounced.
    fn depart_silently(&self) {
        // From here on it can't be admitted any more for having been silent long enough.
        self.conn.advance(Stage::Heard);
        let mut ends = Vec::new();
        if self.conn.number() != 0 {
            let mut hub = self.shared.hub.lock();
            let rooms: Vec<_> =
                hub.rooms_of(self.conn.number()).map(|(_, _, r)| r).cloned().collect();
            self.shared.depart(&mut hub, self.shared.now(), &self.conn);
            drop(hub);
            ends = rooms.iter().map(|room| (room.id, room.tail.with(|log| log.next()))).collect();
        }
        self.mail(Mail::Finish(Arc::clone(&self.conn), ends, Bytes::new()));
    }

    /// The server stops: what has arrived by now was accepted, and is delivered.
    fn last_read(&mut self, cx: &mut Context<'_>) {
        self.read_last = true;
        for _ in 0..LAST_READ_BYTES / READ_BYTES {
            if !matches!(self.read(cx), Poll::Ready(true)) || self.half.is_none() {
                break;
            }
        }
        if self.half.is_none() {
            return;
        }
        // The members stay until all is said: only the speech of this one ends here.
        if let State::Sniffing(sniffing) = &mut self.state {
            let sniffing = std::mem::take(&mut **sniffing);
            self.talk(&sniffing, true);
        }
        self.said();
        if let State::Talking(talk) = &mut self.state {
            let _verdict = talk.stop(&self.shared, &self.conn);
        }
        if !matches!(self.state, State::Deaf(_)) {
            self.deafen();
        }
        self.mail(Mail::ReadLast);
    }

    /// What is due because time has passed.
    fn timers(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Silent => return Poll::Ready(()),
                State::Sniffing(sniffing) => {
                    if !sniffing.timer.poll(cx) {
                        return Poll::Ready(());
                    }
                    let sniffing = std::mem::take(&mut **sniffing);
                    self.talk(&sniffing, true);
                }
                State::Talking(talk) => {
                    if !talk.timer.poll(cx) {
                        return Poll::Ready(());
                    }
                    let verdict = talk.timeout(&self.shared, &self.conn);
                    self.judged(verdict);
                }
                State::Listening(listening) => {
                    if !listening.heartbeat.poll(cx) {
                        return Poll::Ready(());
                    }
                    let now = self.shared.now();
                    listening.heartbeat.set(now, Some(now + HEARTBEAT));
                    // Whoever has enough to read needs no sign of life.
                    if !self.conn.has_queued() {
                        let comment = Item::Bytes(Bytes::from_static(b":\n\n"));
                        voice::send(&self.shared, &self.conn, comment);
                    }
                }
                State::Deaf(timer) => {
                    if timer.poll(cx) {
                        return Poll::Pending;
                    }
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Whether reading is to wait: the private queue is full, or everyone else in the room is behind.
    fn must_wait(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.state {
            State::Talking(talk) => talk.must_wait(&self.shared, &self.conn, cx),
            _ => false,
        }
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.gone, true) {
            self.mail(Mail::ReaderGone(Arc::clone(&self.conn), self.read_last));
        }
    }
}

impl Future for Reader {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let me = &mut *self;
        me.conn.set_waker(cx.waker());
        let stage = me.conn.stage();
        if me.conn.take_evicted()
            && let State::Talking(talk) = &mut me.state
        {
            let verdict = talk.evict(&me.shared, &me.conn);
            me.judged(verdict);
        }
        if stage == Stage::LastRead && !me.read_last {
            me.last_read(cx);
            if me.half.is_none() {
                return Poll::Ready(());
            }
        }
        if stage == Stage::Linger && !matches!(&me.state, State::Deaf(timer) if timer.0.is_some()) {
            // It was the hub that ended it: the member leaves now.
            if !matches!(me.state, State::Deaf(_)) {
                me.hang_up();
            }
            let now = me.shared.now();
            let mut timer = Timer::default();
            timer.set(now, Some(now + LINGER));
            me.state = State::Deaf(timer);
        }
        if me.timers(cx).is_pending() {
            me.leave();
            return Poll::Ready(());
        }
        for _ in 0..READS {
            if me.must_wait(cx) {
                return Poll::Pending;
            }
            me.said();
            if let State::Talking(talk) = &mut me.state
                && talk.has_rest()
            {
                let verdict = talk.go_on(&me.shared, &me.conn);
                me.judged(verdict);
                break;
            }
            let read = me.read(cx);
            if me.half.is_none() {
                return Poll::Ready(());
            }
            match read {
                Poll::Pending => {
                    // What was just read may have set a timer: it has to know whom to wake.
                    if me.timers(cx).is_pending() {
                        break;
                    }
                    return Poll::Pending;
                }
                Poll::Ready(true) => {}
                Poll::Ready(false) => {
                    me.hang_up();
                    me.leave();
                    return Poll::Ready(());
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Reader {
    /// Only after a panic is anything left to do: the connection ends, and nobody else notices.
    fn drop(&mut self) {
        if !self.gone && std::thread::panicking() {
            tracing::error!(
                number = self.conn.number(),
                "a connection's reader panicked: the connection ends"
            );
            self.shared.metrics.panicked();
            self.depart_silently();
            self.leave();
        }
    }
}
