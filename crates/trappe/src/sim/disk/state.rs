//! The disk, the process that uses it, and what goes wrong.

use std::{
    collections::BTreeMap,
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use nix::errno::Errno;
use rusqlite::ffi::SQLITE_LOCK_NONE;

use super::{
    DiskState,
    names::Names,
    node::{Node, SECTOR},
};
use crate::sim::{
    chance::{self, Chance},
    process,
};

/// Why something wasn't done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The process is dead, or there is no disk.
    Dead,
    Full,
    Fails,
    NotThere,
    IsThere,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> io::Error {
        let errno = match failure {
            Failure::Dead | Failure::Fails => Errno::EIO,
            Failure::Full => Errno::ENOSPC,
            Failure::NotThere => Errno::ENOENT,
            Failure::IsThere => Errno::EEXIST,
        };
        errno.into()
    }
}

/// An open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    /// Its own number.
    pub(super) id: u64,
    /// The process that has it open.
    process: u64,
    pub(super) node: u64,
}

/// A disk, see [`super::Disk`].
#[derive(Debug)]
pub(super) struct State {
    /// Decides what is lost.
    chance: Chance,
    /// SQLite's.
    randomness: Chance,
    /// Which process uses it. No two of all threads are the same: a connection may outlive its disk.
    process: u64,
    pub(super) dead: bool,
    /// How it takes what is written.
    takes: DiskState,
    pub(super) die_in: Option<u32>,
    pub(super) ops: u64,
    pub(super) names: Names,
    nodes: BTreeMap<u64, Node>,
    /// The number of the next file, and of the next that is opened.
    next: u64,
}

fn new_process() -> u64 {
    static PROCESSES: AtomicU64 = AtomicU64::new(1);
    PROCESSES.fetch_add(1, Relaxed)
}

impl State {
    /// An empty one; its chance has streams of its own, so that one more write changes nothing elsewhere.
    pub(super) fn new() -> State {
        State {
            chance: chance::fork("disk"),
            randomness: chance::fork("sqlite"),
            process: new_process(),
            dead: false,
            takes: DiskState::Well,
            die_in: None,
            ops: 0,
            names: Names::default(),
            nodes: BTreeMap::new(),
            next: 1,
        }
    }

    pub(super) fn set(&mut self, state: DiskState) {
        self.takes = state;
    }

    pub(super) fn die(&mut self) {
        self.dead = true;
        self.die_in = None;
    }

    pub(super) fn come_back(&mut self, power: bool) {
        self.process = new_process();
        (self.dead, self.die_in) = (false, None);
        if power {
            self.names.lose(&mut self.chance);
        }
        let named = self.names.all();
        self.nodes.retain(|node, _| named.contains(node));
        for node in self.nodes.values_mut() {
            node.free();
            if power {
                node.lose(&mut self.chance);
            }
        }
    }

    /// SQLite's random numbers.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.randomness.within(0..=255).to_le_bytes()[0]);
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    /// Whether the process lives that has this open.
    pub(super) fn is_live(&self, handle: Handle) -> Result<(), Failure> {
        if self.dead || handle.process != self.process { Err(Failure::Dead) } else { Ok(()) }
    }

    /// For what needs no handle.
    pub(super) fn is_up(&self) -> Result<(), Failure> {
        if self.dead { Err(Failure::Dead) } else { Ok(()) }
    }

    pub(super) fn node(&mut self, handle: Handle) -> Result<&mut Node, Failure> {
        self.is_live(handle)?;
        self.nodes.get_mut(&handle.node).ok_or(Failure::Dead)
    }

    pub(super) fn named(&self, name: &str) -> Result<(u64, &Node), Failure> {
        self.is_up()?;
        let node = self.names.get(name).ok_or(Failure::NotThere)?;
        Ok((node, self.nodes.get(&node).ok_or(Failure::NotThere)?))
    }

    /// Counts an operation. Gives whether it is the one in which the process dies.
    fn dies(&mut self) -> bool {
        self.ops += 1;
        match &mut self.die_in {
            Some(ops) if *ops > 1 => {
                *ops -= 1;
                false
            }
            Some(_) => {
                self.die();
                process::freeze();
                true
            }
            None => false,
        }
    }

    /// Opens what has this name.
    pub(super) fn open(&mut self, name: &str) -> Result<Handle, Failure> {
        let (node, _) = self.named(name)?;
        Ok(Handle { id: self.number(), process: self.process, node })
    }

    /// Makes a file of this name, which none has.
    pub(super) fn create(&mut self, name: &str) -> Result<Handle, Failure> {
        self.is_up()?;
        if !self.names.is_made {
            return Err(Failure::NotThere);
        }
        if self.names.get(name).is_some() {
            return Err(Failure::IsThere);
        }
        let node = self.number();
        self.change_names(true, vec![(name.to_owned(), Some(node))])?;
        self.nodes.insert(node, Node::default());
        Ok(Handle { id: self.number(), process: self.process, node })
    }

    /// Makes a file that has no name, and is gone with the process.
    pub(super) fn nameless(&mut self) -> Result<Handle, Failure> {
        self.is_up()?;
        let node = self.number();
        self.nodes.insert(node, Node::default());
        Ok(Handle { id: self.number(), process: self.process, node })
    }

