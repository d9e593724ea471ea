//! The store on real files, in a folder of its own for each test.

mod damage;
mod folder;
mod journal;
mod opening;
mod properties;
mod pruning;
mod reading;
mod searching;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use trappe_core::{command::Epoch, name::Name};

use super::{
    db::Store,
    error::{DbError, OpenError},
    folder::Folder,
    open::{Opened, open},
    prune::MESSAGE_BYTES,
    read::Reader,
    row::{Row, StoredMessage},
    tables::{Cause, Hole},
};

/// When the tests begin, in microseconds since 1970.
const NOW: u64 = 1_764_000_000_000_000;

/// A folder that is gone with the test.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("trappe-store-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Place(path)
    }

    fn data(&self) -> PathBuf {
        self.0.join("data")
    }

    fn database(&self) -> PathBuf {
        self.data().join("history.db")
    }

    fn wal(&self) -> PathBuf {
        self.data().join("history.db-wal")
    }

    /// Opens what is there, as a server does.
    fn open(&self) -> Kept {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Kept, OpenError> {
        static EPOCH: AtomicU64 = AtomicU64::new(1);
        let folder = Folder::open(&self.data())?;
        let mut new_epoch = || Epoch::from_random(EPOCH.fetch_add(1, Relaxed));
        let opened = open(&folder, &mut new_epoch, NOW)?;
        Ok(Kept { folder, opened })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// An open database. Dropped without [`Kept::close`] it is left as by a crash.
#[derive(Debug)]
struct Kept {
    folder: Folder,
    opened: Opened,
}

impl Kept {
    fn store(&mut self) -> &mut Store {
        &mut self.opened.store
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.folder).unwrap()
    }

    /// Makes or writes down a room.
    fn room(&mut self, no: u32, text: &str, next_seq: u64) {
        let mut transaction = self.store().write().unwrap();
        transaction.room(no, &name(text), Epoch::from_random(77), next_seq).unwrap();
        transaction.commit().unwrap();
    }

    /// Stores messages of a room with these numbers, in one transaction; each says what [`body`] says.
    fn say(&mut self, room: u32, seqs: impl IntoIterator<Item = u64>) {
        self.try_say(room, seqs).unwrap();
    }

    fn try_say(&mut self, room: u32, seqs: impl IntoIterator<Item = u64>) -> Result<(), DbError> {
        let (mut messages, mut bytes, mut last) = (0, 0, 0);
        let mut transaction = self.store().write()?;
        for seq in seqs {
            let body = body(room, seq);
            transaction.message(room, &message(seq, body.as_bytes()))?;
            messages += 1;
            bytes += body.len() as u64 + MESSAGE_BYTES;
            last = seq;
        }
        transaction.counts(room, messages, bytes, last)?;
        transaction.commit()
    }

    fn hole(&mut self, room: u32, first: u64, last: u64, cause: Cause) {
        let mut transaction = self.store().write().unwrap();
        transaction.hole(room, &Hole { first, last, cause }).unwrap();
        transaction.commit().unwrap();
    }

    fn close(self, exact: &[(u32, u64)]) {
        self.opened.store.close(&self.folder, exact, 9).unwrap();
    }

    /// One number of the database.
    fn number(&self, sql: &str) -> i64 {
        self.opened.store.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// What is said under a number: some of it is long enough for several pages.
fn body(room: u32, seq: u64) -> String {
    let body = format!("message {seq} of room {room}");
    if seq % 50 == 7 { body + &" and so on".repeat(900) } else { body }
}

fn message(seq: u64, body: &[u8]) -> StoredMessage<'_> {
    let author = if seq.is_multiple_of(3) { None } else { Some("alice") };
    let mid = (seq % 2 == 1).then_some(seq * 10);
    StoredMessage { seq, time_us: NOW + seq, sid: 1 + seq % 5, mid, author, body }
}

/// What comes back of [`message`].
fn row(room: u32, seq: u64) -> Row {
    let body = body(room, seq);
    let StoredMessage { time_us, sid, mid, author, .. } = message(seq, &[]);
    Row { seq, time_us, sid, mid, author: author.map(name), body: body.into_bytes() }
}

/// Everything of a room, portion by portion: messages, and what is missing between them.
fn all(
    reader: &mut Reader,
    room: u32,
    from: u64,
    to: u64,
    most: (usize, usize),
) -> (Vec<Row>, Vec<Hole>) {
    let (mut rows, mut holes, mut next) = (Vec::new(), Vec::<Hole>::new(), from);
    while next < to {
        let portion = reader.portion(room, next, to, most.0, most.1).unwrap();
        let mut expected = next;
        if let Some(gap) = portion.gap {
            assert_eq!(gap.first, next, "a gap begins where it was asked");
            assert!(gap.last >= gap.first && gap.last < to);
            expected = gap.last + 1;
            match holes.last_mut() {
                Some(last) if last.last + 1 == gap.first && last.cause == gap.cause => {
                    last.last = gap.last;
                }
                _ => holes.push(gap),
            }
        }
        for row in portion.rows {
            assert_eq!(row.seq, expected, "no hole among the messages of a portion");
            expected += 1;
            rows.push(row);
        }
        assert_eq!(portion.next, expected, "it goes on after the last");
        assert!(portion.next > next, "each portion goes on");
        next = expected;
    }
    assert_eq!(next, to);
    (rows, holes)
}

fn hole(first: u64, last: u64, cause: Cause) -> Hole {
    Hole { first, last, cause }
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}
