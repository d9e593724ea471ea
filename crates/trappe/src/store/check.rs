//! Whether a history is what it should be. Nothing is changed.

mod pass;

#[cfg(test)]
mod tests;

use std::io::Read;

use rusqlite::{Connection, OptionalExtension, params};
use trappe_core::{command::Epoch, name::Name};

use self::pass::Pass;
use super::{
    error::DbError,
    fs::{self, File},
    journal,
    prune::MESSAGE_BYTES,
    schema::{id, int, last_id, seq_of, uint},
    tables::Cause,
    visit::{Visit, unindexed},
};

/// The most findings that are told one by one.
const TOLD: usize = 100;

/// Something that isn't as it should be. Rooms are called by their names where they have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// What SQLite says of the file.
    Structure(String),
    /// The file has so many bytes, and should have more.
    Cut { bytes: u64, wanted: u64 },
    /// A table can't be read to its end.
    Unreadable { table: &'static str, why: String },
    /// These messages don't come back as they were stored.
    Changed { room: String, first: u64, last: u64 },
    /// Messages of a room that isn't there.
    NoRoom { no: u32, messages: u64 },
    /// A room that nobody can enter: its name, its epoch or its key is none.
    BadRoom { no: u32, name: String },
    /// The next number that would be given was given already.
    Reused { room: String, next: u64, last: u64 },
    /// The counters of the room say something else than its messages.
    Counted { room: String, said: (u64, u64), found: (u64, u64) },
    /// A gap that is none: it ends before it begins, after the last number, or nobody knows its cause.
    BadHole { room: String, first: u64, last: u64 },
    /// A gap in which there are messages.
    FullHole { room: String, first: u64, last: u64, messages: u64 },
    /// Numbers that are neither a message nor in a gap.
    Missing { room: String, first: u64, last: u64 },
    /// A piece of the journal isn't what was stored.
    Journal { piece: u64 },
    /// Ids are kept for sessions that aren't there.
    Sent { ids: u64 },
    /// Messages that should be in the index for searching and aren't; and what is there without a message.
    Index { missing: u64, extra: u64 },
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// The first findings.
    pub(crate) findings: Vec<Finding>,
    /// How many more there are.
    pub(crate) more: u64,
    pub(crate) rooms: u64,
    /// Messages that are sound.
    pub(crate) messages: u64,
    /// Messages that aren't in the index for searching yet: no damage.
    pub(crate) unindexed: u64,
}

impl Report {
    /// Whether all is as it should be.
    pub(crate) fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    fn add(&mut self, finding: Finding) {
        if self.findings.len() < TOLD { self.findings.push(finding) } else { self.more += 1 }
    }
}

/// A room as its row has it.
struct Room {
    no: u32,
    label: String,
    next_seq: u64,
    counted_to: u64,
    said: (u64, u64),
}

/// Looks at everything; tells `progress` how many messages it has read.
pub(crate) fn check(visit: &mut Visit, progress: &mut dyn FnMut(u64)) -> Result<Report, DbError> {
    visit.read(|reader| {
        let connection = &reader.connection;
        let mut report = Report::default();
        // All of it as of one moment.
        let begun = connection.execute_batch("BEGIN").map_err(super::error::db("read the history"));
        begun?;
        inspect(connection, &mut report, progress);
        let _nothing_was_written = connection.execute_batch("ROLLBACK");
        Ok(report)
    })
}

fn inspect(connection: &Connection, report: &mut Report, progress: &mut dyn FnMut(u64)) {
    or_unreadable(report, "sqlite_schema", |report| structure(connection, report));
    let mut rooms = Vec::new();
    or_unreadable(report, "room", |report| read_rooms(connection, &mut rooms, report));
    report.rooms = rooms.len() as u64;
    let mut pass = Pass::new(&rooms);
    let is_readable = pass.messages(connection, report, progress);
    or_unreadable(report, "hole", |report| holes(connection, &rooms, report));
    or_unreadable(report, "sent", |report| sent(connection, report));
    or_unreadable(report, "journal", |report| journal(connection, report));
    if is_readable {
        // Else what can't be read would be told once more as what isn't there.
        or_unreadable(report, "message", |report| numbers(connection, &rooms, report));
        or_unreadable(report, "hole", |report| {
            pass.breaks.iter().try_for_each(|it| uncovered(connection, &rooms, *it, report))
        });
        or_unreadable(report, "search", |report| index(connection, report));
    }
}

