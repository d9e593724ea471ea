//! `trappe history show`, and how messages are shown.

use clap::Args;
use trappe_core::{
    command::{At, Lang},
    encode::{escape::text_line, json, text},
    event::{Event, Said},
    message::Author,
    name::Name,
    reply,
};

use super::{Exit, Tool, print, room_name, shown_time};
use crate::store::{Hole, RoomState, Row};

const EXAMPLES: &str = "\
Examples:
  trappe history show lobby --data DIR               all that is kept of the lobby
  trappe history show lobby --limit 20               the last twenty messages
  trappe history show lobby --after 7f3ak2m9qd@1043  what follows that position
  trappe history show lobby --json | jq -r .text     the bodies alone
";

/// The messages of a room, oldest first, with their times; what is missing is told where it is missing.
///
/// What a terminal would obey is shown escaped, wherever it goes; exact is --json: the events that members in the JSON
/// format are sent (docs/protocol.md).
#[derive(Debug, Args)]
#[command(before_help = EXAMPLES)]
pub(super) struct ShowArgs {
    /// The room
    #[arg(value_parser = room_name)]
    room: Name,
    /// Only what follows this position
    #[arg(long, value_name = "POS")]
    after: Option<At>,
    /// At most so many messages: the last ones or, with --after, the first
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// One JSON object a line, for programs
    #[arg(long)]
    json: bool,
}

/// What is read in one short transaction: nobody who writes waits for longer.
const PORTION_MESSAGES: u64 = 1000;
const PORTION_BYTES: usize = 1 << 20;

pub(super) fn run(tool: &Tool, args: &ShowArgs) -> Result<(), Exit> {
    let mut visit = tool.visit()?;
    let room = tool.room(&mut visit, &args.room)?;
    let mut view = View { json: args.json, lang: tool.lang, with_room: false, out: Vec::new() };
    let (oldest, end) = (room.first(), room.end());
    let mut from = match (args.after, args.limit) {
        (Some(at), _) => {
            // As a hub takes a position: one past its end is of a life that it doesn't know.
            let other =
                at.epoch.is_some_and(|epoch| epoch != room.epoch || at.seq >= room.next_seq);
            let next = at.seq.saturating_add(1);
            if other || next < oldest {
                view.gone(&room, (!other).then_some(next));
            }
            if other { oldest } else { next.max(oldest) }
        }
        (None, Some(limit)) => {
            tool.read(visit.read(|reader| reader.last(room.no, limit, end)))?.0.max(oldest)
        }
        (None, None) => oldest,
    };
    let mut left = args.limit.unwrap_or(u64::MAX);
    while from < end && left > 0 {
        let most = usize::try_from(left.min(PORTION_MESSAGES)).unwrap_or(usize::MAX);
        let portion = tool
            .read(visit.read(|reader| reader.portion(room.no, from, end, most, PORTION_BYTES)))?;
        if let Some(hole) = &portion.gap {
            view.gap(&room, hole);
        }
        for row in &portion.rows {
            view.message(&room, row);
        }
        left -= (portion.rows.len() as u64).min(left);
        from = portion.next;
        print(&view.out)?;
        view.out.clear();
    }
    print(&view.out)
}

/// How messages are shown.
pub(super) struct View {
    pub(super) json: bool,
    pub(super) lang: Lang,
    /// The room is told with each message.
    pub(super) with_room: bool,
    /// What is shown next.
    pub(super) out: Vec<u8>,
}

impl View {
    pub(super) fn message(&mut self, room: &RoomState, row: &Row) {
        let author = Author { number: row.sid, name: row.author.clone() };
        if self.json {
            let said = Said {
                room: room.name.as_str(),
                seq: row.seq,
                from: &author,
                time_us: row.time_us,
                id: row.mid,
                body: &row.body,
                old: false,
                own: false,
            };
            json::msg(&mut self.out, &said);
            self.out.push(b'\n');
            return;
        }
        let time = shown_time(row.time_us);
        let place = if self.with_room { format!("[{}] ", room.name) } else { String::new() };
        text_line(&mut self.out, format!("{time} {place}<{author}> ").as_bytes(), &row.body);
    }

    /// Numbers that are in no history.
    fn gap(&mut self, room: &RoomState, hole: &Hole) {
        let cause = hole.cause.as_str();
        if self.json {
            let (room, from, to) = (room.name.as_str(), Some(hole.first), Some(hole.last));
            self.event(&Event::Gap { room, from, to, cause, oldest: None, id: None });
        } else {
            text::notice(&mut self.out, &reply::gap(self.lang, cause, (hole.first, hole.last)));
        }
    }

    /// What was asked for is no longer kept, from this number on; none: it is of another life.
    fn gone(&mut self, room: &RoomState, from: Option<u64>) {
        let oldest = room.position(room.first());
        if !self.json {
            return text::error(&mut self.out, "gap", &format!("oldest={oldest}"));
        }
        self.event(&Event::Gap {
            room: room.name.as_str(),
            from,
            to: from.map(|_| oldest.seq - 1),
            cause: if from.is_some() { "forgotten" } else { "epoch" },
            oldest: Some(oldest),
            id: None,
        });
    }

    fn event(&mut self, event: &Event<'_>) {
        json::event(&mut self.out, event);
        self.out.push(b'\n');
    }
}
