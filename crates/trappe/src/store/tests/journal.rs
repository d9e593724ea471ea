//! What is on disk before it is filed in its places.

use std::{ops::RangeInclusive, time::Duration};

use super::*;
use crate::store::{
    check::{Finding, check},
    journal::{Entry, Piece},
    open::{NewEpoch, Note},
    visit::Visit,
};

/// Two rooms with five messages each.
fn two_rooms(place: &Place) -> Kept {
    let mut kept = place.open();
    for (no, name) in [(1, "lobby"), (2, "other")] {
        kept.room(no, name, 101);
        kept.say(no, 1..=5);
    }
    kept
}

/// How many messages a salvage has kept, and how many it hasn't.
fn salvaged(kept: &Kept) -> (u64, u64) {
    match &kept.opened.notes[..] {
        [Note::Salvaged { kept, lost, .. }, Note::NewEpoch(NewEpoch::Damaged)] => (*kept, *lost),
        others => panic!("{others:?}"),
    }
}

/// The same, and in the journal the next five of both in one piece, and five more in another.
fn journaled(place: &Place) -> Kept {
    let mut kept = two_rooms(place);
    write(&mut kept, 1, 6..=10);
    write(&mut kept, 2, 11..=15);
    kept
}

fn write(kept: &mut Kept, no: u64, seqs: RangeInclusive<u64>) {
    let mut piece = Piece::default();
    for room in [1, 2] {
        for seq in seqs.clone() {
            let body = body(room, seq);
            piece.push(&Entry { room, message: message(seq, body.as_bytes()), post: None });
        }
    }
    let mut transaction = kept.store().write().unwrap();
    transaction.journal(no, &piece).unwrap();
    transaction.commit().unwrap();
}

/// The numbers of a room's messages that come back as they were.
fn seqs(kept: &Kept, room: u32) -> Vec<u64> {
    let (rows, _) = all(&mut kept.reader(), room, 1, 16, (64, 1 << 20));
    for found in &rows {
        assert_eq!(*found, self::row(room, found.seq));
    }
    rows.iter().map(|row| row.seq).collect()
}

#[test]
fn what_stands_in_the_journal_alone_is_there_after_a_crash() {
    let place = Place::new();
    drop(journaled(&place));
    let kept = place.open();
    for room in [1, 2] {
        assert_eq!(seqs(&kept, room), (1..=15).collect::<Vec<_>>());
    }
    assert_eq!(kept.number("SELECT count(*) FROM journal"), 0);
    assert_eq!(kept.opened.messages, 30);
    assert_eq!(kept.number("SELECT sum(bytes) FROM room"), {
        kept.number("SELECT sum(length(body) + 100) FROM message")
    });
    // Only what was never given is told as unused.
    assert_eq!(kept.number("SELECT min(first) FROM hole"), 16);
}

#[test]
fn ids_and_keys_in_the_journal_are_known_after_a_crash_of_sessions_that_may_come_back() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 101);
    let mut piece = Piece::default();
    for (seq, sid, mid) in [(1, 7, 70), (2, 7, 71), (3, 8, 80)] {
        let message = StoredMessage { sid, mid: Some(mid), ..message(seq, b"x") };
        piece.push(&Entry { room: 1, message, post: None });
    }
    let message = StoredMessage { sid: 0, mid: None, author: None, ..message(4, b"y") };
    piece.push(&Entry { room: 1, message, post: Some(("a key", &[9; 32])) });
    let mut transaction = kept.store().write().unwrap();
    transaction.session(7, &[7; 32], None).unwrap();
    transaction.trim_sent(7, 70).unwrap();
    transaction.journal(1, &piece).unwrap();
    transaction.commit().unwrap();
    drop(kept);
    let kept = place.open();
    let known: Vec<_> = kept.opened.sessions.iter().flat_map(|it| it.sent.clone()).collect();
    assert_eq!(known, [(71, 1, 2)]);
    let posted: Vec<_> = kept.opened.posted.iter().map(|it| (&*it.key, it.seq)).collect();
    assert_eq!(posted, [("a key", 4)]);
}

