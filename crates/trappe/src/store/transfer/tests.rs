//! Out of one database and into another: random histories byte for byte, and each line that is refused.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use proptest::prelude::*;
use trappe_core::{command::Epoch, encode::escape::to_terminal, name::Name};

use super::{line::Line, *};
use crate::store::{
    Cause, Folder, Hole, MESSAGE_BYTES, Opened, StoredMessage, Visit, check, open as open_store,
};

/// A folder that goes when the test does.
pub(in crate::store) struct Dir(pub(in crate::store) PathBuf);

impl Dir {
    pub(in crate::store) fn new() -> Dir {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("trappe-transfer-{}-{number}", std::process::id());
        Dir(std::env::temp_dir().join(name))
    }

    pub(in crate::store) fn open(&self) -> (Folder, Opened) {
        let folder = Folder::open(&self.0).expect("it can be made");
        let mut next = 100;
        let mut new_epoch = || {
            next += 1;
            Epoch::from_random(next)
        };
        let opened = open_store(&folder, &mut new_epoch, 1).expect("it can be opened");
        (folder, opened)
    }

    pub(in crate::store) fn visit(&self) -> Visit {
        Visit::open(&self.0).expect("there is a history")
    }

    fn exported(&self, room: Option<&str>, after: Option<u64>) -> String {
        let mut visit = self.visit();
        let rooms = visit.rooms().expect("it can be read").into_iter();
        let rooms: Vec<_> =
            rooms.filter(|it| room.is_none_or(|room| it.name.as_str() == room)).collect();
        let mut out = Vec::new();
        let mut write = |bytes: &[u8]| {
            out.extend_from_slice(bytes);
            Ok(())
        };
        export(&mut visit, &rooms, after, &mut write, &mut |_| {}).expect("it can be read");
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    /// Imports; tells which line is wrong, and how.
    fn import(&self, text: &str) -> Result<(u64, u64), (u64, Bad)> {
        let (folder, mut opened) = self.open();
        let Opened { store, rooms, next_room, .. } = &mut opened;
        let imported = import(store, rooms, *next_room, &mut text.as_bytes(), &mut |_| {});
        let imported = match imported {
            Ok(imported) => Ok((imported.rooms, imported.messages)),
            Err(ImportError::Line { line, bad }) => Err((line, bad)),
            Err(other) => panic!("{other}"),
        };
        while opened.store.index(7).expect("it can be written") {}
        opened.store.close(&folder, &[], 9).expect("it can be written");
        imported
    }

    fn is_sound(&self) -> bool {
        let report = check(&mut self.visit(), &mut |_| {}).expect("it can be read");
        assert_eq!(report.findings, [], "{report:?}");
        report.unindexed == 0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _none = fs::remove_dir_all(&self.0);
    }
}

/// What follows in a room.
#[derive(Clone, Debug)]
enum Piece {
    Message {
        time_us: u64,
        sid: u64,
        mid: Option<u64>,
        author: Option<&'static str>,
        body: Vec<u8>,
    },
    Gap {
        len: u64,
        cause: Cause,
    },
}

fn a_piece() -> impl Strategy<Value = Piece> {
    let body = prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..80),
        3 => any::<String>().prop_map(String::into_bytes),
        1 => prop::sample::select(vec!["\x1b[2J\u{9b}", "\u{202e}\"\\\n\r\t", "{\"gap\":1}", ""])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let number = || prop_oneof![0_u64..5, 0..1_u64 << 63];
    let authors =
        vec![None, Some("alice"), Some("Éloïse"), Some("http"), Some("[::1]:40000"), Some("日本")];
    let message =
        (number(), number(), prop::option::of(number()), prop::sample::select(authors), body)
            .prop_map(|(time_us, sid, mid, author, body)| Piece::Message {
                time_us,
                sid,
                mid,
                author,
                body,
            });
    let causes = vec![Cause::Unused, Cause::NotStored, Cause::Damaged];
    let gap = (1_u64..2000, prop::sample::select(causes))
        .prop_map(|(len, cause)| Piece::Gap { len, cause });
    prop_oneof![5 => message, 1 => gap]
}

/// Rooms: an epoch, the first number that is kept, what follows, and how many numbers were set aside at the end.
type History = Vec<(u64, u64, Vec<Piece>, u64)>;

fn a_history() -> impl Strategy<Value = History> {
    let room = (any::<u64>(), 1_u64..1 << 39, prop::collection::vec(a_piece(), 0..20), 0_u64..3);
    prop::collection::vec(room, 0..4)
}

