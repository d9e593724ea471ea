//! The end of a room's log where things are appended, and what is kept of it.
//!
//! `append` fixes the one order of the room; `seal` publishes what was appended as a batch. Neither blocks: the
//! shell holds this behind one short lock and never writes to a socket meanwhile.

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use bytes::BytesMut;

use crate::{
    command::Epoch,
    limits::{
        BATCH_BLOCK_BYTES_MIN, BATCH_BYTES, BATCH_RECORDS, LINE_BREAK_BYTES, READ_BYTES, WORKERS,
    },
    message::{Entry, Kind, Position, Record},
    room::batch::{Batch, Life},
};

/// What a room keeps for `/history` and `/resume`: the smaller of both rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// Messages.
    pub messages: u64,
    /// Bytes, as batches weigh them.
    pub bytes: u64,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its index in the log.
    pub index: u64,
    /// Its number; of a notice, the number of the last message before it.
    pub seq: u64,
    /// The worker's pump is to be woken: nobody has done so since the last seal.
    pub wake: bool,
    /// The open batch is full: seal it now.
    pub full: bool,
    /// The author is to be slowed: everyone else in the room is far behind.
    pub pressed: bool,
}

/// How far the members on one worker have got, in the log's weight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Front {
    /// The furthest, and which member it is.
    pub best: (u64, u64),
    /// The furthest of the others.
    pub second: u64,
}

impl Front {
    /// Member `number` has got to `weight`.
    pub fn note(&mut self, number: u64, weight: u64) {
        if number == self.best.1 {
            self.best.0 = self.best.0.max(weight);
        } else if weight >= self.best.0 {
            self.second = self.best.0;
            self.best = (weight, number);
        } else {
            self.second = self.second.max(weight);
        }
    }

    /// Member `number` has gone.
    pub fn forget(&mut self, number: u64) {
        if number == self.best.1 {
            self.best = (self.second, 0);
        }
    }
}

#[derive(Debug, Default)]
struct Shard {
    members: u32,
    front: Front,
}

/// The open end of one room's log, and its retained batches. `W` wakes a sender that was slowed.
#[derive(Debug)]
pub struct Log<W> {
    next: u64,
    next_seq: u64,
    /// When the last record was appended.
    time_us: u64,
    /// Weight of everything sealed so far.
    weight: u64,
    first: u64,
    first_seq: u64,
    records: Vec<Record>,
    body: BytesMut,
    block: usize,
    /// What the open batch weighs beyond its records and bodies.
    extra: usize,
    kept: VecDeque<Arc<Batch>>,
    kept_messages: u64,
    retain: Retain,
    /// Half of what is kept for a member: senders are slowed when all others are further behind than this.
    half: u64,
    /// One bit for each worker whose pump was woken since the last seal.
    woken: u64,
    shards: Vec<Shard>,
    /// Senders that wait, by number: each once, however often it asks.
    slowed: BTreeMap<u64, W>,
    numbers: Numbers,
    life: Arc<Life>,
}

/// Which numbers a log may give.
#[derive(Clone, Copy, Debug)]
pub struct Numbers {
    /// The first one.
    pub next: u64,
    /// Where those end that a store has reserved; `u64::MAX`: nothing is stored, all may be given.
    pub until: u64,
    /// The epoch that begins where they have all been given, and the store hasn't reserved more.
    pub spare: Epoch,
}

impl<W> Log<W> {
    /// A new log, a new life: its first message will be number 1.
    #[must_use]
    pub fn new(life: Arc<Life>, retain: Retain, lag_bytes: usize, workers: usize) -> Log<W> {
        let numbers = Numbers { next: 1, until: u64::MAX, spare: life.epoch() };
        Log::resumed(life, numbers, retain, lag_bytes, workers)
    }

    /// A log that goes on where a store says.
    #[must_use]
    pub fn resumed(
        life: Arc<Life>,
        numbers: Numbers,
        retain: Retain,
        lag_bytes: usize,
        workers: usize,
    ) -> Log<W> {
        debug_assert!(workers <= WORKERS, "a set of workers is one word");
        Log {
            next: 0,
            next_seq: numbers.next,
            time_us: 0,
            weight: 0,
            first: 0,
            first_seq: numbers.next,
            records: Vec::new(),
            body: BytesMut::new(),
            block: BATCH_BLOCK_BYTES_MIN,
            extra: 0,
            kept: VecDeque::new(),
            kept_messages: 0,
            retain,
            half: lag_bytes as u64 / 2,
            woken: 0,
            shards: (0..workers).map(|_| Shard::default()).collect(),
            slowed: BTreeMap::new(),
            numbers,
            life,
        }
    }

