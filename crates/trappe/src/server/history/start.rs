//! How the history is opened, and what of it is known in memory from then on.

#[cfg(not(sim))]
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread::JoinHandle,
};
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use parking_lot::Mutex;
use trappe_core::{
    command::Lang, limits::HISTORY_ROOMS, message::Position, room::log::numbers_reserved,
    sent::Sent, words::say,
};

#[cfg(not(sim))]
use super::{super::end_process, condvar::to_its_end};
use super::{
    History,
    archive::{Archivist, Desk},
    books::{Books, MEMBERS_RESERVED},
    catalogue::Catalogue,
    condvar::Condvar,
    inbox::Inbox,
    new_epoch,
    writer::Writer,
};
use crate::{
    http::Http,
    net::address::shown,
    server::{
        Members, Shared,
        identity::{self, Identity},
    },
    store::{
        self, Folder, Keep, NewEpoch, Note, OpenError, Reader, Store, StoredPost, StoredSession,
    },
};

/// A history that is opened, and what else was on disk.
pub(crate) struct Restored {
    pub(crate) history: Arc<History>,
    pub(crate) sessions: Vec<StoredSession>,
    pub(crate) posted: Vec<StoredPost>,
    /// The number of the next member.
    pub(crate) next_member: u64,
    /// What is to be said of it.
    pub(crate) notes: Vec<Note>,
    /// Messages that are kept.
    pub(crate) messages: u64,
    threads: Threads,
}

/// What the threads need.
struct Threads {
    folder: Folder,
    store: Store,
    reader: Reader,
    keep: Keep,
    books: Books,
}

/// Opens what is in `dir`, for a server with so many workers.
///
/// # Errors
/// [`OpenError`]; nothing was changed then.
pub(crate) fn open(
    dir: &Path,
    keep: Keep,
    workers: usize,
    now_us: u64,
) -> Result<Restored, OpenError> {
    let folder = Folder::open(dir)?;
    let opened = store::open(&folder, &mut new_epoch, now_us)?;
    let mut store = opened.store;
    let block = numbers_reserved(workers);
    // From here on numbers are given before the disk hears of it.
    let last = opened.sessions.iter().map(|session| session.sid).max().unwrap_or(0);
    let next_member = opened.next_member.max(last + 1);
    let members = next_member + MEMBERS_RESERVED;
    let mut transaction = store.write()?;
    for room in &opened.rooms {
        transaction.room(room.no, &room.name, room.epoch, room.next_seq + block)?;
    }
    // What a member says is heard before it is on disk: who has its number after a crash must not be taken for it.
    transaction.next_member(members)?;
    transaction.commit()?;
    let reader = Reader::open(&folder)?;
    let written = opened.rooms.iter().map(|room| (room.no, room.epoch)).collect();
    let books = Books::new(written, block, members);
    debug_assert!(opened.rooms.len() <= HISTORY_ROOMS, "more are never made");
    let catalogue = Catalogue::new(opened.rooms, opened.next_room, block);
    let history = Arc::new(History {
        inbox: Mutex::new(Inbox::default()),
        more: Condvar::default(),
        catalogue: Mutex::new(catalogue),
        desk: Mutex::new(Desk::default()),
        asked: Condvar::default(),
        slowed: Mutex::default(),
        pressed: AtomicBool::new(false),
        failing: AtomicBool::new(false),
        hurried: AtomicBool::new(false),
        order: 0.into(),
        waiting: 0.into(),
        gathers: AtomicBool::new(false),
        counts: super::Counts::default(),
    });
    Ok(Restored {
        history,
        sessions: opened.sessions,
        posted: opened.posted,
        next_member,
        notes: opened.notes,
        messages: opened.messages,
        threads: Threads { folder, store, reader, keep, books },
    })
}

