//! The programs that the end-to-end tests talk to the hub with: which are missing, and how they come.

use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use crate::run;

/// A command that the tests start, and the Debian package that brings it.
struct Tool {
    command: &'static str,
    package: &'static str,
}

const TOOLS: &[Tool] = &[
    Tool { command: "nc.openbsd", package: "netcat-openbsd" },
    Tool { command: "ncat", package: "ncat" },
    Tool { command: "socat", package: "socat" },
    Tool { command: "telnet", package: "telnet" },
    Tool { command: "ip", package: "iproute2" },
    Tool { command: "promtool", package: "prometheus" },
    Tool { command: "chromium", package: "chromium" },
];

/// How long a package manager may take before it is given up.
const INSTALL_MAX: Duration = Duration::from_mins(5);

/// What stands, after an attempt to install what was missing.
pub(crate) struct Packages {
    /// Commands that are still missing.
    pub(crate) missing: Vec<&'static str>,
    /// What happened, for a person.
    pub(crate) words: String,
}

/// Looks for every tool and installs what is missing, if `install` and if it may without asking anyone.
pub(crate) fn ensure(install: bool) -> Packages {
    let before = missing(&|command| run::find_command(command).is_some());
    if before.is_empty() {
        return Packages { missing: Vec::new(), words: String::new() };
    }
    let packages: Vec<&str> = before.iter().map(|tool| tool.package).collect();
    let mut words = String::new();
    match prefix() {
        Some(prefix) if install => {
            for arguments in [vec!["update", "-qq"], install_arguments(&packages)] {
                let (program, first) =
                    prefix.split_first().map_or(("apt-get", &[][..]), |(p, f)| (*p, f));
                let mut command = Command::new(program);
                command.args(first).args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
                match run::run(&mut command, INSTALL_MAX) {
                    Ok(outcome) if outcome.ok => {}
                    Ok(outcome) => words.push_str(&outcome.output),
                    Err(error) => words.push_str(&error_line(&error)),
                }
            }
        }
        _ => {}
    }
    let after = missing(&|command| run::find_command(command).is_some());
    if !after.is_empty() {
        words.push_str(&advice(&after));
    }
    Packages { missing: after.iter().map(|tool| tool.command).collect(), words }
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

fn advice(missing: &[&Tool]) -> String {
    let commands: Vec<&str> = missing.iter().map(|tool| tool.command).collect();
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    format!(
        "missing: {}; the tests that need them do not run. On Debian:\n    sudo apt-get install {}\n",
        commands.join(" "),
        packages.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_type() {
        let gone = missing(&|command| command != "socat" && command != "nc.openbsd");
        let advice = advice(&gone);
        assert!(advice.contains("missing: nc.openbsd socat;"), "{advice}");
        assert!(advice.contains("apt-get install netcat-openbsd socat\n"), "{advice}");
        assert!(missing(&|_| true).is_empty());
    }
}
