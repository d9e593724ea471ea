//! The simulated network: streams in memory, with delay, partial reads and writes, bounded buffers, stalls, half closes
//! and resets, all by seeded chance.

mod ends;
pub(crate) mod server;
mod wire;

use std::{
    cell::RefCell,
    collections::VecDeque,
    hash::Hasher,
    io,
    sync::{Arc, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use self::{ends::End, wire::Wire};
pub(crate) use self::{
    ends::Stream,
    server::{Listener, TcpStream},
    wire::Side,
};
use super::chance::{self, Chance};

/// What becomes of bytes on their way. The default is a good network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// How long each piece takes, at least and at most, in milliseconds. Nothing overtakes.
    pub(crate) delay_ms: (u64, u64),
    /// What one read or write takes, at most, and at least 1: each takes a chance part of that.
    pub(crate) most: usize,
    /// What is under way, or waits to be read, at most.
    pub(crate) buffer: usize,
    /// Once in so many writes nothing is taken for some milliseconds, though there is room; 0: never.
    pub(crate) choke_one_in: u64,
}

impl Default for Weather {
    fn default() -> Weather {
        Weather { delay_ms: (0, 1), most: usize::MAX, buffer: 64 << 10, choke_one_in: 0 }
    }
}

/// A connection, as all who have to do with it share it.
#[derive(Debug)]
struct Road {
    name: Box<str>,
    number: u16,
    wire: Mutex<Wire>,
    /// Something has changed that whoever carries has to look at.
    bell: Notify,
}

/// All that there is of the network in one life.
struct Net {
    weather: Weather,
    chance: Chance,
    /// Who can't connect: everybody.
    is_cut: bool,
    /// Who listens: connections that weren't accepted yet, and who waits for them.
    listener: Option<Arc<Mutex<Backlog>>>,
    roads: Vec<Weak<Road>>,
    count: u16,
    digest: std::hash::DefaultHasher,
}

/// Connections that weren't accepted yet.
#[derive(Debug, Default)]
struct Backlog {
    waiting: VecDeque<TcpStream>,
    acceptor: Option<Waker>,
}

thread_local! {
    static NET: RefCell<Option<Net>> = const { RefCell::new(None) };
}

fn with<T>(what: impl FnOnce(&mut Net) -> T) -> T {
    NET.with_borrow_mut(|net| what(net.as_mut().expect("a life has begun")))
}

/// A life begins: nobody listens, the weather is good.
pub(crate) fn begin() {
    NET.set(Some(Net {
        weather: Weather::default(),
        chance: chance::fork("net"),
        is_cut: false,
        listener: None,
        roads: Vec::new(),
        count: 0,
        digest: std::hash::DefaultHasher::new(),
    }));
}

/// What becomes of connections that are made from now on.
pub(crate) fn set_weather(weather: Weather) {
    with(|net| net.weather = weather);
}

/// All connections that somebody still has, in the order in which they were made.
pub(crate) fn links() -> Vec<Link> {
    with(|net| {
        net.roads.retain(|road| road.strong_count() > 0);
        net.roads.iter().filter_map(Weak::upgrade).map(Link).collect()
    })
}

/// Resets all connections.
pub(crate) fn reset_all() {
    links().iter().for_each(Link::reset);
}

/// Nothing comes through on any connection any more, and none is made; or again.
pub(crate) fn partition(cut: bool) {
    with(|net| net.is_cut = cut);
    for link in links() {
        link.stall(cut);
    }
}

/// What has come through so far, in one number: of two runs with the same seed it is the same.
pub(crate) fn digest() -> u64 {
    with(|net| net.digest.finish())
}

/// What the world can do to one connection.
#[derive(Clone, Debug)]
pub(crate) struct Link(Arc<Road>);

impl Link {
    /// Who has connected, as it called itself.
    pub(crate) fn name(&self) -> &str {
        &self.0.name
    }

    /// What becomes of what is sent from now on.
    pub(crate) fn set_weather(&self, weather: Weather) {
        self.0.wire.lock().weather = weather;
        self.0.bell.notify_one();
    }

    /// Nothing comes through any more, in neither direction; or again.
    pub(crate) fn stall(&self, stalled: bool) {
        for side in Side::BOTH {
            self.stall_to(side, stalled);
        }
    }

    /// The same for what goes to one end.
    pub(crate) fn stall_to(&self, to: Side, stalled: bool) {
        self.0.wire.lock().stall(to, stalled);
        self.0.bell.notify_one();
    }

    /// Resets it, for both ends.
    pub(crate) fn reset(&self) {
        self.0.wire.lock().reset(Instant::now());
        self.0.bell.notify_one();
    }
}

/// Connects to the hub; `name` is for who looks at it afterwards. While the network is cut, it waits.
///
/// # Errors
/// No hub listens.
pub(crate) async fn connect(name: &str) -> io::Result<(Stream, Link)> {
    let (weather, first, back) = with(|net| {
        let (least, most) = net.weather.delay_ms;
        let mut delay = || net.chance.within(least..=most);
        (net.weather, delay(), delay())
    });
    sleep(Duration::from_millis(first)).await;
    while with(|net| net.is_cut) {
        sleep(Duration::from_millis(20)).await;
    }
    let road = with(|net| {
        let backlog = net.listener.as_ref().map(Arc::clone)?;
        net.count = net.count.wrapping_add(1);
        let chance = chance::fork(&format!("net {}", net.count));
        let road = Arc::new(Road {
            name: name.into(),
            number: net.count,
            wire: Mutex::new(Wire::new(weather, chance)),
            bell: Notify::new(),
        });
        net.roads.push(Arc::downgrade(&road));
        Some((road, backlog))
    });
    let Some((road, backlog)) = road else {
        sleep(Duration::from_millis(back)).await;
        return Err(io::ErrorKind::ConnectionRefused.into());
    };
    tokio::spawn(carry(Arc::clone(&road)));
    let stream = Stream::new(End::new(Arc::clone(&road), Side::Client));
    let acceptor = {
        let mut backlog = backlog.lock();
        backlog.waiting.push_back(TcpStream::new(End::new(Arc::clone(&road), Side::Hub)));
        backlog.acceptor.take()
    };
    acceptor.into_iter().for_each(Waker::wake);
    sleep(Duration::from_millis(back)).await;
    Ok((stream, Link(road)))
}

/// Listens as the hub, until the listener is dropped.
///
/// # Panics
/// Somebody listens already: two hubs on one port.
pub(crate) fn listen() -> Listener {
    let backlog = Arc::<Mutex<Backlog>>::default();
    with(|net| {
        assert!(net.listener.is_none(), "only one hub listens");
        net.listener = Some(Arc::clone(&backlog));
    });
    Listener::new(backlog)
}

/// Nobody listens any more: who wasn't accepted yet is reset.
fn hush(backlog: &Arc<Mutex<Backlog>>) {
    // A life that is over has no network any more.
    NET.with_borrow_mut(|net| {
        if let Some(net) = net {
            net.listener.take_if(|listener| Arc::ptr_eq(listener, backlog));
        }
    });
    let waiting = std::mem::take(&mut backlog.lock().waiting);
    for stream in waiting {
        stream.reset();
    }
}

/// Carries what is under way on one connection, while somebody has it.
async fn carry(road: Arc<Road>) {
    loop {
        let (due, over) = {
            let mut wire = road.wire.lock();
            let mut came = |to: Side, bytes: &[u8]| {
                with(|net| {
                    net.digest.write_u16(road.number);
                    net.digest.write_u8(to as u8);
                    net.digest.write(bytes);
                });
            };
            (wire.carry(Instant::now(), &mut came), wire.is_over())
        };
        if over {
            return;
        }
        match due {
            Some(due) => tokio::select! {
                biased;
                () = road.bell.notified() => {}
                () = sleep_until(due) => {}
            },
            None => road.bell.notified().await,
        }
    }
}

/// Polls until something can be done.
fn poll_io<T>(
    cx: &mut std::task::Context<'_>,
    mut tried: impl FnMut() -> io::Result<T>,
    mut wait: impl FnMut(&mut std::task::Context<'_>) -> Poll<()>,
) -> Poll<io::Result<T>> {
    loop {
        match tried() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if wait(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            done => return Poll::Ready(done),
        }
    }
}

#[cfg(test)]
mod tests;
