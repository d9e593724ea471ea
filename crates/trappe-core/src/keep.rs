//! How much of what was said is kept: by count, by age, by size (`--keep 100000msg,30d,1GiB`).

use std::{fmt, str::FromStr, time::Duration};

use thiserror::Error;

use crate::command::cut;

/// What is kept, at most; the oldest goes first. What is absent sets no bound; without any, everything is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many messages.
    pub messages: Option<u64>,
    /// Messages no older than this.
    pub age: Option<Duration>,
    /// So many bytes.
    pub bytes: Option<u64>,
}

/// The word for no bound at all.
const ALL: &str = "all";

/// Units of age, the longest first, and how many seconds each has.
const AGES: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];

/// Units of size, the largest first, and how far each is shifted.
const SIZES: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

/// Why a text says nothing about what to keep. What was given is at most 64 characters of it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeepError {
    /// A part without a unit, or with one that is none.
    #[error(
        "{given:?}: expected all, or any of 100000msg, 30d, 1GiB (age: s, min, h, d; size: B, KiB, MiB, GiB)"
    )]
    Part {
        /// The part.
        given: Box<str>,
    },
    /// `m` alone: wrongly understood, it takes away what was to be kept.
    #[error("{number}m: minutes or mebibytes? {number}min, or {number}MiB")]
    Minutes {
        /// The number before it.
        number: u64,
    },
    /// A bound of nothing, or one that is beyond all numbers.
    #[error("{given:?}: at least 1 is kept, and less than 2^63; without history: --no-history")]
    Number {
        /// The part.
        given: Box<str>,
    },
    /// Two bounds of one kind.
    #[error("{given:?}: a second bound of the same kind")]
    Twice {
        /// The second one.
        given: Box<str>,
    },
}

impl FromStr for Keep {
    type Err = KeepError;

    fn from_str(text: &str) -> Result<Self, KeepError> {
        let mut keep = Keep::default();
        if text.eq_ignore_ascii_case(ALL) {
            return Ok(keep);
        }
        for part in text.split(',') {
            let given = || cut(part);
            let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
            let unit = part[digits.len()..].to_ascii_lowercase();
            let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if !is_number {
                return Err(KeepError::Part { given: given() });
            }
            let number = || KeepError::Number { given: given() };
            let n: u64 = digits.parse().map_err(|_| number())?;
            let bound = |n: u64, unit: u64| {
                // SQLite's numbers, and those of most programs, are signed.
                let bound = n.checked_mul(unit).filter(|n| (1..1 << 63).contains(n));
                bound.ok_or_else(number)
            };
            let age = AGES.iter().find(|(name, _)| *name == unit);
            let size = SIZES.iter().find(|(name, _)| {
                // `K` and `KiB`, as for every size.
                let letter = name.get(..1).filter(|&letter| letter != "M");
                name.eq_ignore_ascii_case(&unit)
                    || letter.is_some_and(|letter| letter.eq_ignore_ascii_case(&unit))
            });
            let twice = match (unit.as_str(), age, size) {
                ("m", ..) => return Err(KeepError::Minutes { number: n }),
                ("msg", ..) => keep.messages.replace(bound(n, 1)?).is_some(),
                (_, Some(&(_, seconds)), _) => {
                    keep.age.replace(Duration::from_secs(bound(n, seconds)?)).is_some()
                }
                (_, _, Some(&(_, shift))) => keep.bytes.replace(bound(n, 1 << shift)?).is_some(),
                _ => return Err(KeepError::Part { given: given() }),
            };
            if twice {
                return Err(KeepError::Twice { given: given() });
            }
        }
        Ok(keep)
    }
}

