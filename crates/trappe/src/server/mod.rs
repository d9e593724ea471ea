//! The server: what its parts share, how it starts, and how it stops.
//!
//! Acceptors hand sockets to workers. On each worker, readers turn bytes into speech and requests (`reader`, `talk`,
//! `desk`), and one pump writes what is due (`pump`, `shard`, `ending`). A room's tail (`room`, `sync`) is what all
//! workers share.

mod accept;
mod conn;
mod console;
mod desk;
mod ending;
mod mail;
mod pool;
mod pump;
mod reader;
mod room;
mod shard;
#[cfg(test)]
mod sizes;
mod start;
mod sync;
mod talk;
mod worker;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use trappe_core::{
    command::Epoch,
    hub::{Hub, HubError},
    limits::{REFUSAL_NOTICE, REFUSED_ADDRESSES},
    message::{Author, Kind},
    name::Name,
    room::{
        batch::Ledger,
        log::{Log, Retain},
    },
    words::say,
};

pub use self::start::{Config, StartError, Stopped, run};
use self::{
    conn::Conn,
    mail::{Defaults, Mail},
    pool::Pool,
    room::{Posts, Room},
    sync::Tail,
};
use crate::net::{refusal, sniff::Guess};

/// How long the hub's memory is left alone after a room had to give way.
const RELIEF: Duration = Duration::from_millis(10);

/// What all parts of a server share.
#[derive(Debug)]
struct Shared {
    started: Instant,
    /// Who is where. Never locked for speech.
    hub: sync::Mutex<Hub<Arc<Conn>, Arc<Room>>>,
    lobby: Arc<Room>,
    posts: Posts,
    pool: Pool,
    defaults: Defaults,
    /// Anybody may speak, not only this machine.
    open: bool,
    notices: bool,
    port: u16,
    /// The limit of open files.
    files: u64,
    retain: Retain,
    lag_room_bytes: u64,
    lag_total_bytes: usize,
    /// What all rooms' batches take.
    ledger: Arc<AtomicUsize>,
    relieved_us: AtomicU64,
    /// When the log last said that the limit of open files is reached.
    full_logged_us: AtomicU64,
    /// When each refused address was last named on the console.
    refused: Mutex<BTreeMap<IpAddr, Duration>>,
    panics: AtomicUsize,
    /// Workers that haven't read for the last time, and who waits for them.
    reading: AtomicUsize,
    all_read: Notify,
}

impl Shared {
    /// The monotonic time since the hub began.
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn lobby(&self) -> &Arc<Room> {
        &self.lobby
    }

    /// Something was said for the first time since the last seal: the worker's pump is to publish it.
    fn said(&self, worker: usize, room: &Arc<Room>) {
        self.posts.workers[worker].send(Mail::Said(Arc::clone(room)));
    }

    fn announces(&self, hub: &Hub<Arc<Conn>, Arc<Room>>, number: u64) -> bool {
        self.notices && hub.announces(number)
    }

    fn make_room(&self, id: u32, name: Name) -> Arc<Room> {
        make_room(
            id,
            name,
            self.retain,
            self.lag_room_bytes,
            self.posts.workers.len(),
            &self.ledger,
        )
    }

    /// A connection becomes a member of the lobby.
    fn admit(&self, conn: &Arc<Conn>) -> Result<(), HubError> {
        let (number, room) = self.hub.lock().arrive(|_| Arc::clone(conn))?;
        conn.set_number(number);
        conn.advance(conn::Stage::Heard);
        room.enter(&self.posts, conn, number);
        self.posts.workers[conn.worker].leave(Mail::Enter(Arc::clone(conn), room, conn.entry));
        // Whoever reads this on the console may count on it: what is said from now on reaches the member.
        if let Some(console) = &self.posts.console {
            console.came(number, conn.peer);
        }
        Ok(())
    }

    /// What a peer that isn't on this machine is told; the console names its address once a minute.
    fn refusal(&self, conn: &Conn) -> Bytes {
        self.log_refused(conn);
        let look = self.defaults.look;
        let mut out = Vec::new();
        look.error(&mut out, "local-only", &say(look.lang, "remote-refused", &[]));
        out.into()
    }

