//! Connections that a browser opens ahead of time, and that are not to be taken for silent listeners.
//!
//! Chromium opens a second connection beside the one that it needs, and uses it for a later request, also when it was
//! written to meanwhile: then it takes what it reads for a broken answer, and doesn't ask again (Chromium 156: measured).
//! So who says nothing, and came together with a browser's request, is waited for longer. It misses nothing: whenever
//! it becomes a member, it hears what was said since it came.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use trappe_core::limits::{AHEAD, BROWSERS};

use super::sync::Mutex;

/// From where browsers have asked lately, and when they last did.
#[derive(Debug, Default)]
pub(crate) struct Browsers(Mutex<BTreeMap<IpAddr, Duration>>);

impl Browsers {
    /// A browser asks for something.
    pub(crate) fn asked(&self, now: Duration, from: IpAddr) {
        let mut asked = self.0.lock();
        if asked.len() >= BROWSERS {
            asked.retain(|_, at| now.saturating_sub(*at) < AHEAD);
        }
        if asked.len() < BROWSERS || asked.contains_key(&from) {
            asked.insert(from, now);
        }
    }

    /// Whether a connection from there, accepted at `since`, may be one that a browser opened ahead of time.
    pub(crate) fn may_have_opened(&self, since: Duration, from: IpAddr) -> bool {
        self.0.lock().get(&from).is_some_and(|at| *at + AHEAD >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_together_with_a_browsers_request_may_be_the_browsers() {
        let (browsers, second) = (Browsers::default(), Duration::from_secs(1));
        let [here, there] = [[127, 0, 0, 1], [127, 0, 0, 2]].map(IpAddr::from);
        browsers.asked(10 * second, here);
        assert!(browsers.may_have_opened(10 * second, here));
        assert!(browsers.may_have_opened(10 * second + AHEAD, here));
        assert!(!browsers.may_have_opened(10 * second + 2 * AHEAD, here));
        assert!(!browsers.may_have_opened(10 * second, there));
    }

    #[test]
    fn the_table_has_a_bound() {
        let browsers = Browsers::default();
        for n in 0..u32::try_from(BROWSERS).expect("a small number") * 2 {
            browsers.asked(Duration::from_secs(1), IpAddr::from(n.to_be_bytes()));
        }
        assert_eq!(browsers.0.lock().len(), BROWSERS);
    }
}
