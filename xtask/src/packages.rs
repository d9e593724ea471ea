//! The programs that the end-to-end tests talk to the hub with: which are missing, and how they come.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure as holds};

use crate::run;
use crate::workspace::Workspace;

/// A command that the tests start, and the Debian package that brings it.
struct Tool {
    command: &'static str,
    package: &'static str,
    comes: Comes,
}

/// How a command comes out of its package.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// The package is installed.
    Installed,
    /// Installed, the package would start a service on this machine: the command alone is taken out of it ([`folder`]).
    TakenOut,
}

const TOOLS: &[Tool] = &[
    Tool { command: "nc.openbsd", package: "netcat-openbsd", comes: Comes::Installed },
    Tool { command: "ncat", package: "ncat", comes: Comes::Installed },
    Tool { command: "socat", package: "socat", comes: Comes::Installed },
    Tool { command: "telnet", package: "telnet", comes: Comes::Installed },
    Tool { command: "curl", package: "curl", comes: Comes::Installed },
    Tool { command: "ip", package: "iproute2", comes: Comes::Installed },
    Tool { command: "nft", package: "nftables", comes: Comes::Installed },
    Tool { command: "chromium", package: "chromium", comes: Comes::Installed },
    Tool { command: "node", package: "nodejs", comes: Comes::Installed },
    // Debian's comes apart from its node; other makers' have it inside.
    Tool { command: "npm", package: "npm", comes: Comes::Installed },
    Tool { command: "promtool", package: "prometheus", comes: Comes::TakenOut },
];

/// How long a package manager may take before it is given up.
const INSTALL_MAX: Duration = Duration::from_mins(5);

/// What stands, after an attempt to get what was missing.
pub(crate) struct Packages {
    /// Commands that are still missing.
    pub(crate) missing: Vec<&'static str>,
    /// What happened, for a person.
    pub(crate) words: String,
}

/// Looks for every tool and gets what is missing, if `install` and if it may without asking anyone.
pub(crate) fn ensure(workspace: &Workspace, install: bool) -> Packages {
    let folder = folder(workspace);
    let present =
        |command: &str| run::find_command(command).is_some() || folder.join(command).is_file();
    let before = missing(&present);
    let mut words = String::new();
    if install && !before.is_empty() {
        let of = |comes| before.iter().filter(move |tool| tool.comes == comes);
        let packages: Vec<&str> = of(Comes::Installed).map(|tool| tool.package).collect();
        if let Some(prefix) = prefix() {
            words.push_str(&run_apt(&prefix, &["update", "-qq"]));
            if !packages.is_empty() {
                words.push_str(&run_apt(&prefix, &install_arguments(&packages)));
            }
        }
        for tool in of(Comes::TakenOut) {
            if let Err(error) = take_out(tool, &folder) {
                words.push_str(&error_line(&error));
            }
        }
    }
    let after = missing(&present);
    words.push_str(&advice(&after));
    Packages { missing: after.iter().map(|tool| tool.command).collect(), words }
}

/// The search path of the tests: the user's, and after it what was taken out of packages.
pub(crate) fn path(workspace: &Workspace) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([folder(workspace)]);
    // Only a folder with a colon in its name can't be joined; then nothing of it is found either.
    std::env::join_paths(folders).unwrap_or(path)
}

/// Where commands are that were taken out of their packages.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root.join("target/tools")
}

/// Runs apt-get; what it said if it failed.
fn run_apt(prefix: &[&str], arguments: &[&str]) -> String {
    let (program, first) = prefix.split_first().map_or(("apt-get", &[][..]), |(p, f)| (*p, f));
    let mut command = Command::new(program);
    command.args(first).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    match run::run(&mut command, INSTALL_MAX) {
        Ok(outcome) if outcome.ok => String::new(),
        Ok(outcome) => outcome.output,
        Err(error) => error_line(&error),
    }
}

