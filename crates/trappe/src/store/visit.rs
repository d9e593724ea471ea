//! A history that is looked at from outside, beside the server that writes it or without one. Nothing is changed or made.
//!
//! SQLite makes files beside a database whose log it reads. Where there is no log (nobody has written since the last clean
//! stop) it is told that nobody writes, and makes none: an empty log that a visitor left would hide from the next start that
//! the real one is lost. Should a server start meanwhile, that is seen, and what was read is read again.

use std::{
    io::ErrorKind,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, config::DbConfig, params};
use trappe_core::{command::Epoch, message::Position, name::Name};

use super::{
    error::{DbError, OpenError, db, file},
    file::{Header, recognize},
    folder::DATABASE,
    fs::{self, MetadataExt},
    journal,
    open::{damaged, version},
    prune::MESSAGE_BYTES,
    read::Reader,
    schema::{VERSION, id, int, last_id, uint},
    tables::{StoredRoom, rooms},
};

/// How often it is read again because a server started or stopped meanwhile.
const READ_AGAIN: usize = 3;

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VisitError {
    /// The folder isn't there.
    #[error("no such folder")]
    NoFolder,
    /// Nothing is kept in it.
    #[error("there is no history in it")]
    NoHistory,
    /// What is there can't be used.
    #[error(transparent)]
    Refused(#[from] OpenError),
    /// It can't be read.
    #[error(transparent)]
    Failed(#[from] DbError),
}

/// What tells one state of the files from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print {
    inode: u64,
    bytes: u64,
    /// When it was last written to: seconds, and nanoseconds beside them.
    written: (i64, i64),
    /// There is a log beside it with something in it.
    has_log: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Visit {
    path: PathBuf,
    reader: Reader,
    /// The files as they were when it was opened as one to which nobody writes.
    still: Option<Print>,
}

/// A room, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomState {
    /// Its number on disk.
    pub(crate) no: u32,
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    /// The first number that was never given.
    pub(crate) next_seq: u64,
    pub(crate) messages: u64,
    /// What its messages take, with [`MESSAGE_BYTES`] for each.
    pub(crate) bytes: u64,
    /// The number and the time (microseconds since 1970) of the oldest message; none: there is no message.
    pub(crate) oldest: Option<(u64, u64)>,
    /// The same of the newest.
    pub(crate) newest: Option<(u64, u64)>,
    /// Runs of missing numbers from the oldest message on …
    pub(crate) holes: u64,
    /// … and how many numbers those are.
    pub(crate) missing: u64,
}

impl RoomState {
    /// The place of a message of this room.
    pub(crate) fn position(&self, seq: u64) -> Position {
        Position { epoch: self.epoch, seq }
    }

    /// The number of the oldest message; of the next one where there is none.
    pub(crate) fn first(&self) -> u64 {
        self.oldest.map_or(self.next_seq, |(seq, _)| seq)
    }

    /// One past the newest message; the number of the next one where there is none.
    pub(crate) fn end(&self) -> u64 {
        self.newest.map_or(self.next_seq, |(seq, _)| seq + 1)
    }
}

impl Visit {
    /// Looks at the history in a folder.
    pub(crate) fn open(dir: &Path) -> Result<Visit, VisitError> {
        match fs::metadata(dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Err(OpenError::NotAFolder.into()),
            Err(error) => return Err(unseen(&error, VisitError::NoFolder)),
        }
        let path = dir.join(DATABASE);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_symlink() => return Err(OpenError::Link(path).into()),
            Ok(found) if !found.is_file() => return Err(OpenError::Foreign.into()),
            Ok(found) if found.len() == 0 => return Err(VisitError::NoHistory),
            Ok(_) => {}
            Err(error) => return Err(unseen(&error, VisitError::NoHistory)),
        }
        if let Err(error) = fs::File::open(&path) {
            return Err(unseen(&error, VisitError::NoHistory));
        }
        if matches!(recognize(&path)?, Header::Blank) {
            return Err(damaged("read the history", "its header is gone").into());
        }
        let (reader, still) = connect(&path)?;
        let mut visit = Visit { path, reader, still };
        // A newer server may have ended with its version in the log alone.
        match visit.query("read the history", version)? {
            newer if newer > VERSION => Err(OpenError::Newer(newer).into()),
            _ => Ok(visit),
        }
    }

    /// Does something with the database; again, should the files have changed under one that was to be still.
    pub(crate) fn read<T>(
        &mut self,
        mut read: impl FnMut(&mut Reader) -> Result<T, DbError>,
    ) -> Result<T, DbError> {
        for _ in 0..READ_AGAIN {
            let result = read(&mut self.reader);
            if self.still.is_none() || self.still == print(&self.path) {
                return result;
            }
            (self.reader, self.still) = connect(&self.path)?;
        }
        let changed = std::io::Error::other("it changes too often: try again");
        Err(file("read the history")(changed))
    }

    /// The same with its bare connection.
    pub(super) fn query<T>(
        &mut self,
        doing: &'static str,
        mut query: impl FnMut(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, DbError> {
        self.read(|reader| query(&reader.connection).map_err(db(doing)))
    }

    /// All rooms, by name.
    pub(crate) fn rooms(&mut self) -> Result<Vec<RoomState>, DbError> {
        let rooms = self.query("read the rooms", |connection| {
            let rooms = rooms(connection)?.into_iter();
            rooms.map(|room| state(connection, room)).collect::<rusqlite::Result<Vec<_>>>()
        });
        let mut rooms = rooms?;
        rooms.sort_by_cached_key(|room| room.name.folded());
        Ok(rooms)
    }

    /// One room, if there is one of that name.
    pub(crate) fn room(&mut self, name: &Name) -> Result<Option<RoomState>, DbError> {
        self.query("read a room", |connection| {
            let named = |room: &StoredRoom| room.name.folded() == name.folded();
            let room = rooms(connection)?.into_iter().find(named);
            room.map(|room| state(connection, room)).transpose()
        })
    }

    /// Messages that aren't in the index for searching yet.
    pub(crate) fn unindexed(&mut self) -> Result<u64, DbError> {
        self.query("look at the index", unindexed)
    }
}

/// Messages that aren't in the index for searching yet.
pub(super) fn unindexed(connection: &Connection) -> rusqlite::Result<u64> {
    let mut rooms = connection.prepare(
        "SELECT no, coalesce(value, 0) FROM room LEFT JOIN meta ON meta.key = 'indexed_' || no",
    )?;
    let mut count = connection.prepare("SELECT count(*) FROM message WHERE id > ? AND id <= ?")?;
    let mut rows = rooms.query([])?;
    let mut all = 0;
    while let Some(row) = rows.next()? {
        let (no, indexed): (u32, i64) = (row.get(0)?, row.get(1)?);
        let range = [id(no, uint(indexed)), last_id(no)];
        all += uint(count.query_row(range, |row| row.get(0))?);
    }
    Ok(all)
}

/// What is kept of a room.
fn state(connection: &Connection, room: StoredRoom) -> rusqlite::Result<RoomState> {
    let StoredRoom { no, name, epoch, next_seq, last, oldest } = room;
    let mut counters =
        connection.prepare_cached("SELECT counted_to, messages, bytes FROM room WHERE no = ?")?;
    let (counted, messages, bytes): (i64, i64, i64) =
        counters.query_row([no], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    // Messages are counted after they are stored.
    let mut since = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(length(body) + ?3), 0) FROM message WHERE id > ?1 AND id <= ?2",
    )?;
    let range = params![id(no, uint(counted)), last_id(no), int(MESSAGE_BYTES)];
    let (more, more_bytes): (i64, i64) =
        since.query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut time = connection.prepare_cached("SELECT time_us FROM message WHERE id = ?")?;
    let mut at = |seq: u64| -> rusqlite::Result<Option<(u64, u64)>> {
        if last == 0 {
            return Ok(None);
        }
        Ok(Some((seq, uint(time.query_row([id(no, seq)], |row| row.get(0))?))))
    };
    let (oldest, newest) = (at(oldest)?, at(last)?);
    let mut holes = connection.prepare_cached(
        "SELECT count(*), coalesce(sum(last - max(first, ?2) + 1), 0) FROM hole
         WHERE room = ?1 AND last >= ?2",
    )?;
    let first = oldest.map_or(next_seq, |(seq, _)| seq);
    let (holes, missing): (i64, i64) =
        holes.query_row(params![no, int(first)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (messages, bytes) = (uint(messages + more), uint(bytes + more_bytes));
    let (holes, missing) = (uint(holes), uint(missing));
    Ok(RoomState { no, name, epoch, next_seq, messages, bytes, oldest, newest, holes, missing })
}

/// A file that can't be looked at: not there, or the reason.
fn unseen(error: &std::io::Error, not_there: VisitError) -> VisitError {
    match error.kind() {
        ErrorKind::NotFound => not_there,
        ErrorKind::NotADirectory => OpenError::NotAFolder.into(),
        ErrorKind::PermissionDenied => OpenError::Denied.into(),
        _ => OpenError::Other(error.to_string()).into(),
    }
}

fn print(path: &Path) -> Option<Print> {
    let mut log = path.to_path_buf().into_os_string();
    log.push("-wal");
    let has_log = fs::metadata(log).is_ok_and(|log| log.len() > 0);
    let found = fs::metadata(path).ok()?;
    let written = (found.mtime(), found.mtime_nsec());
    Some(Print { inode: found.ino(), bytes: found.len(), written, has_log })
}

/// Opens the database for reading, as what it is at the moment.
fn connect(path: &Path) -> Result<(Reader, Option<Print>), DbError> {
    let doing = "open the history for reading";
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let before = print(path);
    let still = before.filter(|print| !print.has_log);
    let connection = if still.is_some() {
        let bytes = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
        let uri = format!("file:{bytes}?immutable=1");
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
    } else {
        Connection::open_with_flags(path, flags)
    };
    let connection = connection.map_err(db(doing))?;
    // Whoever goes last would bring the log into the database: not a visitor.
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .map_err(db(doing))?;
    // Of a file that is cut short SQLite would read nothing otherwise; nothing is written by this.
    connection.execute_batch("PRAGMA writable_schema = ON;").map_err(db(doing))?;
    journal::overlay(&connection).map_err(db(doing))?;
    Ok((Reader::over(connection)?, still))
}
