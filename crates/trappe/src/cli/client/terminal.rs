//! A person at a terminal: a line editor, above which what arrives is printed without breaking the line being typed.
//!
//! The editor prints in two ways: through its own loop while it edits, directly between two lines. A message in the first way would be overtaken by one
//! in the second, so a [`Gate`] lets messages pass only while it edits.

use std::{
    borrow::Cow,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use parking_lot::{Condvar, Mutex};
use rustyline::{
    ColorMode, Config, Editor, ExternalPrinter, Helper, Result,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::MemHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};

use super::{
    ending::{Ending, Endings},
    screen::{Sink, escaped},
    talk::{READ_BYTES, Said, Source},
};
use crate::cli::out;

/// What stands before the line being typed.
const PROMPT: &str = "> ";
/// How many lines the arrow keys bring back.
const HISTORY_LINES_MAX: usize = 1000;
/// How long an accepted line waits for a message that is on its way to the editor.
const CALL_MAX: Duration = Duration::from_millis(20);
/// How long a message waits to be drawn.
const DRAW_MAX: Duration = Duration::from_millis(100);

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two lines.
    #[default]
    Between,
    /// A line is begun; the editor edits once its prompt is drawn.
    Begun,
    /// The editor edits.
    Edits,
    /// There is no editor any more.
    Over,
}

#[derive(Debug, Default)]
struct GateState {
    phase: Phase,
    /// A message is being handed to the editor.
    calling: bool,
    /// How often the line was drawn.
    drawn: u64,
}

/// Lets messages pass to the editor while it edits.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

impl Gate {
    fn change(&self, change: impl FnOnce(&mut GateState)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }

    /// The line is accepted: no message from now on, and none between the gate and the editor. One that waits for the editor to take it stays.
    fn close(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Between;
        let deadline = Instant::now() + CALL_MAX;
        while state.calling && !self.changed.wait_until(&mut state, deadline).timed_out() {}
    }
}

/// What the editor calls: as it draws a line, and as one is accepted.
#[derive(Debug)]
struct Hooks(Arc<Gate>);

impl Highlighter for Hooks {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        self.0.change(|state| {
            state.drawn += 1;
            if state.phase == Phase::Begun {
                state.phase = Phase::Edits;
            }
        });
        Cow::Borrowed(prompt)
    }
}

impl Validator for Hooks {
    fn validate(&self, _line: &mut ValidationContext<'_>) -> Result<ValidationResult> {
        self.0.close();
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for Hooks {
    type Candidate = String;
}

impl Hinter for Hooks {
    type Hint = String;
}

impl Helper for Hooks {}

/// The lines that a person types.
pub(super) struct Typed {
    /// None once it has ended.
    editor: Option<Editor<Hooks, MemHistory>>,
    gate: Arc<Gate>,
    endings: Endings,
}

impl Source for Typed {
    fn next(&mut self, said: &mut Vec<u8>) -> Said {
        let Some(editor) = &mut self.editor else { return Said::Last };
        self.gate.change(|state| state.phase = Phase::Begun);
        let line = editor.readline(PROMPT);
        let said = match line {
            Ok(line) => {
                // Its only error is a file's, and this history is in memory.
                drop(editor.add_history_entry(&line));
                let ending = self.endings.of(line.as_bytes());
                if ending != Ending::Word {
                    said.extend_from_slice(line.as_bytes());
                    said.push(b'\n');
                }
                if ending == Ending::No { Said::Something } else { Said::Last }
            }
            Err(ReadlineError::Eof) => Said::Last,
            Err(ReadlineError::Interrupted) => Said::Interrupted,
            Err(ReadlineError::Io(error)) => Said::Unreadable(error),
            Err(error) => Said::Unreadable(io::Error::other(error)),
        };
        if !matches!(said, Said::Something) {
            // With the editor goes its end of the channel, so that a message that waits there is given back and printed.
            self.editor = None;
            self.gate.change(|state| state.phase = Phase::Over);
        }
        said
    }
}

/// The screen above the line being typed.
pub(super) struct Above<P> {
    printer: P,
    gate: Arc<Gate>,
    /// The beginning of a line.
    held: Vec<u8>,
}

impl<P: ExternalPrinter> Above<P> {
    fn print(&mut self, length: usize) -> io::Result<()> {
        let mut shown = escaped(&self.held[..length]);
        self.held.drain(..length);
        if shown.last() != Some(&b'\n') {
            shown.push(b'\n');
        }
        let mut state = self.gate.state.lock();
        let passes = |phase| matches!(phase, Phase::Edits | Phase::Over);
        self.gate.changed.wait_while(&mut state, |state| !passes(state.phase));
        if state.phase == Phase::Over {
            drop(state);
            return out::data(&shown);
        }
        state.calling = true;
        let drawn = state.drawn;
        drop(state);
        let printed = self.printer.print(String::from_utf8_lossy(&shown).into_owned());
        self.gate.change(|state| state.calling = false);
        if printed.is_err() {
            return out::data(&shown);
        }
        // Until it stands on the screen: were it the hub's last word, the process might end before.
        let mut state = self.gate.state.lock();
        let deadline = Instant::now() + DRAW_MAX;
        while state.drawn == drawn
            && state.phase != Phase::Over
            && !self.gate.changed.wait_until(&mut state, deadline).timed_out()
        {}
        Ok(())
    }
}

impl<P: ExternalPrinter> Sink for Above<P> {
    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.held.extend_from_slice(bytes);
        match self.held.iter().rposition(|&byte| byte == b'\n') {
            Some(newline) => self.print(newline + 1),
            None if self.held.len() > READ_BYTES => self.print(self.held.len()),
            None => Ok(()),
        }
    }

    fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    fn settle(&mut self) -> io::Result<()> {
        if self.holds() { self.print(self.held.len()) } else { Ok(()) }
    }
}

/// The line editor and the screen above it, or `None` where the terminal can't have one (`TERM=dumb`, output elsewhere).
pub(super) fn open(
    endings: Endings,
) -> Option<(Typed, Above<impl ExternalPrinter + Send + 'static>)> {
    let config = Config::builder()
        .max_history_size(HISTORY_LINES_MAX)
        .ok()?
        // Otherwise NO_COLOR takes the hooks away. They colour nothing.
        .color_mode(ColorMode::Forced)
        .build();
    let history = MemHistory::with_config(&config);
    let mut editor: Editor<Hooks, MemHistory> = Editor::with_history(config, history).ok()?;
    let gate = Arc::new(Gate::default());
    editor.set_helper(Some(Hooks(Arc::clone(&gate))));
    let printer = editor.create_external_printer().ok()?;
    let above = Above { printer, gate: Arc::clone(&gate), held: Vec::new() };
    Some((Typed { editor: Some(editor), gate, endings }, above))
}

/// How the terminal was before the editor: it is given back so where the conversation ends in the middle of a line.
pub(super) struct Before(Option<Termios>);

impl Before {
    /// Remembers how it is.
    pub(super) fn remember() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Gives it back, on a line of its own.
    pub(super) fn restore(&self) {
        let Some(before) = &self.0 else { return };
        // Nobody is left to be told of a failure: the terminal is gone then. The sequence ends the editor's bracketed paste.
        let _gone = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
        drop(out::data(b"\x1b[?2004l\n"));
    }
}
