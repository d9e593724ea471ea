//! The store on the simulated disk: what it promises holds whenever the process dies, and the disk does lose what it
//! may.

mod deaths;
mod faults;
mod refusals;

use std::collections::{BTreeMap, BTreeSet};

use trappe_core::{command::Epoch, keep::Keep as Bounds, name::Name};

use super::{Disk, DiskState};
use crate::{
    sim::{chance, process},
    store::{
        self, Cause, DbError, Entry, Folder, Hole, Keep, MESSAGE_BYTES, Note, Opened, Piece,
        Reader, Store, StoredMessage, Visit,
    },
};

/// When it begins, in microseconds since 1970.
const NOW: u64 = 1_764_000_000_000_000;

const ROOMS: [(u32, &str); 2] = [(1, "lobby"), (2, "attic")];

/// A life begins.
fn begin(seed: u64) -> Disk {
    chance::begin(seed);
    process::begin();
    Disk::new()
}

/// A server's history, opened.
struct Kept {
    folder: Folder,
    opened: Opened,
}

impl Kept {
    fn open(disk: &Disk) -> Result<Kept, String> {
        let folder = Folder::open(disk.folder()).map_err(|error| error.to_string())?;
        let mut epochs = 0;
        let mut new_epoch = || {
            epochs += 1;
            Epoch::from_random(epochs)
        };
        let opened =
            store::open(&folder, &mut new_epoch, NOW).map_err(|error| error.to_string())?;
        Ok(Kept { folder, opened })
    }

    fn store(&mut self) -> &mut Store {
        &mut self.opened.store
    }

    /// Everything that can be read of a room, before number `end`.
    fn read(&self, room: u32, end: u64) -> (BTreeMap<u64, Vec<u8>>, Vec<Hole>) {
        let mut reader = Reader::open(&self.folder).unwrap();
        let (mut messages, mut holes, mut next) = (BTreeMap::new(), Vec::new(), 1);
        while next < end {
            let portion = reader.portion(room, next, end, 100, 1 << 20).unwrap();
            holes.extend(portion.gap);
            messages.extend(portion.rows.into_iter().map(|row| (row.seq, row.body)));
            next = portion.next;
        }
        (messages, holes)
    }
}

fn body(room: u32, seq: u64) -> Vec<u8> {
    let body = format!("message {seq} of room {room}");
    let body = if seq % 7 == 3 { body + &" and so on".repeat(700) } else { body };
    body.into_bytes()
}

fn message(seq: u64, body: &[u8]) -> StoredMessage<'_> {
    StoredMessage { seq, time_us: NOW + seq, sid: 1, mid: None, author: Some("alice"), body }
}

/// What a server was told by its disk.
#[derive(Debug, Default)]
struct Told {
    /// The next number of each room.
    next: BTreeMap<u32, u64>,
    /// What a start finds there is no less.
    reserved: BTreeMap<u32, u64>,
    /// It was begun to store them.
    tried: BTreeSet<(u32, u64)>,
    /// Those of earlier processes: what isn't stored of them is a hole already.
    earlier: BTreeSet<(u32, u64)>,
    /// They are stored.
    stored: BTreeSet<(u32, u64)>,
    /// Of those, these are in the journal alone.
    unfiled: Vec<(u32, u64)>,
    /// It was begun to take these away.
    pruned: BTreeSet<(u32, u64)>,
}

impl Told {
    /// Opens what is there, and takes numbers, as a server does.
    fn open(&mut self, disk: &Disk) -> Result<Kept, String> {
        let mut kept = Kept::open(disk)?;
        self.earlier.clone_from(&self.tried);
        for (no, _) in ROOMS {
            let found = kept.opened.rooms.iter().find(|room| room.no == no);
            self.next.insert(no, found.map_or(1, |room| room.next_seq));
        }
        self.reserve(kept.store()).map_err(|error| error.to_string())?;
        Ok(kept)
    }

    fn reserve(&mut self, store: &mut Store) -> Result<(), DbError> {
        let mut transaction = store.write()?;
        for (no, name) in ROOMS {
            let name = Name::parse(name).unwrap();
            transaction.room(no, &name, Epoch::from_random(77), self.next[&no] + 1000)?;
        }
        transaction.commit()?;
        self.reserved = self.next.iter().map(|(no, next)| (*no, next + 1000)).collect();
        Ok(())
    }

