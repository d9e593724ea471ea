//! `trappe history prune`.

use clap::Args;
use trappe_core::{keep::Keep as Bounds, limits::HISTORY_TIDY_ROWS, name::Name};

use super::{
    Exit, Tool,
    bar::{Bar, Unit},
    now_us, print_line, room_name, size_of,
};
use crate::store::{DbError, Keep, Store};

const EXAMPLES: &str = "\
Examples:
  trappe history prune --data DIR --keep 30d          what is older goes
  trappe history prune --keep 1000msg --room lobby    the lobby alone
  trappe history prune --keep-total 1GiB              all rooms together; the largest gives way first
";

/// Takes away the oldest messages, says how many, and gives their space back. The server has to be stopped: a running one
/// does this by itself (trappe server --keep).
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct PruneArgs {
    /// What is kept of each room: any of a count, an age (s, min, h, d) and a size; what isn't named sets no bound
    #[arg(long, value_name = "Nmsg,AGE,SIZE", required_unless_present = "keep_total")]
    keep: Option<Bounds>,
    /// The same for all rooms together
    #[arg(long, value_name = "Nmsg,AGE,SIZE", conflicts_with = "room")]
    keep_total: Option<Bounds>,
    /// This room alone
    #[arg(long, value_name = "ROOM", value_parser = room_name)]
    room: Option<Name>,
}

pub(super) fn run(tool: &Tool, args: &PruneArgs) -> Result<(), Exit> {
    let only = match &args.room {
        Some(name) => Some(tool.room(&mut tool.visit()?, name)?.no),
        None => None,
    };
    let path = tool.dir.join("history.db");
    let before = size_of(&path);
    let (folder, mut opened) = tool.hold(false)?;
    let keep =
        Keep { room: args.keep.unwrap_or_default(), total: args.keep_total.unwrap_or_default() };
    let removed = prune(&mut opened.store, &keep, only);
    tool.read(opened.store.close(&folder, &[], opened.next_member))?;
    let removed = tool.read(removed)?;
    let args =
        [("messages", removed.into()), ("bytes", size_of(&path).into()), ("before", before.into())];
    print_line(&tool.say("history-cli-pruned", &args))
}

/// In small steps, until nothing is too much; tells how many messages went.
fn prune(store: &mut Store, keep: &Keep, only: Option<u32>) -> Result<u64, DbError> {
    let bar = Bar::new(0, Unit::Messages);
    let (now_us, mut removed) = (now_us(), 0);
    loop {
        let step = match only {
            Some(no) => store.prune_in(no, &keep.room, now_us, HISTORY_TIDY_ROWS)?,
            None => store.prune(keep, now_us, HISTORY_TIDY_ROWS)?,
        };
        removed += step.removed;
        bar.at(removed);
        if store.needs_checkpoint() {
            store.checkpoint()?;
        }
        // Of all rooms together one gives way in each step: only when none does it is enough.
        if step.removed == 0 {
            break;
        }
    }
    store.shrink()?;
    Ok(removed)
}
