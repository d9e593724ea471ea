//! Folders and files that a server leaves alone: it says why in one sentence, ends with 1, and has changed nothing.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use crate::disk_damage::Told;
use crate::disk_full::fate;
use crate::disk_lab::{Disk, Random, refusal, stop};
use crate::hub::{TRAPPE, trappe};
use crate::json_peer::{JsonPeer, Via};
use crate::process::Process;
use crate::tools::tool;

/// Starts a server on any folder.
#[track_caller]
fn refused_at(path: &Path) -> String {
    let mut command = trappe(&["server", "--port", "0", "--lang", "en", "--data"]);
    refusal(&Process::spawn(command.arg(path)).end())
}

/// The files of a folder but the lock, which says who looked last.
fn untouched(disk: &Disk) -> Vec<(String, Vec<u8>)> {
    disk.files().into_iter().filter(|(name, _)| name != "lock").collect()
}

#[track_caller]
fn assert_refused_untouched(disk: &Disk, words: &str) {
    let before = untouched(disk);
    let sentence = disk.refused(&["--quiet"]);
    assert!(sentence.contains(words), "{sentence}");
    assert!(untouched(disk) == before, "it changed something: {:?}", disk.files().keys());
}

#[test]
fn a_second_server_on_a_folder_is_refused_and_told_who_has_it() {
    let disk = Disk::plain();
    let hub = disk.start(&["--quiet"]);
    let mut alice = JsonPeer::member(&hub, Via::Lines);
    assert_eq!(fate(&mut alice, 1, "avant")["ev"], "ack");
    for _ in 0..2 {
        let sentence = disk.refused(&[]);
        assert!(sentence.contains(&hub.id().to_string()), "{sentence}");
    }
    assert_eq!(fate(&mut alice, 2, "après")["ev"], "ack", "the first goes on");
    stop(hub);
    // Once it has ended, the folder is free, whatever the lock file says.
    stop(disk.start(&["--quiet"]));
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_not_touched() {
    let told = Told::new(20, |hub| drop(stop(hub)));
    Connection::open(told.base())
        .and_then(|base| base.execute_batch("PRAGMA user_version = 99"))
        .expect("it is a database");
    for end in ["-wal", "-shm"] {
        drop(fs::remove_file(told.disk.file(&format!("history.db{end}"))));
    }
    let before = fs::metadata(told.base()).expect("it is there");
    assert_refused_untouched(&told.disk, "newer");
    let after = fs::metadata(told.base()).expect("it is there");
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_not_touched() {
    let mut random = Random::new(1);
    let noise: Vec<u8> = (0..20_000).map(|_| random.below(256).to_le_bytes()[0]).collect();
    let text = b"ma liste de courses\n".repeat(500);
    for bytes in [noise, text, b"SQLite format 3\0".to_vec(), b"x".to_vec(), vec![0; 8192]] {
        let disk = Disk::plain();
        fs::write(disk.file("history.db"), bytes).expect("it is ours");
        assert_refused_untouched(&disk, "trappe");
    }
    let disk = Disk::plain();
    Connection::open(disk.file("history.db"))
        .and_then(|base| {
            base.execute_batch(
                "PRAGMA journal_mode = WAL; CREATE TABLE message (id INTEGER PRIMARY KEY, body TEXT);
                 INSERT INTO message VALUES (1, 'le journal de quelqu''un')",
            )
        })
        .expect("the folder is ours");
    assert_refused_untouched(&disk, "trappe");
}

#[test]
fn a_folder_that_is_a_link_a_file_or_nowhere_is_refused() {
    let disk = Disk::plain();
    let (link, file) = (disk.beside("link"), disk.beside("file"));
    symlink(disk.data(), &link).expect("the folder is ours");
    fs::write(&file, "x").expect("the folder is ours");
    assert!(refused_at(&link).contains("link"));
    assert!(refused_at(&file).contains("folder"));
    assert!(refused_at(&file.join("under it")).contains("folder"));
    assert!(refused_at(&disk.beside("no/such")).contains("exist"));
    assert!(disk.files().is_empty() && !disk.beside("no").exists());
    assert_eq!(fs::read(&file).expect("it is there"), b"x");
    // The last part of a path is made, for this user alone.
    let new = disk.beside("new");
    let mut command = trappe(&["server", "--port", "0", "--quiet", "--data"]);
    stop(crate::hub::Hub::launch(command.arg(&new)));
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&new), mode(&new.join("history.db"))), (0o700, 0o600));
}

#[test]
fn a_file_in_the_folder_that_is_a_link_is_refused_and_what_it_leads_to_is_left_alone() {
    for name in ["history.db", "lock"] {
        let disk = Disk::plain();
        let elsewhere = disk.beside("elsewhere");
        for there in [true, false] {
            if there {
                fs::write(&elsewhere, "").expect("the folder is ours");
            }
            symlink(&elsewhere, disk.file(name)).expect("the folder is ours");
            assert!(disk.refused(&[]).contains("link"), "{name}");
            assert_eq!(fs::read(&elsewhere).ok(), there.then(Vec::new), "{name}");
            fs::remove_file(disk.file(name)).expect("it is ours");
            drop(fs::remove_file(&elsewhere));
        }
    }
    let disk = Disk::plain();
    fs::create_dir(disk.file("history.db")).expect("the folder is ours");
    disk.refused(&[]);
}

#[test]
fn a_folder_that_may_not_be_written_is_refused() {
    let Some(setpriv) = tool("setpriv") else { return };
    let disk = Disk::plain();
    fs::set_permissions(disk.data(), Permissions::from_mode(0o500)).expect("it is ours");
    // Root may write anywhere, unless it gives that right away.
    let mut command = Command::new(setpriv);
    if is_root() {
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]);
    }
    command.args([TRAPPE, "server", "--port", "0", "--lang", "en", "--data"]).arg(disk.data());
    let sentence = refusal(&Process::spawn(&mut command).end());
    fs::set_permissions(disk.data(), Permissions::from_mode(0o700)).expect("it is ours");
    assert!(sentence.contains("can't write") || sentence.contains("denied"), "{sentence}");
    assert!(disk.files().is_empty());
}

#[test]
fn a_folder_of_another_user_is_refused() {
    let Some(setpriv) = tool("setpriv") else { return };
    // Root's, and open to everybody: it isn't the right to write there that is missing.
    let (mut command, disk) = (Command::new("sh"), Disk::plain());
    let folder = if is_root() { disk.data() } else { "/tmp".into() };
    if is_root() {
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).expect("it is ours");
        // Whoever it becomes may not walk to the program, nor to the folder: both are handed over open.
        command.args(["-c", "exec \"$0\" --reuid 65534 --regid 65534 --clear-groups \"$@\" 3<\"$PROGRAM\" 4<\"$FOLDER\""]);
        command.arg(setpriv).args(["/proc/self/fd/3", "server"]);
        command.env("PROGRAM", TRAPPE).env("FOLDER", &folder);
    } else {
        command.args(["-c", "exec \"$0\" \"$@\"", TRAPPE, "server"]);
    }
    let data = if is_root() { "/proc/self/fd/4/.".into() } else { folder };
    command.args(["--port", "0", "--lang", "en", "--data"]).arg(data);
    let sentence = refusal(&Process::spawn(&mut command).end());
    assert!(sentence.contains("another user"), "{sentence}");
    assert!(disk.files().is_empty());
}

fn is_root() -> bool {
    File::open("/proc/self").and_then(|it| it.metadata()).is_ok_and(|it| it.uid() == 0)
}
