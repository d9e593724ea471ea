//! What the program of JSON lines makes of what the hub tells it.

use serde_json::Value;

use super::{DONE, Json, SESSION_KEPT, Stay};
use crate::sim::{
    members::shown,
    model::{Entry, Gap, Place},
};

/// Errors that end a send, and may be.
const MAY_REFUSE: [&str; 2] = ["not-stored", "not-in-room"];

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn place(event: &Value, key: &str) -> Option<Place> {
    event[key].as_str().and_then(Place::parse)
}

impl Json {
    /// The hub says something that isn't JSON: only before it was told to speak it.
    pub(super) fn hears_no_json(&mut self, line: &[u8]) {
        if self.hello.is_none() {
            let line = String::from_utf8_lossy(line).into_owned();
            self.body.breaks(&format!("hears what is no JSON: {line}"));
        }
    }

    pub(super) fn hears(&mut self, event: &Value) {
        let id = event["id"].as_u64();
        if let Some(hello) = self.hello {
            // Everything before is of a moment in the lobby.
            match text(event, "ev") {
                "hello" if id == Some(hello) => self.is_greeted(event),
                "error" if id == Some(hello) => {
                    self.body.breaks(&format!("isn't greeted: {event}"));
                }
                _ => {}
            }
            return;
        }
        match text(event, "ev") {
            "msg" => self.hears_message(event),
            "ack" if event["seq"].is_u64() => self.hears_ack(event),
            "gap" => self.hears_gap(event, id),
            "live" => self.hears_live(event, id),
            "error" => self.hears_error(event, id),
            "join" if event["own"] == true => self.hears_join(event, id),
            "leave" if event["own"] == true => {
                let room = text(event, "room").to_owned();
                self.is_out_of(&room);
            }
            "history" | "search" => self.hears_found(event, id),
            "bye" => {
                self.body.note(&format!("bye {}", text(event, "reason")));
                if text(event, "reason") != "shutdown" {
                    self.body.breaks(&format!("is sent away: {event}"));
                }
            }
            _ => {}
        }
    }

    fn is_greeted(&mut self, event: &Value) {
        self.hello = None;
        let resumed = event["resumed"] == true;
        self.body.note(&format!("hello resumed={resumed} hub {}", self.hub));
        self.body.world.count("greeted");
        if !resumed {
            self.has_lost_its_session();
        }
        if !resumed {
            self.body.does(|doing| doing.ghosts.iter().for_each(|ghost| ghost.set(true)));
        }
        self.session = Some(text(event, "session").to_owned());
        for told in event["rooms"].as_array().into_iter().flatten() {
            if let Some(place) = place(told, "pos") {
                self.is_told_its_place(text(told, "room"), &place);
            }
        }
        let ids: Vec<u64> = self.sends.keys().copied().collect();
        for id in ids {
            self.send(id);
        }
    }

    /// What was on its way was said once, or not at all: nobody can tell any more.
    fn has_lost_its_session(&mut self) {
        let is_late = self.away_since.elapsed() > SESSION_KEPT;
        let is_known = self.session.is_some() && self.is_known && !is_late;
        if is_known && self.body.world.with(|told| told.model.keeps_sessions()) {
            self.body.breaks("its session isn't known any more");
        }
        for (_, said) in self.sends.extract_if(.., |_, said| said.risky) {
            self.body.gives_up(&said.text, "session");
        }
        self.done.clear();
        self.is_known = false;
    }

    /// Where it is in a room, in answer to its hello.
    fn is_told_its_place(&mut self, room: &str, place: &Place) {
        let (who, hub) = (self.body.who, self.hub);
        let Some(stay) = self.rooms.get_mut(room) else {
            return self.body.breaks(&format!("is in {room} unasked"));
        };
        let how = if stay.at.is_some() { Entry::Back } else { Entry::Found };
        stay.is_live = how == Entry::Found;
        if how == Entry::Found {
            stay.stands(place.clone());
        }
        let at = stay.at.clone().unwrap_or_else(|| place.clone());
        if at != *place {
            self.body.breaks(&format!("comes back to {room} after {at:?} and is told {place:?}"));
        }
        self.epochs.insert(room.to_owned(), place.epoch.clone());
        self.body.note(&format!("is in {room} after {}@{} {how:?}", at.epoch, at.seq));
        self.body.world.with(|told| {
            told.model.enters(who, room, &at, how, false);
            if how == Entry::Found {
                told.model.is_in_epoch(room, &place.epoch, hub);
            }
        });
    }

