//! One listener's place in a room's log, and everything that is due to it before the next record.
//!
//! The order in which a member is written to: the rest of what is half written; its private queue, in order; the
//! notice of a gap; the records of the room. So replies stand at boundaries between records, and nothing is torn.

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use crate::{
    command::{At, Format},
    encode::{Key, Look},
    limits::{ITEM_BYTES, REPLIES_BYTES},
    message::Author,
    room::view::{Run, Runs, View},
    words::say,
};

/// What stands in a private queue. `A` is what the shell wants to be told at this place in the order.
#[derive(Debug)]
pub enum Item<A> {
    /// Bytes to write as they are: replies and errors.
    Bytes(Bytes),
    /// A private message, to be written as the member is written to when its turn comes.
    Direct(Author, Bytes),
    /// Bytes that take no room in the queue: the cursor's own talk around a replay.
    Own(Bytes),
    /// The last messages, between two notices.
    History(usize),
    /// Everything after a position, then `* live`; the cursor goes on from there.
    Resume(At),
    /// A change of look, from this place on.
    Look(Look, bool),
    /// Handed to the shell when reached.
    Act(A),
}

impl<A> Item<A> {
    /// What it takes of the private queue's room.
    #[must_use]
    pub fn cost(&self) -> usize {
        match self {
            Item::Bytes(bytes) | Item::Direct(_, bytes) => ITEM_BYTES + bytes.len(),
            Item::Own(_) => 0,
            _ => ITEM_BYTES,
        }
    }
}

/// What is to be done next for a member.
#[derive(Debug)]
pub enum Next<A> {
    /// Write [`Cursor::half`], then tell [`Cursor::half_written`].
    Half,
    /// Write [`Cursor::runs`], then tell [`Cursor::written`].
    Records,
    /// Do this, then ask again.
    Act(A),
    /// All that was due before the end is written.
    Done,
    /// Nothing is due.
    Idle,
}

/// Which records are the member's own: they are left out, unless it asked for its echo.
#[derive(Clone, Copy, Debug)]
pub struct Own {
    /// The member's number.
    pub number: u64,
    /// One past the index of the last record it authored; 0 if none.
    pub until: u64,
}

#[derive(Debug)]
struct Replay {
    at: u64,
    to: u64,
    /// As for the cursor itself: the first message that was missed, 0 if none was.
    gap: u64,
}

#[derive(Debug)]
struct Private<A> {
    items: VecDeque<Item<A>>,
    /// Under way, before the items: a part of the log that was asked for again.
    replay: Option<Replay>,
}

/// A member's cursor. Created where the member came in; everything before is history.
#[derive(Debug)]
pub struct Cursor<A> {
    at: u64,
    /// The record after which nothing more is written.
    end: u64,
    /// The seq of the first message that was missed, 0 if none was.
    gap: u64,
    /// The rest of what is half written.
    half: Option<Box<Bytes>>,
    private: Option<Box<Private<A>>>,
    /// What is written after the last record.
    farewell: Option<Box<Bytes>>,
    look: Look,
    echo: bool,
    /// Room in the queue that is free again; a queue is bounded far below 4 GiB.
    released: u32,
}

impl<A> Cursor<A> {
    /// A cursor that begins at `at`.
    #[must_use]
    pub fn new(at: u64, look: Look, echo: bool) -> Cursor<A> {
        Cursor {
            at,
            end: u64::MAX,
            gap: 0,
            half: None,
            private: None,
            farewell: None,
            look,
            echo,
            released: 0,
        }
    }

    /// Puts something into the private queue.
    pub fn push(&mut self, item: Item<A>) {
        let private = self
            .private
            .get_or_insert_with(|| Box::new(Private { items: VecDeque::new(), replay: None }));
        private.items.push_back(item);
    }

    /// Nothing after `end` is written any more but the farewell; when all is, [`Next::Done`] comes.
    pub fn finish(&mut self, end: u64, farewell: Bytes) {
        self.end = self.end.min(end);
        self.farewell = (!farewell.is_empty()).then(|| Box::new(farewell));
    }

    /// The member is in another room now, from index `at` on, where the next message had the number `seq`. What is no
    /// longer held by then is a gap.
    pub fn enter(&mut self, view: &View, at: u64, seq: u64) {
        self.at = at.max(view.oldest());
        self.gap = if self.at > at { seq } else { 0 };
    }

    /// How the member is written to.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// The log index up to which everything has been written.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// The oldest index that is still needed.
    #[must_use]
    pub fn oldest(&self) -> u64 {
        match self.private.as_ref().and_then(|p| p.replay.as_ref()) {
            Some(replay) => self.at.min(replay.at),
            None => self.at,
        }
    }

