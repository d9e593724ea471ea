//! What is in the journal, and not filed in its place yet (`store::journal`).
//!
//! It is filed room by room, so that the messages of a room share pages. While that goes on more gathers, which is filed
//! next; a piece of the journal goes once all of it is filed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::time::Instant;
use trappe_core::{
    limits::{HISTORY_FILED_AFTER, HISTORY_FILED_BYTES, HISTORY_FILED_ROWS},
    room::batch::Batch,
};

use super::Kept;
use crate::server::room::Room;

/// What is to be filed of one room.
#[derive(Debug)]
pub(super) struct Unfiled {
    pub(super) room: Arc<Room>,
    pub(super) batches: Vec<Arc<Batch>>,
}

impl Unfiled {
    /// The number of the first message of it.
    pub(super) fn first(&self) -> u64 {
        self.batches.first().map_or(0, |batch| batch.first_seq)
    }

    /// One past the last.
    pub(super) fn next(&self) -> u64 {
        self.batches.last().map_or(0, |batch| batch.end_seq())
    }

    fn messages(&self) -> usize {
        self.batches.iter().map(|batch| batch.records.len()).sum()
    }
}

/// What is to be filed, by rooms.
pub(super) type Rooms = BTreeMap<u32, Unfiled>;

#[derive(Debug, Default)]
struct Pile {
    rooms: Rooms,
    messages: usize,
    bytes: u64,
    /// When its first messages came.
    since: Option<Instant>,
    /// The last piece of the journal that is in it; 0: none.
    last: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    gathering: Pile,
    filing: Pile,
    /// The last piece that was written.
    pieces: u64,
}

impl Backlog {
    /// Whether all is filed, and the journal empty.
    pub(super) fn is_empty(&self) -> bool {
        self.gathering.last == 0 && self.filing.last == 0
    }

    /// The number of the next piece.
    pub(super) fn next_piece(&self) -> u64 {
        self.pieces + 1
    }

    /// These batches are in the next piece, which is on disk.
    pub(super) fn add<'a>(
        &mut self,
        batches: impl Iterator<Item = (&'a Kept, &'a Arc<Room>, &'a Arc<Batch>)>,
        now: Instant,
    ) {
        let pile = &mut self.gathering;
        for (kept, room, batch) in batches {
            pile.last = self.pieces + 1;
            pile.since.get_or_insert(now);
            pile.messages += batch.records.len();
            pile.bytes += batch.weight();
            let unfiled = pile
                .rooms
                .entry(kept.no)
                .or_insert_with(|| Unfiled { room: Arc::clone(room), batches: Vec::new() });
            unfiled.batches.push(Arc::clone(batch));
        }
        self.pieces = self.pieces.max(pile.last);
    }

    /// Whatever isn't filed, in its order.
    pub(super) fn all(&self) -> impl Iterator<Item = (u32, &Unfiled)> {
        self.filing.rooms.iter().chain(&self.gathering.rooms).map(|(no, unfiled)| (*no, unfiled))
    }

    /// The first message of a room that isn't filed.
    pub(super) fn first(&self, no: u32) -> Option<u64> {
        let unfiled = self.filing.rooms.get(&no).or_else(|| self.gathering.rooms.get(&no));
        unfiled.map(Unfiled::first)
    }

    /// Whether enough has gathered, or for long enough.
    fn is_due(&self, now: Instant) -> bool {
        let pile = &self.gathering;
        let since = pile.since.map_or(Duration::ZERO, |since| now - since);
        pile.messages >= HISTORY_FILED_ROWS
            || pile.bytes >= HISTORY_FILED_BYTES
            || since >= HISTORY_FILED_AFTER
    }

    /// Takes what is to be filed now, about so many messages of it; and the last piece that is filed with it, if one is.
    /// `all`: also what could gather for longer.
    pub(super) fn take(&mut self, most: usize, all: bool, now: Instant) -> (Rooms, Option<u64>) {
        let mut taken = Rooms::new();
        if self.filing.last == 0 && self.gathering.last > 0 && (all || self.is_due(now)) {
            self.filing = std::mem::take(&mut self.gathering);
        }
        // What gathers much faster than it is filed must not grow without end.
        let most = if self.gathering.bytes > 4 * HISTORY_FILED_BYTES { usize::MAX } else { most };
        let mut messages = 0;
        while messages < most
            && let Some((no, unfiled)) = self.filing.rooms.pop_first()
        {
            messages += unfiled.messages();
            taken.insert(no, unfiled);
        }
        let is_done = self.filing.last > 0 && self.filing.rooms.is_empty();
        (taken, is_done.then_some(self.filing.last))
    }

    /// What was taken is filed.
    pub(super) fn filed(&mut self) {
        if self.filing.rooms.is_empty() {
            self.filing = Pile::default();
        }
    }

    /// What was taken is not filed after all.
    pub(super) fn put_back(&mut self, taken: Rooms) {
        self.filing.rooms.extend(taken);
    }
}
