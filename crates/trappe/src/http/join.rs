//! How an HTTP request makes its connection a member: by an upgrade to WebSocket, or as a stream of events.

use std::sync::Arc;

use trappe_core::{
    command::{At, Format, Lang},
    encode::{Look, Wire},
    name::Name,
    reply,
    room::item::Item,
    session::Session,
};

use super::{
    answer::Answer,
    api,
    head::{Head, Length},
    io::Io,
    query::Query,
};
use crate::{
    net::ws,
    server::{
        Shared, conn::Conn, metrics::Transport, moves, reader::After, talk::Talk, voice::Voice,
    },
};

/// The subprotocols of WebSocket, and the format of each.
const SUBPROTOCOLS: [(&str, Format); 3] = [
    ("trappe.json.v1", Format::Json),
    ("trappe.text.v1", Format::Text),
    ("trappe.raw.v1", Format::Raw),
];

/// The head of a stream of events, without the empty line after it. Without a length it ends with the connection (RFC 9112
/// §6.3). A proxy is not to keep it back.
pub(super) const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
     cache-control: no-store\r\nx-accel-buffering: no\r\nx-content-type-options: nosniff\r\n\
     connection: close\r\n";

/// Checks the opening handshake of a WebSocket (RFC 6455 §4.2.1). Gives back the value of `Sec-WebSocket-Accept`.
pub(super) fn accept(head: &Head, lang: Lang) -> Result<String, Answer> {
    if head.version != http::Version::HTTP_11 {
        return Err(Answer::error(lang, 426, "upgrade-required").with("upgrade", "websocket"));
    }
    let names =
        |field, token: &str| head.list(field).any(|it| it.trim().eq_ignore_ascii_case(token));
    if !names("upgrade", "websocket") || !names("connection", "upgrade") {
        return Err(Answer::error(lang, 426, "upgrade-required")
            .with("upgrade", "websocket")
            .with("connection", "upgrade"));
    }
    if head.header("sec-websocket-version") != Some("13") {
        return Err(Answer::error(lang, 426, "upgrade-required")
            .with("upgrade", "websocket")
            .with("sec-websocket-version", "13"));
    }
    // What is announced as a body is no frame: taken for one, it would be said in a room.
    if head.length != Length::Zero {
        return Err(Answer::error(lang, 400, "bad-upgrade"));
    }
    let key = head.header("sec-websocket-key").and_then(ws::accept_key);
    key.ok_or_else(|| Answer::error(lang, 400, "bad-upgrade"))
}

/// The answer that ends the handshake.
pub(super) fn switching(accept: &str, subprotocol: Option<&str>) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-accept: {accept}\r\n"
    );
    if let Some(subprotocol) = subprotocol {
        head.push_str("sec-websocket-protocol: ");
        head.push_str(subprotocol);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// `GET /ws`.
pub(super) fn websocket(
    shared: &Arc<Shared>,
    conn: &Arc<Conn>,
    head: &Head,
    io: &mut Io,
) -> Result<After, Answer> {
    let lang = api::lang_of(head, shared.defaults.look.lang);
    if !shared.only.ws {
        return Err(Answer::error(lang, 403, "not-here"));
    }
    let accept = accept(head, lang)?;
    let query = query(head, lang)?;
    let offered: Vec<&str> = head.list("sec-websocket-protocol").map(str::trim).collect();
    // The client lists them in its order of preference (RFC 6455 §4.1).
    let known = |offer: &&str| SUBPROTOCOLS.iter().find(|(name, _)| name == offer);
    let chosen = offered.iter().find_map(known);
    if chosen.is_none() && !offered.is_empty() {
        return Err(Answer::error(lang, 400, "bad-subprotocol"));
    }
    let format = chosen.map_or(Format::Json, |(_, format)| *format);
    let waits = format == Format::Json && query.room.is_none();
    let look = Look { format, wire: Wire::WebSocket, quiet: false, ..shared.defaults.look };
    let reply = switching(&accept, chosen.map(|(name, _)| *name));
    let mut voice = arrive(shared, conn, Transport::WebSocket, look, reply, lang)?;
    voice.waits = waits;
    if format == Format::Json {
        moves::introduce(shared, conn, &mut voice, false);
    }
    if !waits {
        let room = query.room.unwrap_or_else(|| shared.lobby().name().clone());
        moves::enter(shared, conn, &mut voice, &room, query.after);
    }
    voice.flush(shared, conn);
    Ok(After::Talk(Box::new(Talk::websocket(shared, conn, voice)), io.take_rest()))
}

/// `GET /rooms/{room}/events`.
pub(super) fn events(
    shared: &Arc<Shared>,
    conn: &Arc<Conn>,
    head: &Head,
    room: &Name,
) -> Result<After, Answer> {
    let lang = api::lang_of(head, shared.defaults.look.lang);
    if !shared.only.http {
        return Err(Answer::error(lang, 403, "not-here"));
    }
    let query = query(head, lang)?;
    // What a browser says when it comes back is nearer than what stood in the URL at first.
    let after = match head.header("last-event-id").filter(|id| !id.is_empty()) {
        None => query.after,
        Some(id) => {
            let at: Result<At, _> = id.parse();
            Some(at.map_err(|_| Answer::error(lang, 400, "bad-last-event-id"))?)
        }
    };
    // Better refused than told of another room.
    shared.open_room(room).map_err(|why| api::unopened(lang, room, &why))?;
    let look =
        Look { format: Format::Json, wire: Wire::Events, quiet: true, ..shared.defaults.look };
    let mut reply = String::from(STREAM);
    if let Some(origin) = head.header("origin") {
        reply.push_str("access-control-allow-origin: ");
        reply.push_str(origin);
        reply.push_str("\r\nvary: Origin\r\n");
    }
    // A comment first: whoever waits for a first byte sees that it works.
    reply.push_str("\r\n:\n\n");
    let mut voice = arrive(shared, conn, Transport::Events, look, reply.into_bytes(), lang)?;
    moves::enter(shared, conn, &mut voice, room, after);
    voice.flush(shared, conn);
    Ok(After::Listen(voice))
}

fn query(head: &Head, lang: Lang) -> Result<Query, Answer> {
    Query::parse(head.target.query.as_deref().unwrap_or_default())
        .map_err(|bad| Answer::refusal(400, bad.code(), &bad.sentence(lang)))
}

/// The connection becomes a member, in no room yet; `reply` is the first thing that is written to it.
fn arrive(
    shared: &Arc<Shared>,
    conn: &Arc<Conn>,
    transport: Transport,
    look: Look,
    reply: Vec<u8>,
    lang: Lang,
) -> Result<Voice, Answer> {
    conn.set_transport(transport);
    if let Err(why) = shared.arrive(conn) {
        conn.set_transport(Transport::Http);
        let (code, text) = reply::hub_error(lang, shared.lobby().name(), &why);
        return Err(Answer::refusal(503, code, &text));
    }
    shared.came(conn);
    shared.metrics.answered(if transport == Transport::WebSocket { 101 } else { 200 });
    let session = Session::new(conn.number(), look, shared.defaults.message_bytes);
    let mut voice = Voice::new(session, []);
    voice.queue(shared, conn, Item::Bytes(reply.into()));
    voice.queue(shared, conn, Item::Look(look, false));
    Ok(voice)
}
