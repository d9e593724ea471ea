//! The locks, all of them, and nothing else: a log's tail, a worker's mailbox, the hub.
//!
//! Order: hub, or a session's sent messages → tail → mailbox. No lock is held over a write or an await. Speech takes a tail and a mailbox, never the
//! hub. Under `--cfg shuttle` the same code runs on shuttle's locks, and a test looks for lost wake-ups.

use std::{sync::Arc, task::Waker};

use trappe_core::{
    limits::WORKERS,
    message::Entry,
    room::{
        batch::Batch,
        log::{Appended, Front, Log},
    },
};

#[cfg(not(shuttle))]
pub(crate) use parking_lot::Mutex;
#[cfg(shuttle)]
pub(crate) use shim::Mutex;

/// What wakes a pump: rung any number of times, it is heard at least once after the last.
#[cfg(not(shuttle))]
#[derive(Debug, Default)]
pub(crate) struct Bell(tokio::sync::Notify);

#[cfg(not(shuttle))]
impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn heard(&self) {
        self.0.notified().await;
    }

    /// What has rung so far was heard: its mail is about to be taken.
    pub(crate) fn hush(&self) {
        let heard = std::pin::pin!(self.0.notified());
        let _either_way = heard.poll(&mut std::task::Context::from_waker(Waker::noop()));
    }
}

#[cfg(shuttle)]
pub(crate) use shim::Bell;

/// A worker's mailbox: what other threads, and its own readers, have for its pump.
#[derive(Debug)]
pub(crate) struct Post<M> {
    mail: Mutex<Vec<M>>,
    pub(crate) bell: Bell,
}

impl<M> Default for Post<M> {
    fn default() -> Post<M> {
        Post { mail: Mutex::new(Vec::new()), bell: Bell::default() }
    }
}

impl<M> Post<M> {
    /// Leaves a mail and wakes the pump.
    pub(crate) fn send(&self, mail: M) {
        self.leave(mail);
        self.bell.ring();
    }

    /// Leaves a mail that need not be read before the pump wakes for another reason.
    pub(crate) fn leave(&self, mail: M) {
        self.mail.lock().push(mail);
    }

    /// Takes all mail, in order; `into` is empty and lends its memory. The bell has rung for it: only for what comes later
    /// it rings again.
    pub(crate) fn take(&self, into: &mut Vec<M>) {
        debug_assert!(into.is_empty(), "mail is taken when the last is dealt with");
        self.bell.hush();
        std::mem::swap(into, &mut self.mail.lock());
    }
}

#[cfg(sim)]
impl<M> Post<M> {
    /// All mail of a worker that is no more.
    pub(crate) fn take_all(&self) -> Vec<M> {
        std::mem::take(&mut self.mail.lock())
    }
}

/// Who is told of a sealed batch.
pub(crate) trait Publish {
    /// Hands the batch to `worker`. Called under the tail's lock: it leaves a mail, and no more.
    fn deliver(&self, worker: usize, batch: &Arc<Batch>, ring: bool);
    /// Hands the batch to those readers of the log that aren't members.
    fn observe(&self, batch: &Arc<Batch>);
}

/// The tail of one room's log behind its lock.
#[derive(Debug)]
pub(crate) struct Tail<W = Waker>(Mutex<Log<W>>);

impl<W> Tail<W> {
    pub(crate) fn new(log: Log<W>) -> Tail<W> {
        Tail(Mutex::new(log))
    }

    /// Appends; seals at once if the batch is full. [`Appended::wake`] tells whether the worker's pump is to be woken.
    pub(crate) fn append(
        &self,
        to: &impl Publish,
        time_us: u64,
        entry: Entry<'_>,
        worker: usize,
    ) -> Appended {
        let mut log = self.0.lock();
        let appended = log.append(time_us, entry, worker);
        if appended.full {
            publish(&mut log, to, None);
        }
        appended
    }

    /// Seals what was appended and hands it out, to all in the same order: under the lock. The pump of worker `me`, if
    /// it is the one that seals, looks into its mailbox next and need not be woken.
    pub(crate) fn seal(&self, to: &impl Publish, me: Option<usize>) {
        publish(&mut self.0.lock(), to, me);
    }

    /// Whatever else is to be done with the log; short, and never a write.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut Log<W>) -> T) -> T {
        what(&mut self.0.lock())
    }

    /// A worker tells how far its members have got; the returned are to be woken.
    pub(crate) fn report(&self, worker: usize, front: Front) -> Vec<W> {
        self.0.lock().report(worker, front)
    }

    /// Whether the sender is to wait; if so, `waker` is woken when it may look again.
    pub(crate) fn must_wait(&self, number: u64, worker: usize, waker: impl FnOnce() -> W) -> bool {
        let mut log = self.0.lock();
        let pressed = log.pressed(number, worker);
        if pressed {
            log.slow(number, waker());
        }
        pressed
    }
}

fn publish<W>(log: &mut Log<W>, to: &impl Publish, me: Option<usize>) {
    let Some(batch) = log.seal() else { return };
    let workers = log.workers();
    for worker in (0..WORKERS).filter(|w| workers & (1 << w) != 0) {
        to.deliver(worker, &batch, me != Some(worker));
    }
    to.observe(&batch);
}

#[cfg(shuttle)]
mod shim {
    //! Shuttle's locks under the names that the code uses.
    use std::sync::PoisonError;

    #[derive(Debug)]
    pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T: Default> Default for Mutex<T> {
        fn default() -> Mutex<T> {
            Mutex::new(T::default())
        }
    }

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(shuttle::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Debug)]
    pub(crate) struct Bell(shuttle::sync::Mutex<bool>, shuttle::sync::Condvar);

    impl Default for Bell {
        fn default() -> Bell {
            Bell(shuttle::sync::Mutex::new(false), shuttle::sync::Condvar::new())
        }
    }

    impl Bell {
        pub(crate) fn ring(&self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
            self.1.notify_one();
        }

        pub(crate) fn wait(&self) {
            let mut rung = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            while !*rung {
                rung = self.1.wait(rung).unwrap_or_else(PoisonError::into_inner);
            }
            *rung = false;
        }

        pub(crate) async fn heard(&self) {
            self.wait();
        }

        pub(crate) fn hush(&self) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = false;
        }
    }
}

#[cfg(all(test, shuttle))]
mod shuttle_tests;
