//! What the hub counts about itself, for whoever watches over it.
//!
//! Each worker counts in a place of its own, which no other worker writes to: counting is one add to a line of cache that
//! is already there. The pump does even less: it keeps a [`Tally`] for a turn, and adds it once. Reading sums what all
//! workers have, without a lock; the numbers of one reading may be apart by what happened meanwhile.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use crate::clock;

/// By what a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Lines, or another framing, over TCP.
    Tcp,
    /// The same over a Unix socket.
    Unix,
    /// WebSocket.
    WebSocket,
    /// Server-Sent Events.
    Events,
    /// A single HTTP request: never a member.
    Http,
    /// Datagrams.
    Udp,
}

impl Transport {
    /// All of them, each at its own place.
    pub(crate) const ALL: [Transport; 6] = [
        Transport::Tcp,
        Transport::Unix,
        Transport::WebSocket,
        Transport::Events,
        Transport::Http,
        Transport::Udp,
    ];

    /// Its name as a label, and wherever else a program reads it; it never changes.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
            Transport::WebSocket => "ws",
            Transport::Events => "sse",
            Transport::Http => "http",
            Transport::Udp => "udp",
        }
    }
}

/// Why a member missed messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// It read too slowly for what is kept for it.
    Slow,
    /// It came back to a position older than what is kept, or of another life of the room.
    Forgotten,
    /// They were longer than a datagram.
    Mtu,
    /// The disk didn't take them, or gave them back damaged.
    Disk,
}

impl Missed {
    /// All of them, each at its own place.
    pub(crate) const ALL: [Missed; 4] =
        [Missed::Slow, Missed::Forgotten, Missed::Mtu, Missed::Disk];

    /// Its name as a label, the `cause` of a gap (PROTOCOL §5).
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Missed::Slow => "slow",
            Missed::Forgotten => "forgotten",
            Missed::Mtu => "mtu",
            Missed::Disk => "disk",
        }
    }
}

/// Why a connection was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It came from elsewhere, where only this machine may speak.
    Remote,
    /// The hub has as many members as it can have.
    Full,
    /// It spoke a protocol that this port doesn't: HTTP/2, SSH, MQTT.
    Protocol,
    /// It began TLS, which this port doesn't speak.
    Tls,
    /// It spoke what this listener is told not to (`--only`).
    Only,
}

impl Refused {
    /// All of them, each at its own place.
    pub(crate) const ALL: [Refused; 5] =
        [Refused::Remote, Refused::Full, Refused::Protocol, Refused::Tls, Refused::Only];

    /// Its name as a label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Refused::Remote => "remote",
            Refused::Full => "full",
            Refused::Protocol => "protocol",
            Refused::Tls => "tls",
            Refused::Only => "only",
        }
    }
}

/// Why a datagram that came was dropped, or one that was to go couldn't.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Everyone in the room was behind, or its sender doesn't read the answers.
    Slowed,
    /// A command, a cookie or a key that isn't heard from an address that is no member.
    Unproven,
    /// There are as many sessions as there can be.
    Full,
    /// It was longer than a message may be.
    TooLong,
    /// It was what a hub sends, or came from where only services speak: answered, it could come back for ever.
    Loop,
    /// The system wouldn't send it: no way there, or not permitted.
    Unsent,
}

impl Dropped {
    /// All of them, each at its own place.
    pub(crate) const ALL: [Dropped; 6] = [
        Dropped::Slowed,
        Dropped::Unproven,
        Dropped::Full,
        Dropped::TooLong,
        Dropped::Loop,
        Dropped::Unsent,
    ];

    /// Its name as a label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Dropped::Slowed => "slowed",
            Dropped::Unproven => "unproven",
            Dropped::Full => "full",
            Dropped::TooLong => "too-long",
            Dropped::Loop => "loop",
            Dropped::Unsent => "unsent",
        }
    }
}

/// The classes of HTTP status codes (RFC 9110 §15), as labels.
pub(crate) const STATUS_CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The upper bounds of the delivery histogram's buckets; what took longer has one more bucket.
///
/// Three to a decade, from what one turn of the pump takes to what nobody would call live any more.
pub(crate) const DELIVERY_BOUNDS: [Duration; 16] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// The bounded buckets, and the one without a bound.
pub(crate) const DELIVERY_BUCKETS: usize = DELIVERY_BOUNDS.len() + 1;

