//! A damaged database: what can still be read of it, and is as it was, goes into a new one. The old file stays.
//!
//! Messages are taken from the pages themselves ([`Pages`]), so that a page which leads to others costs none of them. The
//! small tables are read as far as SQLite can.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags, params};
use trappe_core::{command::Epoch, name::Name};

use super::{
    db::Store,
    error::{DbError, db, file},
    file::{make, place},
    folder::{Folder, beside},
    fs,
    journal::{self, StoredPiece},
    open::Note,
    pages::Pages,
    prune::MESSAGE_BYTES,
    row::{Row, StoredMessage},
    schema::{id, int, last_id, room_of, seq_of, uint},
    tables::{Cause, Hole},
    transaction::Transaction,
};

/// Messages that are copied in one transaction.
const COPIED: usize = 10_000;

const DOING: &str = "salvage the history";

/// What is known of a room beside its messages.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// The greatest number that a message had; 0: unknown.
    last: u64,
    /// So many messages were counted.
    counted: u64,
    /// Up to that one.
    counted_to: u64,
}

/// Makes a new database of what is sound in the old one, which stays beside it under another name. Until all of it is there
/// nothing has changed.
pub(super) fn salvage(folder: &Folder, now_us: u64) -> Result<Note, DbError> {
    let (old, path) = (folder.database(), folder.new_database());
    make(&path)?;
    let mut new = Store::connect(&path)?;
    let (mut known, mut pieces) = (BTreeMap::new(), Vec::new());
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if let Ok(source) = Connection::open_with_flags(&old, flags) {
        // What stands in the log only is to be in the pages, too.
        let _as_far_as_it_can = source.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        // SQLite would refuse to read a file that is shorter than it says.
        let _as_far_as_it_can = source.execute_batch("PRAGMA writable_schema = ON;");
        copy_tables(&source, &mut new)?;
        let _as_far_as_it_can = journal::read(&source, &mut pieces);
        let _as_far_as_it_can = read_known(&source, &mut known);
    }
    let mut kept = copy_messages(&old, &mut new, &mut known)?;
    // What was still to be filed.
    let mut transaction = new.write()?;
    kept += journal::file_all(&mut transaction, &pieces)?;
    transaction.commit()?;
    for (no, seq) in pieces.iter().flat_map(StoredPiece::broken) {
        expect(&mut known, no, seq);
    }
    let lost = finish(&mut new, &known)?;
    new.checkpoint_all()?;
    drop(new);
    let aside = keep(folder, now_us / 1_000_000)?;
    place(folder, &path)?;
    Ok(Note::Salvaged { kept, lost, file: aside })
}

