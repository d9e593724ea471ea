//! trappe, a socket hub: anything that can open a socket talks to everyone in a room, or to one other client.
//!
//! [`server`] is the hub itself, [`client`] connects to one, [`cli`] is what the command line means. The logic without
//! sockets is the crate `trappe-core`.

pub mod cli;

mod http;
pub mod server;

pub mod client;

mod net;

mod store;
