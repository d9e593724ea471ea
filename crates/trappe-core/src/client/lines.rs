//! What comes from the hub, cut into lines; a line has a bound.

use crate::limits::CLIENT_LINE_BYTES;

/// The beginning of a line whose end hasn't come.
#[derive(Debug, Default)]
pub(super) struct Lines {
    partial: Vec<u8>,
}

/// A line is longer than [`CLIENT_LINE_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// The next line of `bytes`, without its end; what is left of them comes with the next call. None: all was taken.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Result<Option<Vec<u8>>, TooLong> {
        let end = memchr::memchr(b'\n', bytes);
        let (now, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
        if self.partial.len() + now.len() > CLIENT_LINE_BYTES {
            return Err(TooLong);
        }
        self.partial.extend_from_slice(now);
        *bytes = rest.get(1..).unwrap_or_default();
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_however_they_are_cut() {
        let text = "un\r\n\ndeux\ntrois";
        for cut in 0..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for mut part in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
                while let Ok(Some(line)) = lines.next(&mut part) {
                    found.push(String::from_utf8(line).expect("text"));
                }
            }
            assert_eq!(found, ["un", "", "deux"], "{cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused_at_its_bound() {
        let mut lines = Lines::default();
        let mut piece = &vec![b'x'; CLIENT_LINE_BYTES][..];
        assert_eq!(lines.next(&mut piece), Ok(None));
        assert_eq!(lines.next(&mut &b"x"[..]), Err(TooLong));
        assert!(lines.next(&mut &b"\n"[..]).is_ok_and(|line| line.is_some()));
    }
}
