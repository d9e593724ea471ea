//! The rooms that there are on disk: where each goes on when it is opened again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use trappe_core::{
    command::Epoch,
    limits::HISTORY_ROOMS,
    name::{Folded, Name},
    room::log::Numbers,
};

use super::Kept;
use crate::{server::room::Room, store::StoredRoom};

/// A room on disk.
#[derive(Debug)]
struct Entry {
    no: u32,
    name: Name,
    epoch: Epoch,
    /// Messages up to here have been given numbers; only true while the room isn't open.
    next: u64,
    /// Where the reserved numbers end.
    until: u64,
    oldest: u64,
    /// The last message that was filed; 0: none since the start.
    last: u64,
    /// The room, while it is open.
    open: Weak<Room>,
}

/// Where a room that is opened goes on.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) no: u32,
    /// As it was made, whatever the case in which it is asked for now.
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    pub(crate) numbers: Numbers,
    pub(crate) oldest: u64,
    /// What is known of its last messages, which are still on their way to the disk.
    pub(crate) kept: Option<Arc<Kept>>,
}

/// All rooms on disk, and those that will be there with their first message.
#[derive(Debug)]
pub(super) struct Catalogue {
    by_name: BTreeMap<Folded, u32>,
    by_no: BTreeMap<u32, Entry>,
    next_no: u32,
    /// How many numbers are reserved for a room at a time.
    block: u64,
}

impl Catalogue {
    /// What the disk has; for each room `block` numbers were reserved at the start.
    pub(super) fn new(rooms: Vec<StoredRoom>, next_no: u32, block: u64) -> Catalogue {
        let mut catalogue =
            Catalogue { by_name: BTreeMap::new(), by_no: BTreeMap::new(), next_no, block };
        for room in rooms {
            catalogue.by_name.insert(room.name.folded(), room.no);
            let entry = Entry {
                no: room.no,
                epoch: room.epoch,
                next: room.next_seq,
                until: room.next_seq + block,
                oldest: room.oldest,
                last: room.last,
                name: room.name,
                open: Weak::new(),
            };
            catalogue.by_no.insert(room.no, entry);
        }
        catalogue
    }

    /// A room is opened. None: there are too many, this one isn't kept.
    pub(super) fn open(&mut self, name: &Name, spare: impl Fn() -> Epoch) -> Option<Opening> {
        let known = self.by_name.get(&name.folded()).copied();
        let no = match known {
            Some(no) => no,
            None if self.by_no.len() >= HISTORY_ROOMS => return None,
            None => self.add(name, spare()),
        };
        let entry = self.by_no.get_mut(&no)?;
        let mut kept = None;
        if let Some(room) = entry.open.upgrade() {
            kept.clone_from(&room.kept);
            entry.next = room.tail.with(|log| log.next_seq());
            entry.epoch = room.life.epoch();
            entry.oldest = room.life.oldest_stored().unwrap_or(entry.oldest);
        }
        let numbers = Numbers { next: entry.next, until: entry.until, spare: spare() };
        let name = entry.name.clone();
        Some(Opening { no, name, epoch: entry.epoch, numbers, oldest: entry.oldest, kept })
    }

    /// The room of that name, while it is open.
    pub(super) fn open_one(&self, name: &Name) -> Option<Arc<Room>> {
        let no = self.by_name.get(&name.folded())?;
        self.by_no.get(no)?.open.upgrade()
    }

    /// Whether a room is known, or there is a place for one more; and the rooms of which nothing is kept any more, and that had
    /// to give way.
    pub(super) fn has_place(&mut self, name: &Name) -> (bool, Vec<u32>) {
        if self.knows(name) || self.by_no.len() < HISTORY_ROOMS {
            return (true, Vec::new());
        }
        // All at once: it is a long look.
        let is_empty = |entry: &Entry| entry.oldest >= entry.next && entry.open.strong_count() == 0;
        let empty: Vec<u32> =
            self.by_no.values().filter(|entry| is_empty(entry)).map(|entry| entry.no).collect();
        for no in &empty {
            if let Some(entry) = self.by_no.remove(no) {
                self.by_name.remove(&entry.name.folded());
            }
        }
        (!empty.is_empty(), empty)
    }

    pub(super) fn knows(&self, name: &Name) -> bool {
        self.by_name.contains_key(&name.folded())
    }

    fn add(&mut self, name: &Name, epoch: Epoch) -> u32 {
        let no = self.next_no;
        self.next_no += 1;
        self.by_name.insert(name.folded(), no);
        // No number of this epoch was ever given: those of the first block need no reservation, since the epoch itself isn't on
        // disk before they are.
        let (name, until) = (name.clone(), 1 + self.block);
        let entry =
            Entry { no, name, epoch, next: 1, until, oldest: 1, last: 0, open: Weak::new() };
        self.by_no.insert(no, entry);
        no
    }

    /// The room that was opened.
    pub(super) fn opened(&mut self, no: u32, room: &Arc<Room>) {
        if let Some(entry) = self.by_no.get_mut(&no) {
            entry.open = Arc::downgrade(room);
        }
    }

    /// Messages before `next` have been dealt with, and numbers up to `until` are reserved, in the life `epoch`.
    pub(super) fn stored(&mut self, no: u32, epoch: Epoch, next: u64, until: u64) {
        if let Some(entry) = self.by_no.get_mut(&no) {
            (entry.epoch, entry.next, entry.until) = (epoch, next, until);
        }
    }

    /// Messages up to `last` are filed in their places.
    pub(super) fn filed(&mut self, no: u32, last: u64) {
        if let Some(entry) = self.by_no.get_mut(&no) {
            entry.last = last;
        }
    }

    /// Messages before `next` were given numbers, and are not on disk.
    pub(super) fn lost(&mut self, no: u32, next: u64) {
        if let Some(entry) = self.by_no.get_mut(&no) {
            entry.next = entry.next.max(next);
        }
    }

    /// The last message of each room that was filed, and is still kept.
    pub(super) fn last_stored(&self) -> Vec<(u32, u64)> {
        let kept = self.by_no.values().filter(|entry| entry.last >= entry.oldest.max(1));
        kept.map(|entry| (entry.no, entry.last)).collect()
    }

    /// Nothing of the room is on disk before message `oldest` any more.
    pub(super) fn pruned(&mut self, no: u32, oldest: u64) {
        if let Some(entry) = self.by_no.get_mut(&no) {
            entry.oldest = entry.oldest.max(oldest);
            if let Some(room) = entry.open.upgrade() {
                room.life.forget_before(oldest);
            }
        }
    }

    /// Name, epoch, the number that comes next, and where the reserved ones end, of one room.
    pub(super) fn get(&self, no: u32) -> Option<(&Name, Epoch, u64, u64)> {
        self.by_no.get(&no).map(|entry| (&entry.name, entry.epoch, entry.next, entry.until))
    }

    /// The exact number that comes next in each room: nobody speaks any more.
    pub(super) fn exact(&self) -> Vec<(u32, u64)> {
        let next = |entry: &Entry| {
            let open = entry.open.upgrade().map(|room| room.tail.with(|log| log.next_seq()));
            open.unwrap_or(entry.next)
        };
        self.by_no.values().map(|entry| (entry.no, next(entry))).collect()
    }
}
