//! Names of members and rooms: parsed once, never validated again (PROTOCOL §3, `/nick`).
//!
//! A [`Name`] is in NFC, has 1 to 32 characters, and holds letters with their combining marks, decimal digits, `-`, `_`
//! and `.` only: nothing in it can end a line, begin another kind of line, turn the writing direction or hide. All its
//! letters are of one script, so that `аlice` with a Cyrillic `а` cannot pass for `alice` (look-alikes *inside* one script
//! remain). Two names that differ in case or in compatibility form only have the same [`Folded`] form and are one name to
//! the hub.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use caseless::Caseless;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, ScriptExtension, UnicodeScript};

use crate::limits::NAME_CHARS;

/// The longest run of combining marks, after full decomposition. Vietnamese needs two, pointed Hebrew and polytonic Greek
/// three; a longer pile only paints over its neighbours' lines.
pub const MARKS_IN_A_ROW: usize = 4;

/// The longest text, in bytes, that can still become a name. NFC makes at most one character of four (U+1F82 is such a
/// one), each of at most four bytes; what is longer is refused before any work is spent on it.
pub(crate) const NAME_BYTES_TYPED: usize = NAME_CHARS * 4 * 4;

/// The longest text, in bytes, that is folded whole. A character of a name folds to at most 18, and no character folds to
/// nothing, so that no text of more characters than this equals a name.
const FOLDED_BYTES_TYPED: usize = NAME_CHARS * 18 * 4;

/// What numbered members are called before they take a name: this, then their number.
const NUMBERED: &str = "client-";

/// What the hub calls the author of a message that came by HTTP without a name.
const HTTP: &str = "http";

/// Names that would let their bearer pass for the hub itself.
const RESERVED: [&str; 4] = ["console", HTTP, "serveur", "server"];

/// Scripts that are written together (UTS #39 §5.1, without its allowance for Latin among them).
const WRITTEN_TOGETHER: [&[Script]; 3] = [
    &[Script::Han, Script::Hiragana, Script::Katakana],
    &[Script::Han, Script::Hangul],
    &[Script::Han, Script::Bopomofo],
];

/// Letters and marks by their Unicode property that have no place in a name: what cannot be seen (default-ignorable code
/// points), and what makes a symbol or an emoji.
const NEVER: [RangeInclusive<char>; 20] = [
    '\u{34f}'..='\u{34f}',     // combining grapheme joiner
    '\u{488}'..='\u{489}',     // enclosing marks
    '\u{115f}'..='\u{1160}',   // Hangul fillers
    '\u{17b4}'..='\u{17b5}',   // invisible Khmer vowels
    '\u{180b}'..='\u{180f}',   // Mongolian variation selectors
    '\u{1abe}'..='\u{1abe}',   // enclosing mark
    '\u{20d0}'..='\u{20ff}',   // marks for symbols, keycaps
    '\u{2139}'..='\u{2139}',   // information source
    '\u{24b6}'..='\u{24e9}',   // circled letters
    '\u{3164}'..='\u{3164}',   // Hangul filler
    '\u{a670}'..='\u{a672}',   // enclosing marks
    '\u{fe00}'..='\u{fe0f}',   // variation selectors
    '\u{ffa0}'..='\u{ffa0}',   // Hangul filler
    '\u{1d100}'..='\u{1d24f}', // marks of musical notation
    '\u{1f130}'..='\u{1f149}', // squared letters
    '\u{1f150}'..='\u{1f169}', // circled letters, negative
    '\u{1f170}'..='\u{1f189}', // squared letters, negative
    '\u{1f1e6}'..='\u{1f1ff}', // regional indicators
    '\u{e0000}'..='\u{e007f}', // tags
    '\u{e0100}'..='\u{e01ef}', // variation selectors
];

