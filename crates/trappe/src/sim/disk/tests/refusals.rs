//! A disk that refuses now and then, and a server that opens its history again each time, until its process ends.

use super::*;
use crate::sim::chance::Chance;

/// Opens it again as the writer does: what was stored is there, and what was lost is written down.
fn open_again(folder: &Folder, told: &mut Told) -> Result<Store, DbError> {
    let mut store = store::reopen(folder)?;
    let is_filed = |it: &&(u32, u64)| !told.unfiled.contains(*it);
    let last = |room| told.stored.iter().rev().filter(is_filed).find(|(no, _)| *no == room);
    let known: Vec<_> = ROOMS.iter().filter_map(|(no, _)| last(*no)).copied().collect();
    assert!(store.verify_last(&known)?, "what was stored isn't there any more: {known:?}");
    let mut transaction = store.write()?;
    transaction.clear_journal()?;
    for &(room, seq) in &told.unfiled {
        transaction.take_out(room, seq, seq)?;
        file(&mut transaction, room, (seq, seq))?;
    }
    let gone = told.tried.difference(&told.stored).filter(|it| !told.earlier.contains(*it));
    for &(room, seq) in gone {
        let hole = Hole { first: seq, last: seq, cause: Cause::NotStored };
        transaction.hole(room, &hole)?;
    }
    transaction.commit()?;
    told.unfiled.clear();
    store.checkpoint()?;
    Ok(store)
}

fn step(
    chance: &mut Chance,
    told: &mut Told,
    store: &mut Store,
    piece: u64,
) -> Result<(), DbError> {
    match chance.size(0..=9) {
        0 => store.checkpoint(),
        1 => store.index(5).map(|_| ()),
        2 => told.prune(store, 20),
        3..=5 => told.journal(store, piece, chance.one_in(2)),
        room => told.say(store, if room > 7 { 2 } else { 1 }, chance.within(1..=4)),
    }
}

/// Tells how often the disk refused.
fn life(seed: u64) -> u64 {
    let disk = begin(seed);
    let mut chance = chance::fork("test");
    let (mut told, mut refused) = (Told::default(), 0);
    for process in 0..3 {
        let Kept { folder, opened } = told.open(&disk).unwrap();
        // Who reads keeps the connection, whatever becomes of the writer's.
        let _reader = Reader::open(&folder).unwrap();
        let mut store = Some(opened.store);
        for piece in 1..60 {
            if chance.one_in(6) {
                let states = [DiskState::Full, DiskState::Fails, DiskState::SyncFails];
                disk.set(*chance.pick(&states));
            }
            let done = match &mut store {
                // In its journal is what wasn't filed: it goes first.
                Some(_) if !told.unfiled.is_empty() => {
                    store = None;
                    continue;
                }
                Some(store) => step(&mut chance, &mut told, store, piece),
                None => open_again(&folder, &mut told).map(|again| store = Some(again)),
            };
            if let Err(error) = done {
                assert!(!error.is_damaged(), "seed {seed}: {error}");
                (store, refused) = (None, refused + 1);
            }
            if chance.one_in(2) {
                disk.set(DiskState::Well);
            }
        }
        disk.set(DiskState::Well);
        disk.die();
        drop((store, folder));
        let power = chance.one_in(2);
        disk.come_back(power);
        told.unfiled.clear();
        let kept = Kept::open(&disk).unwrap();
        told.check(&kept, &format!("seed {seed}, power {power}, process {process}"));
    }
    refused
}

#[test]
fn however_the_disk_refuses_what_was_stored_is_there() {
    let refused: u64 = (1..=40).map(life).sum();
    assert!(refused > 300, "it refuses: {refused}");
}
