//! A simulated disk: everything that a server keeps in its data folder, in memory, and what becomes of it when the disk
//! fails, the process is killed or the power is cut.
//!
//! SQLite comes here by a file system of its own ([`vfs`], the default one), what the store does beside it by
//! [`files`]. Each thread has one disk. What is written is at once what is read (the page cache) and outlives the
//! process; what a power cut leaves is what was synced, and of the rest whatever chance lets be there. Equal seeds and
//! equal operations give equal disks, byte for byte.

pub(crate) mod files;
mod locks;
mod names;
mod node;
mod state;
mod vfs;

#[cfg(test)]
mod tests;

use std::{cell::RefCell, marker::PhantomData, path::Path};

use self::state::{Failure, State};

/// Where the folder is that is on the disk; the one that it is in is there from the start.
const FOLDER: &str = "/simulated/data";

thread_local! {
    static DISK: RefCell<Option<State>> = const { RefCell::new(None) };
}

/// How a disk takes what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum DiskState {
    /// As it should.
    #[default]
    Well,
    /// Nothing fits any more (ENOSPC). What was begun may be there in part.
    Full,
    /// Writes fail (EIO), after a part of them.
    Fails,
    /// Syncs fail (EIO). What they should have brought to the disk counts as clean from then on, as on Linux: no later
    /// sync brings it there, and a power cut takes it. Until then it is read, or what was there before.
    SyncFails,
}

/// This thread's disk; gone with this. What is still open on it then can't be written any more.
#[derive(Debug)]
pub(crate) struct Disk {
    /// It is its thread's.
    _here: PhantomData<*const ()>,
}

impl Disk {
    /// An empty disk in the place of the one that this thread had. SQLite goes to it from here on, and takes its chance
    /// from this life's seed.
    ///
    /// SQLite's own random numbers are one stream for all threads of a process: two lives at once belong into two
    /// processes.
    pub(crate) fn new() -> Disk {
        vfs::register();
        DISK.set(Some(State::new()));
        vfs::forget_randomness();
        Disk { _here: PhantomData }
    }

    /// The folder for `--data`. It isn't there before the server makes it.
    #[expect(clippy::unused_self, reason = "there is none without a disk")]
    pub(crate) fn folder(&self) -> &Path {
        Path::new(FOLDER)
    }

    /// From here on it takes writes and syncs so, whatever becomes of the process.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn set(&self, state: DiskState) {
        here(|disk| disk.set(state));
    }

    /// The process dies in the middle of the `ops`th operation from here on (1: the next one), of those that change
    /// anything: writing, syncing, cutting a file, and making, renaming or removing a name. None: it doesn't.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn die_in(&self, ops: Option<u32>) {
        here(|disk| disk.die_in = ops);
    }

    /// From here on nothing that this process does reaches the disk.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn die(&self) {
        here(State::die);
    }

    /// Whether the process has died. Whatever it does from then on is refused here, and must be heard by nobody: a
    /// process that is killed in a system call says nothing any more.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn has_died(&self) -> bool {
        has_died()
    }

    /// Another process may begin. What the last one has left open is dead for ever. With `power`, what wasn't synced is
    /// there, or gone, or there in part, by chance.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn come_back(&self, power: bool) {
        here(|disk| disk.come_back(power));
        vfs::forget_randomness();
    }

    /// How many operations there were that change anything, as [`Disk::die_in`] counts them.
    #[expect(clippy::unused_self, reason = "it is this thread's disk, and there is one")]
    pub(crate) fn ops(&self) -> u64 {
        here(|disk| disk.ops)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        DISK.set(None);
    }
}

/// Whether the process that uses this thread's disk has died; see [`Disk::has_died`]. Not where there is no disk.
pub(crate) fn has_died() -> bool {
    with(|disk| Ok(disk.dead)).unwrap_or(false)
}

fn here<T>(act: impl FnOnce(&mut State) -> T) -> T {
    DISK.with_borrow_mut(|disk| act(disk.as_mut().expect("a disk lives as long as its handle")))
}

/// Does something with this thread's disk, if it has one.
fn with<T>(act: impl FnOnce(&mut State) -> Result<T, Failure>) -> Result<T, Failure> {
    // What is dropped when its thread ends may come after the disk.
    let done = DISK.try_with(|disk| disk.borrow_mut().as_mut().map(act));
    done.ok().flatten().unwrap_or(Err(Failure::Dead))
}
