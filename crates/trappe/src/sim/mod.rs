//! A simulated world: the hub and its clients, with a network, a clock and a disk that are made of one number.
//!
//! [`life`] is one life of it; this is the command line that runs many.

pub(crate) mod chance;
pub(crate) mod clock;
pub(crate) mod disk;
pub(crate) mod hub;
mod life;
mod many;
mod members;
mod model;
pub(crate) mod net;
pub(crate) mod process;

use std::{
    io::{self, Write},
    num::NonZero,
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::Parser;

/// A life that takes longer than this doesn't come to an end.
const PATIENCE: Duration = Duration::from_mins(1);

const EXAMPLES: &str = "\
Examples:
  trappe --seeds 200                lives 1 to 200
  trappe --seeds 1000 --first 5000  lives 5000 to 5999
  trappe --seeds 200 --twice        each twice: equal seeds must give equal lives
  trappe --seed 123                 life 123 alone, with all that happens in it";

/// Lives of a hub in a simulated world, each made of one number; in each it is looked whether a promise is broken.
#[derive(Debug, Parser)]
#[command(name = "trappe", before_help = EXAMPLES, arg_required_else_help = true)]
struct Arguments {
    /// How many lives
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first of them
    #[arg(long, value_name = "S", default_value_t = 1)]
    first: u64,
    /// How many at a time [default: one for each core]
    #[arg(long, value_name = "J")]
    jobs: Option<NonZero<usize>>,
    /// One life, told step by step
    #[arg(long, value_name = "S", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Lives each life twice, and compares
    #[arg(long)]
    twice: bool,
    /// Lives what standard input asks for
    #[arg(long, hide = true)]
    child: bool,
}

/// Runs lives of the hub, each made of one number. 0: no promise was broken; 1: one was; 2: what was typed makes no
/// sense.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Either may meet a closed pipe.
            let _closed = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let done = match (arguments.child, arguments.seed, arguments.seeds) {
        (true, ..) => many::obey(arguments.twice).map(|()| true),
        (_, Some(seed), _) => replay(seed, arguments.twice),
        (_, _, Some(seeds)) => {
            let cores = thread::available_parallelism().ok();
            let jobs = arguments.jobs.or(cores).map_or(1, NonZero::get);
            many::run(arguments.first, seeds, jobs, arguments.twice)
        }
        (_, None, None) => {
            let _closed = writeln!(io::stderr(), "how many lives? --seeds N; or one: --seed S");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _closed = writeln!(io::stderr(), "running lives: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells one life step by step. Gives whether all promises held.
fn replay(seed: u64, twice: bool) -> io::Result<bool> {
    thread::spawn(move || {
        thread::sleep(PATIENCE);
        let _closed = writeln!(io::stdout(), "seed {seed} broke a promise: {}", many::ENDLESS);
        std::process::exit(1);
    });
    let log = tracing_subscriber::fmt().without_time().with_ansi(false).with_target(false);
    log.with_max_level(tracing::Level::DEBUG).with_writer(io::stdout).init();
    members::tell_aloud(true);
    let lived = life::live(seed);
    members::tell_aloud(false);
    let broken =
        lived.broken.or_else(|| (twice && differs(seed, lived.digest)).then(twice_sentence));
    let mut out = io::stdout();
    writeln!(out, "{}", many::summary(1, &lived.tally, lived.digest))?;
    match &broken {
        Some(broken) => writeln!(out, "seed {seed} broke a promise: {broken}")?,
        None => writeln!(out, "seed {seed} broke no promise")?,
    }
    Ok(broken.is_none())
}

fn differs(seed: u64, digest: u64) -> bool {
    life::live(seed).digest != digest
}

fn twice_sentence() -> String {
    "the same seed made two different lives".to_owned()
}
