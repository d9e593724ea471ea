//! What a store has answered to a listener that reads what its log doesn't hold any more.

use bytes::Bytes;

use super::{Answered, Asked, Listener, Views};
use crate::{
    encode::{self, Look, Marks},
    message::{Position, Record},
    reply::{Found, To},
    room::{
        batch::Batch,
        item::Item,
        past::{Past, Portion},
        replay::{Replay, around_history, lost_notice, one},
        view::View,
    },
};

impl<A> Listener<A> {
    /// Whether the store is to answer before anything else is written to it.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.private.as_ref().is_some_and(|private| private.asked.is_some())
    }

    /// Whether what the store has just answered is for its cursor: what is missing there was missed by being slow.
    #[must_use]
    pub fn waits_as_slow(&self) -> bool {
        let asked = self.private.as_ref().and_then(|private| private.asked);
        asked.is_some_and(|(_, asked)| asked == Asked::Cursor)
    }

    /// Up to where the member has had everything of a room that it is in; of another, where that is.
    fn had(&self, room: u32, view: &View) -> Position {
        match self.cursors().find(|cursor| cursor.room() == room) {
            Some(cursor) => view.life().position(cursor.next_seq(view) - 1),
            None => view.position(),
        }
    }

    /// The store has answered what [`Next::Ask`](super::Next::Ask) asked for: it is written next.
    pub fn answered(&mut self, views: &impl Views, past: &Past) -> Answered {
        let Some((room, asked)) = self.private.as_mut().and_then(|p| p.asked.take()) else {
            return Answered::default();
        };
        let Some(view) = views.view(room) else {
            // It isn't in that room any more.
            return Answered::default();
        };
        let position = self.had(room, view);
        let Some(private) = &mut self.private else { return Answered::default() };
        match (past, asked) {
            (Past::Last { from, count }, Asked::Replay) => {
                if let Some(replay) = &mut private.replay
                    && let Some(last) = replay.begins_at(*from, *count)
                {
                    let around = around_history(self.look, view, last, position);
                    self.around(around);
                }
                Answered::default()
            }
            (Past::Portion(portion), Asked::Replay) => {
                let Some(replay) = &mut private.replay else { return Answered::default() };
                let (look, number) = (self.look, self.number);
                let gap = portion.gap.filter(|(_, _, why)| replay.tells(look, *why));
                let portion = Portion { gap, ..portion.clone() };
                replay.given(view, portion.next);
                let id = replay.id;
                self.write_portion(view, (&portion, id), |out, batch, record| {
                    let marks = Marks { old: true, own: record.author.number == number };
                    encode_stored(out, look, batch, record, marks);
                });
                Answered::default()
            }
            (Past::Portion(portion), Asked::Cursor) => {
                let (look, number, echo) = (self.look, self.number, self.echo);
                if let Some(cursor) = self.cursor_in(room) {
                    cursor.given(view, portion.next);
                }
                let mut delivered = 0;
                self.write_portion(view, (portion, None), |out, batch, record| {
                    let own = record.author.number == number;
                    if !own || echo {
                        delivered += 1;
                        encode_stored(out, look, batch, record, Marks { old: false, own });
                    }
                });
                let missed = portion.gap.map_or(0, |(from, to, why)| why.missed((from, to)));
                Answered { delivered, missed }
            }
            (Past::Found { words, seqs, more }, Asked::Search(id)) => {
                let found = Found {
                    room: view.life().name.as_str(),
                    words,
                    count: seqs.len(),
                    more: *more,
                    position,
                };
                let to = To { look: self.look, op: Some("search"), id };
                let (before, after) = to.around_found(&found);
                private.replay = Some(Replay::these(room, seqs.clone()));
                self.around((before.into(), after.into()));
                Answered::default()
            }
            // An answer to another question than was asked: there is none such.
            _ => Answered::default(),
        }
    }

    fn write_portion(
        &mut self,
        view: &View,
        (portion, id): (&Portion, Option<u64>),
        mut write: impl FnMut(&mut Vec<u8>, &Batch, &Record),
    ) {
        let look = self.look;
        let mut out = Vec::new();
        if let Some((from, to, why)) = portion.gap
            && let Some(notice) = lost_notice(look, view, (from, to), why, id)
        {
            out.extend_from_slice(&notice);
        }
        if let Some(batch) = &portion.batch {
            let mut record_bytes = Vec::new();
            for record in &batch.records {
                record_bytes.clear();
                write(&mut record_bytes, batch, record);
                if !record_bytes.is_empty() {
                    one(&mut out, look, view, record.seq, &record_bytes);
                }
            }
        }
        if !out.is_empty() {
            self.half = Some(Box::new(out.into()));
        }
    }

    /// The last messages are wanted: what is said before them is written as soon as it is known how many there are.
    pub(super) fn begin_history(&mut self, room: u32, view: &View) {
        let position = self.had(room, view);
        let Some(private) = &mut self.private else { return };
        if let Some(last) = private.replay.as_mut().and_then(|replay| replay.begins(view)) {
            let around = around_history(self.look, view, last, position);
            self.around(around);
        }
    }

    fn around(&mut self, (before, after): (Bytes, Bytes)) {
        if !after.is_empty() {
            self.private().items.push_front(Item::Own(after));
        }
        if !before.is_empty() {
            self.half = Some(Box::new(before));
        }
    }
}

fn encode_stored(out: &mut Vec<u8>, look: Look, batch: &Batch, record: &Record, marks: Marks) {
    encode::marked(out, look.key().without_notices(), batch, record, marks);
}
