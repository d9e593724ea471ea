//! The hub against a model of it that keeps everything in one list, tried on random histories.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{
    tests::{TestHub, hub, name},
    *,
};
use crate::limits::{ROOM_EMPTY, SESSION_KEPT};

const NAMES: [&str; 4] = ["ada", "Ada", "bob", "Éloïse"];
const ROOM_NAMES: [&str; 5] = ["lobby", "a", "b", "B", "c"];

/// One step of the hub's life. Members are given by their numbers, also such as aren't there; names, rooms and tokens by
/// their places in a list.
#[derive(Clone, Debug)]
enum Act {
    Arrive,
    Go(u64, usize),
    Join(u64, usize),
    Leave(u64, usize),
    Open(usize),
    Nick(u64, usize),
    Begin(u64, u64),
    /// With the connection that the member has, or another.
    Depart(u64, bool),
    TakeOver(u64, u64),
    /// So many seconds pass.
    Wait(u64),
    Sweep,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (member, room) = (|| 1..12u64, || 0..ROOM_NAMES.len());
    let act = prop_oneof![
        4 => Just(Act::Arrive),
        2 => (member(), room()).prop_map(|(who, room)| Act::Go(who, room)),
        4 => (member(), room()).prop_map(|(who, room)| Act::Join(who, room)),
        2 => (member(), room()).prop_map(|(who, room)| Act::Leave(who, room)),
        1 => room().prop_map(Act::Open),
        3 => (member(), 0..NAMES.len()).prop_map(|(who, name)| Act::Nick(who, name)),
        3 => (member(), 0..6u64).prop_map(|(who, token)| Act::Begin(who, token)),
        3 => (member(), prop::bool::weighted(0.9)).prop_map(|(who, same)| Act::Depart(who, same)),
        4 => (0..6u64, member()).prop_map(|(token, by)| Act::TakeOver(token, by)),
        2 => prop_oneof![1..70u64, 100..400u64].prop_map(Act::Wait),
        1 => Just(Act::Sweep),
    ];
    prop::collection::vec(act, 1..100)
}

/// A member, also one that is away, as the model sees it.
#[derive(Debug, Default)]
struct One {
    number: u64,
    name: Option<Name>,
    /// None while it is away.
    handle: Option<u64>,
    /// The folded names of its rooms.
    rooms: BTreeSet<String>,
    token: Option<String>,
    away_since: Duration,
}

/// What the hub promises, slowly.
struct Model {
    ones: Vec<One>,
    /// Which rooms there are, by folded name, and since when nobody has used them.
    rooms: BTreeMap<String, Duration>,
    next: u64,
    now: Duration,
}

impl Model {
    fn live(&mut self, number: u64) -> Option<&mut One> {
        self.ones.iter_mut().find(|one| one.number == number && one.handle.is_some())
    }

    /// Leaves what it was in; the rooms that nobody is in then rest from now on.
    fn enter_only(&mut self, number: u64, rooms: &BTreeSet<String>) -> BTreeSet<String> {
        let Some(one) = self.live(number) else { return BTreeSet::new() };
        let old = std::mem::replace(&mut one.rooms, rooms.clone());
        self.rooms.extend(old.iter().chain(rooms).map(|room| (room.clone(), Duration::ZERO)));
        let left: BTreeSet<String> = old.difference(rooms).cloned().collect();
        for room in &left {
            self.rooms.insert(room.clone(), self.now);
        }
        left
    }

    fn count_in(&self, room: &str) -> usize {
        self.ones.iter().filter(|one| one.rooms.contains(room)).count()
    }

    fn sweep(&mut self) {
        let now = self.now;
        self.ones.retain(|one| one.handle.is_some() || now < one.away_since + SESSION_KEPT);
        let in_use: BTreeSet<String> =
            self.ones.iter().flat_map(|one| one.rooms.iter().cloned()).collect();
        self.rooms.retain(|room, since| {
            room == "lobby" || in_use.contains(room) || now < *since + ROOM_EMPTY
        });
    }

