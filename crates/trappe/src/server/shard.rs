//! The members of one room on one worker: who comes, who goes, and how much is kept for those who are behind.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

use bytes::Bytes;
use trappe_core::{
    command::Format,
    room::{batch::Batch, log::Front, view::View},
};

use super::{mail::Act, pump::Pump, room::Room};

/// The members of one room on this worker, and their view of its log.
pub(super) struct Shard {
    pub(super) room: Arc<Room>,
    pub(super) view: View,
    pub(super) members: Vec<u32>,
    /// Where the pass is, and how many members it still has to visit.
    pub(super) scan: usize,
    pub(super) left: usize,
    pub(super) behind: usize,
    pub(super) front: Front,
    /// What may be kept beyond the retention for those who are behind; shrinks when the hub is at its limit.
    lag_bytes: u64,
}

impl Pump {
    /// The worker's view of a room, sent by the first member that comes to it here.
    pub(super) fn open(&mut self, room: Arc<Room>, view: View) {
        let lag_bytes = self.shared.lag_room_bytes;
        let front = Front { best: (view.weight(), 0), second: view.weight() };
        self.shards.entry(room.id).or_insert(Shard {
            room,
            view,
            members: Vec::new(),
            scan: 0,
            left: 0,
            behind: 0,
            front,
            lag_bytes,
        });
    }

    /// A member reads a room from now on, from `at`.
    pub(super) fn enter(&mut self, id: u32, room: &Arc<Room>, (at, seq): (u64, u64)) {
        let shard = self.shards.get_mut(&room.id).expect("a room's view comes before its members");
        let slot = &mut self.slots[id as usize];
        slot.cursor.enter(&shard.view, at, seq);
        slot.own.number = slot.conn.number();
        slot.room = Some((
            room.id,
            u32::try_from(shard.members.len()).expect("bounded by the descriptors"),
        ));
        shard.members.push(id);
        // In the middle of a pass it has its turn like the others.
        shard.left += usize::from(shard.left > 0);
        shard.front.note(slot.conn.number(), shard.view.weight());
        if shard.view.end() > at {
            self.mark(room.id);
        }
    }

    /// A member no longer reads its room.
    pub(super) fn exit(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        let Some((room, place)) = slot.room.take() else { return };
        let number = slot.conn.number();
        let behind = std::mem::take(&mut slot.behind);
        slot.conn.behind_at.store(u64::MAX, Relaxed);
        let shard = self.shards.get_mut(&room).expect("a member's room has a shard");
        shard.members.swap_remove(place as usize);
        shard.behind -= usize::from(behind);
        shard.front.forget(number);
        let moved = shard.members.get(place as usize).copied();
        let passing = shard.left > 0;
        if let Some(moved) = moved {
            self.slots[moved as usize].room = Some((room, place));
            if passing {
                // It may have been moved to where the pass has been already.
                self.urge(moved);
            }
        }
        self.leave_log(room, number);
    }

    /// A member no longer counts in a room's log on this worker; with the last one the worker's view goes.
    fn leave_log(&mut self, room: u32, number: u64) {
        let Some(shard) = self.shards.get(&room) else { return };
        let (wakers, workers) =
            shard.room.tail.with(|log| (log.exit(self.worker, number), log.workers()));
        if workers & (1 << self.worker) == 0 {
            self.shards.remove(&room);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops all that is due to a member: nobody will read it. Rooms that it was about to enter forget it.
    pub(super) fn abandon(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        let number = slot.conn.number();
        let acts = slot.cursor.abandon();
        let released = slot.cursor.released();
        slot.conn.release(released);
        for act in acts {
            self.cancel(number, &act);
        }
    }

    /// What a member was to do will not be done: it is gone.
    pub(super) fn cancel(&mut self, number: u64, act: &Act) {
        let Act::Move(room, _) = act;
        self.leave_log(room.id, number);
    }

    /// A batch of a room.
    pub(super) fn batch(&mut self, room: &Arc<Room>, batch: Arc<Batch>) {
        // The last member may have left between the seal and now.
        if let Some(shard) = self.shards.get_mut(&room.id)
            && batch.first == shard.view.end()
        {
            shard.view.push(batch);
            self.mark(room.id);
        }
    }

    pub(super) fn mark(&mut self, room: u32) {
        if let Some(shard) = self.shards.get_mut(&room) {
            if shard.left == 0 {
                self.dirty.push_back(room);
            }
            shard.left = shard.members.len().max(1);
        }
    }

    /// Trims a room's view to what is kept and what its members still need; who is further behind than the allowance gets a gap.
    pub(super) fn keep_bounds(&mut self, room: u32) {
        let Some(shard) = self.shards.get_mut(&room) else { return };
        let kept = shard.room.tail.with(|log| log.kept_from());
        let mut needed = shard.view.end();
        let mut fallen = Vec::new();
        // After a pass, whoever isn't blocked or still in its turn is at the head.
        // Nobody is to be left with a cursor on what is gone: those who are behind, and in the middle of a pass
        // (when the hub is at its limit) those who haven't had their turn.
        if shard.behind > 0 || shard.left > 0 {
            let floor = shard
                .view
                .at_weight(shard.view.weight().saturating_sub(shard.lag_bytes))
                .min(shard.view.end());
            for &id in &shard.members {
                let slot = &mut self.slots[id as usize];
                let oldest = slot.cursor.oldest();
                if slot.dead || slot.cursor.is_through() {
                    continue;
                }
                if oldest >= floor {
                    needed = needed.min(oldest);
                    continue;
                }
                if slot.cursor.look().format == Format::Raw
                    && !self.shared.defaults.raw_gap_skip
                    && slot.cursor.at() < floor
                {
                    fallen.push(id);
                    continue;
                }
                let missed = slot.cursor.cut(&shard.view, kept.max(floor));
                slot.conn.missed.fetch_add(missed, Relaxed);
                slot.conn.behind_at.store(slot.cursor.at(), Relaxed);
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
        let end = slot.cursor.at();
        let ending = slot.ending.is_some();
        if let Some(shard) = slot.room.and_then(|(room, _)| self.shards.get(&room)) {
            let missed = shard.view.seq_from(shard.view.end()) - shard.view.seq_from(end);
            slot.conn.missed.fetch_add(missed, Relaxed);
        }
        if ending {
            return self.end(id);
        }
        // The rest of what is half written may still go out; nothing after it.
        self.abandon(id);
        self.finish(id, end, Bytes::new());
    }

    /// The hub is at its limit and this room uses most: half of what its slow members are allowed.
    pub(super) fn squeeze(&mut self, room: &Arc<Room>) {
        if let Some(shard) = self.shards.get_mut(&room.id) {
            let span = shard.view.weight() - shard.view.weight_at(shard.view.oldest());
            shard.lag_bytes = (span / 2).min(shard.lag_bytes);
            self.keep_bounds(room.id);
            if let Some(shard) = self.shards.get_mut(&room.id) {
                shard.lag_bytes = self.shared.lag_room_bytes;
            }
        }
    }

    pub(super) fn publish_front(&mut self, room: u32) {
        if let Some(shard) = self.shards.get(&room) {
            let wakers = shard.room.tail.report(self.worker, shard.front);
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}
