//! `cargo xtask autobahn`: the cases of the Autobahn test suite against `trappe server --echo`.
//!
//! kosoku runs Autobahn's own case files (`autobahntestsuite` itself needs Python 2.7). Left out are the cases 12 and 13: they are
//! about permessage-deflate, which the hub doesn't offer.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::run;
use crate::workspace::Workspace;

/// The release of kosoku, from Python's package index, whose cases are counted below.
const KOSOKU: &str = "0.1.0";
/// How many cases there are, and how many with `--quick`: fewer means that some did not run.
const CASES: usize = 301;
const CASES_QUICK: usize = 247;
/// Cases at once; several take seconds because they wait on purpose.
const PARALLEL: &str = "4";

/// A cold debug build on a small machine.
const BUILD_MAX: Duration = Duration::from_mins(20);
/// Making the Python environment, or installing into it.
const INSTALL_MAX: Duration = Duration::from_mins(5);
/// All cases; they take 15 s where nothing is wrong.
const CASES_MAX: Duration = Duration::from_mins(10);
/// How long the server may take until it has told its port.
const START_MAX: Duration = Duration::from_secs(10);

/// What was typed after `autobahn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Without the cases 9: large messages and their speed.
    pub(crate) quick: bool,
}

impl Options {
    /// Reads `--quick`; an error says what is wrong.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self { quick: false }),
            [only] if only == "--quick" => Ok(Self { quick: true }),
            other => Err(format!("`autobahn` does not take `{}`", other.join(" "))),
        }
    }
}

/// How it went.
pub(crate) enum Verdict {
    /// The cases were run.
    Ran {
        /// All of them, and none failed.
        ok: bool,
        /// One line of counts; then what failed, and where the report is.
        words: String,
    },
    /// The suite isn't here and can't be had: why, and what to install.
    Absent(String),
}

/// Prints the counts. False if a case failed, or if the suite can't be had.
pub(crate) fn run(workspace: &Workspace, options: Options) -> Result<bool> {
    match check(workspace, options)? {
        Verdict::Ran { ok, words } => {
            println!("{words}");
            Ok(ok)
        }
        Verdict::Absent(why) => {
            println!("{why}");
            Ok(false)
        }
    }
}

/// Builds trappe, gets the suite, runs the cases.
pub(crate) fn check(workspace: &Workspace, options: Options) -> Result<Verdict> {
    let target = workspace.target();
    let folder = target.join("autobahn");
    std::fs::create_dir_all(&folder).context("making target/autobahn")?;
    let python = match suite(&folder)? {
        Ok(python) => python,
        Err(why) => return Ok(Verdict::Absent(why)),
    };
    let mut build = workspace.cargo(&["build", "-q", "-p", "trappe", "--bin", "trappe"]);
    let outcome = run::run(&mut build, BUILD_MAX)?;
    ensure!(outcome.ok, "building trappe:\n{}", outcome.output);
    cases(&folder, &python, &target.join("debug/trappe"), options.quick)
}

/// The Python that has kosoku, installed once for each release of it; or why there is none.
fn suite(folder: &Path) -> Result<Result<PathBuf, String>> {
    let home = folder.join(format!("kosoku-{KOSOKU}"));
    let python = home.join("bin/python");
    let has_kosoku = || {
        let mut import = Command::new(&python);
        import.args(["-c", "import kosoku._cli"]);
        run::run(&mut import, INSTALL_MAX).is_ok_and(|outcome| outcome.ok)
    };
    if has_kosoku() {
        return Ok(Ok(python));
    }
    let Some(system) = run::find_command("python3") else {
        return Ok(Err("no python3: apt-get install python3 python3-venv".into()));
    };
    let made =
        run::run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&home), INSTALL_MAX)?;
    if !made.ok {
        return Ok(Err(format!(
            "python3 has no venv: apt-get install python3-venv\n{}",
            made.output.trim_end()
        )));
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--retries", "1"]);
    // Nothing is compiled here: there are wheels for what this runs on, or there is no suite.
    pip.args(["--disable-pip-version-check", "--only-binary", ":all:"])
        .arg(format!("kosoku=={KOSOKU}"));
    let installed = run::run(&mut pip, INSTALL_MAX)?;
    Ok(if installed.ok && has_kosoku() {
        Ok(python)
    } else {
        // What was tried before the last line is of no use to anyone.
        let last = installed.output.lines().last().unwrap_or_default();
        Err(format!(
            "kosoku {KOSOKU} can't be installed (it takes Python 3.10, and a network for pip): {last}"
        ))
    })
}

