//! How a message is sent to each store, and how its acknowledgement is told from everything else.

use std::io::Write;

use anyhow::{Context, Result, bail, ensure};
use memchr::{memchr, memmem};

use super::super::MESSAGE_BYTES;

/// Octets of a message's body: one less than a line with its newline.
pub(super) const BODY_BYTES: usize = MESSAGE_BYTES - 1;
/// Where messages go: the list, the stream, the subject.
const PLACE: &str = "bench";

/// A way to have something stored and be told when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wire {
    /// trappe, text over TCP, with `/ack on`: `+ack EPOCH@SEQ` for each line.
    Text,
    /// trappe, JSON over TCP, with ids: an `ack` for each `send`.
    Json,
    /// Redis, a list.
    Rpush,
    /// Redis, a stream.
    Xadd,
    /// A stream of NATS: the answer to a message published with an inbox.
    JetStream,
}

/// What one sender has heard so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) acks: u64,
    /// The place of the last message that was acknowledged.
    pub(super) last: u64,
    /// What NATS wants answered.
    pub(super) pings: u64,
}

/// What a line means.
enum Line {
    /// The message at this place is stored.
    Ack(u64),
    Ping,
    /// So many bytes and an end of line follow, which are part of it.
    Payload(usize),
    Other,
}

impl Wire {
    /// What a sender says first: then it speaks in this room, if the wire has rooms, and is acknowledged.
    pub(super) fn hello(self, sender: usize, room: usize) -> Vec<u8> {
        match self {
            Self::Text => format!("/join {PLACE}-{room}\n/ack on\n").into_bytes(),
            Self::Json => format!("/join {PLACE}-{room}\n/format json\n").into_bytes(),
            Self::Rpush | Self::Xadd => Vec::new(),
            Self::JetStream => format!(
                "CONNECT {{\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}}\r\n\
                 SUB _INBOX.{sender}.* 1\r\n"
            )
            .into_bytes(),
        }
    }

    /// Appends the message with this number, counted from 1.
    pub(super) fn message(self, out: &mut Vec<u8>, sender: usize, number: u64) {
        match self {
            Self::Text => {}
            Self::Json => put(out, format_args!("{{\"op\":\"send\",\"id\":{number},\"text\":\"")),
            Self::Rpush => {
                put(out, format_args!("*3\r\n$5\r\nRPUSH\r\n$5\r\n{PLACE}\r\n${BODY_BYTES}\r\n"));
            }
            Self::Xadd => put(
                out,
                format_args!(
                    "*5\r\n$4\r\nXADD\r\n$5\r\n{PLACE}\r\n$1\r\n*\r\n$1\r\nm\r\n${BODY_BYTES}\r\n"
                ),
            ),
            Self::JetStream => {
                put(out, format_args!("PUB {PLACE} _INBOX.{sender}.{number} {BODY_BYTES}\r\n"));
            }
        }
        let begin = out.len();
        put(out, format_args!("^{:04x}{:08x}", sender & 0xffff, number & 0xffff_ffff));
        out.resize(begin + BODY_BYTES, b'x');
        out.extend_from_slice(match self {
            Self::Text => b"\n",
            Self::Json => b"\"}\n",
            Self::Rpush | Self::Xadd | Self::JetStream => b"\r\n",
        });
    }

    /// Takes in what is whole of `bytes`, and gives how much that was. What is refused is an error: it won't be stored.
    pub(super) fn take(self, bytes: &[u8], heard: &mut Heard) -> Result<usize> {
        let mut at = 0;
        while let Some(end) = memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..at + end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let mut next = at + end + 1;
            let mut read = self.line(line)?;
            if let Line::Payload(length) = read {
                let Some(payload) = bytes.get(next..next + length + 2) else { break };
                next += length + 2;
                read = Line::Ack(stored(payload)?);
            }
            match read {
                Line::Ack(place) => {
                    ensure!(
                        place > heard.last,
                        "place {place} was acknowledged after {}",
                        heard.last
                    );
                    heard.last = place;
                    heard.acks += 1;
                }
                Line::Ping => heard.pings += 1,
                Line::Payload(_) | Line::Other => {}
            }
            at = next;
        }
        Ok(at)
    }

    fn line(self, line: &[u8]) -> Result<Line> {
        match self {
            Self::Text => match line {
                [b'+', b'a', b'c', b'k', b' ', position @ ..] => {
                    let at = memchr(b'@', position).context("an acknowledgement without `@`")?;
                    number(&position[at + 1..]).map(Line::Ack)
                }
                [b'!', ..] => bail!("refused: {}", shown(line)),
                _ => Ok(Line::Other),
            },
            Self::Json if line.starts_with(b"{\"ev\":\"ack\"") => match after(line, b"\"seq\":") {
                Some(rest) => number(rest).map(Line::Ack),
                None => Ok(Line::Other),
            },
            Self::Json if line.starts_with(b"{\"ev\":\"error\"") => {
                bail!("refused: {}", shown(line))
            }
            Self::Json => Ok(Line::Other),
            Self::Rpush | Self::Xadd => match line {
                [b'-', ..] => bail!("refused: {}", shown(line)),
                [b':', length @ ..] => number(length).map(Line::Ack),
                // An id of a stream, MILLISECONDS-NUMBER; before it, its length.
                [b'0'..=b'9', ..] => {
                    let dash = memchr(b'-', line).context("an id of a stream without `-`")?;
                    let within = number(&line[dash + 1..])?;
                    ensure!(within < 1 << 20, "more than 2^20 messages in a millisecond");
                    Ok(Line::Ack(number(line)? << 20 | within))
                }
                _ => Ok(Line::Other),
            },
            Self::JetStream => match line {
                // No braces before a payload: `MSG SUBJECT SID LENGTH`.
                [b'M', b'S', b'G', b' ', rest @ ..] => {
                    let length = rest.rsplit(|&b| b == b' ').next().unwrap_or_default();
                    Ok(Line::Payload(usize::try_from(number(length)?)?))
                }
                [b'P', b'I', b'N', b'G'] => Ok(Line::Ping),
                // A message with a header is "no responders": nothing stores what is published here.
                [b'H', b'M', b'S', b'G', ..] | [b'-', ..] => bail!("refused: {}", shown(line)),
                _ => Ok(Line::Other),
            },
        }
    }
}

