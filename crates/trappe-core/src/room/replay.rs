//! What is asked for again: a part of a log, given in portions, and what is said around it.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{
    cursor::{gap, past},
    past::{Ask, Lost},
    view::{Resumed, View},
};
use crate::{
    command::Format,
    encode::{self, Look, Marks, Wire},
    event::Event,
    limits::{BATCH_RECORDS, DATAGRAM_BYTES, REPLAY_BYTES},
    message::Position,
    reply,
    words::say,
};

/// A part of a log that was asked for again.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) room: u32,
    pub(super) at: u64,
    pub(super) to: u64,
    /// As for a cursor: the first message that was missed, or is still to be asked of the store; 0 if there is none.
    pub(super) gap: u64,
    /// One past the last message that is wanted. Of the log it is `to`; but a view that is trimmed beyond that doesn't know
    /// its number any more.
    end_seq: u64,
    /// What follows a position is wanted, not the last messages.
    is_run: bool,
    /// The id of the op that asks for the last messages: a gap among them isn't one of what the member hears.
    pub(super) id: Option<u64>,
    /// Certain messages of the store's, instead of all that follow one another.
    these: VecDeque<u64>,
    /// The last messages are wanted, and the store is to be asked where they begin.
    last: Option<Last>,
}

/// The last messages of a room, as far as it isn't known yet where they begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// How many are wanted that the log doesn't hold.
    wanted: u64,
    /// How many it holds.
    held: u64,
    /// The id of the op that asks.
    id: Option<u64>,
    /// Nobody has asked: they come with the welcome.
    greeting: bool,
}

impl Replay {
    fn new(room: u32, at: u64, to: u64) -> Replay {
        let (these, last) = (VecDeque::new(), None);
        Replay { room, at, to, gap: 0, end_seq: u64::MAX, is_run: false, id: None, these, last }
    }

    /// What follows a position.
    pub(super) fn from(room: u32, view: &View, resumed: &Resumed) -> Replay {
        let replay = Replay::new(room, resumed.from, view.end());
        Replay { gap: resumed.stored, end_seq: view.end_seq(), is_run: true, ..replay }
    }

    /// The last `count` messages.
    pub(super) fn last(room: u32, view: &View, count: u64, id: Option<u64>) -> Replay {
        Replay::window(room, view, count, view.end_seq(), id, false)
    }

    /// The last `count` messages before message `before`.
    pub(super) fn greeting(room: u32, view: &View, count: u64, before: u64) -> Replay {
        Replay::window(room, view, count, before.min(view.end_seq()), None, true)
    }

    fn window(
        room: u32,
        view: &View,
        count: u64,
        end_seq: u64,
        id: Option<u64>,
        greeting: bool,
    ) -> Replay {
        let (at, to, held) = view.window(count, end_seq);
        let last = Some(Last { wanted: count - held, held, id, greeting });
        Replay { end_seq, id, last, ..Replay::new(room, at, to) }
    }

    /// Certain messages of the store's.
    pub(super) fn these(room: u32, seqs: Vec<u64>) -> Replay {
        Replay { these: seqs.into(), ..Replay::new(room, 0, 0) }
    }

    /// Where the last messages are wanted: whether all that there are of them are held. Then it begins, with what is known.
    pub(super) fn begins(&mut self, view: &View) -> Option<Last> {
        let last = self.last?;
        let before = self.end_seq - last.held;
        let stored = view.life().oldest_stored().is_some_and(|oldest| oldest < before);
        if last.wanted == 0 || !stored { self.last.take() } else { None }
    }

    /// The store has said where the last messages begin.
    pub(super) fn begins_at(&mut self, from: u64, count: u64) -> Option<Last> {
        let last = self.last.take()?;
        if count > 0 {
            self.gap = from;
        }
        Some(Last { held: last.held + count, ..last })
    }

    /// What the store is to be asked next.
    pub(super) fn ask(&self, view: &View) -> Option<Ask> {
        if let Some(last) = self.last {
            return Some(Ask::Last { count: last.wanted, to: self.end_seq - last.held });
        }
        if !self.these.is_empty() {
            let next = self.these.iter().take(BATCH_RECORDS).copied().collect();
            return Some(Ask::These(next));
        }
        let (from, to) = past(view, self.gap, self.at)?;
        Some(Ask::Run { from, to: to.min(self.end_seq) }).filter(|_| from < self.end_seq)
    }

    /// The store has answered, up to `next`: a message, or how many of certain ones.
    pub(super) fn given(&mut self, view: &View, next: u64) {
        if self.these.is_empty() {
            let end = view.seq_from(self.at).min(self.end_seq);
            self.gap = if next < end { next } else { 0 };
        } else {
            let looked_for = usize::try_from(next).unwrap_or(usize::MAX).max(1);
            self.these.drain(..looked_for.min(self.these.len()));
        }
    }