/// Starts `trappe`, runs the cases against it, counts.
fn cases(folder: &Path, python: &Path, trappe: &Path, quick: bool) -> Result<Verdict> {
    let log = folder.join("server.log");
    let mut server = Server::start(trappe, &log)?;
    let report = folder.join(if quick { "report-quick" } else { "report" });
    if report.exists() {
        // Else a run that wrote nothing would be judged by the last one.
        std::fs::remove_dir_all(&report).context("removing the last report")?;
    }
    let mut kosoku = Command::new(python);
    // The script of that name has the folder's path in it, and a clone may be moved.
    kosoku.args(["-c", "from kosoku._cli import main; main()"]);
    kosoku.args(["--parallelism", PARALLEL, "--outdir"]).arg(&report);
    let left_out: &[&str] = if quick { &["9.*", "12.*", "13.*"] } else { &["12.*", "13.*"] };
    kosoku.args(left_out.iter().flat_map(|cases| ["--exclude", cases]));
    kosoku.arg(format!("ws://127.0.0.1:{}/echo", server.port));
    let outcome = run::run(&mut kosoku, CASES_MAX)?;

    let index = report.join("index.json");
    let counts = std::fs::read_to_string(&index).map(|text| Counts::read(&text));
    let Ok(counts) = counts else {
        return Ok(Verdict::Ran { ok: false, words: format!("no report:\n{}", outcome.output) });
    };
    let expected = if quick { CASES_QUICK } else { CASES };
    let mut words = vec![counts.to_string()];
    if counts.total() < expected {
        words.push(format!("{expected} cases were to run"));
    }
    words.extend(counts.failed.iter().map(|case| format!("failed {case}")));
    if let Some(status) = server.child.try_wait().context("looking at the server")? {
        words.push(format!("the server ended: {status}"));
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    words.extend(said.lines().find(|line| line.contains("panicked at")).map(str::to_owned));
    let ok = words.len() == 1;
    if !ok {
        words.push(format!("report: {}", report.join("index.html").display()));
        words.push(format!("what the server said: {}", log.display()));
    }
    Ok(Verdict::Ran { ok, words: words.join("\n") })
}

/// What the cases came to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    /// Right, though later than it could be: invalid UTF-8 is noticed at the end of its frame.
    non_strict: usize,
    /// There is no right or wrong.
    informational: usize,
    /// The cases' numbers, and what was wrong.
    failed: Vec<String>,
}

impl Counts {
    /// Reads kosoku's `index.json`, which has one key to a line: a case's `behavior`, then its `behaviorClose`.
    fn read(index: &str) -> Self {
        let mut counts = Self::default();
        let (mut case, mut behavior) = ("", "");
        for line in index.lines() {
            let Some((key, value)) = line.trim().split_once(": ") else { continue };
            let value = value.trim_end_matches(',').trim_matches('"');
            match (key.trim_matches('"'), value) {
                (number, "{") => (case, behavior) = (number, ""),
                ("behavior", value) => behavior = value,
                ("behaviorClose", close) => match (behavior, close) {
                    (_, close) if close != "OK" && close != "INFORMATIONAL" => {
                        counts.failed.push(format!("{case}: {behavior}, close {close}"));
                    }
                    ("OK", _) => counts.passed += 1,
                    ("NON-STRICT", _) => counts.non_strict += 1,
                    ("INFORMATIONAL", _) => counts.informational += 1,
                    _ => counts.failed.push(format!("{case}: {behavior}")),
                },
                _ => {}
            }
        }
        counts
    }

