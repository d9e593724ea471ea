//! What is written is what `docs/protocol.schema.json` describes, and `docs/asyncapi.json` speaks of all of it.

use std::{collections::BTreeSet, sync::LazyLock};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    samples::{ROOM, TEXT, a_body, a_text, an_author, for_each},
    written,
};
use crate::event::{Event, Said};

const SCHEMA: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol.schema.json"));
const ASYNCAPI: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/asyncapi.json"));

/// Made once: reading the schema takes longer than asking it.
static EVENT: LazyLock<Validator> = LazyLock::new(|| validator("event"));

fn read(document: &str) -> Value {
    serde_json::from_str(document).expect("the document is JSON")
}

/// The schema, with what it is asked about narrowed to one of its definitions.
pub(super) fn validator(definition: &str) -> Validator {
    let mut schema = read(SCHEMA);
    let members = schema.as_object_mut().expect("a schema is an object");
    members.remove("anyOf");
    members.insert("$ref".into(), format!("#/$defs/{definition}").into());
    jsonschema::draft202012::new(&schema).expect("a schema of the draft 2020-12")
}

/// The names of an alternative's definitions: `event-hello` … of `event`.
fn alternatives(schema: &Value, of: &str) -> Vec<String> {
    let listed = schema["$defs"][of]["oneOf"].as_array().expect("alternatives");
    let named = |item: &Value| item["$ref"].as_str()?.strip_prefix("#/$defs/").map(str::to_owned);
    listed.iter().map(|item| named(item).expect("a reference to a definition")).collect()
}

pub(super) fn reasons(validator: &Validator, value: &Value) -> Vec<String> {
    validator.iter_errors(value).map(|e| format!("{e} at {}", e.instance_path())).collect()
}

#[test]
fn the_schema_is_one_of_its_draft() {
    assert!(jsonschema::meta::is_valid(&read(SCHEMA)));
}

#[test]
fn every_event_is_as_the_schema_describes_it_and_every_described_event_is_written() {
    let schema = read(SCHEMA);
    let whole = jsonschema::draft202012::new(&schema).expect("a schema");
    let mut described: BTreeSet<String> = alternatives(&schema, "event").into_iter().collect();
    for_each(ROOM, TEXT, |event, _| {
        let value = read(&written(&event));
        let definition = format!("event-{}", value["ev"].as_str().expect("its kind"));
        assert_eq!(reasons(&validator(&definition), &value), [""; 0], "{value}");
        assert_eq!(reasons(&whole, &value), [""; 0], "{value}");
        described.remove(&definition);
    });
    assert_eq!(described, BTreeSet::new(), "described, but never written");
}

#[test]
fn the_schema_lists_the_keys_in_the_order_in_which_they_are_written() {
    for_each(ROOM, TEXT, |event, _| {
        let line = written(&event);
        let value = read(&line);
        let definition = format!("\"event-{}\": {{", value["ev"].as_str().expect("its kind"));
        let described = &SCHEMA[SCHEMA.find(&definition).expect("it is described")..];
        let described = &described[described.find("\"properties\"").expect("it has keys")..];
        let keys = value.as_object().expect("an object").keys();
        let mut keys: Vec<String> = keys.map(|key| format!("\"{key}\":")).collect();
        // Its own keys stand in the line before those inside its values, or nowhere else.
        keys.sort_by_key(|key| line.find(&format!(",{key}")).unwrap_or(0));
        let places: Vec<_> = keys.iter().map(|key| described.find(key)).collect();
        assert!(places.is_sorted() && places[0].is_some(), "{line}");
    });
}

#[test]
fn an_event_that_lacks_a_key_or_has_one_more_is_not_as_described() {
    let schema = read(SCHEMA);
    for_each(ROOM, TEXT, |event, _| {
        let value = read(&written(&event));
        let definition = format!("event-{}", value["ev"].as_str().expect("its kind"));
        let validator = validator(&definition);
        let mut more = value.clone();
        more["surplus"] = true.into();
        assert!(!validator.is_valid(&more), "{more}");
        for key in schema["$defs"][&definition]["required"].as_array().expect("what it needs") {
            let mut less = value.clone();
            less.as_object_mut().and_then(|o| o.remove(key.as_str()?)).expect("it has the key");
            assert!(!validator.is_valid(&less), "{less}");
        }
    });
}

