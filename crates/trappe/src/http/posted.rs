//! Idempotency keys: a message that is posted twice under one key is said once (PROTOCOL §5).

use std::{
    collections::{BTreeMap, VecDeque},
    hash::{DefaultHasher, Hasher},
    time::Duration,
};

use trappe_core::{
    limits::{IDEMPOTENCY_KEPT, IDEMPOTENCY_KEYS},
    message::Position,
};

/// What is remembered of one post.
#[derive(Debug)]
struct Post {
    room: u32,
    /// A short form of who said what: to tell a mistake, not an attack.
    digest: u64,
    position: Position,
}

/// What a key says about a post.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    No,
    /// It was said, at this position.
    Said(Position),
    /// Something else was posted under this key.
    Other,
    /// Nothing, and there is no room to remember one more: whether it comes again could not be known.
    Full,
}

/// What was posted lately, by key.
#[derive(Debug, Default)]
pub(super) struct Posted {
    by_key: BTreeMap<String, Post>,
    /// The keys by age, the oldest first.
    ages: VecDeque<(Duration, String)>,
}

impl Posted {
    /// What is known of a post.
    pub(super) fn look(
        &mut self,
        now: Duration,
        key: &str,
        room: u32,
        said: &[Vec<u8>; 2],
    ) -> Known {
        self.forget(now);
        match self.by_key.get(key) {
            None if self.ages.len() >= IDEMPOTENCY_KEYS => Known::Full,
            None => Known::No,
            Some(post) if post.room == room && post.digest == digest(said) => {
                Known::Said(post.position)
            }
            Some(_) => Known::Other,
        }
    }

    /// It is said now.
    pub(super) fn note(
        &mut self,
        now: Duration,
        key: &str,
        room: u32,
        said: &[Vec<u8>; 2],
        position: Position,
    ) {
        let post = Post { room, digest: digest(said), position };
        self.by_key.insert(key.to_owned(), post);
        self.ages.push_back((now, key.to_owned()));
    }

    fn forget(&mut self, now: Duration) {
        while let Some((since, key)) = self.ages.front()
            && now.saturating_sub(*since) >= IDEMPOTENCY_KEPT
        {
            self.by_key.remove(key);
            self.ages.pop_front();
        }
    }
}

fn digest(said: &[Vec<u8>; 2]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in said {
        hasher.write_usize(part.len());
        hasher.write(part);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use trappe_core::command::Epoch;

    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn said(who: &str, what: &str) -> [Vec<u8>; 2] {
        [who.into(), what.into()]
    }

    fn position(seq: u64) -> Position {
        Position { epoch: Epoch::from_random(1), seq }
    }

    #[test]
    fn a_key_holds_for_two_minutes_for_the_same_room_and_the_same_words() {
        let mut posted = Posted::default();
        let bonjour = said("http", "bonjour");
        assert_eq!(posted.look(NOW, "k", 0, &bonjour), Known::No);
        posted.note(NOW, "k", 0, &bonjour, position(7));
        assert_eq!(posted.look(NOW, "k", 0, &bonjour), Known::Said(position(7)));
        assert_eq!(posted.look(NOW, "k", 1, &bonjour), Known::Other);
        assert_eq!(posted.look(NOW, "k", 0, &said("http", "bonsoir")), Known::Other);
        assert_eq!(posted.look(NOW, "k", 0, &said("httpb", "onjour")), Known::Other);
        assert_eq!(posted.look(NOW + IDEMPOTENCY_KEPT, "k", 1, &bonjour), Known::No);
    }

    #[test]
    fn no_key_is_forgotten_early_and_none_is_taken_that_could_not_be_remembered() {
        let mut posted = Posted::default();
        let bonjour = said("http", "bonjour");
        for n in 0..IDEMPOTENCY_KEYS {
            let key = n.to_string();
            assert_eq!(posted.look(NOW, &key, 0, &bonjour), Known::No);
            posted.note(NOW, &key, 0, &bonjour, position(1));
        }
        assert_eq!(posted.look(NOW, "more", 0, &bonjour), Known::Full);
        assert_eq!(posted.look(NOW, "0", 0, &bonjour), Known::Said(position(1)));
        assert_eq!(posted.look(NOW + IDEMPOTENCY_KEPT, "more", 0, &bonjour), Known::No);
    }
}
