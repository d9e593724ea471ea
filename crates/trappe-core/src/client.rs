//! A client that keeps talking through a hub that is killed and restarted: the logic of the client library, without a
//! socket, a clock or a lot of its own.
//!
//! Whoever has the socket tells the [`Machine`] what happens (`handle_*`, and the calls of the program) and then does
//! what it asks for ([`Machine::poll_output`], [`Machine::poll_transmit`], [`Machine::poll_timeout`]) until there is
//! nothing more. Time is the argument `now`, monotonic, from any beginning; a lot is drawn by whoever calls.
//!
//! What it promises is in docs/protocol.md §5 and §6, seen from the client's side:
//!
//! - Each send ends once: acknowledged, refused, or *unconfirmed*, where the session ended while it was on its way.
//!   Until then a connection that goes on with the session says it again under its id, and the hub drops repeats.
//! - Each message is passed on once, in the room's order; what is missing is passed on as a gap.

mod asks;
mod backoff;
mod call;
mod error;
mod event;
mod hear;
mod lines;
mod mark;
#[cfg(test)]
mod model;
mod once;
mod outbox;
#[cfg(test)]
mod properties;
mod read;
mod room;
#[cfg(test)]
mod tests;
mod write;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

pub use self::{
    asks::{Answer, Answered},
    backoff::pause,
    error::{AskError, DrainError, Ended, Lost, Refusal, SendError},
    event::{Cause, Connected, Direct, Event, Gap, Member, Members, Message, State},
    mark::{Position, PositionError},
};
use self::{
    asks::{Asks, Kind},
    lines::Lines,
    mark::Mark,
    outbox::Outbox,
    room::Room,
    write::Op,
};
use crate::{
    limits::{
        CLIENT_GOODBYE, CLIENT_GREETING, CLIENT_HEALTHY, CLIENT_LINE_BYTES, CLIENT_SILENCE,
        CLIENT_SILENCE_ANSWER, CLIENT_WRITE_BYTES,
    },
    name::Folded,
};

/// What a client is to be like.
#[derive(Debug, Clone)]
pub struct Config {
    /// The name that it takes; none: the hub numbers it.
    pub name: Option<String>,
    /// The rooms that it enters, each after a position if one is given.
    pub rooms: Vec<(String, Option<Position>)>,
    /// How many attempts in a row it makes to come back; none: for ever.
    pub retry: Option<u32>,
    /// It ends where the very first connection can't be made.
    pub first_or_never: bool,
    /// Sends that may wait for their acknowledgement.
    pub outbox_sends: usize,
    /// The bytes that they take as JSON, unless there is one alone.
    pub outbox_bytes: usize,
    /// The longest line that the hub takes (its `--max-message`).
    pub message_bytes: usize,
    /// Its own messages come back to it.
    pub echo: bool,
    /// Nobody's arrival, departure and new name is told.
    pub quiet: bool,
    /// The language of the hub's sentences: `fr`, `en`.
    pub lang: Option<String>,
}

/// What the machine asks for.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// A connection is to be made; its outcome is told by [`Machine::handle_connected`] or [`Machine::handle_lost`].
    Connect,
    /// The connection, or the attempt, is to be dropped, and then told as lost.
    Disconnect,
    /// The first connection is as it was asked for: the rooms are entered, and the name is taken.
    Ready,
    /// Something for the program.
    Event(Event),
    /// How a send has ended.
    Sent(u64, Result<Position, SendError>),
    /// How a question has ended.
    Answered(u64, Answered),
    /// How a drain has ended.
    Drained(Result<(), DrainError>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Until the next attempt.
    Waiting {
        until: Duration,
    },
    Connecting {
        deadline: Duration,
    },
    /// The hello is on its way. `json`: the hub has said its first event.
    Greeting {
        deadline: Duration,
        hello: u64,
        json: bool,
    },
    Open {
        since: Duration,
    },
    /// The connection is to be dropped.
    Closing,
    Ended,
}

