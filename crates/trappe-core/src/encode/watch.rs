//! What who watches the hub is told, as JSON: one object each.

use super::json::Object;
use crate::{
    framing::End,
    watch::{Hub, Seen},
};

/// Appends the state of the hub.
pub fn hub(out: &mut Vec<u8>, hub: &Hub<'_>) {
    Object::new(out, "hub")
        .time(hub.time_us)
        .number("up_s", hub.up_s)
        .size("members", hub.members)
        .size("rooms", hub.rooms)
        .number("messages", hub.messages)
        .number("deliveries", hub.deliveries)
        .number("bytes_in", hub.bytes_in)
        .number("bytes_out", hub.bytes_out)
        .number("missed", hub.missed)
        .number("refused", hub.refused)
        .number("kept_bytes", hub.kept_bytes)
        .object("transports", |mut item| {
            for &(name, count) in hub.transports {
                item = item.number(name, count);
            }
            item
        })
        .list("room_list", hub.room_list, |item, room| {
            item.str("room", &room.room).size("members", room.members).number("seq", room.seq)
        })
        .list("member_list", hub.member_list, |item, member| {
            item.number("sid", member.sid)
                .str("name", &member.name)
                .str("transport", member.transport)
                .str("address", &member.address)
                .number("since_s", member.since_s)
                .strings("rooms", &member.rooms)
                .number("lag", member.lag)
                .number("in", member.bytes_in)
                .number("out", member.bytes_out)
                .number("missed", member.missed)
                .number("refused", member.refused)
                .maybe_number("watched", (member.watched > 0).then_some(member.watched))
                .flag("slow", member.slow)
        })
        .end();
}

/// Appends one thing that happened on a wire.
pub fn seen(out: &mut Vec<u8>, seen: &Seen<'_>) {
    match *seen {
        Seen::Open { time_us, sid, name, transport, address, rooms, at } => {
            Object::new(out, "open")
                .time(time_us)
                .number("sid", sid)
                .str("name", name)
                .str("transport", transport)
                .str("address", address)
                .strings("rooms", rooms)
                .number("at", at)
                .end();
        }
        Seen::Read { time_us, sid, at, len } => Object::new(out, "read")
            .time(time_us)
            .number("sid", sid)
            .number("at", at)
            .size("len", len)
            .end(),
        Seen::Message { time_us, sid, span, end, size, body, decoding, masked } => {
            Object::new(out, "message")
                .time(time_us)
                .number("sid", sid)
                .number("at", span.at)
                .number("len", span.len)
                .str("end", end_word(end))
                .size("size", size)
                .sizes("cuts", &span.cuts)
                .str("decoding", decoding)
                .body(body)
                .flag("shortened", body.len() < size)
                .flag("masked", masked)
                .end();
        }
        Seen::Refused { time_us, sid, span, why } => Object::new(out, "message")
            .time(time_us)
            .number("sid", sid)
            .number("at", span.at)
            .number("len", span.len)
            .str("refused", why)
            .end(),
        Seen::Write { time_us, sid, len, messages, blocked } => Object::new(out, "write")
            .time(time_us)
            .number("sid", sid)
            .size("len", len)
            .maybe_str("room", messages.map(|(room, ..)| room))
            .maybe_number("from", messages.map(|(_, from, _)| from))
            .maybe_number("to", messages.map(|(.., to)| to))
            .flag("blocked", blocked)
            .end(),
        Seen::Gap { time_us, sid, room, from, to } => Object::new(out, "gap")
            .time(time_us)
            .number("sid", sid)
            .str("room", room)
            .number("from", from)
            .number("to", to)
            .str("cause", "slow")
            .end(),
        Seen::Close { time_us, sid } => {
            Object::new(out, "close").time(time_us).number("sid", sid).end();
        }
        Seen::Lost { count } => Object::new(out, "lost").number("count", count).end(),
    }
}

