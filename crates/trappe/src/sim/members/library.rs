//! Who uses the client library: what `trappe::client` promises its program is held against what it tells.

use std::{
    cell::Cell,
    collections::BTreeMap,
    future::{Future, poll_fn},
    pin::Pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedReceiver, task::spawn_local};

use super::{Body, Order, shown};
use crate::{
    client::{
        Acknowledgement, AskError, Cause, Client, DrainError, Event, Events, Message, Options,
        Position, SendError,
    },
    sim::{
        chance::Chance,
        model::{Entry, Gap, How, Place, Who},
    },
};

/// Sends that wait for their acknowledgement at most.
const OUTBOX: usize = 64;

/// How long a client may take to drain.
const DRAIN: Duration = Duration::from_secs(40);

/// The answer to a question.
enum Answer {
    Entered(String, Option<Place>, Result<Position, AskError>),
    Left(String, Result<(), AskError>),
    History(String, usize, Result<Vec<Message>, AskError>),
    Drained(Result<(), DrainError>),
}

/// A question that waits for its answer.
type Question = Pin<Box<dyn Future<Output = Answer>>>;

/// What happens next.
enum Next {
    Answer(Answer),
    Order(Option<Order>),
    Event(Option<Event>),
}

/// See the module.
pub(crate) struct Library {
    body: Body,
    chance: Chance,
    /// The rooms that it is in, each with up to where it has heard; none until it is there.
    rooms: BTreeMap<String, Option<Place>>,
    client: Client,
    events: Events,
    question: Option<Question>,
    is_there: bool,
    /// Something that it said in this session was acknowledged: the hub knows it, also after a crash.
    is_known: Rc<Cell<bool>>,
    /// The room of which it has asked for the last messages.
    looks_back: Option<String>,
    /// The room that it is leaving: what it missed there is told in haste.
    leaves: Option<String>,
    /// It hasn't taken its events at once since it was last connected.
    was_deaf: bool,
}

fn place(position: &Position) -> Place {
    Place::new(&position.epoch, position.seq)
}

fn position(place: &Place) -> Position {
    Position { epoch: place.epoch.clone(), seq: place.seq }
}

/// A client that is in these rooms, after a place where one is given.
fn connect(who: Who, rooms: &BTreeMap<String, Option<Place>>) -> (Client, Events) {
    let options =
        Options::new(&format!("sim:library-{who}")).expect("that is the address of a hub");
    let options = rooms.iter().fold(options, |options, (room, after)| match after {
        Some(after) => options.room_after(room, position(after)),
        None => options.room(room),
    });
    options.outbox(OUTBOX, 1 << 20).start()
}

impl Library {
    pub(crate) fn new(body: Body, chance: Chance, rooms: Vec<String>) -> Library {
        let rooms: BTreeMap<_, _> = rooms.into_iter().map(|room| (room, None)).collect();
        let (client, events) = connect(body.who, &rooms);
        let is_known = Rc::default();
        Library {
            body,
            chance,
            rooms,
            client,
            events,
            question: None,
            is_there: false,
            is_known,
            looks_back: None,
            leaves: None,
            was_deaf: false,
        }
    }

