//! The rules about scripts and style sheets: Python, shell, JavaScript, CSS.

use super::Finding;
use super::lines::LINES_MAX;
use super::source::has_word;
use crate::workspace::TextFile;

/// The most characters in a line of JavaScript or CSS, which no formatter breaks here.
const WIDTH_MAX: usize = 120;

/// Where lines may be wider: every byte of the page counts against the weight that it may have (`tests/page/weight.mjs`).
const WEIGHED: &str = "crates/trappe/web/";

/// Files that are somebody else's work, unchanged.
const VENDORED: &[&str] = &["crates/trappe/web/preact.js"];

/// A client library is one file that people copy; the page's is a link to it.
const ONE_FILE: &[&str] = &["clients/js/trappe.js", "crates/trappe/web/trappe.js"];

/// A script of JavaScript or a style sheet over 600 lines, or with a line over [`WIDTH_MAX`] outside of [`WEIGHED`].
pub(super) fn too_large(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in own(files) {
        let count = file.text.lines().count();
        if count > LINES_MAX && !ONE_FILE.contains(&file.path.as_str()) {
            let words = format!("{count} lines; the most is {LINES_MAX}: split it");
            findings.push(Finding::at(&file.path, LINES_MAX + 1, words));
        }
        for (index, line) in file.text.lines().enumerate() {
            let width = line.chars().count();
            if width > WIDTH_MAX && !file.path.starts_with(WEIGHED) {
                let words = format!("{width} characters; the most is {WIDTH_MAX}: break the line");
                findings.push(Finding::at(&file.path, index + 1, words));
            }
        }
    }
    findings
}

/// A script of JavaScript or a style sheet that doesn't begin with a comment on what it is.
pub(super) fn unexplained(files: &[TextFile]) -> Vec<Finding> {
    let lacking = own(files).filter(|file| !explained(&file.text));
    lacking
        .map(|file| {
            Finding::at(&file.path, 1, "no comment at its beginning: say what the file is for")
        })
        .collect()
}

/// A script of the tests that waits for time instead of an event.
pub(super) fn sleeping(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let (naps, comment): (&[&str], _) = match extension(file) {
            "py" | "sh" => (&["sleep"], "#"),
            "js" | "mjs" => (&["setTimeout", "setInterval", "waitForTimeout"], "// "),
            _ => continue,
        };
        if !(file.path.contains("tests/") || file.path.starts_with("testdata/")) {
            continue;
        }
        for (index, line) in file.text.lines().enumerate() {
            let code = line.split(comment).next().unwrap_or(line);
            if naps.iter().any(|nap| has_word(code, nap)) {
                findings.push(Finding::at(
                    &file.path,
                    index + 1,
                    "a sleep in a test: wait for readiness",
                ));
            }
        }
    }
    findings
}

/// The JavaScript and CSS of this house.
fn own(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| {
        matches!(extension(file), "js" | "mjs" | "css") && !VENDORED.contains(&file.path.as_str())
    })
}

/// Whether the comment before anything else has words of its own; `@ts-check` is for a tool.
fn explained(text: &str) -> bool {
    let mut open = false;
    for line in text.lines().map(str::trim) {
        let words = if open {
            line
        } else if let Some(words) = line.strip_prefix("//") {
            words
        } else if let Some(words) = line.strip_prefix("/*") {
            open = true;
            words
        } else if line.is_empty() {
            continue;
        } else {
            return false;
        };
        open &= !words.contains("*/");
        let words = words.trim_matches(|c: char| c.is_whitespace() || "*/".contains(c));
        if !words.is_empty() && words != "@ts-check" {
            return true;
        }
    }
    false
}

fn extension(file: &TextFile) -> &str {
    std::path::Path::new(&file.path).extension().and_then(|found| found.to_str()).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::super::planted::{files, places};
    use super::*;

    #[test]
    fn a_script_too_long_or_too_wide_is_found_unless_it_is_vendored() {
        let (long, wide) = ("a\n".repeat(601), format!("a\n{}\n", "é".repeat(121)));
        let planted = files(&[
            ("a.css", &"a\n".repeat(600)),
            ("a.js", &"é".repeat(120)),
            ("a.py", &long),
            ("b.js", &long),
            ("b.mjs", &wide),
            ("crates/trappe/web/a.js", &wide),
            ("crates/trappe/web/b.css", &long),
            (VENDORED[0], &long),
            (ONE_FILE[0], &long),
        ]);
        let found = [("b.js", 601), ("b.mjs", 2), ("crates/trappe/web/b.css", 601)];
        assert_eq!(places(&too_large(&planted)), found);
    }

    #[test]
    fn a_script_that_does_not_say_what_it_is_is_found() {
        for (text, finds) in [
            ("// The page.\nlet a;", false),
            ("// @ts-check\n\n// The page.\n", false),
            ("// @ts-check\n/** The page. */\n", false),
            ("/*\n * The page.\n */\n", false),
            ("// @ts-check\nlet a; // the page", true),
            ("/* */\nlet a;", true),
            ("let a;", true),
            ("", true),
        ] {
            assert_eq!(
                places(&unexplained(&files(&[("a.mjs", text)]))).len(),
                usize::from(finds),
                "{text}"
            );
        }
        assert_eq!(places(&unexplained(&files(&[("a.py", ""), (VENDORED[0], "")]))), []);
    }

    #[test]
    fn a_script_of_the_tests_that_sleeps_is_found() {
        let planted = files(&[
            ("crates/trappe/tests/it/a.py", "import time\ntime.sleep(1)\n# sleep"),
            (
                "crates/trappe/tests/page/a.mjs",
                "// setTimeout\nawait page.waitForTimeout(9);\ncontext.setDefaultTimeout(9);\nf(setInterval);",
            ),
            ("crates/trappe/web/a.js", "setTimeout(again, 9);"),
            ("examples/a.py", "time.sleep(1)"),
        ]);
        let (python, node) = ("crates/trappe/tests/it/a.py", "crates/trappe/tests/page/a.mjs");
        assert_eq!(places(&sleeping(&planted)), [(python, 2), (node, 2), (node, 4)]);
    }
}
