//! Everything that is due to one member: its cursors, one for each room that it is in, and its private queue.
//!
//! The order in which a member is written to: the rest of what is half written; its private queue, in order; for each
//! room the notice of a gap, and its records. So replies stand at boundaries between records, and nothing is torn.

mod private;
mod stored;

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use super::{
    cursor::{Cursor, fall},
    item::Item,
    past::Ask,
    replay::{Replay, gap_notice, mtu_notice, one},
};
use crate::{
    encode::{Look, Wire},
    limits::{DATAGRAM_BYTES, ITEM_BYTES, PRIVATE_BYTES},
    room::{
        state::{Place, StateView},
        view::{Run, Runs, View},
    },
};

/// Where a listener finds the logs of its rooms.
pub trait Views {
    /// The part of a room's log that is held, while the member is in that room.
    fn view(&self, room: u32) -> Option<&View>;

    /// A room's state, while a member follows it.
    fn state(&self, room: u32) -> Option<&StateView>;
}

/// What is to be done next for a member.
#[derive(Debug)]
pub enum Next<A> {
    /// Write [`Listener::half`], then tell [`Listener::half_written`].
    Half,
    /// Write the [`Listener::runs`] of this cursor, then tell [`Listener::written`].
    Records(usize),
    /// The next message for this cursor is longer than a datagram: tell [`Listener::too_long`], then ask again.
    TooLong(usize),
    /// Ask the store for this of a room's past, then tell [`Listener::answered`].
    Ask(u32, Ask),
    /// The store hasn't answered yet.
    Wait,
    /// Do this, then ask again.
    Act(A),
    /// All that was due before the end is written.
    Done,
    /// Nothing is due.
    Idle,
}

#[derive(Debug)]
struct Private<A> {
    items: VecDeque<Item<A>>,
    /// Under way, before the items.
    replay: Option<Replay>,
    /// What the store was asked for: the room, and whether it is for the replay or for the cursor.
    asked: Option<(u32, Asked)>,
    /// What the member said while it may yet have to enter the room, as [`Listener::spoke`] was told.
    early: Vec<(u32, u64)>,
    /// Where the rooms end that it has yet to enter, once its end is under way.
    ends: Vec<(u32, u64)>,
    /// What is written after everything else.
    farewell: Bytes,
}

/// For what the store was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Cursor,
    Replay,
    /// A search, by the op with this id.
    Search(Option<u64>),
}

/// What the answer of a store came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Messages that are written now, of those that the cursor was behind with.
    pub delivered: u64,
    /// Messages that the cursor will never be given.
    pub missed: u64,
}

/// What few members need: cursors beyond the first, of a member of several rooms; and those on rooms' states.
#[derive(Debug, Default)]
struct More {
    cursors: Vec<Cursor>,
    /// The cursor that is looked at first, so that each room has its turn.
    turn: usize,
    /// Rooms whose state it follows, and where it is in each.
    states: Vec<(u32, Place)>,
}

/// Everything that is due to one member. See the module.
#[derive(Debug)]
pub struct Listener<A> {
    /// The member's number; 0 before it has one.
    number: u64,
    first: Cursor,
    more: Option<Box<More>>,
    /// The rest of what is half written.
    half: Option<Box<Bytes>>,
    private: Option<Box<Private<A>>>,
    /// Room in the queue that is free again; a queue is bounded far below 4 GiB.
    released: u32,
    /// Messages that it asked for, and that are no longer kept.
    forgotten: u32,
    look: Look,
    echo: bool,
    finishing: bool,
    /// Its farewell is among what is due, or was written.
    farewelled: bool,
}

impl<A> Listener<A> {
    /// A listener in no room.
    #[must_use]
    pub fn new(look: Look) -> Listener<A> {
        Listener {
            number: 0,
            first: Cursor::nowhere(),
            more: None,
            half: None,
            private: None,
            released: 0,
            forgotten: 0,
            look,
            echo: false,
            finishing: false,
            farewelled: false,
        }
    }

    /// The member's number.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How the member is written to.
    #[must_use]
    pub fn look(&self) -> Look {
        self.look
    }

    /// The member is in a room from now on: from index `at`, where the next message had the number `seq`.
    pub fn enter(&mut self, number: u64, room: u32, view: &View, at: (u64, u64)) -> &mut Cursor {
        self.number = number;
        let mut cursor = Cursor::new(room, view, at);
        if let Some(private) = &mut self.private {
            // It stays there: the member may leave this room and enter it once more before its queue is through.
            if let Some((_, until)) = private.early.iter().find(|(other, _)| *other == room) {
                cursor.spoke(*until);
            }
            if self.finishing {
                let end = end_of(&private.ends, room).unwrap_or(view.end());
                cursor.finish(end);
            }
        }
        if self.first.is_nowhere() {
            self.first = cursor;
            return &mut self.first;
        }
        self.more.get_or_insert_default().cursors.push_mut(cursor)
    }

