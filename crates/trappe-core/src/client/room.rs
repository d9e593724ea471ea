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
    /// The hub knew nobody any more, and hasn't told yet in which life the room is.
    pub(super) anew: bool,
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
            anew: false,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        self.flow == Flow::Live
    }

    /// A new connection goes on where the room was; `position` is where it is, if that wasn't known.
    pub(super) fn greet(&mut self, position: &Position, resumed: bool) {
        self.count_acked();
        self.anew |= !resumed && self.mark.is_some();
        match &mut self.mark {
            None => self.flow = Flow::Live,
            Some(_) if self.flow == Flow::Live => self.flow = Flow::Missed,
            Some(_) => {}
        }
        if self.mark.as_ref().is_none_or(|mark| mark.at().epoch.is_empty()) {
            self.mark = Some(Mark::new(position.clone()));
        }
    }

    /// The room's log is another, of which everything up to `at` was had. What a crash took with the former one its
    /// senders say again, under their old ids. Unless the hub knew nobody any more: then others have their numbers.
    pub(super) fn next_life(&mut self, at: Position) {
        self.mark = Some(Mark::new(at));
        if self.anew {
            self.once = Once::default();
        }
        self.anew = false;
    }

    /// Everything that was asked for has come, up to `at`.
    pub(super) fn live(&mut self, at: &Position) {
        match &mut self.mark {
            Some(mark) if mark.at().epoch == at.epoch => mark.skip(at.seq),
            _ => self.next_life(at.clone()),
        }
        self.count_acked();
        self.flow = Flow::Live;
        self.anew = false;
    }

    /// What was acknowledged counts, now that its message doesn't come any more.
    pub(super) fn count_acked(&mut self) {
        let Some(mark) = &mut self.mark else { return };
        for seq in self.acked.drain(..) {
            mark.had(seq);
        }
    }
}