impl Restored {
    /// Sessions that may be taken up, and what was posted lately, are known from the start.
    pub(crate) fn remember(&mut self, hub: &mut Members, http: &Http) {
        hub.go_on_from(self.next_member);
        let catalogue = self.history.catalogue.lock();
        let position = |no: u32, seq: u64| {
            let (name, epoch, ..) = catalogue.get(no)?;
            Some((name.clone(), Position { epoch, seq }))
        };
        let now = Duration::ZERO;
        for session in &self.sessions {
            let seen = session.sent.iter();
            let seen = seen.filter_map(|(id, no, seq)| Some((*id, position(*no, *seq)?)));
            let sent = Sent::restored(session.floor, now, seen);
            let identity = Identity::restored(session.sid, session.token, sent);
            let token = identity::known_as(&session.token);
            self.threads.books.know_session(session.sid, Arc::clone(&identity));
            hub.restore_session(now, session.sid, token, session.name.clone(), identity);
        }
        for post in &self.posted {
            if let Some((_, position)) = position(post.room, post.seq) {
                http.remember(&post.key, post.digest, position);
            }
        }
    }

    /// What is to be said of it at the start.
    pub(crate) fn lines(&self, lang: Lang, dir: &Path) -> Vec<String> {
        let dir = shown(dir);
        let mut lines: Vec<String> =
            self.notes.iter().map(|note| sentence(note, &dir, lang)).collect();
        if !self.notes.contains(&Note::New) {
            let args = [("path", dir.as_str().into()), ("count", self.messages.into())];
            lines.insert(0, say(lang, "server-data", &args));
        }
        lines
    }

    /// Starts the threads. The writer's ends when it is told to close.
    #[cfg(not(sim))]
    pub(crate) fn start(self, shared: &Arc<Shared>) -> io::Result<JoinHandle<()>> {
        let (archivist, writer) = self.threads(shared);
        std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || or_end(|| to_its_end(archivist.run())))?;
        std::thread::Builder::new()
            .name("history".into())
            .spawn(move || or_end(|| to_its_end(writer.run())))
    }

    /// There are no threads in a simulated world.
    #[cfg(sim)]
    pub(crate) fn start(
        self,
        shared: &Arc<Shared>,
    ) -> std::io::Result<std::thread::JoinHandle<()>> {
        drop(self.work(shared));
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// What the two threads do, for a world that has none: the archivist's work, and the writer's.
    #[cfg(sim)]
    pub(crate) fn work(
        self,
        shared: &Arc<Shared>,
    ) -> (impl Future<Output = ()> + use<>, impl Future<Output = ()> + use<>) {
        let (archivist, writer) = self.threads(shared);
        (archivist.run(), writer.run())
    }

    fn threads(self, shared: &Arc<Shared>) -> (Archivist, Writer) {
        let Threads { folder, store, reader, keep, books } = self.threads;
        let archivist =
            Archivist { shared: Arc::clone(shared), history: Arc::clone(&self.history), reader };
        let writer = Writer::new(Arc::clone(shared), self.history, folder, keep, store, books);
        (archivist, writer)
    }
}

/// Without one of its threads the history would keep people waiting for ever: as with a pump, the service starts anew.
#[cfg(not(sim))]
fn or_end(run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        tracing::error!("the history panicked: the process ends");
        end_process();
    }
}

/// A note as a sentence.
pub(crate) fn sentence(note: &Note, dir: &str, lang: Lang) -> String {
    match note {
        Note::New => say(lang, "store-new", &[("path", dir.into())]),
        Note::WasEmpty => say(lang, "store-was-empty", &[("path", dir.into())]),
        Note::Unclean { rooms } => say(lang, "store-unclean", &[("rooms", (*rooms).into())]),
        Note::NewEpoch(why) => {
            let reason = match why {
                NewEpoch::Older => "starts",
                NewEpoch::Replaced => "copied",
                NewEpoch::LogMissing => "no-wal",
                NewEpoch::Damaged => "salvaged",
                NewEpoch::Unknown => "no-life",
            };
            say(lang, "store-new-epoch", &[("reason", reason.into())])
        }
        Note::Salvaged { kept, lost, file } => {
            let file = shown(file);
            let path = ("path", file.as_str().into());
            say(lang, "store-salvaged", &[("kept", (*kept).into()), ("lost", (*lost).into()), path])
        }
    }
}