/// A drain under way.
#[derive(Debug, Clone, Copy)]
struct Drain {
    until: Duration,
    within: Duration,
    /// What wasn't acknowledged in time.
    late: usize,
    /// What ended in doubt meanwhile.
    doubtful: usize,
    /// The goodbye is said; its answer is waited for until then.
    quitting: Option<Duration>,
}

/// A client. See the module.
#[derive(Debug)]
pub struct Machine {
    config: Config,
    phase: Phase,
    session: Option<String>,
    /// By their names, folded.
    rooms: BTreeMap<String, Room>,
    outbox: Outbox,
    asks: Asks,
    /// Lines that go before everything else.
    control: VecDeque<String>,
    lines: Lines,
    outputs: VecDeque<Output>,
    /// Counts the calls, so that what they ask for is said in their order.
    order: u64,
    /// Attempts in a row that failed.
    failed: u32,
    ready: bool,
    /// What the hub said of the connection's end.
    goodbye: Option<Lost>,
    heard_at: Duration,
    /// Whether anybody is there was asked, and is to be answered by then.
    answer_by: Option<Duration>,
    paused: bool,
    drain: Option<Drain>,
}

/// A room's name as a key: the hub takes names alike that differ in case only.
fn key(room: &str) -> String {
    Folded::of(room).to_string()
}

impl Machine {
    /// A client that wants its first connection now.
    #[must_use]
    pub fn new(now: Duration, config: Config) -> Self {
        let rooms = config.rooms.iter();
        Self {
            rooms: rooms.map(|(room, after)| (key(room), Room::new(room, after.clone()))).collect(),
            config,
            phase: Phase::Connecting { deadline: now + CLIENT_GREETING },
            session: None,
            outbox: Outbox::new(),
            asks: Asks::new(),
            control: VecDeque::new(),
            lines: Lines::default(),
            outputs: VecDeque::from([Output::Connect]),
            order: 0,
            failed: 0,
            ready: false,
            goodbye: None,
            heard_at: now,
            answer_by: None,
            paused: false,
            drain: None,
        }
    }

    // ---- what the connection does ----

    /// The connection that was asked for is there.
    pub fn handle_connected(&mut self, now: Duration) {
        let Phase::Connecting { deadline } = self.phase else { return };
        let hello = self.asks.number();
        self.phase = Phase::Greeting { deadline, hello, json: false };
        self.lines = Lines::default();
        self.goodbye = None;
        self.heard_at = now;
        self.answer_by = None;
        let rooms = self.rooms.values().filter(|room| !room.leaving);
        let places = rooms.map(|room| (room.name.as_str(), room.mark.as_ref().map(Mark::at)));
        let op = Op::new("hello").maybe("session", self.session.as_deref());
        // Lines are text until JSON is asked for; the empty one before that says that lines are what comes: else a road that
        // cuts the first bytes in two, with a pause between, would make speech of them (PROTOCOL §2). Only as the first op
        // does a hello take a session over.
        let hello = op.rooms(places).number("id", hello).end();
        self.control = VecDeque::from(["\n/format json".to_owned(), hello]);
    }

