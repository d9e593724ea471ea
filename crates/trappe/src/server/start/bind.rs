//! Where a server listens: binding all its addresses or none, and what is said of them.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

use socket2::SockRef;

use super::{Config, StartError};
use crate::{
    client::address::PORT_DEFAULT,
    net::{
        address::{Listen, quoted, shown},
        datagram, holder,
        listen::{self, Listener, Only},
        unix::{self, SocketFile},
    },
};

/// How often the system is asked for a port that is free for TCP and for UDP.
const PORT_TRIES: u32 = 16;

/// All that a server listens on.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// The files of the sockets that have one: dropped, they are removed. Before the sockets: until these are closed, no
    /// other file can have their inodes.
    pub(super) files: Vec<SocketFile>,
    /// The sockets, for the acceptors.
    pub(super) listeners: Vec<Listener>,
    /// Those for datagrams, on the same addresses.
    pub(super) sockets: Vec<UdpSocket>,
    /// Whether there are to be any.
    udp: bool,
    tcp: Vec<SocketAddr>,
    unix: Vec<PathBuf>,
    /// The TCP port to name where one must be named.
    pub(super) port: u16,
}

/// Binds what the configuration asks for: each `--listen` once, then the hosts and the port.
///
/// # Errors
/// The first address that can't be had; no other is kept then.
pub(super) fn bind(config: &Config) -> Result<Bound, StartError> {
    let mut bound = Bound { udp: config.only.udp, ..Bound::default() };
    // First of all, since the port that it is to name comes first.
    if let Some(port) = config.port {
        bound.hosts(&config.hosts, port)?;
    }
    for (nth, address) in config.listen.iter().enumerate() {
        // Port 0 is another port each time; anything else that is typed twice is meant once.
        let again = config.listen[..nth].contains(address);
        match address {
            _ if again && !is_any_port(address) => {}
            Listen::Every(port) => bound.hosts(&[], *port)?,
            Listen::Localhost(port) => bound.localhost(*port)?,
            Listen::Tcp(address) => bound.tcp(*address).map(|_| ())?,
            Listen::Unix(path) => bound.unix(path)?,
        }
    }
    bound.port = bound.tcp.first().map_or(PORT_DEFAULT, SocketAddr::port);
    Ok(bound)
}

fn is_any_port(address: &Listen) -> bool {
    match address {
        Listen::Every(port) | Listen::Localhost(port) => *port == 0,
        Listen::Tcp(address) => address.port() == 0,
        Listen::Unix(_) => false,
    }
}

impl Bound {
    /// Every address of the machine if none is named.
    fn hosts(&mut self, hosts: &[IpAddr], mut port: u16) -> Result<(), StartError> {
        if hosts.is_empty() {
            return self.bind(None, port, || listen::bind_all(port)).map(|_| ());
        }
        for &host in hosts {
            // Several addresses share the port that the system chose for the first.
            port = self.tcp(SocketAddr::new(host, port))?;
        }
        Ok(())
    }

