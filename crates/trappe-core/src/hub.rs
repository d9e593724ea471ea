//! Who is called what, which rooms there are, who is where.
//!
//! Asked for arrivals, names, rooms and private messages; never for speech. `M` is what the shell keeps for a member,
//! `R` what it keeps for a room.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    limits::{LISTED, MEMBERS, NOTICES_MEMBERS_BACK, NOTICES_MEMBERS_MAX, ROOM_EMPTY, ROOMS},
    message::Author,
    name::{Folded, Name, free_variant, number_of},
};

/// Why the hub can't do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Somebody else bears that name; a free one like it, if one was found.
    #[error("the name is taken")]
    NameTaken {
        /// A name that is free.
        free: Option<Name>,
    },
    /// There are [`MEMBERS`] members.
    #[error("the hub is full")]
    MembersFull,
    /// There are [`ROOMS`] rooms, and none of them is empty.
    #[error("there are too many rooms")]
    RoomsFull,
}

/// What the hub knows of one member.
#[derive(Debug)]
pub struct Member<M> {
    /// The name that it took.
    pub name: Option<Name>,
    /// What the shell keeps for it.
    pub handle: M,
    room: u32,
}

#[derive(Debug)]
struct Room<R> {
    name: Name,
    handle: R,
    members: BTreeSet<u64>,
    /// Too many members for notices.
    hushed: bool,
    /// Since when nobody has been here.
    empty_since: Option<Duration>,
}

/// Names or rooms for a reply: the first of them, and how many there are.
#[derive(Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// At most [`LISTED`].
    pub first: Vec<T>,
    /// All of them.
    pub count: usize,
}

/// The hub. See the module.
#[derive(Debug)]
pub struct Hub<M, R> {
    members: BTreeMap<u64, Member<M>>,
    names: BTreeMap<Folded, u64>,
    rooms: BTreeMap<u32, Room<R>>,
    room_ids: BTreeMap<Folded, u32>,
    /// The empty rooms, the one that has been empty for longest first; never the lobby.
    empty: BTreeSet<(Duration, u32)>,
    next_member: u64,
    next_room: u32,
}

impl<M, R: Clone> Hub<M, R> {
    /// A hub with one room, its lobby, that is there for ever.
    pub fn new(lobby: Name, handle: R) -> Hub<M, R> {
        let mut hub = Hub {
            members: BTreeMap::new(),
            names: BTreeMap::new(),
            rooms: BTreeMap::new(),
            room_ids: BTreeMap::new(),
            empty: BTreeSet::new(),
            next_member: 1,
            next_room: 0,
        };
        hub.add_room(lobby, handle);
        hub
    }

    fn add_room(&mut self, name: Name, handle: R) -> u32 {
        let id = self.next_room;
        self.next_room += 1;
        self.room_ids.insert(name.folded(), id);
        self.rooms.insert(
            id,
            Room { name, handle, members: BTreeSet::new(), hushed: false, empty_since: None },
        );
        id
    }

    /// A new member, in the lobby. `handle` is made from its number.
    ///
    /// # Errors
    /// [`HubError::MembersFull`].
    pub fn arrive(&mut self, handle: impl FnOnce(u64) -> M) -> Result<(u64, R), HubError> {
        if self.members.len() >= MEMBERS {
            return Err(HubError::MembersFull);
        }
        let number = self.next_member;
        self.next_member += 1;
        self.members.insert(number, Member { name: None, handle: handle(number), room: 0 });
        let room = self.enter(number, 0);
        Ok((number, room))
    }

    fn enter(&mut self, number: u64, id: u32) -> R {
        let room = self.rooms.get_mut(&id).expect("ids of rooms are the hub's own");
        room.members.insert(number);
        if let Some(since) = room.empty_since.take() {
            self.empty.remove(&(since, id));
        }
        room.hushed |= room.members.len() > NOTICES_MEMBERS_MAX;
        room.handle.clone()
    }

    fn exit(&mut self, now: Duration, number: u64, id: u32) {
        let room = self.rooms.get_mut(&id).expect("ids of rooms are the hub's own");
        room.members.remove(&number);
        room.hushed &= room.members.len() >= NOTICES_MEMBERS_BACK;
        if room.members.is_empty() && id != 0 {
            room.empty_since = Some(now);
            self.empty.insert((now, id));
        }
    }

    /// The member has gone; its name is free.
    pub fn depart(&mut self, now: Duration, number: u64) -> Option<Member<M>> {
        let member = self.members.remove(&number)?;
        if let Some(name) = &member.name {
            self.names.remove(&name.folded());
        }
        self.exit(now, number, member.room);
        Some(member)
    }

