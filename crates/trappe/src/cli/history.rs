//! `trappe history`: what a hub keeps on disk, for eyes and programs; beside the server that writes it, or without one.

mod bar;
mod check;
mod list;
mod prune;
mod search;
mod show;
mod transfer;

use std::{
    fmt::Display,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use clap::{
    Args, Command, Subcommand,
    error::{Error as ClapError, ErrorKind as Clap},
};
use trappe_core::{
    command::Lang,
    name::Name,
    words::{Value, say},
};

use super::{exit::Exit, lang, out, server};
use crate::{
    net::address::shown,
    server::history::{new_epoch, sentence},
    store::{self, DbError, Folder, Note, OpenError, Opened, RoomState, Visit, VisitError},
};

const EXAMPLES: &str = "\
Examples:
  trappe history list --data /var/lib/trappe       its rooms, and how much is kept of each
  trappe history show lobby --limit 20             the last twenty messages
  trappe history search rendez-vous --json         who spoke of it, for programs
  trappe history export > copy.ndjson              all of it, as lines of JSON
  trappe history import --data new copy.ndjson     the same in another folder
  trappe history check                             whether the file is what it should be
  trappe history prune --keep 30d                  takes away what is older
";

/// What a hub keeps on disk: shown, searched, copied, checked, pruned.
///
/// list, show, search, export and check change nothing, and work while the hub runs; import and prune want it stopped.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES, arg_required_else_help = true)]
pub(super) struct HistoryArgs {
    #[command(subcommand)]
    what: What,
    /// The folder in which the hub keeps what it keeps [default: the first folder of `STATE_DIRECTORY`]
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
    /// The language of sentences [default: that of `TRAPPE_LANG`, else fr]
    #[arg(long, value_name = "fr|en", global = true)]
    lang: Option<Lang>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The rooms, and how much is kept of each
    List(list::ListArgs),
    /// The messages of a room
    Show(show::ShowArgs),
    /// The newest messages that have all of these words
    Search(search::SearchArgs),
    /// Everything, or one room, as lines of JSON on standard output
    Export(transfer::ExportArgs),
    /// Takes in what was exported
    Import(transfer::ImportArgs),
    /// Looks whether the file is what it should be, and says what is wrong
    Check(check::CheckArgs),
    /// Takes away the oldest messages
    Prune(prune::PruneArgs),
}

/// Runs the command to its end; what a person should know is said on standard error.
#[must_use]
pub(super) fn run(args: &HistoryArgs) -> Exit {
    let state_directory = std::env::var_os("STATE_DIRECTORY");
    let Some(dir) = server::data(args.data.as_deref(), state_directory.as_deref()) else {
        let why = "--data DIR says which folder: the one in which a server keeps its history\n";
        let error: ClapError = ClapError::raw(Clap::MissingRequiredArgument, why);
        // Standard error may be gone: then nobody is left to be told.
        drop(error.with_cmd(&Command::new("history")).print());
        return Exit::Usage;
    };
    let tool = Tool { dir, lang: lang(args.lang) };
    let done = match &args.what {
        What::List(args) => list::run(&tool, args),
        What::Show(args) => show::run(&tool, args),
        What::Search(args) => search::run(&tool, args),
        What::Export(args) => transfer::export(&tool, args),
        What::Import(args) => transfer::import(&tool, args),
        What::Check(args) => check::run(&tool, args),
        What::Prune(args) => prune::run(&tool, args),
    };
    done.err().unwrap_or(Exit::Ok)
}

/// What all of them need. What returns an [`Exit`] has said why.
struct Tool {
    dir: PathBuf,
    lang: Lang,
}

impl Tool {
    fn say(&self, id: &'static str, args: &[(&'static str, Value<'_>)]) -> String {
        say(self.lang, id, args)
    }

    /// The database's file, as it is shown.
    fn database(&self) -> String {
        shown(&self.dir.join("history.db"))
    }

    /// It couldn't be done, for this reason.
    fn fail(&self, id: &'static str, args: &[(&'static str, Value<'_>)]) -> Exit {
        out::talk(&self.say(id, args));
        Exit::Failure
    }

    /// The same, with the folder.
    fn fail_at(&self, id: &'static str) -> Exit {
        let path = shown(&self.dir);
        self.fail(id, &[("path", (&path).into())])
    }

    /// The history itself refused.
    fn broken(&self, error: &dyn Display) -> Exit {
        let (path, error) = (self.database(), error.to_string());
        self.fail(
            "history-cli-read-failed",
            &[("path", (&path).into()), ("error", (&error).into())],
        )
    }

    fn refused(&self, error: &OpenError) -> Exit {
        if let OpenError::Used { pid } = error {
            let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            let path = shown(&self.dir);
            return self
                .fail("history-cli-used", &[("path", (&path).into()), ("pid", (&pid).into())]);
        }
        out::talk(&server::data_sentence(&self.dir, error, self.lang));
        Exit::Failure
    }

    /// Opens the history for reading. Nothing is made.
    fn visit(&self) -> Result<Visit, Exit> {
        Visit::open(&self.dir).map_err(|error| match error {
            VisitError::NoFolder => self.fail_at("history-cli-no-folder"),
            VisitError::NoHistory => self.fail_at("history-cli-no-history"),
            VisitError::Refused(error) => self.refused(&error),
            VisitError::Failed(error) => self.broken(&error),
        })
    }

    /// What was read, or the end.
    fn read<T>(&self, read: Result<T, DbError>) -> Result<T, Exit> {
        read.map_err(|error| self.broken(&error))
    }

    /// A room that there is.
    fn room(&self, visit: &mut Visit, name: &Name) -> Result<RoomState, Exit> {
        let room = self.read(visit.room(name))?;
        room.ok_or_else(|| self.fail("history-cli-no-room", &[("room", name.as_str().into())]))
    }

    /// Opens the history for writing, as a server would; `make`: also where there is none yet.
    fn hold(&self, make: bool) -> Result<(Folder, Opened), Exit> {
        if !make {
            // A history that can't be looked at isn't to be made by the way.
            drop(self.visit()?);
        }
        // What another user leaves there, root too, the server can't read.
        let me = nix::unistd::Uid::effective().as_raw();
        if fs::metadata(&self.dir).is_ok_and(|found| found.uid() != me) {
            return Err(self.fail_at("history-cli-owner"));
        }
        let folder = Folder::open(&self.dir).map_err(|error| self.refused(&error))?;
        let opened = store::open(&folder, &mut new_epoch, now_us());
        let opened = opened.map_err(|error| self.refused(&error))?;
        let dir = shown(&self.dir);
        for note in opened.notes.iter().filter(|note| !matches!(note, Note::New | Note::WasEmpty)) {
            out::talk(&sentence(note, &dir, self.lang));
        }
        Ok((folder, opened))
    }
}

/// What goes to standard output, or the end.
fn print(bytes: &[u8]) -> Result<(), Exit> {
    out::data(bytes).map_err(|error| out::unshown(&error))
}

/// A sentence on standard output, or the end.
fn print_line(sentence: &str) -> Result<(), Exit> {
    out::say(sentence).map_err(|error| out::unshown(&error))
}

/// The time, in microseconds since 1970.
fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// A time as it is shown: RFC 3339, UTC, to the millisecond.
fn shown_time(time_us: u64) -> String {
    let time = i64::try_from(time_us).ok();
    let time = time.and_then(|time| jiff::Timestamp::from_microsecond(time).ok());
    format!("{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
}

/// Bytes of a file; 0 where it isn't.
fn size_of(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |found| found.len())
}

/// A room's name, as it is typed.
fn room_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(|error| error.to_string())
}