#[test]
fn every_example_is_of_its_kind_and_of_no_other() {
    let schema = read(SCHEMA);
    for of in ["event", "op"] {
        let whole = validator(of);
        for definition in alternatives(&schema, of) {
            let examples = schema["$defs"][&definition]["examples"].as_array().cloned();
            let examples = examples.filter(|examples| !examples.is_empty());
            for example in examples.unwrap_or_else(|| panic!("{definition} has no example")) {
                assert_eq!(reasons(&validator(&definition), &example), [""; 0], "{example}");
                assert_eq!(reasons(&whole, &example), [""; 0], "{example}");
            }
        }
    }
}

#[test]
fn an_op_may_have_unknown_fields_and_no_wrong_ones() {
    let op = validator("op");
    for (value, right) in [
        (json!({ "op": "send", "text": "a", "colour": [1] }), true),
        (json!({ "op": "send", "text": "", "id": 9_007_199_254_740_991_u64 }), true),
        (json!({ "op": "send", "text": "a", "id": 9_007_199_254_740_992_u64 }), false),
        (json!({ "op": "send", "text": "a", "id": -1 }), false),
        (json!({ "op": "send", "text": "a", "id": "1" }), false),
        (json!({ "op": "send", "text": "a", "b64": "YQ==" }), false),
        (json!({ "op": "send", "txt": "a" }), false),
        (json!({ "op": "send", "b64": "YQ" }), true),
        (json!({ "op": "send", "b64": "Y_-" }), false),
        (json!({ "op": "join" }), false),
        (json!({ "op": "join", "room": "jardin", "after": "WMNB53JB7N@7" }), true),
        (json!({ "op": "join", "room": "jardin", "after": "wmnb@7" }), false),
        (json!({ "op": "join", "room": "jardin", "after": -7 }), false),
        (json!({ "op": "history", "n": 0 }), false),
        (json!({ "op": "search", "words": "a b", "count": 1 }), true),
        (json!({ "op": "search", "words": " \t" }), false),
        (json!({ "op": "search", "words": "a", "count": 0 }), false),
        (json!({ "op": "search" }), false),
        (json!({ "op": "echo", "on": "on" }), false),
        (json!({ "op": "hello", "rooms": ["lobby"] }), false),
        (json!({ "op": "set", "key": "a", "text": "" }), true),
        (json!({ "op": "set", "key": "a", "b64": "YQ", "v": 4_294_967_295_u64 }), true),
        (json!({ "op": "set", "key": "a", "text": "b", "v": 4_294_967_296_u64 }), false),
        (json!({ "op": "set", "key": "a", "text": "b", "v": -1 }), false),
        (json!({ "op": "set", "key": "a", "text": "b", "v": "1" }), false),
        (json!({ "op": "set", "key": "a", "text": "b", "b64": "YQ" }), false),
        (json!({ "op": "set", "key": "a" }), false),
        (json!({ "op": "set", "text": "b" }), false),
        (json!({ "op": "set", "key": "", "text": "b" }), false),
        (json!({ "op": "get", "key": 1 }), false),
        (json!({ "op": "udp", "id": 1 }), true),
        (json!({ "op": "shout", "text": "a" }), false),
        (json!({ "text": "a" }), false),
    ] {
        assert_eq!(op.is_valid(&value), right, "{value}");
    }
}

#[test]
fn an_ack_has_what_belongs_together_and_nothing_else() {
    let ack = validator("event-ack");
    for (value, right) in [
        (json!({ "ev": "ack", "room": "a", "seq": 1, "op": "nick", "id": 1 }), false),
        (json!({ "ev": "ack", "room": "a", "seq": 1, "op": "set" }), false),
        (json!({ "ev": "ack", "op": "set", "id": 1 }), true),
        (json!({ "ev": "ack", "room": "a", "seq": 1, "count": 1 }), false),
        (json!({ "ev": "ack", "room": "a", "op": "get", "count": 1 }), false),
        (json!({ "ev": "ack", "op": "get", "count": 1 }), true),
        (json!({ "ev": "ack", "op": "nick", "count": 1 }), false),
        (json!({ "ev": "ack", "room": "a", "seq": 1, "op": "get", "count": 1, "id": 1 }), false),
        (json!({ "ev": "ack", "room": "a" }), false),
    ] {
        assert_eq!(ack.is_valid(&value), right, "{value}");
    }
}

