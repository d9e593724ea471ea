//! The page's sentences as the page reads them: an ES module made from the catalogue.
//!
//! What a browser would need a Fluent parser for is taken apart here; a dozen lines of JavaScript put it together again.

use fluent_syntax::ast::{
    Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey,
};

use super::{ENGLISH, FRENCH, resource};
use crate::{command::Lang, encode::json::string};

/// What the ids of the page's sentences begin with; the module leaves it out.
const PREFIX: &str = "page-";

/// The module: `export default {id: parts, …}`. A part is a string; `{"$": name}`, a variable; or
/// `{"$": name, "when": {key: parts, …}, "else": parts}`, a choice by a variable, where a key is an exact number or a plural
/// category of the language (CLDR).
#[must_use]
pub fn module(lang: Lang) -> Vec<u8> {
    let [_, catalogue] = match lang {
        Lang::Fr => FRENCH,
        Lang::En => ENGLISH,
    };
    let mut out = b"export default {".to_vec();
    for entry in resource(catalogue).entries() {
        if let Entry::Message(message) = entry
            && let Some(pattern) = &message.value
        {
            let id = message.id.name;
            out.push(b'\n');
            string(&mut out, id.strip_prefix(PREFIX).unwrap_or(id));
            out.push(b':');
            parts(&mut out, pattern);
            out.push(b',');
        }
    }
    out.extend_from_slice(b"\n};\n");
    out
}

fn parts(out: &mut Vec<u8>, pattern: &Pattern<&str>) {
    out.push(b'[');
    for (i, element) in pattern.elements.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match element {
            PatternElement::TextElement { value } => string(out, value),
            PatternElement::Placeable { expression } => part(out, expression),
        }
    }
    out.push(b']');
}

fn part(out: &mut Vec<u8>, expression: &Expression<&str>) {
    match expression {
        Expression::Inline(inline) => variable(out, inline),
        Expression::Select { selector, variants } => {
            variable(out, selector);
            out.pop();
            out.extend_from_slice(b",\"when\":{");
            for variant in variants.iter().filter(|variant| !variant.default) {
                let (VariantKey::Identifier { name: key }
                | VariantKey::NumberLiteral { value: key }) = variant.key;
                string(out, key);
                out.push(b':');
                parts(out, &variant.value);
                out.push(b',');
            }
            if out.last() == Some(&b',') {
                out.pop();
            }
            out.extend_from_slice(b"},\"else\":");
            let default = variants.iter().find(|variant| variant.default);
            parts(out, &default.expect("Fluent's grammar asks for one").value);
            out.push(b'}');
        }
    }
}

/// A variable; nothing else of Fluent is used in the page's catalogue, and a test holds that.
fn variable(out: &mut Vec<u8>, inline: &InlineExpression<&str>) {
    let name = match inline {
        InlineExpression::VariableReference { id } => id.name,
        _ => "",
    };
    out.extend_from_slice(b"{\"$\":");
    string(out, name);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(lang: Lang) -> Value {
        let module = String::from_utf8(module(lang)).expect("it is text");
        let object =
            module.strip_prefix("export default ").and_then(|rest| rest.strip_suffix(";\n"));
        // JavaScript allows the comma after the last one, JSON doesn't.
        let object = object.expect("it is a module").replace(",\n}", "\n}");
        serde_json::from_str(&object).expect("each value is JSON")
    }

    #[test]
    fn the_module_has_every_sentence_in_parts_that_the_page_understands() {
        for lang in Lang::ALL {
            let module = read(lang);
            let sentences = module.as_object().expect("an object");
            assert!(!sentences.is_empty(), "{lang:?}");
            for (id, parts) in sentences {
                assert!(!id.starts_with(PREFIX), "{id}");
                check(id, parts);
            }
        }
    }

    fn check(id: &str, parts: &Value) {
        for part in parts.as_array().unwrap_or_else(|| panic!("{id}: {parts}")) {
            if let Some(choice) = part.as_object() {
                let name = choice["$"].as_str().unwrap_or_default();
                assert!(!name.is_empty(), "{id}: only variables are understood: {part}");
                for parts in
                    choice.get("when").and_then(Value::as_object).iter().flat_map(|it| it.values())
                {
                    check(id, parts);
                }
                if let Some(parts) = choice.get("else") {
                    check(id, parts);
                }
            } else {
                assert!(part.is_string(), "{id}: {part}");
            }
        }
    }

    #[test]
    fn all_of_the_pages_sentences_and_no_others_stand_in_its_catalogue() {
        for [hub, page] in [FRENCH, ENGLISH] {
            let ids = |source: &'static str| {
                let ids = source.lines().filter_map(|line| line.split_once(" = "));
                ids.map(|(id, _)| id).filter(|id| !id.starts_with([' ', '#']))
            };
            assert_eq!(ids(hub).find(|id| id.starts_with(PREFIX)), None);
            assert_eq!(ids(page).find(|id| !id.starts_with(PREFIX)), None);
        }
    }
}
