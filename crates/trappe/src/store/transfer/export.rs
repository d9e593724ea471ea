//! Out of a database.

use std::io;

use super::line;
use crate::store::{
    error::DbError,
    tables::{Cause, Hole},
    visit::{RoomState, Visit},
};

/// What is read in one short transaction: nobody who writes waits for longer.
const PORTION_MESSAGES: usize = 1000;
const PORTION_BYTES: usize = 1 << 20;

/// Why an export ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    /// The history can't be read.
    #[error(transparent)]
    Read(#[from] DbError),
    /// Nobody takes the lines.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Gives `write` the lines of these rooms, many at a time, and `progress` the number of messages that were in them. With
/// `after` only what comes after that number, and the gaps right after it.
pub(crate) fn export(
    visit: &mut Visit,
    rooms: &[RoomState],
    after: Option<u64>,
    write: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    progress: &mut dyn FnMut(u64),
) -> Result<(), ExportError> {
    let mut out = Vec::new();
    line::head(&mut out, rooms.len());
    write(&out)?;
    for room in rooms {
        // As it is now: meanwhile the oldest may have gone.
        let Some(room) = visit.room(&room.name)? else { continue };
        let from = room.first().max(after.map_or(1, |after| after.saturating_add(1)));
        let mut walk = Walk { room: &room, from, begun: false, gap: None, out: Vec::new() };
        if after.is_some() {
            walk.begin(from);
        }
        let mut at = from;
        while at < room.next_seq {
            let (no, to) = (room.no, room.next_seq);
            let read = |reader: &mut crate::store::Reader| {
                reader.portion(no, at, to, PORTION_MESSAGES, PORTION_BYTES)
            };
            let portion = visit.read(read)?;
            if let Some(hole) = portion.gap {
                walk.gap(hole);
            }
            for row in &portion.rows {
                walk.message(row);
            }
            progress(portion.rows.len() as u64);
            write(&walk.out)?;
            walk.out.clear();
            at = portion.next;
        }
        walk.end();
        write(&walk.out)?;
    }
    Ok(())
}

/// Writes one room.
struct Walk<'r> {
    room: &'r RoomState,
    from: u64,
    /// Its first line is written.
    begun: bool,
    /// What is missing before the next message.
    gap: Option<Hole>,
    out: Vec<u8>,
}

impl Walk<'_> {
    fn begin(&mut self, from: u64) {
        let room = self.room;
        line::room(&mut self.out, room.name.as_str(), room.epoch, from, room.next_seq);
        self.begun = true;
    }

    /// Numbers are missing.
    fn gap(&mut self, mut hole: Hole) {
        if !self.begun {
            // What is before the first message is no longer kept, whatever became of it.
            return;
        }
        match hole.cause {
            // Past the end: they were set aside, and nothing came.
            Cause::Damaged | Cause::Forgotten if hole.first >= self.room.end() => {
                hole.cause = Cause::Unused;
            }
            // A moment ago they were there: a running server took them away.
            Cause::Forgotten => hole.cause = Cause::NotStored,
            _ => {}
        }
        match &mut self.gap {
            Some(gap) if gap.last + 1 == hole.first && gap.cause == hole.cause => {
                gap.last = hole.last;
            }
            _ => {
                self.close_gap();
                self.gap = Some(hole);
            }
        }
    }

    fn close_gap(&mut self) {
        if let Some(gap) = self.gap.take() {
            line::hole(&mut self.out, self.room.name.as_str(), &gap);
        }
    }

    fn message(&mut self, row: &crate::store::Row) {
        if !self.begun {
            self.begin(row.seq);
        }
        self.close_gap();
        line::message(&mut self.out, self.room.name.as_str(), row);
    }

    fn end(&mut self) {
        if !self.begun {
            self.begin(self.room.next_seq.max(self.from));
        }
        self.close_gap();
    }
}
