//! The command `trappe`; under `--cfg sim`, its simulated world.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(sim)]
    return trappe::sim::main();
    #[cfg(not(sim))]
    trappe::cli::main()
}
