//! A record in the text format, the one that is meant for eyes (PROTOCOL §4).
//!
//! The first character of a line says what it is, and nothing that a client chose can forge it: a line break inside a body, a sentence or a text
//! begins a new line with the same prefix, and every control is shown escaped.

use super::escape::end_line;

/// `<alice> …`: a message in the room. The author is a name, or the address of one who has none: neither holds a space, a control or a `>`.
pub fn speech(out: &mut Vec<u8>, author: &str, body: &[u8]) {
    line(out, &["<", author, "> "], body);
}

/// `[room] <alice> …`: the same, where one reader sees several rooms.
pub fn speech_in(out: &mut Vec<u8>, room: &str, author: &str, body: &[u8]) {
    line(out, &["[", room, "] <", author, "> "], body);
}

/// `-alice- …`: a private message from `author`.
pub fn direct(out: &mut Vec<u8>, author: &str, body: &[u8]) {
    line(out, &["-", author, "- "], body);
}

/// `=key= …`: a value of the room's state. A key holds neither a space, a control nor a `=`.
pub fn state(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    line(out, &["=", key, "= "], value);
}

/// `* …`: a notice, `* ` on each of its lines.
pub fn notice(out: &mut Vec<u8>, sentence: &str) {
    line(out, &["* "], sentence.as_bytes());
}

/// `! code sentence`: an error; the code is stable and kebab-case, the sentence may be empty.
pub fn error(out: &mut Vec<u8>, code: &str, sentence: &str) {
    debug_assert!(
        code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')),
        "not a code: {code:?}"
    );
    line(out, &["! ", code, if sentence.is_empty() { "" } else { " " }], sentence.as_bytes());
}

fn line(out: &mut Vec<u8>, prefix: &[&str], body: &[u8]) {
    debug_assert!(
        !prefix.iter().any(|p| p.contains(char::is_control)),
        "a prefix with a control: {prefix:?}"
    );
    let begin = out.len();
    out.reserve(prefix.iter().map(|p| p.len()).sum::<usize>() + body.len() + 1);
    for p in prefix {
        out.extend_from_slice(p.as_bytes());
    }
    end_line(out, begin, body);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn made(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn each_kind_of_line_begins_with_its_own_character() {
        for (line, expected) in [
            (made(|o| speech(o, "alice", b"bonjour")), "<alice> bonjour\n"),
            (
                made(|o| speech(o, "client-1", "à toi\n<bob> non".as_bytes())),
                "<client-1> à toi\n<client-1> <bob> non\n",
            ),
            (made(|o| speech(o, "[::1]:40000", b"")), "<[::1]:40000> \n"),
            (
                made(|o| direct(o, "alice", "à 8 h\n* vu".as_bytes())),
                "-alice- à 8 h\n-alice- * vu\n",
            ),
            (made(|o| notice(o, "alice vient d'arriver")), "* alice vient d'arriver\n"),
            (made(|o| notice(o, "deux\nlignes\x1b")), "* deux\n* lignes\\x1b\n"),
            (made(|o| error(o, "too-long", "> 65536 octets")), "! too-long > 65536 octets\n"),
            (made(|o| error(o, "gap", "oldest=abcdefghij@7")), "! gap oldest=abcdefghij@7\n"),
            (made(|o| error(o, "busy", "bob\nx")), "! busy bob\n! busy x\n"),
            (made(|o| error(o, "busy", "")), "! busy\n"),
        ] {
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn lines_follow_one_another_in_the_same_buffer() {
        let all = made(|out| {
            speech(out, "a", b"1\n2");
            direct(out, "bob", b"3\n4");
            notice(out, "5");
        });
        assert_eq!(all, "<a> 1\n<a> 2\n-bob- 3\n-bob- 4\n* 5\n");
    }

    fn assert_lines(out: &str, prefix: &str) -> Result<(), TestCaseError> {
        let lines = out.strip_suffix('\n').expect("ends its line");
        prop_assert!(lines.split('\n').all(|line| line.starts_with(prefix)), "{out:?}");
        prop_assert!(
            !lines.contains(|c: char| c.is_control() && c != '\t' && c != '\n'),
            "{out:?}"
        );
        Ok(())
    }

    fn a_body() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            any::<Vec<u8>>(),
            any::<String>().prop_map(String::into_bytes),
            prop::sample::select(vec![
                "\n<bob> ",
                "\n* ",
                "\n! ",
                "\r* ",
                "\u{2028}-bob- ",
                "\u{85}! ",
                "\x1b[2K",
                "\u{202e}"
            ])
            .prop_map(|s| s.as_bytes().to_vec()),
        ];
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn encode_never_forges(author in r"[\p{L}0-9_.-]{1,32}", body in a_body()) {
            assert_lines(&made(|o| speech(o, &author, &body)), &format!("<{author}> "))?;
            assert_lines(&made(|o| direct(o, &author, &body)), &format!("-{author}- "))?;
        }

        #[test]
        fn no_sentence_forges(code in "[a-z]{1,8}(-[a-z]{1,8})?", body in a_body()) {
            let sentence = String::from_utf8_lossy(&body);
            assert_lines(&made(|o| notice(o, &sentence)), "* ")?;
            assert_lines(&made(|o| error(o, &code, &sentence)), &format!("! {code}"))?;
        }
    }
}
