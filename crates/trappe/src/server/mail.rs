//! What a pump is told. One closed list: what isn't here, nobody can ask of a pump.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use tokio::sync::oneshot;
use trappe_core::{
    encode::Look,
    room::{batch::Batch, item::Item, past::Past},
};

use super::{census::Counted, conn::Conn, room::Room};
use crate::net::{
    address::Peer,
    stream::{Loose, TcpStream},
};

/// What a cursor hands back to the pump when it comes to that place in the private queue.
#[derive(Debug)]
pub(crate) enum Act {
    /// From here on the member reads `room`, whose view the worker has already, from a log index on; the next message
    /// there had that seq.
    Enter(Arc<Room>, (u64, u64)),
    /// From here on it doesn't read that room any more.
    Leave(u32),
    /// From here on it follows that room's state, beginning with all of it.
    Follow(u32),
}

/// A mail to a worker's pump.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A new connection that is registered on this worker already.
    Mine(TcpStream, Peer),
    /// A new connection from the acceptors' worker.
    Accepted(Loose, Peer),
    /// Something was said in a room, for the first time since its last seal.
    Said(Arc<Room>),
    /// One past the log index of the last record of a room that a member authored. Left in the same turn of the worker as
    /// the append, so that the pump reads it before the batch can be written.
    Spoke(Arc<Conn>, u32, u64),
    /// A batch of a room that has members on this worker.
    Batch(Arc<Room>, Arc<Batch>),
    /// The worker gets its first member of a room: what the log kept, and where it goes on.
    View(Arc<Room>, VecDeque<Arc<Batch>>, (u64, u64, u64)),
    /// A connection has become a member of a room, from a log index and seq on.
    Enter(Arc<Conn>, Arc<Room>, (u64, u64)),
    /// The state of a room with followers on this worker has changed, for the first time since it was last looked at.
    Changed(Arc<Room>),
    /// What the history has of what a member asked for.
    Past(Arc<Conn>, Box<Past>),
    /// Something for a member's private queue; its cost is claimed or reserved there.
    Private(Arc<Conn>, Item<Act>),
    /// A refusal to a connection that is no member, written only if nothing was written to it before; then the end.
    Refuse(Arc<Conn>, Bytes),
    /// A silent listener turned out to be something else: it is in no room any more.
    Withdraw(Arc<Conn>),
    /// The member has left: what is due up to a log index of each of its rooms is written, then a last line, then it is
    /// closed.
    Finish(Arc<Conn>, Vec<(u32, u64)>, Bytes),
    /// Another connection has taken this one's session over: it is closed.
    Supersede(Arc<Conn>),
    /// Shutdown: one more reader has read what had arrived.
    ReadLast,
    /// The reader has seen the end of the stream, or has drained enough: nothing keeps the socket open but what is
    /// due. Tells whether it had sent [`Mail::ReadLast`].
    ReaderGone(Arc<Conn>, bool),
    /// The socket may be written to again.
    Writable(u32, u32),
    /// Whether a connection is watched has changed.
    Watched(Arc<Conn>),
    /// Who is here on this worker is to be told.
    Census(oneshot::Sender<Vec<Counted>>),
    /// The hub as a whole is at its limit, and this room uses most: its slowest members give way.
    Squeeze(Arc<Room>),
    /// Shutdown, first step: every reader reads once more.
    LastRead,
    /// Shutdown, second step: write to the heads, then end everything.
    Close,
}

/// How members are written to at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// Format, framing, language.
    pub(crate) look: Look,
    /// The longest message.
    pub(crate) message_bytes: usize,
    /// A raw member that falls too far behind goes on instead of being closed.
    pub(crate) raw_gap_skip: bool,
}
