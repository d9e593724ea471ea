//! What connections of one process hold of a database: its locks, and the memory that they share for its log.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::AtomicU32},
};

use rusqlite::ffi::{
    SQLITE_LOCK_EXCLUSIVE, SQLITE_LOCK_NONE, SQLITE_LOCK_PENDING, SQLITE_LOCK_RESERVED,
    SQLITE_LOCK_SHARED,
};

/// The locks of a database file, by who holds them: <https://www.sqlite.org/lockingv3.html#locking>.
#[derive(Debug, Default)]
pub(super) struct FileLocks(BTreeMap<u64, i32>);

impl FileLocks {
    fn of(&self, who: u64) -> i32 {
        self.0.get(&who).copied().unwrap_or(SQLITE_LOCK_NONE)
    }

    /// The greatest lock of all others.
    fn of_others(&self, who: u64) -> i32 {
        let others = self.0.iter().filter(|(it, _)| **it != who);
        others.map(|(_, lock)| *lock).max().unwrap_or(SQLITE_LOCK_NONE)
    }

    /// Whether somebody means to write.
    pub(super) fn is_reserved(&self) -> bool {
        self.0.values().any(|lock| *lock >= SQLITE_LOCK_RESERVED)
    }

    /// Whether it could be had.
    pub(super) fn lock(&mut self, who: u64, wanted: i32) -> bool {
        let others = self.of_others(who);
        if self.of(who) >= wanted {
            return true;
        }
        let may = match wanted {
            SQLITE_LOCK_SHARED => others < SQLITE_LOCK_PENDING,
            SQLITE_LOCK_EXCLUSIVE => others < SQLITE_LOCK_SHARED,
            _ => others < SQLITE_LOCK_RESERVED,
        };
        if may {
            self.0.insert(who, wanted);
        } else if wanted == SQLITE_LOCK_EXCLUSIVE && others == SQLITE_LOCK_SHARED {
            // Who reads goes on; nobody begins to.
            self.0.insert(who, SQLITE_LOCK_PENDING);
        }
        may
    }

    pub(super) fn unlock(&mut self, who: u64, left: i32) {
        if left == SQLITE_LOCK_NONE {
            self.0.remove(&who);
        } else if self.of(who) > left {
            self.0.insert(who, left);
        }
    }
}

/// A part of the memory that the connections of a database share.
pub(super) type Region = Arc<[AtomicU32]>;

/// The memory that the connections of a database share, and its locks: <https://www.sqlite.org/walformat.html>.
#[derive(Debug, Default)]
pub(super) struct Shared {
    regions: Vec<Region>,
    /// Locks of each who uses it, as bits: shared ones, and those that are held alone.
    users: BTreeMap<u64, (u32, u32)>,
}

impl Shared {
    /// A region of so many bytes; it is made if that is wanted.
    pub(super) fn map(
        &mut self,
        who: u64,
        region: usize,
        bytes: usize,
        make: bool,
    ) -> Option<Region> {
        self.users.entry(who).or_default();
        while make && self.regions.len() <= region {
            self.regions.push((0..bytes / size_of::<u32>()).map(|_| AtomicU32::new(0)).collect());
        }
        self.regions.get(region).cloned()
    }

    /// Who uses it no longer. With the last one it is gone, and whoever comes then begins anew.
    pub(super) fn unmap(&mut self, who: u64) {
        self.users.remove(&who);
        if self.users.is_empty() {
            self.regions.clear();
        }
    }

    /// Whether these locks could be had.
    pub(super) fn lock(&mut self, who: u64, bits: u32, alone: bool) -> bool {
        let in_the_way = self.users.iter().any(|(it, (shared, held))| {
            *it != who && bits & (*held | if alone { *shared } else { 0 }) != 0
        });
        if !in_the_way {
            let (shared, held) = self.users.entry(who).or_default();
            *(if alone { held } else { shared }) |= bits;
        }
        !in_the_way
    }

    pub(super) fn unlock(&mut self, who: u64, bits: u32) {
        if let Some((shared, held)) = self.users.get_mut(&who) {
            *shared &= !bits;
            *held &= !bits;
        }
    }
}
