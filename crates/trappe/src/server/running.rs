//! A hub inside of another program: started, stopped, and where it listens.

use std::{
    ffi::OsStr,
    fmt,
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use trappe_core::{
    command::{Format, Lang},
    framing::Framing,
    keep::Keep,
    limits::{
        GREET_DEFAULT, HISTORY_ROOM_BYTES_DEFAULT, HISTORY_TOTAL_BYTES_DEFAULT,
        LAG_ROOM_BYTES_DEFAULT, LAG_TOTAL_BYTES_DEFAULT, MESSAGE_BYTES_DEFAULT,
        RETAIN_BYTES_DEFAULT, RETAIN_MESSAGES_DEFAULT, WORKERS,
    },
};

use super::{
    Config, Listen, Only, StartError,
    start::{Begun, Orders, Stopped, run},
};
use crate::client::address::PORT_DEFAULT;

/// Why a hub can't start, or isn't there any more.
#[derive(Debug, thiserror::Error)]
#[error("starting a hub: {0}")]
pub struct Error(Why);

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{0:?} is no address to listen on: {1}")]
    Address(String, String),
    #[error("{0}{hint}", hint = way_out(.0))]
    Start(StartError),
    #[error("no thread for it: {0}")]
    Thread(std::io::Error),
}

/// What to do about it, where the system's words don't say.
fn way_out(error: &StartError) -> String {
    match error {
        StartError::PortUsed { holder, .. } => {
            let who = holder.as_deref().unwrap_or("another program");
            format!(" by {who}; stop it, or listen elsewhere: port 0 takes a free one")
        }
        StartError::PortDenied { .. } => {
            "; those below 1024 are the administrator's, so choose a higher one".to_owned()
        }
        _ => String::new(),
    }
}

/// What a hub is to be like. What isn't said is as `trappe server` has it.
///
/// # Examples
/// ```
/// let hub = trappe::server::Options::new().listen("127.0.0.1:0")?.start()?;
/// println!("it listens on {}", hub.addresses()[0]);
/// hub.stop();
/// # Ok::<(), trappe::server::Error>(())
/// ```
#[expect(clippy::struct_excessive_bools, reason = "each is one switch")]
#[derive(Debug, Clone, Default)]
pub struct Options {
    listen: Vec<Listen>,
    data: Option<PathBuf>,
    open: bool,
    console: bool,
    signals: bool,
    english: bool,
}

impl Options {
    /// A hub on every address, port 5566, that keeps nothing, prints nothing and lets only this machine connect.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Another address to listen on, instead of every one: `[HOST]:PORT` (port 0: the system chooses) or `unix:PATH`;
    /// may be repeated.
    ///
    /// # Errors
    /// It is neither.
    pub fn listen(mut self, address: &str) -> Result<Self, Error> {
        let listen = Listen::parse(OsStr::new(address))
            .map_err(|error| Error(Why::Address(address.to_owned(), error.to_string())))?;
        self.listen.push(listen);
        Ok(self)
    }

    /// History is kept in this folder, which is made if there is none: what was acknowledged outlives the hub.
    #[must_use]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data = Some(folder.into());
        self
    }

    /// Everybody who reaches the port may connect, not only this machine.
    #[must_use]
    pub fn open(mut self, open: bool) -> Self {
        self.open = open;
        self
    }

    /// Prints on standard output what `trappe server` does: that it has started, who comes, what is said.
    #[must_use]
    pub fn console(mut self, on: bool) -> Self {
        self.console = on;
        self
    }

    /// Stops, in good order, at SIGINT and SIGTERM too.
    #[must_use]
    pub fn signals(mut self, on: bool) -> Self {
        self.signals = on;
        self
    }

    /// Sentences are in English, not in French.
    #[must_use]
    pub fn english(mut self, on: bool) -> Self {
        self.english = on;
        self
    }

    /// Starts it, on threads of its own; it listens when this returns. It raises the process's limit of open files to
    /// what it may be.
    ///
    /// # Errors
    /// A port that is in use or not permitted, a folder that can't be kept in …: nothing is left behind then.
    pub fn start(self) -> Result<Running, Error> {
        let (tell, told) = tokio::sync::mpsc::channel(2);
        let (begun, has_begun) = mpsc::sync_channel(1);
        let orders = Orders { signals: self.signals, told: Some(told) };
        let console = self.console;
        let config = self.config();
        let serve = move || {
            let starting = begun.clone();
            let started = |first: Begun<'_>| {
                if console {
                    let mut out = std::io::stdout().lock();
                    // A closed standard output is no reason not to serve.
                    let _closed = first.lines.iter().try_for_each(|line| writeln!(out, "{line}"));
                }
                // Whoever started it waits for this.
                let _waits = starting.send(Ok(first.addresses.to_vec()));
            };
            match run(&config, orders, started) {
                Ok(Stopped::Drained | Stopped::AtOnce) => {}
                Err(error) => drop(begun.send(Err(Error(Why::Start(error))))),
            }
        };
        let thread = thread::Builder::new().name("trappe-hub".to_owned()).spawn(serve);
        let thread = thread.map_err(|error| Error(Why::Thread(error)))?;
        let lost = || Err(Error(Why::Thread(std::io::Error::other("it has ended"))));
        let addresses = has_begun.recv().unwrap_or_else(|_| lost())?;
        Ok(Running { addresses, tell, thread: Some(thread) })
    }

    pub(crate) fn config(self) -> Config {
        let bytes = |bytes| Keep { bytes: Some(bytes), ..Keep::default() };
        let workers = thread::available_parallelism().map_or(1, usize::from).min(WORKERS);
        Config {
            hosts: Vec::new(),
            port: self.listen.is_empty().then_some(PORT_DEFAULT),
            listen: self.listen,
            only: Only::default(),
            allow_hosts: Vec::new(),
            allow_origins: Vec::new(),
            echo: false,
            udp_trust: Vec::new(),
            open: self.open,
            workers,
            format: Format::Text,
            framing: Framing::Auto,
            message_bytes: MESSAGE_BYTES_DEFAULT,
            retain_messages: RETAIN_MESSAGES_DEFAULT as u64,
            retain_bytes: RETAIN_BYTES_DEFAULT as u64,
            lag_room_bytes: LAG_ROOM_BYTES_DEFAULT,
            lag_total_bytes: LAG_TOTAL_BYTES_DEFAULT,
            raw_gap_skip: false,
            notices: true,
            quiet: !self.console,
            lang: if self.english { Lang::En } else { Lang::Fr },
            history: self.data.is_some(),
            data: self.data,
            keep: bytes(HISTORY_ROOM_BYTES_DEFAULT),
            keep_total: bytes(HISTORY_TOTAL_BYTES_DEFAULT),
            greet: GREET_DEFAULT,
        }
    }
}

/// A hub that runs. Dropped, it stops, in good order.
pub struct Running {
    addresses: Vec<SocketAddr>,
    tell: tokio::sync::mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens, by TCP; the port is the one that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Stops it: what was accepted is delivered, and kept; those who are there are told. It takes 5 s at most. It
    /// blocks: not to be called on a thread that drives async tasks which have to go on.
    pub fn stop(mut self) {
        self.end();
    }

    /// Waits until it has stopped: at a signal, if [`Options::signals`] says so. It blocks.
    pub fn wait(mut self) {
        self.join();
    }

    fn end(&mut self) {
        // It may have been told already.
        let _told = self.tell.try_send(());
        self.join();
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // Its panic is on standard error already.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
