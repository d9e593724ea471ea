//! What each op asks for, and what each wrong line is told.

use super::*;
use crate::{
    command::{Format, Lang},
    limits::{
        HISTORY_DEFAULT, OP_DEPTH, OP_FIELDS, ROOMS_OF_MEMBER, SEARCH_CHARS, SEARCH_DEFAULT,
        SEARCH_MAX, STATE_KEY_CHARS,
    },
    name::NAME_BYTES_TYPED,
    state_key::StateKey,
};

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn at(text: &str) -> At {
    text.parse().expect("a position")
}

fn send(body: &[u8]) -> What {
    What::Send { body: body.into() }
}

fn hello(session: Option<&str>, rooms: Option<&[(&str, Option<&str>)]>) -> What {
    let rooms =
        rooms.map(|rooms| rooms.iter().map(|(r, after)| (name(r), after.map(at))).collect());
    What::Hello { session: session.map(Box::from), rooms }
}

fn join(room: &str, after: Option<&str>) -> What {
    What::Request(Request::Join { room: name(room), after: after.map(at) })
}

fn msg(to: &str, body: &[u8]) -> What {
    What::Request(Request::Msg { to: to.into(), body: body.into() })
}

fn key(text: &str) -> StateKey {
    StateKey::parse(text).expect("a key")
}

fn search(words: &str, count: usize) -> Request {
    Request::Search { words: words.into(), count }
}

fn set(text: &str, version: Option<u32>, value: &[u8]) -> Request {
    Request::Set { key: key(text), version, value: value.into() }
}

