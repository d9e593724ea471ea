//! The connection that writes.

use std::{
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, OptionalExtension, config::DbConfig, params};
use trappe_core::limits::HISTORY_LOG_BYTES;

use super::{
    error::{DbError, db, file},
    folder::{Folder, Life, beside},
    fs::{self, OpenOptions},
    row::StoredMessage,
    schema::{SETTINGS, STOPPED, id, int, uint},
    transaction::Transaction,
};

/// Bytes of a page of the database, and of what stands around it in its log.
const PAGE_BYTES: u64 = 4096 + 24;

/// How much of the log is used before it is brought into the database. A simulated life is short, and is to see it.
const LOG_BYTES: u64 = if cfg!(sim) { 1 << 16 } else { HISTORY_LOG_BYTES };

/// How long the file of the database's log is made: what one transaction adds at most is beyond what begins it anew.
/// The unit tests open hundreds of databases, and measure nothing; so do simulated lives.
const WAL_LENGTH_BYTES: u64 =
    if cfg!(any(test, sim)) { 1 << 17 } else { HISTORY_LOG_BYTES + (1 << 20) };

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
pub(super) const NO_ROOM: u32 = (1 << 23) - 1;

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

    /// Makes the file of the database's log as long as it will be before it is begun anew: to overwrite costs the disk half
    /// of what it costs to lengthen a file (here 174 µs instead of 413 for a page and fdatasync). What is written there is no
    /// part of the log until SQLite writes over it: each frame has a sum. On a disk without room for it, it stays as it is.
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

    /// Whether it is time for [`Store::checkpoint`].
    pub(crate) fn needs_checkpoint(&self) -> bool {
        self.log_bytes() > LOG_BYTES
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