    /// Whether no record is due any more: it has been written to its end.
    #[must_use]
    pub fn is_through(&self) -> bool {
        self.at >= self.end && self.oldest() >= self.at
    }

    /// Bytes that the half-written rest holds.
    #[must_use]
    pub fn half(&self) -> &[u8] {
        self.half.as_deref().map_or(&[], |b| b)
    }

    /// What to do next.
    pub fn next(&mut self, view: &View) -> Next<A> {
        loop {
            if self.half.is_some() {
                return Next::Half;
            }
            if self.private.is_some() {
                match self.next_private(view) {
                    Some(next) => return next,
                    None => continue,
                }
            }
            let head = view.end().min(self.end);
            if let Some(notice) = gap_notice(self.look, view, &mut self.gap, self.at) {
                self.half = Some(notice);
                continue;
            }
            if self.at < head {
                return Next::Records;
            }
            if self.at < self.end {
                return Next::Idle;
            }
            match self.farewell.take() {
                Some(farewell) => self.half = Some(farewell),
                None => return Next::Done,
            }
        }
    }

    /// The next of the private queue; None where the caller is to look again.
    fn next_private(&mut self, view: &View) -> Option<Next<A>> {
        let private = self.private.as_mut().expect("asked only where there is one");
        if let Some(replay) = &mut private.replay {
            if let Some(notice) = gap_notice(self.look, view, &mut replay.gap, replay.at) {
                self.half = Some(notice);
                return None;
            }
            if replay.at < replay.to {
                return Some(Next::Records);
            }
            private.replay = None;
            return None;
        }
        let Some(item) = private.items.pop_front() else {
            self.private = None;
            return None;
        };
        self.released += small(item.cost());
        match item {
            Item::Bytes(bytes) => {
                self.half = Some(Box::new(join(bytes, private, &mut self.released)));
            }
            Item::Direct(from, text) => {
                let mut out = Vec::new();
                self.look.direct(&mut out, &from, &text);
                self.half = Some(Box::new(out.into()));
            }
            Item::Own(bytes) => self.half = Some(Box::new(bytes)),
            Item::History(n) => {
                let (from, count) = view.last(n as u64);
                private.replay = Some(Replay { at: from, to: view.end(), gap: 0 });
                let position = view.position().to_string();
                let after = [
                    line(self.look, "history-end", &[]),
                    line(self.look, "position", &[("position", position.as_str().into())]),
                ];
                private.items.push_front(Item::Own(after.concat().into()));
                let before = line(self.look, "history-begin", &[("count", count.into())]);
                self.half = Some(Box::new(before));
            }
            Item::Resume(at) => {
                let resumed = view.resume(at);
                private.replay = Some(Replay { at: resumed.from, to: view.end(), gap: 0 });
                self.at = view.end();
                self.gap = 0;
                private.items.push_front(Item::Own(line(self.look, "live", &[])));
                if let Some(oldest) = resumed.gap {
                    let mut out = Vec::new();
                    self.look.error(&mut out, "gap", &format!("oldest={oldest}"));
                    self.half = Some(Box::new(out.into()));
                }
            }
            Item::Look(look, echo) => {
                self.look = look;
                self.echo = echo;
            }
            Item::Act(act) => {
                // The room that is left behind still owes the notice of what was missed there.
                let Some(notice) = gap_notice(self.look, view, &mut self.gap, self.at) else {
                    return Some(Next::Act(act));
                };
                self.released -= small(ITEM_BYTES);
                private.items.push_front(Item::Act(act));
                self.half = Some(notice);
            }
        }
        None
    }

    /// Drops all that is due but the half-written rest: nobody will read it. Returns what the shell was to be told.
    pub fn abandon(&mut self) -> Vec<A> {
        self.farewell = None;
        let Some(private) = self.private.take() else { return Vec::new() };
        let mut acts = Vec::new();
        for item in private.items {
            self.released += small(item.cost());
            if let Item::Act(act) = item {
                acts.push(act);
            }
        }
        acts
    }

