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
    fn a_key_is_good_once_and_for_a_minute() {
        let (keys, alice) = (Keys::default(), member(1));
        let (first, second) =
            (keys.issue(Duration::ZERO, &alice), keys.issue(Duration::ZERO, &alice));
        let soon = UDP_KEY_KEPT.saturating_sub(Duration::from_millis(1));
        assert!(keys.redeem(soon, &first).is_some_and(|conn| Arc::ptr_eq(&conn, &alice)));
        assert!(keys.redeem(soon, &first).is_none(), "once");
        assert!(keys.redeem(UDP_KEY_KEPT, &second).is_none(), "too late");
        assert!(keys.redeem(soon, "abcdefghijklmnopqrstuvwx27").is_none(), "nobody's");
        assert!(keys.0.lock().ends.is_empty(), "nothing is kept of what is over");
    }

    #[test]
    fn the_key_of_one_who_has_left_is_good_for_nothing() {
        let (keys, alice) = (Keys::default(), member(1));
        let key = keys.issue(Duration::ZERO, &alice);
        alice.set_left();
        assert!(keys.redeem(Duration::ZERO, &key).is_none());
    }

    #[test]
    fn keys_that_nobody_uses_are_bounded_and_the_oldest_gives_way() {
        let (keys, alice) = (Keys::default(), member(1));
        let first = keys.issue(Duration::ZERO, &alice);
        let second = keys.issue(Duration::ZERO, &alice);
        for _ in 2..=UDP_KEYS {
            keys.issue(Duration::ZERO, &alice);
        }
        assert_eq!(keys.0.lock().keys.len(), UDP_KEYS);
        assert!(keys.redeem(Duration::ZERO, &first).is_none());
        assert!(keys.redeem(Duration::ZERO, &second).is_some());
        // Those that were used leave their ends behind for a while: these are bounded too.
        for _ in 0..3 * UDP_KEYS {
            let key = keys.issue(Duration::ZERO, &alice);
            keys.redeem(Duration::ZERO, &key);
        }
        assert!(keys.0.lock().ends.len() <= 2 * UDP_KEYS);
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
        assert_eq!(keys.take(&alice).len(), said);
        assert!(keys.say(&alice, b"un") && keys.say(&alice, b"deux"));
        assert_eq!(keys.take(&alice), [&b"un"[..], b"deux"]);
        assert!(keys.say(&alice, &vec![b'x'; 65_000]), "one of any size, where nothing waits");
    }
}