/// The zero of each set of decimal digits (general category Nd, Unicode 17); its nine other digits follow it. The standard
/// library knows numbers, but not which of them are decimal digits.
#[rustfmt::skip]
const ZEROS: [char; 74] = [
    '0', '\u{660}', '\u{6f0}', '\u{7c0}', '\u{966}', '\u{9e6}', '\u{a66}', '\u{ae6}', '\u{b66}', '\u{be6}', '\u{c66}',
    '\u{ce6}', '\u{d66}', '\u{de6}', '\u{e50}', '\u{ed0}', '\u{f20}', '\u{1040}', '\u{1090}', '\u{17e0}', '\u{1810}',
    '\u{1946}', '\u{19d0}', '\u{1a80}', '\u{1a90}', '\u{1b50}', '\u{1bb0}', '\u{1c40}', '\u{1c50}', '\u{a620}', '\u{a8d0}',
    '\u{a900}', '\u{a9d0}', '\u{a9f0}', '\u{aa50}', '\u{abf0}', '\u{ff10}', '\u{104a0}', '\u{10d30}', '\u{10d40}',
    '\u{11066}', '\u{110f0}', '\u{11136}', '\u{111d0}', '\u{112f0}', '\u{11450}', '\u{114d0}', '\u{11650}', '\u{116c0}',
    '\u{116d0}', '\u{116da}', '\u{11730}', '\u{118e0}', '\u{11950}', '\u{11bf0}', '\u{11c50}', '\u{11d50}', '\u{11da0}',
    '\u{11de0}', '\u{16a60}', '\u{16ac0}', '\u{16b50}', '\u{16d70}', '\u{1ccf0}', '\u{1d7ce}', '\u{1d7d8}', '\u{1d7e2}',
    '\u{1d7ec}', '\u{1d7f6}', '\u{1e140}', '\u{1e2f0}', '\u{1e5f1}', '\u{1e950}', '\u{1fbf0}',
];

/// The name of a member or of a room. Cheap to clone; equal by text. To find who bears it, compare [`Name::folded`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(Arc<str>);

impl Name {
    /// Reads a name as a client typed it: what comes out is in NFC and keeps every rule of the module.
    ///
    /// # Errors
    /// Says the first rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_TYPED {
            return Err(NameError::TooLong);
        }
        let composed: String = text.nfc().collect();
        if composed.chars().count() > NAME_CHARS {
            return Err(NameError::TooLong);
        }
        if let Some(bad) = composed.chars().find(|&c| !is_permitted(c)) {
            return Err(NameError::Character(bad));
        }
        if !composed.is_ascii() {
            // The compatibility form is what is looked at: "𝐚" is an "a" to the eye, and to the folding.
            let plain: String = composed.nfkd().collect();
            check_marks(&plain)?;
            if !is_one_script(&plain) || !is_one_set_of_digits(&plain) {
                return Err(NameError::Scripts);
            }
        }
        if is_reserved(&Folded::of(&composed)) {
            return Err(NameError::Reserved);
        }
        Ok(Self(composed.into()))
    }

    /// The author of what is posted by HTTP under no name of its own: the reserved word `http`. The hub alone gives it;
    /// [`Name::parse`] refuses it to everyone.
    #[must_use]
    pub fn http() -> Self {
        Self(HTTP.into())
    }

    /// The author of what comes from an address that is no member: the address itself, with its port. Its colon is in no name
    /// that anybody can take.
    #[must_use]
    pub fn address(address: &str) -> Self {
        debug_assert!(address.contains(':'), "an address and its port");
        Self(address.into())
    }

    /// The author of a message as it was kept: a name, `http`, or an address. None: nobody has ever been called so.
    #[must_use]
    pub fn kept(text: &str) -> Option<Self> {
        let of_address =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'[' | b']' | b'%');
        match text {
            HTTP => Some(Self::http()),
            _ if text.len() <= 64 && text.contains(':') && text.bytes().all(of_address) => {
                Some(Self::address(text))
            }
            _ => Self::parse(text).ok(),
        }
    }

    /// The name as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form under which the hub keeps it unique.
    #[must_use]
    pub fn folded(&self) -> Folded {
        Folded::of(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A name under full case folding and compatibility normalization (Unicode D146): `Straße`, `STRASSE` and `ｓｔｒａｓｓｅ`
/// fold alike. A key, not a text to show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Folded(Box<str>);

impl fmt::Display for Folded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Folded {
    /// Folds any text, a name or not, so that what a client typed can be looked up. A text too long for any name is folded
    /// in part only: it equals no name either way.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(FOLDED_BYTES_TYPED)];
        if text.is_ascii() {
            return Self(text.to_ascii_lowercase().into());
        }
        let folded = text.chars().nfd().default_case_fold().nfkd().default_case_fold();
        // The tables of the folding are older than the standard library's: the newest letters fold by their lower case.
        Self(folded.flat_map(char::to_lowercase).nfkc().collect())
    }
}

/// Why a text is no name. The variants carry what a sentence about it needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// Nothing was given.
    #[error("a name needs at least one character")]
    Empty,
    /// More than [`NAME_CHARS`] characters.
    #[error("a name has at most {NAME_CHARS} characters")]
    TooLong,
    /// A combining mark begins it, with no letter to stand on.
    #[error("a name cannot begin with a combining mark")]
    Start,
    /// A character that no name may hold; also a combining mark after what is no letter.
    #[error("a name cannot hold {0:?}")]
    Character(char),
    /// Too many combining marks on one letter.
    #[error("a name has at most {MARKS_IN_A_ROW} combining marks on a letter")]
    Marks,
    /// Letters of several scripts that are not written together, or two sets of digits.
    #[error("the letters of a name are of one script")]
    Scripts,
    /// A name that is the hub's own, that of a numbered member, or a place in a URL's path.
    #[error("this name is reserved")]
    Reserved,
}