fn or_unreadable(
    report: &mut Report,
    table: &'static str,
    look: impl FnOnce(&mut Report) -> rusqlite::Result<()>,
) {
    if let Err(error) = look(report) {
        report.add(Finding::Unreadable { table, why: error.to_string() });
    }
}

/// What SQLite itself can say.
fn structure(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    if let Some((bytes, wanted)) = connection.path().and_then(cut_short) {
        report.add(Finding::Cut { bytes, wanted });
    }
    let mut quick = connection.prepare("PRAGMA quick_check(100)")?;
    let mut rows = quick.query([])?;
    while let Some(row) = rows.next()? {
        let told: String = row.get(0)?;
        // Several things may be said in one row.
        for line in told.lines().filter(|line| *line != "ok") {
            report.add(Finding::Structure(line.to_owned()));
        }
    }
    Ok(())
}

/// The bytes of a file that is shorter than it says, and how many there should be. While there is a log, the file is still
/// being made longer.
fn cut_short(path: &str) -> Option<(u64, u64)> {
    if fs::metadata(format!("{path}-wal")).is_ok_and(|log| log.len() > 0) {
        return None;
    }
    let mut header = [0; 32];
    let mut file = File::open(path).ok()?;
    file.read_exact(&mut header).ok()?;
    // The size of a page, 1 for 65536, and how many pages there are.
    let page = u64::from(u16::from_be_bytes([header[16], header[17]]));
    let pages = u32::from_be_bytes(header[28..].try_into().expect("four bytes"));
    let wanted = u64::from(pages) * if page == 1 { 1 << 16 } else { page };
    let bytes = file.metadata().ok()?.len();
    (bytes < wanted).then_some((bytes, wanted))
}

fn read_rooms(
    connection: &Connection,
    rooms: &mut Vec<Room>,
    report: &mut Report,
) -> rusqlite::Result<()> {
    let mut list = connection.prepare(
        "SELECT no, name, key, epoch, next_seq, counted_to, messages, bytes FROM room ORDER BY no",
    )?;
    let mut rows = list.query([])?;
    while let Some(row) = rows.next()? {
        let no: u32 = row.get(0)?;
        let (name, key, epoch): (String, String, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
        let is_name = Name::parse(&name).is_ok_and(|name| name.folded().to_string() == key);
        if no == 0 || !is_name || epoch.parse::<Epoch>().is_err() {
            report.add(Finding::BadRoom { no, name: name.clone() });
        }
        let number = |at: usize| row.get(at).map(uint);
        rooms.push(Room {
            no,
            label: name,
            next_seq: number(4)?,
            counted_to: number(5)?,
            said: (number(6)?, number(7)?),
        });
    }
    Ok(())
}

/// Numbers of a room.
type Run = (u32, u64, u64);

fn label(rooms: &[Room], no: u32) -> String {
    let found = rooms.binary_search_by_key(&no, |room| room.no);
    found.map_or_else(|_| format!("#{no}"), |at| rooms[at].label.clone())
}

/// What is told as missing must be missing.
fn holes(connection: &Connection, rooms: &[Room], report: &mut Report) -> rusqlite::Result<()> {
    let mut all = connection.prepare("SELECT room, first, last, cause FROM hole")?;
    let mut inside = connection.prepare("SELECT count(*) FROM message WHERE id BETWEEN ? AND ?")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        let (no, cause): (u32, String) = (row.get(0)?, row.get(3)?);
        let (first, last) = (uint(row.get(1)?), uint(row.get(2)?));
        let room = rooms.iter().find(|room| room.no == no);
        let is_known = Cause::parse(&cause).as_str() == cause;
        let fits = room.is_some_and(|room| first > 0 && first <= last && last < room.next_seq);
        if !is_known || !fits {
            report.add(Finding::BadHole { room: label(rooms, no), first, last });
            continue;
        }
        let messages: i64 = inside.query_row([id(no, first), id(no, last)], |row| row.get(0))?;
        if messages > 0 {
            let (room, messages) = (label(rooms, no), uint(messages));
            report.add(Finding::FullHole { room, first, last, messages });
        }
    }
    Ok(())
}

