//! The process dies at every single operation of a day in its life.

use super::*;

/// All that a server does with its history.
fn day(disk: &Disk, told: &mut Told) -> Result<(), String> {
    let text = |error: DbError| error.to_string();
    let mut kept = told.open(disk)?;
    told.say(kept.store(), 1, 3).map_err(text)?;
    told.say(kept.store(), 2, 1).map_err(text)?;
    told.journal(kept.store(), 1, true).map_err(text)?;
    kept.store().index(100).map_err(text)?;
    told.say(kept.store(), 1, 6).map_err(text)?;
    kept.store().checkpoint().map_err(text)?;
    told.say(kept.store(), 2, 8).map_err(text)?;
    told.prune(kept.store(), 6).map_err(text)?;
    kept.store().index(100).map_err(text)?;
    kept.store().checkpoint().map_err(text)?;
    told.journal(kept.store(), 2, false).map_err(text)?;
    // Another process takes it up: what is in the journal is filed.
    let Kept { folder, opened } = kept;
    drop((opened, folder));
    let mut kept = told.open(disk)?;
    told.say(kept.store(), 1, 2).map_err(text)?;
    told.journal(kept.store(), 3, true).map_err(text)?;
    let exact = ROOMS.map(|(no, _)| (no, told.next[&no]));
    told.reserved.extend(exact);
    let Kept { folder, opened } = kept;
    opened.store.close(&folder, &exact, 9).map_err(text)?;
    drop(folder);
    let mut kept = told.open(disk)?;
    told.say(kept.store(), 2, 2).map_err(text)
}

fn lives_through(power: bool, seed: u64) {
    let disk = begin(seed);
    day(&disk, &mut Told::default()).unwrap();
    let ops = u32::try_from(disk.ops()).unwrap();
    assert!(ops > 200, "a day has that much in it: {ops}");
    for op in 1..=ops {
        let disk = begin(seed * 10_000 + u64::from(op));
        let mut told = Told::default();
        disk.die_in(Some(op));
        let ended = day(&disk, &mut told);
        assert!(disk.has_died() && (ended.is_err() || op == ops), "op {op}: {ended:?}");
        // It may die again while it comes back, and once more.
        for again in [Some(u32::try_from(seed).unwrap() + op % 17), Some(1 + op % 40), None] {
            disk.come_back(power);
            disk.die_in(again);
            let doing = format!("seed {seed}, power {power}, op {op} of {ops}, then {again:?}");
            match Kept::open(&disk) {
                Ok(kept) => {
                    disk.die_in(None);
                    if disk.has_died() {
                        continue;
                    }
                    let notes = &kept.opened.notes;
                    let is_new_epoch =
                        |note: &Note| matches!(note, Note::NewEpoch(_) | Note::Salvaged { .. });
                    assert!(!notes.iter().any(is_new_epoch), "{doing}: {notes:?}");
                    told.check(&kept, &doing);
                }
                Err(error) => assert!(again.is_some() && disk.has_died(), "{doing}: {error}"),
            }
        }
        // And it goes on from there.
        let mut kept = told.open(&disk).unwrap();
        told.say(kept.store(), 1, 1).unwrap();
        drop(kept);
        told.check(&Kept::open(&disk).unwrap(), &format!("seed {seed}, op {op}, at last"));
    }
}

#[test]
fn whenever_it_is_killed_what_was_stored_is_there() {
    lives_through(false, 1);
}

#[test]
fn whenever_the_power_is_cut_what_was_stored_is_there() {
    for seed in 1..=2 {
        lives_through(true, seed);
    }
}
