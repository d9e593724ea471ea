//! The one writer of the command line: standard output is data, standard error is talk.

use std::io::{self, IsTerminal, Write};

use trappe_core::encode::escape::text_line;

/// Writes `bytes` to standard output, as they are, and sees to it that they leave at once.
///
/// # Errors
/// Those of the write; [`io::ErrorKind::BrokenPipe`] where the reader has gone, which is no mistake of anyone's.
pub(super) fn data(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    stdout.flush()
}

/// Writes a sentence of ours and a newline to standard output.
///
/// # Errors
/// As [`data`].
pub(super) fn say(sentence: &str) -> io::Result<()> {
    data(format!("{sentence}\n").as_bytes())
}

/// Writes a sentence of ours and a newline to standard error. An error there can be told to nobody.
pub(super) fn talk(sentence: &str) {
    talk_bytes(sentence.as_bytes());
}

/// Writes a line that came from the network to standard error, with a newline; escaped, as everything on standard error is meant for eyes.
pub(super) fn talk_bytes(line: &[u8]) {
    let mut escaped = Vec::with_capacity(line.len() + 1);
    text_line(&mut escaped, b"", line);
    drop(io::stderr().lock().write_all(&escaped));
}

/// Whether a person looks at standard output.
#[must_use]
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