    /// The connection is lost, or couldn't be made, or was dropped as asked for. `random`: any number, each as likely.
    pub fn handle_lost(&mut self, now: Duration, why: Lost, random: u64) {
        if matches!(self.phase, Phase::Waiting { .. } | Phase::Ended) {
            return;
        }
        let why = self.goodbye.take().unwrap_or(why);
        if let Phase::Open { since } = self.phase
            && now.saturating_sub(since) >= CLIENT_HEALTHY
        {
            self.failed = 0;
        }
        // Whatever it is, nothing is said on it any more.
        self.phase = Phase::Closing;
        self.control.clear();
        for (id, kind) in self.asks.lost() {
            match kind {
                Kind::Setup { .. } => {}
                Kind::Leave { room } => {
                    self.rooms.remove(&room);
                    self.outputs.push_back(Output::Answered(id, Ok(Answer::Done)));
                }
                _ => self.outputs.push_back(Output::Answered(id, Err(AskError::Lost))),
            }
        }
        if self.drain.is_some_and(|drain| drain.quitting.is_some()) {
            return self.end(self.drained());
        }
        let first = self.config.first_or_never && !self.ready;
        if first || self.config.retry.is_some_and(|retry| self.failed >= retry) {
            return self.end(Ended::GaveUp { attempts: self.failed, why });
        }
        let after = backoff::pause(self.failed, random);
        self.failed = self.failed.saturating_add(1);
        self.phase = Phase::Waiting { until: now + after };
        self.event(Event::Reconnecting { attempt: self.failed, after, why });
        self.progress(now);
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Duration, mut bytes: &[u8]) {
        self.heard_at = now;
        self.answer_by = None;
        while matches!(self.phase, Phase::Greeting { .. } | Phase::Open { .. }) {
            match self.lines.next(&mut bytes) {
                Ok(Some(line)) => self.handle_line(now, &line),
                Ok(None) => break,
                Err(lines::TooLong) => {
                    self.close(Lost::LineTooLong(CLIENT_LINE_BYTES));
                }
            }
        }
        self.progress(now);
    }

    /// Whether bytes are left unread for now, since the program doesn't take what it was given. Then their absence says
    /// nothing about the hub.
    pub fn set_paused(&mut self, now: Duration, paused: bool) {
        if self.paused && !paused {
            self.heard_at = now;
            self.answer_by = None;
        }
        self.paused = paused;
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Duration) {
        if let Some(drain) = &mut self.drain
            && drain.quitting.is_none()
            && now >= drain.until
        {
            drain.late = self.outbox.len();
            self.settle();
        }
        if let Some(Drain { quitting: Some(by), .. }) = self.drain
            && now >= by
        {
            return self.end(self.drained());
        }
        match self.phase {
            Phase::Waiting { until } if now >= until => {
                self.phase = Phase::Connecting { deadline: now + CLIENT_GREETING };
                self.outputs.push_back(Output::Connect);
            }
            Phase::Connecting { deadline } if now >= deadline => {
                self.close(Lost::Unreachable("no answer in time".to_owned()));
            }
            Phase::Greeting { deadline, .. } if now >= deadline => self.close(Lost::NoGreeting),
            Phase::Open { .. } if !self.paused => match self.answer_by {
                Some(by) if now >= by => self.close(Lost::Silent),
                None if now >= self.heard_at + CLIENT_SILENCE => {
                    self.answer_by = Some(now + CLIENT_SILENCE_ANSWER);
                    self.set_up(Kind::Setup { nick: false, follow: None }, Op::new("ping"));
                }
                _ => {}
            },
            _ => {}
        }
        self.progress(now);
    }