    /// The member isn't in a room any more. Returns its cursor there.
    pub fn exit(&mut self, room: u32) -> Option<Cursor> {
        if let Some(more) = &mut self.more {
            more.states.retain(|(other, _)| *other != room);
        }
        if self.first.room() == room && !self.first.is_nowhere() {
            let next = self.more.as_mut().and_then(|more| more.cursors.pop());
            return Some(mem::replace(&mut self.first, next.unwrap_or_else(Cursor::nowhere)));
        }
        let more = self.more.as_mut()?;
        let i = more.cursors.iter().position(|c| c.room() == room)?;
        Some(more.cursors.swap_remove(i))
    }

    /// The cursors, one for each room.
    pub fn cursors(&self) -> impl Iterator<Item = &Cursor> {
        let more = self.more.iter().flat_map(|more| &more.cursors);
        std::iter::once(&self.first).filter(|c| !c.is_nowhere()).chain(more)
    }

    /// The same, to be changed.
    pub fn cursors_mut(&mut self) -> impl Iterator<Item = &mut Cursor> {
        let more = self.more.iter_mut().flat_map(|more| &mut more.cursors);
        std::iter::once(&mut self.first).filter(|c| !c.is_nowhere()).chain(more)
    }

    /// The member follows the state of a room from now on: all of it first, also if it did before. Tells whether it did.
    pub fn follow(&mut self, room: u32) -> bool {
        let states = &mut self.more.get_or_insert_default().states;
        let before = states.len();
        states.retain(|(other, _)| *other != room);
        states.push((room, Place::default()));
        states.len() == before
    }

    /// The rooms whose state it follows.
    pub fn followed(&self) -> impl Iterator<Item = u32> {
        self.more.iter().flat_map(|more| more.states.iter().map(|(room, _)| *room))
    }

    /// The cursor in a room.
    pub fn cursor_in(&mut self, room: u32) -> Option<&mut Cursor> {
        self.cursors_mut().find(|cursor| cursor.room() == room)
    }

    /// The cursor that [`Next::Records`] names.
    #[must_use]
    pub fn cursor(&self, i: usize) -> &Cursor {
        match (i, &self.more) {
            (1.., Some(more)) => &more.cursors[i - 1],
            _ => &self.first,
        }
    }

    fn cursor_mut(&mut self, i: usize) -> &mut Cursor {
        match (i, &mut self.more) {
            (1.., Some(more)) => &mut more.cursors[i - 1],
            _ => &mut self.first,
        }
    }

    /// One past the index of the last record of a room that the member authored.
    pub fn spoke(&mut self, room: u32, until: u64) {
        if let Some(cursor) = self.cursor_in(room) {
            cursor.spoke(until);
        }
        // It may be about to enter that room, perhaps anew.
        if let Some(private) = &mut self.private {
            private.early.retain(|(other, _)| *other != room);
            private.early.push((room, until));
            // No more rooms than that can wait in a queue to be entered.
            if private.early.len() > PRIVATE_BYTES / ITEM_BYTES {
                private.early.remove(0);
            }
        }
    }

    /// Puts something into the private queue.
    pub fn push(&mut self, item: Item<A>) {
        self.private().items.push_back(item);
    }

    fn private(&mut self) -> &mut Private<A> {
        self.private.get_or_insert_with(|| {
            Box::new(Private {
                items: VecDeque::new(),
                replay: None,
                asked: None,
                early: Vec::new(),
                ends: Vec::new(),
                farewell: Bytes::new(),
            })
        })
    }

    /// Nothing more is written than what is due up to the end of each room (rooms that have none here: up to where the
    /// member stands, or, if it has yet to enter, what has been said by then), and the farewell; then [`Next::Done`] comes. Only the first farewell counts.
    pub fn finish(&mut self, ends: &[(u32, u64)], farewell: Bytes) {
        for cursor in self.cursors_mut() {
            let end = end_of(ends, cursor.room()).unwrap_or(cursor.at());
            cursor.finish(end);
        }
        self.finishing = true;
        if !farewell.is_empty() && !mem::replace(&mut self.farewelled, true) {
            self.private().farewell = farewell;
        }
        if let Some(private) = &mut self.private {
            let new = ends.iter().filter(|(room, _)| end_of(&private.ends, *room).is_none());
            let new: Vec<_> = new.copied().collect();
            private.ends.extend(new);
        }
    }

