//! End-to-end tests: the real binary, real sockets, and the programs that people really have.
//!
//! Each test starts its own hub on a port that the system chooses, and ends it. Nothing here sleeps: a test waits for an
//! effect (a line, an end of stream), and proves that something did *not* come by a marker that comes after it.

mod hub;
mod peer;
mod process;
mod tools;
mod web;

mod bad_bytes;
mod bad_commands;
mod client;
mod client_terminal;
mod commands;
mod connect;
mod console;
mod crowd;
mod descriptors;
mod events;
mod foreign;
mod formats;
mod framings;
mod history;
mod hostile;
mod http;
mod http_answers;
mod http_bad;
mod http_slow;
mod listen;
mod metrics;
mod remote;
mod rooms;
mod rude;
mod slow;
mod start;
mod stop;
mod websocket;
mod wires;
mod ws_handshake;
mod ws_slow;
