//! A connection as hyper sees it: bytes come from its socket, and go into its private queue, as everybody's do.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use trappe_core::{limits::READ_BYTES, room::item::Item};

use crate::{
    net::stream::OwnedReadHalf,
    server::{Shared, conn::Conn, voice},
};

/// See the module.
pub(super) struct Io {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    half: OwnedReadHalf,
    /// What was read: the head, and what came with it.
    bytes: Vec<u8>,
    /// How much of it has been given on.
    given: usize,
    /// The length of the head.
    head: usize,
}

impl Io {
    pub(super) fn new(
        shared: Arc<Shared>,
        conn: Arc<Conn>,
        half: OwnedReadHalf,
        bytes: Vec<u8>,
    ) -> Io {
        Io { shared, conn, half, bytes, given: 0, head: 0 }
    }

    /// Everything that was read so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The head ends here.
    pub(super) fn set_head(&mut self, len: usize) {
        self.head = len;
    }

    /// What came after the head; it is given on.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        self.given = self.bytes.len();
        self.bytes.split_off(self.head)
    }

    /// Everything that was read is read again.
    pub(super) fn rewind(&mut self) {
        self.given = 0;
    }

    /// Reads more of the head. Ready(false): the end of the stream.
    pub(super) fn fill(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let bytes = &mut self.bytes;
        let take = |read: &[u8]| bytes.extend_from_slice(read);
        super::read(&self.shared, &self.conn, &mut self.half, cx, READ_BYTES, take)
    }

    /// One read, given to `take`. Ready(false): the end of the stream.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<bool> {
        super::read(&self.shared, &self.conn, &mut self.half, cx, READ_BYTES, take)
    }

    /// Queues bytes as soon as there is room. Fails where this connection holds the most when all hold too much.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<()>> {
        if self.conn.take_evicted() {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        if self.conn.is_full() {
            self.conn.set_waker(cx.waker());
            // It may have been written in between.
            if self.conn.is_full() {
                return Poll::Pending;
            }
        }
        voice::send(&self.shared, &self.conn, Item::Bytes(Bytes::copy_from_slice(bytes)));
        Poll::Ready(Ok(()))
    }

    /// The reading half, for whoever goes on with the connection.
    pub(super) fn into_half(self) -> OwnedReadHalf {
        self.half
    }
}

impl Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let left = &me.bytes[me.given..];
        if !left.is_empty() {
            let n = left.len().min(buffer.remaining());
            buffer.put_slice(&left[..n]);
            me.given += n;
            return Poll::Ready(Ok(()));
        }
        let most = buffer.remaining();
        let take = |bytes: &[u8]| buffer.put_slice(bytes);
        let read = super::read(&me.shared, &me.conn, &mut me.half, cx, most, take);
        read.map(|_more| Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, bytes).map_ok(|()| bytes.len())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
