//! The client's side of a connection, for whoever speaks to a hub: where it is ([`mod@address`]) and how to get there
//! ([`mod@connect`]).

pub mod address;
pub mod connect;

pub use address::{Address, Target, TargetError};
pub use connect::{ConnectError, Connected, connect, connect_blocking};
