//! The rules about `trappe-core`: nothing public without a user, no limit without effect, no runtime.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Finding;
use super::source::{Source, has_word};
use crate::run;
use crate::workspace::Workspace;

const CORE: &str = "crates/trappe-core/src/";
const LIMITS: &str = "crates/trappe-core/src/limits.rs";

/// What brings sockets, threads or an event loop with it. A name that ends with `-` stands for all that begin so.
const RUNTIMES: &[&str] = &[
    "tokio",
    "tokio-",
    "async-std",
    "async-",
    "smol",
    "mio",
    "polling",
    "futures",
    "futures-",
    "parking_lot",
    "parking_lot_core",
    "crossbeam-",
    "socket2",
    "nix",
    "rustix",
    "hyper",
    "rayon",
    "getrandom",
    "rand",
    "tracing-subscriber",
];

/// A public item of the core, where it is defined.
#[derive(Debug, PartialEq, Eq)]
struct Item<'a> {
    name: &'a str,
    kind: &'a str,
    /// The index of its line.
    index: usize,
}

/// Public items of the core that no other file of the workspace names, and that no public signature of their own
/// file needs. By name alone: a second item of the same name hides an unused one.
pub(super) fn unused(sources: &[Source]) -> Vec<Finding> {
    let codes: Vec<String> =
        sources.iter().map(|source| without_reexports(&source.code())).collect();
    let mut findings = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        if !source.path.starts_with(CORE) || source.path == LIMITS {
            continue;
        }
        for item in public_items(source) {
            let elsewhere = codes
                .iter()
                .enumerate()
                .any(|(other, code)| other != at && has_word(code, item.name));
            let in_hand = is_type(item.kind) && in_signature(source, &item);
            if !elsewhere && !in_hand {
                let words = format!("`{}` is public, and no other file uses it", item.name);
                findings.push(Finding::new(source, item.index + 1, words));
            }
        }
    }
    findings
}

/// Constants of `limits.rs` that no other file uses: a bound without effect.
pub(super) fn unused_limits(sources: &[Source]) -> Vec<Finding> {
    let Some(limits) = sources.iter().find(|source| source.path == LIMITS) else {
        return Vec::new();
    };
    let codes: Vec<String> = sources
        .iter()
        .filter(|source| source.path != LIMITS)
        .map(|source| without_reexports(&source.code()))
        .collect();
    public_items(limits)
        .into_iter()
        .filter(|item| !codes.iter().any(|code| has_word(code, item.name)))
        .map(|item| {
            Finding::new(
                limits,
                item.index + 1,
                format!("`{}` bounds nothing: no other file uses it", item.name),
            )
        })
        .collect()
}

