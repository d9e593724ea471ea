//! The hub itself. A program that wants one inside of it starts it with [`Options`]; `trappe server` is the same with
//! more to choose.
//!
//! Acceptors hand sockets to workers. On each worker, readers turn bytes into speech and requests (`reader`, `talk`,
//! `desk`), and one pump writes what is due (`pump`, `shard`, `ending`). A room's tail (`room`, `sync`) is what all
//! workers share.

mod accept;
mod ahead;
mod census;
pub(crate) mod conn;
mod console;
mod datagrams;
mod desk;
mod ending;
mod follow;
pub(crate) mod history;
pub(crate) mod identity;
mod keys;
pub(crate) mod mail;
pub(crate) mod metrics;
pub(crate) mod moves;
mod past;
pub(crate) mod pool;
mod pump;
pub(crate) mod reader;
pub(crate) mod room;
mod running;
mod shard;
#[cfg(test)]
mod sizes;
mod start;
pub(crate) mod sync;
pub(crate) mod talk;
mod udp;
pub(crate) mod voice;
pub(crate) mod watch;
mod wire;
mod worker;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};
use trappe_core::{
    command::Lang,
    hub::{Hub, HubError},
    limits::{REFUSAL_NOTICE, REFUSED_ADDRESSES},
    message::{Author, Entry, Kind},
    name::Name,
    room::{
        batch::Life,
        log::{Appended, Log, Retain},
        state::State,
    },
    words::say,
};

/// A task of the worker on which it is called, and a turn for the others there. In a simulated world a worker is no
/// thread.
#[cfg(not(sim))]
pub(crate) use tokio::{spawn, task::yield_now};
#[cfg(sim)]
pub(crate) use {crate::sim::process::yield_now, tokio::task::spawn_local as spawn};

pub use self::running::{Error, Options, Running};
pub(crate) use self::start::{Begun, Config, Orders, StartError, Stopped, run};
use self::{
    ahead::Browsers,
    conn::Conn,
    history::{History, Kept, new_epoch},
    identity::Identity,
    keys::Keys,
    mail::{Defaults, Mail},
    metrics::{Metrics, Refused},
    pool::Pool,
    room::{Posts, Room},
    sync::Tail,
    watch::Watch,
};
#[cfg(sim)]
pub(crate) use self::{
    start::{SWEEP, drain, simulated},
    worker::work,
};
pub(crate) use crate::net::{address::Listen, listen::Only, unix::SocketError};
pub(crate) use crate::store::OpenError;
use crate::{
    http::Http,
    net::{
        address::Peer,
        refusal::{self, Cause},
        sniff::Guess,
    },
};

/// How long the hub's memory is left alone after a room had to give way.
const RELIEF: Duration = Duration::from_millis(10);

/// Ends the process, after what can't be mended in it: the service starts it anew.
#[cfg(not(sim))]
fn end_process() -> ! {
    std::process::exit(70)
}

#[cfg(sim)]
use crate::sim::process::end as end_process;

/// The hub of a server: its members are connections.
pub(crate) type Members = Hub<Arc<Conn>, Arc<Room>, Arc<Identity>>;

/// What all parts of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    started: Instant,
    /// When that was, in microseconds since 1970.
    began_us: u64,
    /// Who is where. Never locked for speech.
    pub(crate) hub: sync::Mutex<Members>,
    lobby: Arc<Room>,
    pub(crate) posts: Posts,
    /// Messages that a member in text gets with its welcome.
    greeting: usize,
    pub(crate) pool: Arc<Pool>,
    pub(crate) defaults: Defaults,
    /// What is spoken on the listeners.
    pub(crate) only: Only,
    /// What is particular to HTTP.
    pub(crate) http: Http,
    pub(crate) metrics: Metrics,
    pub(crate) browsers: Browsers,
    pub(crate) watch: Watch,
    /// The last state of the hub that was told.
    last_census: tokio::sync::Mutex<census::Last>,
    /// One-time keys for datagrams.
    pub(crate) keys: Keys,
    /// Networks whose addresses need not be proved by UDP.
    udp_trust: Vec<IpNet>,
    /// There is a port for datagrams.
    pub(crate) speaks_udp: bool,
    /// What the states of all rooms take.
    states: Arc<AtomicUsize>,
    /// Anybody may speak, not only this machine.
    pub(crate) open: bool,
    notices: bool,
    /// The TCP port; 0 where there is none.
    pub(crate) port: u16,
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
    /// When the console last said that TLS was spoken to it.
    tls_logged_us: AtomicU64,
    /// When each refused address was last named on the console.
    refused: Mutex<BTreeMap<IpAddr, Duration>>,
    /// Workers that haven't read for the last time, and who waits for them.
    reading: AtomicUsize,
    all_read: Notify,
}

