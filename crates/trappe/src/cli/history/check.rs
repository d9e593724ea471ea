//! `trappe history check`.

use clap::Args;

use super::{
    Exit, Tool,
    bar::{Bar, Unit},
    print_line,
};
use crate::store::{self, Finding};

const EXAMPLES: &str = "\
Examples:
  trappe history check --data DIR && echo sound
";

/// Looks whether the file is what it should be, and says what is wrong: its structure, the sum of each message, rooms,
/// counters, gaps, and the index for searching. Nothing is changed.
///
/// Exit code 0: it is sound; 1: it is damaged, or can't be read. Beside a running server its log grows while this lasts.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct CheckArgs {}

pub(super) fn run(tool: &Tool, _: &CheckArgs) -> Result<(), Exit> {
    let mut visit = tool.visit()?;
    // A damaged file may not even say how many there are.
    let messages = visit.rooms().map_or(0, |rooms| rooms.iter().map(|room| room.messages).sum());
    let bar = Bar::new(messages, Unit::Messages);
    let report = tool.read(store::check(&mut visit, &mut |read| bar.at(read)))?;
    drop(bar);
    for finding in &report.findings {
        print_line(&sentence(tool, finding))?;
    }
    if report.more > 0 {
        print_line(&tool.say("history-cli-and-more", &[("count", report.more.into())]))?;
    }
    if report.unindexed > 0 {
        print_line(&tool.say("history-cli-indexing", &[("count", report.unindexed.into())]))?;
    }
    let path = tool.database();
    let (path, messages) = (("path", (&path).into()), ("messages", report.messages.into()));
    if report.is_sound() {
        let rooms = ("rooms", report.rooms.into());
        return print_line(&tool.say("history-cli-sound", &[path, rooms, messages]));
    }
    let count = ("count", (report.findings.len() as u64 + report.more).into());
    print_line(&tool.say("history-cli-damaged", &[path, count, messages]))?;
    Err(Exit::Failure)
}

/// What is wrong, in words.
fn sentence(tool: &Tool, finding: &Finding) -> String {
    let run = |id: &'static str, room: &str, first: u64, last: u64| {
        tool.say(id, &[("room", room.into()), ("from", first.into()), ("to", last.into())])
    };
    match finding {
        Finding::Structure(text) => tool.say("history-cli-bad-structure", &[("text", text.into())]),
        Finding::Cut { bytes, wanted } => {
            let args = [("bytes", (*bytes).into()), ("wanted", (*wanted).into())];
            tool.say("history-cli-bad-cut", &args)
        }
        Finding::Unreadable { table, why } => {
            let args = [("table", (*table).into()), ("error", why.into())];
            tool.say("history-cli-bad-unreadable", &args)
        }
        Finding::Changed { room, first, last } => {
            run("history-cli-bad-changed", room, *first, *last)
        }
        Finding::NoRoom { no, messages } => {
            let args = [("number", u64::from(*no).into()), ("messages", (*messages).into())];
            tool.say("history-cli-bad-no-room", &args)
        }
        Finding::BadRoom { no, name } => {
            let args = [("number", u64::from(*no).into()), ("name", name.into())];
            tool.say("history-cli-bad-room", &args)
        }
        Finding::Reused { room, next, last } => {
            let args = [("room", room.into()), ("next", (*next).into()), ("last", (*last).into())];
            tool.say("history-cli-bad-reused", &args)
        }
        Finding::Counted { room, said, found } => tool.say(
            "history-cli-bad-counted",
            &[
                ("room", room.into()),
                ("messages", said.0.into()),
                ("bytes", said.1.into()),
                ("found-messages", found.0.into()),
                ("found-bytes", found.1.into()),
            ],
        ),
        Finding::BadHole { room, first, last } => run("history-cli-bad-hole", room, *first, *last),
        Finding::FullHole { room, first, last, messages } => {
            let args = [
                ("room", room.into()),
                ("from", (*first).into()),
                ("to", (*last).into()),
                ("messages", (*messages).into()),
            ];
            tool.say("history-cli-bad-full-hole", &args)
        }
        Finding::Missing { room, first, last } => {
            run("history-cli-bad-missing", room, *first, *last)
        }
        Finding::Journal { piece } => {
            tool.say("history-cli-bad-journal", &[("number", (*piece).into())])
        }
        Finding::Sent { ids } => tool.say("history-cli-bad-sent", &[("count", (*ids).into())]),
        Finding::Index { missing, extra } => {
            let args = [("missing", (*missing).into()), ("extra", (*extra).into())];
            tool.say("history-cli-bad-index", &args)
        }
    }
}
