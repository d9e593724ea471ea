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
pub const UNFINISHED_TOTAL: Duration = Duration::from_secs(300);
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
