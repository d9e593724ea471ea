//! The framings by name: what `--framing` and `/framing` take.

use std::fmt;
use std::str::FromStr;

/// How the bytes of one connection become messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Framing {
    /// A newline ends a message, so does the end of stream, and so does a pause as long as no newline was ever seen;
    /// well-formed telnet sequences are swallowed.
    #[default]
    Auto,
    /// A newline or the end of stream ends a message; nothing else is looked at.
    Line,
    /// Each read is a message.
    Chunk,
    /// Four bytes of length, most significant first, then the message.
    Len32,
    /// A NUL or the end of stream ends a message.
    Nul,
}

impl Framing {
    /// Every framing, in the order in which help texts list them.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Line, Self::Chunk, Self::Len32, Self::Nul];

    /// The word for it, which [`FromStr`] reads back.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Line => "line",
            Self::Chunk => "chunk",
            Self::Len32 => "len32",
            Self::Nul => "nul",
        }
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Framing {
    type Err = UnknownFraming;

    /// Upper and lower case mean the same, as in commands.
    fn from_str(word: &str) -> Result<Self, UnknownFraming> {
        Self::ALL
            .into_iter()
            .find(|framing| framing.as_str().eq_ignore_ascii_case(word))
            .ok_or_else(|| UnknownFraming(word.to_owned()))
    }
}

/// A word that names no framing. It holds the word as it was given: escape it before it is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown framing {0:?}, expected auto, line, chunk, len32 or nul")]
pub struct UnknownFraming(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_framing_is_read_back_from_its_word() {
        for framing in Framing::ALL {
            assert_eq!(framing.to_string().parse(), Ok(framing));
            assert_eq!(framing.as_str().to_uppercase().parse(), Ok(framing));
        }
    }

    #[test]
    fn another_word_is_an_error_that_holds_it() {
        for word in ["", "lines", "auto ", "len"] {
            assert_eq!(word.parse::<Framing>(), Err(UnknownFraming(word.to_owned())));
        }
    }
}
