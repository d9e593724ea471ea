//! Whether a WebSocket peer is still there: it is asked when nothing was heard from it for a while (RFC 6455 §5.5.2).

use std::time::Duration;

use trappe_core::limits::PING;

/// How often a peer is asked before it is taken for gone.
const ASKED: u32 = 2;

/// What is known of a peer's life. Small, and it needs no timer of its own: whoever has one asks [`Alive::check`].
#[derive(Debug)]
pub(crate) struct Alive {
    heard: Duration,
    asked: u32,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Check {
    /// Look again at this time.
    Wait(Duration),
    /// Ask it for a sign of life.
    Ask,
    /// It has missed two: it is gone.
    Gone,
}

impl Alive {
    /// A peer that was just heard.
    pub(crate) fn new(now: Duration) -> Alive {
        Alive { heard: now, asked: 0 }
    }

    /// Anything that comes from it is a sign of life.
    pub(crate) fn heard(&mut self, now: Duration) {
        *self = Alive::new(now);
    }

    /// When something was heard from it for the last time.
    pub(crate) fn last_heard(&self) -> Duration {
        self.heard
    }

    /// When there is something to be done, if nothing is heard until then.
    pub(crate) fn due(&self) -> Duration {
        self.heard + PING * (self.asked + 1)
    }

    /// What is to be done now. A question counts as asked.
    pub(crate) fn check(&mut self, now: Duration) -> Check {
        if now < self.due() {
            Check::Wait(self.due())
        } else if self.asked < ASKED {
            self.asked += 1;
            Check::Ask
        } else {
            Check::Gone
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_peer_is_asked_twice_and_then_gone() {
        let mut alive = Alive::new(Duration::ZERO);
        assert_eq!(alive.check(PING / 2), Check::Wait(PING));
        assert_eq!(alive.check(PING), Check::Ask);
        assert_eq!(alive.check(PING), Check::Wait(PING * 2));
        assert_eq!(alive.check(PING * 2), Check::Ask);
        assert_eq!(alive.check(PING * 3), Check::Gone);
    }

    #[test]
    fn whoever_is_heard_begins_anew() {
        let mut alive = Alive::new(Duration::ZERO);
        assert_eq!(alive.check(PING), Check::Ask);
        alive.heard(PING + PING / 2);
        assert_eq!(alive.check(PING * 2), Check::Wait(PING * 2 + PING / 2));
    }
}
