//! `trappe client`: what was typed, what is meant by it, and how it ends.

mod answers;
mod ending;
mod lines;
mod opening;
mod screen;
mod source;
mod talk;
mod terminal;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use trappe_core::{
    command::{Format, Lang},
    words::say,
};

use self::{
    answers::Answers,
    ending::Endings,
    opening::{Opened, Wishes},
    screen::Screen,
    source::Text,
    talk::{Outcome, Patience, talk},
    terminal::Before,
};
use super::{
    exit::Exit,
    lang, out,
    place::{Place, Typed, typed},
};
use crate::client::{Connected, Target};

/// How long a `-m` waits for a refusal.
const REFUSAL: Duration = Duration::from_millis(200);
/// How long nothing must have arrived, once all was said, for the end.
const SILENCE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  trappe client                           talk to the hub of this machine; Ctrl-D leaves
  trappe client hub.example.org --nick alice --room chess
  trappe client -m 'Bonjour !'            say one thing, and leave
  dmesg -w | trappe client --room logs    say each line as it comes
  trappe client --room logs --format raw  what others say, their bytes alone
";

/// Talks to a hub: from a terminal, from a pipe, or one message.
#[derive(Debug, Clone, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct ClientArgs {
    /// The hub: a name or an address; an IPv6 address in brackets where a port follows; or its Unix socket [default: localhost:5566]
    #[arg(value_name = "HOST[:PORT]|unix:PATH", value_parser = typed())]
    target: Option<Typed>,

    /// The hub's name or address
    #[arg(long, value_name = "HOST", conflicts_with = "target")]
    host: Option<Target>,

    /// The hub's port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Says this and leaves: exactly these bytes, no newline; each on a line of its own where there are several
    #[arg(short, long, value_name = "TEXT", allow_hyphen_values = true)]
    message: Vec<OsString>,

    /// Takes this name first
    #[arg(long, value_name = "NAME", value_parser = one_line)]
    nick: Option<String>,

    /// Goes to this room first
    #[arg(long, value_name = "ROOM", value_parser = one_line)]
    room: Option<String>,

    /// A line that, typed alone, ends the conversation
    #[arg(long, value_name = "WORD", value_parser = one_line, conflicts_with = "message")]
    quit_word: Option<String>,

    /// How the hub writes: for eyes (text), or the messages' bytes alone (raw)
    #[arg(long, value_name = "text|raw")]
    format: Option<Format>,

    /// The language of this program [default: that of `TRAPPE_LANG`, else fr]
    #[arg(long, value_name = "fr|en")]
    lang: Option<Lang>,

    /// Says the sentence of the lesson that trappe comes from, and leaves
    #[arg(long, conflicts_with = "message")]
    demo: bool,
}

