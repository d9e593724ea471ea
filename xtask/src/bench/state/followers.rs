//! The members that set and follow, on one thread with epoll and a timer: a value is seen as soon as its socket may be
//! read.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::{TcpStream, UdpSocket};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use super::line::{self, Line};
use crate::bench::machine::{Busy, own_cpu};
use crate::bench::server::Server;
use crate::bench::{crowd, kernel};

/// How a member is connected, and with that its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Lines, text.
    Tcp,
    /// Datagrams, json; several lines may share one.
    Udp,
}

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) transport: Transport,
    pub(super) members: usize,
    /// Values that each of them sets; all of them together at even intervals.
    pub(super) per_second: u32,
    pub(super) measured: Duration,
}

/// What one run found: about the values that were set while it was measured.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) set: u64,
    pub(super) followers: u64,
    /// Values that were seen, by all followers together …
    pub(super) seen: u64,
    /// … by the one that saw fewest, and by the one that saw most.
    pub(super) least: u64,
    pub(super) most: u64,
    /// What all followers were sent meanwhile.
    pub(super) bytes: u64,
    /// From set to seen: the median, the 99th percentile, the worst.
    pub(super) late_us: [u32; 3],
    /// Values that weren't the latest of their key, once all was quiet: of one for each follower and key.
    pub(super) stale: usize,
    /// Datagrams that found a socket full, on either side.
    pub(super) dropped: u64,
    /// User and system time of the server, and of this process.
    pub(super) cpu: Duration,
    pub(super) generator: Duration,
    pub(super) took: Duration,
    /// What others did meanwhile, in percent of the machine.
    pub(super) beside: f64,
}

/// Load before the measurement begins.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long it may take until everybody follows.
const BARRIER_MAX: Duration = Duration::from_secs(20);
/// How often the key of the barrier is set.
const BARRIER_EVERY: Duration = Duration::from_millis(200);
/// Where nothing came for so long, it is quiet.
const QUIET: Duration = Duration::from_millis(300);
/// How long it may take until it is.
const QUIET_MAX: Duration = Duration::from_secs(20);
/// Bytes read from a member at once; more than any datagram has.
const READ_BYTES: usize = 256 << 10;

/// Runs one load against a server and measures it.
pub(super) fn run(server: &Server, load: &Load) -> Result<Found> {
    let mut followers = Followers::connect(server, load)?;
    followers.wait_until_all_follow()?;
    followers.wait_for_quiet()?;

    let interval = Duration::from_secs(1) / load.per_second / u32::try_from(load.members)?;
    followers.timer = Some(timer(&followers.poll, interval, Token(load.members))?);
    let begun = Instant::now();
    let mut set = 0_u64;
    let (from, to) = (WARM_UP, WARM_UP + load.measured);
    let mut before: Option<Before> = None;
    loop {
        let elapsed = begun.elapsed();
        if before.is_none() && elapsed >= from {
            let dropped = followers.dropped()?;
            followers.measure(&begun);
            let (cpu, generator) = (server.cpu()?, own_cpu()?);
            let busy = Busy::now();
            before = Some(Before { at: Instant::now(), busy, set, dropped, cpu, generator });
        }
        if elapsed >= to {
            break;
        }
        let due = u64::try_from(elapsed.as_nanos() / interval.as_nanos())? + 1;
        while set < due {
            followers.set(usize::try_from(set)? % load.members, &begun)?;
            set += 1;
        }
        followers.turn(Duration::from_millis(50), &begun)?;
    }
    let before = before.context("the load ended before it was measured")?;
    let cpu = server.cpu()?.saturating_sub(before.cpu);
    let generator = own_cpu()?.saturating_sub(before.generator);
    let beside = before.busy.percent(cpu + generator);
    let (took, bytes) = (before.at.elapsed(), followers.bytes);
    followers.timer = None;
    // What was set last is still under way.
    followers.wait_for_quiet()?;
    let dropped = followers.dropped()? - before.dropped;
    let seen = || followers.members.iter().map(|member| member.seen);
    Ok(Found {
        set: set - before.set,
        followers: u64::try_from(load.members)?,
        seen: seen().sum(),
        least: seen().min().unwrap_or(0),
        most: seen().max().unwrap_or(0),
        bytes,
        stale: followers.stale(),
        dropped,
        late_us: percentiles(&mut followers.late_us),
        cpu,
        generator,
        took,
        beside,
    })
}

/// How things stood when measuring began.
struct Before {
    at: Instant,
    busy: Busy,
    set: u64,
    dropped: u64,
    cpu: Duration,
    generator: Duration,
}

/// A timer that wakes the poll at even intervals: the poll's own timeout knows only milliseconds.
fn timer(poll: &Poll, interval: Duration, token: Token) -> Result<TimerFd> {
    let start = || -> Result<TimerFd> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        timer.set(Expiration::Interval(TimeSpec::from(interval)), TimerSetTimeFlags::empty())?;
        let fd = timer.as_fd().as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), token, Interest::READABLE)?;
        Ok(timer)
    };
    start().context("starting a timer")
}