    /// The store has reserved the numbers before `until` for the life `epoch`; `spare` is for the next time that it can't.
    /// Those who were slowed are to look again.
    pub fn reserved(&mut self, epoch: Epoch, until: u64, spare: Epoch) -> Vec<W> {
        if epoch != self.life.epoch() || until <= self.next_seq {
            return Vec::new();
        }
        (self.numbers.until, self.numbers.spare) = (until, spare);
        self.take_slowed()
    }

    /// The store reserves nothing for now: where numbers run short, it is another life from here on. Those who were slowed
    /// are to look again.
    pub fn go_on_without(&mut self) -> Vec<W> {
        if !self.is_short() {
            return Vec::new();
        }
        self.renew();
        self.take_slowed()
    }

    /// Numbers that no store knows of could be given once more after a crash: from here on it is another life.
    fn renew(&mut self) {
        self.life.renew(self.numbers.spare);
        self.numbers.until = u64::MAX;
    }

    /// Reserved numbers are running out: whoever speaks waits for the next ones.
    fn is_short(&self) -> bool {
        self.numbers.until.saturating_sub(self.next_seq) < numbers_short(self.shards.len())
    }

    /// Appends one record at the end: here its place in the order is fixed. `worker` is the author's.
    pub fn append(&mut self, time_us: u64, entry: Entry<'_>, worker: usize) -> Appended {
        let Entry { author, kind, tag, body } = entry;
        self.time_us = self.time_us.max(time_us);
        let index = self.next;
        let speech = kind == Kind::Speech;
        let start = to_u32(self.body.len());
        if speech {
            self.reserve(body.len() + 1);
            self.body.extend_from_slice(body);
            self.body.extend_from_slice(b"\n");
        }
        let end = to_u32(self.body.len());
        // What one byte or none of body turns into much more of when it is shown.
        self.extra += match &kind {
            Kind::Speech => memchr::memchr_iter(b'\n', body).count() * LINE_BREAK_BYTES,
            Kind::Left(Some(word)) => word.len(),
            _ => 0,
        };
        if speech && self.next_seq >= self.numbers.until {
            self.renew();
        }
        let seq = if speech { self.next_seq } else { 0 };
        let number = author.number;
        self.records.push(Record { author, kind, seq, time_us: self.time_us, tag, start, end });
        self.next += 1;
        self.next_seq += u64::from(speech);
        let bit = 1 << worker;
        let wake = self.woken & bit == 0;
        self.woken |= bit;
        Appended {
            index,
            seq: self.next_seq - 1,
            wake,
            full: self.body.len() + self.extra >= BATCH_BYTES
                || self.records.len() >= BATCH_RECORDS,
            pressed: self.pressed(number, worker),
        }
    }

    fn reserve(&mut self, more: usize) {
        if self.body.capacity() - self.body.len() < more {
            self.body.reserve(more.max(self.block));
            self.block = (self.block * 2).min(BATCH_BYTES);
        }
    }

    /// Publishes what was appended since the last seal; none if nothing was. The caller hands the batch to every
    /// worker before it lets go of the log's lock, or two sealers could be seen in different orders.
    pub fn seal(&mut self) -> Option<Arc<Batch>> {
        self.woken = 0;
        if self.records.is_empty() {
            return None;
        }
        let capacity = self.records.len().min(BATCH_RECORDS);
        let records = mem::replace(&mut self.records, Vec::with_capacity(capacity));
        let body = self.body.split().freeze();
        let extra = mem::take(&mut self.extra);
        let batch = Arc::new(Batch::new(
            self.first,
            self.first_seq,
            self.weight,
            records,
            body,
            extra,
            Arc::clone(&self.life),
        ));
        self.first = self.next;
        self.first_seq = self.next_seq;
        self.weight += batch.weight();
        self.kept_messages += batch.messages();
        self.kept.push_back(Arc::clone(&batch));
        self.trim();
        Some(batch)
    }

    fn trim(&mut self) {
        while let Some(oldest) = self.kept.front() {
            let messages = self.kept_messages - oldest.messages();
            let bytes = self.weight - oldest.weight_before;
            // The oldest goes when what remains still satisfies the retention, or when the bytes don't fit.
            if messages < self.retain.messages && bytes <= self.retain.bytes {
                break;
            }
            self.kept_messages = messages;
            self.kept.pop_front();
        }
    }

