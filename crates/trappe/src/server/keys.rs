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
    /// Keys that nobody has used yet: whose each is, and when it ends.
    keys: BTreeMap<Box<str>, (Arc<Conn>, Duration)>,
    /// The same by connection, each of which has one at most.
    of: BTreeMap<usize, Box<str>>,
    /// What waits for readers, by connection.
    said: BTreeMap<usize, Said>,
}

#[derive(Debug, Default)]
struct Said {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
}

/// What tells one connection from all others that there are.
fn place(conn: &Conn) -> usize {
    std::ptr::from_ref(conn).addr()
}

impl Keys {
    /// A key that is good once, for [`UDP_KEY_KEPT`], and in the place of the connection's last one. None: there are too many.
    pub(crate) fn issue(&self, now: Duration, conn: &Arc<Conn>) -> Option<String> {
        let key = one_time_key();
        let mut inner = self.0.lock();
        inner.revoke(conn);
        if inner.keys.len() >= UDP_KEYS {
            inner.expire(now);
        }
        // They are bounded by the connections that ask, too; who is there keeps the one that it has.
        if inner.keys.len() >= UDP_KEYS || conn.has_left() {
            return None;
        }
        inner.keys.insert(key.as_str().into(), (Arc::clone(conn), now + UDP_KEY_KEPT));
        inner.of.insert(place(conn), key.as_str().into());
        Some(key)
    }

    /// Whose key that is, if it is good.
    pub(super) fn whose(&self, now: Duration, key: &str) -> Option<Arc<Conn>> {
        let inner = self.0.lock();
        let (conn, _) = inner.keys.get(key).filter(|(conn, end)| *end > now && is_there(conn))?;
        Some(Arc::clone(conn))
    }

    /// A connection's key is good no more.
    pub(super) fn spend(&self, conn: &Arc<Conn>) {
        self.0.lock().revoke(conn);
    }

    /// Leaves a datagram for the member's reader. False: too much waits already, or the member has left.
    pub(super) fn say(&self, conn: &Conn, datagram: &[u8]) -> bool {
        let mut inner = self.0.lock();
        if conn.has_left() {
            return false;
        }
        let said = inner.said.entry(place(conn)).or_default();
        let bytes = said.bytes + ITEM_BYTES + datagram.len();
        if bytes > UDP_SAID_BYTES && said.bytes > 0 {
            return false;
        }
        said.bytes = bytes;
        said.datagrams.push_back(Bytes::copy_from_slice(datagram));
        drop(inner);
        conn.set_said();
        true
    }

    /// The next datagram that has said something for a member.
    pub(super) fn next(&self, conn: &Conn) -> Option<Bytes> {
        let mut inner = self.0.lock();
        let said = inner.said.get_mut(&place(conn))?;
        let datagram = said.datagrams.pop_front();
        match &datagram {
            Some(datagram) => said.bytes -= ITEM_BYTES + datagram.len(),
            None => drop(inner.said.remove(&place(conn))),
        }
        datagram
    }

    /// The member of a connection has left ([`Conn::has_left`]): nothing is kept for it any more.
    pub(super) fn forget(&self, conn: &Conn) {
        let mut inner = self.0.lock();
        inner.revoke(conn);
        inner.said.remove(&place(conn));
    }
}

impl Inner {
    fn revoke(&mut self, conn: &Conn) {
        if let Some(key) = self.of.remove(&place(conn)) {
            self.keys.remove(&key);
        }
    }

    fn expire(&mut self, now: Duration) {
        self.keys.retain(|_, (_, end)| *end > now);
        let keys = &self.keys;
        self.of.retain(|_, key| keys.contains_key(key));
    }
}

/// Whether a connection's member still speaks by it.
pub(super) fn is_there(conn: &Conn) -> bool {
    conn.number() != 0 && conn.stage() == Stage::Heard && !conn.is_superseded() && !conn.has_left()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::address::Peer;

    fn member(number: u64) -> Arc<Conn> {
        let conn = Arc::new(Conn::new(Peer::Unix, Duration::ZERO, 0, 0, false, (0, 1)));
        conn.advance(Stage::Heard);
        conn.set_number(number);
        conn
    }

    #[test]
    fn a_key_is_good_once_for_a_minute_and_until_the_next() {
        let (keys, alice, bob) = (Keys::default(), member(1), member(2));
        let issue = |conn| keys.issue(Duration::ZERO, conn).expect("there is room");
        let (old, key, other) = (issue(&alice), issue(&alice), issue(&bob));
        let soon = UDP_KEY_KEPT.saturating_sub(Duration::from_millis(1));
        assert!(keys.whose(soon, &old).is_none(), "the next one came");
        assert!(keys.whose(soon, &key).is_some_and(|conn| Arc::ptr_eq(&conn, &alice)));
        assert!(keys.whose(UDP_KEY_KEPT, &key).is_none(), "too late");
        keys.spend(&alice);
        assert!(keys.whose(soon, &key).is_none(), "once");
        assert!(keys.whose(soon, &other).is_some_and(|conn| Arc::ptr_eq(&conn, &bob)));
        assert!(keys.whose(soon, "abcdefghijklmnopqrstuvwx27").is_none(), "nobody's");
    }

    #[test]
    fn nothing_is_kept_for_one_who_has_left() {
        let (keys, alice) = (Keys::default(), member(1));
        let key = keys.issue(Duration::ZERO, &alice).expect("there is room");
        assert!(keys.say(&alice, b"bonjour"));
        alice.set_left();
        keys.forget(&alice);
        assert!(keys.whose(Duration::ZERO, &key).is_none());
        assert!(!keys.say(&alice, b"encore") && keys.issue(Duration::ZERO, &alice).is_none());
        let inner = keys.0.lock();
        assert!(inner.keys.is_empty() && inner.of.is_empty() && inner.said.is_empty());
    }

    #[test]
    fn who_asks_again_and_again_takes_nobodys_place() {
        let (keys, alice) = (Keys::default(), member(1));
        let key = keys.issue(Duration::ZERO, &alice).expect("there is room");
        let crowd: Vec<_> = (2..=UDP_KEYS as u64).map(member).collect();
        for conn in crowd.iter().chain(&crowd) {
            assert!(keys.issue(Duration::ZERO, conn).is_some());
        }
        let late = member(0);
        assert!(keys.issue(Duration::ZERO, &late).is_none(), "full");
        assert!(keys.whose(Duration::ZERO, &key).is_some());
        assert!(keys.issue(UDP_KEY_KEPT, &late).is_some(), "those of before are over");
        let inner = keys.0.lock();
        assert_eq!((inner.keys.len(), inner.of.len()), (1, 1));
    }

    #[test]
    fn what_waits_for_a_reader_is_bounded_and_taken_in_order() {
        let (keys, alice) = (Keys::default(), member(1));
        let mut said = 0;
        while keys.say(&alice, &[b'x'; 1000]) {
            said += 1;
        }
        assert_eq!(said, UDP_SAID_BYTES / (1000 + ITEM_BYTES));
        assert!(alice.take_said() && !alice.take_said());
        assert_eq!(std::iter::from_fn(|| keys.next(&alice)).count(), said);
        assert!(keys.0.lock().said.is_empty());
        assert!(keys.say(&alice, b"un") && keys.say(&alice, b"deux"));
        assert_eq!(keys.next(&alice).as_deref(), Some(&b"un"[..]));
        assert_eq!(keys.next(&alice).as_deref(), Some(&b"deux"[..]));
        assert!(keys.say(&alice, &vec![b'x'; 65_000]), "one of any size, where nothing waits");
    }
}
