//! How a database is opened: looked at before it is touched, and what was known of it when it was last closed compared.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OptionalExtension, params};
use trappe_core::{command::Epoch, name::Name};

use super::{
    db::{Cause, Hole, Store, StoredPost},
    error::{DbError, OpenError, db, file},
    folder::{Folder, Life, beside},
    prune::MESSAGE_BYTES,
    salvage::salvage,
    schema::{APPLICATION_ID, MIGRATIONS, STOPPED, VERSION, id, int, last_id, seq_of, uint},
};

/// A room as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRoom {
    pub(crate) no: u32,
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    /// The first number that may be given.
    pub(crate) next_seq: u64,
    /// The last message that is kept; 0: none is.
    pub(crate) last: u64,
    /// The oldest message that is kept; the next one where none is.
    pub(crate) oldest: u64,
}

/// A session as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSession {
    /// The number of its member.
    pub(crate) sid: u64,
    /// The SHA-256 of what its member has to show.
    pub(crate) token: [u8; 32],
    pub(crate) name: Option<Name>,
    /// No number of its own messages up to this one is ever new again.
    pub(crate) floor: Option<u64>,
    /// The numbers that it gave its messages; each with the room and the message's number there.
    pub(crate) sent: Vec<(u64, u32, u64)>,
}

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
            let mut opened = read(folder, true)?;
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
        let log_missing = self.life.is_some_and(|life| !life.clean) && !folder.wal().exists();
        let replaced = match self.life {
            _ if self.is_new => None,
            None => Some(NewEpoch::Unknown),
            Some(_) if !self.is_known => Some(NewEpoch::Replaced),
            Some(_) if log_missing => Some(NewEpoch::LogMissing),
            Some(_) => None,
        };
        let unclean = !self.is_new && self.life.is_none_or(|life| !life.clean);
        let mut opened = read(folder, unclean)?;
        opened.store.probe()?;
        let known = self.life.map_or(0, |life| life.starts);
        let starts = opened.store.starts;
        // The same start, but not its end: a copy that was made while it ran.
        let cut = self.life.is_some_and(|life| life.clean) && opened.stopped != starts;
        let older = (starts < known || starts > known + 1 || cut) && !self.is_new;
        if let Some(why) = replaced.or(older.then_some(NewEpoch::Older)) {
            if opened.messages > 0 {
                notes.push(Note::NewEpoch(why));
            }
            renew(&mut opened, new_epoch)?;
        } else if unclean {
            notes.push(Note::Unclean { rooms: opened.unused });
        }
        self.begin(folder, &mut opened)?;
        Ok(opened)
    }

    /// From here on the database is in use.
    fn begin(&self, folder: &Folder, opened: &mut Opened) -> Result<(), DbError> {
        let starts = self.life.map_or(0, |life| life.starts).max(opened.store.starts) + 1;
        opened.store.starts = starts;
        let transaction = opened.store.write()?;
        transaction.meta("starts", starts)?;
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

/// What a file's header is.
enum Header {
    Ours,
    /// Zeros, which no program writes there.
    Blank,
}

/// Looks at a file's header, as <https://www.sqlite.org/fileformat2.html#the_database_header> has it, before anything opens it.
fn recognize(path: &Path) -> Result<Header, OpenError> {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(OpenError::Foreign),
        other => other.map_err(file("look at the history"))?,
    }
    if header == [0; 100] {
        return Ok(Header::Blank);
    }
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    if !header.starts_with(b"SQLite format 3\0") || word(68) != APPLICATION_ID.cast_unsigned() {
        return Err(OpenError::Foreign);
    }
    match word(60) {
        newer if newer > VERSION => Err(OpenError::Newer(newer)),
        _ => Ok(Header::Ours),
    }
}

/// Makes an empty database, whole or not at all.
fn create(folder: &Folder) -> Result<(), DbError> {
    let new = folder.new_database();
    make(&new)?;
    place(folder, &new)
}

/// Makes an empty database under another name than that of the one that is used.
pub(super) fn make(new: &Path) -> Result<(), DbError> {
    let doing = "make the history";
    remove(new, &["", "-journal", "-wal", "-shm"]).map_err(file(doing))?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let made = File::create(new).and_then(|_| fs::set_permissions(new, private));
    made.map_err(file(doing))?;
    let connection = Connection::open(new).map_err(db(doing))?;
    let set = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    );
    connection
        .execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; BEGIN;")
        .and_then(|()| connection.execute_batch(&MIGRATIONS.concat()))
        .and_then(|()| connection.execute_batch(&set))
        .map_err(db(doing))
}

/// Puts a new database, which nobody has open, in the place of the one that is used.
pub(super) fn place(folder: &Folder, new: &Path) -> Result<(), DbError> {
    let path = folder.database();
    let placed = File::open(new)
        .and_then(|file| file.sync_all())
        // The log of a file that is gone would be taken for the new one's.
        .and_then(|()| remove(&path, &["-wal", "-shm"]))
        .and_then(|()| remove(new, &["-wal", "-shm"]))
        .and_then(|()| fs::rename(new, &path))
        .and_then(|()| folder.sync());
    placed.map_err(file("make the history"))
}

