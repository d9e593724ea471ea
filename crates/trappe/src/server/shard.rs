//! The members of one room on one worker: who comes, who goes, and how much is kept for those who are behind.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

use trappe_core::{
    command::Format,
    encode::Wire,
    reply::{self, Ending, To},
    room::{
        batch::Batch, cursor::Cursor, listener::Views, log::Front, state::StateView, view::View,
    },
    words::say,
};

use super::{follow::Followed, mail::Act, metrics::Missed, pump::Pump, room::Room, wire};

/// The members of one room on this worker, and their view of its log.
pub(super) struct Shard {
    pub(super) room: Arc<Room>,
    pub(super) view: View,
    pub(super) members: Vec<u32>,
    /// Where the pass is, and how many members it still has to visit.
    pub(super) scan: usize,
    pub(super) left: usize,
    /// It stands among the rooms with news.
    pub(super) is_dirty: bool,
    pub(super) behind: usize,
    pub(super) front: Front,
    /// What may be kept beyond the retention for those who are behind; shrinks when the hub is at its limit.
    lag_bytes: u64,
    /// The room's state, while a member here follows it.
    pub(super) followed: Option<Box<Followed>>,
}

impl Shard {
    /// What may be kept for those who are behind ends here.
    fn floor(&self) -> u64 {
        let least = self.view.weight().saturating_sub(self.lag_bytes);
        self.view.at_weight(least).min(self.view.end())
    }
}

/// The rooms of a worker, by their ids.
#[derive(Default)]
pub(super) struct Shards(pub(super) BTreeMap<u32, Shard>);

impl Views for Shards {
    fn view(&self, room: u32) -> Option<&View> {
        self.0.get(&room).map(|shard| &shard.view)
    }

    fn state(&self, room: u32) -> Option<&StateView> {
        Some(&self.0.get(&room)?.followed.as_ref()?.view)
    }
}

impl Pump {
    /// The worker's view of a room, sent by the first member that comes to it here.
    pub(super) fn open(&mut self, room: Arc<Room>, view: View) {
        let lag_bytes = self.shared.lag_room_bytes;
        let front = Front { best: (view.weight(), 0), second: view.weight() };
        self.shards.0.entry(room.id).or_insert(Shard {
            room,
            view,
            members: Vec::new(),
            scan: 0,
            left: 0,
            is_dirty: false,
            behind: 0,
            front,
            lag_bytes,
            followed: None,
        });
    }

    /// A member reads a room from now on, from `at`.
    pub(super) fn enter(&mut self, id: u32, room: &Arc<Room>, at: (u64, u64)) {
        let shard =
            self.shards.0.get_mut(&room.id).expect("a room's view comes before its members");
        let slot = &mut self.slots[id as usize];
        let number = slot.conn.number();
        let cursor = slot.listener.enter(number, room.id, &shard.view, at);
        cursor.place = u32::try_from(shard.members.len()).expect("bounded by the descriptors");
        shard.members.push(id);
        // In the middle of a pass it has its turn like the others.
        shard.left += usize::from(shard.left > 0);
        shard.front.note(number, shard.view.weight());
        if shard.view.end() > at.0 {
            self.mark(room.id);
        }
    }

    /// A member no longer reads a room.
    pub(super) fn exit(&mut self, id: u32, room: u32) {
        let slot = &mut self.slots[id as usize];
        let number = slot.listener.number();
        let follows = slot.listener.followed().any(|other| other == room);
        let Some(cursor) = slot.listener.exit(room) else { return };
        if slot.behind {
            slot.tell_behind();
        }
        if follows {
            self.unfollow(id, room);
        }
        let shard = self.shards.0.get_mut(&room).expect("a member's room has a shard");
        shard.members.swap_remove(cursor.place as usize);
        shard.left = shard.left.min(shard.members.len());
        shard.behind -= usize::from(cursor.behind);
        shard.front.forget(number);
        if let Some(moved) = shard.members.get(cursor.place as usize).copied() {
            if shard.left > 0 {
                // It may have been moved to where the pass has been already: the pass goes round once more, since what is
                // kept after it is only what those need who are known to be behind.
                shard.left = shard.members.len();
            }
            if let Some(other) = self.slots[moved as usize].listener.cursor_in(room) {
                other.place = cursor.place;
            }
        }
        self.leave_log(room, number);
    }

    /// A member no longer reads any room.
    pub(super) fn exit_all(&mut self, id: u32) {
        let rooms: Vec<u32> =
            self.slots[id as usize].listener.cursors().map(Cursor::room).collect();
        for room in rooms {
            self.exit(id, room);
        }
    }

