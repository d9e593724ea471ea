//! Who a JSON member is when its connection was lost and another one takes its place.

use std::{
    fmt::Write,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sha2::{Digest, Sha256};
use trappe_core::{message::Position, name::Name, sent::Sent};

use super::sync::Mutex;
use crate::random;

/// What makes a JSON member the same one after its connection was lost (PROTOCOL §5).
#[derive(Debug)]
pub(crate) struct Identity {
    /// What it has to show: 128 random bits. Of a session of an earlier life of the server it is only known once it is shown.
    token: OnceLock<Box<str>>,
    /// The token's SHA-256, which is all that goes to disk.
    digest: [u8; 32],
    /// What it sent: the room and the position of each.
    pub(super) sent: Mutex<Sent<(Name, Position)>>,
    /// Others were told that it came, and not that it left.
    pub(super) announced: AtomicBool,
    /// The number of its member, once the history knows the session; 0 before.
    kept: AtomicU64,
}

impl Identity {
    pub(crate) fn new() -> Arc<Identity> {
        let mut random = [0; 16];
        random::fill(&mut random);
        let token: Box<str> = format!("{:032x}", u128::from_be_bytes(random)).into();
        let digest = digest(&token);
        Arc::new(Identity {
            token: token.into(),
            digest,
            sent: Mutex::new(Sent::new()),
            announced: AtomicBool::new(false),
            kept: AtomicU64::new(0),
        })
    }

    /// The session of member `number` in an earlier life of the server.
    pub(super) fn restored(
        number: u64,
        digest: [u8; 32],
        sent: Sent<(Name, Position)>,
    ) -> Arc<Identity> {
        Arc::new(Identity {
            token: OnceLock::new(),
            digest,
            sent: Mutex::new(sent),
            announced: AtomicBool::new(false),
            kept: AtomicU64::new(number),
        })
    }

    /// What it has to show: it has just come, or has just shown it.
    pub(super) fn token(&self) -> &str {
        self.token.get().map_or("", |token| token)
    }

    /// It has shown its token.
    pub(super) fn shown(&self, token: &str) {
        self.token.get_or_init(|| token.into());
    }

    /// The token's SHA-256.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        &self.digest
    }

    /// The number of its member, if the history knows the session.
    pub(super) fn kept(&self) -> Option<u64> {
        Some(self.kept.load(Relaxed)).filter(|number| *number > 0)
    }

    /// The history knows of the session from now on, or doesn't after all.
    pub(super) fn set_kept(&self, number: u64) {
        self.kept.store(number, Relaxed);
    }

    /// The greatest number of its own messages that it may not use any more.
    pub(super) fn floor(&self) -> Option<u64> {
        self.sent.lock().floor()
    }

    /// Forgets what was sent too long ago to come again.
    pub(super) fn expire(&self, now: Duration) {
        self.sent.lock().expire(now);
    }
}

/// Under what the hub knows a session: nobody learns a token from how long it takes to compare it.
pub(super) fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// The same as text.
pub(super) fn known_as(digest: &[u8; 32]) -> Box<str> {
    digest
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
        .into()
}
