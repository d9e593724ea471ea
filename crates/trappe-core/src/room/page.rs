//! A page of what is kept of a room: messages as lines of JSON, and where the next page begins.

use crate::{
    command::{At, Format, Lang},
    encode::{self, Look, Marks, Wire},
    event::Event,
    framing::Framing,
    message::Position,
    room::view::View,
};

/// See the module.
#[derive(Debug, PartialEq, Eq)]
pub struct Page {
    /// The messages, oldest first, one object a line; before them the gap, where the position asked for is no longer kept.
    pub lines: Vec<u8>,
    /// Where the next page begins, if there is more.
    pub next: Option<Position>,
}

/// The messages after `at` (all that are kept without it): at most `limit`, and no more once they take `bytes`.
#[must_use]
pub fn page(view: &View, at: Option<At>, limit: usize, bytes: usize) -> Page {
    let look = Look {
        format: Format::Json,
        framing: Framing::Line,
        wire: Wire::Stream,
        lang: Lang::En,
        quiet: true,
    };
    let mut lines = Vec::new();
    let mut index = match at {
        None => view.oldest(),
        Some(at) => {
            let resumed = view.resume(at);
            if let Some(event) = resumed.event(view, at, None) {
                look.event(&mut lines, &event);
            }
            resumed.from
        }
    };
    let (mut count, mut last) = (0, None);
    while let Some((batch, i)) = view.record(index) {
        let record = &batch.records[i];
        index += 1;
        if record.seq == 0 {
            continue;
        }
        if count == limit || lines.len() >= bytes {
            return Page { lines, next: last };
        }
        encode::marked(&mut lines, look.key(), batch, record, Marks::default());
        (count, last) = (count + 1, Some(view.life().position(record.seq)));
    }
    Page { lines, next: None }
}

impl super::view::Resumed {
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
