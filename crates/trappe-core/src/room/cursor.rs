//! One listener's place in one room's log.

use std::mem;

use crate::{
    encode::{self, Look, Marks},
    room::view::{Runs, View},
};

/// The room of a cursor that is in none.
const NOWHERE: u32 = u32::MAX;

/// A place in one room's log. Everything before it was written, announced as missed, or is history.
#[derive(Debug)]
pub struct Cursor {
    room: u32,
    /// The shell's: where the cursor stands among those of its room on its worker.
    pub place: u32,
    at: u64,
    /// The record after which nothing more is written.
    end: u64,
    /// The seq of the first message that was missed, 0 if none was.
    gap: u64,
    /// One past the index of the last record that its member authored; 0 if none.
    own_until: u64,
    /// The shell's: it isn't at the head.
    pub behind: bool,
}

impl Cursor {
    /// A cursor in no room.
    pub(super) fn nowhere() -> Cursor {
        Cursor {
            room: NOWHERE,
            place: 0,
            at: 0,
            end: u64::MAX,
            gap: 0,
            own_until: 0,
            behind: false,
        }
    }

    /// A cursor that begins at index `at` of a room, where the next message had the number `seq`. What is no longer held
    /// by now is a gap.
    pub(super) fn new(room: u32, view: &View, (at, seq): (u64, u64)) -> Cursor {
        let mut cursor = Cursor { room, at: at.max(view.oldest()), ..Cursor::nowhere() };
        cursor.gap = if cursor.at > at { seq } else { 0 };
        cursor
    }

    /// The room whose log it reads.
    #[must_use]
    pub fn room(&self) -> u32 {
        self.room
    }

    pub(super) fn is_nowhere(&self) -> bool {
        self.room == NOWHERE
    }

    /// The log index up to which everything has been written.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The message that is given, or told as missed, next; its own come without it.
    pub(super) fn next_seq(&self, view: &View) -> u64 {
        if self.gap == 0 { view.seq_from(self.at) } else { self.gap }
    }

    /// Whether no record is due any more: it has been written to its end.
    #[must_use]
    pub fn is_through(&self) -> bool {
        self.at >= self.end
    }

    pub(super) fn is_due(&self, view: &View) -> bool {
        self.at < view.end().min(self.end)
    }

    pub(super) fn finish(&mut self, end: u64) {
        self.end = self.end.min(end);
    }

    /// Goes on at the head: what lies before it is given otherwise.
    pub(super) fn skip_to_head(&mut self, view: &View) {
        self.at = view.end();
        self.gap = 0;
    }

    pub(super) fn spoke(&mut self, until: u64) {
        self.own_until = until;
    }

    /// The bytes that are due, in runs that lie together. Member `number`'s own records are left out, unless it has its
    /// echo; where those are marked as its own, the runs end before the next of them.
    pub(super) fn runs<'v>(&self, view: &'v View, look: Look, number: u64, echo: bool) -> Runs<'v> {
        let skip = if self.own_until > self.at && !echo { number } else { 0 };
        view.runs(self.at, self.run_end(view, look, number, echo), look.key(), skip)
    }

    /// Where its runs end: before the next message of its member's own, where that is marked as its own.
    fn run_end(&self, view: &View, look: Look, number: u64, echo: bool) -> u64 {
        let end = self.end.min(view.end());
        if self.own_until > self.at && echo && look.is_json() {
            let own = view.next_by(number, self.at, end.min(self.own_until));
            if own < self.own_until { own } else { end }
        } else {
            end
        }
    }

    /// The next record as its own member gets it back, where that differs from what the others get. Never empty.
    pub(super) fn own(&self, view: &View, look: Look, number: u64) -> Option<Vec<u8>> {
        if self.own_until <= self.at || !look.is_json() {
            return None;
        }
        let (batch, i) = view.record(self.at)?;
        let record = batch
            .records
            .get(i)
            .filter(|record| record.author.number == number && record.seq > 0)?;
        let mut out = Vec::new();
        encode::marked(&mut out, look.key(), batch, record, Marks { old: false, own: true });
        Some(out)
    }

    /// What was due is not for this member: it is passed over.
    pub(super) fn nothing_ahead(&mut self, view: &View, look: Look, number: u64, echo: bool) {
        self.at = self.at.max(self.run_end(view, look, number, echo));
    }

    /// Everything before `index` has been written.
    pub(super) fn reached(&mut self, index: u64) {
        self.at = index;
    }

    /// Everything before `index` is let go: if that is still needed, there is a gap. Returns the number of messages missed.
    pub fn cut(&mut self, view: &View, index: u64) -> u64 {
        fall(view, &mut self.at, &mut self.gap, index)
    }

    /// What it has yet to be given that lies further back than the log holds, where a store keeps it: from a message on,
    /// before another.
    pub(super) fn past(&self, view: &View) -> Option<(u64, u64)> {
        past(view, self.gap, self.at)
    }

    /// It has been given what lies further back, up to message `next`.
    pub(super) fn given(&mut self, view: &View, next: u64) {
        self.gap = if next < view.seq_from(self.at) { next } else { 0 };
    }

    /// Whether it reads what only a store still has. Nobody waits for it then: it will miss nothing.
    #[must_use]
    pub fn is_past(&self, view: &View) -> bool {
        self.past(view).is_some()
    }

    /// The gap that is to be told now, once: the first and the last message that was missed.
    pub(super) fn take_gap(&mut self, view: &View) -> Option<(u64, u64)> {
        gap(view, &mut self.gap, self.at)
    }
}

/// Moves a place in the log forward to `index`, over what is no longer kept. Returns the number of messages missed.
pub(super) fn fall(view: &View, at: &mut u64, gap: &mut u64, index: u64) -> u64 {
    if *at >= index {
        return 0;
    }
    let (from, to) = (view.seq_from(*at), view.seq_from(index));
    if *gap == 0 {
        *gap = from;
    }
    *at = index;
    to - from
}

/// Where there is a store, a gap is only what it is still to be asked for.
pub(super) fn past(view: &View, gap: u64, at: u64) -> Option<(u64, u64)> {
    view.life().oldest_stored().filter(|_| gap != 0)?;
    let to = view.seq_from(at);
    (to > gap).then_some((gap, to))
}

/// The gap that ends at `at`, once.
pub(super) fn gap(view: &View, gap: &mut u64, at: u64) -> Option<(u64, u64)> {
    if *gap == 0 {
        return None;
    }
    let (from, next) = (mem::take(gap), view.seq_from(at));
    (next > from).then(|| (from, next - 1))
}
