//! Sends that aren't acknowledged yet: kept until they are, so that a new connection can say them again.

use std::collections::BTreeMap;

use crate::limits::CLIENT_IN_FLIGHT;

/// The sends of a client by their ids, which grow by one.
#[derive(Debug)]
pub(super) struct Outbox {
    sends: BTreeMap<u64, Send>,
    bytes: usize,
    next_id: u64,
    /// The first that this connection hasn't been given.
    cursor: u64,
}

/// Something to say.
#[derive(Debug)]
pub(super) struct Send {
    /// The whole op.
    pub(super) line: String,
    /// When it was called, among all calls.
    pub(super) order: u64,
    /// The life of the room in which it was said, as far as is known.
    pub(super) epoch: String,
    /// The room, folded.
    pub(super) room: String,
    /// It was given to a connection of this session: the hub may have heard it.
    risky: bool,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { sends: BTreeMap::new(), bytes: 0, next_id: 1, cursor: 1 }
    }

    pub(super) fn len(&self) -> usize {
        self.sends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The id of the send that comes next.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id
    }

    pub(super) fn push(&mut self, order: u64, room: String, line: String) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.bytes += line.len();
        self.sends.insert(id, Send { line, order, epoch: String::new(), room, risky: false });
        id
    }

    /// The next one for this connection, unless as many as may be are on their way.
    pub(super) fn peek(&self) -> Option<&Send> {
        let (&first, _) = self.sends.first_key_value()?;
        let (&id, send) = self.sends.range(self.cursor..).next()?;
        (id < first + CLIENT_IN_FLIGHT).then_some(send)
    }

    /// The connection is given what [`Outbox::peek`] showed.
    pub(super) fn advance(&mut self, epoch: Option<&str>) {
        if let Some((&id, send)) = self.sends.range_mut(self.cursor..).next() {
            send.risky = true;
            if let Some(epoch) = epoch {
                epoch.clone_into(&mut send.epoch);
            }
            self.cursor = id + 1;
        }
    }

    /// Its end is known.
    pub(super) fn remove(&mut self, id: u64) -> Option<Send> {
        let send = self.sends.remove(&id)?;
        self.bytes -= send.line.len();
        Some(send)
    }

    /// Of what this connection was given, the longest: the hub names no id where it refuses a line for its length.
    pub(super) fn longest(&self) -> Option<(u64, usize)> {
        let given = self.sends.range(..self.cursor);
        given.map(|(&id, send)| (id, send.line.len())).max_by_key(|&(_, len)| len)
    }

    /// A new connection has the same session: everything is said again.
    pub(super) fn rewind(&mut self) {
        self.cursor = 0;
    }

    /// A new connection has another session: gives those that may have been said in the old one, and keeps the others.
    pub(super) fn take_risky(&mut self) -> Vec<u64> {
        let risky: Vec<u64> =
            self.sends.iter().filter(|(_, send)| send.risky).map(|(&id, _)| id).collect();
        for &id in &risky {
            self.remove(id);
        }
        self.rewind();
        risky
    }

    /// Everything, each with whether it may have been said.
    pub(super) fn drain(&mut self) -> Vec<(u64, bool)> {
        self.bytes = 0;
        std::mem::take(&mut self.sends).into_iter().map(|(id, send)| (id, send.risky)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outbox: &mut Outbox) -> usize {
        let mut count = 0;
        while outbox.peek().is_some() {
            outbox.advance(None);
            count += 1;
        }
        count
    }

    #[test]
    fn no_more_are_on_their_way_than_the_hub_remembers() {
        let mut outbox = Outbox::new();
        for order in 0..2 * CLIENT_IN_FLIGHT {
            outbox.push(order, "r".to_owned(), "x".to_owned());
        }
        assert_eq!(said(&mut outbox) as u64, CLIENT_IN_FLIGHT);
        // Those behind the oldest one don't count: the hub remembers the greatest ids.
        for id in 2..=CLIENT_IN_FLIGHT {
            assert!(outbox.remove(id).is_some());
        }
        assert_eq!(said(&mut outbox), 0);
        outbox.remove(1);
        assert_eq!(said(&mut outbox) as u64, CLIENT_IN_FLIGHT);
        assert_eq!(outbox.len(), outbox.bytes());
    }

    #[test]
    fn another_session_gets_only_what_was_never_on_its_way() {
        let mut outbox = Outbox::new();
        for order in 0..4 {
            outbox.push(order, "r".to_owned(), "x".to_owned());
        }
        outbox.advance(None);
        outbox.advance(None);
        outbox.rewind();
        assert_eq!(said(&mut outbox), 4, "the same session hears all again");
        let mut outbox = Outbox::new();
        for order in 0..4 {
            outbox.push(order, "r".to_owned(), "x".to_owned());
        }
        outbox.advance(None);
        outbox.advance(None);
        assert_eq!(outbox.take_risky(), [1, 2]);
        assert_eq!(said(&mut outbox), 2);
        assert_eq!(outbox.drain(), [(3, true), (4, true)]);
    }
}
