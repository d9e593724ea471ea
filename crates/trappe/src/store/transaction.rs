//! One transaction, and everything that is written in one.

use rusqlite::{OptionalExtension, params};
use trappe_core::{command::Epoch, name::Name};

use super::{
    error::{DbError, db},
    prune::MESSAGE_BYTES,
    row::StoredMessage,
    schema::{id, int, last_id, seq_of, uint},
    tables::{Cause, Hole, StoredPost},
};

/// One transaction; dropped without [`Transaction::commit`] nothing of it has happened.
#[derive(Debug)]
pub(crate) struct Transaction<'s> {
    pub(super) inner: rusqlite::Transaction<'s>,
}

impl Transaction<'_> {
    pub(super) fn run(
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

    /// Nothing of a room is kept any more; one of which something is, stays. Its number is never another one's: ids of its
    /// messages may still be known.
    pub(crate) fn forget_room(&mut self, no: u32) -> Result<(), DbError> {
        let doing = "forget a room";
        let sql = "DELETE FROM room WHERE no = ?1 AND NOT EXISTS
                   (SELECT 1 FROM message WHERE id BETWEEN ?2 AND ?3)";
        let gone = self
            .inner
            .prepare_cached(sql)
            .and_then(|mut it| it.execute(params![no, id(no, 0), last_id(no)]))
            .map_err(db(doing))?;
        if gone == 0 {
            return Ok(());
        }
        self.run(doing, "DELETE FROM hole WHERE room = ?", [no])?;
        self.run(doing, "DELETE FROM meta WHERE key = 'indexed_' || ?", [no])?;
        self.run(
            doing,
            "INSERT INTO meta (key, value) VALUES ('next_room', ?1 + 1)
             ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)",
            [no],
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

    /// Whether a message is there, or is known not to be.
    pub(super) fn knows(&self, room: u32, seq: u64) -> Result<bool, DbError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM message WHERE id = ?1)
                   OR EXISTS (SELECT 1 FROM hole WHERE room = ?2 AND first <= ?3 AND last >= ?3
                              AND cause != 'damaged')";
        self.inner
            .prepare_cached(sql)
            .and_then(|mut it| {
                it.query_row(params![id(room, seq), room, int(seq)], |row| row.get(0))
            })
            .map_err(db("look for a message"))
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
            // What is sent again under its id is then said again. What was lost otherwise had been acknowledged.
            let range = (room, int(hole.first), int(hole.last));
            for table in ["sent", "posted"] {
                let sql = format!("DELETE FROM {table} WHERE room = ? AND seq BETWEEN ? AND ?");
                self.run("write down a gap", &sql, range)?;
            }
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

    /// Removes what stands there of messages that are filed anew.
    pub(crate) fn take_out(&mut self, room: u32, first: u64, last: u64) -> Result<(), DbError> {
        self.take_back(room, id(room, first), id(room, last))
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