    /// Keeps only half of what is kept now: the hub as a whole is at its limit, and this room uses most.
    pub fn squeeze(&mut self) {
        for _ in 0..self.kept.len().div_ceil(2) {
            if let Some(batch) = self.kept.pop_front() {
                self.kept_messages -= batch.messages();
            }
        }
    }

    /// A member comes to a worker: from now on that worker gets every batch. Returns the index and the seq with which
    /// its log begins, and those who were slowed: they are to look again.
    pub fn enter(&mut self, worker: usize, number: u64) -> ((u64, u64), Vec<W>) {
        let weight = self.weight_now();
        let shard = &mut self.shards[worker];
        shard.members += 1;
        shard.front.note(number, weight);
        ((self.next, self.next_seq), self.take_slowed())
    }

    /// A member is gone from a worker; those who were slowed for its sake are to look again.
    pub fn exit(&mut self, worker: usize, number: u64) -> Vec<W> {
        let shard = &mut self.shards[worker];
        shard.members = shard.members.saturating_sub(1);
        shard.front.forget(number);
        self.take_slowed()
    }

    /// The worker tells how far its members have got; returns those who were slowed and are to look again.
    pub fn report(&mut self, worker: usize, front: Front) -> Vec<W> {
        let shard = &mut self.shards[worker];
        shard.front = front;
        if self.slowed.is_empty() {
            return Vec::new();
        }
        // Only once somebody is near enough: else each step of the slowest would wake all who wait for it.
        let with_members = self.shards.iter().filter(|s| s.members > 0);
        let furthest = with_members.map(|s| s.front.best.0.max(s.front.second)).max();
        let near =
            furthest.is_none_or(|weight| self.weight_now().saturating_sub(weight) <= self.half);
        if near { self.take_slowed() } else { Vec::new() }
    }

    /// Whether a sender is to be slowed: numbers are running out, or there are others, and the furthest of them is past half of
    /// what is kept. Who
    /// isn't a member here has a number and a worker that no member has.
    #[must_use]
    pub fn pressed(&self, number: u64, worker: usize) -> bool {
        if self.is_short() {
            return true;
        }
        let mut furthest = None;
        for (w, shard) in self.shards.iter().enumerate() {
            let own = u32::from(w == worker);
            if shard.members > own {
                let front = &shard.front;
                let other = if front.best.1 == number { front.second } else { front.best.0 };
                furthest = furthest.max(Some(other));
            }
        }
        furthest.is_some_and(|weight| self.weight_now().saturating_sub(weight) > self.half)
    }

    /// Remembers a slowed sender, to be woken when somebody has got further.
    pub fn slow(&mut self, number: u64, waker: W) {
        self.slowed.insert(number, waker);
    }

    fn take_slowed(&mut self) -> Vec<W> {
        mem::take(&mut self.slowed).into_values().collect()
    }

    fn weight_now(&self) -> u64 {
        self.weight + 2 * self.body.len() as u64
    }

    /// The batches kept for those who come later, oldest first.
    #[must_use]
    pub fn kept(&self) -> VecDeque<Arc<Batch>> {
        self.kept.clone()
    }

    /// The index of the oldest record kept.
    #[must_use]
    pub fn kept_from(&self) -> u64 {
        self.kept.front().map_or(self.first, |b| b.first)
    }

    /// Bit set of the workers that have members here.
    #[must_use]
    pub fn workers(&self) -> u64 {
        self.shards
            .iter()
            .enumerate()
            .filter(|(_, s)| s.members > 0)
            .fold(0, |set, (w, _)| set | 1 << w)
    }

    /// The index that the next record gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The index and seq at which the next batch will begin, and the weight before it: where a new view starts.
    #[must_use]
    pub fn sealed(&self) -> (u64, u64, u64) {
        (self.first, self.first_seq, self.weight)
    }

    /// The number that the next message gets.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The position after the last message.
    #[must_use]
    pub fn position(&self) -> Position {
        self.life.position(self.next_seq - 1)
    }
}

/// Where fewer reserved numbers than that are left, whoever speaks waits for the next ones: each worker may be reading
/// [`READ_BYTES`] for which that was not yet so, and a message has two bytes at least.
fn numbers_short(workers: usize) -> u64 {
    (workers * READ_BYTES) as u64 / 2
}

/// How many numbers a store reserves in one go.
#[must_use]
pub fn numbers_reserved(workers: usize) -> u64 {
    4 * numbers_short(workers)
}

fn to_u32(offset: usize) -> u32 {
    u32::try_from(offset).expect("a batch is bounded far below 4 GiB")
}
