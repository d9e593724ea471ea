//! Messages as they are stored, and the sum that tells whether one came back as it was.

use trappe_core::name::Name;

use super::schema::{int, seq_of, uint};

/// A message that is to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoredMessage<'a> {
    /// Its number in its room.
    pub(crate) seq: u64,
    /// When it was said, in microseconds since 1970.
    pub(crate) time_us: u64,
    /// The number of the member that said it; 0: nobody's.
    pub(crate) sid: u64,
    /// The number that its sender gave it.
    pub(crate) mid: Option<u64>,
    /// The name of that member, if it had taken one.
    pub(crate) author: Option<&'a str>,
    /// What was said.
    pub(crate) body: &'a [u8],
}

impl StoredMessage<'_> {
    /// The CRC-32 of everything, its id included: one that stands in another's place is no message.
    pub(super) fn sum(&self, id: i64) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&id.to_le_bytes());
        sum.update(&int(self.time_us).to_le_bytes());
        sum.update(&int(self.sid).to_le_bytes());
        sum.update(&self.mid.map_or(-1, int).to_le_bytes());
        // 0xFF is in no text: it stands between the author and the body.
        sum.update(self.author.map_or(b"\xfe", str::as_bytes));
        sum.update(b"\xff");
        sum.update(self.body);
        sum.finalize()
    }
}

/// A message as it came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number in its room.
    pub(crate) seq: u64,
    /// When it was said, in microseconds since 1970.
    pub(crate) time_us: u64,
    /// The number of the member that said it.
    pub(crate) sid: u64,
    /// The number that its sender gave it.
    pub(crate) mid: Option<u64>,
    /// The name of that member, if it had taken one.
    pub(crate) author: Option<Name>,
    /// What was said.
    pub(crate) body: Vec<u8>,
}

/// The columns of a message, as [`Row::read`] takes them.
pub(super) const COLUMNS: &str = "id, time_us, sid, mid, author, body, sum";

impl Row {
    /// The message in a row of [`COLUMNS`], and its id; none where it isn't what was stored.
    pub(super) fn read(row: &rusqlite::Row<'_>) -> (i64, Option<Row>) {
        let id = row.get(0).unwrap_or_default();
        (id, Row::sound(row, id))
    }

    fn sound(row: &rusqlite::Row<'_>, id: i64) -> Option<Row> {
        let author = row.get_ref(4).ok()?.as_str_or_null().ok()?;
        let body = row.get_ref(5).ok()?.as_blob().ok()?;
        let (time_us, sid) = (row.get(1).ok()?, row.get(2).ok()?);
        let mid: Option<i64> = row.get(3).ok()?;
        let message = StoredMessage {
            seq: seq_of(id),
            time_us: uint(time_us),
            sid: uint(sid),
            mid: mid.map(uint),
            author,
            body,
        };
        if i64::from(message.sum(id)) != row.get::<_, i64>(6).ok()? {
            return None;
        }
        Row::of(&message)
    }

    /// A message whose sum is right.
    pub(super) fn of(message: &StoredMessage<'_>) -> Option<Row> {
        let StoredMessage { seq, time_us, sid, mid, author, body } = *message;
        let author = match author {
            None => None,
            // Nobody was ever called so: somebody's own hand was here.
            Some(text) => Some(Name::kept(text)?),
        };
        Some(Row { seq, time_us, sid, mid, author, body: body.to_vec() })
    }
}
