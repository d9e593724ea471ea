//! Damage is never served: what is whole is, and what isn't is a gap.

use std::{fs, os::unix::fs::FileExt};

use super::*;
use crate::store::{
    open::{NewEpoch, Note},
    prune::Keep,
};

const PAGE: usize = 4096;

/// Two rooms, in a file of its own size, closed.
fn whole() -> Place {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 601);
    kept.room(2, "other", 101);
    kept.say(1, 1..=300);
    kept.hole(1, 301, 320, Cause::NotStored);
    kept.say(1, 321..=600);
    kept.say(2, 1..=100);
    let mut transaction = kept.store().write().unwrap();
    transaction.session(7, &[7; 32], Some(&name("alice"))).unwrap();
    transaction.sent(7, 1, 1, 600).unwrap();
    transaction.commit().unwrap();
    while kept.store().index(10_000).unwrap() {}
    kept.close(&[(1, 601), (2, 101)]);
    place
}

/// How many sound messages are served of both rooms; nothing else may be.
fn served(kept: &Kept) -> u64 {
    let mut count = 0;
    for room in &kept.opened.rooms {
        let to = room.next_seq.max(room.oldest + 1);
        let (rows, holes) = all(&mut kept.reader(), room.no, room.oldest, to, (64, 16 << 10));
        for found in &rows {
            assert_eq!(*found, row(room.no, found.seq));
        }
        let missing: u64 = holes.iter().map(|hole| hole.last - hole.first + 1).sum();
        assert_eq!(rows.len() as u64 + missing, to - room.oldest, "each number is told once");
        count += rows.len() as u64;
    }
    count
}

fn write_at(path: &Path, at: usize, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, at as u64).unwrap();
}

fn find(content: &[u8], what: &[u8]) -> usize {
    content.windows(what.len()).position(|window| window == what).unwrap()
}

#[test]
fn a_bit_flipped_in_a_body_is_a_gap_of_one_message() {
    let place = whole();
    let at = find(&bytes(&place.database()), b"message 123 of room 1");
    write_at(&place.database(), at + 2, b"S");
    let kept = place.open();
    assert_eq!(kept.opened.notes, [], "it isn't looked for at the start");
    let (rows, holes) = all(&mut kept.reader(), 1, 100, 200, (20, 1 << 20));
    assert_eq!((rows.len(), holes), (99, vec![hole(123, 123, Cause::Damaged)]));
    assert_eq!(served(&kept), 679);
}

#[test]
fn a_page_of_messages_that_is_zeroed_is_a_gap_and_the_rest_is_served() {
    let place = whole();
    let at = find(&bytes(&place.database()), b"message 123 of room 1");
    write_at(&place.database(), at / PAGE * PAGE, &[0; PAGE]);
    let mut kept = place.open();
    let (rows, holes) = all(&mut kept.reader(), 1, 1, 601, (50, 1 << 20));
    assert!(rows.iter().all(|found| *found == row(1, found.seq)));
    assert!(rows.len() > 450 && rows.len() < 580, "{}", rows.len());
    let damaged = holes.iter().find(|hole| hole.cause == Cause::Damaged).unwrap();
    assert!(damaged.first <= 123 && damaged.last >= 123);
    assert!(holes.contains(&hole(301, 320, Cause::NotStored)));

    // What can't be read can't be taken away either: the next start makes a new file of what is sound.
    let keep = Keep {
        room: trappe_core::keep::Keep { messages: Some(10), age: None, bytes: None },
        ..Keep::default()
    };
    let failed = loop {
        match kept.store().prune(&keep, NOW, 50) {
            Err(error) => break error,
            Ok(pruned) => assert!(pruned.removed > 0, "it goes on until it meets the damage"),
        }
    };
    assert!(failed.is_damaged(), "{failed:?}");
    kept.folder.mark_damaged().unwrap();
    kept.close(&[]);
    let mut kept = place.open();
    assert!(matches!(kept.opened.notes[0], Note::Salvaged { .. }));
    assert_eq!(kept.opened.notes[1], Note::NewEpoch(NewEpoch::Damaged));
    served(&kept);
    while kept.store().prune(&keep, NOW, 50).unwrap().removed > 0 {}
    kept.close(&[]);
    assert_eq!(place.open().opened.notes, []);
}

#[test]
fn a_file_cut_short_gives_what_is_left_and_stays_beside_it() {
    let place = whole();
    let content = bytes(&place.database());
    let cut = &content[..content.len() / 2 + 1000];
    fs::write(place.database(), cut).unwrap();
    let kept = place.open();
    let Note::Salvaged { kept: messages, lost, file } = &kept.opened.notes[0] else {
        panic!("{:?}", kept.opened.notes);
    };
    assert_eq!(kept.opened.notes[1], Note::NewEpoch(NewEpoch::Damaged));
    assert_eq!(bytes(file), cut);
    assert_eq!(served(&kept), *messages);
    assert_eq!(messages + lost, 680);
    assert!(*messages > 100 && *lost > 100);
    for room in &kept.opened.rooms {
        assert!(room.next_seq > if room.no == 1 { 600 } else { 100 }, "no number twice");
    }
    assert_eq!(kept.opened.sessions.len(), 1);
}

#[test]
fn a_file_of_a_few_bytes_is_refused() {
    let place = whole();
    let content = bytes(&place.database());
    fs::write(place.database(), &content[..50]).unwrap();
    let refused = place.try_open().unwrap_err();
    assert!(matches!(refused, OpenError::Foreign), "{refused:?}");
}

