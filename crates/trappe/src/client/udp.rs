//! Reaching a hub by datagrams: as a member ([`join_blocking`]), or to say something and no more ([`say_blocking`]).
//!
//! A socket is connected, so that only this hub is heard on it, and that an ICMP refusal comes back as an error.

use std::{
    io::{self, ErrorKind},
    net::{self, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use socket2::SockRef;
use tokio::{
    net::UdpSocket,
    time::{sleep, timeout, timeout_at},
};

use super::{
    Address, ReachError, Reached,
    connect::{blocking, describe, failed, in_time, race, resolve},
    join::Join,
    pace::Pace,
    retry::Due,
};

/// The most bytes that a datagram carries over IPv4: 65 535 less the headers of IP and UDP (RFC 791, RFC 768).
pub(crate) const DATAGRAM_BYTES_MAX: usize = 65_507;
/// What a member says to leave.
pub(crate) const QUIT: &[u8] = b"/quit";
/// What is asked of the system for datagrams that came and aren't read yet. It gives less where its administrator says
/// so (`net.core.rmem_max`).
const RECEIVE_BUFFER_BYTES: usize = 4 << 20;

/// A member of a hub, by datagrams.
#[derive(Debug)]
pub(crate) struct Member {
    /// Connected to the hub; it blocks.
    pub(crate) socket: net::UdpSocket,
    /// The hub's first datagram to the member.
    pub(crate) first: Vec<u8>,
}

/// Becomes a member of `room` at the first address of `to` that answers. What is lost is sent again for
/// [`RETRY_TOTAL`](super::retry::RETRY_TOTAL). Not to be called from inside an async runtime.
///
/// # Errors
/// No address, or none that answers: see [`ReachError`].
pub(crate) fn join_blocking(to: &Address, room: &str) -> Result<Reached<Member>, ReachError> {
    blocking(to, async {
        let joined = in_time(to, async {
            let attempt = |address| attempt(address, room.to_owned());
            race(resolve(to).await?, attempt).await.map_err(|failures| describe(failures, to))
        });
        let Reached { stream: Joined { socket, first }, took } = joined.await?;
        let socket = socket.into_blocking().map_err(|source| failed(to, source))?;
        Ok(Reached { stream: Member { socket, first }, took })
    })
}

/// Says each of `datagrams` to the hub at `to`, without becoming a member. Whether somebody hears it can't be known: of
/// the addresses it is the first that doesn't refuse `within` this time. Not to be called from inside an async runtime.
///
/// # Errors
/// No address, or only such that refuse: see [`ReachError`].
pub(crate) fn say_blocking(
    to: &Address,
    datagrams: &[Vec<u8>],
    within: Duration,
) -> Result<(), ReachError> {
    blocking(to, async {
        let mut failures = Vec::new();
        // One after the other: beside each other two addresses of one hub would both hear it.
        for address in in_time(to, resolve(to)).await? {
            match say(address, datagrams, within).await {
                Ok(()) => return Ok(()),
                Err(error) => failures.push(error),
            }
        }
        Err(describe(failures, to))
    })
}

async fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    // The hub's port may be of this machine's ephemeral range, and ours by chance: it would talk to itself.
    if socket.local_addr()? == socket.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    // A smaller buffer is one that overflows sooner: no reason to give up.
    let _as_it_is = SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER_BYTES);
    Ok(socket)
}

async fn say(address: SocketAddr, datagrams: &[Vec<u8>], within: Duration) -> io::Result<()> {
    let socket = open(address).await?;
    let mut pace = Pace::new(Instant::now());
    for datagram in datagrams {
        sleep(pace.count(Instant::now(), datagram.len())).await;
        socket.send(datagram).await?;
    }
    // Nothing is ever answered but by a refusal, and what comes all the same is no concern of ours.
    let refusal = async {
        loop {
            socket.recv(&mut [0]).await?;
        }
    };
    timeout(within, refusal).await.unwrap_or(Ok(()))
}

/// An attempt's socket. One that is dropped has lost the race, or its program: should it have become a member, it
/// leaves.
#[derive(Debug)]
struct Candidate(Option<UdpSocket>);

impl Candidate {
    fn socket(&self) -> &UdpSocket {
        self.0.as_ref().expect("it is taken away at the end alone")
    }

    fn into_blocking(mut self) -> io::Result<net::UdpSocket> {
        let socket = self.0.take().expect("it is taken away here alone").into_std()?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if let Some(socket) = &self.0 {
            // Where it is lost the hub notices the silence after a minute.
            let _gone = socket.try_send(QUIT);
        }
    }
}