    fn take(&mut self, room: u32, count: u64) -> Vec<(u32, u64)> {
        let next = self.next.get_mut(&room).unwrap();
        *next += count;
        let taken: Vec<_> = (*next - count..*next).map(|seq| (room, seq)).collect();
        self.tried.extend(&taken);
        taken
    }

    /// Stores so many messages of a room.
    fn say(&mut self, store: &mut Store, room: u32, count: u64) -> Result<(), DbError> {
        let said = self.take(room, count);
        let mut transaction = store.write()?;
        file(&mut transaction, room, (said[0].1, said[0].1 + count - 1))?;
        transaction.commit()?;
        self.stored.extend(&said);
        Ok(())
    }

    /// Stores a message in each room, first in one piece; they are filed afterwards if that is wanted.
    fn journal(&mut self, store: &mut Store, no: u64, is_filed: bool) -> Result<(), DbError> {
        let said = ROOMS.map(|(room, _)| self.take(room, 1)[0]);
        let mut piece = Piece::default();
        for (room, seq) in said {
            let body = body(room, seq);
            piece.push(&Entry { room, message: message(seq, &body), post: None });
        }
        let mut transaction = store.write()?;
        transaction.journal(no, &piece)?;
        transaction.commit()?;
        self.stored.extend(said);
        self.unfiled.extend(said);
        if is_filed {
            let mut transaction = store.write()?;
            for (room, seq) in said {
                file(&mut transaction, room, (seq, seq))?;
            }
            transaction.filed(no)?;
            transaction.commit()?;
            self.unfiled.clear();
        }
        Ok(())
    }

    /// Keeps only so many messages of each room.
    fn prune(&mut self, store: &mut Store, most: u64) -> Result<(), DbError> {
        for (room, _) in ROOMS {
            let all: Vec<_> = self.tried.iter().filter(|(no, _)| *no == room).copied().collect();
            let gone = all.len().saturating_sub(usize::try_from(most).unwrap());
            self.pruned.extend(&all[..gone]);
        }
        let bounds = Bounds { messages: Some(most), ..Bounds::default() };
        let keep = Keep { room: bounds, ..Keep::default() };
        while store.prune(&keep, NOW, 3)?.more {}
        Ok(())
    }

    /// What was stored is there, nothing else is but what it was begun to store, and nothing is wrong with any of it.
    fn check(&self, kept: &Kept, doing: &str) {
        for (room, _) in ROOMS {
            let tried = self.tried.iter().rev().find(|(no, _)| *no == room);
            let (messages, holes) = kept.read(room, tried.map_or(1, |(_, seq)| seq + 1));
            for (seq, found) in &messages {
                assert!(self.tried.contains(&(room, *seq)), "{doing}: {seq} was never said");
                assert!(*found == body(room, *seq), "{doing}: {seq} says something else");
            }
            let of_room = self.stored.difference(&self.pruned).filter(|(no, _)| *no == room);
            for (_, seq) in of_room {
                assert!(messages.contains_key(seq), "{doing}: {seq} of {room} is gone: {holes:?}");
            }
            let damaged = holes.iter().find(|hole| hole.cause == Cause::Damaged);
            assert_eq!(damaged, None, "{doing}");
        }
        for (no, next) in &self.reserved {
            let found = kept.opened.rooms.iter().find(|room| room.no == *no);
            let found = found.unwrap_or_else(|| panic!("{doing}: room {no} is gone"));
            assert!(found.next_seq >= *next, "{doing}: numbers of room {no} would be given again");
        }
        let mut visit = Visit::open(std::path::Path::new(super::FOLDER)).unwrap();
        let report = store::check(&mut visit, &mut |_| ()).unwrap();
        assert!(report.is_sound(), "{doing}: {report:?}");
    }
}

fn file(
    transaction: &mut store::Transaction<'_>,
    room: u32,
    (first, last): (u64, u64),
) -> Result<(), DbError> {
    let mut bytes = 0;
    for seq in first..=last {
        let body = body(room, seq);
        transaction.message(room, &message(seq, &body))?;
        bytes += body.len() as u64 + MESSAGE_BYTES;
    }
    transaction.counts(room, last - first + 1, bytes, last)
}