    fn rename(&mut self, number: u64, wanted: Name) -> Result<(), HubError> {
        let same = |one: &One| one.name.as_ref().map(Name::folded) == Some(wanted.folded());
        let is_taken = self.ones.iter().any(|one| one.number != number && same(one));
        let one = self.live(number).ok_or(HubError::Gone)?;
        if is_taken {
            return Err(HubError::NameTaken { free: None });
        }
        one.name = Some(wanted);
        Ok(())
    }

    fn take_over(&mut self, token: &str, by: u64) -> Option<(u64, Option<Name>, Option<u64>)> {
        let now = self.now;
        let session = self.ones.iter().find(|one| one.token.as_deref() == Some(token))?;
        let (number, old) = (session.number, session.handle);
        let is_over = old.is_none() && now >= session.away_since + SESSION_KEPT;
        if is_over || number == by || self.live(by).is_none() {
            return None;
        }
        self.enter_only(by, &BTreeSet::new());
        self.enter_only(number, &BTreeSet::new());
        self.ones.retain(|one| one.number != by);
        let session = self.ones.iter_mut().find(|one| one.number == number)?;
        session.handle = Some(by);
        Some((number, session.name.clone(), old))
    }
}

fn lower(room: usize) -> String {
    ROOM_NAMES[room].to_lowercase()
}

fn lowered(rooms: &[(u32, String)]) -> BTreeSet<String> {
    rooms.iter().map(|(_, room)| room.to_lowercase()).collect()
}

/// Does the same to the hub and to the model, which agree on what comes of it.
fn act(hub: &mut TestHub, model: &mut Model, act: &Act) {
    let now = model.now;
    match *act {
        Act::Arrive => {
            assert_eq!(hub.arrive(|number| number), Ok(model.next));
            let (number, handle) = (model.next, Some(model.next));
            model.ones.push(One { number, handle, ..One::default() });
            model.next += 1;
        }
        Act::Go(number, room) => {
            let made = |_| ROOM_NAMES[room].to_owned();
            let went = hub.go(now, number, &name(ROOM_NAMES[room]), made);
            let room = lower(room);
            let Some(one) = model.live(number) else {
                return assert_eq!(went, Err(HubError::Gone));
            };
            let is_new = !one.rooms.contains(&room);
            let left = model.enter_only(number, &BTreeSet::from([room.clone()]));
            let went = went.expect("there are few rooms");
            assert_eq!((went.is_new, went.count), (is_new, model.count_in(&room)));
            assert_eq!(lowered(&went.from), left);
        }
        Act::Join(number, room) => {
            let made = |_| ROOM_NAMES[room].to_owned();
            let joined = hub.join(number, &name(ROOM_NAMES[room]), made);
            let room = lower(room);
            let Some(one) = model.live(number) else {
                return assert_eq!(joined, Err(HubError::Gone));
            };
            let mut rooms = one.rooms.clone();
            let is_new = rooms.insert(room.clone());
            model.enter_only(number, &rooms);
            let joined = joined.expect("there are few rooms");
            assert_eq!((joined.is_new, joined.count), (is_new, model.count_in(&room)));
        }
        Act::Leave(number, room) => {
            let id = hub.room_named(ROOM_NAMES[room]).map_or(u32::MAX, |(id, ..)| id);
            let left = hub.leave(now, number, id);
            let mut rooms = model.live(number).map(|one| one.rooms.clone()).unwrap_or_default();
            assert_eq!(left, rooms.remove(&lower(room)));
            model.enter_only(number, &rooms);
        }
        Act::Open(room) => {
            hub.open(now, &name(ROOM_NAMES[room]), |_| ROOM_NAMES[room].to_owned())
                .expect("there are few rooms");
            model.rooms.insert(lower(room), now);
        }
        Act::Nick(number, which) => {
            let wanted = name(NAMES[which]);
            let renamed = hub.rename(number, wanted.clone());
            let renamed = renamed.map_err(|error| match error {
                HubError::NameTaken { .. } => HubError::NameTaken { free: None },
                other => other,
            });
            assert_eq!(renamed, model.rename(number, wanted));
        }
        Act::Begin(number, token) => {
            let token = format!("t{token}");
            hub.begin_session(number, token.as_str().into(), token.clone());
            let in_use = model.ones.iter().any(|one| one.token.as_ref() == Some(&token));
            if let Some(one) = model.live(number)
                && !in_use
            {
                one.token.get_or_insert(token);
            }
        }
        Act::Depart(number, is_present) => {
            let one =
                model.live(number).map(|one| (one.name.clone(), one.handle, one.token.is_some()));
            let handle = one.as_ref().and_then(|(_, handle, _)| *handle).filter(|_| is_present);
            let gone = hub.depart(now, number, |&present| Some(present) == handle);
            let (Some((name, Some(handle), has_session)), true) = (one, is_present) else {
                return assert_eq!(gone, None);
            };
            let gone = gone.expect("the member has this connection");
            assert_eq!((gone.name, gone.handle), (name, handle));
            assert_eq!(lowered(&gone.rooms), model.enter_only(number, &BTreeSet::new()));
            if has_session {
                let one = model.live(number).expect("it is there still");
                (one.handle, one.away_since) = (None, now);
            } else {
                model.ones.retain(|one| one.number != number);
            }
        }
        Act::TakeOver(token, by) => {
            let token = format!("t{token}");
            let over = hub.take_over(now, &token, by, by);
            let expected = model.take_over(&token, by);
            assert_eq!(over.map(|over| (over.number, over.name, over.old)), expected);
        }
        Act::Wait(seconds) => model.now += Duration::from_secs(seconds),
        Act::Sweep => {
            hub.sweep(now);
            model.sweep();
        }
    }
}