enum Link {
    Tcp(TcpStream),
    Udp(UdpSocket),
}

struct Member {
    link: Link,
    /// What a full socket did not take.
    pending: Vec<u8>,
    /// The beginning of a line that isn't read to its end.
    rest: Vec<u8>,
    follows: bool,
    /// Values that it was sent, of those that count.
    seen: u64,
    /// For each key the count of the value that it was sent last.
    latest: Vec<u64>,
}

struct Followers {
    server: std::net::SocketAddr,
    transport: Transport,
    poll: Poll,
    events: Events,
    /// While the members set something.
    timer: Option<TimerFd>,
    members: Vec<Member>,
    /// How many values each has set.
    counts: Vec<u64>,
    buffer: Vec<u8>,
    scratch: Vec<u8>,
    /// The clock from which on what is set counts.
    from_us: Option<u64>,
    bytes: u64,
    late_us: Vec<u32>,
    reads: u64,
}

impl Followers {
    fn connect(server: &Server, load: &Load) -> Result<Self> {
        let mut followers = Self {
            server: server.address,
            transport: load.transport,
            poll: Poll::new().context("making a poll")?,
            events: Events::with_capacity(1024),
            timer: None,
            members: Vec::with_capacity(load.members),
            counts: vec![0; load.members],
            buffer: vec![0; READ_BYTES],
            scratch: Vec::new(),
            from_us: None,
            bytes: 0,
            late_us: Vec::new(),
            reads: 0,
        };
        let registry = followers.poll.registry().try_clone().context("making a poll")?;
        for number in 0..load.members {
            let (token, interest) = (Token(number), Interest::READABLE | Interest::WRITABLE);
            let (link, hello): (_, &[&str]) = match load.transport {
                Transport::Tcp => {
                    let connect = || -> std::io::Result<TcpStream> {
                        let stream = std::net::TcpStream::connect(server.address)?;
                        stream.set_nodelay(true)?;
                        stream.set_nonblocking(true)?;
                        Ok(TcpStream::from_std(stream))
                    };
                    let mut stream =
                        connect().with_context(|| format!("connecting member {number}"))?;
                    registry.register(&mut stream, token, interest)?;
                    (Link::Tcp(stream), &["/get\n"])
                }
                Transport::Udp => {
                    let mut socket = UdpSocket::from_std(crowd::socket(server.address, number)?);
                    registry.register(&mut socket, token, interest)?;
                    (Link::Udp(socket), &["/join arena", "/format json", r#"{"op":"get"}"#])
                }
            };
            followers.members.push(Member {
                link,
                pending: Vec::new(),
                rest: Vec::new(),
                follows: false,
                seen: 0,
                latest: vec![0; load.members],
            });
            for words in hello {
                followers.say(number, words.as_bytes())?;
            }
            followers.turn(Duration::ZERO, &Instant::now())?;
        }
        Ok(followers)
    }

    fn say(&mut self, number: usize, bytes: &[u8]) -> Result<()> {
        let said = self.members[number].say(bytes);
        said.with_context(|| format!("writing as member {number}"))
    }

    /// A member sets its key.
    fn set(&mut self, number: usize, begun: &Instant) -> Result<()> {
        self.counts[number] += 1;
        let mut said = std::mem::take(&mut self.scratch);
        said.clear();
        line::set(&mut said, self.transport, number, clock(begun), self.counts[number]);
        self.say(number, &said)?;
        self.scratch = said;
        Ok(())
    }

    /// What is set from now on counts.
    fn measure(&mut self, begun: &Instant) {
        self.from_us = Some(clock(begun));
        self.bytes = 0;
    }

    /// Waits for something to happen, at most `longest`, and takes in all of it.
    fn turn(&mut self, longest: Duration, begun: &Instant) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(longest)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("polling")?,
        }
        for event in &self.events {
            let number = event.token().0;
            let Some(member) = self.members.get_mut(number) else {
                // A timer that isn't read ticks no more. That it has ticked already is all that can be wrong here.
                let _ticks = self.timer.as_ref().map(TimerFd::wait);
                continue;
            };
            if event.is_writable() {
                member.flush().with_context(|| format!("writing as member {number}"))?;
            }
            if !event.is_readable() {
                continue;
            }
            loop {
                let taken = match member.read(&mut self.buffer) {
                    Ok(0) => bail!("the server closed the connection of member {number}"),
                    Ok(taken) => taken,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => {
                        return Err(error).with_context(|| format!("reading as member {number}"));
                    }
                };
                self.reads += 1;
                self.bytes += u64::try_from(taken)?;
                let now_us = clock(begun);
                let (transport, from_us) = (self.transport, self.from_us);
                member.lines(&self.buffer[..taken], |member, line| {
                    match line::read(transport, line) {
                        Line::Value { key, clock_us, count } => {
                            // By UDP a datagram may overtake another.
                            member.latest[key] = member.latest[key].max(count);
                            if from_us.is_some_and(|from| clock_us >= from) {
                                member.seen += 1;
                                let late = now_us.saturating_sub(clock_us);
                                self.late_us.push(u32::try_from(late).unwrap_or(u32::MAX));
                            }
                        }
                        Line::Barrier => member.follows = true,
                        Line::Other => {}
                    }
                });
                // A short read emptied the socket (epoll(7), edge triggered); of datagrams each read brings one.
                if matches!(member.link, Link::Tcp(_)) && taken < READ_BYTES {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A key is set now and then until everybody has seen it.
    fn wait_until_all_follow(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut last: Option<Instant> = None;
        while let Some(number) = self.members.iter().position(|member| !member.follows) {
            let longest = BARRIER_MAX.as_secs();
            ensure!(begun.elapsed() < BARRIER_MAX, "member {number} sees no value in {longest} s");
            if last.is_none_or(|at| at.elapsed() >= BARRIER_EVERY) {
                last = Some(Instant::now());
                let mut said = Vec::new();
                line::barrier(&mut said, self.transport);
                self.say(0, &said)?;
            }
            self.turn(Duration::from_millis(10), &begun)?;
        }
        Ok(())
    }

    fn wait_for_quiet(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut last = (begun, self.reads);
        while last.0.elapsed() < QUIET {
            ensure!(begun.elapsed() < QUIET_MAX, "the room does not become quiet");
            self.turn(Duration::from_millis(10), &begun)?;
            if self.reads != last.1 {
                last = (Instant::now(), self.reads);
            }
        }
        Ok(())
    }

    /// Of one for each follower and key: how many aren't the value that was set last.
    fn stale(&self) -> usize {
        let stale = |member: &Member| {
            member.latest.iter().zip(&self.counts).filter(|(latest, count)| latest != count).count()
        };
        self.members.iter().map(stale).sum()
    }

    /// Datagrams that found a socket full so far.
    fn dropped(&self) -> Result<u64> {
        match self.transport {
            Transport::Tcp => Ok(0),
            Transport::Udp => {
                let sockets = kernel::look(self.server, self.members.len())?;
                Ok(sockets.unread + sockets.unreceived)
            }
        }
    }
}

impl Member {
    /// Says it now; what a stream doesn't take goes as soon as it can, a datagram is lost.
    fn say(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &self.link {
            Link::Tcp(_) => {
                self.pending.extend_from_slice(bytes);
                self.flush()
            }
            Link::Udp(socket) => match socket.send(bytes) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
                _ => Ok(()),
            },
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let Link::Tcp(stream) = &mut self.link else { return Ok(()) };
        while !self.pending.is_empty() {
            match stream.write(&self.pending) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(taken) => drop(self.pending.drain(..taken)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = match &mut self.link {
                Link::Tcp(stream) => stream.read(buffer),
                Link::Udp(socket) => socket.recv(buffer),
            };
            match read {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }

    /// Gives the lines of what was read; the beginning of one is kept until its end is read.
    fn lines(&mut self, mut bytes: &[u8], mut take: impl FnMut(&mut Self, &[u8])) {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            if self.rest.is_empty() {
                take(self, &bytes[..end]);
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(&bytes[..end]);
                take(self, &line);
                line.clear();
                self.rest = line;
            }
            bytes = &bytes[end + 1..];
        }
        self.rest.extend_from_slice(bytes);
    }
}

fn clock(begun: &Instant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// The median, the 99th percentile and the greatest.
fn percentiles(values: &mut [u32]) -> [u32; 3] {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    [last / 2, last * 99 / 100, last].map(|at| values.get(at).copied().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let mut values: Vec<u32> = (0..=100).rev().collect();
        assert_eq!(percentiles(&mut values), [50, 99, 100]);
        assert_eq!(percentiles(&mut []), [0, 0, 0]);
    }

    #[test]
    fn lines_that_are_read_in_pieces_are_put_together() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("the loopback has a port");
        socket.set_nonblocking(true).expect("a socket can be so");
        let mut member = Member {
            link: Link::Udp(UdpSocket::from_std(socket)),
            pending: Vec::new(),
            rest: Vec::new(),
            follows: false,
            seen: 0,
            latest: Vec::new(),
        };
        let mut lines = Vec::new();
        for piece in ["=a= 1\n=b", "= ", "2\n\n=c= 3\n", "=d"] {
            member.lines(piece.as_bytes(), |_, line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
            });
        }
        assert_eq!(lines, ["=a= 1", "=b= 2", "", "=c= 3"]);
        assert_eq!(member.rest, b"=d");
    }
}
