//! One connection: two ways of bytes between two ends, with what kernels and the road between do to them.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::Weather;
use crate::sim::chance::Chance;

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Who has connected.
    Client = 0,
    /// Who has accepted.
    Hub = 1,
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::Client, Side::Hub];

    fn other(self) -> Side {
        match self {
            Side::Client => Side::Hub,
            Side::Hub => Side::Client,
        }
    }
}

/// What is on its way.
#[derive(Debug)]
enum Piece {
    Bytes(Vec<u8>),
    /// The end of the stream.
    Fin,
    /// The other end's kernel knows of no such connection (any more), or somebody on the way pretends so.
    Reset,
}

/// What is on its way to one end, and what has come there.
#[derive(Debug, Default)]
struct Way {
    flight: VecDeque<(Instant, Piece)>,
    flying: usize,
    arrived: VecDeque<u8>,
    /// The end of the stream has come.
    fin: bool,
    /// Nothing comes through.
    is_stalled: bool,
    /// The sender's buffer takes nothing before.
    choked: Option<Instant>,
    /// Who waits for something to read.
    reader: Option<Waker>,
    /// Who waits for room to write.
    writer: Option<Waker>,
}

/// What one end's kernel knows.
#[derive(Debug, Default)]
struct Kernel {
    /// Its sending half is shut.
    shut: bool,
    /// Nobody has its descriptor any more.
    closed: bool,
    /// It was reset.
    dead: bool,
    /// What the next call is told of that, once.
    error: Option<ErrorKind>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) weather: Weather,
    chance: Chance,
    /// To the client, and to the hub.
    ways: [Way; 2],
    kernels: [Kernel; 2],
}

/// What has come somewhere, for whoever keeps account of it.
pub(super) type Came<'a> = &'a mut dyn FnMut(Side, &[u8]);

impl Wire {
    pub(super) fn new(weather: Weather, chance: Chance) -> Wire {
        Wire { weather, chance, ways: Default::default(), kernels: Default::default() }
    }

    /// One read: some of what is there, never nothing but at the end.
    pub(super) fn read(&mut self, me: Side, buffer: &mut [u8]) -> io::Result<usize> {
        let (kernel, way) = (&mut self.kernels[me as usize], &mut self.ways[me as usize]);
        if way.arrived.is_empty() {
            return match kernel.error.take() {
                Some(error) => Err(error.into()),
                None if way.fin || kernel.dead => Ok(0),
                None => Err(ErrorKind::WouldBlock.into()),
            };
        }
        let most = way.arrived.len().min(buffer.len());
        let n = most.min(self.chance.size(1..=self.weather.most));
        for (to, byte) in buffer.iter_mut().zip(way.arrived.drain(..n)) {
            *to = byte;
        }
        self.tell_writer(me.other());
        Ok(n)
    }

