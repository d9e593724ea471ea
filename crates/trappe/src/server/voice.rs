//! A client apart from how its bytes become messages: what each message does, and what is said to it for that.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Context,
    time::Duration,
};

use bytes::Bytes;
use trappe_core::{
    event::Event,
    framing::Frame,
    message::{Author, Entry, Kind, Position, Tag},
    name::Name,
    room::item::Item,
    sent::Seen,
    session::{Session, Step},
};

use super::{
    Shared,
    conn::Conn,
    desk,
    history::Fate,
    identity::Identity,
    mail::{Act, Mail},
    moves,
    room::Room,
};
use crate::net::sniff;

/// What is to become of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on.
    GoOn,
    /// The member has left.
    Quit,
    /// Its first line turned out to be an HTTP request: none of it is speech.
    Http,
}

/// A room that a member is in.
pub(crate) struct Seat {
    pub(crate) room: Arc<Room>,
    /// The first message that it hears by itself; 0 once it has asked for those before.
    heard_from: u64,
    /// It has said something there since its reader last looked whether to wait.
    spoke: bool,
}

/// See the module.
pub(crate) struct Voice {
    pub(crate) session: Session,
    pub(super) seats: Vec<Seat>,
    /// Made when it first needs one.
    pub(super) identity: Option<Arc<Identity>>,
    /// Replies that are not in the private queue yet.
    pub(super) out: Vec<u8>,
    /// The first line may still become an HTTP request.
    pub(super) suspect: bool,
    /// It is in no room yet, since its first word may be whose session it takes over.
    pub(crate) waits: bool,
    /// Commands since others had their turn.
    pub(super) commands: usize,
    /// Of something that it said it may still be told that it is on disk.
    unacknowledged: bool,
    /// A room, and one past the last record of its own there, while the pump doesn't know of it.
    own: Option<(u32, u64)>,
}

impl Voice {
    /// Each room with the number of the first message that the member hears there.
    pub(crate) fn new(
        session: Session,
        rooms: impl IntoIterator<Item = (Arc<Room>, u64)>,
    ) -> Voice {
        let mut voice = Voice {
            session,
            seats: Vec::new(),
            identity: None,
            out: Vec::new(),
            suspect: false,
            waits: false,
            commands: 0,
            unacknowledged: false,
            own: None,
        };
        for (room, heard_from) in rooms {
            voice.sit(room, heard_from);
        }
        voice.session.rooms = voice.seats.len();
        voice
    }

    pub(super) fn frame(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        frame: Frame<'_>,
    ) -> Verdict {
        if std::mem::take(&mut self.suspect) {
            let request = match &frame {
                Frame::Message { body, .. } => sniff::is_request(body),
                // Too long for a line, and still no end to the target.
                Frame::TooLong => true,
                Frame::Unfinished { .. } => false,
            };
            if request {
                return Verdict::Http;
            }
        }
        if conn.is_superseded() {
            // Its end is under way from there; only the count is still to be put right.
            shared.depart(&mut shared.hub.lock(), now, conn);
            return Verdict::Quit;
        }
        let mut before = self.out.len();
        let rejected = !matches!(frame, Frame::Message { .. });
        let step = self.session.frame(frame, &mut self.out);
        if rejected {
            shared.reject(conn);
        }
        if let Some((look, echo)) = self.session.look_changed() {
            // What was said before is in the old look, the reply in the new.
            let reply = self.out.split_off(before);
            self.queue(shared, conn, Item::Look(look, echo));
            (self.out, before) = (reply, 0);
        }
        let is_op = self.session.to().op.is_some();
        // `/format json` stands before the first op, which may take a session over, or go to other rooms.
        let is_prelude = matches!(step, Step::Nothing) && self.session.look().is_json() && !is_op;
        if !matches!(step, Step::Hello { .. }) {
            if self.waits {
                moves::enter_lobby(shared, conn, self);
            }
            if is_op && self.identity.is_none() && self.session.look().is_json() {
                let reply = self.out.split_off(before);
                moves::introduce(shared, conn, self, false);
                self.out.extend_from_slice(&reply);
            }
        }
        self.commands += usize::from(!matches!(step, Step::Speak { .. }));
        match step {
            Step::Nothing => {}
            Step::Speak { body, room, id } => {
                self.announce(shared, conn, now);
                self.speak(shared, conn, now, &body, room.as_ref(), id);
            }
            Step::Ask { request, room } => {
                if !desk::ask(shared, conn, self, now, request, room.as_ref()) {
                    return Verdict::Quit;
                }
            }
            Step::Hello { session, rooms } => {
                moves::hello(shared, conn, self, now, session.as_deref(), rooms);
            }
        }
        if !rejected && !is_prelude {
            self.announce(shared, conn, now);
        }
        Verdict::GoOn
    }

