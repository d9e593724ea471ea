//! A message → speech or a request (PROTOCOL §3).
//!
//! Speech is the default. A command is a message that *as a whole* matches `^/[a-z][a-z0-9-]*( .*)?$`, case-insensitively;
//! a command that is unknown or wrong is refused and never spoken, so that a slip in `/msg bob secret` tells the room nothing.

use memchr::memchr;

use crate::framing::Framing;
use crate::name::{NAME_BYTES_TYPED, Name, NameError};
use crate::state_key::{StateKey, StateKeyError};

mod read;
mod values;

pub use values::{At, Epoch, Format, Lang, ValueError};

/// How much of what a client typed is given back to it in an error, in characters.
const GIVEN_CHARS: usize = 64;

/// What a message turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// To be said in the room, byte for byte.
    Speech(&'a [u8]),
    /// A command that is asked for correctly.
    Request(Request),
    /// A command that is not; nothing of it is spoken.
    Bad(Refusal),
}

/// Everything a member can ask for. Names and texts are those of its own words; nothing is looked up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// To be called this.
    Nick(Name),
    /// To go to a room, from a position on if one is given.
    Join {
        /// The room.
        room: Name,
        /// The position after which to begin.
        after: Option<At>,
    },
    /// To go back to the lobby.
    Leave,
    /// To tell one member something.
    Msg {
        /// Whom: a name or `client-N`, as typed.
        to: Box<str>,
        /// What; never empty. A command's is UTF-8, an op's may be any bytes.
        body: Box<[u8]>,
    },
    /// To know who is in a room, as typed; without one, in the member's own.
    Who(Option<Box<str>>),
    /// To know the rooms.
    Rooms,
    /// To see the last messages again, this many (at least one).
    History(usize),
    /// To see the messages that have these words, the newest this many (at least one, at most [`SEARCH_MAX`]).
    ///
    /// [`SEARCH_MAX`]: crate::limits::SEARCH_MAX
    Search {
        /// The words, as typed; they aren't blank, and no more than [`SEARCH_CHARS`](crate::limits::SEARCH_CHARS) characters.
        words: Box<str>,
        /// How many messages.
        count: usize,
    },
    /// To be given everything after a position.
    Resume(At),
    /// To give a key of the room's state a value.
    Set {
        /// Which.
        key: StateKey,
        /// The version of the value, if it has one: an older one never replaces a newer one of the same sender.
        version: Option<u32>,
        /// The value; an empty one takes the key away. A command's is UTF-8, an op's may be any bytes.
        value: Box<[u8]>,
    },
    /// To be given the value of a key of the room's state; without one, to follow all of them.
    Get(Option<StateKey>),
    /// To be given a key with which datagrams are taken as the member's.
    Udp,
    /// To be written to in this format.
    Format(Format),
    /// To be read by this framing.
    Framing(Framing),
    /// To be spoken to in this language.
    Lang(Lang),
    /// To get the member's own messages back, or not.
    Echo(bool),
    /// To get each message acknowledged, or not.
    Ack(bool),
    /// To get no notices, or to get them.
    Quiet(bool),
    /// To be said to do something; never empty.
    Me(Box<str>),
    /// To get this text back; it may be empty.
    Ping(Box<str>),
    /// To know the state of a member's connection (as typed), or of one's own.
    Why(Option<Box<str>>),
    /// To be helped, in general or about one command, whose [`CommandHelp::name`] this is.
    Help(Option<Box<str>>),
    /// To leave, with these last words; they may be empty.
    Quit(Box<str>),
}

