//! What is too old, or too much, goes in small steps; and the index for searching, which follows what is stored.

use std::{collections::BTreeMap, time::Duration};

use rusqlite::{OptionalExtension, params};
use trappe_core::{keep::Keep as Bounds, limits::IDEMPOTENCY_KEPT};

use super::{
    db::Store,
    error::{DbError, db},
    schema::{MERGE_INDEX, id, int, last_id, room_of, seq_of, uint},
};

/// What a message counts for beside its body.
pub(crate) const MESSAGE_BYTES: u64 = 100;

/// Pages that are given back to the file system in one step.
const PAGES_GIVEN_BACK: u32 = 256;
/// Pages that may lie idle: the journal takes and leaves that many, over and over.
const PAGES_IDLE: u32 = 1024;

/// What is kept of a room, and of all rooms together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keep {
    pub(crate) room: Bounds,
    pub(crate) total: Bounds,
}

/// What a step took away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pruned {
    /// There is more to be taken away.
    pub(crate) more: bool,
    /// The oldest message that is left of each room of which something went.
    pub(crate) oldest: Vec<(u32, u64)>,
    /// How many went.
    pub(crate) removed: u64,
}

/// What a room takes.
#[derive(Clone, Copy, Debug)]
struct Usage {
    no: u32,
    messages: u64,
    bytes: u64,
}

/// How much of a room is too much.
#[derive(Clone, Copy, Debug, Default)]
struct Excess {
    messages: u64,
    bytes: u64,
    /// Everything that was said before that.
    before_us: u64,
}

