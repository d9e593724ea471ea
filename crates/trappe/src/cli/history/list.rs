//! `trappe history list`.

use std::fmt::Write;

use clap::Args;
use serde_json::json;
use unicode_width::UnicodeWidthStr;

use super::{Exit, Tool, print, shown_time};
use crate::{cli::out, store::RoomState};

const EXAMPLES: &str = "\
Examples:
  trappe history list --data DIR
  trappe history list --data DIR --json | jq -r 'select(.messages > 1000).room'
";

/// The rooms, and how much is kept of each: messages, bytes (bodies, and 100 for each message), the oldest and the newest
/// message (when, and its position), and how many gaps there are.
///
/// The columns are the same wherever they go: words between spaces, a line of headings first.
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct ListArgs {
    /// One JSON object a line, for programs
    #[arg(long)]
    json: bool,
}

pub(super) fn run(tool: &Tool, args: &ListArgs) -> Result<(), Exit> {
    let mut visit = tool.visit()?;
    let rooms = tool.read(visit.rooms())?;
    if args.json {
        let lines: Vec<String> = rooms.iter().map(line).collect();
        return print(lines.concat().as_bytes());
    }
    if rooms.is_empty() {
        out::talk(&tool.say("history-cli-no-rooms", &[]));
        return Ok(());
    }
    let header = tool.say("history-cli-header", &[]);
    let mut rows: Vec<[String; COLUMNS]> =
        vec![cells(header.split_whitespace().map(str::to_owned))];
    rows.extend(rooms.iter().map(row));
    print(table(&rows).as_bytes())
}

const COLUMNS: usize = 8;
/// Those with numbers stand right.
const RIGHT: [bool; COLUMNS] = [false, true, true, false, false, false, false, true];

fn cells(words: impl Iterator<Item = String>) -> [String; COLUMNS] {
    let mut cells = [const { String::new() }; COLUMNS];
    for (cell, word) in cells.iter_mut().zip(words) {
        *cell = word;
    }
    cells
}

fn row(room: &RoomState) -> [String; COLUMNS] {
    let none = || ("-".to_owned(), "-".to_owned());
    let at = |end: Option<(u64, u64)>| {
        end.map_or_else(none, |(seq, time)| (shown_time(time), room.position(seq).to_string()))
    };
    let ((oldest, from), (newest, to)) = (at(room.oldest), at(room.newest));
    let name = room.name.as_str().to_owned();
    let (messages, bytes) = (room.messages.to_string(), room.bytes.to_string());
    [name, messages, bytes, oldest, from, newest, to, room.holes.to_string()]
}

fn table(rows: &[[String; COLUMNS]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let fill = " ".repeat(widths[column] - cell.width());
            let between = if column == 0 { "" } else { "  " };
            let (before, after) = if RIGHT[column] { (&*fill, "") } else { ("", &*fill) };
            write!(out, "{between}{before}{cell}{after}").expect("a string takes everything");
        }
        out.push('\n');
    }
    out
}

/// An object on a line, its keys in the order in which a person would ask.
fn line(room: &RoomState) -> String {
    let at = |key: &str, end: Option<(u64, u64)>| {
        end.map_or_else(String::new, |(seq, time)| {
            let (pos, ts) = (room.position(seq), shown_time(time));
            format!(r#","{key}":{{"pos":"{pos}","ts":"{ts}"}}"#)
        })
    };
    let RoomState { epoch, next_seq, messages, bytes, holes, missing, .. } = room;
    format!(
        r#"{{"room":{},"epoch":"{epoch}","next":{next_seq},"messages":{messages},"bytes":{bytes}"#,
        json!(room.name.as_str()),
    ) + &at("oldest", room.oldest)
        + &at("newest", room.newest)
        + &format!(r#","gaps":{holes},"missing":{missing}}}"#)
        + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_one_another_whatever_the_names_are() {
        let row = |words: &str| cells(words.split(' ').map(str::to_owned));
        let rows =
            [row("room n b o p n p g"), row("日本 7 12345 - - - - 0"), row("a 12 1 - - - - 3")];
        assert_eq!(
            table(&rows),
            "room   n      b  o  p  n  p  g\n\
             日本   7  12345  -  -  -  -  0\n\
             a     12      1  -  -  -  -  3\n"
        );
    }
}