    /// What holds something of a file no longer does.
    pub(super) fn close(&mut self, handle: Handle) {
        if let Ok(node) = self.node(handle) {
            node.locks.unlock(handle.id, SQLITE_LOCK_NONE);
            node.shared.unmap(handle.id);
        }
    }

    /// A file without a name is gone when nobody has it open.
    pub(super) fn forget(&mut self, handle: Handle) {
        if self.is_live(handle).is_ok() {
            self.nodes.remove(&handle.node);
        }
    }

    /// One step in the folder; `makes` something that takes room.
    fn change_names(
        &mut self,
        makes: bool,
        step: Vec<(String, Option<u64>)>,
    ) -> Result<(), Failure> {
        self.is_up()?;
        let dies = self.dies();
        if makes && self.takes == DiskState::Full {
            return Err(Failure::Full);
        }
        if dies && self.chance.one_in(2) {
            return Err(Failure::Dead);
        }
        for node in step.iter().filter_map(|(_, node)| *node) {
            self.nodes.entry(node).or_default();
        }
        self.names.step(step);
        if dies { Err(Failure::Dead) } else { Ok(()) }
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.named(name)?;
        self.change_names(false, vec![(name.to_owned(), None)])
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let (node, _) = self.named(from)?;
        self.change_names(false, vec![(from.to_owned(), None), (to.to_owned(), Some(node))])
    }

    pub(super) fn link(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let (node, _) = self.named(from)?;
        if self.names.get(to).is_some() {
            return Err(Failure::IsThere);
        }
        self.change_names(true, vec![(to.to_owned(), Some(node))])
    }

    pub(super) fn make_folder(&mut self) -> Result<(), Failure> {
        if self.names.is_made {
            return Err(Failure::IsThere);
        }
        self.is_up()?;
        let dies = self.dies();
        if self.takes == DiskState::Full {
            return Err(Failure::Full);
        }
        self.names.is_made = !dies || self.chance.one_in(2);
        if dies { Err(Failure::Dead) } else { Ok(()) }
    }

    pub(super) fn read(
        &mut self,
        handle: Handle,
        at: usize,
        into: &mut [u8],
    ) -> Result<usize, Failure> {
        Ok(self.node(handle)?.read(at, into))
    }

    pub(super) fn write(&mut self, handle: Handle, at: usize, bytes: &[u8]) -> Result<(), Failure> {
        self.is_live(handle)?;
        let failure = match (self.dies(), self.takes) {
            (true, _) => Some(Failure::Dead),
            (_, DiskState::Full) => Some(Failure::Full),
            (_, DiskState::Fails) => Some(Failure::Fails),
            (_, DiskState::Well | DiskState::SyncFails) => None,
        };
        let size = match failure {
            Some(_) if self.chance.one_in(2) => 0,
            Some(_) => self.chance.size(0..=bytes.len() / SECTOR) * SECTOR,
            None => bytes.len(),
        };
        let node = self.nodes.get_mut(&handle.node).ok_or(Failure::Dead)?;
        node.write(at, &bytes[..size]);
        failure.map_or(Ok(()), Err)
    }

    pub(super) fn cut(&mut self, handle: Handle, size: usize) -> Result<(), Failure> {
        let grows = size > self.node(handle)?.len();
        let dies = self.dies();
        match self.takes {
            DiskState::Full if grows && !dies => return Err(Failure::Full),
            DiskState::Fails if !dies => return Err(Failure::Fails),
            _ if dies && self.chance.one_in(2) => return Err(Failure::Dead),
            _ => {}
        }
        let node = self.nodes.get_mut(&handle.node).ok_or(Failure::Dead)?;
        node.cut(size);
        if dies { Err(Failure::Dead) } else { Ok(()) }
    }

    /// In the middle of a sync that a process doesn't survive nothing is certain yet, as before it.
    fn begin_sync(&mut self) -> Result<(), Failure> {
        self.is_up()?;
        if self.dies() { Err(Failure::Dead) } else { Ok(()) }
    }

    pub(super) fn sync(&mut self, handle: Handle) -> Result<(), Failure> {
        self.is_live(handle)?;
        self.begin_sync()?;
        let node = self.nodes.get_mut(&handle.node).ok_or(Failure::Dead)?;
        if self.takes == DiskState::SyncFails {
            node.fail_sync(&mut self.chance);
            return Err(Failure::Fails);
        }
        node.sync();
        Ok(())
    }

    /// The names in the folder are on disk.
    pub(super) fn sync_names(&mut self) -> Result<(), Failure> {
        self.begin_sync()?;
        if self.takes == DiskState::SyncFails {
            return Err(Failure::Fails);
        }
        self.names.sync();
        Ok(())
    }

    /// The folder's own name is on disk.
    pub(super) fn sync_parent(&mut self) -> Result<(), Failure> {
        self.begin_sync()?;
        if self.takes == DiskState::SyncFails {
            return Err(Failure::Fails);
        }
        self.names.sync_parent();
        Ok(())
    }
}
