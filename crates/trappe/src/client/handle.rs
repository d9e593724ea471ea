//! A client's handle: what a program says and asks.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::sync::oneshot;
use trappe_core::client::{
    Answer, AskError, DrainError, Machine, Members, Message, Position, SendError, State,
};

use super::shared::{Sent, Shared};

/// A client of a hub: says things in rooms, and asks. Cheap to clone; all clones are one client.
///
/// Every `async` method may be dropped before it is done (*cancel safety*). Until then nothing was taken; what was
/// taken (a message, a question) goes its way all the same, and nobody is told how it ended.
///
/// When the last clone is dropped, the client goes on as long as its [`Events`](super::Events) are there; when both
/// are gone, it ends as by [`Client::close`].
#[derive(Debug, Clone)]
pub struct Client(pub(super) Arc<Handle>);

#[derive(Debug)]
pub(super) struct Handle(pub(super) Arc<Shared>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.drop_clients();
    }
}

/// How a send ends, once it has: resolves to the place of the message in its room.
///
/// Dropped, the message is said all the same.
#[derive(Debug)]
#[must_use = "what became of a message is known only here"]
pub struct Acknowledgement(oneshot::Receiver<Sent>);

impl Future for Acknowledgement {
    type Output = Result<Position, SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Every send is told how it ended before its sender goes.
        Pin::new(&mut self.0).poll(context).map(|sent| sent.unwrap_or(Err(SendError::Unconfirmed)))
    }
}

impl Client {
    fn shared(&self) -> &Shared {
        &self.0.0
    }

    /// Says something in a room, and waits until it is acknowledged: it has its place in the room's order then, and,
    /// where the hub keeps history, is on disk. Gives the place.
    ///
    /// `body` is UTF-8 as a rule; any bytes are taken. Messages are said in the order of the calls. Over a reconnect
    /// the message is said again, and still once. It waits for space in the outbox, and for the acknowledgement,
    /// without a bound of its own: put [`tokio::time::timeout`] around it for one.
    ///
    /// *Cancel safety*: dropped while it waits for space, nothing is said; dropped later, the message is said all the
    /// same.
    ///
    /// # Errors
    /// Each send ends once: acknowledged, or by one of [`SendError`]. [`SendError::Full`] isn't among them.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: trappe::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let position = client.send("lobby", "bonjour").await?;
    /// println!("it is number {} in the lobby", position.seq);
    /// # Ok(()) }
    /// ```
    pub async fn send(&self, room: &str, body: impl AsRef<[u8]>) -> Result<Position, SendError> {
        self.submit(room, body).await?.await
    }

    /// Says something in a room, without waiting for its acknowledgement: gives what resolves to it. It waits only
    /// while the outbox is full, so that who doesn't care is slowed all the same.
    ///
    /// *Cancel safety*: dropped before it is done, nothing is said.
    ///
    /// # Errors
    /// [`SendError::TooLong`] and [`SendError::Closed`]: nothing is said.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: trappe::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut acks = Vec::new();
    /// for n in 0..100 {
    ///     acks.push(client.submit("capteurs", format!("t={n}")).await?);
    /// }
    /// for ack in acks {
    ///     ack.await?;
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn submit(
        &self,
        room: &str,
        body: impl AsRef<[u8]>,
    ) -> Result<Acknowledgement, SendError> {
        loop {
            let space = self.shared().space.notified();
            tokio::pin!(space);
            // Whatever leaves the outbox from here on is heard.
            space.as_mut().enable();
            match self.try_send(room, body.as_ref()) {
                Err(SendError::Full) => space.await,
                done => return done,
            }
        }
    }

    /// Says something in a room if the outbox has space: gives what resolves to its acknowledgement. Never waits.
    ///
    /// # Errors
    /// [`SendError::Full`], [`SendError::TooLong`] and [`SendError::Closed`]: nothing is said.
    pub fn try_send(
        &self,
        room: &str,
        body: impl AsRef<[u8]>,
    ) -> Result<Acknowledgement, SendError> {
        self.shared().call(|state, _| {
            let id = state.machine.send(room, body.as_ref())?;
            Ok(Acknowledgement(state.wait_for_send(id)))
        })
    }

