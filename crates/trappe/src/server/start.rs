//! How a server starts and stops.

mod bind;

use std::{
    collections::BTreeMap,
    future::pending,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use parking_lot::Mutex;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::{Notify, mpsc},
    time::Instant,
};
use trappe_core::{
    command::{Format, Lang},
    encode::{Look, Wire},
    framing::Framing,
    hub::Hub,
    keep::Keep,
    limits::SHUTDOWN,
    name::Name,
    room::log::Retain,
    words::say,
};

use self::bind::{Bound, bind};
use super::{
    Shared,
    ahead::Browsers,
    console::Console,
    history::{self, Restored},
    keys::Keys,
    mail::{Defaults, Mail},
    make_room,
    metrics::Metrics,
    room::Posts,
    sync::{self, Post},
    worker,
};
use crate::{
    clock,
    http::{Guard, Http},
    net::{
        address::Listen,
        listen::{self, Only},
        unix::SocketError,
    },
    store::{self, OpenError},
};

/// How long the last read of all sockets may take when the server stops.
const LAST_READ: Duration = Duration::from_millis(500);

/// How long the last messages may take to reach the disk.
const LAST_FSYNC: Duration = Duration::from_millis(500);

/// How long a slow terminal may take for its last lines.
const CONSOLE_LAST: Duration = Duration::from_millis(500);

/// How often rooms and sessions that nobody came back to are forgotten.
pub(crate) const SWEEP: Duration = Duration::from_secs(10);

