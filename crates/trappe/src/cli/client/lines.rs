//! Lines out of a stream that is cut anywhere, within a bound.

/// The longest line that is kept whole; a longer one is given in pieces.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;

/// Puts a stream's lines together.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
    /// What is held goes on a line whose beginning was given already.
    goes_on: bool,
}

/// A line, or a piece of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// The bytes, with the newline where there is one.
    pub(super) bytes: Vec<u8>,
    /// Whether the line begins here.
    pub(super) begins: bool,
}

impl Line {
    /// The line's text without its end, if it begins with `prefix`.
    pub(super) fn after(&self, prefix: &str) -> Option<&[u8]> {
        let text = self.bytes.strip_suffix(b"\n").unwrap_or(&self.bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if self.begins { text.strip_prefix(prefix.as_bytes()) } else { None }
    }
}

impl Lines {
    /// Takes what came; lines are then to be had from [`next`](Self::next).
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next line that is complete, or the beginning of one that is too long.
    pub(super) fn next(&mut self) -> Option<Line> {
        let end = match self.held.iter().position(|&byte| byte == b'\n') {
            Some(newline) => newline + 1,
            None if self.held.len() > LINE_BYTES_MAX => self.held.len(),
            None => return None,
        };
        let bytes: Vec<u8> = self.held.drain(..end).collect();
        let begins = !self.goes_on;
        self.goes_on = bytes.last() != Some(&b'\n');
        Some(Line { bytes, begins })
    }

    /// What is left, a line without an end.
    pub(super) fn rest(&mut self) -> Option<Line> {
        let begins = !self.goes_on;
        self.goes_on = !self.held.is_empty();
        let bytes = std::mem::take(&mut self.held);
        (!bytes.is_empty()).then_some(Line { bytes, begins })
    }

    /// Whether the beginning of a line is held.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_lines() {
        let stream = "! non\r\n\n* pong x\nreste".as_bytes();
        for cut in 0..=stream.len() {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for piece in [&stream[..cut], &stream[cut..]] {
                lines.push(piece);
                while let Some(line) = lines.next() {
                    assert!(line.begins);
                    got.push(line.bytes);
                }
            }
            got.extend(lines.rest().map(|line| line.bytes));
            assert_eq!(got, [&b"! non\r\n"[..], b"\n", b"* pong x\n", b"reste"], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_in_pieces_and_only_its_first_begins_it() {
        let mut lines = Lines::default();
        lines.push(b"! ");
        lines.push(&vec![b'x'; LINE_BYTES_MAX]);
        let first = lines.next().expect("it is over the bound");
        assert!(first.begins && !lines.holds());
        lines.push(b"! y\n! z\n");
        let second = lines.next().expect("its end came");
        assert_eq!((second.after("! "), second.begins), (None, false));
        let third = lines.next().expect("a line of its own");
        assert_eq!(third.after("! "), Some(&b"z"[..]));
    }
}