/// Downloads a package, which needs no rights, and puts its command into `folder`.
fn take_out(tool: &Tool, folder: &Path) -> Result<()> {
    let work = folder.join(tool.package);
    // There is one only where an earlier run was ended in the middle.
    drop(fs::remove_dir_all(&work));
    fs::create_dir_all(&work).with_context(|| format!("making {}", work.display()))?;
    let mut download = Command::new("apt-get");
    // As root it would download as a user that may not write here, and say so at length.
    download.args(["download", "-qq", "-o", "APT::Sandbox::User=root", tool.package]);
    step(download.current_dir(&work))?;
    let mut files = fs::read_dir(&work).context("looking for the package")?.flatten();
    let package = files.find(|file| file.path().extension().is_some_and(|it| it == "deb"));
    let package = package.with_context(|| format!("apt-get left no {}", tool.package))?;
    step(Command::new("dpkg-deb").arg("-x").arg(package.path()).arg(&work))?;
    let command = work.join("usr/bin").join(tool.command);
    fs::rename(&command, folder.join(tool.command))
        .with_context(|| format!("taking {} out of {}", tool.command, tool.package))?;
    fs::remove_dir_all(&work).with_context(|| format!("removing {}", work.display()))
}

/// Runs one command that must do what it is for.
fn step(command: &mut Command) -> Result<()> {
    let outcome = run::run(command, INSTALL_MAX)?;
    holds!(outcome.ok, "{}", outcome.output.trim_end());
    Ok(())
}

fn error_line(error: &anyhow::Error) -> String {
    format!("{error:#}\n")
}

fn missing(present: &dyn Fn(&str) -> bool) -> Vec<&'static Tool> {
    TOOLS.iter().filter(|tool| !present(tool.command)).collect()
}

fn install_arguments<'a>(packages: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["install", "-y", "-qq", "--no-install-recommends"];
    arguments.extend(packages);
    arguments
}

/// The way to apt-get that asks nobody anything: as root, or through a sudo that wants no password.
fn prefix() -> Option<Vec<&'static str>> {
    run::find_command("apt-get")?;
    let root = std::fs::metadata("/proc/self").is_ok_and(|of| of.uid() == 0);
    if root {
        return Some(vec!["apt-get"]);
    }
    let mut sudo = Command::new("sudo");
    sudo.args(["-n", "true"]);
    let may = run::run(&mut sudo, Duration::from_secs(10)).is_ok_and(|outcome| outcome.ok);
    may.then(|| vec!["sudo", "-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"])
}

/// What is missing, and what to type; nothing if nothing is.
fn advice(missing: &[&Tool]) -> String {
    if missing.is_empty() {
        return String::new();
    }
    let commands: Vec<&str> = missing.iter().map(|tool| tool.command).collect();
    let mut lines = vec![format!(
        "missing: {}; the tests that need them do not run. On Debian:",
        commands.join(" ")
    )];
    let of = |comes| missing.iter().filter(move |tool| tool.comes == comes);
    let packages: Vec<&str> = of(Comes::Installed).map(|tool| tool.package).collect();
    if !packages.is_empty() {
        lines.push(format!("    sudo apt-get install {}", packages.join(" ")));
    }
    for Tool { command, package, .. } in of(Comes::TakenOut) {
        lines.push(format!(
            "    mkdir -p target/tools && cd target/tools && apt-get download {package} &&"
        ));
        lines.push(format!(
            "    dpkg-deb --fsys-tarfile {package}_*.deb | tar -x --strip-components=3 ./usr/bin/{command}"
        ));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_type() {
        let gone = missing(&|command| command != "socat" && command != "nc.openbsd");
        let said = advice(&gone);
        assert!(said.contains("missing: nc.openbsd socat;"), "{said}");
        assert!(said.ends_with("apt-get install netcat-openbsd socat\n"), "{said}");
        assert!(missing(&|_| true).is_empty());
        assert_eq!(advice(&[]), "");
    }

    #[test]
    fn nobody_is_told_to_install_what_would_start_a_service() {
        let all = advice(&missing(&|_| false));
        let install = all.lines().find(|line| line.contains("install")).expect("a line to type");
        assert!(install.contains("chromium") && !install.contains("prometheus"), "{all}");
        assert!(all.contains("apt-get download prometheus"), "{all}");
        assert!(all.contains("./usr/bin/promtool\n"), "{all}");
    }

    #[test]
    fn what_was_taken_out_of_a_package_is_found_after_what_is_installed() {
        let root = PathBuf::from("/nowhere");
        let path = path(&Workspace { root: root.clone() });
        let last = std::env::split_paths(&path).last();
        assert_eq!(last, Some(root.join("target/tools")));
    }
}