    /// The member takes a name; its own in another spelling is fine.
    ///
    /// # Errors
    /// [`HubError::NameTaken`].
    pub fn rename(&mut self, number: u64, name: Name) -> Result<(), HubError> {
        let folded = name.folded();
        if self.names.get(&folded).is_some_and(|&holder| holder != number) {
            return Err(HubError::NameTaken {
                free: free_variant(&name, |f| self.names.contains_key(f)),
            });
        }
        let Some(member) = self.members.get_mut(&number) else { return Ok(()) };
        if let Some(old) = member.name.replace(name) {
            self.names.remove(&old.folded());
        }
        self.names.insert(folded, number);
        Ok(())
    }

    /// The member goes to a room, which is made by `make` if there is none of that name. Returns it.
    ///
    /// # Errors
    /// [`HubError::RoomsFull`].
    pub fn go(
        &mut self,
        now: Duration,
        number: u64,
        name: &Name,
        make: impl FnOnce(u32) -> R,
    ) -> Result<R, HubError> {
        let id = if let Some(&id) = self.room_ids.get(&name.folded()) {
            id
        } else {
            if self.rooms.len() >= ROOMS && !self.evict() {
                return Err(HubError::RoomsFull);
            }
            let handle = make(self.next_room);
            self.add_room(name.clone(), handle)
        };
        if let Some(member) = self.members.get_mut(&number) {
            let old = std::mem::replace(&mut member.room, id);
            self.exit(now, number, old);
        }
        Ok(self.enter(number, id))
    }

    /// Makes room for a room: the one that has been empty for longest goes.
    fn evict(&mut self) -> bool {
        let Some((_, id)) = self.empty.pop_first() else { return false };
        self.remove_room(id);
        true
    }

    fn remove_room(&mut self, id: u32) {
        if let Some(room) = self.rooms.remove(&id) {
            self.room_ids.remove(&room.name.folded());
        }
    }

    /// Forgets the rooms that have been empty for [`ROOM_EMPTY`]; what they kept is gone with them.
    pub fn sweep(&mut self, now: Duration) {
        while let Some(&(since, id)) = self.empty.first()
            && now.saturating_sub(since) >= ROOM_EMPTY
        {
            self.empty.pop_first();
            self.remove_room(id);
        }
    }

