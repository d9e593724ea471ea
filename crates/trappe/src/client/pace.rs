//! How fast datagrams may follow one another.
//!
//! Nothing slows a sender of datagrams: what the receiver's buffer can't take is lost, and nobody is told. Linux gives
//! a socket 208 KiB (`net.core.rmem_default`), in which a datagram counts with what the kernel keeps beside it, so that
//! some 270 short ones fill it. A burst is therefore a third of that at most, and the pace leaves a hub that must wait
//! for its processor a few milliseconds.

use std::time::{Duration, Instant};

/// What a datagram counts for beside its bytes: a little more than what the kernel keeps for one.
const DATAGRAM_COST_BYTES: usize = 1024;
/// 16 MiB a second: 16 short datagrams, or a quarter of the longest, in each millisecond.
const NANOSECONDS_PER_BYTE: u64 = 60;
/// How far ahead of the pace a burst may run: 64 KiB, or 64 short datagrams.
const BURST: Duration = Duration::from_millis(4);

/// Says when the next datagram may leave: a leaky bucket.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When all that was sent would have been, at an even pace.
    even: Instant,
}

impl Pace {
    /// Nothing has been sent yet.
    #[must_use]
    pub(crate) fn new(now: Instant) -> Self {
        Self { even: now }
    }

    /// Counts a datagram of `bytes` that is about to be sent, and says how long it has to wait before. Where it must
    /// wait at all it waits for the whole burst: a sleep for each datagram would be longer than asked for.
    pub(crate) fn count(&mut self, now: Instant, bytes: usize) -> Duration {
        let ahead = self.even.saturating_duration_since(now);
        let wait = if ahead < BURST { Duration::ZERO } else { ahead };
        let cost = u64::try_from(bytes + DATAGRAM_COST_BYTES).unwrap_or(u64::MAX);
        let cost = Duration::from_nanos(cost.saturating_mul(NANOSECONDS_PER_BYTE));
        self.even = self.even.max(now) + cost;
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends `count` datagrams of `bytes` as fast as it may; gives the longest run without a wait, and how long all
    /// took.
    fn run(count: usize, bytes: usize) -> (usize, Duration) {
        let begin = Instant::now();
        let (mut pace, mut now) = (Pace::new(begin), begin);
        let (mut longest, mut burst) = (0, 0);
        for _ in 0..count {
            let wait = pace.count(now, bytes);
            burst = if wait.is_zero() { burst + 1 } else { 1 };
            longest = longest.max(burst);
            now += wait;
        }
        (longest, now - begin)
    }

    #[test]
    fn a_burst_fits_into_a_buffer_and_the_pace_holds() {
        for (bytes, burst_max) in [(0, 67), (100, 64), (1200, 32), (65_507, 2)] {
            let (longest, took) = run(10_000, bytes);
            assert!((1..=burst_max).contains(&longest), "{bytes}: {longest} at once");
            let even = Duration::from_nanos(
                10_000 * u64::try_from(bytes + DATAGRAM_COST_BYTES).expect("a small number") * 60,
            );
            assert!(took <= even && took + 2 * BURST + BURST >= even, "{bytes}: {took:?}");
        }
    }

    #[test]
    fn who_pauses_may_send_a_burst_again_and_no_more() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let later = begin + Duration::from_mins(1);
        let free = (0..1000).take_while(|_| pace.count(later, 10).is_zero()).count();
        assert!((32..=66).contains(&free), "{free}");
    }

    #[test]
    fn what_a_person_types_never_waits() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        for tenth in 0..100 {
            let now = begin + Duration::from_millis(100 * tenth);
            assert_eq!(pace.count(now, 80), Duration::ZERO);
        }
    }
}
