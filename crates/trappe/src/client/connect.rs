//! Connecting: every address that a name resolves to, without waiting for those that don't answer (RFC 8305, "happy eyeballs").

use std::{
    collections::VecDeque,
    io,
    net::{self, SocketAddr},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::{Instant, timeout},
};
use trappe_core::limits::{KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES};

use super::address::{Address, interleave};

/// How long an attempt stays alone before the next address is tried beside it (RFC 8305 §5).
pub(crate) const STAGGER: Duration = Duration::from_millis(250);
/// How long connecting may take in all, the name's resolution included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How many addresses of a name are tried at most.
pub(crate) const ADDRESSES_MAX: usize = 64;

/// A connection to a hub.
#[derive(Debug)]
pub(crate) struct Reached<S> {
    /// What was asked for: a stream with Nagle's algorithm off and keepalive on, or a member by datagrams.
    pub(crate) stream: S,
    /// How long the hub took to answer: about one round trip.
    pub(crate) took: Duration,
}

/// Why there is no connection. Each has tried every address, for as long as [`CONNECT_TIMEOUT`] allows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ReachError {
    /// The name has no address.
    #[error("can't resolve {host}")]
    Unresolved {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// At least one address answered, and nothing listens there.
    #[error("connection to {address} refused")]
    Refused {
        /// What was asked for.
        address: Address,
    },
    /// No answer in time.
    #[error("no answer from {address}")]
    TimedOut {
        /// What was asked for.
        address: Address,
    },
    /// Anything else: no route, not permitted, no descriptors.
    #[error("can't connect to {address}")]
    Failed {
        /// What was asked for.
        address: Address,
        /// What the system said of the last address.
        source: io::Error,
    },
}

/// Connects to the first address of `to` that answers.
///
/// The others' attempts are dropped, and their sockets closed, before this returns.
///
/// # Errors
/// No address, or none that answers: see [`ReachError`].
pub(crate) async fn connect(to: &Address) -> Result<Reached<TcpStream>, ReachError> {
    in_time(to, async {
        race(resolve(to).await?, attempt).await.map_err(|failures| describe(failures, to))
    })
    .await
}

/// [`connect`] for a program without an async runtime; the stream blocks. Not to be called from inside one.
///
/// # Errors
/// As [`connect`].
pub(crate) fn connect_blocking(to: &Address) -> Result<Reached<net::TcpStream>, ReachError> {
    blocking(to, async {
        let Reached { stream, took } = connect(to).await?;
        let stream = stream.into_std().map_err(|source| failed(to, source))?;
        stream.set_nonblocking(false).map_err(|source| failed(to, source))?;
        Ok(Reached { stream, took })
    })
}

/// Does `what` in a runtime of its own, which ends with it.
pub(super) fn blocking<T>(
    to: &Address,
    what: impl Future<Output = Result<T, ReachError>>,
) -> Result<T, ReachError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| failed(to, source))?;
    let done = runtime.block_on(what);
    // A resolver that hangs has its own thread and no deadline: nobody waits for it.
    runtime.shutdown_background();
    done
}

/// `what`, unless it takes longer than [`CONNECT_TIMEOUT`].
pub(super) async fn in_time<T>(
    to: &Address,
    what: impl Future<Output = Result<T, ReachError>>,
) -> Result<T, ReachError> {
    let done = timeout(CONNECT_TIMEOUT, what).await;
    done.unwrap_or_else(|_| Err(ReachError::TimedOut { address: to.clone() }))
}

/// The addresses of `to`, in the order in which they are tried.
pub(super) async fn resolve(to: &Address) -> Result<Vec<SocketAddr>, ReachError> {
    let resolved: Vec<SocketAddr> = tokio::net::lookup_host((to.host.as_str(), to.port))
        .await
        .map_err(|source| ReachError::Unresolved { host: to.host.clone(), source })?
        .collect();
    let mut order = interleave(&resolved);
    order.truncate(ADDRESSES_MAX);
    Ok(order)
}

pub(super) fn failed(to: &Address, source: io::Error) -> ReachError {
    ReachError::Failed { address: to.clone(), source }
}

