//! A damaged database: what can still be read of it, and is as it was, goes into a new one. The old file stays.

use std::fs;

use rusqlite::{Connection, OpenFlags, params};
use trappe_core::command::Epoch;

use super::{
    db::{Cause, Hole, Store},
    error::{DbError, db, file},
    folder::Folder,
    open::{Note, create},
    prune::MESSAGE_BYTES,
    row::{COLUMNS, Row, StoredMessage},
    schema::{id, int, last_id, room_of, seq_of, uint},
};

/// Messages that are copied in one transaction.
const COPIED: usize = 10_000;

/// Makes a new database of what is sound in the old one, which stays beside it under another name.
pub(super) fn salvage(folder: &Folder, now_us: u64) -> Result<Note, DbError> {
    let old = folder.database();
    let aside = old.with_extension(format!("db.damaged-{}", now_us / 1_000_000));
    let doing = "put the damaged history aside";
    for end in ["", "-wal"] {
        let (mut from, mut to) = (old.clone().into_os_string(), aside.clone().into_os_string());
        from.push(end);
        to.push(end);
        match fs::rename(from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(file(doing)(error));
            }
            _ => {}
        }
    }
    create(folder)?;
    let mut new = Store::connect(folder)?;
    let source = Connection::open_with_flags(
        &aside,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )
    .map_err(db("read the damaged history"))?;
    let (mut kept, mut lost) = (0, 0);
    copy_tables(&source, &mut new)?;
    let mut at = 0;
    loop {
        let (rows, next, broken) = sound_rows(&source, at);
        lost += broken;
        if !rows.is_empty() {
            kept += store(&mut new, &rows)?;
        }
        match next {
            Some(next) => at = next,
            None => break,
        }
    }
    finish(&mut new, &mut lost)?;
    Ok(Note::Salvaged { kept, lost, file: aside })
}

/// Sound messages from an id on, where to go on, and how many rows were read that aren't sound.
fn sound_rows(source: &Connection, at: i64) -> (Vec<(i64, Row)>, Option<i64>, u64) {
    let (mut found, mut broken) = (Vec::new(), 0);
    let sql = format!("SELECT {COLUMNS} FROM message WHERE id >= ? ORDER BY id");
    let mut last = None;
    let read = (|| -> rusqlite::Result<bool> {
        let mut select = source.prepare(&sql)?;
        let mut rows = select.query([at])?;
        while let Some(row) = rows.next()? {
            let (id, row) = Row::read(row);
            if last.is_some_and(|last| id <= last) || id < at {
                // A damaged tree may lead in circles.
                return Err(rusqlite::Error::QueryReturnedNoRows);
            }
            last = Some(id);
            match row {
                Some(row) => found.push((id, row)),
                None => broken += 1,
            }
            if found.len() >= COPIED {
                return Ok(true);
            }
        }
        Ok(false)
    })();
    let next = match read {
        Ok(true) => last.map(|last| last + 1),
        Ok(false) => None,
        // What can't be read is stepped over: where anything follows it can be found.
        Err(_) => beyond(source, last.map_or(at, |last| last + 1)),
    };
    (found, next, broken)
}

