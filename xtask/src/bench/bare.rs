//! The least that a process can do that hands datagrams on: what trappe's cost is compared with.
//!
//! One socket, no wait but in `recvmmsg`. An address that sends `/join …` is a receiver from then on; each other
//! datagram goes, as it is, to all receivers but the one that it came from. No rooms, no order kept, nothing that ends.

use std::io::{IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, setsockopt, sockopt,
};

use super::server::STARTED;

/// Datagrams that one call brings, and that one call sends: as many as trappe takes.
const READ: usize = 32;
const SENT: usize = 64;
/// The longest datagram that it takes whole.
const DATAGRAM_BYTES: usize = 2048;
/// What the kernel is asked to keep of datagrams that wait to be read: as much as trappe asks for.
const WAITING_BYTES: usize = 4 << 20;
/// How a datagram begins that asks to become a receiver.
const JOIN: &[u8] = b"/join ";

/// Runs until it is ended; it says its port first, as trappe does.
pub(crate) fn run() -> Result<()> {
    // It doesn't outlive who started it.
    set_pdeathsig(Signal::SIGKILL).context("asking to end with the parent")?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("binding a socket")?;
    setsockopt(&socket, sockopt::RcvBuf, &WAITING_BYTES).context("asking for a larger buffer")?;
    setsockopt(&socket, sockopt::SndBuf, &WAITING_BYTES).context("asking for a larger buffer")?;
    println!("{STARTED} {}", socket.local_addr().context("asking for the port")?);

    let mut space = vec![0; READ * DATAGRAM_BYTES];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(READ, None);
    let mut out = MultiHeaders::<SockaddrIn>::preallocate(SENT, None);
    let mut came: Vec<(Option<SockaddrIn>, usize)> = Vec::with_capacity(READ);
    let mut receivers: Vec<SockaddrIn> = Vec::new();
    let mut others: Vec<Option<SockaddrIn>> = Vec::new();
    loop {
        came.clear();
        let mut slices: Vec<_> =
            space.chunks_mut(DATAGRAM_BYTES).map(|chunk| [IoSliceMut::new(chunk)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
            Ok(all) => came.extend(all.map(|one| (one.address, one.bytes))),
            // A receiver that is gone: it is about something that was sent before.
            Err(Errno::EINTR | Errno::ECONNREFUSED) => {}
            Err(error) => return Err(error).context("reading datagrams"),
        }
        for (&(from, len), chunk) in came.iter().zip(space.chunks(DATAGRAM_BYTES)) {
            let Some(from) = from else { continue };
            let bytes = &chunk[..len];
            if bytes.starts_with(JOIN) {
                receivers.push(from);
                transmit(&socket, &mut out, bytes, &[Some(from)]);
                continue;
            }
            others.clear();
            others.extend(receivers.iter().filter(|&&it| it != from).map(|&it| Some(it)));
            for some in others.chunks(SENT) {
                transmit(&socket, &mut out, bytes, some);
            }
        }
    }
}

/// Sends the same to some receivers by one call. What the kernel doesn't take is lost, as it may be on any wire.
fn transmit(
    socket: &UdpSocket,
    headers: &mut MultiHeaders<SockaddrIn>,
    bytes: &[u8],
    to: &[Option<SockaddrIn>],
) {
    let slices = vec![[IoSlice::new(bytes)]; to.len()];
    let _lost = sendmmsg(socket.as_raw_fd(), headers, &slices, to, [], MsgFlags::empty());
}
