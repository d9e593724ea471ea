//! What is said about history: acknowledgements, what isn't kept, what was found, what is missing.

use super::{Args, To};
use crate::{
    command::{Format, Lang},
    event::Event,
    message::Position,
    words::say,
};

/// What `/search` is answered by: it stands around the messages that were found.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Where was searched.
    pub room: &'a str,
    /// What was searched for, as the member gave it.
    pub words: &'a str,
    /// How many messages are given.
    pub count: usize,
    /// Older messages have these words too.
    pub more: bool,
    /// Where the member stands in the room, as before.
    pub position: Position,
}

impl To {
    /// The member's message has its place in the order, and, where history is on, on disk: acknowledges it, if that was
    /// asked for (`ack`), and always in JSON. [`To::id`] is the message's own.
    pub fn spoke(self, out: &mut Vec<u8>, room: &str, ack: bool, position: Position) {
        if self.look.is_json() {
            let (room, seq, id) = (Some(room), Some(position.seq), self.id);
            self.look.event(out, &Event::Ack { room, seq, op: None, count: None, id });
        } else if ack {
            self.look.ack(out, position);
        }
    }

    /// The member's message was delivered, and will be in no history: said in the place of the acknowledgement. Raw is told
    /// nothing that it didn't ask for.
    pub fn not_stored(self, out: &mut Vec<u8>, room: &str, position: Position) {
        let sentence = not_stored(self.look.lang, position);
        if self.look.is_json() {
            let event = Event::Error {
                code: "not-stored",
                text: &sentence,
                op: self.op,
                id: self.id,
                at: None,
                field: None,
                room: Some(room),
            };
            self.look.event(out, &event);
        } else if self.look.format != Format::Raw {
            self.look.error(out, "not-stored", &sentence);
        }
    }

    /// The hub keeps no history on disk, and so has nothing to search.
    pub fn no_search(self, out: &mut Vec<u8>) {
        self.error(out, "no-search", &say(self.look.lang, "no-search", &[]));
    }

    /// `/search`: what stands before the messages that were found, and after them. In JSON it is one event, after them.
    #[must_use]
    pub fn around_found(self, found: &Found<'_>) -> (Vec<u8>, Vec<u8>) {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let (look, id) = (self.look, self.id);
        let Found { room, words, count, more, position } = *found;
        if look.is_json() {
            look.event(&mut after, &Event::Search { room, words, count, more, position, id });
        } else {
            let sentence = match (count, more) {
                (0, _) => "search-none",
                (_, false) => "search-begin",
                (_, true) => "search-more",
            };
            let args = [("words", words.into()), ("count", count.into())];
            look.notice(&mut before, &say(look.lang, sentence, &args));
            look.notice(&mut after, &say(look.lang, "history-end", &[]));
        }
        (before, after)
    }
}

/// That a message was delivered, and will be in no history.
#[must_use]
pub fn not_stored(lang: Lang, position: Position) -> String {
    let position = position.to_string();
    say(lang, "not-stored", &[("position", position.as_str().into())])
}

/// That messages are missing, from one to another; `cause` is that of [`Event::Gap`]. Causes without a sentence of their
/// own are said as slowness is: by the numbers alone.
#[must_use]
pub fn gap(lang: Lang, cause: &str, (from, to): (u64, u64)) -> String {
    let count = to.saturating_sub(from).saturating_add(1);
    let args: Args<'_> = &[("from", from.into()), ("to", to.into()), ("count", count.into())];
    let id = match cause {
        // There were no messages: no count of them either.
        "unused" => return say(lang, "gap-unused", &args[..2]),
        "not-stored" => "gap-not-stored",
        "damaged" => "gap-damaged",
        _ => "gap",
    };
    say(lang, id, args)
}