/// As it is typed.
impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = self.messages.map(|n| format!("{n}msg"));
        let age = self.age.map(|age| {
            let seconds = age.as_secs();
            let whole = AGES.iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
            let &(name, unit) = whole.expect("every age is a whole number of seconds");
            format!("{}{name}", seconds / unit)
        });
        let bytes = self.bytes.map(|bytes| {
            let whole = SIZES.iter().find(|(_, shift)| bytes.is_multiple_of(1 << shift));
            let &(name, shift) = whole.expect("every size is a whole number of bytes");
            format!("{}{name}", bytes >> shift)
        });
        let parts: Vec<String> = [messages, age, bytes].into_iter().flatten().collect();
        if parts.is_empty() { f.pad(ALL) } else { f.pad(&parts.join(",")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keep(messages: Option<u64>, seconds: Option<u64>, bytes: Option<u64>) -> Keep {
        Keep { messages, age: seconds.map(Duration::from_secs), bytes }
    }

    #[test]
    fn what_is_kept_is_read_as_people_type_it() {
        for (text, wanted) in [
            ("all", keep(None, None, None)),
            ("ALL", keep(None, None, None)),
            ("100000msg,30d,1GiB", keep(Some(100_000), Some(30 * 86_400), Some(1 << 30))),
            ("1GiB,30d,100000msg", keep(Some(100_000), Some(30 * 86_400), Some(1 << 30))),
            ("1msg", keep(Some(1), None, None)),
            ("90s", keep(None, Some(90), None)),
            ("5min", keep(None, Some(300), None)),
            ("36h", keep(None, Some(129_600), None)),
            ("64kib", keep(None, None, Some(1 << 16))),
            ("64k", keep(None, None, Some(1 << 16))),
            ("8MiB", keep(None, None, Some(8 << 20))),
            ("10G", keep(None, None, Some(10 << 30))),
            ("5000b", keep(None, None, Some(5000))),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_could_be_misunderstood_is_refused_before_anything_is_thrown_away() {
        for (text, part) in [
            ("", "expected all, or any of"),
            ("30", "expected all, or any of"),
            ("all,30d", "expected all, or any of"),
            ("30d,", "expected all, or any of"),
            ("30 d", "expected all, or any of"),
            ("d", "expected all, or any of"),
            ("-1d", "expected all, or any of"),
            ("1.5GiB", "expected all, or any of"),
            ("1GB", "expected all, or any of"),
            ("2w", "expected all, or any of"),
            ("٣d", "expected all, or any of"),
            ("30m", "30m: minutes or mebibytes? 30min, or 30MiB"),
            ("1msg,512M", "512m: minutes or mebibytes? 512min, or 512MiB"),
            ("0msg", "at least 1"),
            ("0d", "at least 1"),
            ("99999999999999999999msg", "less than 2^63"),
            ("9223372036854775808msg", "less than 2^63"),
            ("9999999999999GiB", "less than 2^63"),
            ("30d,2h", "\"2h\": a second bound"),
            ("1GiB,1B", "\"1B\": a second bound"),
        ] {
            let error = text.parse::<Keep>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn it_is_written_in_the_largest_units_that_are_exact() {
        for (keep, text) in [
            (Keep::default(), "all"),
            (keep(Some(7), Some(129_600), Some(1536)), "7msg,36h,1536B"),
            (keep(None, Some(86_400), Some(1 << 31)), "1d,2GiB"),
            (keep(None, Some(90), None), "90s"),
            (keep(None, Some(120), Some(1 << 20)), "2min,1MiB"),
        ] {
            assert_eq!(keep.to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn it_is_read_as_it_is_written(
            messages in prop::option::of(1..1_u64 << 63),
            seconds in prop::option::of(1..1_u64 << 63),
            bytes in prop::option::of(1..1_u64 << 63),
        ) {
            let keep = keep(messages, seconds, bytes);
            prop_assert_eq!(keep.to_string().parse(), Ok(keep));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,40}|[0-9]{1,25}[a-zA-Zé]{0,4}(,[0-9]{1,25}[a-z]{0,3})?") {
            let _read = text.parse::<Keep>();
        }
    }
}
