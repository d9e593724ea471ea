//! Where a hub is, for the client library, and the stream to it: TCP or a Unix socket.

use std::{io, os::unix::ffi::OsStrExt, path::PathBuf};

use tokio::{
    io::{Interest, Ready},
    net::{TcpStream, UnixStream},
};

use super::{
    Address, AddressError,
    address::{HOST_DEFAULT, PORT_DEFAULT, Target},
    connect::connect,
};
use crate::net::address::{shown, unix_path};

/// A hub's place.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Hub(Address),
    Socket(PathBuf),
    /// In a simulated world: how the client is called there.
    #[cfg(sim)]
    Sim(String),
}

impl Place {
    /// Reads `HOST[:PORT]`, or `unix:PATH`.
    pub(super) fn parse(typed: &str) -> Result<Self, AddressError> {
        let wrong = |why: String| AddressError { typed: typed.to_owned(), why };
        if let Some(path) = unix_path(typed.as_ref()) {
            if path.as_os_str().as_bytes().is_empty() {
                return Err(wrong(
                    "the path of a socket is missing, as in unix:/run/trappe.sock".to_owned(),
                ));
            }
            return Ok(Self::Socket(path.to_owned()));
        }
        #[cfg(sim)]
        if let Some(name) = typed.strip_prefix("sim:") {
            return Ok(Self::Sim(name.to_owned()));
        }
        let Target { host, port } =
            typed.parse().map_err(|error: super::address::TargetError| wrong(error.to_string()))?;
        let host = if host.is_empty() { HOST_DEFAULT.to_owned() } else { host };
        Ok(Self::Hub(Address { host, port: port.unwrap_or(PORT_DEFAULT) }))
    }

    /// Connects, or says why not.
    pub(super) async fn connect(&self) -> Result<Stream, String> {
        match self {
            Self::Hub(address) => match connect(address).await {
                Ok(connected) => Ok(Stream::Tcp(connected.stream)),
                Err(error) => Err(with_source(&error)),
            },
            Self::Socket(path) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(Stream::Unix(stream)),
                Err(error) => Err(format!("can't connect to unix:{}: {error}", shown(path))),
            },
            #[cfg(sim)]
            Self::Sim(name) => match crate::sim::net::connect(name).await {
                Ok((stream, _)) => Ok(Stream::Sim(stream)),
                Err(error) => Err(format!("can't connect: {error}")),
            },
        }
    }
}

/// An error with what caused it, on one line.
fn with_source(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// A connection to a hub.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(sim)]
    Sim(crate::sim::net::Stream),
}

impl Stream {
    pub(super) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
            #[cfg(sim)]
            Self::Sim(stream) => Ok(stream.ready(interest).await),
        }
    }

    pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
            #[cfg(sim)]
            Self::Sim(stream) => stream.try_read(buffer),
        }
    }

    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            #[cfg(sim)]
            Self::Sim(stream) => stream.try_write(bytes),
        }
    }
}