impl Shared {
    /// The monotonic time since the hub began.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// A time since the hub began as microseconds since 1970: the wall clock of the start, and no jump since.
    pub(crate) fn unix_us(&self, now: Duration) -> u64 {
        self.began_us.saturating_add(micros(now))
    }

    pub(crate) fn lobby(&self) -> &Arc<Room> {
        &self.lobby
    }

    /// Something was said for the first time since the last seal: the worker's pump is to publish it.
    fn said(&self, worker: usize, room: &Arc<Room>) {
        self.posts.workers[worker].send(Mail::Said(Arc::clone(room)));
    }

    /// Appends to a room's log on a worker, and has it published.
    pub(crate) fn append(
        &self,
        worker: usize,
        room: &Arc<Room>,
        now: Duration,
        entry: Entry<'_>,
    ) -> Appended {
        let appended = room.append(&self.posts, self.unix_us(now), worker, entry);
        if appended.wake {
            self.said(worker, room);
        }
        appended
    }

    /// Whether arrivals and departures are announced in a room.
    fn announces(&self, hub: &Members, room: u32) -> bool {
        self.notices && hub.announces(room)
    }

    /// Whether one more room of that name can be made: where history is on, each is kept.
    pub(crate) fn has_place(&self, name: &Name) -> Result<(), HubError> {
        let has_place = self.posts.history.as_ref().is_none_or(|history| history.has_place(name));
        if has_place { Ok(()) } else { Err(HubError::RoomsFull) }
    }

    /// The room of that name, made if there is none; nobody enters it.
    pub(crate) fn open_room(&self, name: &Name) -> Result<Arc<Room>, HubError> {
        self.has_place(name)?;
        let mut hub = self.hub.lock();
        hub.open(self.now(), name, |id| self.make_room(id, name.clone())).map(|(_, room)| room)
    }

    pub(crate) fn make_room(&self, id: u32, name: Name) -> Arc<Room> {
        make_room(
            id,
            name,
            self.retain,
            self.lag_room_bytes,
            self.posts.workers.len(),
            (&self.ledger, &self.states),
            self.posts.history.as_deref(),
        )
    }

    /// The language of the server's own sentences.
    pub(crate) fn lang(&self) -> Lang {
        self.defaults.look.lang
    }

    /// A connection becomes a member of the lobby.
    fn admit(&self, conn: &Arc<Conn>) -> Result<(), HubError> {
        self.arrive(conn)?;
        let lobby = self.lobby.name();
        self.hub.lock().go(self.now(), conn.number(), lobby, |_| Arc::clone(&self.lobby))?;
        let room = Arc::clone(&self.lobby);
        room.enter(&self.posts, conn, conn.number());
        self.attend(conn, false);
        self.posts.workers[conn.worker].leave(Mail::Enter(Arc::clone(conn), room, conn.entry));
        self.came(conn);
        Ok(())
    }

    /// A connection becomes a member, in no room yet.
    pub(crate) fn arrive(&self, conn: &Arc<Conn>) -> Result<(), HubError> {
        let number = self.hub.lock().arrive(|_| Arc::clone(conn))?;
        conn.set_number(number);
        conn.advance(conn::Stage::Heard);
        self.metrics.came(conn.transport());
        self.metrics.connected(conn.transport());
        Ok(())
    }

