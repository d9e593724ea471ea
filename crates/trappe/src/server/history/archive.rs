//! The thread that gives history back: to listeners further back than their log holds, to requests, and to who searches.
//!
//! Each is given one bounded portion at a time and asks again, so that all have their turn. What isn't on disk yet is
//! waited for.

use std::{collections::VecDeque, sync::Arc};

use tokio::{sync::oneshot, time::Instant};
use trappe_core::{
    limits::{BATCH_RECORDS, HISTORY_PORTION_BYTES, HISTORY_STALLED, HTTP_HISTORY_BYTES},
    message::Author,
    room::{
        batch::{Batch, Restored},
        past::{Ask, Lost, Past, Portion},
    },
};

use super::{
    History,
    condvar::{Until, Waited, pause},
    kept::Kept,
};
use crate::{
    server::{Shared, conn::Conn, mail::Mail, room::Room},
    store::{Cause, DbError, Reader, Row},
};

/// What the archivist is asked.
#[derive(Debug)]
pub(super) enum Asked {
    Listener(Arc<Conn>, Arc<Room>, Ask),
    Page { room: Arc<Room>, from: u64, to: u64, limit: usize, tell: oneshot::Sender<Page> },
    Find { room: Arc<Room>, words: Box<str>, count: usize, tell: oneshot::Sender<Option<Batch>> },
}

/// A page of what is kept of a room: portions, one after the other.
pub(crate) type Page = Vec<Portion>;

/// What waits for the archivist. Bounded by the members and the requests that there are: each asks for one thing at a time.
#[derive(Debug, Default)]
pub(super) struct Desk {
    asked: VecDeque<Asked>,
    /// Searches take longer: others have their turn between two of them.
    searches: VecDeque<Asked>,
    searched: bool,
    /// What isn't on disk yet.
    early: Vec<Asked>,
    /// How often something was committed, or lost.
    commits: u64,
    closed: bool,
}

impl Desk {
    pub(super) fn put(&mut self, asked: Asked) {
        match asked {
            Asked::Listener(_, _, Ask::Words(..)) | Asked::Find { .. } => {
                self.searches.push_back(asked);
            }
            _ => self.asked.push_back(asked),
        }
    }

    /// Nothing more is asked.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether there is something to be answered now.
    fn has_some(&self) -> bool {
        !self.asked.is_empty() || !self.searches.is_empty()
    }

    fn take(&mut self) -> Option<Asked> {
        let search = !self.searched || self.asked.is_empty();
        let next = if search { self.searches.pop_front() } else { None };
        self.searched = next.is_some();
        next.or_else(|| self.asked.pop_front())
    }

    /// What can be answered with less, where the disk hangs: the last messages, as far as the log holds them. Nobody is to miss
    /// what is said now for what was said before.
    fn without_waiting(&mut self) -> Vec<Asked> {
        let is_last = |asked: &mut Asked| matches!(asked, Asked::Listener(_, _, Ask::Last { .. }));
        self.early.extract_if(.., is_last).collect()
    }

    /// What couldn't be answered when so much was committed.
    fn too_early(&mut self, asked: Asked, commits: u64) {
        if commits == self.commits { self.early.push(asked) } else { self.asked.push_back(asked) }
    }
}

impl History {
    /// More is on disk, or lost: who asked too early is served.
    pub(super) fn committed(&self) {
        let mut desk = self.desk.lock();
        desk.commits += 1;
        if !desk.early.is_empty() {
            let early = std::mem::take(&mut desk.early);
            desk.asked.extend(early);
            drop(desk);
            self.asked.notify_one();
        }
    }
}

/// The archivist. See the module.
pub(super) struct Archivist {
    pub(super) shared: Arc<Shared>,
    pub(super) history: Arc<History>,
    pub(super) reader: Reader,
}

impl Archivist {
    /// Works until the server has stopped.
    pub(super) async fn run(mut self) {
        while let Some((asked, commits)) = self.next().await {
            pause().await;
            if let Some(early) = self.serve(asked).await {
                self.history.desk.lock().too_early(early, commits);
                self.history.hurry();
            }
        }
    }

    /// The next to be answered, and how much was committed by then; none once the server has stopped.
    async fn next(&self) -> Option<(Asked, u64)> {
        loop {
            {
                let mut desk = self.history.desk.lock();
                if desk.closed {
                    return None;
                }
                if let Some(asked) = desk.take() {
                    return Some((asked, desk.commits));
                }
            }
            let until = |desk: &Desk| match desk {
                desk if desk.closed || desk.has_some() => Until::Now,
                desk if desk.early.is_empty() => Until::Told,
                _ => Until::Time(Instant::now() + HISTORY_STALLED),
            };
            if self.history.asked.wait(&self.history.desk, until).await == Waited::Late {
                let stalled = self.history.desk.lock().without_waiting();
                for asked in stalled {
                    self.serve_without(asked);
                }
            }
        }
    }

    /// Answers; gives back what can't be answered yet.
    async fn serve(&mut self, asked: Asked) -> Option<Asked> {
        match asked {
            Asked::Listener(conn, room, ask) => {
                let Some(past) = self.past(&room, &ask) else {
                    return Some(Asked::Listener(conn, room, ask));
                };
                pause().await;
                self.shared.posts.to(&conn, Mail::Past(Arc::clone(&conn), Box::new(past)));
            }
            Asked::Page { room, from, to, limit, tell } => {
                match self.page(&room, from, to, limit) {
                    Some(page) => drop(tell.send(page)),
                    None => return Some(Asked::Page { room, from, to, limit, tell }),
                }
            }
            Asked::Find { room, words, count, tell } => {
                let (seqs, _) = self.search(&room, &words, count);
                pause().await;
                drop(tell.send(self.these(&room, &seqs)));
            }
        }
        None
    }

