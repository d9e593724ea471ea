//! No byte that a client chose reaches a terminal, a log or a page as a control.
//!
//! What is hidden or dangerous is *shown*: `\x1b` below U+0100 and for bytes that aren't UTF-8, `\u{202e}` above. This is for eyes, not an encoding:
//! a backslash is left alone, so that the text can't be turned back into what it came from. Escaping twice changes nothing more.

use std::{borrow::Cow, io::Write, ops::Range};

/// How much is shown of a body that isn't UTF-8.
const NOT_UTF8_SHOWN_BYTES: usize = 1 << 10;

/// Appends `prefix`, `body` and `\n`; each `\n` inside the body begins a new line with the same prefix (PROTOCOL §4, text).
///
/// Shown escaped: C0 but tab, DEL, C1, bidi controls, the line separators U+2028 and U+2029, U+FEFF. Other UTF-8 is left alone. Of a body that isn't
/// UTF-8, each offending byte is shown as `\xNN`; and of such a body 1 KiB at most, then ` … [12345 B]`.
pub fn text_line(out: &mut Vec<u8>, prefix: &[u8], body: &[u8]) {
    let line = out.len();
    out.extend_from_slice(prefix);
    end_line(out, line, body);
}

/// Ends a line that is already begun: its prefix is what `out` holds from `line` on. Otherwise as [`text_line`].
pub(super) fn end_line(out: &mut Vec<u8>, line: usize, body: &[u8]) {
    let prefix = line..out.len();
    if is_plain_ascii(body) {
        out.extend_from_slice(body);
    } else if let Ok(text) = str::from_utf8(body) {
        show_text(out, &prefix, text);
    } else {
        show_bytes(out, &prefix, body);
    }
    out.push(b'\n');
}

/// `text` without any control or format character (Unicode's Cc and Cf, line and paragraph separators), newlines and tabs included: a name, an
/// address or a piece of a message for a log or a console, on one line.
#[must_use]
pub fn to_terminal(text: &str) -> Cow<'_, str> {
    replace(text, |c| c.is_control() || is_separator(c) || is_format(c))
}

/// `text` as it may stand inside a sentence: what [`text_line`] escapes, and line breaks too, so that no argument makes a line of its own.
/// Milder than [`to_terminal`]: the joiners inside an emoji stay.
pub(crate) fn to_sentence(text: &str) -> Cow<'_, str> {
    replace(text, |c| c == '\n' || is_hidden(c))
}

/// What the bytes of a message look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looks {
    /// UTF-8, or UTF-8 of which a byte was lost or cut.
    Utf8,
    /// ISO 8859-1: text with accents, one byte each.
    Latin1,
    /// Windows-1252: as Latin-1, with typographic quotes, dashes or the euro at 0x80–0x9F.
    Windows1252,
    /// None of these: no text, or text in an encoding that can't be told from its bytes (UTF-16 too).
    Binary,
}

impl Looks {
    /// The sentence of `words` that tells the sender of a body that isn't valid UTF-8.
    #[must_use]
    pub fn hint(self) -> &'static str {
        match self {
            Self::Utf8 => "bytes-damaged",
            Self::Latin1 => "bytes-latin1",
            Self::Windows1252 => "bytes-windows1252",
            Self::Binary => "bytes-binary",
        }
    }
}

