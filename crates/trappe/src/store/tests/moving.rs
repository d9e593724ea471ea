//! Out of one database and into another: every message once, under its number.

use super::*;
use crate::store::{
    import::{Import, ImportError, Imported},
    look::{Export, Exported},
};

fn export(place: &Place, after: u64) -> Vec<Exported> {
    let reader = Reader::look(&place.data()).unwrap();
    let rooms = reader.rooms().unwrap();
    Export::new(reader, rooms, after).collect::<Result<_, _>>().unwrap()
}

fn begin(place: &Place) -> Import {
    let folder = Folder::open(&place.data()).unwrap();
    Import::begin(folder, &mut || Epoch::from_random(5), NOW).unwrap().0
}

fn import(place: &Place, items: Vec<Exported>) -> Result<Imported, ImportError> {
    let mut import = begin(place);
    for item in items {
        match item {
            Exported::Room(room) => import.room(&room.name, room.epoch)?,
            Exported::Message(row) => import.message(row)?,
            Exported::Gap(hole) => import.gap(hole)?,
        }
    }
    import.finish()
}

fn two_rooms() -> Place {
    let place = Place::new();
    let mut kept = place.open();
    kept.room(1, "lobby", 10_000);
    kept.room(2, "other", 100);
    kept.room(3, "empty", 100);
    kept.say(1, 5..=2000);
    kept.hole(1, 2001, 2010, Cause::NotStored);
    kept.say(1, 2011..=2500);
    kept.hole(1, 2501, 2505, Cause::Unused);
    kept.say(2, 1..=50);
    kept.close(&[(1, 2506), (2, 51), (3, 1)]);
    place
}

/// Without what is another one's own: where its numbers end.
fn told(items: Vec<Exported>) -> Vec<Exported> {
    let mut items = items;
    for item in &mut items {
        if let Exported::Room(room) = item {
            (room.no, room.next_seq) = (0, 0);
        }
    }
    items
}

#[test]
fn an_export_is_all_that_is_kept_room_by_room_in_order() {
    let place = two_rooms();
    let items = export(&place, 0);
    let Exported::Room(lobby) = &items[0] else { panic!("{:?}", items[0]) };
    assert_eq!((lobby.name.as_str(), lobby.messages, lobby.next_seq), ("lobby", 2486, 2506));
    assert_eq!(lobby.oldest, Some((5, NOW + 5)));
    assert_eq!(lobby.newest, Some((2500, NOW + 2500)));
    let lobby = (5..=2000).map(|seq| Exported::Message(row(1, seq)));
    let mut lobby: Vec<_> = lobby.collect();
    lobby.push(Exported::Gap(hole(2001, 2010, Cause::NotStored)));
    lobby.extend((2011..=2500).map(|seq| Exported::Message(row(1, seq))));
    lobby.push(Exported::Gap(hole(2501, 2505, Cause::Unused)));
    assert_eq!(items[1..=lobby.len()], lobby);
    assert!(
        matches!(&items[lobby.len() + 1], Exported::Room(room) if room.name.as_str() == "other")
    );
    assert_eq!(items.len(), lobby.len() + 50 + 3);
    let after: Vec<_> = export(&place, 2490).into_iter().skip(1).take(10).collect();
    assert_eq!(after, (2491..=2500).map(|seq| Exported::Message(row(1, seq))).collect::<Vec<_>>());
}

#[test]
fn what_is_taken_in_is_what_came_out_and_is_found() {
    let (from, to) = (two_rooms(), Place::new());
    let done = import(&to, export(&from, 0)).unwrap();
    assert_eq!(done, Imported { rooms: 3, messages: 2536, known: 0 });
    assert_eq!(told(export(&to, 0)), told(export(&from, 0)));
    let kept = to.open();
    assert_eq!(kept.opened.notes, []);
    let lobby = &kept.opened.rooms[0];
    assert_eq!((lobby.epoch, lobby.next_seq), (Epoch::from_random(77), 2506));
    assert_eq!(kept.opened.next_member, 6, "an author's number is nobody else's");
    assert_eq!(kept.reader().search(1, "message 2500", 10).unwrap().seqs, [2500]);
}

