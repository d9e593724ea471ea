//! The part of a room's log that one worker holds: batches in order, without a hole.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    command::At,
    encode::{Key, Look},
    message::Position,
    room::batch::{Batch, Life},
};

/// One worker's view of a room's log. Indices count all records, seqs count messages.
#[derive(Debug)]
pub struct View {
    life: Arc<Life>,
    batches: VecDeque<Arc<Batch>>,
    end: u64,
    end_seq: u64,
    weight: u64,
}

/// Where a `/resume` begins, and whether something before it is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// The index of the first record to give.
    pub from: u64,
    /// The first message that a store is to be asked for before that; 0 if there is none.
    pub stored: u64,
    /// The oldest message there is, where the position asked for is of another life or older than that.
    pub gap: Option<Position>,
    /// The position is of another life of the log.
    pub other_life: bool,
}

impl View {
    /// A view that begins with what the log kept, and ends where the log's next batch will begin
    /// (`end`: index, seq, weight; see [`Log::sealed`](super::log::Log::sealed)).
    #[must_use]
    pub fn new(
        life: Arc<Life>,
        batches: VecDeque<Arc<Batch>>,
        (end, end_seq, weight): (u64, u64, u64),
    ) -> View {
        View { life, batches, end, end_seq, weight }
    }

    /// The next batch of the log.
    pub fn push(&mut self, batch: Arc<Batch>) {
        debug_assert_eq!(batch.first, self.end, "batches come in order, without a hole");
        self.end = batch.end();
        self.end_seq = batch.end_seq();
        self.weight = batch.weight_before + batch.weight();
        self.batches.push_back(batch);
    }

    /// The index after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// The weight of the log up to here.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The index of the oldest record held.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        self.batches.front().map_or(self.end, |b| b.first)
    }

    /// The position after the last message.
    #[must_use]
    pub fn position(&self) -> Position {
        self.life.position(self.end_seq - 1)
    }

    /// Which room this is, and which life of it.
    #[must_use]
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// The record at `index`, and its place in its batch; none where it isn't held.
    #[must_use]
    pub fn record(&self, index: u64) -> Option<(&Arc<Batch>, usize)> {
        let batch = self.batches.get(self.find(index)).filter(|_| index < self.end)?;
        Some((batch, usize::try_from(index.checked_sub(batch.first)?).ok()?))
    }

    /// When the last batch's first record was appended, in microseconds since 1970; 0 if nothing is held.
    #[must_use]
    pub fn newest_us(&self) -> u64 {
        self.batches.back().map_or(0, |batch| batch.records[0].time_us)
    }

    /// The first index from `from` on, below `to`, of a message by member `number`; `to` if there is none.
    #[must_use]
    pub fn next_by(&self, number: u64, from: u64, to: u64) -> u64 {
        let to = to.min(self.end);
        let own = |index: &u64| {
            self.record(*index).is_some_and(|(batch, i)| {
                let record = &batch.records[i];
                record.author.number == number && record.seq > 0
            })
        };
        (from..to).find(own).unwrap_or(to)
    }

    fn find(&self, index: u64) -> usize {
        match self.batches.back() {
            Some(last) if index >= last.first => self.batches.len() - 1,
            _ => self.batches.partition_point(|b| b.end() <= index),
        }
    }

    /// The seq of the first message at or after `index`.
    #[must_use]
    pub fn seq_from(&self, index: u64) -> u64 {
        match self.batches.get(self.find(index)) {
            Some(batch) if index < self.end => {
                let offset =
                    usize::try_from(index.saturating_sub(batch.first)).unwrap_or(usize::MAX);
                batch.first_seq
                    + batch.records.iter().take(offset).filter(|r| r.seq > 0).count() as u64
            }
            _ => self.end_seq,
        }
    }

    /// The index right after message `seq`, as far as it is held.
    #[must_use]
    fn after_seq(&self, seq: u64) -> u64 {
        let at = self.batches.partition_point(|b| b.end_seq() <= seq.saturating_add(1));
        match self.batches.get(at) {
            Some(batch) => {
                let before =
                    batch.records.iter().take_while(|r| r.seq == 0 || r.seq <= seq).count();
                batch.first + before as u64
            }
            None => self.end,
        }
    }

    /// The weight of the log before the record at `index`, to the precision of a batch.
    #[must_use]
    pub fn weight_at(&self, index: u64) -> u64 {
        match self.batches.get(self.find(index)) {
            Some(batch) if index < self.end => batch.weight_before,
            _ => self.weight,
        }
    }

    /// The first index whose batch begins at or after `weight`.
    #[must_use]
    pub fn at_weight(&self, weight: u64) -> u64 {
        let at = self.batches.partition_point(|b| b.weight_before < weight);
        self.batches.get(at).map_or(self.end, |b| b.first)
    }

    /// Lets go of everything before `index`, by whole batches.
    pub fn trim(&mut self, index: u64) {
        while self.batches.front().is_some_and(|b| b.end() <= index) {
            self.batches.pop_front();
        }
    }

    /// Of the last `count` messages before message `end`, those that are held: the index of the first and the one after the
    /// last, and how many there are.
    #[must_use]
    pub fn window(&self, count: u64, end: u64) -> (u64, u64, u64) {
        let oldest = self.oldest_seq();
        if end <= oldest {
            return (self.oldest(), self.oldest(), 0);
        }
        let from = end.saturating_sub(count).max(oldest);
        (self.after_seq(from - 1), self.after_seq(end - 1), end - from)
    }

    /// The oldest message held; where none is, the next one.
    fn oldest_seq(&self) -> u64 {
        self.batches.front().map_or(self.end_seq, |b| b.first_seq)
    }

    /// The number of the next message after what is held.
    pub(super) fn end_seq(&self) -> u64 {
        self.end_seq
    }

    /// Where a reader begins that wants all there is.
    #[must_use]
    pub fn whole(&self) -> Resumed {
        let (held, stored) = (self.oldest_seq(), self.life.oldest_stored());
        let stored = stored.filter(|oldest| *oldest < held).unwrap_or(0);
        Resumed { from: self.oldest(), stored, gap: None, other_life: false }
    }

    /// Where a reader goes on that has had everything up to `at`. The view is to hold all that was said before it asked: a number
    /// beyond it is then of a life that nobody knows any more.
    #[must_use]
    pub fn resume(&self, at: At) -> Resumed {
        let held = self.oldest_seq();
        let oldest = self.life.oldest_stored().map_or(held, |stored| stored.min(held));
        let other_life =
            at.seq >= self.end_seq || at.epoch.is_some_and(|epoch| epoch != self.life.epoch());
        let is_gone = other_life || at.seq.saturating_add(1) < oldest;
        let from = if is_gone { oldest } else { at.seq.saturating_add(1) };
        Resumed {
            from: if from <= held { self.oldest() } else { self.after_seq(from - 1) },
            stored: if from < held { from } else { 0 },
            gap: is_gone.then(|| self.life.position(oldest)),
            other_life,
        }
    }

    /// The bytes of `from..to` in one format, in runs that lie together; records of `skip` (0: nobody) are left out.
    #[must_use]
    pub fn runs(&self, from: u64, to: u64, key: Key, skip: u64) -> Runs<'_> {
        debug_assert!(from >= self.oldest(), "a cursor stands on what is kept");
        let from = from.max(self.oldest());
        Runs { view: self, at: from, to: to.min(self.end), key, skip, batch: self.find(from) }
    }
}