/// The hub shows what the model holds.
fn compare(hub: &TestHub, model: &Model) {
    let live = || model.ones.iter().filter(|one| one.handle.is_some());
    assert_eq!(hub.count(), live().count());
    for number in 1..model.next {
        let one = live().find(|one| one.number == number);
        let found = hub.find(&format!("client-{number}"));
        assert_eq!(found.map(|(_, member)| member.handle), one.and_then(|one| one.handle));
        assert_eq!(hub.member(number).map(|m| &m.name), one.map(|one| &one.name));
        let rooms: Vec<String> =
            hub.rooms_of(number).map(|(_, name, _)| name.as_str().to_lowercase()).collect();
        let set: BTreeSet<String> = rooms.iter().cloned().collect();
        assert_eq!(set.len(), rooms.len(), "a member is in a room once");
        assert_eq!(set, one.map(|one| one.rooms.clone()).unwrap_or_default());
        let token =
            model.ones.iter().find(|one| one.number == number).map(|one| one.token.as_deref());
        assert_eq!(hub.session_of(number).map(|(token, _)| token), token.flatten());
    }
    for text in NAMES {
        let named = |one: &&One| one.name.as_ref().is_some_and(|n| n.folded() == Folded::of(text));
        assert_eq!(
            hub.find(text).map(|(number, _)| number),
            live().find(named).map(|one| one.number)
        );
    }
    let rooms = hub.rooms().first;
    let listed = rooms.iter().map(|(name, count)| (name.as_str().to_lowercase(), *count));
    let expected = model.rooms.keys().map(|room| (room.clone(), model.count_in(room)));
    assert!(listed.eq(expected), "{rooms:?} are {:?}", model.rooms);
    for (room, _) in rooms {
        let (_, who) = hub.who(room.as_str()).expect("it is listed");
        let there = live().filter(|one| one.rooms.contains(&room.as_str().to_lowercase()));
        assert!(who.first.iter().map(|who| who.number).eq(there.map(|one| one.number)));
    }
    hub.audit();
}

proptest! {
    #[test]
    fn the_hub_does_what_a_simple_model_of_it_does(acts in acts()) {
        let mut hub = hub();
        let rooms = BTreeMap::from([("lobby".to_owned(), Duration::ZERO)]);
        let mut model = Model { ones: Vec::new(), rooms, next: 1, now: Duration::from_secs(1) };
        for step in &acts {
            act(&mut hub, &mut model, step);
            compare(&hub, &model);
        }
    }
}
