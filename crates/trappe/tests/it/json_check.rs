//! What each event must be, whatever the test is about: as the schema says that programs are given, its keys in the order of
//! the schema, and without a character that a terminal would obey.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};

/// What programs are given.
const SCHEMA: &str = include_str!("../../../../docs/protocol.schema.json");

/// An event as the schema describes it, whose keys stand in its order, without anything that a terminal would obey.
#[track_caller]
pub(crate) fn checked(text: &str) -> Value {
    static EVENTS: LazyLock<Rules> = LazyLock::new(|| Rules::of("event"));
    EVENTS.check(text)
}

/// The same of what is told to who watches the hub.
#[track_caller]
pub(crate) fn checked_watch(text: &str) -> Value {
    static WATCH: LazyLock<Rules> = LazyLock::new(|| Rules::of("watch"));
    WATCH.check(text)
}

/// What the schema says of one kind of object.
struct Rules {
    validator: Validator,
    /// The keys of each in the order of the schema.
    orders: BTreeMap<String, Vec<String>>,
}

impl Rules {
    fn of(kind: &str) -> Rules {
        let mut schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let root = schema.as_object_mut().expect("a schema is an object");
        root.remove("anyOf");
        root.insert("$ref".to_owned(), json!(format!("#/$defs/{kind}")));
        let validator = jsonschema::validator_for(&schema).expect("the schema is one");
        Rules { validator, orders: orders(&format!("{kind}-")) }
    }

    #[track_caller]
    fn check(&self, text: &str) -> Value {
        let event: Value =
            serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text:?}"));
        let faults: Vec<String> =
            self.validator.iter_errors(&event).map(|it| it.to_string()).collect();
        assert!(faults.is_empty(), "{text} isn't in the schema: {faults:#?}");
        let order = &self.orders[event["ev"].as_str().expect("the schema says so")];
        let mut rest = order.iter();
        for (key, _) in members(text) {
            assert!(rest.any(|it| *it == key), "{key} of {text} isn't in its place: {order:?}");
        }
        let hidden = |c: char| {
            c.is_control()
                || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
                || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
        };
        assert!(!text.contains(hidden), "{text:?} has a control in it");
        event
    }
}

/// The keys of each object of a kind in the order of the schema.
fn orders(kind: &str) -> BTreeMap<String, Vec<String>> {
    let find = |text: &'static str, wanted: &str| {
        let found = members(text).into_iter().find(|(key, _)| key == wanted);
        found.unwrap_or_else(|| panic!("the schema has {wanted}")).1
    };
    let objects = members(find(SCHEMA, "$defs")).into_iter();
    objects
        .filter_map(|(name, object)| {
            let name = name.strip_prefix(kind)?.to_owned();
            let keys = members(find(object, "properties")).into_iter().map(|(key, _)| key);
            Some((name, keys.collect()))
        })
        .collect()
}

/// The fields of an object that is JSON, in the order in which they are written, each with the text of its value.
pub(crate) fn members(object: &str) -> Vec<(String, &str)> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    let (mut begin, mut key, mut members) = (0, None, Vec::new());
    for (at, byte) in object.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' => {
                depth += 1;
                if depth == 1 {
                    begin = at + 1;
                }
            }
            b':' if depth == 1 => {
                let name = serde_json::from_str(object[begin..at].trim());
                key = Some(name.expect("a key is a string"));
                begin = at + 1;
            }
            b',' | b'}' | b']' => {
                if depth == 1
                    && let Some(key) = key.take()
                {
                    members.push((key, object[begin..at].trim()));
                    begin = at + 1;
                }
                depth -= i32::from(byte != b',');
            }
            _ => {}
        }
    }
    members
}
