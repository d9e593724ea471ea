//! An export taken in again: rooms keep their numbers and their epoch, and nothing that is there is ever replaced.

use std::collections::BTreeMap;

use rusqlite::OptionalExtension;
use trappe_core::{command::Epoch, name::Name};

use super::{
    db::Store,
    error::{DbError, OpenError, db},
    folder::Folder,
    open::{Note, open},
    prune::MESSAGE_BYTES,
    row::{COLUMNS, Row, StoredMessage},
    schema::{SEQ_BITS, id},
    tables::Hole,
    transaction::Transaction,
};

/// Messages that are stored in one transaction.
const TOGETHER: usize = 10_000;

/// Numbers of members that JSON can carry are below this.
const MEMBERS: u64 = 1 << 53;

/// Why something isn't taken in. What came before it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ImportError {
    /// The room has another message under this number, or said once that there is none.
    #[error("room {room} has something else under number {seq} already")]
    Clash {
        /// Which room.
        room: Name,
        /// Which number.
        seq: u64,
    },
    /// The room is another one of the same name, and has messages.
    #[error("room {room} is here another one, of epoch {here}: its numbers mean other messages")]
    Epoch {
        /// Which room.
        room: Name,
        /// Its epoch.
        here: Epoch,
    },
    /// Numbers only go up.
    #[error("number {seq} comes after a greater one")]
    Order {
        /// Which number.
        seq: u64,
    },
    /// A number that no message, or no member, can have.
    #[error("{number} is no number of a message or member")]
    Number {
        /// Which one.
        number: u64,
    },
    /// Messages are of a room that was named before.
    #[error("a message comes before any room")]
    NoRoom,
    /// More rooms than can be.
    #[error("there are too many rooms")]
    Rooms,
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Rooms that are new.
    pub(crate) rooms: u64,
    /// Messages that are new.
    pub(crate) messages: u64,
    /// Messages that were there already.
    pub(crate) known: u64,
}

/// A room that something is taken into.
#[derive(Clone, Debug)]
struct Room {
    no: u32,
    name: Name,
    epoch: Epoch,
    /// From here on no number was ever given.
    next: u64,
    has_messages: bool,
}

/// Something to be stored with the next transaction.
#[derive(Debug)]
enum Waiting {
    Message(Row),
    Gap(Hole),
}

/// See the module. It holds the folder: no server uses it meanwhile.
#[derive(Debug)]
pub(crate) struct Import {
    folder: Folder,
    store: Store,
    rooms: BTreeMap<String, Room>,
    next_room: u32,
    next_member: u64,
    /// The room that is being filled, by its key, and its last number so far.
    at: Option<(String, u64)>,
    waiting: Vec<Waiting>,
    done: Imported,
}

impl Import {
    /// Opens the database of a folder, as a server does.
    ///
    /// # Errors
    /// [`OpenError`], as [`open`].
    pub(crate) fn begin(
        folder: Folder,
        new_epoch: &mut dyn FnMut() -> Epoch,
        now_us: u64,
    ) -> Result<(Import, Vec<Note>), OpenError> {
        let opened = open(&folder, new_epoch, now_us)?;
        let rooms = opened.rooms.into_iter().map(|room| {
            let (has_messages, next) = (room.last > 0, room.next_seq);
            let kept = Room { no: room.no, name: room.name, epoch: room.epoch, next, has_messages };
            (kept.name.folded().to_string(), kept)
        });
        let import = Import {
            folder,
            store: opened.store,
            rooms: rooms.collect(),
            next_room: opened.next_room,
            next_member: opened.next_member,
            at: None,
            waiting: Vec::new(),
            done: Imported::default(),
        };
        Ok((import, opened.notes))
    }

    /// What follows is of this room, which is made if there is none.
    pub(crate) fn room(&mut self, name: &Name, epoch: Epoch) -> Result<(), ImportError> {
        self.flush()?;
        let key = name.folded().to_string();
        let made = match self.rooms.get(&key) {
            Some(here) if here.epoch == epoch => here.clone(),
            Some(here) if here.has_messages => {
                let (room, here) = (here.name.clone(), here.epoch);
                return Err(ImportError::Epoch { room, here });
            }
            // A room in which nothing is kept begins the life of the one that comes.
            Some(here) => Room { epoch, next: 1, ..here.clone() },
            None if u64::from(self.next_room) >= trappe_core::limits::HISTORY_ROOMS as u64 => {
                return Err(ImportError::Rooms);
            }
            None => {
                self.next_room += 1;
                self.done.rooms += 1;
                let (no, name) = (self.next_room - 1, name.clone());
                Room { no, name, epoch, next: 1, has_messages: false }
            }
        };
        let mut transaction = self.store.write()?;
        if made.next == 1 {
            transaction.begin_anew(made.no)?;
        }
        transaction.room(made.no, &made.name, made.epoch, made.next)?;
        transaction.commit()?;
        self.rooms.insert(key.clone(), made);
        self.at = Some((key, 0));
        Ok(())
    }

