//! The ends of a connection: who has one reads, writes and closes there, as with a descriptor.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready},
    time::Instant,
};

use super::{Road, Side, poll_io};

/// A descriptor: dropped, it is closed.
#[derive(Debug)]
pub(super) struct End {
    pub(super) road: Arc<Road>,
    side: Side,
}

impl End {
    pub(super) fn new(road: Arc<Road>, side: Side) -> End {
        End { road, side }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.road.wire.lock().read(self.side, buffer);
        self.road.bell.notify_one();
        read
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.road.wire.lock().write(self.side, bytes, Instant::now());
        self.road.bell.notify_one();
        written
    }

    pub(super) fn shutdown(&self) {
        self.road.wire.lock().shut(self.side, Instant::now());
        self.road.bell.notify_one();
    }

    pub(super) fn reset(&self) {
        self.road.wire.lock().reset(Instant::now());
        self.road.bell.notify_one();
    }

    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.road.wire.lock().poll_readable(self.side, cx)
    }

    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.road.wire.lock().poll_writable(self.side, cx)
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let tried = || self.try_read(buffer.initialize_unfilled());
        let read = poll_io(cx, tried, |cx| self.poll_readable(cx));
        read.map_ok(|n| buffer.advance(n))
    }

    pub(super) fn ready_now(&self) -> Ready {
        let wire = self.road.wire.lock();
        let mut ready = Ready::EMPTY;
        if wire.is_readable(self.side) {
            ready |= Ready::READABLE;
        }
        if wire.is_writable(self.side) {
            ready |= Ready::WRITABLE;
        }
        ready
    }
}

impl Drop for End {
    fn drop(&mut self) {
        // What these wake is let go of once the lock is.
        let wakers = self.road.wire.lock().close(self.side, Instant::now());
        self.road.bell.notify_one();
        drop(wakers);
    }
}

/// A client's end.
#[derive(Debug)]
pub(crate) struct Stream(End);

impl Stream {
    pub(super) fn new(end: End) -> Stream {
        Stream(end)
    }

    /// Waits until it can be read from, or written to, as far as that is asked for.
    pub(crate) async fn ready(&self, interest: Interest) -> Ready {
        poll_fn(|cx| {
            let reads = interest.is_readable() && self.0.poll_readable(cx).is_ready();
            let writes = interest.is_writable() && self.0.poll_writable(cx).is_ready();
            if reads || writes { Poll::Ready(self.0.ready_now()) } else { Poll::Pending }
        })
        .await
    }

    /// One read of what is there.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }

    /// One write of what is taken.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        poll_io(cx, || self.0.try_write(bytes), |cx| self.0.poll_writable(cx))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shutdown();
        Poll::Ready(Ok(()))
    }
}
