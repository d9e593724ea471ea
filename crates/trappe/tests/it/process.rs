//! A child process whose lines are collected as they come, and which is ended when the test ends.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for an effect before it fails. Generous: it is only ever used up by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The lines of one output, as far as they have come.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<(Mutex<Heard>, Condvar)>);

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    /// Collects `source` on a thread of its own until it ends.
    fn collect(source: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let mine = lines.clone();
        thread::spawn(move || {
            let mut source = BufReader::new(source);
            let mut line = Vec::new();
            while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                line.clear();
                mine.change(|heard| heard.lines.push(text));
            }
            mine.change(|heard| heard.ended = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut Heard)) {
        let (heard, changed) = &*self.0;
        change(&mut heard.lock().expect("no thread panics while it holds this"));
        changed.notify_all();
    }

    /// All lines so far.
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.0.lock().expect("no thread panics while it holds this").lines.clone()
    }

    /// Waits until `found` gives something for the lines so far, and gives that; `None` when they end, or time runs out, before.
    pub(crate) fn wait<T>(
        &self,
        within: Duration,
        mut found: impl FnMut(&[String], bool) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + within;
        let (heard, changed) = &*self.0;
        let mut heard = heard.lock().expect("no thread panics while it holds this");
        loop {
            if let Some(it) = found(&heard.lines, heard.ended) {
                return Some(it);
            }
            let left = until.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                return None;
            }
            heard = changed.wait_timeout(heard, left).expect("no thread panics here").0;
        }
    }

    /// Waits for a line that `wanted` accepts; fails with all lines so far.
    #[track_caller]
    pub(crate) fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.wait(PATIENCE, |lines, _| lines.iter().find(|line| wanted(line)).cloned());
        found.unwrap_or_else(|| panic!("the line never came; these did: {:#?}", self.all()))
    }
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// Its exit code; `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to its standard output, lossily decoded, each line ended by `\n`.
    pub(crate) out: String,
    /// The same of its standard error.
    pub(crate) err: String,
}

/// A running child process, killed on drop.
pub(crate) struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// Its standard output.
    pub(crate) out: Lines,
    /// Its standard error.
    pub(crate) err: Lines,
}

impl Process {
    /// Starts `command` with all three standard streams piped.
    #[track_caller]
    pub(crate) fn spawn(command: &mut Command) -> Process {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        let out = Lines::collect(child.stdout.take().expect("it is piped"));
        let err = Lines::collect(child.stderr.take().expect("it is piped"));
        Process { stdin: child.stdin.take(), child, out, err }
    }

    /// Starts `program` with `args`.
    #[track_caller]
    pub(crate) fn run<S: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: &[S]) -> Process {
        Process::spawn(Command::new(program).args(args))
    }

    /// Writes `text` to its standard input.
    #[track_caller]
    pub(crate) fn write(&mut self, text: impl AsRef<[u8]>) {
        let stdin = self.stdin.as_mut().expect("its input is still open");
        stdin.write_all(text.as_ref()).and_then(|()| stdin.flush()).expect("it reads its input");
    }

    /// Ends its standard input.
    pub(crate) fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Its number, for signals and `/proc`.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself, its input being closed first; fails if it doesn't in time.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        self.close_input();
        self.ended_within(PATIENCE)
    }

    /// Waits at most `within` until it ends by itself; its two outputs end with it.
    #[track_caller]
    pub(crate) fn ended_within(&mut self, within: Duration) -> Ended {
        for lines in [&self.out, &self.err] {
            let ended = lines.wait(within, |_, ended| ended.then_some(()));
            assert!(ended.is_some(), "it did not end within {within:?}: {:#?}", lines.all());
        }
        let status = self.child.wait().expect("it is our child");
        let text = |lines: &Lines| lines.all().iter().fold(String::new(), |all, l| all + l + "\n");
        Ended { code: status.code(), out: text(&self.out), err: text(&self.err) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill, and that is fine.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