    /// The oldest index of a room that is still needed.
    #[must_use]
    pub fn oldest(&self, cursor: &Cursor) -> u64 {
        match self.replay() {
            Some(replay) if replay.room == cursor.room() && replay.at < replay.to => {
                cursor.at().min(replay.at)
            }
            _ => cursor.at(),
        }
    }

    fn replay(&self) -> Option<&Replay> {
        self.private.as_ref().and_then(|p| p.replay.as_ref())
    }

    /// Everything of a room before `index` is let go: if that is still needed, the member gets a gap. Returns the number of messages missed.
    pub fn cut(&mut self, room: u32, view: &View, index: u64) -> u64 {
        let mut missed = 0;
        if let Some(replay) = self.private.as_mut().and_then(|p| p.replay.as_mut())
            && replay.room == room
        {
            missed += fall(view, &mut replay.at, &mut replay.gap, index.min(replay.to));
        }
        missed + self.cursor_in(room).map_or(0, |cursor| cursor.cut(view, index))
    }

    /// The same for the cursor in a room alone: what is asked for again stays.
    pub fn pass_over(&mut self, room: u32, view: &View, index: u64) -> u64 {
        self.cursor_in(room).map_or(0, |cursor| cursor.cut(view, index))
    }

    /// Bytes that the half-written rest holds.
    #[must_use]
    pub fn half(&self) -> &[u8] {
        self.half.as_deref().map_or(&[], |b| b)
    }

    /// What to do next.
    pub fn next(&mut self, views: &impl Views) -> Next<A> {
        loop {
            if self.half.is_some() {
                return Next::Half;
            }
            if self.private.is_some() {
                match self.next_private(views) {
                    Some(next) => return next,
                    None if self.half.is_some() => continue,
                    None => {}
                }
            }
            if let Some(next) = self.next_records(views) {
                return next;
            }
            if !self.finishing && self.next_state(views) {
                return Next::Half;
            }
            if !self.finishing || !self.cursors().all(Cursor::is_through) {
                return Next::Idle;
            }
            match self.private.take() {
                Some(private) if !private.farewell.is_empty() => {
                    self.half = Some(Box::new(private.farewell));
                }
                _ => return Next::Done,
            }
        }
    }

    /// What is due in the rooms. None: nothing.
    fn next_records(&mut self, views: &impl Views) -> Option<Next<A>> {
        let (count, turn) = match &self.more {
            None => (1, 0),
            Some(more) => (1 + more.cursors.len(), more.turn),
        };
        for i in 0..count {
            let i = (turn + i) % count;
            let (look, number, echo) = (self.look, self.number, self.echo);
            let cursor = self.cursor_mut(i);
            let Some(view) = views.view(cursor.room()) else { continue };
            if look.wire != Wire::Datagram
                && let Some((from, to)) = cursor.past(view)
            {
                let room = cursor.room();
                self.private().asked = Some((room, Asked::Cursor));
                return Some(Next::Ask(room, Ask::Run { from, to }));
            }
            let cursor = self.cursor_mut(i);
            if let Some(gap) = cursor.take_gap(view)
                && let Some(notice) = gap_notice(look, view, gap, None)
            {
                self.half = Some(notice);
                return Some(Next::Half);
            }
            let cursor = self.cursor_mut(i);
            if !cursor.is_due(view) {
                continue;
            }
            if echo && let Some(own) = cursor.own(view, look, number) {
                let seq = view.record(cursor.at()).map_or(0, |(batch, at)| batch.records[at].seq);
                cursor.reached(cursor.at() + 1);
                let mut out = Vec::new();
                one(&mut out, look, view, seq, &own);
                self.half = Some(Box::new(out.into()));
                return Some(Next::Half);
            }
            if look.wire == Wire::Datagram && self.is_too_long(i, view) {
                return Some(Next::TooLong(i));
            }
            if let Some(more) = &mut self.more {
                more.turn = i + 1;
            }
            return Some(Next::Records(i));
        }
        None
    }

    /// Whether the next record is longer than a datagram.
    fn is_too_long(&self, i: usize, view: &View) -> bool {
        let run = self.runs(i, view).next();
        run.is_some_and(|run| run.first(self.look).len() > DATAGRAM_BYTES)
    }

    /// What [`Next::TooLong`] says: the member is told, and the record passed over. Returns how many messages that were.
    pub fn too_long(&mut self, i: usize, view: &View) -> u64 {
        let Some(run) = self.runs(i, view).next() else { return 0 };
        let seq = run.batch.records[run.from].seq;
        let after = run.batch.first + run.from as u64 + 1;
        self.half = mtu_notice(self.look, view, seq).filter(|_| seq > 0);
        self.reached(i, after);
        u64::from(seq > 0)
    }

