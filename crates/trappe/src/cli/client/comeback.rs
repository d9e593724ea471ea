//! What becomes of a conversation whose hub goes away: the hub is looked for until it is back, and the name and the room
//! are asked for again.
//!
//! The conversation is in text, so that any server understands it, also one that is no hub; hence only the pauses are those
//! of the library (`trappe::client`), not its promises: what was said last may not have arrived, and what others said
//! meanwhile is shown as far as the hub's greeting goes.

use std::{
    io,
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

use trappe_core::{
    client::pause,
    command::{Format, Lang},
    limits::CLIENT_HEALTHY,
    words::say,
};

use super::{
    opening::{Opened, Wishes},
    screen::Sink,
    wire::Wire,
};
use crate::{
    cli::{out, place::Place},
    client::Reached,
};

/// How often it is tried: `--retry`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// So many times in a row.
    Times(u32),
    /// Until the hub is there.
    Forever,
}

impl FromStr for Retry {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "forever" => Ok(Retry::Forever),
            _ => text.parse().map(Retry::Times).map_err(|_| {
                "it is neither a number of attempts, such as 0 or 10, nor forever".to_owned()
            }),
        }
    }
}

impl Retry {
    /// How long to wait before the next attempt after so many that failed; none: it is given up.
    pub(super) fn next(self, failed: u32) -> Option<Duration> {
        match self {
            Retry::Times(most) if failed >= most => None,
            // Without randomness all wait the longest.
            _ => Some(pause(failed, getrandom::u64().unwrap_or(u64::MAX))),
        }
    }
}

/// Who looks for the hub again.
#[derive(Debug)]
pub(super) struct Comeback {
    pub(super) place: Place,
    pub(super) nick: Option<String>,
    pub(super) room: Option<String>,
    pub(super) format: Option<Format>,
    /// As it was asked for: then also what never answered as a hub is looked for. Else a hub is, without end.
    pub(super) retry: Option<Retry>,
    pub(super) lang: Lang,
    /// A person is told in the conversation; else standard output is for data alone.
    pub(super) person: bool,
    pub(super) tries: Tries,
}

/// How it went so far.
#[derive(Debug, Default)]
pub(super) struct Tries {
    failed: u32,
    /// When the hub was last found again.
    back: Option<Instant>,
}

impl Comeback {
    /// Looks for the hub; what it says meanwhile is shown in `sink`. Gives the new connection, and what came after its
    /// answers; none: it is given up.
    ///
    /// # Errors
    /// Those of `sink`.
    pub(super) fn run(&mut self, sink: &mut impl Sink) -> io::Result<Option<(Wire, Vec<u8>)>> {
        // One that breaks again at once is the same loss, and isn't told again.
        let retry = self.retry.unwrap_or(Retry::Forever);
        let is_new = self.tries.back.is_none_or(|back| back.elapsed() >= CLIENT_HEALTHY);
        if is_new {
            self.tries.failed = 0;
            if retry != Retry::Times(0) {
                self.tell("client-away", sink)?;
            }
        }
        while let Some(pause) = retry.next(self.tries.failed) {
            thread::sleep(pause);
            self.tries.failed = self.tries.failed.saturating_add(1);
            let Ok(Reached { stream, .. }) = self.place.connect() else { continue };
            let wire = Wire::Stream(stream);
            let wishes = Wishes {
                nick: self.nick.as_deref(),
                room: self.room.as_deref(),
                format: self.format,
            };
            let Opened { refused, rest, .. } = wishes.open(&wire, sink)?;
            if refused {
                wire.close();
                continue;
            }
            self.tries.back = Some(Instant::now());
            if is_new {
                self.tell("client-back", sink)?;
            }
            return Ok(Some((wire, rest)));
        }
        Ok(None)
    }

    fn tell(&self, id: &'static str, sink: &mut impl Sink) -> io::Result<()> {
        let sentence = say(self.lang, id, &[]);
        if self.person {
            sink.show(format!("* {sentence}\n").as_bytes())
        } else {
            out::talk(&sentence);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_counted_and_their_pauses_bounded() {
        assert_eq!("forever".parse(), Ok(Retry::Forever));
        assert_eq!("3".parse(), Ok(Retry::Times(3)));
        for wrong in ["", "-1", "often", "1.5"] {
            assert!(wrong.parse::<Retry>().is_err(), "{wrong}");
        }
        assert_eq!(Retry::Times(0).next(0), None);
        assert_eq!(Retry::Times(2).next(2), None);
        for (retry, failed, most) in
            [(Retry::Times(2), 0, 500), (Retry::Times(2), 1, 1000), (Retry::Forever, 99, 20_000)]
        {
            let pause = retry.next(failed).expect("it goes on");
            assert!(pause <= Duration::from_millis(most), "{pause:?}");
        }
    }
}
