//! One request and one answer.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use tokio::time::timeout;
use trappe_core::{
    command::Lang,
    hub::HubError,
    limits::{
        HTTP_HISTORY, HTTP_HISTORY_BYTES, HTTP_SLOWED, IDEMPOTENCY_KEY_BYTES, SEARCH_DEFAULT,
        SEARCH_MAX,
    },
    message::{Author, Entry, Position, PostKey, Tag},
    name::Name,
    reply,
    room::page as history,
    words::say,
};

use super::{
    Body,
    answer::Answer,
    connect::{self, Place},
    guard::{self, Authority},
    head::{Head, Length},
    metrics::{self, Form, Gauges},
    page,
    posted::{self, Known},
    query::Query,
    route::{Route, Unrouted},
};
use crate::server::{Shared, conn::Conn, room::Room};

/// The answer to a request that is neither an upgrade nor a stream of events.
pub(super) async fn answer(
    shared: &Arc<Shared>,
    conn: &Conn,
    head: &Head,
    route: &Result<Route, Unrouted>,
    body: Body<'_>,
) -> Answer {
    let lang = lang_of(head, shared.defaults.look.lang);
    let error = |status, code| Answer::error(lang, status, code);
    let route = match route {
        Ok(route) => route,
        Err(Unrouted::NotFound) => return error(404, "not-found"),
        Err(Unrouted::BadRoom) => return error(404, "bad-room"),
        Err(Unrouted::Method(allowed)) => {
            return error(405, "method-not-allowed").with("allow", *allowed);
        }
    };
    if head.method == Method::OPTIONS {
        return options(route, head);
    }
    let is_socket = matches!(route, Route::WebSocket);
    if !(if is_socket { shared.only.ws } else { shared.only.http }) {
        return error(403, "not-here");
    }
    if route.is_private() && !is_here(conn, head) {
        return error(403, "local-only");
    }
    match route {
        Route::Messages(room) if head.method == Method::POST => {
            match post(shared, conn, head, lang, room, body).await {
                Ok(answer) | Err(answer) => answer,
            }
        }
        Route::Messages(room) => messages(shared, head, lang, room).await,
        Route::Events(_) | Route::Live | Route::Tap => {
            Answer::new(200, "text/event-stream", Bytes::new())
        }
        Route::WebSocket => error(426, "upgrade-required").with("upgrade", "websocket"),
        Route::Echo => error(404, "not-found"),
        Route::Metrics => {
            let rooms = shared.hub.lock().rooms().count as u64;
            let accept: Vec<_> = head.list("accept").collect();
            let form = Form::asked(Some(&accept.join(",")));
            let history = shared.posts.history.as_ref().map(|history| history.counts());
            let gauges = Gauges { rooms, kept_bytes: shared.kept_bytes(), history };
            Answer::new(200, form.content_type(), metrics::page(form, &shared.metrics, gauges))
        }
        Route::Healthy | Route::Ready => {
            let stopping = conn.is_ending() && matches!(route, Route::Ready);
            let (status, word) = if stopping { (503, "stopping\n") } else { (200, "ok\n") };
            Answer::new(status, "text/plain; charset=utf-8", word)
        }
        Route::Root if wants_html(head) => page::document(lang, is_here(conn, head)),
        Route::Root => clients(shared, head, lang, None),
        Route::Page(file) => page::file(head, file).unwrap_or_else(|| error(404, "not-found")),
        Route::Words(file) => page::words(head, file).unwrap_or_else(|| error(404, "not-found")),
        Route::Connect(file) => clients(shared, head, lang, file.as_deref()),
        Route::Hub => Answer::empty(204),
    }
}

/// Whether it is this machine that asks, and no proxy on it for somebody else.
pub(super) fn is_here(conn: &Conn, head: &Head) -> bool {
    conn.peer.is_local() && !guard::is_forwarded(head)
}

/// What may be asked; to a browser, from which pages.
fn options(route: &Route, head: &Head) -> Answer {
    let answer = Answer::empty(204).with("allow", route.allowed());
    if head.header("origin").is_none() {
        return answer;
    }
    answer
        .with("access-control-allow-methods", route.allowed())
        .with(
            "access-control-allow-headers",
            "Content-Type, X-Trappe, X-Trappe-Name, Idempotency-Key, Last-Event-ID",
        )
        .with("access-control-max-age", "600")
}

/// The language that the request likes best, of those that there are.
pub(super) fn lang_of(head: &Head, otherwise: Lang) -> Lang {
    let mut tags = head.list("accept-language").map(|tag| tag.trim().get(..2).unwrap_or_default());
    tags.find_map(|tag| tag.parse().ok()).unwrap_or(otherwise)
}

