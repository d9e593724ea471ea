//! Whether a database is what it ought to be, in words.

use std::{fmt, path::Path};

use rusqlite::{Connection, OptionalExtension, params};
use trappe_core::name::Name;

use super::{
    error::{DbError, OpenError, db},
    prune::MESSAGE_BYTES,
    read::Reader,
    schema::{id, int, last_id, room_of, seq_of, uint},
    tables::Cause,
};

/// So many findings are told.
const FINDINGS: usize = 1000;
/// Messages that are read at a time, and bytes of them.
const PORTION: (usize, usize) = (1000, 1 << 20);

const DOING: &str = "check the history";

/// Something that isn't as it ought to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// SQLite says so of its own structures.
    Structure(String),
    /// Nobody could be in this room.
    Room { no: u32 },
    /// Messages of a room that isn't listed.
    Stray { no: u32, messages: u64 },
    /// These messages can't be read, or aren't as they were.
    Damaged { room: Name, first: u64, last: u64 },
    /// These were lost to damage, which is known, and is told to who asks for them.
    Lost { room: Name, first: u64, last: u64 },
    /// It is told of these numbers that there are no messages, but there are.
    Hole { room: Name, first: u64, last: u64, messages: u64 },
    /// The room's counter says something else.
    Counter { room: Name, messages: (u64, u64), bytes: (u64, u64) },
    /// A number could be given a second time.
    Next { room: Name, next: u64, last: u64 },
    /// So many messages aren't found by searching, though they ought to be; or so many are that aren't there.
    Index { room: Name, messages: u64, indexed: u64 },
    /// Ids are kept for sessions that aren't.
    Sent { ids: u64 },
}

impl Finding {
    /// Whether something is wrong now.
    fn is_wrong(&self) -> bool {
        !matches!(self, Finding::Lost { .. })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Structure(what) => write!(f, "the file's structure: {what}"),
            Finding::Room { no } => write!(f, "room number {no} has a name or epoch that can't be"),
            Finding::Stray { no, messages } => {
                write!(f, "{messages} messages are of room number {no}, which isn't there")
            }
            Finding::Damaged { room, first, last } => {
                write!(f, "{room}: {} damaged or missing", span(*first, *last))
            }
            Finding::Lost { room, first, last } => {
                write!(f, "{room}: {} lost to earlier damage", span(*first, *last))
            }
            Finding::Hole { room, first, last, messages } => {
                let span = span(*first, *last);
                write!(f, "{room}: {span} said to be in no history, but {messages} are there")
            }
            Finding::Counter { room, messages, bytes } => write!(
                f,
                "{room}: {} messages of {} bytes are counted, {} of {} are there",
                messages.0, bytes.0, messages.1, bytes.1
            ),
            Finding::Next { room, next, last } => {
                write!(f, "{room}: {next} would be the next number, but message {last} is there")
            }
            Finding::Index { room, messages, indexed } => {
                write!(
                    f,
                    "{room}: {indexed} messages are in the search index, {messages} ought to be"
                )
            }
            Finding::Sent { ids } => {
                write!(f, "ids are kept for sessions that aren't there: {ids}")
            }
        }
    }
}

fn span(first: u64, last: u64) -> String {
    if first == last {
        format!("message {first} is")
    } else {
        format!("messages {first} to {last} are")
    }
}

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) rooms: u64,
    /// Sound messages.
    pub(crate) messages: u64,
    /// Bytes of their bodies.
    pub(crate) bytes: u64,
    pub(crate) findings: Vec<Finding>,
    /// There are more findings than are listed.
    pub(crate) more: bool,
}

impl Report {
    /// Nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        !self.more && !self.findings.iter().any(Finding::is_wrong)
    }

    fn find(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS {
            self.findings.push(finding);
        } else {
            self.more = true;
        }
    }
}

/// A room as it is listed.
struct Room {
    no: u32,
    name: Name,
    next: u64,
    counted_to: u64,
    messages: u64,
    bytes: u64,
}

