//! The hub as a process: how it starts, how it stops in good order, and how it is killed.

use std::{path::Path, sync::Arc};

use tokio::time::interval;
use trappe_core::keep::Keep;

use super::{
    net,
    process::{self, End, Threads},
};
use crate::{
    net::listen::Listener,
    server::{Config, Only, Options, SWEEP, Shared, StartError, drain, simulated, work},
};

/// A hub for a simulated world: nothing is printed, no datagrams, history as soon as there is a folder for it. What is
/// to be different is set in what this returns.
pub(crate) fn config(workers: usize) -> Config {
    Config {
        port: None,
        only: Only { udp: false, ..Only::default() },
        workers,
        keep: Keep::default(),
        keep_total: Keep::default(),
        ..Options::new().english(true).config()
    }
}

/// A hub that runs. Dropped, it is killed.
pub(crate) struct Hub {
    shared: Arc<Shared>,
    threads: Option<Threads>,
    /// Ready once all workers, and the history's writer, have ended: the drain waits for it.
    ends: Option<Ends>,
}

/// What waits for the ends of threads.
struct Ends {
    workers: Vec<End>,
    writer: Option<End>,
}

impl Hub {
    /// Starts one, which keeps what is said in `folder`, if there is one. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// What is in the folder can't be used.
    pub(crate) fn start(mut config: Config, folder: Option<&Path>) -> Result<Hub, StartError> {
        let mut threads = Threads::new();
        config.history = folder.is_some();
        config.data = folder.map(Path::to_owned);
        let (shared, restored) = simulated(&config)?;
        if let (Some(restored), Some(folder)) = (&restored, folder) {
            // A server prints them.
            restored.lines(config.lang, folder).iter().for_each(|line| tracing::info!("{line}"));
        }
        let mut listener = Some(Listener::Sim(net::listen()));
        let writer = restored.map(|restored| {
            let (archivist, writer) = restored.work(&shared);
            // Nobody waits for the archivist.
            drop(threads.start(archivist));
            threads.start(writer)
        });
        let workers = (0..config.workers).map(|number| {
            let listeners = listener.take().into_iter().collect();
            let work = work(Arc::clone(&shared), number, listeners, Vec::new());
            threads.start(work)
        });
        let ends = Ends { workers: workers.collect(), writer };
        let sweeps = Arc::clone(&shared);
        drop(threads.start(async move {
            let mut sweep = interval(SWEEP);
            loop {
                sweep.tick().await;
                sweeps.sweep();
            }
        }));
        Ok(Hub { shared, threads: Some(threads), ends: Some(ends) })
    }

    /// What all parts of it share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Ends it at once, as `kill -9` does: its kernel closes its sockets. Or, by chance, as a machine does that loses
    /// its power: its connections are reset. What it has written to the disk is the disk's to keep, which must be
    /// told before.
    pub(crate) fn kill(self) {
        if process::toss() {
            net::reset_all();
        }
        drop(self);
    }

    /// Stops it in good order: what was accepted is delivered, and kept. Ready also when it dies meanwhile. Dropped
    /// before it is ready, it kills the hub.
    pub(crate) async fn stop(mut self) {
        let ends = self.ends.take().expect("it is stopped once");
        let shared = Arc::clone(&self.shared);
        let threads = self.threads.as_mut().expect("it runs");
        // On a thread of its own, so that it is killed with the others.
        let drained = threads.start(async move {
            let workers = async {
                for worker in ends.workers {
                    worker.await;
                }
            };
            drain(&shared, workers, ends.writer).await;
        });
        tokio::select! {
            biased;
            () = drained => {}
            () = process::frozen() => {}
        }
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            threads.kill();
        }
        // Connections that were under way to a worker are in its mailbox.
        for post in &self.shared.posts.workers {
            drop(post.take_all());
        }
    }
}

#[cfg(test)]
mod tests;
