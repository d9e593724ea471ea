//! The one client of all stores: so many connections, each with so many messages that it waits for, one thread.
//!
//! A sender with a window of one waits for each acknowledgement before its next message, as `redis-benchmark -c N` does.
//! With a wider one it sends the next as soon as one is acknowledged; `redis-benchmark -P W` would wait for all of them.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::super::server::Server;
use super::super::{as_float, machine};
use super::disk::Disk;
use super::wire::{Heard, Wire};

/// What one run does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) senders: usize,
    /// Messages of one sender that may be under way at once.
    pub(super) window: u64,
    /// How many rooms they are spread over.
    pub(super) rooms: usize,
    pub(super) measured: Duration,
}

/// What one run found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Messages that were acknowledged in this time.
    pub(super) messages: u64,
    pub(super) took: Duration,
    /// User and system time of the server.
    pub(super) cpu: Duration,
    /// The same of the client.
    pub(super) client: Duration,
    /// What all others had, in percent of the machine.
    pub(super) beside: f64,
    /// Flushes of the device, where it counts them.
    pub(super) flushes: Option<u64>,
}

impl Found {
    /// Messages a second.
    pub(super) fn rate(&self) -> f64 {
        as_float(self.messages) / self.took.as_secs_f64()
    }
}

/// Load before the measurement begins.
const WARM_UP: Duration = Duration::from_millis(500);
/// How long nothing may be acknowledged before a run is given up.
const STALL_MAX: Duration = Duration::from_secs(10);
/// How long one wait for something to happen may take.
const TURN_MAX: Duration = Duration::from_millis(50);
/// Bytes read from a connection at once.
const READ_BYTES: usize = 256 << 10;

struct Sender {
    number: usize,
    stream: TcpStream,
    /// What a full socket did not take.
    pending: Vec<u8>,
    /// The beginning of something whose end hasn't come.
    unread: Vec<u8>,
    said: u64,
    heard: Heard,
}

struct Crowd {
    wire: Wire,
    window: u64,
    poll: Poll,
    events: Events,
    senders: Vec<Sender>,
    buffer: Vec<u8>,
    /// Acknowledged, of all.
    acks: u64,
    /// What is acknowledged is followed by more.
    speaking: bool,
}

/// Runs one load against a server and measures it. An error too, if something is never acknowledged.
pub(super) fn run(server: &Server, wire: Wire, load: &Load, disk: &Disk) -> Result<Found> {
    let mut crowd = Crowd::connect(server, wire, load)?;
    crowd.turns(WARM_UP)?;
    let (at, busy, before) = (Instant::now(), machine::Busy::now(), crowd.acks);
    let (spent, own, flushes) = (server.cpu()?, machine::own_cpu()?, disk.flushes());
    crowd.turns(load.measured)?;
    let cpu = server.cpu()?.saturating_sub(spent);
    let client = machine::own_cpu()?.saturating_sub(own);
    let found = Found {
        messages: crowd.acks - before,
        took: at.elapsed(),
        cpu,
        client,
        beside: busy.percent(cpu + client),
        flushes: disk.flushes().zip(flushes).map(|(now, then)| now.saturating_sub(then)),
    };
    crowd.speaking = false;
    crowd.turns(Duration::ZERO)?;
    Ok(found)
}

impl Crowd {
    /// Connects every sender; each says its first messages.
    fn connect(server: &Server, wire: Wire, load: &Load) -> Result<Self> {
        let mut crowd = Self {
            wire,
            window: load.window,
            poll: Poll::new().context("making a poll")?,
            events: Events::with_capacity(1024),
            senders: Vec::with_capacity(load.senders),
            buffer: vec![0; READ_BYTES],
            acks: 0,
            speaking: true,
        };
        for number in 0..load.senders {
            let connect = || -> std::io::Result<TcpStream> {
                let stream =
                    std::net::TcpStream::connect_timeout(&server.address, Duration::from_secs(5))?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(TcpStream::from_std(stream))
            };
            let mut stream = connect().with_context(|| format!("connecting sender {number}"))?;
            crowd
                .poll
                .registry()
                .register(&mut stream, Token(number), Interest::READABLE | Interest::WRITABLE)
                .context("watching a sender")?;
            let pending = wire.hello(number, number % load.rooms);
            let (unread, heard) = (Vec::new(), Heard::default());
            let mut sender = Sender { number, stream, pending, unread, said: 0, heard };
            sender.top_up(wire, load.window)?;
            crowd.senders.push(sender);
        }
        Ok(crowd)
    }