/// Guesses what a body is written in, so that its sender can be told. A guess: only [`Looks::Utf8`] for valid UTF-8 is certain.
#[must_use]
pub fn looks_like(body: &[u8]) -> Looks {
    let (mut characters, mut strays) = (0, 0);
    for chunk in body.utf8_chunks() {
        characters += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        strays += chunk.invalid().len();
    }
    // Latin-1 hardly ever makes a valid sequence by chance: where those prevail, the rest is damage.
    if strays == 0 || characters > strays {
        return Looks::Utf8;
    }
    let is_control = |b: u8| matches!(b, 0x00..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let undefined = |b: u8| matches!(b, 0x81 | 0x8d | 0x8f | 0x90 | 0x9d);
    let accented = body.iter().filter(|b| !b.is_ascii()).count();
    // In every language that these two serve, most letters are ASCII; a word or two may be an exception.
    let few_ascii = body.len() > 8 && accented * 2 > body.len();
    if few_ascii || body.iter().any(|&b| is_control(b) || undefined(b)) {
        Looks::Binary
    } else if body.iter().any(|b| matches!(b, 0x80..=0x9f)) {
        Looks::Windows1252
    } else {
        Looks::Latin1
    }
}

fn show_text(out: &mut Vec<u8>, prefix: &Range<usize>, text: &str) {
    let bytes = text.as_bytes();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = next_suspect(bytes, at) {
        let c = text[found..].chars().next().expect("a suspect byte begins a character");
        at = found + c.len_utf8();
        if c != '\n' && !is_hidden(c) {
            continue;
        }
        out.extend_from_slice(&bytes[kept..found]);
        kept = at;
        if c == '\n' {
            out.push(b'\n');
            out.extend_from_within(prefix.clone());
        } else {
            push_escaped(out, c);
        }
    }
    out.extend_from_slice(&bytes[kept..]);
}

fn show_bytes(out: &mut Vec<u8>, prefix: &Range<usize>, body: &[u8]) {
    let mut left = NOT_UTF8_SHOWN_BYTES;
    for chunk in body.utf8_chunks() {
        let valid = chunk.valid();
        let end = valid.floor_char_boundary(left);
        show_text(out, prefix, &valid[..end]);
        if end < valid.len() {
            break;
        }
        left -= end;
        let strays = &chunk.invalid()[..left.min(chunk.invalid().len())];
        for &byte in strays {
            push_byte(out, byte);
        }
        left -= strays.len();
    }
    if body.len() > NOT_UTF8_SHOWN_BYTES {
        write!(out, " … [{} B]", body.len()).expect("a Vec takes every byte");
    }
}

fn replace(text: &str, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&hidden) else { return Cow::Borrowed(text) };
    let mut out = Vec::with_capacity(text.len() + 16);
    out.extend_from_slice(&text.as_bytes()[..first]);
    for c in text[first..].chars() {
        if hidden(c) {
            push_escaped(&mut out, c);
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Cow::Owned(String::from_utf8(out).expect("made of characters and ASCII"))
}

fn push_escaped(out: &mut Vec<u8>, c: char) {
    match u8::try_from(c) {
        Ok(byte) => push_byte(out, byte),
        Err(_) => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a Vec takes every byte"),
    }
}

fn push_byte(out: &mut Vec<u8>, byte: u8) {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
    out.extend_from_slice(&[b'\\', b'x', digit(byte >> 4), digit(byte & 15)]);
}

/// What [`text_line`] doesn't let through, line breaks aside. Each begins with a byte that [`suspect`] knows.
fn is_hidden(c: char) -> bool {
    (c.is_control() && c != '\t') || is_separator(c) || is_bidi(c) || c == '\u{feff}'
}

fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Unicode's general category Cf (version 16), with the unassigned code points between them.
fn is_format(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}' | '\u{8e2}' | '\u{180e}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e007f}')
}

// The scans below fold over whole blocks of a fixed size, without a way out in the middle: so the compiler turns them into vector instructions.

const BLOCK: usize = 32;

fn is_plain_ascii(bytes: &[u8]) -> bool {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    blocks.iter().all(|block| odd_ascii(block) == 0) && odd_ascii(rest) == 0
}

/// Not 0 if one of the bytes is other than printable ASCII or a tab.
fn odd_ascii(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |odd, &b| odd | (u8::from(b.wrapping_sub(b' ') > 0x5e) & u8::from(b != b'\t')))
}

/// Whether this byte may begin a character that is shown escaped, or is a line break (1, else 0): C0, DEL, and the lead bytes of C1 (C2),
/// U+061C (D8), U+200E–2069 (E2), U+FEFF (EF).
fn suspect(b: u8) -> u8 {
    let lead =
        u8::from(b == 0xc2) | u8::from(b == 0xd8) | u8::from(b == 0xe2) | u8::from(b == 0xef);
    (u8::from(b < b' ') & u8::from(b != b'\t')) | u8::from(b == 0x7f) | lead
}

