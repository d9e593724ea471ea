//! The public items of a crate, from the pages that rustdoc made of it: stable Rust has no other list of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What an item can be, by the class of its link.
const KINDS: &[&str] =
    &["mod", "struct", "enum", "union", "trait", "fn", "type", "constant", "static", "macro"];

/// The crates whose names may be seen: ours, and those that every program has.
const OURS: &[&str] = &["trappe", "std", "core", "alloc"];

/// Traits that stable Rust can't name, or that a user doesn't see.
const SILENT: &[&str] = &["Drop", "Freeze", "StructuralPartialEq", "UnsafeUnpin"];

/// Stands before a name that is neither ours nor the standard library's, until a line is done.
const MARK: char = '\u{1}';

/// Public items, one a line, `path: declaration`, and whether it names what belongs to a dependency.
pub(super) type Items = BTreeSet<(String, bool)>;

/// Every item that can be reached from the crate's first page; `read` gives the text of a page.
///
/// An enum or struct that may grow (non-exhaustive, or with private fields) has a line for each variant or field; of
/// one that may not everything stands in one line, so that one more is a change. A trait has its methods with it.
pub(super) fn items(read: &dyn Fn(&Path) -> Result<String>) -> Result<Items> {
    let mut items = Items::new();
    let mut pages = vec![PathBuf::from("trappe/index.html")];
    while let Some(page) = pages.pop() {
        let html = read(&page)?;
        let folder = page.parent().context("a page in no folder")?;
        let file = page.file_stem().context("a page without a name")?.to_string_lossy();
        let module = folder.to_string_lossy().replace('/', "::");
        let (lines, item) = if let Some((_, name)) = file.split_once('.') {
            (declarations(&html, name), format!("{module}::{name}"))
        } else {
            let (links, others) = entries(&html);
            pages.extend(links.iter().map(|to| folder.join(to)));
            (others, module)
        };
        items.extend(
            lines
                .into_iter()
                .map(|line| (format!("{item}: {}", line.replace(MARK, "")), line.contains(MARK))),
        );
    }
    Ok(items)
}

/// The pages that a module's page lists, and what it lists without one: re-exports of what isn't ours.
fn entries(html: &str) -> (Vec<&str>, Vec<String>) {
    let (mut links, mut others) = (Vec::new(), Vec::new());
    for entry in pieces(html, "<dt", "</dt>") {
        let link =
            pieces(entry, "<a class=\"", "\" title").find_map(|it| it.split_once("\" href=\""));
        match link {
            Some((kind, to)) if KINDS.contains(&kind) && !entry.contains("<code>") => {
                links.push(to);
            }
            _ => others.push(format!(
                "{MARK}{}",
                text(entry.split_once('>').map_or(entry, |it| it.1), |_| true)
            )),
        }
    }
    (links, others)
}

/// The declaration of a page's item, what it can do, and what is implemented for it.
fn declarations(html: &str, name: &str) -> Vec<String> {
    // What is implemented for every type there is isn't ours.
    let html = html.split("<h2 id=\"blanket-implementations\"").next().unwrap_or(html);
    let own = |word: &str| word == name || html.contains(&format!("id=\"variant.{word}\""));
    let mut lines = Vec::new();
    for declared in pieces(html, "<pre class=\"rust item-decl\"><code>", "</code></pre>") {
        let whole = text(declared, own);
        let grows = ["non_exhaustive", "private fields", "fields omitted"];
        match whole.split_once(" { ").filter(|_| grows.iter().any(|sign| whole.contains(sign))) {
            None => lines.push(whole),
            Some((head, body)) => {
                lines.push(format!("{head} {{ .. }}"));
                lines.extend(parts(body.trim_end_matches([' ', '}'])));
            }
        }
    }
    // Methods of a trait that is implemented are the trait's; what its types are, isn't.
    let mut of_trait = false;
    for header in pieces(html, "code-header\">", "</h") {
        let line = text(header, own);
        if line.starts_with("impl") {
            let (left, _) = line.split_once(" for ").unwrap_or_default();
            of_trait = !left.is_empty();
            let silent = |it: &str| left.rsplit([' ', MARK]).next() == Some(it);
            let plain = line == format!("impl {name}");
            if !(plain || left.contains(" !") || SILENT.iter().any(|it| silent(it))) {
                lines.push(line);
            }
        } else if line.starts_with("pub ") || (of_trait && line.starts_with("type ")) {
            lines.push(line);
        }
    }
    lines
}

/// A declaration as one line without markup, its foreign names marked. `own` knows names that are declared here.
fn text(html: &str, own: impl Fn(&str) -> bool) -> String {
    let mut plain = String::new();
    let mut linked = false;
    let mut rest = html;
    while !rest.is_empty() {
        let (words, after) = rest.split_once('<').unwrap_or((rest, ""));
        for word in words.split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_')) {
            let name = word.trim_end_matches(|c: char| !(c.is_alphanumeric() || c == '_'));
            // A name of one letter is a parameter. `Self::Name` belongs to a trait that is looked at by itself.
            let known = name.len() < 2 || name == "Self" || plain.ends_with("Self::") || own(name);
            if !linked && name.starts_with(char::is_uppercase) && !known {
                plain.push(MARK);
            }
            plain.push_str(word);
        }
        let (tag, after) = after.split_once('>').unwrap_or((after, ""));
        rest = after;
        match tag.split([' ', '\n']).next().unwrap_or_default() {
            // The title is `struct core::option::Option`; primitives and methods have none.
            "a" => {
                linked = true;
                let path = pieces(tag, "title=\"", "\"").next().and_then(|it| it.split_once(' '));
                let root = path.map_or("std", |(_, path)| path.split("::").next().unwrap_or(path));
                if !OURS.contains(&root) {
                    plain.push(MARK);
                }
            }
            "/a" => linked = false,
            // "Show 15 variants"
            "summary" => rest = rest.split_once("</summary>").map_or("", |(_, after)| after),
            "div" | "/div" | "br" => plain.push(' '),
            _ => {}
        }
    }
    for (entity, is) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ] {
        plain = plain.replace(entity, is);
    }
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    line.replace("( ", "(").replace(", )", ")").replace("< ", "<").replace(", >", ">")
}

/// Splits at the commas that stand in no bracket.
fn parts(body: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let (mut depth, mut last) = (0_i32, ' ');
    for c in body.chars() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            '>' if last == '-' || last == '=' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        last = c;
        match parts.last_mut() {
            Some(part) if c != ',' || depth > 0 => part.push(c),
            _ => parts.push(String::new()),
        }
    }
    let trimmed = parts.iter().map(|part| part.trim().to_owned());
    trimmed.filter(|part| !(part.is_empty() || part.starts_with('/'))).collect()
}

/// What stands between each `from` and the next `to`.
fn pieces<'a>(
    text: &'a str,
    from: &'static str,
    to: &'static str,
) -> impl Iterator<Item = &'a str> {
    text.split(from).skip(1).filter_map(move |rest| Some(rest.split_once(to)?.0))
}
