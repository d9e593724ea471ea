//! `trappe tap`: what passes on the wire of members, for eyes or, as it comes, for programs.

mod events;
mod rows;
mod source;
mod view;

use std::io;

use clap::Args;
use serde_json::Value;
use trappe_core::{
    command::Lang,
    encode::escape::{text_line, to_terminal},
    words::say,
};

use self::{
    source::{HEAD_WITHIN, NoSource, Source, Whose},
    view::View,
};
use super::{
    exit::Exit,
    lang, out,
    place::{Place, Typed, typed},
};
use crate::client::Target;

const EXAMPLES: &str = "\
Examples:
  trappe tap                        everybody's wire, on the hub of this machine
  trappe tap alice                  what alice sends and is sent
  trappe tap --room lobby           the same of all who are in a room
  trappe tap client-3 --port 7000   a member without a name; a hub on another port
  trappe tap --json | jq -c .       one object a line, for programs
";

/// Shows what passes on the wire of a hub's members: each read, each message in hexadecimal and characters, each write.
///
/// A hub tells this only to its own machine. Secrets and private messages are masked before they leave it.
#[derive(Debug, Clone, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct TapArgs {
    /// A member (a name or client-N) or, if there is none of this name, a room [default: everybody]
    #[arg(value_name = "MEMBER|ROOM", conflicts_with_all = ["member", "room"])]
    whose: Option<String>,

    /// This member
    #[arg(long, value_name = "NAME", conflicts_with = "room")]
    member: Option<String>,

    /// All who are in this room
    #[arg(long, value_name = "ROOM")]
    room: Option<String>,

    /// The hub: a name or an address; an IPv6 address in brackets where a port follows; or its Unix socket [default: localhost:5566]
    #[arg(long, value_name = "HOST[:PORT]|unix:PATH", value_parser = typed())]
    hub: Option<Typed>,

    /// The hub's name or address
    #[arg(long, value_name = "HOST", conflicts_with = "hub")]
    host: Option<Target>,

    /// The hub's port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,

    /// Each event as it comes, one JSON object a line (docs/protocol.md, GET /tap)
    #[arg(long)]
    json: bool,

    /// Ends after this many messages
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// The language of sentences [default: that of `TRAPPE_LANG`, else fr]
    #[arg(long, value_name = "fr|en")]
    lang: Option<Lang>,
}

/// Runs the command to its end; what a person should know is said on standard error.
#[must_use]
pub(super) fn run(args: &TapArgs) -> Exit {
    let place = match Place::of("tap", args.hub.as_ref(), args.host.as_ref(), args.port) {
        Ok(place) => place,
        Err(error) => {
            // Standard error is gone: nobody is left to be told.
            drop(error.print());
            return Exit::Usage;
        }
    };
    let tap = Tap { args, lang: lang(args.lang), place: &place };
    match tap.open() {
        Ok((source, one)) => tap.follow(source, one),
        Err(why) => {
            tap.explain(&why);
            Exit::Failure
        }
    }
}

struct Tap<'a> {
    args: &'a TapArgs,
    lang: Lang,
    place: &'a Place,
}

impl<'a> Tap<'a> {
    /// Asks the hub for what was meant; and says whether that is one member.
    fn open(&self) -> Result<(Source, bool), NoSource<'a>> {
        let open = |whose| Source::open(self.place, whose, self.lang);
        if let Some(name) = &self.args.member {
            return Ok((open(Whose::Member(name))?, true));
        }
        if let Some(room) = &self.args.room {
            return Ok((open(Whose::Room(room))?, false));
        }
        let Some(name) = &self.args.whose else {
            return Ok((open(Whose::Everybody)?, false));
        };
        match open(Whose::Member(name)) {
            Err(NoSource::Refused { code, .. }) if code == "no-such-member" => {}
            other => return Ok((other?, true)),
        }
        match open(Whose::Room(name)) {
            Err(NoSource::Refused { code, .. }) if code == "no-such-room" || code == "bad-name" => {
                Err(NoSource::Nobody(name.clone()))
            }
            other => Ok((other?, false)),
        }
    }

    /// Shows what comes until there is no more. `one`: with the one member that is watched it ends well.
    fn follow(&self, mut source: Source, one: bool) -> Exit {
        let mut view = View::new(self.lang, out::has_ink());
        let mut messages = 0;
        let mut is_here = false;
        loop {
            let (text, event) = match source.next() {
                Ok(Some(found)) => found,
                // A member that left before its first event is as one that has left since.
                Ok(None) if one && !is_here => return Exit::Ok,
                Ok(None) => return self.failed("tap-ended"),
                Err(source::Broken::Lost) => return self.failed("tap-lost-hub"),
                Err(source::Broken::Strange) => {
                    self.explain(&NoSource::Stranger);
                    return Exit::Failure;
                }
            };
            let shown = if self.args.json {
                show_json(&text)
            } else {
                out::data(view.show(&event).as_bytes())
            };
            if let Err(error) = shown {
                return out::unshown(&error);
            }
            match event["ev"].as_str() {
                Some("open") => is_here = true,
                Some("close") => is_here = false,
                Some("message") => messages += 1,
                _ => {}
            }
            if self.args.count == Some(messages) {
                return Exit::Ok;
            }
        }
    }

    fn failed(&self, id: &'static str) -> Exit {
        out::talk(&say(self.lang, id, &[]));
        Exit::Failure
    }

    /// Why nothing is shown.
    fn explain(&self, why: &NoSource<'_>) {
        let address = self.place.to_string();
        let address = ("address", (&address).into());
        match why {
            NoSource::Unreached(failure) => {
                out::talk(&say(self.lang, "client-failed", &[]));
                failure.explain(self.lang);
            }
            NoSource::Refused { code, text } => {
                out::talk(&format!("{} {}", to_terminal(code), to_terminal(text)));
            }
            NoSource::Nobody(name) => {
                out::talk(&say(self.lang, "tap-nobody", &[("name", name.into())]));
            }
            NoSource::Stranger => out::talk(&say(self.lang, "tap-stranger", &[address])),
            NoSource::Silent => {
                let seconds = ("seconds", HEAD_WITHIN.as_secs().into());
                out::talk(&say(self.lang, "tap-silent", &[address, seconds]));
            }
            NoSource::Lost => out::talk(&say(self.lang, "tap-lost-hub", &[])),
        }
    }
}

/// An event as it came: exact for a program; what a terminal would obey is shown there.
fn show_json(text: &[u8]) -> io::Result<()> {
    let mut line = Vec::with_capacity(text.len() + 1);
    if out::is_terminal() {
        text_line(&mut line, b"", text);
    } else {
        line.extend_from_slice(text);
        line.push(b'\n');
    }
    out::data(&line)
}

/// A number of an event; 0 if it isn't there.
fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or(0)
}
