//! How the process ends: every exit code of the program but 70, with which a server ends whose pump panicked.

use std::process::ExitCode;

/// What the shell, a script or a service manager is told at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done; also when whoever read standard output went away first.
    Ok = 0,
    /// It couldn't be done: the cause stands on standard error.
    Failure = 1,
    /// What was typed makes no sense (clap ends with the same code).
    Usage = 2,
    /// The hub went away, or wasn't there, and as many attempts as were asked for have failed.
    GaveUp = 3,
    /// Ctrl-C at a terminal whose line editor takes it as a key: 128 + SIGINT, as if the signal had come.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => 0,
            Exit::Failure => 1,
            Exit::Usage => 2,
            Exit::GaveUp => 3,
            Exit::Interrupted => 130,
        })
    }
}
