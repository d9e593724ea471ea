//! What a JSON member may get wrong, and how bodies are kept whole: `error` with a code and where, `id` given back, the
//! connection lives, and nothing is said in the room.

use serde_json::{Value, json};

use crate::hub::Hub;
use crate::json::assert_like;
use crate::json_peer::{BOTH, JsonPeer, Via};

/// The fields of an error that tell where.
const WHERE: [&str; 4] = ["at", "field", "op", "room"];

/// A line, the code that it is answered with, and what else of the error is known, but its sentence; `"*"` is anything.
const TABLE: &str = r####"
# Not JSON: the byte at which it stops being that.
{"op":"send","text": ⇒ bad-json {"at":20,"op":"send"}
{"id":5,"op":"send" "text":"x"} ⇒ bad-json {"at":20,"op":"send","id":5}
{"op":"ping"} et plus ⇒ bad-json {"at":14,"op":"ping"}
{"op":"ping"}{"op":"ping"} ⇒ bad-json {"at":13,"op":"ping"}
{'op':'ping'} ⇒ bad-json {"at":1}
{op:"ping"} ⇒ bad-json {"at":1}
{"op":"ping","id":07} ⇒ bad-json {"at":19,"op":"ping"}
{"op":"ping","text":NaN} ⇒ bad-json {"at":"*","op":"ping"}
{"op":"ping",} ⇒ bad-json {"at":13,"op":"ping"}
{ ⇒ bad-json {"at":1}
# A lone surrogate is no text; neither is a raw control in a string.
{"op":"send","text":"\ud800","id":5} ⇒ bad-json {"at":"*","op":"send"}
{"op":"send","text":"\udc00\ud800"} ⇒ bad-json {"at":"*","op":"send"}
# A duplicate key, wherever it is.
{"op":"send","id":7,"text":"a","text":"b"} ⇒ duplicate-key {"op":"send","id":7,"field":"text"}
{"op":"send","text":"a","t\u0065xt":"b"} ⇒ duplicate-key {"op":"send","field":"text"}
{"op":"hello","rooms":[{"room":"a","room":"b"}]} ⇒ duplicate-key {"op":"hello","field":"room"}
# No op.
{"text":"x","id":3} ⇒ missing-field {"field":"op","id":3}
{} ⇒ missing-field {"field":"op"}
{"op":5,"text":"x","id":3} ⇒ bad-field {"field":"op","id":3}
{"op":"sned","text":"x","id":3} ⇒ unknown-op {"op":"sned","id":3}
{"op":"SEND","text":"x"} ⇒ unknown-op {"op":"SEND"}
{"op":"","id":3} ⇒ unknown-op {"op":"","id":3}
# A field that is missing, or isn't what it should be.
{"op":"send","id":3} ⇒ missing-field {"op":"send","field":"text","id":3}
{"op":"send","text":5,"id":3} ⇒ bad-field {"op":"send","field":"text","id":3}
{"op":"send","text":"x","b64":"eA=="} ⇒ bad-field {"op":"send","field":"b64"}
{"op":"send","b64":"###","id":3} ⇒ bad-field {"op":"send","field":"b64","id":3}
{"op":"send","b64":"eA_-"} ⇒ bad-field {"op":"send","field":"b64"}
{"op":"send","room":7,"text":"x"} ⇒ bad-field {"op":"send","field":"room"}
{"op":"join","id":3} ⇒ missing-field {"op":"join","field":"room","id":3}
{"op":"join","room":["a"]} ⇒ bad-field {"op":"join","field":"room"}
{"op":"join","room":"x","after":true} ⇒ bad-field {"op":"join","field":"after"}
{"op":"nick"} ⇒ missing-field {"op":"nick","field":"name"}
{"op":"msg","text":"x"} ⇒ missing-field {"op":"msg","field":"to"}
{"op":"resume"} ⇒ missing-field {"op":"resume","field":"after"}
{"op":"echo","on":"on"} ⇒ bad-field {"op":"echo","field":"on"}
{"op":"quiet"} ⇒ missing-field {"op":"quiet","field":"on"}
{"op":"format","format":"xml"} ⇒ bad-field {"op":"format","field":"format"}
{"op":"lang","lang":"tlh"} ⇒ bad-field {"op":"lang","field":"lang"}
{"op":"hello","rooms":"lobby"} ⇒ bad-field {"op":"hello","field":"rooms"}
{"op":"hello","rooms":["lobby"]} ⇒ bad-field {"op":"hello","field":"rooms"}
{"op":"hello","rooms":[{"after":1}]} ⇒ missing-field {"op":"hello","field":"room"}
# Names and positions.
{"op":"nick","name":"a b","id":3} ⇒ bad-name {"op":"nick","field":"name","id":3}
{"op":"nick","name":"client-9"} ⇒ bad-name {"op":"nick","field":"name"}
{"op":"nick","name":"a\u202eb"} ⇒ bad-name {"op":"nick","field":"name"}
{"op":"nick","name":""} ⇒ bad-name {"op":"nick","field":"name"}
{"op":"join","room":"../etc","id":3} ⇒ bad-name {"op":"join","field":"room","id":3}
{"op":"send","room":"a b","text":"x"} ⇒ bad-name {"op":"send","field":"room"}
{"op":"resume","after":"hier","id":3} ⇒ bad-position {"op":"resume","field":"after","id":3}
{"op":"join","room":"x","after":"@"} ⇒ bad-position {"op":"join","field":"after"}
# Numbers below 2^53, whole ones: an id that isn't can't be given back.
{"op":"send","text":"x","id":9007199254740992} ⇒ bad-field {"op":"send","field":"id"}
{"op":"send","text":"x","id":18446744073709551616} ⇒ bad-field {"op":"send","field":"id"}
{"op":"send","text":"x","id":-1} ⇒ bad-field {"op":"send","field":"id"}
{"op":"send","text":"x","id":1.5} ⇒ bad-field {"op":"send","field":"id"}
{"op":"send","text":"x","id":"7"} ⇒ bad-field {"op":"send","field":"id"}
{"op":"history","n":0,"id":3} ⇒ bad-field {"op":"history","field":"n","id":3}
{"op":"history","n":9007199254740992} ⇒ bad-field {"op":"history","field":"n"}
{"op":"resume","after":9007199254740992} ⇒ bad-field {"op":"resume","field":"after"}
{"op":"resume","after":-1} ⇒ bad-field {"op":"resume","field":"after"}
# What is well said, but can't be done.
{"op":"send","room":"ailleurs","text":"x","id":3} ⇒ not-in-room {"op":"send","id":3}
{"op":"leave","room":"ailleurs","id":3} ⇒ not-in-room {"op":"leave","id":3}
{"op":"history","room":"ailleurs","id":3} ⇒ not-in-room {"op":"history","id":3}
{"op":"who","room":"ailleurs","id":3} ⇒ no-such-room {"op":"who","id":3}
{"op":"why","name":"personne","id":3} ⇒ no-such-member {"op":"why","id":3}
{"op":"nick","name":"Temoin","id":3} ⇒ name-taken {"op":"nick","id":3}
# Commands that are none.
/mgs temoin secret ⇒ unknown-command {}
/nick a b ⇒ too-many-arguments {}
/auth v ⇒ not-yet {}
/set k#x v ⇒ bad-version {}
/get k! ⇒ bad-key {}
/get k ⇒ no-such-key {}
bonjour ⇒ not-an-op {}
[1,2] ⇒ not-an-op {}
"send" ⇒ not-an-op {}
42 ⇒ not-an-op {}
null ⇒ not-an-op {}
true ⇒ not-an-op {}
//x ⇒ not-an-op {}
/usr/bin/x ⇒ not-an-op {}
quit ⇒ not-an-op {}
"####;

/// The lines of the table, and those that a table of text can't hold.
fn bad_lines() -> Vec<(Vec<u8>, &'static str, Value)> {
    let text = |line: &str| line.as_bytes().to_vec();
    let rows = TABLE.lines().filter(|row| !row.is_empty() && !row.starts_with("# "));
    let mut lines: Vec<(Vec<u8>, &'static str, Value)> = rows
        .map(|row| {
            let (line, wanted) = row.split_once(" ⇒ ").expect("LINE ⇒ CODE KNOWN");
            let (code, known) = wanted.split_once(' ').expect("CODE KNOWN");
            (text(line), code, serde_json::from_str(known).expect("what is known is JSON"))
        })
        .collect();
    lines.push((
        text("{\"op\":\"send\",\"text\":\"a\tb\"}"),
        "bad-json",
        json!({"at": "*", "op": "send"}),
    ));
    lines.push((b"\xff\xfe\x00garbage\x80".to_vec(), "not-an-op", json!({})));
    lines.push((
        b"{\"op\":\"send\",\"text\":\"caf\xe9\",\"id\":3}".to_vec(),
        "bad-json",
        json!({"at": 24, "op": "send"}),
    ));
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [100, 30_000] {
        let line = format!(r#"{{"op":"send","id":3,"text":"x","deep":{}}}"#, deep(depth));
        lines.push((text(&line), "too-deep", json!({"op": "send", "id": 3})));
    }
    let rooms: Vec<Value> = (0..65).map(|n| json!({"room": format!("r{n}")})).collect();
    let hello = json!({"op": "hello", "rooms": rooms}).to_string();
    lines.push((text(&hello), "bad-field", json!({"op": "hello", "field": "rooms"})));
    let fields = (0..300).map(|n| format!(r#","f{n}":0"#)).collect::<Vec<_>>().concat();
    lines.push((
        text(&format!(r#"{{"op":"send","text":"x"{fields}}}"#)),
        "too-many-fields",
        json!({"op": "send"}),
    ));
    let long = "é".repeat(100);
    lines.push((text(&json!({"op": long}).to_string()), "unknown-op", json!({"op": "*"})));
    lines
}

#[test]
fn each_bad_input_is_one_error_and_nothing_is_said() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut witness) = (JsonPeer::member(&hub, via), hub.named("temoin"));
        for (line, code, known) in bad_lines() {
            let about =
                format!("{} by {via:?}", String::from_utf8_lossy(&line[..line.len().min(80)]));
            let mut answer = alice.ask_line(&line);
            assert_eq!(answer.len(), 1, "{about}: {answer:#?}");
            let error = answer[0].as_object_mut().expect("an event is an object");
            assert_eq!(error.remove("ev"), Some(json!("error")), "{about}");
            assert_eq!(error.remove("code"), Some(json!(code)), "{about}");
            let sentence = error.remove("text").expect("a sentence");
            assert!(sentence.as_str().is_some_and(|it| !it.is_empty()), "{about}");
            // A room may be told where the op named one.
            error.remove("room");
            if code == "not-an-op" {
                assert_eq!(error.remove("at"), Some(json!(0)), "{about}");
            }
            assert_like(&answer, &[known], &about);
        }
        alice.ask(&json!({"op": "send", "text": "le premier"}));
        assert_eq!(witness.line(), "<client-1> le premier");
    }
}

#[test]
fn an_error_about_unparsable_or_unknown_input_says_where() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, _witness) = (JsonPeer::member(&hub, Via::Lines), hub.named("temoin"));
    let mut silent = Vec::new();
    for (line, _, _) in bad_lines().into_iter().filter(|(line, _, _)| line[0] != b'/') {
        let answer = alice.ask_line(&line);
        if WHERE.iter().all(|it| answer[0].get(it).is_none()) {
            silent.push(answer[0]["code"].to_string());
        }
    }
    silent.dedup();
    assert!(silent.is_empty(), "these tell nothing: {silent:?}");
}

#[test]
fn a_line_that_is_too_long_is_one_error_and_the_next_is_heard() {
    let hub = Hub::start(&["--quiet"]);
    let (mut alice, mut witness) = (JsonPeer::member(&hub, Via::Lines), hub.named("temoin"));
    let sized = |bytes: usize| {
        let empty = json!({"op": "send", "text": ""}).to_string().len();
        json!({"op": "send", "text": "x".repeat(bytes - empty)}).to_string()
    };
    assert_eq!(alice.ask_line(sized(64 << 10)), [json!({"ev": "ack", "room": "lobby", "seq": 1})]);
    assert!(witness.line().len() > 65_000);
    let answer = alice.ask_line(sized((64 << 10) + 1));
    assert_like(&answer, &[json!({"ev": "error", "code": "too-long", "text": "*"})], "one more");
    alice.ask(&json!({"op": "send", "text": "le suivant"}));
    assert_eq!(witness.line(), "<client-1> le suivant");
}

#[test]
fn a_line_that_is_cut_by_the_end_of_the_stream_is_said_only_if_it_is_whole() {
    let hub = Hub::start(&["--quiet"]);
    let mut witness = hub.member();
    for (cut, said) in
        [(r#"{"op":"send","text":"entière"}"#, true), (r#"{"op":"send","text":"cou"#, false)]
    {
        let alice = JsonPeer::member(&hub, Via::Lines);
        let name = alice.hello()["name"].as_str().expect("a name").to_owned();
        let mut writer = alice.writer();
        std::io::Write::write_all(&mut writer, cut.as_bytes()).expect("the hub reads");
        writer.shutdown(std::net::Shutdown::Write).expect("it is connected");
        let mut alice = alice;
        let codes: Vec<Value> = alice.rest().iter().map(|it| it["ev"].clone()).collect();
        assert_eq!(codes.first(), Some(&json!(if said { "ack" } else { "error" })), "{codes:?}");
        if said {
            assert_eq!(witness.line(), format!("<{name}> entière"));
        }
    }
    hub.named("bob").say("fin");
    assert_eq!(witness.line(), "<bob> fin");
}

#[test]
fn bytes_that_are_not_text_go_both_ways_as_b64_and_nothing_is_lost() {
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let mut alice = JsonPeer::named(&hub, via, "alice");
        let (mut text, mut raw) = (hub.named("bob"), hub.connect());
        raw.send("/framing nul\n/format raw\0/ping fin\0");
        raw.through(b"* pong fin\0");
        // From elsewhere: what is UTF-8 comes as text, the rest as its bytes.
        text.send(b"caf\xe9\n");
        let heard = alice.until(|event| event["ev"] == "msg");
        assert_eq!((&heard["b64"], heard.get("text")), (&json!("Y2Fm6Q=="), None));
        // And out: the padding may be left out, and b64 that is UTF-8 is text.
        for (b64, seq) in [("Y2Fm6Q==", 1), ("Y2Fm6Q", 2), ("AQL/", 3), ("", 4), ("Y2Fmw6k=", 5)] {
            let ack = alice.answer(&json!({"op": "send", "b64": b64}));
            assert!(ack["seq"].as_u64() > Some(seq), "{ack}");
        }
        let old = alice.ask(&json!({"op": "history", "n": 5}));
        let bodies: Vec<_> =
            old[..5].iter().map(|it| it.get("b64").or(it.get("text")).cloned()).collect();
        let wanted = ["Y2Fm6Q==", "Y2Fm6Q==", "AQL/", "", "café"].map(|it| Some(json!(it)));
        assert_eq!(bodies, wanted, "by {via:?}");
        assert_eq!(text.until(|line| line.starts_with('<')), "<alice> caf\\xe9");
        let wanted = b"caf\xe9\0caf\xe9\0caf\xe9\0\x01\x02\xff\0\0caf\xc3\xa9\0";
        assert_eq!(raw.bytes(wanted.len()), wanted);
    }
}

#[test]
fn what_a_terminal_would_obey_is_escaped_and_means_the_same() {
    let controls = (0..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
    let bidi = "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                \u{2066}\u{2067}\u{2068}\u{2069}\u{feff}";
    let text: String =
        controls.chain(bidi.chars()).flat_map(|c| [c, 'a', '\\', '"', 'é', '\u{1f980}']).collect();
    for via in BOTH {
        let hub = Hub::start(&["--quiet"]);
        let (mut alice, mut bob) =
            (JsonPeer::named(&hub, via, "alice"), JsonPeer::member(&hub, via));
        alice.ask(&json!({"op": "send", "text": text}));
        // That nothing of it stands there as it is, is checked of every event.
        assert_eq!(bob.event()["text"], json!(text), "by {via:?}");
        let pong = alice.answer(&json!({"op": "ping", "text": text}));
        assert_eq!(pong["text"], json!(text));
        let error = alice.answer(&json!({"op": text}));
        assert_eq!(error["code"], "unknown-op");
        alice.ask(&json!({"op": "msg", "to": "client-2", "text": text}));
        assert_eq!(bob.event()["text"], json!(text), "by {via:?}");
    }
}
