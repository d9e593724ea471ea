//! `cargo xtask bench store`: messages that are on the disk when they are acknowledged, beside the limit and other stores.
//!
//! A disk has its moods: some are twenty times slower at times, for half a minute. Hence the limit (append, fdatasync) is
//! looked at before and after each run; a run in which the disk was slow is made again, while there is patience for it.

mod disk;
mod limit;
mod live;
mod peers;
mod senders;
mod table;
mod wire;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Options, machine};
use disk::Disk;
use limit::Kind;
use peers::{EACH, Store};
use senders::{Found, Load};

/// The name of the last part, for `--only`.
const LIVE: &str = "live";
/// What the names mean.
const LEGEND: &str = "\
limit: append, then fdatasync, of as many messages at once as are under way; limit-in-place: the same over an old file
trappe-text, trappe-json: each sender in a room of its own, one worker; trappe-cores: as many workers as cores
trappe-ten, trappe-room: text, in ten rooms and in one, where each message is delivered to the others, too
trappe-memory: as trappe-text but without --data, NOTHING IS STORED; redis: RPUSH; redis-xadd: XADD";
/// How long one look at the limit takes.
const LOOK: Duration = Duration::from_millis(300);
/// Looks at the limit before anything else, which say how fast this disk is.
const LOOKS: usize = 8;
/// A disk that does less than this share of what it can is slow.
const SLOW: f64 = 0.5;
/// How long slow moments are waited for, for each repetition; after that they are taken as they come, and counted.
const PATIENCE: Duration = Duration::from_secs(20);

/// A situation in which all are compared.
struct Cell {
    name: &'static str,
    title: &'static str,
    senders: usize,
    window: u64,
    goal: Goal,
}

/// What must be reached, beside being ahead of Redis.
#[derive(Clone, Copy)]
enum Goal {
    /// A share of the limit.
    Share(f64),
    /// Messages a second.
    Rate(f64),
}

const CELLS: &[Cell] = &[
    Cell {
        name: "one",
        title: "one sender, which waits for each acknowledgement",
        senders: 1,
        window: 1,
        goal: Goal::Share(0.6),
    },
    Cell {
        name: "hundred",
        title: "100 senders, each waits for each of its own (as `redis-benchmark -c 100`)",
        senders: 100,
        window: 1,
        goal: Goal::Rate(80_000.0),
    },
    Cell {
        name: "hundred-8",
        title: "100 senders, each with 8 under way (near to `redis-benchmark -c 100 -P 8`, which waits for all 8)",
        senders: 100,
        window: 8,
        goal: Goal::Rate(80_000.0),
    },
];

/// Something that stores messages.
enum Who<'a> {
    Limit(Kind),
    Store(&'a Store),
}

/// One measurement.
struct Run {
    found: Found,
    /// What the disk allowed around it, one message at a time, in messages a second.
    limit: f64,
}

/// The measurements of one in one cell, one for each repetition; `None` where a run failed.
struct Row {
    name: &'static str,
    runs: Vec<Option<Run>>,
}

