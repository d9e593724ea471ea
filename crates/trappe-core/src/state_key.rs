//! Keys of a room's shared state: parsed once, never validated again (PROTOCOL §6).
//!
//! A [`StateKey`] is in NFC, has 1 to 64 characters, and holds letters with their combining marks and decimal digits of any
//! script, `-`, `_`, `.`, `:` and `/` only: in `=KEY= VALUE` nothing of it can end the line, the prefix or the writing
//! direction, and no `#` can be taken for the one before a version. Unlike names, keys are told apart by case, and may mix
//! scripts: who may write one may write any, so that a look-alike deceives nobody more than a wrong value does.

use std::fmt;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

use crate::limits::STATE_KEY_CHARS;
use crate::name::{self, MARKS_IN_A_ROW};

/// The longest text, in bytes, that can still become a key: NFC makes at most one character of four, each of at most four
/// bytes. What is longer is refused before any work is spent on it.
const KEY_BYTES_TYPED: usize = STATE_KEY_CHARS * 4 * 4;

/// A key of a room's state. Equal, and in order, by its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StateKey(Box<str>);

impl StateKey {
    /// Reads a key as a client typed it: what comes out is in NFC and keeps every rule of the module.
    ///
    /// # Errors
    /// Says the first rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, StateKeyError> {
        if text.is_empty() {
            return Err(StateKeyError::Empty);
        }
        if text.len() > KEY_BYTES_TYPED {
            return Err(StateKeyError::TooLong);
        }
        let composed: String = text.nfc().collect();
        if composed.chars().count() > STATE_KEY_CHARS {
            return Err(StateKeyError::TooLong);
        }
        if let Some(bad) = composed.chars().find(|&c| !is_permitted(c)) {
            return Err(StateKeyError::Character(bad));
        }
        if !composed.is_ascii() {
            // A mark anywhere else would paint over what stands before it, the `=` of the line too.
            let plain: String = composed.nfkd().collect();
            name::check_marks(&plain).map_err(|_| StateKeyError::Marks)?;
        }
        Ok(Self(composed.into()))
    }

    /// The key as it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a text is no key. The variants carry what a sentence about it needs.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateKeyError {
    /// Nothing was given.
    #[error("a key cannot be empty")]
    Empty,
    /// More than [`STATE_KEY_CHARS`] characters.
    #[error("a key has at most {STATE_KEY_CHARS} characters")]
    TooLong,
    /// A character that no key holds.
    #[error("a key cannot hold {0:?}")]
    Character(char),
    /// A combining mark that stands on no letter, or one too many on the same.
    #[error("combining marks of a key stand on a letter, at most {MARKS_IN_A_ROW} on one")]
    Marks,
}

impl StateKeyError {
    /// The stable code that an error line begins with.
    #[must_use]
    pub fn code(&self) -> &'static str {
        "bad-key"
    }
}

