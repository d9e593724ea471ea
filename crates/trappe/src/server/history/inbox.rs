//! What waits for the writer, bounded; and how much of it makes one transaction.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;
use trappe_core::{
    limits::{HISTORY_COMMIT_BYTES, HISTORY_WAITING_BYTES},
    name::Name,
    room::batch::Batch,
};

use super::Kept;
use crate::server::{conn::Conn, identity::Identity, room::Room};

/// Something that is to be written.
#[derive(Debug)]
pub(super) enum Job {
    /// What was said.
    Batch(Arc<Room>, Arc<Batch>),
    /// These messages of a room are not written: too much waits.
    Lost(Arc<Room>, u64, u64),
    /// A session that gives its messages numbers of its own, and its member's name.
    Session(u64, Arc<Identity>, Option<Name>),
    /// Nobody can come back to it any more.
    EndSession(u64),
    /// Nothing of this room is kept any more, and nobody is in it.
    Forget(u32),
    /// A member is closed once all that it said before is acknowledged: where its rooms end, and the last word to it.
    Leave(Arc<Conn>, Vec<(u32, u64)>, Bytes),
    /// Somebody waits until all before this is written.
    Flush(oneshot::Sender<()>),
    /// The server stops: the last one, with the number of the next member.
    Close(u64),
}

impl Job {
    /// Whether it leaves anything on disk.
    pub(super) fn is_written(&self) -> bool {
        matches!(self, Job::Batch(..) | Job::Session(..) | Job::EndSession(_) | Job::Forget(_))
    }

    /// What was said, in a room that is kept.
    pub(super) fn batch(&self) -> Option<(&Kept, &Arc<Room>, &Arc<Batch>)> {
        match self {
            Job::Batch(room, batch) => Some((room.kept.as_deref()?, room, batch)),
            _ => None,
        }
    }
}

/// What waits for the writer.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    jobs: Vec<(Job, usize)>,
    bytes: usize,
    /// There is something that isn't only said.
    is_urgent: bool,
    /// There is something since it was taken, and the writer wasn't told yet.
    is_news: bool,
}

impl Inbox {
    /// Gives back a job for which there is no room.
    pub(super) fn put(&mut self, job: Job, bytes: usize) -> Result<(), Job> {
        let bytes = bytes + JOB_BYTES;
        let is_full = self.bytes + bytes > HISTORY_WAITING_BYTES;
        let job = match job {
            // Whoever speaks has long been made to wait; this is the last bound.
            Job::Batch(room, batch) if is_full => {
                let (from, next) = (batch.first_seq, batch.end_seq());
                match self.jobs.last_mut() {
                    Some((Job::Lost(last, _, to), _)) if Arc::ptr_eq(last, &room) => {
                        *to = next;
                        return Ok(());
                    }
                    _ => Job::Lost(room, from, next),
                }
            }
            Job::Session(..) | Job::EndSession(_) | Job::Leave(..) if is_full => return Err(job),
            job => job,
        };
        let bytes = if matches!(job, Job::Lost(..)) { JOB_BYTES } else { bytes };
        self.bytes += bytes;
        self.is_news |= self.jobs.is_empty();
        self.is_urgent |= !matches!(job, Job::Batch(..));
        self.jobs.push((job, bytes));
        Ok(())
    }

    /// Whether the writer is to be told that there is something.
    pub(super) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.is_news)
    }

    /// Whether there is no more in it than messages, and not many.
    pub(super) fn may_wait(&self) -> bool {
        !self.jobs.is_empty() && !self.is_urgent && self.bytes < HISTORY_COMMIT_BYTES
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// All that waits. Its bytes count until [`Inbox::done`].
    pub(super) fn take(&mut self) -> Vec<(Job, usize)> {
        (self.is_urgent, self.is_news) = (false, false);
        std::mem::take(&mut self.jobs)
    }

    /// So many bytes are dealt with.
    pub(super) fn done(&mut self, bytes: usize) {
        self.bytes -= bytes;
    }
}

/// What a job counts for beside what is in it.
const JOB_BYTES: usize = 200;

/// The next jobs that make one transaction: bounded, so that nobody waits for long.
pub(super) fn take_group(jobs: &mut VecDeque<(Job, usize)>) -> (Vec<Job>, usize, Option<u64>) {
    let (mut group, mut total, mut last) = (Vec::new(), 0, None);
    while let Some((job, bytes)) = jobs.pop_front() {
        total += bytes;
        if let Job::Close(members) = job {
            last = Some(members);
        }
        group.push(job);
        if total >= HISTORY_COMMIT_BYTES || last.is_some() {
            break;
        }
    }
    (group, total, last)
}
