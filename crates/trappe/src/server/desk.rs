//! What a client asks of the hub, carried out. The hub is locked for as long as the answer takes to find, never longer.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use bytes::Bytes;
use trappe_core::{
    command::Request,
    limits::LAST_WORD_CHARS,
    message::Kind,
    name::Name,
    reply,
    room::cursor::Item,
    words::{lasting, say},
};

use super::{
    Shared,
    conn::Conn,
    mail::{Act, Mail},
    talk::Voice,
};

/// Answers a request. False: the member has left.
pub(super) fn ask(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    request: Request,
) -> bool {
    match request {
        Request::Nick(name) => nick(shared, conn, voice, now, &name),
        Request::Join { room, after } => {
            if join(shared, conn, voice, now, &room)
                && let Some(after) = after
            {
                voice.queue(shared, conn, Item::Resume(after));
            }
        }
        Request::Leave => {
            let lobby = shared.lobby().name.clone();
            join(shared, conn, voice, now, &lobby);
        }
        Request::Msg { to, text } => message(shared, voice, &to, &text),
        Request::Who(room) => {
            let room = room.unwrap_or_else(|| voice.room.name.as_str().into());
            let who = shared.hub.lock().who(&room);
            voice.reply(|session, out| reply::who(session.look(), out, &room, who));
        }
        Request::Rooms => {
            let rooms = shared.hub.lock().rooms();
            voice.reply(|session, out| reply::rooms(session.look(), out, &rooms));
        }
        Request::History(n) => voice.queue(shared, conn, Item::History(n)),
        Request::Resume(at) => voice.queue(shared, conn, Item::Resume(at)),
        Request::Why(name) => why(shared, conn, voice, now, name.as_deref()),
        Request::Quit(word) => {
            // The position is true when it is read: everything before it has been written by then.
            let position = voice.room.position().to_string();
            let look = voice.session.look();
            let sentence = say(look.lang, "goodbye", &[("position", position.as_str().into())]);
            let mut farewell = Vec::new();
            look.notice(&mut farewell, &sentence);
            let word: String = word.chars().take(LAST_WORD_CHARS).collect();
            let word = (!word.is_empty()).then_some(&*word);
            voice.depart(shared, conn, word, farewell.into());
            return false;
        }
        // The session answers the others itself.
        other => tracing::error!(request = ?other, "a request that nobody answers"),
    }
    true
}

fn nick(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, name: &Name) {
    let (renamed, announced) = {
        let mut hub = shared.hub.lock();
        (hub.rename(conn.number(), name.clone()), shared.announces(&hub, conn.number()))
    };
    match renamed {
        Ok(()) => {
            // Who hasn't been announced yet is announced by its new name.
            if announced && voice.session.greeted() {
                voice.notice(shared, conn, now, Kind::Renamed(name.clone()));
            }
            voice.session.author.name = Some(name.clone());
            voice.reply(|session, out| {
                let look = session.look();
                look.notice(out, &say(look.lang, "you-are", &[("name", name.as_str().into())]));
            });
        }
        Err(error) => {
            voice.reply(|session, out| reply::hub_error(session.look(), out, name, &error));
        }
    }
}

fn join(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, name: &Name) -> bool {
    let number = conn.number();
    let (went, left, arrives, count) = {
        let mut hub = shared.hub.lock();
        let left = shared.announces(&hub, number);
        let went = hub.go(now, number, name, |id| shared.make_room(id, name.clone()));
        let count = hub.room_of(number).map_or(0, |(_, count)| count);
        (went, left, shared.announces(&hub, number), count)
    };
    let room = match went {
        Ok(room) => room,
        Err(error) => {
            voice.reply(|session, out| reply::hub_error(session.look(), out, name, &error));
            return false;
        }
    };
    if room.id != voice.room.id {
        if left && voice.session.greeted() {
            voice.notice(shared, conn, now, Kind::Left(None));
        }
        let at = room.enter(&shared.posts, conn, number);
        voice.queue(shared, conn, Item::Act(Act::Move(Arc::clone(&room), at)));
        voice.room = room;
        if arrives && voice.session.greeted() {
            voice.notice(shared, conn, now, Kind::Joined);
        }
    }
    let (room, position) = (voice.room.name.to_string(), voice.room.position().to_string());
    voice.reply(|session, out| {
        let look = session.look();
        let args = [
            ("room", room.as_str().into()),
            ("count", count.into()),
            ("position", position.as_str().into()),
        ];
        look.notice(out, &say(look.lang, "now-in", &args));
    });
    true
}

fn message(shared: &Shared, voice: &mut Voice, to: &str, text: &str) {
    let found = shared.hub.lock().find(to).map(|(_, member)| Arc::clone(&member.handle));
    let author = voice.session.author.clone();
    let item = Item::Direct(author, Bytes::copy_from_slice(text.as_bytes()));
    match found {
        None => voice.reply(|session, out| reply::no_such_member(session.look(), out, to)),
        Some(target) if !target.reserve(item.cost()) => {
            voice.reply(|session, out| reply::busy(session.look(), out, to));
        }
        Some(target) => shared.posts.to(&target, Mail::Private(Arc::clone(&target), item)),
    }
}

fn why(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, name: Option<&str>) {
    let (found, given) = {
        let hub = shared.hub.lock();
        match name {
            None => (
                Some((voice.session.author.clone(), Arc::clone(conn), Arc::clone(&voice.room))),
                "",
            ),
            Some(name) => {
                let found = hub.find(name).and_then(|(number, member)| {
                    let author = trappe_core::message::Author { number, name: member.name.clone() };
                    Some((author, Arc::clone(&member.handle), Arc::clone(hub.room_handle(number)?)))
                });
                (found, name)
            }
        }
    };
    let Some((author, member, room)) = found else {
        return voice.reply(|session, out| reply::no_such_member(session.look(), out, given));
    };
    let behind = member.behind_at.load(Relaxed);
    let head = room.tail.with(|log| log.next());
    let lag = if behind == u64::MAX { 0 } else { head.saturating_sub(behind) };
    let lasting = lasting(voice.session.look().lang, now.saturating_sub(member.since));
    let facts = reply::Why {
        name: author.to_string(),
        transport: "tcp",
        address: member.peer.to_string(),
        since: lasting,
        position: room.position().to_string(),
        lag,
        missed: member.missed.load(Relaxed),
        refused: u64::from(member.rejected.load(Relaxed)),
    };
    voice.reply(|session, out| reply::why(session.look(), out, &facts));
}
