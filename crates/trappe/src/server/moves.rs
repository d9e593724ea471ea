//! Where members go: into rooms, out of them, and back into the place of an earlier connection.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use trappe_core::{
    command::At,
    encode::Wire,
    event::Event,
    hub::Joined,
    message::{Kind, Position},
    name::Name,
    room::item::Item,
};

use super::{
    Shared,
    conn::Conn,
    desk::seat,
    identity::{self, Identity},
    mail::{Act, Mail},
    room::Room,
    voice::Voice,
};

/// `/join`: a member in text or raw goes to the room, one in JSON is in it too.
pub(super) fn join(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    name: &Name,
    after: Option<At>,
) {
    let room = if voice.session.look().is_json() {
        add(shared, conn, voice, now, name).map(|joined| {
            tell_room(voice, &joined.room, joined.count);
            joined.room
        })
    } else {
        go(shared, conn, voice, now, name)
    };
    if let (Some(room), Some(at)) = (room, after) {
        let id = voice.session.to().id;
        voice.queue(shared, conn, resume(shared, &room, at, id));
        voice.asked_for_past(room.id);
    }
}

/// `/leave`: back to the lobby; or, in JSON, out of one room.
pub(super) fn leave(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    named: Option<&Name>,
) {
    if !voice.session.look().is_json() {
        let lobby = shared.lobby().name().clone();
        go(shared, conn, voice, now, &lobby);
        return;
    }
    let Some(room) = voice.room(named) else { return };
    remove(shared, conn, voice, now, &room);
    let Voice { session, out, .. } = voice;
    session.to().left(out, &session.author, room.name().as_str());
}

/// A member gets up from its place in a room; the hub knows already.
fn get_up(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    room: &Arc<Room>,
    announced: bool,
) {
    if announced && voice.session.greeted() {
        voice.notice(shared, conn, now, room, Kind::Left(None));
    }
    voice.queue(shared, conn, Item::Leave(room.id, Act::Leave(room.id)));
    voice.rise(room.id);
    shared.attend(conn, false);
}

fn go(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    name: &Name,
) -> Option<Arc<Room>> {
    let mut left = Vec::new();
    let went = shared.as_holder(conn, |hub| {
        shared.has_place(name)?;
        left = voice.seats.iter().map(|seat| shared.announces(hub, seat.room.id)).collect();
        let went = hub.go(now, conn.number(), name, |id| shared.make_room(id, name.clone()))?;
        let arrives = shared.announces(hub, went.to.0);
        Ok((went, arrives))
    });
    let (went, arrives) = match went {
        Ok(went) => went,
        Err(error) => {
            voice.session.to().hub_error(&mut voice.out, name, &error);
            return None;
        }
    };
    let (_, room) = went.to;
    if went.is_new {
        let seats: Vec<Arc<Room>> = voice.rooms().cloned().collect();
        for (room, announced) in seats.iter().zip(left) {
            get_up(shared, conn, voice, now, room, announced);
        }
        sit_down(shared, conn, voice, now, &room, arrives);
    }
    tell_room(voice, &room, went.count);
    Some(room)
}

/// Everything after a position, as it is asked for now.
pub(super) fn resume(shared: &Shared, room: &Room, at: At, id: Option<u64>) -> Item<Act> {
    // What is numbered already reaches the member's pump before its question: nothing that it has had comes again.
    room.publish(&shared.posts);
    Item::Resume { room: room.id, at, id }
}

/// Puts a member into one room more, without a word to it; an error is told.
fn add(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    name: &Name,
) -> Option<Joined<Arc<Room>>> {
    add_unless(shared, conn, voice, now, name, |_| false)
}

