//! `/echo`: what a WebSocket says comes back. Hidden, for test suites such as Autobahn's.

use std::future::poll_fn;

use trappe_core::{
    command::Lang,
    encode::ws::{self as frames, Opcode},
    limits::{ECHO_BYTES, PRIVATE_BYTES},
};

use super::{answer::Answer, head::Head, io::Io, join};
use crate::net::ws::{Incoming, WebSocket};

/// Serves one connection to its end.
pub(super) async fn serve(head: &Head, io: &mut Io) -> Result<(), Answer> {
    let accept = join::accept(head, Lang::En)?;
    send(io, &join::switching(&accept, None)).await;
    let mut socket = WebSocket::new(ECHO_BYTES);
    let mut bytes = io.take_rest();
    loop {
        let mut input = &bytes[..];
        let mut out = Vec::new();
        while let Some(incoming) = socket.next(&mut input, &mut out) {
            match incoming {
                Incoming::Message { body, text } => {
                    let opcode = if text { Opcode::Text } else { Opcode::Binary };
                    frames::frame(&mut out, opcode, &body);
                    send(io, &std::mem::take(&mut out)).await;
                }
                Incoming::Closed(farewell) => {
                    out.extend_from_slice(&farewell);
                    send(io, &out).await;
                    return Ok(());
                }
            }
        }
        send(io, &out).await;
        bytes.clear();
        if !poll_fn(|cx| io.read(cx, |read| bytes.extend_from_slice(read))).await {
            return Ok(());
        }
    }
}

/// Queues bytes, a part at a time, as fast as they are read.
async fn send(io: &Io, bytes: &[u8]) {
    for part in bytes.chunks(PRIVATE_BYTES) {
        if poll_fn(|cx| io.poll_send(cx, part)).await.is_err() {
            return;
        }
    }
}