/// What a server is to be like. Made by the command line.
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the command line")]
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Addresses to listen on at `port`; none: every address of the machine.
    pub(crate) hosts: Vec<IpAddr>,
    /// The TCP port, 0: the system chooses; none: `listen` alone.
    pub(crate) port: Option<u16>,
    /// What else to listen on, in the order in which it was typed.
    pub(crate) listen: Vec<Listen>,
    /// What is spoken there.
    pub(crate) only: Only,
    /// Names, in lower case, under which browsers may reach the hub.
    pub(crate) allow_hosts: Vec<String>,
    /// Origins whose pages may talk to the hub, as browsers write them; `*`: all that have one.
    pub(crate) allow_origins: Vec<String>,
    /// Serve `/echo`, for WebSocket test suites.
    pub(crate) echo: bool,
    /// Networks whose addresses need not be proved by UDP, beside loopback's.
    pub(crate) udp_trust: Vec<IpNet>,
    /// Anybody who reaches the port may speak, not only this machine.
    pub(crate) open: bool,
    /// Worker threads, at least one.
    pub(crate) workers: usize,
    /// How members are written to until they ask otherwise.
    pub(crate) format: Format,
    /// How raw connections are read until they ask otherwise.
    pub(crate) framing: Framing,
    /// The longest message, in bytes.
    pub(crate) message_bytes: usize,
    /// What a room keeps for `/history` and `/resume`.
    pub(crate) retain_messages: u64,
    /// The same, in bytes.
    pub(crate) retain_bytes: u64,
    /// How far behind a member may fall, in bytes of its room's log.
    pub(crate) lag_room_bytes: usize,
    /// What all rooms may keep, in bytes.
    pub(crate) lag_total_bytes: usize,
    /// A raw member that falls too far behind goes on, without what it missed, instead of being closed.
    pub(crate) raw_gap_skip: bool,
    /// Arrivals and departures are announced.
    pub(crate) notices: bool,
    /// Print nothing after the start.
    pub(crate) quiet: bool,
    /// The language of sentences.
    pub(crate) lang: Lang,
    /// Where the server keeps whatever it keeps.
    pub(crate) data: Option<PathBuf>,
    /// What is said is kept there.
    pub(crate) history: bool,
    /// What the history keeps of a room …
    pub(crate) keep: Keep,
    /// … and of all rooms.
    pub(crate) keep_total: Keep,
    /// Messages of the room that a member in text gets with its welcome.
    pub(crate) greet: usize,
}

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum StartError {
    /// The port is taken; by whom, if that can be known.
    #[error("port {port} is in use")]
    PortUsed {
        /// The port.
        port: u16,
        /// Name and id of the process that listens there.
        holder: Option<String>,
    },
    /// The port isn't this user's to bind.
    #[error("port {port} is not permitted")]
    PortDenied {
        /// The port.
        port: u16,
    },
    /// The address isn't one of this machine's.
    #[error("{address} is not an address of this machine")]
    AddressUnknown {
        /// The address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// There can be no Unix socket at a path.
    #[error("can't listen on {}: {source}", path.display())]
    Socket {
        /// The path.
        path: PathBuf,
        /// Why.
        source: SocketError,
    },
    /// What is kept can't be used.
    #[error("can't keep anything in {}: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// Anything else that the system refused.
    #[error("{doing}: {source}")]
    System {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A failure of something that the system does for us.
fn system(doing: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |source| StartError::System { doing, source }
}

/// How a server that started came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// It was asked to, and delivered what it had accepted.
    Drained,
    /// It was asked twice.
    AtOnce,
}

/// By what a server is told to stop; told again, it stops at once.
#[derive(Debug)]
pub(crate) struct Orders {
    /// SIGINT and SIGTERM.
    pub(crate) signals: bool,
    /// By the program in which it runs.
    pub(crate) told: Option<mpsc::Receiver<()>>,
}

/// What a server can say once it listens.
#[derive(Debug)]
pub(crate) struct Begun<'a> {
    /// Its first lines, for a person.
    pub(crate) lines: &'a [String],
    /// Where it listens by TCP.
    pub(crate) addresses: &'a [SocketAddr],
}

/// Runs a server until it is told to stop. `started` is called once it listens.
///
/// # Errors
/// [`StartError`] where it can't start; nothing is left behind then.
pub(crate) fn run(
    config: &Config,
    mut orders: Orders,
    started: impl FnOnce(Begun<'_>),
) -> Result<Stopped, StartError> {
    let files = listen::raise_file_limit();
    let mut bound = bind(config)?;
    let (console, printer) = if config.quiet {
        (None, None)
    } else {
        let (console, thread) = Console::start(config.lang).map_err(system("start the console"))?;
        (Some(console), Some(thread))
    };
    let mut restored = match &config.data {
        Some(dir) if config.history => Some(restore(config, dir)?),
        _ => None,
    };
    let shared = share(config, &bound, files, console.clone(), restored.as_mut());
    let rt = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(system("watch for signals"))?;
    // Whoever reads that it has started may tell it to stop at once.
    let mut signals = if orders.signals {
        let _inside = rt.enter();
        let watch = |kind| signal(kind).map_err(system("watch for signals"));
        Some((watch(SignalKind::interrupt())?, watch(SignalKind::terminate())?))
    } else {
        None
    };
    // It listens: whoever connects now waits in the backlog until the next lines are printed.
    let lines = first_lines(config, &bound, restored.as_ref());
    started(Begun { lines: &lines, addresses: bound.addresses() });
    let writer = restored
        .map(|restored| restored.start(&shared))
        .transpose()
        .map_err(system("start the history"))?;
    // The first worker accepts for all: a connection that stays with it changes no thread at all.
    let mut listeners = Some(std::mem::take(&mut bound.listeners));
    // The last one reads datagrams: where there are several, it isn't the one that accepts.
    let mut sockets = std::mem::take(&mut bound.sockets);
    let workers: Vec<JoinHandle<()>> = (0..config.workers)
        .map(|n| {
            let is_last = n + 1 == config.workers;
            let sockets = if is_last { std::mem::take(&mut sockets) } else { Vec::new() };
            worker::start(&shared, n, listeners.take().unwrap_or_default(), sockets)
        })
        .collect::<io::Result<_>>()
        .map_err(system("start the workers"))?;
    tracing::debug!(files, workers = config.workers, "the server has started");
    let stopped = rt.block_on(async {
        let mut stop = async || {
            let signalled = async {
                match &mut signals {
                    Some((interrupt, terminate)) => tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    },
                    None => pending().await,
                }
            };
            let told = async {
                match &mut orders.told {
                    // Whoever could tell has gone: it is wanted no more.
                    Some(told) => drop(told.recv().await),
                    None => pending().await,
                }
            };
            tokio::select! {
                () = signalled => {}
                () = told => {}
            }
        };
        let mut sweep = tokio::time::interval(SWEEP);
        loop {
            tokio::select! {
                () = stop() => break,
                _ = sweep.tick() => shared.sweep(),
            }
        }
        // Whoever looks for the socket from now on finds none, or that of the next server.
        bound.files.clear();
        tokio::select! {
            () = stop() => Stopped::AtOnce,
            () = drain(&shared, joined(workers), writer.map(|writer| joined(vec![writer]))) => Stopped::Drained,
        }
    });
    // A worker that is still at it is not waited for: its bounds have passed, or it was told twice.
    rt.shutdown_background();
    if let (Some(console), Some(_printer), Stopped::Drained) = (console, printer, stopped) {
        console.close(Instant::now() + CONSOLE_LAST);
    }
    Ok(stopped)
}

/// Waits for threads to end. Joining them on another thread keeps a second signal heard.
async fn joined(threads: Vec<JoinHandle<()>>) {
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            // One that panicked has ended the process already.
            let _ended = thread.join();
        }
    });
    let _ended = joined.await;
}

/// Delivers what was accepted, says goodbye, ends everything: `workers` and `writer` end once they have.
pub(crate) async fn drain(
    shared: &Arc<Shared>,
    workers: impl Future<Output = ()>,
    writer: Option<impl Future<Output = ()>>,
) {
    let lang = shared.defaults.look.lang;
    let deadline = Instant::now() + SHUTDOWN;
    if let Some(console) = &shared.posts.console {
        console.say(say(lang, "server-stopping", &[]));
    }
    shared.reading.store(shared.posts.workers.len(), Relaxed);
    shared.posts.to_all(|| Mail::LastRead);
    let _late = tokio::time::timeout(LAST_READ, shared.all_read.notified()).await;
    if let Some(history) = &shared.posts.history {
        // The last fsync, and what it acknowledges, come before the goodbye.
        shared.publish_all();
        let _late = tokio::time::timeout(LAST_FSYNC, history.flushed()).await;
    }
    shared.say_goodbye();
    shared.posts.to_all(|| Mail::Close);
    // The workers have bounds of their own.
    let _late = tokio::time::timeout_at(deadline, workers).await;
    if let (Some(history), Some(writer)) = (&shared.posts.history, writer) {
        history.close(shared.hub.lock().next_member());
        // What isn't closed by then is found by the next start, as after a crash.
        let _late = tokio::time::timeout_at(deadline, writer).await;
    }
}

