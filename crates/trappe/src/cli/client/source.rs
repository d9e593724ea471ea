//! What is said, but for a person's line editor: standard input, or a text that was given.

use std::{
    io::{self, ErrorKind, Read},
    vec,
};

use super::{
    ending::{Ending, Endings},
    lines::Lines,
    talk::{READ_BYTES, Said, Source},
};

/// Texts, each said whole.
#[derive(Debug)]
pub(super) struct Texts(pub(super) vec::IntoIter<Vec<u8>>);

impl Source for Texts {
    fn next(&mut self, said: &mut Vec<u8>) -> Said {
        said.extend(self.0.next().unwrap_or_default());
        if self.0.as_slice().is_empty() { Said::Last } else { Said::Something }
    }
}

/// What another source says, line by line, as datagrams take it: a line that it has begun waits for its end. Of a line
/// that no datagram holds only the beginning is given, which is too long itself.
#[derive(Debug)]
pub(super) struct ByLine<S> {
    inner: S,
    lines: Lines,
    /// How the other source ended.
    end: Option<Said>,
}

impl<S> ByLine<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, lines: Lines::default(), end: None }
    }
}

impl<S: Source> Source for ByLine<S> {
    fn next(&mut self, said: &mut Vec<u8>) -> Said {
        loop {
            // What is left is a line once nothing follows it; and nothing at all where reading broke off.
            let all_read = matches!(self.end, Some(Said::Last));
            let rest = |lines: &mut Lines| if all_read { lines.rest() } else { None };
            match self.lines.next().or_else(|| rest(&mut self.lines)) {
                Some(line) if line.begins => {
                    said.extend(line.bytes);
                    return Said::Something;
                }
                Some(_) => continue,
                None => {}
            }
            if let Some(end) = self.end.take() {
                return end;
            }
            let mut more = Vec::new();
            let end = self.inner.next(&mut more);
            self.lines.push(&more);
            self.end = (!matches!(end, Said::Something)).then_some(end);
        }
    }
}

/// A stream of bytes, said as it comes, exactly; up to a line that ends it, if there is such a line.
#[derive(Debug)]
pub(super) struct Stream<R> {
    input: R,
    endings: Endings,
    buffer: Vec<u8>,
    /// The beginning of a line that may become one that ends it.
    held: Vec<u8>,
    /// What is read next goes on a line that was said in part.
    goes_on: bool,
}

impl<R: Read> Stream<R> {
    pub(super) fn new(input: R, endings: Endings) -> Self {
        let buffer = vec![0; READ_BYTES];
        Self { input, endings, buffer, held: Vec::new(), goes_on: false }
    }

    /// Moves to `said` what may be said of what is held; false once a line has ended it.
    fn sift(&mut self, said: &mut Vec<u8>, at_end: bool) -> bool {
        let mut begin = 0;
        let mut goes_on = true;
        for line in self.held.split_inclusive(|&byte| byte == b'\n') {
            let text = line.strip_suffix(b"\n");
            let complete = text.is_some();
            let text = text.unwrap_or(line);
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            let whole = !self.goes_on && (complete || at_end);
            match if whole { self.endings.of(text) } else { Ending::No } {
                Ending::No => {}
                Ending::Word => goes_on = false,
                Ending::Command => {
                    said.extend_from_slice(line);
                    goes_on = false;
                }
            }
            let waits = !complete && !at_end && !self.goes_on && self.endings.may_become(line);
            if !goes_on || (waits && line.len() < READ_BYTES) {
                break;
            }
            said.extend_from_slice(line);
            begin += line.len();
            self.goes_on = !complete;
        }
        self.held.drain(..begin);
        goes_on
    }
}

impl<R: Read> Source for Stream<R> {
    fn next(&mut self, said: &mut Vec<u8>) -> Said {
        loop {
            let length = match self.input.read(&mut self.buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Said::Unreadable(error),
            };
            if !self.endings.any() {
                said.extend_from_slice(&self.buffer[..length]);
                return if length > 0 { Said::Something } else { Said::Last };
            }
            self.held.extend_from_slice(&self.buffer[..length]);
            if !self.sift(said, length == 0) || length == 0 {
                return Said::Last;
            }
            if !said.is_empty() {
                return Said::Something;
            }
        }
    }
}

