//! Every bound of the system, in one place, with its unit in its name.
//!
//! A queue, a buffer, a table or a timer that has no line here is a bug (ARCHITECTURE.md, invariant 2).

use std::time::Duration;

// ---- messages and framing (PROTOCOL §2) ----

/// Default of `--max-message`: the longest message that is accepted.
pub const MESSAGE_BYTES_DEFAULT: usize = 64 << 10;
/// The most that `--max-message` may be set to.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// A message that no newline ends is ended by a pause this long …
pub const PAUSE: Duration = Duration::from_millis(20);
/// … or this long, after a read of [`LARGE_READ_BYTES`] or more (a large send still arriving).
pub const PAUSE_LARGE: Duration = Duration::from_millis(200);
/// From how many bytes on a read counts as a large one.
pub const LARGE_READ_BYTES: usize = 1200;
/// How long such a message is held at most, from its first byte.
pub const HOLD: Duration = Duration::from_millis(50);
/// How long it is held at most where its last read was large.
pub const HOLD_LARGE: Duration = Duration::from_millis(500);
/// The pause for a terminal that sends each character as it is typed, from the last byte.
pub const PAUSE_TYPING: Duration = Duration::from_secs(2);
/// How much longer a message waits for the rest of a cut UTF-8 sequence.
pub const HOLD_UTF8: Duration = Duration::from_millis(200);
/// An unfinished line is dropped after this long without a byte …
pub const UNFINISHED_IDLE: Duration = Duration::from_secs(30);
/// … or this long in all.
pub const UNFINISHED_TOTAL: Duration = Duration::from_mins(5);
/// The longest telnet subnegotiation that is swallowed.
pub const TELNET_SUBNEGOTIATION_BYTES: usize = 256;
/// All unfinished bytes of all connections together; the largest goes first.
pub const UNFINISHED_POOL_BYTES: usize = 64 << 20;

// ---- names and commands (PROTOCOL §3) ----

/// The longest name of a member or a room, in characters.
pub const NAME_CHARS: usize = 32;
/// How many names `/who` and `/rooms` list before they only count.
pub const LISTED: usize = 100;
/// What `/history` gives without a number.
pub const HISTORY_DEFAULT: usize = 10;

// ---- rooms and logs (DESIGN, "The mechanics") ----

/// A batch is sealed at this many bytes of bodies at the latest …
pub const BATCH_BYTES: usize = 64 << 10;
/// … or this many records.
pub const BATCH_RECORDS: usize = 256;
/// The first block of a room's batch buffer; blocks double up to [`BATCH_BYTES`].
pub const BATCH_BLOCK_BYTES_MIN: usize = 512;
/// What a record counts for in memory beside its body.
pub const RECORD_BYTES: usize = 100;
/// What a batch counts for beside its records.
pub const BATCH_OVERHEAD_BYTES: usize = 448;
/// What a line break inside a body counts for: the text format begins a new line with the author's name.
pub const LINE_BREAK_BYTES: usize = 40;
/// The longest last word of `/quit`, in characters.
pub const LAST_WORD_CHARS: usize = 80;
/// What each item of a private queue counts for beside its bytes.
pub const ITEM_BYTES: usize = 256;
/// What is given again is made ready in portions of this size.
pub const REPLAY_BYTES: usize = 4 << 10;
/// Rooms that a member may be in at once (JSON).
pub const ROOMS_OF_MEMBER: usize = 64;
/// How many fields an object of an op may have, unknown ones too.
pub const OP_FIELDS: usize = 256;
/// How deep the objects and lists of an op may lie in one another.
pub const OP_DEPTH: usize = 64;
/// Ids of a session's own messages that are remembered …
pub const SENT_IDS: usize = 1024;
/// … and for how long.
pub const SENT_KEPT: Duration = Duration::from_mins(2);
/// How long number and name of a session are kept after its connection's end.
pub const SESSION_KEPT: Duration = Duration::from_mins(2);
/// How many sessions are kept so.
pub const SESSIONS_AWAY: usize = 10_000;
/// Replies are put into the private queue at this many bytes at the latest.
pub const REPLIES_BYTES: usize = 16 << 10;
/// Commands of one client that are carried out before others have their turn.
pub const TURN_COMMANDS: usize = 32;
/// Writes to one member in one turn.
pub const TURN_MEMBER_WRITES: usize = 16;
/// Default of `--retain`: messages kept for `/history` and `/resume` in a room.
pub const RETAIN_MESSAGES_DEFAULT: usize = 1000;
/// Default of `--retain`: bytes kept in a room.
pub const RETAIN_BYTES_DEFAULT: usize = 1 << 20;
/// Default of `--lag`: how far behind a member may fall in a room.
pub const LAG_ROOM_BYTES_DEFAULT: usize = 8 << 20;
/// Default of `--lag`: everything that all rooms keep, together.
pub const LAG_TOTAL_BYTES_DEFAULT: usize = 256 << 20;
/// The most that `--retain` and `--lag` may be set to, in bytes.
pub const KEEP_BYTES_MAX: usize = 64 << 30;
/// The least that `--lag` may be set to for a room: a few batches.
pub const LAG_ROOM_BYTES_MIN: usize = 8 * BATCH_BYTES;
/// The most that `--retain` may be set to, in messages.
pub const RETAIN_MESSAGES_MAX: usize = 10_000_000;
/// How many rooms there may be.
pub const ROOMS: usize = 10_000;
/// How long an empty room is kept.
pub const ROOM_EMPTY: Duration = Duration::from_mins(10);
/// How many members there may be.
pub const MEMBERS: usize = 1_000_000;
/// Above so many members a room has no notices of arrival and departure …
pub const NOTICES_MEMBERS_MAX: usize = 50;
/// … until it has fewer than so many again.
pub const NOTICES_MEMBERS_BACK: usize = 40;
/// The private queue of one member: replies and private messages.
pub const PRIVATE_BYTES: usize = 64 << 10;