/// A run of records that lie together in one encoding.
#[derive(Clone, Copy, Debug)]
pub struct Run<'v> {
    /// Their bytes; never empty.
    pub bytes: &'v [u8],
    /// The batch they are in.
    pub batch: &'v Arc<Batch>,
    /// The first of them, inside the batch.
    pub from: usize,
    /// One past the last of them, inside the batch.
    pub to: usize,
}

impl<'v> Run<'v> {
    /// The log index after the run.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.batch.first + self.to as u64
    }

    /// The bytes of its first record, in the same look.
    pub(crate) fn first(&self, look: Look) -> &'v [u8] {
        self.batch.slice(look.key(), self.from, self.from + 1)
    }

    /// Its records one by one, in the same look: the log index after each, whether it is a message, and its bytes, which may be none.
    pub fn records(&self, look: Look) -> impl Iterator<Item = (u64, bool, &'v [u8])> + use<'v> {
        let (batch, key) = (self.batch, look.key());
        (self.from..self.to).map(move |i| {
            (batch.first + i as u64 + 1, batch.records[i].seq > 0, batch.slice(key, i, i + 1))
        })
    }

    /// How many of its records are messages.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.batch.messages_in(self.from, self.to)
    }
}

/// See [`View::runs`].
#[derive(Debug)]
pub struct Runs<'v> {
    view: &'v View,
    at: u64,
    to: u64,
    key: Key,
    skip: u64,
    batch: usize,
}

impl<'v> Iterator for Runs<'v> {
    type Item = Run<'v>;

    fn next(&mut self) -> Option<Run<'v>> {
        while self.at < self.to {
            let batch = self.view.batches.get(self.batch)?;
            let offset =
                |index: u64| usize::try_from(index - batch.first).expect("a batch is small");
            let stop = offset(self.to.min(batch.end()));
            let mut from = offset(self.at);
            let mut to = stop;
            if self.skip != 0 {
                let own = |i: &usize| batch.records[*i].author.number == self.skip;
                from = (from..stop).find(|i| !own(i)).unwrap_or(stop);
                to = (from..stop).find(own).unwrap_or(stop);
            }
            self.at = batch.first + to as u64;
            if self.at == batch.end() {
                self.batch += 1;
            }
            let bytes = batch.slice(self.key, from, to);
            if !bytes.is_empty() {
                return Some(Run { bytes, batch, from, to });
            }
        }
        None
    }
}
