//! The form of the database. `docs/storage.md` describes it for people.

/// "trap", in the file's header: whose file it is.
pub(super) const APPLICATION_ID: i32 = 0x7472_6170;
/// The version of the form.
pub(super) const VERSION: u32 = 2;

/// What each version adds to the one before, from 0 (an empty file) on.
pub(super) const MIGRATIONS: [&str; VERSION as usize] = [
    "
CREATE TABLE room (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    key TEXT NOT NULL UNIQUE,
    epoch TEXT NOT NULL,
    next_seq INTEGER NOT NULL,
    counted_to INTEGER NOT NULL DEFAULT 0,
    messages INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    sid INTEGER NOT NULL,
    mid INTEGER,
    author TEXT,
    body BLOB NOT NULL,
    sum INTEGER NOT NULL
) STRICT;
CREATE TABLE hole (
    room INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    cause TEXT NOT NULL,
    PRIMARY KEY (room, first)
) STRICT, WITHOUT ROWID;
CREATE TABLE session (
    sid INTEGER PRIMARY KEY,
    token BLOB NOT NULL,
    name TEXT,
    floor INTEGER
) STRICT;
CREATE TABLE sent (
    sid INTEGER NOT NULL,
    mid INTEGER NOT NULL,
    room INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (sid, mid)
) STRICT, WITHOUT ROWID;
CREATE TABLE posted (
    key TEXT PRIMARY KEY,
    time_us INTEGER NOT NULL,
    room INTEGER NOT NULL,
    digest BLOB NOT NULL,
    seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE VIRTUAL TABLE search USING fts5 (
    body, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO search (search, rank) VALUES ('deletemerge', 0);
CREATE VIEW messages (room, seq, time, author, body) AS
    SELECT room.name, message.id & 0xFFFFFFFFFF,
        strftime('%Y-%m-%dT%H:%M:%fZ', message.time_us / 1000000.0, 'unixepoch'),
        coalesce(message.author, 'client-' || message.sid), CAST(message.body AS TEXT)
    FROM message JOIN room ON room.no = message.id >> 40;
",
    "
CREATE TABLE journal (no INTEGER PRIMARY KEY, sum INTEGER NOT NULL, piece BLOB NOT NULL) STRICT;
",
];

/// How a connection is set up that writes.
pub(super) const SETTINGS: &str = "
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 0;
PRAGMA cache_size = -16384;
PRAGMA temp_store = MEMORY;
";

/// Gives back a little of the space that messages which were taken away hold in the index for searching. Left to itself the
/// index does so at a commit, all of it at once: there were commits of nearly 3 s with 300 000 messages, and seven times the
/// work. <https://www.sqlite.org/fts5.html#the_deletemerge_configuration_option>
pub(super) const MERGE_INDEX: &str = "
INSERT INTO search (search, rank) VALUES ('deletemerge', 50);
INSERT INTO search (search, rank) VALUES ('merge', 64);
INSERT INTO search (search, rank) VALUES ('deletemerge', 0);
";

/// Which start of a server it was that last closed the database, in `meta`.
pub(super) const STOPPED: &str = "stopped";

/// Which start stood beside the database when the last one began, in `meta`.
pub(super) const SINCE: &str = "since";

/// Bits of a message's id that are its number in its room.
pub(super) const SEQ_BITS: u32 = 40;

/// A message's id: its room's number, and its own in that room.
pub(super) fn id(room: u32, seq: u64) -> i64 {
    debug_assert!(seq < 1 << SEQ_BITS, "a room has fewer messages");
    (i64::from(room) << SEQ_BITS) | int(seq.min((1 << SEQ_BITS) - 1))
}

/// The greatest id that a message of a room can have.
pub(super) fn last_id(room: u32) -> i64 {
    id(room, (1 << SEQ_BITS) - 1)
}

/// The number in its room of the message with that id.
pub(super) fn seq_of(id: i64) -> u64 {
    u64::try_from(id & ((1 << SEQ_BITS) - 1)).unwrap_or(0)
}

/// The number of the room of the message with that id.
pub(super) fn room_of(id: i64) -> u32 {
    u32::try_from(id >> SEQ_BITS).unwrap_or(0)
}

/// A number as SQLite has it.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number from SQLite; a negative one can only come from somebody's own hand.
pub(super) fn uint(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