#[test]
fn what_was_filed_or_taken_away_meanwhile_does_not_come_again() {
    let place = Place::new();
    let mut kept = journaled(&place);
    // Of one room the first piece is filed, and all but the last two of it were too old.
    kept.say(1, 6..=10);
    let connection = &kept.opened.store.connection;
    connection.execute("DELETE FROM message WHERE id < (1 << 40) + 9", []).unwrap();
    drop(kept);
    let kept = place.open();
    assert_eq!(kept.opened.rooms[0].oldest, 9);
    assert_eq!(kept.number("SELECT count(*) FROM message WHERE id >> 40 = 1"), 7);
    assert_eq!(seqs(&kept, 2), (1..=15).collect::<Vec<_>>());
}

#[test]
fn a_piece_that_is_not_what_was_stored_is_never_filed_and_the_others_are() {
    let place = Place::new();
    let kept = journaled(&place);
    let change = "UPDATE journal SET piece = zeroblob(length(piece)) WHERE no = 1";
    assert_eq!(kept.opened.store.connection.execute(change, []).unwrap(), 1);
    drop(kept);
    let mut visit = Visit::open(&place.data()).unwrap();
    let report = check(&mut visit, &mut |_| {}).unwrap();
    assert!(report.findings.contains(&Finding::Journal { piece: 1 }), "{report:?}");
    drop(visit);
    let kept = place.open();
    let (found, lost) = salvaged(&kept);
    assert_eq!((found, lost), (20, 10));
    for room in [1, 2] {
        assert_eq!(seqs(&kept, room), (1..=5).chain(11..=15).collect::<Vec<_>>());
    }
}

#[test]
fn who_looks_from_outside_sees_what_is_not_filed_yet_and_changes_nothing() {
    let place = Place::new();
    let mut kept = journaled(&place);
    let mut visit = Visit::open(&place.data()).unwrap();
    let rooms = visit.rooms().unwrap();
    assert!(rooms.iter().all(|room| (room.messages, room.end()) == (15, 16)), "{rooms:?}");
    assert!(check(&mut visit, &mut |_| {}).unwrap().is_sound());
    // It is filed under the eyes of the visitor.
    kept.say(1, 6..=15);
    let (rows, holes) = visit.read(|reader| Ok(all(reader, 1, 1, 16, (4, 1 << 20)))).unwrap();
    assert_eq!((rows.len(), holes.len()), (15, 0));
    assert_eq!(kept.number("SELECT count(*) FROM journal"), 2);
}

#[test]
fn a_file_of_the_first_version_is_brought_to_the_present_form() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 6);
    kept.say(1, 1..=5);
    kept.close(&[(1, 6)]);
    let connection = rusqlite::Connection::open(place.database()).unwrap();
    connection.execute_batch("DROP TABLE journal; PRAGMA user_version = 1;").unwrap();
    drop(connection);
    assert_eq!(Visit::open(&place.data()).unwrap().rooms().unwrap()[0].messages, 5);
    let mut kept = place.open();
    write(&mut kept, 1, 6..=10);
    drop(kept);
    assert_eq!(seqs(&place.open(), 1), (1..=10).collect::<Vec<_>>());
}

/// Both messages' pieces are still there; room 1 is filed and counted up to 10, and then pruned down to what is given.
fn filed_and_pruned(place: &Place, below: u64) -> Kept {
    let mut kept = journaled(place);
    kept.say(1, 6..=10);
    let keep = crate::store::Keep {
        room: trappe_core::keep::Keep { messages: Some(10 - below), ..Default::default() },
        ..Default::default()
    };
    let pruned = kept.store().prune(&keep, NOW, 1000).unwrap();
    assert!(pruned.oldest.contains(&(1, below + 1)), "{pruned:?}");
    kept
}

