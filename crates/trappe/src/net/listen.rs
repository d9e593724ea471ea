//! Listening: binding with errors that say the way out, and accepting without spinning.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::{net::TcpStream, time::sleep};
use trappe_core::limits::{
    ACCEPT_BURST, ACCEPT_PAUSE, ACCEPT_REST, BACKLOG, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL,
    KEEPALIVE_PROBES,
};

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
pub(crate) async fn accept(
    listener: tokio::net::TcpListener,
    mut take: impl FnMut(TcpStream, SocketAddr),
    refuse: impl Fn(&TcpStream),
) {
    let mut spare = File::open("/dev/null").ok();
    loop {
        let mut next = listener.accept().await;
        for _ in 0..ACCEPT_BURST {
            match next {
                Ok((stream, peer)) => take(stream, peer),
                Err(error) if is_limit(&error) => {
                    drop(spare.take());
                    // What waits is taken at once; if nothing does, the next turn is soon enough.
                    if let Poll::Ready(Ok((stream, _))) = poll_once(pin!(listener.accept())) {
                        refuse(&stream);
                    }
                    spare = File::open("/dev/null").ok();
                    sleep(ACCEPT_REST).await;
                }
                // The connection was gone before it was accepted: the next one.
                Err(_) => {}
            }
            match poll_once(pin!(listener.accept())) {
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