    async fn answer(
        &self,
        ask: impl FnOnce(&mut Machine) -> Result<u64, AskError>,
    ) -> Result<Answer, AskError> {
        let answer = self.shared().call(|state, _| {
            let id = ask(&mut state.machine)?;
            Ok(state.wait_for_answer(id))
        })?;
        answer.await.unwrap_or(Err(AskError::Lost))
    }

    /// Tells one member something, whatever room it is in: by its name, or `client-N`. Resolves once the hub has put
    /// it on its way; it is in no history, and lost where the other's connection is.
    ///
    /// *Cancel safety*: dropped, it may be said all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `no-such-member` or `busy`; [`AskError::Lost`] where it may have been said.
    pub async fn direct(&self, to: &str, body: impl AsRef<[u8]>) -> Result<(), AskError> {
        self.answer(|machine| machine.direct(to, body.as_ref())).await.map(drop)
    }

    /// Enters a room beside those that the client is in (64 at most), from now on. Gives its place there. After a
    /// reconnect the client is in the room again, where it was.
    ///
    /// *Cancel safety*: dropped, the room may be entered all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `bad-name`, `too-many-rooms` …
    pub async fn join(&self, room: &str) -> Result<Position, AskError> {
        self.enter(room, None).await
    }

    /// Enters a room, or goes back in one: everything after `position` comes as events with [`old`](Message::old),
    /// this client's own messages too; then [`Event::Live`](super::Event::Live), and what is new. What isn't kept any
    /// more is a [`Gap`](super::Gap). [`Position::start`] is before all that there is.
    ///
    /// *Cancel safety*: as [`Client::join`].
    ///
    /// # Errors
    /// As [`Client::join`].
    pub async fn join_after(&self, room: &str, position: &Position) -> Result<Position, AskError> {
        self.enter(room, Some(position)).await
    }

    async fn enter(&self, room: &str, after: Option<&Position>) -> Result<Position, AskError> {
        match self.answer(|machine| machine.join(room, after)).await? {
            Answer::Entered(_, position) => Ok(position),
            other => Err(unexpected(&other)),
        }
    }

    /// Leaves a room.
    ///
    /// *Cancel safety*: dropped, the room is left all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `not-in-room`.
    pub async fn leave(&self, room: &str) -> Result<(), AskError> {
        self.answer(|machine| machine.leave(room)).await.map(drop)
    }

    /// Takes a name; gives it as the hub spells it. It is taken again where a reconnect finds it lost.
    ///
    /// *Cancel safety*: dropped, it may be taken all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `name-taken` or `bad-name`.
    pub async fn nick(&self, name: &str) -> Result<String, AskError> {
        match self.answer(|machine| machine.nick(name)).await? {
            Answer::Name(name) => Ok(name),
            other => Err(unexpected(&other)),
        }
    }

    /// Who is in a room: how many, and the first hundred.
    ///
    /// *Cancel safety*: dropped, nothing but the answer is lost.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `no-such-room`.
    pub async fn who(&self, room: &str) -> Result<Members, AskError> {
        match self.answer(|machine| machine.who(room)).await? {
            Answer::Members(members) => Ok(members),
            other => Err(unexpected(&other)),
        }
    }

    /// The last `count` messages of a room (1 to 1000), the oldest first. They aren't among the events.
    ///
    /// *Cancel safety*: as [`Client::who`].
    ///
    /// # Errors
    /// [`AskError::Invalid`] for another count, or where they have more than 16 MiB; [`AskError::Refused`].
    pub async fn history(&self, room: &str, count: usize) -> Result<Vec<Message>, AskError> {
        match self.answer(|machine| machine.history(room, count)).await? {
            Answer::Messages(messages) => Ok(messages),
            other => Err(unexpected(&other)),
        }
    }

