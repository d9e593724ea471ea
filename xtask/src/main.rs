//! The one tool of the people who work on trappe: `test`, `ci`, `tidy`, `api`, `sim`, `bench`. No shell scripts beside it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to a developer's terminal is this tool's job"
)]

mod api;
mod autobahn;
mod bench;
mod cargo_test;
mod npm;
mod packages;
mod run;
mod sim;
mod tally;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use workspace::Workspace;

const HELP: &str = "\
  cargo xtask test                  everything that must hold: fmt, clippy, docs, tests, tidy
  cargo xtask tidy                  only the rules of the house, in a second
  cargo xtask bench --only redis    trappe beside redis-server: CPU per delivery, deliveries/s

Commands
  test [--no-install]   runs it all and closes with `N passed, N failed`; installs the Debian packages
                        that the end-to-end tests need when it may (root, or sudo without a password),
                        and npm's into target/tools
  ci                    the same with CI=true: a missing tool is a failure, not a skip
  tidy                  file lengths, module docs, sleeps in tests, unused limits, … (CONTRIBUTING.md)
  api [--accept]        the public API beside docs/api.txt, which tells what users may rely on; --accept takes what is
                        new, and what breaks them if the version in Cargo.toml was raised for it
  sim [OPTIONS]         lives of the hub in a simulated world, each from one number: --seeds N (--first S) lives N of
                        them, --seed S that one again, telling all; what else there is: sim --help
  sim --planted [--only A,B] [--lives N] [--check]
                        plants each of a list of defects, and looks for a life that breaks a promise by it;
                        --check only compiles them
  autobahn [--quick]    the WebSocket cases of the Autobahn suite (python3 with venv, pip); --quick without
                        the large messages, as in test
  bench [--only A,B] [--reps N] [--secs S]
                        alternated comparison with whichever of nats-server, redis-server, mosquitto and
                        ncat are installed; $NATS_SERVER, $REDIS_SERVER, $MOSQUITTO, $NCAT name others
  bench udp [--only A,B] [--reps N] [--secs S]
                        what a datagram costs, beside a bare loop of recvmmsg and sendmmsg
  bench state [--only A,B] [--reps N] [--secs S]
                        what a room's shared state costs, and how late it is seen
  bench store [--only A,B] [--reps N] [--secs S] [--quick]
                        durable messages/s, CPU per message stored and per live delivery, beside the disk's
                        limit, redis-server (AOF always) and nats-server (JetStream, sync always), if they are
                        installed or in target/tools; --quick: once, a second each
  help                  this

Exit codes: 0 all is well, 1 something failed, 2 a mistake on the command line.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (command, options) = match args.split_first() {
        None => ("help", &[][..]),
        Some((command, options)) => (command.as_str(), options),
    };
    match dispatch(command, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(Failure::Usage(why)) => {
            eprintln!("xtask: {why}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(Failure::Told(code)) => ExitCode::from(code),
        Err(Failure::Other(error)) => {
            eprintln!("xtask: {error:#}");
            ExitCode::from(1)
        }
    }
}

/// Why a command came to no verdict.
enum Failure {
    Usage(String),
    /// What was started has said why, and ended with this.
    Told(u8),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Runs one command; `Ok(false)` means that it ran and found something wrong.
fn dispatch(command: &str, options: &[String]) -> Result<bool, Failure> {
    match command {
        "test" => {
            let install = match options {
                [] => true,
                [only] if only == "--no-install" => false,
                _ => return Err(unexpected(command, options)),
            };
            let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
            Ok(test::run(&Workspace::find()?, &test::Options { install, ci }))
        }
        "ci" if options.is_empty() => {
            Ok(test::run(&Workspace::find()?, &test::Options { install: true, ci: true }))
        }
        "tidy" if options.is_empty() => Ok(tidy::run(&Workspace::find()?)?),
        "api" => {
            let accept = match options {
                [] => false,
                [only] if only == "--accept" => true,
                _ => return Err(unexpected(command, options)),
            };
            Ok(api::run(&Workspace::find()?, accept)?)
        }
        "sim" => {
            let options = sim::Options::parse(options).map_err(Failure::Usage)?;
            match sim::run(&Workspace::find()?, &options)? {
                0 => Ok(true),
                1 => Ok(false),
                code => Err(Failure::Told(code)),
            }
        }
        "autobahn" => {
            let options = autobahn::Options::parse(options).map_err(Failure::Usage)?;
            Ok(autobahn::run(&Workspace::find()?, options)?)
        }
        "bench" => {
            let options = bench::Options::parse(options).map_err(Failure::Usage)?;
            Ok(bench::run(&Workspace::find()?, &options)?)
        }
        bench::BARE_LOOP if options.is_empty() => {
            bench::run_bare_loop()?;
            Ok(true)
        }
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(true)
        }
        "ci" | "tidy" => Err(unexpected(command, options)),
        unknown => Err(Failure::Usage(format!("there is no command `{unknown}`"))),
    }
}

fn unexpected(command: &str, options: &[String]) -> Failure {
    Failure::Usage(format!("`{command}` does not take `{}`", options.join(" ")))
}
