//! What a start finds, and what it makes of it.

use std::{fs, time::Duration};

use rusqlite::Connection;

use super::*;
use crate::store::{
    open::{NewEpoch, Note},
    tables::{StoredPost, StoredSession},
};

/// A room with ten messages, left as by a crash while 100 numbers were reserved, or closed.
fn with_ten(place: &Place, close: bool) -> Epoch {
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=10);
    let epoch = Epoch::from_random(77);
    if close {
        kept.close(&[(1, 11)]);
    }
    epoch
}

#[test]
fn a_new_one_says_so_and_is_empty() {
    let place = Place::new();
    let kept = place.open();
    assert_eq!(kept.opened.notes, [Note::New]);
    assert_eq!((kept.opened.next_room, kept.opened.next_member), (1, 1));
    assert!(kept.opened.rooms.is_empty());
    assert_eq!(kept.number("PRAGMA application_id"), 0x7472_6170);
    assert_eq!(kept.number("PRAGMA page_size"), 4096);
    assert_eq!(kept.number("PRAGMA synchronous"), 2);
    assert_eq!(kept.number("PRAGMA auto_vacuum"), 2);
}

#[test]
fn what_was_closed_goes_on_where_it_was() {
    let place = Place::new();
    let epoch = with_ten(&place, true);
    let kept = place.open();
    assert_eq!(kept.opened.notes, []);
    let room = &kept.opened.rooms[0];
    assert_eq!((room.no, room.name.as_str(), room.epoch), (1, "lobby", epoch));
    assert_eq!((room.oldest, room.last, room.next_seq), (1, 10, 11));
    assert_eq!((kept.opened.next_room, kept.opened.next_member), (2, 9));
    assert_eq!(kept.opened.messages, 10);
    let (rows, holes) = all(&mut kept.reader(), 1, 1, 11, (100, 1 << 20));
    assert_eq!(rows, (1..=10).map(|seq| row(1, seq)).collect::<Vec<_>>());
    assert_eq!(holes, []);
}

#[test]
fn numbers_that_a_crash_left_unused_are_a_hole_and_are_never_given() {
    let place = Place::new();
    let epoch = with_ten(&place, false);
    let mut kept = place.open();
    assert_eq!(kept.opened.notes, [Note::Unclean { rooms: 1 }]);
    let room = &kept.opened.rooms[0];
    assert_eq!((room.epoch, room.last, room.next_seq), (epoch, 10, 101));
    // And again, after another block was reserved, of which some was used.
    kept.room(1, "lobby", 201);
    kept.say(1, 101..=105);
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.rooms[0].next_seq, 201);
    let (rows, holes) = all(&mut kept.reader(), 1, 1, 201, (100, 1 << 20));
    assert_eq!(rows.len(), 15);
    assert_eq!(holes, [hole(11, 100, Cause::Unused), hole(106, 200, Cause::Unused)]);
    // What was written down as lost needs no second hole.
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.notes, [Note::Unclean { rooms: 0 }]);
    assert_eq!(kept.number("SELECT count(*) FROM hole"), 2);
}

#[test]
fn what_wasn_t_counted_before_a_crash_is_counted_after_it() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=4);
    let mut transaction = kept.store().write().unwrap();
    transaction.message(1, &message(5, b"not counted")).unwrap();
    transaction.commit().unwrap();
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.messages, 5);
    let counted = kept.number("SELECT bytes FROM room");
    assert_eq!(counted, kept.number("SELECT sum(length(body) + 100) FROM message"));
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_not_touched() {
    let place = Place::new();
    with_ten(&place, true);
    let connection = Connection::open(place.database()).unwrap();
    connection.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA user_version = 3;").unwrap();
    drop(connection);
    let before = bytes(&place.database());
    let life = bytes(&place.data().join("life"));
    let refused = place.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Newer(3)), "{refused:?}");
    assert_eq!(bytes(&place.database()), before);
    assert_eq!(bytes(&place.data().join("life")), life);
    assert!(!place.wal().exists());
}