    /// The next changes of a state that the member follows, made ready to be written. False: there are none.
    fn next_state(&mut self, views: &impl Views) -> bool {
        let (look, Some(more)) = (self.look, &mut self.more) else { return false };
        for (room, place) in &mut more.states {
            if let Some(state) = views.state(*room)
                && let Some((changes, to)) = state.after(*place, look)
            {
                *place = to;
                if !changes.is_empty() {
                    self.half = Some(Box::new(changes));
                    return true;
                }
            }
        }
        false
    }

    /// Drops all that is due but the half-written rest: nobody will read it. Returns what the shell was to be told.
    pub fn abandon(&mut self) -> Vec<A> {
        let Some(private) = self.private.take() else { return Vec::new() };
        let mut acts = Vec::new();
        for item in private.items {
            self.released += small(item.cost());
            if let Item::Act(act) | Item::Leave(_, act) = item {
                acts.push(act);
            }
        }
        acts
    }

    /// What [`Next::Records`] is to write.
    #[must_use]
    pub fn runs<'v>(&self, i: usize, view: &'v View) -> Runs<'v> {
        self.cursor(i).runs(view, self.look, self.number, self.echo)
    }

    /// [`Listener::runs`] were empty: what is ahead is not for this member.
    pub fn nothing_ahead(&mut self, i: usize, view: &View) {
        let (look, number, echo) = (self.look, self.number, self.echo);
        self.cursor_mut(i).nothing_ahead(view, look, number, echo);
    }

    /// All of the runs up to `index` have been written.
    pub fn reached(&mut self, i: usize, index: u64) {
        self.cursor_mut(i).reached(index);
    }

    /// Whether nothing more is due to it than what stands in the only room that it is in, and that has been written.
    #[must_use]
    pub fn is_at_rest(&self, view: &View) -> bool {
        self.more.is_none()
            && self.private.is_none()
            && self.half.is_none()
            && !self.finishing
            && self.first.at() == view.end()
    }

    /// `n` bytes of the runs have been written; the rest of a record that is cut is remembered as half written. Returns how
    /// many messages that were.
    pub fn written(&mut self, i: usize, view: &View, mut n: usize) -> u64 {
        let mut at = None;
        let mut messages = 0;
        for run in self.runs(i, view) {
            if n == 0 {
                break;
            }
            if n >= run.bytes.len() {
                n -= run.bytes.len();
                at = Some(run.end());
                messages += run.messages();
                continue;
            }
            let (next, rest) = cut(&run, self.look, n);
            messages += Run { to: next, ..run }.messages();
            at = Some(run.batch.first + next as u64);
            if !rest.is_empty() {
                // A copy: a share of the batch would pin all of it, and go uncounted.
                self.half = Some(Box::new(Bytes::copy_from_slice(rest)));
            }
            break;
        }
        if let Some(at) = at {
            self.reached(i, at);
        }
        messages
    }

    /// Puts bytes before everything that is due.
    pub fn prepend(&mut self, bytes: &[u8]) {
        let half = [bytes, self.half()].concat();
        self.half = Some(Box::new(half.into()));
    }

    /// What would be written next begins with these bytes.
    pub fn beginning<'a>(&'a self, next: &Next<A>, views: &'a impl Views) -> &'a [u8] {
        match *next {
            Next::Half => self.half(),
            Next::Records(i) => {
                let view = views.view(self.cursor(i).room());
                let run = view.and_then(|view| self.runs(i, view).next());
                run.map_or(&[], |run| run.bytes)
            }
            _ => &[],
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

    /// Messages that it came back for too late, since this was last asked.
    pub fn forgotten(&mut self) -> u64 {
        mem::take(&mut self.forgotten).into()
    }

    /// Bytes that have left the private queue since this was last asked: their place is free again.
    pub fn released(&mut self) -> usize {
        mem::take(&mut self.released) as usize
    }
}

/// Where a room ends, if that is said.
fn end_of(ends: &[(u32, u64)], room: u32) -> Option<u64> {
    ends.iter().find(|(other, _)| *other == room).map(|(_, end)| *end)
}

fn small(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("a private queue is bounded far below 4 GiB")
}

/// Where `n` bytes into a run are: the record after the one that is cut (inside the batch), and what is left of that one.
fn cut<'v>(run: &Run<'v>, look: Look, n: usize) -> (usize, &'v [u8]) {
    let batch = run.batch;
    let mut record = run.from;
    let mut end = 0;
    // A run is one batch's at most: 256 records.
    while end < n {
        end += batch.slice(look.key(), record, record + 1).len();
        record += 1;
    }
    (record, &run.bytes[n..end])
}
