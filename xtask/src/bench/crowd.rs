//! Members by UDP in one room, and the load that they make: so many of them speak, at a pace or as fast as they can.
//!
//! One thread, which sweeps over all sockets between two things that it says, and waits for none: nobody is to be woken
//! when a datagram comes, so that the server pays for what it sends, and not for who happens to live on its machine.

use std::io::{ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg, setsockopt, sockopt};

use super::kernel::{self, Sockets};
use super::machine::{Busy, own_cpu};
use super::proto::{self, MESSAGE, Wire};
use super::server::Server;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) members: usize,
    /// So many of the members speak, in turns.
    pub(super) senders: usize,
    /// One of them says something so often; None: as fast as they can.
    pub(super) every: Option<Duration>,
    /// Octets of a datagram.
    pub(super) bytes: usize,
    pub(super) measured: Duration,
}

/// What one run found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Datagrams that were said to the server.
    pub(super) said: u64,
    /// Those of them that found its socket full.
    pub(super) unread: u64,
    /// Messages that should have come to all members together, if none were lost.
    pub(super) wanted: u64,
    /// Those that came.
    pub(super) messages: u64,
    /// What else came: notices of gaps.
    pub(super) others: u64,
    /// Datagrams that were sent to a member, and found its socket full.
    pub(super) unreceived: u64,
    /// User and system time of the server.
    pub(super) cpu: Duration,
    /// Until the last of it was read, and the last had come.
    pub(super) took: Duration,
    /// What others did meanwhile, in percent of the machine.
    pub(super) beside: f64,
}

impl Found {
    /// Datagrams that the server read.
    pub(super) fn read(&self) -> u64 {
        self.said - self.unread
    }

    /// Datagrams that the server sent.
    pub(super) fn sent(&self) -> u64 {
        self.messages + self.others + self.unreceived
    }

    /// Messages that it read, and sent to some members not at all.
    pub(super) fn passed_over(&self) -> u64 {
        let fanout = self.wanted.checked_div(self.said).unwrap_or(0);
        let wanted = fanout * self.read();
        wanted.saturating_sub(self.messages + self.unreceived)
    }

    /// Whether all that was said came to all.
    pub(super) fn is_whole(&self) -> bool {
        self.unread == 0 && self.messages == self.wanted
    }
}

/// Members at one address: the hub takes no more than 32 sessions from one.
pub(super) const OF_ADDRESS: usize = 25;
/// What the kernel is asked to keep for a member.
const WAITING_BYTES: usize = 1 << 20;
/// Datagrams that one call says, where there are so many to be said.
const BURST: usize = 32;
/// Reads from one member before the next has its turn.
const READS: usize = 64;
/// The longest datagram.
const DATAGRAM_BYTES: usize = 2048;
/// How long a member may take to become one.
const JOIN_MAX: Duration = Duration::from_secs(5);
/// Load before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(300);
/// Where nothing comes and nothing waits for so long, it is quiet.
const QUIET: Duration = Duration::from_millis(200);
/// How long it may take until it is.
const QUIET_MAX: Duration = Duration::from_secs(20);
/// Between two looks at what is nearly quiet.
const LOOK: Duration = Duration::from_millis(1);

/// Runs one load against a server and measures it.
pub(super) fn run(server: &Server, load: &Load) -> Result<Found> {
    let mut crowd = Crowd::join(server, load.members)?;
    crowd.wait_for_quiet()?;
    crowd.speak(load, load.measured.min(WARM_UP))?;
    crowd.wait_for_quiet()?;

    let (messages, others) = (crowd.messages, crowd.others);
    let before = kernel::look(server.address, load.members)?;
    let (busy, own) = (Busy::now(), own_cpu()?);
    let (begun, cpu) = (Instant::now(), server.cpu()?);
    let said = crowd.speak(load, load.measured)?;
    let end = crowd.wait_for_quiet()?;
    let cpu = server.cpu()?.saturating_sub(cpu);
    let after = kernel::look(server.address, load.members)?;
    let beside = busy.percent(cpu + own_cpu()?.saturating_sub(own));
    let fanout = u64::try_from(load.members - 1).context("far fewer members than that")?;
    Ok(Found {
        said,
        unread: after.unread - before.unread,
        wanted: said * fanout,
        messages: crowd.messages - messages,
        others: crowd.others - others,
        unreceived: after.unreceived - before.unreceived,
        cpu,
        took: end.duration_since(begun),
        beside,
    })
}

/// A socket of a member that is to be number `number` of a crowd, connected to the server.
pub(super) fn socket(server: SocketAddr, number: usize) -> Result<UdpSocket> {
    let host = u8::try_from(2 + number / OF_ADDRESS).context("members beyond 127.0.0.255")?;
    let open = || -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, host), 0))?;
        setsockopt(&socket, sockopt::RcvBuf, &WAITING_BYTES)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    open().with_context(|| format!("opening the socket of member {number}"))
}