    fn hears_message(&mut self, event: &Value) {
        let (room, body) = (text(event, "room"), text(event, "text"));
        let seq = event["seq"].as_u64().unwrap_or_default();
        let is_old = event["old"] == true;
        if let Some(asked) = self.asked.as_mut().filter(|asked| is_old && asked.room == room) {
            asked.found.push((seq, body.to_owned()));
            return;
        }
        if is_old {
            self.begins_again(room);
        }
        let mark = if is_old { "old " } else { "" };
        self.body.note(&format!("hears {room} {mark}{seq} {}", shown(body)));
        let (who, hub) = (self.body.who, self.hub);
        self.body.world.with(|told| {
            *told.tally.entry("heard").or_default() += 1;
            told.model.hears(who, room, seq, body, Some(hub));
        });
        if let Some(stay) = self.rooms.get_mut(room) {
            stay.had(seq);
            stay.last = seq;
        }
    }

    /// What it asked for once more begins to come: from here on it counts from there.
    fn begins_again(&mut self, room: &str) {
        let Some(stay) = self.rooms.get_mut(room) else { return };
        let (Some(at), Some(again)) = (stay.at.as_mut(), stay.again.as_mut()) else { return };
        let Some(after) = again.after.take() else { return };
        at.seq = after;
        stay.ahead.clear();
        let (who, place) = (self.body.who, at.clone());
        self.body.note(&format!("has {room} again after {after}"));
        self.body.world.with(|told| told.model.enters(who, room, &place, Entry::Again, false));
    }

    fn hears_ack(&mut self, event: &Value) {
        let (id, seq) = (event["id"].as_u64(), event["seq"].as_u64().unwrap_or_default());
        let room = text(event, "room");
        let said = id.and_then(|id| match self.sends.remove(&id) {
            Some(said) => {
                self.done.insert(id, said.clone());
                if self.done.len() > DONE {
                    self.done.pop_first();
                }
                Some(said)
            }
            None => self.done.get(&id).cloned(),
        });
        let Some(said) = said else {
            // What it said before its session was lost.
            return self.body.note(&format!("is acknowledged something else: {event}"));
        };
        self.is_known = true;
        let epoch = self.epochs.get(room).cloned().unwrap_or_default();
        self.body.is_acked(room, &said.text, &Place { epoch, seq }, Some(self.hub));
        if let Some(stay) = self.rooms.get_mut(room) {
            stay.had(seq);
        }
    }

    fn hears_gap(&mut self, event: &Value, id: Option<u64>) {
        let (room, cause) = (text(event, "room"), text(event, "cause"));
        if let Some(asked) = self.asked.as_mut().filter(|asked| Some(asked.id) == id) {
            asked.has_gaps = true;
            return;
        }
        if cause == "state" {
            return;
        }
        let gap = Gap {
            from: event["from"].as_u64(),
            to: event["to"].as_u64(),
            cause: cause.to_owned(),
            oldest: place(event, "oldest"),
        };
        let Some(stay) = self.rooms.get(room) else { return };
        let is_leaving = stay.is_leaving;
        let again = stay.again.as_ref().map(|again| again.id);
        // What it asked for once more may begin with what isn't there.
        let first = stay.again.as_ref().and_then(|again| again.after).map(|after| after + 1);
        let had = stay.last.max(stay.at.as_ref().map_or(0, |at| at.seq));
        let is_had = gap.from.is_some_and(|from| from <= had);
        let is_first = first.is_some_and(|first| gap.from == Some(first));
        if again.is_some() && (id == again || is_first) {
            self.begins_again(room);
        }
        self.body.note(&format!("gap {event}"));
        if cause == "slow" && is_leaving {
            // What it missed in a room that it leaves isn't looked for any more.
            let who = self.body.who;
            if let (Some(from), Some(to)) = (gap.from, gap.to) {
                self.body.world.with(|told| told.model.may_miss(who, room, from, to));
            }
            return;
        }
        let asked = self.asked.as_mut().filter(|asked| asked.room == room);
        if let Some(asked) = asked.filter(|asked| is_had || !asked.found.is_empty()) {
            // Among the last messages, which it has asked for.
            asked.has_gaps = true;
            return;
        }
        let (who, hub) = (self.body.who, self.hub);
        self.body.world.with(|told| {
            *told.tally.entry("gaps").or_default() += 1;
            if let Some(oldest) = &gap.oldest {
                told.model.is_in_epoch(room, &oldest.epoch, hub);
            }
            told.model.misses(who, room, &gap, hub);
        });
        let Some(stay) = self.rooms.get_mut(room) else { return };
        match (gap.oldest, gap.to) {
            (Some(oldest), _) => {
                let before = oldest.seq.saturating_sub(1);
                if stay.at.as_ref().is_some_and(|at| at.epoch == oldest.epoch) {
                    stay.skip(before);
                } else {
                    self.epochs.insert(room.to_owned(), oldest.epoch.clone());
                    stay.stands(Place { epoch: oldest.epoch, seq: before });
                }
            }
            (None, Some(to)) => stay.skip(to),
            (None, None) => {}
        }
    }

