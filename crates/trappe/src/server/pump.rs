//! One worker's pump: the only task that writes. It seals what was said, and carries every member on to the head.
//!
//! Each time it wakes it yields once, so that other senders' lines join the batch; then it seals, takes its mail, and
//! passes over the members of the rooms that have news. A socket that would block is left alone until the kernel says
//! that it may be written to again; its member's cursor just stays where it is.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Wake, Waker},
    time::Duration,
};

use slab::Slab;
use tokio::time::Instant;
use trappe_core::{
    encode::Look,
    limits::{TURN_MEMBER_BYTES, TURN_MEMBER_WRITES, TURN_TIME, TURN_WRITES, WRITE_SLICES},
    room::{
        cursor::Cursor,
        listener::{Listener, Next, Views},
        view::View,
    },
};

use super::{
    Shared,
    conn::Conn,
    datagrams::datagrams,
    mail::{Act, Mail},
    metrics::{Missed, Tally},
    shard::Shards,
    wire,
};
use crate::net::{sink::Sink, sniff};

/// One connection as the pump sees it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one event that has happened, in any order"
)]
pub(super) struct Slot {
    pub(super) conn: Arc<Conn>,
    pub(super) sink: Sink,
    pub(super) listener: Listener<Act>,
    /// A write would block: wait for the kernel.
    pub(super) armed: bool,
    /// It isn't at the head of every room.
    pub(super) behind: bool,
    /// Bytes of its half-written message that the hub's ledger counts.
    half_counted: u32,
    /// Its writing end failed: nothing more is written, but what it had sent is still read.
    pub(super) dead: bool,
    /// A byte has been written to it.
    pub(super) wrote: bool,
    /// Somebody watches its wire.
    pub(super) watched: bool,
    /// Bytes that were written to it.
    pub(super) sent: u64,
    pub(super) reader_gone: bool,
    /// Everything due is written and the sending half shut.
    pub(super) ended: bool,
    urgent: bool,
    /// It has been sent much, and rests.
    pub(super) rests: bool,
    /// Since when its end is under way, and when it last made progress.
    pub(super) ending: Option<Box<(Duration, Duration)>>,
}

impl Slot {
    /// Gives back the room in its private queue that is free again.
    fn release(&mut self) {
        let released = self.listener.released();
        if released > 0 {
            self.conn.release(released);
        }
    }

    /// Writes of the half-written rest what its socket takes.
    fn write_half(&mut self) -> io::Result<usize> {
        let written = self.sink.write(self.listener.half());
        if let Ok(n) = written {
            self.listener.half_written(n);
        }
        written.map(|n| n - self.sink.header())
    }

    /// Tells everyone who asks how far it is behind.
    pub(super) fn tell_behind(&self) {
        let behind = self.listener.cursors().filter(|c| c.behind).map(|c| (c.room(), c.at()));
        self.conn.set_behind(self.behind.then(|| Box::new(behind.collect())));
    }
}

/// A worker's pump.
pub(super) struct Pump {
    pub(super) shared: Arc<Shared>,
    pub(super) worker: usize,
    pub(super) slots: Slab<Slot>,
    pub(super) shards: Shards,
    /// What was written in this turn.
    pub(super) tally: Tally,
    /// Rooms with news, round robin.
    pub(super) dirty: VecDeque<u32>,
    /// Members with something in their private queue, or writable again.
    pub(super) urgent: VecDeque<u32>,
    /// Members whose end is under way.
    pub(super) ending: Vec<u32>,
    /// When they were last looked at.
    pub(super) expired: Duration,
    /// Members by UDP that have been sent much, and until when they rest.
    pub(super) resting: VecDeque<(Duration, u32, u32)>,
    /// Rooms whose changes of state are gathered, and until when.
    pub(super) paced: VecDeque<(Duration, u32)>,
    /// Writes of this turn.
    writes: usize,
    /// Set once the server stops: everything ends at the heads.
    pub(super) closing: bool,
}

/// A half-written rest of at most this size is held for anybody, also at the limit of the hub.
const HALF_BYTES: usize = 4096;

/// What became of a visit to a member.
pub(super) enum Visit {
    /// It is at the head.
    Settled,
    /// Its socket takes no more.
    Blocked,
    /// It waits for the history.
    Waiting,
    /// It has had its share of this turn.
    More,
    /// It is gone from its room.
    Left,
}

