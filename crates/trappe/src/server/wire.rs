//! What happens on the wire of a member that is watched, told where it happens: by its reader, and by its pump.

use std::{io, sync::Arc};

use trappe_core::{
    encode::escape::{Looks, looks_like},
    framing::{End, Frame},
    limits::WATCH_BODY_BYTES,
    room::{listener::Views, view::View},
    watch::{Reads, Seen, Spoken, mask},
};

use super::{Shared, conn::Conn, pump::Slot, shard::Shards};

/// Follows a read of `len` bytes, if somebody watches. `before`: so many bytes had been heard.
pub(super) fn read(
    shared: &Shared,
    conn: &Arc<Conn>,
    reads: &mut Option<Box<Reads>>,
    before: u64,
    len: usize,
) {
    if !conn.is_watched() {
        *reads = None;
        return;
    }
    let at = reads.get_or_insert_with(|| Box::new(Reads::new(before))).read(len);
    shared.saw(conn, |time_us, sid| Seen::Read { time_us, sid, at, len });
}

/// What the framing made of bytes: `used` are those since the frame before. `spoken`: how the member speaks.
pub(super) fn frame(
    shared: &Shared,
    conn: &Arc<Conn>,
    reads: &mut Reads,
    used: &[u8],
    frame: &Frame<'_>,
    spoken: Spoken,
) {
    let why = match *frame {
        Frame::Message { body, end } => {
            return message(shared, conn, reads, used, body, end, spoken);
        }
        Frame::TooLong => "too-long",
        Frame::Unfinished { .. } => "unfinished",
    };
    let span = &reads.refused(used);
    shared.saw(conn, |time_us, sid| Seen::Refused { time_us, sid, span, why });
}

/// A message, in all that others may see of it.
fn message(
    shared: &Shared,
    conn: &Arc<Conn>,
    reads: &mut Reads,
    used: &[u8],
    body: &[u8],
    end: End,
    spoken: Spoken,
) {
    let span = &reads.message(used, body.len(), end);
    let (size, (shown, masked)) = (body.len(), mask(body, spoken));
    let decoding = match looks_like(body) {
        Looks::Utf8 if str::from_utf8(body).is_ok() => "utf-8",
        Looks::Utf8 => "damaged",
        Looks::Latin1 => "latin-1",
        Looks::Windows1252 => "windows-1252",
        Looks::Binary => "binary",
    };
    let shown = beginning(&shown);
    shared.saw(conn, |time_us, sid| Seen::Message {
        time_us,
        sid,
        span,
        end,
        size,
        body: shown,
        decoding,
        masked,
    });
}

/// As much of a body as is shown; no character of a text is cut.
fn beginning(body: &[u8]) -> &[u8] {
    let most = body.len().min(WATCH_BODY_BYTES);
    let end = str::from_utf8(body).map_or(most, |text| text.floor_char_boundary(most));
    &body[..end]
}

/// One write to a member: `from` is where its cursor in a room stood before, if it was a room's records.
pub(super) fn write(
    shared: &Shared,
    shards: &Shards,
    slot: &mut Slot,
    from: Option<(u32, u64)>,
    written: &io::Result<usize>,
) {
    let (len, blocked) = match written {
        Ok(len) => (*len, !slot.listener.half().is_empty()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, true),
        // The peer is gone, which is told otherwise.
        Err(_) => return,
    };
    if len == 0 && !blocked {
        // What was ahead was the member's own.
        return;
    }
    let messages = from.filter(|_| len > 0).and_then(|(room, before)| {
        let after = slot.listener.cursor_in(room)?.at();
        let view = shards.view(room)?;
        let (first, next) = (view.seq_from(before), view.seq_from(after));
        (next > first).then(|| (view.life().name.as_str(), first, next - 1))
    });
    shared.saw(&slot.conn, |time_us, sid| Seen::Write { time_us, sid, len, messages, blocked });
}

/// A member was moved on from index `before` of a room, since it was too far behind.
pub(super) fn gap(shared: &Shared, slot: &mut Slot, room: u32, view: &View, before: u64) {
    let Some(after) = slot.listener.cursor_in(room).map(|cursor| cursor.at()) else { return };
    let (from, next) = (view.seq_from(before), view.seq_from(after));
    if next > from {
        let (room, to) = (view.life().name.as_str(), next - 1);
        shared.saw(&slot.conn, |time_us, sid| Seen::Gap { time_us, sid, room, from, to });
    }
}