/// The word for why a message ended where it did; it never changes.
fn end_word(end: End) -> &'static str {
    match end {
        End::Newline => "newline",
        End::Pause => "pause",
        End::Eof => "eof",
        End::Read => "read",
        End::Length => "length",
        End::Nul => "nul",
        End::Text => "text",
        End::Binary => "binary",
        End::Datagram => "datagram",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::{MemberRow, RoomRow, Span};

    /// 2026-11-23T09:41:07.120Z.
    const MORNING_US: u64 = 1_795_426_867_120_000;

    fn written(seen_: &Seen<'_>) -> String {
        let mut out = Vec::new();
        seen(&mut out, seen_);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn the_wire_is_told_in_the_order_of_the_keys() {
        let (time_us, sid) = (MORNING_US, 3);
        let rooms = ["lobby".to_owned()];
        let span = &Span { at: 120, len: 15, cuts: vec![3, 9] };
        let message = |body, size, masked| Seen::Message {
            time_us,
            sid,
            span,
            end: End::Newline,
            size,
            body,
            decoding: "utf-8",
            masked,
        };
        for (event, line) in [
            (
                Seen::Open {
                    time_us,
                    sid,
                    name: "al\"ice",
                    transport: "tcp",
                    address: "127.0.0.1:50000",
                    rooms: &rooms,
                    at: 120,
                },
                r#"{"ev":"open","ts":"2026-11-23T09:41:07.120Z","sid":3,"name":"al\"ice","transport":"tcp","address":"127.0.0.1:50000","rooms":["lobby"],"at":120}"#,
            ),
            (
                Seen::Read { time_us, sid, at: 120, len: 9 },
                r#"{"ev":"read","ts":"2026-11-23T09:41:07.120Z","sid":3,"at":120,"len":9}"#,
            ),
            (
                message(b"bonjour", 7, false),
                r#"{"ev":"message","ts":"2026-11-23T09:41:07.120Z","sid":3,"at":120,"len":15,"end":"newline","size":7,"cuts":[3,9],"decoding":"utf-8","text":"bonjour"}"#,
            ),
            (
                message(b"caf\xe9", 900, true),
                r#"{"ev":"message","ts":"2026-11-23T09:41:07.120Z","sid":3,"at":120,"len":15,"end":"newline","size":900,"cuts":[3,9],"decoding":"utf-8","b64":"Y2Fm6Q==","shortened":true,"masked":true}"#,
            ),
            (
                Seen::Refused { time_us, sid, span, why: "too-long" },
                r#"{"ev":"message","ts":"2026-11-23T09:41:07.120Z","sid":3,"at":120,"len":15,"refused":"too-long"}"#,
            ),
            (
                Seen::Write {
                    time_us,
                    sid,
                    len: 120,
                    messages: Some(("lobby", 12, 15)),
                    blocked: true,
                },
                r#"{"ev":"write","ts":"2026-11-23T09:41:07.120Z","sid":3,"len":120,"room":"lobby","from":12,"to":15,"blocked":true}"#,
            ),
            (
                Seen::Write { time_us, sid, len: 0, messages: None, blocked: false },
                r#"{"ev":"write","ts":"2026-11-23T09:41:07.120Z","sid":3,"len":0}"#,
            ),
            (
                Seen::Gap { time_us, sid, room: "lobby", from: 3, to: 39 },
                r#"{"ev":"gap","ts":"2026-11-23T09:41:07.120Z","sid":3,"room":"lobby","from":3,"to":39,"cause":"slow"}"#,
            ),
            (
                Seen::Close { time_us, sid },
                r#"{"ev":"close","ts":"2026-11-23T09:41:07.120Z","sid":3}"#,
            ),
            (Seen::Lost { count: 17 }, r#"{"ev":"lost","count":17}"#),
        ] {
            assert_eq!(written(&event), line);
        }
    }

    #[test]
    fn the_hub_is_told_with_its_rooms_and_members() {
        let member = MemberRow {
            sid: 3,
            name: "alice".into(),
            transport: "tcp",
            address: "127.0.0.1:50000".into(),
            since_s: 12,
            rooms: vec!["lobby".into(), "jardin".into()],
            lag: 2,
            bytes_in: 123,
            bytes_out: 456,
            missed: 0,
            refused: 1,
            watched: 0,
            slow: false,
        };
        let slow =
            MemberRow { sid: 4, watched: 2, slow: true, rooms: Vec::new(), ..member.clone() };
        let room = RoomRow { room: "lobby".into(), members: 2, seq: 42 };
        let mut out = Vec::new();
        let told = Hub {
            time_us: MORNING_US,
            up_s: 60,
            members: 2,
            rooms: 1,
            messages: 1,
            deliveries: 2,
            bytes_in: 3,
            bytes_out: 4,
            missed: 5,
            refused: 6,
            kept_bytes: 7,
            transports: &[("tcp", 2), ("ws", 0)],
            room_list: &[room],
            member_list: &[member, slow],
        };
        hub(&mut out, &told);
        assert_eq!(
            String::from_utf8(out).expect("JSON is UTF-8"),
            concat!(
                r#"{"ev":"hub","ts":"2026-11-23T09:41:07.120Z","up_s":60,"members":2,"rooms":1,"messages":1,"deliveries":2,"#,
                r#""bytes_in":3,"bytes_out":4,"missed":5,"refused":6,"kept_bytes":7,"transports":{"tcp":2,"ws":0},"#,
                r#""room_list":[{"room":"lobby","members":2,"seq":42}],"#,
                r#""member_list":[{"sid":3,"name":"alice","transport":"tcp","address":"127.0.0.1:50000","since_s":12,"#,
                r#""rooms":["lobby","jardin"],"lag":2,"in":123,"out":456,"missed":0,"refused":1},"#,
                r#"{"sid":4,"name":"alice","transport":"tcp","address":"127.0.0.1:50000","since_s":12,"#,
                r#""rooms":[],"lag":2,"in":123,"out":456,"missed":0,"refused":1,"watched":2,"slow":true}]}"#,
            )
        );
    }
}
