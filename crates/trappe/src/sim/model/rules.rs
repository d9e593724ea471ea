//! The rules themselves: what is looked at whenever something was seen, passed over, or told to be missing.

use std::collections::BTreeSet;

use super::{How, Model, Place, Skip, Told, Who, short};

impl Model {
    /// Whether somebody said this in a room, also as what was left of a line.
    pub(super) fn was_said(&mut self, room: &str, text: &str) -> bool {
        if self.said.get(text).is_some_and(|said| said.room == room) {
            return true;
        }
        let whole = self.said.iter().find(|(whole, said)| {
            said.how == How::Line
                && said.room == room
                && !text.is_empty()
                && whole.starts_with(text)
        });
        let Some(who) = whole.map(|(_, said)| said.who) else { return false };
        self.says(who, room, text, How::Piece);
        self.given_up(text);
        true
    }

    /// Somebody has seen a text at a place.
    pub(super) fn sees(&mut self, room: &str, place: &Place, text: &str, hub: Option<u32>) {
        if !self.was_said(room, text) {
            return self.breaks(format!("nobody said {} in {room}", short(text)));
        }
        let Some(said) = self.said.get_mut(text) else { return };
        let (who, acked) = (said.who, said.acked.clone());
        let seen = said.seen.entry(place.clone()).or_insert(hub);
        // The earliest that is known.
        *seen = (*seen).min(hub).or(*seen).or(hub);
        let renewed = self.disk_failed;
        let others = said.seen.iter().filter(|(other, _)| !other.is(place, renewed));
        // Said again only after a crash: a hub says nothing twice.
        let twice = others
            .filter(|(_, life)| life.is_some() && **life == hub)
            .map(|(it, _)| it.clone())
            .next();
        if let Some(other) = twice.filter(|_| said.how != How::Piece) {
            self.breaks(format!(
                "at most once: {} of member {who} is {other:?} and {place:?} of {room} in one life of the hub",
                short(text)
            ));
        }
        if let Some(acked) = &acked
            && !acked.is(place, renewed)
            && hub.is_some()
            && self.said[text].seen.get(acked).is_some_and(|life| *life <= hub && life.is_some())
        {
            self.breaks(format!(
                "at most once: {} was acknowledged as {acked:?}, and is seen as {place:?} of {room} later",
                short(text)
            ));
        }
        let log = self.logs.entry((room.to_owned(), place.epoch.clone())).or_default();
        let before = log.entry(place.seq).or_insert_with(|| text.to_owned());
        if before != text {
            let before = before.clone();
            if self.is_cut(text, &before) {
                return;
            }
            if self.is_cut(&before, text) {
                let room = (room.to_owned(), place.epoch.clone());
                self.logs.entry(room).or_default().insert(place.seq, text.to_owned());
                return;
            }
            return self.breaks(format!(
                "one order: {place:?} of {room} is {} and {}",
                short(&before),
                short(text)
            ));
        }
        let missed = self.skips.iter().find(|skip| {
            skip.room == room
                && skip.epoch == place.epoch
                && (skip.range.0..=skip.range.1).contains(&place.seq)
                && !skip.had.contains(&place.seq)
                && !is_in(&skip.excused, place.seq)
                && !self.may_skip(skip.who, skip.once, text)
        });
        if let Some(skip) = missed {
            let who = skip.who;
            self.breaks(format!(
                "no gap without notice: member {who} passed over {} ({place:?} of {room})",
                short(text)
            ));
        }
        let lie = self.gaps.iter().find(|gap| {
            gap.cause == "unused"
                && gap.room == room
                && gap.epoch == place.epoch
                && gap.has(place.seq)
                && hub.is_some_and(|hub| hub >= gap.hub)
        });
        if let Some(gap) = lie {
            let gap = format!("{gap:?}");
            self.breaks(format!("a gap doesn't lie: {} is {place:?}, in {gap}", short(text)));
        }
    }

    /// Whether the second is what was left of the first.
    pub(super) fn is_cut(&self, whole: &str, piece: &str) -> bool {
        whole.len() > piece.len()
            && whole.starts_with(piece)
            && self.said.get(whole).is_some_and(|said| said.how == How::Line)
    }

    /// Whether a member may hear nothing of a text: it is its own, or was passed on to it already.
    pub(super) fn may_skip(&self, who: Who, once: bool, text: &str) -> bool {
        let said = self.said.get(text);
        said.is_none_or(|said| said.who == who || once && said.heard_by.contains(&who))
    }

    /// A listener passes over these numbers.
    pub(super) fn skips(&mut self, (who, room): &(Who, String), (from, to): (u64, u64)) {
        let Some(listener) = self.listeners.get(&(*who, room.clone())).filter(|_| from <= to)
        else {
            return;
        };
        let (epoch, once) = (listener.epoch.clone(), listener.once.is_some());
        let had: BTreeSet<u64> = listener.had.range(from..=to).copied().collect();
        let log = self.logs.get(&(room.clone(), epoch.clone()));
        let mut known = log.into_iter().flat_map(|log| log.range(from..=to));
        let excused = listener.excused.clone();
        let misses = |(seq, text): &(&u64, &String)| {
            !had.contains(seq) && !is_in(&excused, **seq) && !self.may_skip(*who, once, text)
        };
        if let Some((seq, text)) = known.find(misses) {
            let sentence = format!(
                "no gap without notice: member {who} passed over {} ({epoch}@{seq} of {room})",
                short(text)
            );
            self.broken.push(sentence);
        }
        self.skips.push(Skip {
            who: *who,
            room: room.clone(),
            epoch,
            range: (from, to),
            had,
            excused,
            once,
        });
    }

    /// A gap is announced to somebody.
    pub(super) fn is_told(&mut self, gap: Told) {
        let may_be = match gap.cause.as_str() {
            "unused" => self.promises.disk,
            "not-stored" => self.promises.disk && self.disk_failed,
            // A disk that refuses leaves who is slow without what the log let go.
            "slow" => !self.promises.disk || self.disk_failed,
            // Where nothing is forgotten, it is what comes before the first message that is there.
            "forgotten" => true,
            _ => false,
        };
        let denies = gap.denies() || gap.cause == "forgotten" && !self.promises.forgets;
        if !may_be {
            self.broken
                .push(format!("a gap doesn't lie: nothing here can be the cause of {gap:?}"));
        }
        if denies {
            let acked = self.said.iter().find(|(_, said)| {
                said.room == gap.room
                    && said
                        .acked
                        .as_ref()
                        .is_some_and(|it| it.epoch == gap.epoch && gap.has(it.seq))
            });
            if let Some((text, _)) = acked {
                self.broken.push(format!(
                    "a gap doesn't lie: {} was acknowledged, and is in {gap:?}",
                    short(text)
                ));
            }
        }
        self.gaps.push(gap);
    }
}

/// Whether a number is in one of these ranges.
pub(super) fn is_in(ranges: &[(u64, u64)], seq: u64) -> bool {
    ranges.iter().any(|(from, to)| (*from..=*to).contains(&seq))
}

impl Told {
    pub(super) fn has(&self, seq: u64) -> bool {
        (self.range.0..=self.range.1).contains(&seq)
    }

    /// Whether it says that there is nothing, also for others.
    pub(super) fn denies(&self) -> bool {
        self.cause == "unused" || self.cause == "not-stored"
    }
}