/// What one worker counts. Nobody else writes here, but anybody may read.
///
/// Two lines of cache are its least, since the processor fetches them in pairs: two workers never share any.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Shard {
    messages: AtomicU64,
    rejected: AtomicU64,
    bytes_in: AtomicU64,
    deliveries: AtomicU64,
    bytes_out: AtomicU64,
    missed: [AtomicU64; Missed::ALL.len()],
    delivered: [AtomicU64; DELIVERY_BUCKETS],
    /// The time that all deliveries took together, in microseconds.
    delivered_us: AtomicU64,
}

impl Shard {
    /// So many messages were taken into a room, or to one member.
    pub(crate) fn messages(&self, count: u64) {
        self.messages.fetch_add(count, Relaxed);
    }

    /// So many messages were refused to their sender: too long, unfinished, nobody there to take them.
    pub(crate) fn rejected(&self, count: u64) {
        self.rejected.fetch_add(count, Relaxed);
    }

    /// So many bytes were read from clients.
    pub(crate) fn bytes_in(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Relaxed);
    }

    /// A member was told that it missed so many messages.
    pub(crate) fn missed(&self, cause: Missed, count: u64) {
        self.missed[cause as usize].fetch_add(count, Relaxed);
    }

    /// So many deliveries reached their sockets `after` their messages had come to the hub: one call for all of a pass.
    pub(crate) fn delivered_after(&self, after: Duration, count: u64) {
        let bucket = DELIVERY_BOUNDS.partition_point(|bound| *bound < after);
        self.delivered[bucket].fetch_add(count, Relaxed);
        // In nanoseconds a busy hub's sum would wrap within months.
        let all_us = after.as_nanos().saturating_mul(count.into()) / 1000;
        self.delivered_us.fetch_add(u64::try_from(all_us).unwrap_or(u64::MAX), Relaxed);
    }

    /// What the pump did in a turn.
    pub(crate) fn add(&self, tally: &Tally) {
        if tally.deliveries > 0 {
            self.deliveries.fetch_add(tally.deliveries, Relaxed);
        }
        if tally.bytes > 0 {
            self.bytes_out.fetch_add(tally.bytes, Relaxed);
        }
    }
}

/// What a pump counts while it turns, in plain numbers: [`Shard::add`] makes them known once the turn is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Messages written to members: one message to a hundred members counts a hundred.
    pub(crate) deliveries: u64,
    /// Bytes written to clients, of whatever kind.
    pub(crate) bytes: u64,
}

/// All that a hub counts.
#[derive(Debug)]
pub(crate) struct Metrics {
    workers: Box<[Shard]>,
    began: SystemTime,
    /// Who came, and who went: each only ever grows, so that the two orders in which they are counted can't be confused.
    came: [AtomicU64; Transport::ALL.len()],
    went: [AtomicU64; Transport::ALL.len()],
    connections: [AtomicU64; Transport::ALL.len()],
    refused: [AtomicU64; Refused::ALL.len()],
    requests: [AtomicU64; STATUS_CLASSES.len()],
    dropped: [AtomicU64; Dropped::ALL.len()],
    /// Changes of rooms' states.
    changes: AtomicU64,
    panics: AtomicU64,
}

impl Metrics {
    /// Nothing has happened yet, on any of so many workers.
    pub(crate) fn new(workers: usize) -> Metrics {
        Metrics {
            workers: (0..workers).map(|_| Shard::default()).collect(),
            began: clock::wall(),
            came: array::from_fn(|_| AtomicU64::new(0)),
            went: array::from_fn(|_| AtomicU64::new(0)),
            connections: array::from_fn(|_| AtomicU64::new(0)),
            refused: array::from_fn(|_| AtomicU64::new(0)),
            requests: array::from_fn(|_| AtomicU64::new(0)),
            dropped: array::from_fn(|_| AtomicU64::new(0)),
            changes: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        }
    }

    /// Where worker `number` counts.
    pub(crate) fn worker(&self, number: usize) -> &Shard {
        &self.workers[number]
    }

    /// A member has come by `transport`; [`Metrics::went`] is to follow once.
    pub(crate) fn came(&self, transport: Transport) {
        self.came[transport as usize].fetch_add(1, Relaxed);
    }

    /// A member that came by `transport` has gone.
    pub(crate) fn went(&self, transport: Transport) {
        self.went[transport as usize].fetch_add(1, Relaxed);
    }

