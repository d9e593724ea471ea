//! Bytes side by side: offset, hexadecimal, characters; sixteen a row, each column where it stands in every other row.

use std::fmt::Write;

use trappe_core::encode::escape::to_terminal;
use unicode_width::UnicodeWidthChar;

/// Bytes of a row.
const ROW_BYTES: usize = 16;
/// Before every row, so that none is taken for anything else.
const INDENT: &str = "  ";
/// What stands for a byte that isn't shown as a character.
const HIDDEN: char = '.';
/// What stands for the bytes of a character after its first.
const REST: char = '·';

/// What a byte is shown as, in one column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// A character that begins here; it may be wide.
    Begins(char),
    /// A byte of the character before.
    Continues,
    /// The same, under the second column of a wide one.
    Covered,
}

/// Appends the rows of `body`, a line each. Before a byte at which a read began (`cuts`, in order) stands a `|`.
pub(super) fn rows(out: &mut String, body: &[u8], cuts: &[u64]) {
    let cells = cells(body);
    // Four digits are enough for all that a hub shows of one message.
    let digits = if body.len() > 1 << 16 { 6 } else { 4 };
    let mut cuts = cuts.iter().copied().peekable();
    for (number, row) in body.chunks(ROW_BYTES).enumerate() {
        let first = number * ROW_BYTES;
        write!(out, "{INDENT}{first:0digits$x} ").expect("a string takes everything");
        for column in 0..ROW_BYTES {
            if column == ROW_BYTES / 2 {
                out.push(' ');
            }
            let at = (first + column) as u64;
            while cuts.next_if(|&cut| cut < at).is_some() {}
            let is_cut = column < row.len() && cuts.next_if_eq(&at).is_some();
            out.push(if is_cut { '|' } else { ' ' });
            match row.get(column) {
                Some(byte) => write!(out, "{byte:02x}").expect("a string takes everything"),
                None => out.push_str("  "),
            }
        }
        out.push_str("  ");
        for (column, cell) in cells[first..first + row.len()].iter().enumerate() {
            match cell {
                Cell::Begins(character) => out.push(*character),
                // The wide one stands at the end of the row before.
                Cell::Covered if column > 0 => {}
                Cell::Continues | Cell::Covered => out.push(REST),
            }
        }
        out.push('\n');
    }
}

/// One cell for each byte.
fn cells(body: &[u8]) -> Vec<Cell> {
    let mut cells = Vec::with_capacity(body.len());
    for chunk in body.utf8_chunks() {
        for character in chunk.valid().chars() {
            let (shown, width) = shown(character);
            cells.push(Cell::Begins(shown));
            for byte in 1..character.len_utf8() {
                cells.push(if byte < width { Cell::Covered } else { Cell::Continues });
            }
        }
        cells.extend(chunk.invalid().iter().map(|_| Cell::Begins(HIDDEN)));
    }
    cells
}

/// What a character is shown as, and how many columns that takes: 1 or 2, and never more than it has bytes.
fn shown(character: char) -> (char, usize) {
    let code = u32::from(character);
    let picture = match code {
        0..0x20 => char::from_u32(0x2400 + code),
        0x7f => Some('\u{2421}'),
        _ => None,
    };
    if let Some(picture) = picture {
        return (picture, 1);
    }
    let is_hidden = to_terminal(character.encode_utf8(&mut [0; 4])).chars().ne([character]);
    match character.width() {
        // Without a column of its own it would be drawn over its neighbour.
        Some(width @ 1..=2) if !is_hidden && width <= character.len_utf8() => (character, width),
        _ => (HIDDEN, 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn table(body: &[u8], cuts: &[u64]) -> String {
        let mut out = String::new();
        rows(&mut out, body, cuts);
        out
    }

    #[test]
    fn bytes_and_characters_stand_side_by_side() {
        for (body, cuts, expected) in [
            ("", &[][..], &[][..]),
            (
                "bonjour à tou",
                &[9],
                &["  0000  62 6f 6e 6a 6f 75 72 20  c3|a0 20 74 6f 75        bonjour à· tou"],
            ),
            (
                "a\t\0\x1b[2J\x7f",
                &[],
                &["  0000  61 09 00 1b 5b 32 4a 7f                           a␉␀␛[2J␡"],
            ),
            (
                "0123456789abcdefg",
                &[8, 16],
                &[
                    "  0000  30 31 32 33 34 35 36 37 |38 39 61 62 63 64 65 66  0123456789abcdef",
                    "  0010 |67                                                g",
                ],
            ),
            (
                "日é\u{301}\u{202e}😀",
                &[],
                &["  0000  e6 97 a5 c3 a9 cc 81 e2  80 ae f0 9f 98 80        日·é·.·.··😀··"],
            ),
            (
                "0123456789abcde日x",
                &[],
                &[
                    "  0000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 e6  0123456789abcde日",
                    "  0010  97 a5 78                                          ··x",
                ],
            ),
        ] {
            let found = table(body.as_bytes(), cuts);
            assert_eq!(found.lines().collect::<Vec<_>>(), expected, "{body:?}\n{found}");
        }
        let found = table(b"caf\xe9", &[]);
        assert_eq!(found, "  0000  63 61 66 e9                                       caf.\n");
    }

    proptest! {
        #[test]
        fn every_byte_stands_once_in_order_where_its_column_is(
            body in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..70),
                any::<String>().prop_map(String::into_bytes),
            ],
            cuts in proptest::collection::btree_set(0_u64..80, 0..9),
        ) {
            let cuts: Vec<u64> = cuts.into_iter().collect();
            let text = table(&body, &cuts);
            let hidden = |c: char| c != '\n' && (c.is_control() || c.width().unwrap_or(0) == 0);
            prop_assert!(!text.contains(hidden), "{:?}", text);
            prop_assert_eq!(text.lines().count(), body.len().div_ceil(ROW_BYTES));
            let (mut bytes, mut marks) = (Vec::new(), Vec::new());
            for (number, line) in text.lines().enumerate() {
                prop_assert_eq!(&line[..7], format!("  {:04x} ", number * ROW_BYTES));
                let row = &body[bytes.len()..body.len().min(bytes.len() + ROW_BYTES)];
                for column in 0..ROW_BYTES {
                    let at = 7 + column * 3 + usize::from(column >= ROW_BYTES / 2);
                    if &line[at..=at] == "|" {
                        marks.push(bytes.len() as u64);
                    }
                    if let Ok(byte) = u8::from_str_radix(&line[at + 1..at + 3], 16) {
                        bytes.push(byte);
                    }
                }
                prop_assert_eq!(&line[56..58], "  ");
                // A wide character may stand out at the end, by one.
                let width = line[58..].width();
                prop_assert!(width == row.len() || width == row.len() + 1, "{:?}", line);
                prop_assert!(line.width() <= 80);
            }
            prop_assert_eq!(&bytes, &body);
            let expected: Vec<u64> =
                cuts.into_iter().filter(|&cut| cut < body.len() as u64).collect();
            prop_assert_eq!(marks, expected);
        }
    }
}
