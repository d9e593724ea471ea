//! What holds for every line: nothing makes it panic, and what is written well is read as it was meant.

use proptest::prelude::*;

use super::*;
use crate::state_key::StateKey;

/// A JSON string of `text`, with escapes of its own choice (`serde_json`'s).
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Pieces of ops, that together often are one and often just not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"", "\\", "\\ud800", "\\udc00", "\\u0041", " ", "\n", "null", "true", "-", "1",
            "9007199254740992", "1e999", "\"op\":", "\"id\":7", "\"text\":\"x\"", "\"room\":\"a\"", "\"rooms\":[",
            "\"after\":", "\"send\"", "\"hello\"", "\"b64\":\"AA\"", "é", "\"set\"", "\"get\"", "\"key\":\"k\"",
            "\"v\":",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A value that no op knows, and that no object of has a key twice.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        ".{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
            prop::collection::btree_map(".{0,4}", inner, 0..5)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

/// The checks that need no knowledge of what was meant.
fn check(line: &[u8]) -> Result<(), TestCaseError> {
    match parse(line) {
        Ok(op) => {
            prop_assert!(serde_json::from_slice::<serde_json::Value>(line).is_ok());
            prop_assert!(op.id.is_none_or(|id| id < 1 << 53));
            prop_assert!(OPS.iter().any(|(name, _)| *name == op.name));
        }
        Err(bad) => {
            let is_json = serde_json::from_slice::<serde_json::Value>(line).is_ok();
            prop_assert_eq!(bad.at.is_some(), bad.why == WhyBad::BadJson);
            prop_assert!(bad.at.is_none_or(|at| at <= line.len()));
            prop_assert!(!is_json || bad.why != WhyBad::BadJson, "{:?}", bad);
            prop_assert!(bad.op.is_none_or(|op| op.chars().count() <= 64));
            prop_assert!(bad.id.is_none_or(|id| id < 1 << 53));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(line in prop::collection::vec(any::<u8>(), 0..80)) {
        check(&line)?;
        check(&[b"{\"op\":", &*line].concat())?;
    }

    #[test]
    fn no_pieces_of_ops_make_it_panic(line in pieces()) {
        check(&line)?;
        check(&[b"{", &*line, b"}"].concat())?;
    }

    #[test]
    fn each_op_cut_anywhere_is_refused(text in ".{0,8}", cut in any::<prop::sample::Index>()) {
        let line = format!(r#"{{"op":"send","id":3,"text":{}}}"#, quoted(&text));
        let cut = cut.index(line.len());
        let bad = parse(&line.as_bytes()[..cut]).expect_err("its last brace is missing");
        prop_assert_eq!(bad.code(), "bad-json");
    }

    #[test]
    fn a_text_is_read_as_it_was_meant(text in ".{0,20}|[\\x00-\\x1f\"\\\\/\u{2028}]{0,9}", id in 0..1_u64 << 53) {
        let what = What::Send { body: text.as_bytes().into() };
        let expected = Op { name: "send", room: None, id: Some(id), what };
        // All in escapes: a character beyond the first plane is a pair of surrogates.
        let escaped: Vec<String> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        for string in [quoted(&text), format!("\"{}\"", escaped.concat())] {
            let line = format!(r#"{{"op":"send","id":{id},"text":{string}}}"#);
            prop_assert_eq!(parse(line.as_bytes()), Ok(expected.clone()), "{}", line);
        }
    }

    #[test]
    fn bytes_come_through_base64_exactly(body in prop::collection::vec(any::<u8>(), 0..40)) {
        use base64::{Engine as _, engine::general_purpose::{STANDARD, STANDARD_NO_PAD}};
        for coded in [STANDARD.encode(&body), STANDARD_NO_PAD.encode(&body)] {
            let line = format!(r#"{{"op":"send","b64":"{coded}"}}"#);
            let what = parse(line.as_bytes()).map(|op| op.what);
            prop_assert_eq!(what, Ok(What::Send { body: body.clone() }));
        }
    }

    #[test]
    fn a_value_is_set_as_it_was_meant(
        text in ".{0,12}|[a-z0-9é._:/-]{1,12}",
        version in prop::option::of(any::<u32>()),
        value in ".{0,20}",
    ) {
        let v = version.map(|version| format!(r#","v":{version}"#)).unwrap_or_default();
        let line =
            format!(r#"{{"op":"set","key":{}{v},"text":{}}}"#, quoted(&text), quoted(&value));
        let expected = StateKey::parse(&text).map(|key| {
            What::Request(Request::Set { key, version, value: value.as_bytes().into() })
        });
        let read = parse(line.as_bytes()).map(|op| op.what).map_err(|bad| bad.why);
        prop_assert_eq!(read, expected.map_err(WhyBad::BadKey), "{}", line);
    }

    #[test]
    fn what_no_op_knows_changes_nothing(key in "[a-z ]{0,6}|é", value in value(), first in any::<bool>()) {
        prop_assume!(!matches!(&*key, "op" | "id" | "room"));
        let (known, new) = (r#""op":"leave","id":3,"room":"a""#, format!("{}:{value}", quoted(&key)));
        let line =
            if first { format!("{{{new},{known}}}") } else { format!("{{{known},{new}}}") };
        prop_assert_eq!(parse(line.as_bytes()), parse(format!("{{{known}}}").as_bytes()));
    }
}