    /// A member no longer counts in a room's log on this worker; with the last one the worker's view goes.
    fn leave_log(&mut self, room: u32, number: u64) {
        let Some(shard) = self.shards.0.get(&room) else { return };
        let (wakers, workers) =
            shard.room.tail.with(|log| (log.exit(self.worker, number), log.workers()));
        if workers & (1 << self.worker) == 0 {
            self.shards.0.remove(&room);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// What a member had put among its replies, to be done in its place.
    pub(super) fn act(&mut self, id: u32, act: Act) {
        match act {
            Act::Enter(room, at) => self.enter(id, &room, at),
            Act::Leave(room) => self.exit(id, room),
            Act::Follow(room) => self.follow(id, room),
        }
    }

    /// Drops all that is due to a member: nobody will read it. Rooms that it was about to enter forget it.
    pub(super) fn abandon(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        let number = slot.conn.number();
        let acts = slot.listener.abandon();
        let released = slot.listener.released();
        slot.conn.release(released);
        for act in acts {
            self.cancel(number, &act);
        }
    }

    /// What a member was to do will not be done: it is gone.
    pub(super) fn cancel(&mut self, number: u64, act: &Act) {
        if let Act::Enter(room, _) = act {
            self.leave_log(room.id, number);
        }
    }

    /// A batch of a room.
    pub(super) fn batch(&mut self, room: &Arc<Room>, batch: Arc<Batch>) {
        // The last member may have left between the seal and now.
        if let Some(shard) = self.shards.0.get_mut(&room.id)
            && batch.first == shard.view.end()
        {
            shard.view.push(batch);
            self.mark(room.id);
        }
    }

    pub(super) fn mark(&mut self, room: u32) {
        if let Some(shard) = self.shards.0.get_mut(&room) {
            if !std::mem::replace(&mut shard.is_dirty, true) {
                self.dirty.push_back(room);
            }
            shard.left = shard.members.len().max(1);
        }
    }

    /// Trims a room's view to what is kept and what its members still need; who is further behind than the allowance gets a gap.
    pub(super) fn keep_bounds(&mut self, room: u32) {
        let Some(shard) = self.shards.0.get_mut(&room) else { return };
        let kept = shard.room.tail.with(|log| log.kept_from());
        let mut needed = shard.view.end();
        let mut fallen = Vec::new();
        // After a pass, whoever isn't blocked or still in its turn is at the head.
        // Nobody is to be left with a cursor on what is gone: those who are behind, and in the middle of a pass
        // (when the hub is at its limit) those who haven't had their turn.
        if shard.behind > 0 || shard.left > 0 {
            let floor = shard.floor();
            for &id in &shard.members {
                let slot = &mut self.slots[id as usize];
                let Some(cursor) = slot.listener.cursors().find(|c| c.room() == room) else {
                    continue;
                };
                let (at, oldest) = (cursor.at(), slot.listener.oldest(cursor));
                if slot.dead || (cursor.is_through() && oldest >= at) {
                    continue;
                }
                if oldest >= floor {
                    needed = needed.min(oldest);
                    continue;
                }
                let is_stored =
                    shard.room.kept.is_some() && slot.listener.look().wire != Wire::Datagram;
                if !is_stored
                    && slot.listener.look().format == Format::Raw
                    && slot.listener.look().wire != Wire::Datagram
                    && !self.shared.defaults.raw_gap_skip
                    && at < floor
                {
                    fallen.push(id);
                    continue;
                }
                let missed = slot.listener.cut(room, &shard.view, kept.max(floor));
                if is_stored {
                    // It is given from disk what the log no longer holds: nothing is missed.
                    continue;
                }
                if slot.watched {
                    wire::gap(&self.shared, slot, room, &shard.view, at);
                }
                slot.conn.missed.fetch_add(missed, Relaxed);
                self.shared.metrics.worker(self.worker).missed(Missed::Slow, missed);
                slot.tell_behind();
            }
        }
        shard.view.trim(needed.min(kept));
        for id in fallen {
            self.fall(id);
        }
    }

    /// A raw member is too far behind: raw has no way to tell it, so it is closed.
    pub(super) fn fall(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        tracing::info!(
            number = slot.conn.number(),
            "a raw member fell too far behind and is closed"
        );
        for cursor in slot.listener.cursors() {
            if let Some(view) = self.shards.view(cursor.room()) {
                let missed = view.seq_from(view.end()) - view.seq_from(cursor.at());
                slot.conn.missed.fetch_add(missed, Relaxed);
                self.shared.metrics.worker(self.worker).missed(Missed::Slow, missed);
            }
        }
        if slot.ending.is_some() {
            return self.end(id);
        }
        let look = slot.listener.look();
        // The rest of what is half written may still go out; nothing after it.
        self.abandon(id);
        let farewell = reply::farewell(
            To::unasked(look),
            Ending::Slow,
            &say(look.lang, "slow-closed", &[]),
            &[],
        );
        self.finish(id, &[], farewell.into());
    }

    /// The hub is at its limit and this room uses most: half of what its slow members are allowed.
    pub(super) fn squeeze(&mut self, room: &Arc<Room>) {
        if let Some(shard) = self.shards.0.get_mut(&room.id) {
            let span = shard.view.weight() - shard.view.weight_at(shard.view.oldest());
            shard.lag_bytes = (span / 2).min(shard.lag_bytes);
            self.keep_bounds(room.id);
            if let Some(shard) = self.shards.0.get_mut(&room.id) {
                shard.lag_bytes = self.shared.lag_room_bytes;
            }
        }
    }

    pub(super) fn publish_front(&mut self, room: u32) {
        if let Some(shard) = self.shards.0.get(&room) {
            let wakers = shard.room.tail.report(self.worker, shard.front);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}