// ---- the pump ----

/// Workers of a server at most: a set of them is one 64-bit word.
pub const WORKERS: usize = 64;
/// Writes of one turn of the pump.
pub const TURN_WRITES: usize = 256;
/// Time of one turn of the pump.
pub const TURN_TIME: Duration = Duration::from_millis(1);
/// Bytes to one member in one turn.
pub const TURN_MEMBER_BYTES: usize = 256 << 10;
/// Slices of one vectored write (Linux takes at most 1024).
pub const WRITE_SLICES: usize = 64;
/// What one read takes at most.
pub const READ_BYTES: usize = 64 << 10;
/// Connections that wait to be accepted (the kernel's somaxconn may cut it).
pub const BACKLOG: i32 = 16_384;
/// Accepted connections in one go of an acceptor.
pub const ACCEPT_BURST: usize = 256;
/// The least time between two of them.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(1);
/// How long an acceptor rests at the file limit.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);

// ---- connections ----

/// A connection that says nothing becomes a member after this long (PROTOCOL §1).
pub const SILENCE: Duration = Duration::from_millis(200);
/// Who comes within this time of a browser's request from the same address, and says nothing, may be of that browser …
pub const AHEAD: Duration = Duration::from_secs(1);
/// … and becomes a member after this long only.
pub const SILENCE_AHEAD: Duration = Duration::from_secs(10);
/// From how many addresses the requests of browsers are remembered for that.
pub const BROWSERS: usize = 1024;
/// How long first bytes may stay the beginning of another protocol (PROTOCOL §1).
pub const SNIFF: Duration = Duration::from_secs(1);
/// The longest first line that is held as a possible HTTP request line.
pub const SNIFF_BYTES: usize = 16 << 10;
/// How long a closed connection is drained, so that its last line is read.
pub const LINGER: Duration = Duration::from_secs(1);
/// How long what is due to a member that said goodbye may take without progress …
pub const GOODBYE_IDLE: Duration = Duration::from_secs(2);
/// … and in all.
pub const GOODBYE_TOTAL: Duration = Duration::from_secs(30);
/// How often the ends that take long are looked at, while there are any.
pub const EXPIRY: Duration = Duration::from_millis(250);
/// TCP keepalive: first probe, interval, probes.
pub const KEEPALIVE_IDLE: Duration = Duration::from_mins(1);
/// Interval between keepalive probes.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Keepalive probes without an answer before a peer is dead.
pub const KEEPALIVE_PROBES: u32 = 4;
/// The longest path of a Unix socket, in bytes: what `sockaddr_un` holds, less the NUL at its end.
pub const SOCKET_PATH_BYTES: usize = 107;
/// How long a server that starts or ends on a Unix socket waits for another that does so in the same folder …
pub const SOCKET_LOCK: Duration = Duration::from_millis(500);
/// … and how often it looks.
pub const SOCKET_LOCK_RETRY: Duration = Duration::from_millis(5);
/// A refused address is named on the console once in this time.
pub const REFUSAL_NOTICE: Duration = Duration::from_mins(1);
/// How many refused addresses are remembered for that.
pub const REFUSED_ADDRESSES: usize = 1024;

