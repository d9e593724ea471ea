//! The pure core of trappe, the socket hub.
//!
//! A room is a log; everything that listens is a cursor on it. Bytes become messages in [`framing`], messages become
//! speech or requests in [`command`] and [`session`], speech is appended to a log in [`room`], and what a log
//! publishes is turned into bytes, once for each format, in [`encode`]. [`hub`] knows who is called what and who is
//! where.
//!
//! There are no sockets here, no clock, no threads, no async and no randomness: equal inputs give equal outputs.
//! Time is an argument, `now`, the monotonic time since the hub began.
#![forbid(unsafe_code)]

pub mod keep;
pub mod limits;

pub mod message;
pub mod name;
pub mod state_key;

pub mod framing;

pub mod command;
pub mod event;
pub mod op;
pub mod sent;

pub mod reply;
pub mod session;

pub mod room;

pub mod hub;

pub mod encode;

pub mod watch;

pub mod client;

pub mod words;