    /// Both families, or IPv4 alone where there is no IPv6.
    fn localhost(&mut self, port: u16) -> Result<(), StartError> {
        let port = self.tcp((Ipv4Addr::LOCALHOST, port).into())?;
        let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, port));
        match listen::bind(v6, false) {
            Ok(listener) => {
                self.keep(listener).map(|_| ()).map_err(|e| failed(e, Some(v6.ip()), port))
            }
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    || error.kind() == io::ErrorKind::PermissionDenied =>
            {
                Err(failed(error, Some(v6.ip()), port))
            }
            Err(_) => Ok(()),
        }
    }

    fn tcp(&mut self, address: SocketAddr) -> Result<u16, StartError> {
        self.bind(Some(address.ip()), address.port(), || listen::bind(address, false))
    }

    /// Returns the port, which the system may have chosen.
    fn bind(
        &mut self,
        address: Option<IpAddr>,
        port: u16,
        bind: impl Fn() -> io::Result<TcpListener>,
    ) -> Result<u16, StartError> {
        let mut tries = if port == 0 { PORT_TRIES } else { 1 };
        loop {
            tries -= 1;
            match bind().and_then(|listener| self.keep(listener)) {
                // The port that the system chose for TCP is another's for UDP: it chooses again.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
                kept => return kept.map_err(|error| failed(error, address, port)),
            }
        }
    }

    /// Keeps a listener, and a socket for datagrams on the same port.
    fn keep(&mut self, listener: TcpListener) -> io::Result<u16> {
        let address = listener.local_addr()?;
        if self.udp {
            let dual_stack = address.is_ipv6() && !SockRef::from(&listener).only_v6()?;
            self.sockets.push(datagram::bind(address, dual_stack)?);
        }
        self.tcp.push(address);
        self.listeners.push(Listener::Tcp(listener));
        Ok(address.port())
    }

    fn unix(&mut self, path: &Path) -> Result<(), StartError> {
        let (listener, file) = unix::bind(path)
            .map_err(|source| StartError::Socket { path: path.to_owned(), source })?;
        self.listeners.push(Listener::Unix(listener));
        self.files.push(file);
        self.unix.push(path.to_owned());
        Ok(())
    }

    /// Where it listens by TCP.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        &self.tcp
    }

    /// Where it listens, in words: the sockets, then the addresses.
    pub(super) fn describe(&self) -> String {
        let sockets = self.unix.iter().map(|path| format!("unix:{}", shown(path)));
        let addresses = self.tcp.iter().map(|address| listen::describe(*address));
        sockets.chain(addresses).collect::<Vec<_>>().join(", ")
    }

    /// The first address, as a URL has it; `localhost` where that is the same.
    fn authority(&self) -> Option<String> {
        let address = self.tcp.first()?;
        let usual = is_localhost(address.ip());
        Some(if usual { format!("localhost:{}", address.port()) } else { address.to_string() })
    }

    /// Where a browser on this machine finds the page; it talks by WebSocket.
    pub(super) fn page(&self, only: Only) -> Option<String> {
        let there = self.authority().filter(|_| only.http && only.ws)?;
        Some(format!("http://{there}"))
    }

    /// What somebody on this machine could type to get in.
    pub(super) fn try_this(&self, only: Only) -> String {
        match (self.tcp.first(), self.unix.first()) {
            (Some(address), _) => {
                let (ip, port) = (address.ip(), address.port());
                let host = if is_localhost(ip) { "localhost".to_owned() } else { ip.to_string() };
                let there = self.authority().unwrap_or_default();
                match only {
                    Only { lines: true, .. } => format!("nc {host} {port}"),
                    Only { http: true, .. } => format!("curl http://{there}/"),
                    Only { ws: true, .. } => format!("ws://{there}/ws"),
                    Only { .. } => format!("nc -u {host} {port}"),
                }
            }
            (None, Some(path)) if only.lines => format!("nc -U {}", quoted(path)),
            (None, path) => {
                let path = path.map(|path| quoted(path)).unwrap_or_default();
                let page = if only.http { "" } else { "ws" };
                format!("curl --unix-socket {path} http://localhost/{page}")
            }
        }
    }
}

/// Whether an address is reached under the name `localhost`.
fn is_localhost(ip: IpAddr) -> bool {
    ip.is_unspecified()
        || ip == IpAddr::from(Ipv4Addr::LOCALHOST)
        || ip == IpAddr::from(Ipv6Addr::LOCALHOST)
}

/// What the system's refusal means; `address`: the one that was asked for, if it was a single one.
fn failed(error: io::Error, address: Option<IpAddr>, port: u16) -> StartError {
    match (error.kind(), address) {
        (io::ErrorKind::AddrInUse, _) => {
            StartError::PortUsed { port, holder: holder::of_port(port) }
        }
        (io::ErrorKind::PermissionDenied, _) => StartError::PortDenied { port },
        (io::ErrorKind::AddrNotAvailable, Some(address)) => {
            StartError::AddressUnknown { address, port }
        }
        _ => StartError::System { doing: "listen", source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_try_is_what_would_get_in() {
        let (all, http) = (Only::default(), Only { lines: false, ..Only::default() });
        let ws = Only { http: false, ..http };
        let udp = Only { ws: false, ..ws };
        let table = [
            ("0.0.0.0:5566", "", all, "nc localhost 5566", "http://localhost:5566"),
            ("[::]:5566", "/run/hub", all, "nc localhost 5566", "http://localhost:5566"),
            ("[::1]:7", "", all, "nc localhost 7", "http://localhost:7"),
            ("127.0.0.2:7", "", all, "nc 127.0.0.2 7", "http://127.0.0.2:7"),
            ("[2001:db8::7]:7", "", all, "nc 2001:db8::7 7", "http://[2001:db8::7]:7"),
            ("[2001:db8::7]:7", "", http, "curl http://[2001:db8::7]:7/", "http://[2001:db8::7]:7"),
            ("127.0.0.1:7", "", ws, "ws://localhost:7/ws", ""),
            ("127.0.0.1:7", "", udp, "nc -u localhost 7", ""),
            ("", "/run/hub", all, "nc -U /run/hub", ""),
            ("", "/my hub", http, "curl --unix-socket '/my hub' http://localhost/", ""),
            ("", "hub", ws, "curl --unix-socket hub http://localhost/ws", ""),
        ];
        for (tcp, unix, only, command, page) in table {
            let tcp = tcp.parse().into_iter().collect();
            let unix = (!unix.is_empty()).then(|| unix.into()).into_iter().collect();
            let bound = Bound { tcp, unix, ..Bound::default() };
            assert_eq!(bound.try_this(only), command);
            assert_eq!(bound.page(only).unwrap_or_default(), page);
        }
    }

    #[test]
    fn sockets_are_named_before_addresses() {
        let tcp = vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, 7))];
        let bound = Bound { tcp, unix: vec!["/run/hub".into()], ..Bound::default() };
        assert_eq!(bound.describe(), "unix:/run/hub, 0.0.0.0:7, [::]:7");
    }
}
