//! `cargo xtask bench`: trappe beside whichever peers are installed, in turns within each repetition.
//!
//! The figures of one machine at one moment mean little; the ratios of one run do. `bench udp` and `bench state` measure
//! what has no peer: datagrams beside a bare loop, and a room's shared state. `bench store` waits for the disk.

mod bare;
mod crowd;
mod fan;
mod kernel;
mod machine;
mod proto;
mod server;
mod state;
mod store;
mod udp;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::run;
use crate::workspace::Workspace;
pub(crate) use bare::run as run_bare_loop;
use fan::{Found, Load};
use server::Peer;

/// The command under which this program is the bare loop of datagrams: for `bench udp` alone, and not in the help.
pub(crate) const BARE_LOOP: &str = "bench-bare-loop";
/// What the others are compared with.
const REFERENCE: &str = "trappe-raw";
/// Octets of a message, as most chats and games have it.
const MESSAGE_BYTES: usize = 64;
/// A cold release build on a small machine.
const BUILD_MAX: Duration = Duration::from_mins(20);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// The fan-out over TCP, beside what others have.
    Peers,
    Udp,
    State,
    Store,
}

/// What was typed after `bench`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    what: What,
    /// Peers to take beside trappe, or cells of the others; all that there are if empty.
    only: Vec<String>,
    repetitions: u64,
    seconds: u64,
}

