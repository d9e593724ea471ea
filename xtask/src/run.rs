//! Runs a command to its end, with its output in one piece and a bound on its time.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What a command did.
pub(crate) struct Outcome {
    pub(crate) ok: bool,
    /// Standard output and standard error, as they came.
    pub(crate) output: String,
}

/// How long the last words of a command may take after its end: a grandchild that outlives it holds the pipe open.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// How often a running command is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Runs `command` with nothing to read; past `limit` it is ended with all that it started, and has failed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Outcome> {
    let name = command.get_program().to_string_lossy().into_owned();
    let (mut reader, writer) = std::io::pipe().context("making a pipe")?;
    let also = writer.try_clone().context("making a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(also)
        .spawn()
        .with_context(|| format!("starting {name}"))?;
    // The command holds our ends of the pipe: without this the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (pieces, inbox) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count) = reader.read(&mut buffer) {
            if count == 0 || pieces.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });

    let begun = Instant::now();
    let mut output = Vec::new();
    let mut expired = false;
    let status = loop {
        if let Ok(piece) = inbox.recv_timeout(LOOK) {
            output.extend(piece);
        }
        if let Some(status) = child.try_wait().with_context(|| format!("waiting for {name}"))? {
            break status;
        }
        if begun.elapsed() > limit {
            expired = true;
            end_with_descendants(child.id());
            break child.wait().with_context(|| format!("waiting for {name}"))?;
        }
    };
    let ended = Instant::now();
    while let Some(left) = LAST_WORDS.checked_sub(ended.elapsed()) {
        match inbox.recv_timeout(left) {
            Ok(piece) => output.extend(piece),
            Err(_) => break,
        }
    }
    let mut output = String::from_utf8_lossy(&output).into_owned();
    if expired {
        let note = format!("\n{name} was ended: not done after {} s\n", limit.as_secs());
        output.push_str(&note);
    }
    Ok(Outcome { ok: status.success() && !expired, output })
}

/// Ends a child of ours and what it started, each by its id, parents first so that nothing new is started.
fn end_with_descendants(child: u32) {
    let mut ids = vec![child];
    let mut at = 0;
    while let Some(&id) = ids.get(at) {
        at += 1;
        signal(id, Signal::SIGSTOP);
        ids.extend(children_of(id));
    }
    for id in ids {
        signal(id, Signal::SIGKILL);
    }
}

fn signal(id: u32, signal: Signal) {
    if let Ok(id) = i32::try_from(id) {
        // A process that is already gone is what was wanted.
        let _gone = kill(Pid::from_raw(id), signal);
    }
}

/// The ids of the processes whose parent is `parent`; empty where there is no `/proc`.
fn children_of(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let id: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // The name stands in parentheses and may hold anything; after the last one: state, parent.
            let after = stat.rsplit_once(')')?.1;
            (after.split_whitespace().nth(1)?.parse() == Ok(parent)).then_some(id)
        })
        .collect()
}

/// Looks for a command in `$PATH`, and where system tools are although `$PATH` of a user lacks it.
pub(crate) fn find_command(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path)
        .chain(system)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_outputs_are_kept_in_their_order_and_the_exit_code_decides() {
        let outcome =
            run(&mut shell("echo one; echo two >&2; echo three; exit 3"), Duration::from_secs(10))
                .expect("sh is everywhere");
        assert!(!outcome.ok);
        assert_eq!(outcome.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn a_command_past_its_time_is_ended_with_what_it_started() {
        let outcome =
            run(&mut shell("tail -f /dev/null & echo $!; wait"), Duration::from_millis(300))
                .expect("sh is everywhere");
        assert!(!outcome.ok);
        let grandchild: u32 =
            outcome.output.lines().next().expect("its id").parse().expect("a number");
        let alive = || {
            let stat =
                std::fs::read_to_string(format!("/proc/{grandchild}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        // The kernel takes a moment between the signal and the end.
        let begun = Instant::now();
        while alive() && begun.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        assert!(!alive());
    }

    #[test]
    fn a_missing_command_is_an_error_that_names_it() {
        let error = run(&mut Command::new("trappe-no-such-command"), Duration::from_secs(1))
            .err()
            .expect("an error");
        assert!(format!("{error:#}").contains("trappe-no-such-command"));
        assert_eq!(find_command("trappe-no-such-command"), None);
        assert!(find_command("sh").is_some());
    }
}
