//! A room as all workers share it: its name and the tail of its log.

use std::{
    sync::{Arc, Weak},
    task::Waker,
};

use trappe_core::{
    limits::WORKERS,
    message::{Author, Entry, Kind, Position},
    name::Name,
    room::{
        batch::{Batch, Life},
        log::Appended,
        state::{Changed, SetError, State},
        view::View,
    },
    state_key::StateKey,
};

use super::{
    conn::Conn,
    console::Console,
    history::{History, Kept},
    mail::Mail,
    sync::{Mutex, Post, Publish, Tail},
};

/// The mailboxes of all pumps, the console, and the history.
#[derive(Debug)]
pub(crate) struct Posts {
    pub(crate) workers: Vec<Post<Mail>>,
    pub(crate) console: Option<Arc<Console>>,
    /// What is kept on disk, where something is.
    pub(crate) history: Option<Arc<History>>,
}

impl Posts {
    /// Leaves a mail for the pump that looks after a connection, and wakes it.
    pub(crate) fn to(&self, conn: &Conn, mail: Mail) {
        self.workers[conn.worker].send(mail);
    }

    /// Sends each pump a mail of its own.
    pub(crate) fn to_all(&self, mail: impl Fn() -> Mail) {
        for post in &self.workers {
            post.send(mail());
        }
    }
}

/// A room.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: u32,
    pub(crate) life: Arc<Life>,
    pub(crate) tail: Tail,
    /// The latest value of each key. A leaf lock: no other is taken while it is held.
    pub(crate) state: Mutex<State>,
    /// What of it is on disk, where it is kept there.
    pub(crate) kept: Option<Arc<Kept>>,
    me: Weak<Room>,
}

struct Publisher<'a> {
    room: &'a Room,
    posts: &'a Posts,
    /// A worker seals one room after the other, and has history written after that.
    more_follows: bool,
}

impl Publish for Publisher<'_> {
    fn deliver(&self, worker: usize, batch: &Arc<Batch>, ring: bool) {
        debug_assert!(worker < WORKERS, "the log knows no other workers");
        let post = &self.posts.workers[worker];
        let room = self.room.me.upgrade().expect("a room that is borrowed is alive");
        let mail = Mail::Batch(room, Arc::clone(batch));
        if ring { post.send(mail) } else { post.leave(mail) }
    }

    fn observe(&self, batch: &Arc<Batch>) {
        if let Some(console) = &self.posts.console {
            console.batch(batch);
        }
        if let (Some(history), Some(_)) = (&self.posts.history, &self.room.kept) {
            let room = self.room.me.upgrade().expect("a room that is borrowed is alive");
            history.keep(&room, batch, self.more_follows);
        }
    }
}

impl Room {
    pub(crate) fn new(
        id: u32,
        life: Arc<Life>,
        tail: Tail,
        state: State,
        kept: Option<Arc<Kept>>,
    ) -> Arc<Room> {
        let state = Mutex::new(state);
        Arc::new_cyclic(|me| Room { id, life, tail, state, kept, me: me.clone() })
    }

    /// Sets a value of its state, and has it told to who follows.
    ///
    /// # Errors
    /// As [`State::set`].
    pub(crate) fn set(
        &self,
        posts: &Posts,
        time_us: u64,
        from: Author,
        (key, version): (StateKey, Option<u32>),
        value: &[u8],
    ) -> Result<u64, SetError> {
        let Changed { seq, tell } = self.state.lock().set(time_us, from, key, version, value)?;
        for worker in (0..WORKERS).filter(|worker| tell & (1 << worker) != 0) {
            let room = self.me.upgrade().expect("a room that is borrowed is alive");
            posts.workers[worker].send(Mail::Changed(room));
        }
        Ok(seq)
    }

    pub(crate) fn name(&self) -> &Name {
        &self.life.name
    }

    /// Appends on behalf of a worker's connection: fixes the order. A member's pump is to be told, by [`Mail::Spoke`],
    /// which record is its own; the worker's, where [`Appended::wake`] says so, that there is something to publish.
    pub(crate) fn append(
        &self,
        posts: &Posts,
        time_us: u64,
        worker: usize,
        entry: Entry<'_>,
    ) -> Appended {
        self.tail.append(&self.publisher(posts), time_us, entry, worker)
    }

    /// Appends a notice that is nobody's own, and publishes it at once.
    pub(crate) fn announce(&self, posts: &Posts, time_us: u64, author: Author, kind: Kind) {
        self.tail.append(&self.publisher(posts), time_us, Entry::notice(author, kind), 0);
        self.tail.seal(&self.publisher(posts), None);
    }

    /// Everything that is kept of the log, up to now.
    pub(crate) fn read(&self, posts: &Posts) -> View {
        self.tail.seal(&self.publisher(posts), None);
        let (kept, sealed) = self.tail.with(|log| (log.kept(), log.sealed()));
        View::new(Arc::clone(&self.life), kept, sealed)
    }

    fn publisher<'a>(&'a self, posts: &'a Posts) -> Publisher<'a> {
        Publisher { room: self, posts, more_follows: false }
    }

    /// Publishes what was appended, for nobody in particular.
    pub(crate) fn publish(&self, posts: &Posts) {
        self.tail.seal(&self.publisher(posts), None);
    }

    /// Publishes what was appended. For history it is enough to be told, by [`History::write`], once several rooms are sealed.
    pub(crate) fn seal(&self, posts: &Posts, worker: usize) {
        self.tail.seal(&Publisher { room: self, posts, more_follows: true }, Some(worker));
    }

    /// A member comes in on `conn`'s worker. Returns the log index and seq from which it reads; the worker has, or is sent, its view.
    pub(crate) fn enter(&self, posts: &Posts, conn: &Conn, number: u64) -> (u64, u64) {
        let (at, slowed) = self.tail.with(|log| {
            let first = log.workers() & (1 << conn.worker) == 0;
            let entered = log.enter(conn.worker, number);
            if first {
                let room = self.me.upgrade().expect("a room that is borrowed is alive");
                posts.workers[conn.worker].leave(Mail::View(room, log.kept(), log.sealed()));
            }
            entered
        });
        slowed.into_iter().for_each(Waker::wake);
        at
    }

    /// The position after the last message.
    pub(crate) fn position(&self) -> Position {
        self.tail.with(|log| log.position())
    }
}
