//! The hub at its limits.

use super::*;
use crate::limits::{NOTICES_MEMBERS_BACK, NOTICES_MEMBERS_MAX, ROOM_EMPTY, ROOMS, SESSIONS_AWAY};

fn arrive(hub: &mut TestHub) -> u64 {
    hub.arrive(|number| number).expect("there is room")
}

fn join(hub: &mut TestHub, number: u64, room: &str) -> Result<Joined<String>, HubError> {
    hub.join(number, &name(room), |_| room.to_owned())
}

fn is_loud(hub: &TestHub, room: &str) -> bool {
    hub.room_named(room).is_some_and(|(id, ..)| hub.announces(id))
}

#[test]
fn when_too_many_are_away_the_one_that_has_been_so_for_longest_gives_way() {
    let mut hub = hub();
    let away: Vec<u64> = (0..=SESSIONS_AWAY).map(|_| arrive(&mut hub)).collect();
    let first = away[0];
    for &number in &away {
        assert_eq!(hub.rename(number, name(&format!("n{number}"))), Ok(()));
        hub.begin_session(number, format!("t{number}").into(), String::new());
    }
    for (&number, at) in away.iter().zip(0..) {
        assert!(hub.session_of(first).is_some(), "{at} are away");
        let at = NOW + Duration::from_millis(at);
        hub.depart(at, number, |_| true).expect("it was there");
    }
    hub.audit();
    let late = NOW + Duration::from_secs(20);
    let newcomer = arrive(&mut hub);
    assert!(hub.session_of(first).is_none());
    assert_eq!(hub.rename(newcomer, name(&format!("n{first}"))), Ok(()), "its name is free");
    assert!(hub.take_over(late, &format!("t{first}"), newcomer, newcomer).is_none());
    let second = away[1];
    let taken = hub.take_over(late, &format!("t{second}"), newcomer, newcomer);
    assert_eq!(taken.map(|taken| taken.number), Some(second));
}

#[test]
fn a_member_is_in_so_many_rooms_and_no_more() {
    let mut hub = hub();
    let number = arrive(&mut hub);
    for n in 0..ROOMS_OF_MEMBER {
        assert!(join(&mut hub, number, &format!("r{n}")).is_ok_and(|joined| joined.is_new));
    }
    assert_eq!(join(&mut hub, number, "more"), Err(HubError::TooManyRooms));
    assert!(hub.room_named("more").is_none(), "and none is made in vain");
    assert_eq!(join(&mut hub, number, "lobby"), Err(HubError::TooManyRooms));
    assert!(join(&mut hub, number, "R7").is_ok_and(|joined| !joined.is_new));
    let (r7, ..) = hub.room_named("r7").expect("it is there");
    assert!(hub.is_in(number, r7) && hub.leave(NOW, number, r7) && !hub.is_in(number, r7));
    assert!(join(&mut hub, number, "more").is_ok());
    hub.audit();
    let went = hub.go(NOW, number, &name("r3"), |_| String::new()).expect("it is there");
    assert_eq!((went.from.len(), went.is_new), (ROOMS_OF_MEMBER - 1, false));
    hub.audit();
}

#[test]
fn a_room_is_quiet_above_fifty_members_and_again_loud_below_forty() {
    let mut hub = hub();
    for n in 1..=NOTICES_MEMBERS_MAX {
        let number = arrive(&mut hub);
        join(&mut hub, number, "lobby").expect("there is room");
        assert!(is_loud(&hub, "lobby"), "{n} members");
    }
    let last = arrive(&mut hub);
    join(&mut hub, last, "salon").expect("there is room");
    join(&mut hub, last, "lobby").expect("there is room");
    assert!(!is_loud(&hub, "lobby") && is_loud(&hub, "salon"));
    for number in (NOTICES_MEMBERS_BACK as u64 + 1..=last).rev() {
        hub.depart(NOW, number, |_| true).expect("it was there");
        assert!(!is_loud(&hub, "lobby"), "{} members", number - 1);
    }
    hub.depart(NOW, NOTICES_MEMBERS_BACK as u64, |_| true).expect("it was there");
    assert!(is_loud(&hub, "lobby"));
    assert!(!hub.announces(u32::MAX), "a room that isn't there announces nothing");
}

#[test]
fn rooms_have_a_bound_and_the_one_that_is_empty_for_longest_gives_way() {
    let mut hub = hub();
    let (walker, stayer) = (arrive(&mut hub), arrive(&mut hub));
    let room = |_| String::new();
    hub.go(NOW, stayer, &name("full"), room).expect("there is room");
    for n in 1..ROOMS - 1 {
        let at = NOW + Duration::from_secs(n as u64);
        hub.go(at, walker, &name(&format!("r{n}")), room).expect("there is room");
    }
    assert_eq!(hub.rooms().count, ROOMS);
    assert_eq!(hub.rooms().first.len(), LISTED);
    let later = NOW + Duration::from_hours(24);
    hub.open(later, &name("R1"), room).expect("it is there, and used again");
    hub.go(later, walker, &name("one-more"), room).expect("an empty room gives way");
    assert!(hub.who("r2").is_none(), "it had been empty for longest");
    hub.open(later, &name("opened"), room).expect("an empty room gives way");
    assert!(hub.who("r3").is_none());
    assert!(["r1", "r4", "full", "lobby", "opened"].iter().all(|room| hub.who(room).is_some()));
    hub.audit();
    hub.sweep(later + ROOM_EMPTY);
    assert_eq!(hub.rooms().count, 3, "the lobby, and the two that somebody is in");
}

#[test]
fn when_somebody_is_in_every_room_there_is_no_other() {
    let mut hub = hub();
    for n in 1..ROOMS {
        let number = arrive(&mut hub);
        join(&mut hub, number, &format!("r{n}")).expect("there is room");
    }
    let number = arrive(&mut hub);
    join(&mut hub, number, "lobby").expect("it is there");
    let (more, room) = (name("more"), |_| String::new());
    assert_eq!(hub.go(NOW, number, &more, room), Err(HubError::RoomsFull));
    assert_eq!(hub.join(number, &more, room), Err(HubError::RoomsFull));
    assert_eq!(hub.open(NOW, &more, room), Err(HubError::RoomsFull));
    assert!(hub.rooms_of(number).map(|(_, name, _)| name.as_str()).eq(["lobby"]));
}

#[test]
fn the_numbers_of_rooms_begin_again_at_their_end_and_none_is_given_twice() {
    let mut hub = hub();
    let number = arrive(&mut hub);
    let first = join(&mut hub, number, "first").expect("there is room").id;
    hub.rooms.skip_to(u32::MAX);
    let ids = ["a", "b"].map(|room| join(&mut hub, number, room).expect("there is room").id);
    assert_eq!((first, ids), (1, [u32::MAX, 2]));
    hub.audit();
}

#[test]
fn a_members_entry_stays_small() {
    let one_room = size_of::<(Option<Name>, usize, u32)>();
    assert!(size_of::<Member<usize>>() <= one_room + 16, "tens of thousands of them are idle");
}
