//! What is passed on once: a message that its sender had to say again bears the same `sid` and `id` (PROTOCOL §5).

use std::collections::{BTreeMap, VecDeque};

use crate::limits::{CLIENT_IDS, CLIENT_SIDS};

/// The messages of one room that were passed on lately, by their senders.
#[derive(Debug, Clone, Default)]
pub(super) struct Once {
    senders: BTreeMap<u64, Ids>,
    /// Counts the messages: which sender said something last.
    turn: u64,
}

#[derive(Debug, Clone, Default)]
struct Ids {
    /// In the order in which they came.
    last: VecDeque<u64>,
    greatest: u64,
    /// When the sender said its last.
    turn: u64,
}

impl Once {
    /// Whether this message is new. It isn't any more then.
    pub(super) fn is_first(&mut self, sid: u64, id: u64) -> bool {
        self.turn += 1;
        if !self.senders.contains_key(&sid) && self.senders.len() >= CLIENT_SIDS {
            let oldest = self.senders.iter().min_by_key(|(_, ids)| ids.turn).map(|(&sid, _)| sid);
            if let Some(oldest) = oldest {
                self.senders.remove(&oldest);
            }
        }
        let ids = self.senders.entry(sid).or_default();
        ids.turn = self.turn;
        // Ids grow: that a great many have to be looked through is rare.
        if !ids.last.is_empty() && id <= ids.greatest && ids.last.contains(&id) {
            return false;
        }
        ids.greatest = ids.greatest.max(id);
        ids.last.push_back(id);
        if ids.last.len() > CLIENT_IDS {
            ids.last.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_known_by_its_sender_and_its_id() {
        let mut once = Once::default();
        assert!(once.is_first(1, 7) && once.is_first(2, 7) && once.is_first(1, 3));
        assert!(!once.is_first(1, 7) && !once.is_first(2, 7) && !once.is_first(1, 3));
        assert!(once.is_first(3, 0) && !once.is_first(3, 0));
    }

    #[test]
    fn so_many_ids_of_a_sender_are_known_and_the_oldest_is_forgotten() {
        let mut once = Once::default();
        let last = CLIENT_IDS as u64;
        assert!((0..last).all(|id| once.is_first(1, id)));
        assert!(!once.is_first(1, 0));
        assert!(once.is_first(1, last) && once.is_first(1, 0), "the oldest has given way");
        assert!(!once.is_first(1, last));
    }

    #[test]
    fn so_many_senders_are_known_and_who_was_silent_longest_is_forgotten() {
        let mut once = Once::default();
        let last = CLIENT_SIDS as u64;
        assert!((1..=last).all(|sid| once.is_first(sid, 1)));
        assert!(!once.is_first(1, 1), "and now it is the second who was silent longest");
        assert!(once.is_first(last + 1, 1) && !once.is_first(1, 1) && once.is_first(2, 1));
        assert_eq!(once.senders.len(), CLIENT_SIDS);
    }
}
