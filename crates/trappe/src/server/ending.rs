//! How a connection ends: what is due is written, the sending half is shut, what still comes is drained, and it is closed.

use bytes::Bytes;
use trappe_core::limits::{EXPIRY, GOODBYE_IDLE, GOODBYE_TOTAL};

use super::{conn::Stage, pump::Pump};

impl Pump {
    /// Nothing after the end of each room (where the member stands, if it has none here) is written to the member; when all
    /// before it is, it is closed.
    pub(super) fn finish(&mut self, id: u32, ends: &[(u32, u64)], farewell: Bytes) {
        let now = self.shared.now();
        let slot = &mut self.slots[id as usize];
        slot.listener.finish(ends, farewell);
        if slot.dead {
            return self.end(id);
        }
        if slot.ending.is_none() {
            slot.ending = Some(Box::new((now, now)));
            self.ending.push(id);
        }
        self.urge(id);
    }

    /// Everything due is written: shut the sending half, and close once the reader is through.
    pub(super) fn end(&mut self, id: u32) {
        self.exit_all(id);
        self.abandon(id);
        let slot = &mut self.slots[id as usize];
        if slot.reader_gone {
            return self.remove(id);
        }
        if !std::mem::replace(&mut slot.ended, true) {
            slot.sink.shutdown();
            slot.dead = true;
            slot.conn.advance(Stage::Linger);
        }
    }

    /// The member can't be written to any more. Its reader goes on to the end of what it had sent.
    pub(super) fn kill(&mut self, id: u32) {
        self.exit_all(id);
        self.abandon(id);
        let slot = &mut self.slots[id as usize];
        slot.dead = true;
        if slot.reader_gone {
            self.remove(id);
        }
    }

    /// The reader is through.
    pub(super) fn reader_gone(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        slot.reader_gone = true;
        if slot.dead || slot.ended {
            self.remove(id);
        }
    }

    /// The connection is closed.
    pub(super) fn remove(&mut self, id: u32) {
        self.exit_all(id);
        self.abandon(id);
        self.count_half(id, 0);
        let slot = self.slots.remove(id as usize);
        slot.conn.forget_waker();
        slot.sink.close();
    }

    /// Ends those that have been ending for too long without reading what is due to them.
    pub(super) fn expire(&mut self) {
        let now = self.shared.now();
        if now.saturating_sub(self.expired) < EXPIRY {
            return;
        }
        self.expired = now;
        let mut ending = std::mem::take(&mut self.ending);
        ending.retain(|&id| {
            let Some(slot) = self.slots.get(id as usize) else { return false };
            let Some(times) = slot.ending.as_deref() else { return false };
            let (since, progress) = *times;
            if slot.ended {
                return false;
            }
            if now.saturating_sub(progress) < GOODBYE_IDLE
                && now.saturating_sub(since) < GOODBYE_TOTAL
            {
                return true;
            }
            self.end(id);
            false
        });
        self.ending = ending;
    }
}
