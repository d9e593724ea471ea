//! How a database is opened: looked at before it is touched, and what was known of it when it was last closed compared.

use std::{io::ErrorKind, path::PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use trappe_core::command::Epoch;

use super::{
    db::Store,
    error::{DbError, OpenError, db, file},
    file::{Header, create, recognize},
    folder::{Folder, Life},
    fs, journal,
    salvage::salvage,
    schema::{MIGRATIONS, SINCE, STOPPED, VERSION, uint},
    tables::{
        Cause, Hole, StoredPost, StoredRoom, StoredSession, last_known, next_room, posted, recount,
        rooms, sessions,
    },
};

/// Why the positions of before mean nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewEpoch {
    /// The file is older than the last start: a backup that was put back.
    Older,
    /// The file isn't the one that was there: a copy, or another one.
    Replaced,
    /// What was known of it beside it is missing.
    Unknown,
    /// The server ended unclean, and the log of what it wrote last is missing.
    LogMissing,
    /// Parts of it are damaged.
    Damaged,
}

/// What is to be said of a database that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// It is new.
    New,
    /// The file that was there was empty.
    WasEmpty,
    /// The server didn't end by itself last time.
    Unclean {
        /// Rooms of which numbers were never given.
        rooms: usize,
    },
    /// Whoever comes back to a position is told that it means nothing any more.
    NewEpoch(NewEpoch),
    /// The file was damaged: so many messages were kept, so many weren't, and the old file is there.
    Salvaged { kept: u64, lost: u64, file: PathBuf },
}

/// A database, and what is in it.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) rooms: Vec<StoredRoom>,
    pub(crate) sessions: Vec<StoredSession>,
    pub(crate) posted: Vec<StoredPost>,
    pub(crate) next_member: u64,
    pub(crate) next_room: u32,
    /// How many messages are kept.
    pub(crate) messages: u64,
    /// Rooms of which numbers were never given, since the server ended unclean.
    unused: usize,
    /// Which start it was that last closed it.
    stopped: u64,
    /// The last start ended before it was written down beside the database, and gave no number: the one before it
    /// counts.
    ended_early: bool,
    pub(crate) notes: Vec<Note>,
}

/// Opens the database of a folder; makes it if there is none.
///
/// # Errors
/// [`OpenError`]: a file that isn't ours, or of a newer version, is not touched.
pub(crate) fn open(
    folder: &Folder,
    new_epoch: &mut dyn FnMut() -> Epoch,
    now_us: u64,
) -> Result<Opened, OpenError> {
    let mut notes = Vec::new();
    let path = folder.database();
    let life = folder.life();
    let is_known = life.is_some_and(|life| folder.inode() == Some(life.inode));
    let mut is_damaged = is_known && life.is_some_and(|life| life.damaged);
    match fs::metadata(&path) {
        Ok(found) if found.len() > 0 => match recognize(&path)? {
            Header::Ours => {}
            Header::Blank if is_known => is_damaged = true,
            Header::Blank => return Err(OpenError::Foreign),
        },
        Ok(_) => {
            create(folder)?;
            notes.push(Note::WasEmpty);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            create(folder)?;
            notes.push(Note::New);
        }
        Err(error) => return Err(file("look at the history")(error).into()),
    }
    let known = Before { life, is_known, is_new: !notes.is_empty() };
    let found = if is_damaged {
        Err(damaged("read the history", "its last use met damage"))
    } else {
        known.go_on(folder, &mut notes, new_epoch)
    };
    let opened = match found {
        Err(error) if error.is_damaged() => {
            notes = vec![salvage(folder, now_us)?, Note::NewEpoch(NewEpoch::Damaged)];
            let mut opened = read(folder, true, life)?;
            renew(&mut opened, new_epoch)?;
            known.begin(folder, &mut opened)?;
            opened
        }
        found => found?,
    };
    Ok(Opened { notes, ..opened })
}

/// What is known before the database is read.
struct Before {
    life: Option<Life>,
    /// The file is the one that was there.
    is_known: bool,
    is_new: bool,
}

impl Before {
    /// Reads the database, and begins a new epoch where it isn't what it was at the end of its last use.
    fn go_on(
        &self,
        folder: &Folder,
        notes: &mut Vec<Note>,
        new_epoch: &mut dyn FnMut() -> Epoch,
    ) -> Result<Opened, DbError> {
        let log_missing =
            self.life.is_some_and(|life| !life.clean) && !fs::exists(folder.wal()).unwrap_or(false);
        let replaced = match self.life {
            _ if self.is_new => None,
            None => Some(NewEpoch::Unknown),
            Some(_) if !self.is_known => Some(NewEpoch::Replaced),
            Some(_) if log_missing => Some(NewEpoch::LogMissing),
            Some(_) => None,
        };
        let unclean = !self.is_new && self.life.is_none_or(|life| !life.clean);
        let mut opened = read(folder, unclean, self.life)?;
        opened.store.probe()?;
        let known = self.life.map_or(0, |life| life.starts);
        let starts = if opened.ended_early { known } else { opened.store.starts };
        // The same start, but not its end: a copy that was made while it ran.
        let cut = self.life.is_some_and(|life| life.clean) && opened.stopped != starts;
        let older = (starts < known || starts > known + 1 || cut) && !self.is_new;
        if let Some(why) = replaced.or(older.then_some(NewEpoch::Older)) {
            if opened.messages > 0 {
                notes.push(Note::NewEpoch(why));
            }
            renew(&mut opened, new_epoch)?;
        } else if unclean || opened.ended_early {
            notes.push(Note::Unclean { rooms: opened.unused });
        }
        self.begin(folder, &mut opened)?;
        Ok(opened)
    }

