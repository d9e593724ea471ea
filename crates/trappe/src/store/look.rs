//! What is in a database, for whoever isn't its server: `trappe history`. A server may be using it meanwhile.

use std::{collections::VecDeque, path::Path};

use rusqlite::{OptionalExtension, params};
use trappe_core::{command::Epoch, name::Name};

use super::{
    error::{DbError, OpenError, db},
    file::is_ours,
    folder::DATABASE,
    open::version,
    read::Reader,
    row::Row,
    schema::{VERSION, id, last_id, seq_of, uint},
    tables::Hole,
};

/// Messages that are read at a time, and bytes of them.
const PORTION: (usize, usize) = (1000, 1 << 20);

/// A room, as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoomInfo {
    pub(crate) no: u32,
    pub(crate) name: Name,
    pub(crate) epoch: Epoch,
    /// The first number that a server may give after it is started again.
    pub(crate) next_seq: u64,
    /// How many messages are kept, without those of the last moments where a server is running.
    pub(crate) messages: u64,
    /// What they take: their bodies, and a hundred bytes for each.
    pub(crate) bytes: u64,
    /// The oldest that is kept, and when it was said; none is.
    pub(crate) oldest: Option<(u64, u64)>,
    /// The last that is kept, and when it was said.
    pub(crate) newest: Option<(u64, u64)>,
}

impl Reader {
    /// Opens the database of a folder that is another's.
    ///
    /// # Errors
    /// [`OpenError`]: it isn't there, isn't ours, or is of a newer version.
    pub(crate) fn look(dir: &Path) -> Result<Reader, OpenError> {
        let path = dir.join(DATABASE);
        if !path.exists() {
            return Err(OpenError::Other(format!("there is no {DATABASE} in it")));
        }
        if !is_ours(&path)? {
            return Err(OpenError::Foreign);
        }
        let reader = Reader::at(&path)?;
        match version(&reader.connection).map_err(db("look at the history"))? {
            newer if newer > VERSION => Err(OpenError::Newer(newer)),
            _ => Ok(reader),
        }
    }

    /// The rooms, by their numbers.
    pub(crate) fn rooms(&self) -> Result<Vec<RoomInfo>, DbError> {
        let doing = "list the rooms";
        let sql = "SELECT no, name, epoch, next_seq, messages, bytes FROM room ORDER BY no";
        let end = "SELECT id, time_us FROM message WHERE id BETWEEN ? AND ? ORDER BY id";
        let list = || -> rusqlite::Result<Vec<RoomInfo>> {
            let mut list = self.connection.prepare_cached(sql)?;
            let mut oldest = self.connection.prepare_cached(&format!("{end} LIMIT 1"))?;
            let mut newest = self.connection.prepare_cached(&format!("{end} DESC LIMIT 1"))?;
            let (mut rows, mut rooms) = (list.query([])?, Vec::new());
            while let Some(row) = rows.next()? {
                let (name, epoch): (String, String) = (row.get(1)?, row.get(2)?);
                let (Ok(name), Ok(epoch)) = (Name::parse(&name), epoch.parse()) else { continue };
                let no = row.get(0)?;
                let range = [id(no, 0), last_id(no)];
                let read = |row: &rusqlite::Row<'_>| Ok((seq_of(row.get(0)?), uint(row.get(1)?)));
                rooms.push(RoomInfo {
                    no,
                    name,
                    epoch,
                    next_seq: uint(row.get(3)?),
                    messages: uint(row.get(4)?),
                    bytes: uint(row.get(5)?),
                    oldest: oldest.query_row(range, read).optional()?,
                    newest: newest.query_row(range, read).optional()?,
                });
            }
            Ok(rooms)
        };
        list().map_err(db(doing))
    }

    /// The greatest number of a room that is known to be in no history.
    fn last_hole(&self, room: u32) -> Result<u64, DbError> {
        self.connection
            .prepare_cached("SELECT coalesce(max(last), 0) FROM hole WHERE room = ?")
            .and_then(|mut it| it.query_row(params![room], |row| row.get(0)))
            .map(uint)
            .map_err(db("read why messages are missing"))
    }
}

/// What an export is made of: a room, then what is in it, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exported {
    Room(RoomInfo),
    Message(Row),
    /// Numbers of which there is no message.
    Gap(Hole),
}

/// All that is kept of some rooms, in bounded portions: no view of the database is held for long.
#[derive(Debug)]
pub(crate) struct Export {
    reader: Reader,
    rooms: VecDeque<RoomInfo>,
    /// Messages up to this one aren't wanted.
    after: u64,
    /// The room that is being read, where to go on and where it ends.
    at: Option<(u32, u64, u64)>,
    ready: VecDeque<Exported>,
}

impl Export {
    /// Everything of these rooms after number `after`.
    pub(crate) fn new(reader: Reader, rooms: Vec<RoomInfo>, after: u64) -> Export {
        Export { reader, rooms: rooms.into(), after, at: None, ready: VecDeque::new() }
    }

    fn advance(&mut self) -> Result<Option<Exported>, DbError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            match self.at {
                Some((room, next, to)) if next < to => {
                    let portion = self.reader.portion(room, next, to, PORTION.0, PORTION.1)?;
                    self.ready.extend(portion.gap.map(Exported::Gap));
                    self.ready.extend(portion.rows.into_iter().map(Exported::Message));
                    self.at = Some((room, portion.next, to));
                }
                _ => {
                    let Some(room) = self.rooms.pop_front() else { return Ok(None) };
                    // What is older than the oldest is missed by nobody.
                    let first = room.oldest.map_or(u64::MAX, |(seq, _)| seq).max(self.after + 1);
                    let last = room.newest.map_or(0, |(seq, _)| seq);
                    let end = last.max(self.reader.last_hole(room.no)?) + 1;
                    self.at = Some((room.no, first, end));
                    return Ok(Some(Exported::Room(room)));
                }
            }
        }
    }
}

impl Iterator for Export {
    type Item = Result<Exported, DbError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance().transpose();
        if matches!(next, Some(Err(_))) {
            // It isn't asked again.
            self.rooms.clear();
            self.at = None;
        }
        next
    }
}
