//! `cargo xtask bench udp`: what a datagram costs the server, in and out, beside a bare loop (see [`super::bare`]).

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::crowd::{self, Found, Load};
use super::server::{self, Peer};
use super::{MESSAGE_BYTES, Options, as_float, machine, median};

/// What the others are compared with.
const REFERENCE: &str = "bare";
/// Members beside the sender, where datagrams go out.
const RECEIVERS: usize = 100;

/// By what the CPU is divided.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counted {
    Read,
    Sent,
    Both,
}

/// A situation in which all are compared.
struct Cell {
    name: &'static str,
    /// With the count of what is said a second.
    title: &'static str,
    members: usize,
    senders: usize,
    every: Option<Duration>,
    counted: Counted,
    /// Nothing may be lost.
    whole: bool,
}

const CELLS: &[Cell] = &[
    Cell {
        name: "in-paced",
        title: "datagrams in, nobody else in the room: 2000/s, one at a time",
        members: 1,
        senders: 1,
        every: Some(Duration::from_micros(500)),
        counted: Counted::Read,
        whole: true,
    },
    Cell {
        name: "in-saturated",
        title: "datagrams in, nobody else in the room: as fast as one thread sends",
        members: 1,
        senders: 1,
        every: None,
        counted: Counted::Read,
        whole: false,
    },
    Cell {
        name: "out-paced",
        title: "datagrams out, 100 receivers: 500/s in, 50 000/s out",
        members: 1 + RECEIVERS,
        senders: 1,
        every: Some(Duration::from_millis(2)),
        counted: Counted::Sent,
        whole: true,
    },
    Cell {
        name: "out-saturated",
        title: "datagrams out, 100 receivers: 10 000/s in, more than can be sent on",
        members: 1 + RECEIVERS,
        senders: 1,
        every: Some(Duration::from_micros(100)),
        counted: Counted::Sent,
        whole: false,
    },
    Cell {
        name: "both",
        title: "both, 20 members of a room say 30/s each: 600/s in, 11 400/s out",
        members: 20,
        senders: 20,
        every: Some(Duration::from_nanos(1_666_667)),
        counted: Counted::Both,
        whole: true,
    },
];

/// The names of the cells, for `--only`.
pub(super) fn names() -> Vec<&'static str> {
    CELLS.iter().map(|cell| cell.name).collect()
}

/// The measurements of one server in one cell, one for each repetition; `None` where a run failed.
struct Row {
    peer: &'static str,
    runs: Vec<Option<Found>>,
}

/// Runs every cell, prints a table for each. False if a run of trappe failed, or lost what it may not lose.
pub(super) fn run(trappe: &Path, scratch: &Path, options: &Options) -> Result<bool> {
    let peers: Vec<Peer> = [server::bare()?].into_iter().chain(server::ours(trappe)).collect();
    let mut well = true;
    for cell in CELLS.iter().filter(|cell| options.wants(cell.name)) {
        println!("\n{} ({})", cell.title, cell.name);
        let load = Load {
            members: cell.members,
            senders: cell.senders,
            every: cell.every,
            bytes: MESSAGE_BYTES,
            measured: Duration::from_secs(options.seconds),
        };
        let mut rows: Vec<Row> =
            peers.iter().map(|peer| Row { peer: peer.name, runs: Vec::new() }).collect();
        for repetition in 1..=options.repetitions {
            machine::wait_until_idle();
            for (peer, row) in peers.iter().zip(&mut rows) {
                let found = peer.start(scratch).and_then(|server| crowd::run(&server, &load));
                let lost = cell.whole && found.as_ref().is_ok_and(|found| !found.is_whole());
                match &found {
                    Err(error) => println!("  {} (repetition {repetition}): {error:#}", peer.name),
                    Ok(found) if lost => {
                        println!("  {} (repetition {repetition}): {}", peer.name, losses(&[found]));
                    }
                    Ok(_) => {}
                }
                well &= !lost && found.is_ok();
                row.runs.push(found.ok().filter(|_| !lost));
            }
        }
        print!("{}", table(&rows, cell.counted));
    }
    Ok(well)
}