    /// A message of the room that was named last.
    pub(crate) fn message(&mut self, row: Row) -> Result<(), ImportError> {
        self.go_on(row.seq, row.seq)?;
        if row.sid >= MEMBERS {
            return Err(ImportError::Number { number: row.sid });
        }
        self.wait(Waiting::Message(row))
    }

    /// Numbers of that room of which there is no message.
    pub(crate) fn gap(&mut self, hole: Hole) -> Result<(), ImportError> {
        self.go_on(hole.first, hole.last)?;
        self.wait(Waiting::Gap(hole))
    }

    fn go_on(&mut self, first: u64, last: u64) -> Result<(), ImportError> {
        let (_, at) = self.at.as_mut().ok_or(ImportError::NoRoom)?;
        for number in [first, last] {
            if number == 0 || number >= (1 << SEQ_BITS) - 1 {
                return Err(ImportError::Number { number });
            }
        }
        if first <= *at || last < first {
            return Err(ImportError::Order { seq: first });
        }
        *at = last;
        Ok(())
    }

    fn wait(&mut self, one: Waiting) -> Result<(), ImportError> {
        self.waiting.push(one);
        if self.waiting.len() >= TOGETHER { self.flush() } else { Ok(()) }
    }

    /// Stores what waits.
    fn flush(&mut self) -> Result<(), ImportError> {
        let waiting = std::mem::take(&mut self.waiting);
        let Some((key, _)) = &self.at else { return Ok(()) };
        let Some(room) = self.rooms.get_mut(key) else { return Ok(()) };
        let (mut messages, mut bytes, mut next) = (0, 0, room.next);
        let (mut known, mut members) = (0, 0);
        let mut transaction = self.store.write()?;
        for one in waiting {
            match one {
                Waiting::Message(row) if row.seq < room.next => {
                    is_known(&transaction, room, &row)?;
                    known += 1;
                }
                Waiting::Message(row) => {
                    let author = row.author.as_ref().map(Name::as_str);
                    let Row { seq, time_us, sid, mid, ref body, .. } = row;
                    let message = StoredMessage { seq, time_us, sid, mid, author, body };
                    transaction.message(room.no, &message)?;
                    messages += 1;
                    bytes += body.len() as u64 + MESSAGE_BYTES;
                    members = members.max(sid);
                    next = seq + 1;
                }
                // What is known of these numbers is known better here.
                Waiting::Gap(hole) if hole.last < room.next => {}
                Waiting::Gap(hole) => {
                    let first = hole.first.max(room.next);
                    transaction.hole(room.no, &Hole { first, ..hole })?;
                    next = hole.last + 1;
                }
            }
        }
        if messages > 0 {
            transaction.counts(room.no, messages, bytes, next - 1)?;
        }
        transaction.room(room.no, &room.name, room.epoch, next)?;
        transaction.commit()?;
        room.next = next;
        room.has_messages |= messages > 0;
        self.done.messages += messages;
        self.done.known += known;
        // An imported number is another member's than any that comes.
        self.next_member = self.next_member.max(members + 1);
        if self.store.needs_checkpoint() {
            self.store.checkpoint()?;
        }
        Ok(())
    }

    /// Stores the rest, puts it into the index for searching, and closes the database.
    pub(crate) fn finish(mut self) -> Result<Imported, ImportError> {
        self.flush()?;
        while self.store.index(TOGETHER)? {}
        let exact: Vec<_> = self.rooms.values().map(|room| (room.no, room.next)).collect();
        self.store.close(&self.folder, &exact, self.next_member)?;
        Ok(self.done)
    }
}

/// Whether a message is there as it comes.
fn is_known(transaction: &Transaction<'_>, room: &Room, row: &Row) -> Result<(), ImportError> {
    let found = transaction
        .inner
        .prepare_cached(&format!("SELECT {COLUMNS} FROM message WHERE id = ?"))
        .and_then(|mut it| {
            it.query_row([id(room.no, row.seq)], |found| Ok(Row::read(found).1)).optional()
        })
        .map_err(db("look for a message"))?;
    match found.flatten() {
        Some(found) if found == *row => Ok(()),
        _ => Err(ImportError::Clash { room: room.name.clone(), seq: row.seq }),
    }
}
