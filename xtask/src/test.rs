//! `cargo xtask test`: everything that must hold, each step with its time, one line of counts at the end.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::tally::Tally;
use crate::workspace::Workspace;
use crate::{api, autobahn, cargo_test, npm, packages, run, sim, tidy};

/// What was typed after `test`.
pub(crate) struct Options {
    /// Missing packages may be installed.
    pub(crate) install: bool,
    /// A missing tool is a failure.
    pub(crate) ci: bool,
}

/// No step takes longer than this, also where a test hangs.
pub(crate) const STEP_MAX: Duration = Duration::from_mins(20);

/// A step as it ended.
struct Done {
    tally: Tally,
    /// Shown below the step's line: all that it printed if it failed, else a remark or nothing.
    words: String,
}

/// Runs every step, also after one that failed. True if nothing failed.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> bool {
    let begun = Instant::now();
    let mut total = Tally::default();
    let mut step = |name: &str, work: &dyn Fn() -> Result<Done>| {
        print!("{name:<9} … ");
        // A terminal shows what is being waited for; where nobody looks it doesn't matter.
        let _shown = std::io::stdout().flush();
        let at = Instant::now();
        let done = work()
            .unwrap_or_else(|error| Done { tally: Tally::one(false), words: format!("{error:#}") });
        let word = if done.tally.failed > 0 { "FAILED" } else { "ok" };
        println!("{word:<6} {:>6.1} s   {}", at.elapsed().as_secs_f64(), done.tally);
        for line in done.words.lines() {
            println!("    {line}");
        }
        total.add(done.tally);
    };

    let cargo = |arguments: &[&str]| {
        let mut command = workspace.cargo(arguments);
        command.env("CARGO_TERM_COLOR", "never").env("PATH", packages::path(workspace));
        if options.ci {
            command.env("CI", "true");
        }
        command
    };

    step("packages", &|| {
        let packages = packages::ensure(workspace, options.install);
        let tally = match packages.missing.len() {
            0 => Tally::one(true),
            count if options.ci => Tally { failed: count, ..Tally::default() },
            _ => Tally::skipped(1),
        };
        Ok(Done { tally, words: packages.words })
    });
    step("npm", &|| {
        Ok(match npm::ensure(workspace, options.install)? {
            npm::Verdict::Ready => Done { tally: Tally::one(true), words: String::new() },
            npm::Verdict::Absent(why) => absent("the page's tests", why, options),
        })
    });
    step("fmt", &|| plain(&mut cargo(&["fmt", "--all", "--check", "--", "--color=never"])));
    step("clippy", &|| {
        plain(&mut cargo(&["clippy", "-q", "--workspace", "--all-targets", "--", "-D", "warnings"]))
    });
    step("docs", &|| plain(cargo(api::DOC).env("RUSTDOCFLAGS", api::DOC_FLAGS)));
    step("api", &|| {
        let words = api::check(workspace)?;
        Ok(Done { tally: Tally::one(words.is_empty()), words })
    });
    step("tests", &|| {
        tests(&mut cargo(&["test", "--workspace", "--no-fail-fast", "--", "--show-output"]))
    });
    step("shuttle", &|| {
        let arguments = [
            "test",
            "-p",
            "trappe",
            "--lib",
            "--target-dir",
            "target/shuttle",
            "shuttle",
            "--",
            "--show-output",
        ];
        tests(cargo(&arguments).env("RUSTFLAGS", "--cfg shuttle"))
    });
    step("sim", &|| {
        let mut of_parts = cargo(sim::TESTS);
        let mut done = tests(sim::simulated(&mut of_parts, &sim::target(workspace)))?;
        let lives = sim::first_lives(workspace)?;
        done.tally.add(Tally::one(lives.ok));
        done.words.push_str(if lives.ok { sim::summary(&lives.output) } else { &lives.output });
        Ok(done)
    });
    step("autobahn", &|| {
        let quick = autobahn::Options { quick: true };
        Ok(match autobahn::check(workspace, quick)? {
            autobahn::Verdict::Ran { ok, words } => Done { tally: Tally::one(ok), words },
            autobahn::Verdict::Absent(why) => absent("autobahn", why, options),
        })
    });
    step("tidy", &|| {
        let (tally, words) = tidy::check(workspace)?;
        Ok(Done { tally, words })
    });

    println!("in {:.0} s", begun.elapsed().as_secs_f64());
    println!("{total}");
    total.failed == 0
}

/// A step for which something can't be had: skipped, but in CI a failure.
fn absent(what: &str, why: String, options: &Options) -> Done {
    if options.ci {
        return Done { tally: Tally::one(false), words: why };
    }
    Done { tally: Tally::skipped(1), words: format!("skipped {what}: {why}") }
}

/// A step that passes or fails as one.
fn plain(command: &mut Command) -> Result<Done> {
    let outcome = run::run(command, STEP_MAX)?;
    Ok(Done {
        tally: Tally::one(outcome.ok),
        words: if outcome.ok { String::new() } else { outcome.output },
    })
}

/// A step that counts tests. That it compiled and ran at all counts too, but only where that failed.
fn tests(command: &mut Command) -> Result<Done> {
    let outcome = run::run(command, STEP_MAX)?;
    Ok(judge(outcome.ok, &outcome.output))
}

fn judge(ok: bool, output: &str) -> Done {
    let mut verdict = cargo_test::read(output);
    let ran = verdict.tally.passed + verdict.tally.failed + verdict.tally.skipped;
    let mut words = if !ok || verdict.tally.failed > 0 {
        vec![cargo_test::failures(output)]
    } else {
        Vec::new()
    };
    // Nothing ran, or cargo failed although no test did: it did not compile, a test binary died, or a filter names nothing.
    if verdict.tally.failed == 0 && (!ok || ran == 0) {
        verdict.tally.failed = 1;
        words.push(if ok { "no test ran" } else { "cargo failed" }.to_owned());
    }
    words.extend(verdict.skips.iter().map(|skip| format!("skipped {skip}")));
    Done { tally: verdict.tally, words: words.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_could_not_compile_or_ran_nothing_is_one_failure() {
        let cases = [
            (false, "error: could not compile", Tally { failed: 1, ..Tally::default() }),
            (true, "", Tally { failed: 1, ..Tally::default() }),
            (
                true,
                "test result: ok. 0 passed; 0 failed; 0 ignored",
                Tally { failed: 1, ..Tally::default() },
            ),
            (
                true,
                "test result: ok. 2 passed; 0 failed; 0 ignored",
                Tally { passed: 2, ..Tally::default() },
            ),
            (
                false,
                "test result: ok. 2 passed; 1 failed; 0 ignored",
                Tally { passed: 2, failed: 1, skipped: 0 },
            ),
            (
                false,
                "test result: ok. 2 passed; 0 failed; 0 ignored",
                Tally { passed: 2, failed: 1, skipped: 0 },
            ),
        ];
        for (ok, output, tally) in cases {
            assert_eq!(judge(ok, output).tally, tally, "{ok} {output}");
        }
    }
}
