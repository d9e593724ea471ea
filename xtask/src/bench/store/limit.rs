//! The limit: what the disk allows a program that does nothing but append to a file and wait for it (fdatasync).

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::{MESSAGE_BYTES, machine};
use super::disk::Disk;
use super::senders::Found;

/// The length of the file in which nothing is appended: many times what one run writes at once.
const IN_PLACE_BYTES: usize = 8 << 20;

/// Where the messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the end of a file, whose new length is for the disk to remember, too.
    Append,
    /// Over what is there, as a log does that was made long enough before.
    InPlace,
}

/// Writes so many messages at once, then waits for the disk, over and over.
pub(super) fn run(disk: &Disk, kind: Kind, messages: u64, measured: Duration) -> Result<Found> {
    let fresh = disk.fresh()?;
    let mut file = open(&fresh.path().join("limit"), kind).context("making the limit's file")?;
    let piece = vec![b'x'; MESSAGE_BYTES * usize::try_from(messages)?];
    let room = u64::try_from(IN_PLACE_BYTES / piece.len().max(1))?;
    let (begun, busy) = (Instant::now(), machine::Busy::now());
    let (own, flushes) = (machine::own_cpu()?, disk.flushes());
    let mut written = 0_u64;
    while begun.elapsed() < measured {
        if kind == Kind::InPlace && written.is_multiple_of(room.max(1)) {
            file.rewind().context("going back in the limit's file")?;
        }
        file.write_all(&piece).context("writing the limit's file")?;
        file.sync_data().context("waiting for the disk")?;
        written += 1;
    }
    let cpu = machine::own_cpu()?.saturating_sub(own);
    Ok(Found {
        messages: written * messages,
        took: begun.elapsed(),
        cpu,
        client: Duration::ZERO,
        beside: busy.percent(cpu),
        flushes: disk.flushes().zip(flushes).map(|(now, then)| now.saturating_sub(then)),
    })
}

/// What the disk allows right now, one message at a time, in messages a second.
pub(super) fn now(disk: &Disk, measured: Duration) -> Result<f64> {
    Ok(run(disk, Kind::Append, 1, measured)?.rate())
}

fn open(path: &Path, kind: Kind) -> std::io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    if kind == Kind::InPlace {
        file.write_all(&vec![b'0'; IN_PLACE_BYTES])?;
        file.seek(SeekFrom::Start(0))?;
    }
    file.sync_all()?;
    Ok(file)
}
