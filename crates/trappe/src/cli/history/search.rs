//! `trappe history search`.

use clap::Args;
use trappe_core::{limits::SEARCH_DEFAULT, name::Name};

use super::{Exit, Tool, print, room_name, show::View};
use crate::cli::out;

const EXAMPLES: &str = "\
Examples:
  trappe history search rendez-vous --data DIR
  trappe history search été mer --room lobby        both words, whatever their accents
  trappe history search bonj --limit 5 --json       the last word may be the beginning of one
";

/// The newest messages that have all of these words, oldest first; accents and capitals make no difference.
///
/// Nothing found is no failure: it is said on standard error, and the exit code is 0.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct SearchArgs {
    /// The words
    #[arg(required = true)]
    words: Vec<String>,
    /// In this room alone
    #[arg(long, value_name = "ROOM", value_parser = room_name)]
    room: Option<Name>,
    /// At most so many messages [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    limit: Option<u16>,
    /// One JSON object a line, as members in the JSON format are sent them
    #[arg(long)]
    json: bool,
}

pub(super) fn run(tool: &Tool, args: &SearchArgs) -> Result<(), Exit> {
    let mut visit = tool.visit()?;
    let rooms = match &args.room {
        Some(name) => vec![tool.room(&mut visit, name)?],
        None => tool.read(visit.rooms())?,
    };
    // Counted first: what a server puts there meanwhile may not be found.
    let unindexed = tool.read(visit.unindexed())?;
    let words = args.words.join(" ");
    let limit = args.limit.map_or(SEARCH_DEFAULT, usize::from);
    let (mut found, mut more) = (Vec::new(), false);
    for room in &rooms {
        let some = tool.read(visit.read(|reader| reader.search(room.no, &words, limit)))?;
        more |= some.more;
        let rows = tool.read(visit.read(|reader| reader.these(room.no, &some.seqs)))?;
        found.extend(rows.into_iter().map(|row| (room, row)));
        // Never more than one room's beside what is kept of the others.
        found.sort_by_key(|(room, row)| (row.time_us, room.no, row.seq));
        if let Some(too_many @ 1..) = found.len().checked_sub(limit) {
            more = true;
            found.drain(..too_many);
        }
    }
    let with_room = args.room.is_none();
    let mut view = View { json: args.json, lang: tool.lang, with_room, out: Vec::new() };
    for (room, row) in &found {
        view.message(room, row);
    }
    print(&view.out)?;
    if found.is_empty() {
        out::talk(&tool.say("search-none", &[("words", (&words).into())]));
    } else if more {
        out::talk(&tool.say("history-cli-more", &[]));
    }
    if unindexed > 0 {
        out::talk(&tool.say("history-cli-unindexed", &[("count", unindexed.into())]));
    }
    Ok(())
}