/// A text that is one line and not empty: it becomes part of a command.
fn one_line(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        Err("it is empty".to_owned())
    } else if text.contains(char::is_control) {
        Err("it has a line break or another control character in it".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Runs the command to its end; what a person should know is said on the way. The connection is closed in every case.
#[must_use]
pub(super) fn run(args: &ClientArgs) -> Exit {
    let place = Place::of("client", args.target.as_ref(), args.host.as_ref(), args.port);
    let to = match place {
        Ok(to) => to,
        Err(error) => {
            // Standard error is gone: nobody is left to be told.
            drop(error.print());
            return Exit::Usage;
        }
    };
    let client = Client { args, lang: lang(args.lang) };
    client.run(&to).unwrap_or_else(|error| out::unshown(&error))
}

struct Client<'a> {
    args: &'a ClientArgs,
    lang: Lang,
}

impl Client<'_> {
    /// Fails only where standard output does.
    fn run(&self, to: &Place) -> io::Result<Exit> {
        let Connected { stream, took } = match to.connect() {
            Ok(connected) => connected,
            Err(error) => {
                self.announce("client-failed")?;
                error.explain(self.lang);
                return Ok(Exit::Failure);
            }
        };
        self.announce("client-connected")?;
        let said = self.said();
        let interactive = said.is_none() && io::stdin().is_terminal();
        let wishes = Wishes {
            nick: self.args.nick.as_deref(),
            room: self.args.room.as_deref(),
            format: self.args.format,
        };
        let mut shown = match &said {
            Some(_) if !self.asks() => Screen::Nowhere,
            _ => Screen::of_stdout(),
        };
        let Opened { refused, rest } = wishes.open(&stream, &mut shown)?;
        if refused && !interactive {
            return Ok(Exit::Failure);
        }
        Ok(match said {
            Some(said) => self.say(stream, rest, said, took),
            None if interactive => self.converse(stream, rest),
            None => self.pipe(stream, rest, false),
        })
    }

    /// What the command line says, if it says anything.
    fn said(&self) -> Option<Vec<u8>> {
        if self.args.demo {
            return Some(say(self.lang, "client-hello", &[]).into_bytes());
        }
        match self.args.message.as_slice() {
            [] => None,
            [one] => Some(one.as_encoded_bytes().to_vec()),
            several => {
                let lines = several.iter().map(|text| [text.as_encoded_bytes(), b"\n"].concat());
                Some(lines.collect::<Vec<_>>().concat())
            }
        }
    }

    /// Whether a `-m` is a command, so that there are answers to show.
    fn asks(&self) -> bool {
        self.args.message.iter().any(|text| text.as_encoded_bytes().starts_with(b"/"))
    }

    /// `-m`, `--demo`.
    fn say(&self, stream: TcpStream, rest: Vec<u8>, said: Vec<u8>, took: Duration) -> Exit {
        let commands = self.asks();
        let refused = Arc::new(AtomicBool::new(false));
        let answers = Answers::new(
            if commands { Screen::of_stdout() } else { Screen::Nowhere },
            commands || !self.raw(),
            Arc::clone(&refused),
        );
        let patience = if commands {
            Patience::Silence(SILENCE)
        } else {
            // A refusal can't be here before it has come the whole way.
            Patience::AtMost(REFUSAL + took.min(SILENCE))
        };
        let outcome = talk(stream, Text(said), answers, rest, patience, false);
        if refused.load(Ordering::Relaxed) { Exit::Failure } else { self.end(outcome) }
    }

    /// Standard input, as it comes.
    fn pipe(&self, stream: TcpStream, rest: Vec<u8>, person: bool) -> Exit {
        let source = source::stdin(self.endings(person));
        let patience = Patience::Silence(SILENCE);
        self.end(talk(stream, source, Screen::of_stdout(), rest, patience, person))
    }

    /// A terminal.
    fn converse(&self, stream: TcpStream, rest: Vec<u8>) -> Exit {
        let before = Before::remember();
        let Some((typed, above)) = terminal::open(self.endings(true)) else {
            return self.pipe(stream, rest, true);
        };
        let outcome = talk(stream, typed, above, rest, Patience::AtMost(SILENCE), true);
        if matches!(outcome, Outcome::Lost | Outcome::Unshown(_)) {
            before.restore();
        }
        self.end(outcome)
    }

    fn endings(&self, command: bool) -> Endings {
        Endings { word: self.args.quit_word.clone(), command }
    }

    fn end(&self, outcome: Outcome) -> Exit {
        match outcome {
            Outcome::Finished => Exit::Ok,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::Lost => {
                out::talk(&say(self.lang, "cli-lost", &[]));
                Exit::Failure
            }
            Outcome::Unshown(error) => out::unshown(&error),
            Outcome::Unreadable(error) => {
                out::talk(&error.to_string());
                Exit::Failure
            }
        }
    }

    fn raw(&self) -> bool {
        self.args.format == Some(Format::Raw)
    }

    /// A sentence of the lesson: on standard output, unless that is for data alone.
    fn announce(&self, id: &'static str) -> io::Result<()> {
        let sentence = say(self.lang, id, &[]);
        if self.raw() {
            out::talk(&sentence);
            Ok(())
        } else {
            out::say(&sentence)
        }
    }
}