/// Gives the old file a second name, which no other has: it stays when another takes its place.
fn keep(folder: &Folder, second: u64) -> Result<PathBuf, DbError> {
    let old = folder.database();
    let mut aside = beside(&old, &format!(".damaged-{second}"));
    let mut again = 1;
    while fs::symlink_metadata(&aside).is_ok() {
        again += 1;
        aside = beside(&old, &format!(".damaged-{second}-{again}"));
    }
    let name = |end: &str| match fs::hard_link(beside(&old, end), beside(&aside, end)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    name("")
        .and_then(|()| name("-wal"))
        .and_then(|()| folder.sync())
        .map_err(file("put the damaged history aside"))?;
    Ok(aside)
}

/// Rooms, holes, sessions and the rest, as far as they can be read.
fn copy_tables(source: &Connection, new: &mut Store) -> Result<(), DbError> {
    const TABLES: [(&str, usize, &str); 6] = [
        ("no, name, key, epoch, next_seq", 5, "room"),
        ("room, first, last, cause", 4, "hole"),
        ("sid, token, name, floor", 4, "session"),
        ("sid, mid, room, seq", 4, "sent"),
        ("key, time_us, room, digest, seq", 5, "posted"),
        ("key, value", 2, "meta"),
    ];
    let transaction = new.write()?;
    for (columns, count, table) in TABLES {
        let places = vec!["?"; count].join(", ");
        let sql = format!("INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})");
        let mut insert = transaction.inner.prepare(&sql).map_err(db(DOING))?;
        // From both ends: what is damaged may lie between.
        for order in ["", "ORDER BY 1 DESC"] {
            let Ok(mut select) = source.prepare(&format!("SELECT {columns} FROM {table} {order}"))
            else {
                continue;
            };
            let Ok(mut rows) = select.query([]) else { continue };
            while let Ok(Some(row)) = rows.next() {
                let values = (0..count).map(|i| row.get(i));
                let Ok(values) = values.collect::<rusqlite::Result<Vec<rusqlite::types::Value>>>()
                else {
                    continue;
                };
                // Values that don't fit the table are damage, too.
                let _as_far_as_it_can = insert.execute(rusqlite::params_from_iter(values));
            }
        }
    }
    transaction
        .inner
        .execute_batch("DELETE FROM meta WHERE key LIKE 'indexed_%' OR key = 'stopped'")
        .map_err(db(DOING))?;
    transaction.commit()
}

fn read_known(source: &Connection, known: &mut BTreeMap<u32, Known>) -> rusqlite::Result<()> {
    let mut rooms = source.prepare("SELECT no, messages, counted_to FROM room")?;
    let mut rows = rooms.query([])?;
    while let Some(row) = rows.next()? {
        let (counted, counted_to) = (uint(row.get(1)?), uint(row.get(2)?));
        known.insert(row.get(0)?, Known { last: counted_to, counted, counted_to });
    }
    Ok(())
}

/// The sound messages of all pages. Tells how many they are.
fn copy_messages(
    path: &Path,
    new: &mut Store,
    known: &mut BTreeMap<u32, Known>,
) -> Result<u64, DbError> {
    let pages = Pages::open(path).map_err(file(DOING))?;
    let (mut kept, mut found) = (0, Vec::new());
    for page in 1..=pages.count {
        let of_page = pages.messages(page).map_err(file(DOING))?;
        for id in of_page.broken.into_iter().filter(|&id| id > 0) {
            expect(known, room_of(id), seq_of(id));
        }
        found.extend(of_page.sound);
        if found.len() >= COPIED || page == pages.count {
            kept += store(new, &found)?;
            found.clear();
        }
    }
    Ok(kept)
}

/// A message of that number was there. The number itself may be what is damaged: of a room that is known only, and only the
/// next few.
fn expect(known: &mut BTreeMap<u32, Known>, no: u32, seq: u64) {
    if let Some(room) = known.get_mut(&no)
        && seq <= room.last + COPIED as u64
    {
        room.last = room.last.max(seq);
    }
}

fn store(new: &mut Store, rows: &[(i64, Row)]) -> Result<u64, DbError> {
    let mut transaction = new.write()?;
    let mut kept = 0;
    for (id, row) in rows {
        let room = room_of(*id);
        let Row { seq, time_us, sid, mid, ref body, .. } = *row;
        // An old page may hold what was taken back.
        if transaction.knows(room, seq)? {
            continue;
        }
        let author = row.author.as_ref().map(Name::as_str);
        transaction.message(room, &StoredMessage { seq, time_us, sid, mid, author, body })?;
        kept += 1;
    }
    transaction.commit()?;
    Ok(kept)
}

/// Rooms that are lost get a name again; what is missing between two messages is a hole; everything is counted anew.
/// Tells how many messages are missing.
fn finish(new: &mut Store, known: &BTreeMap<u32, Known>) -> Result<u64, DbError> {
    let mut transaction = new.write()?;
    let mut lost = 0;
    let (mut from, mut members) = (0, 0);
    while let Some(no) = next_room(&transaction, from).map_err(db(DOING))? {
        from = no + 1;
        name_again(&transaction, no).map_err(db(DOING))?;
        let known = known.get(&no).copied().unwrap_or_default();
        let found = Found::read(&transaction, no, known).map_err(db(DOING))?;
        for hole in &found.holes {
            transaction.hole(no, hole)?;
        }
        let missing: u64 = found.holes.iter().map(|hole| hole.last - hole.first + 1).sum();
        lost += missing.max(known.counted.saturating_sub(found.of_counted));
        members = members.max(found.members);
        let counts = params![
            no,
            int(found.messages),
            int(found.bytes),
            int(found.last),
            int(found.last.max(known.last)),
        ];
        transaction
            .inner
            .execute(
                "UPDATE room SET messages = ?2, bytes = ?3, counted_to = ?4,
                     next_seq = max(next_seq, ?5 + 1) WHERE no = ?1",
                counts,
            )
            .map_err(db(DOING))?;
    }
    let sql = "INSERT INTO meta (key, value) VALUES ('next_member',
                   1 + max(?1, coalesce((SELECT max(sid) FROM session), 0)))
               ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)";
    transaction.inner.execute(sql, [int(members)]).map_err(db(DOING))?;
    transaction.commit()?;
    Ok(lost)
}

