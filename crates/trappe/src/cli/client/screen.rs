//! Where what arrives is shown: exact bytes for a pipe or a file, escaped for a terminal.

use std::io;

use trappe_core::encode::escape::text_line;

use crate::cli::out;

/// Takes what arrives from the hub, in pieces as the network cuts them.
pub(super) trait Sink {
    /// Shows `bytes`, but may hold back their end until it is known what it is.
    ///
    /// # Errors
    /// Those of standard output.
    fn show(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether something is held back: [`settle`](Self::settle) is then due after a pause.
    fn holds(&self) -> bool;

    /// Shows what is held back, as it is: nothing more came for a while, or ever will.
    ///
    /// # Errors
    /// Those of standard output.
    fn settle(&mut self) -> io::Result<()>;
}

/// Standard output, as it is: a pipe, a file or a terminal without line editing.
#[derive(Debug)]
pub(super) enum Screen {
    /// Nobody asked for what arrives.
    Nowhere,
    /// A program reads: exact bytes.
    Exact,
    /// A person reads.
    Escaped {
        /// The beginning of a character, or a `\r` that may belong to a line's end.
        held: Vec<u8>,
    },
}

impl Screen {
    /// What standard output is.
    pub(super) fn of_stdout() -> Self {
        if out::is_terminal() { Self::Escaped { held: Vec::new() } } else { Self::Exact }
    }
}

impl Sink for Screen {
    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Exact => out::data(bytes),
            Self::Escaped { held } => {
                held.extend_from_slice(bytes);
                let ready = held.len() - unfinished(held);
                let shown = escaped(&held[..ready]);
                held.drain(..ready);
                out::data(&shown)
            }
        }
    }

    fn holds(&self) -> bool {
        matches!(self, Self::Escaped { held } if !held.is_empty())
    }

    fn settle(&mut self) -> io::Result<()> {
        match self {
            Self::Escaped { held } if !held.is_empty() => {
                let shown = escaped(held);
                held.clear();
                out::data(&shown)
            }
            Self::Nowhere | Self::Exact | Self::Escaped { .. } => Ok(()),
        }
    }
}

/// How many bytes at the end of `bytes` can't be shown before the next ones are known: at most 3.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.last() == Some(&b'\r') {
        return 1;
    }
    for back in 1..=bytes.len().min(3) {
        let whole = match bytes[bytes.len() - back] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => return 0,
        };
        return if back < whole { back } else { 0 };
    }
    0
}

/// `bytes` as a terminal may have them: lines as they are, and every control in them shown instead of done.
pub(super) fn escaped(bytes: &[u8]) -> Vec<u8> {
    let mut shown = Vec::with_capacity(bytes.len() + 1);
    // Line by line, so that one line that isn't UTF-8 costs the others nothing.
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        let ends = body.len() < line.len();
        let body = if ends { body.strip_suffix(b"\r").unwrap_or(body) } else { body };
        text_line(&mut shown, b"", body);
        if !ends {
            shown.pop();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_arrives_is_done_by_the_terminal() {
        let cases: &[(&[u8], &str)] = &[
            (b"bonjour\n", "bonjour\n"),
            (b"one\r\ntwo", "one\ntwo"),
            (b"\n\n", "\n\n"),
            (b"\x1b[2Jgone", "\\x1b[2Jgone"),
            (b"a\rb", "a\\x0db"),
            ("\u{202e}évil".as_bytes(), "\\u{202e}évil"),
            (b"\x9b1m", "\\x9b1m"),
            (b"a\tb", "a\tb"),
            (b"\xff\nok\n", "\\xff\nok\n"),
        ];
        for &(bytes, shown) in cases {
            assert_eq!(String::from_utf8_lossy(&escaped(bytes)), shown, "{bytes:?}");
        }
    }

    #[test]
    fn an_end_that_can_still_become_a_character_is_held() {
        let cases: &[(&[u8], usize)] = &[
            (b"", 0),
            (b"a", 0),
            (b"a\r", 1),
            (b"\xc3", 1),
            ("é".as_bytes(), 0),
            (b"a\xe2\x82", 2),
            ("€".as_bytes(), 0),
            (b"\xf0\x9f\x98", 3),
            ("😀".as_bytes(), 0),
            (b"\xff", 0),
            (b"\x80\x80\x80", 0),
            (b"\x80", 0),
        ];
        for &(bytes, held) in cases {
            assert_eq!(unfinished(bytes), held, "{bytes:?}");
        }
    }
}
