//! Events in the JSON format: one object each, written by hand (PROTOCOL §4).
//!
//! By hand, because the order of the keys is promised and because a message is written for every batch that a program
//! listens to: nothing is copied on the way, nothing allocated but in the output itself.
//!
//! What is absent isn't written: there is no `null` and no `false`. An object is one line, whatever is in it: every
//! control, bidi control and line separator is written as `\uXXXX`, which a parser reads as the character and a
//! terminal shows as six harmless ones.

mod write;

use self::write::size;
pub(crate) use self::write::{Object, string};
use crate::event::{Event, Said, Standing};

/// Appends one event as one JSON object, without a newline after it.
#[expect(clippy::too_many_lines, reason = "one arm for each event, in the order of the enum")]
pub fn event(out: &mut Vec<u8>, event: &Event<'_>) {
    match *event {
        Event::Hello { session, sid, name, resumed, rooms, id } => Object::new(out, "hello")
            .str("session", session)
            .sid(sid)
            .str("name", name)
            .flag("resumed", resumed)
            .positions("rooms", rooms)
            .id(id)
            .end(),
        Event::Msg(ref said) => msg(out, said),
        Event::Direct { from, time_us, body } => {
            Object::new(out, "direct").from(from).time(time_us).body(body).end();
        }
        Event::Ack { room, seq, op, count, id } => Object::new(out, "ack")
            .maybe_str("room", room)
            .maybe_number("seq", seq)
            .maybe_str("op", op)
            .maybe_number("count", count.map(size))
            .id(id)
            .end(),
        Event::Error { code, text, op, id, at, field, room } => Object::new(out, "error")
            .str("code", code)
            .str("text", text)
            .maybe_str("room", room)
            .maybe_str("op", op)
            .maybe_str("field", field)
            .maybe_number("at", at.map(size))
            .id(id)
            .end(),
        Event::Gap { room, from, to, cause, oldest, id } => Object::new(out, "gap")
            .str("room", room)
            .maybe_number("from", from)
            .maybe_number("to", to)
            .str("cause", cause)
            .maybe_position("oldest", oldest)
            .id(id)
            .end(),
        Event::Join { room, from, own, id } => Object::new(out, "join")
            .str("room", room)
            .from(from)
            .maybe_position("pos", own.map(|(position, _)| position))
            .maybe_number("members", own.map(|(_, members)| size(members)))
            .id(id)
            .flag("own", own.is_some())
            .end(),
        Event::Leave { room, from, text, own, id } => Object::new(out, "leave")
            .str("room", room)
            .from(from)
            .maybe_str("text", text)
            .id(id)
            .flag("own", own)
            .end(),
        Event::Nick { room, from, name, own, id } => Object::new(out, "nick")
            .maybe_str("room", room)
            .from(from)
            .str("name", name)
            .id(id)
            .flag("own", own)
            .end(),
        Event::Who { room, count, members, id } => Object::new(out, "who")
            .str("room", room)
            .number("count", size(count))
            .list("members", members, |item, member| item.author("name", member))
            .id(id)
            .end(),
        Event::Rooms { count, rooms, id } => Object::new(out, "rooms")
            .number("count", size(count))
            .list("rooms", rooms, |item, (room, members)| {
                item.str("room", room.as_str()).number("members", size(*members))
            })
            .id(id)
            .end(),
        Event::History { room, count, position, id } => Object::new(out, "history")
            .str("room", room)
            .number("count", size(count))
            .position("pos", position)
            .id(id)
            .end(),
        Event::Search { room, words, count, more, position, id } => Object::new(out, "search")
            .str("room", room)
            .str("words", words)
            .number("count", size(count))
            .flag("more", more)
            .position("pos", position)
            .id(id)
            .end(),
        Event::Live { room, position, id } => {
            Object::new(out, "live").str("room", room).position("pos", position).id(id).end();
        }
        Event::State { room, seq, key, version, from, time_us, body, id } => {
            Object::new(out, "state")
                .str("room", room)
                .number("seq", seq)
                .str("key", key)
                .maybe_number("v", version.map(u64::from))
                .from(from)
                .time(time_us)
                .body(body)
                .id(id)
                .end();
        }
        Event::Udp { key, seconds, address, id } => Object::new(out, "udp")
            .maybe_str("key", key)
            .maybe_number("seconds", seconds)
            .maybe_str("address", address)
            .id(id)
            .end(),
        Event::Pong { text, id } => Object::new(out, "pong").str("text", text).id(id).end(),
        Event::Notice { text, id } => Object::new(out, "notice").str("text", text).id(id).end(),
        Event::Why {
            name,
            sid,
            transport,
            address,
            since_s,
            rooms,
            missed,
            refused,
            watched,
            id,
        } => {
            Object::new(out, "why")
                .str("name", name)
                .sid(sid)
                .str("transport", transport)
                .str("address", address)
                .number("since_s", since_s)
                .list("rooms", rooms, |item, Standing { room, position, lag }| {
                    item.str("room", room).position("pos", *position).number("lag", *lag)
                })
                .number("missed", missed)
                .number("refused", refused)
                .maybe_number("watched", (watched > 0).then_some(watched))
                .id(id)
                .end();
        }
        Event::Bye { reason, text, rooms, id } => Object::new(out, "bye")
            .str("reason", reason)
            .maybe_str("text", text)
            .positions("rooms", rooms)
            .id(id)
            .end(),
    }
}

/// Appends one message of a room, as [`event`] does: the way that is taken for each record of a batch.
pub fn msg(out: &mut Vec<u8>, said: &Said<'_>) {
    Object::new(out, "msg")
        .str("room", said.room)
        .number("seq", said.seq)
        .from(said.from)
        .time(said.time_us)
        .body(said.body)
        .id(said.id)
        .flag("old", said.old)
        .flag("own", said.own)
        .end();
}

#[cfg(test)]
mod tests;