    /// When [`Machine::handle_timeout`] is to be called, unless something else happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        let phase = match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Connecting { deadline } | Phase::Greeting { deadline, .. } => Some(deadline),
            Phase::Open { .. } if !self.paused => {
                Some(self.answer_by.unwrap_or(self.heard_at + CLIENT_SILENCE))
            }
            Phase::Ended => return None,
            _ => None,
        };
        let drain = self.drain.map(|drain| drain.quitting.unwrap_or(drain.until));
        phase.into_iter().chain(drain).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whole lines for the connection, when it has taken those before: from now on the hub may have heard them.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < CLIENT_WRITE_BYTES && self.next_line(&mut bytes) {}
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Whether an acknowledgement or an answer is waited for: then what comes has to be read.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.outbox.len() > 0 || self.asks.is_waited_for() || self.drain.is_some()
    }

    /// Whether it has ended: nothing will come of it any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.phase == Phase::Ended
    }

    fn next_line(&mut self, bytes: &mut Vec<u8>) -> bool {
        let is_open = matches!(self.phase, Phase::Open { .. });
        if !is_open && !matches!(self.phase, Phase::Greeting { .. }) {
            return false;
        }
        if let Some(line) = self.control.pop_front() {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
            return true;
        }
        if !is_open || self.drain.is_some_and(|drain| drain.quitting.is_some()) {
            return false;
        }
        let ask = self.asks.peek(|ask| self.may_ask(&ask.kind));
        let send = self.outbox.peek();
        let line = match (ask, send) {
            (Some((id, order)), send) if send.is_none_or(|send| order < send.order) => {
                self.asks.give(id).unwrap_or_default()
            }
            (_, Some(send)) => send.line.as_str(),
            _ => return false,
        };
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        if let Some(send) = send
            && ask.is_none_or(|(_, order)| send.order < order)
        {
            let mark = self.rooms.get(&send.room).and_then(|room| room.mark.as_ref());
            self.outbox.advance(mark.map(|mark| mark.at().epoch.as_str()));
        }
        true
    }

    /// Old messages of a room are of one thing at a time: of what a position was asked for, or the answer to one
    /// question.
    fn may_ask(&self, kind: &Kind) -> bool {
        let is_asked = |room: &str| {
            self.asks.is_given(|kind| matches!(kind, Kind::Messages { room: of } if of == room))
        };
        match kind {
            Kind::Messages { room } => {
                self.rooms.get(room).is_none_or(Room::is_live) && !is_asked(room)
            }
            Kind::Join { room, .. } => !is_asked(room),
            _ => true,
        }
    }

    // ---- how it ends ----

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Drops the connection; why comes back with [`Machine::handle_lost`].
    fn close(&mut self, why: Lost) {
        self.goodbye.get_or_insert(why);
        self.phase = Phase::Closing;
        self.outputs.push_back(Output::Disconnect);
    }

    /// Asks something for itself, at once.
    fn set_up(&mut self, kind: Kind, op: Op) {
        let id = self.asks.number();
        self.asks.insert(id, 0, kind, String::new());
        self.asks.give(id);
        self.control.push_back(op.number("id", id).end());
    }

    /// A drain goes on once nothing waits any more.
    fn progress(&mut self, now: Duration) {
        let Some(drain) = &mut self.drain else { return };
        if self.outbox.len() > 0 || drain.quitting.is_some() || self.phase == Phase::Ended {
            return;
        }
        if matches!(self.phase, Phase::Open { .. }) {
            drain.quitting = Some(now + CLIENT_GOODBYE);
            self.set_up(Kind::Setup { nick: false, follow: None }, Op::new("quit"));
        } else {
            self.end(self.drained());
        }
    }

    fn drained(&self) -> Ended {
        match self.drain {
            Some(Drain { late: 1.., .. }) => Ended::DrainTimedOut,
            _ => Ended::Drained,
        }
    }

    /// Every send that waits ends.
    fn settle(&mut self) {
        for (id, risky) in self.outbox.drain() {
            let why = if risky { SendError::Unconfirmed } else { SendError::NotSent };
            self.outputs.push_back(Output::Sent(id, Err(why)));
        }
    }

    fn end(&mut self, why: Ended) {
        if self.has_ended() {
            return;
        }
        self.phase = Phase::Ended;
        let left = self.outbox.len();
        self.settle();
        for (id, kind) in self.asks.drain() {
            if !matches!(kind, Kind::Setup { .. }) {
                self.outputs.push_back(Output::Answered(id, Err(AskError::Closed)));
            }
        }
        if let Some(drain) = self.drain {
            let unacknowledged = drain.late + left;
            let outcome = match why {
                Ended::Drained if drain.doubtful > 0 => {
                    Err(DrainError::InDoubt { unconfirmed: drain.doubtful })
                }
                Ended::Drained => Ok(()),
                Ended::DrainTimedOut => {
                    Err(DrainError::TimedOut { unacknowledged, within: drain.within })
                }
                // All was acknowledged, and nothing more was wanted of it.
                _ if unacknowledged == 0 => Ok(()),
                ref why => Err(DrainError::Ended { why: why.clone(), unacknowledged }),
            };
            self.outputs.push_back(Output::Drained(outcome));
        }
        self.control.clear();
        self.outputs.push_back(Output::Disconnect);
        self.event(Event::Ended(why));
    }
}