#[derive(Debug)]
struct Joined {
    socket: Candidate,
    first: Vec<u8>,
}

async fn attempt(address: SocketAddr, room: String) -> io::Result<Reached<Joined>> {
    let socket = Candidate(Some(open(address).await?));
    let mut sent_at = Instant::now();
    let mut join = Join::new(sent_at, &room);
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        let now = Instant::now();
        match join.poll(now) {
            Due::Send => {
                sent_at = now;
                socket.socket().send(join.request()).await?;
            }
            Due::At(at) => {
                let Ok(came) = timeout_at(at.into(), socket.socket().recv(&mut buffer)).await
                else {
                    continue;
                };
                let (now, datagram) = (Instant::now(), &buffer[..came?]);
                if join.handle(now, datagram) {
                    let joined = Joined { first: datagram.to_vec(), socket };
                    return Ok(Reached { stream: joined, took: now - sent_at });
                }
            }
            Due::GivenUp => return Err(ErrorKind::TimedOut.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn bind() -> (net::UdpSocket, u16) {
        let socket = net::UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = socket.local_addr().expect("it is bound").port();
        (socket, port)
    }

    fn here(port: u16) -> Address {
        Address { host: "127.0.0.1".to_owned(), port }
    }

    fn next(socket: &net::UdpSocket) -> (String, SocketAddr) {
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
        let mut buffer = [0; 2048];
        let (length, from) = socket.recv_from(&mut buffer).expect("it comes in time");
        (String::from_utf8_lossy(&buffer[..length]).into_owned(), from)
    }

    #[test]
    fn a_member_has_proved_its_address() {
        let (hub, port) = bind();
        let hub = thread::spawn(move || {
            let (asked, from) = next(&hub);
            assert_eq!(asked, "/join jeu");
            hub.send_to(b"/join jeu abcdefghijklm", from).expect("it listens");
            assert_eq!(next(&hub), ("/join jeu abcdefghijklm".to_owned(), from));
            hub.send_to("* vous êtes dans jeu\n".as_bytes(), from).expect("it listens");
            hub
        });
        let joined = join_blocking(&here(port), "jeu").expect("it answers");
        assert_eq!(joined.stream.first, "* vous êtes dans jeu\n".as_bytes());
        let hub = hub.join().expect("the hub's thread holds no surprise");
        joined.stream.socket.send(b"bonjour").expect("it is connected");
        assert_eq!(next(&hub).0, "bonjour");
    }

    #[test]
    fn who_gives_up_leaves() {
        let (hub, port) = bind();
        hub.set_nonblocking(true).expect("a socket can be so");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let asked = runtime.expect("a runtime needs a few descriptors").block_on(async {
            let hub = UdpSocket::from_std(hub).expect("it doesn't block");
            let mut buffer = [0; 100];
            tokio::select! {
                joined = attempt(([127, 0, 0, 1], port).into(), "jeu".to_owned()) => {
                    panic!("nobody answered: {joined:?}");
                }
                asked = hub.recv(&mut buffer) => assert_eq!(asked.ok(), Some(9)),
            }
            let length = hub.recv(&mut buffer).await.expect("it comes in time");
            buffer[..length].to_vec()
        });
        assert_eq!(asked, QUIT);
    }

    #[test]
    fn nobody_there_is_a_refusal() {
        let (hub, port) = bind();
        drop(hub);
        let joined = join_blocking(&here(port), "lobby").map(|_| ());
        let said = say_blocking(&here(port), &[b"bonjour".to_vec()], Duration::from_secs(10));
        for told in [joined, said] {
            assert!(matches!(told, Err(ReachError::Refused { .. })), "{told:?}");
        }
    }

    #[test]
    fn what_is_said_is_said_once_where_nobody_refuses() {
        let (hub, port) = bind();
        // The name has an IPv6 address too, where nobody is.
        let to = Address { host: "localhost".to_owned(), port };
        let texts = [b"un".to_vec(), b"".to_vec(), "deux\nlignes".into()];
        say_blocking(&to, &texts, Duration::from_millis(50)).expect("nobody refuses");
        say_blocking(&here(port), &[b"fin".to_vec()], Duration::ZERO).expect("nobody refuses");
        for wanted in ["un", "", "deux\nlignes", "fin"] {
            assert_eq!(next(&hub).0, wanted);
        }
    }
}
