//! What is known of one connection everywhere: shared by its reader, its worker's pump, and whoever asks after it.
//!
//! Each member costs one of these, so it is kept small; a test holds its size.

use std::{
    sync::atomic::{
        AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
    task::Waker,
    time::Duration,
};

use trappe_core::limits::PRIVATE_BYTES;

use super::{metrics::Transport, micros, sync::Mutex};
use crate::net::address::Peer;

/// Rooms, each with a log index. Boxed twice over: nearly nobody is behind, and everybody pays for the pointer.
type Behind = Box<Vec<(u32, u64)>>;

/// Asked of a reader: to drop its unfinished message.
const EVICT: u8 = 1;
/// Asked of a reader: to take what datagrams have said for its member.
const SAID: u8 = 2;
/// Another connection has taken the session over.
const SUPERSEDED: u8 = 1;
/// The member has left, or is leaving.
const LEFT: u8 = 2;

/// One connection, from accept to close.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Where it comes from.
    pub(crate) peer: Peer,
    /// When it came, in microseconds since the hub began.
    since_us: u64,
    /// The worker that it lives and dies on.
    pub(crate) worker: usize,
    /// Its place in that worker's pump.
    pub(crate) slot: u32,
    /// A peer that isn't on this machine, where only this machine may speak.
    pub(crate) refused: bool,
    /// The log index and seq of the lobby when it came.
    pub(crate) entry: (u64, u64),
    stage: AtomicU8,
    /// What its reader is asked to do: [`EVICT`], [`SAID`].
    asked: AtomicU8,
    /// Its number once it is a member, 0 before.
    number: AtomicU64,
    /// Bytes in its private queue, or under way to it.
    queued: AtomicUsize,
    /// Messages of others that it missed because it read too slowly.
    pub(crate) missed: AtomicU64,
    /// Its own messages that were refused.
    pub(crate) rejected: AtomicU32,
    /// For each room in which it is behind, the log index that it had got to when it was last looked at.
    behind: Mutex<Option<Behind>>,
    /// How its member came to its end: [`SUPERSEDED`], [`LEFT`].
    over: AtomicU8,
    /// A byte has come from it.
    heard: AtomicBool,
    /// A byte has been written to it.
    wrote: AtomicBool,
    /// What it speaks: a [`Transport`].
    transport: AtomicU8,
    /// Somebody watches its wire.
    watched: AtomicBool,
    /// Bytes of its stream, or of its frames, that were heard: only its reader adds to them.
    heard_bytes: AtomicU64,
    /// Wakes its reader.
    waker: Mutex<Option<Waker>>,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It has sent nothing yet.
    Silent = 0,
    /// Its first bytes are being looked at, or it is a member that its reader looks after.
    Heard = 1,
    /// The server stops: the reader is to read once more what has arrived.
    LastRead = 2,
    /// Everything due to it is written, and its sending half is shut: the reader drains what still comes.
    Linger = 3,
}

impl Conn {
    pub(crate) fn new(
        peer: Peer,
        since: Duration,
        worker: usize,
        slot: u32,
        refused: bool,
        entry: (u64, u64),
    ) -> Conn {
        Conn {
            peer,
            since_us: micros(since),
            worker,
            slot,
            refused,
            entry,
            stage: AtomicU8::new(Stage::Silent as u8),
            asked: AtomicU8::new(0),
            number: AtomicU64::new(0),
            queued: AtomicUsize::new(0),
            missed: AtomicU64::new(0),
            rejected: AtomicU32::new(0),
            behind: Mutex::new(None),
            over: AtomicU8::new(0),
            heard: AtomicBool::new(false),
            wrote: AtomicBool::new(false),
            transport: AtomicU8::new(match peer {
                Peer::Ip(_) => Transport::Tcp,
                Peer::Unix => Transport::Unix,
            } as u8),
            watched: AtomicBool::new(false),
            heard_bytes: AtomicU64::new(0),
            waker: Mutex::new(None),
        }
    }

    /// When it came, since the hub began.
    pub(crate) fn since(&self) -> Duration {
        Duration::from_micros(self.since_us)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number.load(Acquire)
    }

    pub(crate) fn set_number(&self, number: u64) {
        self.number.store(number, Release);
    }

    pub(crate) fn transport(&self) -> Transport {
        Transport::ALL[usize::from(self.transport.load(Relaxed))]
    }

    /// It speaks something else than its socket's first language.
    pub(crate) fn set_transport(&self, transport: Transport) {
        self.transport.store(transport as u8, Relaxed);
    }

    /// Whether another connection has taken its session over: what it says from then on is nobody's.
    pub(crate) fn is_superseded(&self) -> bool {
        self.over.load(Acquire) & SUPERSEDED != 0
    }

    pub(crate) fn supersede(&self) {
        self.over.fetch_or(SUPERSEDED, AcqRel);
    }

    /// Whether somebody watches its wire.
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Returns whether somebody did.
    pub(crate) fn set_watched(&self, watched: bool) -> bool {
        self.watched.swap(watched, Relaxed)
    }