const NAMES: [&str; 4] = ["lobby", "Été", "b-2", "日本"];

fn store(dir: &Dir, history: &History) {
    let (folder, mut opened) = dir.open();
    let mut transaction = opened.store.write().expect("it can be written");
    for (at, (epoch, first, pieces, aside)) in history.iter().enumerate() {
        let (no, name) =
            (u32::try_from(at).expect("few") + 1, Name::parse(NAMES[at]).expect("a name"));
        let epoch = Epoch::from_random(*epoch);
        transaction.room(no, &name, epoch, 1).expect("it can be written");
        let (mut seq, mut messages, mut bytes) = (*first, 0, 0);
        for piece in pieces {
            match piece {
                Piece::Message { time_us, sid, mid, author, body } => {
                    let (time_us, sid, mid, author) = (*time_us, *sid, *mid, *author);
                    let message = StoredMessage { seq, time_us, sid, mid, author, body };
                    transaction.message(no, &message).expect("it can be written");
                    seq += 1;
                    messages += 1;
                    bytes += body.len() as u64 + MESSAGE_BYTES;
                }
                Piece::Gap { len, cause } => {
                    let hole = Hole { first: seq, last: seq + len - 1, cause: *cause };
                    transaction.hole(no, &hole).expect("it can be written");
                    seq += len;
                }
            }
        }
        transaction.counts(no, messages, bytes, seq - 1).expect("it can be written");
        transaction.room(no, &name, epoch, seq + aside).expect("it can be written");
    }
    transaction.commit().expect("it can be written");
    opened.store.close(&folder, &[], 1).expect("it can be written");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn what_is_exported_imported_and_exported_again_is_the_same_byte_for_byte(history in a_history()) {
        let (from, to) = (Dir::new(), Dir::new());
        store(&from, &history);
        let text = from.exported(None, None);
        let imported = to.import(&text);
        let said = |(_, _, pieces, _): &(u64, u64, Vec<Piece>, u64)| {
            pieces.iter().filter(|piece| matches!(piece, Piece::Message { .. })).count()
        };
        let messages: usize = history.iter().map(said).sum();
        prop_assert_eq!(imported, Ok((history.len() as u64, messages as u64)), "{}", text);
        prop_assert_eq!(to.exported(None, None), &*text);
        prop_assert!(to.is_sound());
        // And it is what was said, in order.
        let mut bodies: Vec<&[u8]> = Vec::new();
        let mut rooms: Vec<_> = history.iter().zip(NAMES).collect();
        rooms.sort_by_cached_key(|(_, name)| Name::parse(name).expect("a name").folded());
        for ((_, _, pieces, _), _) in &rooms {
            bodies.extend(pieces.iter().filter_map(|piece| match piece {
                Piece::Message { body, .. } => Some(&**body),
                Piece::Gap { .. } => None,
            }));
        }
        let lines = text.lines().map(|line| Line::parse(line.as_bytes()).expect("a line"));
        let found: Vec<Vec<u8>> = lines.filter_map(|line| match line {
            Line::Message { message, .. } => Some(message.body),
            _ => None,
        }).collect();
        prop_assert_eq!(found, bodies);
        // Nothing of it is obeyed by a terminal.
        let lines: Vec<&str> = text.lines().collect();
        prop_assert!(lines.iter().all(|line| to_terminal(line) == *line));
    }

    #[test]
    fn no_line_makes_the_parser_panic(text in ".{0,60}|\\{(\"[a-z_0-9]{1,7}\":(\"[a-z0-9=@]{0,12}\"|[0-9]{1,20}),?){0,6}\\}") {
        drop(Line::parse(text.as_bytes()));
    }
}

const HEAD: &str = r#"{"trappe":"history","version":1,"rooms":1}"#;
const ROOM: &str = r#"{"room":"lobby","epoch":"abcdefghij","from":5,"next":9}"#;

