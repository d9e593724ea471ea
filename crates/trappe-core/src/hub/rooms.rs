//! The rooms: what they are called, who is in them, and since when nobody is.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{HubError, Listed};
use crate::{
    limits::{LISTED, NOTICES_MEMBERS_BACK, NOTICES_MEMBERS_MAX, ROOM_EMPTY, ROOMS},
    name::{Folded, Name},
};

/// The room that is there for ever.
const LOBBY: u32 = 0;

#[derive(Debug)]
pub(super) struct Room<R> {
    pub(super) name: Name,
    pub(super) handle: R,
    pub(super) members: BTreeSet<u64>,
    /// Too many members for notices.
    hushed: bool,
    /// Since when nobody has been here, nor had it opened; never for the lobby.
    empty_since: Option<Duration>,
}

/// At most [`ROOMS`] rooms, the lobby among them.
#[derive(Debug)]
pub(super) struct Rooms<R> {
    by_id: BTreeMap<u32, Room<R>>,
    ids: BTreeMap<Folded, u32>,
    /// The empty rooms, the one that has been empty for longest first; never the lobby.
    empty: BTreeSet<(Duration, u32)>,
    next: u32,
}

impl<R: Clone> Rooms<R> {
    pub(super) fn new(lobby: Name, handle: R) -> Rooms<R> {
        let mut rooms = Rooms {
            by_id: BTreeMap::new(),
            ids: BTreeMap::new(),
            empty: BTreeSet::new(),
            next: LOBBY,
        };
        rooms.add(lobby, |_| handle);
        rooms
    }

    fn add(&mut self, name: Name, make: impl FnOnce(u32) -> R) -> u32 {
        // Whoever makes room after room for hours comes to the end of the numbers: one that is free again serves.
        while self.by_id.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        let handle = make(id);
        self.ids.insert(name.folded(), id);
        let members = BTreeSet::new();
        self.by_id.insert(id, Room { name, handle, members, hushed: false, empty_since: None });
        id
    }

    /// The room of that name, made if there is none; whoever asked enters it, or lets it [`Self::rest`].
    pub(super) fn find_or_make(
        &mut self,
        name: &Name,
        make: impl FnOnce(u32) -> R,
    ) -> Result<u32, HubError> {
        if let Some(&id) = self.ids.get(&name.folded()) {
            return Ok(id);
        }
        if self.by_id.len() >= ROOMS {
            // The one that has been empty for longest gives way.
            let Some((_, id)) = self.empty.pop_first() else { return Err(HubError::RoomsFull) };
            self.remove(id);
        }
        Ok(self.add(name.clone(), make))
    }

    fn remove(&mut self, id: u32) {
        if let Some(room) = self.by_id.remove(&id) {
            self.ids.remove(&room.name.folded());
        }
    }

    fn room_mut(&mut self, id: u32) -> &mut Room<R> {
        self.by_id.get_mut(&id).expect("a room goes only when nobody is in it and it isn't in use")
    }

    /// The member is in the room now. Returns what the shell keeps for it, and how many are there.
    pub(super) fn enter(&mut self, number: u64, id: u32) -> (R, usize) {
        let room = self.room_mut(id);
        room.members.insert(number);
        room.hushed |= room.members.len() > NOTICES_MEMBERS_MAX;
        let entered = (room.handle.clone(), room.members.len());
        if let Some(since) = room.empty_since.take() {
            self.empty.remove(&(since, id));
        }
        entered
    }

    /// The member isn't in the room any more. Returns the room.
    pub(super) fn exit(&mut self, now: Duration, number: u64, id: u32) -> (u32, R) {
        let room = self.room_mut(id);
        room.members.remove(&number);
        room.hushed &= room.members.len() >= NOTICES_MEMBERS_BACK;
        self.rest(now, id)
    }

    /// The room is used no more from `now` on; if nobody is in it, the time that it is kept begins.
    /// Returns the room.
    pub(super) fn rest(&mut self, now: Duration, id: u32) -> (u32, R) {
        let room = self.room_mut(id);
        let handle = room.handle.clone();
        if id != LOBBY && room.members.is_empty() {
            if let Some(since) = room.empty_since.replace(now) {
                self.empty.remove(&(since, id));
            }
            self.empty.insert((now, id));
        }
        (id, handle)
    }

    /// Forgets the rooms that have been empty for [`ROOM_EMPTY`].
    pub(super) fn sweep(&mut self, now: Duration) {
        while let Some(&(since, id)) = self.empty.first()
            && now.saturating_sub(since) >= ROOM_EMPTY
        {
            self.empty.pop_first();
            self.remove(id);
        }
    }

    pub(super) fn get(&self, id: u32) -> Option<&Room<R>> {
        self.by_id.get(&id)
    }

    /// The room of that name, in any case.
    pub(super) fn named(&self, text: &str) -> Option<(u32, &Room<R>)> {
        let id = *self.ids.get(&Folded::of(text))?;
        Some((id, self.by_id.get(&id)?))
    }

    pub(super) fn announces(&self, id: u32) -> bool {
        self.by_id.get(&id).is_some_and(|room| !room.hushed)
    }

    pub(super) fn listed(&self) -> Listed<(Name, usize)> {
        let by_name = self.ids.values().filter_map(|id| self.by_id.get(id));
        let first = by_name.take(LISTED).map(|r| (r.name.clone(), r.members.len())).collect();
        Listed { first, count: self.by_id.len() }
    }

    pub(super) fn busiest(&self, most: usize) -> Vec<(Name, usize, R)> {
        let mut rooms: Vec<&Room<R>> = self.by_id.values().collect();
        // Stable: of equal ones the older stays first.
        rooms.sort_by_key(|room| std::cmp::Reverse(room.members.len()));
        let told = |room: &Room<R>| (room.name.clone(), room.members.len(), room.handle.clone());
        rooms.into_iter().take(most).map(told).collect()
    }

    pub(super) fn handles(&self) -> impl Iterator<Item = &R> {
        self.by_id.values().map(|room| &room.handle)
    }

    /// The tables say the same of each room.
    #[cfg(test)]
    pub(super) fn audit(&self) {
        assert!(self.by_id.len() <= ROOMS);
        let mut empty = BTreeSet::new();
        for (&id, room) in &self.by_id {
            assert_eq!(self.ids.get(&room.name.folded()), Some(&id), "{:?}", room.name);
            assert_eq!(room.empty_since.is_some(), room.members.is_empty() && id != LOBBY);
            empty.extend(room.empty_since.map(|since| (since, id)));
        }
        assert_eq!(self.ids.len(), self.by_id.len(), "no name is left of a room that went");
        assert_eq!(self.empty, empty);
    }

    /// As if that many rooms, less one, had been made and forgotten before.
    #[cfg(test)]
    pub(super) fn skip_to(&mut self, next: u32) {
        self.next = next;
    }
}