impl NameError {
    /// The stable code that an error line begins with.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "bad-name"
    }
}

/// The number of a member that has no name: 17 for `client-17`, however it is cased. Only canonical digits count:
/// `client-017` is nobody (and reserved all the same), and numbers begin at 1.
#[must_use]
pub fn number_of(text: &str) -> Option<u64> {
    let Folded(folded) = Folded::of(text);
    let digits = folded.strip_prefix(NUMBERED)?;
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
    // An empty text is no number to `parse`, nor is what overflows.
    if canonical { digits.parse().ok() } else { None }
}

/// The first free name like `name`: `alice2`, `alice3` …, or `r2d2_2` where a letter does not end it. It is cut where it
/// would be too long. None if a hundred tries are all taken.
pub fn free_variant(name: &Name, taken: impl Fn(&Folded) -> bool) -> Option<Name> {
    (2..=101).find_map(|number: u32| {
        let joint = if name.as_str().ends_with(|c: char| c.is_alphabetic()) { "" } else { "_" };
        let suffix = format!("{joint}{number}");
        let stem = name.as_str().chars().take(NAME_CHARS - suffix.len());
        let variant = Name::parse(&stem.chain(suffix.chars()).collect::<String>()).ok()?;
        (!taken(&variant.folded())).then_some(variant)
    })
}

/// Whether a name may hold `c`, by itself and in its compatibility form (U+FDFA is one letter that stands for four words).
pub(crate) fn is_permitted(c: char) -> bool {
    is_plain(c) || (is_word(c) && std::iter::once(c).nfkd().all(is_word))
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

fn is_word(c: char) -> bool {
    is_plain(c)
        || (!c.is_ascii()
            && !NEVER.iter().any(|range| range.contains(&c))
            && (is_combining_mark(c) || is_letter(c) || zero_of(c).is_some()))
}

/// A letter (general category L). Alphabetic is wider by marks, letter numbers and what [`NEVER`] lists.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && !c.is_numeric() && !is_combining_mark(c)
}

/// The zero of the set of digits that `c` is of.
fn zero_of(c: char) -> Option<char> {
    let before = ZEROS.partition_point(|&zero| zero <= c).checked_sub(1)?;
    let zero = ZEROS[before];
    (u32::from(c) - u32::from(zero) < 10).then_some(zero)
}

/// Each mark stands on a letter, and not too many on one.
pub(crate) fn check_marks(decomposed: &str) -> Result<(), NameError> {
    if decomposed.starts_with(is_combining_mark) {
        return Err(NameError::Start);
    }
    let mut run = None;
    for c in decomposed.chars() {
        run = match run {
            None if is_combining_mark(c) => return Err(NameError::Character(c)),
            Some(MARKS_IN_A_ROW) if is_combining_mark(c) => return Err(NameError::Marks),
            Some(marks) if is_combining_mark(c) => Some(marks + 1),
            _ => is_letter(c).then_some(0),
        };
    }
    Ok(())
}

/// Whether one script, or one way of writing that mixes several, holds all characters (UTS #39 §5.1).
fn is_one_script(text: &str) -> bool {
    let written_in = |c: char, scripts: &[Script]| {
        let extension = c.script_extension();
        scripts.iter().any(|&script| extension.contains_script(script))
    };
    !ScriptExtension::for_str(text).is_empty()
        || WRITTEN_TOGETHER.iter().any(|scripts| text.chars().all(|c| written_in(c, scripts)))
}

/// Whether the digits are of one set (UTS #39 §5.3); ASCII digits go with any.
fn is_one_set_of_digits(text: &str) -> bool {
    let mut zeros = text.chars().filter_map(zero_of).filter(|&zero| zero != '0');
    let first = zeros.next();
    zeros.all(|zero| Some(zero) == first)
}

/// Whether a folded name is the hub's own, looks like that of a numbered member (any digits, canonical or not), or is dots
/// alone: in the path of a URL these mean a place and are resolved away (RFC 3986 §5.2.4), so that no client could name
/// such a room over HTTP.
fn is_reserved(Folded(folded): &Folded) -> bool {
    let digits = folded.strip_prefix(NUMBERED).unwrap_or("");
    RESERVED.contains(&&**folded)
        || folded.bytes().all(|b| b == b'.')
        || (!digits.is_empty() && digits.chars().all(|c| zero_of(c).is_some()))
}

#[cfg(test)]
pub(crate) mod tests;