    fn under_way(&self) -> u64 {
        self.senders.iter().map(Sender::under_way).sum()
    }

    /// Takes in what comes and says what may be said, for so long; where nothing may be said any more, until all is
    /// acknowledged.
    fn turns(&mut self, long: Duration) -> Result<()> {
        let begun = Instant::now();
        let mut progress = (begun, self.acks);
        loop {
            self.turn()?;
            if self.acks != progress.1 {
                progress = (Instant::now(), self.acks);
            }
            ensure!(
                progress.0.elapsed() < STALL_MAX,
                "{} messages are not acknowledged after {} s",
                self.under_way(),
                STALL_MAX.as_secs()
            );
            let done = if self.speaking { begun.elapsed() >= long } else { self.under_way() == 0 };
            if done {
                return Ok(());
            }
        }
    }

    fn turn(&mut self) -> Result<()> {
        match self.poll.poll(&mut self.events, Some(TURN_MAX)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled.context("polling")?,
        }
        for event in &self.events {
            let number = event.token().0;
            let sender =
                self.senders.get_mut(number).expect("tokens are numbers that connect gave");
            let mut handle = || -> Result<u64> {
                let mut acks = 0;
                if event.is_readable() {
                    acks = sender.hear(self.wire, &mut self.buffer)?;
                }
                if self.speaking && acks > 0 {
                    sender.top_up(self.wire, self.window)?;
                } else if event.is_writable() {
                    sender.flush()?;
                }
                Ok(acks)
            };
            self.acks += handle().with_context(|| format!("sender {number}"))?;
        }
        Ok(())
    }
}

impl Sender {
    fn under_way(&self) -> u64 {
        self.said.saturating_sub(self.heard.acks)
    }

    /// Says as much as may be under way, by one write.
    fn top_up(&mut self, wire: Wire, window: u64) -> Result<()> {
        while self.under_way() < window {
            self.said += 1;
            wire.message(&mut self.pending, self.number, self.said);
        }
        self.flush()
    }

    /// Takes in all that has come; gives how many messages are acknowledged by it.
    fn hear(&mut self, wire: Wire, buffer: &mut [u8]) -> Result<u64> {
        let before = self.heard;
        loop {
            match self.stream.read(buffer) {
                Ok(0) => bail!("the server closed the connection"),
                Ok(taken) => {
                    let came = &buffer[..taken];
                    if self.unread.is_empty() {
                        let used = wire.take(came, &mut self.heard)?;
                        self.unread.extend_from_slice(&came[used..]);
                    } else {
                        self.unread.extend_from_slice(came);
                        let used = wire.take(&self.unread, &mut self.heard)?;
                        self.unread.drain(..used);
                    }
                    // A short read emptied the socket (epoll(7), edge triggered).
                    if taken < buffer.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("reading"),
            }
        }
        for _ in before.pings..self.heard.pings {
            self.pending.extend_from_slice(b"PONG\r\n");
        }
        ensure!(self.heard.acks <= self.said, "more acknowledgements than messages");
        Ok(self.heard.acks - before.acks)
    }

    fn flush(&mut self) -> Result<()> {
        let mut taken = 0;
        while let Some(rest) = self.pending.get(taken..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => bail!("the server takes nothing more"),
                Ok(count) => taken += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("writing"),
            }
        }
        self.pending.drain(..taken);
        Ok(())
    }
}
