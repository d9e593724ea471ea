//! What is asked for again: a part of a log, given in portions, and what is said around it.

use bytes::Bytes;

use super::{cursor::gap, view::View};
use crate::{
    command::Format,
    encode::{self, Look, Marks, Wire},
    event::Event,
    limits::{DATAGRAM_BYTES, REPLAY_BYTES},
    words::say,
};

/// A part of a log that was asked for again.
#[derive(Debug)]
pub(super) struct Replay {
    pub(super) room: u32,
    pub(super) at: u64,
    pub(super) to: u64,
    /// As for a cursor: the first message that was missed, 0 if none was.
    pub(super) gap: u64,
}

/// The next portion of what was asked for again, or the notice of what is missing there. None: that was all.
pub(super) fn portion(
    look: Look,
    number: u64,
    view: &View,
    replay: &mut Replay,
) -> Option<Box<Bytes>> {
    if let Some(gap) = gap(view, &mut replay.gap, replay.at)
        && let Some(notice) = gap_notice(look, view, gap)
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

/// What stands before a history and after it.
pub(super) fn around_history(
    look: Look,
    view: &View,
    count: usize,
    id: Option<u64>,
) -> (Bytes, Bytes) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    if look.is_json() {
        let (room, position) = (view.life().name.as_str(), view.position());
        look.event(&mut after, &Event::History { room, count, position, id });
    } else {
        let position = view.position().to_string();
        look.notice(&mut before, &say(look.lang, "history-begin", &[("count", count.into())]));
        look.notice(&mut after, &say(look.lang, "history-end", &[]));
        let args = [("position", position.as_str().into())];
        look.notice(&mut after, &say(look.lang, "position", &args));
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
    missed(look, view, (seq, seq), "mtu", || {
        let args = [("from", seq.into()), ("limit", DATAGRAM_BYTES.into())];
        say(look.lang, "gap-mtu", &args)
    })
}

/// The notice of a gap.
pub(super) fn gap_notice(look: Look, view: &View, (from, to): (u64, u64)) -> Option<Box<Bytes>> {
    missed(look, view, (from, to), "slow", || {
        let args = [("from", from.into()), ("to", to.into()), ("count", (to - from + 1).into())];
        say(look.lang, "gap", &args)
    })
}

/// The notice that messages are missed: an event with its cause, or a sentence.
fn missed(
    look: Look,
    view: &View,
    (from, to): (u64, u64),
    cause: &'static str,
    sentence: impl FnOnce() -> String,
) -> Option<Box<Bytes>> {
    let mut out = Vec::new();
    if look.is_json() {
        let room = view.life().name.as_str();
        let (from, to) = (Some(from), Some(to));
        look.event(&mut out, &Event::Gap { room, from, to, cause, oldest: None, id: None });
    } else if look.format == Format::Raw {
        // Raw has no line for it: such a member is closed instead, or has asked to go on without.
        return None;
    } else {
        look.notice(&mut out, &sentence());
    }
    Some(Box::new(out.into()))
}
