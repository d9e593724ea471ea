//! What members are told of history: as the schema describes it in JSON, as lines elsewhere.

use serde_json::json;

use super::replies::{Answer, said, to, told};
use crate::{
    command::{Epoch, Format, Lang},
    message::Position,
    reply::{self, Found, To},
};

fn at(seq: u64) -> Position {
    Position { epoch: Epoch::from_random(0), seq }
}

const SPOKE: Answer = |to, out| to.spoke(out, "lobby", true, at(9));
const SPOKE_UNASKED: Answer = |to, out| to.spoke(out, "lobby", false, at(9));
const NOT_STORED: Answer = |to, out| to.not_stored(out, "lobby", at(9));
const NO_SEARCH: Answer = |to, out| to.no_search(out);

/// What stands before and after `count` messages that were found.
fn found(to: To, count: usize, more: bool) -> (String, String) {
    let found = Found { room: "lobby", words: "a\u{1b}\n* b", count, more, position: at(9) };
    let (before, after) = to.around_found(&found);
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (text(before), text(after))
}

#[test]
fn programs_are_told_in_events_with_the_id_of_the_op() {
    let as_op = |name| to(Format::Json, Lang::Fr, Some(name), Some(5));
    for ack in [SPOKE, SPOKE_UNASKED] {
        let event = json!({ "ev": "ack", "room": "lobby", "seq": 9, "id": 5 });
        assert_eq!(told(as_op("send"), ack), event);
    }
    for (op, answer, event) in [
        (
            "send",
            NOT_STORED,
            json!({ "ev": "error", "code": "not-stored", "room": "lobby", "op": "send", "id": 5 }),
        ),
        (
            "search",
            NO_SEARCH,
            json!({ "ev": "error", "code": "no-search", "op": "search", "id": 5 }),
        ),
    ] {
        let mut told = told(as_op(op), answer);
        told.as_object_mut().expect("an object").remove("text");
        assert_eq!(told, event);
    }
    let (before, after) = found(as_op("search"), 20, true);
    assert_eq!(before, "");
    assert_eq!(
        told(as_op("search"), |_, out| out.extend_from_slice(after.as_bytes())),
        json!({
            "ev": "search", "room": "lobby", "words": "a\u{1b}\n* b", "count": 20, "more": true,
            "pos": "aaaaaaaaaa@9", "id": 5,
        })
    );
}

#[test]
fn people_are_told_in_a_sentence_of_their_language() {
    for (answer, french, english) in [
        (SPOKE, "+ack aaaaaaaaaa@9\n", "+ack aaaaaaaaaa@9\n"),
        (SPOKE_UNASKED, "", ""),
        (
            NOT_STORED,
            "! not-stored aaaaaaaaaa@9 : message remis, mais pas gardé : le disque ",
            "! not-stored aaaaaaaaaa@9: message delivered, but not kept: the hub's disk ",
        ),
        (NO_SEARCH, "! no-search ce hub ne garde pas ", "! no-search this hub keeps no history "),
    ] as [(Answer, _, _); _]
    {
        for (lang, beginning) in [(Lang::Fr, french), (Lang::En, english)] {
            let line = said(to(Format::Text, lang, None, None), answer);
            assert!(line.starts_with(beginning), "{line}");
            assert_eq!(line.matches('\n').count(), usize::from(!beginning.is_empty()), "{line}");
        }
    }
    let no_search = said(to(Format::Raw, Lang::Fr, None, None), NO_SEARCH);
    assert!(no_search.contains("--data"), "it is answered in raw too: {no_search}");
}

#[test]
fn raw_is_not_told_unasked_that_a_message_is_not_kept() {
    assert_eq!(said(to(Format::Raw, Lang::Fr, None, None), NOT_STORED), "");
    assert_eq!(said(to(Format::Raw, Lang::Fr, None, None), SPOKE), "+ack aaaaaaaaaa@9\n");
}

#[test]
fn what_was_found_stands_between_two_lines_and_no_words_can_forge_a_third() {
    for (count, more, french, english) in [
        (0, false, "aucun message", "no message"),
        (1, false, "1 message", "1 message"),
        (3, false, "3 messages", "3 messages"),
        (
            20,
            true,
            "les 20 derniers messages ; de plus anciens ont aussi ces mots",
            "the last 20 messages; older ones have these words too",
        ),
    ] {
        let (before, after) = found(to(Format::Text, Lang::Fr, None, None), count, more);
        assert_eq!(before, format!("* recherche « a\\x1b\\x0a* b » : {french}\n"));
        assert_eq!(after, "* fin\n");
        let (before, after) = found(to(Format::Text, Lang::En, None, None), count, more);
        assert_eq!(before, format!("* search \"a\\x1b\\x0a* b\": {english}\n"));
        assert_eq!(after, "* end\n");
    }
}

#[test]
fn each_gap_says_its_cause_and_counts_messages_only_where_there_were_some() {
    for (cause, to, french, english) in [
        ("slow", 9, "gap 8..9 (2 messages)", "gap 8..9 (2 messages)"),
        (
            "unused",
            10_000,
            "gap 8..10000 (numéros réservés, puis jamais donnés : il n'y a pas de message là)",
            "gap 8..10000 (numbers that were set aside, then never given: there is no message)",
        ),
        (
            "not-stored",
            8,
            "gap 8..8 (1 message que le disque n'a pas gardé)",
            "gap 8..8 (1 message that the disk didn't keep)",
        ),
        (
            "damaged",
            9,
            "gap 8..9 (2 messages abîmés sur le disque)",
            "gap 8..9 (2 messages damaged on the disk)",
        ),
    ] {
        assert_eq!(reply::gap(Lang::Fr, cause, (8, to)), french);
        assert_eq!(reply::gap(Lang::En, cause, (8, to)), english);
    }
}