fn message(seq: u64) -> String {
    format!(r#"{{"room":"lobby","seq":{seq},"time_us":7,"sid":3,"text":"é"}}"#)
}

#[test]
fn a_wrong_line_is_told_by_its_number_and_nothing_is_imported() {
    let gap = r#"{"room":"lobby","gap":6,"to":8,"cause":"unused"}"#;
    let five = &*message(5);
    let with = |from: &str, to: &str| message(5).replace(from, to);
    let long = with("é", &"x".repeat((1 << 20) + 1));
    for (lines, line, bad) in [
        (&[][..], 1, Bad::NotExport),
        (&[ROOM], 1, Bad::NotExport),
        (&["{}"], 1, Bad::Field("room")),
        (&["nonsense"], 1, Bad::NotJson("expected ident at line 1 column 2".to_owned())),
        (&["[1]"], 1, Bad::NotObject),
        (&[HEAD, HEAD], 2, Bad::NotExport),
        (&[r#"{"trappe":"history","version":2,"rooms":1}"#], 1, Bad::Newer(2)),
        (&[r#"{"trappe":"tap","version":1,"rooms":1}"#], 1, Bad::NotExport),
        (&[HEAD], 2, Bad::Rooms { said: 1, found: 0 }),
        (&[HEAD, five], 2, Bad::OtherRoom),
        (&[HEAD, ROOM], 3, Bad::Unfinished { expected: 5 }),
        (&[HEAD, ROOM, five], 4, Bad::Unfinished { expected: 6 }),
        (&[HEAD, ROOM, &message(6)], 3, Bad::Order { expected: 5, found: 6 }),
        (&[HEAD, ROOM, five, five], 4, Bad::Order { expected: 6, found: 5 }),
        (&[HEAD, ROOM, five, gap, &message(9)], 5, Bad::Order { expected: 9, found: 9 }),
        (&[HEAD, ROOM, five, &gap.replace('8', "9")], 4, Bad::Order { expected: 6, found: 9 }),
        (&[HEAD, ROOM, &gap.replace('8', "5")], 3, Bad::Field("to")),
        (&[HEAD, ROOM, &gap.replace("unused", "slow")], 3, Bad::Field("cause")),
        (&[HEAD, ROOM, five, gap, ROOM], 5, Bad::Twice),
        (&[HEAD, ROOM, &with("lobby", "other")], 3, Bad::OtherRoom),
        (&[HEAD, ROOM, &with("sid", "sit")], 3, Bad::Unknown("sit".to_owned())),
        (&[HEAD, ROOM, &with(r#""seq":5"#, r#""seq":-5"#)], 3, Bad::Field("seq")),
        (&[HEAD, ROOM, &with(r#""sid":3"#, r#""sid":9223372036854775808"#)], 3, Bad::Field("sid")),
        (&[HEAD, ROOM, &with("text", "b64")], 3, Bad::Field("b64")),
        (&[HEAD, ROOM, &with("}", r#","author":"a b"}"#)], 3, Bad::Field("author")),
        (&[HEAD, ROOM, &long], 3, Bad::TooLong),
        (&[HEAD, &ROOM.replace("lobby", "a b")], 2, Bad::Field("room")),
        (&[HEAD, &ROOM.replace("abc", "ABC!")], 2, Bad::Field("epoch")),
        (&[HEAD, &ROOM.replace('9', "4")], 2, Bad::Field("next")),
    ] {
        let dir = Dir::new();
        assert_eq!(dir.import(&lines.join("\n")), Err((line, bad)), "{lines:?}");
        assert_eq!(dir.exported(None, None), format!("{}\n", HEAD.replace("s\":1", "s\":0")));
        assert!(dir.is_sound());
    }
}

#[test]
fn a_line_without_end_is_refused_before_it_is_read() {
    let text = format!("{HEAD}\n{ROOM}\n{}", "x".repeat(9 << 20));
    assert_eq!(Dir::new().import(&text), Err((3, Bad::TooLong)));
}

#[test]
fn a_copy_is_brought_up_to_date_by_what_came_after_it() {
    let (from, to) = (Dir::new(), Dir::new());
    let said =
        |n: u64| Piece::Message { time_us: n, sid: 1, mid: None, author: None, body: vec![65] };
    store(&from, &vec![(7, 1, (1..=4).map(said).collect(), 0)]);
    let whole = from.exported(None, None);
    let mut lines: Vec<&str> = whole.lines().collect();
    let first = lines[1].replace("\"next\":5", "\"next\":3");
    lines[1] = &first;
    assert_eq!(to.import(&lines[..4].join("\n")), Ok((1, 2)));
    assert_eq!(to.import(&from.exported(Some("lobby"), Some(2))), Ok((1, 2)));
    assert_eq!(to.exported(None, None), whole);
    assert!(to.is_sound());
    // Twice is a clash, and so is another life.
    let again = from.exported(Some("lobby"), Some(2));
    assert_eq!(to.import(&again), Err((2, Bad::Clash { next: 5, from: 3 })));
    let epoch = Epoch::from_random(7).to_string();
    let other = again.replace(&epoch, "abcdefghij");
    assert_eq!(to.import(&other), Err((2, Bad::OtherLife)));
    assert_eq!(to.exported(None, None), whole);
}
