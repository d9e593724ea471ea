//! A conversation by datagrams: each message in one of its own, a goodbye in words since there is no end of stream, and
//! a word now and then, so that the hub keeps the member.

use std::{
    io::{self, ErrorKind},
    net::UdpSocket,
    thread,
    time::{Duration, Instant, SystemTime},
};

use nix::errno::Errno;
use parking_lot::Mutex;
use trappe_core::{command::Lang, words::say};

use super::{
    ending::{Ending, Endings},
    wire::{Arrived, Sent},
};
use crate::{
    cli::out,
    client::{
        pace::Pace,
        udp::{DATAGRAM_BYTES_MAX, Member, QUIT},
    },
};

/// How long a member says nothing before it tells that it is still there: a third of what the hub waits, so that two
/// may be lost.
const RENEWAL: Duration = Duration::from_secs(20);
/// After this silence the hub has ended the membership (PROTOCOL §7).
const MEMBERSHIP: Duration = Duration::from_mins(1);
/// How much of a text that is too long is shown, in characters.
const SHOWN_CHARS: usize = 40;

/// A member's socket, and what it has said.
#[derive(Debug)]
pub(super) struct Datagrams {
    socket: UdpSocket,
    /// What came as it became a member, and hasn't been read yet.
    first: Mutex<Option<Vec<u8>>>,
    lang: Lang,
    /// In raw format from the beginning: what comes is bodies.
    raw: bool,
    renewal: Duration,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    pace: Pace,
    goodbye: Goodbye,
    /// The text format is no longer certain: what comes may be anything that someone said.
    forgeable: bool,
    /// When something was last sent, by the clock of the day, which goes on while the machine sleeps.
    at: SystemTime,
}

/// Who has said `/quit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goodbye {
    Nobody,
    /// Whoever speaks: the answer is shown like any other.
    Speaker,
    /// This program, at the end of what is said: the answer only tells that nothing follows.
    Program,
}

impl Datagrams {
    /// Takes over a member, who is in the text format, or will be put into the raw one at once.
    pub(super) fn new(member: Member, lang: Lang, raw: bool) -> Self {
        let Member { socket, first } = member;
        let told = Told {
            pace: Pace::new(Instant::now()),
            goodbye: Goodbye::Nobody,
            forgeable: raw,
            at: SystemTime::now(),
        };
        let first = Mutex::new(Some(first));
        Self { socket, first, lang, raw, renewal: RENEWAL, told: Mutex::new(told) }
    }

    /// Says one message; the end of its line isn't part of it.
    pub(super) fn send(&self, said: &[u8]) -> io::Result<Sent> {
        let message = said.strip_suffix(b"\n").unwrap_or(said);
        let message = if message.len() < said.len() {
            message.strip_suffix(b"\r").unwrap_or(message)
        } else {
            message
        };
        if message.len() > DATAGRAM_BYTES_MAX {
            tell_too_long(self.lang, message);
            return Ok(Sent::TooLong);
        }
        let wait = {
            let mut told = self.told.lock();
            // A member no longer: said now, it would be said in the lobby, for everyone to read.
            if lapsed(told.at, SystemTime::now()) {
                return Err(ErrorKind::TimedOut.into());
            }
            told.take_note(message);
            told.pace.count(Instant::now(), message.len())
        };
        if !wait.is_zero() {
            thread::sleep(wait);
        }
        match self.put(message) {
            // Longer than the way there allows.
            Err(error) if error.raw_os_error() == Some(Errno::EMSGSIZE as i32) => {
                tell_too_long(self.lang, message);
                Ok(Sent::TooLong)
            }
            put => put.map(|()| Sent::Whole),
        }
    }

