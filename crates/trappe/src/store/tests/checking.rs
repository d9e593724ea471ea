//! A check says in words what is wrong, and only that.

use super::*;
use crate::store::check::{Finding, Report, check};

fn checked(place: &Place) -> Report {
    let (mut last, mut total) = (0, 0);
    let report = check(&place.data(), &mut |done, of| {
        assert!(done >= last, "it goes on");
        (last, total) = (done, of);
    })
    .unwrap();
    if report.is_sound() {
        assert_eq!((last, total), (report.messages, report.messages));
    }
    report
}

/// Two rooms with all that there can be.
fn sound() -> (Place, Kept) {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 1000);
    kept.room(2, "été", 1000);
    kept.room(3, "empty", 1000);
    kept.say(1, 1..=200);
    kept.hole(1, 201, 210, Cause::NotStored);
    kept.say(1, 211..=300);
    kept.say(2, 1..=50);
    while kept.store().index(1000).unwrap() {}
    (place, kept)
}

/// What is found after somebody's own hand was there.
fn after(sql: &str) -> Vec<String> {
    let (place, kept) = sound();
    kept.opened.store.connection.execute_batch(sql).unwrap();
    let report = checked(&place);
    assert_eq!(report.is_sound(), report.findings.is_empty());
    report.findings.iter().map(Finding::to_string).collect()
}

#[test]
fn what_is_sound_is_found_to_be_so_also_while_a_server_runs() {
    let (place, mut kept) = sound();
    let expected = Report { rooms: 3, messages: 340, ..Report::default() };
    let found = checked(&place);
    assert_eq!(Report { bytes: 0, ..found.clone() }, expected);
    let bytes = kept.number("SELECT sum(length(body)) FROM message");
    assert_eq!(found.bytes, bytes.unsigned_abs());
    // Some are said that are neither counted nor indexed yet.
    let mut transaction = kept.store().write().unwrap();
    transaction.message(2, &message(51, body(2, 51).as_bytes())).unwrap();
    transaction.commit().unwrap();
    assert!(check(&place.data(), &mut |_, _| {}).unwrap().is_sound());
    kept.close(&[(1, 301)]);
    let before = bytes_of(&place);
    assert!(check(&place.data(), &mut |_, _| {}).unwrap().is_sound());
    assert_eq!(bytes_of(&place), before, "it changes nothing");
}

fn bytes_of(place: &Place) -> Vec<u8> {
    bytes(&place.database())
}

#[test]
fn each_thing_that_is_wrong_is_told() {
    let table = [
        (
            "UPDATE message SET sid = 99 WHERE id IN ((1 << 40) + 7, (1 << 40) + 8, (1 << 40) + 99)",
            vec![
                "lobby: messages 7 to 8 are damaged or missing",
                "lobby: message 99 is damaged or missing",
            ],
        ),
        (
            "DELETE FROM message WHERE id = (2 << 40) + 9; DELETE FROM search WHERE rowid = (2 << 40) + 9",
            vec!["été: message 9 is damaged or missing"],
        ),
        (
            "UPDATE room SET messages = 51 WHERE no = 2",
            vec!["été: 51 messages of 14991 bytes are counted, 50 of 14991 are there"],
        ),
        (
            "UPDATE room SET next_seq = 50 WHERE no = 2",
            vec!["été: 50 would be the next number, but message 50 is there"],
        ),
        (
            "UPDATE hole SET last = 212",
            vec!["lobby: messages 201 to 212 are said to be in no history, but 2 are there"],
        ),
        (
            "DELETE FROM search WHERE rowid = (2 << 40) + 9",
            vec!["été: 49 messages are in the search index, 50 ought to be"],
        ),
        (
            "DELETE FROM room WHERE no = 2",
            vec!["50 messages are of room number 2, which isn't there"],
        ),
        (
            "UPDATE room SET name = '' WHERE no = 3",
            vec!["room number 3 has a name or epoch that can't be"],
        ),
        (
            "INSERT INTO sent VALUES (5, 1, 1, 1)",
            vec!["ids are kept for sessions that aren't there: 1"],
        ),
    ];
    for (sql, expected) in table {
        assert_eq!(after(sql), expected, "{sql}");
    }
}

#[test]
fn a_page_that_is_zeroed_is_told_and_what_was_lost_with_it_is_no_new_finding_after_the_next_start()
{
    let (place, kept) = sound();
    kept.close(&[(1, 301), (2, 51), (3, 1)]);
    let content = bytes(&place.database());
    let text = b"message 123 of room 1";
    let at = content.windows(text.len()).position(|window| window == text).unwrap();
    let mut broken = content;
    broken[at / 4096 * 4096..][..4096].fill(0);
    fs::write(place.database(), &broken).unwrap();
    let report = checked(&place);
    assert!(!report.is_sound());
    let has = |report: &Report, what: fn(&Finding) -> bool| report.findings.iter().any(what);
    assert!(has(&report, |it| matches!(it, Finding::Structure(_))), "{report:?}");
    assert!(has(&report, |it| matches!(it, Finding::Damaged { first: 1..=123, last: 123.., .. })));
    Folder::open(&place.data()).unwrap().mark_damaged().unwrap();
    let mut kept = place.open();
    while kept.store().index(1000).unwrap() {}
    let report = checked(&place);
    assert!(report.is_sound(), "{report:?}");
    assert!(has(&report, |it| matches!(it, Finding::Lost { first: 1..=123, last: 123.., .. })));
}

#[test]
fn what_is_no_history_is_refused() {
    let place = Place::new();
    fs::create_dir(place.data()).unwrap();
    let refused = |place: &Place| check(&place.data(), &mut |_, _| {}).unwrap_err();
    assert_eq!(refused(&place).to_string(), "there is no history.db in it");
    fs::write(place.database(), [7; 4096]).unwrap();
    assert!(matches!(refused(&place), OpenError::Foreign));
    let (place, kept) = sound();
    kept.opened.store.connection.execute_batch("PRAGMA user_version = 7").unwrap();
    assert!(matches!(refused(&place), OpenError::Newer(7)));
}
