//! Where a member's bytes go. Each kind is given what is due and says how much it took; none ever waits.

use std::{
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll},
};

use trappe_core::encode::{DATAGRAM_HEADER_BYTES, Wire, first_datagram};

use super::{
    datagram::{Port, Route},
    stream::{self, OwnedWriteHalf},
};

/// The writing end of a member. Another wire, TLS, becomes a further variant.
#[derive(Debug)]
pub(crate) enum Sink {
    /// Plain TCP: the common slice of the log goes straight to the kernel.
    Stream(OwnedWriteHalf),
    /// UDP: wants records, not runs of bytes, and shares its socket with all others of its port.
    /// Boxed: few members are, and every one would pay for the room.
    Datagram(Box<Datagrams>),
}

/// The writing end of a member by UDP.
#[derive(Debug)]
pub(crate) struct Datagrams {
    port: Rc<Port>,
    route: Route,
}

impl Datagrams {
    pub(crate) fn new(port: Rc<Port>, route: Route) -> Datagrams {
        Datagrams { port, route }
    }

    /// Sends one datagram, whole or not at all.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.port.send(self.route, bytes)
    }
}

impl Sink {
    /// What its bytes are wrapped in at first.
    pub(crate) fn wire(&self) -> Wire {
        match self {
            Sink::Stream(_) => Wire::Stream,
            Sink::Datagram(_) => Wire::Datagram,
        }
    }

    /// Writes what the kernel takes now. `WouldBlock` where that is nothing. Of datagrams that wait (see
    /// [`first_datagram`]) the first is written, or none.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stream(half) => stream::send(half, bytes),
            Sink::Datagram(datagrams) => {
                let (datagram, taken) = first_datagram(bytes);
                datagrams.send(datagram).map(|()| taken)
            }
        }
    }

    /// What [`write`](Self::write) takes beside what is sent.
    pub(crate) fn header(&self) -> usize {
        match self {
            Sink::Stream(_) => 0,
            Sink::Datagram(_) => DATAGRAM_HEADER_BYTES,
        }
    }

    /// The same for several slices of a stream at once.
    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Sink::Stream(half) => stream::send_vectored(half, slices),
            Sink::Datagram(_) => unreachable!("datagrams are sent one by one"),
        }
    }

    /// Has `cx` woken when something may be taken again.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Sink::Stream(half) => stream::poll_write_ready(half, cx),
            Sink::Datagram(datagrams) => datagrams.port.poll_ready(cx).map(Ok),
        }
    }

    /// Ends the sending half: the peer reads to here, then end of stream. Datagrams have no end.
    pub(crate) fn shutdown(&self) {
        if let Sink::Stream(half) = self {
            // A peer that is gone already needs no goodbye.
            let _gone = stream::shutdown(half);
        }
    }

    /// Lets go of it: of a stream, the close itself ends it; a shutdown before it would be one system call more.
    pub(crate) fn close(self) {
        if let Sink::Stream(half) = self {
            half.forget();
        }
    }
}
