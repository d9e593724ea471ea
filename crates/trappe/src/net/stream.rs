//! The streams of connections, as the server has them: tokio's. In a simulated world (`--cfg sim`) its own, with the
//! same names. What is here of a writing end never waits.

#[cfg(not(sim))]
pub(crate) use self::real::*;
#[cfg(sim)]
pub(crate) use crate::sim::net::server::*;

#[cfg(not(sim))]
mod real {
    use std::{
        io::{self, IoSlice},
        net::Shutdown,
        os::fd::{AsFd, BorrowedFd},
        task::{Context, Poll},
    };

    use socket2::SockRef;
    use tokio::{io::Interest, net::UnixListener};

    use crate::net::{address::Peer, listen::Listener, unix};

    /// A stream that no runtime knows.
    pub(crate) use std::net::TcpStream as Loose;
    pub(crate) use tokio::net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    };

    /// A listener of a runtime.
    pub(crate) enum Acceptor {
        /// On TCP.
        Tcp(tokio::net::TcpListener),
        /// On a file.
        Unix(UnixListener),
    }

    /// A connection as it was accepted.
    #[derive(Debug)]
    pub(crate) enum Accepted {
        /// Registered with the acceptor's runtime.
        Here(TcpStream),
        /// With none: a Unix stream under the type of those of TCP.
        Nowhere(Loose),
    }

    impl Accepted {
        /// Sends what the kernel takes now.
        pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
            SockRef::from(self).send(bytes)
        }
    }

    impl AsFd for Accepted {
        fn as_fd(&self) -> BorrowedFd<'_> {
            match self {
                Accepted::Here(stream) => stream.as_fd(),
                Accepted::Nowhere(stream) => stream.as_fd(),
            }
        }
    }

    impl Acceptor {
        /// Must be called inside the runtime.
        pub(crate) fn new(listener: Listener) -> io::Result<Acceptor> {
            Ok(match listener {
                Listener::Tcp(listener) => {
                    Acceptor::Tcp(tokio::net::TcpListener::from_std(listener)?)
                }
                Listener::Unix(listener) => Acceptor::Unix(UnixListener::from_std(listener)?),
            })
        }

        /// The next connection. Dropped before it is ready, it has taken none.
        pub(crate) async fn next(&self) -> io::Result<(Accepted, Peer)> {
            match self {
                Acceptor::Tcp(listener) => {
                    let (stream, peer) = listener.accept().await?;
                    Ok((Accepted::Here(stream), peer.into()))
                }
                Acceptor::Unix(listener) => {
                    let (stream, _) = listener.accept().await?;
                    Ok((Accepted::Nowhere(unix::as_tcp(stream.into_std()?)), Peer::Unix))
                }
            }
        }
    }

    /// The runtime is told that the socket takes no more, and so will tell when it does again. Before that it isn't
    /// asked: its note of what is ready is one more line of cache for each write, and a socket is nearly always
    /// ready.
    fn blocked(half: &OwnedWriteHalf, error: io::Error) -> io::Error {
        if error.kind() == io::ErrorKind::WouldBlock {
            let told = half.as_ref().try_io(Interest::WRITABLE, || Err::<(), _>(error));
            return told.err().unwrap_or_else(|| io::ErrorKind::WouldBlock.into());
        }
        error
    }

    /// Sends what the kernel takes now. `WouldBlock` where that is nothing.
    pub(crate) fn send(half: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
        SockRef::from(half.as_ref()).send(bytes).map_err(|error| blocked(half, error))
    }

    /// The same for several slices at once.
    pub(crate) fn send_vectored(
        half: &OwnedWriteHalf,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        SockRef::from(half.as_ref()).send_vectored(slices).map_err(|error| blocked(half, error))
    }

    /// Has `cx` woken when something may be taken again.
    pub(crate) fn poll_write_ready(
        half: &OwnedWriteHalf,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        half.as_ref().poll_write_ready(cx)
    }

    /// Ends the sending half: the peer reads to here, then end of stream.
    pub(crate) fn shutdown(half: &OwnedWriteHalf) -> io::Result<()> {
        SockRef::from(half.as_ref()).shutdown(Shutdown::Write)
    }
}
