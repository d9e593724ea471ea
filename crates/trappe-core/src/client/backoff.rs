//! How long a client waits before it comes back: at random, so that those who lost the same hub don't all come at once.

use std::time::Duration;

use crate::limits::{CLIENT_BACKOFF_FIRST, CLIENT_BACKOFF_MAX};

/// The pause before the attempt after `failed` attempts in a row: between nothing and min(20 s, 0.5 s × 2^failed), by
/// `random`, of which every value is as likely (full jitter).
#[must_use]
pub fn pause(failed: u32, random: u64) -> Duration {
    let most = CLIENT_BACKOFF_FIRST.saturating_mul(1 << failed.min(16)).min(CLIENT_BACKOFF_MAX);
    let micros = most.as_micros() * u128::from(random) / u128::from(u64::MAX);
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_anything_up_to_its_bound_which_doubles() {
        for (failed, most_ms) in
            [(0, 500), (1, 1000), (2, 2000), (5, 16_000), (6, 20_000), (u32::MAX, 20_000)]
        {
            assert_eq!(pause(failed, 0), Duration::ZERO);
            assert_eq!(pause(failed, u64::MAX), Duration::from_millis(most_ms), "{failed}");
            let half = pause(failed, u64::MAX / 2).as_millis();
            assert!(half.abs_diff(u128::from(most_ms / 2)) <= 1, "{failed}: {half}");
        }
    }
}
