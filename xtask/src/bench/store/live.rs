//! What a history costs those who listen: the CPU of a delivery with it, beside the same server without.

use std::path::Path;
use std::time::Duration;

use super::super::fan::{self, Load};
use super::super::{
    CELLS, Cell, MESSAGE_BYTES, Options, REFERENCE, Row, machine, server, table, whole_run,
};
use super::disk::Disk;
use super::peers;

/// A hundred members, saturated; the other two are those of the fan-out.
const SATURATED: Cell =
    Cell { name: "100 members, 10 senders, window 64", members: 100, senders: 10, window: 64 };

/// Runs every cell, prints a table for each. False if a run failed or lost something.
pub(super) fn run(trappe: &Path, disk: &Disk, options: &Options) -> bool {
    println!("\nlive delivery in raw format, without history ({REFERENCE}) and with it (history)");
    let [without, _] = server::ours(trappe);
    let peers = [without, peers::raw_with_history(trappe)];
    let mut well = true;
    for cell in [&CELLS[0], &SATURATED, &CELLS[1]] {
        println!("\n{}", cell.name);
        let load = Load {
            members: cell.members,
            senders: cell.senders,
            window: cell.window,
            bytes: MESSAGE_BYTES,
            measured: Duration::from_secs(options.seconds),
        };
        let mut rows: Vec<Row> =
            peers.iter().map(|peer| Row { peer: peer.name, runs: Vec::new() }).collect();
        for repetition in 1..=options.repetitions {
            machine::wait_until_idle();
            let mut pairs: Vec<_> = peers.iter().zip(&mut rows).collect();
            // Each is the first as often as the second: what comes first finds another machine.
            if repetition % 2 == 0 {
                pairs.reverse();
            }
            for (peer, row) in pairs {
                let found = disk.fresh().and_then(|fresh| {
                    let server = peer.start(fresh.path())?;
                    fan::run(&server, peer.wire, &load)
                });
                let whole = whole_run(peer.name, repetition, found);
                well &= whole.is_some();
                row.runs.push(whole);
            }
        }
        print!("{}", table(&rows));
    }
    well
}