/// Numbers and counters of each room.
fn numbers(connection: &Connection, rooms: &[Room], report: &mut Report) -> rusqlite::Result<()> {
    let mut count = connection.prepare(
        "SELECT count(*), coalesce(sum(length(body) + ?3), 0) FROM message WHERE id BETWEEN ?1 AND ?2",
    )?;
    let mut newest = connection.prepare("SELECT max(id) FROM message WHERE id BETWEEN ? AND ?")?;
    for room in rooms {
        let range = [id(room.no, 0), last_id(room.no)];
        let last: Option<i64> = newest.query_row(range, |row| row.get(0))?;
        let last = last.map_or(0, seq_of);
        if last >= room.next_seq {
            let (room, next) = (room.label.clone(), room.next_seq);
            report.add(Finding::Reused { room, next, last });
        }
        let counted = params![range[0], id(room.no, room.counted_to), int(MESSAGE_BYTES)];
        let found: (i64, i64) = count.query_row(counted, |row| Ok((row.get(0)?, row.get(1)?)))?;
        let found = (uint(found.0), uint(found.1));
        if found != room.said {
            let (room, said) = (room.label.clone(), room.said);
            report.add(Finding::Counted { room, said, found });
        }
    }
    Ok(())
}

/// Of numbers without a message, those that no gap names.
fn uncovered(
    connection: &Connection,
    rooms: &[Room],
    (no, mut first, last): Run,
    report: &mut Report,
) -> rusqlite::Result<()> {
    let mut covers = connection.prepare_cached(
        "SELECT first, last FROM hole WHERE room = ?1 AND last >= ?2 AND first <= ?3
         ORDER BY first LIMIT 1",
    )?;
    while first <= last {
        let hole: Option<(i64, i64)> = covers
            .query_row(params![no, int(first), int(last)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (from, to) = hole.map_or((last + 1, last), |(from, to)| (uint(from), uint(to)));
        if from > first {
            let room = label(rooms, no);
            report.add(Finding::Missing { room, first, last: last.min(from - 1) });
        }
        first = to.max(first) + 1;
    }
    Ok(())
}

/// Ids of messages belong to somebody who may come back.
fn sent(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let sql = "SELECT count(*) FROM sent WHERE sid NOT IN (SELECT sid FROM session)";
    let ids = connection.query_row(sql, [], |row| row.get(0)).map(uint)?;
    if ids > 0 {
        report.add(Finding::Sent { ids });
    }
    Ok(())
}

/// What isn't filed yet can be.
fn journal(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    let mut pieces = Vec::new();
    journal::read(connection, &mut pieces)?;
    for piece in pieces.iter().filter(|piece| piece.entries().is_none()) {
        report.add(Finding::Journal { piece: uint(piece.no) });
    }
    Ok(())
}

/// What is said to be in the index for searching is there, and nothing else.
fn index(connection: &Connection, report: &mut Report) -> rusqlite::Result<()> {
    report.unindexed = unindexed(connection)?;
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get(0)).map(uint);
    // What is indexed is listed in a table of its own.
    let missing = number(
        "SELECT count(*) FROM room JOIN meta ON meta.key = 'indexed_' || no
         JOIN message ON message.id BETWEEN no << 40 AND (no << 40) + value
         WHERE NOT EXISTS (SELECT 1 FROM search_docsize WHERE search_docsize.id = message.id)",
    )?;
    let extra = number(
        "SELECT count(*) FROM search_docsize
         WHERE NOT EXISTS (SELECT 1 FROM message WHERE message.id = search_docsize.id)",
    )?;
    if missing > 0 || extra > 0 {
        report.add(Finding::Index { missing, extra });
    }
    Ok(())
}
