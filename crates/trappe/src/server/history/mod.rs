//! History on disk: one more reader of every log, which writes what is said, and gives it back to who reads further back
//! than a log holds.
//!
//! Two threads, since a disk blocks: the writer takes sealed batches and commits them together ([`writer`]), the archivist
//! answers those who read ([`archive`]). Nobody waits for either but a sender for its acknowledgement, and, while the writer
//! is far behind, whoever speaks.

mod archive;
mod backlog;
mod books;
mod catalogue;
mod condvar;
mod inbox;
mod kept;
mod lost;
mod start;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::Waker,
};

use bytes::Bytes;
use tokio::sync::oneshot;
use trappe_core::{
    command::Epoch,
    limits::{HISTORY_WAITING_BYTES, ITEM_BYTES},
    message::Position,
    name::Name,
    reply::To,
    room::{batch::Batch, past::Ask},
};

#[cfg(sim)]
pub(crate) use self::condvar::{Until, Waited};
pub(crate) use self::{
    archive::Page,
    catalogue::Opening,
    kept::{Fate, Kept},
    start::{Restored, open, sentence},
};
use self::{
    archive::{Asked, Desk},
    catalogue::Catalogue,
    condvar::Condvar,
    inbox::{Inbox, Job},
    kept::{Waiter, Waiting},
};
use super::{conn::Conn, identity::Identity, mail::Mail, room::Room};
use crate::{http::HistoryCounts, random};

/// What is counted of the history, for whoever watches over the hub.
#[derive(Debug, Default)]
struct Counts {
    /// Messages that are on disk.
    stored: AtomicU64,
    /// Messages that the disk didn't take.
    lost: AtomicU64,
    /// Transactions, of one fsync each.
    commits: AtomicU64,
    /// Bytes that wait to be written.
    waiting: AtomicU64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct History {
    inbox: parking_lot::Mutex<Inbox>,
    /// There is something in the inbox.
    more: Condvar,
    catalogue: parking_lot::Mutex<Catalogue>,
    desk: parking_lot::Mutex<Desk>,
    /// There is something on the archivist's desk.
    asked: Condvar,
    /// Senders that wait until the writer has caught up.
    slowed: parking_lot::Mutex<Vec<Waker>>,
    /// The writer is far behind: whoever speaks is to wait.
    pressed: AtomicBool,
    /// The disk takes nothing at present.
    failing: AtomicBool,
    /// Somebody waits for what is on disk to be filed.
    hurried: AtomicBool,
    order: AtomicU64,
    /// How many wait to be told that their message is on disk.
    waiting: AtomicUsize,
    /// The writer gathers, since nobody waits.
    gathers: AtomicBool,
    counts: Counts,
}

impl History {
    /// A room is opened, if it is kept.
    pub(super) fn open_room(&self, name: &Name) -> Option<Opening> {
        self.catalogue.lock().open(name, new_epoch)
    }

    /// The room of that name, while it is open; also one that the hub has forgotten, and whose last messages are on their way.
    pub(super) fn open_one(&self, name: &Name) -> Option<Arc<Room>> {
        self.catalogue.lock().open_one(name)
    }

    /// Whether a room can be opened, and kept: it is on disk, or there is a place for it.
    pub(crate) fn has_place(&self, name: &Name) -> bool {
        let (has_place, forgotten) = self.catalogue.lock().has_place(name);
        for no in forgotten {
            // One that stays is an empty row.
            let _or_stays = self.put(Job::Forget(no), 0);
        }
        has_place
    }

    /// Whether a room is on disk, or will be.
    pub(crate) fn knows(&self, name: &Name) -> bool {
        self.catalogue.lock().knows(name)
    }

    /// The room that was opened.
    pub(super) fn opened(&self, no: u32, room: &Arc<Room>) {
        self.catalogue.lock().opened(no, room);
    }