    /// A connection was accepted, and turned out to be `transport`.
    pub(crate) fn connected(&self, transport: Transport) {
        self.connections[transport as usize].fetch_add(1, Relaxed);
    }

    /// A connection was refused.
    pub(crate) fn refused(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    /// A datagram was dropped.
    pub(crate) fn dropped(&self, cause: Dropped, count: u64) {
        self.dropped[cause as usize].fetch_add(count, Relaxed);
    }

    /// The state of a room has changed.
    pub(crate) fn changed(&self) {
        self.changes.fetch_add(1, Relaxed);
    }

    /// An HTTP request was answered with `status`.
    pub(crate) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).clamp(1, STATUS_CLASSES.len());
        self.requests[class - 1].fetch_add(1, Relaxed);
    }

    /// The task of one connection panicked: that connection is gone, the hub lives.
    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    /// What has been counted so far, of all workers together.
    pub(crate) fn read(&self) -> Counted {
        let sum = |of: fn(&Shard) -> &AtomicU64| {
            self.workers.iter().map(|shard| of(shard).load(Relaxed)).fold(0, u64::wrapping_add)
        };
        let all = |of: fn(&Shard) -> &[AtomicU64], at: usize| {
            self.workers.iter().map(|shard| of(shard)[at].load(Relaxed)).fold(0, u64::wrapping_add)
        };
        // Who went is read first: whoever is counted there is counted among those who came too.
        let went = load(&self.went);
        let came = load(&self.came);
        Counted {
            began: self.began,
            messages: sum(|shard| &shard.messages),
            rejected: sum(|shard| &shard.rejected),
            bytes_in: sum(|shard| &shard.bytes_in),
            deliveries: sum(|shard| &shard.deliveries),
            bytes_out: sum(|shard| &shard.bytes_out),
            missed: array::from_fn(|at| all(|shard| &shard.missed, at)),
            delivered: array::from_fn(|at| all(|shard| &shard.delivered, at)),
            delivered_in: Duration::from_micros(sum(|shard| &shard.delivered_us)),
            members: array::from_fn(|at| came[at].saturating_sub(went[at])),
            connections: load(&self.connections),
            refused: load(&self.refused),
            requests: load(&self.requests),
            dropped: load(&self.dropped),
            changes: self.changes.load(Relaxed),
            panics: self.panics.load(Relaxed),
        }
    }
}

fn load<const N: usize>(counters: &[AtomicU64; N]) -> [u64; N] {
    array::from_fn(|at| counters[at].load(Relaxed))
}

/// A reading of [`Metrics`]: plain numbers, which nobody changes any more. Arrays are in the order of their labels.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counted {
    /// When the hub began.
    pub(crate) began: SystemTime,
    /// Messages taken.
    pub(crate) messages: u64,
    /// Messages refused to their senders.
    pub(crate) rejected: u64,
    /// Bytes read from clients.
    pub(crate) bytes_in: u64,
    /// Messages written to members.
    pub(crate) deliveries: u64,
    /// Bytes written to clients.
    pub(crate) bytes_out: u64,
    /// Messages missed, by [`Missed::ALL`].
    pub(crate) missed: [u64; Missed::ALL.len()],
    /// Deliveries by the time they took, by [`DELIVERY_BOUNDS`]; each in one bucket only.
    pub(crate) delivered: [u64; DELIVERY_BUCKETS],
    /// The time that all deliveries took together.
    pub(crate) delivered_in: Duration,
    /// Members that are here, by [`Transport::ALL`].
    pub(crate) members: [u64; Transport::ALL.len()],
    /// Connections accepted, by [`Transport::ALL`].
    pub(crate) connections: [u64; Transport::ALL.len()],
    /// Connections refused, by [`Refused::ALL`].
    pub(crate) refused: [u64; Refused::ALL.len()],
    /// HTTP requests answered, by [`STATUS_CLASSES`].
    pub(crate) requests: [u64; STATUS_CLASSES.len()],
    /// Datagrams dropped, by [`Dropped::ALL`].
    pub(crate) dropped: [u64; Dropped::ALL.len()],
    /// Changes of rooms' states.
    pub(crate) changes: u64,
    /// Panics that cost one connection each.
    pub(crate) panics: u64,
}

#[cfg(test)]
mod tests;