/// The place in the stream, of the answer to a publication.
fn stored(payload: &[u8]) -> Result<u64> {
    let place = after(payload, b"\"seq\":").filter(|_| after(payload, b"\"error\":").is_none());
    number(place.with_context(|| format!("not stored: {}", shown(payload)))?)
}

fn after<'a>(bytes: &'a [u8], needle: &[u8]) -> Option<&'a [u8]> {
    bytes.get(memmem::find(bytes, needle)? + needle.len()..)
}

/// The decimal digits at the beginning.
fn number(bytes: &[u8]) -> Result<u64> {
    let digits: Vec<u64> = bytes
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .take(19)
        .map(|&b| u64::from(b - b'0'))
        .collect();
    ensure!(!digits.is_empty(), "a number was expected: {}", shown(bytes));
    Ok(digits.into_iter().fold(0, |sum, digit| sum * 10 + digit))
}

fn shown(bytes: &[u8]) -> String {
    let shown = bytes.get(..200).unwrap_or(bytes);
    String::from_utf8_lossy(shown).trim_end().to_owned()
}

fn put(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a Vec takes every write");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Wire; 5] = [Wire::Text, Wire::Json, Wire::Rpush, Wire::Xadd, Wire::JetStream];

    #[test]
    fn each_wire_sends_the_same_body() {
        let body = format!("^00030000000c{}", "x".repeat(50));
        assert_eq!(body.len() + 1, BODY_BYTES + 1);
        for (wire, expected) in [
            (Wire::Text, format!("{body}\n")),
            (Wire::Json, format!("{{\"op\":\"send\",\"id\":12,\"text\":\"{body}\"}}\n")),
            (Wire::Rpush, format!("*3\r\n$5\r\nRPUSH\r\n$5\r\nbench\r\n$63\r\n{body}\r\n")),
            (
                Wire::Xadd,
                format!(
                    "*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\nm\r\n$63\r\n{body}\r\n"
                ),
            ),
            (Wire::JetStream, format!("PUB bench _INBOX.3.12 63\r\n{body}\r\n")),
        ] {
            let mut out = Vec::new();
            wire.message(&mut out, 3, 12);
            assert_eq!(String::from_utf8(out).expect("ASCII"), expected, "{wire:?}");
        }
    }

    /// What each store says after two messages, with what else it says.
    fn said(wire: Wire) -> &'static str {
        match wire {
            Wire::Text => {
                "* bench-1\n<client-2> +ack a@9\n+ack 7f3ak2m9qd@41\n* x\n+ack 7f3ak2m9qd@43\n"
            }
            Wire::Json => {
                "* bench-1\n{\"ev\":\"ack\",\"op\":\"format\"}\n\
                 {\"ev\":\"ack\",\"room\":\"bench-1\",\"seq\":41,\"id\":1}\n\
                 {\"ev\":\"msg\",\"room\":\"bench-1\",\"seq\":42}\n\
                 {\"ev\":\"ack\",\"room\":\"bench-1\",\"seq\":43,\"id\":2}\n"
            }
            Wire::Rpush => ":41\r\n:43\r\n",
            Wire::Xadd => "$3\r\n0-41\r\n$3\r\n0-43\r\n",
            Wire::JetStream => {
                "INFO {}\r\nMSG _INBOX.3.1 1 28\r\n{\"stream\":\"BENCH\", \"seq\":41}\r\nPING\r\n\
                 MSG _INBOX.3.2 1 28\r\n{\"stream\":\"BENCH\", \"seq\":43}\r\n"
            }
        }
    }

    #[test]
    fn acknowledgements_are_counted_however_the_stream_is_cut() {
        for wire in ALL {
            let said = said(wire).as_bytes();
            for cut in 0..said.len() {
                let mut heard = Heard::default();
                let first = wire.take(&said[..cut], &mut heard).expect("all is well");
                let rest = wire.take(&said[first..], &mut heard).expect("all is well");
                assert_eq!(first + rest, said.len(), "{wire:?} cut at {cut}");
                assert_eq!((heard.acks, heard.last), (2, 43), "{wire:?} cut at {cut}");
                assert_eq!(heard.pings, u64::from(wire == Wire::JetStream));
            }
        }
    }

    #[test]
    fn what_is_refused_or_comes_twice_ends_the_run() {
        for (wire, said) in [
            (Wire::Text, "! not-stored #3\n"),
            (Wire::Json, "{\"ev\":\"error\",\"code\":\"not-stored\"}\n"),
            (Wire::Rpush, "-MISCONF no disk\r\n"),
            (Wire::JetStream, "HMSG _INBOX.3.1 1 16 16\r\n"),
            (Wire::JetStream, "MSG _INBOX.3.1 1 12\r\n{\"error\":{}}\r\n"),
            (Wire::Text, "+ack a@2\n+ack a@2\n"),
        ] {
            assert!(wire.take(said.as_bytes(), &mut Heard::default()).is_err(), "{said}");
        }
    }
}