/// The first room from `from` on that is known or has messages.
fn next_room(transaction: &Transaction<'_>, from: u32) -> rusqlite::Result<Option<u32>> {
    let sql = "SELECT min(no) FROM (
                   SELECT (SELECT no FROM room WHERE no >= ?1 ORDER BY no LIMIT 1) AS no
                   UNION ALL
                   SELECT (SELECT id FROM message WHERE id >= ?2 ORDER BY id LIMIT 1) >> 40)";
    transaction.inner.query_row(sql, params![from, id(from, 0)], |row| row.get(0))
}

/// Gives a room a name that was lost, or that nobody can have.
fn name_again(transaction: &Transaction<'_>, no: u32) -> rusqlite::Result<()> {
    let read = "SELECT name, epoch FROM room WHERE no = ?";
    let known = transaction.inner.query_row(read, [no], |row| {
        let (name, epoch): (String, String) = (row.get(0)?, row.get(1)?);
        Ok(Name::parse(&name).is_ok() && epoch.parse::<Epoch>().is_ok())
    });
    if matches!(known, Ok(true)) {
        return Ok(());
    }
    let add = "INSERT OR IGNORE INTO room (no, name, key, epoch, next_seq) VALUES (?, ?, ?, ?, 1)";
    transaction.inner.execute("DELETE FROM room WHERE no = ?", [no])?;
    let mut name = format!("room-{no}");
    let epoch = Epoch::from_random(0).to_string();
    // Another room may bear it.
    while transaction.inner.execute(add, params![no, name, name, epoch])? == 0 {
        name.push('_');
    }
    Ok(())
}

/// What is there of a room.
#[derive(Debug, Default)]
struct Found {
    messages: u64,
    bytes: u64,
    last: u64,
    /// How many of those that had been counted.
    of_counted: u64,
    /// The greatest number of a member.
    members: u64,
    /// What is missing, and isn't known yet.
    holes: Vec<Hole>,
}

impl Found {
    fn read(transaction: &Transaction<'_>, no: u32, known: Known) -> rusqlite::Result<Found> {
        let mut holes =
            transaction.inner.prepare("SELECT first, last FROM hole WHERE room = ? ORDER BY 1")?;
        let holes = holes.query_map([no], |row| Ok((uint(row.get(0)?), uint(row.get(1)?))))?;
        let mut holes = holes.collect::<rusqlite::Result<Vec<_>>>()?.into_iter().peekable();
        let sql = "SELECT id, length(body), sid FROM message WHERE id BETWEEN ? AND ? ORDER BY id";
        let mut all = transaction.inner.prepare(sql)?;
        let mut rows = all.query([id(no, 0), last_id(no)])?;
        let mut found = Found::default();
        loop {
            let row = rows.next()?;
            let seq = match row {
                Some(row) => seq_of(row.get(0)?),
                None => known.last + 1,
            };
            // What is missing before this one; before the first one nothing is missed.
            let mut next = if found.messages > 0 { found.last + 1 } else { seq };
            while next < seq {
                match holes.peek() {
                    Some(&(_, last)) if last < next => {
                        holes.next();
                    }
                    Some(&(first, last)) if first <= next => next = last + 1,
                    hole => {
                        let last = hole.map_or(seq, |&(first, _)| first.min(seq)) - 1;
                        found.holes.push(Hole { first: next, last, cause: Cause::Damaged });
                        next = last + 1;
                    }
                }
            }
            let Some(row) = row else { break };
            found.messages += 1;
            found.bytes += uint(row.get(1)?) + MESSAGE_BYTES;
            found.members = found.members.max(uint(row.get(2)?));
            found.of_counted += u64::from(seq <= known.counted_to);
            found.last = seq;
        }
        Ok(found)
    }
}
