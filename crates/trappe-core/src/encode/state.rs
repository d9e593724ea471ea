//! Values of a room's state, as they wait to be written to one kind of member (PROTOCOL §6).

use super::{Look, Wire, datagram, json, raw, text, ws};
use crate::{
    command::Format, event::Event, limits::DATAGRAM_BYTES, reply::To, room::state::Value,
    words::say,
};

/// Values one after the other. For datagrams several share one, as many as fit, each on a line of its own; in raw format
/// each has its own, since a body may hold line breaks.
pub(crate) struct Values<'a> {
    look: Look,
    room: &'a str,
    out: Vec<u8>,
    /// Lines of the datagram that is being filled.
    lines: Vec<u8>,
}

impl<'a> Values<'a> {
    pub(crate) fn new(look: Look, room: &'a str) -> Values<'a> {
        Values { look, room, out: Vec::new(), lines: Vec::new() }
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len() + self.lines.len()
    }

    /// One value more; `id` is that of the op which asked for it.
    pub(crate) fn add(&mut self, value: &Value, id: Option<u64>) {
        let look = self.look;
        if look.format == Format::Raw {
            let body = [b"=", value.key.as_str().as_bytes(), b"= ", &value.body[..]].concat();
            if look.wire == Wire::Datagram {
                // Raw has no word for what it misses.
                if body.len() <= DATAGRAM_BYTES {
                    datagram(&mut self.out, &body);
                }
                return;
            }
            return raw(&mut self.out, look.key(), &body);
        }
        let mut line = Vec::new();
        if look.is_json() {
            let Value { seq, ref key, version, ref from, time_us, ref body } = *value;
            let (room, key) = (self.room, key.as_str());
            let event = Event::State { room, seq, key, version, from, time_us, body, id };
            json::event(&mut line, &event);
            line.push(b'\n');
        } else {
            text::state(&mut line, value.key.as_str(), &value.body);
        }
        match look.wire {
            Wire::WebSocket => {
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                ws::frame(&mut self.out, ws::Opcode::Text, line);
            }
            Wire::Datagram => {
                if self.lines.len() + line.len() > DATAGRAM_BYTES {
                    self.flush();
                }
                if line.len() > DATAGRAM_BYTES {
                    return self.too_long(value, line.len(), id);
                }
                self.lines.append(&mut line);
            }
            // No stream of events follows a state: it has no way to ask.
            Wire::Stream | Wire::Events => self.out.append(&mut line),
        }
    }

    /// A value that fits into no datagram: its key is told, so that it can be asked for otherwise.
    fn too_long(&mut self, value: &Value, bytes: usize, id: Option<u64>) {
        let (look, key) = (self.look, value.key.as_str());
        let args = [("key", key.into()), ("bytes", bytes.into()), ("limit", DATAGRAM_BYTES.into())];
        To { look, op: None, id }.error(&mut self.out, "mtu", &say(look.lang, "mtu-state", &args));
    }

    fn flush(&mut self) {
        if !self.lines.is_empty() {
            datagram(&mut self.out, &self.lines);
            self.lines.clear();
        }
    }

    /// All of them.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.flush();
        self.out
    }
}

impl Look {
    /// The value of a key, to who has asked for it by the op `id`.
    pub fn state(self, out: &mut Vec<u8>, room: &str, value: &Value, id: Option<u64>) {
        let mut values = Values::new(self, room);
        values.add(value, id);
        out.append(&mut values.finish());
    }
}
