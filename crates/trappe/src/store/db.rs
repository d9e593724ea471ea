//! The connection that writes.

use std::{
    fs::{self, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, params};
use trappe_core::{command::Epoch, limits::HISTORY_LOG_BYTES, name::Name};

use super::{
    error::{DbError, db, file},
    folder::{Folder, Life, beside},
    prune::MESSAGE_BYTES,
    row::StoredMessage,
    schema::{SETTINGS, STOPPED, id, int, last_id, seq_of, uint},
};

/// Bytes of a page of the database, and of what stands around it in its log.
const PAGE_BYTES: u64 = 4096 + 24;

/// How long the file of the database's log is made: what one transaction adds at most is beyond what begins it anew.
/// The unit tests open hundreds of databases, and measure nothing.
const WAL_LENGTH_BYTES: u64 = if cfg!(test) { 1 << 17 } else { HISTORY_LOG_BYTES + (1 << 20) };

/// Why numbers of a room are in no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// They were never given: the server ended unclean.
    Unused,
    /// The disk didn't take them.
    NotStored,
    /// The disk gave them back changed, or not at all.
    Damaged,
    /// They are older than what is kept. Nobody writes that down: it is what has no message before it.
    Forgotten,
}

impl Cause {
    /// As it is written down.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Cause::Unused => "unused",
            Cause::NotStored => "not-stored",
            Cause::Damaged => "damaged",
            Cause::Forgotten => "forgotten",
        }
    }

    pub(super) fn parse(text: &str) -> Cause {
        match text {
            "unused" => Cause::Unused,
            "not-stored" => Cause::NotStored,
            _ => Cause::Damaged,
        }
    }
}

/// Numbers of a room that are in no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    /// The first of them.
    pub(crate) first: u64,
    /// The last of them.
    pub(crate) last: u64,
    /// Why.
    pub(crate) cause: Cause,
}

/// A message that was posted over HTTP under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredPost {
    /// What the client calls it.
    pub(crate) key: String,
    /// When it was said, in microseconds since 1970.
    pub(crate) time_us: u64,
    /// The number of its room.
    pub(crate) room: u32,
    /// A short form of who said what.
    pub(crate) digest: [u8; 32],
    /// Its number in its room.
    pub(crate) seq: u64,
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Store {
    pub(super) connection: Connection,
    wal: PathBuf,
    /// Pages of the database's log that are in use.
    pages: Arc<AtomicU64>,
    pub(super) starts: u64,
}

/// The number of no room.
const NO_ROOM: u32 = (1 << 23) - 1;

/// How long a writer waits for another: for a person's `sqlite3`, or `trappe history`.
const BUSY: Duration = Duration::from_secs(5);

