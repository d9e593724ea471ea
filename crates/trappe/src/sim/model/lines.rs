//! What members hear that are told no numbers: text and raw. Judged in the end, when it is known which number each text
//! has.

use super::{How, Model, Place, Who, short};

/// Something that a connection heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A message.
    Said(String),
    /// Numbers that it was told not to wait for.
    Gap(u64, u64),
}

impl Line {
    fn shown(&self, seq: u64) -> String {
        match self {
            Line::Said(text) => format!("{} ({seq})", short(text)),
            Line::Gap(from, to) => format!("a gap {from}..{to}"),
        }
    }
}

/// One stay in one room, over one connection.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) who: Who,
    pub(crate) room: String,
    /// The life of the hub to which it was connected.
    pub(crate) hub: u32,
    /// The life of the room in which its numbers are, where that is known.
    pub(crate) epoch: Option<String>,
    /// It was shown what was said before.
    pub(crate) is_shown: bool,
    /// Everything after this came, or was announced; none: only the order is promised.
    pub(crate) from: Option<Place>,
    pub(crate) heard: Vec<Line>,
    /// Nothing ended it: it has heard all that there is.
    pub(crate) to_the_end: bool,
}

impl Lines {
    /// Whether the order was the one, without a gap that wasn't announced.
    pub(super) fn judge(&self, model: &mut Model) -> Result<(), String> {
        let Lines { who, room, .. } = self;
        let mut last = 0;
        let mut at = self.from.as_ref().map_or(0, |place| place.seq);
        for line in &self.heard {
            let (first, next) = match line {
                Line::Gap(from, to) => (*from, *to),
                Line::Said(text) => {
                    if !model.was_said(room, text) {
                        return Err(format!("nobody said {} in {room}", short(text)));
                    }
                    let Some(said) = model.said.get(text).filter(|it| it.how != How::Piece) else {
                        continue;
                    };
                    // What is heard as it is said has the number of this life of the hub: later it may have been said
                    // again. Where that isn't known, nobody else had it, or only who told of it later. What is shown
                    // again has any number that it had by then: only one that was acknowledged is the last.
                    let places = said.seen.iter().filter(|(place, life)| {
                        let in_epoch = self.epoch.as_ref().is_none_or(|it| *it == place.epoch);
                        let is_it = if self.is_shown {
                            said.acked.as_ref() == Some(*place)
                                && life.is_some_and(|life| life <= self.hub)
                        } else {
                            **life == Some(self.hub)
                        };
                        in_epoch && is_it
                    });
                    let mut places = places.map(|(place, _)| place.seq).peekable();
                    if places.peek().is_none() {
                        continue;
                    }
                    let Some(seq) = places.find(|seq| *seq > last) else {
                        return Err(format!(
                            "one order: member {who} hears {} of {room} again, or after number {last}",
                            short(text)
                        ));
                    };
                    (seq, seq)
                }
            };
            self.look_between(model, at + 1, first)
                .map_err(|why| format!("{why}, before {} of {room}", line.shown(first)))?;
            (last, at) = (next, at.max(next));
        }
        if self.to_the_end { self.look_between(model, at + 1, u64::MAX) } else { Ok(()) }
    }

    /// Nothing that others have is missing between two numbers.
    fn look_between(&self, model: &Model, from: u64, before: u64) -> Result<(), String> {
        let Lines { who, room, .. } = self;
        let Some(begin) = self.from.as_ref().filter(|_| from < before) else { return Ok(()) };
        let log = model.logs.get(&(room.clone(), begin.epoch.clone()));
        let mut known = log.into_iter().flat_map(|log| log.range(from..before));
        let is_piece = |text: &str| model.said.get(text).is_some_and(|it| it.how == How::Piece);
        let is_heard = |text: &str| self.heard.iter().any(|it| *it == Line::Said(text.to_owned()));
        let misses =
            |text: &str| !is_piece(text) && !model.may_skip(*who, false, text) && !is_heard(text);
        match known.find(|(_, text)| misses(text)) {
            None => Ok(()),
            Some((seq, text)) => Err(format!(
                "no gap without notice: member {who} of {room} heard nothing of {} ({seq})",
                short(text)
            )),
        }
    }
}
