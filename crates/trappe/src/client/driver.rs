//! The task that has a client's connection: it makes it, reads, writes, and makes it anew. What to do is the machine's.

use std::{io, sync::Arc};

use tokio::{io::Interest, time::sleep_until};
use trappe_core::client::Lost;

use super::{
    shared::{Link, Shared, State},
    stream::{Place, Stream},
};
use crate::random;

/// What one read takes at most.
const READ_BYTES: usize = 16 << 10;

/// Ends the client where its task ends before it, with its runtime: nobody waits for ever.
struct Guard(Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.with(|state, _| state.machine.shut());
    }
}

/// Drives a client to its end.
pub(super) async fn drive(shared: Arc<Shared>, place: Place) {
    let _guard = Guard(Arc::clone(&shared));
    loop {
        attend(&shared, |state| state.link == Link::Wanted || state.machine.has_ended()).await;
        let ended = shared.with(|state, _| {
            state.link = Link::Used;
            state.machine.has_ended()
        });
        if ended {
            return;
        }
        let connected = tokio::select! {
            connected = place.connect() => connected.map_err(Lost::Unreachable),
            () = attend(&shared, |state| state.link != Link::Used) => Err(Lost::Closed),
        };
        let why = match connected {
            Ok(stream) => {
                shared.with(|state, now| state.machine.handle_connected(now));
                talk(&shared, &stream).await
            }
            Err(why) => why,
        };
        shared.with(|state, now| state.machine.handle_lost(now, why, random::number()));
    }
}

/// Lets time pass, until something is so.
async fn attend(shared: &Shared, is_so: impl Fn(&State) -> bool) {
    loop {
        let (so, deadline) = shared.with(|state, _| (is_so(state), state.machine.poll_timeout()));
        if so {
            return;
        }
        tokio::select! {
            () = shared.wake.notified() => {}
            () = until(shared, deadline) => {
                shared.with(|state, now| state.machine.handle_timeout(now));
            }
        }
    }
}

/// Until a time of the machine, or for ever.
async fn until(shared: &Shared, deadline: Option<std::time::Duration>) {
    match deadline {
        Some(at) => sleep_until(shared.instant(at)).await,
        None => std::future::pending().await,
    }
}

/// Reads and writes until the connection ends, or is to. Gives why, as far as it shows here: what the hub said of it
/// the machine knows.
async fn talk(shared: &Shared, stream: &Stream) -> Lost {
    let mut buffer = vec![0; READ_BYTES];
    let (mut due, mut written) = (Vec::new(), 0);
    // Writing may fail while the hub's last words are still to be read: the end of reading is the end.
    let mut broken = None;
    loop {
        let (used, may_read, deadline) = shared.with(|state, now| {
            if written == due.len() && broken.is_none() {
                due = state.machine.poll_transmit().unwrap_or_default();
                written = 0;
            }
            let may_read = state.look_whether_to_read(now);
            (state.link == Link::Used, may_read, state.machine.poll_timeout())
        });
        if !used {
            return Lost::Closed;
        }
        let may_write = written < due.len() && broken.is_none();
        let interest = match (may_read, may_write) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let ready = tokio::select! {
            ready = async { stream.ready(interest.expect("it is asked for only then")).await }, if interest.is_some() => ready,
            () = shared.wake.notified() => continue,
            () = until(shared, deadline) => {
                shared.with(|state, now| state.machine.handle_timeout(now));
                continue;
            }
        };
        let ready = match ready {
            Ok(ready) => ready,
            Err(error) => return Lost::Broken(error.to_string()),
        };
        if may_write && ready.is_writable() {
            match stream.try_write(&due[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => broken = Some(error.to_string()),
            }
        }
        if may_read && (ready.is_readable() || ready.is_read_closed()) {
            match stream.try_read(&mut buffer) {
                Ok(0) => return broken.map_or(Lost::Closed, Lost::Broken),
                Ok(count) => {
                    shared.with(|state, now| state.machine.handle_bytes(now, &buffer[..count]));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Lost::Broken(error.to_string()),
            }
        }
    }
}
