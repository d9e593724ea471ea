//! The journal: what was said in many rooms at once, in one piece, until it is filed in its places.
//!
//! A transaction writes whole pages, and the messages of a hundred rooms stand on a hundred pages: with a message for each
//! the disk took a third of what it takes in one piece (`cargo xtask bench store`, `trappe-text`). So they are written here
//! first, on a few pages; what is here is on disk, and acknowledged. The messages of each room are filed together a moment
//! later. After a crash whatever is still here is filed when the database is opened.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    error::{DbError, db},
    row::StoredMessage,
    schema::{id, int, last_id, seq_of, uint},
    tables::StoredPost,
    transaction::Transaction,
};

/// What stands before the parts of a message that not every one has.
const HAS_MID: u8 = 1;
const HAS_AUTHOR: u8 = 2;
const HAS_KEY: u8 = 4;

/// Messages in one piece.
///
/// Each is, in little-endian numbers: room (32 bits), seq, `time_us`, sid (64 each), which parts it has (8), the number that
/// its sender gave it (64), the author's name (length in 16 bits, UTF-8), the digest (32 bytes) and the key of what was
/// posted (16 bits, UTF-8), the body (32 bits, bytes).
#[derive(Debug, Default)]
pub(crate) struct Piece(Vec<u8>);

/// A message in a piece.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) room: u32,
    pub(crate) message: StoredMessage<'a>,
    /// Under which key it was posted, and a short form of who said what.
    pub(crate) post: Option<(&'a str, &'a [u8; 32])>,
}

impl Piece {
    /// Whether there is no message in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, entry: &Entry<'_>) {
        let Entry { room, message, post } = entry;
        let has = |has: bool, bit: u8| if has { bit } else { 0 };
        self.0.extend(room.to_le_bytes());
        self.0.extend(message.seq.to_le_bytes());
        self.0.extend(message.time_us.to_le_bytes());
        self.0.extend(message.sid.to_le_bytes());
        self.0.push(
            has(message.mid.is_some(), HAS_MID)
                | has(message.author.is_some(), HAS_AUTHOR)
                | has(post.is_some(), HAS_KEY),
        );
        if let Some(mid) = message.mid {
            self.0.extend(mid.to_le_bytes());
        }
        if let Some(author) = message.author {
            self.short(author);
        }
        if let Some((key, digest)) = post {
            self.0.extend(*digest);
            self.short(key);
        }
        let length = u32::try_from(message.body.len()).expect("a message is far shorter");
        self.0.extend(length.to_le_bytes());
        self.0.extend(message.body);
    }

    fn short(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("names and keys are short");
        self.0.extend(length.to_le_bytes());
        self.0.extend(text.as_bytes());
    }
}

/// What is left of a piece that is read.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, left) = self.0.split_at_checked(length)?;
        self.0 = left;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_le_bytes(*bytes))
    }

    fn short(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(*self.array()?);
        str::from_utf8(self.take(length.into())?).ok()
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let room = u32::from_le_bytes(*self.array()?);
        let (seq, time_us, sid) = (self.number()?, self.number()?, self.number()?);
        let [parts] = *self.array()?;
        let mid = if parts & HAS_MID == 0 { None } else { Some(self.number()?) };
        let author = if parts & HAS_AUTHOR == 0 { None } else { Some(self.short()?) };
        let post = if parts & HAS_KEY == 0 {
            None
        } else {
            let digest = self.array()?;
            Some((self.short()?, digest))
        };
        let length = u32::from_le_bytes(*self.array()?);
        let body = self.take(usize::try_from(length).ok()?)?;
        Some(Entry { room, message: StoredMessage { seq, time_us, sid, mid, author, body }, post })
    }
}

/// The messages in a piece; none where it isn't whole.
fn entries(piece: &[u8]) -> Option<Vec<Entry<'_>>> {
    let (mut left, mut entries) = (Left(piece), Vec::new());
    while !left.0.is_empty() {
        entries.push(left.entry()?);
    }
    Some(entries)
}

/// The sum of a piece and its place.
fn sum(no: i64, piece: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&no.to_le_bytes());
    sum.update(piece);
    sum.finalize()
}

/// A piece as it came back.
#[derive(Debug)]
pub(super) struct StoredPiece {
    pub(super) no: i64,
    bytes: Vec<u8>,
    is_sound: bool,
}

impl StoredPiece {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<StoredPiece> {
        let (no, bytes): (i64, Vec<u8>) = (row.get(0)?, row.get(2)?);
        let is_sound = row.get::<_, i64>(1)? == i64::from(sum(no, &bytes));
        Ok(StoredPiece { no, bytes, is_sound })
    }

