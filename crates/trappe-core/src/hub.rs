//! Who is called what, which rooms there are, who is where, and whose place a new connection takes.
//!
//! Asked for arrivals, names, rooms, sessions and private messages; never for speech. `M` is what the shell keeps for a
//! connection, `R` what it keeps for a room, `S` what it keeps for a session.
//!
//! A member is a number, which never comes again. It is in none, one or many rooms, and may have a session: then its
//! number and its name are kept for a while when its connection ends, and a later connection becomes this member by
//! [`Hub::take_over`]. Meanwhile it is *away*: nobody finds it, it is in no room and isn't counted, and nobody else gets
//! its name.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    limits::{LISTED, MEMBERS, ROOMS_OF_MEMBER},
    message::Author,
    name::{Folded, Name, free_variant, number_of},
};

mod places;
mod rooms;
mod sessions;

use places::Places;
use rooms::Rooms;
use sessions::Sessions;

/// Why the hub can't do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Somebody else bears that name, or it is kept for somebody; a free one like it, if one was found.
    #[error("the name is taken")]
    NameTaken {
        /// A name that is free.
        free: Option<Name>,
    },
    /// There are [`MEMBERS`] members.
    #[error("the hub is full")]
    MembersFull,
    /// There are [`ROOMS`](crate::limits::ROOMS) rooms, and none of them is empty.
    #[error("there are too many rooms")]
    RoomsFull,
    /// The member is in [`ROOMS_OF_MEMBER`] rooms.
    #[error("the member is in too many rooms")]
    TooManyRooms,
    /// No member has that number any more: it left, or became another one by [`Hub::take_over`].
    #[error("the member has gone")]
    Gone,
}

/// What the hub knows of one member.
#[derive(Debug)]
pub struct Member<M> {
    /// The name that it took.
    pub name: Option<Name>,
    /// What the shell keeps for its present connection.
    pub handle: M,
    places: Places,
}

/// A member went to a room, and is in no other.
#[derive(Debug, PartialEq, Eq)]
pub struct Went<R> {
    /// The rooms that it left: their numbers, and what the shell keeps for them.
    pub from: Vec<(u32, R)>,
    /// The room that it is in now.
    pub to: (u32, R),
    /// It wasn't in that room before.
    pub is_new: bool,
    /// How many members are there.
    pub count: usize,
}

/// A member is in one room more.
#[derive(Debug, PartialEq, Eq)]
pub struct Joined<R> {
    /// The room's number.
    pub id: u32,
    /// What the shell keeps for the room.
    pub room: R,
    /// It wasn't in that room before.
    pub is_new: bool,
    /// How many members are there.
    pub count: usize,
}

/// What a member was whose connection ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Departed<M, R> {
    /// The name that it bore.
    pub name: Option<Name>,
    /// What the shell kept for the connection.
    pub handle: M,
    /// The rooms that it left.
    pub rooms: Vec<(u32, R)>,
}

/// A connection became the member of an earlier one.
#[derive(Debug, PartialEq, Eq)]
pub struct TakenOver<M, R, S> {
    /// The member's number.
    pub number: u64,
    /// The member's name.
    pub name: Option<Name>,
    /// What the shell keeps for the session.
    pub state: S,
    /// The member's earlier connection, if it was still there: it is superseded, and departs nobody when it ends.
    pub old: Option<M>,
    /// The rooms that the earlier connection was in.
    pub old_rooms: Vec<(u32, R)>,
    /// The rooms that the new connection had been in under its own number.
    pub by_rooms: Vec<(u32, R)>,
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
pub struct Hub<M, R, S> {
    /// Those that have a connection.
    members: BTreeMap<u64, Member<M>>,
    /// Those that bear a name, and those for whom one is kept.
    names: BTreeMap<Folded, u64>,
    rooms: Rooms<R>,
    /// Beside the members, since most have none.
    sessions: Sessions<S>,
    next_member: u64,
}

impl<M> Member<M> {
    /// The member as others see it.
    #[must_use]
    pub fn author(&self, number: u64) -> Author {
        Author { number, name: self.name.clone() }
    }
}

impl<M, R: Clone, S: Clone> Hub<M, R, S> {
    /// A hub with one room, its lobby, that is there for ever.
    pub fn new(lobby: Name, handle: R) -> Hub<M, R, S> {
        Hub {
            members: BTreeMap::new(),
            names: BTreeMap::new(),
            rooms: Rooms::new(lobby, handle),
            sessions: Sessions::new(),
            next_member: 1,
        }
    }