    /// What is said to something that isn't a raw client, in its own tongue.
    fn refuse_protocol(&self, conn: &Conn, guess: Guess) -> Bytes {
        if conn.refused {
            self.log_refused(conn);
        }
        refusal::of(guess, conn.refused, self.port, self.defaults.look)
    }

    fn log_refused(&self, conn: &Conn) {
        let (now, address) = (self.now(), conn.peer.ip().to_canonical());
        let mut refused = self.refused.lock();
        refused.retain(|_, at| now.saturating_sub(*at) < REFUSAL_NOTICE);
        if refused.contains_key(&address) || refused.len() >= REFUSED_ADDRESSES {
            return;
        }
        refused.insert(address, now);
        drop(refused);
        let lang = self.defaults.look.lang;
        let sentence =
            say(lang, "refused-remote-log", &[("address", address.to_string().as_str().into())]);
        if let Some(console) = &self.posts.console {
            console.say(sentence);
        } else {
            tracing::warn!("{sentence}");
        }
    }

    /// Whether `last` is a minute ago, or never was; then it is now.
    fn first_in_a_minute(&self, last: &AtomicU64) -> bool {
        let now = talk::micros(self.now()).max(1);
        let before = last.load(Relaxed);
        let due = before == 0 || now - before >= talk::micros(REFUSAL_NOTICE);
        if due {
            last.store(now, Relaxed);
        }
        due
    }

    /// Whether all rooms together keep more than they may.
    fn is_over(&self) -> bool {
        self.ledger.load(Relaxed) > self.lag_total_bytes
    }

    /// If all rooms together are over the limit, those that use most give way, until it should be enough.
    fn relieve(&self) {
        if !self.is_over() {
            return;
        }
        let now = talk::micros(self.now());
        let last = self.relieved_us.load(Relaxed);
        let soon = now < last + talk::micros(RELIEF);
        if soon || self.relieved_us.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
            return;
        }
        let mut rooms: Vec<Arc<Room>> = self.hub.lock().room_handles().cloned().collect();
        rooms.sort_by_cached_key(|room| std::cmp::Reverse(room.ledger.room()));
        let mut excess = self.ledger.load(Relaxed).saturating_sub(self.lag_total_bytes);
        for room in rooms {
            let bytes = room.ledger.room();
            if excess == 0 || bytes == 0 {
                break;
            }
            tracing::debug!(
                room = room.name.as_str(),
                bytes,
                "the hub is at its limit: a room gives way"
            );
            room.tail.with(Log::squeeze);
            self.posts.to_all(|| Mail::Squeeze(Arc::clone(&room)));
            excess = excess.saturating_sub(bytes / 2);
        }
    }

    /// A worker has read for the last time.
    fn drained(&self) {
        if self.reading.fetch_sub(1, Relaxed) == 1 {
            self.all_read.notify_one();
        }
    }

    /// The goodbye to every room, after all that was said.
    fn say_goodbye(&self) {
        let rooms: Vec<Arc<Room>> = self.hub.lock().room_handles().cloned().collect();
        let now = talk::micros(self.now());
        for room in rooms {
            let server = Author { number: 0, name: None };
            room.announce(&self.posts, now, server, Kind::Goodbye);
        }
    }
}

fn make_room(
    id: u32,
    name: Name,
    retain: Retain,
    lag: u64,
    workers: usize,
    all: &Arc<AtomicUsize>,
) -> Arc<Room> {
    let ledger = Ledger::new(Arc::clone(all));
    // Without the system's randomness two lives of a room could not be told apart.
    let epoch = Epoch::from_random(getrandom::u64().expect("the system gives random numbers"));
    let lag = usize::try_from(lag).unwrap_or(usize::MAX);
    Room::new(
        id,
        name,
        Tail::new(Log::new(epoch, retain, lag, workers, Arc::clone(&ledger))),
        ledger,
    )
}
