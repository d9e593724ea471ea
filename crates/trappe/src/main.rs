//! The command `trappe`.

use std::process::ExitCode;

fn main() -> ExitCode {
    trappe::cli::main()
}