#[test]
fn a_newer_version_that_stands_in_the_log_alone_is_refused_too() {
    let place = Place::new();
    let kept = place.open();
    kept.opened.store.connection.execute_batch("PRAGMA user_version = 3;").unwrap();
    drop(kept);
    let before = (bytes(&place.database()), bytes(&place.wal()));
    let refused = place.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Newer(3)), "{refused:?}");
    assert_eq!((bytes(&place.database()), bytes(&place.wal())), before);
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_not_touched() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    let other = Connection::open(place.0.join("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 9;").unwrap();
    drop(other);
    let foreign =
        [b"my diary".to_vec(), vec![0; 8192], vec![7; 8192], bytes(&place.0.join("other.db"))];
    for content in foreign {
        fs::write(place.database(), &content).unwrap();
        let refused = place.try_open().unwrap_err();
        assert!(matches!(refused, OpenError::Foreign), "{refused:?}");
        assert_eq!(bytes(&place.database()), content);
        assert!(!place.wal().exists());
    }
}

#[test]
fn an_empty_file_is_a_new_database_and_that_is_said() {
    let place = Place::new();
    with_ten(&place, true);
    fs::write(place.database(), "").unwrap();
    let kept = place.open();
    assert_eq!(kept.opened.notes, [Note::WasEmpty]);
    assert!(kept.opened.rooms.is_empty());
}

/// What a person does to the files while no server runs, and what is to be made of it.
fn after(close: bool, deed: impl FnOnce(&Place)) -> (Vec<Note>, bool) {
    let place = Place::new();
    let epoch = with_ten(&place, close);
    deed(&place);
    let kept = place.open();
    let room = &kept.opened.rooms[0];
    // Whatever happened: no number that may have been given is given again in the same life of the room.
    let is_new = room.epoch != epoch;
    assert!(is_new || room.next_seq >= 11);
    let (rows, _) = all(&mut kept.reader(), 1, 1, room.next_seq, (100, 1 << 20));
    assert!(rows.iter().all(|found| *found == row(1, found.seq)));
    let again = room.epoch;
    let notes = kept.opened.notes.clone();
    kept.close(&[(1, 200)]);
    let kept = place.open();
    assert_eq!((kept.opened.rooms[0].epoch, &*kept.opened.notes), (again, &[][..]), "said once");
    (notes, is_new)
}

fn new_epoch(why: NewEpoch) -> (Vec<Note>, bool) {
    (vec![Note::NewEpoch(why)], true)
}

#[test]
fn a_backup_of_an_earlier_run_that_is_put_back_begins_a_new_epoch() {
    let found = after(true, |place| {
        let backup = bytes(&place.database());
        let mut kept = place.open();
        kept.say(1, 11..=20);
        kept.close(&[(1, 21)]);
        // The same file, and its old content: its inode tells nothing.
        fs::write(place.database(), backup).unwrap();
    });
    assert_eq!(found, new_epoch(NewEpoch::Older));
}

#[test]
fn a_backup_of_the_same_run_that_is_put_back_begins_a_new_epoch() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=10);
    kept.store().checkpoint().unwrap();
    let backup = bytes(&place.database());
    kept.say(1, 11..=20);
    kept.close(&[(1, 21)]);
    fs::write(place.database(), backup).unwrap();
    let kept = place.open();
    assert_eq!(kept.opened.notes, [Note::NewEpoch(NewEpoch::Older)]);
    assert_ne!(kept.opened.rooms[0].epoch, Epoch::from_random(77));
    assert_eq!(kept.opened.rooms[0].last, 10);
}

#[test]
fn another_file_in_its_place_begins_a_new_epoch() {
    let found = after(true, |place| {
        let copy = place.data().join("copy");
        fs::copy(place.database(), &copy).unwrap();
        fs::rename(copy, place.database()).unwrap();
    });
    assert_eq!(found, new_epoch(NewEpoch::Replaced));
}

