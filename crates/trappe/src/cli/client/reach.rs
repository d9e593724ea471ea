//! How the hub is reached: by a stream, as a member by datagrams, or by datagrams alone that ask for nothing.

use std::io;

use trappe_core::{
    name::{Name, NameError},
    reply::bad_name,
    words::say,
};

use super::{
    Client, REFUSAL,
    datagrams::{Datagrams, tell_too_long},
    wire::Wire,
};
use crate::{
    cli::{
        exit::Exit,
        out,
        place::{Failure, Place},
    },
    client::{
        Address, ReachError, Reached,
        udp::{self, DATAGRAM_BYTES_MAX},
    },
};

/// The room that a member by datagrams enters where none is wished for: over a stream it would be there already.
const LOBBY: &str = "lobby";

/// Why the hub isn't reached.
pub(super) enum Unreached<'a> {
    /// What is wished for isn't a room. A hub has no answer for a stranger's mistake: it isn't asked.
    Room(NameError),
    /// There is no way there.
    Hub(Failure<'a>),
}

impl Client<'_> {
    /// Reaches the hub at `to`; by datagrams it is in the room that was wished for then.
    pub(super) fn reach<'a>(&self, to: &'a Place) -> Result<Reached<Wire>, Unreached<'a>> {
        match to {
            Place::Hub(to) if self.args.udp => self.join(to),
            _ => {
                let Reached { stream, took } = to.connect().map_err(Unreached::Hub)?;
                Ok(Reached { stream: Wire::Stream(stream), took })
            }
        }
    }

    fn join<'a>(&self, to: &'a Address) -> Result<Reached<Wire>, Unreached<'a>> {
        let room = self.args.room.as_deref().unwrap_or(LOBBY);
        // A position may follow the name.
        Name::parse(room.split(' ').next().unwrap_or(room)).map_err(Unreached::Room)?;
        let Reached { stream: member, took } = udp::join_blocking(to, room)
            .map_err(|error| Unreached::Hub(Failure::Hub(to, error)))?;
        let member = Datagrams::new(member, self.lang, self.raw());
        Ok(Reached { stream: Wire::Datagrams(member), took })
    }

    /// Says each text in a datagram, and no more: whoever speaks needn't be a member.
    pub(super) fn speak(&self, to: &Address, said: &[Vec<u8>]) -> io::Result<Exit> {
        let (said, long): (Vec<_>, Vec<_>) =
            said.iter().cloned().partition(|text| text.len() <= DATAGRAM_BYTES_MAX);
        for text in &long {
            tell_too_long(self.lang, text);
        }
        if said.is_empty() {
            return Ok(Exit::Failure);
        }
        match udp::say_blocking(to, &said, REFUSAL) {
            Ok(()) => self.announce("client-connected")?,
            Err(error) => return self.unreached(&Unreached::Hub(Failure::Hub(to, error))),
        }
        Ok(if long.is_empty() { Exit::Ok } else { Exit::Failure })
    }

    /// Says that the hub isn't reached, and why.
    pub(super) fn unreached(&self, why: &Unreached<'_>) -> io::Result<Exit> {
        match why {
            Unreached::Room(why) => out::talk(&bad_name(self.lang, why)),
            Unreached::Hub(Failure::Hub(to, ReachError::TimedOut { .. })) if self.args.udp => {
                self.announce("client-failed")?;
                let address = to.to_string();
                let args = [("address", (&address).into())];
                out::talk(&say(self.lang, "cli-udp-no-answer", &args));
            }
            Unreached::Hub(error) => {
                self.announce("client-failed")?;
                error.explain(self.lang);
            }
        }
        Ok(Exit::Failure)
    }
}
