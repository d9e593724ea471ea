//! The JSON of an op, bounded: one pass, recursion of a known depth, strings borrowed where they can be.
//!
//! `serde_json`'s own `Value` keeps the last of two equal keys, and everything of what nobody asked for.

use std::{borrow::Cow, collections::BTreeMap, collections::btree_map::Entry, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;

use super::WhyBad;
use crate::{
    command::cut,
    limits::{OP_DEPTH, OP_FIELDS, ROOMS_OF_MEMBER},
};

/// The fields of an object by their names, each once.
pub(super) type Object<'a> = BTreeMap<Cow<'a, str>, Given<'a>>;

/// A value as it was given.
#[derive(Debug)]
pub(super) enum Given<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Switch(bool),
    /// A number without sign, fraction or exponent.
    Whole(u64),
    /// Any other number.
    Number,
    /// A string.
    Text(Cow<'a, str>),
    /// A list; its items after the first `ROOMS_OF_MEMBER + 1` are read and forgotten, which is enough to see that there
    /// are too many.
    List(Vec<Given<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// Reads the fields of the one object that `line` is into `object`: in an error too, those before what is wrong, and where
/// that leaves the line readable, those after.
///
/// # Errors
/// The rule that is broken, and at which byte if that is JSON's own grammar.
pub(super) fn read<'a>(
    line: &'a [u8],
    object: &mut Object<'a>,
) -> Result<(), (Option<usize>, WhyBad)> {
    let mut fault = None;
    let mut reader = serde_json::Deserializer::from_slice(line);
    let top = Top { object, fault: &mut fault };
    match reader.deserialize_any(top).and_then(|()| reader.end()) {
        Ok(()) => fault.map_or(Ok(()), |why| Err((None, why))),
        // The visitors complain of one thing only: that the outermost value is no object.
        Err(error) if error.classify() == Category::Data => Err((None, WhyBad::NotAnObject)),
        Err(error) => Err((Some(offset(line, &error)), WhyBad::BadJson)),
    }
}

/// The byte at which reading stopped; the line's length where more was expected.
fn offset(line: &[u8], error: &serde_json::Error) -> usize {
    let stopped = if error.classify() == Category::Eof {
        line.len()
    } else {
        // Lines and columns are counted from 1, in bytes; a column of 0 is the line break itself.
        let breaks = line.iter().enumerate().filter(|&(_, &b)| b == b'\n').map(|(at, _)| at + 1);
        let begin = std::iter::once(0).chain(breaks).nth(error.line().saturating_sub(1));
        (begin.unwrap_or(0) + error.column()).saturating_sub(1)
    };
    // A string that isn't UTF-8 is only looked at when its end is found.
    str::from_utf8(line).map_or_else(|bad| stopped.min(bad.valid_up_to()), |_| stopped)
}

/// Keeps the first fault that is met.
fn note(fault: &mut Option<WhyBad>, why: impl FnOnce() -> WhyBad) {
    fault.get_or_insert_with(why);
}

/// Reads what is left of an object into `object`. Its values lie `depth` deep.
fn fill<'de, A: MapAccess<'de>>(
    mut map: A,
    depth: usize,
    object: &mut Object<'de>,
    fault: &mut Option<WhyBad>,
) -> Result<(), A::Error> {
    while let Some(key) = map.next_key_seed(Key)? {
        let value = map.next_value_seed(Value { depth, fault })?;
        let full = object.len() == OP_FIELDS;
        match object.entry(key) {
            Entry::Occupied(mut twice) => {
                note(fault, || WhyBad::DuplicateKey { key: cut(twice.key()) });
                // Which of them was meant is not known: the error bears neither as its `id`.
                twice.insert(Given::Null);
            }
            Entry::Vacant(_) if full => note(fault, || WhyBad::TooManyFields),
            Entry::Vacant(free) => {
                free.insert(value);
            }
        }
    }
    Ok(())
}

/// The outermost value, which has to be an object.
struct Top<'o, 'a> {
    object: &'o mut Object<'a>,
    fault: &'o mut Option<WhyBad>,
}

impl<'de> Visitor<'de> for Top<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        fill(map, 1, self.object, self.fault)
    }
}

/// The name of a field.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(name.into())
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(name.to_owned().into())
    }
}

/// Any value, `depth` deep.
struct Value<'f> {
    depth: usize,
    fault: &'f mut Option<WhyBad>,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Given<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Given<'de>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given::Null)
    }

    fn visit_bool<E>(self, on: bool) -> Result<Given<'de>, E> {
        Ok(Given::Switch(on))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Given<'de>, E> {
        Ok(Given::Whole(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given<'de>, E> {
        Ok(Given::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given<'de>, E> {
        Ok(Given::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(text.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Given<'de>, A::Error> {
        let Self { depth, fault } = self;
        let mut items = Vec::new();
        if depth == OP_DEPTH {
            note(fault, || WhyBad::TooDeep);
            // What is ignored takes no stack, however deep it is.
            while seq.next_element::<IgnoredAny>()?.is_some() {}
        } else {
            while let Some(item) = seq.next_element_seed(Value { depth: depth + 1, fault })? {
                if items.len() <= ROOMS_OF_MEMBER {
                    items.push(item);
                }
            }
        }
        Ok(Given::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Given<'de>, A::Error> {
        let Self { depth, fault } = self;
        let mut object = Object::new();
        if depth == OP_DEPTH {
            note(fault, || WhyBad::TooDeep);
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        } else {
            fill(map, depth + 1, &mut object, fault)?;
        }
        Ok(Given::Object(object))
    }
}
