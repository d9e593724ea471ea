//! HTTP on the same port: the API, streams of events, WebSocket upgrades, metrics (PROTOCOL §8).
//!
//! A connection comes here with the first bytes of a request. Its head is checked strictly ([`head`]) before anything
//! else sees it; then an upgrade or a stream of events makes it a member like any other, whose bytes its worker's pump
//! writes ([`join`]); everything else is one request and one answer ([`api`]), and the connection is closed.

pub(crate) mod head;

mod answer;
mod api;
mod connect;
mod echo;
mod guard;
mod io;
mod join;
mod live;
mod metrics;
mod page;
mod posted;
mod query;
mod route;

use std::{
    convert::Infallible,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use tokio::time::timeout;
use trappe_core::{
    limits::{HTTP_FIELDS, HTTP_HEAD, HTTP_HEAD_BYTES, HTTP_REQUEST},
    message::Position,
    room::item::Item,
};

pub(crate) use self::guard::Guard;
pub(crate) use self::metrics::HistoryCounts;
use self::{
    head::{Head, Length, Look},
    io::Io,
    live::Live,
    posted::Posted,
    route::Route,
};
use crate::{
    net::stream::OwnedReadHalf,
    server::{
        Shared,
        conn::Conn,
        mail::Mail,
        metrics::Transport,
        pool::Share,
        reader::{self, After, Reader},
        spawn,
        sync::Mutex,
        voice,
    },
};

/// What is particular to HTTP in a server.
#[derive(Debug, Default)]
pub(crate) struct Http {
    pub(crate) guard: Guard,
    /// Serves `/echo`, for test suites.
    pub(crate) echo: bool,
    /// What was posted under an idempotency key lately.
    posted: Mutex<Posted>,
}

impl Http {
    pub(crate) fn new(guard: Guard, echo: bool) -> Http {
        Http { guard, echo, ..Http::default() }
    }

    /// What was posted in an earlier life of the server.
    pub(crate) fn remember(&self, key: &str, said: [u8; 32], position: Position) {
        self.posted.lock().note(std::time::Duration::ZERO, key, said, position);
    }
}

/// A connection whose first bytes are an HTTP request's.
pub(crate) fn start(shared: &Arc<Shared>, conn: &Arc<Conn>, half: OwnedReadHalf, bytes: Vec<u8>) {
    conn.set_transport(Transport::Http);
    let (shared, conn) = (Arc::clone(shared), Arc::clone(conn));
    spawn(async move {
        let task = Task { shared, conn, done: false };
        task.run(half, bytes).await;
    });
}

/// What a request comes to.
enum Outcome {
    /// The connection goes on as this.
    After(After),
    /// It is told of the hub until it goes; that has no end in time.
    Live(Box<Live>),
}

/// One request's task.
struct Task {
    shared: Arc<Shared>,
    conn: Arc<Conn>,
    done: bool,
}

impl Task {
    async fn run(mut self, half: OwnedReadHalf, bytes: Vec<u8>) {
        let mut io = Io::new(Arc::clone(&self.shared), Arc::clone(&self.conn), half, bytes);
        let served = timeout(HTTP_REQUEST, self.request(&mut io)).await;
        let after = match served.unwrap_or(Outcome::After(After::End)) {
            Outcome::After(after) => after,
            Outcome::Live(live) => {
                live.run(&self.shared, &mut io).await;
                After::End
            }
        };
        if matches!(after, After::End) {
            self.shared.metrics.connected(Transport::Http);
        }
        self.done = true;
        let (shared, conn) = (Arc::clone(&self.shared), Arc::clone(&self.conn));
        // A task of its own: what a request needed is far more than what a member does.
        spawn(Reader::after(shared, conn, io.into_half(), after));
    }

    async fn request(&self, io: &mut Io) -> Outcome {
        let load = Share::new(&self.shared.pool, &self.conn);
        let head = match timeout(HTTP_HEAD, read_head(io, &load)).await {
            Ok(Some(Ok(head))) => head,
            Ok(Some(Err(bad))) => return Outcome::After(self.refuse(bad.status, bad.code)),
            // Nobody is left to be told.
            Ok(None) => return Outcome::After(After::End),
            Err(_late) => return Outcome::After(self.refuse(408, "too-slow")),
        };
        match self.route(&head, io, &load).await {
            Ok(outcome) => outcome,
            Err(after) => Outcome::After(after),
        }
    }

    /// Does what is asked for, if it may be.
    async fn route(&self, head: &Head, io: &mut Io, load: &Share) -> Result<Outcome, After> {
        let http = &self.shared.http;
        let browser = head.header("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
        if let Some(from) = self.conn.peer.ip().filter(|_| browser) {
            self.shared.browsers.asked(self.shared.now(), from);
        }
        if let Err((status, code)) = self.check(head) {
            return Err(self.deny(head, status, code));
        }
        // hyper has no number for such a length, and would speak of the head.
        if matches!(head.length, Length::Bytes(bytes) if bytes > u64::MAX / 2) {
            let lang = api::lang_of(head, self.shared.defaults.look.lang);
            return Err(self.say(&api::too_long(lang, self.shared.defaults.message_bytes), head));
        }
        let route = Route::of(head, http.echo);
        let is_page = matches!(route, Ok(Route::Root | Route::Connect(_)));
        if !is_page && guard::is_from_elsewhere(head) {
            return Err(self.deny(head, 403, "origin-not-allowed"));
        }
        let after = match route {
            Ok(Route::WebSocket) if route::is_get(head) => {
                match join::websocket(&self.shared, &self.conn, head, io) {
                    Ok(after) => after,
                    Err(answer) => self.say(&answer, head),
                }
            }
            Ok(Route::Echo) if route::is_get(head) => match echo::serve(head, io).await {
                Ok(()) => After::End,
                Err(answer) => self.say(&answer, head),
            },
            Ok(Route::Events(room)) if head.method == http::Method::GET => {
                match join::events(&self.shared, &self.conn, head, &room) {
                    Ok(after) => after,
                    Err(answer) => self.say(&answer, head),
                }
            }
            Ok(route @ (Route::Live | Route::Tap)) if route::is_get(head) => {
                self.may_watch(head).map_err(|(status, code)| self.deny(head, status, code))?;
                match live::open(&self.shared, head, route == Route::Live) {
                    Ok(live) => return Ok(Outcome::Live(Box::new(live))),
                    Err(answer) => self.say(&answer, head),
                }
            }
            route => {
                self.serve(io, head, route, load).await;
                After::End
            }
        };
        Ok(Outcome::After(after))
    }

    /// Whether this machine asks, for what no other one may know; and whether it is served at all.
    fn may_watch(&self, head: &Head) -> Result<(), (u16, &'static str)> {
        if !self.shared.only.http {
            return Err((403, "not-here"));
        }
        if !api::is_here(&self.conn, head) {
            return Err((403, "local-only"));
        }
        // A page that may talk may not watch, nor take the places of those who do.
        let host = head.host.as_deref().unwrap_or_default();
        if !Guard::default().origin_ok(head.header("origin"), host) {
            return Err((403, "origin-not-allowed"));
        }
        Ok(())
    }

    /// Who may ask at all: PROTOCOL §8.
    fn check(&self, head: &Head) -> Result<(), (u16, &'static str)> {
        if head.header("expect").is_some_and(|it| !it.eq_ignore_ascii_case("100-continue")) {
            return Err((417, "expectation-failed"));
        }
        let guard = &self.shared.http.guard;
        if guard::is_forwarded(head) && !self.shared.open {
            return Err((403, "local-only"));
        }
        if let Some(host) = &head.host
            && !guard.host_ok(host)
        {
            return Err((403, "host-not-allowed"));
        }
        let host = head.host.as_deref().unwrap_or_default();
        let mut origins = head.all("origin");
        let origin = origins.next().map(|origin| str::from_utf8(origin).unwrap_or("null"));
        if origins.next().is_some() || !guard.origin_ok(origin, host) {
            return Err((403, "origin-not-allowed"));
        }
        Ok(())
    }

    /// One request and one answer, by hyper, which reads the body and writes the answer.
    async fn serve(
        &self,
        io: &mut Io,
        head: &Head,
        route: Result<Route, route::Unrouted>,
        load: &Share,
    ) {
        let (shared, conn, route) = (&self.shared, &self.conn, &route);
        let service = service_fn(async |request: hyper::Request<Incoming>| {
            let body = Body { incoming: request.into_body(), load };
            let answer = api::answer(shared, conn, head, route, body).await;
            load.set(answer.len());
            shared.metrics.answered(answer.status);
            Ok::<_, Infallible>(answer.into_response(head))
        });
        io.rewind();
        let served = http1::Builder::new()
            .keep_alive(false)
            .half_close(true)
            .header_read_timeout(None)
            .max_headers(HTTP_FIELDS)
            // Its clock is the system's, and no seed's.
            .auto_date_header(cfg!(not(sim)))
            .max_buf_size(2 * HTTP_HEAD_BYTES)
            .serve_connection(io, service)
            .without_shutdown()
            .await;
        if let Err(error) = served {
            tracing::debug!(peer = %self.conn.peer, %error, "an HTTP request came to no good end");
        }
    }

    /// An answer to what no parser is to see.
    fn refuse(&self, status: u16, code: &'static str) -> After {
        let answer = answer::Answer::error(self.shared.defaults.look.lang, status, code);
        self.write(status, answer.to_bytes(None, true))
    }

    /// An answer to who may not ask; no origin is let in to read it.
    fn deny(&self, head: &Head, status: u16, code: &'static str) -> After {
        let lang = api::lang_of(head, self.shared.defaults.look.lang);
        let answer = answer::Answer::error(lang, status, code);
        self.write(status, answer.to_bytes(None, head.method != http::Method::HEAD))
    }

    fn say(&self, answer: &answer::Answer, head: &Head) -> After {
        let body = head.method != http::Method::HEAD;
        self.write(answer.status, answer.to_bytes(Some(head), body))
    }

    fn write(&self, status: u16, bytes: Vec<u8>) -> After {
        self.shared.metrics.answered(status);
        voice::send(&self.shared, &self.conn, Item::Bytes(bytes.into()));
        After::End
    }
}

impl Drop for Task {
    /// Only after a panic, or at the very end of the process, is anything left to do: the connection ends.
    fn drop(&mut self) {
        if !self.done {
            if std::thread::panicking() {
                tracing::error!("an HTTP request's task panicked: its connection ends");
                self.shared.metrics.panicked();
            }
            let conn = || Arc::clone(&self.conn);
            if self.conn.number() != 0 {
                self.shared.depart(&mut self.shared.hub.lock(), self.shared.now(), &self.conn);
            }
            self.shared.posts.to(&self.conn, Mail::Finish(conn(), Vec::new(), Bytes::new()));
            self.shared.posts.to(&self.conn, Mail::ReaderGone(conn(), false));
        }
    }
}

/// Reads until the head is whole, or can't become one. None: the stream ended before.
async fn read_head(io: &mut Io, load: &Share) -> Option<Result<Head, head::Bad>> {
    loop {
        match head::look(io.bytes()) {
            Look::Whole(head, len) => {
                io.set_head(len);
                return Some(Ok(head));
            }
            Look::Bad(bad) => return Some(Err(bad)),
            Look::More => {}
        }
        if !poll_fn(|cx| io.fill(cx)).await {
            return None;
        }
        load.set(io.bytes().len());
    }
}

/// The body of a request.
struct Body<'a> {
    incoming: Incoming,
    load: &'a Share,
}

/// One read. That of a connection which is being stopped, or which holds the most when all hold too much, is its end.
fn read(
    shared: &Shared,
    conn: &Conn,
    half: &mut OwnedReadHalf,
    cx: &mut Context<'_>,
    most: usize,
    take: impl FnOnce(&[u8]),
) -> Poll<bool> {
    conn.set_waker(cx.waker());
    let count = |bytes: &[u8]| {
        shared.metrics.worker(conn.worker).bytes_in(bytes.len() as u64);
        take(bytes);
    };
    if conn.take_evicted() {
        return Poll::Ready(false);
    }
    let read = reader::read(half, cx, most, count);
    if read.is_pending() && conn.is_ending() { Poll::Ready(false) } else { read }
}
