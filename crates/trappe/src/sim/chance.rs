//! All chance of a simulated life, from its seed.
//!
//! The hub and its clients draw from one stream ([`fill`]). Each part of the world has a stream of its own
//! ([`fork`]), so that a change to one part doesn't reshuffle what the others draw.

use std::{cell::RefCell, ops::RangeInclusive, time::Duration};

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// What a life draws from until one has begun: tests of parts have none.
const NO_LIFE: u64 = 0;

thread_local! {
    static CHANCE: RefCell<(u64, Chance)> = RefCell::new((NO_LIFE, Chance::of(NO_LIFE, "hub")));
}

/// From here on this thread's chance is that of `seed`.
pub(crate) fn begin(seed: u64) {
    CHANCE.set((seed, Chance::of(seed, "hub")));
}

/// Fills `bytes`.
pub(crate) fn fill(bytes: &mut [u8]) {
    CHANCE.with_borrow_mut(|(_, chance)| chance.0.fill_bytes(bytes));
}

/// A stream of this life's chance for one part of the world: the same for the same name, whatever others have drawn.
pub(crate) fn fork(name: &str) -> Chance {
    CHANCE.with_borrow(|(seed, _)| Chance::of(*seed, name))
}

/// A stream of chance.
#[derive(Clone, Debug)]
pub(crate) struct Chance(Pcg64);

impl Chance {
    /// The stream of this name in the life of `seed`.
    pub(crate) fn of(seed: u64, name: &str) -> Chance {
        // FNV-1a: the same on every machine, for ever.
        let mut stream = 0xcbf2_9ce4_8422_2325_u64;
        for byte in seed.to_le_bytes().iter().chain(name.as_bytes()) {
            stream = (stream ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Chance(Pcg64::seed_from_u64(stream))
    }

    /// Any number of a range, each as likely.
    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// The same for sizes.
    pub(crate) fn size(&mut self, range: RangeInclusive<usize>) -> usize {
        self.0.random_range(range)
    }

    /// True once in `n` times; never for 0.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        n > 0 && self.within(1..=n) == 1
    }

    /// True in so many of a hundred cases.
    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.within(1..=100) <= percent
    }

    /// A time between two, to the microsecond.
    pub(crate) fn time(&mut self, range: RangeInclusive<Duration>) -> Duration {
        let micros = |time: &Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(self.within(micros(range.start())..=micros(range.end())))
    }

    /// One of several, each as likely.
    ///
    /// # Panics
    /// There is none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.size(0..=of.len() - 1)]
    }

    /// One of several, each as likely as its weight says.
    ///
    /// # Panics
    /// There is none that has a weight.
    pub(crate) fn weighted<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let mut left = self.within(1..=of.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in of {
            if left <= *weight {
                return *what;
            }
            left -= weight;
        }
        unreachable!("no more than all weights together was drawn")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(chance: &mut Chance) -> Vec<u64> {
        (0..8).map(|_| chance.within(0..=u64::MAX)).collect()
    }

    #[test]
    fn a_stream_is_its_seeds_and_its_names_and_nobody_elses() {
        begin(7);
        let first = drawn(&mut fork("net"));
        fill(&mut [0; 5]);
        assert_eq!(drawn(&mut fork("net")), first, "whatever others have drawn");
        assert_ne!(drawn(&mut fork("disk")), first);
        begin(8);
        assert_ne!(drawn(&mut fork("net")), first);
    }

    #[test]
    fn what_weighs_nothing_is_never_drawn() {
        let mut chance = Chance::of(1, "weights");
        let drawn: Vec<u32> =
            (0..1000).map(|_| chance.weighted(&[(0, 0), (3, 1), (0, 2), (1, 3)])).collect();
        let of = |what| drawn.iter().filter(|&&it| it == what).count();
        assert_eq!((of(0), of(2)), (0, 0));
        assert!((600..900).contains(&of(1)), "{}", of(1));
        assert!(!chance.one_in(0) && chance.one_in(1) && !chance.percent(0) && chance.percent(100));
    }
}
