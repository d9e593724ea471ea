//! What a conversation goes over: a stream of bytes, whose end is its goodbye, or datagrams, which have none.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use super::datagrams::Datagrams;

/// A way to a hub and back. Both directions are used at once, each by one thread.
#[derive(Debug)]
pub(super) enum Wire {
    /// TCP, or a Unix socket.
    Stream(TcpStream),
    /// UDP, as a member.
    Datagrams(Datagrams),
}

/// What came of saying something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is on its way.
    Whole,
    /// No datagram holds it: it isn't sent, and that was told.
    TooLong,
}

/// What came: so many bytes of the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) length: usize,
    /// Nothing comes any more.
    pub(super) last: bool,
}

impl Wire {
    /// Says it, which may take as long as the hub, or the pace of datagrams, wants.
    ///
    /// # Errors
    /// The hub is gone.
    pub(super) fn send(&self, said: &[u8]) -> io::Result<Sent> {
        match self {
            Self::Stream(stream) => (&*stream).write_all(said).map(|()| Sent::Whole),
            Self::Datagrams(member) => member.send(said),
        }
    }

    /// Tells the hub that nothing more is said. What it says still arrives.
    pub(super) fn finish(&self) {
        match self {
            // Where it fails the connection is gone already, and the receiver learns it.
            Self::Stream(stream) => drop(stream.shutdown(Shutdown::Write)),
            Self::Datagrams(member) => member.leave(),
        }
    }

    /// Waits for what arrives next, as long as [`set_read_timeout`](Self::set_read_timeout) says.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] and [`io::ErrorKind::TimedOut`]: not yet; any other but `Interrupted`: the hub is
    /// gone.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Arrived> {
        match self {
            Self::Stream(stream) => {
                let length = (&*stream).read(buffer)?;
                Ok(Arrived { length, last: length == 0 })
            }
            Self::Datagrams(member) => member.receive(buffer),
        }
    }

    /// # Errors
    /// A time of zero.
    pub(super) fn set_read_timeout(&self, within: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.set_read_timeout(within),
            Self::Datagrams(member) => member.set_read_timeout(within),
        }
    }

    /// How long nothing may be said before [`renew`](Self::renew) is due; `None` where it never is.
    pub(super) fn renewal(&self) -> Option<Duration> {
        match self {
            Self::Stream(_) => None,
            Self::Datagrams(member) => Some(member.renewal()),
        }
    }

    /// Tells the hub that we are still there.
    ///
    /// # Errors
    /// The hub is gone.
    pub(super) fn renew(&self) -> io::Result<()> {
        match self {
            Self::Stream(_) => Ok(()),
            Self::Datagrams(member) => member.renew(),
        }
    }

    /// Ends it in both directions. The last thing that is done with it.
    pub(super) fn close(&self) {
        match self {
            // It fails only where it has ended already.
            Self::Stream(stream) => drop(stream.shutdown(Shutdown::Both)),
            Self::Datagrams(member) => member.leave(),
        }
    }
}
