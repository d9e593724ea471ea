//! The server's own terminal: one more reader of the log, on a thread of its own.
//!
//! A stuck or slow terminal delays nobody: what it can't take beyond a bound is lost, and the number of lost lines is
//! printed where they would have been.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
    thread::JoinHandle,
};

use parking_lot::{Condvar, Mutex};
use tokio::time::Instant;
use trappe_core::{
    command::Lang,
    encode::{escape::to_terminal, text},
    limits::{CONSOLE_BYTES, CONSOLE_LINES},
    message::Kind,
    room::batch::Batch,
    words::say,
};

use crate::net::address::Peer;

enum Line {
    Came(u64, Peer),
    Batch(Arc<Batch>),
    Said(String),
    Lost(usize),
}

#[derive(Default)]
struct Queue {
    lines: VecDeque<Line>,
    held_lines: usize,
    held_bytes: usize,
    lost: usize,
    closed: bool,
    /// Nobody reads standard output any more.
    dead: bool,
}

impl Queue {
    fn push(&mut self, line: Line, lines: usize, bytes: usize) {
        if self.dead {
            return;
        }
        if self.held_lines + lines > CONSOLE_LINES || self.held_bytes + bytes > CONSOLE_BYTES {
            self.lost += lines;
            return;
        }
        if self.lost > 0 {
            self.lines.push_back(Line::Lost(std::mem::take(&mut self.lost)));
        }
        self.held_lines += lines;
        self.held_bytes += bytes;
        self.lines.push_back(line);
    }
}

/// The console. Whatever is given to it is queued, or counted as lost; nothing here waits for the terminal.
pub(crate) struct Console {
    queue: Mutex<Queue>,
    more: Condvar,
    empty: Condvar,
    lang: Lang,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Console {
    /// Starts the thread that prints to standard output.
    pub(crate) fn start(lang: Lang) -> io::Result<(Arc<Console>, JoinHandle<()>)> {
        let console = Arc::new(Console {
            queue: Mutex::default(),
            more: Condvar::new(),
            empty: Condvar::new(),
            lang,
        });
        let mine = Arc::clone(&console);
        let thread =
            std::thread::Builder::new().name("console".into()).spawn(move || mine.run())?;
        Ok((console, thread))
    }

    /// A client has come.
    pub(crate) fn came(&self, number: u64, peer: Peer) {
        self.push(Line::Came(number, peer), 1, 100);
    }

    /// A batch was published in a room.
    pub(crate) fn batch(&self, batch: &Arc<Batch>) {
        let messages = usize::try_from(batch.messages()).unwrap_or(usize::MAX);
        if messages > 0 {
            let bytes = usize::try_from(batch.weight()).unwrap_or(usize::MAX);
            self.push(Line::Batch(Arc::clone(batch)), messages, bytes);
        }
    }

    /// A sentence of the server's own.
    pub(crate) fn say(&self, sentence: String) {
        let bytes = sentence.len();
        self.push(Line::Said(sentence), 1, bytes);
    }

    fn push(&self, line: Line, lines: usize, bytes: usize) {
        self.queue.lock().push(line, lines, bytes);
        self.more.notify_one();
    }

    /// Nothing more will come; waits until all is printed, at most until `deadline`.
    pub(crate) fn close(&self, deadline: Instant) {
        let mut queue = self.queue.lock();
        queue.closed = true;
        self.more.notify_one();
        while queue.held_lines > 0 || !queue.lines.is_empty() {
            if self.empty.wait_until(&mut queue, deadline.into_std()).timed_out() {
                return;
            }
        }
    }

    fn run(&self) {
        let mut out = Vec::new();
        loop {
            let (lines, held_lines, held_bytes) = {
                let mut queue = self.queue.lock();
                if queue.lost > 0 && queue.lines.is_empty() {
                    let lost = std::mem::take(&mut queue.lost);
                    queue.lines.push_back(Line::Lost(lost));
                }
                if queue.lines.is_empty() {
                    self.empty.notify_all();
                    if queue.closed {
                        return;
                    }
                    self.more.wait(&mut queue);
                    continue;
                }
                (std::mem::take(&mut queue.lines), queue.held_lines, queue.held_bytes)
            };
            out.clear();
            for line in lines {
                self.print(&mut out, &line);
            }
            let mut stdout = io::stdout().lock();
            let printed = stdout.write_all(&out).and_then(|()| stdout.flush());
            // What was printed is held no longer; only now, so that a stuck terminal keeps its bound.
            let mut queue = self.queue.lock();
            queue.held_lines -= held_lines;
            queue.held_bytes -= held_bytes;
            if printed.is_err() {
                queue.dead = true;
                queue.lines.clear();
                queue.held_lines = 0;
                queue.held_bytes = 0;
            }
            drop(queue);
            if out.capacity() > CONSOLE_BYTES {
                out = Vec::new();
            }
        }
    }

    fn print(&self, out: &mut Vec<u8>, line: &Line) {
        match line {
            Line::Came(number, peer) => {
                let arrives = say(self.lang, "client-arrives", &[]);
                out.extend_from_slice(format!("{arrives} client-{number} ({peer})\n").as_bytes());
            }
            Line::Said(sentence) => {
                out.extend_from_slice(to_terminal(sentence).as_bytes());
                out.push(b'\n');
            }
            Line::Lost(count) => {
                out.extend_from_slice(
                    say(self.lang, "lines-lost", &[("count", (*count).into())]).as_bytes(),
                );
                out.push(b'\n');
            }
            Line::Batch(batch) => {
                let room = &batch.life.name;
                for record in batch.records.iter().filter(|r| r.kind == Kind::Speech) {
                    let author = record.author.to_string();
                    if room.as_str() == "lobby" {
                        text::speech(out, &author, batch.body(record));
                    } else {
                        text::speech_in(out, room.as_str(), &author, batch.body(record));
                    }
                }
            }
        }
    }
}