/// Removes a database's files, those that there are.
fn remove(path: &Path, ends: &[&str]) -> std::io::Result<()> {
    for end in ends {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Everything that is in the database but the messages.
fn read(folder: &Folder, unclean: bool) -> Result<Opened, DbError> {
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
    let meta = |key: &str| -> Result<u64, DbError> {
        let sql = "SELECT value FROM meta WHERE key = ?";
        let found = store.connection.query_row(sql, [key], |row| row.get(0)).optional();
        Ok(found.map_err(db(doing))?.map_or(0, uint))
    };
    let (starts, stopped) = (meta("starts")?, meta(STOPPED)?);
    let next_member = meta("next_member")?.max(1);
    let rooms = rooms(&store.connection).map_err(db(doing))?;
    // Also what is only needed later is looked at now, where it is small.
    for table in ["hole", "sent"] {
        let sql = format!("SELECT count(*) FROM {table}");
        store.connection.query_row(&sql, [], |_| Ok(())).map_err(db(doing))?;
    }
    let mut unused = 0;
    if unclean {
        let mut transaction = store.write()?;
        for room in &rooms {
            // What was written down as a gap already needs no second one.
            let from = last_known(&transaction, room).map_err(db(doing))? + 1;
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
        notes,
    })
}

/// Counts what was stored after the last count, before the server ended unclean.
fn recount(connection: &Connection) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT no, counted_to FROM room")?;
    let sql = "SELECT count(*), coalesce(sum(length(body) + ?3), 0), coalesce(max(id), 0)
               FROM message WHERE id > ?1 AND id <= ?2";
    let mut count = connection.prepare(sql)?;
    let mut update = connection.prepare(
        "UPDATE room SET messages = messages + ?2, bytes = bytes + ?3, counted_to = ?4 WHERE no = ?1",
    )?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (no, counted): (u32, i64) = (row.get(0)?, row.get(1)?);
        let range = params![id(no, uint(counted)), last_id(no), int(MESSAGE_BYTES)];
        let (messages, bytes, last): (i64, i64, i64) =
            count.query_row(range, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if messages > 0 {
            update.execute(params![no, messages, bytes, int(seq_of(last))])?;
        }
    }
    Ok(())
}

/// A number that no room has ever had, also none that can't be shown.
fn next_room(connection: &Connection) -> rusqlite::Result<u32> {
    let greatest = "SELECT max(coalesce((SELECT max(no) FROM room), 0),
                               coalesce((SELECT max(id) FROM message) >> 40, 0))";
    let greatest: u32 = connection.query_row(greatest, [], |row| row.get(0))?;
    Ok(greatest + 1)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// A failure for damage that isn't SQLite's to see.
fn damaged(doing: &'static str, what: &str) -> DbError {
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

fn rooms(connection: &Connection) -> rusqlite::Result<Vec<StoredRoom>> {
    let mut rooms = Vec::new();
    let mut select =
        connection.prepare("SELECT no, name, epoch, next_seq FROM room ORDER BY no")?;
    let end = "SELECT id FROM message WHERE id BETWEEN ? AND ? ORDER BY id";
    let mut oldest = connection.prepare(&format!("{end} LIMIT 1"))?;
    let mut newest = connection.prepare(&format!("{end} DESC LIMIT 1"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let no: u32 = row.get(0)?;
        let (name, epoch): (String, String) = (row.get(1)?, row.get(2)?);
        let (Ok(name), Ok(epoch)) = (Name::parse(&name), epoch.parse()) else {
            // Nobody could have been in such a room: somebody's own hand was here.
            continue;
        };
        let range = [id(no, 0), last_id(no)];
        let oldest: Option<i64> = oldest.query_row(range, |row| row.get(0)).optional()?;
        let last: Option<i64> = newest.query_row(range, |row| row.get(0)).optional()?;
        let last = last.map_or(0, seq_of);
        let next_seq = uint(row.get(3)?).max(last + 1);
        let oldest = oldest.map_or(next_seq, seq_of);
        rooms.push(StoredRoom { no, name, epoch, next_seq, last, oldest });
    }
    Ok(rooms)
}

/// The last number of which it is known what became of it.
fn last_known(
    transaction: &super::db::Transaction<'_>,
    room: &StoredRoom,
) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(last) FROM hole WHERE room = ?1), 0), counted_to)
               FROM room WHERE no = ?1";
    let known: i64 = transaction.inner.query_row(sql, [room.no], |row| row.get(0))?;
    Ok(uint(known).max(room.last))
}

fn sessions(connection: &Connection) -> rusqlite::Result<Vec<StoredSession>> {
    let mut list = connection
        .prepare("SELECT sid, token, name, floor FROM session ORDER BY sid DESC LIMIT ?")?;
    let most = int(trappe_core::limits::SESSIONS_AWAY as u64);
    let mut sent =
        connection.prepare("SELECT mid, room, seq FROM sent WHERE sid = ? ORDER BY mid")?;
    let mut rows = list.query([most])?;
    let mut sessions = Vec::new();
    while let Some(row) = rows.next()? {
        let sid: i64 = row.get(0)?;
        let name: Option<String> = row.get(2)?;
        let floor: Option<i64> = row.get(3)?;
        let ids =
            sent.query_map([sid], |row| Ok((uint(row.get(0)?), row.get(1)?, uint(row.get(2)?))))?;
        sessions.push(StoredSession {
            sid: uint(sid),
            token: row.get(1)?,
            name: name.and_then(|name| Name::parse(&name).ok()),
            floor: floor.map(uint),
            sent: ids.collect::<rusqlite::Result<_>>()?,
        });
    }
    Ok(sessions)
}

fn posted(connection: &Connection) -> rusqlite::Result<Vec<StoredPost>> {
    let sql = "SELECT * FROM (SELECT key, time_us, room, digest, seq FROM posted
               ORDER BY time_us DESC LIMIT ?) ORDER BY time_us";
    let most = int(trappe_core::limits::IDEMPOTENCY_KEYS as u64);
    let mut list = connection.prepare(sql)?;
    let posts = list.query_map([most], |row| {
        Ok(StoredPost {
            key: row.get(0)?,
            time_us: uint(row.get(1)?),
            room: row.get(2)?,
            digest: row.get(3)?,
            seq: uint(row.get(4)?),
        })
    })?;
    posts.collect()
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
