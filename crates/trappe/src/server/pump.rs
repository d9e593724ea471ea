//! One worker's pump: the only task that writes. It seals what was said, and carries every member on to the head.
//!
//! Each time it wakes it yields once, so that other senders' lines join the batch; then it seals, takes its mail, and
//! passes over the members of the rooms that have news. A socket that would block is left alone until the kernel says
//! that it may be written to again; its member's cursor just stays where it is.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, IoSlice},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use slab::Slab;
use trappe_core::{
    limits::{TURN_MEMBER_BYTES, TURN_MEMBER_WRITES, TURN_TIME, TURN_WRITES, WRITE_SLICES},
    room::{
        cursor::{Cursor, Next, Own},
        view::View,
    },
};

use super::{
    Shared,
    conn::Conn,
    mail::{Act, Mail},
    shard::Shard,
};
use crate::net::sink::Sink;

/// One connection as the pump sees it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one event that has happened, in any order"
)]
pub(super) struct Slot {
    pub(super) conn: Arc<Conn>,
    pub(super) sink: Sink,
    pub(super) cursor: Cursor<Act>,
    /// Here too, since it is looked at for each write: the connection itself would be one more line of cache.
    pub(super) own: Own,
    /// The room that it reads, by id, and where it stands among that room's members here.
    pub(super) room: Option<(u32, u32)>,
    /// A write would block: wait for the kernel.
    pub(super) armed: bool,
    /// It isn't at the head.
    pub(super) behind: bool,
    /// Bytes of its half-written message that the hub's ledger counts.
    half_counted: u32,
    /// Its writing end failed: nothing more is written, but what it had sent is still read.
    pub(super) dead: bool,
    /// A byte has been written to it.
    pub(super) wrote: bool,
    pub(super) reader_gone: bool,
    /// Everything due is written and the sending half shut.
    pub(super) ended: bool,
    urgent: bool,
    /// Since when its end is under way, and when it last made progress.
    pub(super) ending: Option<Box<(Duration, Duration)>>,
}

/// A worker's pump.
pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: usize,
    pub(super) slots: Slab<Slot>,
    pub(super) shards: BTreeMap<u32, Shard>,
    /// Rooms with news, round robin.
    pub(super) dirty: VecDeque<u32>,
    /// Members with something in their private queue, or writable again.
    pub(super) urgent: VecDeque<u32>,
    /// Members whose end is under way.
    pub(super) ending: Vec<u32>,
    /// When they were last looked at.
    pub(super) expired: Duration,
    empty: View,
    /// Writes of this turn.
    writes: usize,
    /// Set once the server stops: everything ends at the heads.
    pub(super) closing: bool,
}

/// A half-written rest of at most this size is held for anybody, also at the limit of the hub.
const HALF_BYTES: usize = 4096;

/// What became of a visit to a member.
enum Visit {
    /// It is at the head.
    Settled,
    /// Its socket takes no more.
    Blocked,
    /// It has had its share of this turn.
    More,
    /// It is gone from its room.
    Left,
}

/// Tells the pump that a socket may be written to again.
struct Unblock {
    shared: Arc<Shared>,
    worker: usize,
    slot: u32,
    serial: u32,
}

impl Wake for Unblock {
    fn wake(self: Arc<Self>) {
        self.shared.posts.workers[self.worker].send(Mail::Writable(self.slot, self.serial));
    }
}

impl Pump {
    pub(super) fn new(shared: Arc<Shared>, worker: usize) -> Pump {
        let empty =
            shared.lobby().tail.with(|log| View::new(log.epoch(), VecDeque::new(), (0, 1, 0)));
        Pump {
            shared,
            worker,
            slots: Slab::new(),
            shards: BTreeMap::new(),
            dirty: VecDeque::new(),
            urgent: VecDeque::new(),
            ending: Vec::new(),
            expired: Duration::ZERO,
            empty,
            writes: 0,
            closing: false,
        }
    }

    /// A new connection's slot; `make` gets its key.
    pub(super) fn add(&mut self, sink: Sink, make: impl FnOnce(u32) -> Arc<Conn>) -> Arc<Conn> {
        let entry = self.slots.vacant_entry();
        let conn = make(u32::try_from(entry.key()).expect("descriptors are far fewer than 2^32"));
        let cursor = Cursor::new(0, self.shared.defaults.look, false);
        entry.insert(Slot {
            conn: Arc::clone(&conn),
            sink,
            cursor,
            own: Own { number: 0, until: 0 },
            room: None,
            armed: false,
            half_counted: 0,
            behind: false,
            dead: false,
            wrote: false,
            reader_gone: false,
            ended: false,
            urgent: false,
            ending: None,
        });
        conn
    }

