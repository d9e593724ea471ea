//! Idempotency keys: a message that is posted twice under one key is said once (PROTOCOL §5).

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use sha2::{Digest, Sha256};
use trappe_core::{
    limits::{IDEMPOTENCY_KEPT, IDEMPOTENCY_KEYS},
    message::Position,
};

/// A short form of what was said, where, and by whom.
pub(super) type Said = [u8; 32];

/// What is remembered of one post.
#[derive(Debug)]
struct Post {
    said: Said,
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
    pub(super) fn look(&mut self, now: Duration, key: &str, said: &Said) -> Known {
        self.forget(now);
        match self.by_key.get(key) {
            None if self.ages.len() >= IDEMPOTENCY_KEYS => Known::Full,
            None => Known::No,
            Some(post) if post.said == *said => Known::Said(post.position),
            Some(_) => Known::Other,
        }
    }

    /// It is said now.
    pub(super) fn note(&mut self, now: Duration, key: &str, said: Said, position: Position) {
        let post = Post { said, position };
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

/// What tells one post from another. Each part has its length before it, so that none can pass for two.
pub(super) fn said(parts: [&[u8]; 3]) -> Said {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use trappe_core::command::Epoch;

    use super::*;

    const NOW: Duration = Duration::from_secs(10);

    fn in_lobby(who: &str, what: &str) -> Said {
        said([b"lobby", who.as_bytes(), what.as_bytes()])
    }

    fn position(seq: u64) -> Position {
        Position { epoch: Epoch::from_random(1), seq }
    }

    #[test]
    fn a_key_holds_for_two_minutes_for_the_same_room_and_the_same_words() {
        let mut posted = Posted::default();
        let bonjour = in_lobby("http", "bonjour");
        assert_eq!(posted.look(NOW, "k", &bonjour), Known::No);
        posted.note(NOW, "k", bonjour, position(7));
        assert_eq!(posted.look(NOW, "k", &bonjour), Known::Said(position(7)));
        assert_eq!(posted.look(NOW, "k", &said([b"salon", b"http", b"bonjour"])), Known::Other);
        assert_eq!(posted.look(NOW, "k", &in_lobby("http", "bonsoir")), Known::Other);
        assert_eq!(posted.look(NOW, "k", &in_lobby("httpb", "onjour")), Known::Other);
        assert_eq!(posted.look(NOW + IDEMPOTENCY_KEPT, "k", &bonjour), Known::No);
    }

    #[test]
    fn no_key_is_forgotten_early_and_none_is_taken_that_could_not_be_remembered() {
        let mut posted = Posted::default();
        let bonjour = in_lobby("http", "bonjour");
        for n in 0..IDEMPOTENCY_KEYS {
            let key = n.to_string();
            assert_eq!(posted.look(NOW, &key, &bonjour), Known::No);
            posted.note(NOW, &key, bonjour, position(1));
        }
        assert_eq!(posted.look(NOW, "more", &bonjour), Known::Full);
        assert_eq!(posted.look(NOW, "0", &bonjour), Known::Said(position(1)));
        assert_eq!(posted.look(NOW + IDEMPOTENCY_KEPT, "more", &bonjour), Known::No);
    }
}
