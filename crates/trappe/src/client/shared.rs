//! What a client's handles, its stream of events and its driver share: the machine, and who waits for what.

use std::{
    collections::{BTreeMap, VecDeque},
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};
use trappe_core::{
    client::{Answered, Config, DrainError, Ended, Event, Machine, Output, Position, SendError},
    limits::{CLIENT_EVENTS, CLIENT_EVENTS_BYTES, CLIENT_EVENTS_BYTES_MAX},
};

/// What an event counts for beside its texts.
const EVENT_BYTES: usize = 128;

/// How a send ended.
pub(super) type Sent = Result<Position, SendError>;

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something changed that the driver may have to act upon.
    pub(super) wake: Notify,
    /// Something left the outbox.
    pub(super) space: Notify,
    began: Instant,
}

/// What the driver is to do with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// None is wanted now.
    None,
    /// One is to be made.
    Wanted,
    /// It is being made, or is there.
    Used,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) machine: Machine,
    pub(super) link: Link,
    sends: BTreeMap<u64, oneshot::Sender<Sent>>,
    asks: BTreeMap<u64, oneshot::Sender<Answered>>,
    drains: Vec<oneshot::Sender<Result<(), DrainError>>>,
    /// Whoever waits for the first connection.
    ready: Option<oneshot::Sender<Result<(), Ended>>>,
    events: VecDeque<Event>,
    events_bytes: usize,
    events_waker: Option<Waker>,
    /// Somebody takes the events.
    has_reader: bool,
    has_clients: bool,
    /// Nothing is read from the connection for now.
    paused: bool,
    ended: Option<Ended>,
}

