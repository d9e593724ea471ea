//! Who watches whose wire. Nobody, nearly always: then a read costs one look at a flag that lies beside what it touches anyway,
//! a write one at a flag of its slot, and no event is made.
//!
//! A watcher has a queue of events, bounded; what is too much for it is counted, and told in its place. Who holds the watchers'
//! lock takes no other but that of a queue; the hub's may be held before.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use slab::Slab;
use tokio::sync::Notify;
use trappe_core::{
    encode::watch,
    limits::{LIVE_ROOMS_OF_MEMBER, WATCH_BYTES, WATCHERS},
    watch::Seen,
};

use super::{Shared, conn::Conn, mail::Mail, sync::Mutex};

/// Whose wire is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// Nobody's: only the state of the hub is of interest.
    Nobody,
    /// One member's, by its number.
    Member(u64),
    /// That of all in a room, by the room's number.
    Room(u32),
    /// Everybody's.
    Everyone,
}

impl Whom {
    fn is(self, number: u64, mut rooms: impl Iterator<Item = u32>) -> bool {
        match self {
            Whom::Nobody => false,
            Whom::Member(other) => other == number,
            Whom::Room(id) => rooms.any(|room| room == id),
            Whom::Everyone => true,
        }
    }
}

/// What waits for one watcher.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Rings when something comes.
    pub(crate) bell: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Bytes>,
    bytes: usize,
    /// Events that found no room, after the last one that did.
    lost: u64,
    /// The one member that was watched has left.
    over: bool,
}

impl Queue {
    fn push(&self, event: &Bytes) {
        let mut waiting = self.waiting.lock();
        if waiting.bytes + event.len() > WATCH_BYTES {
            waiting.lost += 1;
            return;
        }
        if waiting.lost > 0 {
            let mut lost = Vec::new();
            watch::seen(&mut lost, &Seen::Lost { count: std::mem::take(&mut waiting.lost) });
            waiting.bytes += lost.len();
            waiting.events.push_back(lost.into());
        }
        waiting.bytes += event.len();
        waiting.events.push_back(event.clone());
        drop(waiting);
        self.bell.notify_one();
    }

    /// Nothing more will come.
    fn end(&self) {
        self.waiting.lock().over = true;
        self.bell.notify_one();
    }

    /// All that has come, each on a line of `data:` (the event streams' form); and whether nothing more will.
    pub(crate) fn take(&self, out: &mut Vec<u8>) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.bytes = 0;
        let events = std::mem::take(&mut waiting.events);
        let lost = std::mem::take(&mut waiting.lost);
        let over = waiting.over;
        drop(waiting);
        for event in events {
            data(out, |out| out.extend_from_slice(&event));
        }
        if lost > 0 {
            data(out, |out| watch::seen(out, &Seen::Lost { count: lost }));
        }
        over
    }
}

/// One event of a stream of Server-Sent Events, which is one line of JSON.
pub(crate) fn data(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(b"data: ");
    write(out);
    out.extend_from_slice(b"\n\n");
}

#[derive(Debug)]
struct Watcher {
    whom: Whom,
    /// The members that it sees at present.
    seen: BTreeSet<u64>,
    queue: Arc<Queue>,
}

/// All who watch.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// How many watch a wire: where there is none, nothing else is looked at.
    wires: AtomicUsize,
    watchers: Mutex<Slab<Watcher>>,
}

/// A watcher's place; given back when it is dropped.
pub(crate) struct Place {
    shared: Arc<Shared>,
    whom: Whom,
    id: usize,
    pub(crate) queue: Arc<Queue>,
}

impl Place {
    /// Takes a place, if there is one left. What those whom it watches do from when they are attended to comes into its queue:
    /// whoever comes from here on is; those who are here already are the caller's to attend to ([`present`](Self::present)).
    pub(crate) fn take(shared: &Arc<Shared>, whom: Whom) -> Option<Place> {
        let queue = Arc::new(Queue::default());
        let id = {
            let mut watchers = shared.watch.watchers.lock();
            if watchers.len() >= WATCHERS {
                return None;
            }
            watchers.insert(Watcher { whom, seen: BTreeSet::new(), queue: Arc::clone(&queue) })
        };
        if whom != Whom::Nobody {
            shared.watch.wires.fetch_add(1, Relaxed);
        }
        Some(Place { shared: Arc::clone(shared), whom, id, queue })
    }

    /// The numbers of those whom it watches and who are here already.
    pub(crate) fn present(&self) -> Vec<u64> {
        let hub = self.shared.hub.lock();
        match self.whom {
            Whom::Nobody => Vec::new(),
            Whom::Member(number) => vec![number],
            Whom::Room(id) => hub.members_of(id).collect(),
            Whom::Everyone => hub.numbers().collect(),
        }
    }

    /// Watches these from here on. There may be thousands: the caller lets others have their turn in between.
    pub(crate) fn attend(&self, numbers: &[u64]) {
        for &number in numbers {
            let conn = self.shared.hub.lock().member(number).map(|m| Arc::clone(&m.handle));
            match conn {
                Some(conn) => self.shared.attend(&conn, false),
                // It has left in between.
                None if self.whom == Whom::Member(number) => self.queue.end(),
                None => {}
            }
        }
    }
}

