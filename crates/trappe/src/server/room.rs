//! A room as all workers share it: its name and the tail of its log.

use std::{
    sync::{Arc, Weak},
    task::Waker,
};

use trappe_core::{
    limits::WORKERS,
    message::{Author, Kind, Position},
    name::Name,
    room::{
        batch::{Batch, Ledger},
        log::Appended,
    },
};

use super::{
    conn::Conn,
    console::Console,
    mail::Mail,
    sync::{Post, Publish, Tail},
};

/// The mailboxes of all pumps, and the console.
#[derive(Debug)]
pub(crate) struct Posts {
    pub(crate) workers: Vec<Post<Mail>>,
    pub(crate) console: Option<Arc<Console>>,
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
    pub(crate) name: Name,
    pub(crate) tail: Tail,
    pub(crate) ledger: Arc<Ledger>,
    me: Weak<Room>,
}

struct Publisher<'a>(&'a Room, &'a Posts);

impl Publish for Publisher<'_> {
    fn deliver(&self, worker: usize, batch: &Arc<Batch>, ring: bool) {
        debug_assert!(worker < WORKERS, "the log knows no other workers");
        let post = &self.1.workers[worker];
        let room = self.0.me.upgrade().expect("a room that is borrowed is alive");
        let mail = Mail::Batch(room, Arc::clone(batch));
        if ring { post.send(mail) } else { post.leave(mail) }
    }

    fn observe(&self, batch: &Arc<Batch>) {
        if let Some(console) = &self.1.console {
            console.batch(&self.0.name, batch);
        }
    }
}

impl Room {
    pub(crate) fn new(id: u32, name: Name, tail: Tail, ledger: Arc<Ledger>) -> Arc<Room> {
        Arc::new_cyclic(|me| Room { id, name, tail, ledger, me: me.clone() })
    }

    /// Appends for a member: fixes the order. The member's pump is to be told, by [`Mail::Spoke`], which record is its own.
    pub(crate) fn append(
        &self,
        posts: &Posts,
        now_us: u64,
        conn: &Conn,
        author: &Author,
        kind: Kind,
        body: &[u8],
    ) -> Appended {
        self.tail.append(&Publisher(self, posts), now_us, author.clone(), kind, body, conn.worker)
    }

    /// Appends a notice that is nobody's own, and publishes it at once.
    pub(crate) fn announce(&self, posts: &Posts, now_us: u64, author: Author, kind: Kind) {
        self.tail.append(&Publisher(self, posts), now_us, author, kind, &[], 0);
        self.tail.seal(&Publisher(self, posts), None);
    }

    /// Publishes what was appended.
    pub(crate) fn seal(&self, posts: &Posts, worker: usize) {
        self.tail.seal(&Publisher(self, posts), Some(worker));
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