    /// Whether a gap in what the store has is to be told: certain messages may have anything between them, and where people
    /// read the last messages, numbers that were never given are no news.
    pub(super) fn tells(&self, look: Look, why: Lost) -> bool {
        let is_for_people = !self.is_run && !look.is_json();
        self.these.is_empty() && !(is_for_people && why == Lost::Unused)
    }
}

/// The next portion of what was asked for again, or the notice of what is missing there. None: that was all.
pub(super) fn portion(
    look: Look,
    number: u64,
    view: &View,
    replay: &mut Replay,
) -> Option<Box<Bytes>> {
    if replay.gap != 0
        && replay.gap < replay.end_seq
        && let Some((from, last)) = gap(view, &mut replay.gap, replay.at)
        && let Some(notice) =
            gap_notice(look, view, (from, last.min(replay.end_seq - 1)), replay.id)
    {
        return Some(notice);
    }
    let key = look.key().without_notices();
    let mut out = Vec::new();
    while replay.at < replay.to && out.len() < REPLAY_BYTES {
        let (batch, i) = view.record(replay.at)?;
        let record = &batch.records[i];
        let seq = record.seq;
        replay.at += 1;
        if seq == 0 {
            continue;
        }
        let mut marked = Vec::new();
        let record = if look.is_json() {
            let marks = Marks { old: true, own: record.author.number == number };
            encode::marked(&mut marked, key, batch, record, marks);
            &marked
        } else {
            batch.slice(key, i, i + 1)
        };
        one(&mut out, look, view, seq, record);
    }
    (!out.is_empty()).then(|| Box::new(out.into()))
}

/// What stands before the last messages and after them: that too up to where the member has had everything.
pub(super) fn around_history(
    look: Look,
    view: &View,
    last: Last,
    position: Position,
) -> (Bytes, Bytes) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let Last { held: count, id, greeting, .. } = last;
    if greeting && count == 0 {
        return (Bytes::new(), Bytes::new());
    }
    if look.is_json() {
        let room = view.life().name.as_str();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        look.event(&mut after, &Event::History { room, count, position, id });
    } else {
        let position = position.to_string();
        look.notice(&mut before, &say(look.lang, "history-begin", &[("count", count.into())]));
        look.notice(&mut after, &say(look.lang, "history-end", &[]));
        if !greeting {
            let args = [("position", position.as_str().into())];
            look.notice(&mut after, &say(look.lang, "position", &args));
        }
    }
    (before.into(), after.into())
}

/// One encoded record as it waits to be written to one member; where no datagram holds it, the notice that it is missed.
pub(super) fn one(out: &mut Vec<u8>, look: Look, view: &View, seq: u64, record: &[u8]) {
    if look.wire != Wire::Datagram {
        out.extend_from_slice(record);
    } else if record.len() <= DATAGRAM_BYTES {
        encode::datagram(out, record);
    } else if let Some(notice) = mtu_notice(look, view, seq) {
        out.extend_from_slice(&notice);
    }
}

/// The notice that a message is missed because it doesn't fit into a datagram.
pub(super) fn mtu_notice(look: Look, view: &View, seq: u64) -> Option<Box<Bytes>> {
    missed(look, view, ((seq, seq), None), "mtu", || {
        let args = [("from", seq.into()), ("limit", DATAGRAM_BYTES.into())];
        say(look.lang, "gap-mtu", &args)
    })
}

/// The notice of a gap.
pub(super) fn gap_notice(
    look: Look,
    view: &View,
    gap: (u64, u64),
    id: Option<u64>,
) -> Option<Box<Bytes>> {
    lost(look, view, gap, "slow", id)
}

/// The notice that messages are in no history.
pub(super) fn lost_notice(
    look: Look,
    view: &View,
    gap: (u64, u64),
    why: Lost,
    id: Option<u64>,
) -> Option<Box<Bytes>> {
    lost(look, view, gap, why.as_str(), id)
}

fn lost(
    look: Look,
    view: &View,
    gap: (u64, u64),
    cause: &'static str,
    id: Option<u64>,
) -> Option<Box<Bytes>> {
    missed(look, view, (gap, id), cause, || reply::gap(look.lang, cause, gap))
}

/// The notice that messages are missed: an event with its cause, or a sentence.
fn missed(
    look: Look,
    view: &View,
    ((from, to), id): ((u64, u64), Option<u64>),
    cause: &'static str,
    sentence: impl FnOnce() -> String,
) -> Option<Box<Bytes>> {
    let mut out = Vec::new();
    if look.is_json() {
        let room = view.life().name.as_str();
        let (from, to) = (Some(from), Some(to));
        look.event(&mut out, &Event::Gap { room, from, to, cause, oldest: None, id });
    } else if look.format == Format::Raw {
        // Raw has no line for it: such a member is closed instead, or has asked to go on without.
        return None;
    } else {
        look.notice(&mut out, &sentence());
    }
    Some(Box::new(out.into()))
}
