//! Sockets of datagrams: bound beside the TCP port, read and written many datagrams at a time (recvmmsg, sendmmsg).
//!
//! A machine has many addresses, and a peer takes an answer only from the one that it wrote to: so each datagram comes with
//! the address that it was sent to, and each answer leaves from there.

use std::{
    cell::RefCell,
    io::{self, IoSlice, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    ops::Range,
    os::fd::AsRawFd,
    task::{Context, Poll, Waker},
};

use nix::{
    cmsg_space,
    errno::Errno,
    libc,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrStorage, recvmmsg,
        sendmmsg, setsockopt, sockopt,
    },
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};
use trappe_core::limits::{DATAGRAM_READ_BYTES, DATAGRAMS_READ, DATAGRAMS_SENT};

/// What the kernel is asked to keep of datagrams that wait to be read; it may give less.
const WAITING_BYTES: usize = 4 << 20;

/// Where a datagram came from, and the address of this machine that it was sent to: an answer goes that way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The peer, as this socket writes it: an IPv4 peer of a dual-stack socket is a mapped address.
    pub(crate) peer: SocketAddr,
    /// None: the kernel didn't say.
    local: Option<IpAddr>,
}

/// Binds one socket.
///
/// # Errors
/// What the system says. Unlike a TCP listener it shares the port with nobody, not even with who has just ended.
pub(crate) fn bind(address: SocketAddr, dual_stack: bool) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!dual_stack)?;
        setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    if address.is_ipv4() || dual_stack {
        setsockopt(&socket, sockopt::Ipv4PacketInfo, &true)?;
    }
    // More is better, less will do.
    let _less = socket.set_recv_buffer_size(WAITING_BYTES);
    let _less = socket.set_send_buffer_size(WAITING_BYTES);
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// What one call brought.
pub(crate) struct Inbox {
    space: Vec<u8>,
    came: Vec<(Route, usize)>,
    /// How many datagrams are asked for next: as many as have come lately, and more.
    ask: usize,
}

impl Inbox {
    /// One that can take nothing: it holds the place of one that is in use.
    pub(crate) fn nothing() -> Inbox {
        Inbox { space: Vec::new(), came: Vec::new(), ask: 0 }
    }

    pub(crate) fn new() -> Inbox {
        // Pages that no datagram reaches are never made.
        let space = vec![0; DATAGRAMS_READ * DATAGRAM_READ_BYTES];
        Inbox { space, came: Vec::new(), ask: 1 }
    }

    /// Takes what has come, as much as one call brings. Returns how many datagrams that is: 0 if there is none now.
    fn read(&mut self, socket: &UdpSocket) -> usize {
        self.came.clear();
        let receive = || -> io::Result<()> {
            self.receive(socket)?;
            // Fewer than asked for: that was all, and the runtime knows without one call more that would bring nothing.
            if self.came.len() < self.ask { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        };
        if let Err(error) = socket.try_io(Interest::READABLE, receive)
            && error.kind() != io::ErrorKind::WouldBlock
        {
            // It is about something that was sent before: datagrams go on coming.
            tracing::debug!(%error, "reading datagrams");
        }
        let came = self.came.len();
        self.ask = (2 * came).clamp(1, DATAGRAMS_READ);
        came
    }

    fn receive(&mut self, socket: &UdpSocket) -> nix::Result<()> {
        let control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(self.ask, Some(control));
        let chunks = self.space.chunks_mut(DATAGRAM_READ_BYTES).take(self.ask);
        let mut slices: Vec<_> = chunks.map(|chunk| [IoSliceMut::new(chunk)]).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let came = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None)?;
        for one in came {
            // IPv4's comes first: of a peer of IPv4 IPv6's says where it was sent to, which may have been many.
            let local = one.cmsgs().ok().and_then(|all| {
                let all: Vec<IpAddr> = all.filter_map(|it| local_of(&it)).collect();
                all.iter().find(|ip| ip.is_ipv4()).or(all.first()).copied()
            });
            // An address that can't be read is nobody's: nothing is done for it.
            let peer = one.address.as_ref().and_then(address_of);
            let peer = peer.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
            self.came.push((Route { peer, local }, one.bytes));
        }
        Ok(())
    }

    /// One of those that [`read`](Self::read) brought.
    pub(crate) fn get(&self, i: usize) -> (Route, &[u8]) {
        let (route, len) = self.came[i];
        let at = i * DATAGRAM_READ_BYTES;
        (route, &self.space[at..at + len])
    }
}

fn local_of(message: &ControlMessageOwned) -> Option<IpAddr> {
    match message {
        // `ipi_spec_dst` is this machine's own address also where the datagram was sent to many.
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            Some(Ipv4Addr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
            (!ip.is_multicast()).then_some(ip.into())
        }
        _ => None,
    }
}

fn address_of(storage: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = storage.as_sockaddr_in().map(|it| SocketAddr::from(std::net::SocketAddrV4::from(*it)));
    v4.or_else(|| {
        storage.as_sockaddr_in6().map(|it| SocketAddr::from(std::net::SocketAddrV6::from(*it)))
    })
}

/// What is to be sent from one socket: gathered, and handed to the kernel many at a time.
#[derive(Debug)]
struct Outbox {
    bytes: Vec<u8>,
    due: Vec<(Route, Range<usize>)>,
    /// The kernel takes no more for now.
    blocked: bool,
    /// Datagrams that the kernel would not send at all: no way there, or not permitted.
    refused: u64,
}

impl Outbox {
    fn new() -> Outbox {
        Outbox { bytes: Vec::new(), due: Vec::new(), blocked: false, refused: 0 }
    }