/// What was done where the first bytes looked like an answer of HTTP.
enum Answer {
    /// Something harmless goes before them.
    Mended,
    /// The connection is closed.
    Closed,
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
        Pump {
            shared,
            worker,
            slots: Slab::new(),
            shards: Shards::default(),
            tally: Tally::default(),
            dirty: VecDeque::new(),
            urgent: VecDeque::new(),
            ending: Vec::new(),
            expired: Duration::ZERO,
            resting: VecDeque::new(),
            paced: VecDeque::new(),
            writes: 0,
            closing: false,
        }
    }

    /// A new connection's slot; `make` gets its key.
    pub(super) fn add(&mut self, sink: Sink, make: impl FnOnce(u32) -> Arc<Conn>) -> Arc<Conn> {
        let entry = self.slots.vacant_entry();
        let conn = make(u32::try_from(entry.key()).expect("descriptors are far fewer than 2^32"));
        let look = Look { wire: sink.wire(), ..self.shared.defaults.look };
        let listener = Listener::new(look);
        entry.insert(Slot {
            conn: Arc::clone(&conn),
            sink,
            listener,
            armed: false,
            half_counted: 0,
            behind: false,
            dead: false,
            wrote: false,
            watched: false,
            sent: 0,
            reader_gone: false,
            ended: false,
            urgent: false,
            rests: false,
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

    /// The member is at the head of all of its rooms, or not: what it still needs is kept for it.
    fn settle(&mut self, id: u32, settled: bool) {
        let slot = &mut self.slots[id as usize];
        let number = slot.listener.number();
        let is_datagram = matches!(slot.sink, Sink::Datagram(_));
        for cursor in slot.listener.cursors_mut() {
            let Some(shard) = self.shards.0.get_mut(&cursor.room()) else { continue };
            let weight = match cursor.at() {
                // Nobody waits for who has no backlog, or is given what it misses from disk.
                _ if is_datagram || cursor.is_past(&shard.view) => shard.view.weight(),
                at if at >= shard.view.end() => shard.view.weight(),
                at => shard.view.weight_at(at),
            };
            shard.front.note(number, weight);
            if cursor.behind == settled {
                cursor.behind = !settled;
                if settled {
                    shard.behind -= 1;
                } else {
                    shard.behind += 1;
                }
            }
        }
        if slot.behind == settled {
            slot.behind = !settled;
            slot.tell_behind();
        }
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
            let behind = slot.listener.cursors().filter(|_| slot.behind);
            let rooms: Vec<u32> = behind.map(Cursor::room).collect();
            let before = self.tally.deliveries;
            self.visit_and_settle(id);
            self.time(rooms.first().copied(), before);
            // Whoever catches up frees what was kept for it, and those who were slowed for its sake.
            for room in rooms {
                if !self.dirty.contains(&room) {
                    self.keep_bounds(room);
                    self.publish_front(room);
                }
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
            let before = self.tally.deliveries;
            while let Some(id) = self.next_member(room) {
                self.visit_and_settle(id);
                visited += 1;
                if self.writes >= TURN_WRITES
                    || (visited.is_multiple_of(16) && begun.elapsed() >= TURN_TIME)
                {
                    self.time(Some(room), before);
                    self.publish_front(room);
                    self.dirty.rotate_left(1);
                    return;
                }
            }
            self.dirty.pop_front();
            if let Some(shard) = self.shards.0.get_mut(&room) {
                (shard.is_dirty, shard.left) = (false, 0);
            }
            self.time(Some(room), before);
            self.keep_bounds(room);
            self.publish_front(room);
        }
    }

    /// How long it took from the newest batch of a room to its members: those that it was delivered to since `before`.
    fn time(&self, room: Option<u32>, before: u64) {
        let count = self.tally.deliveries - before;
        if count == 0 {
            return;
        }
        let now_us = self.shared.unix_us(self.shared.now());
        let said_us = room.and_then(|room| self.shards.view(room)).map_or(now_us, View::newest_us);
        let after = Duration::from_micros(now_us.saturating_sub(said_us));
        self.shared.metrics.worker(self.worker).delivered_after(after, count);
    }

    fn next_member(&mut self, room: u32) -> Option<u32> {
        let shard = self.shards.0.get_mut(&room)?;
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
            if matches!(slot.sink, Sink::Datagram(_)) {
                // Nobody waits for who has no backlog, also while its port takes nothing.
                shard.front.note(slot.listener.number(), shard.view.weight());
            }
        }
        None
    }

    fn visit_and_settle(&mut self, id: u32) {
        match self.visit(id) {
            Visit::Settled => {
                self.settle(id, true);
                self.count_half(id, 0);
            }
            Visit::Blocked => {
                self.settle(id, false);
                let half = self.slots[id as usize].listener.half().len();
                self.count_half(id, half);
                if half > HALF_BYTES && self.shared.is_over() {
                    // The hub is at its limit, and this member would keep much of a large message in memory.
                    return self.kill_for_memory(id);
                }
                self.arm(id);
            }
            Visit::More => {
                self.settle(id, false);
                if matches!(self.slots[id as usize].sink, Sink::Datagram(_)) {
                    self.rest(id);
                } else {
                    self.urge(id);
                }
            }
            Visit::Waiting => {
                self.settle(id, false);
                self.count_half(id, 0);
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

    /// Whether the first bytes to a peer that never spoke could be taken for an answer of HTTP, and what was done about it: a
    /// browser that has opened a connection ahead of time would take them for the hub's own.
    fn would_answer(&mut self, id: u32, next: &Next<Act>) -> Option<Answer> {
        let slot = &mut self.slots[id as usize];
        if slot.wrote
            || slot.conn.was_heard()
            || !sniff::is_response(slot.listener.beginning(next, &self.shards))
        {
            return None;
        }
        if slot.listener.look().is_lines() {
            slot.listener.prepend(sniff::NO_RESPONSE);
            return Some(Answer::Mended);
        }
        tracing::info!(number = slot.conn.number(), "an answer of HTTP to a silent peer: closed");
        self.kill(id);
        Some(Answer::Closed)
    }

    /// Writes to one member until it is at the head, its socket is full, or it has had its share.
    fn visit(&mut self, id: u32) -> Visit {
        let mut budget = TURN_MEMBER_BYTES;
        let mut writes = 0;
        if matches!(self.slots[id as usize].sink, Sink::Datagram(_)) {
            self.newest_first(id);
        }
        loop {
            let slot = &mut self.slots[id as usize];
            if slot.dead {
                return Visit::Left;
            }
            let next = slot.listener.next(&self.shards);
            slot.release();
            let forgotten = slot.listener.forgotten();
            if forgotten > 0 {
                self.shared.metrics.worker(self.worker).missed(Missed::Forgotten, forgotten);
            }
            match self.would_answer(id, &next) {
                None => {}
                Some(Answer::Mended) => continue,
                Some(Answer::Closed) => return Visit::Left,
            }
            let slot = &mut self.slots[id as usize];
            let mut at_rest = false;
            let watched = slot.watched.then(|| match next {
                Next::Records(i) => {
                    let cursor = slot.listener.cursor(i);
                    Some((cursor.room(), cursor.at()))
                }
                _ => None,
            });
            let written = match next {
                Next::Idle => return Visit::Settled,
                Next::Wait => return Visit::Waiting,
                Next::Ask(room, ask) => return self.ask(id, room, ask),
                Next::Half => slot.write_half(),
                Next::TooLong(i) => {
                    self.too_long(id, i);
                    continue;
                }
                Next::Records(i) => {
                    let room = slot.listener.cursor(i).room();
                    let view = self.shards.view(room).expect("a due record is one that is held");
                    let (listener, tally) = (&mut slot.listener, &mut self.tally);
                    let written = match &slot.sink {
                        Sink::Datagram(to) => {
                            datagrams(to, listener, i, view, tally, &mut self.writes)
                        }
                        stream @ Sink::Stream(_) => records(stream, listener, i, view, tally),
                    };
                    at_rest = slot.listener.is_at_rest(view);
                    written
                }
                Next::Act(act) => {
                    self.act(id, act);
                    continue;
                }
                Next::Done => {
                    self.end(id);
                    return Visit::Left;
                }
            };
            self.writes += 1;
            writes += 1;
            if let Some(from) = watched {
                wire::write(&self.shared, &self.shards, slot, from, &written);
            }
            match written {
                Ok(n) => {
                    if n > 0 && !slot.wrote {
                        slot.wrote = true;
                        slot.conn.set_wrote();
                    }
                    self.tally.bytes += n as u64;
                    slot.sent += n as u64;
                    if let Some(ending) = &mut slot.ending {
                        ending.1 = self.shared.now();
                    }
                    if at_rest {
                        // By far the commonest: it needs not be asked once more.
                        return Visit::Settled;
                    }
                    budget = budget.saturating_sub(n);
                    if budget == 0 || writes >= TURN_MEMBER_WRITES {
                        return Visit::More;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Visit::Blocked,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    let number = slot.listener.number();
                    tracing::debug!(number, error = %e, "a write failed: the peer is gone");
                    self.kill(id);
                    return Visit::Left;
                }
            }
        }
    }
}

/// A slot is used again and again: the connection's own place in time tells an old wake-up from a new one.
pub(super) fn serial_of(slot: &Slot) -> u32 {
    slot.conn.since().subsec_micros()
}

/// One write of what lies between one of a member's cursors and the head.
fn records(
    sink: &Sink,
    listener: &mut Listener<Act>,
    i: usize,
    view: &View,
    tally: &mut Tally,
) -> io::Result<usize> {
    let mut runs = listener.runs(i, view);
    let Some(first) = runs.next() else {
        listener.nothing_ahead(i, view);
        return Ok(0);
    };
    let Some(second) = runs.next() else {
        // By far the commonest: all members get the same slice.
        let n = sink.write(first.bytes)?;
        if n == first.bytes.len() {
            tally.deliveries += first.messages();
            listener.reached(i, first.end());
        } else {
            tally.deliveries += listener.written(i, view, n);
        }
        return Ok(n);
    };
    let mut slices = Vec::with_capacity(WRITE_SLICES);
    let (mut total, mut messages, mut end) = (0, 0, 0);
    for run in [first, second].into_iter().chain(runs) {
        slices.push(IoSlice::new(run.bytes));
        total += run.bytes.len();
        messages += run.messages();
        end = run.end();
        if slices.len() == WRITE_SLICES || total >= TURN_MEMBER_BYTES {
            break;
        }
    }
    let n = sink.write_vectored(&slices)?;
    if n == total {
        tally.deliveries += messages;
        listener.reached(i, end);
    } else {
        tally.deliveries += listener.written(i, view, n);
    }
    Ok(n)
}
