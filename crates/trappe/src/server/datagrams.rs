//! How a pump writes to members by UDP: record by record, the newest first, and nothing that doesn't fit.

use std::{io, sync::atomic::Ordering::Relaxed};

use trappe_core::{
    limits::{DATAGRAM_BYTES, DATAGRAM_REST, DATAGRAMS_DUE},
    room::{
        listener::{Listener, Views},
        view::View,
    },
};

use super::{
    mail::Act,
    metrics::{Missed, Tally},
    pump::{Pump, serial_of},
    wire,
};
use crate::net::sink::Datagrams;

impl Pump {
    /// A member by UDP has no backlog: what is too old by the time it has its turn is passed over, and the newest is sent.
    pub(super) fn newest_first(&mut self, id: u32) {
        let slot = &mut self.slots[id as usize];
        let rooms = slot.listener.cursors().map(|cursor| (cursor.room(), cursor.at()));
        for (room, at) in rooms.collect::<Vec<_>>() {
            let Some(view) = self.shards.view(room) else { continue };
            let newest = view.end().saturating_sub(DATAGRAMS_DUE);
            if at >= newest {
                continue;
            }
            let missed = slot.listener.pass_over(room, view, newest);
            if slot.watched {
                wire::gap(&self.shared, slot, room, view, at);
            }
            slot.conn.missed.fetch_add(missed, Relaxed);
            self.shared.metrics.worker(self.worker).missed(Missed::Slow, missed);
        }
    }

    /// A member by UDP has been sent as much as it may have room for: the rest comes a little later.
    pub(super) fn rest(&mut self, id: u32) {
        let due = self.shared.now() + DATAGRAM_REST;
        let slot = &mut self.slots[id as usize];
        if !std::mem::replace(&mut slot.rests, true) {
            self.resting.push_back((due, id, serial_of(slot)));
        }
    }

    /// Who has rested for long enough goes on.
    pub(super) fn rested(&mut self) {
        while let Some(&(due, id, serial)) = self.resting.front() {
            if due > self.shared.now() {
                return;
            }
            self.resting.pop_front();
            let slot = self.slots.get_mut(id as usize).filter(|slot| serial_of(slot) == serial);
            if let Some(slot) = slot {
                slot.rests = false;
                self.urge(id);
            }
        }
    }

    /// The next record of a member's cursor is longer than a datagram: the member is told that it misses it.
    pub(super) fn too_long(&mut self, id: u32, cursor: usize) {
        let slot = &mut self.slots[id as usize];
        let room = slot.listener.cursor(cursor).room();
        let view = self.shards.view(room).expect("a due record is one that is held");
        let missed = slot.listener.too_long(cursor, view);
        slot.conn.missed.fetch_add(missed, Relaxed);
        self.shared.metrics.worker(self.worker).missed(Missed::Mtu, missed);
    }
}

/// The records between one of a member's cursors and the head, each as a datagram.
pub(super) fn datagrams(
    to: &Datagrams,
    listener: &mut Listener<Act>,
    i: usize,
    view: &View,
    tally: &mut Tally,
    writes: &mut usize,
) -> io::Result<usize> {
    let look = listener.look();
    let (mut sent, mut at, mut stopped) = (0, None, None);
    let records = listener.runs(i, view).flat_map(|run| run.records(look));
    for (after, is_message, bytes) in records {
        if bytes.len() > DATAGRAM_BYTES {
            // The next thing that is done for it is to say so.
            break;
        }
        if !bytes.is_empty() {
            if let Err(error) = to.send(bytes) {
                stopped = Some(error);
                break;
            }
            sent += bytes.len();
            *writes += 1;
            tally.deliveries += u64::from(is_message);
        }
        at = Some(after);
    }
    match (at, stopped) {
        (Some(at), _) => listener.reached(i, at),
        (None, Some(error)) => return Err(error),
        (None, None) => listener.nothing_ahead(i, view),
    }
    Ok(sent)
}