    fn total(&self) -> usize {
        self.passed + self.non_strict + self.informational + self.failed.len()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { passed, non_strict, informational, failed } = self;
        write!(
            f,
            "{} cases: {passed} passed, {non_strict} non-strict, {informational} informational, {} failed",
            self.total(),
            failed.len()
        )
    }
}

/// A running echo server. It ends with this value, by its id, also when a run fails or panics.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts it on a free port of the loopback; what it says on standard error goes to `log`.
    fn start(trappe: &Path, log: &Path) -> Result<Self> {
        let log = File::create(log).context("making the server's log")?;
        let child = Command::new(trappe)
            .args(["server", "--host", "127.0.0.1", "--port", "0", "--echo", "--quiet"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", trappe.display()))?;
        let mut server = Self { child, port: 0 };
        let out = server.child.stdout.take().context("no output to read the port from")?;
        let (found, inbox) = mpsc::channel();
        // Goes on reading after the port: a server whose output nobody takes might wait for that.
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Some(port) = port_in(&line) {
                    // Nobody waits any more once the first was found.
                    let _told = found.send(port);
                }
            }
        });
        server.port =
            inbox.recv_timeout(START_MAX).context("`trappe server --echo` told no port")?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may fail only because it has already ended.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The port in a line such as `écoute sur 127.0.0.1:41234`: the digits after its last colon.
fn port_in(line: &str) -> Option<u16> {
    let (_, after) = line.rsplit_once(':')?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_counted_case_by_case() {
        let case = |number: &str, behavior: &str, close: &str| {
            format!(
                "      \"{number}\": {{\n         \"behavior\": \"{behavior}\",\n         \"behaviorClose\": \"{close}\",\n         \"remoteCloseCode\": null\n      }},\n"
            )
        };
        let cases = [
            case("1.1.1", "OK", "OK"),
            case("1.1.2", "OK", "OK"),
            case("6.4.3", "NON-STRICT", "OK"),
            case("7.1.6", "INFORMATIONAL", "INFORMATIONAL"),
            case("7.7.1", "OK", "WRONG CODE"),
            case("9.1.1", "FAILED", "OK"),
            case("9.1.2", "UNIMPLEMENTED", "OK"),
        ];
        let index = format!("{{\n   \"127.0.0.1:5566\": {{\n{}   }}\n}}\n", cases.concat());
        let counts = Counts::read(&index);
        assert_eq!(
            counts.to_string(),
            "7 cases: 2 passed, 1 non-strict, 1 informational, 3 failed"
        );
        assert_eq!(
            counts.failed,
            ["7.7.1: OK, close WRONG CODE", "9.1.1: FAILED", "9.1.2: UNIMPLEMENTED"]
        );
        assert_eq!(Counts::read("{}").total(), 0);
    }

    #[test]
    fn the_port_is_the_number_after_the_last_colon() {
        for (line, port) in [
            ("écoute sur 127.0.0.1:41234", Some(41234)),
            ("[::1]:5566 (loopback)", Some(5566)),
            ("Le serveur est démarré !", None),
            ("adresse : aucune", None),
        ] {
            assert_eq!(port_in(line), port, "{line}");
        }
    }

    #[test]
    fn options_are_quick_or_nothing() {
        let parse = |words: &[&str]| {
            Options::parse(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(parse(&[]), Ok(Options { quick: false }));
        assert_eq!(parse(&["--quick"]), Ok(Options { quick: true }));
        assert!(parse(&["--slow"]).is_err_and(|why| why.contains("--slow")));
    }
}
