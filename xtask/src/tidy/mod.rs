//! `cargo xtask tidy`: the rules of the house that no compiler holds. Each rule is one thing that passes or fails.

mod core;
mod lines;
mod manifests;
#[cfg(test)]
mod planted;
mod scripts;
mod source;

use std::fmt;

use anyhow::Result;

use crate::tally::Tally;
use crate::workspace::{TextFile, Workspace};
use source::Source;

/// Something that a rule doesn't allow, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1.
    line: usize,
    words: String,
}

impl Finding {
    fn new(source: &Source, line: usize, words: impl Into<String>) -> Self {
        Self::at(&source.path, line, words)
    }

    fn at(path: &str, line: usize, words: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, words: words.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.words)
    }
}

/// The rules that look at one Rust file at a time.
type LineRule = fn(&Source, &mut Vec<Finding>);

const LINE_RULES: &[(&str, LineRule)] = &[
    ("no file over 600 lines", lines::too_long),
    ("a doc for each file", lines::undocumented),
    ("no commented-out code", lines::commented_out),
    ("no sleep in a test", lines::sleeps),
    ("no ignored test", lines::ignored),
    ("no to-do without a reason", lines::todos),
    ("no bare allow", lines::bare_allows),
];

/// Prints what every rule found. True if nothing.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let (tally, words) = check(workspace)?;
    print!("{words}");
    println!("{tally}");
    Ok(tally.failed == 0)
}

/// Applies every rule to the tree; gives the counts, and the findings as text.
pub(crate) fn check(workspace: &Workspace) -> Result<(Tally, String)> {
    let files = workspace.text_files()?;
    let mut results = check_files(&files);
    results.push(("no runtime in the core", core::runtimes(workspace)?));

    let mut tally = Tally::default();
    let mut words = Vec::new();
    for (rule, findings) in results {
        tally.add(Tally::one(findings.is_empty()));
        if !findings.is_empty() {
            words.push(format!("{rule}: {} found\n", findings.len()));
        }
        words.extend(findings.iter().map(|finding| format!("  {finding}\n")));
    }
    Ok((tally, words.concat()))
}

/// The rules that need nothing but the files.
fn check_files(files: &[TextFile]) -> Vec<(&'static str, Vec<Finding>)> {
    let is_rust = |file: &&TextFile| {
        std::path::Path::new(&file.path).extension().is_some_and(|end| end == "rs")
    };
    let sources: Vec<Source> = files.iter().filter(is_rust).map(Source::read).collect();
    let mut results: Vec<(&str, Vec<Finding>)> = LINE_RULES
        .iter()
        .map(|(name, rule)| {
            let mut findings = Vec::new();
            for source in &sources {
                rule(source, &mut findings);
            }
            (*name, findings)
        })
        .collect();
    results.push(("no script over 600 lines, none wider than 120", scripts::too_large(files)));
    results.push(("a comment at the beginning of each script", scripts::unexplained(files)));
    results.push(("no sleep in a script of a test", scripts::sleeping(files)));
    results.push(("no version written twice", manifests::versions(files)));
    results.push(("no path of a developer's machine", manifests::machine_paths(files)));
    results.push(("each public item of the core is used", core::unused(&sources)));
    results.push(("each limit is used", core::unused_limits(&sources)));
    results
}
