//! Each fault does happen: a disk that never failed would let every other test pass.

use std::{
    io::{ErrorKind, Read, Write},
    path::PathBuf,
};

use rusqlite::Connection;

use super::{
    super::files::{
        self, DirBuilder, File, OpenOptions, exists, metadata, read_to_string, remove_file, rename,
    },
    *,
};

const SEEDS: u64 = 200;

/// A life whose folder is there for good.
fn with_folder(seed: u64) -> Disk {
    let disk = begin(seed);
    DirBuilder::new().create(disk.folder()).unwrap();
    File::open(disk.folder().parent().unwrap()).unwrap().sync_all().unwrap();
    disk
}

fn at(disk: &Disk, name: &str) -> PathBuf {
    disk.folder().join(name)
}

/// Makes a file, and its name for good.
fn make(disk: &Disk, name: &str, bytes: &[u8]) -> File {
    let mut file = File::create(at(disk, name)).unwrap();
    file.write_all(bytes).unwrap();
    file.sync_all().unwrap();
    File::open(disk.folder()).unwrap().sync_all().unwrap();
    file
}

fn bytes(disk: &Disk, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    File::open(at(disk, name)).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// How many of all lives end so.
fn count(end: impl Fn(u64) -> bool) -> u64 {
    (1..=SEEDS).filter(|seed| end(*seed)).count() as u64
}

/// In some lives, and not in all.
fn happens(end: impl Fn(u64) -> bool) {
    let count = count(end);
    assert!((5..SEEDS - 5).contains(&count), "{count} of {SEEDS}");
}

/// What is written by a connection that syncs as `synchronous` says, and whether a power cut leaves it.
fn outlives(seed: u64, synchronous: &str, power: bool) -> bool {
    let disk = begin(seed);
    let kept = Told::default().open(&disk).unwrap();
    let own = Connection::open(kept.folder.database()).unwrap();
    own.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; INSERT INTO meta (key, value) VALUES ('mine', 1)"
    ))
    .unwrap();
    disk.die();
    drop((own, kept));
    disk.come_back(power);
    let kept = Kept::open(&disk).unwrap();
    let own = Connection::open(kept.folder.database()).unwrap();
    let sql = "SELECT count(*) FROM meta WHERE key = 'mine'";
    own.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() == 1
}

#[test]
fn a_row_that_was_not_synced_is_lost_with_the_power_and_no_other() {
    happens(|seed| outlives(seed, "OFF", true));
    assert_eq!(count(|seed| outlives(seed, "OFF", false)), SEEDS);
    assert_eq!(count(|seed| outlives(seed, "FULL", true)), SEEDS);
}

#[test]
fn what_was_not_synced_is_there_or_gone_or_torn() {
    let old = [1; 8 * 512];
    let cut = |seed: u64| {
        let disk = with_folder(seed);
        drop(make(&disk, "file", &old));
        let mut file = OpenOptions::new().write(true).open(at(&disk, "file")).unwrap();
        file.write_all(&[2; 8 * 512]).unwrap();
        file.write_all(&[3; 512]).unwrap();
        disk.come_back(true);
        bytes(&disk, "file")
    };
    let of = |bytes: &[u8], what: u8| bytes.chunks(512).filter(|it| **it == [what; 512]).count();
    for seed in 1..=SEEDS {
        let bytes = cut(seed);
        let known = of(&bytes, 1) + of(&bytes, 2) + of(&bytes, 3) + of(&bytes, 0);
        assert_eq!(known * 512, bytes.len(), "no sector is torn in itself");
    }
    happens(|seed| cut(seed)[..old.len()] == old);
    happens(|seed| of(&cut(seed), 2) == 8);
    happens(|seed| (1..8).contains(&of(&cut(seed), 2)));
    happens(|seed| cut(seed).len() > old.len());
    happens(|seed| of(&cut(seed), 3) == 1 && of(&cut(seed), 2) < 8);
}

#[test]
fn a_file_that_was_cut_is_long_again_after_a_power_cut() {
    happens(|seed| {
        let disk = with_folder(seed);
        make(&disk, "file", &[1; 1000]).set_len(10).unwrap();
        disk.come_back(true);
        bytes(&disk, "file").len() == 1000
    });
}

#[test]
fn names_that_were_not_synced_are_lost_in_their_order() {
    let renamed = |seed: u64, is_synced: bool| {
        let disk = with_folder(seed);
        make(&disk, "old", b"old");
        let mut file = File::create(at(&disk, "new")).unwrap();
        file.write_all(b"new").unwrap();
        file.sync_all().unwrap();
        rename(at(&disk, "new"), at(&disk, "old")).unwrap();
        if is_synced {
            File::open(disk.folder()).unwrap().sync_all().unwrap();
        }
        disk.come_back(true);
        let text = read_to_string(at(&disk, "old")).unwrap();
        assert!(text == "old" || !exists(at(&disk, "new")).unwrap(), "all of a rename or nothing");
        text
    };
    happens(|seed| renamed(seed, false) == "new");
    assert_eq!(count(|seed| renamed(seed, true) == "new"), SEEDS);
    happens(|seed| {
        let disk = with_folder(seed);
        make(&disk, "file", b"file");
        remove_file(at(&disk, "file")).unwrap();
        disk.come_back(true);
        exists(at(&disk, "file")).unwrap()
    });
}

#[test]
fn a_folder_whose_own_name_was_not_synced_is_lost_with_all_that_is_in_it() {
    happens(|seed| {
        let disk = begin(seed);
        DirBuilder::new().create(disk.folder()).unwrap();
        make(&disk, "file", b"file");
        disk.come_back(true);
        exists(disk.folder()).unwrap()
    });
}

