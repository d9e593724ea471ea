//! `trappe history export` and `trappe history import`.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use clap::Args;
use trappe_core::{
    command::At,
    limits::{HISTORY_ROOMS, HISTORY_TIDY_ROWS},
    name::Name,
};

use super::{
    Exit, Tool,
    bar::{Bar, Unit},
    print_line, room_name, size_of,
};
use crate::{
    cli::out,
    net::address::shown,
    store::{self, Bad, DbError, ExportError, ImportError, Store},
};

const EXPORT_EXAMPLES: &str = "\
Examples:
  trappe history export --data DIR > copy.ndjson
  trappe history export --room lobby --after 7f3ak2m9qd@1043 > since.ndjson
  trappe history export | jq -r 'select(.text) | .author + \": \" + .text'
";

/// Everything, or one room, as lines of JSON on standard output: a line that says what it is; for each room one with its
/// epoch; each message with all that is known of it; and each gap. docs/storage.md describes them.
///
/// Not in it: sessions, and the keys by which what is sent twice is known.
#[derive(Debug, Args)]
#[command(before_help = EXPORT_EXAMPLES)]
pub(super) struct ExportArgs {
    /// This room alone
    #[arg(long, value_name = "ROOM", value_parser = room_name)]
    room: Option<Name>,
    /// Only what follows this position: for a copy that was made before
    #[arg(long, value_name = "POS", requires = "room")]
    after: Option<At>,
}

pub(super) fn export(tool: &Tool, args: &ExportArgs) -> Result<(), Exit> {
    let mut visit = tool.visit()?;
    let rooms = match &args.room {
        Some(name) => vec![tool.room(&mut visit, name)?],
        None => tool.read(visit.rooms())?,
    };
    if let (Some(at), Some(room)) = (args.after, rooms.first())
        && (at.epoch.is_some_and(|epoch| epoch != room.epoch) || at.seq >= room.next_seq)
    {
        let typed = at.epoch.map_or_else(String::new, |epoch| format!("{epoch}@"));
        let (typed, epoch) = (format!("{typed}{}", at.seq), room.epoch.to_string());
        let last = room.position(room.next_seq - 1).to_string();
        let name = room.name.as_str();
        return Err(tool.fail(
            "history-cli-other-life",
            &[
                ("position", (&typed).into()),
                ("room", name.into()),
                ("epoch", (&epoch).into()),
                ("last", (&last).into()),
            ],
        ));
    }
    let bar = Bar::beside_data(rooms.iter().map(|room| room.messages).sum(), Unit::Messages);
    let after = args.after.map(|at| at.seq);
    let done = store::export(&mut visit, &rooms, after, &mut out::data, &mut |more| bar.add(more));
    drop(bar);
    done.map_err(|error| match error {
        ExportError::Read(error) => tool.broken(&error),
        ExportError::Write(error) => out::unshown(&error),
    })
}

const IMPORT_EXAMPLES: &str = "\
Examples:
  trappe history import --data NEW copy.ndjson
  trappe history export --data OLD | trappe history import --data NEW
";

/// Takes in what was exported, into a folder that is new (it is made, as a server makes it), or has a history already.
///
/// A room that is new there keeps its epoch, its numbers and its gaps: positions mean what they meant. One that is there
/// already goes on where it ends; another epoch, or numbers that were given before, are refused.
///
/// All is one transaction: with a line that is wrong, or without an end, nothing is imported, and the line's number is told.
/// Until it is done it takes up to twice the space. The server has to be stopped.
#[derive(Debug, Args)]
#[command(before_help = IMPORT_EXAMPLES)]
pub(super) struct ImportArgs {
    /// The file; `-`: standard input
    #[arg(value_name = "FILE|-", default_value = "-")]
    file: PathBuf,
}