impl Store {
    /// Takes away at most about `most` messages that are too many, too old or too large together.
    pub(crate) fn prune(
        &mut self,
        keep: &Keep,
        now_us: u64,
        most: usize,
    ) -> Result<Pruned, DbError> {
        let rooms = self.usage()?;
        let before = |age: Option<Duration>| {
            let age = age.map(|age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
            age.map_or(0, |age| now_us.saturating_sub(age))
        };
        let before_us = before(keep.room.age).max(before(keep.total.age));
        let mut excess: BTreeMap<u32, Excess> = BTreeMap::new();
        let (mut messages, mut bytes) = (0, 0);
        for room in &rooms {
            let over =
                |has: u64, most: Option<u64>| most.map_or(0, |most| has.saturating_sub(most));
            let over = Excess {
                messages: over(room.messages, keep.room.messages),
                bytes: over(room.bytes, keep.room.bytes),
                before_us,
            };
            messages += room.messages - over.messages;
            bytes += room.bytes - over.bytes;
            if over.messages > 0 || over.bytes > 0 || before_us > 0 {
                excess.insert(room.no, over);
            }
        }
        // All rooms together: the one that takes most gives way first, so that a noisy room costs a quiet one nothing.
        let largest = rooms.iter().max_by_key(|room| room.bytes);
        if let Some(room) = largest {
            let over =
                |has: u64, most: Option<u64>| most.map_or(0, |most| has.saturating_sub(most));
            let all = (over(messages, keep.total.messages), over(bytes, keep.total.bytes));
            if all.0 > 0 || all.1 > 0 {
                let one = excess.entry(room.no).or_default();
                one.messages += all.0;
                one.bytes += all.1;
            }
        }
        let mut pruned = Pruned::default();
        for (no, excess) in excess {
            let left = most.saturating_sub(usize::try_from(pruned.removed).unwrap_or(usize::MAX));
            if left == 0 {
                pruned.more = true;
                break;
            }
            self.prune_room(no, excess, left, &mut pruned)?;
        }
        let old = now_us.saturating_sub(u64::try_from(IDEMPOTENCY_KEPT.as_micros()).unwrap_or(0));
        self.connection
            .prepare_cached("DELETE FROM posted WHERE time_us < ?")
            .and_then(|mut it| it.execute([int(old)]))
            .map_err(db("forget old idempotency keys"))?;
        if pruned.removed > 0 || self.has_free_pages()? {
            self.give_back(PAGES_GIVEN_BACK)?;
            pruned.more |= self.has_free_pages()?;
        }
        Ok(pruned)
    }

    /// The same for one room alone.
    pub(crate) fn prune_in(
        &mut self,
        no: u32,
        keep: &Bounds,
        now_us: u64,
        most: usize,
    ) -> Result<Pruned, DbError> {
        let mut pruned = Pruned::default();
        let Some(room) = self.usage()?.into_iter().find(|room| room.no == no) else {
            return Ok(pruned);
        };
        let over = |has: u64, most: Option<u64>| most.map_or(0, |most| has.saturating_sub(most));
        let age = keep.age.map(|age| u64::try_from(age.as_micros()).unwrap_or(u64::MAX));
        let excess = Excess {
            messages: over(room.messages, keep.messages),
            bytes: over(room.bytes, keep.bytes),
            before_us: age.map_or(0, |age| now_us.saturating_sub(age)),
        };
        self.prune_room(no, excess, most, &mut pruned)?;
        Ok(pruned)
    }

    /// Gives all space back that isn't used.
    pub(crate) fn shrink(&mut self) -> Result<(), DbError> {
        // The index for searching keeps what was taken away until its parts are put together.
        let put_together = "INSERT INTO search (search) VALUES ('optimize')";
        self.connection.execute_batch(put_together).map_err(db("give space back"))?;
        self.give_back(self.free_pages()?)
    }

    /// Gives so many pages back to the file system.
    fn give_back(&self, pages: u32) -> Result<(), DbError> {
        let sql = format!("PRAGMA incremental_vacuum({pages})");
        let all = || -> rusqlite::Result<()> {
            // Each step gives one page back, and no more: it has to be asked until there is nothing left to do.
            let mut pages = self.connection.prepare(&sql)?;
            let mut rows = pages.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        };
        all().map_err(db("give space back"))
    }

    fn free_pages(&self) -> Result<u32, DbError> {
        self.connection
            .query_row("PRAGMA freelist_count", [], |row| row.get(0))
            .map_err(db("give space back"))
    }

    /// More pages lie idle than are soon needed again.
    fn has_free_pages(&self) -> Result<bool, DbError> {
        Ok(self.free_pages()? > PAGES_IDLE)
    }

    fn usage(&self) -> Result<Vec<Usage>, DbError> {
        let doing = "see what the history takes";
        let sql = "SELECT no, messages, bytes FROM room WHERE messages > 0";
        let mut list = self.connection.prepare_cached(sql).map_err(db(doing))?;
        let rooms = list.query_map([], |row| {
            Ok(Usage { no: row.get(0)?, messages: uint(row.get(1)?), bytes: uint(row.get(2)?) })
        });
        rooms.and_then(Iterator::collect).map_err(db(doing))
    }

    fn prune_room(
        &mut self,
        no: u32,
        excess: Excess,
        most: usize,
        pruned: &mut Pruned,
    ) -> Result<(), DbError> {
        let doing = "take old messages away";
        let (mut messages, mut bytes, mut last) = (0, 0, None);
        {
            let mut oldest = self
                .connection
                .prepare_cached(
                    "SELECT id, time_us, length(body) FROM message
                     WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?",
                )
                .map_err(db(doing))?;
            let range = params![id(no, 0), last_id(no), int(most as u64 + 1)];
            let mut rows = oldest.query(range).map_err(db(doing))?;
            while let Some(row) = rows.next().map_err(db(doing))? {
                let field = |i: usize| row.get(i).map(uint).map_err(db(doing));
                let too_many = messages < excess.messages || bytes < excess.bytes;
                if !too_many && field(1)? >= excess.before_us {
                    break;
                }
                if messages == most as u64 {
                    pruned.more = true;
                    break;
                }
                messages += 1;
                bytes += field(2)? + MESSAGE_BYTES;
                last = Some(row.get::<_, i64>(0).map_err(db(doing))?);
            }
        }
        let Some(last) = last else { return Ok(()) };
        let first = id(no, 0);
        let transaction = self.write()?;
        let run = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
            let ran = transaction.inner.prepare_cached(sql).and_then(|mut it| it.execute(params));
            ran.map_err(db(doing))
        };
        run("DELETE FROM search WHERE rowid BETWEEN ? AND ?", &[&first, &last])?;
        transaction.inner.execute_batch(MERGE_INDEX).map_err(db(doing))?;
        run("DELETE FROM message WHERE id BETWEEN ? AND ?", &[&first, &last])?;
        run(
            "UPDATE room SET messages = max(messages - ?2, 0), bytes = max(bytes - ?3, 0) WHERE no = ?1",
            &[&no, &int(messages), &int(bytes)],
        )?;
        let next: Option<i64> = transaction
            .inner
            .prepare_cached("SELECT id FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1")
            .and_then(|mut it| it.query_row([first, last_id(no)], |row| row.get(0)).optional())
            .map_err(db(doing))?;
        let oldest = next.map_or(seq_of(last) + 1, seq_of);
        run("DELETE FROM hole WHERE room = ? AND last < ?", &[&no, &int(oldest)])?;
        transaction.commit()?;
        pruned.removed += messages;
        pruned.oldest.push((no, oldest));
        Ok(())
    }

