//! A Rust file taken apart: its code without the contents of strings, its comments, and which lines are test code.
//!
//! A reading by characters, not a parser: enough to tell a rule's text in a string from the real thing.

use crate::workspace::TextFile;

/// One line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    /// What the compiler reads; strings and characters are emptied, their quotes stay.
    pub(crate) code: String,
    /// The text of a plain comment (`//`, `/* */`); doc comments are documents and are left out.
    pub(crate) comment: String,
    /// In a test: below a `tests/` folder, in a `#[cfg(test)]` or `#[test]` item.
    pub(crate) test: bool,
}

/// A file, line by line.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) lines: Vec<Line>,
    /// Whether a `//!` stands before the first item.
    pub(crate) documented: bool,
}

/// What the reader stands in.
enum State {
    Code,
    LineComment { doc: bool },
    BlockComment { depth: usize },
    Str,
    RawStr { hashes: usize },
}

impl Source {
    /// Takes a file apart.
    pub(crate) fn read(file: &TextFile) -> Self {
        let mut lines = split(&file.text);
        mark_tests(&mut lines, file.path.contains("/tests/") || file.path.ends_with("/tests.rs"));
        Self { path: file.path.clone(), lines, documented: documented(&file.text) }
    }

    /// The code of the whole file, line breaks kept.
    pub(crate) fn code(&self) -> String {
        self.lines.iter().map(|line| line.code.as_str()).collect::<Vec<_>>().join("\n")
    }
}

fn documented(text: &str) -> bool {
    text.lines()
        .map(str::trim)
        .find(|line| {
            !(line.is_empty()
                || line.starts_with("#!")
                || line.starts_with("//") && !line.starts_with("//!"))
        })
        .is_some_and(|line| line.starts_with("//!"))
}

fn split(text: &str) -> Vec<Line> {
    let chars: Vec<char> = text.chars().collect();
    let mut lines = Vec::new();
    let mut line = Line::default();
    let mut state = State::Code;
    let mut at = 0;
    let starts = |at: usize, what: &str| {
        what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c))
    };
    while let Some(&c) = chars.get(at) {
        if c == '\n' {
            if matches!(state, State::LineComment { .. }) {
                state = State::Code;
            }
            lines.push(std::mem::take(&mut line));
            at += 1;
            continue;
        }
        let mut taken = 1;
        match &mut state {
            State::LineComment { doc } => {
                if !*doc {
                    line.comment.push(c);
                }
            }
            State::BlockComment { depth } => {
                if starts(at, "*/") {
                    taken = 2;
                    *depth -= 1;
                    if *depth == 0 {
                        state = State::Code;
                    }
                } else if starts(at, "/*") {
                    taken = 2;
                    *depth += 1;
                } else {
                    line.comment.push(c);
                }
            }
            State::Str => {
                if c == '\\' {
                    // The escaped character can't end the string; an escaped line break still ends the line.
                    taken = if chars.get(at + 1) == Some(&'\n') { 1 } else { 2 };
                } else if c == '"' {
                    line.code.push(c);
                    state = State::Code;
                }
            }
            State::RawStr { hashes } => {
                let end = "#".repeat(*hashes);
                if c == '"' && starts(at + 1, &end) {
                    line.code.push(c);
                    taken = 1 + *hashes;
                    state = State::Code;
                }
            }
            State::Code => {
                if starts(at, "//") {
                    let doc = starts(at, "//!") || starts(at, "///") && !starts(at, "////");
                    taken = 2;
                    state = State::LineComment { doc };
                } else if starts(at, "/*") {
                    taken = 2;
                    state = State::BlockComment { depth: 1 };
                } else if c == '"' {
                    line.code.push(c);
                    let hashes = raw_hashes(&mut line.code);
                    state = hashes.map_or(State::Str, |hashes| State::RawStr { hashes });
                } else if c == '\'' {
                    taken = char_literal(&chars, at);
                    line.code.push_str(if taken > 1 { "''" } else { "'" });
                } else {
                    line.code.push(c);
                }
            }
        }
        at += taken;
    }
    if line != Line::default() {
        lines.push(line);
    }
    lines
}

/// Whether the quote at the end of `code` opens a raw string (`r"`, `br##"`), and with how many hashes.
fn raw_hashes(code: &mut str) -> Option<usize> {
    let before = code.strip_suffix('"')?;
    let bare = before.trim_end_matches('#');
    let prefix: String =
        bare.chars().rev().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    matches!(prefix.as_str(), "r" | "rb" | "rc").then_some(before.len() - bare.len())
}

/// How many characters a literal such as `'x'` or `'\n'` takes; 1 for the quote of a lifetime.
fn char_literal(chars: &[char], at: usize) -> usize {
    if chars.get(at + 1) == Some(&'\\') {
        let end = chars.iter().skip(at + 3).take(12).position(|&c| c == '\'');
        return end.map_or(1, |end| end + 4);
    }
    if chars.get(at + 2) == Some(&'\'') { 3 } else { 1 }
}

