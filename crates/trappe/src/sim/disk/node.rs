//! One file: what is read of it, and what of that is on disk.

use super::locks::{FileLocks, Shared};
use crate::sim::chance::Chance;

/// What a disk writes whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

/// What was done to a file since it was last synced, in order.
#[derive(Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Cut(usize),
}

/// A file.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// What is read.
    cache: Vec<u8>,
    /// What a power cut leaves of it, but for what of `changes` is there too.
    disk: Vec<u8>,
    /// What wasn't synced.
    changes: Vec<Change>,
    /// How often it was written to: its time, for whoever asks.
    pub(super) written: u64,
    /// Who holds it alone (`flock`).
    pub(super) held_by: Option<u64>,
    pub(super) locks: FileLocks,
    pub(super) shared: Shared,
}

/// What a power cut leaves of the changes to a file.
#[derive(Clone, Copy)]
enum Luck {
    /// None of them.
    Nothing,
    /// The first ones, the last of these in part.
    First(usize),
    /// Each by its own chance.
    Each,
}

impl Node {
    pub(super) fn len(&self) -> usize {
        self.cache.len()
    }

    /// Fills `into` from byte `at` on. Gives how much of it is there.
    pub(super) fn read(&self, at: usize, into: &mut [u8]) -> usize {
        let there = self.cache.get(at..).unwrap_or_default();
        let size = there.len().min(into.len());
        into[..size].copy_from_slice(&there[..size]);
        size
    }

    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        put(&mut self.cache, at, bytes);
        self.changes.push(Change::Write { at, bytes: bytes.to_vec() });
        self.written += 1;
    }

    pub(super) fn cut(&mut self, size: usize) {
        self.cache.resize(size, 0);
        self.changes.push(Change::Cut(size));
        self.written += 1;
    }

    /// All that was done is on disk.
    pub(super) fn sync(&mut self) {
        for change in self.changes.drain(..) {
            match change {
                Change::Write { at, bytes } => put(&mut self.disk, at, &bytes),
                Change::Cut(size) => self.disk.resize(size, 0),
            }
        }
    }

    /// A sync failed: what was written is clean from here on, whether it is on disk or not. It may be thrown out of the
    /// cache, and what is on disk read again: Btrfs does so at once, others when memory is short
    /// (<https://www.usenix.org/conference/atc20/presentation/rebello>).
    pub(super) fn fail_sync(&mut self, chance: &mut Chance) {
        for change in self.changes.drain(..) {
            match change {
                Change::Write { at, bytes } if chance.one_in(4) => {
                    put(&mut self.disk, at, &bytes);
                }
                Change::Write { .. } => {}
                Change::Cut(size) => self.disk.resize(size, 0),
            }
        }
        if chance.one_in(3) {
            let size = self.cache.len();
            self.cache.clone_from(&self.disk);
            self.cache.resize(size, 0);
        }
    }

    /// The power is cut.
    pub(super) fn lose(&mut self, chance: &mut Chance) {
        let changes = std::mem::take(&mut self.changes);
        let luck = match chance.size(0..=3) {
            0 => Luck::Nothing,
            1 => Luck::First(chance.size(0..=changes.len())),
            _ => Luck::Each,
        };
        for (i, change) in changes.into_iter().enumerate() {
            let (is_there, is_torn) = match luck {
                Luck::Nothing => (false, false),
                Luck::First(count) => (i < count, i + 1 == count),
                Luck::Each => match chance.size(0..=2) {
                    0 => (false, false),
                    1 => (true, false),
                    _ => (true, true),
                },
            };
            match change {
                Change::Write { at, bytes } if is_there && is_torn => {
                    for (from, sector) in sectors(at, &bytes) {
                        if chance.one_in(2) {
                            put(&mut self.disk, from, sector);
                        }
                    }
                }
                Change::Write { at, bytes } if is_there => put(&mut self.disk, at, &bytes),
                // Its place may have been made without what was to stand there.
                Change::Write { at, bytes } => {
                    let end = at + bytes.len();
                    if matches!(luck, Luck::Each) && end > self.disk.len() && chance.one_in(4) {
                        self.disk.resize(end, 0);
                    }
                }
                Change::Cut(size) if is_there => self.disk.resize(size, 0),
                Change::Cut(_) => {}
            }
        }
        self.cache.clone_from(&self.disk);
    }

    /// What a process held of it is free.
    pub(super) fn free(&mut self) {
        self.held_by = None;
        self.locks = FileLocks::default();
        self.shared = Shared::default();
    }
}

fn put(into: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[at..end].copy_from_slice(bytes);
}

/// The parts of a write that lie in one sector each, with their places.
fn sectors(at: usize, bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let to = bytes.len().min((at + from) / SECTOR * SECTOR + SECTOR - at);
        let sector = (from < to).then(|| (at + from, &bytes[from..to]));
        from = to;
        sector
    })
}
