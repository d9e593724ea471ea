//! The reference model: what a hub promises (PROTOCOL §5), held against everything that anybody observed.
//!
//! It knows nothing of logs, cursors and disks. It is told who said what, what was acknowledged, and what each member
//! heard at which number, and says which promise is broken by that:
//!
//! 1. *One order*: a number of an epoch is one message, for whoever hears it; each listener's numbers only grow.
//! 2. *At most once*: a message has one number in one life of the hub, and none but the acknowledged one after that.
//! 3. *No gap without notice*: what a listener passes over is its own, or was announced to it, or nobody ever had it.
//! 4. *A gap doesn't lie*: nothing in it was acknowledged; what it calls unused is heard by nobody any more.
//! 5. *Acknowledged is there*, with its number, once, for as long as the hub keeps it.
//! 6. *An epoch lasts* as long as the hub's life, and over it where something of it is on disk.
//! 7. *In the end everyone has everything*, and whoever said something knows what became of it.
//!
//! What is told late (a client that didn't take its events for a while) is judged as if it were told in time: every
//! rule looks in both directions.

mod lines;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use self::lines::{Line, Lines};
use self::rules::is_in;

/// A member of the world, over all of its connections.
pub(crate) type Who = usize;

/// A number in a life of a room.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) seq: u64,
}

impl Place {
    pub(crate) fn new(epoch: &str, seq: u64) -> Place {
        Place { epoch: epoch.to_owned(), seq }
    }

    /// Whether it is the same one. A room that begins a new epoch on a disk that has failed goes on with its numbers.
    fn is(&self, other: &Place, renewed: bool) -> bool {
        self.seq == other.seq && (renewed || self.epoch == other.epoch)
    }

    /// Reads `EPOCH@SEQ`.
    pub(crate) fn parse(text: &str) -> Option<Place> {
        let (epoch, seq) = text.split_once('@')?;
        Some(Place::new(epoch, seq.parse().ok()?))
    }
}

/// What this hub promises beside what every hub does.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Promises {
    /// What is acknowledged is on disk.
    pub(crate) disk: bool,
    /// Old messages are forgotten: by age or number.
    pub(crate) forgets: bool,
}

/// Numbers that a member was told not to wait for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gap {
    pub(crate) from: Option<u64>,
    pub(crate) to: Option<u64>,
    pub(crate) cause: String,
    /// The oldest that there is, where that is told instead.
    pub(crate) oldest: Option<Place>,
}

/// How a listener comes to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It wasn't there, or wants to know nothing of what was.
    New,
    /// It was there, and is told where the room is: what was said since it connected may still come (docs/protocol.md
    /// §1).
    Found,
    /// It goes on after a lost connection: it has had everything up to here.
    Back,
    /// It asks for what it has had once more.
    Again,
}

/// How something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Under a number of its sender's own: it bears the same one when it is said again.
    Numbered,
    /// Whole, or not at all, but under no number.
    Whole,
    /// As a line: where the connection ends in the middle of it, what came before that is said (PROTOCOL §2, rule 2).
    Line,
    /// What was left of a line.
    Piece,
}

/// Something that was said: each text is said once.
#[derive(Clone, Debug)]
struct Said {
    who: Who,
    room: String,
    how: How,
    acked: Option<Place>,
    /// Its sender waits for nothing more.
    ended: bool,
    /// Where it was seen, each with the life of the hub in which that was, where that is known.
    seen: BTreeMap<Place, Option<u32>>,
    heard_by: BTreeSet<Who>,
}

/// A member's place in a room.
#[derive(Clone, Debug)]
struct Listener {
    epoch: String,
    /// It has had everything up to here, or was told why not.
    at: u64,
    /// The last number that it heard since it came.
    last: u64,
    /// What it has had of this epoch, over all of its connections.
    had: BTreeSet<u64>,
    /// Gaps among what it had asked for, as far as it can't tell them from its own.
    excused: Vec<(u64, u64)>,
    /// A client that passes on each message once: what it has passed on.
    once: Option<BTreeSet<String>>,
    is_unknown: bool,
}