/// The next id from `at` on at which something can be read, past what is damaged; in growing steps.
fn beyond(source: &Connection, at: i64) -> Option<i64> {
    let newest = || -> rusqlite::Result<i64> {
        source.query_row("SELECT id FROM message ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
    };
    // Where even the end can't be read, rooms of a sensible number and length are looked through.
    let end = newest().unwrap_or_else(|_| at.saturating_add(1 << 24));
    let (mut from, mut step) = (at + 1, 1);
    while from <= end {
        let sql = "SELECT id FROM message WHERE id >= ? ORDER BY id LIMIT 1";
        match source.query_row(sql, [from], |row| row.get::<_, i64>(0)) {
            Ok(id) if id >= from => return Some(id),
            _ => {}
        }
        from += step;
        // A page holds few hundred messages at most: steps stay small beside that at first.
        step = (step * 2).min(64).max(if room_of(from) == room_of(at) { 1 } else { 64 });
    }
    None
}

fn store(new: &mut Store, rows: &[(i64, Row)]) -> Result<u64, DbError> {
    let mut transaction = new.write()?;
    let mut kept = 0;
    for (id, row) in rows {
        let author = row.author.as_ref().map(trappe_core::name::Name::as_str);
        let Row { seq, time_us, sid, mid, ref body, .. } = *row;
        transaction
            .message(room_of(*id), &StoredMessage { seq, time_us, sid, mid, author, body })?;
        kept += 1;
    }
    transaction.commit()?;
    Ok(kept)
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
        let _as_far_as_it_can_be_read = (|| -> rusqlite::Result<()> {
            let mut select = source.prepare(&format!("SELECT {columns} FROM {table}"))?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let values = (0..count).map(|i| row.get(i));
                let values: Vec<rusqlite::types::Value> =
                    values.collect::<rusqlite::Result<_>>()?;
                transaction
                    .inner
                    .prepare_cached(&sql)?
                    .execute(rusqlite::params_from_iter(values))?;
            }
            Ok(())
        })();
    }
    let nothing_indexed = "DELETE FROM meta WHERE key LIKE 'indexed_%'";
    transaction.inner.execute_batch(nothing_indexed).map_err(db("salvage the history"))?;
    transaction.commit()
}

/// Rooms that are lost get a name again; what is missing between two messages is a hole; everything is counted anew.
fn finish(new: &mut Store, lost: &mut u64) -> Result<(), DbError> {
    let doing = "salvage the history";
    let mut rooms: Vec<u32> = Vec::new();
    let mut from = 0;
    loop {
        let sql = "SELECT id FROM message WHERE id >= ? ORDER BY id LIMIT 1";
        let found = new.connection.query_row(sql, [from], |row| row.get::<_, i64>(0));
        let Ok(found) = found else { break };
        rooms.push(room_of(found));
        from = id(room_of(found) + 1, 0);
    }
    let mut transaction = new.write()?;
    for no in rooms {
        let epoch = Epoch::from_random(0).to_string();
        let name = format!("room-{no}");
        let add =
            "INSERT OR IGNORE INTO room (no, name, key, epoch, next_seq) VALUES (?, ?, ?, ?, 1)";
        let range = [id(no, 0), last_id(no)];
        let (mut seq, mut messages, mut bytes, mut holes) = (0, 0, 0, Vec::new());
        {
            transaction.inner.execute(add, params![no, name, name, epoch]).map_err(db(doing))?;
            let sql = "SELECT id, length(body) FROM message WHERE id BETWEEN ? AND ? ORDER BY id";
            let mut all = transaction.inner.prepare(sql).map_err(db(doing))?;
            let mut rows = all.query(range).map_err(db(doing))?;
            while let Some(row) = rows.next().map_err(db(doing))? {
                let found = seq_of(row.get(0).map_err(db(doing))?);
                if seq > 0 && found > seq + 1 {
                    holes.push((seq + 1, found - 1));
                }
                seq = found;
                messages += 1;
                bytes += uint(row.get(1).map_err(db(doing))?) + MESSAGE_BYTES;
            }
        }
        for (first, last) in holes {
            let sql = "SELECT count(*) FROM hole WHERE room = ?1 AND first <= ?2 AND last >= ?3";
            let known: i64 = transaction
                .inner
                .query_row(sql, params![no, int(first), int(last)], |row| row.get(0))
                .map_err(db(doing))?;
            if known == 0 {
                *lost += last - first + 1;
                transaction.hole(no, &Hole { first, last, cause: Cause::Damaged })?;
            }
        }
        transaction
            .inner
            .execute(
                "UPDATE room SET messages = ?2, bytes = ?3, counted_to = ?4,
                     next_seq = max(next_seq, ?4 + 1) WHERE no = ?1",
                params![no, messages, int(bytes), int(seq)],
            )
            .map_err(db(doing))?;
    }
    transaction.commit()
}
