//! The one writer of the command line: standard output is data, standard error is talk.

use std::io::{self, IsTerminal, Write};

use trappe_core::encode::escape::text_line;

use super::exit::Exit;

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

/// Standard output can't be written to: that is the end, a quiet one where its reader has gone (`| head`), else with the cause.
pub(super) fn unshown(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Exit::Ok;
    }
    talk(&error.to_string());
    Exit::Failure
}

/// Whether a person looks at standard output.
#[must_use]
pub(super) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person looks at standard output who doesn't mind bold and dim (<https://no-color.org>).
#[must_use]
pub(super) fn has_ink() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|it| it != "dumb")
}
