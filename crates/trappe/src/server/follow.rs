//! Members that follow the state of a room (PROTOCOL §6): who they are on this worker, and when they are written to.
//!
//! A change rings once; the pump takes all that has changed since, and its followers' cursors do the rest. While a state
//! changes fast, changes are gathered for [`STATE_PACE`]: who writes a hundred values a frame wants one write, not a hundred.

use std::{sync::Arc, time::Duration};

use trappe_core::{limits::STATE_PACE, room::state::StateView};

use super::{pump::Pump, room::Room};

/// What a worker has of a room's state, while somebody here follows it.
pub(super) struct Followed {
    pub(super) view: StateView,
    /// Slots of the members.
    members: Vec<u32>,
    /// When changes may be taken again.
    next: Duration,
    /// They are to be taken then.
    waits: bool,
}

impl Pump {
    /// A member follows the state of a room from now on, or wants all of it again. Not one that has left the room meanwhile.
    pub(super) fn follow(&mut self, id: u32, room: u32) {
        let Some(shard) = self.shards.0.get_mut(&room) else { return };
        let listener = &mut self.slots[id as usize].listener;
        if listener.cursor_in(room).is_none() {
            return;
        }
        let (worker, now) = (self.worker, self.shared.now());
        let followed = shard.followed.get_or_insert_with(|| {
            shard.room.state.lock().follow(worker, true);
            Box::new(Followed {
                view: StateView::new(Arc::clone(&shard.room.life)),
                members: Vec::new(),
                next: now,
                waits: false,
            })
        });
        if !listener.follow(room) {
            followed.members.push(id);
        }
        // From what is there now on: the first of all needs everything, and what is new is nothing to wait for.
        followed.take(&shard.room, worker);
        self.urge(id);
    }

    /// A member doesn't follow a room's state any more, if it did.
    pub(super) fn unfollow(&mut self, id: u32, room: u32) {
        let Some(shard) = self.shards.0.get_mut(&room) else { return };
        let Some(followed) = &mut shard.followed else { return };
        followed.members.retain(|&other| other != id);
        if followed.members.is_empty() {
            shard.room.state.lock().follow(self.worker, false);
            shard.followed = None;
        }
    }

    /// A room's state has changed.
    pub(super) fn changed(&mut self, room: &Arc<Room>) {
        let now = self.shared.now();
        let Some(shard) = self.shards.0.get_mut(&room.id) else { return };
        let Some(followed) = &mut shard.followed else { return };
        if now < followed.next {
            if !std::mem::replace(&mut followed.waits, true) {
                self.paced.push_back((followed.next, room.id));
            }
            return;
        }
        self.tell_followers(room.id, now);
    }

    /// Changes that have been gathered for long enough are written.
    pub(super) fn pace(&mut self) {
        while let Some(&(due, room)) = self.paced.front() {
            let now = self.shared.now();
            if due > now {
                return;
            }
            self.paced.pop_front();
            self.tell_followers(room, now);
        }
    }

    fn tell_followers(&mut self, room: u32, now: Duration) {
        let Some(shard) = self.shards.0.get_mut(&room) else { return };
        let Some(followed) = &mut shard.followed else { return };
        followed.waits = false;
        followed.next = now + STATE_PACE;
        followed.take(&shard.room, self.worker);
        let members = std::mem::take(&mut followed.members);
        for &id in &members {
            self.urge(id);
        }
        if let Some(followed) = self.shards.0.get_mut(&room).and_then(|it| it.followed.as_mut()) {
            followed.members = members;
        }
    }
}

impl Followed {
    fn take(&mut self, room: &Room, worker: usize) {
        let changes = room.state.lock().take(worker, self.view.seq());
        self.view.apply(changes);
    }
}
