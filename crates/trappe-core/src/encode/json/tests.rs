//! What is written, read back.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    write::{is_escaped, timestamp},
    *,
};
use crate::encode::escape::to_sentence;

mod history;
mod replies;
mod samples;
mod schema;

use samples::{KINDS, MORNING_US, ROOM, TEXT, a_body, a_text, alice, an_author, for_each, kind};

fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn written(event: &Event<'_>) -> String {
    made(|out| super::event(out, event))
}

#[test]
fn every_event_is_one_object_with_its_keys_in_the_order_of_the_protocol() {
    let mut seen = [false; KINDS];
    for_each(ROOM, TEXT, |event, line| {
        assert_eq!(written(&event), line);
        seen[kind(&event)] = true;
    });
    assert_eq!(seen, [true; KINDS], "each kind has a sample");
}

#[test]
fn events_follow_one_another_in_the_same_buffer() {
    let all = made(|out| {
        super::event(out, &Event::Pong { text: "a", id: None });
        out.push(b'\n');
        super::event(out, &Event::Pong { text: "b", id: Some(0) });
    });
    assert_eq!(all, "{\"ev\":\"pong\",\"text\":\"a\"}\n{\"ev\":\"pong\",\"text\":\"b\",\"id\":0}");
}

#[test]
fn a_moment_is_written_in_utc_and_cut_to_milliseconds() {
    for (time_us, ts) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.000Z"),
        (1_000, "1970-01-01T00:00:00.001Z"),
        (951_827_696_789_999, "2000-02-29T12:34:56.789Z"),
        (MORNING_US, "2026-11-23T09:41:07.120Z"),
        (MORNING_US + 879_999, "2026-11-23T09:41:07.999Z"),
        (4_102_444_800_000_000, "2100-01-01T00:00:00.000Z"),
        (u64::MAX, "9999-12-30T22:00:00.999Z"),
    ] {
        assert_eq!(made(|out| timestamp(out, time_us)), format!("\"{ts}\""));
    }
}

#[test]
fn a_body_that_is_not_utf8_is_given_in_base64() {
    for (body, key, value) in [
        (&b""[..], "text", ""),
        ("déjà".as_bytes(), "text", "déjà"),
        (b"caf\xe9", "b64", "Y2Fm6Q=="),
        (b"\xff\xfe", "b64", "//4="),
        (b"\xfb\xff\xbf", "b64", "+/+/"),
        (b"\xed\xa0\x80", "b64", "7aCA"),
    ] {
        let line = written(&Event::Direct { from: &alice(), time_us: MORNING_US, body });
        let end = format!("\"ts\":\"2026-11-23T09:41:07.120Z\",\"{key}\":\"{value}\"}}");
        assert!(line.ends_with(&end), "{line}");
    }
}

#[test]
fn escapes_are_the_short_ones_where_there_are_any() {
    for (text, json) in [
        ("", r#""""#),
        (r#"a"b\c/"#, r#""a\"b\\c/""#),
        ("\n\r\t\u{8}\u{c}", r#""\n\r\t\b\f""#),
        ("\0\x1b[2J\x7f\u{85}\u{9b}", r#""\u0000\u001b[2J\u007f\u0085\u009b""#),
        ("a\u{202e}b\u{2028}\u{feff}", r#""a\u202eb\u2028\ufeff""#),
        ("é\u{a0}« ’ » 漢 👨\u{200d}👧", "\"é\u{a0}« ’ » 漢 👨\u{200d}👧\""),
    ] {
        assert_eq!(made(|out| string(out, text)), json);
    }
}

#[test]
fn every_character_is_read_back_and_what_text_shows_escaped_is_escaped_here() {
    for c in '\0'..=char::MAX {
        let text = c.to_string();
        let json = made(|out| string(out, &text));
        assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), text);
        assert_eq!(to_sentence(&json), json, "{c:?}");
        assert!(!json.contains('\t'));
    }
}

#[test]
fn what_is_escaped_is_found_wherever_it_stands() {
    for c in ['"', '\\', '\n', '\x7f', '\u{85}', '\u{61c}', '\u{2069}', '\u{feff}'] {
        for before in 0..100 {
            let text = format!("{}{c}{}", "z".repeat(before), "é".repeat(30));
            assert_eq!(made(|out| string(out, &text)), slowly(&text), "{before}");
        }
    }
}

/// The same as `string`, character by character.
fn slowly(text: &str) -> String {
    let escaped = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        '\u{8}' => "\\b".into(),
        '\u{c}' => "\\f".into(),
        c if is_escaped(c) => format!("\\u{:04x}", u32::from(c)),
        c => c.into(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

proptest! {
    #[test]
    fn any_text_is_read_back_exactly(text in a_text()) {
        let json = made(|out| string(out, &text));
        prop_assert_eq!(&json, &slowly(&text));
        prop_assert_eq!(serde_json::from_str::<String>(&json).expect("valid JSON"), text);
    }

    #[test]
    fn any_message_is_one_harmless_line_and_is_read_back_exactly(
        from in an_author(),
        room in r"[\p{L}0-9_.-]{1,32}",
        seq in 1..1_u64 << 53,
        time_us in 0..253_402_207_200_000_000_u64,
        id in prop::option::of(0..1_u64 << 53),
        body in a_body(),
        old: bool,
        own: bool,
    ) {
        let said = Said { room: &room, seq, from: &from, time_us, id, body: &body, old, own };
        let line = made(|out| msg(out, &said));
        prop_assert_eq!(to_sentence(&line), line.as_str());

        let mut value: Value = serde_json::from_str(&line).expect("valid JSON");
        let ts = value.as_object_mut().and_then(|o| o.remove("ts")).expect("it has a moment");
        let ts: Timestamp = ts.as_str().expect("a string").parse().expect("RFC 3339");
        prop_assert_eq!(u64::try_from(ts.as_microsecond()), Ok(time_us / 1000 * 1000));

        let mut expected = json!({ "ev": "msg", "room": room, "seq": seq, "from": from.to_string() });
        if from.number != 0 {
            expected["sid"] = from.number.into();
        }
        match str::from_utf8(&body) {
            Ok(text) => expected["text"] = text.into(),
            Err(_) => expected["b64"] = STANDARD.encode(&body).into(),
        }
        if let Some(id) = id {
            expected["id"] = id.into();
        }
        for (key, flag) in [("old", old), ("own", own)] {
            if flag {
                expected[key] = true.into();
            }
        }
        prop_assert_eq!(value, expected);
    }

    #[test]
    fn no_event_breaks_its_line_or_loses_a_character(room in a_text(), text in a_text()) {
        for_each(&room, &text, |event, sample| {
            let line = written(&event);
            assert_eq!(to_sentence(&line), line.as_str());
            let mut expected: Value = serde_json::from_str(sample).expect("valid JSON");
            replace(&mut expected, &room, &text);
            assert_eq!(serde_json::from_str::<Value>(&line).expect("valid JSON"), expected);
        });
    }
}

/// Puts other texts in the place of those of the samples.
fn replace(value: &mut Value, room: &str, text: &str) {
    match value {
        Value::String(s) if s == ROOM => room.clone_into(s),
        Value::String(s) if s == TEXT => text.clone_into(s),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, room, text)),
        Value::Object(members) => members.values_mut().for_each(|item| replace(item, room, text)),
        _ => {}
    }
}