    /// Puts at most `most` messages into the index for searching that aren't there yet. Tells whether there are more.
    pub(crate) fn index(&mut self, most: usize) -> Result<bool, DbError> {
        let doing = "index messages for searching";
        // Messages of several rooms come in no order of their ids: each room has its own place.
        let rooms = {
            let mut list = self
                .connection
                .prepare_cached(
                    "SELECT no, coalesce(value, 0) FROM room
                     LEFT JOIN meta ON meta.key = 'indexed_' || no
                     WHERE counted_to > coalesce(value, 0) LIMIT 16",
                )
                .map_err(db(doing))?;
            let rooms = list.query_map([], |row| Ok((row.get::<_, u32>(0)?, uint(row.get(1)?))));
            rooms.and_then(Iterator::collect::<rusqlite::Result<Vec<_>>>).map_err(db(doing))?
        };
        let (mut left, mut more) = (most, rooms.len() == 16);
        let transaction = self.write()?;
        for (no, indexed) in rooms {
            if left == 0 {
                more = true;
                break;
            }
            let mut next = transaction
                .inner
                .prepare_cached(
                    "SELECT id, body FROM message WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
                )
                .map_err(db(doing))?;
            let mut insert = transaction
                .inner
                .prepare_cached("INSERT INTO search (rowid, body) VALUES (?, ?)")
                .map_err(db(doing))?;
            let range = params![id(no, indexed), last_id(no), int(left as u64)];
            let mut rows = next.query(range).map_err(db(doing))?;
            let (mut last, mut count) = (0, 0);
            while let Some(row) = rows.next().map_err(db(doing))? {
                let id: i64 = row.get(0).map_err(db(doing))?;
                let body = row.get_ref(1).map_err(db(doing))?;
                let body = String::from_utf8_lossy(body.as_bytes().unwrap_or_default());
                insert.execute(params![id, body]).map_err(db(doing))?;
                debug_assert_eq!(room_of(id), no, "the range is one room's");
                (last, count) = (seq_of(id), count + 1);
            }
            more |= count == left;
            left -= count;
            // Up to the last that is stored nothing else comes: numbers only go up.
            let to = if last > 0 { last } else { self::counted_to(&transaction.inner, no)? };
            transaction.meta(&format!("indexed_{no}"), to)?;
        }
        transaction.commit()?;
        Ok(more)
    }
}

fn counted_to(connection: &rusqlite::Connection, no: u32) -> Result<u64, DbError> {
    connection
        .query_row("SELECT counted_to FROM room WHERE no = ?", [no], |row| row.get(0))
        .map(uint)
        .map_err(db("index messages for searching"))
}