fn next_suspect(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = &bytes[from..];
    let (blocks, _) = rest.as_chunks::<BLOCK>();
    let clean = |block: &&[u8; BLOCK]| block.iter().fold(0, |any, &b| any | suspect(b)) == 0;
    let skipped = blocks.iter().take_while(clean).count() * BLOCK;
    rest[skipped..].iter().position(|&b| suspect(b) != 0).map(|n| from + skipped + n)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(body: &[u8]) -> String {
        let mut out = Vec::new();
        text_line(&mut out, b"> ", body);
        String::from_utf8(out).expect("text is UTF-8")
    }

    #[test]
    fn controls_are_shown_and_text_is_left_alone() {
        for (body, line) in [
            (&b""[..], "> \n"),
            (b"bonjour", "> bonjour\n"),
            (
                "Bonjour à toi, je suis le client ! :)".as_bytes(),
                "> Bonjour à toi, je suis le client ! :)\n",
            ),
            ("a\tb".as_bytes(), "> a\tb\n"),
            (b"\x1b[2J\x07", "> \\x1b[2J\\x07\n"),
            (b"\0\x7f", "> \\x00\\x7f\n"),
            ("\u{85}\u{9b}31m".as_bytes(), "> \\x85\\x9b31m\n"),
            ("\u{a0}« ça »…".as_bytes(), "> \u{a0}« ça »…\n"),
            ("abc\u{202e}fdp.exe".as_bytes(), "> abc\\u{202e}fdp.exe\n"),
            ("\u{61c}\u{200e}\u{200f}".as_bytes(), "> \\u{61c}\\u{200e}\\u{200f}\n"),
            ("\u{2066}\u{2069}\u{feff}".as_bytes(), "> \\u{2066}\\u{2069}\\u{feff}\n"),
            ("a\u{2028}b\u{2029}".as_bytes(), "> a\\u{2028}b\\u{2029}\n"),
            ("👨\u{200d}👩\u{200d}👧 ؀ ‘é’ 漢".as_bytes(), "> 👨\u{200d}👩\u{200d}👧 ؀ ‘é’ 漢\n"),
        ] {
            assert_eq!(shown(body), line, "{body:?}");
        }
    }

    #[test]
    fn each_line_break_begins_a_line_with_the_prefix_and_a_return_is_shown() {
        assert_eq!(shown(b"one\ntwo\r\n\nfour"), "> one\n> two\\x0d\n> \n> four\n");
        assert_eq!(shown(b"\n"), "> \n> \n");
        assert_eq!(shown(b"a\n<bob> forged"), "> a\n> <bob> forged\n");
        assert_eq!(shown(b"\xff\n* forged"), "> \\xff\n> * forged\n");
        let mut out = b"before\n".to_vec();
        text_line(&mut out, b"<x> ", b"1\n2");
        assert_eq!(out, b"before\n<x> 1\n<x> 2\n");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_each() {
        for (body, line) in [
            (&b"caf\xe9 !"[..], "> caf\\xe9 !\n"),
            (b"\xc3", "> \\xc3\n"),
            (b"\xed\xa0\x80", "> \\xed\\xa0\\x80\n"),
            (b"\xf0\x9f\x98", "> \\xf0\\x9f\\x98\n"),
            (b"\xc3\xa9\x1b\xff", "> é\\x1b\\xff\n"),
            (b"\xc0\x8a", "> \\xc0\\x8a\n"),
        ] {
            assert_eq!(shown(body), line, "{body:?}");
        }
    }

    #[test]
    fn a_long_body_that_is_not_utf8_is_cut_and_measured_and_no_character_of_it_is_halved() {
        let limit = NOT_UTF8_SHOWN_BYTES;
        assert_eq!(shown(&vec![0xff; limit]), format!("> {}\n", "\\xff".repeat(limit)));
        assert_eq!(
            shown(&vec![0xff; limit + 1]),
            format!("> {} … [{} B]\n", "\\xff".repeat(limit), limit + 1)
        );
        let mut odd = b"\xff".to_vec();
        odd.extend("é".repeat(limit).as_bytes());
        assert_eq!(
            shown(&odd),
            format!("> \\xff{} … [{} B]\n", "é".repeat((limit - 1) / 2), odd.len())
        );
        let long = "é".repeat(4 * limit);
        assert_eq!(shown(long.as_bytes()), format!("> {long}\n"), "valid text is never cut");
    }

    #[test]
    fn a_name_for_a_terminal_stays_on_its_line() {
        for (text, safe) in [
            ("alice", "alice"),
            ("127.0.0.1:5566", "127.0.0.1:5566"),
            ("été 漢 🎈", "été 漢 🎈"),
            ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
            ("\x1b[31m", "\\x1b[31m"),
            ("a\u{200b}b\u{ad}\u{e0041}", "a\\u{200b}b\\xad\\u{e0041}"),
            ("\u{2028}", "\\u{2028}"),
        ] {
            assert_eq!(to_terminal(text), safe);
        }
        assert!(matches!(to_terminal("alice"), Cow::Borrowed(_)), "what is safe is not copied");
        assert_eq!(to_sentence("👨\u{200d}👧\n* forged\x1b"), "👨\u{200d}👧\\x0a* forged\\x1b");
    }

    #[test]
    fn a_sender_can_be_told_what_its_bytes_look_like() {
        use Looks::{Binary, Latin1, Utf8, Windows1252};
        for (body, looks) in [
            (&b""[..], Utf8),
            ("déjà vu".as_bytes(), Utf8),
            ("déjà vu : ça a été coup\u{e9}".as_bytes().split_last().expect("not empty").1, Utf8),
            (b"caf\xe9", Latin1),
            (b"\xe9", Latin1),
            (b"d\xe9j\xe0 vu \xe0 No\xebl, \xab oui \xbb", Latin1),
            (b"l\x92\xe9t\xe9 co\xfbte 3 \x80", Windows1252),
            (b"\x93oui\x94", Windows1252),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Binary),
            (b"\xff\xfeb\0o\0n\0", Binary),
            (b"abc\x81d", Binary),
            (b"\xcf\xf0\xe8\xe2\xe5\xf2, \xec\xe8\xf0", Binary),
        ] {
            assert_eq!(looks_like(body), looks, "{body:?}");
        }
    }

    /// The same as `text_line`, character by character.
    fn slowly(prefix: &str, text: &str) -> String {
        let mut out = prefix.to_owned();
        for c in text.chars() {
            match c {
                '\n' => out.extend(["\n", prefix]),
                '\t' => out.push(c),
                c if is_hidden(c) && c < '\u{100}' => {
                    out.extend([format!("\\x{:02x}", u32::from(c))]);
                }
                c if is_hidden(c) => out.extend([format!("\\u{{{:x}}}", u32::from(c))]),
                c => out.push(c),
            }
        }
        out + "\n"
    }

    #[test]
    fn every_hidden_character_is_found_wherever_it_stands() {
        for c in ('\0'..=char::MAX).filter(|&c| is_hidden(c)) {
            for before in [0, 1, 31, 32, 33, 64] {
                let body = format!("{}{c}{}", "é".repeat(before), "z".repeat(40));
                assert_eq!(shown(body.as_bytes()), slowly("> ", &body), "U+{:04X}", u32::from(c));
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_shown_as_the_slow_way_shows_it(text in r"(\PC|[\x00-\x9f\u{2000}-\u{2070}\u{feff}]|[ -~]{0,50}){0,40}") {
            prop_assert_eq!(shown(text.as_bytes()), slowly("> ", &text));
        }

        #[test]
        fn no_control_gets_through_and_every_line_bears_the_prefix(body: Vec<u8>) {
            let out = shown(&body);
            let lines = out.strip_suffix('\n').expect("ends its line");
            prop_assert!(lines.split('\n').all(|line| line.starts_with("> ")));
            prop_assert!(lines.chars().all(|c| c == '\n' || !is_hidden(c)));
        }

        #[test]
        fn escaping_twice_changes_nothing_more(text: String) {
            let once = to_terminal(&text);
            prop_assert_eq!(to_terminal(&once), once.as_ref());
            prop_assert!(once.chars().all(|c| !is_hidden(c) && c != '\n'));
        }
    }
}
