//! The load: N members in one room, M of them speak, each message should reach all the others exactly once.
//!
//! A closed loop on one thread: at most a window of messages is under way that hasn't reached everyone. With a window of one
//! (lockstep) nothing can be coalesced. What is measured is what the *server* pays.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::proto::{self, BARRIER, MESSAGE, Wire};
use super::server::Server;

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) members: usize,
    pub(super) senders: usize,
    /// Messages that may be under way at once; a sender writes a quarter of it at a time.
    pub(super) window: u64,
    /// Octets of a message (a line with its newline).
    pub(super) bytes: usize,
    pub(super) measured: Duration,
}

/// What one run found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) deliveries: u64,
    pub(super) took: Duration,
    /// User and system time of the server in that time.
    pub(super) cpu: Duration,
    /// Deliveries that should have come and didn't; negative if some came twice.
    pub(super) missing: i64,
}

/// How long nothing may arrive before a run is given up.
const STALL_MAX: Duration = Duration::from_secs(3);
/// How long a room may take until everybody hears it, and until it is quiet.
const BARRIER_MAX: Duration = Duration::from_secs(20);
/// How often someone speaks to find out who hears already.
const BARRIER_EVERY: Duration = Duration::from_millis(200);
/// A room in which nothing arrived for so long is quiet.
const QUIET: Duration = Duration::from_millis(300);
/// Load before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(300);
/// Connections made before the server must hold them: a short backlog (ncat's is 10) overflows otherwise.
const BATCH: usize = 8;
/// How long the server may take to hold a batch before the next one is tried all the same.
const BATCH_MAX: Duration = Duration::from_millis(500);
/// Bytes read from a member at once.
const READ_BYTES: usize = 256 << 10;

struct Member {
    stream: TcpStream,
    /// What a full socket did not take.
    pending: Vec<u8>,
    hears: bool,
}

struct Room {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    buffer: Vec<u8>,
    delivered: u64,
    reads: u64,
    hearing: usize,
}

/// Runs one load against a server and measures it.
pub(super) fn run(server: &Server, wire: Wire, load: &Load) -> Result<Found> {
    let mut room = Room::fill(server, wire, load)?;
    let first_sender = if wire.separate_senders() { load.members } else { 0 };
    room.wait_until_all_hear(wire, load, first_sender)?;
    room.wait_for_quiet()?;

    let fanout = fanout(wire, load);
    let burst = (load.window / 4).max(1);
    let (mut sent, mut turn) = (0_u64, 0_usize);
    let mut counts = vec![0_u64; load.senders];
    let mut scratch = Vec::new();
    let begun = Instant::now();
    // When measuring began, with what had been sent and what had been spent by then.
    let mut from: Option<(Instant, u64, Duration)> = None;
    let mut progress = (Instant::now(), room.delivered);
    loop {
        let warm = begun.elapsed() >= WARM_UP;
        if from.is_none() && warm && room.delivered >= sent * fanout {
            // On a quiet line, so that every delivery that counts is paid for inside the measurement.
            from = Some((Instant::now(), sent, server.cpu()?));
        }
        if from.is_some_and(|(at, ..)| at.elapsed() >= load.measured) {
            break;
        }
        let paused = from.is_none() && warm;
        while !paused
            && (sent * fanout).saturating_sub(room.delivered) <= (load.window - burst) * fanout
        {
            let sender = turn % load.senders;
            turn += 1;
            if !room.member(first_sender + sender).pending.is_empty() {
                break; // The server pushes back.
            }
            scratch.clear();
            for _ in 0..burst {
                wire.message(&mut scratch, load.bytes, MESSAGE, sender, counts[sender]);
                counts[sender] += 1;
            }
            sent += burst;
            room.say(first_sender + sender, &scratch)?;
        }
        room.turn(Duration::from_millis(50))?;
        if room.delivered != progress.1 {
            progress = (Instant::now(), room.delivered);
        }
        if progress.0.elapsed() > STALL_MAX {
            if from.is_none() {
                bail!(
                    "nothing arrives any more: {} of {} deliveries",
                    room.delivered,
                    sent * fanout
                );
            }
            break;
        }
    }
    let (at, sent_before, cpu_before) = from.context("the load ended before it was measured")?;
    let end = room.drain(sent * fanout)?;
    let cpu = server.cpu()?.saturating_sub(cpu_before);
    let want = (sent - sent_before) * fanout;
    let deliveries = room.delivered.saturating_sub(sent_before * fanout);
    let missing = i64::try_from(want)? - i64::try_from(deliveries)?;
    Ok(Found { deliveries, took: end.duration_since(at), cpu, missing })
}

/// How many deliveries a message means.
fn fanout(wire: Wire, load: &Load) -> u64 {
    let others = if wire.separate_senders() { load.members } else { load.members - 1 };
    u64::try_from(others).unwrap_or(u64::MAX)
}