    /// A batch was published. Called under its log's lock: it is put into the inbox, and no more. `more_follows`, and
    /// then [`History::write`]: so that the writer isn't woken for the first of a hundred rooms.
    pub(super) fn keep(&self, room: &Arc<Room>, batch: &Arc<Batch>, more_follows: bool) {
        if batch.messages() > 0 {
            let bytes = usize::try_from(batch.weight()).unwrap_or(usize::MAX);
            let _always_taken = self.lay(Job::Batch(Arc::clone(room), Arc::clone(batch)), bytes);
            if !more_follows {
                self.write();
            }
        }
    }

    /// What was kept is written: a worker has sealed all that it had to. While nobody waits for its acknowledgement the
    /// writer, which gathers for a moment then, is told of the first only.
    pub(super) fn write(&self) {
        if self.inbox.lock().take_news() || self.waiting.load(SeqCst) > 0 {
            self.more.notify_one();
        }
    }

    /// A member's session is to be known after a restart, before the first message that it gave a number.
    pub(super) fn keep_session(&self, sid: u64, identity: &Arc<Identity>, name: Option<Name>) {
        identity.set_kept(sid);
        if self.put(Job::Session(sid, Arc::clone(identity), name), 0).is_err() {
            // The next message that it gives a number tries again.
            identity.set_kept(0);
        }
    }

    /// Nobody can come back to this session any more.
    pub(super) fn end_session(&self, sid: u64) {
        // One that stays is over with the next start of the server.
        let _or_stays = self.put(Job::EndSession(sid), 0);
    }

    /// Gives back a job for which there is no room.
    fn put(&self, job: Job, bytes: usize) -> Result<(), Job> {
        let put = self.lay(job, bytes);
        self.more.notify_one();
        put
    }

    /// The same, and the writer isn't woken.
    fn lay(&self, job: Job, bytes: usize) -> Result<(), Job> {
        let mut inbox = self.inbox.lock();
        let put = inbox.put(job, bytes);
        self.counts.waiting.store(inbox.bytes() as u64, Relaxed);
        if inbox.bytes() > HISTORY_WAITING_BYTES / 2 {
            self.pressed.store(true, Relaxed);
        }
        put
    }

    /// Whether whoever speaks is to wait for the disk; if so, `waker` is woken when it may look again.
    pub(crate) fn must_wait(&self, waker: impl FnOnce() -> Waker) -> bool {
        if !self.pressed.load(Relaxed) {
            return false;
        }
        let mut slowed = self.slowed.lock();
        // Looked at under the lock: who comes too late for being woken must not wait.
        let pressed = self.pressed.load(Relaxed);
        if pressed {
            let waker = waker();
            if !slowed.iter().any(|other| other.will_wake(&waker)) {
                slowed.push(waker);
            }
        }
        pressed
    }

    /// Whether whoever speaks would have to wait for the disk.
    pub(super) fn is_pressed(&self) -> bool {
        self.pressed.load(Relaxed)
    }

    fn relieved(&self) {
        let slowed = {
            let mut slowed = self.slowed.lock();
            self.pressed.store(false, Relaxed);
            std::mem::take(&mut *slowed)
        };
        slowed.into_iter().for_each(Waker::wake);
    }

    /// What is on disk is to be filed soon: somebody wants to read it.
    fn hurry(&self) {
        self.hurried.store(true, Relaxed);
        self.wake();
    }

