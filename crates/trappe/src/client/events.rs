//! What a client is told, one event after another.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use trappe_core::client::Event;

use super::shared::Shared;

/// The events of a client: [`Events::next`], or as a [`Stream`].
///
/// As long as they aren't taken, nothing is lost: past 1024 events, or 1 MiB, the client stops reading, TCP slows the
/// hub, and the hub tells a [`Gap`](super::Gap) if it can't keep what follows. While an acknowledgement or an answer
/// is waited for, the client reads on, up to 64 MiB of events, so that who sends and reads in one task comes on; who
/// may be sent more than that meanwhile takes the events in a task of their own.
///
/// Dropped, events are thrown away from then on, for clients that only send.
#[derive(Debug)]
pub struct Events(pub(super) Arc<Shared>);

impl Events {
    /// The next event; `None` after [`Event::Ended`].
    ///
    /// *Cancel safety*: dropped, no event is lost.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|context| self.0.poll_event(context.waker())).await
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_event(context.waker())
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.drop_reader();
    }
}
