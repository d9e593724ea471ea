//! Where a member's bytes go. Each kind is given what is due and says how much it took; none ever waits.

use std::{
    io::{self, IoSlice},
    net::Shutdown,
    task::{Context, Poll},
};

use tokio::net::tcp::OwnedWriteHalf;

/// The writing end of a member. The other wires (TLS, datagrams, HTTP bodies) become further variants.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Plain TCP: the common slice of the log goes straight to the kernel.
    Stream(OwnedWriteHalf),
}

impl Sink {
    /// Writes what the kernel takes now. `WouldBlock` where that is nothing.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let Sink::Stream(half) = self;
        half.try_write(bytes)
    }

    /// The same for several slices at once.
    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let Sink::Stream(half) = self;
        half.try_write_vectored(slices)
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