    /// The newest `count` messages of a room (100 at most) that have all of `words`, the oldest first.
    ///
    /// *Cancel safety*: as [`Client::who`].
    ///
    /// # Errors
    /// [`AskError::Refused`] with `no-search` where the hub keeps no history on disk.
    pub async fn search(
        &self,
        room: &str,
        words: &str,
        count: usize,
    ) -> Result<Vec<Message>, AskError> {
        match self.answer(|machine| machine.search(room, words, count)).await? {
            Answer::Messages(messages) => Ok(messages),
            other => Err(unexpected(&other)),
        }
    }

    /// Gives a key of a room's shared state a value; an empty one takes the key away. The latest value wins.
    ///
    /// *Cancel safety*: dropped, it may be done all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `state-full`, `bad-key` …
    pub async fn set(
        &self,
        room: &str,
        key: &str,
        value: impl AsRef<[u8]>,
    ) -> Result<(), AskError> {
        self.answer(|machine| machine.set(room, key, None, value.as_ref())).await.map(drop)
    }

    /// The same with a version: a value that isn't newer than this client's last one for the key changes nothing
    /// (serial-number arithmetic, RFC 1982).
    ///
    /// *Cancel safety*: as [`Client::set`].
    ///
    /// # Errors
    /// As [`Client::set`], and [`AskError::Refused`] with `stale-version`.
    pub async fn set_version(
        &self,
        room: &str,
        key: &str,
        version: u32,
        value: impl AsRef<[u8]>,
    ) -> Result<(), AskError> {
        self.answer(|machine| machine.set(room, key, Some(version), value.as_ref())).await.map(drop)
    }

    /// One value of a room's shared state.
    ///
    /// *Cancel safety*: as [`Client::who`].
    ///
    /// # Errors
    /// [`AskError::Refused`] with `no-such-key`.
    pub async fn get(&self, room: &str, key: &str) -> Result<State, AskError> {
        match self.answer(|machine| machine.get(room, key)).await? {
            Answer::State(state) => Ok(state),
            other => Err(unexpected(&other)),
        }
    }

    /// Follows the shared state of a room until it is left: a [`Snapshot`](super::Event::Snapshot) and all values
    /// come as events, then each change, the latest only; after a reconnect all of it again.
    ///
    /// *Cancel safety*: dropped, it is followed all the same.
    ///
    /// # Errors
    /// [`AskError::Refused`] with `not-in-room`.
    pub async fn subscribe(&self, room: &str) -> Result<(), AskError> {
        self.answer(|machine| machine.follow(room)).await.map(drop)
    }

    /// Asks anything else: an op of docs/protocol.md §5 as a JSON object; gives the event that answers it, as JSON.
    ///
    /// *Cancel safety*: dropped, it may be done all the same.
    ///
    /// # Errors
    /// [`AskError::Invalid`] for what is no op, or one that has a method here.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(client: trappe::client::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let rooms = client.ask(r#"{"op":"rooms"}"#).await?;
    /// # Ok(()) }
    /// ```
    pub async fn ask(&self, op: &str) -> Result<String, AskError> {
        match self.answer(|machine| machine.ask(op)).await? {
            Answer::Event(line) => Ok(line),
            other => Err(unexpected(&other)),
        }
    }

    /// Takes no more sends, waits until what was sent is acknowledged, over reconnects too, then says goodbye and
    /// ends. It takes a little longer than `within` at most: a hub that is there has 2 s to answer the goodbye.
    ///
    /// *Cancel safety*: dropped, the client drains all the same.
    ///
    /// # Errors
    /// [`DrainError`] where something wasn't acknowledged in time; that send's own error says whether it may have
    /// been said.
    pub async fn drain(&self, within: Duration) -> Result<(), DrainError> {
        let drained = self.shared().call(|state, now| {
            let drained = state.wait_for_drain();
            state.machine.drain(now, within);
            drained
        });
        drained.await.unwrap_or(Ok(()))
    }

    /// Ends now, without a word. What wasn't acknowledged ends as [`SendError::Unconfirmed`] or [`SendError::NotSent`].
    pub fn close(&self) {
        self.shared().call(|state, _| state.machine.shut());
    }
}

fn unexpected(answer: &Answer) -> AskError {
    AskError::Answer(format!("{answer:?}").chars().take(80).collect())
}