impl Room {
    /// Connects every member, and the senders where they are others.
    fn fill(server: &Server, wire: Wire, load: &Load) -> Result<Self> {
        ensure!(
            load.members >= 2 && (1..=load.members).contains(&load.senders),
            "a room of at least two: {load:?}"
        );
        let total =
            if wire.separate_senders() { load.members + load.senders } else { load.members };
        let mut room = Self {
            poll: Poll::new().context("making a poll")?,
            events: Events::with_capacity(1024),
            members: Vec::with_capacity(total),
            buffer: vec![0; READ_BYTES],
            delivered: 0,
            reads: 0,
            hearing: 0,
        };
        // The connection that tried the port may still be counted: hence two fewer than there are.
        let before = server.descriptors();
        for number in 0..total {
            let connect = || -> std::io::Result<TcpStream> {
                let stream =
                    std::net::TcpStream::connect_timeout(&server.address, Duration::from_secs(5))?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(TcpStream::from_std(stream))
            };
            let mut stream = connect().with_context(|| format!("connecting member {number}"))?;
            room.poll
                .registry()
                .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
                .context("watching a member")?;
            room.members.push(Member { stream, pending: Vec::new(), hears: false });
            if number < load.members {
                room.say(number, &wire.hello(number))?;
            }
            if (number + 1) % BATCH == 0 {
                let at = Instant::now();
                while server.descriptors() + 2 < before + number && at.elapsed() < BATCH_MAX {
                    room.turn(Duration::from_millis(1))?;
                }
            }
        }
        Ok(room)
    }

    fn member(&mut self, number: usize) -> &mut Member {
        self.members
            .get_mut(number)
            .expect("numbers are given by fill, and no member is taken away")
    }

    /// Writes now what the socket takes, the rest as soon as it can.
    fn say(&mut self, number: usize, bytes: &[u8]) -> Result<()> {
        let member = self.member(number);
        member.pending.extend_from_slice(bytes);
        member.flush().with_context(|| format!("writing as member {number}"))
    }

    /// Waits for something to happen, at most `longest`, and takes in all of it.
    fn turn(&mut self, longest: Duration) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(longest)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("polling")?,
        }
        for event in &self.events {
            let number = event.token().0;
            let member = self.members.get_mut(number).expect("tokens are numbers that fill gave");
            if event.is_writable() {
                member.flush().with_context(|| format!("writing as member {number}"))?;
            }
            if !event.is_readable() {
                continue;
            }
            loop {
                match member.stream.read(&mut self.buffer) {
                    Ok(0) => bail!("the server closed the connection of member {number}"),
                    Ok(taken) => {
                        let bytes = self.buffer.get(..taken).unwrap_or_default();
                        self.reads += 1;
                        self.delivered += proto::count(bytes, MESSAGE);
                        if !member.hears && proto::count(bytes, BARRIER) > 0 {
                            member.hears = true;
                            self.hearing += 1;
                        }
                        // A short read emptied the socket (epoll(7), edge triggered): asking again costs a call each time.
                        if taken < READ_BYTES {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        return Err(error).with_context(|| format!("reading as member {number}"));
                    }
                }
            }
        }
        Ok(())
    }

    /// Two members speak now and then until everybody has heard one of them.
    fn wait_until_all_hear(&mut self, wire: Wire, load: &Load, first_sender: usize) -> Result<()> {
        let begun = Instant::now();
        let mut last: Option<Instant> = None;
        while self.hearing < load.members {
            ensure!(
                begun.elapsed() < BARRIER_MAX,
                "only {} of {} members hear the room after {} s",
                self.hearing,
                load.members,
                BARRIER_MAX.as_secs()
            );
            if last.is_none_or(|at| at.elapsed() >= BARRIER_EVERY) {
                last = Some(Instant::now());
                let mut line = Vec::new();
                wire.message(&mut line, load.bytes, BARRIER, 0, 0);
                self.say(first_sender, &line)?;
                if !wire.separate_senders() {
                    self.say(1, &line)?;
                }
            }
            self.turn(Duration::from_millis(10))?;
        }
        Ok(())
    }

    fn wait_for_quiet(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut last = (Instant::now(), self.reads);
        while last.0.elapsed() < QUIET {
            ensure!(begun.elapsed() < BARRIER_MAX, "the room does not become quiet");
            self.turn(Duration::from_millis(10))?;
            if self.reads != last.1 {
                last = (Instant::now(), self.reads);
            }
        }
        Ok(())
    }

    /// Takes in what is still under way; gives the time of the last arrival.
    fn drain(&mut self, want: u64) -> Result<Instant> {
        let mut last = (Instant::now(), self.delivered);
        while self.delivered < want && last.0.elapsed() < STALL_MAX {
            self.turn(Duration::from_millis(10))?;
            if self.delivered != last.1 {
                last = (Instant::now(), self.delivered);
            }
        }
        Ok(last.0)
    }
}

impl Member {
    fn flush(&mut self) -> std::io::Result<()> {
        let mut taken = 0;
        while let Some(rest) = self.pending.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.drain(..taken);
        Ok(())
    }
}
