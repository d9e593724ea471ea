//! A proxy between a client and a hub that cuts, delays, slices and resets: each connection by its line of a plan.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How one connection ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cut {
    /// After so many bytes to the hub have passed, or …
    pub(crate) up: usize,
    /// … so many to the client, whichever is first.
    pub(crate) down: usize,
    /// By a reset, not by an end.
    pub(crate) reset: bool,
}

/// A random number from a seed, so that a run can be repeated (Steele, Lea and Flood, 2014: `SplitMix`).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 1 to `most`.
    pub(crate) fn up_to(&mut self, most: usize) -> usize {
        1 + usize::try_from(self.next() % most as u64).expect("it is below a usize")
    }
}

/// Where it listens, and how many connections it has cut.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    /// One to the hub at `hub`; the connections after those of `plan` live as long as both sides want. `seed` decides
    /// how bytes are sliced and delayed.
    pub(crate) async fn start(hub: u16, plan: Vec<Cut>, seed: u64) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cuts);
        tokio::spawn(async move {
            for nth in 0.. {
                let Ok((client, _)) = listener.accept().await else { return };
                let cut = plan.get(nth).copied();
                let random = Random(seed ^ (nth as u64) << 32);
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let to = SocketAddr::from(([127, 0, 0, 1], hub));
                    let Ok(hub) = TcpStream::connect(to).await else { return };
                    if pass(&client, &hub, cut, random).await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if cut.is_some_and(|cut| cut.reset) {
                            let at_once = Some(Duration::ZERO);
                            drop(SockRef::from(&client).set_linger(at_once));
                            drop(SockRef::from(&hub).set_linger(at_once));
                        }
                    }
                });
            }
        });
        Proxy { port, cuts }
    }

    pub(crate) fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// Passes bytes on until a side ends, or as far as the cut says. True: it was cut.
async fn pass(client: &TcpStream, hub: &TcpStream, cut: Option<Cut>, mut random: Random) -> bool {
    let (mut up, mut down) = cut.map_or((usize::MAX, usize::MAX), |cut| (cut.up, cut.down));
    loop {
        if up == 0 || down == 0 {
            return true;
        }
        let most = if random.next().is_multiple_of(2) { 40 } else { 4000 };
        let slice = random.up_to(most);
        let passed = tokio::select! {
            passed = some(client, hub, slice.min(up)) => passed.inspect(|count| up -= count),
            passed = some(hub, client, slice.min(down)) => passed.inspect(|count| down -= count),
        };
        match passed {
            Ok(0) | Err(_) => return false,
            Ok(_) if cut.is_some() && random.next().is_multiple_of(16) => {
                // A network that takes its time.
                let delay = Duration::from_micros(random.next() % 3000);
                drop(timeout(delay, pending::<()>()).await);
            }
            Ok(_) => {}
        }
    }
}

/// Passes on some bytes, `most` of them at most; none at the end.
async fn some(from: &TcpStream, to: &TcpStream, most: usize) -> io::Result<usize> {
    let mut buffer = vec![0; most.min(4096)];
    let count = loop {
        from.ready(Interest::READABLE).await?;
        match from.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => break read?,
        }
    };
    let mut rest = &buffer[..count];
    while !rest.is_empty() {
        to.ready(Interest::WRITABLE).await?;
        match to.try_write(rest) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            written => rest = &rest[written?..],
        }
    }
    Ok(count)
}