impl Drop for Place {
    /// Whose wire nobody watches any more is found out when something happens there.
    fn drop(&mut self) {
        let watch = &self.shared.watch;
        watch.watchers.lock().remove(self.id);
        if self.whom != Whom::Nobody {
            watch.wires.fetch_sub(1, Relaxed);
        }
    }
}

impl Watch {
    /// Whether nobody watches a wire.
    pub(crate) fn is_idle(&self) -> bool {
        self.wires.load(Relaxed) == 0
    }

    /// How many watch a member.
    pub(crate) fn count(&self, number: u64) -> u64 {
        if self.is_idle() { 0 } else { count(&self.watchers.lock(), number) }
    }

    /// A member is no more.
    fn forget(&self, number: u64, time_us: u64) {
        let close = made(&Seen::Close { time_us, sid: number });
        for (_, watcher) in self.watchers.lock().iter_mut() {
            if watcher.seen.remove(&number) {
                watcher.queue.push(&close);
                if watcher.whom == Whom::Member(number) {
                    watcher.queue.end();
                }
            }
        }
    }
}

fn count(watchers: &Slab<Watcher>, number: u64) -> u64 {
    watchers.iter().filter(|(_, watcher)| watcher.seen.contains(&number)).count() as u64
}

fn made(event: &Seen<'_>) -> Bytes {
    let mut out = Vec::new();
    watch::seen(&mut out, event);
    out.into()
}

impl Shared {
    /// A member has come, or is in other rooms: who watches it from here on, or doesn't any more, is to know. `again`: who
    /// watched it already is told anew who it is.
    pub(crate) fn attend(&self, conn: &Arc<Conn>, again: bool) {
        if self.watch.is_idle() {
            return;
        }
        let time_us = self.unix_us(self.now());
        // Held until it is noted: nobody leaves, or becomes another, in between.
        let hub = self.hub.lock();
        let number = conn.number();
        let Some(member) = hub.member(number).filter(|m| Arc::ptr_eq(&m.handle, conn)) else {
            return;
        };
        let name = member.author(number).to_string();
        let address = conn.peer.to_string();
        let names = hub.rooms_of(number).map(|(_, name, _)| name.as_str().to_owned());
        let open = made(&Seen::Open {
            time_us,
            sid: number,
            name: &name,
            transport: conn.transport().as_str(),
            address: &address,
            rooms: &names.take(LIVE_ROOMS_OF_MEMBER).collect::<Vec<_>>(),
            at: conn.heard_bytes(),
        });
        let mut watchers = self.watch.watchers.lock();
        for (_, watcher) in watchers.iter_mut() {
            if watcher.whom.is(number, hub.rooms_of(number).map(|(id, ..)| id)) {
                if watcher.seen.insert(number) || again {
                    watcher.queue.push(&open);
                }
            } else if watcher.seen.remove(&number) {
                // It is in the room no longer.
                watcher.queue.push(&made(&Seen::Close { time_us, sid: number }));
            }
        }
        let watched = count(&watchers, number) > 0;
        let changed = conn.set_watched(watched) != watched;
        drop(watchers);
        drop(hub);
        if changed {
            self.posts.to(conn, Mail::Watched(Arc::clone(conn)));
        }
    }

    /// Another connection is the member from now on: what is still heard from this one, or written to it, isn't told.
    pub(crate) fn overlook(&self, conn: &Arc<Conn>) {
        if conn.set_watched(false) {
            self.posts.to(conn, Mail::Watched(Arc::clone(conn)));
        }
    }

    /// A member has left for good, or has become another one.
    pub(crate) fn unwatch(&self, number: u64) {
        if !self.watch.is_idle() {
            self.watch.forget(number, self.unix_us(self.now()));
        }
    }

    /// What happened on the wire of a member that is watched: `event` is given the time and the member's number.
    pub(crate) fn saw<'a>(&self, conn: &Arc<Conn>, event: impl FnOnce(u64, u64) -> Seen<'a>) {
        let number = conn.number();
        let event = made(&event(self.unix_us(self.now()), number));
        let watchers = self.watch.watchers.lock();
        let mut told = false;
        for (_, watcher) in watchers.iter().filter(|(_, w)| w.seen.contains(&number)) {
            watcher.queue.push(&event);
            told = true;
        }
        // Who watched it has gone. Looked at and noted under one lock, so that nobody who begins is missed.
        let over = !told && conn.set_watched(false);
        drop(watchers);
        if over {
            self.posts.to(conn, Mail::Watched(Arc::clone(conn)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(queue: &Queue) -> String {
        let mut out = Vec::new();
        queue.take(&mut out);
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn what_is_too_much_for_a_watcher_is_counted_in_its_place() {
        let queue = Queue::default();
        let event = Bytes::from(vec![b'x'; WATCH_BYTES / 2]);
        for _ in 0..5 {
            queue.push(&event);
        }
        let first = taken(&queue);
        assert_eq!(first.matches("data: x").count(), 2);
        assert!(
            first.ends_with("data: {\"ev\":\"lost\",\"count\":3}\n\n"),
            "{}",
            &first[first.len() - 60..]
        );
        queue.push(&event);
        assert_eq!(taken(&queue).matches("data: ").count(), 1);
    }
}