    /// Its messages; none where it isn't what was stored.
    pub(super) fn entries(&self) -> Option<Vec<Entry<'_>>> {
        if self.is_sound { entries(&self.bytes) } else { None }
    }

    /// Whose messages were in it, as far as that can be read of one that isn't what was stored: rooms, and numbers there.
    pub(super) fn broken(&self) -> Vec<(u32, u64)> {
        if self.entries().is_some() {
            return Vec::new();
        }
        let mut left = Left(&self.bytes);
        std::iter::from_fn(|| left.entry()).map(|it| (it.room, it.message.seq)).collect()
    }
}

/// Adds all pieces to `found`; they are bounded by what waits to be filed. Where it fails, those that can be read are there.
pub(super) fn read(connection: &Connection, found: &mut Vec<StoredPiece>) -> rusqlite::Result<()> {
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'journal')";
    // An older form has none.
    if !connection.query_row(there, [], |row| row.get::<_, bool>(0))? {
        return Ok(());
    }
    match read_as_far(connection, "ASC", found) {
        // What is damaged may lie between.
        Err(error) => read_as_far(connection, "DESC", found).and(Err(error)),
        read => read,
    }
}

/// In one direction. A piece that can't be read costs no other: its place is not where its bytes are.
fn read_as_far(
    connection: &Connection,
    order: &str,
    found: &mut Vec<StoredPiece>,
) -> rusqlite::Result<()> {
    let mut numbers = connection.prepare(&format!("SELECT no FROM journal ORDER BY no {order}"))?;
    let mut select = connection.prepare("SELECT no, sum, piece FROM journal WHERE no = ?")?;
    let (mut rows, mut result) = (numbers.query([])?, Ok(()));
    while let Some(row) = rows.next()? {
        let no: i64 = row.get(0)?;
        if found.iter().all(|piece| piece.no != no) {
            match select.query_row([no], StoredPiece::read) {
                Ok(piece) => found.push(piece),
                Err(error) => result = Err(error),
            }
        }
    }
    result
}

impl Transaction<'_> {
    /// Messages that are filed later.
    pub(crate) fn journal(&mut self, no: u64, piece: &Piece) -> Result<(), DbError> {
        let (no, bytes) = (int(no), &piece.0);
        self.run(
            "write to the journal",
            "INSERT INTO journal (no, sum, piece) VALUES (?, ?, ?)",
            params![no, sum(no, bytes), bytes],
        )
    }

    /// All pieces up to this one are filed.
    pub(crate) fn filed(&mut self, no: u64) -> Result<(), DbError> {
        self.run("clear the journal", "DELETE FROM journal WHERE no <= ?", [int(no)])
    }

    /// Nothing is to be filed.
    pub(crate) fn clear_journal(&mut self) -> Result<(), DbError> {
        self.run("clear the journal", "DELETE FROM journal", [])
    }
}

/// Files what a server left that ended unclean, as far as it is sound. Tells how many messages that were.
pub(super) fn file_all(
    transaction: &mut Transaction<'_>,
    pieces: &[StoredPiece],
) -> Result<u64, DbError> {
    let (mut oldest, mut filed) = (BTreeMap::new(), 0);
    for entry in pieces.iter().filter_map(StoredPiece::entries).flatten() {
        // What was filed and then grew too old doesn't come back.
        let oldest = match oldest.get(&entry.room) {
            Some(oldest) => *oldest,
            None => *oldest.entry(entry.room).or_insert(oldest_of(transaction, entry.room)?),
        };
        if entry.message.seq >= oldest && !transaction.knows(entry.room, entry.message.seq)? {
            file(transaction, &entry)?;
            filed += 1;
        }
    }
    transaction.clear_journal()?;
    Ok(filed)
}

fn file(transaction: &mut Transaction<'_>, entry: &Entry<'_>) -> Result<(), DbError> {
    let Entry { room, message, post } = entry;
    transaction.message(*room, message)?;
    if let Some((key, digest)) = post {
        transaction.posted(&StoredPost {
            key: (*key).to_owned(),
            time_us: message.time_us,
            room: *room,
            digest: **digest,
            seq: message.seq,
        })?;
    }
    let Some(mid) = message.mid else { return Ok(()) };
    // Of sessions to which somebody may come back.
    transaction.run(
        "store a message's id",
        "INSERT OR REPLACE INTO sent (sid, mid, room, seq)
         SELECT sid, ?2, ?3, ?4 FROM session WHERE sid = ?1 AND coalesce(floor, -1) < ?2",
        params![int(message.sid), int(mid), room, int(message.seq)],
    )
}

