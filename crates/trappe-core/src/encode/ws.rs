//! WebSocket frames from the server (RFC 6455 §5.2): never masked, never fragmented.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A message that is UTF-8.
    Text = 1,
    /// A message of any bytes.
    Binary = 2,
    /// The end of the connection.
    Close = 8,
    /// Asks for a sign of life.
    Ping = 9,
}

/// The longest payload of a control frame (RFC 6455 §5.5).
const CONTROL_BYTES: usize = 125;

/// Appends one whole frame.
pub fn frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    const FINAL: u8 = 0x80;
    out.reserve(payload.len() + 10);
    out.push(FINAL | opcode as u8);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short @ ..=125), _) => out.push(short),
        (_, Ok(len)) => {
            out.push(126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// A message as it came: a text frame if it is UTF-8, else a binary one.
pub fn message(out: &mut Vec<u8>, body: &[u8]) {
    let text = std::str::from_utf8(body).is_ok();
    frame(out, if text { Opcode::Text } else { Opcode::Binary }, body);
}

/// A close frame with its status code (RFC 6455 §7.4.1) and a reason, which is cut where it would be too long.
pub fn close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let mut end = reason.len().min(CONTROL_BYTES - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let payload = [&code.to_be_bytes()[..], &reason.as_bytes()[..end]].concat();
    frame(out, Opcode::Close, &payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_as_few_bytes_as_it_can() {
        let table: [(usize, &[u8]); 6] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (1 << 20, &[0x82, 127, 0, 0, 0, 0, 0, 16, 0, 0]),
        ];
        for (len, header) in table {
            let mut out = Vec::new();
            frame(&mut out, Opcode::Binary, &vec![7; len]);
            assert_eq!(&out[..header.len()], header, "{len}");
            assert_eq!(out.len(), header.len() + len);
        }
    }

    #[test]
    fn a_message_is_text_only_if_it_is_utf8() {
        for (body, first) in [(&b"caf\xc3\xa9"[..], 0x81), (b"caf\xe9", 0x82), (b"", 0x81)] {
            let mut out = Vec::new();
            message(&mut out, body);
            assert_eq!(out[0], first, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_between_characters() {
        let mut out = Vec::new();
        close(&mut out, 1001, &"é".repeat(100));
        assert_eq!(out[..4], [0x88, 124, 0x03, 0xe9]);
        assert!(std::str::from_utf8(&out[4..]).is_ok());
    }
}
