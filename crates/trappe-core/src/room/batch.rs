//! A sealed run of a room's log: shared by everyone who reads it, encoded once for each format in use.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use bytes::Bytes;

use crate::{
    command::Epoch,
    encode::{self, Key},
    limits::{BATCH_OVERHEAD_BYTES, RECORD_BYTES},
    message::{Author, Kind, Position, Record, Tag},
    name::Name,
};

/// One life of a room's log: what all of its batches share.
#[derive(Debug)]
pub struct Life {
    /// The room's name.
    pub name: Name,
    /// Which of its lives this is, as [`Epoch::bits`].
    epoch: AtomicU64,
    /// The oldest message that is kept on disk; [`NO_PAST`] where nothing is.
    oldest: AtomicU64,
    bytes: AtomicUsize,
    all: Arc<AtomicUsize>,
}

/// What stands in place of the oldest message where there is no history on disk.
const NO_PAST: u64 = u64::MAX;

impl Life {
    /// A new life. `all` counts the bytes of all rooms.
    #[must_use]
    pub fn new(name: Name, epoch: Epoch, all: Arc<AtomicUsize>) -> Arc<Life> {
        Life::with_past(name, epoch, NO_PAST, all)
    }

    /// A life of which a store keeps the messages from `oldest` on.
    #[must_use]
    pub fn with_past(name: Name, epoch: Epoch, oldest: u64, all: Arc<AtomicUsize>) -> Arc<Life> {
        let (epoch, oldest) = (AtomicU64::new(epoch.bits()), AtomicU64::new(oldest));
        Arc::new(Life { name, epoch, oldest, bytes: AtomicUsize::new(0), all })
    }

    /// Which of the room's lives this is now.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch::from_random(self.epoch.load(Relaxed))
    }

    /// From here on it is another life: the numbers go on, but nothing that was said of them before holds any more.
    pub(crate) fn renew(&self, epoch: Epoch) {
        self.epoch.store(epoch.bits(), Relaxed);
    }

    /// The oldest message that a store keeps, where there is one. What is older than a log holds is to be asked for there.
    #[must_use]
    pub fn oldest_stored(&self) -> Option<u64> {
        let oldest = self.oldest.load(Relaxed);
        (oldest != NO_PAST).then_some(oldest)
    }

    /// The store keeps nothing before message `oldest` any more.
    pub fn forget_before(&self, oldest: u64) {
        self.oldest.fetch_max(oldest, Relaxed);
    }

    /// Bytes that its live batches take, whoever holds them: bodies, records and encodings.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// The position after message `seq`.
    #[must_use]
    pub fn position(&self, seq: u64) -> Position {
        Position { epoch: self.epoch(), seq }
    }

    fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.all.fetch_add(bytes, Relaxed);
    }

    fn sub(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Relaxed);
        self.all.fetch_sub(bytes, Relaxed);
    }
}

/// A message as a store gives it back.
#[derive(Debug)]
pub struct Restored<'a> {
    /// Its number.
    pub seq: u64,
    /// When it was said, in microseconds since 1970.
    pub time_us: u64,
    /// Who said it.
    pub author: Author,
    /// The number that its sender gave it.
    pub id: Option<u64>,
    /// What was said.
    pub body: &'a [u8],
}

/// A batch in one format: the bytes of all its records, and where each ends.
#[derive(Debug)]
pub struct Encoded {
    /// All records, one after the other.
    pub bytes: Bytes,
    /// The end of each record in `bytes`; none where the batch's own offsets serve (raw lines are the buffer itself).
    pub ends: Option<Box<[u32]>>,
}

/// A sealed run of records. Immutable but for its encodings, which are made when first needed.
#[derive(Debug)]
pub struct Batch {
    /// The log index of the first record. Indices count every record, notices too; seqs count messages only.
    pub first: u64,
    /// The seq that the first message at or after the beginning of this batch has.
    pub first_seq: u64,
    /// What the log weighed before this batch, in bytes since its beginning.
    pub weight_before: u64,
    /// The records, at least one.
    pub records: Box<[Record]>,
    /// The bodies, each followed by a newline.
    pub(crate) body: Bytes,
    notices: bool,
    /// What it weighs beyond its records and bodies: line breaks and last words.
    weight_extra: usize,
    encodings: [OnceLock<Box<Encoded>>; Key::COUNT],
    extra: AtomicUsize,
    /// Which room it is of, and which life of its log.
    pub life: Arc<Life>,
}

