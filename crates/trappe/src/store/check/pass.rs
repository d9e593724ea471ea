//! The way through all messages, whether they can be read or not.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{Finding, Report, Room, Run, label};
use crate::store::{
    row::{COLUMNS, Row},
    schema::{id, last_id, room_of, seq_of},
};

/// Messages between two signs of progress.
const STEP: u64 = 1000;

/// The most places between messages that are compared with the gaps.
const BREAKS: usize = 1 << 20;

/// The longest step over what can't be read, while it is small: a page holds more messages …
const SMALL_STEP: i64 = 64;
/// … how many of them there are before steps grow …
const SMALL_STEPS: u32 = 4096;
/// … and how many steps there are in all after one piece of damage.
const PROBES: u32 = 1 << 20;

/// The way through all messages, in order.
#[derive(Default)]
pub(super) struct Pass<'r> {
    rooms: &'r [Room],
    /// The last message.
    last: Option<i64>,
    read: u64,
    /// Messages that aren't as they were, and are not told yet.
    changed: Option<Run>,
    /// Numbers between two messages.
    pub(super) breaks: Vec<Run>,
    /// How many messages there are of rooms that aren't there.
    strays: BTreeMap<u32, u64>,
}

impl Pass<'_> {
    pub(super) fn new(rooms: &[Room]) -> Pass<'_> {
        Pass { rooms, ..Pass::default() }
    }

    /// Every message: whether it is as it was stored, and whose. False: not all of them can be read.
    pub(super) fn messages(
        &mut self,
        connection: &Connection,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> bool {
        let mut is_readable = true;
        let mut from = Some(i64::MIN);
        while let Some(at) = from.take() {
            if let Err(error) = self.read(connection, at, report, progress) {
                is_readable = false;
                report.add(Finding::Unreadable { table: "message", why: error.to_string() });
                // The one that can't be read is the next, or any after it.
                from = beyond(connection, self.rooms, self.last.map_or(at, |last| last + 1));
            }
        }
        progress(self.read);
        self.tell_changed(report);
        for (no, messages) in std::mem::take(&mut self.strays) {
            // Where no room can be read, each would be one.
            if !self.rooms.is_empty() || is_readable {
                report.add(Finding::NoRoom { no, messages });
            }
        }
        is_readable
    }

    fn read(
        &mut self,
        connection: &Connection,
        at: i64,
        report: &mut Report,
        progress: &mut dyn FnMut(u64),
    ) -> rusqlite::Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM message WHERE id >= ? ORDER BY id");
        let mut select = connection.prepare_cached(&sql)?;
        let mut rows = select.query([at])?;
        while let Some(row) = rows.next()? {
            let (id, row) = Row::read(row);
            if id < at || self.last.is_some_and(|last| id <= last) {
                let circle = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
                return Err(rusqlite::Error::SqliteFailure(circle, None));
            }
            self.message(id, row.is_some(), report);
            if self.read.is_multiple_of(STEP) {
                progress(self.read);
            }
        }
        Ok(())
    }

    fn message(&mut self, id: i64, is_sound: bool, report: &mut Report) {
        let (no, seq) = (room_of(id), seq_of(id));
        if self.rooms.binary_search_by_key(&no, |room| room.no).is_err() {
            *self.strays.entry(no).or_default() += 1;
        }
        if let Some(last) = self.last.replace(id)
            && room_of(last) == no
            && last + 1 < id
            && self.breaks.len() < BREAKS
        {
            self.breaks.push((no, seq_of(last) + 1, seq - 1));
        }
        self.read += 1;
        if is_sound {
            report.messages += 1;
            return;
        }
        match &mut self.changed {
            Some((same, _, last)) if *same == no && *last + 1 == seq => *last = seq,
            _ => {
                self.tell_changed(report);
                self.changed = Some((no, seq, seq));
            }
        }
    }

    fn tell_changed(&mut self, report: &mut Report) {
        if let Some((no, first, last)) = self.changed.take() {
            report.add(Finding::Changed { room: label(self.rooms, no), first, last });
        }
    }
}

/// The next id after `at` at which something can be read, past what is damaged.
fn beyond(connection: &Connection, rooms: &[Room], at: i64) -> Option<i64> {
    let ends = rooms.iter().map(|room| (id(room.no, 0), last_id(room.no)));
    let mut left = PROBES;
    for (first, last) in ends.filter(|(_, last)| *last > at) {
        if let Some(found) = readable(connection, first.max(at.saturating_add(1)), last, &mut left)
        {
            return Some(found);
        }
    }
    None
}

/// The first id in this range, or after it, that can be read: in small steps, since where a page is lost the next one is near;
/// then in growing ones, since a room may begin far from number 1.
fn readable(connection: &Connection, first: i64, last: i64, left: &mut u32) -> Option<i64> {
    let sql = "SELECT id FROM message WHERE id >= ? ORDER BY id LIMIT 1";
    let at_or_after = |at: i64| {
        let mut select = connection.prepare_cached(sql).ok()?;
        select.query_row([at], |row| row.get::<_, i64>(0)).ok().filter(|id| *id >= at)
    };
    let (mut bad, mut at, mut step, mut steps) = (first - 1, first, 1, 0);
    let mut found = loop {
        if let Some(id) = at_or_after(at) {
            break id;
        }
        *left = left.checked_sub(1)?;
        (bad, steps) = (at, steps + 1);
        step = if steps < SMALL_STEPS { (step * 2).min(SMALL_STEP) } else { step * 2 };
        at = at.checked_add(step).filter(|at| *at <= last)?;
    };
    // Back to the very first.
    while at - bad > 1 {
        let middle = bad + (at - bad) / 2;
        match at_or_after(middle) {
            Some(id) => (at, found) = (middle, id),
            None => bad = middle,
        }
    }
    Some(found)
}