pub(super) fn import(tool: &Tool, args: &ImportArgs) -> Result<(), Exit> {
    let is_input = args.file == Path::new("-");
    let name = if is_input { "-".to_owned() } else { shown(&args.file) };
    let unread = |error: &io::Error| {
        let error = error.to_string();
        let args = [("path", (&name).into()), ("error", (&error).into())];
        tool.fail("history-cli-read-failed", &args)
    };
    // Before anything is made.
    let (file, size): (Box<dyn Read>, u64) = if is_input {
        (Box::new(io::stdin()), 0)
    } else {
        (Box::new(File::open(&args.file).map_err(|error| unread(&error))?), size_of(&args.file))
    };
    let mut lines = BufReader::with_capacity(1 << 16, file);
    let (folder, mut opened) = tool.hold(true)?;
    let bar = Bar::new(size, Unit::Bytes);
    let (store, rooms) = (&mut opened.store, &opened.rooms);
    let imported =
        store::import(store, rooms, opened.next_room, &mut lines, &mut |bytes| bar.at(bytes));
    drop(bar);
    let mut next_member = opened.next_member;
    let told = match &imported {
        Ok(imported) => {
            next_member = next_member.max(imported.members.saturating_add(1));
            let bar = Bar::new(imported.messages, Unit::Messages);
            let indexed = index(&mut opened.store, &bar);
            indexed.map_err(|error| tool.broken(&error))
        }
        Err(ImportError::Line { line, bad }) => {
            let why = why(tool, bad);
            let args = [("line", (*line).into()), ("why", (&why).into())];
            Err(tool.fail("history-cli-line", &args))
        }
        Err(ImportError::Read(error)) => Err(unread(error)),
        Err(ImportError::Store(error)) => Err(tool.broken(error)),
    };
    tool.read(opened.store.close(&folder, &[], next_member))?;
    told?;
    let imported = imported.unwrap_or_default();
    let (messages, rooms) = (imported.messages.into(), imported.rooms.into());
    print_line(&tool.say("history-cli-imported", &[("messages", messages), ("rooms", rooms)]))
}

/// Brings what was imported into the index for searching. If it is stopped meanwhile, a server goes on with it.
fn index(store: &mut Store, bar: &Bar) -> Result<(), DbError> {
    while store.index(HISTORY_TIDY_ROWS)? {
        bar.add(HISTORY_TIDY_ROWS as u64);
        if store.needs_checkpoint() {
            store.checkpoint()?;
        }
    }
    Ok(())
}

/// What is wrong with a line, in words.
fn why(tool: &Tool, bad: &Bad) -> String {
    match bad {
        Bad::TooLong => tool.say("history-cli-line-too-long", &[]),
        Bad::NotJson(error) => tool.say("history-cli-line-not-json", &[("error", error.into())]),
        Bad::NotObject => tool.say("history-cli-line-not-object", &[]),
        Bad::NotExport => tool.say("history-cli-line-not-export", &[]),
        Bad::Newer(version) => {
            tool.say("history-cli-line-newer", &[("version", (*version).into())])
        }
        Bad::Field(field) => tool.say("history-cli-line-field", &[("field", (*field).into())]),
        Bad::Unknown(field) => tool.say("history-cli-line-unknown", &[("field", field.into())]),
        Bad::OtherRoom => tool.say("history-cli-line-other-room", &[]),
        Bad::Twice => tool.say("history-cli-line-twice", &[]),
        Bad::OtherLife => tool.say("history-cli-line-other-life", &[]),
        Bad::Clash { next, from } => {
            let args = [("next", (*next).into()), ("from", (*from).into())];
            tool.say("history-cli-line-clash", &args)
        }
        Bad::Order { expected, found } => {
            let args = [("expected", (*expected).into()), ("found", (*found).into())];
            tool.say("history-cli-line-order", &args)
        }
        Bad::Unfinished { expected } => {
            tool.say("history-cli-line-unfinished", &[("expected", (*expected).into())])
        }
        Bad::Rooms { said, found } => {
            let args = [("said", (*said).into()), ("found", (*found).into())];
            tool.say("history-cli-line-rooms", &args)
        }
        Bad::TooManyRooms => {
            tool.say("history-cli-line-too-many-rooms", &[("limit", HISTORY_ROOMS.into())])
        }
    }
}
