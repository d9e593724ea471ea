//! The rules that look at one Rust file at a time.

use super::Finding;
use super::source::{Source, has_word};

/// The most lines that a file may have; 200 is the aim, 400 the time to think.
pub(super) const LINES_MAX: usize = 600;

/// A file over [`LINES_MAX`].
pub(super) fn too_long(source: &Source, findings: &mut Vec<Finding>) {
    let count = source.lines.len();
    if count > LINES_MAX {
        findings.push(Finding::new(
            source,
            LINES_MAX + 1,
            format!("{count} lines; the most is {LINES_MAX}: split it"),
        ));
    }
}

/// A file without a `//!` that says what it promises.
pub(super) fn undocumented(source: &Source, findings: &mut Vec<Finding>) {
    if !source.documented {
        findings.push(Finding::new(
            source,
            1,
            "no `//!` before the first item: say what the file is for",
        ));
    }
}

/// Code in a plain comment.
pub(super) fn commented_out(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(source) {
        if looks_like_code(line.comment.trim()) {
            findings.push(Finding::new(
                source,
                number,
                "code in a comment: git remembers it, delete it",
            ));
        }
    }
}

/// Here time is the test's own: nothing really waits.
const OWN_CLOCK: &str = "crates/trappe/src/sim/";

/// A test that waits for time instead of an event.
pub(super) fn sleeps(source: &Source, findings: &mut Vec<Finding>) {
    if source.path.starts_with(OWN_CLOCK) {
        return;
    }
    for (number, line) in numbered(source) {
        let code = &line.code;
        let called = |name: &str| has_word(code, name) && code.contains(&format!("{name}("));
        if line.test && (called("sleep") || called("sleep_until") || called("sleep_ms")) {
            findings.push(Finding::new(
                source,
                number,
                "a sleep in a test: wait for readiness, or own the clock",
            ));
        }
    }
}

/// A test that never runs.
pub(super) fn ignored(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(source) {
        let code: String = line.code.split_whitespace().collect();
        let conditional = code.contains("#[cfg_attr(") && code.ends_with(",ignore)]");
        if code.contains("#[ignore") || conditional {
            findings.push(Finding::new(source, number, "an ignored test: mend it or delete it"));
        }
    }
}

/// A to-do that doesn't say what and why.
pub(super) fn todos(source: &Source, findings: &mut Vec<Finding>) {
    for (number, line) in numbered(source) {
        for mark in ["TODO", "FIXME", "XXX"] {
            if !has_word(&line.comment, mark) {
                continue;
            }
            let after = line.comment.split_once(mark).map_or("", |(_, after)| after);
            let reason = after.trim_start_matches(|c: char| !c.is_alphanumeric());
            if reason.split_whitespace().count() < 3 {
                findings.push(Finding::new(source, number, format!("{mark} without a reason")));
            }
        }
    }
}

/// `allow` without `reason = "…"`; `expect` says when it is no longer needed, and clippy holds its reason.
pub(super) fn bare_allows(source: &Source, findings: &mut Vec<Finding>) {
    for (index, line) in source.lines.iter().enumerate() {
        let code: String = line.code.split_whitespace().collect();
        if !code.contains("#[allow(") && !code.contains("#![allow(") {
            continue;
        }
        // The attribute ends with the first `]` from here on.
        let mut attribute = String::new();
        for following in source.lines.get(index..).unwrap_or_default() {
            attribute.push_str(&following.code);
            if following.code.contains(']') {
                break;
            }
        }
        if !has_word(&attribute, "reason") {
            findings.push(Finding::new(
                source,
                index + 1,
                "a bare `allow`: use `#[expect(lint, reason = \"…\")]`",
            ));
        }
    }
}

fn numbered(source: &Source) -> impl Iterator<Item = (usize, &super::source::Line)> {
    source.lines.iter().enumerate().map(|(index, line)| (index + 1, line))
}

/// Whether a comment's text is a line of Rust. Prose that names code passes: a sentence is seldom a whole statement.
fn looks_like_code(text: &str) -> bool {
    if text.starts_with("#[") || text.starts_with("#![") {
        return text.ends_with(']');
    }
    if !text.is_empty()
        && text.chars().all(|c| matches!(c, '{' | '}' | '(' | ')' | ';' | ',' | ' '))
    {
        return true;
    }
    let first = text.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("");
    let opens = [
        "pub", "fn", "async", "impl", "struct", "enum", "trait", "mod", "if", "for", "while",
        "loop", "match",
    ];
    if text.ends_with('{') {
        return opens.contains(&first)
            || text.starts_with('}')
            || text.contains(" = ")
            || text.contains("=> {");
    }
    let Some(statement) = text.strip_suffix(';') else { return false };
    let keywords = ["let", "use", "return", "pub", "mod", "const", "static", "type"];
    if keywords.contains(&first) {
        // `let it be;` and `return to it;` are prose: a declaration has a sign of its own.
        return statement.contains(['=', ':', '(']) || statement.split_whitespace().count() <= 2;
    }
    let call = statement.ends_with([')', '?']) && head_is_path(statement);
    let assignment = [" = ", " += ", " -= "].iter().any(|sign| {
        statement
            .split_once(sign)
            .is_some_and(|(left, _)| !left.trim().is_empty() && !left.trim().contains(' '))
    });
    call || assignment
}