#[test]
fn what_was_taken_in_can_come_again_and_go_on() {
    let (from, to) = (two_rooms(), Place::new());
    import(&to, export(&from, 0)).unwrap();
    let mut kept = from.open();
    kept.say(1, 2506..=2600);
    kept.close(&[(1, 2601), (2, 51), (3, 1)]);
    let done = import(&to, export(&from, 0)).unwrap();
    assert_eq!(done, Imported { rooms: 0, messages: 95, known: 2536 });
    assert_eq!(told(export(&to, 0)), told(export(&from, 0)));
}

#[test]
fn nothing_that_is_there_is_replaced() {
    let (from, to) = (two_rooms(), Place::new());
    import(&to, export(&from, 0)).unwrap();
    let before = export(&to, 0);
    let mut other = export(&from, 0);
    let Exported::Message(changed) = &mut other[100] else { panic!() };
    changed.body.push(b'!');
    let seq = changed.seq;
    let clash = import(&to, other).unwrap_err();
    assert!(matches!(clash, ImportError::Clash { seq: found, .. } if found == seq), "{clash}");
    // A number that is told to be in no history.
    let mut import_ = begin(&to);
    import_.room(&name("lobby"), Epoch::from_random(77)).unwrap();
    import_.message(row(1, 2005)).unwrap();
    let clash = import_.finish().unwrap_err();
    assert!(matches!(clash, ImportError::Clash { seq: 2005, .. }), "{clash}");
    // A room of the same name, whose numbers mean something else.
    let mut import_ = begin(&to);
    let clash = import_.room(&name("LOBBY"), Epoch::from_random(78)).unwrap_err();
    assert!(matches!(clash, ImportError::Epoch { .. }), "{clash}");
    // One in which nothing is kept takes the life of the one that comes.
    import_.room(&name("empty"), Epoch::from_random(78)).unwrap();
    import_.message(row(3, 7)).unwrap();
    import_.finish().unwrap();
    let after = export(&to, 0);
    assert_eq!(told(after)[..before.len() - 1], told(before.clone())[..before.len() - 1]);
    let kept = to.open();
    assert_eq!(kept.opened.rooms[2].epoch, Epoch::from_random(78));
    assert_eq!((kept.opened.rooms[2].oldest, kept.opened.rooms[2].next_seq), (7, 8));
    assert_eq!(kept.reader().search(3, "message", 10).unwrap().seqs, [7]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    let mut import = begin(&place);
    assert!(matches!(import.message(row(1, 1)), Err(ImportError::NoRoom)));
    import.room(&name("lobby"), Epoch::from_random(77)).unwrap();
    import.message(row(1, 5)).unwrap();
    for seq in [5, 4] {
        assert!(matches!(import.message(row(1, seq)), Err(ImportError::Order { .. })));
    }
    for seq in [0, 1 << 40, u64::MAX] {
        let message = Row { seq, ..row(1, 6) };
        assert!(matches!(import.message(message), Err(ImportError::Number { .. })));
    }
    let message = Row { sid: 1 << 53, ..row(1, 6) };
    assert!(matches!(import.message(message), Err(ImportError::Number { .. })));
    let backwards = hole(9, 8, Cause::Unused);
    assert!(matches!(import.gap(backwards), Err(ImportError::Order { .. })));
    assert_eq!(import.finish().unwrap().messages, 1);
}

#[test]
fn rooms_are_listed_while_a_server_runs_and_nothing_is_imported_then() {
    let place = two_rooms();
    let kept = place.open();
    let rooms = Reader::look(&place.data()).unwrap().rooms().unwrap();
    let names: Vec<&str> = rooms.iter().map(|room| room.name.as_str()).collect();
    assert_eq!(names, ["lobby", "other", "empty"]);
    assert_eq!((rooms[2].messages, rooms[2].oldest), (0, None));
    let refused = Folder::open(&place.data()).unwrap_err();
    assert!(matches!(refused, OpenError::Used { .. }));
    drop(kept);
}
