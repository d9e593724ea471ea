//! What a client makes of what the hub says.

use super::{
    Answer, AskError, Connected, Ended, Event, Kind, Lost, Machine, Message, Op, Output, Phase,
    Position, Refusal, Room, SendError,
    event::{Cause, Gap},
    key,
    read::{Heard, What, read},
    room::Flow,
};
use std::time::Duration;

use crate::{
    limits::{CLIENT_AHEAD, CLIENT_HISTORY_BYTES},
    name::Folded,
};

/// With one of these begins each line that a hub says before it is asked for JSON (PROTOCOL §4).
const OF_TEXT: &[u8] = b"<-*=+!";

/// Refusals that no further attempt changes.
const FOR_GOOD: [&str; 2] = ["local-only", "not-here"];

/// How much is told of what no hub says, in characters.
const EXCERPT_CHARS: usize = 80;

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT_CHARS).collect()
}

impl Machine {
    pub(super) fn handle_line(&mut self, now: Duration, line: &[u8]) {
        if line.is_empty() {
            return;
        }
        match (read(line), &mut self.phase) {
            (Some(heard), Phase::Greeting { hello, json, .. }) => {
                *json = true;
                let hello = *hello;
                self.greeting(now, hello, heard);
            }
            (Some(heard), _) => self.heard(heard),
            (None, Phase::Greeting { json: false, .. }) if OF_TEXT.contains(&line[0]) => {
                self.refused_in_text(&String::from_utf8_lossy(line));
            }
            (None, _) => self.close(Lost::NotAnEvent(excerpt(&String::from_utf8_lossy(line)))),
        }
    }

    /// Before JSON is spoken a hub may say why it won't speak at all: `! CODE SENTENCE`.
    fn refused_in_text(&mut self, line: &str) {
        let Some((code, text)) = line.strip_prefix("! ").and_then(|it| it.split_once(' ')) else {
            return;
        };
        let refusal = Refusal { code: code.to_owned(), text: text.to_owned() };
        if FOR_GOOD.contains(&code) {
            self.end(Ended::Refused(refusal));
        } else {
            self.goodbye = Some(Lost::Refused(refusal));
        }
    }

    /// Until the hello is answered everything else is of a moment in the lobby before it.
    fn greeting(&mut self, now: Duration, hello: u64, heard: Heard) {
        let of_hello = heard.id == Some(hello);
        match heard.what {
            What::Hello { session, sid, name, resumed, rooms } if of_hello => {
                self.phase = Phase::Open { since: now };
                self.goodbye = None;
                self.greeted(session, sid, name, resumed, rooms);
            }
            // A hub that is full may have a place later.
            What::Error { refusal, .. } if of_hello && refusal.code == "full" => {
                self.close(Lost::Refused(refusal));
            }
            What::Error { refusal, .. } if of_hello => self.end(Ended::Refused(refusal)),
            What::Error { refusal, .. } => self.goodbye = Some(Lost::Refused(refusal)),
            What::Bye(refusal) => self.bye(refusal),
            _ => {}
        }
    }

    fn greeted(
        &mut self,
        session: String,
        sid: u64,
        name: String,
        resumed: bool,
        places: Vec<(String, Position)>,
    ) {
        self.session = Some(session);
        if resumed {
            self.outbox.rewind();
        } else {
            let risky = self.outbox.take_risky();
            if let Some(drain) = &mut self.drain {
                drain.doubtful += risky.len();
            }
            for id in risky {
                self.outputs.push_back(Output::Sent(id, Err(SendError::Unconfirmed)));
            }
        }
        // Not entered again: that was the leaving.
        for id in self.asks.leaving(|room| self.rooms.get(room).is_some_and(|room| room.leaving)) {
            self.outputs.push_back(Output::Answered(id, Ok(Answer::Done)));
        }
        self.rooms.retain(|_, room| !room.leaving);
        for (name, position) in &places {
            let Some(room) = self.rooms.get_mut(&key(name)) else {
                // Who names no room is in the lobby.
                let leave = Op::new("leave").text("room", name);
                self.set_up(Kind::Setup { nick: false, follow: None }, leave);
                continue;
            };
            name.clone_into(&mut room.name);
            room.greet(position, resumed);
        }
        let wanted = self.config.name.clone();
        let wanted = wanted.filter(|wanted| Folded::of(wanted) != Folded::of(&name));
        if let Some(wanted) = &wanted {
            let nick = Op::new("nick").text("name", wanted);
            self.set_up(Kind::Setup { nick: true, follow: None }, nick);
        }
        let set_up = Kind::Setup { nick: false, follow: None };
        if let Some(lang) = self.config.lang.clone() {
            self.set_up(set_up.clone(), Op::new("lang").text("lang", &lang));
        }
        for (op, on) in [("echo", self.config.echo), ("quiet", self.config.quiet)] {
            if on {
                self.set_up(set_up.clone(), Op::new(op).flag("on", true));
            }
        }
        let followed = self.rooms.iter().filter(|(_, room)| room.follows);
        let followed: Vec<_> =
            followed.map(|(key, room)| (key.clone(), room.name.clone())).collect();
        for (key, name) in followed {
            let get = Op::new("get").text("room", &name);
            self.set_up(Kind::Setup { nick: false, follow: Some(key) }, get);
        }
        let rooms = places.into_iter().filter(|(room, _)| self.rooms.contains_key(&key(room)));
        let rooms = rooms.collect();
        self.event(Event::Connected(Connected { resumed, sid, name, rooms }));
        if wanted.is_none() {
            self.is_ready();
        }
    }

