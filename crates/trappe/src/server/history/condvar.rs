//! How the history's threads wait. In a simulated world (`--cfg sim`) they are tasks: what they do is the same, and
//! what they wait with is here.

use tokio::time::Instant;

#[cfg(not(sim))]
pub(super) use self::real::{Condvar, pause, to_its_end};
#[cfg(sim)]
pub(super) use crate::sim::process::{Condvar, pause};

/// Until when to wait.
pub(crate) enum Until {
    /// Not at all: there is something to do.
    Now,
    /// Until it is told, or until then.
    Time(Instant),
    /// Until it is told.
    Told,
}

/// How a wait came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// There was none.
    Not,
    /// Somebody has told, or nobody: what was waited for is to be looked at.
    Told,
    /// Its time has come.
    Late,
}

#[cfg(not(sim))]
mod real {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use parking_lot::Mutex;

    use super::{Until, Waited};

    /// A condition, with the lock of what it is about.
    #[derive(Debug, Default)]
    pub(in super::super) struct Condvar(parking_lot::Condvar);

    impl Condvar {
        /// Tells who waits, if somebody does.
        pub(in super::super) fn notify_one(&self) {
            self.0.notify_one();
        }

        /// Waits for as long as `until` says under the lock, and at most once: what is told after that look isn't
        /// missed. Blocks the thread.
        #[expect(clippy::unused_async, reason = "in a simulated world it waits as a task does")]
        pub(in super::super) async fn wait<T>(
            &self,
            lock: &Mutex<T>,
            until: impl FnOnce(&T) -> Until,
        ) -> Waited {
            let mut locked = lock.lock();
            match until(&locked) {
                Until::Now => Waited::Not,
                Until::Told => {
                    self.0.wait(&mut locked);
                    Waited::Told
                }
                Until::Time(at) => match self.0.wait_until(&mut locked, at.into_std()) {
                    late if late.timed_out() => Waited::Late,
                    _ => Waited::Told,
                },
            }
        }
    }

    /// Others may do something here; on threads they can anywhere.
    pub(in super::super) async fn pause() {}

    /// Runs what a thread does.
    pub(in super::super) fn to_its_end(work: impl Future<Output = ()>) {
        match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(()) => {}
            Poll::Pending => unreachable!("a thread waits for a condition, never for a waker"),
        }
    }
}
