//! The wall clock of a simulated life: it goes on with the runtime's, and jumps only when it is set.

use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

thread_local! {
    static BEGAN: Cell<Option<(Instant, Duration)>> = const { Cell::new(None) };
}

/// When each life begins, in seconds since 1970.
const BEGINNING: Duration = Duration::from_secs(1_900_000_000);

/// A life begins. Must be called inside its runtime.
pub(crate) fn begin() {
    BEGAN.set(Some((Instant::now(), BEGINNING)));
}

/// Sets the clock, as an administrator would: what it says now is `since_1970`.
pub(crate) fn set(since_1970: Duration) {
    BEGAN.set(Some((Instant::now(), since_1970)));
}

/// What the clock says.
///
/// # Panics
/// [`begin`] wasn't called on this thread.
pub(crate) fn wall() -> SystemTime {
    let (at, said) = BEGAN.get().expect("a life has begun");
    SystemTime::UNIX_EPOCH + said + at.elapsed()
}
