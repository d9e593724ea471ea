//! What a client asks of the hub, carried out. The hub is locked for as long as the answer takes to find, never longer.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use trappe_core::{
    command::{Format, Lang, Request},
    encode::{Look, Wire},
    event::Standing,
    framing::Framing,
    limits::{DATAGRAM_BYTES, LAST_WORD_CHARS, UDP_KEY_KEPT},
    message::{Author, Kind},
    name::Name,
    reply::{self, Ending},
    room::{item::Item, state::SetError},
    state_key::StateKey,
    words::say,
};

use super::{
    Shared,
    conn::Conn,
    mail::{Act, Mail},
    metrics::Transport,
    moves,
    room::Room,
    voice::Voice,
};

/// Answers a request; `room` is the one that the client named. False: the member has left.
pub(super) fn ask(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    request: Request,
    room: Option<&Name>,
) -> bool {
    match request {
        Request::Nick(name) => nick(shared, conn, voice, now, &name),
        Request::Join { room, after } => moves::join(shared, conn, voice, now, &room, after),
        Request::Leave => moves::leave(shared, conn, voice, now, room),
        Request::Msg { to, body } => message(shared, conn, voice, now, &to, &body),
        Request::Who(asked) => {
            let asked = asked.or_else(|| Some(voice.room(room)?.name().as_str().into()));
            if let Some(asked) = asked {
                let mut who = shared.hub.lock().who(&asked);
                if let Some((_, members)) = &mut who {
                    fit(&mut members.first, voice, |member| member.to_string().len());
                }
                voice.session.to().who(&mut voice.out, &asked, who);
            }
        }
        Request::Rooms => {
            let mut rooms = shared.hub.lock().rooms();
            fit(&mut rooms.first, voice, |(name, _)| name.as_str().len());
            voice.session.to().rooms(&mut voice.out, &rooms);
        }
        Request::History(count) => {
            if let Some(room) = voice.room(room) {
                let id = voice.session.to().id;
                voice.queue(shared, conn, Item::History { room: room.id, count, id });
                voice.asked_for_past(room.id);
            }
        }
        Request::Search { words, count } => {
            if let Some(room) = voice.room(room) {
                if room.kept.is_some() {
                    let id = voice.session.to().id;
                    voice.queue(shared, conn, Item::Search { room: room.id, words, count, id });
                } else {
                    voice.session.to().no_search(&mut voice.out);
                }
            }
        }
        Request::Resume(at) => {
            if let Some(room) = voice.room(room) {
                let id = voice.session.to().id;
                voice.queue(shared, conn, moves::resume(shared, &room, at, id));
                voice.asked_for_past(room.id);
            }
        }
        Request::Set { key, version, value } => {
            if let Some(room) = voice.room(room) {
                set(shared, voice, now, &room, (key, version), &value);
            }
        }
        Request::Get(Some(key)) => {
            if let Some(room) = voice.room(room) {
                let value = room.state.lock().get(&key);
                let Voice { session, out, .. } = voice;
                let to = session.to();
                match value {
                    Some(value) => to.look.state(out, room.name().as_str(), &value, to.id),
                    None => to.no_such_key(out, &key),
                }
            }
        }
        Request::Get(None) => {
            if let Some(room) = voice.room(room) {
                let keys = room.state.lock().len();
                voice.session.to().following(&mut voice.out, room.name().as_str(), keys);
                voice.queue(shared, conn, Item::Act(Act::Follow(room.id)));
            }
        }
        Request::Udp => udp(shared, conn, voice, now),
        Request::Why(name) => why(shared, conn, voice, now, name.as_deref()),
        Request::Quit(word) => {
            quit(shared, conn, voice, &word);
            return false;
        }
        // The session answers the others itself.
        other => tracing::error!(request = ?other, "a request that nobody answers"),
    }
    true
}

fn quit(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, word: &str) {
    // The positions are true when they are read: everything before them has been written by then.
    let positions: Vec<_> =
        voice.seats.iter().map(|seat| (seat.room.name().as_str(), seat.room.position())).collect();
    let look = voice.session.look();
    let shown: Vec<String> = positions.iter().map(|(_, position)| position.to_string()).collect();
    let sentence = if shown.is_empty() {
        say(look.lang, "goodbye-bare", &[])
    } else {
        say(look.lang, "goodbye", &[("position", (&shown.join(", ")).into())])
    };
    let farewell = reply::farewell(voice.session.to(), Ending::Quit, &sentence, &positions);
    let word: String = word.chars().take(LAST_WORD_CHARS).collect();
    let word = (!word.is_empty()).then_some(&*word);
    voice.depart(shared, conn, word, farewell.into());
}

fn nick(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, name: &Name) {
    let renamed = shared.as_holder(conn, |hub| hub.rename(conn.number(), name.clone()));
    match renamed {
        Ok(()) => {
            // Who hasn't been announced yet is announced by its new name.
            if voice.session.greeted() {
                voice.notice_all(shared, conn, now, &Kind::Renamed(name.clone()));
            }
            let before = voice.session.author.clone();
            voice.session.author.name = Some(name.clone());
            if let (Some(history), Some(identity)) = (&shared.posts.history, &voice.identity)
                && let Some(sid) = identity.kept()
            {
                history.keep_session(sid, identity, Some(name.clone()));
            }
            voice.session.to().you_are(&mut voice.out, &before, name);
            shared.attend(conn, true);
        }
        Err(error) => voice.session.to().hub_error(&mut voice.out, name, &error),
    }
}

