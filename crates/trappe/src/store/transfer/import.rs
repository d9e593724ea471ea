//! Into a database.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, Read},
};

use trappe_core::{
    command::Epoch,
    limits::HISTORY_ROOMS,
    name::{Folded, Name},
};

use super::line::{LINE_BYTES, Line, Message};
use crate::store::{
    db::{NO_ROOM, Store},
    error::DbError,
    prune::MESSAGE_BYTES,
    row::StoredMessage,
    tables::{Hole, StoredRoom},
    transaction::Transaction,
};

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It is longer than any line may be, or its message than any message.
    TooLong,
    /// It isn't JSON.
    NotJson(String),
    /// It is JSON, but no object.
    NotObject,
    /// The first line doesn't say that this is an export.
    NotExport,
    /// It is of a newer version.
    Newer(u64),
    /// This field is missing, or has a value that it can't have.
    Field(&'static str),
    /// Nobody knows what this field means.
    Unknown(String),
    /// A line of another room, or one without the line of its room before it.
    OtherRoom,
    /// The room comes a second time.
    Twice,
    /// The room is there already, in another life: its numbers mean other messages.
    OtherLife,
    /// The room is there already, and goes on with another number.
    Clash { next: u64, from: u64 },
    /// After the one before this number was to come.
    Order { expected: u64, found: u64 },
    /// The file ends, or the next room begins, before this number.
    Unfinished { expected: u64 },
    /// There are more rooms, or fewer, than the first line says.
    Rooms { said: u64, found: u64 },
    /// There are too many rooms.
    TooManyRooms,
}

/// Why nothing was imported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// A line is wrong: counted from 1.
    #[error("line {line}: {bad:?}")]
    Line { line: u64, bad: Bad },
    /// The lines can't be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The history doesn't take them.
    #[error(transparent)]
    Store(#[from] DbError),
}

/// Why it doesn't go on.
#[derive(Debug)]
enum Stop {
    Bad(Bad),
    Store(DbError),
}

impl Stop {
    fn at(self, line: u64) -> ImportError {
        match self {
            Stop::Bad(bad) => ImportError::Line { line, bad },
            Stop::Store(error) => error.into(),
        }
    }
}

impl From<Bad> for Stop {
    fn from(bad: Bad) -> Stop {
        Stop::Bad(bad)
    }
}

impl From<DbError> for Stop {
    fn from(error: DbError) -> Stop {
        Stop::Store(error)
    }
}

/// What was imported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    pub(crate) rooms: u64,
    pub(crate) messages: u64,
    /// The greatest number of a member that spoke.
    pub(crate) members: u64,
}

/// Takes all lines of `input` in, in one transaction; tells `progress` how many bytes were read.
pub(crate) fn import(
    store: &mut Store,
    known: &[StoredRoom],
    next_room: u32,
    input: &mut dyn BufRead,
    progress: &mut dyn FnMut(u64),
) -> Result<Imported, ImportError> {
    let mut entry = Entry {
        transaction: store.write()?,
        known: known.iter().map(|room| (room.name.folded(), room)).collect(),
        seen: BTreeSet::new(),
        next_room,
        room: None,
        said: None,
        imported: Imported::default(),
    };
    let mut line = Vec::new();
    let mut number = 0;
    let mut bytes = 0;
    loop {
        number += 1;
        line.clear();
        let read = (&mut *input).take(LINE_BYTES).read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        progress(bytes);
        if read as u64 == LINE_BYTES && !line.ends_with(b"\n") {
            return Err(Stop::Bad(Bad::TooLong).at(number));
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let taken = Line::parse(text).map_err(Stop::Bad).and_then(|line| entry.take(line));
        taken.map_err(|stop| stop.at(number))?;
    }
    entry.finish().map_err(|stop| stop.at(number))?;
    let imported = entry.imported;
    entry.transaction.commit()?;
    Ok(imported)
}

/// The room whose lines are being read.
#[derive(Debug)]
struct Room {
    no: u32,
    /// As the lines call it.
    name: String,
    /// The number that is to come next.
    expected: u64,
    /// The first that was never given.
    next: u64,
    messages: u64,
    bytes: u64,
    last: u64,
}

struct Entry<'s> {
    transaction: Transaction<'s>,
    known: BTreeMap<Folded, &'s StoredRoom>,
    seen: BTreeSet<Folded>,
    next_room: u32,
    room: Option<Room>,
    /// How many rooms there are to be.
    said: Option<u64>,
    imported: Imported,
}