    /// The member that bears `text` as its name or its `client-N`, in any case.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<(u64, &Member<M>)> {
        let number = match number_of(text) {
            Some(number) => number,
            None => *self.names.get(&Folded::of(text))?,
        };
        self.members.get(&number).map(|member| (number, member))
    }

    /// A member by its number.
    #[must_use]
    pub fn member(&self, number: u64) -> Option<&Member<M>> {
        self.members.get(&number)
    }

    /// How many members there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// The room a member is in: its name, and how many are there.
    #[must_use]
    pub fn room_of(&self, number: u64) -> Option<(&Name, usize)> {
        let room = self.rooms.get(&self.members.get(&number)?.room)?;
        Some((&room.name, room.members.len()))
    }

    /// Whether arrivals and departures are announced in the member's room.
    #[must_use]
    pub fn announces(&self, number: u64) -> bool {
        self.members
            .get(&number)
            .and_then(|m| self.rooms.get(&m.room))
            .is_some_and(|room| !room.hushed)
    }

    /// What the shell keeps for the room that a member is in.
    #[must_use]
    pub fn room_handle(&self, number: u64) -> Option<&R> {
        Some(&self.rooms.get(&self.members.get(&number)?.room)?.handle)
    }

    /// The members of a room, in order of their numbers; none if there is no such room.
    #[must_use]
    pub fn who(&self, room: &str) -> Option<(Name, Listed<Author>)> {
        let room = self.rooms.get(self.room_ids.get(&Folded::of(room))?)?;
        let author = |&number: &u64| Author {
            number,
            name: self.members.get(&number).and_then(|m| m.name.clone()),
        };
        let first = room.members.iter().take(LISTED).map(author).collect();
        Some((room.name.clone(), Listed { first, count: room.members.len() }))
    }

    /// The rooms by name, and how many members each has.
    #[must_use]
    pub fn rooms(&self) -> Listed<(Name, usize)> {
        let by_name = self.room_ids.values().filter_map(|id| self.rooms.get(id));
        let first = by_name.take(LISTED).map(|r| (r.name.clone(), r.members.len())).collect();
        Listed { first, count: self.rooms.len() }
    }

    /// What the shell keeps for each room.
    pub fn room_handles(&self) -> impl Iterator<Item = &R> {
        self.rooms.values().map(|room| &room.handle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn name(text: &str) -> Name {
        Name::parse(text).expect("a name of the test is a name")
    }

    fn hub() -> Hub<(), &'static str> {
        Hub::new(name("lobby"), "lobby")
    }

    fn arrive(hub: &mut Hub<(), &'static str>) -> u64 {
        hub.arrive(|_| ()).expect("there is room").0
    }

    #[test]
    fn members_are_numbered_from_one_and_no_number_comes_again() {
        let mut hub = hub();
        assert_eq!([arrive(&mut hub), arrive(&mut hub)], [1, 2]);
        hub.depart(NOW, 2);
        assert_eq!(arrive(&mut hub), 3);
        assert!(hub.find("client-2").is_none());
        assert_eq!(hub.find("CLIENT-3").map(|(number, _)| number), Some(3));
    }

    #[test]
    fn a_name_is_one_members_in_any_case_until_it_leaves() {
        let mut hub = hub();
        let (alice, bob) = (arrive(&mut hub), arrive(&mut hub));
        assert_eq!(hub.rename(alice, name("Éloïse")), Ok(()));
        let taken = hub.rename(bob, name("éLOÏSE"));
        let Err(HubError::NameTaken { free: Some(free) }) = taken else { panic!("{taken:?}") };
        assert_eq!(hub.rename(bob, free), Ok(()), "the name that is proposed is free");
        assert_eq!(hub.rename(alice, name("éloïse")), Ok(()), "one's own in another spelling");
        assert_eq!(hub.rename(alice, name("ada")), Ok(()));
        assert_eq!(hub.rename(bob, name("Éloïse")), Ok(()), "the old name is free at once");
        hub.depart(NOW, bob);
        assert_eq!(hub.rename(alice, name("éloïse")), Ok(()));
        assert!(hub.find("ÉLOÏSE").is_some());
    }

    #[test]
    fn a_room_is_quiet_above_fifty_members_and_again_loud_below_forty() {
        let mut hub = hub();
        let first = arrive(&mut hub);
        for n in 2..=NOTICES_MEMBERS_MAX {
            arrive(&mut hub);
            assert!(hub.announces(first), "{n} members");
        }
        arrive(&mut hub);
        assert!(!hub.announces(first));
        let all = NOTICES_MEMBERS_MAX as u64 + 1;
        for number in (NOTICES_MEMBERS_BACK as u64 + 1..=all).rev() {
            hub.depart(NOW, number);
            assert!(!hub.announces(first), "{} members", number - 1);
        }
        hub.depart(NOW, NOTICES_MEMBERS_BACK as u64);
        assert!(hub.announces(first));
    }

    #[test]
    fn rooms_have_a_bound_and_the_one_that_is_empty_for_longest_gives_way() {
        let mut hub = hub();
        let (walker, stayer) = (arrive(&mut hub), arrive(&mut hub));
        hub.go(NOW, stayer, &name("full"), |_| "full").expect("there is room");
        for n in 1..ROOMS - 1 {
            let at = NOW + Duration::from_secs(n as u64);
            hub.go(at, walker, &name(&format!("r{n}")), |_| "room").expect("there is room");
        }
        assert_eq!(hub.rooms().count, ROOMS);
        assert_eq!(hub.rooms().first.len(), LISTED);
        let later = NOW + Duration::from_hours(24);
        hub.go(later, walker, &name("one-more"), |_| "room").expect("an empty room gives way");
        assert!(hub.who("r1").is_none(), "it had been empty for longest");
        assert!(hub.who("r2").is_some() && hub.who("full").is_some() && hub.who("lobby").is_some());
        hub.sweep(later + ROOM_EMPTY);
        assert_eq!(hub.rooms().count, 3, "the lobby, and the two that somebody is in");
    }

    #[test]
    fn when_somebody_is_in_every_room_there_is_no_other() {
        let mut hub = hub();
        for n in 1..ROOMS {
            let number = arrive(&mut hub);
            hub.go(NOW, number, &name(&format!("r{n}")), |_| "room").expect("there is room");
        }
        let number = arrive(&mut hub);
        assert_eq!(hub.go(NOW, number, &name("more"), |_| "room"), Err(HubError::RoomsFull));
        assert_eq!(hub.room_of(number).map(|(room, _)| room.as_str()), Some("lobby"));
    }
}