/// Marks each item that bears `#[cfg(test)]` or a `#[…test]` attribute, from its attribute to its closing brace.
fn mark_tests(lines: &mut [Line], all: bool) {
    let mut depth = 0_usize;
    // Waiting for the first brace after the attribute; then the depth at which the item ends.
    let mut waiting = false;
    let mut ends_at: Option<usize> = None;
    for line in lines {
        if ends_at.is_none() && is_test_attribute(&line.code) {
            waiting = true;
        }
        let mut inside = all || waiting || ends_at.is_some();
        for c in line.code.chars() {
            match c {
                '{' => {
                    if waiting {
                        (waiting, ends_at) = (false, Some(depth));
                        inside = true;
                    }
                    depth += 1;
                }
                '}' => {
                    depth = depth.saturating_sub(1);
                    if ends_at == Some(depth) {
                        ends_at = None;
                    }
                }
                // `#[cfg(test)] mod tests;`: the item is elsewhere.
                ';' if waiting && ends_at.is_none() => waiting = false,
                _ => {}
            }
        }
        line.test = inside;
    }
}

fn is_test_attribute(code: &str) -> bool {
    let code: String = code.split_whitespace().collect();
    code.match_indices("#[").any(|(at, _)| {
        let attribute = &code[at + 2..];
        let attribute = attribute.split(']').next().unwrap_or(attribute);
        let path = attribute.split('(').next().unwrap_or(attribute);
        let named = path == "test" || path.ends_with("::test");
        let configured = attribute.starts_with("cfg(")
            && !attribute.contains("not(test")
            && has_word(attribute, "test");
        named || configured
    })
}

/// Whether `word` occurs in `text` as a whole identifier.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let joins = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).any(|(at, _)| {
        !joins(text[..at].chars().next_back()) && !joins(text[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::read(&TextFile { path: "crates/x/src/x.rs".into(), text: text.into() })
    }

    #[test]
    fn strings_are_emptied_and_comments_are_kept_apart() {
        let cases = [
            (r#"let a = "x // y"; // why"#, r#"let a = "";"#, " why"),
            (r##"let a = r#"q " q"#; b"##, "let a = r#\"\"; b", ""),
            (r#"let a = "\""; c"#, r#"let a = ""; c"#, ""),
            ("let a = '\"'; let b: &'a str;", "let a = ''; let b: &'a str;", ""),
            ("let a = '\\''; x", "let a = ''; x", ""),
            ("let a = '\\u{1b}'; x", "let a = ''; x", ""),
            ("a /* b /* c */ d */ e", "a  e", " b  c  d "),
            ("/// a doc", "", ""),
            ("//// a rule", "", "// a rule"),
        ];
        for (text, code, comment) in cases {
            let line = source(text).lines.first().cloned().unwrap_or_default();
            assert_eq!((line.code.trim_end(), line.comment.as_str()), (code, comment), "{text}");
        }
    }

    #[test]
    fn a_string_over_several_lines_keeps_the_count_of_lines() {
        let read = source("let a = \"one \\\n    two\nthree\"; b\nlet c = 1;\n");
        let code: Vec<&str> = read.lines.iter().map(|line| line.code.as_str()).collect();
        assert_eq!(code, ["let a = \"", "", "\"; b", "let c = 1;"]);
    }

    #[test]
    fn test_items_are_marked_to_their_closing_brace() {
        let read = source(
            "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n#[cfg(not(test))]\nfn d() {\n}\n\
             #[cfg(test)]\nmod far;\nfn e() {}\n#[tokio::test]\nasync fn f()\n{\n  g()\n}\n#[cfg(all(test, unix))]\nfn h() {}",
        );
        let tests: String =
            read.lines.iter().map(|line| if line.test { 't' } else { '.' }).collect();
        assert_eq!(tests, ".tttt....tt.ttttttt");
    }

    #[test]
    fn a_file_is_documented_only_by_a_doc_of_its_own_before_its_first_item() {
        for (text, documented) in [
            ("//! Yes.\nfn a() {}", true),
            ("// a licence\n\n//! Yes.\n", true),
            ("#![forbid(unsafe_code)]\n//! Yes.", true),
            ("fn a() {}\n//! No.", false),
            ("/// No.\nfn a() {}", false),
            ("", false),
        ] {
            assert_eq!(source(text).documented, documented, "{text}");
        }
    }

    #[test]
    fn a_word_is_found_only_whole() {
        assert!(has_word("a.len(b)", "len"));
        assert!(!has_word("a.length(b_len, len2)", "len"));
        assert!(has_word("x_len len", "len"));
    }
}