    /// The number of the next member, where it isn't 1: those before it were given in an earlier life of the server.
    pub fn go_on_from(&mut self, next_member: u64) {
        self.next_member = self.next_member.max(next_member);
    }

    /// The number that the next member gets.
    #[must_use]
    pub fn next_member(&self) -> u64 {
        self.next_member
    }

    /// A session of an earlier life of the server: its member is away since `now`.
    pub fn restore_session(
        &mut self,
        now: Duration,
        number: u64,
        token: Box<str>,
        name: Option<Name>,
        state: S,
    ) {
        let free = name.filter(|name| !self.names.contains_key(&name.folded()));
        if let Some(name) = &free {
            self.names.insert(name.folded(), number);
        }
        self.sessions.begin(number, token, state);
        let gone = self.sessions.go_away(now, number, free);
        self.free(gone);
    }

    /// The states of the sessions that have ended since this was last asked: nobody can come back to them.
    pub fn ended_sessions(&mut self) -> Vec<S> {
        self.sessions.take_ended()
    }

    /// A new member, in no room. Returns its number, from which `handle` is made.
    ///
    /// # Errors
    /// [`HubError::MembersFull`].
    pub fn arrive(&mut self, handle: impl FnOnce(u64) -> M) -> Result<u64, HubError> {
        if self.members.len() >= MEMBERS {
            return Err(HubError::MembersFull);
        }
        let number = self.next_member;
        self.next_member += 1;
        let member = Member { name: None, handle: handle(number), places: Places::default() };
        self.members.insert(number, member);
        Ok(number)
    }

    /// The member goes to a room, which is made by `make` from its number if there is none of that name, and leaves all
    /// others.
    ///
    /// # Errors
    /// [`HubError::RoomsFull`] or [`HubError::Gone`]; the member is then where it was.
    pub fn go(
        &mut self,
        now: Duration,
        number: u64,
        name: &Name,
        make: impl FnOnce(u32) -> R,
    ) -> Result<Went<R>, HubError> {
        let member = self.members.get_mut(&number).ok_or(HubError::Gone)?;
        let id = self.rooms.find_or_make(name, make)?;
        let is_new = !member.places.contains(id);
        let old = member.places.replace(id);
        let left = old.iter().filter(|&other| other != id);
        let from = left.map(|other| self.rooms.exit(now, number, other)).collect();
        let (room, count) = self.rooms.enter(number, id);
        Ok(Went { from, to: (id, room), is_new, count })
    }

    /// The member enters a room, which is made by `make` from its number if there is none of that name, and stays in all
    /// others.
    ///
    /// # Errors
    /// [`HubError::TooManyRooms`], [`HubError::RoomsFull`] or [`HubError::Gone`]; nothing has changed then.
    pub fn join(
        &mut self,
        number: u64,
        name: &Name,
        make: impl FnOnce(u32) -> R,
    ) -> Result<Joined<R>, HubError> {
        let member = self.members.get_mut(&number).ok_or(HubError::Gone)?;
        let known = self.rooms.named(name.as_str()).map(|(id, _)| id);
        let is_new = known.is_none_or(|id| !member.places.contains(id));
        if is_new && member.places.len() >= ROOMS_OF_MEMBER {
            return Err(HubError::TooManyRooms);
        }
        let id = self.rooms.find_or_make(name, make)?;
        if is_new {
            member.places.push(id);
        }
        let (room, count) = self.rooms.enter(number, id);
        Ok(Joined { id, room, is_new, count })
    }

