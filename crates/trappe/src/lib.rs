//! trappe, a socket hub: anything that can open a socket talks to everyone in a room, or to one other client.
//!
//! [`client`] is the client library: it keeps talking through a hub that is killed and restarted. [`server`] runs a
//! hub inside of a program. Everything else is the command `trappe`, which [`cli`] is the door of. The logic without
//! sockets is the crate `trappe-core`.

#![cfg_attr(
    sim,
    allow(
        dead_code,
        reason = "a simulated world uses the hub without its threads and its command line"
    )
)]

pub mod client;

pub mod server;

pub mod cli;

mod clock;

mod http;

mod net;

mod random;

#[cfg(sim)]
pub mod sim;

#[expect(
    unreachable_pub,
    reason = "its errors were public once; nothing outside sees them any more"
)]
mod store;