/// Whether a key may hold `c`: what a name holds, and two characters that a path is made with. What a letter, a mark or a
/// digit is, and which of them nobody could see, is settled for names.
fn is_permitted(c: char) -> bool {
    name::is_permitted(c) || matches!(c, ':' | '/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::char::is_combining_mark;

    use super::*;
    use crate::name::tests::likely;

    #[test]
    fn good_keys_are_kept_in_nfc() {
        let long = "é".repeat(STATE_KEY_CHARS);
        let decomposed = "e\u{301}".repeat(STATE_KEY_CHARS);
        for (typed, kept) in [
            ("a", "a"),
            ("7", "7"),
            ("-", "-"),
            ("..", ".."),
            ("/", "/"),
            ("score", "score"),
            ("Score", "Score"),
            ("capteur/3/température", "capteur/3/température"),
            ("porte_2:ouverte", "porte_2:ouverte"),
            ("e\u{301}tage", "étage"),
            ("Температура/улица", "Температура/улица"),
            ("درجة٣", "درجة٣"),
            ("שָׁלוֹם", "שָׁלוֹם"),
            ("น้ำ", "น้ำ"),
            ("アリス/漢字", "アリス/漢字"),
            ("ｶﾞ", "ｶﾞ"),
            // Scripts may be mixed, and so may digits.
            ("x/αβγ/жз", "x/αβγ/жз"),
            ("3٣۳", "3٣۳"),
            // Words that are reserved as names.
            ("server", "server"),
            ("client-17", "client-17"),
            (&long, &long),
            (&decomposed, &long),
        ] {
            let key = StateKey::parse(typed);
            assert_eq!(key.as_ref().map(StateKey::as_str), Ok(kept), "{typed:?}");
            assert_eq!(key.expect("it was one").to_string(), kept);
        }
    }

    #[test]
    fn bad_keys_say_which_rule_they_break() {
        use StateKeyError::{Character, Empty, Marks, TooLong};
        let long = "a".repeat(STATE_KEY_CHARS + 1);
        let huge = "a\u{301}".repeat(100_000);
        for (typed, why) in [
            ("", Empty),
            (&*long, TooLong),
            (&huge, TooLong),
            (" ", Character(' ')),
            ("a b", Character(' ')),
            ("a\u{a0}b", Character('\u{a0}')),
            ("a\nb", Character('\n')),
            ("a\tb", Character('\t')),
            ("a\0", Character('\0')),
            ("\u{1b}[31m", Character('\u{1b}')),
            ("a\u{85}", Character('\u{85}')),
            ("a=b", Character('=')),
            ("a#1", Character('#')),
            ("#", Character('#')),
            ("a,b", Character(',')),
            ("a\\b", Character('\\')),
            ("\"a\"", Character('"')),
            ("<a>", Character('<')),
            ("a*", Character('*')),
            ("a@b", Character('@')),
            ("a\u{ad}b", Character('\u{ad}')),
            ("a\u{200b}b", Character('\u{200b}')),
            ("a\u{200d}b", Character('\u{200d}')),
            ("a\u{202e}b", Character('\u{202e}')),
            ("a\u{2066}b", Character('\u{2066}')),
            ("\u{feff}a", Character('\u{feff}')),
            ("a\u{fe0f}", Character('\u{fe0f}')),
            ("\u{3164}", Character('\u{3164}')),
            ("a\u{e0061}", Character('\u{e0061}')),
            ("a：b", Character('：')),
            ("a／b", Character('／')),
            ("x²", Character('²')),
            ("Ⅷ", Character('Ⅷ')),
            ("a💥", Character('💥')),
            ("Ⓐ", Character('Ⓐ')),
            ("\u{e000}", Character('\u{e000}')),
            ("\u{301}a", Marks),
            ("ﾞ", Marks),
            ("a/\u{301}", Marks),
            ("1\u{301}", Marks),
            ("a\u{316}\u{317}\u{318}\u{319}\u{31c}", Marks),
            ("é\u{316}\u{317}\u{318}\u{319}", Marks),
        ] {
            assert_eq!(StateKey::parse(typed), Err(why), "{typed:?}");
        }
    }

    #[test]
    fn keys_are_told_apart_by_case_and_stand_in_the_order_of_their_texts() {
        let key = |text| StateKey::parse(text).expect("a key");
        assert_ne!(key("Score"), key("score"));
        assert_eq!(key("é"), key("e\u{301}"));
        let mut keys = [key("é"), key("b"), key("a/2"), key("a"), key("B")];
        keys.sort();
        assert_eq!(keys.each_ref().map(StateKey::as_str), ["B", "a", "a/2", "b", "é"]);
    }

    #[test]
    fn an_error_says_its_rule() {
        for (typed, said) in [
            ("", "a key cannot be empty"),
            ("a b", "a key cannot hold ' '"),
            ("\u{301}", "combining marks of a key stand on a letter, at most 4 on one"),
        ] {
            let error = StateKey::parse(typed).expect_err("no key");
            assert_eq!((error.to_string().as_str(), error.code()), (said, "bad-key"));
        }
    }

    #[test]
    fn each_character_of_unicode_is_a_letter_a_mark_a_digit_or_refused() {
        for c in '\0'..=char::MAX {
            let on_a_letter = format!("a{c}");
            let Ok(key) = StateKey::parse(&on_a_letter) else { continue };
            for kept in key.as_str().chars() {
                let known = kept.is_alphanumeric()
                    || matches!(kept, '-' | '_' | '.' | ':' | '/')
                    || is_combining_mark(kept);
                assert!(known && !kept.is_control() && !kept.is_whitespace(), "{kept:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn a_parsed_key_parses_to_itself(text in likely()) {
            if let Ok(key) = StateKey::parse(&text) {
                prop_assert_eq!(StateKey::parse(key.as_str()), Ok(key.clone()));
                prop_assert!((1..=STATE_KEY_CHARS).contains(&key.as_str().chars().count()));
            }
        }

        #[test]
        fn what_is_written_plainly_is_a_key(text in "[A-Za-z0-9._:/-]{1,64}") {
            prop_assert_eq!(StateKey::parse(&text).map(|key| key.to_string()), Ok(text));
        }
    }
}
