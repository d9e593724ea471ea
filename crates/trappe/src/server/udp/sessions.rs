//! Who is known by its address: bounded, and forgotten after a silence.

use std::{
    collections::{BTreeMap, HashMap},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use trappe_core::limits::{UDP_SESSIONS, UDP_SESSIONS_OF_ADDRESS, UDP_SILENCE};

/// An address, as one of the server's ports knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) port: usize,
    pub(super) address: SocketAddr,
}

struct Entry<W> {
    who: W,
    heard: Duration,
    /// Its place in [`Sessions::due`].
    due: (Duration, u64),
}

/// At most [`UDP_SESSIONS`] sessions, of one host at most [`UDP_SESSIONS_OF_ADDRESS`]: who is there stays, whoever else may want in.
pub(super) struct Sessions<W> {
    entries: HashMap<Id, Entry<W>>,
    of_host: HashMap<IpAddr, usize>,
    /// Each session once, by when it is to be looked at: who was heard meanwhile is looked at later.
    due: BTreeMap<(Duration, u64), Id>,
    /// Tells apart what is due at the same time.
    serial: u64,
}

/// What counts as one host: a machine has a whole /64 of IPv6 addresses to itself (RFC 4291 §2.5.1).
pub(super) fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
    }
}

impl<W> Sessions<W> {
    pub(super) fn new() -> Sessions<W> {
        Sessions {
            entries: HashMap::new(),
            of_host: HashMap::new(),
            due: BTreeMap::new(),
            serial: 0,
        }
    }

    /// Something has come from an address: who that is, if it is known.
    pub(super) fn hear(&mut self, now: Duration, id: Id) -> Option<&mut W> {
        let entry = self.entries.get_mut(&id)?;
        entry.heard = now;
        Some(&mut entry.who)
    }

    /// Whether one more session of an address can be.
    pub(super) fn has_room(&self, ip: IpAddr) -> bool {
        self.entries.len() < UDP_SESSIONS
            && self.of_host.get(&host(ip)).is_none_or(|count| *count < UDP_SESSIONS_OF_ADDRESS)
    }

    /// A new session of an address that has none.
    pub(super) fn add(&mut self, now: Duration, id: Id, who: W) {
        debug_assert!(self.has_room(id.address.ip()), "asked before");
        debug_assert!(!self.entries.contains_key(&id), "the earlier one was removed");
        let due = self.look_at(now + UDP_SILENCE, id);
        self.entries.insert(id, Entry { who, heard: now, due });
        *self.of_host.entry(host(id.address.ip())).or_default() += 1;
    }

    fn look_at(&mut self, when: Duration, id: Id) -> (Duration, u64) {
        self.serial += 1;
        self.due.insert((when, self.serial), id);
        (when, self.serial)
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<W> {
        let entry = self.entries.remove(&id)?;
        self.due.remove(&entry.due);
        let host = host(id.address.ip());
        if let Some(count) = self.of_host.get_mut(&host) {
            *count -= 1;
            if *count == 0 {
                self.of_host.remove(&host);
            }
        }
        Some(entry.who)
    }

    /// When the next one is to be looked at.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.keys().next().map(|(due, _)| *due)
    }

    /// One that has been silent for [`UDP_SILENCE`], if there is one; it is known no more.
    pub(super) fn expire(&mut self, now: Duration) -> Option<(Id, W)> {
        while let Some((&(due, _), &id)) = self.due.first_key_value() {
            let Some(entry) = self.entries.get(&id).filter(|_| due <= now) else { break };
            let end = entry.heard + UDP_SILENCE;
            if end <= now {
                return self.remove(id).map(|who| (id, who));
            }
            self.due.pop_first();
            let later = self.look_at(end, id);
            if let Some(entry) = self.entries.get_mut(&id) {
                entry.due = later;
            }
        }
        None
    }

