//! `cargo xtask api`: the public API of the crate `trappe` beside `docs/api.txt`, which says what was promised. What is
//! gone from there breaks somebody's program: it takes a version that says so.

mod html;

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::run;
use crate::test::STEP_MAX;
use crate::workspace::Workspace;

/// The documentation that the API is read from, and what its build is told.
pub(crate) const DOC: &[&str] = &["doc", "-q", "--workspace", "--no-deps"];
pub(crate) const DOC_FLAGS: &str = "-D warnings";

/// What was promised; its first line is the version that it was promised for.
const ACCEPTED: &str = "docs/api.txt";

/// What may be seen of dependencies: a stream is only one if it is the one that all combinators take.
const FOREIGN: &[&str] = &["trappe::client::Events: impl Stream for Events"];

/// Builds the documentation, then shows what differs, or accepts it. True if nothing is wrong.
pub(crate) fn run(workspace: &Workspace, accept: bool) -> Result<bool> {
    let mut docs = workspace.cargo(DOC);
    let built = run::run(docs.env("RUSTDOCFLAGS", DOC_FLAGS), STEP_MAX)?;
    ensure!(built.ok, "building the documentation:\n{}", built.output);
    let words = if accept { take(workspace)? } else { check(workspace)? };
    println!(
        "{}",
        if words.is_empty() { "docs/api.txt is as it should be" } else { words.trim_end() }
    );
    Ok(words.is_empty())
}

/// What is wrong with the API in the documentation that was built last; nothing if nothing is.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let api = Api::read(workspace)?;
    let difference = api.difference();
    if difference.is_empty() {
        return Ok(api.foreign());
    }
    Ok(format!(
        "{}{difference}cargo xtask api --accept takes what is new (+). What is gone or changed (-) breaks programs:\n\
         put it back, or raise the version in Cargo.toml first, which is {}.\n",
        api.foreign(),
        api.version
    ))
}

/// Writes down the API as it is, if the version allows that; else says why not.
fn take(workspace: &Workspace) -> Result<String> {
    let api = Api::read(workspace)?;
    let refusal = api.refusal()?;
    if refusal.is_empty() {
        let text = format!("{}\n{}", api.version, list("", &api.now));
        std::fs::write(workspace.root.join(ACCEPTED), text)
            .with_context(|| format!("writing {ACCEPTED}"))?;
    }
    Ok(refusal)
}

/// An API as it is, and as it was promised.
#[derive(Debug, Default)]
struct Api {
    version: String,
    now: BTreeSet<String>,
    /// Lines of `now` that name what belongs to a dependency.
    foreign: BTreeSet<String>,
    promised: BTreeSet<String>,
    /// The version that this was promised for; none if nothing was yet.
    promised_for: Option<String>,
}

impl Api {
    fn read(workspace: &Workspace) -> Result<Self> {
        let read = |file: &Path| {
            std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
        };
        let manifest = read(&workspace.root.join("Cargo.toml"))?;
        let version = manifest
            .lines()
            .find_map(|line| line.strip_prefix("version = \"")?.strip_suffix('"'))
            .context("no version in Cargo.toml")?;
        let docs = workspace.target().join("doc");
        let items = html::items(&|page| read(&docs.join(page)))?;
        let mut api = Self { version: version.to_owned(), ..Self::default() };
        for (line, foreign) in items {
            if foreign {
                api.foreign.insert(line.clone());
            }
            api.now.insert(line);
        }
        // A file that isn't there is one that promises nothing.
        api.promise(&read(&workspace.root.join(ACCEPTED)).unwrap_or_default());
        Ok(api)
    }

    fn promise(&mut self, file: &str) {
        let mut lines = file.lines().map(str::to_owned);
        self.promised_for = lines.next();
        self.promised = lines.collect();
    }

    fn foreign(&self) -> String {
        let found = self.foreign.iter().filter(|line| !FOREIGN.contains(&line.as_str()));
        list("names what belongs to a dependency: ", found)
    }

    /// The lines that are gone, then those that are new.
    fn difference(&self) -> String {
        list("- ", self.promised.difference(&self.now))
            + &list("+ ", self.now.difference(&self.promised))
    }

    /// Why this can't be promised for the version of Cargo.toml; nothing if it can.
    fn refusal(&self) -> Result<String> {
        let gone = list("- ", self.promised.difference(&self.now));
        match &self.promised_for {
            Some(before)
                if !gone.is_empty() && compatible(before)? >= compatible(&self.version)? =>
            {
                Ok(format!(
                    "{}{gone}breaks programs that were written for {before}, and {} doesn't say so: raise its first \
                 number,\nor the second while the first is 0.\n",
                    self.foreign(),
                    self.version
                ))
            }
            _ => Ok(self.foreign()),
        }
    }
}

/// Lines, each after `prefix`.
fn list<'a>(prefix: &str, lines: impl IntoIterator<Item = &'a String>) -> String {
    lines.into_iter().flat_map(|line| [prefix, line, "\n"]).collect()
}

/// What a version can be taken for: all with the same first number are alike; while that is 0, with the same second;
/// while that is 0 too, none (<https://doc.rust-lang.org/cargo/reference/semver.html>).
fn compatible(version: &str) -> Result<(u64, u64, u64)> {
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    let parsed: Result<Vec<u64>, _> = numbers.split('.').map(str::parse).collect();
    match parsed.as_deref() {
        Ok([0, 0, patch]) => Ok((0, 0, *patch)),
        Ok([0, minor, _]) => Ok((0, *minor, 0)),
        Ok([major, _, _]) => Ok((*major, 0, 0)),
        _ => bail!("{version:?} is no version"),
    }
}

#[cfg(test)]
mod tests;