/// Runs every cell, prints a table for each. False if a run of trappe failed. *tools*: where programs are beside `$PATH`.
pub(super) fn run(trappe: &Path, tools: &Path, scratch: &Path, options: &Options) -> Result<bool> {
    let limits = [("limit", Kind::Append), ("limit-in-place", Kind::InPlace)];
    let names = || limits.iter().map(|it| it.0).chain(peers::NAMES.iter().copied());
    let parts = || CELLS.iter().map(|cell| cell.name).chain([LIVE]);
    options.check(&parts().chain(names()).collect::<Vec<_>>())?;
    // Either kind of name that isn't given means all of that kind.
    let (any_part, any_name) =
        (!parts().any(|it| options.only(it)), !names().any(|it| options.only(it)));

    let disk = Disk::under(scratch)?;
    let mut pace = Pace::look(&disk, options.repetitions)?;
    println!("{}; append and fdatasync one by one: up to {:.0}/s", disk.words, pace.best);
    let (stores, missing) = peers::there(trappe, tools);
    for line in missing {
        println!("{line}");
    }
    println!("{LEGEND}");

    let mut well = true;
    for cell in CELLS.iter().filter(|cell| any_part || options.only(cell.name)) {
        println!("\n{} ({})", cell.title, cell.name);
        let all: Vec<(&str, Who<'_>)> = limits
            .map(|(name, kind)| (name, Who::Limit(kind)))
            .into_iter()
            .chain(stores.iter().map(|store| (store.name, Who::Store(store))))
            .filter(|(name, _)| any_name || options.only(name))
            // One sender is alone in its room anyhow.
            .filter(|(_, who)| {
                cell.senders > 1 || !matches!(who, Who::Store(store) if store.rooms < EACH)
            })
            .collect();
        let mut rows: Vec<Row> =
            all.iter().map(|&(name, _)| Row { name, runs: Vec::new() }).collect();
        for repetition in 1..=options.repetitions {
            machine::wait_until_idle();
            let mut turns: Vec<_> = all.iter().zip(&mut rows).collect();
            // To and fro: what comes first finds another machine than what comes last.
            if repetition % 2 == 0 {
                turns.reverse();
            }
            for ((name, who), row) in turns {
                let run = pace.measure(&disk, who, cell, Duration::from_secs(options.seconds));
                if let Err(error) = &run {
                    println!("{name} (repetition {repetition}): {error:#}");
                    // A peer that fails is a fact about the peer; trappe must not.
                    well &= !name.starts_with("trappe");
                }
                row.runs.push(run.ok());
            }
        }
        print!("\n{}{}", table::table(&rows), table::verdict(&rows, cell.goal));
    }
    println!(
        "\n{} runs were made again because the disk was slow beside them; {} stand in which it was",
        pace.again, pace.slow
    );
    if any_part && any_name || options.only(LIVE) {
        well &= live::run(trappe, &disk, options);
    }
    Ok(well)
}

/// How fast the disk is when it is fast.
struct Pace {
    best: f64,
    /// How long slow moments may still be waited for.
    patience: Duration,
    /// Runs that were made again, and those that stand although the disk was slow.
    again: u64,
    slow: u64,
}

impl Pace {
    fn look(disk: &Disk, repetitions: u64) -> Result<Self> {
        let patience = PATIENCE * u32::try_from(repetitions)?;
        let mut pace = Self { best: 0.0, patience, again: 0, slow: 0 };
        for _ in 0..LOOKS {
            pace.now(disk)?;
        }
        Ok(pace)
    }

    /// What it does now, in messages a second.
    fn now(&mut self, disk: &Disk) -> Result<f64> {
        let now = limit::now(disk, LOOK)?;
        self.best = self.best.max(now);
        Ok(now)
    }

    fn is_slow(&self, now: f64) -> bool {
        now < SLOW * self.best
    }

    /// Measures one, if there is patience for it with the disk at its usual pace before and after.
    fn measure(
        &mut self,
        disk: &Disk,
        who: &Who<'_>,
        cell: &Cell,
        measured: Duration,
    ) -> Result<Run> {
        loop {
            let begun = Instant::now();
            let mut before = self.now(disk)?;
            while self.is_slow(before) && begun.elapsed() < self.patience {
                before = self.now(disk)?;
            }
            let waited = begun.elapsed().saturating_sub(LOOK * 2);
            self.patience = self.patience.saturating_sub(waited);
            let begun = Instant::now();
            let found = one(disk, who, cell, measured)?;
            let after = self.now(disk)?;
            let slow = self.is_slow(before) || self.is_slow(after);
            if !slow || self.patience.is_zero() {
                self.slow += u64::from(slow);
                return Ok(Run { found, limit: f64::midpoint(before, after) });
            }
            self.again += 1;
            self.patience = self.patience.saturating_sub(begun.elapsed());
        }
    }
}

fn one(disk: &Disk, who: &Who<'_>, cell: &Cell, measured: Duration) -> Result<Found> {
    let &Cell { senders, window, .. } = cell;
    match who {
        // As many messages at once as all senders together may have under way.
        Who::Limit(kind) => limit::run(disk, *kind, u64::try_from(senders)? * window, measured),
        Who::Store(store) => {
            let fresh = disk.fresh()?;
            let server = store.start(&fresh)?;
            let load = Load { senders, window, rooms: store.rooms, measured };
            senders::run(&server, store.wire, &load, disk)
        }
    }
}