    /// From here on the database is in use.
    fn begin(&self, folder: &Folder, opened: &mut Opened) -> Result<(), DbError> {
        let known = self.life.map_or(0, |life| life.starts);
        let starts = known.max(opened.store.starts) + 1;
        opened.store.starts = starts;
        let transaction = opened.store.write()?;
        transaction.meta("starts", starts)?;
        transaction.meta(SINCE, known)?;
        transaction.commit()?;
        opened.store.lengthen_log()?;
        let inode = folder.inode().unwrap_or(0);
        folder.set_life(Life { starts, clean: false, damaged: false, inode })
    }
}

/// Opens the database again after the disk had refused.
pub(crate) fn reopen(folder: &Folder) -> Result<Store, DbError> {
    let mut store = Store::connect(&folder.database())?;
    store.starts = folder.life().map_or(0, |life| life.starts);
    Ok(store)
}

/// Everything that is in the database but the messages.
fn read(folder: &Folder, unclean: bool, life: Option<Life>) -> Result<Opened, DbError> {
    let mut store = Store::connect(&folder.database())?;
    let doing = "read the history";
    // A newer server may have ended with its version in the log alone.
    let version = version(&store.connection).map_err(db(doing))?;
    if version > VERSION {
        return Err(DbError::Newer(version));
    }
    // What the log has goes into the file first: only then its size means something.
    store.checkpoint_all()?;
    let pages: i64 =
        store.connection.query_row("PRAGMA page_count", [], |r| r.get(0)).map_err(db(doing))?;
    let size: i64 =
        store.connection.query_row("PRAGMA page_size", [], |r| r.get(0)).map_err(db(doing))?;
    let there = fs::metadata(folder.database()).map_err(file(doing))?.len();
    if there < uint(pages * size) {
        return Err(damaged(doing, "it is cut short"));
    }
    migrate(&store.connection, version)?;
    file_journal(&mut store)?;
    let meta = |key: &str| -> Result<u64, DbError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        let found = store.connection.query_row(sql, [key], |row| row.get(0)).optional();
        Ok(found.map_err(db(doing))?.map_or(0, uint))
    };
    let (starts, stopped) = (meta("starts")?, meta(STOPPED)?);
    let known = life.map_or(0, |life| life.starts);
    let ended_early = starts > known && meta(SINCE)? == known;
    let next_member = meta("next_member")?.max(1);
    let rooms = rooms(&store.connection).map_err(db(doing))?;
    // Also what is only needed later is looked at now, where it is small.
    for table in ["hole", "sent"] {
        let sql = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&sql, [], |_| Ok(())).map_err(db(doing))?;
    }
    let mut unused = 0;
    if unclean || ended_early {
        let mut transaction = store.write()?;
        for room in &rooms {
            // What was written down as a gap already needs no second one.
            let from = last_known(&transaction.inner, room).map_err(db(doing))? + 1;
            if from < room.next_seq {
                let hole = Hole { first: from, last: room.next_seq - 1, cause: Cause::Unused };
                transaction.hole(room.no, &hole)?;
                unused += 1;
            }
        }
        transaction.commit()?;
    }
    recount(&store.connection).map_err(db(doing))?;
    let count = "SELECT coalesce(sum(messages), 0) FROM room";
    let messages = store.connection.query_row(count, [], |row| row.get(0)).map_err(db(doing))?;
    let sessions = sessions(&store.connection).map_err(db(doing))?;
    let posted = posted(&store.connection).map_err(db(doing))?;
    let next_room = next_room(&store.connection).map_err(db(doing))?;
    store.starts = starts;
    let (messages, notes) = (uint(messages), Vec::new());
    Ok(Opened {
        store,
        rooms,
        sessions,
        posted,
        next_member,
        next_room,
        messages,
        unused,
        stopped,
        ended_early,
        notes,
    })
}

/// Files what was acknowledged, and stands in the journal alone.
fn file_journal(store: &mut Store) -> Result<(), DbError> {
    let mut pieces = Vec::new();
    journal::read(&store.connection, &mut pieces).map_err(db("read the journal"))?;
    if pieces.is_empty() {
        return Ok(());
    }
    if pieces.iter().any(|piece| piece.entries().is_none()) {
        return Err(damaged("read the journal", "a piece of it isn't what was stored"));
    }
    let mut transaction = store.write()?;
    journal::file_all(&mut transaction, &pieces)?;
    transaction.commit()
}

pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A failure for damage that isn't SQLite's to see.
pub(super) fn damaged(doing: &'static str, what: &str) -> DbError {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    db(doing)(rusqlite::Error::SqliteFailure(code, Some(what.to_owned())))
}

/// Brings the form of an older version to the present one.
fn migrate(connection: &Connection, version: u32) -> Result<(), DbError> {
    let doing = "bring the history to the present form";
    for (from, step) in MIGRATIONS.iter().enumerate().skip(version as usize) {
        let sql = format!("BEGIN; {step} PRAGMA user_version = {}; COMMIT;", from + 1);
        connection.execute_batch(&sql).map_err(db(doing))?;
    }
    Ok(())
}

/// Each room begins another life: the numbers go on, but no position of before means anything.
fn renew(opened: &mut Opened, new_epoch: &mut dyn FnMut() -> Epoch) -> Result<(), DbError> {
    for room in &mut opened.rooms {
        room.epoch = new_epoch();
    }
    let transaction = opened.store.write()?;
    for room in &opened.rooms {
        transaction
            .inner
            .prepare_cached("UPDATE room SET epoch = ?2 WHERE no = ?1")
            .and_then(|mut it| it.execute(params![room.no, room.epoch.to_string()]))
            .map_err(db("begin a new epoch"))?;
    }
    transaction.commit()
}
