//! What portions say of messages and of what is missing.

use super::*;
use crate::store::read::Portion;

fn with_holes() -> (Place, Kept) {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 1000);
    kept.room(2, "other", 1000);
    kept.say(1, 5..=9);
    kept.hole(1, 10, 14, Cause::NotStored);
    kept.hole(1, 15, 19, Cause::Unused);
    kept.say(1, (20..=29).chain(31..=40));
    kept.hole(1, 41, 60, Cause::Unused);
    kept.say(2, 1..=3);
    (place, kept)
}

#[test]
fn holes_are_told_one_after_the_other_and_messages_come_once_in_order() {
    let (_place, kept) = with_holes();
    for most in [(1, 1 << 20), (3, 1 << 20), (100, 1 << 20), (100, 1), (100, 60)] {
        let (rows, holes) = all(&mut kept.reader(), 1, 5, 61, most);
        let seqs: Vec<u64> = (5..=9).chain(20..=29).chain(31..=40).collect();
        assert_eq!(rows, seqs.iter().map(|&seq| row(1, seq)).collect::<Vec<_>>());
        let expected = [
            hole(10, 14, Cause::NotStored),
            hole(15, 19, Cause::Unused),
            hole(30, 30, Cause::Damaged),
            hole(41, 60, Cause::Unused),
        ];
        assert_eq!(holes, expected, "{most:?}");
    }
}

#[test]
fn a_portion_is_bounded_by_messages_and_by_bytes() {
    let (_place, kept) = with_holes();
    let mut reader = kept.reader();
    let portion = reader.portion(1, 20, 61, 4, 1 << 20).unwrap();
    assert_eq!((portion.gap, portion.rows.len(), portion.next), (None, 4, 24));
    let portion = reader.portion(1, 20, 61, 100, 1).unwrap();
    assert_eq!((portion.rows.len(), portion.next), (1, 21));
    let portion = reader.portion(1, 20, 61, 100, 1 << 20).unwrap();
    assert_eq!((portion.rows.len(), portion.next), (10, 30), "as far as the next hole");
    let portion = reader.portion(1, 22, 25, 100, 1 << 20).unwrap();
    assert_eq!((portion.rows.len(), portion.next), (3, 25), "and never beyond its end");
}

#[test]
fn a_hole_is_told_from_where_it_is_asked_and_never_beyond_the_end() {
    let (_place, kept) = with_holes();
    let mut reader = kept.reader();
    let expected = Portion { gap: Some(hole(16, 17, Cause::Unused)), rows: vec![], next: 18 };
    assert_eq!(reader.portion(1, 16, 18, 100, 1 << 20).unwrap(), expected);
    let found = reader.portion(1, 50, 100, 100, 1 << 20).unwrap();
    assert_eq!(found.gap, Some(hole(50, 60, Cause::Unused)));
}

#[test]
fn what_is_older_than_all_that_is_kept_is_no_damage() {
    let (_place, kept) = with_holes();
    let (rows, holes) = all(&mut kept.reader(), 1, 1, 10, (100, 1 << 20));
    assert_eq!((rows.len(), holes), (5, vec![hole(1, 4, Cause::Forgotten)]));
    let (rows, holes) = all(&mut kept.reader(), 3, 1, 10, (100, 1 << 20));
    assert_eq!((rows.len(), holes), (0, vec![hole(1, 9, Cause::Forgotten)]));
}

#[test]
fn one_room_knows_nothing_of_the_next() {
    let (_place, kept) = with_holes();
    let (rows, holes) = all(&mut kept.reader(), 2, 1, 10, (100, 1 << 20));
    assert_eq!((rows.len(), holes), (3, vec![hole(4, 9, Cause::Damaged)]));
}

#[test]
fn some_messages_are_given_by_their_numbers() {
    let (_place, kept) = with_holes();
    let mut reader = kept.reader();
    assert_eq!(reader.these(1, &[9, 5, 30, 12, 500]).unwrap(), [row(1, 9), row(1, 5)]);
    assert_eq!(reader.last(1, 12, 61).unwrap(), (28, 12));
    assert_eq!(reader.last(1, 100, 8).unwrap(), (5, 3));
    assert_eq!(reader.last(3, 100, 8).unwrap(), (8, 0));
}

#[test]
fn a_hole_takes_away_what_was_never_acknowledged() {
    let (_place, mut kept) = with_holes();
    kept.say(1, 61..=64);
    kept.hole(1, 62, 70, Cause::NotStored);
    let (rows, holes) = all(&mut kept.reader(), 1, 61, 71, (100, 1 << 20));
    assert_eq!((rows, holes), (vec![row(1, 61)], vec![hole(62, 70, Cause::NotStored)]));
    let stored = kept.number("SELECT count(*) FROM message WHERE id >> 40 = 1");
    assert_eq!(kept.number("SELECT messages FROM room WHERE no = 1"), stored);
}

#[test]
fn bodies_are_bytes_and_authors_are_whoever_spoke() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 100);
    let long = vec![b'x'; 100_000];
    let bodies: [&[u8]; 4] = [b"", b"\0\xff\xfe", "été\n".as_bytes(), &long];
    let authors = [None, Some("http"), Some("[::1]:4000"), Some("Žofie")];
    let mut transaction = kept.store().write().unwrap();
    for (seq, (body, author)) in (1..).zip(bodies.iter().zip(authors)) {
        let message = StoredMessage { seq, time_us: NOW, sid: 0, mid: None, author, body };
        transaction.message(1, &message).unwrap();
    }
    transaction.commit().unwrap();
    let found = kept.reader().portion(1, 1, 5, 100, 1 << 30).unwrap();
    assert!(found.rows.iter().map(|row| &row.body[..]).eq(bodies));
    let named = found.rows.iter().map(|row| row.author.as_ref().map(Name::as_str));
    assert!(named.eq(authors));
}