    /// Takes one datagram.
    ///
    /// # Errors
    /// `WouldBlock`: the kernel has to take some of those before first.
    fn send(&mut self, socket: &UdpSocket, route: Route, bytes: &[u8]) -> io::Result<()> {
        if !self.blocked && self.due.len() >= DATAGRAMS_SENT {
            self.flush(socket);
        }
        if self.blocked {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.due.push((route, begin..self.bytes.len()));
        Ok(())
    }

    /// Hands the kernel all that it takes now.
    fn flush(&mut self, socket: &UdpSocket) {
        let mut sent = 0;
        self.blocked = false;
        while sent < self.due.len() {
            let local = self.due[sent].0.local;
            let same = |(route, _): &&(Route, _)| route.local == local;
            let until = sent + self.due[sent..].iter().take_while(same).count();
            match transmit(socket, local, &self.bytes, &self.due[sent..until]) {
                Ok(n) => sent += n.max(1),
                Err(Errno::EAGAIN) => {
                    self.blocked = true;
                    // The runtime is told that the socket takes no more, and so will tell when it does again.
                    let full = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
                    let _told = socket.try_io(Interest::WRITABLE, full);
                    break;
                }
                Err(Errno::EINTR) => {}
                Err(error) => {
                    let peer = self.due[sent].0.peer;
                    tracing::debug!(%peer, %error, "a datagram can't be sent");
                    self.refused += 1;
                    sent += 1;
                }
            }
        }
        self.due.drain(..sent);
        if self.due.is_empty() {
            self.bytes.clear();
        }
    }
}

/// One call: datagrams that leave from the same address of this machine. Returns how many the kernel took.
fn transmit(
    socket: &UdpSocket,
    local: Option<IpAddr>,
    bytes: &[u8],
    due: &[(Route, Range<usize>)],
) -> nix::Result<usize> {
    let slices: Vec<_> =
        due.iter().map(|(_, range)| [IoSlice::new(&bytes[range.clone()])]).collect();
    let peers: Vec<Option<SockaddrStorage>> =
        due.iter().map(|(route, _)| Some(route.peer.into())).collect();
    let (v4, v6) = (local.and_then(info_v4), local.and_then(info_v6));
    // The space is exactly what is in it: the kernel refuses what lies after.
    let (control, space) = match (&v4, &v6) {
        (Some(info), _) => {
            (vec![ControlMessage::Ipv4PacketInfo(info)], Some(cmsg_space!(libc::in_pktinfo)))
        }
        (_, Some(info)) => {
            (vec![ControlMessage::Ipv6PacketInfo(info)], Some(cmsg_space!(libc::in6_pktinfo)))
        }
        _ => (Vec::new(), None),
    };
    let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(due.len(), space);
    let flags = MsgFlags::MSG_DONTWAIT;
    let sent = sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), &peers, &control, flags)?;
    Ok(sent.count())
}

fn info_v4(ip: IpAddr) -> Option<libc::in_pktinfo> {
    let IpAddr::V4(ip) = ip else { return None };
    let zero = libc::in_addr { s_addr: 0 };
    let from = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
    Some(libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: zero })
}

fn info_v6(ip: IpAddr) -> Option<libc::in6_pktinfo> {
    let IpAddr::V6(ip) = ip else { return None };
    let from = libc::in6_addr { s6_addr: ip.octets() };
    Some(libc::in6_pktinfo { ipi6_addr: from, ipi6_ifindex: 0 })
}

/// A bound socket, what is to be sent from it, and who waits to send more. It belongs to one worker.
#[derive(Debug)]
pub(crate) struct Port {
    number: u16,
    socket: UdpSocket,
    out: RefCell<Outbox>,
    waiting: RefCell<Vec<Waker>>,
}

impl Port {
    /// # Errors
    /// The runtime, inside which this must be called, can't watch the socket.
    pub(crate) fn new(socket: std::net::UdpSocket) -> io::Result<Port> {
        let socket = UdpSocket::from_std(socket)?;
        Ok(Port {
            number: socket.local_addr()?.port(),
            socket,
            out: RefCell::new(Outbox::new()),
            waiting: RefCell::default(),
        })
    }

    /// Whether a datagram claims to come from this very port.
    pub(crate) fn is_own(&self, route: Route) -> bool {
        let ip = route.peer.ip().to_canonical();
        let here = ip.is_loopback() || route.local.is_some_and(|local| local.to_canonical() == ip);
        here && route.peer.port() == self.number
    }

    /// Its port's number.
    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    /// Takes what has come into `inbox`, as much as one call brings.
    pub(crate) fn read(&self, inbox: &mut Inbox) -> usize {
        inbox.read(&self.socket)
    }

    /// Takes one datagram to send.
    ///
    /// # Errors
    /// `WouldBlock`, see [`poll_ready`](Self::poll_ready).
    pub(crate) fn send(&self, route: Route, bytes: &[u8]) -> io::Result<()> {
        self.out.borrow_mut().send(&self.socket, route, bytes)
    }

    /// Hands the kernel what was taken; wakes who waits if there is room again. Returns how many datagrams the kernel refused.
    pub(crate) fn flush(&self) -> u64 {
        let mut out = self.out.borrow_mut();
        out.flush(&self.socket);
        if !out.blocked {
            self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
        }
        std::mem::take(&mut out.refused)
    }

    /// Whether something can be sent; if not, `cx` is woken when it can.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.out.borrow().blocked {
            return Poll::Ready(());
        }
        self.waiting.borrow_mut().push(cx.waker().clone());
        Poll::Pending
    }

    /// Whether there is something to be done: to read, or to flush once more what the kernel didn't take.
    pub(crate) fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        let blocked = self.out.borrow().blocked;
        let can_send = blocked && self.socket.poll_send_ready(cx).is_ready();
        if can_send || self.socket.poll_recv_ready(cx).is_ready() {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}