struct Crowd {
    server: SocketAddr,
    members: Vec<UdpSocket>,
    buffer: Vec<u8>,
    messages: u64,
    others: u64,
}

impl Crowd {
    /// Members, each of which has had an answer.
    fn join(server: &Server, members: usize) -> Result<Self> {
        let server = server.address;
        let mut crowd = Self {
            server,
            members: Vec::with_capacity(members),
            buffer: vec![0; DATAGRAM_BYTES],
            messages: 0,
            others: 0,
        };
        for number in 0..members {
            let member = socket(server, number)?;
            member.send(b"/join arena").with_context(|| format!("joining as member {number}"))?;
            let begun = Instant::now();
            loop {
                match member.recv(&mut crowd.buffer) {
                    Ok(_) => break,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error).context("the server doesn't hear datagrams"),
                }
                ensure!(begun.elapsed() < JOIN_MAX, "member {number} has no answer");
                std::thread::sleep(LOOK);
            }
            crowd.members.push(member);
            // Those that are there already may be told of each that comes.
            crowd.sweep()?;
        }
        Ok(crowd)
    }

    /// Says what the load wants said in this time. Gives how many datagrams that was.
    fn speak(&mut self, load: &Load, time: Duration) -> Result<u64> {
        let mut headers = MultiHeaders::preallocate(BURST, None);
        let burst = u64::try_from(BURST).unwrap_or(u64::MAX);
        let begun = Instant::now();
        let mut said = 0;
        loop {
            let elapsed = begun.elapsed();
            if elapsed >= time {
                return Ok(said);
            }
            // What is due by now, and at once; each sender says its part.
            let due = match load.every {
                None => said + burst,
                Some(every) => u64::try_from(elapsed.as_nanos() / every.as_nanos())? + 1,
            };
            while said < due {
                let sender = usize::try_from(said)? % load.senders;
                let count = if load.senders == 1 { (due - said).min(burst) } else { 1 };
                said += self.say(sender, said, count, load.bytes, &mut headers)?;
            }
            self.sweep()?;
            if let Some(every) = load.every {
                let next = every * u32::try_from(said).context("a run is shorter")?;
                std::thread::sleep(next.saturating_sub(begun.elapsed()));
            }
        }
    }

    /// One member says some datagrams, numbered from `first`, by one call. Gives how many the kernel took.
    fn say(
        &self,
        sender: usize,
        first: u64,
        count: u64,
        bytes: usize,
        headers: &mut MultiHeaders<SockaddrIn>,
    ) -> Result<u64> {
        let mut said = Vec::with_capacity(BURST * (bytes + 1));
        for number in first..first + count {
            // A line's newline is no part of a datagram.
            Wire::Line.message(&mut said, bytes + 1, MESSAGE, sender, number);
        }
        let slices: Vec<_> =
            said.chunks(bytes + 1).map(|line| [IoSlice::new(&line[..bytes])]).collect();
        let to = vec![None; slices.len()];
        let fd = self.members[sender].as_raw_fd();
        match sendmmsg(fd, headers, &slices, to, [], MsgFlags::empty()) {
            Ok(sent) => Ok(u64::try_from(sent.count())?),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error).with_context(|| format!("speaking as member {sender}")),
        }
    }

    /// Takes what has come to all members. Gives whether that was anything.
    fn sweep(&mut self) -> Result<bool> {
        let before = self.messages + self.others;
        for (number, member) in self.members.iter().enumerate() {
            for _ in 0..READS {
                match member.recv(&mut self.buffer) {
                    Ok(len) if proto::count(&self.buffer[..len], MESSAGE) > 0 => self.messages += 1,
                    Ok(_) => self.others += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        return Err(error).with_context(|| format!("reading as member {number}"));
                    }
                }
            }
        }
        Ok(self.messages + self.others > before)
    }

    /// Takes in what is still under way. Gives when the last of it came, or was read by the server.
    fn wait_for_quiet(&mut self) -> Result<Instant> {
        let begun = Instant::now();
        let mut last = begun;
        while last.elapsed() < QUIET {
            if begun.elapsed() > QUIET_MAX {
                bail!("it does not become quiet in {} s", QUIET_MAX.as_secs());
            }
            let Sockets { waiting, .. } = kernel::look(self.server, self.members.len())?;
            if self.sweep()? || waiting > 0 {
                last = Instant::now();
            } else {
                std::thread::sleep(LOOK);
            }
        }
        Ok(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_told_apart_by_where() {
        let found = Found {
            said: 1000,
            unread: 400,
            wanted: 100_000,
            messages: 20_000,
            others: 30,
            unreceived: 500,
            ..Found::default()
        };
        assert_eq!((found.read(), found.sent()), (600, 20_530));
        assert_eq!(found.passed_over(), 60_000 - 20_500);
        assert!(!found.is_whole());
        let whole = Found { said: 10, wanted: 190, messages: 190, ..Found::default() };
        assert!(whole.is_whole() && whole.passed_over() == 0);
    }
}
