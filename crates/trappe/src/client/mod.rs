//! The client's side of a connection, for whoever speaks to a hub: where it is ([`mod@address`]) and how to get there,
//! by a stream ([`mod@connect`]) or by datagrams ([`udp`], with what may be lost in mind: [`join`], [`retry`],
//! [`pace`]).

pub mod address;
pub mod connect;
pub mod join;
pub mod pace;
pub mod retry;
pub mod udp;

pub use address::{Address, Target, TargetError};
pub use connect::{ConnectError, Connected, connect, connect_blocking};