    /// The same for what can't wait.
    fn serve_without(&self, asked: Asked) {
        if let Asked::Listener(conn, _, ask) = asked {
            let past = Box::new(nothing(&ask));
            self.shared.posts.to(&conn, Mail::Past(Arc::clone(&conn), past));
        }
    }

    fn past(&mut self, room: &Arc<Room>, ask: &Ask) -> Option<Past> {
        let Some(kept) = &room.kept else {
            return Some(nothing(ask));
        };
        Some(match ask {
            Ask::Last { count, to } => {
                // What is said before them has to be known, on disk or lost.
                if kept.readable() < *to {
                    return None;
                }
                let last = self.reader.last(kept.no, *count, *to);
                let (from, count) = last.unwrap_or_else(|error| {
                    complain(&error);
                    (*to, 0)
                });
                Past::Last { from, count }
            }
            Ask::Run { from, to } => Past::Portion(self.portion(
                room,
                kept,
                (*from, *to),
                (BATCH_RECORDS, HISTORY_PORTION_BYTES),
            )?),
            Ask::Words(words, count) => {
                let (seqs, more) = self.search(room, words, *count);
                Past::Found { words: words.clone(), seqs, more }
            }
            Ask::These(seqs) => {
                let batch = self.these(room, seqs).map(Arc::new);
                Past::Portion(Portion { gap: None, batch, next: seqs.len() as u64 })
            }
        })
    }

    /// The next messages of a run. None: none of them is on disk yet.
    fn portion(
        &mut self,
        room: &Arc<Room>,
        kept: &Kept,
        (from, to): (u64, u64),
        (messages, bytes): (usize, usize),
    ) -> Option<Portion> {
        let oldest = room.life.oldest_stored().unwrap_or(from);
        if from < oldest {
            let to = oldest.min(to);
            return Some(Portion::missing(from, to, Lost::Forgotten));
        }
        let settled = kept.readable();
        if from >= settled {
            return None;
        }
        // What the disk didn't take isn't written down as such while it refuses.
        if let Some((last, why)) = kept.why_lost(from) {
            return Some(Portion::missing(from, to.min(last + 1), why));
        }
        let to = to.min(settled);
        let read = self.reader.portion(kept.no, from, to, messages, bytes);
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                complain(&error);
                return Some(Portion::missing(from, to, Lost::Damaged));
            }
        };
        let gap = read.gap.map(|hole| {
            let lost = match hole.cause {
                Cause::Unused => Lost::Unused,
                Cause::NotStored => Lost::NotStored,
                Cause::Damaged => Lost::Damaged,
                Cause::Forgotten => Lost::Forgotten,
            };
            let late = kept.why_lost(hole.first).map(|(_, why)| why);
            (hole.first, hole.last, late.unwrap_or(lost))
        });
        let batch = restored(room, &read.rows).map(Arc::new);
        Some(Portion { gap, batch, next: read.next })
    }

    fn page(&mut self, room: &Arc<Room>, from: u64, to: u64, limit: usize) -> Option<Page> {
        let Some(kept) = &room.kept else { return Some(Page::new()) };
        let (mut page, mut next, mut count, mut bytes) = (Page::new(), from, 0, 0);
        while next < to && count < limit && bytes < HTTP_HISTORY_BYTES {
            let most = (BATCH_RECORDS.min(limit - count), HISTORY_PORTION_BYTES);
            let Some(portion) = self.portion(room, kept, (next, to), most) else {
                // What comes after it is given on the next page, but for a first one.
                return (!page.is_empty()).then_some(page);
            };
            next = portion.next;
            if let Some(batch) = &portion.batch {
                count += batch.records.len();
                bytes += usize::try_from(batch.weight()).unwrap_or(usize::MAX);
            }
            page.push(portion);
        }
        Some(page)
    }

    fn search(&mut self, room: &Arc<Room>, words: &str, count: usize) -> (Vec<u64>, bool) {
        let Some(kept) = &room.kept else { return (Vec::new(), false) };
        match self.reader.search(kept.no, words, count) {
            Ok(found) => (found.seqs, found.more),
            Err(error) => {
                complain(&error);
                (Vec::new(), false)
            }
        }
    }

    fn these(&mut self, room: &Arc<Room>, seqs: &[u64]) -> Option<Batch> {
        let kept = room.kept.as_ref()?;
        match self.reader.these(kept.no, seqs) {
            Ok(rows) => restored(room, &rows),
            Err(error) => {
                complain(&error);
                None
            }
        }
    }
}

/// Nothing is kept of this room.
fn nothing(ask: &Ask) -> Past {
    match ask {
        Ask::Last { to, .. } => Past::Last { from: *to, count: 0 },
        Ask::Run { from, to } => Past::Portion(Portion::missing(*from, *to, Lost::Forgotten)),
        Ask::Words(words, _) => Past::Found { words: words.clone(), seqs: Vec::new(), more: false },
        Ask::These(seqs) => {
            Past::Portion(Portion { gap: None, batch: None, next: seqs.len() as u64 })
        }
    }
}

fn restored(room: &Room, rows: &[Row]) -> Option<Batch> {
    Batch::restored(
        &room.life,
        rows.iter().map(|row| Restored {
            seq: row.seq,
            time_us: row.time_us,
            author: Author { number: row.sid, name: row.author.clone() },
            id: row.mid,
            body: &row.body,
        }),
    )
}

fn complain(error: &DbError) {
    tracing::warn!(%error, "can't read the history");
}
