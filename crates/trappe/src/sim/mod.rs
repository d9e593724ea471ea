//! A simulated world: the hub and its clients, with a network, a clock and a disk that are made of one number.

pub(crate) mod chance;

use std::process::ExitCode;

/// Runs lives of the hub, each made of one number.
#[must_use]
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