impl Store {
    /// Opens the database, which is there.
    pub(super) fn connect(path: &Path) -> Result<Store, DbError> {
        // It is there: one that is made here would be of no form.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection =
            Connection::open_with_flags(path, flags).map_err(db("open the history"))?;
        connection.set_prepared_statement_cache_capacity(64);
        // A connection that is closed for an error leaves the files as they are, as a crash would: what it knew of them is
        // not to be trusted. It also keeps the log there, whose absence means something at the next start.
        let set = connection
            .busy_timeout(BUSY)
            .and_then(|()| {
                connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            })
            .and_then(|_| connection.execute_batch(SETTINGS));
        set.map_err(db("open the history"))?;
        let pages = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&pages);
        let hook = move |_: &mut rusqlite::hooks::Wal, used: i32| {
            counted.store(uint(used.into()), Relaxed);
            Ok(())
        };
        connection.wal_hook(Some(hook)).map_err(db("open the history"))?;
        Ok(Store { connection, wal: beside(path, "-wal"), pages, starts: 0 })
    }

    /// Makes the file of the database's log as long as it will be before it is begun anew: to overwrite costs the disk half of
    /// what it costs to lengthen a file (here 174 µs instead of 413 for a page and fdatasync). What is written there is no part of
    /// the log until SQLite writes over it: each frame has a sum. On a disk without room for it, it stays as it is.
    pub(super) fn lengthen_log(&self) -> Result<(), DbError> {
        let lengthen = || -> io::Result<()> {
            let mut log = OpenOptions::new().read(true).write(true).open(&self.wal)?;
            let begun = log.seek(SeekFrom::End(0))?;
            let zeros = vec![0; 1 << 16];
            let mut at = begun;
            while at < WAL_LENGTH_BYTES {
                if log.write_all(&zeros).is_err() {
                    return log.set_len(begun);
                }
                at += zeros.len() as u64;
            }
            log.sync_all()
        };
        lengthen().map_err(file("make space for the history's log"))
    }

    /// Begins a transaction.
    pub(crate) fn write(&mut self) -> Result<Transaction<'_>, DbError> {
        let immediate = rusqlite::TransactionBehavior::Immediate;
        let inner = self
            .connection
            .transaction_with_behavior(immediate)
            .map_err(db("begin to write to the history"))?;
        Ok(Transaction { inner })
    }

    /// Bytes of the database's log that are in use.
    pub(crate) fn log_bytes(&self) -> u64 {
        self.pages.load(Relaxed) * PAGE_BYTES
    }

    /// Brings the database's log into the database; it is then begun anew. What somebody still reads stays in the log until
    /// the next time: nobody is waited for.
    pub(crate) fn checkpoint(&mut self) -> Result<(), DbError> {
        let length = fs::metadata(&self.wal).map_or(0, |found| found.len());
        // Where a reader was in the way for long, it need not stay so large.
        let mode = if length > 8 * WAL_LENGTH_BYTES { "TRUNCATE" } else { "PASSIVE" };
        let doing = "bring the log into the history";
        self.connection.busy_timeout(Duration::ZERO).map_err(db(doing))?;
        let done = self.checkpoint_as(mode);
        self.connection.busy_timeout(BUSY).map_err(db(doing))?;
        done
    }

    /// Brings all of the log into the database; waits for who still reads, up to [`BUSY`].
    pub(super) fn checkpoint_all(&mut self) -> Result<(), DbError> {
        self.checkpoint_as("TRUNCATE")
    }

    fn checkpoint_as(&mut self, mode: &str) -> Result<(), DbError> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let (used, done): (i64, i64) = self
            .connection
            .query_row(&sql, [], |row| Ok((row.get(1)?, row.get(2)?)))
            .map_err(db("bring the log into the history"))?;
        // Nothing that is in the log is needed any more, or all of it still is.
        self.pages.store(if used == done { 0 } else { uint(used) }, Relaxed);
        Ok(())
    }

    /// Whether these messages are there, as they were: the last that were acknowledged in their rooms.
    pub(crate) fn verify_last(&mut self, known: &[(u32, u64)]) -> Result<bool, DbError> {
        let sql = format!("SELECT {} FROM message WHERE id = ?", super::row::COLUMNS);
        let mut look = self.connection.prepare(&sql).map_err(db("verify the history"))?;
        for (room, seq) in known {
            let found = look
                .query_row([id(*room, *seq)], |row| Ok(super::row::Row::read(row).1.is_some()))
                .optional()
                .map_err(db("verify the history"))?;
            if found != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether there is room to be made in the file for something new: a page that leads to free ones may be damaged. Nothing
    /// of it stays.
    pub(super) fn probe(&mut self) -> Result<(), DbError> {
        let mut transaction = self.write()?;
        let body = &[0; 1 << 14];
        let message = StoredMessage { seq: 1, time_us: 0, sid: 0, mid: None, author: None, body };
        transaction.message(NO_ROOM, &message)
    }

    /// Nothing more will be written: the exact numbers that come next, so that none is left out.
    pub(crate) fn close(
        mut self,
        folder: &Folder,
        exact: &[(u32, u64)],
        next_member: u64,
    ) -> Result<(), DbError> {
        let starts = self.starts;
        let transaction = self.write()?;
        for (room, next) in exact {
            transaction
                .inner
                .prepare_cached("UPDATE room SET next_seq = ?2 WHERE no = ?1")
                .and_then(|mut update| update.execute(params![room, int(*next)]))
                .map_err(db("close the history"))?;
        }
        transaction.meta("next_member", next_member)?;
        // A copy that was made before this is known by it.
        transaction.meta(STOPPED, starts)?;
        transaction.commit()?;
        self.checkpoint_all()?;
        let inode = folder.inode().unwrap_or(0);
        drop(self);
        let damaged = folder.life().is_some_and(|life| life.damaged);
        folder.set_life(Life { starts, clean: true, damaged, inode })
    }
}

/// One transaction; dropped without [`Transaction::commit`] nothing of it has happened.
#[derive(Debug)]
pub(crate) struct Transaction<'s> {
    pub(super) inner: rusqlite::Transaction<'s>,
}