    /// A message of a client's was refused.
    pub(crate) fn reject(&self, conn: &Conn) {
        conn.count_rejected();
        self.metrics.worker(conn.worker).rejected(1);
    }

    /// Whoever reads this on the console may count on it: what is said from now on reaches the member.
    pub(crate) fn came(&self, conn: &Conn) {
        if let Some(console) = &self.posts.console {
            console.came(conn.number(), conn.peer);
        }
    }

    /// Does something with the hub in the name of a connection's member, unless another connection has taken it over.
    fn as_holder<T>(
        &self,
        conn: &Arc<Conn>,
        what: impl FnOnce(&mut Members) -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut hub = self.hub.lock();
        let holder = hub.member(conn.number()).map(|member| &member.handle);
        if holder.is_some_and(|holder| Arc::ptr_eq(holder, conn)) {
            what(&mut hub)
        } else {
            Err(HubError::Gone)
        }
    }

    /// A connection's member leaves. False: it is none (any more), since its session was taken over.
    pub(crate) fn depart(&self, hub: &mut Members, now: Duration, conn: &Arc<Conn>) -> bool {
        self.metrics.went(conn.transport());
        let left = hub.depart(now, conn.number(), |holder| Arc::ptr_eq(holder, conn)).is_some();
        if left {
            self.unwatch(conn.number());
        }
        self.end_sessions(hub);
        conn.set_left();
        self.keys.forget(conn);
        left
    }

    /// The history forgets the sessions that nobody can come back to.
    fn end_sessions(&self, hub: &mut Members) {
        for identity in hub.ended_sessions() {
            if let (Some(history), Some(sid)) = (&self.posts.history, identity.kept()) {
                history.end_session(sid);
            }
        }
    }

    /// What a peer that isn't on this machine is told; the console names its address once a minute.
    fn refusal(&self, conn: &Conn) -> Bytes {
        self.metrics.refused(Refused::Remote);
        self.log_refused(conn.peer);
        let look = self.defaults.look;
        let mut out = Vec::new();
        look.error(&mut out, "local-only", &say(look.lang, "remote-refused", &[]));
        out.into()
    }

    /// What a raw client is told where only other things are spoken.
    fn no_lines(&self) -> Bytes {
        let look = self.defaults.look;
        let mut out = Vec::new();
        let spoken = self.only.spoken();
        let sentence = say(look.lang, "no-lines", &[("spoken", spoken.as_str().into())]);
        look.error(&mut out, "not-here", &sentence);
        out.into()
    }

    /// What is said to something that isn't a raw client, in its own tongue.
    fn refuse_protocol(&self, conn: &Conn, guess: Guess) -> Bytes {
        let cause = match guess {
            _ if conn.refused => Cause::Remote,
            Guess::Http if !self.only.speaks_http() => Cause::Only,
            _ => Cause::Protocol,
        };
        self.metrics.refused(match (cause, guess) {
            (Cause::Remote, _) => Refused::Remote,
            (Cause::Only, _) => Refused::Only,
            (Cause::Protocol, Guess::Tls) => Refused::Tls,
            (Cause::Protocol, _) => Refused::Protocol,
        });
        if conn.refused {
            self.log_refused(conn.peer);
        } else if guess == Guess::Tls && self.first_in_a_minute(&self.tls_logged_us) {
            let look = self.defaults.look;
            let address = conn.peer.to_string();
            self.tell(say(look.lang, "tls-refused-log", &[("address", (&address).into())]));
        }
        refusal::of(guess, cause, self.port, self.defaults.look)
    }

    fn log_refused(&self, peer: Peer) {
        let now = self.now();
        let Some(address) = peer.ip() else { return };
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
        self.tell(sentence);
    }

    /// Tells whoever runs the server.
    fn tell(&self, sentence: String) {
        if let Some(console) = &self.posts.console {
            console.say(sentence);
        } else {
            tracing::warn!("{sentence}");
        }
    }