/// Says something in a room.
async fn post(
    shared: &Arc<Shared>,
    conn: &Conn,
    head: &Head,
    lang: Lang,
    room: &Name,
    body: Body<'_>,
) -> Result<Answer, Answer> {
    let error = |status, code| Answer::error(lang, status, code);
    if !guard::may_change(head) {
        return Err(error(415, "content-type"));
    }
    let key = head.header("idempotency-key").filter(|key| !key.is_empty());
    if key.is_some_and(|key| key.len() > IDEMPOTENCY_KEY_BYTES) {
        return Err(error(400, "idempotency-key"));
    }
    let author = author(shared, head, lang, key.is_some())?;
    let most = shared.defaults.message_bytes;
    // Who announces too much is told before it has sent it.
    let announced = matches!(head.length, Length::Bytes(bytes) if bytes > most as u64);
    let body = if announced { Err("too-long") } else { read(body, most).await };
    let body = body.map_err(|code| match code {
        "too-long" => {
            shared.reject(conn);
            too_long(lang, most)
        }
        code => error(400, code),
    })?;
    if body.is_empty() {
        return Err(error(400, "empty"));
    }
    let open = || shared.open_room(room).map_err(|why| unopened(lang, room, &why));
    let waits_in = open()?;
    // Whoever posts is slowed as every other sender is; but not for ever, and not while the server stops.
    let slowed = poll_fn(|cx| {
        conn.set_waker(cx.waker());
        let waker = || cx.waker().clone();
        if conn.is_ending() {
            Poll::Ready(false)
        } else if shared.posts.history.as_ref().is_some_and(|history| history.must_wait(waker))
            || waits_in.tail.must_wait(sender_of(conn), NO_WORKER, waker)
        {
            Poll::Pending
        } else {
            Poll::Ready(true)
        }
    });
    if timeout(HTTP_SLOWED, slowed).await != Ok(true) {
        return Err(error(503, "pressed").with("retry-after", "1"));
    }
    let now = shared.now();
    // It may have been forgotten meanwhile, and made again.
    let room = open()?;
    let position = match key {
        None => speak(shared, conn, now, &room, author, None, &body).map_err(taken(lang))?,
        Some(key) => {
            let who = author.to_string();
            let said = posted::said([room.name().as_str().as_bytes(), who.as_bytes(), &body]);
            // Held until the key is noted: the same request may come again at this very moment.
            let mut posted = shared.http.posted.lock();
            match posted.look(now, key, &said) {
                Known::Said(position) => position,
                Known::Other => return Err(error(422, "idempotency-mismatch")),
                Known::Full => return Err(error(503, "idempotency-full").with("retry-after", "5")),
                Known::No => {
                    let tag = Tag::Key(Arc::new(PostKey { key: key.into(), digest: said }));
                    let position = speak(shared, conn, now, &room, author, Some(tag), &body)
                        .map_err(taken(lang))?;
                    posted.note(now, key, said, position);
                    position
                }
            }
        }
    };
    if let (Some(history), Some(kept)) = (&shared.posts.history, &room.kept)
        && !history.is_stored(kept, position).await
    {
        return Err(Answer::refusal(507, "not-stored", &reply::not_stored(lang, position)));
    }
    let Position { seq, epoch } = position;
    Ok(Answer::json(201, format!("{{\"seq\":{seq},\"epoch\":\"{epoch}\"}}").into_bytes()))
}

/// Who posts is no member of the room, on any worker.
const NO_WORKER: usize = usize::MAX;

/// What tells apart those who post: no member ever has such a number.
fn sender_of(conn: &Conn) -> u64 {
    1 << 63 | (conn.worker as u64) << 32 | u64::from(conn.slot)
}

/// Says it, unless somebody has taken the name meanwhile: then that name is given back.
fn speak(
    shared: &Shared,
    conn: &Conn,
    now: Duration,
    room: &Arc<Room>,
    author: Author,
    tag: Option<Tag>,
    body: &[u8],
) -> Result<Position, Name> {
    // Held until it is said: nobody takes the name in between. Nobody can be called `http`.
    let chosen = author.name.clone().filter(|name| *name != Name::http());
    let hub = chosen.as_ref().map(|_| shared.hub.lock());
    if let (Some(name), Some(hub)) = (chosen, &hub)
        && !hub.is_free(&name)
    {
        return Err(name);
    }
    let appended = shared.append(conn.worker, room, now, Entry::speech(author, tag, body));
    drop(hub);
    shared.metrics.worker(conn.worker).messages(1);
    Ok(room.life.position(appended.seq))
}

/// Who says what is posted: `http`, or a name that nobody bears.
///
/// `may_be_said`: it may have been said already, when the name was free; that is seen when it is to be said.
fn author(shared: &Shared, head: &Head, lang: Lang, may_be_said: bool) -> Result<Author, Answer> {
    let Some(given) = head.header("x-trappe-name") else {
        return Ok(Author { number: 0, name: Some(Name::http()) });
    };
    let name = Name::parse(given)
        .map_err(|why| Answer::refusal(400, why.code(), &reply::bad_name(lang, &why)))?;
    if !may_be_said && !shared.hub.lock().is_free(&name) {
        return Err(taken(lang)(name));
    }
    Ok(Author { number: 0, name: Some(name) })
}

/// Somebody bears the name.
fn taken(lang: Lang) -> impl Fn(Name) -> Answer {
    move |name| {
        let text = say(lang, "name-taken-bare", &[("name", name.as_str().into())]);
        Answer::refusal(409, "name-taken", &text)
    }
}