/// Looks through the database of a folder, and changes nothing. `progress` is told how many messages of how many were
/// looked at.
///
/// # Errors
/// [`OpenError`]: there is nothing that could be checked.
pub(crate) fn check(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, OpenError> {
    let mut reader = Reader::look(dir)?;
    let mut report = Report::default();
    // One view of it for all that is counted, though a server may go on writing.
    let begun = reader.connection.execute_batch("BEGIN");
    begun.map_err(db(DOING))?;
    structure(&reader.connection, &mut report)?;
    let rooms = match rooms(&reader.connection, &mut report) {
        Err(error) => {
            report.find(Finding::Structure(error.to_string()));
            return Ok(report);
        }
        Ok(rooms) => rooms,
    };
    let total = rooms.iter().map(|room| room.messages).sum();
    for room in &rooms {
        report.rooms += 1;
        progress(report.messages, total);
        let done = messages(&mut reader, room, &mut report, &mut |done| progress(done, total))
            .and_then(|is_whole| beside(&reader.connection, room, is_whole, &mut report));
        told(done, &mut report)?;
    }
    told(strays(&reader.connection, &mut report), &mut report)?;
    Ok(report)
}

/// What can't be read is a finding.
fn told(done: Result<(), DbError>, report: &mut Report) -> Result<(), DbError> {
    match done {
        Err(error) if error.is_damaged() => {
            report.find(Finding::Structure(error.to_string()));
            Ok(())
        }
        done => done,
    }
}

fn structure(connection: &Connection, report: &mut Report) -> Result<(), DbError> {
    let look = || -> rusqlite::Result<Vec<String>> {
        let mut check = connection.prepare("PRAGMA quick_check(100)")?;
        check.query_map([], |row| row.get(0))?.collect()
    };
    let found = look().map_err(db(DOING));
    match found {
        Err(error) => told(Err(error), report),
        Ok(lines) => {
            for line in lines.into_iter().filter(|line| line != "ok") {
                report.find(Finding::Structure(line));
            }
            Ok(())
        }
    }
}

fn rooms(connection: &Connection, report: &mut Report) -> rusqlite::Result<Vec<Room>> {
    let sql = "SELECT no, name, epoch, next_seq, counted_to, messages, bytes FROM room ORDER BY no";
    let mut list = connection.prepare(sql)?;
    let (mut rows, mut rooms) = (list.query([])?, Vec::new());
    while let Some(row) = rows.next()? {
        let no = row.get(0)?;
        let (name, epoch): (String, String) = (row.get(1)?, row.get(2)?);
        let name = Name::parse(&name).ok();
        let is_epoch = epoch.parse::<trappe_core::command::Epoch>().is_ok();
        match name.filter(|_| is_epoch) {
            None => report.find(Finding::Room { no }),
            Some(name) => rooms.push(Room {
                no,
                name,
                next: uint(row.get(3)?),
                counted_to: uint(row.get(4)?),
                messages: uint(row.get(5)?),
                bytes: uint(row.get(6)?),
            }),
        }
    }
    Ok(rooms)
}

/// Reads every message of a room; tells whether all are there.
fn messages(
    reader: &mut Reader,
    room: &Room,
    report: &mut Report,
    progress: &mut dyn FnMut(u64),
) -> Result<bool, DbError> {
    let end = |order: &str| -> Result<Option<u64>, DbError> {
        let sql =
            format!("SELECT id FROM message WHERE id BETWEEN ? AND ? ORDER BY id {order} LIMIT 1");
        let range = [id(room.no, 0), last_id(room.no)];
        let found = reader.connection.query_row(&sql, range, |row| row.get(0)).optional();
        Ok(found.map_err(db(DOING))?.map(seq_of))
    };
    let Some(first) = end("ASC")? else {
        return Ok(true);
    };
    // Where even the end can't be read, as far as numbers may have been given.
    let last = match end("DESC") {
        Ok(last) => last.unwrap_or(first),
        Err(error) if error.is_damaged() => room.next.max(first + 1) - 1,
        Err(error) => return Err(error),
    };
    if last >= room.next {
        report.find(Finding::Next { room: room.name.clone(), next: room.next, last });
    }
    let (mut next, mut is_whole, mut counted) = (first, true, (0, 0));
    let mut damaged: Option<(u64, u64)> = None;
    while next <= last {
        let portion = reader.portion_within(room.no, (next, last + 1), PORTION)?;
        if let Some(gap) = portion.gap.filter(|gap| gap.cause == Cause::Damaged) {
            if is_written_down(&reader.connection, room.no, gap.first)? {
                let room = room.name.clone();
                report.find(Finding::Lost { room, first: gap.first, last: gap.last });
            } else {
                is_whole = false;
                match &mut damaged {
                    Some((_, last)) if *last + 1 == gap.first => *last = gap.last,
                    damaged => {
                        tell_damaged(room, damaged.replace((gap.first, gap.last)), report);
                    }
                }
            }
        }
        for row in portion.rows {
            report.messages += 1;
            report.bytes += row.body.len() as u64;
            if row.seq <= room.counted_to {
                counted = (counted.0 + 1, counted.1 + row.body.len() as u64 + MESSAGE_BYTES);
            }
        }
        next = portion.next;
        progress(report.messages);
    }
    tell_damaged(room, damaged, report);
    // What is damaged was counted all the same.
    if is_whole && counted != (room.messages, room.bytes) {
        report.find(Finding::Counter {
            room: room.name.clone(),
            messages: (room.messages, counted.0),
            bytes: (room.bytes, counted.1),
        });
    }
    Ok(is_whole)
}

fn tell_damaged(room: &Room, damaged: Option<(u64, u64)>, report: &mut Report) {
    if let Some((first, last)) = damaged {
        report.find(Finding::Damaged { room: room.name.clone(), first, last });
    }
}

fn is_written_down(connection: &Connection, room: u32, seq: u64) -> Result<bool, DbError> {
    let sql = "SELECT 1 FROM hole WHERE room = ?1 AND first <= ?2 AND last >= ?2";
    let known =
        connection.prepare_cached(sql).and_then(|mut it| it.exists(params![room, int(seq)]));
    known.map_err(db(DOING))
}

/// Holes, and the index for searching.
fn beside(
    connection: &Connection,
    room: &Room,
    is_whole: bool,
    report: &mut Report,
) -> Result<(), DbError> {
    let look = |report: &mut Report| -> rusqlite::Result<()> {
        let mut holes = connection.prepare_cached("SELECT first, last FROM hole WHERE room = ?")?;
        let count = "SELECT count(*) FROM message WHERE id BETWEEN ? AND ?";
        let mut count = connection.prepare_cached(count)?;
        let mut rows = holes.query([room.no])?;
        while let Some(row) = rows.next()? {
            let (first, last) = (uint(row.get(0)?), uint(row.get(1)?));
            let range = [id(room.no, first), id(room.no, last)];
            let messages = uint(count.query_row(range, |row| row.get(0))?);
            if messages > 0 || last < first {
                let room = room.name.clone();
                report.find(Finding::Hole { room, first, last, messages });
            }
        }
        let key = format!("indexed_{}", room.no);
        let sql = "SELECT value FROM meta WHERE key = ?";
        let to: Option<i64> = connection.query_row(sql, [key], |row| row.get(0)).optional()?;
        let to = id(room.no, to.map_or(0, uint));
        let messages = uint(count.query_row([id(room.no, 0), to], |row| row.get(0))?);
        let sql = "SELECT count(*) FROM search_docsize WHERE id BETWEEN ? AND ?";
        let range = [id(room.no, 0), last_id(room.no)];
        let indexed = uint(connection.query_row(sql, range, |row| row.get(0))?);
        if is_whole && messages != indexed {
            report.find(Finding::Index { room: room.name.clone(), messages, indexed });
        }
        Ok(())
    };
    look(report).map_err(db(DOING))
}

/// What belongs to nothing.
fn strays(connection: &Connection, report: &mut Report) -> Result<(), DbError> {
    let look = |report: &mut Report| -> rusqlite::Result<()> {
        let sql = "SELECT id FROM message WHERE id >= ? ORDER BY id LIMIT 1";
        let mut next = connection.prepare(sql)?;
        let mut known = connection.prepare("SELECT 1 FROM room WHERE no = ?")?;
        let mut from: i64 = i64::MIN;
        while let Some(found) = next.query_row([from], |row| row.get::<_, i64>(0)).optional()? {
            let no = room_of(found);
            if !known.exists([no])? {
                let sql = "SELECT count(*) FROM message WHERE id BETWEEN ? AND ?";
                let range = [found.min(id(no, 0)), last_id(no)];
                let messages = connection.query_row(sql, range, |row| row.get(0)).map(uint)?;
                report.find(Finding::Stray { no, messages });
            }
            if no == u32::MAX {
                break;
            }
            from = last_id(no) + 1;
        }
        let sql = "SELECT count(*) FROM sent WHERE sid NOT IN (SELECT sid FROM session)";
        let ids = uint(connection.query_row(sql, [], |row| row.get(0))?);
        if ids > 0 {
            report.find(Finding::Sent { ids });
        }
        Ok(())
    };
    look(report).map_err(db(DOING))
}
