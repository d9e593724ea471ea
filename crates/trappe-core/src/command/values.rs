//! The values that arguments take: positions, epochs, formats, languages.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::cut;

/// The digits of an epoch: base 32 of RFC 4648, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A text that is none of the values asked for; its `FromStr` says which they are.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{given:?} is not {expected}")]
pub struct ValueError {
    /// What was typed, in at most 64 characters.
    pub given: Box<str>,
    /// What would have been right.
    pub expected: &'static str,
}

impl ValueError {
    fn new(given: &str, expected: &'static str) -> Self {
        Self { given: cut(given), expected }
    }
}

/// One life of a room's log: 10 characters of base 32, drawn at random when that life begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch([u8; 10]);

impl Epoch {
    /// The epoch of the lowest 50 bits of `random`.
    #[must_use]
    pub fn from_random(random: u64) -> Self {
        // The mask keeps each digit below 32, and the shift below 64.
        Self(std::array::from_fn(|i| {
            BASE32[usize::from((random >> (5 * i)).to_le_bytes()[0] & 31)]
        }))
    }

    /// The number of which [`Epoch::from_random`] makes it again.
    #[must_use]
    pub fn bits(self) -> u64 {
        let digit = |b: u8| BASE32.iter().position(|other| *other == b).unwrap_or_default() as u64;
        self.0.iter().rev().fold(0, |bits, b| bits << 5 | digit(*b))
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.0).expect("base-32 digits are ASCII")
    }
}

impl FromStr for Epoch {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let lower = <[u8; 10]>::try_from(text.as_bytes())
            .map(|bytes| bytes.map(|b| b.to_ascii_lowercase()));
        match lower {
            Ok(digits) if digits.iter().all(|b| BASE32.contains(b)) => Ok(Self(digits)),
            _ => Err(ValueError::new(text, "an epoch (10 characters a-z, 2-7)")),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

/// A position as it was asked for: `EPOCH@SEQ`, or `SEQ` alone, of the present epoch. It may name what never was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// The life of the log; None is the present one.
    pub epoch: Option<Epoch>,
    /// The last message that is *not* asked for; 0 is before the first.
    pub seq: u64,
}

impl FromStr for At {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bad = || ValueError::new(text, "a position (EPOCH@SEQ or SEQ)");
        let (epoch, digits) = match text.split_once('@') {
            Some((epoch, digits)) => (Some(epoch.parse().map_err(|_| bad())?), digits),
            None => (None, text),
        };
        // `parse` alone would take a sign; it refuses the empty text and what overflows.
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(bad());
        }
        let seq = digits.parse().map_err(|_| bad())?;
        Ok(Self { epoch, seq })
    }
}

/// How a member is written to (PROTOCOL §4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Lines for eyes.
    #[default]
    Text,
    /// Bodies alone, for programs.
    Raw,
    /// One object a line or a frame, for programs that want to know all.
    Json,
}

impl Format {
    /// Every format, the default first.
    pub const ALL: [Self; 3] = [Self::Text, Self::Raw, Self::Json];

    /// The word that is typed for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Raw => "raw",
            Self::Json => "json",
        }
    }
}

impl FromStr for Format {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = Self::ALL.into_iter().find(|f| f.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ValueError::new(text, "a format (text, raw, json)"))
    }
}

/// The language of the sentences that a member is sent. French unless told otherwise, whatever the environment says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lang {
    /// French.
    #[default]
    Fr,
    /// English.
    En,
}

impl Lang {
    /// Every language, the default first.
    pub const ALL: [Self; 2] = [Self::Fr, Self::En];

    /// The word that is typed for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fr => "fr",
            Self::En => "en",
        }
    }
}

impl FromStr for Lang {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let found = Self::ALL.into_iter().find(|lang| lang.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| ValueError::new(text, "a language (fr, en)"))
    }
}