    /// The slot of a connection, if it is still that connection's.
    pub(super) fn slot(&mut self, conn: &Arc<Conn>) -> Option<(u32, &mut Slot)> {
        let slot = self.slots.get_mut(conn.slot as usize)?;
        Arc::ptr_eq(&slot.conn, conn).then_some((conn.slot, slot))
    }

    /// Something is due to this member before the next pass.
    pub(super) fn urge(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        if !slot.urgent && !slot.armed {
            slot.urgent = true;
            self.urgent.push_back(id);
        }
    }

    /// The kernel takes more from this member.
    pub(super) fn writable(&mut self, id: u32, serial: u32) {
        if self.slots.get(id as usize).is_some_and(|s| s.armed && serial_of(s) == serial) {
            self.slots[id as usize].armed = false;
            self.urge(id);
        }
    }

    fn arm(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        slot.armed = true;
        let unblock = Unblock {
            shared: Arc::clone(&self.shared),
            worker: self.worker,
            slot: id,
            serial: serial_of(slot),
        };
        let waker = Waker::from(Arc::new(unblock));
        if slot.sink.poll_ready(&mut Context::from_waker(&waker)).is_ready() {
            waker.wake();
        }
    }

    /// The member is at the head, or not: what it still needs is kept for it.
    fn set_behind(&mut self, id: u32, behind: bool) {
        let slot = &mut self.slots[id as usize];
        if slot.behind == behind {
            return;
        }
        slot.behind = behind;
        let at = if behind { slot.cursor.at() } else { u64::MAX };
        slot.conn.behind_at.store(at, Relaxed);
        if let Some(shard) = slot.room.and_then(|(room, _)| self.shards.get_mut(&room)) {
            if behind {
                shard.behind += 1;
            } else {
                shard.behind -= 1;
            }
        }
    }

    /// The end of the log that a member reads, as far as it is here.
    pub(super) fn head(&self, id: u32) -> u64 {
        let slot = &self.slots[id as usize];
        let shard = slot.room.and_then(|(room, _)| self.shards.get(&room));
        shard.map_or(slot.cursor.at(), |shard| shard.view.end())
    }

    /// Whether there is nothing to be written now.
    pub(super) fn is_idle(&self) -> bool {
        self.dirty.is_empty() && self.urgent.is_empty()
    }

    /// One turn: a bounded number of writes, for a bounded time. Half of it is for those whose turn it is out of order
    /// (replies, sockets that may be written to again), so that they don't keep the rooms waiting, nor the rooms them.
    pub(super) fn turn(&mut self) {
        let begun = Instant::now();
        self.writes = 0;
        for visited in 1..=self.urgent.len() {
            let Some(id) = self.urgent.pop_front() else { break };
            let Some(slot) = self.slots.get_mut(id as usize) else { continue };
            slot.urgent = false;
            let room = slot.room.map(|(room, _)| room).filter(|_| slot.behind);
            self.visit_and_settle(id);
            // Whoever catches up frees what was kept for it, and those who were slowed for its sake.
            if let Some(room) = room.filter(|room| !self.dirty.contains(room)) {
                self.keep_bounds(room);
                self.publish_front(room);
            }
            if self.writes >= TURN_WRITES / 2
                || (visited % 8 == 0 && begun.elapsed() >= TURN_TIME / 2)
            {
                break;
            }
        }
        let begun = Instant::now();
        self.writes = 0;
        let mut visited = 0_usize;
        while let Some(&room) = self.dirty.front() {
            while let Some(id) = self.next_member(room) {
                self.visit_and_settle(id);
                visited += 1;
                if self.writes >= TURN_WRITES
                    || (visited.is_multiple_of(16) && begun.elapsed() >= TURN_TIME)
                {
                    self.publish_front(room);
                    self.dirty.rotate_left(1);
                    return;
                }
            }
            self.dirty.pop_front();
            self.keep_bounds(room);
            self.publish_front(room);
        }
    }

    fn next_member(&mut self, room: u32) -> Option<u32> {
        let shard = self.shards.get_mut(&room)?;
        while shard.left > 0 {
            shard.left -= 1;
            if shard.scan >= shard.members.len() {
                shard.scan = 0;
            }
            let id = *shard.members.get(shard.scan)?;
            shard.scan += 1;
            let slot = &self.slots[id as usize];
            if !slot.armed && !slot.dead {
                return Some(id);
            }
        }
        None
    }