    /// The member leaves one of its rooms. False if it wasn't there.
    pub fn leave(&mut self, now: Duration, number: u64, room: u32) -> bool {
        let was_there = self.members.get_mut(&number).is_some_and(|m| m.places.remove(room));
        if was_there {
            self.rooms.exit(now, number, room);
        }
        was_there
    }

    /// The room of that name, which is made by `make` from its number if there is none. Nobody enters it; while nobody
    /// does, it is kept for [`ROOM_EMPTY`](crate::limits::ROOM_EMPTY) from the last call on.
    ///
    /// # Errors
    /// [`HubError::RoomsFull`].
    pub fn open(
        &mut self,
        now: Duration,
        name: &Name,
        make: impl FnOnce(u32) -> R,
    ) -> Result<(u32, R), HubError> {
        let id = self.rooms.find_or_make(name, make)?;
        Ok(self.rooms.rest(now, id))
    }

    /// The member's connection has ended, if it is one of which `who` holds (that of a member which was taken over isn't
    /// the member's any more). The name is free, unless the member has a session: then number and name are kept for
    /// [`SESSION_KEPT`], for at most [`SESSIONS_AWAY`] members; the one that has been away for longest gives way.
    ///
    /// [`SESSION_KEPT`]: crate::limits::SESSION_KEPT
    /// [`SESSIONS_AWAY`]: crate::limits::SESSIONS_AWAY
    pub fn depart(
        &mut self,
        now: Duration,
        number: u64,
        who: impl FnOnce(&M) -> bool,
    ) -> Option<Departed<M, R>> {
        if !who(&self.members.get(&number)?.handle) {
            return None;
        }
        let Member { name, handle, places } = self.members.remove(&number)?;
        let rooms = self.exit_all(now, number, &places);
        let free = self.sessions.go_away(now, number, name.clone());
        self.free(free);
        Some(Departed { name, handle, rooms })
    }

    fn exit_all(&mut self, now: Duration, number: u64, places: &Places) -> Vec<(u32, R)> {
        places.iter().map(|id| self.rooms.exit(now, number, id)).collect()
    }

    fn free(&mut self, name: Option<Name>) {
        if let Some(name) = name {
            self.names.remove(&name.folded());
        }
    }

    /// The member has a session from now on, which whoever knows `token` may take over. It keeps the one that it has; a
    /// token that is another's begins none.
    pub fn begin_session(&mut self, number: u64, token: Box<str>, state: S) {
        if self.members.contains_key(&number) {
            self.sessions.begin(number, token, state);
        }
    }

    /// The token and the state of the member's session; of one that is away too.
    #[must_use]
    pub fn session_of(&self, number: u64) -> Option<(&str, &S)> {
        self.sessions.of(number)
    }

    /// The member `by` becomes the member whose session has that token, with `handle`: that one has its number and name
    /// again, and is in no room; the number `by` is no more, nor its name and session, and it has left its rooms. None,
    /// and nothing has changed, if there is no such session (any more), if it is `by`'s own, or if there is no `by`.
    pub fn take_over(
        &mut self,
        now: Duration,
        token: &str,
        by: u64,
        handle: M,
    ) -> Option<TakenOver<M, R, S>> {
        let (number, state) = self.sessions.find(now, token)?;
        if number == by {
            return None;
        }
        let newcomer = self.members.remove(&by)?;
        let by_rooms = self.exit_all(now, by, &newcomer.places);
        self.free(newcomer.name);
        self.sessions.end(by);

        let old = self.members.remove(&number);
        let (name, old, old_rooms) = match old {
            Some(Member { name, handle, places }) => {
                (name, Some(handle), self.exit_all(now, number, &places))
            }
            None => (self.sessions.come_back(number), None, Vec::new()),
        };
        let member = Member { name: name.clone(), handle, places: Places::default() };
        self.members.insert(number, member);
        Some(TakenOver { number, name, state, old, old_rooms, by_rooms })
    }

