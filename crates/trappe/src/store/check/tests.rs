//! A sound history, and one thing after another that somebody or something has done to it.

use std::{fs, os::unix::fs::FileExt};

use rusqlite::Connection;
use trappe_core::{command::Epoch, name::Name};

use super::*;
use crate::store::{Hole, StoredMessage, VisitError, transfer::tests::Dir};

/// A lobby with messages 1 to 300 but for 11 to 20, all of them indexed; and an empty room.
fn history() -> Dir {
    let dir = Dir::new();
    let (folder, mut opened) = dir.open();
    let mut transaction = opened.store.write().expect("it can be written");
    let room = |name: &str| Name::parse(name).expect("a name");
    transaction.room(1, &room("lobby"), Epoch::from_random(1), 301).expect("it can be written");
    transaction.room(2, &room("vide"), Epoch::from_random(2), 1).expect("it can be written");
    let hole = Hole { first: 11, last: 20, cause: Cause::NotStored };
    transaction.hole(1, &hole).expect("it can be written");
    let body = [b'x'; 400];
    for seq in (1..=10).chain(21..=300) {
        let message =
            StoredMessage { seq, time_us: seq, sid: 1, mid: None, author: None, body: &body };
        transaction.message(1, &message).expect("it can be written");
    }
    transaction.counts(1, 290, 290 * 500, 300).expect("it can be written");
    transaction.commit().expect("it can be written");
    while opened.store.index(1000).expect("it can be written") {}
    opened.store.close(&folder, &[], 2).expect("it can be written");
    dir
}

fn report(dir: &Dir) -> Report {
    check(&mut dir.visit(), &mut |_| {}).expect("it can be read")
}

#[test]
fn what_is_sound_is_told_so_and_nothing_is_touched() {
    let dir = history();
    let files = || {
        let mut files: Vec<_> = fs::read_dir(&dir.0)
            .expect("it is there")
            .map(|file| file.expect("it is there").path())
            .map(|path| (fs::read(&path).expect("it is a file"), path))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let sound = Report { rooms: 2, messages: 290, ..Report::default() };
    assert_eq!(report(&dir), sound);
    assert!(files() == before, "something was made or changed");
}

#[test]
fn each_thing_that_somebodys_own_hand_has_changed_is_found() {
    let room = || "lobby".to_owned();
    for (sql, finding) in [
        (
            "UPDATE message SET body = x'00' WHERE id = (1 << 40) + 7",
            Finding::Changed { room: room(), first: 7, last: 7 },
        ),
        (
            "UPDATE message SET author = 'bob' WHERE (id & 0xffffffffff) IN (9, 10)",
            Finding::Changed { room: room(), first: 9, last: 10 },
        ),
        ("DELETE FROM room WHERE no = 1", Finding::NoRoom { no: 1, messages: 290 }),
        (
            "UPDATE room SET name = 'a b' WHERE no = 2",
            Finding::BadRoom { no: 2, name: "a b".to_owned() },
        ),
        (
            "UPDATE room SET epoch = 'x' WHERE no = 2",
            Finding::BadRoom { no: 2, name: "vide".to_owned() },
        ),
        (
            "UPDATE room SET next_seq = 300 WHERE no = 1",
            Finding::Reused { room: room(), next: 300, last: 300 },
        ),
        (
            "UPDATE room SET messages = 1 WHERE no = 1",
            Finding::Counted { room: room(), said: (1, 145_000), found: (290, 145_000) },
        ),
        (
            "UPDATE hole SET last = 22",
            Finding::FullHole { room: room(), first: 11, last: 22, messages: 2 },
        ),
        (
            "UPDATE hole SET cause = 'because'",
            Finding::BadHole { room: room(), first: 11, last: 20 },
        ),
        ("UPDATE hole SET last = 301", Finding::BadHole { room: room(), first: 11, last: 301 }),
        ("UPDATE hole SET first = 15", Finding::Missing { room: room(), first: 11, last: 14 }),
        ("UPDATE hole SET last = 15", Finding::Missing { room: room(), first: 16, last: 20 }),
        ("INSERT INTO sent VALUES (5, 1, 1, 1)", Finding::Sent { ids: 1 }),
        ("DELETE FROM hole", Finding::Missing { room: room(), first: 11, last: 20 }),
        ("DELETE FROM search WHERE rowid = (1 << 40) + 7", Finding::Index { missing: 1, extra: 0 }),
        (
            "INSERT INTO search (rowid, body) VALUES (5, 'x')",
            Finding::Index { missing: 0, extra: 1 },
        ),
    ] {
        let dir = history();
        let connection = Connection::open(dir.0.join("history.db")).expect("it is there");
        connection.execute_batch(sql).expect("it can be changed");
        drop(connection);
        let report = report(&dir);
        assert!(report.findings.contains(&finding), "{sql}: {report:?}");
    }
}

#[test]
fn what_is_not_indexed_yet_is_no_damage() {
    let dir = history();
    let connection = Connection::open(dir.0.join("history.db")).expect("it is there");
    connection
        .execute_batch(
            "DELETE FROM search WHERE rowid > (1 << 40) + 290;
             UPDATE meta SET value = 290 WHERE key = 'indexed_1'",
        )
        .expect("it can be changed");
    drop(connection);
    let report = report(&dir);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.unindexed, 10);
}

