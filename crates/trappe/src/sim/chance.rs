//! All chance of a simulated life, from its seed.

use std::cell::RefCell;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

thread_local! {
    static CHANCE: RefCell<Option<Pcg64>> = const { RefCell::new(None) };
}

/// From here on this thread's chance is that of `seed`.
pub(crate) fn begin(seed: u64) {
    CHANCE.set(Some(Pcg64::seed_from_u64(seed)));
}

/// Fills `bytes`.
///
/// # Panics
/// [`begin`] wasn't called on this thread.
pub(crate) fn fill(bytes: &mut [u8]) {
    CHANCE.with_borrow_mut(|chance| chance.as_mut().expect("a life has begun").fill_bytes(bytes));
}
