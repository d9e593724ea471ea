//! What a session has sent lately, so that what it sends again after a broken connection is not said twice (PROTOCOL §5).

use std::{collections::BTreeMap, time::Duration};

use crate::limits::{SENT_IDS, SENT_KEPT};

/// The sends of one session by the `id` that the client gave each, and what became of them.
///
/// The `id` is a counter of the client's own and may begin anywhere. The [`SENT_IDS`] greatest are remembered, each for
/// [`SENT_KEPT`] at least after it was noted last, unless so many greater ones come. Ids are forgotten from the smallest up,
/// and no id up to the greatest forgotten one is ever new again: what is too old to know is never said a second time.
#[derive(Debug, Clone)]
pub struct Sent<P> {
    /// The greatest id that was forgotten. All that are remembered are above it.
    floor: Option<u64>,
    /// What became of each, and when it was noted last.
    seen: BTreeMap<u64, (P, Duration)>,
}

/// What is known of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<P> {
    /// It has never been sent.
    New,
    /// It has been sent, and this became of it.
    Before(P),
    /// It is too old to know.
    Stale,
}

impl<P> Default for Sent<P> {
    fn default() -> Self {
        Self { floor: None, seen: BTreeMap::new() }
    }
}

impl<P: Clone> Sent<P> {
    /// Those of a session that has sent nothing. It takes no memory of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is remembered of an earlier life: nothing up to `floor` is new, and this became of the others.
    #[must_use]
    pub fn restored(
        floor: Option<u64>,
        now: Duration,
        seen: impl IntoIterator<Item = (u64, P)>,
    ) -> Self {
        let mut sent = Self { floor, seen: BTreeMap::new() };
        for (id, what) in seen {
            sent.note(now, id, what);
        }
        sent
    }

    /// The greatest id that was forgotten.
    #[must_use]
    pub fn floor(&self) -> Option<u64> {
        self.floor
    }

    /// What is known of `id`. The same until the next [`Sent::note`] or [`Sent::expire`].
    #[must_use]
    pub fn look(&self, id: u64) -> Seen<P> {
        match self.seen.get(&id) {
            Some((what, _)) => Seen::Before(what.clone()),
            None if self.is_forgotten(id) => Seen::Stale,
            None => Seen::New,
        }
    }

    /// Remembers what became of `id` from now on; noted again, the last counts. A stale id is left as it is.
    pub fn note(&mut self, now: Duration, id: u64, what: P) {
        if self.is_forgotten(id) {
            return;
        }
        self.seen.insert(id, (what, now));
        if self.seen.len() > SENT_IDS {
            self.forget_smallest();
        }
        self.expire(now);
    }

    /// Forgets what was noted too long ago. Noting does it by itself: this is for sessions that rest.
    pub fn expire(&mut self, now: Duration) {
        while let Some((_, (_, noted))) = self.seen.first_key_value()
            && now.saturating_sub(*noted) > SENT_KEPT
        {
            self.forget_smallest();
        }
    }

    fn is_forgotten(&self, id: u64) -> bool {
        self.floor.is_some_and(|floor| id <= floor)
    }

    fn forget_smallest(&mut self) {
        if let Some((id, _)) = self.seen.pop_first() {
            self.floor = Some(id);
        }
    }
}

#[cfg(test)]
mod tests;