/// What a server of a simulated world begins with: it is bound to no address.
///
/// # Errors
/// What is kept can't be used.
#[cfg(sim)]
pub(crate) fn simulated(config: &Config) -> Result<(Arc<Shared>, Option<Restored>), StartError> {
    let mut restored = match &config.data {
        Some(dir) if config.history => Some(restore(config, dir)?),
        _ => None,
    };
    let shared = share(config, &Bound::default(), 1024, None, restored.as_mut());
    Ok((shared, restored))
}

/// Opens what is kept.
fn restore(config: &Config, dir: &Path) -> Result<Restored, StartError> {
    let keep = store::Keep { room: config.keep, total: config.keep_total };
    history::open(dir, keep, config.workers, unix_us(clock::wall()))
        .map_err(|source| StartError::Data { path: dir.to_path_buf(), source })
}

fn first_lines(config: &Config, bound: &Bound, restored: Option<&Restored>) -> Vec<String> {
    let lang = config.lang;
    let reachable = if config.open { "server-who-open" } else { "server-who-loopback" };
    let command = bound.try_this(config.only);
    let command = ("command", command.as_str().into());
    let try_this = match bound.page(config.only) {
        Some(page) => say(lang, "server-try-page", &[command, ("page", page.as_str().into())]),
        None => say(lang, "server-try", &[command]),
    };
    let place = if bound.sockets.is_empty() { "server-where" } else { "server-where-udp" };
    let mut lines = vec![
        say(lang, "server-started", &[]),
        say(lang, place, &[("addresses", bound.describe().as_str().into())]),
        say(lang, reachable, &[]),
    ];
    if let (Some(restored), Some(dir)) = (restored, &config.data) {
        lines.extend(restored.lines(lang, dir));
    }
    lines.push(try_this);
    lines
}

/// A time of the wall clock in microseconds since 1970.
fn unix_us(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn share(
    config: &Config,
    bound: &Bound,
    files: u64,
    console: Option<Arc<Console>>,
    restored: Option<&mut Restored>,
) -> Arc<Shared> {
    let retain = Retain { messages: config.retain_messages, bytes: config.retain_bytes };
    let ledger = Arc::new(AtomicUsize::new(0));
    let name = Name::parse("lobby").expect("the lobby's name is a name");
    let lag_room_bytes = u64::try_from(config.lag_room_bytes).unwrap_or(u64::MAX);
    let states = Arc::default();
    let counters = (&ledger, &states);
    let history = restored.as_ref().map(|restored| Arc::clone(&restored.history));
    let lobby = make_room(
        0,
        name.clone(),
        retain,
        lag_room_bytes,
        config.workers,
        counters,
        history.as_deref(),
    );
    let mut hub = Hub::new(name, Arc::clone(&lobby));
    let http = Http::new(
        Guard {
            allow_hosts: config.allow_hosts.clone(),
            allow_origins: config.allow_origins.clone(),
        },
        config.echo,
    );
    if let Some(restored) = restored {
        restored.remember(&mut hub, &http);
    }
    let look = Look {
        format: config.format,
        framing: config.framing,
        wire: Wire::Stream,
        lang: config.lang,
        quiet: false,
    };
    Arc::new(Shared {
        started: Instant::now(),
        began_us: unix_us(clock::wall()),
        only: config.only,
        http,
        metrics: Metrics::new(config.workers),
        browsers: Browsers::default(),
        watch: super::watch::Watch::default(),
        last_census: tokio::sync::Mutex::new(None),
        hub: sync::Mutex::new(hub),
        lobby,
        posts: Posts {
            workers: (0..config.workers).map(|_| Post::default()).collect(),
            console,
            history,
        },
        greeting: config.greet,
        pool: Arc::default(),
        defaults: Defaults {
            look,
            message_bytes: config.message_bytes,
            raw_gap_skip: config.raw_gap_skip,
        },
        keys: Keys::default(),
        udp_trust: config.udp_trust.clone(),
        speaks_udp: !bound.sockets.is_empty(),
        states,
        open: config.open,
        notices: config.notices,
        port: bound.port,
        files,
        retain,
        lag_room_bytes,
        lag_total_bytes: config.lag_total_bytes,
        ledger,
        relieved_us: AtomicU64::new(0),
        full_logged_us: AtomicU64::new(0),
        tls_logged_us: AtomicU64::new(0),
        refused: Mutex::new(BTreeMap::new()),
        reading: AtomicUsize::new(0),
        all_read: Notify::new(),
    })
}