/// The same; the room isn't told where the member `was_there` already.
fn add_unless(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    name: &Name,
    was_there: impl Fn(&Arc<Room>) -> bool,
) -> Option<Joined<Arc<Room>>> {
    let joined = shared.as_holder(conn, |hub| {
        shared.has_place(name)?;
        let joined = hub.join(conn.number(), name, |id| shared.make_room(id, name.clone()))?;
        let arrives = shared.announces(hub, joined.id);
        Ok((joined, arrives))
    });
    match joined {
        Ok((joined, arrives)) => {
            if joined.is_new {
                let announced = arrives && !was_there(&joined.room);
                sit_down(shared, conn, voice, now, &joined.room, announced);
            }
            Some(joined)
        }
        Err(error) => {
            voice.session.to().hub_error(&mut voice.out, name, &error);
            None
        }
    }
}

/// Takes a member out of one room, without a word to it.
fn remove(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, now: Duration, room: &Arc<Room>) {
    let announced = shared.as_holder(conn, |hub| {
        let announced = shared.announces(hub, room.id);
        hub.leave(now, conn.number(), room.id);
        Ok(announced)
    });
    get_up(shared, conn, voice, now, room, announced.unwrap_or(false));
}

fn sit_down(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    room: &Arc<Room>,
    announced: bool,
) {
    seat(shared, conn, voice, room);
    if announced && voice.session.greeted() {
        voice.notice(shared, conn, now, room, Kind::Joined);
    }
}

fn tell_room(voice: &mut Voice, room: &Room, count: usize) {
    let (name, position) = (room.name().as_str(), room.position());
    let Voice { session, out, .. } = voice;
    session.to().now_in(out, &session.author, name, count, position);
}

/// A member that has just come is in this room, from a position on if one is given. Where it can't be, it is in the lobby.
pub(crate) fn enter(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    name: &Name,
    after: Option<At>,
) {
    let now = shared.now();
    let lobby = shared.lobby().name();
    let joined = add(shared, conn, voice, now, name);
    let Some(joined) = joined.or_else(|| add(shared, conn, voice, now, lobby)) else { return };
    let look = voice.session.look();
    let is_told = look.is_json() && look.wire != Wire::Events;
    // Who came by UDP has asked for the room, whatever its format.
    if is_told || look.wire == Wire::Datagram {
        tell_room(voice, &joined.room, joined.count);
    }
    if let Some(at) = after {
        voice.queue(shared, conn, resume(shared, &joined.room, at, None));
        voice.asked_for_past(joined.id);
    }
}

/// A member that waited for a take-over which didn't come is in the lobby.
pub(super) fn enter_lobby(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice) {
    voice.waits = false;
    enter(shared, conn, voice, shared.lobby().name(), None);
}

/// Tells a JSON member who it is, and by which token it may come back. `resumed`: it has come back.
pub(crate) fn introduce(shared: &Shared, conn: &Arc<Conn>, voice: &mut Voice, resumed: bool) {
    introduce_from(shared, conn, voice, resumed, &[]);
}

/// The same, where some rooms are entered at a position: until what came after it is given, the member stands there.
fn introduce_from(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    resumed: bool,
    after: &[(Arc<Room>, At)],
) {
    let identity = voice.identity.get_or_insert_with(|| {
        let identity = Identity::new();
        let (token, state) = (identity::known_as(identity.digest()), Arc::clone(&identity));
        shared.hub.lock().begin_session(conn.number(), token, state);
        if let Some(history) = &shared.posts.history {
            history.keep_session(conn.number(), &identity, voice.session.author.name.clone());
        }
        identity
    });
    let identity = Arc::clone(identity);
    let stands = |room: &Arc<Room>| match after.iter().find(|(other, _)| other.id == room.id) {
        None => room.position(),
        Some((_, at)) => Position { epoch: at.epoch.unwrap_or(room.life.epoch()), seq: at.seq },
    };
    let rooms: Vec<(Name, Position)> =
        voice.rooms().map(|room| (room.name().clone(), stands(room))).collect();
    let rooms: Vec<(&str, Position)> = rooms.iter().map(|(n, p)| (n.as_str(), *p)).collect();
    let name = voice.author().to_string();
    voice.event(&Event::Hello {
        session: identity.token(),
        sid: conn.number(),
        name: &name,
        resumed,
        rooms: &rooms,
        id: voice.session.to().id.filter(|_| voice.session.to().op == Some("hello")),
    });
}