    /// One write: some of it, nothing only of nothing.
    pub(super) fn write(&mut self, me: Side, bytes: &[u8], now: Instant) -> io::Result<usize> {
        let kernel = &mut self.kernels[me as usize];
        if let Some(error) = kernel.error.take() {
            return Err(error.into());
        }
        if kernel.dead || kernel.shut {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        let way = &mut self.ways[me.other() as usize];
        let room = self.weather.buffer.saturating_sub(way.flying + way.arrived.len());
        if way.choked.is_none() && self.chance.one_in(self.weather.choke_one_in) {
            way.choked = Some(now + Duration::from_millis(self.chance.within(1..=20)));
        }
        let n = bytes.len().min(room).min(self.chance.size(1..=self.weather.most));
        if n == 0 || way.choked.is_some() {
            return Err(ErrorKind::WouldBlock.into());
        }
        way.flying += n;
        self.send(me, Piece::Bytes(bytes[..n].to_vec()), now);
        Ok(n)
    }

    /// Ends the sending half.
    pub(super) fn shut(&mut self, me: Side, now: Instant) {
        let kernel = &mut self.kernels[me as usize];
        if !std::mem::replace(&mut kernel.shut, true) && !kernel.dead {
            self.send(me, Piece::Fin, now);
        }
    }

    /// The descriptor is closed. Who has left something unread resets the connection, as Linux does, and what it has
    /// written last may be lost with it (RFC 2525 §2.17). Gives back who waited there.
    pub(super) fn close(&mut self, me: Side, now: Instant) -> [Option<Waker>; 2] {
        let reader = self.ways[me as usize].reader.take();
        let writer = self.ways[me.other() as usize].writer.take();
        self.kernels[me as usize].closed = true;
        if self.kernels[me as usize].dead {
            // Nothing more is to be done.
        } else if self.ways[me as usize].arrived.is_empty() {
            self.shut(me, now);
        } else {
            self.lose_some(me.other());
            self.send(me, Piece::Reset, now);
            self.die(me);
        }
        [reader, writer]
    }

    /// The connection is reset for both ends, by somebody on the way: of what is under way each gets a beginning.
    pub(super) fn reset(&mut self, now: Instant) {
        for me in Side::BOTH {
            self.lose_some(me);
            self.ways[me as usize].is_stalled = false;
            self.send(me.other(), Piece::Reset, now);
        }
    }

    /// Nothing comes through any more on the way to `to`, or again.
    pub(super) fn stall(&mut self, to: Side, stalled: bool) {
        self.ways[to as usize].is_stalled = stalled;
    }

    /// What is due arrives. Gives the time at which something else is; none: not before somebody does something.
    pub(super) fn carry(&mut self, now: Instant, came: Came<'_>) -> Option<Instant> {
        for to in Side::BOTH {
            while !self.ways[to as usize].is_stalled
                && let Some((_, piece)) =
                    self.ways[to as usize].flight.pop_front_if(|(at, _)| *at <= now)
            {
                self.arrive(to, piece, now, came);
            }
            let way = &mut self.ways[to as usize];
            if way.choked.take_if(|until| *until <= now).is_some() {
                self.tell_writer(to.other());
            }
        }
        let due = |way: &Way| {
            let next = way.flight.front().filter(|_| !way.is_stalled).map(|(at, _)| *at);
            [next, way.choked].into_iter().flatten().min()
        };
        self.ways.iter().filter_map(due).min()
    }

    /// Whether nobody is at either end.
    pub(super) fn is_over(&self) -> bool {
        self.kernels.iter().all(|kernel| kernel.closed)
    }

    pub(super) fn is_readable(&self, me: Side) -> bool {
        let (kernel, way) = (&self.kernels[me as usize], &self.ways[me as usize]);
        !way.arrived.is_empty() || way.fin || kernel.dead
    }

    /// A third of the buffer has to be free, as on Linux.
    pub(super) fn is_writable(&self, me: Side) -> bool {
        let (kernel, way) = (&self.kernels[me as usize], &self.ways[me.other() as usize]);
        let room = self.weather.buffer.saturating_sub(way.flying + way.arrived.len());
        kernel.dead || kernel.shut || way.choked.is_none() && 3 * room >= self.weather.buffer
    }

    pub(super) fn poll_readable(&mut self, me: Side, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_readable(me) {
            return Poll::Ready(());
        }
        self.ways[me as usize].reader = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn poll_writable(&mut self, me: Side, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_writable(me) {
            return Poll::Ready(());
        }
        self.ways[me.other() as usize].writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&mut self, from: Side, piece: Piece, now: Instant) {
        let (least, most) = self.weather.delay_ms;
        let delay = Duration::from_millis(self.chance.within(least..=most));
        let way = &mut self.ways[from.other() as usize];
        // Nothing overtakes.
        let at = way.flight.back().map_or(now, |(at, _)| *at).max(now + delay);
        way.flight.push_back((at, piece));
    }

    /// Of what is on its way to an end only a beginning comes; and a reset, if there is one.
    fn lose_some(&mut self, to: Side) {
        let way = &mut self.ways[to as usize];
        let kept = self.chance.size(0..=way.flight.len());
        let lost = way.flight.split_off(kept);
        way.flight.extend(lost.into_iter().filter(|(_, piece)| matches!(piece, Piece::Reset)));
        let bytes = |(_, piece): &(Instant, Piece)| match piece {
            Piece::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        way.flying = way.flight.iter().map(bytes).sum();
    }

    fn arrive(&mut self, to: Side, piece: Piece, now: Instant, came: Came<'_>) {
        let (kernel, way) = (&mut self.kernels[to as usize], &mut self.ways[to as usize]);
        if let Piece::Bytes(bytes) = &piece {
            way.flying -= bytes.len();
        }
        match piece {
            _ if kernel.dead => {}
            Piece::Bytes(_) if kernel.closed => {
                self.die(to);
                self.send(to, Piece::Reset, now);
            }
            Piece::Bytes(bytes) => {
                came(to, &bytes);
                way.arrived.extend(bytes);
                self.tell_reader(to);
            }
            Piece::Fin => {
                way.fin = true;
                self.tell_reader(to);
            }
            Piece::Reset => {
                let is_half_closed = way.fin;
                kernel.error = Some(if is_half_closed {
                    ErrorKind::BrokenPipe
                } else {
                    ErrorKind::ConnectionReset
                });
                // What it had still to send is lost but for what is on the road already.
                self.lose_some(to.other());
                self.die(to);
            }
        }
    }

    fn die(&mut self, me: Side) {
        self.kernels[me as usize].dead = true;
        self.tell_reader(me);
        self.tell_writer(me);
    }

    fn tell_reader(&mut self, me: Side) {
        if let Some(waker) = self.ways[me as usize].reader.take() {
            waker.wake();
        }
    }

    fn tell_writer(&mut self, me: Side) {
        if self.is_writable(me)
            && let Some(waker) = self.ways[me.other() as usize].writer.take()
        {
            waker.wake();
        }
    }
}
