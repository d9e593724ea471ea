//! Listening: binding with errors that say the way out, and accepting without spinning.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
    os::{fd::AsFd, unix::net::UnixStream},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use trappe_core::limits::{
    ACCEPT_BURST, ACCEPT_REST, BACKLOG, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES,
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

/// Accepts until `stop` is closed at its other end, handing the connections to `take`, those that come together together. At the limit of open files a spare
/// descriptor serves to accept one and give it to `refuse`, then it rests: the listener goes on being ready, and must
/// not be spun on.
///
/// # Errors
/// If the system can't wait for connections at all.
pub(crate) fn accept(
    listener: &TcpListener,
    stop: &UnixStream,
    mut take: impl FnMut(&mut Vec<(TcpStream, SocketAddr)>),
    refuse: impl Fn(&TcpStream),
) -> io::Result<()> {
    let mut spare = File::open("/dev/null").ok();
    let mut burst = Vec::with_capacity(ACCEPT_BURST);
    loop {
        let mut ready = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(stop.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) if ready[1].any().unwrap_or(true) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        for _ in 0..ACCEPT_BURST {
            match listener.accept() {
                Ok((stream, peer)) => {
                    if stream.set_nonblocking(true).is_ok() {
                        burst.push((stream, peer));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if is_limit(&error) => {
                    drop(spare.take());
                    if let Ok((stream, _)) = listener.accept() {
                        refuse(&stream);
                    }
                    spare = File::open("/dev/null").ok();
                    take(&mut burst);
                    std::thread::sleep(ACCEPT_REST);
                    break;
                }
                // The connection was gone before it was accepted: the next one.
                Err(_) => {}
            }
        }
        take(&mut burst);
    }
}

fn is_limit(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM))
}
