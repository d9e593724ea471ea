//! Where a member's bytes go. Each kind is given what is due and says how much it took; none ever waits.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    task::{Context, Poll},
};

use tokio::{io::Interest, net::tcp::OwnedWriteHalf};

/// The writing end of a member. The other wires (TLS, datagrams, HTTP bodies) become further variants.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Plain TCP: the common slice of the log goes straight to the kernel.
    Stream(OwnedWriteHalf),
}

/// The runtime is told that the socket takes no more, and so will tell when it does again. Before that it isn't asked: its
/// note of what is ready is one more line of cache for each write, and a socket is nearly always ready.
fn blocked(half: &OwnedWriteHalf, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock {
        let told = half.as_ref().try_io(Interest::WRITABLE, || Err::<(), _>(error));
        return told.err().unwrap_or_else(|| io::ErrorKind::WouldBlock.into());
    }
    error
}

impl Sink {
    /// Writes what the kernel takes now. `WouldBlock` where that is nothing.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Sink::Stream(half) = self;
        socket2::SockRef::from(half.as_ref()).send(bytes).map_err(|error| blocked(half, error))
    }

    /// The same for several slices at once.
    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Sink::Stream(half) = self;
        socket2::SockRef::from(half.as_ref())
            .send_vectored(slices)
            .map_err(|error| blocked(half, error))
    }

    /// Has `cx` woken when something may be taken again.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Sink::Stream(half) = self;
        half.as_ref().poll_write_ready(cx)
    }

    /// Ends the sending half: the peer reads to here, then end of stream.
    pub(crate) fn shutdown(&self) {
        let Sink::Stream(half) = self;
        // A peer that is gone already needs no goodbye.
        let _gone = socket2::SockRef::from(half.as_ref()).shutdown(Shutdown::Write);
    }
}