    fn visit_and_settle(&mut self, id: u32) {
        match self.visit(id) {
            Visit::Settled => {
                self.set_behind(id, false);
                self.count_half(id, 0);
            }
            Visit::Blocked => {
                self.set_behind(id, true);
                let half = self.slots[id as usize].cursor.half().len();
                self.count_half(id, half);
                if half > HALF_BYTES && self.shared.is_over() {
                    // The hub is at its limit, and this member would keep much of a large message in memory.
                    return self.kill_for_memory(id);
                }
                self.arm(id);
            }
            Visit::More => {
                self.set_behind(id, true);
                self.urge(id);
            }
            Visit::Left => {}
        }
    }

    /// The rest of a half-written message counts with everything else that is kept.
    pub(super) fn count_half(&mut self, id: u32, bytes: usize) {
        let slot = &mut self.slots[id as usize];
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if slot.half_counted != bytes {
            self.shared.ledger.fetch_add(bytes as usize, Relaxed);
            self.shared.ledger.fetch_sub(slot.half_counted as usize, Relaxed);
            slot.half_counted = bytes;
        }
    }

    fn kill_for_memory(&mut self, id: u32) {
        let number = self.slots[id as usize].conn.number();
        tracing::info!(number, "the hub is at its limit: a member that doesn't read is closed");
        self.end(id);
    }

    /// Writes to one member until it is at the head, its socket is full, or it has had its share.
    fn visit(&mut self, id: u32) -> Visit {
        let mut budget = TURN_MEMBER_BYTES;
        let mut writes = 0;
        loop {
            let slot = &mut self.slots[id as usize];
            if slot.dead {
                return Visit::Left;
            }
            let own = slot.own;
            let shard = match slot.room {
                Some((room, _)) => self.shards.get_mut(&room),
                None => None,
            };
            let view = shard.as_ref().map_or(&self.empty, |s| &s.view);
            let next = slot.cursor.next(view);
            let released = slot.cursor.released();
            if released > 0 {
                slot.conn.release(released);
            }
            let written = match next {
                Next::Idle => {
                    if let Some(shard) = shard {
                        shard.front.note(own.number, shard.view.weight());
                    }
                    return Visit::Settled;
                }
                Next::Half => {
                    let written = slot.sink.write(slot.cursor.half());
                    if let Ok(n) = written {
                        slot.cursor.half_written(n);
                    }
                    written
                }
                Next::Records => {
                    let written = records(&slot.sink, &mut slot.cursor, view, own);
                    if let (Ok(_), Some(shard)) = (&written, shard) {
                        let at = slot.cursor.at();
                        let weight = if at == shard.view.end() {
                            shard.view.weight()
                        } else {
                            shard.view.weight_at(at)
                        };
                        shard.front.note(own.number, weight);
                    }
                    written
                }
                Next::Act(Act::Move(room, at)) => {
                    self.exit(id);
                    self.enter(id, &room, at);
                    continue;
                }
                Next::Done => {
                    self.end(id);
                    return Visit::Left;
                }
            };
            self.writes += 1;
            writes += 1;
            match written {
                Ok(n) => {
                    slot.wrote |= n > 0;
                    if let Some(ending) = &mut slot.ending {
                        ending.1 = self.shared.now();
                    }
                    budget = budget.saturating_sub(n);
                    if budget == 0 || writes >= TURN_MEMBER_WRITES {
                        return Visit::More;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Visit::Blocked,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    tracing::debug!(number = own.number, error = %e, "a write failed: the peer is gone");
                    self.kill(id);
                    return Visit::Left;
                }
            }
        }
    }
}

/// A slot is used again and again: the connection's own place in time tells an old wake-up from a new one.
fn serial_of(slot: &Slot) -> u32 {
    slot.conn.since.subsec_nanos()
}

/// One write of what lies between a member's cursor and the head.
fn records(sink: &Sink, cursor: &mut Cursor<Act>, view: &View, own: Own) -> io::Result<usize> {
    let mut runs = cursor.runs(view, own);
    let Some(first) = runs.next() else {
        cursor.nothing_ahead(view);
        return Ok(0);
    };
    let Some(second) = runs.next() else {
        // By far the commonest: all members get the same slice.
        let n = sink.write(first.bytes)?;
        if n == first.bytes.len() {
            cursor.reached(first.end());
        } else {
            cursor.written(view, own, n);
        }
        return Ok(n);
    };
    let mut slices = Vec::with_capacity(WRITE_SLICES);
    let mut total = 0;
    let mut end = 0;
    for run in [first, second].into_iter().chain(runs) {
        slices.push(IoSlice::new(run.bytes));
        total += run.bytes.len();
        end = run.end();
        if slices.len() == WRITE_SLICES || total >= TURN_MEMBER_BYTES {
            break;
        }
    }
    let n = sink.write_vectored(&slices)?;
    if n == total {
        cursor.reached(end);
    } else {
        cursor.written(view, own, n);
    }
    Ok(n)
}