// ---- UDP (PROTOCOL §7) ----

/// The longest datagram that is sent: no path of the Internet cuts it (RFC 9000 §14.1).
pub const DATAGRAM_BYTES: usize = 1200;
/// The longest datagram that can come: UDP's length field has 16 bits.
pub const DATAGRAM_READ_BYTES: usize = 64 << 10;
/// Datagrams that one call to the kernel brings.
pub const DATAGRAMS_READ: usize = 32;
/// Datagrams that are handed to the kernel by one call.
pub const DATAGRAMS_SENT: usize = 64;
/// Calls that bring datagrams before others have their turn.
pub const DATAGRAM_READS: usize = 4;
/// How long a member by UDP rests after [`TURN_MEMBER_WRITES`] replies or portions of state: what it could not take in one go
/// would be lost in its own buffer.
pub const DATAGRAM_REST: Duration = Duration::from_millis(4);
/// Records that a member by UDP may be behind when its turn comes; past it, it gets the newest.
pub const DATAGRAMS_DUE: u64 = 256;
/// Members by UDP, and addresses that speak for a member, at once …
pub const UDP_SESSIONS: usize = 10_000;
/// … and of one host: an IPv4 address, or the /64 of an IPv6 one.
pub const UDP_SESSIONS_OF_ADDRESS: usize = 32;
/// Addresses that may speak for one member.
pub const UDP_ATTACHED: usize = 4;
/// From whom no datagram has come for this long, is gone.
pub const UDP_SILENCE: Duration = Duration::from_mins(1);
/// A cookie is good in the epoch in which it was made, and in the next one.
pub const COOKIE_EPOCH: Duration = Duration::from_secs(30);
/// Cookies for one address in an epoch …
pub const COOKIES_OF_ADDRESS: u32 = 64;
/// … of which as many are counted; past it an address gets them uncounted, never more than three times what it sent.
pub const COOKIE_ADDRESSES: usize = 10_000;
/// One-time keys for datagrams that nobody has used yet …
pub const UDP_KEYS: usize = 10_000;
/// … and for how long each is good.
pub const UDP_KEY_KEPT: Duration = Duration::from_mins(1);
/// What datagrams said for a member may take until its reader takes it; past it they are dropped.
pub const UDP_SAID_BYTES: usize = 128 << 10;

// ---- shared state (PROTOCOL §6) ----

/// Keys of one room's state …
pub const STATE_KEYS: usize = 4096;
/// … what they and their values take …
pub const STATE_BYTES: usize = 1 << 20;
/// … and what those of all rooms take.
pub const STATE_TOTAL_BYTES: usize = 64 << 20;
/// The longest key, in characters.
pub const STATE_KEY_CHARS: usize = 64;
/// Keys that were taken away, and are remembered so that who follows is told, and an older version brings none of them back.
pub const STATE_GONE: usize = 1024;
/// What a value counts for beside its bytes.
pub const STATE_VALUE_BYTES: usize = 200;
/// Senders whose version of one key is remembered; the one that set it longest ago gives way.
pub const STATE_SENDERS: usize = 64;
/// How long changes of a room's state are gathered before they are written.
pub const STATE_PACE: Duration = Duration::from_millis(4);
/// State is made ready for a member in portions of this size.
pub const STATE_PORTION_BYTES: usize = 32 << 10;

// ---- WebSocket and HTTP (PROTOCOL §8) ----

/// A WebSocket's buffer for the frames of one unfinished message, to begin with.
pub const WS_BUFFER_BYTES: usize = 1 << 10;
/// Pongs due at once; past it only the latest of several pings is answered (RFC 6455 §5.5.3).
pub const WS_ANSWERS_BYTES: usize = 16 << 10;
/// A WebSocket peer from which nothing was heard for this long is asked for a sign of life; the second time it has missed
/// one, it is gone.
pub const PING: Duration = Duration::from_secs(25);
/// How long a WebSocket without a room in its URL may take to say whose session it takes over.
pub const TAKE_OVER: Duration = Duration::from_millis(200);
/// The longest head of an HTTP request.
pub const HTTP_HEAD_BYTES: usize = 16 << 10;
/// The most fields in it.
pub const HTTP_FIELDS: usize = 100;
/// The longest target of an HTTP request.
pub const HTTP_TARGET_BYTES: usize = 8 << 10;
/// How long the head of an HTTP request may take.
pub const HTTP_HEAD: Duration = Duration::from_secs(10);
/// How long whoever posts is slowed while everyone in the room is behind; then it is told to come again.
pub const HTTP_SLOWED: Duration = Duration::from_secs(5);
/// How long an HTTP request may take in all, from its head to its answer's last byte.
pub const HTTP_REQUEST: Duration = Duration::from_mins(1);
/// Messages in one page of history over HTTP.
pub const HTTP_HISTORY: usize = 1000;
/// … and bytes, unless one message alone is longer.
pub const HTTP_HISTORY_BYTES: usize = 512 << 10;
/// A stream of events that is silent for this long is sent a comment.
pub const HEARTBEAT: Duration = Duration::from_secs(15);
/// Idempotency keys that are remembered …
pub const IDEMPOTENCY_KEYS: usize = 10_000;
/// … each this long at most …
pub const IDEMPOTENCY_KEY_BYTES: usize = 255;
/// … and for this long.
pub const IDEMPOTENCY_KEPT: Duration = Duration::from_mins(2);
/// The longest message of the hidden echo service, for test suites.
pub const ECHO_BYTES: usize = 16 << 20;

