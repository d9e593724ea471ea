//! One-time keys by which a datagram's address is attached to a member (`/udp`), and what such datagrams say for it.
//!
//! A datagram of an attached address is the member's word, so it is the member's reader that carries it out, in the order of
//! everything else that the member says. What is said waits here until that reader takes it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use parking_lot::Mutex;
use trappe_core::limits::{ITEM_BYTES, UDP_KEY_KEPT, UDP_KEYS, UDP_SAID_BYTES};

use super::conn::{Conn, Stage};
use crate::net::cookie::one_time_key;

/// See the module. A leaf lock: no other is taken while it is held.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Keys that nobody has used yet.
    keys: BTreeMap<Box<str>, Arc<Conn>>,
    /// The same in the order of their ends; some may be used by now.
    ends: VecDeque<(Duration, Box<str>)>,
    /// What waits for readers, by the numbers of the members.
    said: BTreeMap<u64, Said>,
}

#[derive(Debug, Default)]
struct Said {
    datagrams: Vec<Bytes>,
    bytes: usize,
}

impl Keys {
    /// A key that is good once, for [`UDP_KEY_KEPT`]; the oldest of too many gives way.
    pub(crate) fn issue(&self, now: Duration, conn: &Arc<Conn>) -> String {
        let key = one_time_key();
        let mut inner = self.0.lock();
        inner.expire(now);
        while inner.keys.len() >= UDP_KEYS || inner.ends.len() >= 2 * UDP_KEYS {
            let Some((_, oldest)) = inner.ends.pop_front() else { break };
            inner.keys.remove(&oldest);
        }
        inner.keys.insert(key.as_str().into(), Arc::clone(conn));
        inner.ends.push_back((now + UDP_KEY_KEPT, key.as_str().into()));
        key
    }

    /// Whose key that is; it is good no more.
    pub(crate) fn redeem(&self, now: Duration, key: &str) -> Option<Arc<Conn>> {
        let mut inner = self.0.lock();
        inner.expire(now);
        inner.keys.remove(key).filter(|conn| is_there(conn))
    }

    /// Leaves a datagram for the member's reader. False: too much waits already.
    pub(super) fn say(&self, conn: &Conn, datagram: &[u8]) -> bool {
        let mut inner = self.0.lock();
        let said = inner.said.entry(conn.number()).or_default();
        let bytes = said.bytes + ITEM_BYTES + datagram.len();
        if bytes > UDP_SAID_BYTES && said.bytes > 0 {
            return false;
        }
        said.bytes = bytes;
        said.datagrams.push(Bytes::copy_from_slice(datagram));
        drop(inner);
        conn.set_said();
        true
    }

    /// What datagrams have said for a member.
    pub(super) fn take(&self, conn: &Conn) -> Vec<Bytes> {
        self.0.lock().said.remove(&conn.number()).unwrap_or_default().datagrams
    }
}

impl Inner {
    fn expire(&mut self, now: Duration) {
        while self.ends.front().is_some_and(|(end, _)| *end <= now) {
            if let Some((_, key)) = self.ends.pop_front() {
                self.keys.remove(&key);
            }
        }
    }
}

/// Whether a connection's member still speaks by it.
pub(super) fn is_there(conn: &Conn) -> bool {
    conn.number() != 0 && conn.stage() == Stage::Heard && !conn.is_superseded() && !conn.has_left()
}
