//! `trappe client`: what was typed, what is meant by it, and how it ends.

mod answers;
mod comeback;
mod datagrams;
mod ending;
mod entering;
mod lines;
mod opening;
mod reach;
mod screen;
mod source;
mod talk;
mod terminal;
mod wire;

use std::{
    ffi::OsString,
    io::{self, IsTerminal},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use clap::{
    Args, Command,
    error::{Error as ClapError, ErrorKind as Clap},
};
use trappe_core::{
    command::{Format, Lang},
    words::say,
};

use self::{
    answers::Answers,
    comeback::{Comeback, Retry, Tries},
    ending::Endings,
    opening::{Opened, Wishes},
    reach::Unreached,
    screen::Screen,
    source::{ByLine, Texts},
    talk::{Outcome, Patience, talk},
    terminal::Before,
    wire::Wire,
};
use super::{
    exit::Exit,
    lang, out,
    place::{Place, Typed, typed},
};
use crate::client::{Reached, Target};

/// How long a `-m` waits for a refusal.
const REFUSAL: Duration = Duration::from_millis(200);
/// How long nothing must have arrived, once all was said, for the end.
const SILENCE: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  trappe client                           talk to the hub of this machine; Ctrl-D leaves
  trappe client hub.example.org --nick alice --room chess
  trappe client -m 'Bonjour !'            say one thing, and leave
  trappe client --udp -m 'Bonjour !'      the same in one datagram, which may be lost
  dmesg -w | trappe client --room logs    say each line as it comes
  trappe client --room logs --format raw  what others say, their bytes alone
  trappe client --retry 10                gives a hub up that isn't back after ten attempts, and exits with 3
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

    /// Talks by datagrams: one for each message; what is lost isn't sent again
    #[arg(long)]
    udp: bool,

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

    /// How often a hub that has gone is looked for, in a row, before it ends with 3; also one that isn't there yet, if this is
    /// given [default: forever in a conversation, 0 with `-m`]
    #[arg(long, value_name = "0|N|forever", conflicts_with = "udp")]
    retry: Option<Retry>,

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
    let to = match place(args) {
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

fn place(args: &ClientArgs) -> Result<Place, ClapError> {
    let place = Place::of("client", args.target.as_ref(), args.host.as_ref(), args.port)?;
    if args.udp && matches!(place, Place::Socket(_)) {
        let why = "a Unix socket takes no datagrams: unix:PATH and --udp exclude each other\n";
        let conflict = ClapError::raw(Clap::ArgumentConflict, why);
        return Err(conflict.with_cmd(&Command::new("client")));
    }
    Ok(place)
}

struct Client<'a> {
    args: &'a ClientArgs,
    lang: Lang,
}

impl Client<'_> {
    /// Fails only where standard output does.
    fn run(&self, to: &Place) -> io::Result<Exit> {
        let said = self.said();
        if let (Place::Hub(to), Some(said)) = (to, &said)
            && self.args.udp
            && self.only_speaks()
        {
            return self.speak(to, said);
        }
        let Reached { stream: wire, took } = match self.reach_in_time(to) {
            Ok(connected) => connected,
            Err(error) => {
                let exit = self.unreached(&error)?;
                return Ok(if self.args.retry.is_some() { Exit::GaveUp } else { exit });
            }
        };
        self.announce("client-connected")?;
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
        let opened = wishes.open(&wire, &mut shown);
        let opened = match opened {
            Ok(opened) if interactive || !opened.refused => opened,
            ended => {
                wire.close();
                return ended.map(|_refused| Exit::Failure);
            }
        };
        if let Some(said) = said {
            return Ok(self.say(wire, opened, said, took));
        }
        let comeback = (!self.args.udp).then(|| self.comeback(to, interactive));
        let wire = (wire, comeback);
        Ok(if interactive { self.converse(wire, opened) } else { self.pipe(wire, opened, false) })
    }

    /// Reaches the hub, as often as it is to be tried.
    fn reach_in_time<'p>(&self, to: &'p Place) -> Result<Reached<Wire>, Unreached<'p>> {
        let mut failed = 0;
        loop {
            let error = match self.reach(to) {
                Err(error @ Unreached::Hub(_)) => error,
                done => return done,
            };
            let Some(pause) = self.args.retry.and_then(|retry| retry.next(failed)) else {
                return Err(error);
            };
            if failed == 0 {
                let address = to.to_string();
                out::talk(&say(self.lang, "client-waits", &[("address", (&address).into())]));
            }
            failed += 1;
            thread::sleep(pause);
        }
    }

    /// Who looks for the hub should it go.
    fn comeback(&self, to: &Place, person: bool) -> Comeback {
        Comeback {
            place: to.clone(),
            nick: self.args.nick.clone(),
            room: self.args.room.clone(),
            format: self.args.format,
            retry: self.args.retry,
            lang: self.lang,
            person,
            tries: Tries::default(),
        }
    }

    /// What the command line says, if it says anything: a datagram each, or what is written to a stream.
    fn said(&self) -> Option<Vec<Vec<u8>>> {
        if self.args.demo {
            return Some(vec![say(self.lang, "client-hello", &[]).into_bytes()]);
        }
        let texts = self.args.message.iter().map(|text| text.as_encoded_bytes());
        match self.args.message.len() {
            0 => None,
            several if several > 1 && !self.args.udp => {
                let lines: Vec<_> = texts.map(|text| [text, b"\n"].concat()).collect();
                Some(vec![lines.concat()])
            }
            _ => Some(texts.map(<[u8]>::to_vec).collect()),
        }
    }

    /// Whether nothing is asked of the hub: no name, no room, no command.
    fn only_speaks(&self) -> bool {
        self.args.nick.is_none() && self.args.room.is_none() && !self.asks()
    }

    /// Whether a `-m` is a command, so that there are answers to show.
    fn asks(&self) -> bool {
        self.args.message.iter().any(|text| text.as_encoded_bytes().starts_with(b"/"))
    }

    /// `-m`, `--demo`.
    fn say(&self, wire: Wire, opened: Opened, said: Vec<Vec<u8>>, took: Duration) -> Exit {
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
        let texts = Texts(said.into_iter());
        let outcome = talk((wire, None), texts, answers, opened, patience, false);
        if refused.load(Ordering::Relaxed) { Exit::Failure } else { self.end(outcome) }
    }

    /// Standard input, as it comes.
    fn pipe(&self, wire: (Wire, Option<Comeback>), opened: Opened, person: bool) -> Exit {
        // Over datagrams nothing but its own words tells that the conversation is over.
        let source = source::stdin(self.endings(person || self.args.udp));
        let patience = Patience::Silence(SILENCE);
        let screen = Screen::of_stdout();
        self.end(match wire.0 {
            Wire::Stream(_) => talk(wire, source, screen, opened, patience, person),
            Wire::Datagrams(_) => talk(wire, ByLine::new(source), screen, opened, patience, person),
        })
    }

    /// A terminal.
    fn converse(&self, wire: (Wire, Option<Comeback>), opened: Opened) -> Exit {
        let before = Before::remember();
        let Some((typed, above)) = terminal::open(self.endings(true)) else {
            return self.pipe(wire, opened, true);
        };
        let outcome = talk(wire, typed, above, opened, Patience::AtMost(SILENCE), true);
        if matches!(outcome, Outcome::Lost | Outcome::GaveUp | Outcome::Unshown(_)) {
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
            // What it was has been told.
            Outcome::Unsent => Exit::Failure,
            Outcome::Interrupted => Exit::Interrupted,
            Outcome::Lost => {
                out::talk(&say(self.lang, "cli-lost", &[]));
                Exit::Failure
            }
            Outcome::GaveUp => {
                out::talk(&say(self.lang, "client-gave-up", &[]));
                Exit::GaveUp
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