    fn is_ready(&mut self) {
        if !self.ready {
            self.ready = true;
            self.outputs.push_back(Output::Ready);
        }
    }

    fn bye(&mut self, refusal: Refusal) {
        match refusal.code.as_str() {
            "superseded" => self.end(Ended::Superseded),
            "quit" if self.drain.is_some() => self.end(self.drained()),
            "quit" => self.end(Ended::Quit),
            _ => self.close(Lost::Goodbye(refusal)),
        }
    }

    /// What is said to a client that was greeted.
    fn heard(&mut self, heard: Heard) {
        let Heard { id, what, line } = heard;
        match what {
            What::Message(message) => self.message(message),
            What::Ack { room, seq } => self.acknowledged(id, &room, seq),
            What::Gap(gap) => self.gap(id, gap),
            What::Live { room, position } => self.live(&room, position),
            What::Bye(refusal) => self.bye(refusal),
            What::Error { refusal, op } => self.error(id, refusal, op),
            What::Hello { .. } => {}
            What::Plain(event) if id.is_none() => self.event(event),
            What::State(state) if id.is_none() => self.event(Event::State(state)),
            what => self.answer(id, what, line),
        }
    }

    fn message(&mut self, mut message: Message) {
        let of = key(&message.room);
        let room = self.rooms.get_mut(&of);
        if message.old
            && room.as_ref().is_none_or(|room| room.is_live())
            && let Some(ask) = self.asks.collecting(|room| room == of)
        {
            ask.bytes += message.body.len();
            if ask.bytes <= CLIENT_HISTORY_BYTES {
                if let Some(mark) = room.and_then(|room| room.mark.as_ref()) {
                    mark.at().epoch.clone_into(&mut message.position.epoch);
                }
                ask.found.push(message);
            }
            return;
        }
        let Some(Room { mark: Some(mark), flow, once, .. }) = room else { return };
        if !mark.had(message.position.seq) {
            return;
        }
        if message.own && !self.config.echo && *flow != Flow::Past {
            return;
        }
        if let (Some(sid), Some(id)) = (message.sid, message.id)
            && !once.is_first(sid, id)
        {
            return;
        }
        if !mark.is_next(message.position.seq) {
            return;
        }
        mark.at().epoch.clone_into(&mut message.position.epoch);
        self.event(Event::Message(message));
    }

    fn acknowledged(&mut self, id: Option<u64>, room: &str, seq: u64) {
        let room = self.rooms.get_mut(&key(room));
        let epoch =
            room.as_ref().and_then(|room| room.mark.as_ref()).map(|mark| mark.at().epoch.clone());
        // With an echo, the message itself is what counts.
        if let Some(Room { mark: Some(mark), flow, acked, .. }) = room
            && !self.config.echo
        {
            if *flow == Flow::Live {
                mark.had(seq);
            } else if acked.len() < CLIENT_AHEAD {
                acked.push(seq);
            }
        }
        if let Some(id) = id
            && let Some(send) = self.outbox.remove(id)
        {
            let epoch = epoch.unwrap_or(send.epoch);
            self.outputs.push_back(Output::Sent(id, Ok(Position { epoch, seq })));
        }
    }

    fn gap(&mut self, id: Option<u64>, gap: Gap) {
        let of_question = id
            .and_then(|id| self.asks.get(id))
            .is_some_and(|ask| matches!(ask.kind, Kind::Messages { .. } | Kind::Raw));
        if gap.cause == Cause::State || of_question {
            return self.event(Event::Gap(gap));
        }
        let Some(room) = self.rooms.get_mut(&key(&gap.room)) else { return };
        let Some(mark) = &mut room.mark else { return };
        let before = mark.at().clone();
        match (&gap.oldest, gap.to) {
            (Some(oldest), _) => {
                let first =
                    Position { epoch: oldest.epoch.clone(), seq: oldest.seq.saturating_sub(1) };
                if first.epoch == before.epoch {
                    mark.skip(first.seq);
                } else {
                    room.acked.clear();
                    room.next_life(first);
                }
            }
            (None, Some(to)) => mark.skip(to),
            (None, None) => return self.event(Event::Gap(gap)),
        }
        // One that comes again says nothing new.
        if room.mark.as_ref().is_none_or(|mark| *mark.at() != before) {
            self.event(Event::Gap(gap));
        }
    }

    fn live(&mut self, room: &str, position: Position) {
        let Some(room) = self.rooms.get_mut(&key(room)) else { return };
        if room.mark.is_none() || room.is_live() {
            return;
        }
        room.live(&position);
        let event = Event::Live { room: room.name.clone(), position };
        self.event(event);
    }