    /// The room that is meant: the one named, or the only one that the member is in. None: it is told what is wrong.
    pub(super) fn room(&mut self, named: Option<&Name>) -> Option<Arc<Room>> {
        let found = match (named, &self.seats[..]) {
            (None, [only]) => Some(&only.room),
            (None, _) => None,
            (Some(name), seats) => {
                let same = |seat: &&Seat| {
                    let other = seat.room.name();
                    other == name || other.folded() == name.folded()
                };
                seats.iter().find(same).map(|seat| &seat.room)
            }
        };
        let found = found.cloned();
        if found.is_none() {
            let count = self.seats.len();
            self.session.to().not_in_room(&mut self.out, named, count);
        }
        found
    }

    /// The rooms that it is in.
    pub(super) fn rooms(&self) -> impl Iterator<Item = &Arc<Room>> {
        self.seats.iter().map(|seat| &seat.room)
    }

    /// The member is in a room from now on, as far as its own words are concerned.
    pub(super) fn sit(&mut self, room: Arc<Room>, heard_from: u64) {
        self.seats.push(Seat { room, heard_from, spoke: false });
        self.session.rooms = self.seats.len();
    }

    /// The member has asked for what was said before it came: it isn't given the same once more with its welcome.
    pub(super) fn asked_for_past(&mut self, room: u32) {
        let seat = self.seats.iter_mut().find(|seat| seat.room.id == room);
        if let Some(seat) = seat {
            seat.heard_from = 0;
        }
    }

    /// The member isn't in a room any more.
    pub(super) fn rise(&mut self, room: u32) {
        self.seats.retain(|seat| seat.room.id != room);
        self.session.rooms = self.seats.len();
    }

    fn speak(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        body: &[u8],
        room: Option<&Name>,
        id: Option<u64>,
    ) {
        let Some(room) = self.room(room) else { return shared.reject(conn) };
        let author = self.session.author.clone();
        let entry = Entry::speech(author, id.map(Tag::Id), body);
        let (Some(id), Some(identity)) = (id, self.identity.clone()) else {
            let position = self.append(shared, conn, now, &room, entry);
            return self.acknowledge(shared, conn, &room, position, None);
        };
        if let Some(history) = &shared.posts.history
            && identity.kept().is_none()
        {
            let name = self.session.author.name.clone();
            history.keep_session(conn.number(), &identity, name);
        }
        // Held until the id is noted: the same id may come over another connection at this very moment.
        let mut sent = identity.sent.lock();
        match sent.look(id) {
            Seen::New => {
                let position = self.append(shared, conn, now, &room, entry);
                sent.note(now, id, (room.name().clone(), position));
                self.acknowledge(shared, conn, &room, position, Some(id));
            }
            Seen::Before((name, position)) => {
                // It may have left that room since.
                let found =
                    shared.posts.history.as_ref().and_then(|history| history.open_one(&name));
                match found {
                    Some(room) => self.acknowledge(shared, conn, &room, position, Some(id)),
                    None => self.session.spoke(&mut self.out, name.as_str(), Some(id), || position),
                }
            }
            Seen::Stale => self.session.to().stale_id(&mut self.out),
        }
    }

    /// The member's message has its place in the order: it is told, if it wants to be; where history is on, once the message is
    /// on disk.
    fn acknowledge(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        room: &Arc<Room>,
        position: Position,
        id: Option<u64>,
    ) {
        let name = room.name().as_str();
        if let (Some(history), Some(kept)) = (&shared.posts.history, &room.kept)
            && self.session.acknowledges()
        {
            let to = self.session.to();
            match history.acknowledge(kept, conn, to, position) {
                None => {
                    self.unacknowledged = true;
                    return;
                }
                Some(Fate::Lost) => return to.not_stored(&mut self.out, name, position),
                Some(_) => {}
            }
        }
        self.session.spoke(&mut self.out, name, id, || position);
    }

    fn append(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        room: &Arc<Room>,
        entry: Entry<'_>,
    ) -> Position {
        let speech = entry.kind == Kind::Speech;
        let appended = shared.append(conn.worker, room, now, entry);
        if self.own.is_some_and(|(other, _)| other != room.id) {
            self.tell_own(shared, conn);
        }
        self.own = Some((room.id, appended.index + 1));
        if speech {
            shared.metrics.worker(conn.worker).messages(1);
            if let Some(seat) = self.seats.iter_mut().find(|seat| seat.room.id == room.id) {
                seat.spoke = true;
            }
        }
        room.life.position(appended.seq)
    }

    /// A notice in a room of the member's that it doesn't get itself.
    pub(super) fn notice(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        room: &Arc<Room>,
        kind: Kind,
    ) {
        let author = self.session.author.clone();
        self.append(shared, conn, now, room, Entry::notice(author, kind));
    }

    /// The same in each of its rooms that has notices.
    pub(super) fn notice_all(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        now: Duration,
        kind: &Kind,
    ) {
        let rooms: Vec<Arc<Room>> = {
            let hub = shared.hub.lock();
            let rooms = self.seats.iter().map(|seat| &seat.room);
            rooms.filter(|room| shared.announces(&hub, room.id)).cloned().collect()
        };
        for room in rooms {
            self.notice(shared, conn, now, &room, kind.clone());
        }
    }

