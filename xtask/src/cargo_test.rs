//! Reads what `cargo test -- --show-output` printed: how many tests ran, and which of them said that they did not.

use crate::tally::Tally;

/// What a test prints, alone at the beginning of a line, before it returns without having tested anything.
const SKIPPED: &str = "skipped: ";

/// The verdict of one run of `cargo test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) tally: Tally,
    /// `name: reason` of each test that skipped itself.
    pub(crate) skips: Vec<String>,
}

/// Counts over every test binary and the doc-tests. A passing test that says `skipped: …` counts as skipped, not as
/// passed; one that is ignored counts as skipped too.
pub(crate) fn read(output: &str) -> Verdict {
    let mut verdict = Verdict::default();
    // The passing test whose output is being shown, until it says that it was skipped.
    let mut shown: Option<&str> = None;
    for (line, succeeded) in sections(output) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            verdict.tally.passed += count(counts, "passed");
            verdict.tally.failed += count(counts, "failed");
            verdict.tally.skipped += count(counts, "ignored");
        }
        if !succeeded {
            shown = None;
        } else if let Some(name) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            shown = Some(name);
        } else if let (Some(name), Some(reason)) = (shown, line.strip_prefix(SKIPPED)) {
            verdict.skips.push(format!("{name}: {reason}"));
            shown = None;
        }
    }
    let skips = verdict.skips.len().min(verdict.tally.passed);
    verdict.tally.passed -= skips;
    verdict.tally.skipped += skips;
    verdict
}

/// What is worth reading where a test failed: everything but what the passing ones printed, and their names.
pub(crate) fn failures(output: &str) -> String {
    let passed = |line: &str| line.starts_with("test ") && line.ends_with(" ... ok");
    let kept = sections(output).filter(|&(line, succeeded)| !succeeded && !passed(line));
    kept.map(|(line, _)| line).collect::<Vec<_>>().join("\n")
}

/// Each line, and whether it stands in a part about tests that passed.
fn sections(output: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut succeeded = false;
    output.lines().map(move |line| {
        if line == "successes:" {
            succeeded = true;
        } else if line == "failures:" || line.starts_with("test result: ") {
            succeeded = false;
        }
        (line, succeeded)
    })
}

/// The number before `word` in `ok. 12 passed; 0 failed; …`.
fn count(counts: &str, word: &str) -> usize {
    counts
        .split([';', '.'])
        .filter_map(|part| part.trim().strip_suffix(word)?.trim().parse::<usize>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test a ... ok
test nc_talks ... ok

successes:

---- nc_talks stdout ----
skipped: needs nc.openbsd
skipped: needs it twice

successes:
    a
    nc_talks

test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s

     Running tests/it/main.rs
failures:

---- b stdout ----
skipped: not really
thread 'b' panicked at src/lib.rs:1:1:

test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.20s
";

    #[test]
    fn counts_are_added_over_all_binaries_and_a_skipped_test_is_not_a_passed_one() {
        let verdict = read(OUTPUT);
        assert_eq!(verdict.tally, Tally { passed: 11, failed: 2, skipped: 2 });
        assert_eq!(verdict.skips, ["nc_talks: needs nc.openbsd"]);
    }

    #[test]
    fn of_a_failed_run_only_what_failed_is_shown() {
        let shown = failures(OUTPUT);
        for (part, there) in [
            ("test a", false),
            ("nc_talks", false),
            ("thread 'b'", true),
            ("FAILED. 10 passed", true),
        ] {
            assert_eq!(shown.contains(part), there, "{part} in {shown}");
        }
        assert_eq!(failures("error: no\n"), "error: no");
    }

    #[test]
    fn output_without_a_verdict_counts_nothing() {
        assert_eq!(read("error: could not compile `trappe`"), Verdict::default());
    }
}
