//! A room is a log; everything that listens is a cursor on it.
//!
//! [`log`] is the end where things are appended, [`batch`] what it publishes, [`view`] the part of it that one
//! worker holds, [`cursor`] one listener's place in it and everything that is still due to it.

pub mod batch;
pub mod cursor;
pub mod item;
pub mod listener;
pub mod log;
pub mod page;
pub mod past;
mod replay;
pub mod state;
pub mod view;

#[cfg(test)]
mod properties;

#[cfg(test)]
mod datagram_tests;
#[cfg(test)]
mod listener_tests;
#[cfg(test)]
mod past_properties;
#[cfg(test)]
mod rooms_properties;