    fn hears_live(&mut self, event: &Value, id: Option<u64>) {
        let (room, Some(place)) = (text(event, "room"), place(event, "pos")) else { return };
        let again = self.rooms.get(room).and_then(|stay| stay.again.as_ref()).map(|it| it.id);
        if again.is_some() && id == again {
            self.begins_again(room);
        }
        self.body.note(&format!("live {room} {}@{}", place.epoch, place.seq));
        let (who, hub) = (self.body.who, self.hub);
        self.body.world.with(|told| {
            *told.tally.entry("resumed").or_default() += 1;
            told.model.is_in_epoch(room, &place.epoch, hub);
            told.model.is_live(who, room, &place);
        });
        if let Some(stay) = self.rooms.get_mut(room) {
            stay.skip(place.seq);
            (stay.again, stay.is_live) = (None, true);
        }
    }

    fn hears_error(&mut self, event: &Value, id: Option<u64>) {
        let code = text(event, "code").to_owned();
        self.body.note(&format!("error {event}"));
        let (may_refuse, room) =
            self.body.world.with(|told| (told.model.may_refuse(), text(event, "op").to_owned()));
        if code == "not-stored" && !may_refuse {
            self.body.breaks(&format!("the disk is well, and the hub says {event} to {room}"));
        }
        if let Some(said) = id.and_then(|id| self.sends.remove(&id)) {
            self.body.gives_up(&said.text, &code);
            if !MAY_REFUSE.contains(&code.as_str()) {
                self.body.breaks(&format!("may not say {}: {event}", shown(&said.text)));
            }
            return;
        }
        let _none = self.asked.take_if(|asked| Some(asked.id) == id);
        if code != "no-search" && code != "not-stored" {
            self.body.breaks(&format!("is refused something: {event}"));
        }
    }

    fn hears_join(&mut self, event: &Value, id: Option<u64>) {
        let Some((room, after)) = id.and_then(|id| self.joins.remove(&id)) else { return };
        let Some(now) = place(event, "pos") else { return };
        let mut stay = Stay { is_live: after.is_none(), ..Stay::default() };
        let at = after.unwrap_or_else(|| now.clone());
        stay.stands(at.clone());
        self.rooms.insert(room.clone(), stay);
        self.epochs.insert(room.clone(), at.epoch.clone());
        self.body.note(&format!("is in {room} after {}@{}", at.epoch, at.seq));
        let (who, hub) = (self.body.who, self.hub);
        self.body.world.with(|told| {
            *told.tally.entry("joins").or_default() += 1;
            told.model.is_in_epoch(&room, &now.epoch, hub);
            told.model.enters(who, &room, &at, Entry::New, false);
        });
    }

    fn hears_found(&mut self, event: &Value, id: Option<u64>) {
        let Some(asked) = self.asked.take_if(|asked| Some(asked.id) == id) else { return };
        let Some(end) = place(event, "pos") else { return };
        self.body.note(&format!("found {event}"));
        let hub = self.hub;
        let count = event["count"].as_u64().unwrap_or_default();
        // What is found by its words may be gone by the time that it is read.
        let may_be_fewer = asked.has_gaps || asked.what.is_err();
        if count != asked.found.len() as u64 && !may_be_fewer {
            self.body.breaks(&format!("is told of {count}, given {}", asked.found.len()));
        }
        let is_wrong = asked.what.as_ref().err().is_some_and(|word| {
            asked.found.iter().any(|(_, text)| !text.split(' ').any(|it| it.starts_with(word)))
        });
        if is_wrong {
            self.body.breaks(&format!("searched for {:?} and found {:?}", asked.what, asked.found));
        }
        self.body.world.with(|told| {
            *told.tally.entry("asked").or_default() += 1;
            match asked.what {
                // What isn't there was told to be missing.
                Ok(_) if asked.has_gaps => {
                    told.model.is_found(&asked.room, &end, &asked.found, hub);
                }
                Ok(count) => {
                    // The position that is told may be further on than what is given.
                    let last = asked.found.last().map_or(0, |(seq, _)| *seq).max(asked.acked);
                    let end = Place { seq: last.min(end.seq), ..end };
                    told.model.is_shown(&asked.room, &end, count, &asked.found, hub);
                }
                Err(_) => told.model.is_found(&asked.room, &end, &asked.found, hub),
            }
        });
    }
}