/// Crates below the core, as cargo resolves them, that make it more than arithmetic.
pub(super) fn runtimes(workspace: &Workspace) -> Result<Vec<Finding>> {
    let mut tree = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    tree.args(["tree", "-p", "trappe-core", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .current_dir(&workspace.root);
    let outcome = run::run(&mut tree, Duration::from_mins(2))?;
    let manifest = "crates/trappe-core/Cargo.toml";
    if !outcome.ok {
        return Ok(vec![Finding::at(
            manifest,
            1,
            format!("cargo tree failed: {}", outcome.output.trim()),
        )]);
    }
    Ok(named_runtimes(&outcome.output)
        .into_iter()
        .map(|name| {
            Finding::at(manifest, 1, format!("`{name}` is below the core, which does no I/O"))
        })
        .collect())
}

fn named_runtimes(tree: &str) -> Vec<&str> {
    let mut names: Vec<&str> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| {
            RUNTIMES
                .iter()
                .any(|bad| if bad.ends_with('-') { name.starts_with(bad) } else { name == bad })
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn public_items(source: &Source) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    for (index, line) in source.lines.iter().enumerate() {
        let Some(rest) = line.code.trim_start().strip_prefix("pub ") else { continue };
        if line.test {
            continue;
        }
        let mut words = rest.split_whitespace().peekable();
        let mut kind = "";
        // `pub const fn`, `pub async fn`, `pub unsafe fn`: the last keyword before the name tells the kind.
        while let Some(word) = words.next_if(|word| is_keyword(word)) {
            kind = word;
        }
        let name = words
            .next()
            .unwrap_or("")
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .next()
            .unwrap_or("");
        if !name.is_empty() && !matches!(kind, "" | "mod" | "use" | "extern") {
            items.push(Item { name, kind, index });
        }
    }
    items
}

fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "fn" | "struct"
            | "enum"
            | "trait"
            | "const"
            | "static"
            | "type"
            | "mod"
            | "use"
            | "async"
            | "unsafe"
            | "extern"
            | "union"
    )
}

fn is_type(kind: &str) -> bool {
    matches!(kind, "struct" | "enum" | "trait" | "type" | "union")
}

/// Whether another public signature of the same file names this type: then whoever uses that one has it in hand without
/// naming it. A variant's payload counts (its enum is what users name), and so do the items of a trait and of its `impl`.
fn in_signature(source: &Source, item: &Item<'_>) -> bool {
    /// The block at the left margin that a line stands in, if its items are public without saying so.
    enum Block {
        Other,
        Enum,
        Trait,
    }
    let mut block = Block::Other;
    // Whether the line goes on with a signature that an earlier one began.
    let mut open = false;
    source.lines.iter().enumerate().any(|(index, line)| {
        let code = line.code.trim();
        let margin = !line.code.starts_with(char::is_whitespace);
        let header = margin
            && (code.starts_with("pub trait")
                || code.starts_with("impl") && code.contains(" for "));
        if header {
            block = Block::Trait;
        } else if margin && code.starts_with("pub enum") && !code.ends_with('}') {
            block = Block::Enum;
        }
        let begins = match block {
            Block::Trait => ["fn ", "type ", "const "].iter().any(|kind| code.starts_with(kind)),
            _ => code.starts_with("pub "),
        };
        open |= begins;
        let in_enum = matches!(block, Block::Enum);
        // A body on the same line is no signature; in an enum, a brace opens the fields of a variant.
        let signature = if in_enum { code } else { code.split('{').next().unwrap_or(code) };
        let named = (open || in_enum)
            && index != item.index
            && !line.test
            && has_word(signature, item.name);
        if code.ends_with(['{', ';', '}']) {
            open = false;
        }
        if line.code.starts_with('}') {
            block = Block::Other;
        }
        named
    })
}

/// Cuts out `pub use …;`: passing a name on is no use of it.
fn without_reexports(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find("pub use ") {
        kept.push_str(&rest[..at]);
        rest = rest[at..].split_once(';').map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::TextFile;

    fn sources(files: &[(&str, &str)]) -> Vec<Source> {
        files
            .iter()
            .map(|(path, text)| {
                Source::read(&TextFile { path: (*path).into(), text: (*text).into() })
            })
            .collect()
    }

    fn found(findings: &[Finding]) -> Vec<(usize, &str)> {
        findings.iter().map(|f| (f.line, f.words.split('`').nth(1).unwrap_or(""))).collect()
    }

    #[test]
    fn a_public_item_that_only_its_own_file_and_a_reexport_name_is_found() {
        let planted = sources(&[
            (
                "crates/trappe-core/src/a.rs",
                "pub struct Used;\npub struct Lonely;\npub const fn lonely_fn() -> Returned { Lonely }\npub(crate) fn x() {}\n\
                 pub struct Returned;\npub enum E {\n    One(Payload),\n}\npub struct Payload;\npub struct Wrong;\n\
                 impl FromStr for E {\n    type Err = Wrong;\n    fn x() { Lonely }\n}\nimpl Error for Lonely {}\n#[cfg(test)]\nmod tests { pub fn t() {} }\n",
            ),
            ("crates/trappe-core/src/lib.rs", "pub mod a;\npub use a::{\n    Lonely, Used,\n};\n"),
            (
                "crates/trappe/src/b.rs",
                "use trappe_core::{Used, E}; // Lonely lonely_fn\nconst S: &str = \"Lonely\";",
            ),
        ]);
        assert_eq!(found(&unused(&planted)), [(2, "Lonely"), (3, "lonely_fn")]);
    }

    #[test]
    fn public_items_outside_the_core_are_not_looked_at() {
        assert_eq!(unused(&sources(&[("crates/trappe/src/b.rs", "pub fn alone() {}")])), []);
    }

    #[test]
    fn a_limit_that_nothing_else_uses_is_found() {
        let planted = sources(&[
            (
                LIMITS,
                "pub const A_BYTES: usize = 1;\npub const B_BYTES: usize = A_BYTES;\npub const C: usize = 3;",
            ),
            ("crates/trappe/src/b.rs", "use limits::B_BYTES; // C"),
        ]);
        assert_eq!(found(&unused_limits(&planted)), [(1, "A_BYTES"), (3, "C")]);
    }

    #[test]
    fn a_runtime_below_the_core_is_found_by_its_whole_name() {
        let tree = "trappe-core v0.1.0\nbytes v1.12.0\ntokio-util v0.7.1\nmio v1.0.0\nmio v1.0.0 (*)\nminimal v1.0.0\n";
        assert_eq!(named_runtimes(tree), ["mio", "tokio-util"]);
    }
}
