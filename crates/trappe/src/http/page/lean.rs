//! A module or a style sheet of the page as it is served: without what only its readers need.

/// In what a piece of JavaScript lies.
#[derive(Clone, Copy)]
enum Within {
    /// Code between braces; so many more of them are open.
    Code(usize),
    /// The text of a template.
    Template,
}

/// `text` without the lines that hold nothing or a comment alone, and without tabs at the beginning of lines. What lies
/// in a template stays as it is, and so does a text that isn't understood to its end.
pub(super) fn lean(text: &str) -> String {
    leaner(text).unwrap_or_else(|| text.to_owned())
}

fn leaner(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut within = vec![Within::Code(0)];
    // The last character of code before a `/` says whether it divides or begins a regular expression.
    let mut last = ';';
    let mut in_comment = false;
    for line in text.split_inclusive('\n') {
        if let Some(Within::Template) = within.last() {
            out.push_str(line);
            follow(line, &mut within, &mut last)?;
            continue;
        }
        let code = line.trim_start_matches(['\t', '\r', '\n']);
        if in_comment || code.starts_with("/*") {
            in_comment = match code.split_once("*/") {
                Some((_, after)) if after.trim().is_empty() => false,
                // Code after a comment, on one line: nothing of ours is written so.
                Some(_) => return None,
                None => true,
            };
        } else if !code.is_empty() && !code.starts_with("//") {
            out.push_str(code);
            follow(code, &mut within, &mut last)?;
        }
    }
    (!in_comment && matches!(within[..], [Within::Code(0)])).then_some(out)
}

/// What a line opens and closes. None: it ends in the midst of something, or closes what isn't open.
fn follow(line: &str, within: &mut Vec<Within>, last: &mut char) -> Option<()> {
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        if let Some(Within::Template) = within.last() {
            match char {
                '\\' => drop(chars.next()),
                '`' => {
                    within.pop();
                    *last = ')';
                }
                '$' if chars.next_if_eq(&'{').is_some() => {
                    within.push(Within::Code(0));
                    *last = '{';
                }
                _ => {}
            }
            continue;
        }
        match char {
            '\'' | '"' => skip(&mut chars, char)?,
            '`' => within.push(Within::Template),
            '/' if chars.peek() == Some(&'/') => return Some(()),
            '/' if chars.peek() == Some(&'*') => return None,
            // After a word, a number or what is closed it divides.
            '/' if !(last.is_alphanumeric() || ")]}_$".contains(*last)) => skip(&mut chars, '/')?,
            '{' | '}' => braces(char, within)?,
            _ => {}
        }
        if !char.is_whitespace() {
            // What is skipped is a value, as what is closed is.
            *last = if "'\"/".contains(char) { ')' } else { char };
        }
    }
    Some(())
}

/// Up to the end of a string or a regular expression, on this line.
fn skip(chars: &mut impl Iterator<Item = char>, end: char) -> Option<()> {
    let mut in_class = false;
    while let Some(char) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '\n' => return None,
            '[' | ']' if end == '/' => in_class = char == '[',
            _ if char == end && !in_class => return Some(()),
            _ => {}
        }
    }
    None
}

fn braces(char: char, within: &mut Vec<Within>) -> Option<()> {
    let inside = within.len() > 1;
    match (char, within.last_mut()?) {
        ('{', Within::Code(open)) => *open += 1,
        (_, Within::Code(0)) if inside => drop(within.pop()),
        (_, Within::Code(open)) => *open = open.checked_sub(1)?,
        (_, Within::Template) => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::{Web, has_comments};
    use super::{lean, leaner};

    #[test]
    fn comments_and_tabs_go_where_they_stand_alone() {
        for (text, served) in [
            ("// a\n\n\t/** b */\n\tlet c = 1; // d\n", "let c = 1; // d\n"),
            ("/**\n * a\n * @b {c}\n */\nd();\n", "d();\n"),
            ("\t/* a\n\tlet b;\n\t*/\nc();", "c();"),
        ] {
            assert_eq!(lean(text), served);
        }
    }

    #[test]
    fn what_lies_in_a_template_a_string_or_a_regular_expression_stays() {
        for (text, served) in [
            ("a(`\n\t// b\n\t/* c */`);\n\t// d\n", "a(`\n\t// b\n\t/* c */`);\n"),
            (
                "a`${b({\n\t// c\n\td: `\n\t// e`,\n})}\n\tf`;\n",
                "a`${b({\nd: `\n\t// e`,\n})}\n\tf`;\n",
            ),
            ("a('`', \"`\");\n\t// b\n", "a('`', \"`\");\n"),
            ("a = /[`/]'\\//;\n\tb = 1 / 2 / 3;\n", "a = /[`/]'\\//;\nb = 1 / 2 / 3;\n"),
            ("a(`\\``);\n\tb(\"\\\"/*\", '//');\n", "a(`\\``);\nb(\"\\\"/*\", '//');\n"),
            ("a(`$`, `{`);\n\tb = `${`}` + c}`;\n", "a(`$`, `{`);\nb = `${`}` + c}`;\n"),
        ] {
            assert_eq!(lean(text), served);
        }
    }

    #[test]
    fn what_is_not_understood_stays_as_it_is() {
        for text in [
            "\ta = `b\n",
            "\ta('b);\n",
            "\t}\n",
            "\t{\n",
            "\t/* a */ b();\n",
            "\ta(/* b */);\n",
            "\t/* a\n",
        ] {
            assert_eq!(lean(text), text);
        }
    }

    #[test]
    fn each_module_of_the_page_is_understood_and_lean_is_final() {
        let mut modules = 0;
        for name in Web::iter().filter(|name| has_comments(name)) {
            let file = Web::get(&name).expect("it was listed");
            let text = String::from_utf8_lossy(&file.data);
            let served = leaner(&text).unwrap_or_else(|| panic!("{name} isn't understood"));
            assert!(served.len() < text.len(), "{name}");
            assert_eq!(lean(&served), served, "{name}");
            modules += 1;
        }
        assert!(modules >= 15, "{modules} modules");
    }
}
