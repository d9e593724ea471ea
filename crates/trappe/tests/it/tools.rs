//! The programs that people already have: netcat in its kinds, telnet, Python, bash.

use std::env;
use std::path::PathBuf;

/// Where `name` lies on the search path. Without it the test that asks is skipped, and says so; in CI that is a failure.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    needed(name, find(name))
}

/// What was found of something that a test needs: as for [`tool`], without it the test is skipped.
pub(crate) fn needed(name: &str, found: Option<PathBuf>) -> Option<PathBuf> {
    if found.is_none() {
        assert!(
            env::var_os("CI").is_none(),
            "this test needs {name}, and in CI nothing is skipped"
        );
        skipped(name);
    }
    found
}

/// Says that a test is skipped, and what it would need.
#[expect(clippy::print_stdout, reason = "a skipped test must say that it was, and why")]
pub(crate) fn skipped(what: &str) {
    println!("skipped: needs {what}");
}

/// Python 3, with its standard library.
pub(crate) fn python() -> Option<PathBuf> {
    tool("python3")
}

/// The netcat of OpenBSD; on Debian it has this name besides `nc`, which may be another netcat.
pub(crate) fn netcat() -> Option<PathBuf> {
    find("nc.openbsd").or_else(|| tool("nc"))
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
