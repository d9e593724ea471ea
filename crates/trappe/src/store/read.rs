//! The connection that reads.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::{
    error::{DbError, db},
    folder::Folder,
    row::{COLUMNS, Row},
    schema::{id, int, last_id, seq_of, uint},
    tables::{Cause, Hole},
};

/// The next messages of a room, and what is missing before them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Portion {
    /// Numbers that are in no history.
    pub(crate) gap: Option<Hole>,
    /// The messages after that, without a hole.
    pub(crate) rows: Vec<Row>,
    /// The number from which to go on.
    pub(crate) next: u64,
}

/// Messages in which words were found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Their numbers, oldest first.
    pub(crate) seqs: Vec<u64>,
    /// There are older ones, too.
    pub(crate) more: bool,
}

/// A connection that reads; each call is one short transaction.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(super) connection: Connection,
}

impl Reader {
    /// Opens the database for reading.
    pub(crate) fn open(folder: &Folder) -> Result<Reader, DbError> {
        Reader::at(&folder.database())
    }

    /// The same for whoever doesn't hold the folder: a server may be using it.
    pub(super) fn at(path: &Path) -> Result<Reader, DbError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(path, flags).map_err(db("open the history for reading"))?;
        Reader::over(connection)
    }

    /// The same by a connection that is open already.
    pub(super) fn over(connection: Connection) -> Result<Reader, DbError> {
        connection.set_prepared_statement_cache_capacity(32);
        connection
            .execute_batch("PRAGMA cache_size = -8192; PRAGMA query_only = 1;")
            .map_err(db("open the history for reading"))?;
        Ok(Reader { connection })
    }

    /// The next messages of a room, from number `from` on and before `to`: at most `messages`, and no more once they take
    /// `bytes`.
    pub(crate) fn portion(
        &mut self,
        room: u32,
        from: u64,
        to: u64,
        messages: usize,
        bytes: usize,
    ) -> Result<Portion, DbError> {
        // One view of the file for all that is asked of it: meanwhile the writer takes away what is too old.
        let view = self.connection.unchecked_transaction().map_err(db("read messages"))?;
        let portion = self.portion_within(room, (from, to), (messages, bytes));
        // It wrote nothing.
        drop(view);
        portion
    }

    /// The same in a transaction that has begun.
    pub(super) fn portion_within(
        &self,
        room: u32,
        (from, to): (u64, u64),
        (messages, bytes): (usize, usize),
    ) -> Result<Portion, DbError> {
        match self.rows(room, from, to, messages, bytes) {
            Ok(rows) => self.joined(room, (from, to), rows),
            Err(error) if error.is_damaged() => {
                self.around_damage(room, (from, to), messages, bytes)
            }
            Err(error) => Err(error),
        }
    }

    /// Sound rows in order.
    fn rows(
        &self,
        room: u32,
        from: u64,
        to: u64,
        messages: usize,
        bytes: usize,
    ) -> Result<Vec<Row>, DbError> {
        let doing = "read messages";
        let sql = format!("SELECT {COLUMNS} FROM message WHERE id >= ? AND id < ? ORDER BY id");
        let mut select = self.connection.prepare_cached(&sql).map_err(db(doing))?;
        let mut rows = select.query([id(room, from), id(room, to)]).map_err(db(doing))?;
        let (mut sound, mut taken) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(db(doing))? {
            // What doesn't come back as it was is a hole.
            let (_, Some(row)) = Row::read(row) else { continue };
            taken += row.body.len();
            sound.push(row);
            if sound.len() >= messages || taken >= bytes {
                break;
            }
        }
        Ok(sound)
    }

    /// Cuts rows where numbers are missing, and says why they are.
    fn joined(
        &self,
        room: u32,
        (from, to): (u64, u64),
        mut rows: Vec<Row>,
    ) -> Result<Portion, DbError> {
        let Some(first) = rows.first().map(|row| row.seq) else {
            let gap = self.hole(room, from, to - 1)?;
            return Ok(Portion { next: gap.last + 1, gap: Some(gap), rows });
        };
        if first > from {
            let gap = self.hole(room, from, first - 1)?;
            if gap.last + 1 < first {
                // Several holes side by side: one after the other.
                return Ok(Portion { next: gap.last + 1, gap: Some(gap), rows: Vec::new() });
            }
            let run = run_of(&rows);
            rows.truncate(run);
            let next = rows.last().map_or(first, |row| row.seq + 1);
            return Ok(Portion { gap: Some(gap), rows, next });
        }
        // What is missing after them is told by the next portion.
        let run = run_of(&rows);
        rows.truncate(run);
        Ok(Portion { gap: None, next: from + run as u64, rows })
    }

    /// The hole that begins at a number, as far as `last`.
    fn hole(&self, room: u32, first: u64, last: u64) -> Result<Hole, DbError> {
        match self.known_hole(room, first, last) {
            Err(error) if error.is_damaged() => Ok(Hole { first, last, cause: Cause::Damaged }),
            hole => hole,
        }
    }

    fn known_hole(&self, room: u32, first: u64, last: u64) -> Result<Hole, DbError> {
        let doing = "read why messages are missing";
        let mut at = self
            .connection
            .prepare_cached(
                "SELECT last, cause FROM hole WHERE room = ? AND first <= ? ORDER BY first DESC LIMIT 1",
            )
            .map_err(db(doing))?;
        let known: Option<(i64, String)> = at
            .query_row(params![room, int(first)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
            .map_err(db(doing))?;
        if let Some((to, cause)) = known
            && uint(to) >= first
        {
            let last = uint(to).min(last);
            return Ok(Hole { first, last, cause: Cause::parse(&cause) });
        }
        let mut after = self
            .connection
            .prepare_cached(
                "SELECT first FROM hole WHERE room = ? AND first > ? ORDER BY first LIMIT 1",
            )
            .map_err(db(doing))?;
        let next: Option<i64> = after
            .query_row(params![room, int(first)], |row| row.get(0))
            .optional()
            .map_err(db(doing))?;
        let last = next.map_or(last, |next| last.min(uint(next) - 1));
        Ok(Hole { first, last, cause: self.unexplained(room, first)? })
    }

    /// Why a message is missing of which nothing is written down: it is older than what is kept, or else damaged.
    fn unexplained(&self, room: u32, seq: u64) -> Result<Cause, DbError> {
        let doing = "read why messages are missing";
        let sql = "SELECT 1 FROM message WHERE id BETWEEN ? AND ? LIMIT 1";
        let mut before = self.connection.prepare_cached(sql).map_err(db(doing))?;
        let found = before.exists([id(room, 0), id(room, seq)]);
        match found.map_err(db(doing)) {
            Ok(false) => Ok(Cause::Forgotten),
            Ok(true) => Ok(Cause::Damaged),
            Err(error) if error.is_damaged() => Ok(Cause::Damaged),
            Err(error) => Err(error),
        }
    }

    /// Part of the file can't be read: message by message, over what can't be, as far as the next hole after that.
    fn around_damage(
        &self,
        room: u32,
        (from, to): (u64, u64),
        messages: usize,
        bytes: usize,
    ) -> Result<Portion, DbError> {
        let to = to.min(from + messages.max(1) as u64);
        let (mut rows, mut taken) = (Vec::new(), 0);
        for seq in from..to {
            match self.rows(room, seq, seq + 1, 1, usize::MAX) {
                Ok(row) if row.is_empty() && rows.is_empty() => {}
                Ok(row) if row.is_empty() => break,
                Ok(row) => rows.extend(row),
                Err(error) if !error.is_damaged() => return Err(error),
                Err(_) if rows.is_empty() => {}
                Err(_) => break,
            }
            taken += rows.last().map_or(0, |row: &Row| row.body.len());
            if taken >= bytes {
                break;
            }
        }
        self.joined(room, (from, to), rows)
    }

    /// These messages, as far as they are there.
    pub(crate) fn these(&mut self, room: u32, seqs: &[u64]) -> Result<Vec<Row>, DbError> {
        let mut found = Vec::new();
        for &seq in seqs {
            match self.rows(room, seq, seq + 1, 1, usize::MAX) {
                Ok(rows) => found.extend(rows),
                Err(error) if error.is_damaged() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Where the last `count` messages before `to` begin, and how many there are.
    pub(crate) fn last(&mut self, room: u32, count: u64, to: u64) -> Result<(u64, u64), DbError> {
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT min(id), count(*) FROM
                 (SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?)",
            )
            .map_err(db("read the last messages"))?;
        let range = params![id(room, 0), id(room, to), int(count)];
        let (first, count): (Option<i64>, i64) = select
            .query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(db("read the last messages"))?;
        Ok((first.map_or(to, seq_of), uint(count)))
    }

    /// The newest messages of a room in which all of these words are, the last one perhaps as the beginning of a word; at most
    /// `most`. What was said in the last moments may not be in the index yet.
    pub(crate) fn search(&mut self, room: u32, words: &str, most: usize) -> Result<Found, DbError> {
        let Some(query) = query_of(words) else { return Ok(Found::default()) };
        let doing = "search the history";
        let mut select = self
            .connection
            .prepare_cached(
                "SELECT rowid FROM search WHERE search MATCH ? AND rowid BETWEEN ? AND ?
                 ORDER BY rowid DESC LIMIT ?",
            )
            .map_err(db(doing))?;
        let range = params![query, id(room, 0), last_id(room), int(most as u64 + 1)];
        let ids = select.query_map(range, |row| row.get(0)).map_err(db(doing))?;
        let ids: Vec<i64> = ids.collect::<rusqlite::Result<_>>().map_err(db(doing))?;
        let more = ids.len() > most;
        let mut seqs: Vec<u64> = ids.into_iter().take(most).map(seq_of).collect();
        seqs.reverse();
        Ok(Found { seqs, more })
    }
}

/// How many of the rows follow one another without a hole, from the first on.
fn run_of(rows: &[Row]) -> usize {
    let breaks = rows.windows(2).position(|pair| pair[1].seq != pair[0].seq + 1);
    breaks.map_or(rows.len(), |at| at + 1)
}

/// Words as FTS5 reads them: each as it is typed, nothing of it an operator. None: there is no word.
fn query_of(words: &str) -> Option<String> {
    let is_word = |word: &&str| word.chars().any(char::is_alphanumeric);
    let quoted = words
        .split_whitespace()
        .filter(is_word)
        .map(|word| format!("\"{}\"", word.replace('\0', " ").replace('"', "\"\"")));
    let quoted: Vec<String> = quoted.collect();
    (!quoted.is_empty()).then(|| format!("{} *", quoted.join(" ")))
}