#[test]
fn a_page_of_zeros_and_a_file_cut_short_are_found_and_the_rest_is_counted() {
    let dir = history();
    let path = dir.0.join("history.db");
    let pages = fs::metadata(&path).expect("it is there").len() / 4096;
    let (mut hurt, mut least) = (0, 290);
    for page in 1..pages {
        let whole = fs::read(&path).expect("it is there");
        let file = fs::File::options().write(true).open(&path).expect("it is there");
        file.write_all_at(&[0; 4096], page * 4096).expect("it can be written");
        // A page of the schema may leave nothing that could be opened.
        if let Ok(mut visit) = Visit::open(&dir.0) {
            let report = check(&mut visit, &mut |_| {}).expect("it is told as a finding");
            if !report.is_sound() {
                hurt += 1;
                least = least.min(report.messages);
            }
        }
        fs::write(&path, whole).expect("it can be written");
    }
    assert!(hurt + 8 > pages, "{hurt} of {pages} pages were missed");
    assert!(least < 290);
    let file = fs::File::options().write(true).open(&path).expect("it is there");
    file.set_len((pages - 3) * 4096).expect("it can be cut");
    let report = report(&dir);
    let cut = Finding::Cut { bytes: (pages - 3) * 4096, wanted: pages * 4096 };
    assert!(report.findings.contains(&cut), "{report:?}");
}

#[test]
fn what_is_no_history_is_not_looked_at() {
    let dir = Dir::new();
    assert!(matches!(Visit::open(&dir.0), Err(VisitError::NoFolder)));
    assert!(!dir.0.exists());
    fs::create_dir(&dir.0).expect("it can be made");
    assert!(matches!(Visit::open(&dir.0), Err(VisitError::NoHistory)));
    assert_eq!(fs::read_dir(&dir.0).expect("it is there").count(), 0);
}

#[test]
fn a_server_that_begins_to_write_meanwhile_is_seen() {
    let dir = history();
    let mut visit = dir.visit();
    assert_eq!(visit.rooms().expect("it can be read")[0].messages, 290);
    let (folder, mut opened) = dir.open();
    let mut transaction = opened.store.write().expect("it can be written");
    let body = b"y";
    let message = StoredMessage { seq: 301, time_us: 1, sid: 1, mid: None, author: None, body };
    transaction.message(1, &message).expect("it can be written");
    transaction.counts(1, 1, 101, 301).expect("it can be written");
    let room = Name::parse("lobby").expect("a name");
    transaction.room(1, &room, Epoch::from_random(1), 302).expect("it can be written");
    transaction.commit().expect("it can be written");
    let rooms = visit.rooms().expect("it can be read");
    assert_eq!((rooms[0].messages, rooms[0].end()), (291, 302));
    opened.store.close(&folder, &[], 2).expect("it can be written");
    drop(folder);
    assert_eq!(visit.rooms().expect("it can be read"), rooms);
    assert!(check(&mut visit, &mut |_| {}).expect("it can be read").is_sound());
}

#[test]
fn one_room_alone_is_pruned_and_all_of_its_space_comes_back() {
    let dir = history();
    let bytes = || fs::metadata(dir.0.join("history.db")).expect("it is there").len();
    let before = bytes();
    let (folder, mut opened) = dir.open();
    let keep =
        |messages| trappe_core::keep::Keep { messages: Some(messages), ..Default::default() };
    let mut prune = |no, messages, most| {
        let pruned = opened.store.prune_in(no, &keep(messages), 1, most);
        let pruned = pruned.expect("it can be written");
        (pruned.removed, pruned.more)
    };
    assert_eq!(prune(2, 1, 1000), (0, false));
    assert_eq!(prune(1, 30, 200), (200, true));
    assert_eq!(prune(1, 30, 200), (60, false));
    assert_eq!(prune(7, 1, 200), (0, false));
    opened.store.shrink().expect("it can be written");
    opened.store.close(&folder, &[], 2).expect("it can be written");
    assert!(bytes() * 2 < before, "{} of {before}", bytes());
    let sound = Report { rooms: 2, messages: 30, ..Report::default() };
    assert_eq!(report(&dir), sound);
}
