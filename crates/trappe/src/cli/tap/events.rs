//! A stream of Server-Sent Events (WHATWG HTML §9.2), as far as a hub uses it: each event is one line of `data:`, and comments
//! are signs of life. Nothing is held beyond a bound.

use serde_json::Value;

/// The longest line. A hub's are a few KiB: 4 KiB of a body, escaped, and 256 numbers.
pub(super) const LINE_BYTES: usize = 1 << 20;

/// This is no stream of a hub's: a line without end, or one that is no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Strange;

/// What has come of a stream.
#[derive(Debug, Default)]
pub(super) struct Events {
    held: Vec<u8>,
    /// What is taken of it already …
    taken: usize,
    /// … and searched for the end of a line.
    searched: usize,
}

impl Events {
    /// Takes what came, however it was cut.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next event that is whole: its text, one line of JSON, and what it says.
    ///
    /// # Errors
    /// [`Strange`], after which there is nothing more to be had.
    pub(super) fn next(&mut self) -> Result<Option<(Vec<u8>, Value)>, Strange> {
        while let Some(at) = memchr::memchr(b'\n', &self.held[self.searched..]) {
            let end = self.searched + at;
            let line = &self.held[self.taken..end];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            (self.taken, self.searched) = (end + 1, end + 1);
            if line.len() > LINE_BYTES {
                return Err(Strange);
            }
            let Some(data) = line.strip_prefix(b"data:") else {
                // Comments, ends of events, and what we have no use for.
                continue;
            };
            let text = data.trim_ascii();
            return match serde_json::from_slice(text) {
                // A line break would be allowed between two values, but then it's no line of its own.
                Ok(event @ Value::Object(_)) if !text.contains(&b'\r') => {
                    Ok(Some((text.to_vec(), event)))
                }
                _ => Err(Strange),
            };
        }
        self.searched = self.held.len();
        if self.held.len() - self.taken > LINE_BYTES { Err(Strange) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All events of a stream that comes in `pieces`, as they are written; `strange` at the end of one that is none.
    fn events<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
        let (mut events, mut found) = (Events::default(), Vec::new());
        for piece in pieces {
            events.push(piece);
            loop {
                match events.next() {
                    Ok(Some((text, event))) => {
                        assert_eq!(serde_json::from_slice::<Value>(&text).ok(), Some(event));
                        found.push(String::from_utf8(text).expect("JSON is UTF-8"));
                    }
                    Ok(None) => break,
                    Err(Strange) => {
                        found.push("strange".to_owned());
                        return found;
                    }
                }
            }
            assert!(events.held.len() - events.taken <= LINE_BYTES);
        }
        found
    }

    #[test]
    fn each_line_of_data_is_an_event_and_the_rest_is_passed_over() {
        let table: [(&[u8], &[&str]); 9] = [
            (b":\n\ndata: {\"ev\":\"x\"}\n\n: y\ndata:{}\r\n\r\n", &["{\"ev\":\"x\"}", "{}"]),
            (b"id: 1\nevent: z\nretry: 5\n\ndata: {}\n", &["{}"]),
            (b"data: {}", &[]),
            (b"data: {\"a\":\"\xc3\xa9\"}\n\n", &["{\"a\":\"é\"}"]),
            (b"data: {}\ndata: 1\ndata: {}\n", &["{}", "strange"]),
            (b"data: \n", &["strange"]),
            (b"data: [\"ev\"]\n", &["strange"]),
            (b"data: {\"a\":\r1}\n", &["strange"]),
            (b"data: {\"a\":\"\xff\"}\n", &["strange"]),
        ];
        for (stream, expected) in table {
            assert_eq!(events([stream]), expected, "{}", stream.escape_ascii());
        }
    }

    #[test]
    fn a_line_without_end_is_no_event() {
        let piece = vec![b'x'; 100_000];
        assert_eq!(events(std::iter::repeat_n(&piece[..], 20)), ["strange"]);
        let long = [&b"data: \""[..], &vec![b'x'; LINE_BYTES], b"\"\n"].concat();
        assert_eq!(events([&long[..]]), ["strange"]);
    }

    proptest! {
        #[test]
        fn no_cut_changes_an_event(
            lines in proptest::collection::vec("(data: \\{\"a\":[0-9]{1,3}\\}|:|x|)\r?\n", 0..12),
            cuts in proptest::collection::vec(1_usize..9, 1..40),
        ) {
            let stream = lines.concat().into_bytes();
            let (mut pieces, mut rest) = (Vec::new(), &stream[..]);
            for cut in cuts.iter().cycle() {
                let (piece, after) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = after;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(events(pieces), events([&stream[..]]));
        }

        #[test]
        fn whatever_comes_is_an_event_or_strange(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..9),
        ) {
            events(pieces.iter().map(Vec::as_slice));
        }
    }
}