/// A body of more than `most` bytes.
pub(super) fn too_long(lang: Lang, most: usize) -> Answer {
    Answer::refusal(413, "too-long", &say(lang, "too-long", &[("limit", most.into())]))
}

/// The whole body, if it isn't longer than `most`. An error's code otherwise.
async fn read(mut body: Body<'_>, most: usize) -> Result<Bytes, &'static str> {
    let mut whole = Vec::new();
    while let Some(frame) = body.incoming.frame().await {
        // Trailers say nothing that anybody asks for.
        let Ok(data) = frame.map_err(|_| "bad-body")?.into_data() else { continue };
        if whole.len() + data.len() > most {
            return Err("too-long");
        }
        whole.extend_from_slice(&data);
        body.load.set(whole.len());
    }
    Ok(whole.into())
}

/// Objects of JSON, one a line.
const NDJSON: &str = "application/x-ndjson";

/// What was said in a room, a page of it; or where words were said.
async fn messages(shared: &Arc<Shared>, head: &Head, lang: Lang, name: &Name) -> Answer {
    let query = match Query::parse(head.target.query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(bad) => return Answer::refusal(400, bad.code(), &bad.sentence(lang)),
    };
    let Some((name, room)) = known_room(shared, name) else {
        let text = say(lang, "no-such-room", &[("room", name.as_str().into())]);
        return Answer::refusal(404, "no-such-room", &text);
    };
    if let Some(words) = query.words {
        let (Some(history), Some(_)) = (&shared.posts.history, &room.kept) else {
            return Answer::refusal(404, "no-search", &say(lang, "no-search", &[]));
        };
        let count = query.limit.unwrap_or(SEARCH_DEFAULT).min(SEARCH_MAX);
        let found = history.find(&room, words.into(), count).await;
        let lines = found.map(|batch| history::found(&batch)).unwrap_or_default();
        return Answer::new(200, NDJSON, lines);
    }
    let limit = query.limit.unwrap_or(HTTP_HISTORY).min(HTTP_HISTORY);
    let view = room.read(&shared.posts);
    let begins = history::begins(&view, query.after);
    let stored = match &shared.posts.history {
        Some(history) if begins.stored != 0 => {
            let to = view.seq_from(begins.from);
            history.page(&room, begins.stored, to, limit).await
        }
        _ => Vec::new(),
    };
    let page = history::page(&view, query.after, (limit, HTTP_HISTORY_BYTES), &stored);
    let answer = Answer::new(200, NDJSON, page.lines);
    match page.next {
        None => answer,
        Some(next) => {
            let room = percent_encoding::utf8_percent_encode(
                name.as_str(),
                percent_encoding::NON_ALPHANUMERIC,
            );
            let link = format!("</rooms/{room}/messages?after={next}&limit={limit}>; rel=\"next\"");
            answer.with("link", link)
        }
    }
}

/// The room of that name: one that is open, or that is on disk.
fn known_room(shared: &Shared, name: &Name) -> Option<(Name, Arc<Room>)> {
    let open = shared.hub.lock().room_named(name.as_str());
    if let Some((_, name, room)) = open {
        return Some((name, room));
    }
    if !shared.posts.history.as_ref()?.knows(name) {
        return None;
    }
    let room = shared.open_room(name).ok()?;
    Some((room.name().clone(), room))
}

/// There can't be a room of that name.
pub(super) fn unopened(lang: Lang, room: &Name, why: &HubError) -> Answer {
    let (code, text) = reply::hub_error(lang, room, why);
    Answer::refusal(503, code, &text)
}

/// Whether it is a browser that asks, for something to show.
fn wants_html(head: &Head) -> bool {
    head.list("accept").any(|kind| kind.trim().starts_with("text/html"))
}

/// Ready-made clients for this very hub.
fn clients(shared: &Shared, head: &Head, lang: Lang, file: Option<&str>) -> Answer {
    let query = match Query::parse(head.target.query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(bad) => return Answer::refusal(400, bad.code(), &bad.sentence(lang)),
    };
    let authority = head.host.as_deref().and_then(Authority::parse);
    let host = authority.as_ref().map_or_else(|| "localhost".to_owned(), |a| a.host.to_string());
    let port = authority.and_then(|authority| authority.port).unwrap_or(shared.port);
    let room = query.room.unwrap_or_else(|| shared.lobby().name().clone());
    let udp = shared.speaks_udp;
    let place = Place { host: &host, port, room: room.as_str(), lang, udp };
    let Some(file) = file else {
        return if wants_html(head) {
            Answer::new(200, "text/html; charset=utf-8", connect::html(&place))
        } else {
            Answer::new(200, "text/plain; charset=utf-8", connect::page(&place))
        };
    };
    match connect::snippet(file, &place) {
        Some(snippet) => Answer::new(200, snippet.content_type, snippet.body)
            .with("content-disposition", format!("inline; filename=\"{}\"", snippet.file_name)),
        None => Answer::error(lang, 404, "not-found"),
    }
}