/// Why a command is refused, with what a sentence about it needs. What was typed is given back in at most 64 characters,
/// an ellipsis in the last place where it was longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such command; whoever meant it as speech types `//`.
    UnknownCommand {
        /// The command's word, as typed, without its slash.
        word: Box<str>,
    },
    /// The command needs an argument more.
    MissingArgument {
        /// [`CommandHelp::name`].
        command: &'static str,
        /// [`CommandHelp::usage`].
        usage: &'static str,
    },
    /// An argument is not what the command takes.
    BadArgument {
        /// [`CommandHelp::name`].
        command: &'static str,
        /// The argument.
        given: Box<str>,
        /// [`CommandHelp::usage`].
        usage: &'static str,
    },
    /// The command takes fewer arguments.
    TooManyArguments {
        /// [`CommandHelp::name`].
        command: &'static str,
        /// [`CommandHelp::usage`].
        usage: &'static str,
    },
    /// An argument that has to be a name is none.
    BadName {
        /// The argument.
        given: Box<str>,
        /// The rule that it breaks.
        why: NameError,
    },
    /// An argument that has to be a position is none.
    BadPosition {
        /// The argument.
        given: Box<str>,
    },
    /// An argument that has to be a key of a room's state is none.
    BadKey {
        /// The argument, without its version.
        given: Box<str>,
        /// The rule that it breaks.
        why: StateKeyError,
    },
    /// What follows a key's `#` is no version.
    BadVersion {
        /// It, without the `#`.
        given: Box<str>,
    },
    /// The arguments are not UTF-8 (speech may be any bytes, commands may not).
    NotUtf8 {
        /// [`CommandHelp::name`].
        command: &'static str,
    },
    /// A part of the protocol that this version does not have yet.
    NotYet {
        /// What was asked for, as it is typed: `/auth`.
        what: &'static str,
    },
}

impl Refusal {
    /// The stable code that the error line begins with.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownCommand { .. } => "unknown-command",
            Self::MissingArgument { .. } => "missing-argument",
            Self::BadArgument { .. } => "bad-argument",
            Self::TooManyArguments { .. } => "too-many-arguments",
            Self::BadName { why, .. } => why.code(),
            Self::BadPosition { .. } => "bad-position",
            Self::BadKey { why, .. } => why.code(),
            Self::BadVersion { .. } => "bad-version",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::NotYet { .. } => "not-yet",
        }
    }
}

/// One command: how it is called, and how it is read.
#[derive(Debug)]
pub struct CommandHelp {
    /// Its name, without the slash.
    pub name: &'static str,
    /// Its French name, where it has one.
    pub alias: Option<&'static str>,
    /// How it is typed, the same in every language.
    pub usage: &'static str,
    read: fn(&Arguments<'_>) -> Result<Request, Refusal>,
}

/// Every command, in the order in which help lists them.
#[rustfmt::skip]
pub const COMMANDS: &[CommandHelp] = &[
    CommandHelp { name: "nick", alias: Some("nom"), usage: "/nick NAME", read: read::nick },
    CommandHelp { name: "join", alias: Some("salon"), usage: "/join ROOM [POS]", read: read::join },
    CommandHelp { name: "leave", alias: Some("sortir"), usage: "/leave", read: read::leave },
    CommandHelp { name: "msg", alias: Some("mp"), usage: "/msg NAME TEXT", read: read::msg },
    CommandHelp { name: "who", alias: Some("qui"), usage: "/who [ROOM]", read: read::who },
    CommandHelp { name: "rooms", alias: Some("salons"), usage: "/rooms", read: read::rooms },
    CommandHelp { name: "history", alias: Some("historique"), usage: "/history [N]", read: read::history },
    CommandHelp { name: "search", alias: Some("chercher"), usage: "/search WORDS", read: read::search },
    CommandHelp { name: "resume", alias: Some("reprendre"), usage: "/resume POS", read: read::resume },
    CommandHelp { name: "set", alias: None, usage: "/set KEY[#V] VALUE", read: read::set },
    CommandHelp { name: "get", alias: None, usage: "/get [KEY]", read: read::get },
    CommandHelp { name: "udp", alias: None, usage: "/udp", read: read::udp },
    CommandHelp { name: "format", alias: None, usage: "/format text|raw|json", read: read::format },
    CommandHelp { name: "framing", alias: None, usage: "/framing auto|line|chunk|len32|nul", read: read::framing },
    CommandHelp { name: "lang", alias: None, usage: "/lang fr|en", read: read::lang },
    CommandHelp { name: "echo", alias: None, usage: "/echo on|off", read: read::echo },
    CommandHelp { name: "ack", alias: None, usage: "/ack on|off", read: read::ack },
    CommandHelp { name: "quiet", alias: None, usage: "/quiet on|off", read: read::quiet },
    CommandHelp { name: "me", alias: None, usage: "/me TEXT", read: read::me },
    CommandHelp { name: "ping", alias: None, usage: "/ping [TEXT]", read: read::ping },
    CommandHelp { name: "why", alias: None, usage: "/why [NAME]", read: read::why },
    CommandHelp { name: "help", alias: Some("aide"), usage: "/help [COMMAND]", read: read::help },
    CommandHelp { name: "quit", alias: Some("quitter"), usage: "/quit [TEXT]", read: read::quit },
];

/// Commands of the protocol that this version knows, but does not have yet.
const LATER: [&str; 1] = ["/auth"];

/// Tells what a message is. Costs one comparison where it does not begin with a slash; never allocates for speech.
#[must_use]
pub fn parse(message: &[u8]) -> Parsed<'_> {
    if message.first() != Some(&b'/') {
        return Parsed::Speech(message);
    }
    if let Some((word, rest)) = split_command(message) {
        return match request(word, rest) {
            Ok(request) => Parsed::Request(request),
            Err(refusal) => Parsed::Bad(refusal),
        };
    }
    let escaped = &message[1..];
    Parsed::Speech(if split_command(escaped).is_some() { escaped } else { message })
}