/// Numbers that a listener passed over.
#[derive(Clone, Debug)]
struct Skip {
    who: Who,
    room: String,
    epoch: String,
    range: (u64, u64),
    /// What it had before, of these.
    had: BTreeSet<u64>,
    excused: Vec<(u64, u64)>,
    once: bool,
}

/// A gap as it was told, and in which life of the hub.
#[derive(Clone, Debug)]
struct Told {
    room: String,
    epoch: String,
    range: (u64, u64),
    cause: String,
    hub: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Model {
    promises: Promises,
    /// The disk has refused something: what wasn't acknowledged may be told as not stored, and a room may begin anew.
    disk_failed: bool,
    said: BTreeMap<String, Said>,
    /// What is at which number, by room and epoch.
    logs: BTreeMap<(String, String), BTreeMap<u64, String>>,
    listeners: BTreeMap<(Who, String), Listener>,
    skips: Vec<Skip>,
    gaps: Vec<Told>,
    /// The epoch of each room, and the life of the hub in which it was last seen.
    epochs: BTreeMap<String, (String, u32)>,
    lines: Vec<Lines>,
    broken: Vec<String>,
}

impl Model {
    pub(crate) fn new(promises: Promises) -> Model {
        Model { promises, ..Model::default() }
    }

    /// The first promise that was broken, as a sentence.
    pub(crate) fn broken(&self) -> Option<&str> {
        self.broken.first().map(String::as_str)
    }

    /// A promise is broken that others look after.
    pub(crate) fn breaks(&mut self, sentence: String) {
        self.broken.push(sentence);
    }

    /// From here on the disk may have refused something.
    pub(crate) fn disk_fails(&mut self) {
        self.disk_failed = true;
    }

    /// Whether the disk may be what a message was refused for.
    pub(crate) fn may_refuse(&self) -> bool {
        self.promises.disk && self.disk_failed
    }

    /// Whether a session of which something was acknowledged is known over a crash.
    pub(crate) fn keeps_sessions(&self) -> bool {
        self.promises.disk && !self.disk_failed
    }

    // ---- what is said ----

    /// Somebody says something.
    ///
    /// # Panics
    /// The same text was said before: the world's own mistake.
    pub(crate) fn says(&mut self, who: Who, room: &str, text: &str, how: How) {
        let said = Said {
            who,
            room: room.to_owned(),
            how,
            acked: None,
            ended: false,
            seen: BTreeMap::new(),
            heard_by: BTreeSet::new(),
        };
        let before = self.said.get(text);
        if how == How::Piece || before.is_some_and(|it| it.how == How::Piece) {
            // It is found in both, and can't be told from the other.
            self.said.entry(text.to_owned()).or_insert(said);
            return;
        }
        assert!(self.said.insert(text.to_owned(), said).is_none(), "{} is said twice", short(text));
    }

    /// Somebody writes a line that is no speech, unless its connection ends in the middle of it.
    pub(crate) fn writes(&mut self, who: Who, room: &str, text: &str) {
        if !self.said.contains_key(text) {
            self.says(who, room, text, How::Line);
            self.given_up(text);
        }
    }

    /// What somebody said is acknowledged. `hub` is the life of the hub from which that came.
    pub(crate) fn acked(&mut self, text: &str, place: &Place, hub: Option<u32>) {
        let Some(said) = self.said.get_mut(text) else { return };
        said.ended = true;
        let room = said.room.clone();
        let renewed = self.disk_failed;
        match &said.acked {
            Some(before) if !before.is(place, renewed) => {
                let before = before.clone();
                return self.breaks(format!(
                    "at most once: {} was acknowledged as {before:?} and then as {place:?}",
                    short(text)
                ));
            }
            _ => said.acked = Some(place.clone()),
        }
        self.sees(&room, place, text, hub);
        let lie = self.gaps.iter().find(|gap| {
            gap.room == room && gap.epoch == place.epoch && gap.has(place.seq) && gap.denies()
        });
        if let Some(gap) = lie {
            let gap = format!("{gap:?}");
            self.breaks(format!(
                "a gap doesn't lie: {} is acknowledged as {place:?}, in {gap}",
                short(text)
            ));
        }
    }