#[test]
fn what_is_sent_and_joined_is_read_in_full() {
    for (fields, room, what) in [
        (r#""op":"send","text":"à toi""#, None, send("à toi".as_bytes())),
        (r#""op":"send","room":"salle","text":"x""#, Some("salle"), send(b"x")),
        (r#""op":"send","text":"""#, None, send(b"")),
        (r#""op":"send","text":"a\n\u00e9\ud83d\ude00""#, None, send("a\né😀".as_bytes())),
        (r#""op":"send","text":"\u0000""#, None, send(b"\0")),
        (r#""op":"send","text":"/quit""#, None, send(b"/quit")),
        (r#""op":"send","b64":"/+8=""#, None, send(b"\xff\xef")),
        (r#""op":"send","b64":"/+8""#, None, send(b"\xff\xef")),
        (r#""op":"send","b64":"""#, None, send(b"")),
        (r#""op":"send","text":"x","b64":null"#, None, send(b"x")),
        (r#""op":"hello""#, None, hello(None, None)),
        (r#""op":"hello","session":"s","rooms":[]"#, None, hello(Some("s"), Some(&[]))),
        (
            r#""op":"hello","rooms":[{"room":"a","after":"aaaaaaaaaa@7"},{"new":1,"room":"b"}]"#,
            None,
            hello(None, Some(&[("a", Some("aaaaaaaaaa@7")), ("b", None)])),
        ),
        (r#""op":"join","room":"Salle""#, Some("Salle"), join("Salle", None)),
        (
            r#""op":"join","room":"a","after":"aaaaaaaaaa@3""#,
            Some("a"),
            join("a", Some("aaaaaaaaaa@3")),
        ),
        (r#""op":"join","room":"a","after":"3""#, Some("a"), join("a", Some("3"))),
        (r#""op":"join","room":"a","after":0"#, Some("a"), join("a", Some("0"))),
        (r#""op":"msg","to":"client-17","text":" x\n""#, None, msg("client-17", b" x\n")),
        (r#""op":"msg","to":"bob","b64":"AA==""#, None, msg("bob", b"\0")),
    ] {
        check(fields, room, what);
    }
}

#[test]
fn what_a_command_can_ask_an_op_can_ask() {
    let text = Box::<str>::from;
    let in_a = Some("a");
    for (fields, room, request) in [
        (r#""op":"leave""#, None, Request::Leave),
        (r#""op":"leave","room":"a""#, in_a, Request::Leave),
        (r#""op":"nick","name":"e\u0301lise""#, None, Request::Nick(name("élise"))),
        (r#""op":"who""#, None, Request::Who(None)),
        (r#""op":"who","room":"a""#, in_a, Request::Who(Some(text("a")))),
        (r#""op":"rooms""#, None, Request::Rooms),
        (r#""op":"history""#, None, Request::History(HISTORY_DEFAULT)),
        (r#""op":"history","room":"a","n":3"#, in_a, Request::History(3)),
        (r#""op":"search","words":"mot""#, None, search("mot", SEARCH_DEFAULT)),
        (r#""op":"search","room":"a","words":" é \n 漢","count":1"#, in_a, search(" é \n 漢", 1)),
        (r#""op":"search","words":"a","count":101"#, None, search("a", SEARCH_MAX)),
        (r#""op":"search","words":"a","count":9007199254740991"#, None, search("a", SEARCH_MAX)),
        (r#""op":"resume","after":5"#, None, Request::Resume(at("5"))),
        (
            r#""op":"resume","room":"a","after":"aaaaaaaaaa@5""#,
            in_a,
            Request::Resume(at("aaaaaaaaaa@5")),
        ),
        (r#""op":"set","key":"score","text":"3""#, None, set("score", None, b"3")),
        (
            r#""op":"set","room":"a","key":"Score","v":7,"text":"a\nb""#,
            in_a,
            set("Score", Some(7), b"a\nb"),
        ),
        (r#""op":"set","key":"e\u0301tage/2","v":0,"text":"""#, None, set("étage/2", Some(0), b"")),
        (
            r#""op":"set","key":"a","v":4294967295,"b64":"/+8""#,
            None,
            set("a", Some(u32::MAX), b"\xff\xef"),
        ),
        (r#""op":"set","key":"a","v":null,"b64":"","value":1"#, None, set("a", None, b"")),
        (r#""op":"get""#, None, Request::Get(None)),
        (r#""op":"get","room":"a","key":null"#, in_a, Request::Get(None)),
        (r#""op":"get","room":"a","key":"Score""#, in_a, Request::Get(Some(key("Score")))),
        (r#""op":"udp""#, None, Request::Udp),
        (r#""op":"ping""#, None, Request::Ping(text(""))),
        (r#""op":"ping","text":"a\nb""#, None, Request::Ping(text("a\nb"))),
        (r#""op":"quit""#, None, Request::Quit(text(""))),
        (r#""op":"quit","text":"à demain""#, None, Request::Quit(text("à demain"))),
        (r#""op":"format","format":"raw""#, None, Request::Format(Format::Raw)),
        (r#""op":"format","format":"json""#, None, Request::Format(Format::Json)),
        (r#""op":"lang","lang":"EN""#, None, Request::Lang(Lang::En)),
        (r#""op":"echo","on":true"#, None, Request::Echo(true)),
        (r#""op":"quiet","on":false"#, None, Request::Quiet(false)),
        (r#""op":"why""#, None, Request::Why(None)),
        (r#""op":"why","name":"client-1""#, None, Request::Why(Some(text("client-1")))),
    ] {
        check(fields, room, What::Request(request));
    }
}

/// These fields, and an `id` after them, are read as this.
fn check(fields: &str, room: Option<&str>, what: What) {
    let line = format!(r#"{{{fields},"id":7}}"#);
    let op = parse(line.as_bytes()).unwrap_or_else(|bad| panic!("{line}: {bad:?}"));
    let word = fields.split('"').nth(3).expect("the op's word comes first");
    assert_eq!(op, Op { name: op.name, room: room.map(name), id: Some(7), what }, "{line}");
    assert_eq!(op.name, word);
}

#[test]
fn an_op_may_be_written_in_any_way_of_json() {
    let most = (1 << 53) - 1;
    for (line, id) in [
        (r#"{"op":"rooms"}"#, None),
        (" \t\r\n{ \"op\" : \"rooms\" } \n", None),
        (r#"{"\u006fp":"\u0072ooms"}"#, None),
        (r#"{"id":0,"op":"rooms"}"#, Some(0)),
        (r#"{"op":"rooms","id":9007199254740991}"#, Some(most)),
        (r#"{"op":"rooms","id":null}"#, None),
        (r#"{"op":"rooms","room":5,"text":[],"on":{"a":[1,-2,3.5,null,{"b":true}]}}"#, None),
    ] {
        let op = Op { name: "rooms", room: None, id, what: What::Request(Request::Rooms) };
        assert_eq!(parse(line.as_bytes()), Ok(op), "{line}");
    }
}

#[test]
fn each_op_of_the_protocol_is_known_once_by_its_exact_word() {
    let mut words: Vec<&str> = OPS.iter().map(|(word, _)| *word).collect();
    let all = "auth echo format get hello history join lang leave msg nick ping quiet quit resume rooms \
               search send set udp who why";
    words.sort_unstable();
    assert_eq!(words, all.split(' ').collect::<Vec<_>>());
    for word in words {
        let line = format!(r#"{{"op":"{}"}}"#, word.to_ascii_uppercase());
        let bad = parse(line.as_bytes()).expect_err("ops are written small");
        assert_eq!(bad.code(), "unknown-op");
    }
}

#[test]
fn a_wrong_field_is_named_and_the_id_given_back() {
    use Wanted::{
        Base64, Count, Format, Lang, Line, Number, OneBody, Position, Rooms, Something, Switch,
        Text, Version,
    };
    use WhyBad::{BadField, BadKey, BadName, BadVersion, MissingField};
    let position = |given: &str| WhyBad::BadPosition { given: given.into() };
    for (fields, field, why) in [
        (r#""op":"send""#, "text", MissingField),
        (r#""op":"send","txt":"x""#, "text", MissingField),
        (r#""op":"send","text":null"#, "text", MissingField),
        (r#""op":"send","text":5"#, "text", BadField(Text)),
        (r#""op":"send","text":"x","b64":"AA==""#, "b64", BadField(OneBody)),
        (r#""op":"send","b64":true"#, "b64", BadField(Text)),
        (r#""op":"send","b64":"A""#, "b64", BadField(Base64)),
        (r#""op":"send","b64":"-_8=""#, "b64", BadField(Base64)),
        (r#""op":"send","b64":"AA==\n""#, "b64", BadField(Base64)),
        (r#""op":"send","b64":"AB""#, "b64", BadField(Base64)),
        (r#""op":"send","text":"x","room":["a"]"#, "room", BadField(Text)),
        (r#""op":"send","text":"x","room":"a b""#, "room", BadName(NameError::Character(' '))),
        (r#""op":"send","text":"x","room":"..""#, "room", BadName(NameError::Reserved)),
        (r#""op":"send","text":"x","room":"""#, "room", BadName(NameError::Empty)),
        (r#""op":"hello","session":1"#, "session", BadField(Text)),
        (r#""op":"hello","rooms":"lobby""#, "rooms", BadField(Rooms)),
        (r#""op":"hello","rooms":{}"#, "rooms", BadField(Rooms)),
        (r#""op":"hello","rooms":["lobby"]"#, "rooms", BadField(Rooms)),
        (r#""op":"hello","rooms":[{}]"#, "room", MissingField),
        (
            r#""op":"hello","rooms":[{"room":"a"},{"room":"http"}]"#,
            "room",
            BadName(NameError::Reserved),
        ),
        (r#""op":"hello","rooms":[{"room":"a","after":"x"}]"#, "after", position("x")),
        (r#""op":"join""#, "room", MissingField),
        (r#""op":"join","room":"a","after":"1@1""#, "after", position("1@1")),
        (r#""op":"join","room":"a","after":-1"#, "after", BadField(Position)),
        (r#""op":"join","room":"a","after":9007199254740992"#, "after", BadField(Position)),
        (r#""op":"join","room":"a","after":1.0"#, "after", BadField(Position)),
        (r#""op":"leave","room":"#, "room", WhyBad::BadJson),
        (r#""op":"nick""#, "name", MissingField),
        (r#""op":"nick","name":"client-7""#, "name", BadName(NameError::Reserved)),
        (r#""op":"msg","text":"x""#, "to", MissingField),
        (r#""op":"msg","to":"bob""#, "text", MissingField),
        (r#""op":"msg","to":"bob","text":"""#, "text", BadField(Something)),
        (r#""op":"msg","to":"bob","b64":"""#, "b64", BadField(Something)),
        (r#""op":"history","n":0"#, "n", BadField(Count)),
        (r#""op":"history","n":"3""#, "n", BadField(Count)),
        (r#""op":"history","n":9007199254740992"#, "n", BadField(Count)),
        (r#""op":"resume""#, "after", MissingField),
        (r#""op":"set","text":"x""#, "key", MissingField),
        (r#""op":"set","key":null,"text":"x""#, "key", MissingField),
        (r#""op":"set","key":7,"text":"x""#, "key", BadField(Text)),
        (r#""op":"set","key":"","text":"x""#, "key", BadKey(StateKeyError::Empty)),
        (r#""op":"set","key":"a#1","text":"x""#, "key", BadKey(StateKeyError::Character('#'))),
        (r#""op":"set","key":"a\nb","text":"x""#, "key", BadKey(StateKeyError::Character('\n'))),
        (r#""op":"set","key":"\u0301","text":"x""#, "key", BadKey(StateKeyError::Marks)),
        (r#""op":"set","key":"a","v":"1","text":"x""#, "v", BadField(Version)),
        (r#""op":"set","key":"a","v":true,"text":"x""#, "v", BadField(Version)),
        (r#""op":"set","key":"a","v":-1,"text":"x""#, "v", BadVersion),
        (r#""op":"set","key":"a","v":1.0,"text":"x""#, "v", BadVersion),
        (r#""op":"set","key":"a","v":4294967296,"text":"x""#, "v", BadVersion),
        (r#""op":"set","key":"a""#, "text", MissingField),
        (r#""op":"set","key":"a","value":"x""#, "text", MissingField),
        (r#""op":"set","key":"a","text":3"#, "text", BadField(Text)),
        (r#""op":"set","key":"a","text":"x","b64":"AA==""#, "b64", BadField(OneBody)),
        (
            r#""op":"set","room":"a b","key":"a","text":"x""#,
            "room",
            BadName(NameError::Character(' ')),
        ),
        (r#""op":"get","key":["a"]"#, "key", BadField(Text)),
        (r#""op":"get","key":"a b""#, "key", BadKey(StateKeyError::Character(' '))),
        (r#""op":"get","room":"..""#, "room", BadName(NameError::Reserved)),
        (r#""op":"quit","text":"a\n* bob""#, "text", BadField(Line)),
        (r#""op":"quit","text":"a\rb""#, "text", BadField(Line)),
        (r#""op":"format""#, "format", MissingField),
        (r#""op":"format","format":"xml""#, "format", BadField(Format)),
        (r#""op":"lang","lang":1"#, "lang", BadField(Lang)),
        (r#""op":"echo""#, "on", MissingField),
        (r#""op":"echo","on":"on""#, "on", BadField(Switch)),
        (r#""op":"quiet","on":1"#, "on", BadField(Switch)),
        (r#""op":"why","name":{}"#, "name", BadField(Text)),
    ] {
        let word = fields.split('"').nth(3).map(Box::from);
        let line = format!(r#"{{{fields},"id":7}}"#);
        let mut expected =
            BadOp { op: word, id: Some(7), at: None, field: Some(field), why: why.clone() };
        if why == WhyBad::BadJson {
            // A value is missing before the comma: reading ends there, before the id.
            (expected.id, expected.field, expected.at) = (None, None, Some(fields.len() + 1));
        }
        assert_eq!(parse(line.as_bytes()), Err(expected), "{line}");
    }
    for id in ["-1", "-0", "1.5", "1e3", "9007199254740992", "18446744073709551616", "\"1\"", "[]"]
    {
        let bad = parse(format!(r#"{{"op":"rooms","id":{id}}}"#).as_bytes()).expect_err("no id");
        assert_eq!((bad.field, bad.id, bad.why), (Some("id"), None, BadField(Number)), "{id}");
    }
}

#[test]
fn what_is_wrong_with_the_whole_is_told_first() {
    use WhyBad::{BadField, MissingField, NotAnObject, NotYet, UnknownOp};
    let twice = |key: &str| WhyBad::DuplicateKey { key: key.into() };
    for (line, op, id, field, why) in [
        ("[]", None, None, None, NotAnObject),
        ("[1,", None, None, None, NotAnObject),
        ("[{\"op\":\"rooms\",\"id\":1}]", None, None, None, NotAnObject),
        ("\"send\"", None, None, None, NotAnObject),
        ("12", None, None, None, NotAnObject),
        ("-1.5", None, None, None, NotAnObject),
        ("null", None, None, None, NotAnObject),
        (" true ", None, None, None, NotAnObject),
        ("{}", None, None, Some("op"), MissingField),
        (r#"{"id":3}"#, None, Some(3), Some("op"), MissingField),
        (r#"{"op":null,"id":3}"#, None, Some(3), Some("op"), MissingField),
        (r#"{"op":3,"id":3}"#, None, Some(3), Some("op"), BadField(Wanted::Text)),
        (r#"{"op":"ack","id":3}"#, Some("ack"), Some(3), None, UnknownOp),
        (r#"{"op":"","id":-1}"#, Some(""), None, None, UnknownOp),
        (r#"{"op":"auth","token":"t"}"#, Some("auth"), None, None, NotYet),
        (r#"{"op":"auth","id":3}"#, Some("auth"), Some(3), None, NotYet),
        (r#"{"op":"set","key":"a","key":"b","id":3}"#, Some("set"), Some(3), None, twice("key")),
        (r#"{"op":"nope","x":1,"x":1,"id":3}"#, Some("nope"), Some(3), None, twice("x")),
        (r#"{"op":"rooms","x":1,"\u0078":2,"id":3}"#, Some("rooms"), Some(3), None, twice("x")),
        (
            r#"{"op":"send","text":"a","text":"b","id":3}"#,
            Some("send"),
            Some(3),
            None,
            twice("text"),
        ),
        (r#"{"op":"send","text":null,"text":"b"}"#, Some("send"), None, None, twice("text")),
        (r#"{"op":"rooms","id":3,"id":4,"id":5}"#, Some("rooms"), None, None, twice("id")),
        (r#"{"op":"rooms","op":"quit","id":3}"#, None, Some(3), None, twice("op")),
        (
            r#"{"op":"hello","rooms":[{"room":"a","room":"b"}],"id":3}"#,
            Some("hello"),
            Some(3),
            None,
            twice("room"),
        ),
        (r#"{"op":"rooms","x":{"y":[{"":1,"":2}]}}"#, Some("rooms"), None, None, twice("")),
    ] {
        let expected = BadOp { op: op.map(Box::from), id, at: None, field, why };
        assert_eq!(parse(line.as_bytes()), Err(expected), "{line}");
    }
}

#[test]
fn what_is_no_json_is_told_by_its_place() {
    for (line, id, at) in [
        (&b""[..], None, 0),
        (b"  ", None, 2),
        (b"bonjour", None, 0),
        (b"\xef\xbb\xbf{}", None, 0),
        (b"{", None, 1),
        (b"{\"op\":\"send\",\"id\":5,", Some(5), 20),
        (b"{\"op\":\"send\",\"id\":5,}", Some(5), 20),
        (b"{\"id\":5} x", Some(5), 9),
        (b"{\"id\":5}{\"id\":6}", Some(5), 8),
        (b"{\"id\":5]", Some(5), 7),
        (b"{id:5}", None, 1),
        (b"{'id':5}", None, 1),
        (b"{\"id\":5,\n\"op\":\n send}", Some(5), 16),
        (b"{\"id\":5,\"op\":Send}", Some(5), 13),
        (b"{\"id\":05}", None, 7),
        (b"{\"id\":5,\"x\":NaN}", Some(5), 12),
        (b"{\"id\":5,\"x\":1e999}", Some(5), 16),
        (b"{\"id\":5,\"text\":\"\\ud800\"}", Some(5), 22),
        (b"{\"id\":5,\"text\":\"\\udc00x\"}", Some(5), 21),
        (b"{\"id\":5,\"text\":\"\\ud800\\u0041\"}", Some(5), 27),
        (b"{\"id\":5,\"x\":[\"\\udfff\"]}", Some(5), 19),
        (b"{\"id\":5,\"text\":\"a\nb\"}", Some(5), 17),
        (b"{\"id\":5,\"text\":\"\\x41\"}", Some(5), 17),
        (b"{\"id\":5,\"text\":\"Andr\xe9\",\"op\":1}", Some(5), 20),
        (b"{\"id\":5,\"\xff\":1}", Some(5), 9),
        (b"{\"id\":5} \xff", Some(5), 9),
        (b"{\"id\":5,\"x\"}", Some(5), 11),
        (b"{\"id\":5}\0", Some(5), 8),
        (b"tru", None, 3),
    ] {
        let expected = BadOp { op: None, id, at: Some(at), field: None, why: WhyBad::BadJson };
        let bad = parse(line).map_err(|bad| BadOp { op: None, ..bad });
        assert_eq!(bad, Err(expected), "{}", line.escape_ascii());
    }
}

#[test]
fn what_is_too_much_is_refused_at_its_bound() {
    let fields = |count: usize| {
        let all: Vec<String> = (1..count).map(|i| format!(r#""f{i}":0"#)).collect();
        format!(r#"{{{},"op":"rooms"}}"#, all.join(","))
    };
    // The outermost object is one, the list or object within is the next.
    let lists = |depth: usize| {
        format!(r#"{{"op":"rooms","x":{}{},"id":3}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    let objects = |depth: usize| {
        let (begin, end) = (r#"{"x":"#.repeat(depth - 1), "}".repeat(depth - 1));
        format!(r#"{{"op":"rooms","x":{begin}1{end},"id":3}}"#)
    };
    let rooms = |count: usize| {
        let list = vec![r#"{"room":"a"}"#; count].join(",");
        format!(r#"{{"op":"hello","rooms":[{list}],"id":3}}"#)
    };
    let to = |bytes: usize| format!(r#"{{"op":"msg","to":"{}","text":"x"}}"#, "a".repeat(bytes));
    let get = |chars: usize| format!(r#"{{"op":"get","key":"{}"}}"#, "é".repeat(chars));
    for (line, code) in [
        (fields(OP_FIELDS), None),
        (fields(OP_FIELDS + 1), Some("too-many-fields")),
        (lists(OP_DEPTH), None),
        (lists(OP_DEPTH + 1), Some("too-deep")),
        (lists(100_000), Some("too-deep")),
        (objects(OP_DEPTH), None),
        (objects(OP_DEPTH + 1), Some("too-deep")),
        (objects(100_000), Some("too-deep")),
        (rooms(ROOMS_OF_MEMBER), None),
        (rooms(ROOMS_OF_MEMBER + 1), Some("bad-field")),
        (rooms(10_000), Some("bad-field")),
        (to(NAME_BYTES_TYPED), None),
        (to(NAME_BYTES_TYPED + 1), Some("bad-name")),
        (get(STATE_KEY_CHARS), None),
        (get(STATE_KEY_CHARS + 1), Some("bad-key")),
        (get(100_000), Some("bad-key")),
    ] {
        let read = parse(line.as_bytes());
        if let Err(BadOp { why: WhyBad::TooDeep, id, .. }) = &read {
            assert_eq!(*id, Some(3), "reading goes on after it");
        }
        assert_eq!(read.err().map(|bad| bad.code()), code, "{line:.60} …");
    }
}

#[test]
fn what_is_given_back_of_an_op_is_cut() {
    let long = "é".repeat(60_000);
    let shown = format!("{}…", "é".repeat(63));
    let refused = |line: String| parse(line.as_bytes()).expect_err("too long for anything");
    let unknown = refused(format!(r#"{{"op":"{long}"}}"#));
    assert_eq!(unknown.op.as_deref(), Some(&*shown));
    let twice = refused(format!(r#"{{"{long}":1,"{long}":2}}"#));
    assert_eq!(twice.why, WhyBad::DuplicateKey { key: shown.as_str().into() });
    let position = refused(format!(r#"{{"op":"resume","after":"{long}"}}"#));
    assert_eq!(position.why, WhyBad::BadPosition { given: shown.into() });
}

#[test]
fn what_cannot_be_searched_for_is_refused() {
    use WhyBad::{BadField, MissingField};
    let most = "é".repeat(SEARCH_CHARS);
    for (fields, field, why) in [
        ("", "words", MissingField),
        (r#""words":null,"count":5"#, "words", MissingField),
        (r#""words":"""#, "words", BadField(Wanted::Words)),
        (r#""words":" \t\n""#, "words", BadField(Wanted::Words)),
        (&format!(r#""words":"{most}é""#), "words", BadField(Wanted::Words)),
        (r#""words":["a"]"#, "words", BadField(Wanted::Text)),
        (r#""words":"a","count":0"#, "count", BadField(Wanted::Count)),
        (r#""words":"a","count":-1"#, "count", BadField(Wanted::Count)),
        (r#""words":"a","count":"5""#, "count", BadField(Wanted::Count)),
    ] {
        let comma = if fields.is_empty() { "" } else { "," };
        let line = format!(r#"{{"op":"search"{comma}{fields}}}"#);
        let bad = parse(line.as_bytes()).expect_err("it is wrong");
        assert_eq!((bad.field, bad.why), (Some(field), why), "{line}");
    }
    assert!(parse(format!(r#"{{"op":"search","words":"{most}"}}"#).as_bytes()).is_ok());
}
