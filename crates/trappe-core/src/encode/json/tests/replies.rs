//! What members are told of shared state and of `/udp`: as the schema describes it in JSON, as a line elsewhere.

use serde_json::{Value, json};

use super::schema::{reasons, validator};
use crate::{
    command::{Format, Lang, Parsed, parse},
    encode::{Look, Wire},
    framing::Framing,
    op,
    reply::{self, To},
    state_key::StateKey,
};

const KEY: &str = "abcdefghijklmnopqrstuvwxyz";

/// To one who asked by an op of this name and id; lines know of neither.
pub(super) fn to(format: Format, lang: Lang, op: Option<&'static str>, id: Option<u64>) -> To {
    let look = Look { format, framing: Framing::Line, wire: Wire::Stream, lang, quiet: false };
    To { look, op, id }
}

pub(super) fn said(to: To, answer: impl FnOnce(To, &mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    answer(to, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// The one object that a program is told, which is an event of the schema.
pub(super) fn told(to: To, answer: impl FnOnce(To, &mut Vec<u8>)) -> Value {
    let line = said(to, answer);
    let value = serde_json::from_str(line.strip_suffix('\n').expect("a line")).expect("JSON");
    assert_eq!(reasons(&validator("event"), &value), [""; 0], "{line}");
    value
}

fn key() -> StateKey {
    StateKey::parse("a/1").expect("a key")
}

pub(super) type Answer = fn(To, &mut Vec<u8>);

const STATE_ACK: Answer = |to, out| to.state_ack(out);
const FOLLOWING: Answer = |to, out| to.following(out, "lobby", 2);
const NO_SUCH_KEY: Answer = |to, out| to.no_such_key(out, &key());
const STALE_VERSION: Answer = |to, out| to.stale_version(out, &key(), u32::MAX);
const STATE_FULL: Answer = |to, out| to.state_full(out, "lobby");
const UDP_KEY: Answer = |to, out| to.udp_key(out, KEY, 60);
const UDP_ATTACHED: Answer = |to, out| to.udp_attached(out, "[::1]:40000");
const TOO_LONG: Answer = |to, out| to.too_long_for_datagram(out, "bob");

#[test]
fn programs_are_told_in_events_with_the_id_of_the_op() {
    let as_op = |name| to(Format::Json, Lang::Fr, Some(name), Some(5));
    let error = |code, op| json!({ "ev": "error", "code": code, "op": op, "id": 5 });
    for (op, answer, event) in [
        ("set", STATE_ACK, json!({ "ev": "ack", "op": "set", "id": 5 })),
        ("get", FOLLOWING, json!({ "ev": "ack", "op": "get", "count": 2, "id": 5 })),
        ("get", NO_SUCH_KEY, error("no-such-key", "get")),
        ("set", STALE_VERSION, error("stale-version", "set")),
        ("set", STATE_FULL, error("state-full", "set")),
        ("udp", UDP_KEY, json!({ "ev": "udp", "key": KEY, "seconds": 60, "id": 5 })),
        ("msg", TOO_LONG, error("mtu", "msg")),
    ] {
        let mut told = told(as_op(op), answer);
        told.as_object_mut().expect("an object").remove("text");
        assert_eq!(told, event);
    }
}

#[test]
fn programs_that_gave_no_id_are_told_no_more_than_lines_are() {
    let command = to(Format::Json, Lang::Fr, None, None);
    assert_eq!(said(command, STATE_ACK), "");
    assert_eq!(said(to(Format::Json, Lang::Fr, Some("set"), None), STATE_ACK), "");
    let following = json!({ "ev": "ack", "op": "get", "count": 2 });
    assert_eq!(told(command, FOLLOWING), following);
    let attached = json!({ "ev": "udp", "address": "[::1]:40000" });
    assert_eq!(told(To::unasked(command.look), UDP_ATTACHED), attached);
}

#[test]
fn people_are_told_in_a_sentence_of_their_language() {
    for (answer, french, english) in [
        (STATE_ACK, "", ""),
        (FOLLOWING, "* état de lobby : 2 clés\n", "* state of lobby: 2 keys\n"),
        (
            |to, out| to.following(out, "lobby", 1),
            "* état de lobby : 1 clé\n",
            "* state of lobby: 1 key\n",
        ),
        (
            NO_SUCH_KEY,
            "! no-such-key cette clé n'a pas de valeur ici : a/1 ; ",
            "! no-such-key this key has no value here: a/1; ",
        ),
        (
            STALE_VERSION,
            "! stale-version a/1 : vous avez déjà donné la version 4294967295 ou une plus récente ; ",
            "! stale-version a/1: you have given version 4294967295 or a newer one already; ",
        ),
        (STATE_FULL, "! state-full il n'y a plus de place", "! state-full there is no space left"),
        (UDP_KEY, "* d'ici 60 s, envoyez à ce port ", "* within 60 s, send to this port "),
        (
            UDP_ATTACHED,
            "* ce que dit [::1]:40000 par datagrammes est désormais dit par vous\n",
            "* what [::1]:40000 says by datagrams is said by you from now on\n",
        ),
        (TOO_LONG, "! mtu bob reçoit par datagrammes", "! mtu bob receives by datagrams"),
    ] as [(Answer, _, _); _]
    {
        for (lang, beginning) in [(Lang::Fr, french), (Lang::En, english)] {
            for format in [Format::Text, Format::Raw] {
                let line = said(to(format, lang, None, None), answer);
                assert!(line.starts_with(beginning), "{line}");
                assert_eq!(
                    line.matches('\n').count(),
                    usize::from(!beginning.is_empty()),
                    "{line}"
                );
            }
        }
    }
    let line = said(to(Format::Text, Lang::Fr, None, None), UDP_KEY);
    assert!(line.contains(&format!(" {KEY} ")), "{line}");
}

#[test]
fn a_bad_key_or_version_is_refused_with_its_rule() {
    for (command, code, french, english) in [
        ("/set # x", "bad-key", "une clé ne peut pas être vide", "a key can't be empty"),
        ("/get a=b", "bad-key", "« = » ne va pas dans une clé", "\"=\" can't be in a key"),
        ("/get a\u{1b}", "bad-key", "« \\x1b » ne va", "\"\\x1b\" can't"),
        ("/get \u{301}", "bad-key", "dans une clé, un signe combiné", "in a key, a combining mark"),
        (&format!("/get {}", "a".repeat(65)), "bad-key", "une clé a 64 car", "a key has 64 char"),
        ("/set a#-1 x", "bad-version", "« -1 » n'est pas une version", "\"-1\" is no version"),
    ] {
        let Parsed::Bad(refusal) = parse(command.as_bytes()) else { panic!("{command} is taken") };
        for (lang, beginning) in [(Lang::Fr, french), (Lang::En, english)] {
            let (found, sentence) = reply::refusal(lang, &refusal);
            assert_eq!(found, code);
            assert!(sentence.starts_with(beginning), "{sentence}");
        }
    }
    for (line, code, field, part) in [
        (r#"{"op":"get","key":"","id":5}"#, "bad-key", "key", "a key can't be empty"),
        (r#"{"op":"set","key":"a","v":-1,"id":5}"#, "bad-version", "v", " from 0 to 2^32 − 1"),
        (r#"{"op":"set","key":"a","v":"1","id":5}"#, "bad-field", "v", " from 0 to 2^32 − 1"),
    ] {
        let bad = op::parse(line.as_bytes()).expect_err("it is wrong");
        let look = to(Format::Json, Lang::En, None, None).look;
        let event = told(To::unasked(look), |to, out| reply::bad_op(to.look, out, &bad));
        assert_eq!(
            (&event["code"], &event["field"], &event["id"]),
            (&json!(code), &json!(field), &json!(5))
        );
        assert!(event["text"].as_str().expect("a sentence").contains(part), "{event}");
    }
}
