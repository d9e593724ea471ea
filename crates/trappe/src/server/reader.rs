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
    net::tcp::OwnedReadHalf,
    time::{Sleep, sleep},
};
use trappe_core::limits::{LINGER, READ_BYTES, SNIFF, SNIFF_BYTES};

use super::{
    Shared,
    conn::{Conn, Stage},
    mail::Mail,
    talk::{Talk, Verdict},
    worker::full_line,
};
use crate::net::sniff::{self, Guess};

thread_local! {
    /// The worker's scratch buffer: a buffer a connection would be most of its memory.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into_boxed_slice());
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

/// See the module.
pub(super) struct Reader {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    half: OwnedReadHalf,
    state: State,
    read_last: bool,
    gone: bool,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, conn: Arc<Conn>, half: OwnedReadHalf) -> Reader {
        Reader { shared, conn, half, state: State::Silent, read_last: false, gone: false }
    }

    fn mail(&self, mail: Mail) {
        self.shared.posts.to(&self.conn, mail);
    }

    /// One read into the scratch buffer; what came is dealt with at once. Ready(true): there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.half).poll_read(cx, &mut buffer) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.received(buffer.filled());
                    Poll::Ready(true)
                }
                // A reset counts as the end of the stream: what was sent before it has been read (PROTOCOL §2, rule 2).
                Poll::Ready(_) => Poll::Ready(false),
            }
        })
    }

    fn received(&mut self, data: &[u8]) {
        match &mut self.state {
            State::Deaf(_) => {}
            State::Talking(talk) => {
                let verdict = talk.hear(&self.shared, &self.conn, data);
                self.judged(verdict);
            }
            State::Silent => {
                self.conn.advance(Stage::Heard);
                self.sniff(Sniffing::default(), data);
            }
            State::Sniffing(sniffing) => {
                let sniffing = std::mem::take(&mut **sniffing);
                self.sniff(sniffing, data);
            }
        }
    }

    fn sniff(&mut self, mut sniffing: Sniffing, data: &[u8]) {
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
            other => self.refuse(self.shared.refuse_protocol(&self.conn, other)),
        }
    }

    /// The first bytes are a raw client's. `suspect`: they may still become an HTTP request line.
    fn talk(&mut self, sniffed: &Sniffing, suspect: bool) {
        if self.conn.refused {
            return self.refuse(self.shared.refusal(&self.conn));
        }
        if self.conn.number() == 0 && self.shared.admit(&self.conn).is_err() {
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
        if let State::Talking(mut talk) =
            std::mem::replace(&mut self.state, State::Deaf(Timer::default()))
        {
            talk.fall_silent(&self.shared, &self.conn);
        }
    }

    /// This is no member: it is told why, if nothing was written to it yet, and closed.
    fn refuse(&mut self, why: Bytes) {
        if self.conn.number() != 0 {
            self.shared.hub.lock().depart(self.shared.now(), self.conn.number());
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
            State::Deaf(_) => return,
        }
        self.depart();
    }

    /// The member leaves, without a last word.
    fn depart(&mut self) {
        if let State::Talking(talk) = &mut self.state {
            talk.voice.depart(&self.shared, &self.conn, None, Bytes::new());
        }
        self.deafen();
    }

    /// A listener that never said anything goes, unannounced.
    fn depart_silently(&self) {
        // From here on it can't be admitted any more for having been silent long enough.
        self.conn.advance(Stage::Heard);
        let number = self.conn.number();
        let end = if number == 0 {
            0
        } else {
            let mut hub = self.shared.hub.lock();
            hub.depart(self.shared.now(), number);
            drop(hub);
            self.shared.lobby().tail.with(|log| log.next())
        };
        self.mail(Mail::Finish(Arc::clone(&self.conn), end, Bytes::new()));
    }

    /// The server stops: what has arrived by now was accepted, and is delivered.
    fn last_read(&mut self, cx: &mut Context<'_>) {
        self.read_last = true;
        for _ in 0..LAST_READ_BYTES / READ_BYTES {
            if !matches!(self.read(cx), Poll::Ready(true)) {
                break;
            }
        }
        // The members stay until all is said: only the speech of this one ends here.
        if let State::Sniffing(sniffing) = &mut self.state {
            let sniffing = std::mem::take(&mut **sniffing);
            self.talk(&sniffing, true);
        }
        if let State::Talking(talk) = &mut self.state {
            let _verdict = talk.finish(&self.shared, &self.conn);
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
    fn must_wait(&self, cx: &mut Context<'_>) -> bool {
        match &self.state {
            State::Talking(talk) => self.conn.is_full() || talk.voice.must_wait(&self.conn, cx),
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
            talk.evict(&me.shared, &me.conn);
        }
        if stage == Stage::LastRead && !me.read_last {
            me.last_read(cx);
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
            if let State::Talking(talk) = &mut me.state
                && talk.has_rest()
            {
                let verdict = talk.go_on(&me.shared, &me.conn);
                me.judged(verdict);
                break;
            }
            match me.read(cx) {
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
            self.shared.panics.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.depart_silently();
            self.leave();
        }
    }
}
