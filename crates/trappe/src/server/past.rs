//! How a pump serves members that read further back than their room's log holds: it asks the history, and goes on when the
//! answer comes.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use trappe_core::{
    command::Format,
    encode::Wire,
    room::past::{Ask, Lost, Past},
};

use super::{
    conn::Conn,
    metrics::Missed,
    pump::{Pump, Visit},
};

impl Pump {
    /// The member needs this of a room's past.
    pub(super) fn ask(&mut self, id: u32, room: u32, ask: Ask) -> Visit {
        let (Some(history), Some(shard)) = (&self.shared.posts.history, self.shards.0.get(&room))
        else {
            unreachable!("only of a room that is kept its past is asked for");
        };
        history.ask(&self.slots[id as usize].conn, &shard.room, ask);
        Visit::Waiting
    }

    /// The history has answered.
    pub(super) fn past(&mut self, conn: &Arc<Conn>, past: &Past) {
        let skips = self.shared.defaults.raw_gap_skip;
        let Some((id, slot)) = self.slot(conn).filter(|(_, slot)| !slot.dead) else { return };
        let look = slot.listener.look();
        if let Past::Portion(portion) = past
            && let Some((_, _, why)) = portion.gap
            && why != Lost::Unused
            && slot.listener.waits_as_slow()
            && (look.format, look.wire) == (Format::Raw, Wire::Stream)
            && !skips
        {
            // Raw has no way to say what is missing.
            return self.fall(id);
        }
        let slot = &mut self.slots[id as usize];
        let answered = slot.listener.answered(&self.shards, past);
        self.tally.deliveries += answered.delivered;
        if answered.missed > 0 {
            slot.conn.missed.fetch_add(answered.missed, Relaxed);
            let is_old = matches!(past, Past::Portion(it) if it.gap.is_some_and(|gap| gap.2 == Lost::Forgotten));
            let cause = if is_old { Missed::Forgotten } else { Missed::Disk };
            self.shared.metrics.worker(self.worker).missed(cause, answered.missed);
        }
        self.urge(id);
    }
}