    /// Its sender has been told that what it said isn't, or may not be, there.
    pub(crate) fn given_up(&mut self, text: &str) {
        if let Some(said) = self.said.get_mut(text) {
            said.ended = true;
        }
    }

    /// What somebody said and waits for.
    pub(crate) fn waits_for(&self, who: Who) -> Vec<&str> {
        let open = self.said.iter().filter(|(_, said)| said.who == who && !said.ended);
        open.map(|(text, _)| text.as_str()).collect()
    }

    // ---- what is heard ----

    /// A member is in a room, after a number. `once`: it passes on no text twice.
    pub(crate) fn enters(&mut self, who: Who, room: &str, place: &Place, how: Entry, once: bool) {
        let key = (who, room.to_owned());
        let is_new = matches!(how, Entry::New | Entry::Found);
        let Some(listener) = self.listeners.get_mut(&key).filter(|_| !is_new) else {
            let once = once.then(BTreeSet::new);
            let Place { epoch, seq } = place.clone();
            let last = if how == Entry::Found { 0 } else { seq };
            let (had, excused) = (BTreeSet::new(), Vec::new());
            self.listeners.insert(
                key,
                Listener { epoch, at: seq, last, had, excused, once, is_unknown: false },
            );
            return;
        };
        let (at, same) = (listener.at, listener.epoch == place.epoch);
        (listener.at, listener.last) = (place.seq, place.seq);
        if !same {
            listener.epoch.clone_from(&place.epoch);
            listener.had.clear();
        }
        if how == Entry::Back && same {
            self.skips(&key, (at + 1, place.seq));
        }
    }

    /// A client comes back to a hub that doesn't know it any more: where a room begins a new epoch then, others may
    /// have the numbers of who spoke there before, so that it passes on what bears them.
    pub(crate) fn is_unknown(&mut self, who: Who) {
        let its = self.listeners.iter_mut().filter(|((other, _), _)| *other == who);
        its.for_each(|(_, listener)| listener.is_unknown = true);
    }

    /// A member has left a room: it is owed nothing there any more.
    pub(crate) fn leaves(&mut self, who: Who, room: &str) {
        self.listeners.remove(&(who, room.to_owned()));
    }

    /// The epoch in which a room is, as the hub of this life says.
    pub(crate) fn is_in_epoch(&mut self, room: &str, epoch: &str, hub: u32) {
        if self.epochs.get(room).is_some_and(|(_, later)| *later > hub) {
            return;
        }
        let now = (epoch.to_owned(), hub);
        let Some(before) = self.epochs.insert(room.to_owned(), now) else { return };
        let keeps = self.promises.disk
            && self.said.values().any(|it| {
                it.room == room && it.acked.as_ref().is_some_and(|place| place.epoch == before.0)
            });
        if before.0 != epoch && !self.disk_failed && (before.1 == hub || keeps) {
            self.breaks(format!("an epoch lasts: {room} was in {} and is in {epoch}", before.0));
        }
    }

    /// A member hears something at a number of the epoch in which it is there. `hub`: the life of the hub from which it
    /// came, where the member knows.
    pub(crate) fn hears(&mut self, who: Who, room: &str, seq: u64, text: &str, hub: Option<u32>) {
        let key = (who, room.to_owned());
        let Some(listener) = self.listeners.get_mut(&key) else {
            return self.breaks(format!("member {who} isn't in {room}, and hears {}", short(text)));
        };
        let place = Place::new(&listener.epoch, seq);
        let (at, last) = (listener.at, listener.last);
        listener.last = seq.max(last);
        listener.at = seq.max(at);
        listener.had.insert(seq);
        let again = listener.once.as_mut().is_some_and(|once| !once.insert(text.to_owned()))
            && self.said.get(text).is_some_and(|said| said.how == How::Numbered);
        if seq <= last {
            self.breaks(format!(
                "one order: member {who} hears {} as {seq} of {room} after {last}",
                short(text)
            ));
        }
        if again {
            self.breaks(format!("at most once: member {who} is passed on {} again", short(text)));
        }
        self.skips(&key, (at + 1, seq - 1));
        self.sees(room, &place, text, hub);
        if let Some(said) = self.said.get_mut(text) {
            said.heard_by.insert(who);
        }
    }