    /// Datagrams have said something for it: its reader is woken.
    pub(crate) fn set_said(&self) {
        self.asked.fetch_or(SAID, AcqRel);
        self.wake();
    }

    /// Whether they have, since this was last asked.
    pub(crate) fn take_said(&self) -> bool {
        self.take_asked(SAID)
    }

    /// Whether its member has left, or is leaving.
    pub(crate) fn has_left(&self) -> bool {
        self.over.load(Relaxed) & LEFT != 0
    }

    pub(crate) fn set_left(&self) {
        self.over.fetch_or(LEFT, AcqRel);
    }

    /// How many bytes were heard from it.
    pub(crate) fn heard_bytes(&self) -> u64 {
        self.heard_bytes.load(Relaxed)
    }

    /// Its reader has heard so many bytes more.
    pub(crate) fn count_heard(&self, bytes: usize) {
        // One writer: no lock on the bus is needed.
        self.heard_bytes.store(self.heard_bytes() + bytes as u64, Relaxed);
    }

    /// Whether a byte has come from it.
    pub(crate) fn was_heard(&self) -> bool {
        self.heard.load(Relaxed)
    }

    pub(crate) fn set_heard(&self) {
        self.heard.store(true, Relaxed);
    }

    /// Whether a byte was written to it. Only its own worker's tasks get an answer that stays true.
    pub(crate) fn wrote(&self) -> bool {
        self.wrote.load(Relaxed)
    }

    pub(crate) fn set_wrote(&self) {
        self.wrote.store(true, Relaxed);
    }

    /// Where it is behind: each room, and the log index that it has got to.
    pub(crate) fn set_behind(&self, behind: Option<Behind>) {
        *self.behind.lock() = behind;
    }

    /// How far it is behind the index `head` of a room.
    pub(crate) fn lag(&self, room: u32, head: u64) -> u64 {
        let behind = self.behind.lock();
        let at = behind.iter().flat_map(|rooms| rooms.iter()).find(|(r, _)| *r == room);
        at.map_or(0, |(_, at)| head.saturating_sub(*at))
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Acquire) {
            0 => Stage::Silent,
            1 => Stage::Heard,
            2 => Stage::LastRead,
            _ => Stage::Linger,
        }
    }

    /// The server stops, or this connection does.
    pub(crate) fn is_ending(&self) -> bool {
        self.stage() >= Stage::LastRead
    }

    /// Moves on to a later stage, never back, and wakes the reader if it is to do something about it.
    pub(crate) fn advance(&self, stage: Stage) {
        let before = self.stage.fetch_max(stage as u8, AcqRel);
        if before < stage as u8 && stage > Stage::Heard {
            self.wake();
        }
    }

    /// Takes room for `bytes` in the private queue, if there is any left; one thing always fits into an empty queue.
    pub(crate) fn reserve(&self, bytes: usize) -> bool {
        let take = |queued: usize| {
            (queued == 0 || queued + bytes <= PRIVATE_BYTES).then_some(queued + bytes)
        };
        self.queued.fetch_update(AcqRel, Acquire, take).is_ok()
    }

    /// Takes room for the member's own replies: always, but its reader stops until they are written.
    pub(crate) fn claim(&self, bytes: usize) {
        self.queued.fetch_add(bytes, AcqRel);
    }

    /// Gives room back; wakes the reader if it may go on.
    pub(crate) fn release(&self, bytes: usize) {
        if bytes > 0 {
            let before = self.queued.fetch_sub(bytes, AcqRel);
            if before > PRIVATE_BYTES && before - bytes <= PRIVATE_BYTES {
                self.wake();
            }
        }
    }

    /// The private queue is full: the member is not read from.
    pub(crate) fn is_full(&self) -> bool {
        self.queued.load(Acquire) > PRIVATE_BYTES
    }

    /// Something is in the private queue, or under way to it.
    pub(crate) fn has_queued(&self) -> bool {
        self.queued.load(Acquire) > 0
    }

    /// The pool is full and this client holds most of it: its reader is to drop what is unfinished.
    pub(crate) fn evict(&self) {
        self.asked.fetch_or(EVICT, AcqRel);
        self.wake();
    }

    /// Whether that was asked, once.
    pub(crate) fn take_evicted(&self) -> bool {
        self.take_asked(EVICT)
    }

    fn take_asked(&self, what: u8) -> bool {
        self.asked.load(Relaxed) & what != 0 && self.asked.fetch_and(!what, AcqRel) & what != 0
    }

    /// Remembers how to wake the reader.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut slot = self.waker.lock();
        if !slot.as_ref().is_some_and(|w| w.will_wake(waker)) {
            *slot = Some(waker.clone());
        }
    }

    /// Wakes the reader.
    pub(crate) fn wake(&self) {
        let waker = self.waker.lock().clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The reader has gone: nobody is to be woken any more.
    pub(crate) fn forget_waker(&self) {
        *self.waker.lock() = None;
    }

    pub(crate) fn count_rejected(&self) {
        self.rejected.fetch_add(1, Relaxed);
    }
}
