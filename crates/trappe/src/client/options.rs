//! What a client is to be like, and its first connection.

use std::sync::Arc;

use tokio::sync::oneshot;
use trappe_core::{
    client::{Config, Ended, Lost, Position, Refusal},
    limits::{CLIENT_OUTBOX_BYTES, CLIENT_OUTBOX_SENDS, MESSAGE_BYTES_DEFAULT},
};

use super::{Client, Events, driver::drive, handle::Handle, shared::Shared, stream::Place};

/// What was given for a hub isn't a place where one can be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{typed:?} is no address of a hub: {why}")]
pub struct AddressError {
    pub(super) typed: String,
    pub(super) why: String,
}

/// Why the first connection isn't as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is none. [`Options::start`] would go on trying.
    #[error("connecting: {0}; is the hub running there? `trappe server` starts one")]
    Lost(Lost),
    /// The hub won't have this client so: a name that is taken, a room that can't be.
    #[error("connecting: the hub refused ({0})")]
    Refused(Refusal),
    /// It ended otherwise: its runtime has, or the hub has told it to.
    #[error("connecting: {0}")]
    Ended(Ended),
}

/// The language of the hub's sentences: those of refusals and notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Language {
    /// French, which is also what a hub speaks unless it is told otherwise.
    French,
    /// English.
    English,
}

/// What a client is to be like. See [the module](super) for the whole.
#[derive(Debug, Clone)]
pub struct Options {
    place: Place,
    config: Config,
}

impl Options {
    /// A client of the hub at `HOST[:PORT]` (5566 without a port) or `unix:PATH`.
    ///
    /// # Errors
    /// It is neither.
    pub fn new(hub: &str) -> Result<Self, AddressError> {
        let config = Config {
            name: None,
            rooms: Vec::new(),
            retry: None,
            first_or_never: false,
            outbox_sends: CLIENT_OUTBOX_SENDS,
            outbox_bytes: CLIENT_OUTBOX_BYTES,
            message_bytes: MESSAGE_BYTES_DEFAULT,
            echo: false,
            quiet: false,
            lang: None,
        };
        Ok(Self { place: Place::parse(hub)?, config })
    }

    /// The name that the client takes; without one the hub calls it `client-N`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.config.name = Some(name.to_owned());
        self
    }

    /// A room to enter, from now on; may be repeated. Without any it is the lobby.
    #[must_use]
    pub fn room(mut self, room: &str) -> Self {
        self.config.rooms.push((room.to_owned(), None));
        self
    }

    /// A room to enter after a position that was had before; may be repeated. See [`Client::join_after`].
    #[must_use]
    pub fn room_after(mut self, room: &str, position: Position) -> Self {
        self.config.rooms.push((room.to_owned(), Some(position)));
        self
    }

    /// How many attempts in a row the client makes to come back, before it ends; 0: it ends with its connection.
    /// Without it there is no bound.
    ///
    /// The pause before attempt *n* is drawn between 0 and min(20 s, 0.5 s · 2ⁿ⁻¹); a connection that was there for 5
    /// s begins anew.
    #[must_use]
    pub fn retry(mut self, attempts: u32) -> Self {
        self.config.retry = Some(attempts);
        self
    }

    /// How many sends may wait for their acknowledgement, and how many bytes they may take as JSON: 1000 and 8 MiB
    /// without it. Both at least one message.
    #[must_use]
    pub fn outbox(mut self, sends: usize, bytes: usize) -> Self {
        self.config.outbox_sends = sends;
        self.config.outbox_bytes = bytes;
        self
    }

    /// The longest message that the hub takes, in bytes as JSON: what its `--max-message` says, 64 KiB without it.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.config.message_bytes = bytes;
        self
    }

    /// The client's own messages come back to it as events, in their places among the others'.
    #[must_use]
    pub fn echo(mut self, on: bool) -> Self {
        self.config.echo = on;
        self
    }

    /// No events about who comes, goes and is called otherwise.
    #[must_use]
    pub fn quiet(mut self, on: bool) -> Self {
        self.config.quiet = on;
        self
    }

    /// The language of the hub's sentences.
    #[must_use]
    pub fn language(mut self, language: Language) -> Self {
        let lang = match language {
            Language::French => "fr",
            Language::English => "en",
        };
        self.config.lang = Some(lang.to_owned());
        self
    }

    /// Connects, enters the rooms and takes the name; within 10 s, or there is no client. Only once it is there does
    /// the client come back by itself.
    ///
    /// *Cancel safety*: dropped, there is no client.
    ///
    /// # Errors
    /// See [`ConnectError`].
    ///
    /// # Panics
    /// As [`Options::start`].
    pub async fn connect(mut self) -> Result<(Client, Events), ConnectError> {
        self.config.first_or_never = true;
        let (ready, is_ready) = oneshot::channel();
        let client = self.spawn(Some(ready));
        match is_ready.await.unwrap_or(Err(Ended::Closed)) {
            Ok(()) => Ok(client),
            Err(Ended::GaveUp { why, .. }) => Err(ConnectError::Lost(why)),
            Err(Ended::Refused(refusal)) => Err(ConnectError::Refused(refusal)),
            Err(other) => Err(ConnectError::Ended(other)),
        }
    }

    /// A client at once, whether the hub is there or not: it tries until it is. What is sent meanwhile waits; events
    /// tell.
    ///
    /// # Panics
    /// Outside of a tokio runtime with time and I/O enabled.
    #[must_use]
    pub fn start(self) -> (Client, Events) {
        self.spawn(None)
    }

    fn spawn(mut self, ready: Option<oneshot::Sender<Result<(), Ended>>>) -> (Client, Events) {
        if self.config.rooms.is_empty() {
            self.config.rooms.push(("lobby".to_owned(), None));
        }
        let shared = Arc::new(Shared::new(self.config, ready));
        tokio::spawn(drive(Arc::clone(&shared), self.place));
        (Client(Arc::new(Handle(Arc::clone(&shared)))), Events(shared))
    }
}