    fn put(&self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(datagram) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_whole) => {
                    self.told.lock().at = SystemTime::now();
                    return Ok(());
                }
            }
        }
    }

    /// Waits for one datagram, which is left as it is.
    pub(super) fn datagram(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.first.lock().take() {
            Some(first) => {
                let length = first.len().min(buffer.len());
                buffer[..length].copy_from_slice(&first[..length]);
                Ok(length)
            }
            None => self.socket.recv(buffer),
        }
    }

    /// Waits for one datagram, and gives it with the end of a line.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrived> {
        let room = buffer.len() - 1;
        let mut length = self.datagram(&mut buffer[..room])?;
        let (goodbye, forgeable) = {
            let told = self.told.lock();
            (told.goodbye, told.forgeable)
        };
        let datagram = &buffer[..length];
        let answered = goodbye != Goodbye::Nobody && is_goodbye(datagram);
        let last = answered || (!forgeable && is_dismissal(datagram));
        if answered && goodbye == Goodbye::Program {
            length = 0;
        }
        // A body may end with a newline of its own. An empty datagram says nothing.
        if length > 0 && (self.raw || !datagram.ends_with(b"\n")) {
            buffer[length] = b'\n';
            length += 1;
        }
        Ok(Arrived { length, last })
    }

    pub(super) fn set_read_timeout(&self, within: Option<Duration>) -> io::Result<()> {
        self.socket.set_read_timeout(within)
    }

    pub(super) fn lang(&self) -> Lang {
        self.lang
    }

    pub(super) fn renewal(&self) -> Duration {
        self.renewal
    }

    /// An empty datagram says nothing, and renews.
    pub(super) fn renew(&self) -> io::Result<()> {
        if lapsed(self.told.lock().at, SystemTime::now()) {
            return Err(ErrorKind::TimedOut.into());
        }
        match self.put(b"") {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Err(error),
            // A network that is away for a moment. The next one may go through; where none does the membership lapses.
            _ => Ok(()),
        }
    }

    /// Says goodbye, unless it was said already. It may be lost: then the hub notices the silence.
    pub(super) fn leave(&self) {
        let mut told = self.told.lock();
        if told.goodbye == Goodbye::Nobody {
            told.goodbye = Goodbye::Program;
            // Where it fails the hub is gone.
            let _gone = self.socket.send(QUIT);
        }
    }
}

impl Told {
    /// Takes note of what a command changes.
    fn take_note(&mut self, message: &[u8]) {
        let terminal = Endings { word: None, command: true };
        if terminal.of(message) == Ending::Command {
            self.goodbye = Goodbye::Speaker;
        }
        let command = message.split(|&byte| byte == b' ').next().unwrap_or(message);
        self.forgeable |= command.eq_ignore_ascii_case(b"/format")
            && !message.eq_ignore_ascii_case(b"/format text");
    }
}

/// Tells that `message` isn't sent, since no datagram holds it.
pub(super) fn tell_too_long(lang: Lang, message: &[u8]) {
    let text = String::from_utf8_lossy(&message[..message.len().min(4 * SHOWN_CHARS)]);
    let beginning: String = text.chars().take(SHOWN_CHARS).collect();
    let args = [("limit", DATAGRAM_BYTES_MAX.into()), ("beginning", beginning.as_str().into())];
    out::talk(&say(lang, "cli-udp-too-long", &args));
}

/// Whether a membership that was last renewed `at` has ended. A clock that was put back tells nothing.
fn lapsed(at: SystemTime, now: SystemTime) -> bool {
    now.duration_since(at).is_ok_and(|silence| silence >= MEMBERSHIP)
}

/// Whether a datagram is the hub's answer to `/quit`, its last word: in the hub's language, which isn't known. One that
/// isn't recognized only costs the wait for a silence.
fn is_goodbye(datagram: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(datagram) else { return false };
    let text = text.strip_suffix('\n').unwrap_or(text);
    let Some(sentence) = text.strip_prefix("* ") else { return false };
    let position = sentence.rsplit(' ').next().unwrap_or(sentence);
    Lang::ALL.into_iter().any(|lang| {
        sentence == say(lang, "goodbye", &[("position", position.into())])
            || sentence == say(lang, "goodbye-bare", &[])
    })
}

/// Whether a datagram in the text format tells that the membership is over: the hub stops, or heard nothing for too
/// long. In that format nobody but the hub can say so.
fn is_dismissal(datagram: &[u8]) -> bool {
    let stops = |lang| say(lang, "server-goodbye", &[]);
    let Some(notice) = datagram.strip_prefix(b"* ") else {
        return datagram.starts_with(b"! silent ");
    };
    let notice = notice.strip_suffix(b"\n").unwrap_or(notice);
    Lang::ALL.into_iter().any(|lang| notice == stops(lang).as_bytes())
}

#[cfg(test)]
mod tests;