    /// Lives until nobody gives orders any more.
    pub(crate) async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        self.body.begins();
        loop {
            self.tell_doing();
            let is_deaf = self.body.does(|doing| doing.is_deaf);
            let next = tokio::select! {
                biased;
                answer = answered(&mut self.question) => Next::Answer(answer),
                order = orders.recv() => Next::Order(order),
                event = self.events.next(), if !is_deaf => Next::Event(event),
            };
            match next {
                Next::Answer(answer) => self.is_answered(answer).await,
                Next::Order(None) => return,
                Next::Order(Some(order)) => self.obey(order),
                Next::Event(Some(event)) => self.hears(event),
                Next::Event(None) => self.begins_anew(),
            }
        }
    }

    fn tell_doing(&self) {
        let rooms = self.rooms.iter().map(|(room, at)| (room.clone(), at.clone())).collect();
        self.body.does(|doing| {
            doing.is_there = self.is_there;
            doing.asks = self.question.is_some();
            doing.rooms = rooms;
        });
    }

    fn obey(&mut self, order: Order) {
        let is_free = self.question.is_none() && self.is_there;
        let client = self.client.clone();
        match order {
            Order::Say(room, text) if self.rooms.contains_key(&room) => self.says(room, text),
            Order::Join(room, after) if is_free && !self.rooms.contains_key(&room) => {
                self.body.note(&format!("joins {room} after {after:?}"));
                self.question = Some(Box::pin(async move {
                    let entered = match &after {
                        Some(after) => client.join_after(&room, &position(after)).await,
                        None => client.join(&room).await,
                    };
                    Answer::Entered(room, after, entered)
                }));
            }
            Order::Leave(room) if is_free && self.rooms.len() > 1 => {
                self.body.note(&format!("leaves {room}"));
                self.leaves = Some(room.clone());
                self.question = Some(Box::pin(async move {
                    let left = client.leave(&room).await;
                    Answer::Left(room, left)
                }));
            }
            Order::History(room, count) if is_free && self.rooms.contains_key(&room) => {
                self.looks_back = Some(room.clone());
                self.question = Some(Box::pin(async move {
                    let history = client.history(&room, count).await;
                    Answer::History(room, count, history)
                }));
            }
            Order::Drain if is_free => {
                self.body.note("drains");
                self.question =
                    Some(Box::pin(async move { Answer::Drained(client.drain(DRAIN).await) }));
            }
            Order::Read(reads) => {
                self.was_deaf |= !reads;
                self.body.does(|doing| doing.is_deaf = !reads);
            }
            _ => {}
        }
    }

    fn says(&mut self, room: String, text: String) {
        let ack = match self.client.try_send(&room, &text) {
            Ok(ack) => ack,
            // It is as if it had not been asked to.
            Err(SendError::Full | SendError::Closed) => return,
            Err(error) => return self.body.breaks(&format!("can't say {}: {error}", shown(&text))),
        };
        self.body.says(&room, &text, How::Numbered);
        spawn_local(wait(self.body.clone(), Rc::clone(&self.is_known), room, text, ack));
    }

    async fn is_answered(&mut self, answer: Answer) {
        if self.looks_back.is_some() {
            // What it was told before is still there to be taken.
            while let Some(event) = self.waiting_event().await {
                self.hears(event);
            }
            self.looks_back = None;
        }
        match answer {
            Answer::Entered(room, after, Ok(at)) => {
                let at = after.unwrap_or_else(|| place(&at));
                self.is_in(&room, &at);
            }
            Answer::Left(room, Ok(())) => {
                // What it was told before is still there to be taken.
                while let Some(event) = self.waiting_event().await {
                    self.hears(event);
                }
                self.rooms.remove(&room);
                self.leaves = None;
                let who = self.body.who;
                self.body.note(&format!("is out of {room}"));
                self.body.world.with(|told| told.model.leaves(who, &room));
            }
            Answer::History(room, count, Ok(messages)) => self.is_shown(&room, count, &messages),
            Answer::Entered(_, _, Err(error))
            | Answer::Left(_, Err(error))
            | Answer::History(_, _, Err(error)) => {
                self.body.note(&format!("isn't answered: {error}"));
                if !matches!(error, AskError::Lost | AskError::Closed) {
                    self.body.breaks(&format!("is refused something: {error}"));
                }
            }
            Answer::Drained(Ok(())) => self.body.note("has drained"),
            Answer::Drained(Err(error)) => self.body.note(&format!("hasn't drained: {error}")),
        }
    }

    /// An event that waits, if one does.
    async fn waiting_event(&mut self) -> Option<Event> {
        let mut next = std::pin::pin!(self.events.next());
        poll_fn(|cx| match next.as_mut().poll(cx) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    /// It is in a room, after this place.
    fn is_in(&mut self, room: &str, at: &Place) {
        self.rooms.insert(room.to_owned(), Some(at.clone()));
        let who = self.body.who;
        self.body.note(&format!("is in {room} after {}@{}", at.epoch, at.seq));
        self.body.world.with(|told| {
            *told.tally.entry("joins").or_default() += 1;
            told.model.enters(who, room, at, Entry::New, true);
        });
    }

    fn hears(&mut self, event: Event) {
        let who = self.body.who;
        match event {
            Event::Message(message) => {
                let (room, text) = (message.room.as_str(), message.text());
                let seq = message.position.seq;
                let by = (message.sid.unwrap_or(0), message.id.unwrap_or(0));
                self.body.note(&format!("hears {room} {seq} {} by {by:?}", shown(&text)));
                self.body.world.with(|told| {
                    *told.tally.entry("heard").or_default() += 1;
                    told.model.hears(who, room, seq, &text, None);
                });
                self.rooms.insert(room.to_owned(), Some(place(&message.position)));
            }
            Event::Gap(gap) => self.misses(&gap),
            Event::Live { room, position } => {
                self.body.note(&format!("live {room} {position}"));
                let place = place(&position);
                self.body.world.with(|told| {
                    *told.tally.entry("resumed").or_default() += 1;
                    told.model.is_live(who, &room, &place);
                });
                self.rooms.insert(room, Some(place));
            }
            Event::Connected(connected) => {
                self.is_there = true;
                let (sid, resumed) = (connected.sid, connected.resumed);
                self.body.note(&format!("is connected as {sid}, resumed={resumed}"));
                let was_deaf = std::mem::take(&mut self.was_deaf);
                if !connected.resumed {
                    self.has_lost_its_session(was_deaf);
                }
                self.body.world.count("greeted");
                for (room, position) in connected.rooms {
                    if self.rooms.get(&room).is_none_or(Option::is_none) {
                        self.is_in(&room, &place(&position));
                    }
                }
            }
            Event::Reconnecting { attempt, why, .. } => {
                self.is_there = false;
                self.body.note(&format!("is cut off, comes back ({attempt}): {why}"));
            }
            Event::Ended(why) => {
                self.is_there = false;
                self.body.note(&format!("has ended: {why}"));
            }
            Event::Refused { code, text, .. } => {
                self.body.breaks(&format!("is refused something: {code} {text}"));
            }
            Event::Unknown(text) => self.body.breaks(&format!("is told {text}")),
            _ => {}
        }
    }

    fn has_lost_its_session(&self, was_deaf: bool) {
        let who = self.body.who;
        self.body.world.with(|told| told.model.is_unknown(who));
        // Who takes events late can't tell what was acknowledged before them.
        let is_known = self.is_known.take() && !was_deaf;
        let is_promised = self.body.world.with(|told| told.model.keeps_sessions());
        if is_known && is_promised {
            self.body.breaks("its session isn't known any more");
        }
    }

    fn misses(&mut self, gap: &crate::client::Gap) {
        let cause = match &gap.cause {
            Cause::State => return,
            Cause::Slow => "slow",
            Cause::Unused => "unused",
            Cause::NotStored => "not-stored",
            Cause::Damaged => "damaged",
            Cause::Forgotten => "forgotten",
            Cause::Epoch => "epoch",
            Cause::Other(other) => other,
            _ => "unknown",
        };
        self.body.note(&format!("gap {gap:?}"));
        let who = self.body.who;
        let is_left = cause == "slow" && self.leaves.as_ref() == Some(&gap.room);
        if (is_left || self.looks_back.as_ref() == Some(&gap.room))
            && let (None, Some(from), Some(to)) = (&gap.oldest, gap.from, gap.to)
        {
            return self.body.world.with(|told| told.model.may_miss(who, &gap.room, from, to));
        }
        let oldest = gap.oldest.as_ref().map(place);
        let told = Gap { from: gap.from, to: gap.to, cause: cause.to_owned(), oldest };
        let who = self.body.who;
        self.body.world.with(|world| {
            *world.tally.entry("gaps").or_default() += 1;
            let hub = world.hub;
            world.model.misses(who, &gap.room, &told, hub);
        });
        let at = match (&told.oldest, told.to, self.rooms.get(&gap.room)) {
            (Some(oldest), ..) => Place::new(&oldest.epoch, oldest.seq.saturating_sub(1)),
            (None, Some(to), Some(Some(at))) => Place::new(&at.epoch, to),
            _ => return,
        };
        self.rooms.insert(gap.room.clone(), Some(at));
    }

    fn is_shown(&self, room: &str, count: usize, messages: &[Message]) {
        self.body.note(&format!("is shown {} of {room}", messages.len()));
        let Some(last) = messages.last() else { return };
        let shown: Vec<(u64, String)> =
            messages.iter().map(|it| (it.position.seq, it.text().into_owned())).collect();
        let end = place(&last.position);
        self.body.world.with(|told| {
            *told.tally.entry("asked").or_default() += 1;
            let hub = told.hub;
            told.model.is_shown(room, &end, count, &shown, hub);
        });
    }

    /// It has ended, and comes back as another one, after the places where it was, or from some way back.
    fn begins_anew(&mut self) {
        let who = self.body.who;
        for (room, at) in &mut self.rooms {
            self.body.world.with(|told| told.model.leaves(who, room));
            if let Some(at) = at.as_mut().filter(|_| self.chance.one_in(2)) {
                at.seq = at.seq.saturating_sub(self.chance.within(0..=20));
            }
        }
        self.body.note(&format!("begins anew in {:?}", self.rooms));
        (self.client, self.events) = connect(who, &self.rooms);
        // And others of what it said are still on their way to it.
        self.is_known = Rc::default();
        for (room, at) in &self.rooms {
            // The client tells nothing more of where it begins.
            if let Some(at) = at {
                self.body.world.with(|told| told.model.enters(who, room, at, Entry::New, true));
            }
        }
    }
}

/// Waits for the answer to a question, for ever if there is none.
async fn answered(question: &mut Option<Question>) -> Answer {
    let answer = match question {
        Some(waits) => waits.await,
        None => std::future::pending().await,
    };
    *question = None;
    answer
}

/// Waits for what becomes of something that was said.
async fn wait(
    body: Body,
    is_known: Rc<Cell<bool>>,
    room: String,
    text: String,
    ack: Acknowledgement,
) {
    match ack.await {
        Ok(position) => {
            is_known.set(true);
            body.is_acked(&room, &text, &place(&position), None);
        }
        Err(error) => {
            body.gives_up(&text, &error.to_string());
            let may_refuse = body.world.with(|told| told.model.may_refuse());
            let may_be = match &error {
                SendError::NotStored(_) => may_refuse,
                SendError::Refused(refusal) => refusal.code == "not-in-room",
                // Whether it may, is looked at where the session is lost.
                SendError::Unconfirmed | SendError::NotSent => true,
                _ => false,
            };
            if !may_be {
                body.breaks(&format!("can't say {}: {error}", shown(&text)));
            }
        }
    }
}