    /// Whether `last` is a minute ago, or never was; then it is now.
    fn first_in_a_minute(&self, last: &AtomicU64) -> bool {
        let now = micros(self.now()).max(1);
        let before = last.load(Relaxed);
        let due = before == 0 || now - before >= micros(REFUSAL_NOTICE);
        if due {
            last.store(now, Relaxed);
        }
        due
    }

    /// Bytes that all rooms keep together.
    pub(crate) fn kept_bytes(&self) -> u64 {
        self.ledger.load(Relaxed) as u64
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
        let now = micros(self.now());
        let last = self.relieved_us.load(Relaxed);
        let soon = now < last + micros(RELIEF);
        if soon || self.relieved_us.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
            return;
        }
        let mut rooms: Vec<Arc<Room>> = self.hub.lock().room_handles().cloned().collect();
        rooms.sort_by_cached_key(|room| std::cmp::Reverse(room.life.bytes()));
        let mut excess = self.ledger.load(Relaxed).saturating_sub(self.lag_total_bytes);
        for room in rooms {
            let bytes = room.life.bytes();
            if excess == 0 || bytes == 0 {
                break;
            }
            tracing::debug!(
                room = room.name().as_str(),
                bytes,
                "the hub is at its limit: a room gives way"
            );
            room.tail.with(Log::squeeze);
            self.posts.to_all(|| Mail::Squeeze(Arc::clone(&room)));
            excess = excess.saturating_sub(bytes / 2);
        }
    }

    /// Forgets what nobody came back to: rooms, sessions, and what sessions sent long ago.
    pub(crate) fn sweep(&self) {
        let now = self.now();
        let mut hub = self.hub.lock();
        hub.sweep(now);
        self.end_sessions(&mut hub);
        let identities: Vec<Arc<Identity>> = hub.session_states().cloned().collect();
        drop(hub);
        for identity in identities {
            identity.expire(now);
        }
    }

    /// A worker has read for the last time.
    fn drained(&self) {
        if self.reading.fetch_sub(1, Relaxed) == 1 {
            self.all_read.notify_one();
        }
    }

    /// Publishes whatever was said in any room.
    fn publish_all(&self) {
        let rooms: Vec<Arc<Room>> = self.hub.lock().room_handles().cloned().collect();
        for room in rooms {
            room.publish(&self.posts);
        }
    }

    /// The goodbye to every room, after all that was said.
    fn say_goodbye(&self) {
        let rooms: Vec<Arc<Room>> = self.hub.lock().room_handles().cloned().collect();
        let now = self.unix_us(self.now());
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
    (all, states): (&Arc<AtomicUsize>, &Arc<AtomicUsize>),
    history: Option<&History>,
) -> Arc<Room> {
    let lag = usize::try_from(lag).unwrap_or(usize::MAX);
    let (all, state) = (Arc::clone(all), State::new(Arc::clone(states)));
    let opened = history.and_then(|history| Some((history, history.open_room(&name)?)));
    let Some((history, opening)) = opened else {
        if history.is_some() {
            tracing::warn!(
                room = name.as_str(),
                "too many rooms are kept: this one has no history"
            );
        }
        let life = Life::new(name, new_epoch(), all);
        let tail = Tail::new(Log::new(Arc::clone(&life), retain, lag, workers));
        return Room::new(id, life, tail, state, None);
    };
    let life = Life::with_past(opening.name, opening.epoch, opening.oldest, all);
    let log = Log::resumed(Arc::clone(&life), opening.numbers, retain, lag, workers);
    let next = opening.numbers.next;
    let kept = opening.kept.unwrap_or_else(|| Arc::new(Kept::new(opening.no, next)));
    let room = Room::new(id, life, Tail::new(log), state, Some(kept));
    history.opened(opening.no, &room);
    room
}

/// A time since the hub began in microseconds: 584 000 years fit.
fn micros(now: Duration) -> u64 {
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}