    /// The member takes a name; its own in another spelling is fine.
    ///
    /// # Errors
    /// [`HubError::NameTaken`] or [`HubError::Gone`].
    pub fn rename(&mut self, number: u64, name: Name) -> Result<(), HubError> {
        let member = self.members.get_mut(&number).ok_or(HubError::Gone)?;
        let folded = name.folded();
        if self.names.get(&folded).is_some_and(|&holder| holder != number) {
            return Err(HubError::NameTaken {
                free: free_variant(&name, |f| self.names.contains_key(f)),
            });
        }
        if let Some(old) = member.name.replace(name) {
            self.names.remove(&old.folded());
        }
        self.names.insert(folded, number);
        Ok(())
    }

    /// Whether nobody bears the name, and it is kept for nobody.
    #[must_use]
    pub fn is_free(&self, name: &Name) -> bool {
        !self.names.contains_key(&name.folded())
    }

    /// Forgets the rooms that have been empty for [`ROOM_EMPTY`], what they kept with them, and the sessions whose
    /// members have been away for [`SESSION_KEPT`], whose names are then free.
    ///
    /// [`ROOM_EMPTY`]: crate::limits::ROOM_EMPTY
    /// [`SESSION_KEPT`]: crate::limits::SESSION_KEPT
    pub fn sweep(&mut self, now: Duration) {
        self.rooms.sweep(now);
        while let Some(number) = self.sessions.first_over(now) {
            let name = self.sessions.end(number);
            self.free(name);
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

    /// The numbers of all members, in order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> {
        self.members.keys().copied()
    }

    /// The numbers of a room's members, in order; none if there is no such room.
    pub fn members_of(&self, room: u32) -> impl Iterator<Item = u64> {
        self.rooms.get(room).into_iter().flat_map(|room| room.members.iter().copied())
    }

    /// The rooms with most members, at most `most`: the name, how many there are, and what the shell keeps. Of equal ones, the
    /// older first.
    #[must_use]
    pub fn busiest(&self, most: usize) -> Vec<(Name, usize, R)> {
        self.rooms.busiest(most)
    }

    /// How many members there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.members.len()
    }

    /// The rooms that a member is in, in the order in which it entered them: number, name, and what the shell keeps.
    pub fn rooms_of(&self, number: u64) -> impl Iterator<Item = (u32, &Name, &R)> {
        let places = self.members.get(&number).into_iter().flat_map(|m| m.places.iter());
        places.filter_map(|id| self.rooms.get(id).map(|room| (id, &room.name, &room.handle)))
    }

    /// Whether the member is in the room.
    #[must_use]
    pub fn is_in(&self, number: u64, room: u32) -> bool {
        self.members.get(&number).is_some_and(|member| member.places.contains(room))
    }

    /// Whether arrivals and departures are announced in the room.
    #[must_use]
    pub fn announces(&self, room: u32) -> bool {
        self.rooms.announces(room)
    }

    /// The room of that name, in any case: its number, its name as it is written, and what the shell keeps for it.
    #[must_use]
    pub fn room_named(&self, text: &str) -> Option<(u32, Name, R)> {
        let (id, room) = self.rooms.named(text)?;
        Some((id, room.name.clone(), room.handle.clone()))
    }

    /// The members of a room, in order of their numbers; none if there is no such room.
    #[must_use]
    pub fn who(&self, room: &str) -> Option<(Name, Listed<Author>)> {
        let (_, room) = self.rooms.named(room)?;
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
        self.rooms.listed()
    }

    /// What the shell keeps for each session.
    pub fn session_states(&self) -> impl Iterator<Item = &S> {
        self.sessions.states()
    }

    /// What the shell keeps for each room.
    pub fn room_handles(&self) -> impl Iterator<Item = &R> {
        self.rooms.handles()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod properties;
