//! What is too many, too old or too large goes in small steps, and the file shrinks.

use std::{fs, time::Duration};

use super::*;
use crate::store::prune::{Keep, Pruned};

fn bounds(
    messages: Option<u64>,
    age: Option<Duration>,
    bytes: Option<u64>,
) -> trappe_core::keep::Keep {
    trappe_core::keep::Keep { messages, age, bytes }
}

fn of_room(bounds: trappe_core::keep::Keep) -> Keep {
    Keep { room: bounds, ..Keep::default() }
}

/// Steps until there is nothing more to do; how many removed something, and what went.
fn prune(kept: &mut Kept, keep: &Keep, now_us: u64, most: usize) -> (usize, u64) {
    let (mut steps, mut removed) = (0, 0);
    loop {
        let pruned = kept.store().prune(keep, now_us, most).unwrap();
        assert!(pruned.removed <= most as u64, "no step takes more than it may");
        steps += usize::from(pruned.removed > 0);
        removed += pruned.removed;
        if !pruned.more && pruned.removed == 0 {
            return (steps, removed);
        }
    }
}

fn with_two_rooms(count: u64) -> (Place, Kept) {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", count + 1);
    kept.room(2, "other", count + 1);
    kept.say(1, 1..=count);
    kept.say(2, 1..=10);
    while kept.store().index(10_000).unwrap() {}
    (place, kept)
}

fn left(kept: &Kept, room: u32) -> (u64, u64) {
    let range = format!("FROM message WHERE id >> 40 = {room}");
    let first = kept.number(&format!("SELECT coalesce(min(id) & 0xFFFFFFFFFF, 0) {range}"));
    let count = kept.number(&format!("SELECT count(*) {range}"));
    let counted = kept.number(&format!("SELECT messages FROM room WHERE no = {room}"));
    assert_eq!(counted, count, "the room's counter is true");
    let bytes = kept.number(&format!("SELECT coalesce(sum(length(body) + 100), 0) {range}"));
    assert_eq!(kept.number(&format!("SELECT bytes FROM room WHERE no = {room}")), bytes);
    (u64::try_from(first).unwrap(), u64::try_from(count).unwrap())
}

#[test]
fn too_many_messages_go_in_steps_the_oldest_first() {
    let (_place, mut kept) = with_two_rooms(100);
    kept.store().write().unwrap().commit().unwrap();
    let keep = of_room(bounds(Some(60), None, None));
    let first = kept.store().prune(&keep, NOW, 15).unwrap();
    assert_eq!(first, Pruned { more: true, oldest: vec![(1, 16)], removed: 15 });
    assert_eq!(prune(&mut kept, &keep, NOW, 15), (2, 25));
    assert_eq!((left(&kept, 1), left(&kept, 2)), ((41, 60), (1, 10)));
    assert_eq!(
        kept.reader().search(1, "message", 100).unwrap().seqs,
        (41..=100).collect::<Vec<_>>()
    );
    assert_eq!(kept.number("SELECT count(*) FROM search_docsize"), 70);
}

#[test]
fn old_messages_go_by_their_age() {
    let (_place, mut kept) = with_two_rooms(100);
    let keep = of_room(bounds(None, Some(Duration::from_millis(1)), None));
    // Message N was said at NOW + N.
    assert_eq!(prune(&mut kept, &keep, NOW + 1031, 1000).1, 30 + 10);
    assert_eq!((left(&kept, 1), left(&kept, 2)), ((31, 70), (0, 0)));
    let keep = Keep { total: keep.room, ..Keep::default() };
    assert_eq!(prune(&mut kept, &keep, NOW + 1041, 1000).1, 10);
    let holes = all(&mut kept.reader(), 2, 1, 11, (100, 1 << 20)).1;
    assert_eq!(holes, [hole(1, 10, Cause::Forgotten)]);
}

#[test]
fn what_takes_too_many_bytes_goes_as_far_as_needed() {
    let (_place, mut kept) = with_two_rooms(100);
    let bytes = |kept: &Kept| kept.number("SELECT bytes FROM room WHERE no = 1").unsigned_abs();
    let most = bytes(&kept) / 2;
    let keep = of_room(bounds(None, None, Some(most)));
    prune(&mut kept, &keep, NOW, 7);
    assert!(bytes(&kept) <= most);
    let (first, count) = left(&kept, 1);
    assert_eq!(first + count, 101);
    let next = body(1, first - 1).len() as u64 + MESSAGE_BYTES;
    assert!(bytes(&kept) + next > most, "not more than needed");
}

