//! The rules about manifests and documents, and about what no text file may hold.

use std::collections::BTreeMap;

use super::Finding;
use crate::workspace::TextFile;

/// Folders in which people keep their work: a path that begins so is one machine's own.
const HOMES: &[&str] =
    &[concat!("/", "home/"), concat!("/", "root/"), concat!("/", "work/"), concat!("/", "Users/")];

/// A package version, the MSRV or a dependency's version that stands in more than one place, or a document that names
/// another MSRV than the workspace.
pub(super) fn versions(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut first_place: BTreeMap<&str, &str> = BTreeMap::new();
    let mut msrv = "";
    // The workspace's manifest first: what it says is the place of record.
    let (root, others): (Vec<_>, Vec<_>) = files
        .iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        .partition(|file| file.path == "Cargo.toml");
    for file in root.into_iter().chain(others) {
        for entry in entries(file) {
            match (entry.table, entry.key) {
                ("workspace.package", "rust-version") => msrv = entry.value.trim_matches('"'),
                ("package", "version" | "rust-version" | "edition") => {
                    findings.push(
                        entry.finding(format!("`{}` belongs to [workspace.package]", entry.key)),
                    );
                }
                (table, key) if table.ends_with("dependencies") && has_version(entry.value) => {
                    if let Some(place) = first_place.insert(key, &file.path) {
                        findings.push(
                            entry.finding(format!("the version of `{key}` stands in {place} too")),
                        );
                    }
                }
                _ => {}
            }
        }
    }
    for file in files {
        if file.path.ends_with("clippy.toml") || file.path.ends_with("rust-toolchain.toml") {
            findings.extend(
                entries(file).filter(|entry| matches!(entry.key, "msrv" | "channel")).map(
                    |entry| {
                        entry.finding("the MSRV is written in the workspace's Cargo.toml alone")
                    },
                ),
            );
        }
        if has_extension(file, "md") && !msrv.is_empty() {
            for (index, line) in file.text.lines().enumerate() {
                if named_rust(line).any(|named| named != msrv) {
                    findings.push(Finding::at(
                        &file.path,
                        index + 1,
                        format!("another Rust than the MSRV {msrv}"),
                    ));
                }
            }
        }
    }
    findings
}

/// A file that holds a path of somebody's machine.
pub(super) fn machine_paths(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let own = HOMES.iter().any(|home| {
                // `$HOME/work/`, `https://x.example/home/` and `../work/` are no absolute paths.
                line.match_indices(home).any(|(at, _)| {
                    !line[..at]
                        .chars()
                        .next_back()
                        .is_some_and(|c| c.is_alphanumeric() || "._-~}/*$".contains(c))
                })
            });
            if own {
                findings.push(Finding::at(&file.path, index + 1, "a path of one machine"));
            }
        }
    }
    findings
}

fn has_extension(file: &TextFile, extension: &str) -> bool {
    std::path::Path::new(&file.path).extension().is_some_and(|found| found == extension)
}

/// One `key = value` of a manifest, with the table that it stands in.
struct Entry<'a> {
    path: &'a str,
    line: usize,
    table: &'a str,
    key: &'a str,
    value: &'a str,
}

impl Entry<'_> {
    fn finding(&self, words: impl Into<String>) -> Finding {
        Finding::at(self.path, self.line, words)
    }
}

/// The entries of a manifest as this house writes them: one to a line, dependencies inline.
fn entries(file: &TextFile) -> impl Iterator<Item = Entry<'_>> {
    let mut table = "";
    file.text.lines().enumerate().filter_map(move |(index, line)| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name;
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (!line.starts_with('#')).then(|| Entry {
            path: &file.path,
            line: index + 1,
            table,
            key: key.trim(),
            value: value.trim(),
        })
    })
}

fn has_version(value: &str) -> bool {
    value.starts_with('"') || value.contains("version")
}

/// Each `1.95` of `Rust 1.95` in a line.
fn named_rust(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("Rust 1.").map(|(at, _)| {
        let number = &line[at + "Rust ".len()..];
        let end = number.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(number.len());
        number[..end].trim_end_matches('.')
    })
}

#[cfg(test)]
mod tests {
    use super::super::planted::{files, places};
    use super::*;

    #[test]
    fn a_version_that_stands_in_two_places_is_found() {
        let planted = files(&[
            ("README.md", "Needs Rust 1.95.\nNeeds Rust 1.90 or later.\nRust is fine."),
            ("clippy.toml", "msrv = \"1.95\""),
            (
                "Cargo.toml",
                "[workspace.package]\nversion = \"0.1.0\"\nrust-version = \"1.95\"\n[workspace.dependencies]\nbytes = \"1\"\n",
            ),
            (
                "a/Cargo.toml",
                "[package]\nversion = \"0.1.0\"\n[dependencies]\nbytes = { version = \"1\" }\nmio = \"1\"\n",
            ),
            (
                "b/Cargo.toml",
                "[package]\nversion.workspace = true\n[dependencies]\nbytes.workspace = true\nmio = \"1\"\n",
            ),
        ]);
        let findings = versions(&planted);
        assert_eq!(
            places(&findings),
            [
                ("a/Cargo.toml", 2),
                ("a/Cargo.toml", 4),
                ("b/Cargo.toml", 5),
                ("README.md", 2),
                ("clippy.toml", 1)
            ]
        );
    }

    #[test]
    fn a_path_of_one_machine_is_found_and_a_relative_one_is_not() {
        let (home, work) = (HOMES[0], HOMES[2]);
        let planted = files(&[
            ("a.md", &format!("see {home}bob/x")),
            ("b.toml", &format!("path = \"{work}main\"")),
            ("c.md", &format!("see https://x.example{home}bob, ..{work}x and $HOME{work}x")),
        ]);
        assert_eq!(places(&machine_paths(&planted)), [("a.md", 1), ("b.toml", 1)]);
    }
}