    /// What [`Next::Records`] is to write.
    #[must_use]
    pub fn runs<'v>(&self, view: &'v View, own: Own) -> Runs<'v> {
        if let Some(replay) = self.private.as_ref().and_then(|p| p.replay.as_ref()) {
            return view.runs(replay.at, replay.to, self.key(), 0);
        }
        let skip = if !self.echo && own.until > self.at { own.number } else { 0 };
        view.runs(self.at, self.end, self.key(), skip)
    }

    /// The encoding that is being written: what was asked for again has no notices.
    fn key(&self) -> Key {
        let replaying = self.private.as_ref().is_some_and(|p| p.replay.is_some());
        if replaying { self.look.key().without_notices() } else { self.look.key() }
    }

    /// [`Cursor::runs`] were empty: what is ahead is not for this member.
    pub fn nothing_ahead(&mut self, view: &View) {
        match self.private.as_mut().and_then(|p| p.replay.as_mut()) {
            Some(replay) => replay.at = replay.to,
            None => self.at = self.at.max(view.end().min(self.end)),
        }
    }

    /// All of the runs up to `index` have been written.
    pub fn reached(&mut self, index: u64) {
        match self.private.as_mut().and_then(|p| p.replay.as_mut()) {
            Some(replay) => replay.at = index,
            None => self.at = index,
        }
    }

    /// `n` bytes of the runs have been written; the rest of a record that is cut is remembered as half written.
    pub fn written(&mut self, view: &View, own: Own, mut n: usize) {
        let key = self.key();
        let mut at = None;
        for run in self.runs(view, own) {
            if n == 0 {
                break;
            }
            if n >= run.bytes.len() {
                n -= run.bytes.len();
                at = Some(run.end());
                continue;
            }
            let (next, rest) = cut(&run, key, n);
            at = Some(run.batch.first + next as u64);
            if !rest.is_empty() {
                // A copy: a share of the batch would pin all of it, and go uncounted.
                self.half = Some(Box::new(Bytes::copy_from_slice(rest)));
            }
            break;
        }
        if let Some(at) = at {
            self.reached(at);
        }
    }

    /// `n` bytes of the half-written rest have been written.
    pub fn half_written(&mut self, n: usize) {
        if let Some(half) = &mut self.half {
            if n < half.len() {
                let _written = half.split_to(n);
            } else {
                self.half = None;
            }
        }
    }

    /// Everything before `index` is let go: if that is still needed, the member gets a gap. Returns the number of messages missed.
    pub fn cut(&mut self, view: &View, index: u64) -> u64 {
        if let Some(replay) = self.private.as_mut().and_then(|p| p.replay.as_mut()) {
            fall(view, &mut replay.at, &mut replay.gap, index.min(replay.to));
        }
        fall(view, &mut self.at, &mut self.gap, index)
    }

    /// Bytes that have left the private queue since this was last asked: their place is free again.
    pub fn released(&mut self) -> usize {
        mem::take(&mut self.released) as usize
    }
}

fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a private queue is bounded far below 4 GiB")
}

/// Replies that stand one after the other are one write.
fn join<A>(first: Bytes, private: &mut Private<A>, released: &mut u32) -> Bytes {
    if !matches!(private.items.front(), Some(Item::Bytes(_))) {
        return first;
    }
    let mut joined = first.to_vec();
    while joined.len() < REPLIES_BYTES {
        let Some(Item::Bytes(bytes)) = private.items.pop_front_if(|i| matches!(i, Item::Bytes(_)))
        else {
            break;
        };
        *released += small(ITEM_BYTES + bytes.len());
        joined.extend_from_slice(&bytes);
    }
    joined.into()
}

/// Where `n` bytes into a run are: the record after the one that is cut (inside the batch), and what is left of that one.
fn cut<'v>(run: &Run<'v>, key: Key, n: usize) -> (usize, &'v [u8]) {
    let batch = run.batch;
    let mut record = run.from;
    let mut end = 0;
    // A run is one batch's at most: 256 records.
    while end < n {
        end += batch.slice(key, record, record + 1).len();
        record += 1;
    }
    (record, &run.bytes[n..end])
}

/// Moves a place in the log forward to `index`, over what is no longer kept. Returns the number of messages missed.
fn fall(view: &View, at: &mut u64, gap: &mut u64, index: u64) -> u64 {
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

/// The notice of a gap that ends at `at`, once.
fn gap_notice(look: Look, view: &View, gap: &mut u64, at: u64) -> Option<Box<Bytes>> {
    if *gap == 0 {
        return None;
    }
    let (from, next) = (mem::take(gap), view.seq_from(at));
    // Raw has no line for it: such a member is closed instead, or has asked to go on without.
    if next <= from || look.format == Format::Raw {
        return None;
    }
    let args = [("from", from.into()), ("to", (next - 1).into()), ("count", (next - from).into())];
    Some(Box::new(line(look, "gap", &args)))
}

fn line(look: Look, id: &'static str, args: &[(&'static str, crate::words::Value<'_>)]) -> Bytes {
    let mut out = Vec::new();
    look.notice(&mut out, &say(look.lang, id, args));
    out.into()
}