/// The number of the oldest message of a room that is filed, or of the next one where all of them grew too old: what is
/// taken away was counted before. 0: none was ever filed.
fn oldest_of(transaction: &Transaction<'_>, room: u32) -> Result<u64, DbError> {
    let sql = "SELECT id FROM message WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1";
    let counted = "SELECT counted_to FROM room WHERE no = ?";
    let read = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
        let found = transaction.inner.prepare_cached(sql);
        found.and_then(|mut it| it.query_row(params, |row| row.get::<_, i64>(0)).optional())
    };
    let found = read(sql, &[&id(room, 0), &last_id(room)]).map_err(db("read the journal"))?;
    let counted = read(counted, &[&room]).map_err(db("read the journal"))?;
    Ok(found.map(seq_of).or(counted.filter(|it| *it > 0).map(|it| uint(it) + 1)).unwrap_or(0))
}

/// Lets a connection that changes nothing see what isn't filed yet as if it were: `message` is both from here on.
pub(super) fn overlay(connection: &Connection) -> rusqlite::Result<()> {
    // One that is damaged is told by `check`, and by the next start.
    let mut pieces = Vec::new();
    let _as_far_as_it_can = read(connection, &mut pieces);
    if pieces.is_empty() {
        return Ok(());
    }
    connection.execute_batch(
        "CREATE TEMP TABLE unfiled (
             id INTEGER PRIMARY KEY, time_us INTEGER, sid INTEGER, mid INTEGER, author TEXT, body BLOB, sum INTEGER
         ) STRICT;
         CREATE TEMP VIEW message AS SELECT * FROM main.message UNION ALL SELECT * FROM temp.unfiled
             WHERE NOT EXISTS (SELECT 1 FROM main.message WHERE main.message.id = unfiled.id)
             -- What was counted was filed: it grew too old.
             AND NOT EXISTS (SELECT 1 FROM main.room
                 WHERE no = unfiled.id >> 40 AND counted_to >= unfiled.id & 0xFFFFFFFFFF);",
    )?;
    let mut insert =
        connection.prepare("INSERT OR IGNORE INTO temp.unfiled VALUES (?, ?, ?, ?, ?, ?, ?)")?;
    for Entry { room, message, .. } in pieces.iter().filter_map(StoredPiece::entries).flatten() {
        let id = id(room, message.seq);
        let StoredMessage { time_us, sid, mid, author, body, .. } = message;
        let mid = mid.map(int);
        insert.execute(params![id, int(time_us), int(sid), mid, author, body, message.sum(id)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    type Post = Option<(String, [u8; 32])>;
    type Parts = (u32, [u64; 3], Option<u64>, Option<String>, Post, Vec<u8>);

    fn messages() -> impl Strategy<Value = Vec<Parts>> {
        let post = option::of((".{0,20}", any::<[u8; 32]>()));
        let body = vec(any::<u8>(), 0..50);
        vec(
            (
                any::<u32>(),
                any::<[u64; 3]>(),
                any::<Option<u64>>(),
                option::of(".{0,32}"),
                post,
                body,
            ),
            0..20,
        )
    }

    fn entry((room, [seq, time_us, sid], mid, author, post, body): &Parts) -> Entry<'_> {
        let (mid, author) = (*mid, author.as_deref());
        let (seq, time_us, sid) = (*seq, *time_us, *sid);
        let message = StoredMessage { seq, time_us, sid, mid, author, body };
        Entry { room: *room, message, post: post.as_ref().map(|(key, it)| (key.as_str(), it)) }
    }

    proptest! {
        #[test]
        fn a_piece_comes_back_as_it_was_and_no_cut_of_it_is_read_beyond_its_end(
            messages in messages(), cut in 0..200_usize,
        ) {
            let mut piece = Piece::default();
            for it in &messages {
                piece.push(&entry(it));
            }
            let back = entries(&piece.0).expect("it is whole");
            let shown = |entries: &[Entry<'_>]| format!("{entries:?}");
            let all: Vec<_> = messages.iter().map(entry).collect();
            prop_assert_eq!(shown(&back), shown(&all));
            let cut = piece.0.len().saturating_sub(cut);
            if let Some(some) = entries(&piece.0[..cut]) {
                prop_assert_eq!(shown(&some), shown(&all[..some.len()]));
            }
        }
    }
}