impl Batch {
    pub(crate) fn new(
        first: u64,
        first_seq: u64,
        weight_before: u64,
        records: Vec<Record>,
        body: Bytes,
        weight_extra: usize,
        life: Arc<Life>,
    ) -> Batch {
        let notices = records.iter().any(|r| r.seq == 0);
        let batch = Batch {
            first,
            first_seq,
            weight_before,
            records: records.into_boxed_slice(),
            body,
            notices,
            weight_extra,
            encodings: Default::default(),
            extra: AtomicUsize::new(0),
            life,
        };
        batch.life.add(batch.own_bytes());
        batch
    }

    /// What a store gave back: messages of any numbers, in order. It stands in no log: its indices mean nothing.
    #[must_use]
    pub fn restored<'a>(
        life: &Arc<Life>,
        messages: impl IntoIterator<Item = Restored<'a>>,
    ) -> Option<Batch> {
        let (mut records, mut body) = (Vec::new(), Vec::new());
        for Restored { seq, time_us, author, id, body: said } in messages {
            let start = u32::try_from(body.len()).ok()?;
            body.extend_from_slice(said);
            body.push(b'\n');
            let end = u32::try_from(body.len()).ok()?;
            let tag = id.map(Tag::Id);
            records.push(Record { author, kind: Kind::Speech, seq, time_us, tag, start, end });
        }
        let first_seq = records.first()?.seq;
        Some(Batch::new(0, first_seq, 0, records, body.into(), 0, Arc::clone(life)))
    }

    fn own_bytes(&self) -> usize {
        BATCH_OVERHEAD_BYTES
            + self.records.len() * RECORD_BYTES
            + self.body.len()
            + self.weight_extra
    }

    /// The log index after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    /// The seq that the first message after this batch has.
    #[must_use]
    pub fn end_seq(&self) -> u64 {
        self.first_seq + self.messages()
    }

    /// How many of the records are messages.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages_in(0, self.records.len())
    }

    /// How many of the records `from..to` (offsets inside this batch) are messages.
    #[must_use]
    pub fn messages_in(&self, from: usize, to: usize) -> u64 {
        if self.notices {
            self.records[from..to].iter().filter(|r| r.seq > 0).count() as u64
        } else {
            (to - from) as u64
        }
    }

    /// What the batch counts for against the lag allowance: records, bodies, and one encoding of them.
    #[must_use]
    pub fn weight(&self) -> u64 {
        (self.own_bytes() + self.body.len()) as u64
    }

    /// A record's body.
    #[must_use]
    pub fn body(&self, record: &Record) -> &[u8] {
        let end = record.end as usize;
        &self.body[record.start as usize..end.saturating_sub(1).max(record.start as usize)]
    }

    /// The batch in one format, made when first asked for and shared from then on.
    pub(crate) fn encoded(&self, key: Key) -> &Encoded {
        let key = if self.notices { key } else { key.without_notices() };
        self.encodings[key.index()].get_or_init(|| {
            let encoded = Box::new(encode::batch(self, key));
            // Raw lines are the batch's own buffer: nothing new is held.
            let more = if encoded.ends.is_some() {
                encoded.bytes.len() + self.records.len() * 4
            } else {
                0
            };
            self.extra.fetch_add(more, Relaxed);
            self.life.add(more);
            encoded
        })
    }

    /// The bytes of the records `from..to` (offsets inside this batch) in one format.
    #[must_use]
    pub fn slice(&self, key: Key, from: usize, to: usize) -> &[u8] {
        let encoded = self.encoded(key);
        let end = |i: usize| match (&encoded.ends, i) {
            (_, 0) => 0,
            (Some(ends), i) => ends[i - 1] as usize,
            (None, i) => self.records[i - 1].end as usize,
        };
        &encoded.bytes[end(from)..end(to)]
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.life.sub(self.own_bytes() + self.extra.load(Relaxed));
    }
}