    /// Something has changed that the writer looks at before it sleeps. Under the lock: else it could go to sleep between its
    /// look and this.
    fn wake(&self) {
        let _inbox = self.inbox.lock();
        self.more.notify_one();
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> HistoryCounts {
        HistoryCounts {
            stored: self.counts.stored.load(Relaxed),
            lost: self.counts.lost.load(Relaxed),
            commits: self.counts.commits.load(Relaxed),
            waiting_bytes: self.counts.waiting.load(Relaxed),
            failing: self.failing.load(Relaxed),
        }
    }

    /// A member is told when its message is on disk, or that it won't be.
    pub(super) fn acknowledge(
        &self,
        kept: &Kept,
        conn: &Arc<Conn>,
        to: To,
        position: Position,
    ) -> Option<Fate> {
        // A place in its queue is taken until the answer comes: who doesn't wait for answers isn't read any more.
        let who = Waiter::Member(Arc::clone(conn), to);
        let order = self.order.fetch_add(1, Relaxed);
        conn.claim(ITEM_BYTES);
        let fate = self.wait(kept, Waiting { position, order, who })?;
        conn.release(ITEM_BYTES);
        Some(fate)
    }

    /// Waits for a message, unless it is known what became of it.
    fn wait(&self, kept: &Kept, waiting: Waiting) -> Option<Fate> {
        // Before it can be told.
        self.waiting.fetch_add(1, SeqCst);
        if let Some((_, fate)) = kept.wait(waiting) {
            self.waiting.fetch_sub(1, SeqCst);
            return Some(fate);
        }
        if self.gathers.load(SeqCst) {
            self.wake();
        }
        None
    }

    /// Waits for a message to be on disk. False: it won't be.
    pub(crate) async fn is_stored(&self, kept: &Kept, position: Position) -> bool {
        let (tell, told) = oneshot::channel();
        let order = self.order.fetch_add(1, Relaxed);
        match self.wait(kept, Waiting { position, order, who: Waiter::Request(tell) }) {
            Some(fate) => fate == Fate::Stored,
            None => told.await.unwrap_or(false),
        }
    }

    /// A listener reads further back than its log holds; its pump is sent the answer.
    pub(super) fn ask(&self, conn: &Arc<Conn>, room: &Arc<Room>, ask: Ask) {
        self.put_on_desk(Asked::Listener(Arc::clone(conn), Arc::clone(room), ask));
    }

    /// A page of a room's messages, from one on and before another.
    pub(crate) async fn page(&self, room: &Arc<Room>, from: u64, to: u64, limit: usize) -> Page {
        let (tell, told) = oneshot::channel();
        self.put_on_desk(Asked::Page { room: Arc::clone(room), from, to, limit, tell });
        told.await.unwrap_or_default()
    }

    /// The newest messages in which words are.
    pub(crate) async fn find(
        &self,
        room: &Arc<Room>,
        words: Box<str>,
        count: usize,
    ) -> Option<Batch> {
        let (tell, told) = oneshot::channel();
        self.put_on_desk(Asked::Find { room: Arc::clone(room), words, count, tell });
        told.await.unwrap_or_default()
    }

    fn put_on_desk(&self, asked: Asked) {
        self.desk.lock().put(asked);
        self.asked.notify_one();
    }

    /// A member leaves, and is closed once it is told what became of all that it said.
    /// Gives back its end where too much waits for the disk.
    pub(super) fn leave(
        &self,
        conn: &Arc<Conn>,
        ends: Vec<(u32, u64)>,
        farewell: Bytes,
    ) -> Option<Mail> {
        match self.put(Job::Leave(Arc::clone(conn), ends, farewell), 0) {
            Err(Job::Leave(conn, ends, farewell)) => Some(Mail::Finish(conn, ends, farewell)),
            _ => None,
        }
    }

    /// Waits until all that was published by now is on disk, and acknowledged.
    pub(super) async fn flushed(&self) {
        let (tell, told) = oneshot::channel();
        let _always_taken = self.put(Job::Flush(tell), 0);
        let _or_the_writer_is_gone = told.await;
    }

    /// The server has stopped; `members` is the number of the next member.
    pub(super) fn close(&self, members: u64) {
        self.desk.lock().close();
        self.asked.notify_one();
        let _always_taken = self.put(Job::Close(members), 0);
    }
}

/// A new life.
pub(crate) fn new_epoch() -> Epoch {
    Epoch::from_random(random::number())
}
