//! The lines of a room's state, as members set them and as they are sent, in text and in json.

use std::io::Write;

use memchr::memmem;

use super::followers::Transport;

/// The key by which a generator finds out who follows already.
const BARRIER: &str = "barrier";

/// What a member was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The value of a member's key: the clock when it was set, and how many it had set before.
    Value { key: usize, clock_us: u64, count: u64 },
    /// The key that is set until everybody follows.
    Barrier,
    /// A notice, an answer.
    Other,
}

/// Appends what sets a member's key.
pub(super) fn set(out: &mut Vec<u8>, transport: Transport, key: usize, clock_us: u64, count: u64) {
    match transport {
        Transport::Tcp => put(out, format_args!("/set bot-{key}#{count} {clock_us},{count}\n")),
        Transport::Udp => put(
            out,
            format_args!(
                r#"{{"op":"set","key":"bot-{key}","v":{count},"text":"{clock_us},{count}"}}"#
            ),
        ),
    }
}

/// Appends what sets the key that everybody should see.
pub(super) fn barrier(out: &mut Vec<u8>, transport: Transport) {
    match transport {
        Transport::Tcp => put(out, format_args!("/set {BARRIER} x\n")),
        Transport::Udp => put(out, format_args!(r#"{{"op":"set","key":"{BARRIER}","text":"x"}}"#)),
    }
}

fn put(out: &mut Vec<u8>, words: std::fmt::Arguments<'_>) {
    out.write_fmt(words).expect("a Vec takes every write");
}

/// Reads one line, without its newline.
pub(super) fn read(transport: Transport, line: &[u8]) -> Line {
    let parts = match transport {
        Transport::Tcp => text(line),
        Transport::Udp => json(line),
    };
    let Some((key, value)) = parts else { return Line::Other };
    if key.starts_with(BARRIER.as_bytes()) {
        return Line::Barrier;
    }
    let number = |bytes| number(bytes).map(|(number, _)| number);
    let read = || {
        let key = usize::try_from(number(key.strip_prefix(b"bot-")?)?).ok()?;
        let comma = value.iter().position(|&byte| byte == b',')?;
        let (clock_us, count) = (number(value)?, number(&value[comma + 1..])?);
        Some(Line::Value { key, clock_us, count })
    };
    read().unwrap_or(Line::Other)
}

/// `=KEY= VALUE`.
fn text(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let key = line.strip_prefix(b"=")?;
    let end = key.iter().position(|&byte| byte == b'=')?;
    Some((&key[..end], key.get(end + 2..)?))
}

/// `{"ev":"state",…,"key":"KEY",…,"text":"VALUE"}`, both from their first octet on.
fn json(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_prefix(br#"{"ev":"state","#)?;
    let after = |line: &'_ [u8], name: &[u8]| memmem::find(line, name).map(|at| at + name.len());
    let rest = &line[after(line, br#""key":""#)?..];
    Some((rest, &rest[after(rest, br#""text":""#)?..]))
}

/// The number that stands first, and how many digits it has.
fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let add = |sum: u64, byte: &u8| sum.checked_mul(10)?.checked_add(u64::from(byte - b'0'));
    let sum = bytes[..digits].iter().try_fold(0, add)?;
    (digits > 0).then_some((sum, digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_in_both_formats() {
        let value = Line::Value { key: 17, clock_us: 123_456, count: 9 };
        assert_eq!(read(Transport::Tcp, b"=bot-17= 123456,9"), value);
        let json = br#"{"ev":"state","room":"arena","seq":4,"key":"bot-17","v":9,"from":"client-3","sid":3,"ts":"2026-11-23T09:41:07.120Z","text":"123456,9"}"#;
        assert_eq!(read(Transport::Udp, json), value);
    }

    #[test]
    fn what_is_no_value_is_told_from_one() {
        assert_eq!(read(Transport::Tcp, b"=barrier= x"), Line::Barrier);
        let barrier = br#"{"ev":"state","room":"arena","seq":1,"key":"barrier","text":"x"}"#;
        assert_eq!(read(Transport::Udp, barrier), Line::Barrier);
        for other in [&b"* 3"[..], b"", b"=", b"=bot-1=", b"=bot-x= 1,2", b"=bot-1= 12"] {
            assert_eq!(read(Transport::Tcp, other), Line::Other, "{other:?}");
        }
        assert_eq!(read(Transport::Udp, br#"{"ev":"ack","op":"get","count":3}"#), Line::Other);
    }

    #[test]
    fn what_is_set_is_a_command_or_an_op() {
        let said = |transport| {
            let mut out = Vec::new();
            set(&mut out, transport, 3, 250, 8);
            String::from_utf8(out).expect("it is ASCII")
        };
        assert_eq!(said(Transport::Tcp), "/set bot-3#8 250,8\n");
        assert_eq!(said(Transport::Udp), r#"{"op":"set","key":"bot-3","v":8,"text":"250,8"}"#);
    }
}