    /// A member is told that it misses something. `hub`: as in [`Model::hears`].
    pub(crate) fn misses(&mut self, who: Who, room: &str, gap: &Gap, hub: u32) {
        let key = (who, room.to_owned());
        let Some(listener) = self.listeners.get_mut(&key) else { return };
        let (at, epoch) = (listener.at, listener.epoch.clone());
        // A client's position stands before words of its own that weren't acknowledged: a gap may begin there, and
        // have in it what came after them.
        let last = if listener.once.is_some() { 0 } else { listener.last };
        let told = gap.from.zip(gap.to);
        let (from, to) = match (&gap.oldest, gap.from, gap.to) {
            (Some(oldest), ..) if oldest.epoch != epoch => {
                listener.epoch.clone_from(&oldest.epoch);
                listener.had.clear();
                if std::mem::take(&mut listener.is_unknown) {
                    listener.once.iter_mut().for_each(BTreeSet::clear);
                }
                (listener.at, listener.last) =
                    (oldest.seq.saturating_sub(1), oldest.seq.saturating_sub(1));
                if gap.cause != "epoch" {
                    self.breaks(format!(
                        "a gap doesn't lie: member {who} is told {gap:?} in {epoch}"
                    ));
                }
                return;
            }
            (Some(oldest), ..) => (at + 1, oldest.seq.saturating_sub(1)),
            (None, Some(from), Some(to)) => (from, to),
            _ => {
                return self.breaks(format!("member {who} is told a gap without numbers: {gap:?}"));
            }
        };
        listener.at = at.max(to);
        listener.last = listener.last.max(to);
        if gap.oldest.is_none() && (from > to || from <= last) {
            self.breaks(format!(
                "a gap doesn't lie: member {who} of {room}, who has had {last}, is told {gap:?}"
            ));
        }
        self.skips(&key, (at + 1, from - 1));
        self.is_told(Told {
            room: room.to_owned(),
            epoch,
            range: told.unwrap_or((from, to)),
            cause: gap.cause.clone(),
            hub,
        });
    }

    /// A member is told of a gap, and can't tell whether that is one of what it hears, or of what it asked for.
    pub(crate) fn may_miss(&mut self, who: Who, room: &str, from: u64, to: u64) {
        if let Some(listener) = self.listeners.get_mut(&(who, room.to_owned())) {
            listener.excused.push((from, to));
        }
    }

    /// A member is told that it has had everything up to here.
    pub(crate) fn is_live(&mut self, who: Who, room: &str, place: &Place) {
        let key = (who, room.to_owned());
        let Some(listener) = self.listeners.get_mut(&key) else { return };
        let at = listener.at;
        listener.at = at.max(place.seq);
        listener.is_unknown = false;
        if listener.epoch != place.epoch {
            let epoch = listener.epoch.clone();
            return self.breaks(format!(
                "no gap without notice: member {who} of {room} was in {epoch} and is live in {place:?}"
            ));
        }
        self.skips(&key, (at + 1, place.seq));
    }

    /// The last number of a room that was acknowledged so far.
    pub(crate) fn last_acked(&self, room: &str, epoch: &str) -> u64 {
        let acked = self.said.values().filter(|said| said.room == room);
        let acked = acked.filter_map(|said| said.acked.as_ref().filter(|it| it.epoch == epoch));
        acked.map(|place| place.seq).max().unwrap_or(0)
    }