    /// The first thing that a client says or asks makes it known to its rooms, and gets it its welcome.
    pub(super) fn announce(&mut self, shared: &Shared, conn: &Arc<Conn>, now: Duration) {
        if self.session.greeted() || self.seats.is_empty() {
            return;
        }
        self.notice_all(shared, conn, now, &Kind::Joined);
        if let Some(identity) = &self.identity {
            identity.announced.store(true, Relaxed);
        }
        let room = Arc::clone(&self.seats[0].room);
        let before = self.seats[0].heard_from;
        let welcomed =
            self.session.greet(|| (room.name().to_string(), room.position()), &mut self.out);
        if welcomed && shared.greeting > 0 && before > 0 {
            let count = shared.greeting;
            self.queue(shared, conn, Item::Greeting { room: room.id, count, before });
        }
    }

    /// The pump learns which records are the member's own.
    fn tell_own(&mut self, shared: &Shared, conn: &Arc<Conn>) {
        if let Some((room, until)) = self.own.take() {
            shared.posts.workers[conn.worker].leave(Mail::Spoke(Arc::clone(conn), room, until));
        }
    }

    /// The replies so far go into the private queue; the pump learns which records are the member's own.
    pub(crate) fn flush(&mut self, shared: &Shared, conn: &Arc<Conn>) {
        self.tell_own(shared, conn);
        if !self.out.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut self.out));
            send(shared, conn, Item::Bytes(bytes));
        }
    }

    /// Something that is served in its place among the replies.
    pub(crate) fn queue(&mut self, shared: &Shared, conn: &Arc<Conn>, item: Item<Act>) {
        self.flush(shared, conn);
        send(shared, conn, item);
    }

    /// An event for this member alone.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        self.session.look().event(&mut self.out, event);
    }

    /// The member leaves: its rooms are told, the name is free (or kept for its session), and what is due to it up to now
    /// is still written.
    pub(super) fn depart(
        &mut self,
        shared: &Shared,
        conn: &Arc<Conn>,
        word: Option<&str>,
        farewell: Bytes,
    ) {
        let now = shared.now();
        let announced: Vec<Arc<Room>> = {
            let mut hub = shared.hub.lock();
            let rooms = self.seats.iter().map(|seat| &seat.room);
            let announced = rooms.filter(|room| shared.announces(&hub, room.id)).cloned().collect();
            if shared.depart(&mut hub, now, conn) {
                if let Some(identity) = &self.identity {
                    identity.announced.store(false, Relaxed);
                }
                announced
            } else {
                // Another connection has taken the session over: the member hasn't left at all.
                Vec::new()
            }
        };
        let ends = self
            .seats
            .iter()
            .map(|seat| (seat.room.id, seat.room.tail.with(|log| log.next())))
            .collect();
        if self.session.greeted() {
            for room in announced {
                self.notice(shared, conn, now, &room, Kind::Left(word.map(Into::into)));
            }
        }
        self.flush(shared, conn);
        if let Some(history) = shared.posts.history.as_ref().filter(|_| self.unacknowledged) {
            // What it said is acknowledged before it is closed.
            self.rooms().for_each(|room| room.publish(&shared.posts));
            if let Some(finish) = history.leave(conn, ends, farewell) {
                shared.posts.to(conn, finish);
            }
        } else {
            shared.posts.to(conn, Mail::Finish(Arc::clone(conn), ends, farewell));
        }
    }

    /// Whether everyone else is too far behind in a room where it would speak: who can't be made to wait isn't heard.
    pub(super) fn is_pressed(&self, shared: &Shared, conn: &Conn) -> bool {
        let pressed =
            |seat: &Seat| seat.room.tail.with(|log| log.pressed(conn.number(), conn.worker));
        shared.posts.history.as_ref().is_some_and(|history| history.is_pressed())
            || self.seats.iter().any(pressed)
    }

    /// Whether reading is to wait: in a room where it speaks, everyone else is too far behind, or the disk is.
    pub(super) fn must_wait(&mut self, shared: &Shared, conn: &Conn, cx: &Context<'_>) -> bool {
        let disk_is_behind = self.seats.iter().any(|seat| seat.spoke)
            && shared.posts.history.as_ref().is_some_and(|it| it.must_wait(|| cx.waker().clone()));
        let mut wait = disk_is_behind;
        for seat in self.seats.iter_mut().filter(|seat| seat.spoke) {
            let waker = || cx.waker().clone();
            // Where it spoke it is asked about until nobody is behind any more.
            seat.spoke =
                seat.room.tail.must_wait(conn.number(), conn.worker, waker) || disk_is_behind;
            wait |= seat.spoke;
        }
        wait
    }

    /// Who it is, as far as anybody may know.
    pub(super) fn author(&self) -> &Author {
        &self.session.author
    }
}

/// Puts an item into the member's own private queue: there is always room, but its reader stops when it is full.
pub(crate) fn send(shared: &Shared, conn: &Arc<Conn>, item: Item<Act>) {
    conn.claim(item.cost());
    shared.posts.to(conn, Mail::Private(Arc::clone(conn), item));
}
