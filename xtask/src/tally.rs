//! Counts of everything that ran, and the line that closes the output.

use std::fmt;

/// How many things passed, failed and were skipped. A thing is one cargo test, or one step that is no test.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Tally {
    /// One thing that passed or failed.
    pub(crate) fn one(ok: bool) -> Self {
        Self { passed: usize::from(ok), failed: usize::from(!ok), skipped: 0 }
    }

    /// Things that could not run.
    pub(crate) fn skipped(count: usize) -> Self {
        Self { skipped: count, ..Self::default() }
    }

    /// Adds what another part counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn the_closing_line_names_skipped_things_only_where_there_are_any() {
        let mut tally = Tally::one(true);
        tally.add(Tally::one(false));
        assert_eq!(tally.to_string(), "1 passed, 1 failed");
        tally.add(Tally::skipped(3));
        assert_eq!(tally.to_string(), "1 passed, 1 failed, 3 skipped");
    }
}