/// Standard input.
pub(super) fn stdin(endings: Endings) -> Stream<io::Stdin> {
    Stream::new(io::stdin(), endings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::udp::DATAGRAM_BYTES_MAX;

    /// Gives what it holds in these pieces.
    struct Pieces(Vec<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn all_said(pieces: Vec<Vec<u8>>, endings: &Endings) -> Vec<u8> {
        let mut stream = Stream::new(Pieces(pieces), endings.clone());
        let mut all = Vec::new();
        loop {
            let mut said = Vec::new();
            let more = stream.next(&mut said);
            all.append(&mut said);
            match more {
                Said::Something => {}
                Said::Last => return all,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn bytes_are_said_exactly_up_to_the_line_that_ends_them() {
        let none = Endings::default();
        let word = Endings { word: Some("fin".to_owned()), command: false };
        let terminal = Endings { word: None, command: true };
        let cases: &[(&Endings, &str, &str)] = &[
            (&none, "a\r\nb\n\n/quit\nc", "a\r\nb\n\n/quit\nc"),
            (&word, "a\nfin\nb\n", "a\n"),
            (&word, "a\nfin\r\nb\n", "a\n"),
            (&word, "a\nfin", "a\n"),
            (&word, "a\nfi", "a\nfi"),
            (&word, "enfin\nfinir\nfin fin\n", "enfin\nfinir\nfin fin\n"),
            (&word, "/quit\nb\n", "/quit\nb\n"),
            (&terminal, "a\n/quit à demain\nb\n", "a\n/quit à demain\n"),
            (&terminal, "a/quit\n/quite\n", "a/quit\n/quite\n"),
        ];
        for &(endings, input, said) in cases {
            for cut in 0..=input.len() {
                let (head, tail) = input.as_bytes().split_at(cut);
                let pieces = [head, tail].into_iter().filter(|piece| !piece.is_empty());
                let all = all_said(pieces.map(<[u8]>::to_vec).collect(), endings);
                assert_eq!(String::from_utf8_lossy(&all), said, "{input:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn what_can_end_nothing_is_said_at_once() {
        let endings = Endings { word: Some("fin".to_owned()), command: false };
        let mut stream = Stream::new(Pieces(vec![b"bon".to_vec(), b"jour".to_vec()]), endings);
        let mut said = Vec::new();
        assert!(matches!(stream.next(&mut said), Said::Something));
        assert_eq!(said, b"bon");
    }

    fn lines_of(input: &[u8], cut: usize) -> Vec<Vec<u8>> {
        let (head, tail) = input.split_at(cut);
        let pieces = [head, tail].into_iter().flat_map(|piece| piece.chunks(READ_BYTES));
        let pieces = Pieces(pieces.map(<[u8]>::to_vec).collect());
        let mut by_line = ByLine::new(Stream::new(pieces, Endings::default()));
        let mut all = Vec::new();
        loop {
            let mut said = Vec::new();
            match by_line.next(&mut said) {
                Said::Something => all.push(said),
                Said::Last => return all,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_pipe_is_cut_at_its_lines_wherever_it_was_read() {
        let input = "un\r\n\ndeux\nreste".as_bytes();
        for cut in 0..=input.len() {
            let wanted = [&b"un\r\n"[..], b"\n", b"deux\n", b"reste"];
            assert_eq!(lines_of(input, cut), wanted, "cut at {cut}");
        }
        assert_eq!(lines_of(b"un\n", 0), [b"un\n"]);
        assert!(lines_of(b"", 0).is_empty());
    }

    #[test]
    fn of_a_line_that_no_datagram_holds_the_rest_is_no_line() {
        let long = vec![b'x'; 3 * READ_BYTES];
        let input = [&b"a\n"[..], &long, b"\nb\n", &long].concat();
        for cut in [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 5, 3 * READ_BYTES + 3] {
            let lines = lines_of(&input, cut);
            let [first, second, third, fourth] = &lines[..] else { panic!("{}", lines.len()) };
            assert_eq!((&first[..], &third[..]), (&b"a\n"[..], &b"b\n"[..]), "cut at {cut}");
            assert!(second.len() > DATAGRAM_BYTES_MAX && fourth.len() > DATAGRAM_BYTES_MAX);
        }
    }

    #[test]
    fn texts_are_said_each_whole() {
        let texts = vec![b"un\nbis".to_vec(), Vec::new(), b"deux".to_vec()];
        let mut texts = Texts(texts.into_iter());
        let mut said = Vec::new();
        assert!(matches!(texts.next(&mut said), Said::Something));
        assert_eq!(said, b"un\nbis");
        said.clear();
        assert!(matches!(texts.next(&mut said), Said::Something) && said.is_empty());
        assert!(matches!(texts.next(&mut said), Said::Last));
        assert_eq!(said, b"deux");
    }
}
