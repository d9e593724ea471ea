//! `GET /live` and `GET /tap`: the hub as it lives, as Server-Sent Events, for this machine only.
//!
//! `/live` tells the state of the hub every second, and with `member` or `room` the wire of those too; `/tap` tells the wire
//! alone. Whoever watches is no member. It is written to as any other is, and what it doesn't read in time isn't kept for it:
//! states are left out, events of the wire counted.

use std::{future::poll_fn, sync::Arc, task::Poll};

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use trappe_core::{
    command::Lang,
    limits::{HEARTBEAT, LIVE_TICK, WATCH_ATTENDED, WATCH_GATHERED, WATCH_STALLED},
    words::say,
};

use super::{answer::Answer, api, head::Head, io::Io, join::STREAM, query::Query};
use crate::server::{
    Shared,
    watch::{Place, Whom},
};

/// One who watches.
pub(super) struct Live {
    place: Place,
    /// It wants to know the state of the hub.
    hub: bool,
}

/// Checks what is asked for, and takes a place. `hub`: the state of the hub is asked for.
pub(super) fn open(shared: &Arc<Shared>, head: &Head, hub: bool) -> Result<Live, Answer> {
    let lang = api::lang_of(head, shared.defaults.look.lang);
    let query = Query::parse(head.target.query.as_deref().unwrap_or_default())
        .map_err(|bad| Answer::refusal(400, bad.code(), &bad.sentence(lang)))?;
    let whom = whom(shared, &query, hub, lang)?;
    let place = Place::take(shared, whom)
        .ok_or_else(|| Answer::error(lang, 503, "too-many-watchers").with("retry-after", "5"))?;
    Ok(Live { place, hub })
}

fn whom(shared: &Shared, query: &Query, hub: bool, lang: Lang) -> Result<Whom, Answer> {
    let members = shared.hub.lock();
    let absent = |code: &'static str, id, key, value: &str| {
        Answer::refusal(404, code, &say(lang, id, &[(key, value.into())]))
    };
    if let Some(name) = &query.member {
        let found = members.find(name).map(|(number, _)| Whom::Member(number));
        return found.ok_or_else(|| absent("no-such-member", "no-such-member", "name", name));
    }
    if let Some(name) = &query.room {
        let found = members.room_named(name.as_str()).map(|(id, ..)| Whom::Room(id));
        let name = name.as_str();
        return found.ok_or_else(|| absent("no-such-room", "no-such-room", "room", name));
    }
    Ok(if hub { Whom::Nobody } else { Whom::Everyone })
}

/// What came to its end.
enum Next {
    /// Who watches is gone, or the server stops.
    Gone,
    /// Something happened on a wire.
    Wire,
    /// It is time for the state of the hub, or for a sign of life.
    Tick,
}

impl Live {
    /// Tells until nobody listens any more, or there is nothing more to tell.
    pub(super) async fn run(self, shared: &Shared, io: &mut Io) {
        if !send(io, Bytes::from([STREAM.as_bytes(), b"\r\n:\n\n"].concat())).await {
            return;
        }
        for numbers in self.place.present().chunks(WATCH_ATTENDED) {
            self.place.attend(numbers);
            if !self.tell(io).await {
                return;
            }
            tokio::task::yield_now().await;
        }
        let mut tick = interval(if self.hub { LIVE_TICK } else { HEARTBEAT });
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let next = tokio::select! {
                biased;
                () = gone(io) => Next::Gone,
                // Before the wire, which may always have something to tell.
                _ = tick.tick() => Next::Tick,
                () = self.place.queue.bell.notified() => Next::Wire,
            };
            let goes_on = match next {
                Next::Gone => false,
                Next::Wire => {
                    // Events come in handfuls: each of them alone would be a write of its own.
                    sleep_until(Instant::now() + WATCH_GATHERED).await;
                    self.tell(io).await
                }
                Next::Tick if self.hub => match shared.census().await {
                    Some(event) => send(io, event).await,
                    None => false,
                },
                Next::Tick => send(io, Bytes::from_static(b":\n\n")).await,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Sends what waits.
    async fn tell(&self, io: &mut Io) -> bool {
        let mut out = Vec::new();
        let over = self.place.queue.take(&mut out);
        (out.is_empty() || send(io, out.into()).await) && !over
    }
}

/// Waits until the peer has ended its stream, or the server stops.
async fn gone(io: &mut Io) {
    while poll_fn(|cx| io.read(cx, |_more| {})).await {}
}

/// Queues bytes as soon as there is room. False: nobody is left to read them, or nobody reads.
async fn send(io: &mut Io, bytes: Bytes) -> bool {
    let sent = poll_fn(|cx| {
        // Whoever has gone makes no room; what else it says is of no interest.
        while let Poll::Ready(more) = io.read(cx, |_more| {}) {
            if !more {
                return Poll::Ready(false);
            }
        }
        io.poll_send(cx, &bytes).map(|sent| sent.is_ok())
    });
    timeout(WATCH_STALLED, sent).await.unwrap_or(false)
}