/// A value of the room's state. Those who follow it are told, this one too if it does.
fn set(
    shared: &Shared,
    voice: &mut Voice,
    now: Duration,
    room: &Room,
    (key, version): (StateKey, Option<u32>),
    value: &[u8],
) {
    let author = voice.author().clone();
    let time_us = shared.unix_us(now);
    let set = room.set(&shared.posts, time_us, author, (key.clone(), version), value);
    let Voice { session, out, .. } = voice;
    let to = session.to();
    match set {
        Ok(_) => {
            shared.metrics.changed();
            to.state_ack(out);
        }
        // Datagrams overtake one another: there is nothing to be said about it, unless it is asked.
        Err(SetError::Stale) if to.look.wire == Wire::Datagram && to.id.is_none() => {}
        Err(SetError::Stale) => to.stale_version(out, &key, version.unwrap_or_default()),
        Err(_) => to.state_full(out, room.name().as_str()),
    }
}

/// A one-time key by which an address of datagrams speaks for this member.
fn udp(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration) {
    let Voice { session, out, .. } = voice;
    let to = session.to();
    if to.look.wire == Wire::Datagram {
        to.error(out, "not-here", &say(to.look.lang, "udp-already", &[]));
    } else if !shared.speaks_udp {
        to.error(out, "not-here", &say(to.look.lang, "no-udp", &[]));
    } else {
        match shared.keys.issue(now, conn) {
            Some(key) => to.udp_key(out, &key, UDP_KEY_KEPT.as_secs()),
            None => to.error(out, "busy", &say(to.look.lang, "udp-busy", &[])),
        }
    }
}

fn message(shared: &Shared, conn: &Conn, voice: &mut Voice, now: Duration, to: &str, body: &[u8]) {
    let found = shared.hub.lock().find(to).map(|(_, member)| Arc::clone(&member.handle));
    let item = Item::Direct {
        from: voice.author().clone(),
        time_us: shared.unix_us(now),
        body: Bytes::copy_from_slice(body),
    };
    let reply = voice.session.to();
    match found {
        None => reply.no_such_member(&mut voice.out, to),
        Some(target) if target.transport() == Transport::Udp && !fits(voice.author(), body) => {
            reply.too_long_for_datagram(&mut voice.out, to);
        }
        Some(target) if !target.reserve(item.cost()) => reply.busy(&mut voice.out, to),
        Some(target) => {
            shared.posts.to(&target, Mail::Private(Arc::clone(&target), item));
            shared.metrics.worker(conn.worker).messages(1);
            reply.delivered(&mut voice.out);
        }
    }
}

/// Leaves of a list what fits into a datagram, for a member by UDP; in JSON each item has some words around its name.
fn fit<T>(list: &mut Vec<T>, voice: &Voice, name_bytes: impl Fn(&T) -> usize) {
    const AROUND_ITEM: usize = 48;
    const AROUND_LIST: usize = 256;
    if voice.session.look().wire == Wire::Datagram {
        let mut bytes = AROUND_LIST;
        let fits = |item: &&T| {
            bytes += AROUND_ITEM + name_bytes(item);
            bytes <= DATAGRAM_BYTES
        };
        let count = list.iter().take_while(fits).count();
        list.truncate(count);
    }
}

/// Whether a private message is no longer than a datagram, whatever its reader's format makes of it.
fn fits(from: &Author, body: &[u8]) -> bool {
    let mut text = Vec::new();
    let mut json = Vec::new();
    let look = |format| Look {
        format,
        framing: Framing::Line,
        wire: Wire::Stream,
        lang: Lang::Fr,
        quiet: false,
    };
    // A body that doesn't fit as it is needs no encoding.
    body.len() <= DATAGRAM_BYTES && {
        look(Format::Text).direct(&mut text, from, 0, body);
        look(Format::Json).direct(&mut json, from, 0, body);
        text.len().max(json.len()) <= DATAGRAM_BYTES
    }
}

fn why(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, name: Option<&str>) {
    let found: Option<(Author, Arc<Conn>, Vec<Arc<Room>>)> = match name {
        None => {
            let rooms = voice.seats.iter().map(|seat| Arc::clone(&seat.room)).collect();
            Some((voice.author().clone(), Arc::clone(conn), rooms))
        }
        Some(name) => {
            let hub = shared.hub.lock();
            hub.find(name).map(|(number, member)| {
                let author = Author { number, name: member.name.clone() };
                let rooms = hub.rooms_of(number).map(|(_, _, room)| Arc::clone(room)).collect();
                (author, Arc::clone(&member.handle), rooms)
            })
        }
    };
    let Some((author, member, rooms)) = found else {
        let name = name.unwrap_or_default();
        return voice.session.to().no_such_member(&mut voice.out, name);
    };
    let standing = |room: &'_ Arc<Room>| {
        let (head, position) = room.tail.with(|log| (log.next(), log.position()));
        (position, member.lag(room.id, head))
    };
    let rooms: Vec<Standing<'_>> = rooms
        .iter()
        .map(|room| {
            let (position, lag) = standing(room);
            Standing { room: room.name().as_str(), position, lag }
        })
        .collect();
    let facts = reply::Why {
        author,
        transport: member.transport().as_str(),
        address: member.peer.to_string(),
        since: now.saturating_sub(member.since()),
        rooms: &rooms,
        missed: member.missed.load(Relaxed),
        refused: u64::from(member.rejected.load(Relaxed)),
        watched: shared.watch.count(member.number()),
    };
    voice.session.to().why(&mut voice.out, &facts);
}

/// Puts a member into a room, as far as its pump and its own words are concerned; the hub knows already. Its pump begins
/// there when everything before it in its private queue is written.
pub(super) fn seat(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, room: &Arc<Room>) {
    let at = room.enter(&shared.posts, conn, conn.number());
    voice.queue(shared, conn, Item::Act(Act::Enter(Arc::clone(room), at)));
    voice.sit(Arc::clone(room), at.1);
    shared.attend(conn, false);
}