/// The word and what follows its space, if the message has the form of a command.
#[must_use]
pub fn split_command(message: &[u8]) -> Option<(&str, &[u8])> {
    let after = message.strip_prefix(b"/")?;
    let end = after
        .iter()
        .position(|&b| !(b.is_ascii_alphanumeric() || b == b'-'))
        .unwrap_or(after.len());
    let (word, rest) = after.split_at(end);
    let rest = if rest.is_empty() { rest } else { rest.strip_prefix(b" ")? };
    let is_command = word.first()?.is_ascii_alphabetic() && memchr(b'\n', rest).is_none();
    // Only ASCII was let through.
    str::from_utf8(word).ok().filter(|_| is_command).map(|word| (word, rest))
}

fn request(word: &str, rest: &[u8]) -> Result<Request, Refusal> {
    let command = find(word)?;
    let Ok(rest) = str::from_utf8(rest) else {
        return Err(Refusal::NotUtf8 { command: command.name });
    };
    (command.read)(&Arguments { command, rest })
}

/// Whether there is a command of this name or French alias.
pub(crate) fn is_known(word: &str) -> bool {
    find(word).is_ok()
}

/// The command of this name or French alias, in any case.
fn find(word: &str) -> Result<&'static CommandHelp, Refusal> {
    let is_called = |name: &str| name.eq_ignore_ascii_case(word);
    if let Some(command) =
        COMMANDS.iter().find(|c| is_called(c.name) || c.alias.is_some_and(is_called))
    {
        return Ok(command);
    }
    Err(match LATER.iter().find(|what| is_called(&what[1..])) {
        Some(what) => Refusal::NotYet { what },
        None => Refusal::UnknownCommand { word: cut(word) },
    })
}

/// What follows a command's word, and the refusals that speak of it.
struct Arguments<'a> {
    command: &'static CommandHelp,
    rest: &'a str,
}

impl<'a> Arguments<'a> {
    /// The words, if there are at most `N`; each that is missing is None.
    fn words<const N: usize>(&self) -> Result<[Option<&'a str>; N], Refusal> {
        let mut words = self.rest.split_ascii_whitespace();
        let taken = std::array::from_fn(|_| words.next());
        match words.next() {
            None => Ok(taken),
            Some(_) => Err(Refusal::TooManyArguments {
                command: self.command.name,
                usage: self.command.usage,
            }),
        }
    }

    /// The only word.
    fn word(&self) -> Result<&'a str, Refusal> {
        let [word] = self.words()?;
        word.ok_or_else(|| self.missing())
    }

    fn missing(&self) -> Refusal {
        Refusal::MissingArgument { command: self.command.name, usage: self.command.usage }
    }

    fn bad(&self, given: &str) -> Refusal {
        Refusal::BadArgument {
            command: self.command.name,
            given: cut(given),
            usage: self.command.usage,
        }
    }
}

/// What is given back of a word that was typed: its first 64 characters, the last one an ellipsis where there are more.
pub(crate) fn cut(given: &str) -> Box<str> {
    match given.char_indices().nth(GIVEN_CHARS) {
        None => given.into(),
        Some(_) => given.chars().take(GIVEN_CHARS - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