#[test]
fn a_visitor_sees_nothing_again_that_was_filed_and_pruned() {
    let place = Place::new();
    let _kept = filed_and_pruned(&place, 7);
    let mut visit = Visit::open(&place.data()).unwrap();
    let report = check(&mut visit, &mut |_| {}).unwrap();
    assert!(report.is_sound(), "{report:?}");
    let rooms = visit.rooms().unwrap();
    let lobby = rooms.iter().find(|room| room.no == 1).unwrap();
    assert_eq!(lobby.oldest.unwrap().0, 8);
}

#[test]
fn what_was_filed_and_all_pruned_does_not_come_again_for_ever() {
    let place = Place::new();
    let mut kept = two_rooms(&place);
    write(&mut kept, 1, 6..=10);
    kept.say(1, 6..=10);
    let age = Duration::from_mins(1);
    let keep = crate::store::Keep {
        room: trappe_core::keep::Keep { age: Some(age), ..Default::default() },
        ..Default::default()
    };
    kept.store().prune(&keep, NOW + 61_000_000, 1000).unwrap();
    assert_eq!(kept.number("SELECT count(*) FROM message"), 0);
    drop(kept);
    let mut kept = place.open();
    let back = kept.number("SELECT count(*) FROM message WHERE id >> 40 = 1");
    // Whatever came back has to go again.
    kept.store().prune(&keep, NOW + 61_000_000, 1000).unwrap();
    let left = kept.number("SELECT count(*) FROM message WHERE id >> 40 = 1");
    assert_eq!((back, left), (0, 0));
}

#[test]
fn a_page_of_a_piece_that_is_lost_costs_no_other_piece() {
    let place = Place::new();
    let mut kept = two_rooms(&place);
    let long = |kept: &mut Kept, no: u64, seq: u64| {
        let mut piece = Piece::default();
        let body = format!("piece {no} ").repeat(5000);
        piece.push(&Entry { room: 1, message: message(seq, body.as_bytes()), post: None });
        let mut transaction = kept.store().write().unwrap();
        transaction.journal(no, &piece).unwrap();
        transaction.commit().unwrap();
    };
    for no in 1..=3 {
        long(&mut kept, no, 5 + no);
    }
    kept.store().checkpoint_all().unwrap();
    drop(kept);
    // One page in the middle of the first piece leads nowhere.
    let mut bytes = bytes(&place.database());
    let pages = bytes.len() / 4096;
    let hit = (0..pages).find(|page| {
        let page = &bytes[page * 4096..][..4096];
        let text = page.windows(16).filter(|it| *it == b"piece 1 piece 1 ").count();
        text > 100 && page[0] == 0 && page[..4] != [0; 4]
    });
    let hit = hit.unwrap();
    bytes[hit * 4096..][..4].copy_from_slice(&[0xff; 4]);
    fs::write(place.database(), &bytes).unwrap();
    let kept = place.open();
    assert_eq!(
        kept.number("SELECT count(*) FROM message WHERE id >> 40 = 1"),
        7,
        "{:?}",
        kept.opened.notes
    );
}

#[test]
fn a_damaged_last_piece_is_told_to_be_lost() {
    let place = Place::new();
    let kept = journaled(&place);
    let change = "UPDATE journal SET sum = sum + 1 WHERE no = 2";
    assert_eq!(kept.opened.store.connection.execute(change, []).unwrap(), 1);
    drop(kept);
    let kept = place.open();
    let (found, lost) = salvaged(&kept);
    let holes = |cause: &str| {
        kept.number(&format!(
            "SELECT coalesce(sum(last - first + 1), 0) FROM hole WHERE cause = '{cause}'"
        ))
    };
    assert_eq!((found, lost, holes("damaged")), (20, 10, 10), "unused: {}", holes("unused"));
}
