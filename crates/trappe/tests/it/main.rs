//! End-to-end tests: the real binary, real sockets, and the programs that people really have.
//!
//! Each test starts its own hub on a port that the system chooses, and ends it. Nothing here sleeps: a test waits for an
//! effect (a line, an end of stream), and proves that something did *not* come by a marker that comes after it.

mod chromium;
mod hub;
mod json_check;
mod json_peer;
mod peer;
mod process;
mod tools;
mod watcher;
mod web;

mod bad_bytes;
mod bad_commands;
mod browser;
mod client;
mod client_terminal;
mod commands;
mod connect;
mod console;
mod crowd;
mod descriptors;
mod events;
mod foreign;
mod foreign_pages;
mod formats;
mod framings;
mod history;
mod hostile;
mod hostile_rooms;
mod hostile_web;
mod http;
mod http_answers;
mod http_bad;
mod http_slow;
mod json;
mod json_bad;
mod json_own;
mod json_rooms;
mod listen;
mod live;
mod live_busy;
mod live_secrets;
mod live_wire;
mod metrics;
mod one_room;
mod page;
mod remote;
mod rooms;
mod rude;
mod session_ids;
mod sessions;
mod slow;
mod start;
mod stop;
mod tap;
mod websocket;
mod wires;
mod ws_handshake;
mod ws_slow;
