//! The hub as a process of the simulated world: threads that are tasks, and that die all at once.
//!
//! Each thread of the hub is a set of tasks of its own, so that what a worker spawns stays with it. Between two of its
//! turns a thread may be kept waiting by chance, as a scheduler does.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::resume_unwind,
    pin::Pin,
    rc::Rc,
    sync::Once,
    task::{Context, Poll, ready},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, RngSeed, Runtime},
    sync::Notify,
    task::{JoinHandle, LocalSet, spawn_local},
    time::{Sleep, sleep, timeout_at},
};

use super::chance::{self, Chance};
use crate::server::history::{Until, Waited};

/// The runtime of a life, and all its chance: of its seed. Its time stands still while anybody has something to do.
pub(crate) fn runtime(seed: u64) -> Runtime {
    chance::begin(seed);
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
        .expect("a runtime without I/O needs nothing of the system")
}

/// How fast the hub's threads and its disk are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Once in so many turns a thread has to wait for its next one; 0: never.
    pub(crate) wait_one_in: u64,
    /// For how long, at most, in milliseconds.
    pub(crate) wait_ms: u64,
    /// Before and after each use of the disk by the history: how long it takes at most, in milliseconds.
    pub(crate) disk_ms: u64,
}

/// What is known of the process in one life.
struct Kernel {
    pace: Pace,
    chance: Chance,
    frozen: bool,
    /// Whoever waits for that.
    froze: Rc<Notify>,
}

thread_local! {
    static KERNEL: RefCell<Option<Kernel>> = const { RefCell::new(None) };
    static PANIC: Cell<Option<String>> = const { Cell::new(None) };
}

fn with<T>(what: impl FnOnce(&mut Kernel) -> T) -> T {
    KERNEL.with_borrow_mut(|kernel| what(kernel.as_mut().expect("a life has begun")))
}

/// A life begins.
pub(crate) fn begin() {
    static HOOK: Once = Once::new();
    // Whoever panics may be caught far above: what it said is noted where it is said.
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let said = PANIC.take().unwrap_or_else(|| info.to_string());
            PANIC.set(Some(said));
            before(info);
        }));
    });
    PANIC.set(None);
    KERNEL.set(Some(Kernel {
        pace: Pace::default(),
        chance: chance::fork("process"),
        frozen: false,
        froze: Rc::default(),
    }));
}

/// How fast threads and disk are from now on.
pub(crate) fn set_pace(pace: Pace) {
    with(|kernel| kernel.pace = pace);
}

/// The first panic of this life, whoever's it was.
pub(crate) fn panic() -> Option<String> {
    let said = PANIC.take();
    PANIC.set(said.clone());
    said
}

/// The process is dead from this very moment, in the middle of whatever it does: no task of it has another turn. What
/// is left of it is cleared away by [`Threads::kill`].
pub(crate) fn freeze() {
    with(|kernel| {
        kernel.frozen = true;
        kernel.froze.notify_waiters();
    });
}

/// Waits until it is dead.
pub(crate) async fn frozen() {
    let froze = with(|kernel| Rc::clone(&kernel.froze));
    let told = froze.notified();
    if !is_frozen() {
        told.await;
    }
}

/// Whether it is dead.
pub(crate) fn is_frozen() -> bool {
    with(|kernel| kernel.frozen)
}

/// One of two, as likely.
pub(crate) fn toss() -> bool {
    with(|kernel| kernel.chance.one_in(2))
}

/// The others have their turn: those of this thread, or, by chance, all that there are.
pub(crate) async fn yield_now() {
    if toss() {
        return tokio::task::yield_now().await;
    }
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The process ends itself, after a panic.
pub(crate) fn end() -> ! {
    freeze();
    resume_unwind(Box::new("the process has ended"));
}

/// What waits for the end of a thread.
pub(crate) type End = Pin<Box<dyn Future<Output = ()>>>;

/// One thread of the process.
struct Thread {
    tasks: Rc<RefCell<Option<LocalSet>>>,
    ended: Rc<Notify>,
    driver: JoinHandle<()>,
}

/// All threads of a process.
#[derive(Default)]
pub(crate) struct Threads(Vec<Thread>);

impl Threads {
    /// No thread; the process lives.
    pub(crate) fn new() -> Threads {
        with(|kernel| kernel.frozen = false);
        Threads::default()
    }

    /// Starts one. It ends with its work; what tasks it has then are dropped. Gives what waits for its end.
    ///
    /// Must be called inside a [`LocalSet`], which drives it.
    pub(crate) fn start(&mut self, work: impl Future<Output = ()> + 'static) -> End {
        let set = LocalSet::new();
        let work = set.spawn_local(work);
        let tasks = Rc::new(RefCell::new(Some(set)));
        let ended = Rc::new(Notify::new());
        let mut turn = Turn::default();
        let driver = {
            let (tasks, ended) = (Rc::clone(&tasks), Rc::clone(&ended));
            spawn_local(async move {
                poll_fn(|cx| turn.poll(cx, &tasks, &work)).await;
                tasks.take();
                // Whoever waits, or will.
                ended.notify_one();
            })
        };
        self.0.push(Thread { tasks, ended: Rc::clone(&ended), driver });
        Box::pin(async move { ended.notified().await })
    }

    /// Ends all of them, in the middle of whatever they do.
    pub(crate) fn kill(self) {
        freeze();
        for thread in &self.0 {
            thread.driver.abort();
        }
        for thread in self.0 {
            drop(thread.tasks.take());
            thread.ended.notify_one();
        }
    }
}

/// When a thread has its turns.
#[derive(Default)]
struct Turn {
    waits: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        tasks: &RefCell<Option<LocalSet>>,
        work: &JoinHandle<()>,
    ) -> Poll<()> {
        if self.waits.is_none() {
            self.waits = with(|kernel| {
                let waits = kernel.chance.one_in(kernel.pace.wait_one_in);
                let wait = kernel.chance.within(0..=kernel.pace.wait_ms);
                waits.then(|| Box::pin(sleep(Duration::from_millis(wait))))
            });
        }
        if let Some(waits) = &mut self.waits {
            ready!(waits.as_mut().poll(cx));
            self.waits = None;
        }
        if is_frozen() {
            return Poll::Pending;
        }
        if let Some(tasks) = tasks.borrow_mut().as_mut() {
            // It is ready when it has no tasks at all, which is when its work is done.
            let _none = Pin::new(tasks).poll(cx);
        }
        if work.is_finished() && !is_frozen() { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Others do something while the disk is at work.
pub(crate) async fn pause() {
    let pause = with(|kernel| kernel.chance.within(0..=kernel.pace.disk_ms));
    if pause > 0 {
        sleep(Duration::from_millis(pause)).await;
    }
}

/// As the history's `Condvar`, for threads that are tasks: what is told while nobody waits is heard by nobody.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Notify);

impl Condvar {
    /// Tells who waits, if somebody does.
    pub(crate) fn notify_one(&self) {
        // The other one would be remembered for whoever waits next.
        self.0.notify_waiters();
    }

    /// Waits for as long as `until` says under the lock, and at most once.
    pub(crate) async fn wait<T>(&self, lock: &Mutex<T>, until: impl FnOnce(&T) -> Until) -> Waited {
        let (until, told) = {
            let locked = lock.lock();
            (until(&locked), self.0.notified())
        };
        match until {
            Until::Now => Waited::Not,
            Until::Told => {
                told.await;
                Waited::Told
            }
            Until::Time(at) => match timeout_at(at, told).await {
                Ok(()) => Waited::Told,
                Err(_late) => Waited::Late,
            },
        }
    }
}
