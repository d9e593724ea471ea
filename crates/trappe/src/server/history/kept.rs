//! What of one room's log is on disk, and who waits to be told so.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;
use trappe_core::{message::Position, reply::To, room::past::Lost};

use crate::server::{conn::Conn, sync::Mutex};

/// The most runs of lost messages that are remembered for one room. What is older than all of them isn't told to be stored.
const LOST_RUNS: usize = 4096;

/// A room that is kept on disk.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Its number on disk.
    pub(crate) no: u32,
    settled: Mutex<Settled>,
}

/// Up to where it is known what became of the room's messages.
#[derive(Debug)]
struct Settled {
    /// All before this one are on disk, or lost.
    next: u64,
    /// The first that is on disk, but not filed in its place yet.
    unfiled: Option<u64>,
    /// Those that are lost: the first and the last of each run.
    lost: VecDeque<(u64, u64)>,
    /// Up to here runs have been forgotten.
    forgotten: u64,
    /// Who waits for a message, in the order of the messages but for few.
    waiting: VecDeque<Waiting>,
}

/// Who waits for a message to be on disk.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The message.
    pub(crate) position: Position,
    /// Its place among all that wait: one member is answered in the order in which it spoke.
    pub(crate) order: u64,
    pub(crate) who: Waiter,
}

/// See [`Waiting`].
#[derive(Debug)]
pub(crate) enum Waiter {
    /// A member, and what it is to be told.
    Member(Arc<Conn>, To),
    /// A request of HTTP: true, it is on disk.
    Request(oneshot::Sender<bool>),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is on disk.
    Stored,
    /// It isn't, and won't be.
    Lost,
    /// Nobody knows yet.
    Open,
}

impl Settled {
    fn fate(&self, seq: u64) -> Fate {
        if seq >= self.next {
            Fate::Open
        } else if seq <= self.forgotten || self.run_of(seq).is_some() {
            Fate::Lost
        } else {
            Fate::Stored
        }
    }

    /// The run of lost messages that a message is in.
    fn run_of(&self, seq: u64) -> Option<(u64, u64)> {
        let at = self.lost.partition_point(|(_, to)| *to < seq);
        self.lost.get(at).copied().filter(|(from, _)| *from <= seq)
    }

    /// Those who need not wait any longer.
    fn take(&mut self) -> Vec<(Waiting, Fate)> {
        let mut told = Vec::new();
        // Two workers may have begun to wait in another order than they spoke: the few that are early stand near the front.
        let mut kept = VecDeque::new();
        while let Some(waiting) = self.waiting.pop_front() {
            match self.fate(waiting.position.seq) {
                Fate::Open => {
                    kept.push_back(waiting);
                    if kept.len() > 64 {
                        break;
                    }
                }
                fate => told.push((waiting, fate)),
            }
        }
        kept.append(&mut self.waiting);
        self.waiting = kept;
        told
    }
}

impl Kept {
    /// A room whose messages before `next` have been dealt with.
    pub(crate) fn new(no: u32, next: u64) -> Kept {
        let (lost, waiting) = (VecDeque::new(), VecDeque::new());
        let settled = Settled { next, unfiled: None, lost, forgotten: 0, waiting };
        Kept { no, settled: Mutex::new(settled) }
    }

    /// Waits for a message. What became of it, if that is known already: then nobody waits.
    pub(crate) fn wait(&self, waiting: Waiting) -> Option<(Waiting, Fate)> {
        let mut settled = self.settled.lock();
        match settled.fate(waiting.position.seq) {
            Fate::Open => {
                settled.waiting.push_back(waiting);
                None
            }
            fate => Some((waiting, fate)),
        }
    }

    /// All messages before `next` are on disk. Returns those who waited for that.
    pub(crate) fn stored(&self, next: u64) -> Vec<(Waiting, Fate)> {
        let mut settled = self.settled.lock();
        settled.next = settled.next.max(next);
        settled.take()
    }

    /// The messages `from..next` are lost. Returns those who waited for them.
    pub(crate) fn lost(&self, from: u64, next: u64) -> Vec<(Waiting, Fate)> {
        let mut settled = self.settled.lock();
        match settled.lost.back_mut() {
            Some((_, to)) if *to + 1 == from => *to = next - 1,
            _ => settled.lost.push_back((from, next - 1)),
        }
        if settled.lost.len() > LOST_RUNS {
            settled.forgotten = settled.lost.pop_front().map_or(0, |(_, to)| to);
        }
        settled.next = settled.next.max(next);
        settled.take()
    }

    /// All before this message can be read from the disk, or are lost.
    pub(crate) fn readable(&self) -> u64 {
        let settled = self.settled.lock();
        settled.unfiled.map_or(settled.next, |unfiled| unfiled.min(settled.next))
    }

    /// All messages but those from `unfiled` on are filed in their places.
    pub(crate) fn set_unfiled(&self, unfiled: Option<u64>) {
        self.settled.lock().unfiled = unfiled;
    }

    /// Why a message isn't on disk, where that isn't written there yet; and the last of its run.
    pub(crate) fn why_lost(&self, seq: u64) -> Option<(u64, Lost)> {
        let settled = self.settled.lock();
        settled.run_of(seq).map(|(_, to)| (to, Lost::NotStored))
    }
}

#[cfg(test)]
mod tests {
    use trappe_core::command::Epoch;

    use super::*;

    fn request(seq: u64) -> (Waiting, oneshot::Receiver<bool>) {
        let (tell, told) = oneshot::channel();
        let position = Position { epoch: Epoch::from_random(1), seq };
        (Waiting { position, order: seq, who: Waiter::Request(tell) }, told)
    }

    fn seqs(told: Vec<(Waiting, Fate)>) -> Vec<(u64, Fate)> {
        told.into_iter().map(|(waiting, fate)| (waiting.position.seq, fate)).collect()
    }

    #[test]
    fn who_waits_is_told_once_its_message_is_on_disk_and_not_before() {
        let kept = Kept::new(1, 5);
        assert!(kept.wait(request(6).0).is_none());
        assert!(kept.wait(request(5).0).is_none());
        assert!(kept.wait(request(7).0).is_none());
        assert_eq!(seqs(kept.stored(7)), [(6, Fate::Stored), (5, Fate::Stored)]);
        assert_eq!(seqs(kept.stored(7)), []);
        assert_eq!(seqs(kept.stored(8)), [(7, Fate::Stored)]);
    }

    #[test]
    fn what_is_on_disk_already_is_not_waited_for() {
        let kept = Kept::new(1, 5);
        assert_eq!(kept.wait(request(4).0).map(|(_, fate)| fate), Some(Fate::Stored));
    }

    #[test]
    fn a_lost_message_is_told_to_be_lost_also_to_who_asks_later() {
        let kept = Kept::new(1, 1);
        assert!(kept.wait(request(2).0).is_none());
        assert_eq!(seqs(kept.lost(1, 3)), [(2, Fate::Lost)]);
        assert_eq!(seqs(kept.lost(3, 4)), []);
        kept.stored(9);
        assert_eq!(kept.wait(request(3).0).map(|(_, fate)| fate), Some(Fate::Lost));
        assert_eq!(kept.wait(request(4).0).map(|(_, fate)| fate), Some(Fate::Stored));
        assert_eq!(kept.why_lost(1), Some((3, Lost::NotStored)));
        assert_eq!(kept.why_lost(4), None);
    }
}
