//! Questions that wait for their answers: everything that a program asks of the hub but to say something in a room.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use super::{
    error::AskError,
    event::{Members, Message, State},
    mark::Position,
};

/// The number of the first question. Sends are numbered from 1: no number is that of both.
const FIRST: u64 = 1 << 52;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// To enter a room; with a position everything after it is wanted.
    Join {
        room: String,
        after: Option<Position>,
    },
    Leave {
        room: String,
    },
    Nick,
    Who,
    /// For messages: history and search.
    Messages {
        room: String,
    },
    /// For the state of a room, all of it, from now on.
    Follow {
        room: String,
    },
    /// For one value of the state.
    Get,
    /// To be done, and no more.
    Do,
    /// In the program's own words.
    Raw,
    /// By the client itself, after a hello: nobody waits. `nick`: the name is to be taken again; `follow`: the
    /// room whose state is followed again.
    Setup {
        nick: bool,
        follow: Option<String>,
    },
}

/// A question.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) kind: Kind,
    pub(super) line: String,
    /// The connection was given it.
    pub(super) given: bool,
    /// The messages that were found so far, and their bytes.
    pub(super) found: Vec<Message>,
    pub(super) bytes: usize,
}

/// What a question is answered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// The room is entered: its name as the hub spells it, and where it is heard from.
    Entered(String, Position),
    /// The name that was taken.
    Name(String),
    /// Who is in the room.
    Members(Members),
    /// Messages, the oldest first.
    Messages(Vec<Message>),
    /// A value of the state.
    State(State),
    /// The event as the hub wrote it.
    Event(String),
}

/// How a question ended.
pub type Answered = Result<Answer, AskError>;

/// All questions by their numbers, which are in the order of the calls.
#[derive(Debug)]
pub(super) struct Asks {
    asks: BTreeMap<u64, (u64, Ask)>,
    next: u64,
}

impl Asks {
    pub(super) fn new() -> Self {
        Self { asks: BTreeMap::new(), next: FIRST }
    }

    pub(super) fn len(&self) -> usize {
        self.asks.len()
    }

    /// A number that no question has.
    pub(super) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// `order` is when it was called, among all calls.
    pub(super) fn insert(&mut self, id: u64, order: u64, kind: Kind, line: String) {
        let ask = Ask { kind, line, given: false, found: Vec::new(), bytes: 0 };
        self.asks.insert(id, (order, ask));
    }

    pub(super) fn get(&self, id: u64) -> Option<&Ask> {
        self.asks.get(&id).map(|(_, ask)| ask)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Ask> {
        self.asks.remove(&id).map(|(_, ask)| ask)
    }

    /// The first that the connection hasn't been given and that `may` be: its number, and when it was called.
    pub(super) fn peek(&self, may: impl Fn(&Ask) -> bool) -> Option<(u64, u64)> {
        let waiting = self.asks.iter().filter(|(_, (_, ask))| !ask.given);
        waiting
            .map(|(&id, (order, ask))| (id, *order, ask))
            .find(|(_, _, ask)| may(ask))
            .map(|(id, order, _)| (id, order))
    }

    /// The connection is given it.
    pub(super) fn give(&mut self, id: u64) -> Option<&str> {
        let (_, ask) = self.asks.get_mut(&id)?;
        ask.given = true;
        Some(&ask.line)
    }

    /// The question on its way that old messages of this room are the answer to.
    pub(super) fn collecting(&mut self, is_room: impl Fn(&str) -> bool) -> Option<&mut Ask> {
        let given = self.asks.values_mut().map(|(_, ask)| ask).filter(|ask| ask.given);
        given.into_iter().find(|ask| matches!(&ask.kind, Kind::Messages { room } if is_room(room)))
    }

    /// Whether a question of this kind is on its way.
    pub(super) fn is_given(&self, is_kind: impl Fn(&Kind) -> bool) -> bool {
        self.asks.values().any(|(_, ask)| ask.given && is_kind(&ask.kind))
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_waited_for(&self) -> bool {
        self.asks.values().any(|(_, ask)| !matches!(ask.kind, Kind::Setup { .. }))
    }

    /// Of what the connection was given, the longest, as for sends.
    pub(super) fn longest(&self) -> Option<(u64, usize)> {
        let given = self.asks.iter().filter(|(_, (_, ask))| ask.given);
        given.map(|(&id, (_, ask))| (id, ask.line.len())).max_by_key(|&(_, len)| len)
    }

    /// The connection is lost: those that it was given are taken out, but the joins, which are asked again.
    pub(super) fn lost(&mut self) -> Vec<(u64, Kind)> {
        let mut lost = Vec::new();
        let mut at = 0;
        while let Some((&id, (_, ask))) = self.asks.range_mut((Excluded(at), Unbounded)).next() {
            at = id;
            match ask.kind {
                Kind::Join { .. } => ask.given = false,
                _ if ask.given || matches!(ask.kind, Kind::Setup { .. }) => {
                    let ask = self.remove(id).expect("it was just seen");
                    lost.push((id, ask.kind));
                }
                _ => {}
            }
        }
        lost
    }

    /// Those to leave a room that `is_left` are taken out.
    pub(super) fn leaving(&mut self, is_left: impl Fn(&str) -> bool) -> Vec<u64> {
        let mut left = Vec::new();
        self.asks.retain(|&id, (_, ask)| {
            let done = matches!(&ask.kind, Kind::Leave { room } if is_left(room));
            if done {
                left.push(id);
            }
            !done
        });
        left
    }

    /// Everything is taken out.
    pub(super) fn drain(&mut self) -> Vec<(u64, Kind)> {
        std::mem::take(&mut self.asks).into_iter().map(|(id, (_, ask))| (id, ask.kind)).collect()
    }
}
