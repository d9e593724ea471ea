//! Listening: binding with errors that say the way out, what is spoken there, and accepting without spinning.

use std::{
    convert::Infallible,
    fmt,
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    os::unix::net::UnixListener,
    pin::{Pin, pin},
    str::FromStr,
    task::{Context, Poll, Waker},
};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::time::sleep;
use trappe_core::limits::{
    ACCEPT_BURST, ACCEPT_PAUSE, ACCEPT_REST, BACKLOG, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL,
    KEEPALIVE_PROBES,
};

use super::{
    address::Peer,
    stream::{Accepted, Acceptor},
};

/// What is spoken on the hub's ports: `--only lines,http,ws,udp`. Never nothing.
#[expect(clippy::struct_excessive_bools, reason = "each is a word of the command line")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Only {
    /// Raw clients: lines, and the other framings.
    pub(crate) lines: bool,
    /// HTTP: the page, the API, events, metrics.
    pub(crate) http: bool,
    /// WebSocket; its request is HTTP, the rest of HTTP isn't served for it.
    pub(crate) ws: bool,
    /// Datagrams, on the same ports.
    pub(crate) udp: bool,
}

/// All of it.
impl Default for Only {
    fn default() -> Only {
        Only { lines: true, http: true, ws: true, udp: true }
    }
}

impl Only {
    /// Whether a request line of HTTP is welcome: WebSocket begins with one too.
    pub(crate) fn speaks_http(self) -> bool {
        self.http || self.ws
    }
}

impl Only {
    /// What else than lines is spoken, as people call it.
    pub(crate) fn spoken(self) -> String {
        let all = [(self.http, "HTTP"), (self.ws, "WebSocket"), (self.udp, "UDP")];
        let named: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        named.join(", ")
    }
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Only, String> {
        let mut only = Only { lines: false, http: false, ws: false, udp: false };
        for one in text.split(',') {
            match one.trim() {
                "lines" => only.lines = true,
                "http" => only.http = true,
                "ws" => only.ws = true,
                "udp" => only.udp = true,
                _ => return Err("expected lines, http, ws, udp, or several: lines,udp".to_owned()),
            }
        }
        Ok(only)
    }
}

/// As it is typed.
impl fmt::Display for Only {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.lines, "lines"), (self.http, "http"), (self.ws, "ws"), (self.udp, "udp")];
        let named: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, name)| *name).collect();
        f.pad(&named.join(","))
    }
}

/// A socket that listens, not yet known to a runtime.
#[derive(Debug)]
pub(crate) enum Listener {
    /// On TCP.
    Tcp(TcpListener),
    /// On a file; that is removed by whoever keeps its [`SocketFile`](super::unix::SocketFile).
    Unix(UnixListener),
    /// In a simulated world.
    #[cfg(sim)]
    Sim(crate::sim::net::Listener),
}

/// Binds one listener. What is set here, accepted sockets inherit: no Nagle, keepalive.
///
/// # Errors
/// What the system says; see `StartError` for the words.
pub(crate) fn bind(address: SocketAddr, dual_stack: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
    }
    socket.set_tcp_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Binds every address of the machine: both families on one socket, or IPv4 alone where there is no IPv6.
///
/// # Errors
/// As [`bind`].
pub(crate) fn bind_all(port: u16) -> io::Result<TcpListener> {
    match bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), true) {
        Ok(listener) => Ok(listener),
        Err(error)
            if error.kind() == io::ErrorKind::AddrInUse
                || error.kind() == io::ErrorKind::PermissionDenied =>
        {
            Err(error)
        }
        Err(_) => bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false),
    }
}

/// Where a listener listens, in words: a dual-stack one listens in both families.
pub(crate) fn describe(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V6(ip) if ip.is_unspecified() => format!("0.0.0.0:{0}, [::]:{0}", address.port()),
        _ => address.to_string(),
    }
}

/// Raises the soft limit of open files to the hard one; returns it.
pub(crate) fn raise_file_limit() -> u64 {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Accepts for ever, giving each connection to `take`. At the limit of open files a spare descriptor serves to accept one
/// and give it to `refuse`, then it rests: the listener goes on being ready, and must
/// not be spun on.
///
/// # Errors
/// The runtime, inside which this must be called, can't watch the listener.
pub(crate) async fn accept(
    listener: Listener,
    mut take: impl FnMut(Accepted, Peer),
    refuse: impl Fn(&Accepted),
) -> io::Result<Infallible> {
    let acceptor = Acceptor::new(listener)?;
    let mut spare = File::open("/dev/null").ok();
    loop {
        let mut next = acceptor.next().await;
        for _ in 0..ACCEPT_BURST {
            match next {
                Ok((stream, peer)) => take(stream, peer),
                Err(error) if is_limit(&error) => {
                    drop(spare.take());
                    // What waits is taken at once; if nothing does, the next turn is soon enough.
                    if let Poll::Ready(Ok((stream, _))) = poll_once(pin!(acceptor.next())) {
                        refuse(&stream);
                    }
                    spare = File::open("/dev/null").ok();
                    sleep(ACCEPT_REST).await;
                }
                // The connection was gone before it was accepted: the next one.
                Err(_) => {}
            }
            match poll_once(pin!(acceptor.next())) {
                Poll::Ready(accepted) => next = accepted,
                Poll::Pending => break,
            }
        }
        // In a rush, whoever comes within this time is accepted together: a wake-up for each costs more than the rest.
        sleep(ACCEPT_PAUSE).await;
    }
}

/// Polls a future once, and lets it go.
fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn is_limit(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_is_read_as_it_is_typed() {
        let only = |lines, http, ws, udp| Only { lines, http, ws, udp };
        let table = [
            ("lines", only(true, false, false, false), "lines"),
            ("http, lines", only(true, true, false, false), "lines,http"),
            ("ws", only(false, false, true, false), "ws"),
            ("udp,lines", only(true, false, false, true), "lines,udp"),
            ("udp,ws,http,lines,ws", Only::default(), "lines,http,ws,udp"),
        ];
        for (text, meant, shown) in table {
            assert_eq!(text.parse(), Ok(meant), "{text}");
            assert_eq!(meant.to_string(), shown);
        }
        for text in ["", ",", "lines,", "LINES", "tls", "lines;http"] {
            assert!(text.parse::<Only>().is_err(), "{text}");
        }
    }
}