impl Entry<'_> {
    fn take(&mut self, line: Line) -> Result<(), Stop> {
        if self.said.is_none() != matches!(line, Line::Head(_)) {
            return Err(Bad::NotExport.into());
        }
        match line {
            Line::Head(rooms) => self.said = Some(rooms),
            Line::Room { room, epoch, from, next } => return self.begin(room, epoch, from, next),
            Line::Hole { room, hole } => return self.hole(&room, &hole),
            Line::Message { room, message } => return self.message(&room, &message),
        }
        Ok(())
    }

    /// A room begins: a new one, or one that goes on where it ends here.
    fn begin(&mut self, text: String, epoch: Epoch, from: u64, next: u64) -> Result<(), Stop> {
        self.end_room()?;
        let Ok(name) = Name::parse(&text) else { return Err(Bad::Field("room").into()) };
        if next < from {
            return Err(Bad::Field("next").into());
        }
        if !self.seen.insert(name.folded()) {
            return Err(Bad::Twice.into());
        }
        let (no, name) = match self.known.get(&name.folded()) {
            Some(known) if known.epoch != epoch => return Err(Bad::OtherLife.into()),
            Some(known) if known.next_seq != from => {
                return Err(Bad::Clash { next: known.next_seq, from }.into());
            }
            Some(known) => (known.no, known.name.clone()),
            None if self.known.len() + self.seen.len() > HISTORY_ROOMS
                || self.next_room >= NO_ROOM =>
            {
                return Err(Bad::TooManyRooms.into());
            }
            None => {
                self.next_room += 1;
                (self.next_room - 1, name)
            }
        };
        self.transaction.room(no, &name, epoch, next)?;
        self.imported.rooms += 1;
        let (messages, bytes, last) = (0, 0, 0);
        let room = Room { no, name: text, expected: from, next, messages, bytes, last };
        self.room = Some(room);
        Ok(())
    }

    /// Numbers are missing: those that come next.
    fn hole(&mut self, room: &str, hole: &Hole) -> Result<(), Stop> {
        let room = self.expect(room, hole.first, hole.last)?;
        room.expected = hole.last + 1;
        let no = room.no;
        self.transaction.hole(no, hole)?;
        Ok(())
    }

    fn message(&mut self, room: &str, message: &Message) -> Result<(), Stop> {
        let Message { seq, time_us, sid, mid, ref author, ref body } = *message;
        let author = match author.as_deref().map(Name::kept) {
            Some(None) => return Err(Bad::Field("author").into()),
            author => author.flatten(),
        };
        let room = self.expect(room, seq, seq)?;
        room.expected = seq + 1;
        room.messages += 1;
        room.bytes += body.len() as u64 + MESSAGE_BYTES;
        room.last = seq;
        let no = room.no;
        self.imported.messages += 1;
        self.imported.members = self.imported.members.max(sid);
        let author = author.as_ref().map(Name::as_str);
        self.transaction.message(no, &StoredMessage { seq, time_us, sid, mid, author, body })?;
        Ok(())
    }

    /// The room in which these numbers come next.
    fn expect(&mut self, name: &str, first: u64, last: u64) -> Result<&mut Room, Bad> {
        let room = self.room.as_mut().filter(|room| room.name == name).ok_or(Bad::OtherRoom)?;
        let expected = room.expected;
        if first != expected || last >= room.next {
            let found = if first == expected { last } else { first };
            return Err(Bad::Order { expected, found });
        }
        Ok(room)
    }

    /// The lines of a room end: none may be missing.
    fn end_room(&mut self) -> Result<(), Stop> {
        let Some(room) = self.room.take() else { return Ok(()) };
        // Where nothing was kept, nothing is missing.
        if room.expected < room.next {
            return Err(Bad::Unfinished { expected: room.expected }.into());
        }
        if room.messages > 0 {
            self.transaction.counts(room.no, room.messages, room.bytes, room.last)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        self.end_room()?;
        let found = self.imported.rooms;
        match self.said {
            None => Err(Bad::NotExport.into()),
            Some(said) if said != found => Err(Bad::Rooms { said, found }.into()),
            Some(_) => Ok(()),
        }
    }
}