    fn error(&mut self, id: Option<u64>, refusal: Refusal, op: Option<String>) {
        let id = id.or_else(|| self.too_long(&refusal));
        if let Some(id) = id
            && self.outbox.remove(id).is_some()
        {
            let why = match refusal.code.as_str() {
                "not-stored" => SendError::NotStored(refusal),
                // Said once, or not at all: too long ago to know.
                "stale-id" => SendError::Unconfirmed,
                _ => SendError::Refused(refusal),
            };
            self.outputs.push_back(Output::Sent(id, Err(why)));
            return;
        }
        let Some((id, ask)) = id.and_then(|id| Some((id, self.asks.remove(id)?))) else {
            if id.is_none() {
                let Refusal { code, text } = refusal;
                self.event(Event::Refused { code, text, op });
            }
            return;
        };
        match ask.kind {
            Kind::Setup { nick: true, .. } if !self.ready => self.end(Ended::Refused(refusal)),
            Kind::Setup { .. } => {
                let Refusal { code, text } = refusal;
                self.event(Event::Refused { code, text, op });
            }
            kind => {
                if let Kind::Leave { room } = &kind
                    && let Some(room) = self.rooms.get_mut(room)
                {
                    room.leaving = false;
                }
                self.outputs.push_back(Output::Answered(id, Err(AskError::Refused(refusal))));
            }
        }
    }

    /// What is too long is refused before it is read: it is the longest of what is on its way.
    fn too_long(&self, refusal: &Refusal) -> Option<u64> {
        let (send, ask) = (self.outbox.longest(), self.asks.longest());
        let longest = send.into_iter().chain(ask).max_by_key(|&(_, bytes)| bytes);
        longest.map(|(id, _)| id).filter(|_| refusal.code == "too-long")
    }

    /// The answer to a question. One that nobody asked, or that was answered before, is nothing.
    fn answer(&mut self, id: Option<u64>, what: What, line: String) {
        let Some(id) = id else {
            match what {
                What::OwnLeft { room } => drop(self.rooms.remove(&key(&room))),
                What::Other => self.event(Event::Unknown(line)),
                _ => {}
            }
            return;
        };
        let Some(ask) = self.asks.remove(id) else { return };
        let answer = match (ask.kind, what) {
            (Kind::Raw, what) => {
                if let What::OwnName { name } = what {
                    self.config.name = Some(name);
                }
                Ok(Answer::Event(line))
            }
            (Kind::Join { after, .. }, What::Entered { room, position }) => {
                Ok(self.entered(&room, position, after))
            }
            (Kind::Leave { .. }, What::OwnLeft { room }) => {
                self.rooms.remove(&key(&room));
                Ok(Answer::Done)
            }
            (Kind::Nick, What::OwnName { name }) => {
                self.config.name = Some(name.clone());
                Ok(Answer::Name(name))
            }
            (Kind::Who, What::Who(members)) => Ok(Answer::Members(members)),
            (Kind::Messages { .. }, What::Found { .. }) if ask.bytes > CLIENT_HISTORY_BYTES => {
                let why = format!(
                    "these messages have more than {CLIENT_HISTORY_BYTES} bytes; ask for fewer"
                );
                Err(AskError::Invalid(why))
            }
            (Kind::Messages { .. }, What::Found { .. }) => Ok(Answer::Messages(ask.found)),
            (Kind::Get, What::State(state)) => Ok(Answer::State(state)),
            (Kind::Do, What::Done { .. }) => Ok(Answer::Done),
            (Kind::Follow { room }, What::Done { count, .. }) => {
                self.followed(&room, count);
                Ok(Answer::Done)
            }
            (Kind::Setup { nick, follow }, what) => {
                if nick {
                    self.is_ready();
                }
                if let (Some(room), What::Done { count, .. }) = (follow, what) {
                    self.followed(&room, count);
                }
                return;
            }
            (_, _) => Err(AskError::Answer(excerpt(&line))),
        };
        self.outputs.push_back(Output::Answered(id, answer));
    }

    /// `position` is where the room is; what was asked for `after` another comes yet.
    fn entered(&mut self, room: &str, position: Position, after: Option<Position>) -> Answer {
        let before = self.rooms.remove(&key(room));
        let follows = before.as_ref().is_some_and(|room| room.follows);
        let flow = if after.is_some() { Flow::Past } else { Flow::Live };
        // What was passed on before is wanted again where a position was asked for.
        let once = before.filter(|_| after.is_none()).map(|room| room.once).unwrap_or_default();
        let mut after = after.unwrap_or_else(|| position.clone());
        if after.epoch.is_empty() {
            position.epoch.clone_into(&mut after.epoch);
        }
        let entered = Room { flow, follows, once, ..Room::new(room, Some(after)) };
        self.rooms.insert(key(room), entered);
        Answer::Entered(room.to_owned(), position)
    }

    fn followed(&mut self, room: &str, keys: Option<u64>) {
        let Some(room) = self.rooms.get_mut(room) else { return };
        room.follows = true;
        let event = Event::Snapshot { room: room.name.clone(), keys: keys.unwrap_or_default() };
        self.event(event);
    }
}