impl Transaction<'_> {
    fn run(
        &self,
        doing: &'static str,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<(), DbError> {
        let ran = self.inner.prepare_cached(sql).and_then(|mut it| it.execute(params));
        ran.map(|_| ()).map_err(db(doing))
    }

    /// A room, and the first number that may be given after a restart.
    pub(crate) fn room(
        &mut self,
        no: u32,
        name: &Name,
        epoch: Epoch,
        next_seq: u64,
    ) -> Result<(), DbError> {
        let key = name.folded().to_string();
        self.run(
            "store a room",
            "INSERT INTO room (no, name, key, epoch, next_seq) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (no) DO UPDATE SET epoch = ?4, next_seq = ?5",
            params![no, name.as_str(), key, epoch.to_string(), int(next_seq)],
        )
    }

    /// Nothing of a room is kept any more.
    pub(crate) fn forget_room(&mut self, no: u32) -> Result<(), DbError> {
        let doing = "forget a room";
        self.run(doing, "DELETE FROM hole WHERE room = ?", [no])?;
        self.run(doing, "DELETE FROM meta WHERE key = 'indexed_' || ?", [no])?;
        self.run(
            doing,
            "DELETE FROM room WHERE no = ?1 AND NOT EXISTS
             (SELECT 1 FROM message WHERE id BETWEEN ?2 AND ?3)",
            params![no, id(no, 0), last_id(no)],
        )
    }

    /// A message.
    pub(crate) fn message(&mut self, room: u32, it: &StoredMessage<'_>) -> Result<(), DbError> {
        let id = id(room, it.seq);
        self.run(
            "store a message",
            "INSERT INTO message (id, time_us, sid, mid, author, body, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                id,
                int(it.time_us),
                int(it.sid),
                it.mid.map(int),
                it.author,
                it.body,
                it.sum(id)
            ],
        )
    }

    /// A room, which is there, has so many messages more, that take so many bytes; the last of them is `to`.
    pub(crate) fn counts(
        &mut self,
        room: u32,
        messages: u64,
        bytes: u64,
        to: u64,
    ) -> Result<(), DbError> {
        self.run(
            "count messages",
            "UPDATE room SET messages = messages + ?2, bytes = bytes + ?3, counted_to = ?4 WHERE no = ?1",
            params![room, int(messages), int(bytes), int(to)],
        )
    }

    /// A session whose member may come back.
    pub(crate) fn session(
        &mut self,
        sid: u64,
        token: &[u8; 32],
        name: Option<&Name>,
    ) -> Result<(), DbError> {
        self.run(
            "store a session",
            "INSERT INTO session (sid, token, name) VALUES (?1, ?2, ?3)
             ON CONFLICT (sid) DO UPDATE SET name = ?3",
            params![int(sid), token, name.map(Name::as_str)],
        )
    }

    /// Nobody comes back to this session any more.
    pub(crate) fn end_session(&mut self, sid: u64) -> Result<(), DbError> {
        self.run("forget a session", "DELETE FROM session WHERE sid = ?", [int(sid)])?;
        self.run("forget a session", "DELETE FROM sent WHERE sid = ?", [int(sid)])
    }

    /// A message has this number of its sender's own.
    pub(crate) fn sent(&mut self, sid: u64, mid: u64, room: u32, seq: u64) -> Result<(), DbError> {
        self.run(
            "store a message's id",
            "INSERT OR REPLACE INTO sent (sid, mid, room, seq) VALUES (?, ?, ?, ?)",
            params![int(sid), int(mid), room, int(seq)],
        )
    }

    /// Forgets the ids of a session up to `floor`: none of them is ever new again.
    pub(crate) fn trim_sent(&mut self, sid: u64, floor: u64) -> Result<(), DbError> {
        let (sid, floor) = (int(sid), int(floor));
        self.run(
            "forget old ids",
            "UPDATE session SET floor = max(coalesce(floor, 0), ?2) WHERE sid = ?1",
            [sid, floor],
        )?;
        let sql = "DELETE FROM sent WHERE sid = ? AND mid <= ?";
        self.run("forget old ids", sql, [sid, floor])
    }

    /// A message was posted under a key.
    pub(crate) fn posted(&mut self, post: &StoredPost) -> Result<(), DbError> {
        self.run(
            "store an idempotency key",
            "INSERT OR REPLACE INTO posted (key, time_us, room, digest, seq)
             VALUES (?, ?, ?, ?, ?)",
            params![post.key, int(post.time_us), post.room, post.digest, int(post.seq)],
        )
    }

    /// Numbers that are in no history. What stands there all the same was never acknowledged, and is taken away.
    pub(crate) fn hole(&mut self, room: u32, hole: &Hole) -> Result<(), DbError> {
        let (first, last) = (id(room, hole.first), id(room, hole.last));
        self.take_back(room, first, last)?;
        if hole.cause == Cause::NotStored {
            // What is sent again under its id is then said again.
            let range = [i64::from(room), int(hole.first), int(hole.last)];
            let sql = "DELETE FROM sent WHERE room = ? AND seq BETWEEN ? AND ?";
            self.run("write down a gap", sql, range)?;
            let sql = "DELETE FROM posted WHERE room = ? AND seq BETWEEN ? AND ?";
            self.run("write down a gap", sql, range)?;
        }
        // One that begins where another ends, for the same cause, is that one's end.
        let (from, to) = (int(seq_of(first)), int(seq_of(last)));
        let cause = hole.cause.as_str();
        let grown = self
            .inner
            .prepare_cached(
                "UPDATE hole SET last = ?3 WHERE room = ?1 AND last = ?2 - 1 AND cause = ?4",
            )
            .and_then(|mut it| it.execute(params![room, from, to, cause]))
            .map_err(db("write down a gap"))?;
        if grown > 0 {
            return Ok(());
        }
        self.run(
            "write down a gap",
            "INSERT OR REPLACE INTO hole (room, first, last, cause) VALUES (?, ?, ?, ?)",
            params![room, from, to, cause],
        )
    }

    /// Removes what stands there of messages that are told to be in no history.
    fn take_back(&self, room: u32, first: i64, last: i64) -> Result<(), DbError> {
        let doing = "take back messages";
        let stored = "SELECT count(*), coalesce(sum(length(body) + ?3), 0) FROM message
                      WHERE id BETWEEN ?1 AND ?2";
        let counted = "UPDATE room SET messages = max(messages - ?2, 0), bytes = max(bytes - ?3, 0)
                       WHERE no = ?1";
        let sum = |to: i64| -> Result<(i64, i64), DbError> {
            let found = self.inner.prepare_cached(stored).and_then(|mut it| {
                let range = params![first, to, int(MESSAGE_BYTES)];
                it.query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))
            });
            found.map_err(db(doing))
        };
        if sum(last)?.0 == 0 {
            return Ok(());
        }
        // Those that were counted are not, any more.
        let to: i64 = self
            .inner
            .prepare_cached("SELECT counted_to FROM room WHERE no = ?")
            .and_then(|mut it| it.query_row([room], |row| row.get(0)))
            .optional()
            .map_err(db(doing))?
            .unwrap_or(0);
        let (messages, bytes) = sum(last.min(id(room, uint(to))))?;
        self.run(doing, counted, params![room, messages, bytes])?;
        self.run(doing, "DELETE FROM search WHERE rowid BETWEEN ? AND ?", [first, last])?;
        self.run(doing, "DELETE FROM message WHERE id BETWEEN ? AND ?", [first, last])
    }

    /// The first member's number that may be given after a restart.
    pub(crate) fn next_member(&mut self, number: u64) -> Result<(), DbError> {
        self.meta("next_member", number)
    }

    pub(super) fn meta(&self, key: &str, value: u64) -> Result<(), DbError> {
        self.run(
            "write to the history",
            "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)",
            params![key, int(value)],
        )
    }

    /// All of it is on disk when this returns.
    pub(crate) fn commit(self) -> Result<(), DbError> {
        self.inner.commit().map_err(db("write to the history"))
    }
}