/// `hello`: who the client is, or was before; and the rooms that it is to be in, each from a position on.
pub(super) fn hello(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    token: Option<&str>,
    rooms: Option<Vec<(Name, Option<At>)>>,
) {
    let old = token.and_then(|token| take_over(shared, conn, voice, now, token));
    voice.waits = false;
    let lobby = shared.lobby().name();
    let wanted = match rooms {
        Some(rooms) => rooms,
        None if voice.seats.is_empty() => vec![(lobby.clone(), None)],
        None => Vec::new(),
    };
    if !wanted.is_empty() {
        let is_wanted = |room: &&Arc<Room>| {
            wanted.iter().any(|(name, _)| name.folded() == room.name().folded())
        };
        let unwanted: Vec<Arc<Room>> =
            voice.rooms().filter(|room| !is_wanted(room)).cloned().collect();
        for room in unwanted {
            remove(shared, conn, voice, now, &room);
        }
    }
    let mut positions = Vec::new();
    for (name, after) in &wanted {
        let was_there = |room: &Arc<Room>| old.iter().flatten().any(|other| other.id == room.id);
        if let Some(joined) = add_unless(shared, conn, voice, now, name, was_there) {
            positions.extend(after.map(|at| (joined.room, at)));
        }
    }
    // Where the earlier connection was and this one isn't, the member has left.
    let left: Vec<Arc<Room>> = old
        .iter()
        .flatten()
        .filter(|room| !voice.rooms().any(|other| other.id == room.id))
        .cloned()
        .collect();
    for room in left {
        let announced = shared.announces(&shared.hub.lock(), room.id);
        if announced && voice.session.greeted() {
            voice.notice(shared, conn, now, &room, Kind::Left(None));
        }
    }
    if old.is_some() {
        // It comes from elsewhere now.
        shared.attend(conn, true);
    }
    introduce_from(shared, conn, voice, old.is_some(), &positions);
    let id = voice.session.to().id;
    for (room, at) in positions {
        voice.queue(shared, conn, resume(shared, &room, at, id));
    }
}

/// The connection becomes the member that has this token. Gives the rooms in which an earlier connection of it still was;
/// none where there is no such session.
fn take_over(
    shared: &Shared,
    conn: &Arc<Conn>,
    voice: &mut Voice,
    now: Duration,
    session: &str,
) -> Option<Vec<Arc<Room>>> {
    let known_as = identity::known_as(&identity::digest(session));
    let mut announced = Vec::new();
    let found = shared.as_holder(conn, |hub| {
        let rooms = voice.rooms().map(|room| (Arc::clone(room), shared.announces(hub, room.id)));
        announced = rooms.collect();
        let taken = hub.take_over(now, &known_as, conn.number(), Arc::clone(conn));
        if let Some(old) = taken.as_ref().and_then(|taken| taken.old.as_ref()) {
            old.supersede();
        }
        Ok(taken)
    });
    let Ok(Some(taken)) = found else { return None };
    for (room, announced) in announced {
        get_up(shared, conn, voice, now, &room, announced);
    }
    if let Some(old) = taken.old {
        shared.overlook(&old);
        shared.posts.to(&old, Mail::Supersede(Arc::clone(&old)));
    }
    // From here on it is watched as who it was before.
    shared.unwatch(conn.number());
    conn.set_number(taken.number);
    voice.session.author.number = taken.number;
    voice.session.author.name = taken.name;
    // Nobody is told of an arrival where nobody left.
    voice.session.set_greeted(taken.state.announced.load(Relaxed));
    taken.state.shown(session);
    voice.identity = Some(taken.state);
    Some(taken.old_rooms.into_iter().map(|(_, room)| room).collect())
}