#[test]
fn a_folder_that_was_copied_begins_a_new_epoch() {
    let found = after(true, |place| {
        let old = place.0.join("old");
        fs::rename(place.data(), &old).unwrap();
        fs::create_dir(place.data()).unwrap();
        for file in ["history.db", "life"] {
            fs::copy(old.join(file), place.data().join(file)).unwrap();
        }
    });
    assert_eq!(found, new_epoch(NewEpoch::Replaced));
}

#[test]
fn without_what_stands_beside_it_a_new_epoch_begins() {
    let found = after(true, |place| fs::remove_file(place.data().join("life")).unwrap());
    assert_eq!(found, new_epoch(NewEpoch::Unknown));
    let found = after(true, |place| fs::write(place.data().join("life"), "starts=").unwrap());
    assert_eq!(found, new_epoch(NewEpoch::Unknown));
}

#[test]
fn a_log_that_is_missing_after_a_crash_begins_a_new_epoch() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=10);
    kept.store().checkpoint().unwrap();
    kept.say(1, 11..=20);
    drop(kept);
    fs::remove_file(place.wal()).unwrap();
    let kept = place.open();
    assert_eq!(kept.opened.notes, [Note::NewEpoch(NewEpoch::LogMissing)]);
    assert_ne!(kept.opened.rooms[0].epoch, Epoch::from_random(77));
}

#[test]
fn a_folder_that_was_only_moved_changes_nothing() {
    let found = after(true, |place| {
        fs::rename(place.data(), place.0.join("elsewhere")).unwrap();
        fs::rename(place.0.join("elsewhere"), place.data()).unwrap();
    });
    assert_eq!(found, (vec![], false));
}

#[test]
fn a_start_that_was_killed_before_it_was_written_down_changes_nothing() {
    for close in [true, false] {
        for starts in 1..=3 {
            let found = after(close, |place| {
                let life = bytes(&place.data().join("life"));
                for _ in 0..starts {
                    drop(place.open());
                    fs::write(place.data().join("life"), &life).unwrap();
                }
            });
            assert_eq!(found, (vec![Note::Unclean { rooms: 0 }], false), "{close} {starts}");
        }
    }
}

#[test]
fn sessions_ids_and_keys_come_back() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    let post = |key: &str, seq| StoredPost {
        key: key.to_owned(),
        time_us: NOW + seq,
        room: 1,
        digest: [3; 32],
        seq,
    };
    let mut transaction = kept.store().write().unwrap();
    transaction.session(4, &[4; 32], Some(&name("alice"))).unwrap();
    transaction.session(5, &[5; 32], None).unwrap();
    transaction.session(6, &[6; 32], None).unwrap();
    for mid in 1..=6 {
        transaction.sent(4, mid, 1, mid + 10).unwrap();
        transaction.sent(6, mid, 1, mid + 20).unwrap();
    }
    transaction.trim_sent(4, 4).unwrap();
    transaction.end_session(6).unwrap();
    transaction.session(5, &[5; 32], Some(&name("bob"))).unwrap();
    transaction.posted(&post("b", 2)).unwrap();
    transaction.posted(&post("a", 1)).unwrap();
    transaction.next_member(1006).unwrap();
    transaction.commit().unwrap();
    drop(kept);

    let kept = place.open();
    let session = |sid: u8, name_: &str, floor, sent| StoredSession {
        sid: sid.into(),
        token: [sid; 32],
        name: Some(name(name_)),
        floor,
        sent,
    };
    let expected = [
        session(5, "bob", None, vec![]),
        session(4, "alice", Some(4), vec![(5, 1, 15), (6, 1, 16)]),
    ];
    assert_eq!(kept.opened.sessions, expected);
    assert_eq!(kept.opened.posted, [post("a", 1), post("b", 2)]);
    assert_eq!(kept.opened.next_member, 1006);
    assert_eq!(kept.number("SELECT count(*) FROM sent"), 2);
}