/// The first of `order` whose `attempt` succeeds; else what went wrong with each. The other attempts are dropped before
/// this returns.
pub(super) async fn race<T, F>(
    order: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Vec<io::Error>>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = VecDeque::from(order);
    let mut attempts = JoinSet::new();
    let mut failures = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.spawn(attempt(address));
        }
        let ended = if waiting.is_empty() {
            attempts.join_next().await
        } else {
            match timeout(STAGGER, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(attempt) => match attempt.expect("an attempt neither panics nor is aborted") {
                Ok(reached) => {
                    attempts.shutdown().await;
                    return Ok(reached);
                }
                // The next address at once: this one has had its answer.
                Err(error) => failures.push(error),
            },
            None => return Err(failures),
        }
    }
}

async fn attempt(address: SocketAddr) -> io::Result<Reached<TcpStream>> {
    let began = Instant::now();
    let stream = TcpStream::connect(address).await?;
    let took = began.elapsed();
    // A port of the ephemeral range of this very machine can be one's own: TCP then connects the socket to itself.
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(Reached { stream, took })
}

/// One cause out of what went wrong with each address. A refusal says most (a machine is there, and answers), then whatever came last.
pub(super) fn describe(mut failures: Vec<io::Error>, to: &Address) -> ReachError {
    let refused = failures.iter().any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    let address = to.clone();
    match failures.pop() {
        None => ReachError::Unresolved {
            host: to.host.clone(),
            source: io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        },
        Some(_) if refused => ReachError::Refused { address },
        Some(last) if last.kind() == io::ErrorKind::TimedOut => ReachError::TimedOut { address },
        Some(source) => ReachError::Failed { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen() -> (net::TcpListener, u16) {
        let listener = net::TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        (listener, port)
    }

    fn race_blocking(order: Vec<SocketAddr>) -> Result<SocketAddr, Vec<io::Error>> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs a few descriptors");
        runtime.block_on(async {
            race(order, attempt).await.map(|c| c.stream.peer_addr().expect("it is connected"))
        })
    }

    #[test]
    fn a_hub_on_ipv4_alone_is_found_under_a_name_with_both() {
        let (listener, port) = listen();
        let to = Address { host: "localhost".to_owned(), port };
        let connected = connect_blocking(&to).expect("it listens");
        let (_, seen) = listener.accept().expect("someone connected");
        assert_eq!(connected.stream.local_addr().expect("it is connected"), seen);
    }

    #[test]
    fn an_address_that_refuses_costs_no_wait() {
        let (free, refusing) = listen();
        drop(free);
        let (_listener, port) = listen();
        let order = vec![([127, 0, 0, 1], refusing).into(), ([127, 0, 0, 1], port).into()];
        let began = Instant::now();
        assert_eq!(race_blocking(order).expect("the second listens").port(), port);
        assert!(began.elapsed() < STAGGER, "{:?}", began.elapsed());
    }

    #[test]
    fn nobody_there_is_a_refusal_that_names_what_was_asked_for() {
        let (listener, port) = listen();
        drop(listener);
        let to = Address { host: "127.0.0.1".to_owned(), port };
        match connect_blocking(&to) {
            Err(ReachError::Refused { address }) => assert_eq!(address, to),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_name_without_an_address_is_said_to_be_one() {
        // No resolver is asked for a name with a NUL: the test needs no network.
        let to = Address { host: "hub\0".to_owned(), port: 5566 };
        assert!(matches!(connect_blocking(&to), Err(ReachError::Unresolved { .. })));
    }

    #[test]
    fn a_refusal_says_more_than_what_came_last() {
        let to = Address { host: "hub".to_owned(), port: 1 };
        let error = |kind: io::ErrorKind| io::Error::from(kind);
        let refused = io::ErrorKind::ConnectionRefused;
        let unreachable = io::ErrorKind::NetworkUnreachable;
        let cases = [
            (vec![refused, unreachable], "connection to hub:1 refused"),
            (vec![unreachable], "can't connect to hub:1"),
            (vec![unreachable, io::ErrorKind::TimedOut], "no answer from hub:1"),
            (vec![], "can't resolve hub"),
        ];
        for (kinds, said) in cases {
            let failures = kinds.iter().copied().map(error).collect();
            assert_eq!(describe(failures, &to).to_string(), said, "{kinds:?}");
        }
    }
}