// ---- who watches the hub: the live view, and the wire ----

/// How often the live view is told the state of the hub.
pub const LIVE_TICK: Duration = Duration::from_secs(1);
/// A state of the hub that is younger than this serves everybody who watches.
pub const LIVE_FRESH: Duration = Duration::from_millis(500);
/// How many members the live view lists before it only counts.
pub const LIVE_MEMBERS: usize = 2000;
/// How many rooms it lists.
pub const LIVE_ROOMS: usize = 200;
/// How many rooms of one member it lists.
pub const LIVE_ROOMS_OF_MEMBER: usize = 8;
/// How many may watch at once, the live view or a wire.
pub const WATCHERS: usize = 16;
/// Events that wait for one who watches a wire; past it they are counted only.
pub const WATCH_BYTES: usize = 256 << 10;
/// What is shown of a message's body on a wire.
pub const WATCH_BODY_BYTES: usize = 4 << 10;
/// The ends of reads that are remembered for one message.
pub const WATCH_CUTS: usize = 256;
/// For so long events of a wire are gathered before they are sent.
pub const WATCH_GATHERED: Duration = Duration::from_millis(10);
/// Who watches and takes nothing for this long is no longer told.
pub const WATCH_STALLED: Duration = Duration::from_secs(30);
/// Members that are attended to in one go, when somebody begins to watch; then others have their turn.
pub const WATCH_ATTENDED: usize = 64;

// ---- the server ----

/// What the console may hold back for a slow terminal, in lines.
pub const CONSOLE_LINES: usize = 10_000;
/// … and in bytes.
pub const CONSOLE_BYTES: usize = 8 << 20;
/// Shutdown: everything written to the head within this time.
pub const DRAIN: Duration = Duration::from_secs(3);
/// Shutdown in all.
pub const SHUTDOWN: Duration = Duration::from_millis(4500);

// ---- history on disk (PROTOCOL §5) ----