#[test]
fn a_room_that_nobody_can_be_in_keeps_its_number() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.room(2, "other", 101);
    kept.say(2, 1..=3);
    kept.opened.store.connection.execute_batch("UPDATE room SET name = '!' WHERE no = 2").unwrap();
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.rooms.len(), 1);
    assert_eq!(kept.opened.next_room, 3, "its messages are not another room's");
}

#[test]
fn a_room_that_is_forgotten_leaves_nothing_but_its_number() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.room(2, "other", 101);
    kept.say(1, 1..=3);
    kept.hole(1, 4, 6, Cause::NotStored);
    kept.hole(2, 1, 9, Cause::NotStored);
    let mut transaction = kept.store().write().unwrap();
    transaction.forget_room(2).unwrap();
    // One in which something is kept stays.
    transaction.forget_room(1).unwrap();
    transaction.commit().unwrap();
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.rooms.len(), 1);
    assert_eq!(kept.number("SELECT count(*) FROM hole WHERE room = 2"), 0);
    assert_eq!(kept.number("SELECT count(*) FROM hole WHERE cause = 'not-stored'"), 1);
    assert_eq!(kept.opened.next_room, 3);
    assert_eq!(kept.number("SELECT count(*) FROM message"), 3);
}

#[test]
fn ids_of_what_is_not_stored_are_forgotten() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    let mut transaction = kept.store().write().unwrap();
    for mid in 1..=6 {
        transaction.sent(4, mid, 1, mid + 10).unwrap();
    }
    transaction.hole(1, &hole(13, 14, Cause::NotStored)).unwrap();
    transaction.commit().unwrap();
    assert_eq!(kept.number("SELECT count(*) FROM sent"), 4);
    assert_eq!(kept.number("SELECT count(*) FROM sent WHERE mid IN (3, 4)"), 0);
}

#[test]
fn what_is_not_committed_has_not_happened() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    let mut transaction = kept.store().write().unwrap();
    transaction.message(1, &message(1, b"never")).unwrap();
    drop(transaction);
    assert_eq!(kept.number("SELECT count(*) FROM message"), 0);
    kept.say(1, [1]);
    assert!(kept.store().verify_last(&[(1, 1)]).unwrap());
    assert!(!kept.store().verify_last(&[(1, 1), (1, 2)]).unwrap());
}

#[test]
fn nobody_who_reads_is_waited_for_when_the_log_is_brought_in() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=10);
    let reads = Connection::open(place.database()).unwrap();
    reads.execute_batch("BEGIN; SELECT count(*) FROM message;").unwrap();
    kept.say(1, 11..=20);
    let began = std::time::Instant::now();
    kept.store().checkpoint().unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "it waited for who reads");
    drop(reads);
    kept.store().checkpoint().unwrap();
    // All of it is in the file now: the next transaction begins the log anew.
    let full = bytes(&place.wal()).len();
    kept.say(1, 21..=22);
    assert!(kept.store().log_bytes() < 40_000, "{}", kept.store().log_bytes());
    assert_eq!(bytes(&place.wal()).len(), full, "it is overwritten");
    assert_eq!(kept.number("SELECT count(*) FROM message"), 22);
}

#[test]
fn the_view_for_people_shows_messages() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    kept.say(1, 1..=3);
    let sql =
        "SELECT room || '|' || seq || '|' || time || '|' || author || '|' || body FROM messages";
    let mut list = kept.opened.store.connection.prepare(sql).unwrap();
    let shown: Vec<String> =
        list.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown[1], "lobby|2|2025-11-24T16:00:00.000Z|alice|message 2 of room 1");
    assert!(shown[2].contains("|client-4|message 3"));
}
