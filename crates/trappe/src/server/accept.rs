//! The acceptors, one for an address: tasks of the first worker, which hand every connection to a worker in turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::task::JoinSet;
use trappe_core::words::say;

use super::{Shared, mail::Mail};
use crate::net::{
    address::Peer,
    listen::{self, Listener},
    stream::Accepted,
};

/// Starts the acceptors. A TCP connection of worker 0 stays as it is and comes as [`Mail::Mine`]; the others leave its
/// reactor and go to their workers.
pub(super) fn start(shared: &Arc<Shared>, listeners: Vec<Listener>) -> JoinSet<()> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut acceptors = JoinSet::new();
    for listener in listeners {
        let (shared, next) = (Arc::clone(shared), Arc::clone(&next));
        let accept = async move {
            let take = |stream, peer| hand_out(&shared, &next, stream, peer);
            let Err(error) =
                listen::accept(listener, take, |stream| refuse_full(&shared, stream)).await;
            tracing::error!(%error, "can't wait for connections: nobody can connect");
        };
        #[cfg(not(sim))]
        acceptors.spawn(accept);
        #[cfg(sim)]
        acceptors.spawn_local(accept);
    }
    acceptors
}

fn hand_out(shared: &Shared, next: &AtomicUsize, stream: Accepted, peer: Peer) {
    let workers = &shared.posts.workers;
    let worker = next.fetch_add(1, Relaxed) % workers.len();
    let stream = match stream {
        Accepted::Here(stream) if worker == 0 => {
            return workers[0].send(Mail::Mine(stream, peer));
        }
        Accepted::Here(stream) => stream.into_std(),
        Accepted::Nowhere(stream) => Ok(stream),
    };
    match stream {
        Ok(stream) => workers[worker].send(Mail::Accepted(stream, peer)),
        Err(error) => tracing::warn!(%peer, %error, "can't hand a connection over: closed"),
    }
}

/// At the limit of open files: one line to who wanted in, and one to the log.
fn refuse_full(shared: &Shared, stream: &Accepted) {
    let look = shared.defaults.look;
    let mut out = Vec::new();
    look.error(&mut out, "full", &say(look.lang, "full-descriptors", &[]));
    // It is refused anyway: whether it hears why is up to it.
    let _unheard = stream.send(&out);
    if shared.first_in_a_minute(&shared.full_logged_us) {
        let limit = shared.files.into();
        tracing::warn!("{}", say(look.lang, "full-descriptors-log", &[("limit", limit)]));
    }
}