impl Shared {
    pub(super) fn new(config: Config, ready: Option<oneshot::Sender<Result<(), Ended>>>) -> Self {
        let mut state = State {
            machine: Machine::new(Duration::ZERO, config),
            link: Link::None,
            sends: BTreeMap::new(),
            asks: BTreeMap::new(),
            drains: Vec::new(),
            ready,
            events: VecDeque::new(),
            events_bytes: 0,
            events_waker: None,
            has_reader: true,
            has_clients: true,
            paused: false,
            ended: None,
        };
        // The first connection is wanted from the beginning.
        state.pass_on();
        Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            space: Notify::new(),
            began: Instant::now(),
        }
    }

    /// The time of the machine.
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// A time of the machine, as the runtime tells it.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.began + at
    }

    /// Tells the machine something, and passes on what it makes of it. The lock is never held over an await.
    pub(super) fn with<T>(&self, what: impl FnOnce(&mut State, Duration) -> T) -> T {
        let mut state = self.state.lock();
        let result = what(&mut state, self.now());
        let (sent, waker) = state.pass_on();
        drop(state);
        if sent {
            self.space.notify_waiters();
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// The same, by somebody else than the driver: it has to look what there is to do.
    pub(super) fn call<T>(&self, what: impl FnOnce(&mut State, Duration) -> T) -> T {
        let result = self.with(what);
        self.wake.notify_one();
        result
    }

    /// The next event; none after the last.
    pub(super) fn poll_event(&self, waker: &Waker) -> Poll<Option<Event>> {
        let mut state = self.state.lock();
        let Some(event) = state.events.pop_front() else {
            if state.ended.is_some() {
                return Poll::Ready(None);
            }
            state.events_waker = Some(waker.clone());
            return Poll::Pending;
        };
        state.events_bytes -= weight(&event);
        let resumes = state.paused && state.may_read();
        drop(state);
        if resumes {
            self.wake.notify_one();
        }
        Poll::Ready(Some(event))
    }

    /// Nobody takes the events any more.
    pub(super) fn drop_reader(&self) {
        self.call(|state, _| {
            state.has_reader = false;
            state.events.clear();
            state.events_bytes = 0;
            state.shut_if_alone();
        });
    }

    /// Nobody says or asks anything any more.
    pub(super) fn drop_clients(&self) {
        self.call(|state, _| {
            state.has_clients = false;
            state.shut_if_alone();
        });
    }
}

impl State {
    /// Whether the driver may read. While somebody waits for an acknowledgement or an answer, more events are taken:
    /// who sends and reads in one task would wait for ever else.
    pub(super) fn may_read(&self) -> bool {
        let few = self.events.len() < CLIENT_EVENTS && self.events_bytes < CLIENT_EVENTS_BYTES;
        few || self.machine.is_waiting() && self.events_bytes < CLIENT_EVENTS_BYTES_MAX
    }

    /// The same, and the machine is told.
    pub(super) fn look_whether_to_read(&mut self, now: Duration) -> bool {
        let may_read = self.may_read();
        self.paused = !may_read;
        self.machine.set_paused(now, !may_read);
        may_read
    }

    pub(super) fn wait_for_send(&mut self, id: u64) -> oneshot::Receiver<Sent> {
        let (sender, receiver) = oneshot::channel();
        self.sends.insert(id, sender);
        receiver
    }

    pub(super) fn wait_for_answer(&mut self, id: u64) -> oneshot::Receiver<Answered> {
        let (sender, receiver) = oneshot::channel();
        self.asks.insert(id, sender);
        receiver
    }

    pub(super) fn wait_for_drain(&mut self) -> oneshot::Receiver<Result<(), DrainError>> {
        let (sender, receiver) = oneshot::channel();
        match self.ended.clone() {
            // Whatever was sent has had its own error.
            Some(Ended::Drained) => drop(sender.send(Ok(()))),
            Some(why) => drop(sender.send(Err(DrainError::Ended { why, unacknowledged: 0 }))),
            None => self.drains.push(sender),
        }
        receiver
    }

    fn shut_if_alone(&mut self) {
        if !self.has_reader && !self.has_clients {
            self.machine.shut();
        }
    }

    /// Gives everybody what is theirs. Whether something left the outbox, and who waits for an event that has come.
    fn pass_on(&mut self) -> (bool, Option<Waker>) {
        let (mut sent, mut told) = (false, false);
        // Who doesn't wait any more isn't told.
        while let Some(output) = self.machine.poll_output() {
            match output {
                Output::Connect => self.link = Link::Wanted,
                Output::Disconnect => self.link = Link::None,
                Output::Ready => drop(self.ready.take().map(|ready| ready.send(Ok(())))),
                Output::Sent(id, outcome) => {
                    sent = true;
                    drop(self.sends.remove(&id).map(|waits| waits.send(outcome)));
                }
                Output::Answered(id, outcome) => {
                    if let Some(waits) = self.asks.remove(&id) {
                        drop(waits.send(outcome));
                    }
                }
                Output::Drained(outcome) => {
                    for waits in self.drains.drain(..) {
                        drop(waits.send(outcome.clone()));
                    }
                }
                Output::Event(event) => {
                    told = true;
                    if let Event::Ended(why) = &event {
                        self.ended = Some(why.clone());
                        // Who waits for space is told that there is none.
                        sent = true;
                        drop(self.ready.take().map(|ready| ready.send(Err(why.clone()))));
                    }
                    if self.has_reader {
                        self.events_bytes += weight(&event);
                        self.events.push_back(event);
                    }
                }
            }
        }
        (sent, if told { self.events_waker.take() } else { None })
    }
}

/// What an event takes, about.
fn weight(event: &Event) -> usize {
    let texts = match event {
        Event::Message(message) => message.body.len() + message.name.len() + message.room.len(),
        Event::Direct(direct) => direct.body.len() + direct.name.len(),
        Event::State(state) => state.value.len() + state.key.len() + state.name.len(),
        Event::Notice { text } | Event::Unknown(text) => text.len(),
        _ => 0,
    };
    EVENT_BYTES + texts
}