/// What waits for the disk at most, as batches weigh it; from half of it on whoever speaks waits.
pub const HISTORY_WAITING_BYTES: usize = 64 << 20;
/// What one transaction takes at most.
pub const HISTORY_COMMIT_BYTES: usize = if cfg!(sim) { 8 << 10 } else { 4 << 20 };
/// How long messages that nobody waits for gather before they are written together.
pub const HISTORY_GATHERED: Duration = Duration::from_millis(5);
/// From so many places on (rooms, and senders that give their messages numbers) a transaction writes to the journal first.
pub const HISTORY_PLACES: usize = 4;
/// What is in the journal is filed in its places once it is so many messages …
pub const HISTORY_FILED_ROWS: usize = if cfg!(sim) { 40 } else { 16_384 };
/// … or so many bytes as batches weigh them, of which four times as many are filed whatever waits; …
pub const HISTORY_FILED_BYTES: u64 = if cfg!(sim) { 16 << 10 } else { 4 << 20 };
/// … after this long; …
pub const HISTORY_FILED_AFTER: Duration = Duration::from_millis(250);
/// … or once nothing was said for this long.
pub const HISTORY_FILED_IDLE: Duration = Duration::from_millis(5);
/// What is read from disk in one go for one member or request.
pub const HISTORY_PORTION_BYTES: usize = if cfg!(sim) { 256 } else { 16 << 10 };
/// Rooms that are kept on disk; further ones have no history there.
pub const HISTORY_ROOMS: usize = 100_000;
/// How long a disk that refused is left alone.
pub const HISTORY_RETRY: Duration = Duration::from_secs(1);
/// A disk that has committed nothing for this long, while somebody asks for the last messages, isn't waited for.
pub const HISTORY_STALLED: Duration = Duration::from_millis(500);
/// How often it is looked whether something is too old …
pub const HISTORY_TIDY: Duration = Duration::from_secs(1);
/// … and how soon again while there is more of it.
pub const HISTORY_TIDY_SOON: Duration = Duration::from_millis(10);
/// Messages that are taken away, or put into the index, in one transaction.
pub const HISTORY_TIDY_ROWS: usize = if cfg!(sim) { 7 } else { 2000 };
/// … and while others wait for the disk.
pub const HISTORY_BUSY_ROWS: usize = if cfg!(sim) { 3 } else { 200 };
/// From so many bytes on the database's log is brought into the database.
pub const HISTORY_LOG_BYTES: u64 = 8 << 20;
/// What is stored is in the index for searching after this long, unless more is said than that leaves time for.
pub const HISTORY_INDEXED: Duration = Duration::from_millis(250);
/// What `/search` gives, and an op or a request that says no number.
pub const SEARCH_DEFAULT: usize = 20;
/// The most that a search gives.
pub const SEARCH_MAX: usize = 100;
/// The most that may be searched for, in characters.
pub const SEARCH_CHARS: usize = 256;
/// Default of `--greet`: messages of the room that a member in text gets with its welcome.
pub const GREET_DEFAULT: usize = 10;
/// The most that `--greet` may be set to.
pub const GREET_MAX: usize = 100;
/// Default of `--keep`: what history keeps of a room, in bytes.
pub const HISTORY_ROOM_BYTES_DEFAULT: u64 = 1 << 30;
/// Default of `--keep-total`: what it keeps of all rooms together.
pub const HISTORY_TOTAL_BYTES_DEFAULT: u64 = 10 << 30;

// ---- the client library ----

/// Sends that may wait for their acknowledgement, unless a program says otherwise …
pub const CLIENT_OUTBOX_SENDS: usize = 1000;
/// … and the bytes that they take.
pub const CLIENT_OUTBOX_BYTES: usize = 8 << 20;
/// Sends of one session that may be on their way at once: the hub remembers as many ([`SENT_IDS`]).
pub const CLIENT_IN_FLIGHT: u64 = SENT_IDS as u64;
/// Questions that may wait for their answers.
pub const CLIENT_ASKS: usize = 1024;
/// Messages that one question for history gives …
pub const CLIENT_HISTORY: usize = 1000;
/// … and the bytes of them that are kept until all are there.
pub const CLIENT_HISTORY_BYTES: usize = 16 << 20;
/// The longest line that a hub may say.
pub const CLIENT_LINE_BYTES: usize = 1 << 20;
/// Lines that are handed to the connection in one go, in bytes, unless one alone is longer.
pub const CLIENT_WRITE_BYTES: usize = 64 << 10;
/// Numbers beyond a room's first hole that are remembered; with more, the hole is given up.
pub const CLIENT_AHEAD: usize = 1024;
/// Ids of one sender in one room that are known, so that none is passed on twice …
pub const CLIENT_IDS: usize = 1024;
/// … and senders in one room.
pub const CLIENT_SIDS: usize = 4096;
/// The pause before the first attempt to come back, at most; it doubles with each …
pub const CLIENT_BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// … up to this.
pub const CLIENT_BACKOFF_MAX: Duration = Duration::from_secs(20);
/// A connection that has been there for so long makes the pauses short again.
pub const CLIENT_HEALTHY: Duration = Duration::from_secs(5);
/// A hub that says nothing for so long is asked whether it is there …
pub const CLIENT_SILENCE: Duration = Duration::from_mins(1);
/// … and given up when this has passed too.
pub const CLIENT_SILENCE_ANSWER: Duration = Duration::from_secs(10);
/// How long connecting may take, until the hub has answered the hello.
pub const CLIENT_GREETING: Duration = Duration::from_secs(10);
/// How long a hub may take to answer a client's goodbye.
pub const CLIENT_GOODBYE: Duration = Duration::from_secs(2);
/// Events that wait for their program: past as many nothing is read, unless an acknowledgement or an answer is waited for …
pub const CLIENT_EVENTS: usize = if cfg!(sim) { 16 } else { 1024 };
/// … the same in bytes …
pub const CLIENT_EVENTS_BYTES: usize = 1 << 20;
/// … and past so many bytes nothing is read at all.
pub const CLIENT_EVENTS_BYTES_MAX: usize = 64 << 20;
