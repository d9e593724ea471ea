//! The hub's ends, under the names and with the calls that the server has of tokio's.

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, ReadBuf};

use super::{Backlog, ends::End, hush};
use crate::net::{address::Peer, listen};

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct TcpStream(End);

/// One that no runtime knows: here all are known to the only one.
pub(crate) type Loose = TcpStream;

impl TcpStream {
    pub(super) fn new(end: End) -> TcpStream {
        TcpStream(end)
    }

    pub(super) fn reset(&self) {
        self.0.reset();
    }

    /// Hands it over to another runtime.
    #[expect(clippy::unnecessary_wraps, reason = "tokio's may fail")]
    pub(crate) fn into_std(self) -> io::Result<Loose> {
        Ok(self)
    }

    /// Takes it over.
    #[expect(clippy::unnecessary_wraps, reason = "tokio's may fail")]
    pub(crate) fn from_std(stream: Loose) -> io::Result<TcpStream> {
        Ok(stream)
    }

    /// Its two halves. The descriptor is closed with the last of them.
    pub(crate) fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        let end = Arc::new(self.0);
        (OwnedReadHalf(Arc::clone(&end)), OwnedWriteHalf { end, shuts: true })
    }
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct OwnedReadHalf(Arc<End>);

impl AsyncRead for OwnedReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buffer)
    }
}

/// The writing half: dropped, it is shut.
#[derive(Debug)]
pub(crate) struct OwnedWriteHalf {
    end: Arc<End>,
    shuts: bool,
}

impl OwnedWriteHalf {
    /// Lets go of it without shutting it.
    pub(crate) fn forget(mut self) {
        self.shuts = false;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.shuts {
            self.end.shutdown();
        }
    }
}

/// As `net::stream::send`.
pub(crate) fn send(half: &OwnedWriteHalf, bytes: &[u8]) -> io::Result<usize> {
    half.end.try_write(bytes)
}

/// As `net::stream::send_vectored`.
pub(crate) fn send_vectored(half: &OwnedWriteHalf, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    half.end.try_write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<u8>>())
}

/// As `net::stream::poll_write_ready`.
pub(crate) fn poll_write_ready(
    half: &OwnedWriteHalf,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    half.end.poll_writable(cx).map(Ok)
}

/// As `net::stream::shutdown`.
#[expect(clippy::unnecessary_wraps, reason = "the system's may fail")]
pub(crate) fn shutdown(half: &OwnedWriteHalf) -> io::Result<()> {
    half.end.shutdown();
    Ok(())
}

/// Where the hub listens. Dropped, nobody does.
#[derive(Debug)]
pub(crate) struct Listener(Arc<Mutex<Backlog>>);

impl Listener {
    pub(super) fn new(backlog: Arc<Mutex<Backlog>>) -> Listener {
        Listener(backlog)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        hush(&self.0);
    }
}

/// As `net::stream::Accepted`.
#[derive(Debug)]
pub(crate) enum Accepted {
    /// Known to the runtime.
    Here(TcpStream),
    /// Known to none; there is none such.
    Nowhere(Loose),
}

impl Accepted {
    /// Sends what is taken now.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Accepted::Here(stream) | Accepted::Nowhere(stream) => stream.0.try_write(bytes),
        }
    }
}

/// As `net::stream::Acceptor`.
pub(crate) struct Acceptor(Listener);

impl Acceptor {
    /// Of a listener of this world.
    pub(crate) fn new(listener: listen::Listener) -> io::Result<Acceptor> {
        match listener {
            listen::Listener::Sim(listener) => Ok(Acceptor(listener)),
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The next connection.
    pub(crate) async fn next(&self) -> io::Result<(Accepted, Peer)> {
        poll_fn(|cx| {
            let mut backlog = self.0.0.lock();
            let Some(stream) = backlog.waiting.pop_front() else {
                backlog.acceptor = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let port = 10_000 + stream.0.road.number % 50_000;
            let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Poll::Ready(Ok((Accepted::Here(stream), peer.into())))
        })
        .await
    }
}