/// Whether `text` begins with a path that is called: `a.b(`, `a::b!(`.
fn head_is_path(text: &str) -> bool {
    text.split_once('(').is_some_and(|(head, _)| {
        !head.is_empty() && head.chars().all(|c| c.is_alphanumeric() || "_.:!?&*".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::TextFile;

    type Rule = fn(&Source, &mut Vec<Finding>);

    fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
        let mut findings = Vec::new();
        rule(&Source::read(&TextFile { path: path.into(), text: text.into() }), &mut findings);
        findings.iter().map(|finding| finding.line).collect()
    }

    fn check(rule: Rule, cases: &[(&str, &[usize])]) {
        for (text, expected) in cases {
            assert_eq!(lines(rule, "crates/x/src/x.rs", text), *expected, "{text}");
        }
    }

    #[test]
    fn a_file_of_600_lines_passes_and_one_of_601_does_not() {
        assert_eq!(lines(too_long, "x.rs", &"a\n".repeat(600)), []);
        assert_eq!(lines(too_long, "x.rs", &"a\n".repeat(601)), [601]);
    }

    #[test]
    fn a_file_without_a_doc_is_found() {
        check(undocumented, &[("//! What it is.\nfn a() {}", &[]), ("fn a() {}", &[1])]);
    }

    #[test]
    fn code_in_a_comment_is_found_and_prose_is_not() {
        check(
            commented_out,
            &[
                ("// let x = 1;", &[1]),
                ("// self.pump.wake();", &[1]),
                ("// assert_eq!(a, b);", &[1]),
                ("// if late {", &[1]),
                ("// } else {", &[1]),
                ("// }", &[1]),
                ("// #[test]", &[1]),
                ("// x.y = z;", &[1]),
                ("/*\nfoo(1)?;\n*/", &[2]),
                ("// use std::fmt;", &[1]),
                ("// The order is fixed here, once; what follows reads it.", &[]),
                ("// first the one (see `seal`);", &[]),
                ("// let it be;", &[]),
                ("// for a member that has left (its cursor is gone);", &[]),
                ("// `wake()` may be spurious;", &[]),
                ("// a = b in RFC 1982's sense", &[]),
                ("/// ```\n/// let x = 1;\n/// ```", &[]),
                ("let a = \"// let x = 1;\";", &[]),
            ],
        );
    }

    #[test]
    fn a_sleep_is_found_in_tests_only() {
        let nap = "std::thread::{sleep, self};";
        let planted = format!(
            "use {nap}\nfn a() {{ sleep(d); }}\n#[cfg(test)]\nmod tests {{\n    fn b() {{ time::sleep (d); sleep(d); }}\n}}"
        );
        assert_eq!(lines(sleeps, "crates/x/src/x.rs", &planted), [5]);
        assert_eq!(lines(sleeps, "crates/x/tests/it/x.rs", "fn a() { sleep(d); }"), [1]);
        assert_eq!(
            lines(sleeps, "crates/x/tests/it/x.rs", "fn oversleep(d: u8) {} // sleep(d)"),
            []
        );
        assert_eq!(lines(sleeps, "crates/x/tests/it/x.rs", "t::sleep_until(d);"), [1]);
        assert_eq!(lines(sleeps, "crates/trappe/src/sim/x/tests.rs", "t::sleep_until(d);"), []);
    }

    #[test]
    fn an_ignored_test_is_found() {
        check(
            ignored,
            &[
                ("# [ignore]\nfn a() {}", &[1]),
                ("#[test]\n# [ignore = \"slow\"]", &[2]),
                ("#[cfg_attr(miri, ignore)]", &[1]),
                ("// an ignored line", &[]),
            ],
        );
    }

    #[test]
    fn a_to_do_needs_a_reason() {
        check(
            todos,
            &[
                ("// TODO", &[1]),
                ("// TODO: later", &[1]),
                ("// FIXME(bob):", &[1]),
                ("// TODO: the kernel before 6.1 lacks this", &[]),
                ("let todos = 1; // the method", &[]),
            ],
        );
    }

    #[test]
    fn a_bare_allow_is_found_also_over_several_lines() {
        check(
            bare_allows,
            &[
                ("#[allow(dead_code)]", &[1]),
                ("#![allow(\n    clippy::a,\n)]", &[1]),
                ("#[allow(dead_code, reason = \"generated\")]", &[]),
                ("#[allow(\n    dead_code,\n    reason = \"generated\",\n)]", &[]),
                ("#[expect(dead_code, reason = \"x\")]", &[]),
            ],
        );
    }
}
