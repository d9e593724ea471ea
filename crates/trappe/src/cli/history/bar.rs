//! How far long work has got: on standard error, where a person looks at it.

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::out;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Messages,
    Bytes,
}

/// A bar; nothing at all where standard error isn't a terminal.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// For work of so many `unit`; 0: nobody knows.
    pub(super) fn new(total: u64, unit: Unit) -> Bar {
        let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
        let template = match (total, unit) {
            (0, Unit::Messages) => "{spinner} {pos}",
            (0, Unit::Bytes) => "{spinner} {bytes}",
            (_, Unit::Messages) => "{bar:40} {pos}/{len} {eta}",
            (_, Unit::Bytes) => "{bar:40} {bytes}/{total_bytes} {eta}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Bar(bar)
    }

    /// The same for work whose data goes to standard output: where that is a terminal, too, there is enough to see.
    pub(super) fn beside_data(total: u64, unit: Unit) -> Bar {
        if out::is_terminal() { Bar(ProgressBar::hidden()) } else { Bar::new(total, unit) }
    }

    /// So much is done.
    pub(super) fn at(&self, done: u64) {
        self.0.set_position(done);
    }

    /// So much more is done.
    pub(super) fn add(&self, more: u64) {
        self.0.inc(more);
    }
}

/// It is gone when the work is.
impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