    /// All of them; none is known any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = W> {
        self.of_host.clear();
        self.due.clear();
        self.entries.drain().map(|(_, entry)| entry.who)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(a: u8, b: u8, port: u16) -> Id {
        Id { port: 0, address: SocketAddr::from(([10, 0, a, b], port)) }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn who_is_silent_for_too_long_is_known_no_more() {
        let mut sessions = Sessions::new();
        sessions.add(at(0), id(0, 1, 1), "alice");
        sessions.add(at(10), id(0, 2, 1), "bob");
        assert_eq!(sessions.due(), Some(at(60)));
        assert_eq!(sessions.hear(at(50), id(0, 1, 1)), Some(&mut "alice"));
        assert!(sessions.expire(at(69)).is_none());
        assert_eq!(sessions.expire(at(70)), Some((id(0, 2, 1), "bob")));
        assert_eq!(sessions.hear(at(70), id(0, 2, 1)), None);
        assert_eq!(sessions.due(), Some(at(110)), "no later than it is due");
        assert_eq!(sessions.expire(at(110)), Some((id(0, 1, 1), "alice")));
        assert_eq!((sessions.due(), sessions.of_host.len()), (None, 0));
    }

    #[test]
    fn a_session_that_came_again_is_looked_at_in_its_own_time() {
        let mut sessions = Sessions::new();
        sessions.add(at(0), id(0, 1, 1), 1);
        assert_eq!(sessions.remove(id(0, 1, 1)), Some(1));
        sessions.add(at(30), id(0, 1, 1), 2);
        assert!(sessions.expire(at(60)).is_none());
        assert_eq!(sessions.expire(at(90)).map(|(_, who)| who), Some(2));
    }

    #[test]
    fn no_address_takes_the_places_of_the_others() {
        let mut sessions = Sessions::new();
        for port in 1..=u16::try_from(UDP_SESSIONS_OF_ADDRESS).expect("few") {
            assert!(sessions.has_room(id(0, 1, 1).address.ip()));
            sessions.add(at(0), id(0, 1, port), ());
        }
        assert!(!sessions.has_room(id(0, 1, 1).address.ip()));
        assert!(sessions.has_room(id(0, 2, 1).address.ip()));
        sessions.remove(id(0, 1, 7));
        assert!(sessions.has_room(id(0, 1, 1).address.ip()));
    }

    #[test]
    fn the_table_is_full_at_its_bound_and_who_is_there_stays() {
        let mut sessions = Sessions::new();
        let mut port = 0;
        'all: for a in 0..=255 {
            for b in 0..=255 {
                port += 1;
                if !sessions.has_room(id(a, b, 1).address.ip()) {
                    break 'all;
                }
                sessions.add(at(0), id(a, b, 1), port);
            }
        }
        assert_eq!(sessions.entries.len(), UDP_SESSIONS);
        assert_eq!(sessions.hear(at(1), id(0, 0, 1)), Some(&mut 1));
    }

    #[test]
    fn whoever_comes_and_goes_leaves_nothing_behind() {
        let mut sessions = Sessions::new();
        for n in 0..3 * UDP_SESSIONS {
            assert!(sessions.has_room(id(0, 1, 1).address.ip()), "{n}");
            sessions.add(at(0), id(0, 1, 1), ());
            sessions.remove(id(0, 1, 1));
        }
        assert_eq!((sessions.due.len(), sessions.of_host.len()), (0, 0));
    }

    #[test]
    fn a_host_of_many_ipv6_addresses_is_one_host() {
        let mut sessions = Sessions::new();
        let v6 =
            |text: &str| Id { port: 0, address: SocketAddr::new(text.parse().expect("IPv6"), 9) };
        for n in 0..UDP_SESSIONS_OF_ADDRESS {
            sessions.add(at(0), v6(&format!("2001:db8::{n:x}")), ());
        }
        assert!(!sessions.has_room(v6("2001:db8::ffff:1").address.ip()));
        assert!(sessions.has_room(v6("2001:db8:0:1::1").address.ip()));
    }
}
