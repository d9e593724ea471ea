//! When something that may be lost on its way, or whose answer may be, is sent again, and when it is given up.

use std::time::{Duration, Instant};

/// How long the first answer is waited for; each further pause is twice as long as the one before.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(250);
/// How long an answer is waited for in all.
pub(crate) const RETRY_TOTAL: Duration = Duration::from_secs(5);

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is sent, for the first time or again.
    Send,
    /// Nothing before then, unless an answer comes.
    At(Instant),
    /// No answer came in time, and none is waited for any more.
    GivenUp,
}

/// Counts the tries of one thing: at once, 250 ms later, 500 ms after that, and so on until 5 s have passed.
#[derive(Debug, Clone)]
pub(crate) struct Retry {
    next: Instant,
    pause: Duration,
    end: Instant,
}

impl Retry {
    /// A first try is due at once.
    #[must_use]
    pub(crate) fn new(now: Instant) -> Self {
        Self { next: now, pause: RETRY_FIRST, end: now + RETRY_TOTAL }
    }

    /// What is due. [`Due::Send`] is given once for each try: the caller sends before it asks again.
    pub(crate) fn poll(&mut self, now: Instant) -> Due {
        if now >= self.end {
            return Due::GivenUp;
        }
        if now < self.next {
            return Due::At(self.next.min(self.end));
        }
        self.next = now + self.pause;
        self.pause *= 2;
        Due::Send
    }

    /// Something else is sent from now on: its first try is due at once. The end stays where it is, so that no peer can
    /// put it off.
    pub(crate) fn begin_anew(&mut self, now: Instant) {
        self.next = now;
        self.pause = RETRY_FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When tries are made, in milliseconds, by someone who always waits until told.
    fn tries(retry: &mut Retry, begin: Instant, mut now: Instant) -> Vec<u128> {
        let mut tries = Vec::new();
        loop {
            match retry.poll(now) {
                Due::Send => tries.push((now - begin).as_millis()),
                Due::At(at) => now = at,
                Due::GivenUp => {
                    tries.push((now - begin).as_millis());
                    return tries;
                }
            }
        }
    }

    #[test]
    fn pauses_double_until_it_is_given_up() {
        let begin = Instant::now();
        assert_eq!(tries(&mut Retry::new(begin), begin, begin), [0, 250, 750, 1750, 3750, 5000]);
    }

    #[test]
    fn a_new_beginning_puts_off_no_end() {
        let begin = Instant::now();
        let mut retry = Retry::new(begin);
        assert_eq!(retry.poll(begin), Due::Send);
        let later = begin + Duration::from_secs(4);
        retry.begin_anew(later);
        assert_eq!(tries(&mut retry, begin, later), [4000, 4250, 4750, 5000]);
    }

    #[test]
    fn whoever_comes_late_makes_one_try_and_not_all_that_were_missed() {
        let begin = Instant::now();
        let mut retry = Retry::new(begin);
        assert_eq!(retry.poll(begin), Due::Send);
        let late = begin + Duration::from_secs(2);
        assert_eq!(retry.poll(late), Due::Send);
        assert_eq!(retry.poll(late), Due::At(late + 2 * RETRY_FIRST));
    }
}