#[test]
fn what_a_failed_sync_left_behind_is_lost_with_the_power_or_at_once_though_a_later_sync_succeeds() {
    let failed = |seed: u64, power: bool| {
        let disk = with_folder(seed);
        drop(make(&disk, "file", b"old"));
        let mut file = OpenOptions::new().write(true).open(at(&disk, "file")).unwrap();
        file.write_all(b"new").unwrap();
        disk.set(DiskState::SyncFails);
        assert_eq!(file.sync_all().unwrap_err().raw_os_error(), Some(5));
        disk.set(DiskState::Well);
        file.sync_all().unwrap();
        let read = bytes(&disk, "file");
        disk.come_back(power);
        (read == b"new", bytes(&disk, "file") == b"new")
    };
    happens(|seed| failed(seed, true) == (true, true));
    happens(|seed| failed(seed, true) == (true, false));
    happens(|seed| failed(seed, true) == (false, false));
    assert_eq!(count(|seed| failed(seed, true) == (false, true)), 0);
    assert_eq!(count(|seed| failed(seed, false).0 == failed(seed, false).1), SEEDS);
}

#[test]
fn a_disk_that_is_full_or_fails_says_so_and_works_again_afterwards() {
    let disk = begin(1);
    let mut told = Told::default();
    let mut kept = told.open(&disk).unwrap();
    told.say(kept.store(), 1, 2).unwrap();
    for state in [DiskState::Full, DiskState::Fails, DiskState::SyncFails] {
        disk.set(state);
        let error = told.say(kept.store(), 1, 2).unwrap_err();
        assert_eq!(error.is_full(), state == DiskState::Full, "{error}");
        assert!(!error.is_damaged(), "{error}");
        disk.set(DiskState::Well);
        let Kept { folder, opened } = kept;
        drop((opened, folder));
        kept = told.open(&disk).unwrap();
        told.say(kept.store(), 1, 2).unwrap();
        drop(kept);
        told.check(&Kept::open(&disk).unwrap(), &format!("{state:?}"));
        kept = told.open(&disk).unwrap();
    }
}

#[test]
fn a_dead_process_writes_nothing_and_holds_nothing() {
    let disk = begin(1);
    let mut told = Told::default();
    let mut kept = told.open(&disk).unwrap();
    told.say(kept.store(), 1, 2).unwrap();
    let (again, held) = (Folder::open(disk.folder()), "two processes have it");
    assert!(again.is_err(), "{held}");
    let mut dead = kept.opened.store;
    let mut transaction = dead.write().unwrap();
    transaction.next_member(1000).unwrap();
    disk.die();
    assert!(disk.has_died());
    transaction.commit().unwrap_err();
    assert!(Kept::open(&disk).is_err());
    disk.come_back(false);
    assert!(!disk.has_died());
    // The dead one's lock, and its connection, are still in its hands.
    let mut new = told.open(&disk).unwrap();
    assert_eq!(new.opened.next_member, 1);
    assert!(dead.write().is_err() || dead.checkpoint().is_err());
    drop((dead, kept.folder));
    told.say(new.store(), 1, 2).unwrap();
    assert!(Folder::open(disk.folder()).is_err(), "{held}");
    drop(new);
    told.check(&Kept::open(&disk).unwrap(), "beside a dead one");
}

#[test]
fn it_dies_in_the_middle_of_a_write() {
    let cut = |seed: u64| {
        let disk = with_folder(seed);
        let mut file = make(&disk, "file", b"");
        disk.die_in(Some(2));
        file.write_all(&[1; 512]).unwrap();
        assert!(!disk.has_died());
        assert_eq!(file.write_all(&[2; 4 * 512]).unwrap_err().raw_os_error(), Some(5));
        assert!(disk.has_died());
        file.write_all(&[3; 512]).unwrap_err();
        metadata(at(&disk, "file")).unwrap_err();
        disk.come_back(false);
        files::metadata(at(&disk, "file")).unwrap().len()
    };
    happens(|seed| cut(seed) == 512);
    happens(|seed| (2 * 512..=4 * 512).contains(&cut(seed)));
}

#[test]
fn equal_seeds_leave_equal_disks() {
    let end = |seed: u64| {
        let disk = begin(seed);
        let mut told = Told::default();
        let mut kept = told.open(&disk).unwrap();
        for room in [1, 2, 1, 1] {
            told.say(kept.store(), room, 9).unwrap();
        }
        disk.die_in(Some(40));
        let ended = (0..20).find(|_| told.say(kept.store(), 1, 5).is_err());
        drop(kept);
        disk.come_back(false);
        File::create(at(&disk, "torn")).unwrap().write_all(&vec![1; 64 * 512]).unwrap();
        disk.come_back(true);
        let kept = Kept::open(&disk).unwrap();
        let found = (kept.read(1, 1100), kept.read(2, 1100), disk.ops(), ended);
        drop(kept);
        let torn = metadata(at(&disk, "torn")).map(|_| bytes(&disk, "torn"));
        (found, bytes(&disk, "history.db"), bytes(&disk, "life"), torn.ok())
    };
    assert!(end(7) == end(7), "the same life twice");
    assert!((8..20).any(|seed| end(7) != end(seed)), "another life");
}

#[test]
fn it_is_missing_as_files_are_that_are_not_there() {
    let disk = begin(1);
    let kind = |error: std::io::Error| error.kind();
    assert_eq!(kind(metadata(disk.folder()).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(File::create(at(&disk, "file")).unwrap_err()), ErrorKind::NotFound);
    assert_eq!(kind(File::open("/elsewhere/file").unwrap_err()), ErrorKind::NotFound);
    drop(disk);
    assert!(metadata("/simulated").is_err(), "without a disk there is nothing");
    assert!(Connection::open("/simulated/data/history.db").is_err());
}