/// Medians, and the medians of the ratios to the bare loop within each repetition. *others*: what else the machine did.
fn table(rows: &[Row], counted: Counted) -> String {
    let cpu_us =
        |found: &Found| found.cpu.as_secs_f64() * 1e6 / as_float(datagrams(found, counted));
    let rate = |found: &Found| as_float(datagrams(found, counted)) / found.took.as_secs_f64();
    let core = |found: &Found| 100.0 * found.cpu.as_secs_f64() / found.took.as_secs_f64();
    let reference = rows.iter().find(|row| row.peer == REFERENCE);
    let line = |cells: [&str; 7]| {
        let [name, cpu, ratio, rate, core, beside, lost] = cells;
        format!("  {name:<12} {cpu:>13} {ratio:>10} {rate:>12} {core:>11} {beside:>7}   {lost}\n")
    };
    let mut lines = vec![line([
        "",
        "CPU/datagram",
        "CPU ratio",
        "datagrams/s",
        "of one core",
        "others",
        "lost",
    ])];
    for row in rows {
        let own = |of: &dyn Fn(&Found) -> f64, decimals: usize, unit: &str| {
            let value = median(row.runs.iter().flatten().map(of));
            value.map_or("–".to_owned(), |value| format!("{value:.decimals$}{unit}"))
        };
        let paired = row.runs.iter().zip(reference.map_or(&[][..], |row| &row.runs));
        let ratio = median(paired.filter_map(|(own, reference)| {
            Some(cpu_us(own.as_ref()?) / cpu_us(reference.as_ref()?))
        }));
        lines.push(line([
            row.peer,
            &own(&cpu_us, 3, " µs"),
            &ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2} ×")),
            &own(&rate, 0, ""),
            &own(&core, 0, " %"),
            &own(&|found| found.beside, 0, " %"),
            &losses(&row.runs.iter().flatten().collect::<Vec<_>>()),
        ]));
    }
    lines.concat()
}

fn datagrams(found: &Found, counted: Counted) -> u64 {
    match counted {
        Counted::Read => found.read(),
        Counted::Sent => found.sent(),
        Counted::Both => found.read() + found.sent(),
    }
}

/// Where what was said ended that didn't come: of what was said, and of what should have come; medians of all runs.
fn losses(runs: &[&Found]) -> String {
    let percent = |part: u64, whole: u64| 100.0 * as_float(part) / as_float(whole.max(1));
    let of = |share: &dyn Fn(&Found) -> f64| median(runs.iter().map(|run| share(run)));
    let parts = [
        (of(&|run| percent(run.unread, run.said)), "before it was read"),
        (of(&|run| percent(run.passed_over(), run.wanted)), "passed over"),
        (of(&|run| percent(run.unreceived, run.wanted)), "by the receivers"),
    ];
    let lost: Vec<String> = parts
        .into_iter()
        .filter_map(|(share, how)| {
            share.filter(|&it| it > 0.0).map(|it| format!("{it:.1} % {how}"))
        })
        .collect();
    match runs {
        [] => "–".to_owned(),
        _ if lost.is_empty() => "nothing".to_owned(),
        _ => lost.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cpu_ms: u64) -> Found {
        Found {
            said: 1000,
            wanted: 100_000,
            messages: 100_000,
            cpu: Duration::from_millis(cpu_ms),
            took: Duration::from_secs(2),
            ..Found::default()
        }
    }

    #[test]
    fn the_table_divides_by_what_is_counted_and_pairs_the_runs() {
        let rows = [
            Row { peer: REFERENCE, runs: vec![Some(found(100)), Some(found(200)), None] },
            Row {
                peer: "trappe-raw",
                runs: vec![Some(found(110)), Some(found(240)), Some(found(9))],
            },
        ];
        let words = |counted| -> Vec<Vec<String>> {
            let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
            table(&rows, counted).lines().map(words).collect()
        };
        let bare = ["bare", "1.500", "µs", "1.00", "×", "50000", "8", "%", "0", "%", "nothing"];
        assert_eq!(words(Counted::Sent)[1], bare);
        assert_eq!(words(Counted::Sent)[2][3], "1.15");
        assert_eq!(words(Counted::Read)[1][1], "150.000");
    }

    #[test]
    fn losses_are_named_by_where_they_happened() {
        assert_eq!((losses(&[]), losses(&[&found(1)])), ("–".into(), "nothing".into()));
        let lossy = Found { unread: 500, messages: 20_000, unreceived: 5_000, ..found(1) };
        assert_eq!(
            losses(&[&lossy, &lossy, &found(1)]),
            "50.0 % before it was read, 25.0 % passed over, 5.0 % by the receivers"
        );
    }

    #[test]
    fn every_cell_says_as_much_as_its_title() {
        for cell in CELLS {
            let Some(every) = cell.every else { continue };
            let said = (1.0 / every.as_secs_f64()).round();
            let title = cell.title.replace("0 0", "00");
            assert!(title.contains(&format!("{said}/s")), "{said}: {title}");
        }
    }
}
