//! Who is known by its address: bounded, and forgotten after a silence.

use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
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
    /// Tells this session from an earlier one of the same address.
    serial: u64,
}

/// At most [`UDP_SESSIONS`] sessions, of one IP address at most [`UDP_SESSIONS_OF_ADDRESS`]: who is there stays, whoever else
/// may want in.
pub(super) struct Sessions<W> {
    entries: HashMap<Id, Entry<W>>,
    of_ip: HashMap<IpAddr, usize>,
    /// Each session once, in the order in which they are to be looked at; who was heard meanwhile goes to the end again.
    due: VecDeque<(Duration, Id, u64)>,
    serial: u64,
}

impl<W> Sessions<W> {
    pub(super) fn new() -> Sessions<W> {
        Sessions { entries: HashMap::new(), of_ip: HashMap::new(), due: VecDeque::new(), serial: 0 }
    }

    /// Something has come from an address: who that is, if it is known.
    pub(super) fn hear(&mut self, now: Duration, id: Id) -> Option<&mut W> {
        let entry = self.entries.get_mut(&id)?;
        entry.heard = now;
        Some(&mut entry.who)
    }

    /// Whether there is a session of an address.
    pub(super) fn is_known(&self, id: Id) -> bool {
        self.entries.contains_key(&id)
    }

    /// Whether one more session of an IP address can be.
    pub(super) fn has_room(&self, ip: IpAddr) -> bool {
        // Of those that were removed, an entry may still wait to be looked at.
        self.entries.len() < UDP_SESSIONS
            && self.due.len() < 2 * UDP_SESSIONS
            && self.of_ip.get(&ip).is_none_or(|count| *count < UDP_SESSIONS_OF_ADDRESS)
    }

    /// A new session, in the place of any other of that address.
    pub(super) fn add(&mut self, now: Duration, id: Id, who: W) {
        debug_assert!(self.has_room(id.address.ip()), "asked before");
        self.remove(id);
        self.serial += 1;
        self.entries.insert(id, Entry { who, heard: now, serial: self.serial });
        *self.of_ip.entry(id.address.ip()).or_default() += 1;
        self.due.push_back((now + UDP_SILENCE, id, self.serial));
    }

    pub(super) fn remove(&mut self, id: Id) -> Option<W> {
        let entry = self.entries.remove(&id)?;
        let ip = id.address.ip();
        if let Some(count) = self.of_ip.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.of_ip.remove(&ip);
            }
        }
        Some(entry.who)
    }

    /// When the next one is to be looked at.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.front().map(|(due, ..)| *due)
    }

    /// One that has been silent for `silence`, if there is one; it is known no more.
    pub(super) fn expire(&mut self, now: Duration, silence: Duration) -> Option<(Id, W)> {
        while self.due.front().is_some_and(|(due, ..)| *due <= now) {
            let (_, id, serial) = self.due.pop_front()?;
            let Some(entry) = self.entries.get(&id).filter(|it| it.serial == serial) else {
                continue;
            };
            let due = entry.heard + silence;
            if due > now {
                self.due.push_back((due, id, serial));
                continue;
            }
            return self.remove(id).map(|who| (id, who));
        }
        None
    }

    /// All of them; none is known any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = W> {
        self.of_ip.clear();
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
        assert!(sessions.expire(at(69), UDP_SILENCE).is_none());
        assert_eq!(sessions.expire(at(70), UDP_SILENCE), Some((id(0, 2, 1), "bob")));
        assert_eq!(sessions.hear(at(70), id(0, 2, 1)), None);
        assert_eq!(sessions.due(), Some(at(110)));
        assert_eq!(sessions.expire(at(110), UDP_SILENCE), Some((id(0, 1, 1), "alice")));
        assert_eq!((sessions.due(), sessions.of_ip.len()), (None, 0));
    }

    #[test]
    fn a_session_that_came_again_is_looked_at_in_its_own_time() {
        let mut sessions = Sessions::new();
        sessions.add(at(0), id(0, 1, 1), 1);
        assert_eq!(sessions.remove(id(0, 1, 1)), Some(1));
        sessions.add(at(30), id(0, 1, 1), 2);
        assert!(sessions.expire(at(60), UDP_SILENCE).is_none());
        assert_eq!(sessions.expire(at(90), UDP_SILENCE).map(|(_, who)| who), Some(2));
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
        assert!(sessions.due.len() <= 2 * UDP_SESSIONS);
    }
}
