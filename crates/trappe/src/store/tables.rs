//! What the small tables hold, and how they are read at the start.

use rusqlite::{Connection, OptionalExtension, params};
use trappe_core::{command::Epoch, name::Name};

use super::{
    prune::MESSAGE_BYTES,
    schema::{id, int, last_id, seq_of, uint},
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

pub(super) fn rooms(connection: &Connection) -> rusqlite::Result<Vec<StoredRoom>> {
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
pub(super) fn last_known(connection: &Connection, room: &StoredRoom) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(last) FROM hole WHERE room = ?1), 0), counted_to)
               FROM room WHERE no = ?1";
    let known: i64 = connection.query_row(sql, [room.no], |row| row.get(0))?;
    Ok(uint(known).max(room.last))
}

pub(super) fn sessions(connection: &Connection) -> rusqlite::Result<Vec<StoredSession>> {
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

pub(super) fn posted(connection: &Connection) -> rusqlite::Result<Vec<StoredPost>> {
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

/// Counts what was stored after the last count, before the server ended unclean.
pub(super) fn recount(connection: &Connection) -> rusqlite::Result<()> {
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
pub(super) fn next_room(connection: &Connection) -> rusqlite::Result<u32> {
    let greatest = "SELECT max(coalesce((SELECT max(no) FROM room), 0),
                               coalesce((SELECT max(id) FROM message) >> 40, 0)) + 1";
    let next: u32 = connection.query_row(greatest, [], |row| row.get(0))?;
    // Rooms that were forgotten had numbers too.
    let sql = "SELECT value FROM meta WHERE key = 'next_room'";
    let known: Option<u32> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(next.max(known.unwrap_or(1)))
}