#[test]
fn whichever_page_is_zeroed_nothing_wrong_is_served_and_the_rest_is() {
    let sound = whole();
    let content = bytes(&sound.database());
    let life = fs::read_to_string(sound.data().join("life")).unwrap();
    drop(sound);
    let place = Place::new();
    let mut late = 0;
    for page in 0..content.len() / PAGE {
        let _new_place = fs::remove_dir_all(place.data());
        fs::create_dir(place.data()).unwrap();
        let mut broken = content.clone();
        broken[page * PAGE..(page + 1) * PAGE].fill(0);
        fs::write(place.database(), &broken).unwrap();
        let inode = std::os::unix::fs::MetadataExt::ino(&fs::metadata(place.database()).unwrap());
        let known = life.split(" inode=").next().unwrap();
        fs::write(place.data().join("life"), format!("{known} inode={inode}\n")).unwrap();
        let mut kept = place.open();
        let count = served(&kept);
        // A page holds less than 200 of these messages.
        assert!(count >= 480, "page {page}: {count} served, {:?}", kept.opened.notes);
        if let Note::Salvaged { kept: all, file, .. } =
            kept.opened.notes.first().unwrap_or(&Note::New)
        {
            assert_eq!((count, bytes(file)), (*all, broken), "page {page}");
        }
        // And what is said from now on is stored.
        let next = kept.opened.rooms.iter().find(|room| room.no == 1).unwrap().next_seq;
        if kept.try_say(1, next..next + 10).is_err() {
            // What hinders the writer is mended by the next start.
            late += 1;
            kept.folder.mark_damaged().unwrap();
            drop(kept);
            kept = place.open();
            assert!(matches!(kept.opened.notes[0], Note::Salvaged { .. }));
            kept.say(1, next..next + 10);
        }
        assert!(kept.store().verify_last(&[(1, next + 9)]).unwrap(), "page {page}");
    }
    assert!(late <= 3, "most of it is met at the start: {late}");
}

#[test]
fn whichever_byte_is_changed_nothing_wrong_is_served() {
    let sound = whole();
    let content = bytes(&sound.database());
    let life = bytes(&sound.data().join("life"));
    drop(sound);
    let place = Place::new();
    let (mut refused, mut random) = (0, 12_345_u64);
    for _ in 0..60 {
        let _new_place = fs::remove_dir_all(place.data());
        fs::create_dir(place.data()).unwrap();
        let mut broken = content.clone();
        for _ in 0..20 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(random >> 33).unwrap() % broken.len();
            broken[at] ^= 1 << (random >> 30 & 7);
        }
        fs::write(place.database(), &broken).unwrap();
        fs::write(place.data().join("life"), &life).unwrap();
        match place.try_open() {
            Ok(kept) => {
                served(&kept);
            }
            // The very bytes that say whose file it is.
            Err(OpenError::Foreign | OpenError::Newer(_)) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused < 10, "{refused}");
}

#[test]
fn what_stands_in_the_log_alone_is_salvaged_too() {
    let place = whole();
    let mut kept = place.open();
    kept.say(2, 101..=150);
    drop(kept);
    let at = find(&bytes(&place.database()), b"message 123 of room 1");
    write_at(&place.database(), at / PAGE * PAGE, &[0; PAGE]);
    Folder::open(&place.data()).unwrap().mark_damaged().unwrap();
    let kept = place.open();
    let (rows, _) = all(&mut kept.reader(), 2, 1, 151, (1000, 1 << 30));
    assert_eq!(rows.len(), 150);
}

#[test]
fn a_log_that_is_damaged_or_cut_gives_what_was_committed_before() {
    for cut in [true, false] {
        let place = Place::new();
        let mut kept = place.open();
        kept.room(1, "lobby", 101);
        for seq in 1..=20 {
            kept.say(1, [seq]);
        }
        let half = usize::try_from(kept.store().log_bytes()).unwrap() / 2;
        drop(kept);
        if cut {
            fs::write(place.wal(), &bytes(&place.wal())[..half]).unwrap();
        } else {
            write_at(&place.wal(), half, &[0x55; 64]);
        }
        let kept = place.open();
        let room = &kept.opened.rooms[0];
        assert!(room.last > 2 && room.last < 20, "{}", room.last);
        assert_eq!(room.next_seq, 101, "what was acknowledged and is gone is given to nobody");
        served(&kept);
    }
}

#[test]
fn a_row_in_the_place_of_another_is_none() {
    let place = whole();
    let kept = place.open();
    kept.opened
        .store
        .connection
        .execute_batch(
            "DELETE FROM message WHERE id = (1 << 40) + 5;
             UPDATE message SET id = (1 << 40) + 5 WHERE id = (1 << 40) + 6;
             UPDATE message SET author = 'mallory' WHERE id = (1 << 40) + 8;
             UPDATE message SET sid = sid + 1 WHERE id = (1 << 40) + 10;
             UPDATE message SET mid = NULL WHERE id = (1 << 40) + 13;",
        )
        .unwrap();
    let (rows, holes) = all(&mut kept.reader(), 1, 1, 15, (100, 1 << 20));
    let seqs: Vec<u64> = rows.iter().map(|row| row.seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 7, 9, 11, 12, 14]);
    assert!(holes.iter().all(|hole| hole.cause == Cause::Damaged));
}
