//! A hub that is killed and started again on the same port, and clients of the library that are held to their word.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use trappe::client::{Event, Events, Options};

use crate::hub::{Hub, trappe};
use crate::kept_hub::{Folder, shown};
use crate::process::PATIENCE;

/// How often a port that somebody else has for a moment is asked for again.
const PORT_TRIES: u32 = 20;

/// Runs a test's clients, and fails where they take too long.
#[track_caller]
pub(crate) fn run<T>(what: impl Future<Output = T>) -> T {
    run_within(6 * PATIENCE, what)
}

/// The same with a time of its own.
#[track_caller]
pub(crate) fn run_within<T>(within: Duration, what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime needs a few descriptors");
    runtime.block_on(async { timeout(within, what).await.expect("it comes to its end in time") })
}

/// A hub at one port, over several lives.
pub(crate) struct House {
    hub: Option<Hub>,
    port: u16,
    args: Vec<String>,
    _folder: Option<Folder>,
}

impl House {
    /// One that keeps nothing.
    #[track_caller]
    pub(crate) fn new(args: &[&str]) -> House {
        House::with(args, None)
    }

    /// One with history.
    #[track_caller]
    pub(crate) fn kept() -> House {
        House::with(&[], Some(Folder::new()))
    }

    #[track_caller]
    fn with(args: &[&str], folder: Option<Folder>) -> House {
        let mut args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        args.push("--quiet".to_owned());
        if let Some(folder) = &folder {
            args.extend(["--data".to_owned(), shown(&folder.path("data"))]);
        }
        let args_now: Vec<&str> = args.iter().map(String::as_str).collect();
        let hub = Hub::start(&args_now);
        let port = hub.port();
        House { hub: Some(hub), port, args, _folder: folder }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Options for a client of it.
    pub(crate) fn options(&self) -> Options {
        to(self.port)
    }

    /// Kills it, wherever it is.
    pub(crate) fn kill(&mut self) {
        self.hub = None;
    }

    /// Sends it a signal, by its name.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        self.hub.as_ref().expect("it runs").signal(name);
    }

    /// Tells it to stop, and waits until it has.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        let mut hub = self.hub.take().expect("it runs");
        hub.signal("TERM");
        hub.ended_within(PATIENCE);
    }

    /// Starts it again. The port may be some connection's own for a moment.
    #[track_caller]
    pub(crate) fn begin(&mut self) {
        let port = self.port.to_string();
        let mut command = trappe(&["server", "--port", &port]);
        command.args(&self.args);
        for tries in 1.. {
            let started = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                Hub::launch(&mut command)
            }));
            match started {
                Ok(hub) => return self.hub = Some(hub),
                Err(why) if tries == PORT_TRIES => std::panic::resume_unwind(why),
                Err(_) => {}
            }
        }
    }
}

/// Options for a client of what listens on a port of this machine.
pub(crate) fn to(port: u16) -> Options {
    Options::new(&format!("127.0.0.1:{port}")).expect("an address")
}

/// The next event that `wanted` gives something for; those before it are dropped.
pub(crate) async fn until<T>(
    events: &mut Events,
    mut wanted: impl FnMut(&Event) -> Option<T>,
) -> T {
    let found = async {
        let mut before = Vec::new();
        while let Some(event) = events.next().await {
            if let Some(found) = wanted(&event) {
                return found;
            }
            before.push(event);
        }
        panic!("it never came; these did: {before:#?}");
    };
    timeout(2 * PATIENCE, found).await.expect("it comes in time")
}

/// The next message's text.
pub(crate) async fn said(events: &mut Events) -> String {
    until(events, |event| match event {
        Event::Message(message) => Some(message.text().into_owned()),
        _ => None,
    })
    .await
}

/// What somebody heard in a room: it holds what a receiver was promised, or fails.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// The last number of each life of the room, by epoch.
    last: BTreeMap<String, u64>,
    /// What was heard, and how often.
    pub(crate) texts: BTreeMap<String, usize>,
    pub(crate) reconnects: u32,
}

impl Heard {
    /// In the room's order, and no gap that misses something.
    #[track_caller]
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Message(message) => {
                let last = self.last.entry(message.position.epoch.clone()).or_default();
                let seq = message.position.seq;
                assert!(seq > *last, "{seq} comes after {last}: {message:?}");
                *last = seq;
                *self.texts.entry(message.text().into_owned()).or_default() += 1;
            }
            Event::Gap(gap) => {
                assert!(!gap.misses_something(), "{gap:?}");
            }
            Event::Connected(connected) if connected.resumed => self.reconnects += 1,
            _ => {}
        }
    }

    /// Nothing was passed on twice.
    #[track_caller]
    pub(crate) fn check_once(&self) {
        let twice: Vec<_> = self.texts.iter().filter(|&(_, &times)| times > 1).collect();
        assert!(twice.is_empty(), "passed on twice: {twice:?}");
    }
}

/// A bound for what has to be quick.
pub(crate) async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE + Duration::from_secs(5), what).await.expect("it comes in time")
}
