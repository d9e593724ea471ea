//! What a program says and asks: each call is taken now and written when the connection is there, in the order of the
//! calls.

use std::time::Duration;

use super::{
    Drain, Ended, Machine,
    asks::Kind,
    error::{AskError, SendError},
    key,
    mark::Position,
    write::{self, Op},
};
use crate::limits::{CLIENT_ASKS, CLIENT_HISTORY};

impl Machine {
    /// Says something in a room: gives the number under which [`Output::Sent`](super::Output::Sent) tells how that
    /// ended.
    ///
    /// # Errors
    /// [`SendError::Full`], [`SendError::Closed`] or [`SendError::TooLong`]: nothing was taken.
    pub fn send(&mut self, room: &str, body: &[u8]) -> Result<u64, SendError> {
        if self.is_closed() {
            return Err(SendError::Closed);
        }
        let op = Op::new("send").text("room", room).body(body);
        let line = op.number("id", self.outbox.next_id()).end();
        let (bytes, max) = (line.len(), self.config.message_bytes);
        if bytes > max {
            return Err(SendError::TooLong { bytes, max });
        }
        let many = self.outbox.len() >= self.config.outbox_sends;
        let much = self.outbox.bytes() + bytes > self.config.outbox_bytes;
        if self.outbox.len() > 0 && (many || much) {
            return Err(SendError::Full);
        }
        self.order += 1;
        Ok(self.outbox.push(self.order, key(room), line))
    }

    /// Enters a room, after a position if one is given.
    ///
    /// # Errors
    /// As all questions: it drains or has ended, or too many wait; nothing is asked then.
    pub fn join(&mut self, room: &str, after: Option<&Position>) -> Result<u64, AskError> {
        let op = Op::new("join").text("room", room);
        let op = op.maybe("after", after.map(Position::to_string).as_deref());
        self.ask_for(Kind::Join { room: key(room), after: after.cloned() }, op)
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn leave(&mut self, room: &str) -> Result<u64, AskError> {
        let id =
            self.ask_for(Kind::Leave { room: key(room) }, Op::new("leave").text("room", room))?;
        if let Some(room) = self.rooms.get_mut(&key(room)) {
            room.leaving = true;
        }
        Ok(id)
    }

    /// Takes a name, here and after each reconnect.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn nick(&mut self, name: &str) -> Result<u64, AskError> {
        self.ask_for(Kind::Nick, Op::new("nick").text("name", name))
    }

    /// Tells one member something.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn direct(&mut self, to: &str, body: &[u8]) -> Result<u64, AskError> {
        self.ask_for(Kind::Do, Op::new("msg").text("to", to).body(body))
    }

    /// Asks who is in a room.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn who(&mut self, room: &str) -> Result<u64, AskError> {
        self.ask_for(Kind::Who, Op::new("who").text("room", room))
    }

    /// Asks for the last messages of a room.
    ///
    /// # Errors
    /// As [`Machine::join`]; and more than [`CLIENT_HISTORY`] can't be asked for at once.
    pub fn history(&mut self, room: &str, count: usize) -> Result<u64, AskError> {
        if !(1..=CLIENT_HISTORY).contains(&count) {
            let why = format!(
                "1 to {CLIENT_HISTORY} messages come at once; join after a position for more"
            );
            return Err(AskError::Invalid(why));
        }
        let op = Op::new("history").text("room", room).number("n", count as u64);
        self.ask_for(Kind::Messages { room: key(room) }, op)
    }

    /// Asks for the newest messages of a room that have all of these words.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn search(&mut self, room: &str, words: &str, count: usize) -> Result<u64, AskError> {
        let op = Op::new("search").text("room", room).text("words", words);
        self.ask_for(Kind::Messages { room: key(room) }, op.number("count", count as u64))
    }

    /// Gives a key of a room's state a value.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn set(
        &mut self,
        room: &str,
        state_key: &str,
        version: Option<u32>,
        value: &[u8],
    ) -> Result<u64, AskError> {
        let op = Op::new("set").text("room", room).text("key", state_key);
        let op = match version {
            Some(version) => op.number("v", version.into()),
            None => op,
        };
        self.ask_for(Kind::Do, op.body(value))
    }

    /// Asks for one value of a room's state.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn get(&mut self, room: &str, state_key: &str) -> Result<u64, AskError> {
        self.ask_for(Kind::Get, Op::new("get").text("room", room).text("key", state_key))
    }

    /// Follows the state of a room, over reconnects too, until the room is left.
    ///
    /// # Errors
    /// As [`Machine::join`].
    pub fn follow(&mut self, room: &str) -> Result<u64, AskError> {
        self.ask_for(Kind::Follow { room: key(room) }, Op::new("get").text("room", room))
    }

    /// Asks in the program's own words: an op as JSON, without an id.
    ///
    /// # Errors
    /// As [`Machine::join`]; and what is no op, or one that has a call of its own because the client acts by it.
    pub fn ask(&mut self, op: &str) -> Result<u64, AskError> {
        let id = self.asks.number();
        let line = write::numbered(op, id).map_err(AskError::Invalid)?;
        self.put(id, Kind::Raw, line)
    }

    /// Takes nothing more; ends once all is acknowledged, or `within` has passed.
    /// [`Output::Drained`](super::Output::Drained) tells which.
    pub fn drain(&mut self, now: Duration, within: Duration) {
        if self.drain.is_none() && !self.has_ended() {
            self.drain =
                Some(Drain { until: now + within, within, late: 0, doubtful: 0, quitting: None });
            self.progress(now);
        }
    }

    /// Ends now, without a word.
    pub fn shut(&mut self) {
        self.end(Ended::Closed);
    }

    fn ask_for(&mut self, kind: Kind, op: Op) -> Result<u64, AskError> {
        let id = self.asks.number();
        self.put(id, kind, op.number("id", id).end())
    }

    fn put(&mut self, id: u64, kind: Kind, line: String) -> Result<u64, AskError> {
        let (bytes, max) = (line.len(), self.config.message_bytes);
        if self.is_closed() {
            return Err(AskError::Closed);
        }
        if self.asks.len() >= CLIENT_ASKS {
            return Err(AskError::Full(CLIENT_ASKS));
        }
        if bytes > max {
            let why = format!(
                "it takes {bytes} bytes as JSON, and the hub takes {max}; send less at once"
            );
            return Err(AskError::Invalid(why));
        }
        self.order += 1;
        self.asks.insert(id, self.order, kind, line);
        Ok(id)
    }

    fn is_closed(&self) -> bool {
        self.has_ended() || self.drain.is_some()
    }
}
