//! A room that a client is in, or is to be in again.

use super::{
    mark::{Mark, Position},
    once::Once,
};

/// What comes of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// What is new.
    Live,
    /// What was missed while the connection was lost.
    Missed,
    /// What the program asked for: its own messages of then are wanted, too.
    Past,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Room {
    /// As the hub spells it, once it has.
    pub(super) name: String,
    /// None: it is entered where it is.
    pub(super) mark: Option<Mark>,
    pub(super) flow: Flow,
    /// Acknowledged while old messages come: what they acknowledge comes among these.
    pub(super) acked: Vec<u64>,
    /// It is being left: a new connection doesn't enter it.
    pub(super) leaving: bool,
    /// The program follows its state.
    pub(super) follows: bool,
    pub(super) once: Once,
}

impl Room {
    pub(super) fn new(name: &str, after: Option<Position>) -> Self {
        Self {
            name: name.to_owned(),
            flow: if after.is_some() { Flow::Past } else { Flow::Live },
            mark: after.map(Mark::new),
            acked: Vec::new(),
            leaving: false,
            follows: false,
            once: Once::default(),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.flow == Flow::Live
    }

    /// A new connection goes on where the room was; `position` is where it is, if that wasn't known.
    pub(super) fn greet(&mut self, position: &Position) {
        self.count_acked();
        match &mut self.mark {
            None => self.flow = Flow::Live,
            Some(_) if self.flow == Flow::Live => self.flow = Flow::Missed,
            Some(_) => {}
        }
        if self.mark.as_ref().is_none_or(|mark| mark.at().epoch.is_empty()) {
            self.mark = Some(Mark::new(position.clone()));
        }
    }

    /// What was acknowledged counts, now that its message doesn't come any more.
    pub(super) fn count_acked(&mut self) {
        let Some(mark) = &mut self.mark else { return };
        for seq in self.acked.drain(..) {
            mark.had(seq);
        }
    }
}
