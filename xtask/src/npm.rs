//! The npm packages that drive a browser for the tests of the page: which they are stands in a committed lock file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::run;
use crate::workspace::Workspace;

/// Where the manifest and its lock stand.
const HOME: &str = "crates/trappe/tests/page";
/// Names the packages.
const MANIFEST: &str = "package.json";
/// Has their exact versions, and the hashes that npm holds them against. It names no registry: npm asks the one that it is
/// set up with.
const LOCK: &str = "package-lock.json";
/// Where the packages go, beside the commands that were taken out of Debian's ([`crate::packages`]).
const TOOLS: &str = "target/tools";

/// How long npm may take; they are a few megabytes.
const INSTALL_MAX: Duration = Duration::from_mins(5);

/// What stands, after an attempt to get what was missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Every package is there, as the lock file says.
    Ready,
    /// It can't be had: why, and what to do.
    Absent(String),
}

/// Installs what the lock file names, if `install` and unless that was done before.
pub(crate) fn ensure(workspace: &Workspace, install: bool) -> Result<Verdict> {
    let home = workspace.root.join(HOME);
    let tools = workspace.root.join(TOOLS);
    let lock = fs::read_to_string(home.join(LOCK)).with_context(|| format!("reading {LOCK}"))?;
    if fs::read_to_string(installed(&tools)).is_ok_and(|of| of == lock) {
        return Ok(Verdict::Ready);
    }
    if !install {
        return Ok(Verdict::Absent(format!("what {HOME}/{LOCK} names is not installed")));
    }
    let Some(npm) = run::find_command("npm") else {
        return Ok(Verdict::Absent("no npm: apt-get install nodejs npm".into()));
    };
    fs::create_dir_all(&tools).with_context(|| format!("making {TOOLS}"))?;
    for file in [MANIFEST, LOCK] {
        fs::copy(home.join(file), tools.join(file)).with_context(|| format!("copying {file}"))?;
    }
    // It begins by removing what an earlier lock file had brought, and the mark with it.
    let outcome = run::run(clean_install(&npm).current_dir(&tools), INSTALL_MAX)?;
    if !outcome.ok {
        return Ok(Verdict::Absent(format!(
            "`npm ci` in {TOOLS} failed (it takes node 18, and a network for npm):\n{}",
            outcome.output.trim_end()
        )));
    }
    fs::write(installed(&tools), lock).context("marking the packages as installed")?;
    Ok(Verdict::Ready)
}

/// `npm ci`, quiet, without a script of any package being run.
fn clean_install(npm: &Path) -> Command {
    let mut command = Command::new(npm);
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
    command.args(["--no-progress", "--loglevel=error", "--fetch-retries=1"]);
    command
}

/// The mark of a finished installation: a copy of the lock file that it came from. The tests look at it too.
fn installed(tools: &Path) -> PathBuf {
    tools.join("node_modules").join(LOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A workspace of one lock file, whose packages are marked as installed from `installed_from`.
    fn planted(name: &str, installed_from: Option<&str>) -> Workspace {
        let root = std::env::temp_dir().join(format!("trappe-npm-{name}-{}", std::process::id()));
        fs::create_dir_all(root.join(HOME)).expect("a temporary folder can be made");
        fs::write(root.join(HOME).join(LOCK), "lock 2").expect("and written to");
        if let Some(text) = installed_from {
            let mark = installed(&root.join(TOOLS));
            fs::create_dir_all(mark.parent().expect("it is in a folder")).expect("as above");
            fs::write(mark, text).expect("as above");
        }
        Workspace { root }
    }

    #[test]
    fn packages_are_there_only_if_they_came_from_this_lock_file() {
        for (name, from, ready) in [
            ("same", Some("lock 2"), true),
            ("older", Some("lock 1"), false),
            ("none", None, false),
        ] {
            let workspace = planted(name, from);
            let verdict = ensure(&workspace, false).expect("its lock file can be read");
            assert_eq!(verdict == Verdict::Ready, ready, "{name}: {verdict:?}");
            fs::remove_dir_all(&workspace.root).expect("it is ours");
        }
    }

    #[test]
    fn the_lock_file_holds_exact_versions_and_hashes_and_names_no_registry() {
        let read = |file: &str| {
            let home = Workspace::find().expect("a workspace").root.join(HOME);
            fs::read_to_string(home.join(file)).expect("it is committed")
        };
        let (manifest, lock) = (read(MANIFEST), read(LOCK));
        assert!(!lock.contains("resolved") && !lock.contains("://"), "{lock}");
        let packages = lock.matches("\"node_modules/").count();
        assert!(
            packages > 0 && lock.matches("\"integrity\": \"sha512-").count() == packages,
            "{lock}"
        );
        for inexact in ["\"^", "\"~", "\"*", "latest"] {
            assert!(!manifest.contains(inexact), "{manifest}");
        }
    }
}
