//! The disk of the tests is tested itself: one that never fails would let every other test pass.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::mem;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant, SystemTime};

use rusqlite::Connection;

use crate::disk_lab::{Cut, Disk, FITS, NOTHING_FITS, ONLY_ROOM, Side, Word};

/// A file in the folder that is on disk, its name included.
fn on_disk(disk: &Disk, name: &str, bytes: &[u8]) -> File {
    let mut file =
        File::options().create_new(true).write(true).open(disk.file(name)).expect("it is new");
    file.write_all(bytes).expect("there is room");
    file.sync_all().expect("the disk is sound");
    sync_folder(disk);
    file
}

fn sync_folder(disk: &Disk) {
    File::open(disk.data()).and_then(|folder| folder.sync_all()).expect("the disk is sound");
}

#[test]
fn a_full_disk_refuses_what_is_written_until_there_is_room() {
    let Some(Side::Inside(disk)) = Disk::both_sides() else { return };
    assert_eq!(disk.get(Word::Starts), 1, "this process is behind the shim");
    let file = on_disk(&disk, "a", &[b'a'; 5000]);
    disk.set(Word::Full, NOTHING_FITS);
    for refused in [
        file.write_at(b"b", 0).map(drop),
        (&file).write(b"b").map(drop),
        file.set_len(9000),
        File::create(disk.file("b")).map(drop),
    ] {
        assert_eq!(refused.expect_err("it is full").kind(), ErrorKind::StorageFull);
    }
    assert_eq!(disk.get(Word::WritesRefused), 4);
    fs::write(disk.beside("elsewhere"), "b").expect("another disk");
    fs::rename(disk.beside("elsewhere"), disk.beside("there")).expect("another disk");
    disk.set(Word::Full, ONLY_ROOM);
    disk.set(Word::Room, 10);
    assert_eq!(file.write_at(&[b'c'; 20], 0).expect("it doesn't grow"), 20);
    assert_eq!(file.write_at(&[b'c'; 20], 4990).expect("it doesn't grow by more"), 20);
    assert_eq!(file.write_at(b"c", 5010).map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
    disk.set(Word::Room, 4);
    assert_eq!(file.write_at(&[b'd'; 20], 5010).expect("a part of it fits"), 4);
    disk.set(Word::Full, FITS);
    file.write_all_at(&[b'e'; 20], 5014).expect("there is room");
    assert_eq!(disk.files()["a"].len(), 5034);
}

#[test]
fn a_failing_disk_refuses_as_many_syncs_as_it_is_told() {
    let Some(Side::Inside(disk)) = Disk::both_sides() else { return };
    let file = on_disk(&disk, "a", b"a");
    disk.set(Word::SyncFails, 2);
    for sync in [File::sync_data, File::sync_all] {
        let error = sync(&file).expect_err("it is to fail");
        assert_eq!(error.raw_os_error(), Some(5), "EIO");
    }
    file.sync_all().expect("two were enough");
    disk.set(Word::SyncFails, -1);
    for _ in 0..10 {
        file.sync_data().expect_err("each is to fail");
        File::open(disk.data()).and_then(|it| it.sync_all()).expect_err("that of the folder, too");
    }
    disk.set(Word::SyncFails, 0);
    file.sync_data().expect("it is well again");
    assert_eq!(disk.get(Word::SyncsRefused), 22);
    disk.set(Word::SyncMs, 60);
    let began = Instant::now();
    file.sync_data().expect("it is only slow");
    assert!(began.elapsed() >= Duration::from_millis(60));
}

#[test]
fn a_clock_that_is_set_is_wrong_by_so_much_and_the_other_one_goes_on() {
    let Some(Side::Inside(disk)) = Disk::both_sides() else { return };
    let (day, began) = (Duration::from_hours(24), Instant::now());
    let before = SystemTime::now();
    disk.set(Word::ClockS, -86_400);
    let back = before.duration_since(SystemTime::now()).expect("it was set back");
    assert!(back <= day && back + Duration::from_mins(1) > day, "{back:?}");
    assert!(began.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_power_cut_leaves_what_was_synced_and_nothing_else() {
    match Disk::both_sides() {
        Some(Side::Inside(disk)) => {
            let kept = on_disk(&disk, "kept", &[b'a'; 10_000]);
            kept.write_all_at(&[b'b'; 10], 9000).expect("there is room");
            let longer = on_disk(&disk, "longer", &[b'a'; 100]);
            longer.write_all_at(&[b'b'; 9000], 50).expect("there is room");
            longer.sync_data().expect("the disk is sound");
            longer.write_all_at(&[b'c'; 9000], 9050).expect("there is room");
            let cut = on_disk(&disk, "cut", &[b'a'; 9000]);
            cut.set_len(10).expect("it is ours");
            let cut = on_disk(&disk, "cut, synced", &[b'a'; 9000]);
            cut.set_len(10).and_then(|()| cut.set_len(5000)).expect("it is ours");
            cut.sync_all().expect("the disk is sound");
            // What a failed sync was to write is forgotten.
            let failed = on_disk(&disk, "failed", &[b'a'; 10]);
            failed.write_all_at(&[b'b'; 10], 0).expect("there is room");
            disk.set(Word::SyncFails, 1);
            failed.sync_all().expect_err("it is to fail");
            failed.sync_all().expect("it knows of nothing to write");
            drop(on_disk(&disk, "renamed", b"old"));
            drop(on_disk(&disk, "renamed, synced", b"old"));
            drop(on_disk(&disk, "removed", b"here"));
            for new in ["renamed, synced", "renamed"] {
                fs::write(disk.file("new"), "new").expect("there is room");
                File::open(disk.file("new")).and_then(|it| it.sync_all()).expect("sound");
                fs::rename(disk.file("new"), disk.file(new)).expect("it is ours");
                if new == "renamed, synced" {
                    sync_folder(&disk);
                }
            }
            fs::remove_file(disk.file("removed")).expect("it is ours");
            fs::write(disk.file("never synced"), "there").expect("there is room");
            assert_eq!(disk.files()["renamed"], b"new");
        }
        Some(Side::Outside(disk)) => {
            disk.power_cut(Cut::Synced);
            let mut cut = vec![b'a'; 10];
            cut.resize(5000, 0);
            let longer = [vec![b'a'; 50], vec![b'b'; 9000]].concat();
            let wanted: [(&str, &[u8]); 8] = [
                ("cut", &[b'a'; 9000]),
                ("cut, synced", &cut),
                ("failed", &[b'a'; 10]),
                ("kept", &[b'a'; 10_000]),
                ("longer", &longer),
                ("removed", b"here"),
                ("renamed", b"old"),
                ("renamed, synced", b"new"),
            ];
            let files = disk.files();
            assert_eq!(files.keys().collect::<Vec<_>>(), wanted.map(|(name, _)| name));
            for (name, bytes) in wanted {
                assert!(files[name] == bytes, "{name}: {}", String::from_utf8_lossy(&files[name]));
            }
        }
        None => {}
    }
}

#[test]
fn a_torn_write_is_there_in_part_and_another_seed_gives_another_part() {
    const PAGES: usize = 64;
    match Disk::both_sides() {
        Some(Side::Inside(disk)) => {
            let file = on_disk(&disk, "a", &vec![b'a'; PAGES * 4096]);
            file.write_all_at(&vec![b'b'; PAGES * 4096], 0).expect("there is room");
        }
        Some(Side::Outside(disk)) => {
            // Nothing writes between the two: the shadows are put back for the second.
            let (now, shadows) = (disk.files(), [1, 2]);
            let mut parts = Vec::new();
            let [names, files] =
                ["names", "files"].map(|it| fs::read(disk.beside("shadow").join(it)));
            let (names, files) = (names.expect("a list"), files.expect("a list"));
            for seed in shadows {
                fs::write(disk.file("a"), &now["a"]).expect("there is room");
                fs::write(disk.beside("shadow/1"), vec![b'a'; PAGES * 4096])
                    .expect("there is room");
                fs::write(disk.beside("shadow/names"), &names).expect("there is room");
                fs::write(disk.beside("shadow/files"), &files).expect("there is room");
                disk.power_cut(Cut::Torn(seed));
                let bytes = disk.files().remove("a").expect("it is there");
                assert_eq!(bytes.len(), PAGES * 4096);
                let pages: Vec<u8> = bytes
                    .chunks(4096)
                    .map(|page| {
                        assert!(page.iter().all(|byte| *byte == page[0]), "a page is whole");
                        page[0]
                    })
                    .collect();
                let new: usize = pages.iter().map(|byte| usize::from(*byte == b'b')).sum();
                assert!((10..PAGES - 10).contains(&new), "{new} of {PAGES}");
                parts.push(pages);
            }
            assert_ne!(parts[0], parts[1]);
        }
        None => {}
    }
}

#[test]
fn sqlite_behind_the_shim_keeps_what_it_synced_and_loses_what_it_did_not() {
    match Disk::both_sides() {
        Some(Side::Inside(disk)) => {
            let base = Connection::open(disk.file("test.db")).expect("there is room");
            base.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (n INTEGER);
                 INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); PRAGMA wal_checkpoint;
                 INSERT INTO t VALUES (3); PRAGMA synchronous = OFF; INSERT INTO t VALUES (4);",
            )
            .expect("the disk is sound");
            assert!(disk.get(Word::Writes) > 0 && disk.get(Word::Syncs) > 0, "it is seen");
            // It would tidy up, and sync.
            mem::forget(base);
        }
        Some(Side::Outside(disk)) => {
            let numbers = || -> Vec<i64> {
                let base = Connection::open(disk.file("test.db")).expect("it is there");
                let mut select = base.prepare("SELECT n FROM t").expect("it is sound");
                let rows = select.query_map([], |row| row.get(0)).expect("it is sound");
                rows.map(|row| row.expect("it is sound")).collect()
            };
            disk.power_cut(Cut::Synced);
            assert_eq!(numbers(), [1, 2, 3]);
        }
        None => {}
    }
}