impl Options {
    /// Reads `udp`, `state` or `store`, `--only A,B`, `--reps N`, `--secs S`, `--quick`; an error says what is wrong.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let (what, arguments) = match arguments {
            [first, rest @ ..] if first == "udp" => (What::Udp, rest),
            [first, rest @ ..] if first == "state" => (What::State, rest),
            [first, rest @ ..] if first == "store" => (What::Store, rest),
            all => (What::Peers, all),
        };
        let (repetitions, seconds) = match what {
            What::Peers => (3, 2),
            What::Udp | What::Store => (5, 2),
            What::State => (3, 10),
        };
        let mut options = Self { what, only: Vec::new(), repetitions, seconds };
        let mut words = arguments.iter();
        while let Some(flag) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{flag}` wants a value"));
            match flag.as_str() {
                "--only" => options.only = value()?.split(',').map(str::to_owned).collect(),
                "--reps" => options.repetitions = bounded(flag, value()?, 25)?,
                "--secs" => options.seconds = bounded(flag, value()?, 60)?,
                "--quick" => (options.repetitions, options.seconds) = (1, 1),
                unknown => return Err(format!("`bench` does not take `{unknown}`")),
            }
        }
        Ok(options)
    }

    /// The same as words of a command line, all of them: what a figure is quoted with.
    fn arguments(&self) -> Vec<String> {
        let what = match self.what {
            What::Peers => None,
            What::Udp => Some("udp".to_owned()),
            What::State => Some("state".to_owned()),
            What::Store => Some("store".to_owned()),
        };
        let mut words: Vec<String> = what.into_iter().collect();
        words.extend(["--reps".into(), self.repetitions.to_string()]);
        words.extend(["--secs".into(), self.seconds.to_string()]);
        if !self.only.is_empty() {
            words.extend(["--only".into(), self.only.join(",")]);
        }
        words
    }

    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only(name)
    }

    /// It is named.
    fn only(&self, name: &str) -> bool {
        self.only.iter().any(|only| only == name)
    }

    /// That what is to be measured alone is there.
    fn check(&self, there: &[&str]) -> Result<()> {
        if let Some(unknown) = self.only.iter().find(|name| !there.contains(&name.as_str())) {
            bail!("`{unknown}` is not installed, or not known; there are {}", there.join(", "));
        }
        Ok(())
    }
}

fn bounded(flag: &str, value: &str, most: u64) -> Result<u64, String> {
    value
        .parse()
        .ok()
        .filter(|n| (1..=most).contains(n))
        .ok_or_else(|| format!("`{flag}` wants a number from 1 to {most}"))
}

/// A situation in which all are compared.
struct Cell {
    name: &'static str,
    members: usize,
    senders: usize,
    window: u64,
}

const CELLS: &[Cell] = &[
    Cell { name: "100 members, one message at a time", members: 100, senders: 1, window: 1 },
    Cell { name: "1000 members, 10 senders, window 64", members: 1000, senders: 10, window: 64 },
];

/// The measurements of one peer in one cell, one for each repetition; `None` where a run failed.
struct Row {
    peer: &'static str,
    runs: Vec<Option<Found>>,
}

/// Builds trappe, runs every cell, prints a table of ratios for each. False if a run failed or lost something.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<bool> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.root.join("target"), PathBuf::from);
    if cfg!(debug_assertions) {
        // A load generator without optimisation would be what is measured: go on as the release build of this tool.
        build(workspace, "xtask")?;
        let mut again = Command::new(target.join("release/xtask"));
        let status = again
            .arg("bench")
            .args(options.arguments())
            .status()
            .context("starting target/release/xtask")?;
        return Ok(status.success());
    }
    build(workspace, "trappe")?;
    let scratch = target.join("xtask-bench");
    std::fs::create_dir_all(&scratch).context("making target/xtask-bench")?;
    let files = machine::raise_open_files()?;
    let trappe = target.join("release/trappe");
    println!("{}; {files} open files; {}", machine::describe(), machine::load());
    println!(
        "cargo xtask bench {}; messages of {MESSAGE_BYTES} B; trappe with --workers 1",
        options.arguments().join(" ")
    );
    match options.what {
        What::Peers => run_peers(&trappe, &scratch, options),
        What::Udp => {
            options.check(&udp::names())?;
            udp::run(&trappe, &scratch, options)
        }
        What::State => {
            options.check(&state::names())?;
            Ok(state::run(&trappe, &scratch, options))
        }
        What::Store => store::run(&trappe, &workspace.root.join("target/tools"), &scratch, options),
    }
}

fn run_peers(trappe: &Path, scratch: &Path, options: &Options) -> Result<bool> {
    let installed = server::installed(trappe);
    options.check(&installed.iter().map(|peer| peer.name).collect::<Vec<_>>())?;
    let wanted = |peer: &Peer| peer.name.starts_with("trappe") || options.wants(peer.name);
    let peers: Vec<Peer> = installed.into_iter().filter(wanted).collect();
    let mut well = true;
    for cell in CELLS {
        println!("\n{}", cell.name);
        let load = Load {
            members: cell.members,
            senders: cell.senders,
            window: cell.window,
            bytes: MESSAGE_BYTES,
            measured: Duration::from_secs(options.seconds),
        };
        let mut rows: Vec<Row> = peers
            .iter()
            .filter(|peer| peer.members_max >= cell.members)
            .map(|peer| Row { peer: peer.name, runs: Vec::new() })
            .collect();
        for repetition in 0..options.repetitions {
            for row in &mut rows {
                let peer = peers
                    .iter()
                    .find(|peer| peer.name == row.peer)
                    .expect("rows are made from peers");
                let found =
                    peer.start(scratch).and_then(|server| fan::run(&server, peer.wire, &load));
                let whole = whole_run(peer.name, repetition + 1, found);
                // A peer that fails is a fact about the peer; trappe must not.
                well &= !peer.name.starts_with("trappe") || whole.is_some();
                row.runs.push(whole);
            }
        }
        print!("{}", table(&rows));
    }
    Ok(well)
}

/// What a run found, if nothing of it is missing; otherwise it is said what went wrong.
fn whole_run(peer: &str, repetition: u64, found: Result<fan::Found>) -> Option<fan::Found> {
    match found {
        Err(error) => println!("  {peer} (repetition {repetition}): {error:#}"),
        Ok(fan::Found { missing, .. }) if missing != 0 => {
            println!("  {peer} (repetition {repetition}): {missing} deliveries missing");
        }
        Ok(found) => return Some(found),
    }
    None
}

fn build(workspace: &Workspace, package: &str) -> Result<()> {
    println!("building {package} --release");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "-q", "--release", "-p", package]).current_dir(&workspace.root);
    let outcome = run::run(&mut cargo, BUILD_MAX)?;
    ensure!(outcome.ok, "cargo build failed:\n{}", outcome.output);
    Ok(())
}

/// Medians, and the medians of the ratios to trappe raw within each repetition.
fn table(rows: &[Row]) -> String {
    let reference = rows.iter().find(|row| row.peer == REFERENCE);
    let line = |cells: [&str; 5]| {
        let [name, cpu, rate, cpu_ratio, rate_ratio] = cells;
        format!("  {name:<12} {cpu:>14} {rate:>14} {cpu_ratio:>12} {rate_ratio:>12}\n")
    };
    let mut lines = vec![line(["", "CPU/delivery", "deliveries/s", "CPU ratio", "rate ratio"])];
    let show = |value: Option<f64>, decimals: usize, unit: &str| {
        value.map_or("–".to_owned(), |value| format!("{value:.decimals$}{unit}"))
    };
    for row in rows {
        let own = |of: fn(&Found) -> f64| median(row.runs.iter().flatten().map(of));
        let ratio =
            |of: fn(&Found) -> f64| {
                let paired = row.runs.iter().zip(reference.map_or(&[][..], |row| &row.runs));
                median(paired.filter_map(|(own, reference)| {
                    Some(of(own.as_ref()?) / of(reference.as_ref()?))
                }))
            };
        let cells = [
            show(own(cpu_us), 3, " µs"),
            show(own(rate), 0, ""),
            show(ratio(cpu_us), 2, " ×"),
            show(ratio(rate), 2, " ×"),
        ];
        lines.push(line([row.peer, &cells[0], &cells[1], &cells[2], &cells[3]]));
    }
    lines.concat()
}

/// Microseconds of the server's CPU for one delivery.
fn cpu_us(found: &Found) -> f64 {
    found.cpu.as_secs_f64() * 1e6 / as_float(found.deliveries)
}

/// Deliveries a second.
fn rate(found: &Found) -> f64 {
    as_float(found.deliveries) / found.took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a run makes fewer than 2^52 deliveries")]
fn as_float(count: u64) -> f64 {
    count as f64
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_mistakes_are_named() {
        let read = parse("--only nats,redis --reps 5 --secs 1").expect("they are right");
        assert_eq!(
            read,
            Options {
                what: What::Peers,
                only: vec!["nats".into(), "redis".into()],
                repetitions: 5,
                seconds: 1
            }
        );
        let state = parse("state --reps 2").expect("it is right");
        assert_eq!((state.what, state.repetitions, state.seconds), (What::State, 2, 10));
        assert_eq!(state.arguments().join(" "), "state --reps 2 --secs 10");
        let quick = parse("store --quick").expect("it is right");
        assert_eq!(quick.arguments().join(" "), "store --reps 1 --secs 1");
        assert!(
            parse("udp --only both").is_ok_and(|udp| udp.wants("both") && !udp.wants("in-paced"))
        );
        for (line, part) in
            [("--reps", "wants a value"), ("--reps 0", "from 1 to 25"), ("--fast", "`--fast`")]
        {
            assert!(parse(line).err().is_some_and(|why| why.contains(part)), "{line}");
        }
    }

    #[test]
    fn the_table_gives_medians_of_paired_ratios_and_a_dash_for_what_failed() {
        let found = |cpu_ms, deliveries| {
            Some(Found {
                deliveries,
                took: Duration::from_secs(1),
                cpu: Duration::from_millis(cpu_ms),
                missing: 0,
            })
        };
        let rows = [
            Row { peer: REFERENCE, runs: vec![found(100, 1_000_000), found(200, 1_000_000), None] },
            Row {
                peer: "nats",
                runs: vec![found(300, 500_000), found(400, 500_000), found(900, 500_000)],
            },
            Row { peer: "ncat", runs: vec![None, None, None] },
        ];
        let table = table(&rows);
        let words: Vec<Vec<&str>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], [REFERENCE, "0.150", "µs", "1000000", "1.00", "×", "1.00", "×"]);
        assert_eq!(words[2], ["nats", "0.800", "µs", "500000", "5.00", "×", "0.50", "×"]);
        assert_eq!(words[3], ["ncat", "–", "–", "–", "–"]);
    }

    #[test]
    fn the_median_of_an_even_count_is_between_the_two_in_the_middle() {
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }
}