    /// The last messages up to a place, `asked` at most, as a member was given them: those that were acknowledged are
    /// among them.
    pub(crate) fn is_shown(
        &mut self,
        room: &str,
        end: &Place,
        asked: usize,
        shown: &[(u64, String)],
        hub: u32,
    ) {
        for pair in shown.windows(2).filter(|pair| pair[0].0 >= pair[1].0) {
            self.broken
                .push(format!("one order: history gives {} before {}", pair[0].0, pair[1].0));
        }
        for (seq, text) in shown {
            self.sees(room, &Place::new(&end.epoch, *seq), text, Some(hub));
        }
        // A disk that hangs isn't waited for: then it is what the log holds.
        let is_part = shown.len() >= asked || self.disk_failed;
        let first = if is_part { shown.first().map_or(u64::MAX, |it| it.0) } else { 0 };
        let missing = self.said.iter().find(|(text, said)| {
            let place = said.acked.as_ref().filter(|it| it.epoch == end.epoch);
            said.room == room
                && place.is_some_and(|it| (first..=end.seq).contains(&it.seq))
                && !shown.iter().any(|(_, it)| it == *text || self.is_cut(text, it))
        });
        if let Some((text, said)) = missing
            && !(self.promises.forgets && first == 0)
        {
            let place = &said.acked;
            self.broken.push(format!(
                "acknowledged is there: {} isn't shown up to {end:?}, and was acknowledged as {place:?}",
                short(text)
            ));
        }
    }

    /// Messages in which something was found.
    pub(crate) fn is_found(&mut self, room: &str, end: &Place, found: &[(u64, String)], hub: u32) {
        for (seq, text) in found {
            self.sees(room, &Place::new(&end.epoch, *seq), text, Some(hub));
        }
    }

    /// What a member in text or raw has heard over one connection: judged in the end, as it is told no numbers.
    pub(crate) fn lines(&mut self, lines: Lines) {
        self.lines.push(lines);
    }

    // ---- in the end ----

    /// The first message of a room that a member hasn't had yet, and should.
    pub(crate) fn is_behind(&self, who: Who, room: &str) -> Option<(u64, &str)> {
        let listener = self.listeners.get(&(who, room.to_owned()))?;
        let log = self.logs.get(&(room.to_owned(), listener.epoch.clone()))?;
        let mut due = log.range(listener.at + 1..);
        let missing = due.find(|(_, text)| !self.may_skip(who, listener.once.is_some(), text));
        missing.map(|(seq, text)| (*seq, text.as_str()))
    }

    /// All that is kept of a room at the end, as one reads it who begins at the start; `oldest` is what was told to
    /// be the oldest. A hub without a disk may have let go of what its reader was too `slow` for.
    pub(crate) fn is_kept(
        &mut self,
        (room, epoch): (&str, &str),
        oldest: u64,
        slow: &[(u64, u64)],
        kept: &[(u64, String)],
    ) {
        let mut by_text: BTreeMap<&str, u64> = BTreeMap::new();
        for (seq, text) in kept {
            let is_piece = self.said.get(text).is_some_and(|said| said.how == How::Piece);
            if let Some(before) = by_text.insert(text, *seq).filter(|_| !is_piece) {
                self.broken.push(format!(
                    "at most once: {} is kept as {before} and as {seq} of {room}",
                    short(text)
                ));
            }
        }
        for (text, said) in self.said.iter().filter(|(_, said)| said.room == room) {
            let Some(place) = &said.acked else { continue };
            let is_due = if self.promises.disk { true } else { place.epoch == epoch };
            let is_forgotten = self.promises.forgets && place.seq < oldest
                || !self.promises.disk && is_in(slow, place.seq);
            let found = by_text.get(text.as_str());
            let is_piece =
                || kept.iter().any(|(seq, it)| *seq == place.seq && self.is_cut(text, it));
            if is_due && !is_forgotten && found != Some(&place.seq) && !is_piece() {
                self.broken.push(format!(
                    "acknowledged is there: {} was acknowledged as {place:?} of {room}, and is kept as {found:?}",
                    short(text)
                ));
            }
        }
    }

    /// Everything has been told: what was heard without numbers is judged.
    pub(crate) fn judge(&mut self) {
        for lines in std::mem::take(&mut self.lines) {
            if let Err(sentence) = lines.judge(self) {
                self.breaks(sentence);
            }
        }
    }
}

/// A text as it is shown: its first word.
fn short(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    format!("{:?}", word.chars().take(40).collect::<String>())
}
