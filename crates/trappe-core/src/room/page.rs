//! A page of what is kept of a room: messages as lines of JSON, and where the next page begins.

use crate::{
    command::{At, Format, Lang},
    encode::{self, Look, Marks, Wire},
    event::Event,
    framing::Framing,
    message::{Position, Record},
    room::{
        batch::Batch,
        past::Portion,
        view::{Resumed, View},
    },
};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages, oldest first, one object a line; before them the gap, where the position asked for is no longer kept.
    pub lines: Vec<u8>,
    /// Where the next page begins, if there is more.
    pub next: Option<Position>,
}

/// How lines of a page are written.
const LOOK: Look = Look {
    format: Format::Json,
    framing: Framing::Line,
    wire: Wire::Stream,
    lang: Lang::En,
    quiet: true,
};

/// Where a page after `at` begins (without it, at the oldest message there is): what is to be asked of a store first.
#[must_use]
pub fn begins(view: &View, at: Option<At>) -> Resumed {
    at.map_or_else(|| view.whole(), |at| view.resume(at))
}

/// The messages after `at` (all that are kept without it): at most `limit`, and no more once they take `bytes`. `stored` is
/// what a store has of them, from [`begins`] on.
#[must_use]
pub fn page(
    view: &View,
    at: Option<At>,
    (limit, bytes): (usize, usize),
    stored: &[Portion],
) -> Page {
    let mut writer = PageWriter { lines: Vec::new(), count: 0, last: None, limit, bytes };
    let resumed = begins(view, at);
    if let Some(event) = at.and_then(|at| resumed.event(view, at, None)) {
        LOOK.event(&mut writer.lines, &event);
    }
    let mut reached = resumed.stored;
    for portion in stored {
        if let Some((from, to, why)) = portion.gap {
            let room = view.life().name.as_str();
            let (from, to) = (Some(from), Some(to));
            let event = Event::Gap { room, from, to, cause: why.as_str(), oldest: None, id: None };
            LOOK.event(&mut writer.lines, &event);
        }
        if let Some(batch) = &portion.batch {
            for record in &batch.records {
                if !writer.add(view, batch, record) {
                    return writer.page();
                }
            }
        }
        reached = portion.next;
        writer.last = Some(view.life().position(reached - 1));
    }
    if resumed.stored != 0 && reached < view.seq_from(resumed.from) {
        return writer.page();
    }
    let mut index = resumed.from;
    while let Some((batch, i)) = view.record(index) {
        let record = &batch.records[i];
        index += 1;
        if record.seq > 0 && !writer.add(view, batch, record) {
            return writer.page();
        }
    }
    Page { lines: writer.lines, next: None }
}

/// Messages that were found, as lines.
#[must_use]
pub fn found(batch: &Batch) -> Vec<u8> {
    let mut lines = Vec::new();
    for record in &batch.records {
        encode::marked(&mut lines, LOOK.key(), batch, record, Marks::default());
    }
    lines
}

struct PageWriter {
    lines: Vec<u8>,
    count: usize,
    last: Option<Position>,
    limit: usize,
    bytes: usize,
}

impl PageWriter {
    /// False: the page is full, the message comes on the next one.
    fn add(&mut self, view: &View, batch: &Batch, record: &Record) -> bool {
        if self.count == self.limit || self.lines.len() >= self.bytes {
            return false;
        }
        encode::marked(&mut self.lines, LOOK.key(), batch, record, Marks::default());
        self.count += 1;
        self.last = Some(view.life().position(record.seq));
        true
    }

    fn page(self) -> Page {
        Page { lines: self.lines, next: self.last }
    }
}

impl Resumed {
    /// The gap between the position that was asked for and the oldest message there is.
    pub(super) fn event<'v>(&self, view: &'v View, at: At, id: Option<u64>) -> Option<Event<'v>> {
        let oldest = self.gap?;
        // How much of another life is missing, nobody knows.
        let missed = (!self.other_life).then_some(at.seq.saturating_add(1));
        Some(Event::Gap {
            room: view.life().name.as_str(),
            from: missed,
            to: missed.map(|_| oldest.seq - 1),
            cause: if self.other_life { "epoch" } else { "forgotten" },
            oldest: Some(oldest),
            id,
        })
    }
}