#[test]
fn an_address_is_described_as_the_standard_library_writes_it() {
    let address = validator("address");
    for (text, right) in [
        ("127.0.0.1:40000", true),
        ("255.255.255.255:65535", true),
        ("[::1]:1", true),
        ("[2001:db8:85a3:8d3:1319:8a2e:370:7348]:65535", true),
        ("[::ffff:192.168.100.200]:40000", true),
        ("[fe80::1%4294967295]:40000", true),
        ("127.0.0.1", false),
        ("::1:40000", false),
        ("localhost:40000", false),
        ("127.0.0.1:40000 ", false),
        ("alice", false),
    ] {
        assert_eq!(address.is_valid(&text.into()), right, "{text}");
        assert_eq!(text.parse::<std::net::SocketAddr>().is_ok(), right, "{text}");
    }
}

/// Each `$ref` of a document, and which file and which place in it is meant.
fn references(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let (file, place) = reference.split_once('#').expect("a place in a file");
                found.push((file.into(), place.into()));
            }
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_to_something() {
    let (schema, asyncapi) = (read(SCHEMA), read(ASYNCAPI));
    for document in [&schema, &asyncapi] {
        let mut found = Vec::new();
        references(document, &mut found);
        assert_ne!(found, []);
        for (file, place) in found {
            let target = match file.as_str() {
                "" => document,
                "./protocol.schema.json" => &schema,
                other => panic!("there is no {other}"),
            };
            assert!(target.pointer(&place).is_some(), "{file}#{place}");
        }
    }
}

#[test]
fn asyncapi_has_every_event_and_op_on_every_wire() {
    let (schema, asyncapi) = (read(SCHEMA), read(ASYNCAPI));
    let names = |of| alternatives(&schema, of).into_iter().collect::<BTreeSet<_>>();
    let keys = |value: &Value| {
        value.as_object().expect("an object").keys().cloned().collect::<BTreeSet<_>>()
    };
    let all = &names("event") | &names("op");
    assert_eq!(keys(&asyncapi["components"]["messages"]), all);
    for (name, message) in asyncapi["components"]["messages"].as_object().expect("messages") {
        assert_eq!(
            message["payload"]["$ref"],
            format!("./protocol.schema.json#/$defs/{name}"),
            "{name}"
        );
    }
    for (channel, described) in asyncapi["channels"].as_object().expect("channels") {
        assert_eq!(keys(&described["messages"]), all, "{channel}");
        for (action, of) in [("send", "event"), ("receive", "op")] {
            let place = format!("#/channels/{channel}");
            let operations = asyncapi["operations"].as_object().expect("operations");
            let operation = operations
                .values()
                .find(|o| o["action"] == action && o["channel"]["$ref"] == place.as_str())
                .unwrap_or_else(|| panic!("{channel} has no {action}"));
            let messages = operation["messages"].as_array().expect("messages");
            let prefix = format!("{place}/messages/");
            let mentioned = messages.iter().map(|m| m["$ref"].as_str().expect("a reference"));
            let mentioned: BTreeSet<String> =
                mentioned.filter_map(|m| m.strip_prefix(&prefix)).map(str::to_owned).collect();
            assert_eq!(mentioned, names(of), "{channel}, {action}");
        }
    }
}

proptest! {
    #[test]
    fn any_message_is_as_the_schema_describes_it(
        from in an_author(),
        room in r"[\p{L}0-9_.-]{1,32}",
        seq in 1..1_u64 << 53,
        time_us in 0..253_402_207_200_000_000_u64,
        id in prop::option::of(0..1_u64 << 53),
        body in a_body(),
        text in a_text(),
        key in r"[\p{L}0-9._:/-]{1,64}",
        version in prop::option::of(any::<u32>()),
        flag: bool,
    ) {
        let (old, own) = (flag, !flag);
        let said = Said { room: &room, seq, from: &from, time_us, id, body: &body, old, own };
        for event in [
            Event::Msg(said),
            Event::Direct { from: &from, time_us, body: &body },
            Event::Leave { room: &room, from: &from, text: Some(&text), own, id },
            Event::State { room: &room, seq, key: &key, version, from: &from, time_us, body: &body, id },
        ] {
            prop_assert_eq!(reasons(&EVENT, &read(&written(&event))), [""; 0]);
        }
    }
}
