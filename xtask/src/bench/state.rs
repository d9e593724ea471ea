//! `cargo xtask bench state`: what a room's shared state costs the server, and how late it is seen.
//!
//! Every member follows the state of one room and sets a key of its own, many times a second, as the players of a game
//! do. A value carries the generator's clock and a count: so each that is seen tells how old it is, and the last ones
//! whether they are the latest.

mod followers;
mod line;

use std::path::Path;
use std::time::Duration;

use super::server;
use super::{Options, as_float, machine, median};
use followers::{Found, Load, Transport};

/// A situation that is measured.
struct Cell {
    name: &'static str,
    title: &'static str,
    transport: Transport,
    /// What each member sets in a second.
    per_second: u32,
}

const MEMBERS: usize = 100;

const CELLS: &[Cell] = &[
    Cell {
        name: "tcp",
        title: "TCP, text, 60/s each: a game's frames",
        transport: Transport::Tcp,
        per_second: 60,
    },
    Cell { name: "udp", title: "UDP, json, 60/s each", transport: Transport::Udp, per_second: 60 },
    Cell {
        name: "conflated",
        title: "TCP, text, 600/s each: more than is ever written to one member",
        transport: Transport::Tcp,
        per_second: 600,
    },
];

/// The names of the cells, for `--only`.
pub(super) fn names() -> Vec<&'static str> {
    CELLS.iter().map(|cell| cell.name).collect()
}

/// Runs every cell and prints what came out. False if a run failed, or left a member without the latest values.
pub(super) fn run(trappe: &Path, scratch: &Path, options: &Options) -> bool {
    println!("{MEMBERS} members follow one room's state, and each sets a key of its own");
    let mut well = true;
    let [_, text] = server::ours(trappe);
    for cell in CELLS.iter().filter(|cell| options.wants(cell.name)) {
        println!("\n{} ({})", cell.title, cell.name);
        let load = Load {
            transport: cell.transport,
            members: MEMBERS,
            per_second: cell.per_second,
            measured: Duration::from_secs(options.seconds),
        };
        let mut runs = Vec::new();
        for repetition in 1..=options.repetitions {
            machine::wait_until_idle();
            match text.start(scratch).and_then(|server| followers::run(&server, &load)) {
                Ok(found) => {
                    println!("  {repetition}: {}", found.words());
                    // What the kernel lost by UDP isn't sent again until it changes.
                    well &= found.stale == 0 || found.dropped > 0;
                    runs.push(found);
                }
                Err(error) => {
                    println!("  {repetition}: {error:#}");
                    well = false;
                }
            }
        }
        if let Some(words) = verdict(&runs) {
            println!("  median: {words}");
        }
    }
    well
}

impl Found {
    /// Of one core, in percent.
    fn core(&self) -> f64 {
        100.0 * self.cpu.as_secs_f64() / self.took.as_secs_f64()
    }

    /// What a follower was sent of what was set, in percent, on average.
    fn sent(&self) -> f64 {
        100.0 * as_float(self.seen) / as_float(self.set) / as_float(self.followers)
    }

    fn words(&self) -> String {
        let Found { late_us, least, most, stale, dropped, beside, .. } = self;
        let share = |seen: u64| 100.0 * as_float(seen) / as_float(self.set);
        let ms = |us: u32| f64::from(us) / 1e3;
        let (p50, p99, worst) = (ms(late_us[0]), ms(late_us[1]), ms(late_us[2]));
        format!(
            "server {:.0} % of one core, generator {:.0} %; {:.0} values/s set, \
             each follower sent {:.2} % ({:.2}..{:.2}), {:.1} MB/s in all; \
             set to seen p50 {p50:.2} ms, p99 {p99:.2} ms, worst {worst:.1} ms; \
             {stale} values not the latest at the end; {dropped} datagrams dropped; \
             others {beside:.0} % of the machine",
            self.core(),
            100.0 * self.generator.as_secs_f64() / self.took.as_secs_f64(),
            as_float(self.set) / self.took.as_secs_f64(),
            self.sent(),
            share(*least),
            share(*most),
            as_float(self.bytes) / self.took.as_secs_f64() / 1e6,
        )
    }
}

/// The medians of all runs, and whether one core is enough.
fn verdict(runs: &[Found]) -> Option<String> {
    let of = |value: &dyn Fn(&Found) -> f64| median(runs.iter().map(value));
    let core = of(&Found::core)?;
    let late = |at: usize| of(&move |found: &Found| f64::from(found.late_us[at]) / 1e3);
    let enough = if core < 95.0 { "within one core" } else { "NOT within one core" };
    Some(format!(
        "{core:.0} % of one core ({enough}), each follower sent {:.2} %, set to seen p50 {:.2} ms, p99 {:.2} ms",
        of(&Found::sent)?,
        late(0)?,
        late(1)?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cpu_ms: u64) -> Found {
        Found {
            set: 6000,
            followers: 100,
            seen: 300_000,
            least: 2000,
            most: 4000,
            bytes: 20_000_000,
            late_us: [2500, 6000, 40_000],
            stale: 3,
            dropped: 0,
            cpu: Duration::from_millis(cpu_ms),
            generator: Duration::from_millis(200),
            took: Duration::from_secs(1),
            beside: 3.0,
        }
    }

    #[test]
    fn a_run_is_told_in_shares_and_milliseconds() {
        let words = found(630).words();
        for part in [
            "server 63 % of one core",
            "6000 values/s set",
            "sent 50.00 % (33.33..66.67)",
            "20.0 MB/s",
            "p50 2.50 ms, p99 6.00 ms, worst 40.0 ms",
            "3 values not the latest",
            "others 3 %",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }

    #[test]
    fn the_verdict_says_when_a_core_is_not_enough() {
        let within = verdict(&[found(500), found(900), found(600)]).expect("there are runs");
        assert!(within.starts_with("60 % of one core (within one core)"), "{within}");
        let beyond = verdict(&[found(990)]).expect("there is a run");
        assert!(beyond.contains("NOT within one core"), "{beyond}");
        assert_eq!(verdict(&[]), None);
    }
}
