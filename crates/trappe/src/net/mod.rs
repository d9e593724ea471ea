//! Sockets: listening, looking at first bytes, refusing, and writing.

pub(crate) mod address;
pub(crate) mod alive;
pub(crate) mod cookie;
pub(crate) mod datagram;
pub(crate) mod holder;
pub(crate) mod listen;
pub(crate) mod refusal;
pub(crate) mod sink;
pub(crate) mod sniff;
pub(crate) mod stream;
pub(crate) mod unix;
pub(crate) mod ws;
