//! The wires that the load generator speaks: what a client says first, and how a payload is sent.
//!
//! A payload is a mark, the sender and its count in hexadecimal, then `x` up to its length. No wire here makes a mark of
//! its own, so deliveries are counted by counting marks, whatever a server writes around them.

use std::io::Write;

/// The mark of a message that counts.
pub(super) const MESSAGE: u8 = b'^';
/// The mark of a message that only shows who hears the room.
pub(super) const BARRIER: u8 = b'~';
/// Mark, 4 digits of the sender, 8 of its count.
pub(super) const HEAD_BYTES: usize = 13;

/// A protocol of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// Lines to everyone: trappe, ncat.
    Line,
    /// The NATS client protocol, without echo.
    Nats,
    /// Redis pub/sub; a subscriber can't publish there, so senders are connections of their own.
    Redis,
    /// MQTT 5 at `QoS` 0, "no local".
    Mqtt,
}

impl Wire {
    /// Whether those who send are other connections than those who listen.
    pub(super) fn separate_senders(self) -> bool {
        self == Self::Redis
    }

    /// What a member says once it is connected.
    pub(super) fn hello(self, number: usize) -> Vec<u8> {
        match self {
            Self::Line => Vec::new(),
            Self::Nats => {
                b"CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\nSUB bench 1\r\n"
                    .to_vec()
            }
            Self::Redis => b"SUBSCRIBE bench\r\n".to_vec(),
            Self::Mqtt => {
                let id = format!("{number:06}");
                // CONNECT (MQTT 5 §3.1): clean start, no keep-alive, no properties, an id of 6 bytes.
                let mut said = vec![0x10, 19, 0, 4, b'M', b'Q', b'T', b'T', 5, 2, 0, 0, 0, 0, 6];
                said.extend_from_slice(id.as_bytes());
                // SUBSCRIBE (§3.8) to `bench` with "no local" (§3.8.3.1).
                said.extend_from_slice(&[0x82, 11, 0, 1, 0, 0, 5, b'b', b'e', b'n', b'c', b'h', 4]);
                said
            }
        }
    }

    /// Appends one message of `bytes` octets (on a line wire: with its newline).
    pub(super) fn message(
        self,
        out: &mut Vec<u8>,
        bytes: usize,
        mark: u8,
        sender: usize,
        count: u64,
    ) {
        let body = bytes.saturating_sub(1).max(HEAD_BYTES);
        match self {
            Self::Line => {}
            Self::Nats => put(out, format_args!("PUB bench {body}\r\n")),
            Self::Redis => out.extend_from_slice(b"PUBLISH bench "),
            Self::Mqtt => {
                out.push(0x30);
                variable_length(out, body + 8);
                out.extend_from_slice(&[0, 5, b'b', b'e', b'n', b'c', b'h', 0]);
            }
        }
        let begin = out.len();
        out.push(mark);
        put(out, format_args!("{:04x}{:08x}", sender & 0xffff, count & 0xffff_ffff));
        out.resize(begin + body, b'x');
        match self {
            Self::Line => out.push(b'\n'),
            Self::Nats | Self::Redis => out.extend_from_slice(b"\r\n"),
            Self::Mqtt => {}
        }
    }
}

fn put(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a Vec takes every write");
}

/// MQTT's remaining length (§1.5.5): seven bits a byte, the lowest first.
fn variable_length(out: &mut Vec<u8>, mut left: usize) {
    loop {
        let low = u8::try_from(left & 0x7f).expect("seven bits fit into a byte");
        left >>= 7;
        out.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            return;
        }
    }
}

/// How often a mark occurs; in pieces of 255 so that a byte-wide sum can't overflow and the loop becomes vectors.
pub(super) fn count(bytes: &[u8], mark: u8) -> u64 {
    bytes
        .chunks(255)
        .map(|piece| u64::from(piece.iter().fold(0_u8, |sum, &b| sum + u8::from(b == mark))))
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wire_frames_a_message_of_the_same_body() {
        let body = format!("^{:04x}{:08x}{}", 3, 7, "x".repeat(50));
        let cases = [
            (Wire::Line, format!("{body}\n").into_bytes()),
            (Wire::Nats, format!("PUB bench 63\r\n{body}\r\n").into_bytes()),
            (Wire::Redis, format!("PUBLISH bench {body}\r\n").into_bytes()),
            (Wire::Mqtt, [b"\x30\x47\x00\x05bench\x00".as_slice(), body.as_bytes()].concat()),
        ];
        for (wire, expected) in cases {
            let mut out = Vec::new();
            wire.message(&mut out, 64, MESSAGE, 3, 7);
            assert_eq!(out, expected, "{wire:?}");
            assert_eq!(count(&out, MESSAGE), 1);
            assert_eq!(count(&wire.hello(12), MESSAGE) + count(&wire.hello(12), BARRIER), 0);
        }
    }

    #[test]
    fn marks_are_counted_past_every_piece() {
        let bytes = vec![MESSAGE; 100_000];
        assert_eq!(count(&bytes, MESSAGE), 100_000);
        assert_eq!(count(&bytes, BARRIER), 0);
    }

    #[test]
    fn a_length_of_mqtt_takes_a_second_byte_from_128_on() {
        for (length, expected) in
            [(0, vec![0]), (127, vec![0x7f]), (128, vec![0x80, 1]), (16_383, vec![0xff, 0x7f])]
        {
            let mut out = Vec::new();
            variable_length(&mut out, length);
            assert_eq!(out, expected);
        }
    }
}