#[test]
fn all_rooms_together_are_bounded_and_the_largest_gives_way() {
    let (_place, mut kept) = with_two_rooms(100);
    let keep = Keep { total: bounds(Some(40), None, None), ..Keep::default() };
    assert_eq!(prune(&mut kept, &keep, NOW, 25).1, 70);
    assert_eq!((left(&kept, 1), left(&kept, 2)), ((71, 30), (1, 10)));
    let keep = Keep { total: bounds(Some(0), None, None), ..Keep::default() };
    assert_eq!(prune(&mut kept, &keep, NOW, 25).1, 40);
}

#[test]
fn holes_that_are_older_than_what_is_kept_go_too_and_numbers_go_on() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 1000);
    kept.say(1, 1..=10);
    kept.hole(1, 11, 20, Cause::NotStored);
    kept.say(1, 21..=30);
    kept.hole(1, 31, 40, Cause::NotStored);
    let keep = of_room(bounds(Some(5), None, None));
    prune(&mut kept, &keep, NOW, 100);
    assert_eq!(kept.number("SELECT count(*) FROM hole"), 1);
    assert_eq!(all(&mut kept.reader(), 1, 26, 41, (9, 999)).1, [hole(31, 40, Cause::NotStored)]);
    prune(&mut kept, &of_room(bounds(Some(0), None, None)), NOW, 100);
    drop(kept);
    let kept = place.open();
    let room = &kept.opened.rooms[0];
    assert_eq!((room.oldest, room.last, room.next_seq), (1000, 0, 1000));
    // What was given and pruned isn't said to have been unused.
    assert_eq!(kept.number("SELECT min(first) FROM hole WHERE cause = 'unused'"), 41);
}

#[test]
fn space_comes_back() {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 100_000);
    for block in 0..20 {
        kept.say(1, block * 1000 + 1..=(block + 1) * 1000);
    }
    while kept.store().index(10_000).unwrap() {}
    kept.store().checkpoint().unwrap();
    let size = || fs::metadata(place.database()).unwrap().len();
    let before = size();
    let keep = of_room(bounds(Some(1000), None, None));
    let (steps, removed) = prune(&mut kept, &keep, NOW, 2000);
    assert_eq!((steps, removed), (10, 19_000));
    kept.store().checkpoint().unwrap();
    assert!(size() < before / 4, "{} of {before} bytes are left", size());
    assert_eq!(left(&kept, 1), (19_001, 1000));
}

#[test]
fn the_search_index_gives_its_space_back_too_in_small_steps() {
    let (_place, mut kept) = with_two_rooms(4000);
    let bytes = |kept: &Kept| kept.number("SELECT sum(length(block)) FROM search_data");
    let before = bytes(&kept);
    prune(&mut kept, &of_room(bounds(Some(100), None, None)), NOW, 100);
    assert!(bytes(&kept) < before / 4, "{} of {before} bytes are left", bytes(&kept));
    assert_eq!(kept.reader().search(1, "message", 1000).unwrap().seqs.len(), 100);
    // What would make one commit do all that is left to do.
    let sql = "SELECT v FROM search_config WHERE k = 'deletemerge'";
    assert_eq!(kept.number(sql), 0);
}

#[test]
fn old_idempotency_keys_are_forgotten() {
    let (_place, mut kept) = with_two_rooms(1);
    let mut transaction = kept.store().write().unwrap();
    for (key, time_us) in [("old", NOW), ("new", NOW + 100_000_000)] {
        let post = crate::store::tables::StoredPost {
            key: key.to_owned(),
            time_us,
            room: 1,
            digest: [0; 32],
            seq: 1,
        };
        transaction.posted(&post).unwrap();
    }
    transaction.commit().unwrap();
    kept.store().prune(&Keep::default(), NOW + 130_000_000, 10).unwrap();
    assert_eq!(kept.number("SELECT count(*) FROM posted"), 1);
}
