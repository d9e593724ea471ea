//! Members by UDP, and addresses that speak without being one (PROTOCOL §7). One worker looks after all of them: it reads the
//! ports between two turns of its pump, so that what came becomes one batch.
//!
//! Anybody's datagram is heard; something is sent only to who has proved that it gets what is sent to its address, and, before
//! that, one cookie for one request. What a hub sends is nothing that a hub answers, or two hubs that somebody has made each
//! other's members would talk for ever: a cookie isn't, since it isn't the other's own; to a stranger's speech nothing is said;
//! and of a member, acknowledgements and events are not heard at all ([`request::is_answer`]), and its own messages don't
//! come back in a form that could be said again (`/echo`, see the session).

mod request;
mod sessions;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use trappe_core::{
    command::At,
    encode::{Look, Wire},
    limits::{COOKIE_ADDRESSES, COOKIES_OF_ADDRESS, DATAGRAM_READS, UDP_ATTACHED},
    message::{Author, Entry},
    name::Name,
    reply::{self, Ending, To},
    room::item::Item,
    session::Session,
    words::say,
};

use self::{
    request::{First, Join},
    sessions::{Id, Sessions},
};
use super::{
    Shared,
    conn::{Conn, Stage},
    keys,
    mail::Mail,
    metrics::{Dropped, Refused, Transport},
    moves,
    pump::Pump,
    talk::{Talk, without_newline},
    voice::{Verdict, Voice},
};
use crate::net::{
    address::Peer,
    cookie::{self, Cookies},
    datagram::{Inbox, Port, Route},
    sink::{Datagrams, Sink},
};

/// Nobody joins from a port below: they are those of services.
const PORT_MIN: u16 = 1024;

/// The worker of who is no member.
const NOBODYS_WORKER: usize = usize::MAX;

/// Who speaks from an address.
enum Who {
    /// A member of its own.
    Member(Box<Talk>, Arc<Conn>),
    /// One that came otherwise, and has attached this address by this key.
    Attached(Arc<Conn>, Box<str>),
}

/// See the module.
pub(super) struct Udp {
    shared: Arc<Shared>,
    ports: Vec<Rc<Port>>,
    inbox: Inbox,
    sessions: Sessions<Who>,
    /// How many addresses speak for each member that has some, by its number.
    attached: BTreeMap<u64, usize>,
    cookies: Cookies,
    /// How many cookies went to each address in this epoch.
    given: (u64, BTreeMap<IpAddr, u32>),
    /// The server stops: nothing more is read.
    stopped: bool,
}

impl Udp {
    /// # Errors
    /// The runtime, inside which this must be called, can't watch a socket.
    pub(super) fn new(shared: &Arc<Shared>, sockets: Vec<std::net::UdpSocket>) -> io::Result<Udp> {
        let ports = sockets.into_iter().map(|socket| Port::new(socket).map(Rc::new));
        Ok(Udp {
            shared: Arc::clone(shared),
            ports: ports.collect::<io::Result<_>>()?,
            inbox: Inbox::new(),
            sessions: Sessions::new(),
            attached: BTreeMap::new(),
            cookies: Cookies::new(),
            given: (0, BTreeMap::new()),
            stopped: false,
        })
    }

    /// Whether there is something to be done.
    pub(super) fn poll_work(&self, cx: &mut Context<'_>) -> Poll<()> {
        for port in &self.ports {
            if !self.stopped && port.poll_work(cx).is_ready() {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }

    /// When the next session may be over.
    pub(super) fn due(&self) -> Option<Duration> {
        self.sessions.due()
    }

    /// Hands the kernel what the pump has written.
    pub(super) fn flush(&self) {
        for port in &self.ports {
            let refused = port.flush();
            if refused > 0 {
                self.shared.metrics.dropped(Dropped::Unsent, refused);
            }
        }
    }

    /// Reads what has come, within bounds, and ends what has been silent for too long.
    pub(super) fn read(&mut self, pump: &mut Pump) {
        if self.stopped {
            return;
        }
        for port in 0..self.ports.len() {
            for _ in 0..DATAGRAM_READS {
                if !self.read_once(pump, port) {
                    break;
                }
            }
        }
        let now = self.shared.now();
        while let Some((id, who)) = self.sessions.expire(now) {
            self.silent(pump, id, who);
        }
    }

    /// The server stops: what has come was accepted, and is heard; then nothing more is. The members stay until all is said.
    pub(super) fn read_last(&mut self, pump: &mut Pump) {
        for port in 0..self.ports.len() {
            // More than any kernel keeps for a socket.
            for _ in 0..1 << 12 {
                if !self.read_once(pump, port) {
                    break;
                }
            }
        }
        self.stopped = true;
        for who in self.sessions.drain() {
            if let Who::Member(_, conn) = who {
                gone(pump, &conn);
            }
        }
    }

    /// False: there was nothing.
    fn read_once(&mut self, pump: &mut Pump, port: usize) -> bool {
        let mut inbox = std::mem::replace(&mut self.inbox, Inbox::nothing());
        let came = self.ports[port].read(&mut inbox);
        let mut bytes = 0;
        for i in 0..came {
            let (route, datagram) = inbox.get(i);
            bytes += datagram.len() as u64;
            self.came(pump, port, route, datagram);
        }
        self.inbox = inbox;
        if came > 0 {
            self.shared.metrics.worker(pump.worker).bytes_in(bytes);
        }
        came > 0
    }

    fn came(&mut self, pump: &mut Pump, port: usize, route: Route, datagram: &[u8]) {
        let peer = Peer::from(route.peer);
        let Peer::Ip(address) = peer else { return };
        // Nobody can be answered at port 0, and no program speaks from there; and nobody but who forges speaks from here.
        if address.port() == 0 || self.ports[port].is_own(route) {
            return self.shared.metrics.dropped(Dropped::Loop, 1);
        }
        if !self.shared.open && !peer.is_local() {
            self.shared.metrics.refused(Refused::Remote);
            return self.shared.log_refused(peer);
        }
        let id = Id { port, address };
        let now = self.shared.now();
        match self.sessions.hear(now, id) {
            Some(Who::Member(_, conn)) if conn.stage() != Stage::Heard => {
                // It was the hub that ended it: to come back it has to ask anew.
                if let Some(who) = self.sessions.remove(id) {
                    self.over(pump, who);
                }
            }
            Some(Who::Attached(conn, _)) if !keys::is_there(conn) => {
                // What was meant for a member that has left, nobody else says; but it may ask for something of its own.
                let asks = request::first(without_newline(datagram));
                if !matches!(asks, First::Join(_) | First::Key { .. }) {
                    return self.shared.metrics.dropped(Dropped::Unproven, 1);
                }
                self.detach(id);
            }
            Some(who) => {
                let heard = Self::hear(&self.shared, who, datagram);
                if heard == Verdict::Quit
                    && let Some(Who::Member(_, conn)) = self.sessions.remove(id)
                {
                    gone(pump, &conn);
                }
                return;
            }
            None => {}
        }
        self.stranger(pump, id, route, datagram);
    }

    /// A datagram of who is known.
    fn hear(shared: &Shared, who: &mut Who, datagram: &[u8]) -> Verdict {
        match who {
            Who::Attached(conn, own) => {
                let said = match request::key(without_newline(datagram)) {
                    None => datagram,
                    // The datagram that attached it has come twice.
                    Some((key, rest)) if *key == **own => rest,
                    // It speaks for this member, and for no other until this one has left: a source can be forged.
                    Some(_) => {
                        shared.metrics.dropped(Dropped::Unproven, 1);
                        return Verdict::GoOn;
                    }
                };
                if !without_newline(said).is_empty() && !shared.keys.say(conn, said) {
                    shared.metrics.dropped(Dropped::Slowed, 1);
                }
                Verdict::GoOn
            }
            Who::Member(talk, conn) => {
                let body = without_newline(datagram);
                if request::is_answer(body, talk.voice.session.look().is_json()) {
                    shared.metrics.dropped(Dropped::Loop, 1);
                    return Verdict::GoOn;
                }
                // A key that is good is nothing to be said, and attaches no address that is a member itself.
                if let Some((key, _)) = request::key(body)
                    && shared.keys.whose(shared.now(), key).is_some()
                {
                    shared.metrics.dropped(Dropped::Unproven, 1);
                    return Verdict::GoOn;
                }
                let again = request::again(body);
                let said = again.as_deref().unwrap_or(datagram);
                if !body.is_empty() && (conn.is_full() || talk.voice.is_pressed(shared, conn)) {
                    shared.metrics.dropped(Dropped::Slowed, 1);
                    return Verdict::GoOn;
                }
                // Whatever is wrong with what one member says, it ends no other.
                let heard = AssertUnwindSafe(|| talk.datagram(shared, conn, said));
                catch_unwind(heard).unwrap_or_else(|_| {
                    let number = conn.number();
                    tracing::error!(number, "a datagram made the server panic: its member ends");
                    shared.metrics.panicked();
                    talk.voice.depart(shared, conn, None, bytes::Bytes::new());
                    Verdict::Quit
                })
            }
        }
    }

    /// A datagram from an address that is no member.
    fn stranger(&mut self, pump: &mut Pump, id: Id, route: Route, datagram: &[u8]) {
        let body = without_newline(datagram);
        if body.is_empty() {
            return;
        }
        let now = self.shared.now();
        match request::first(body) {
            First::Speech(body) => self.speech(pump, id.address, body),
            // The services of well-known ports (echo, chargen …) would say again all that they are told.
            First::Join(_) if id.address.port() < PORT_MIN => {
                self.shared.metrics.dropped(Dropped::Loop, 1);
            }
            First::Key { key, rest } => match self.shared.keys.whose(now, key) {
                Some(conn) => self.attach(now, id, &conn, key, rest),
                None => self.shared.metrics.dropped(Dropped::Unproven, 1),
            },
            First::Join(join) if self.is_trusted(id) => {
                if join.cookie.is_some() {
                    // A cookie of another hub's is an answer, not a request.
                    self.shared.metrics.dropped(Dropped::Unproven, 1);
                } else {
                    self.join(pump, id, route, &join.room, join.after);
                }
            }
            First::Join(join) => match join.cookie {
                Some(given) if self.cookies.is_good(id.address, join.room.as_str(), now, given) => {
                    self.join(pump, id, route, &join.room, join.after);
                }
                None if join.after.is_none() => self.give_cookie(now, id, route, &join, datagram),
                _ => self.shared.metrics.dropped(Dropped::Unproven, 1),
            },
            First::Other => self.shared.metrics.dropped(Dropped::Unproven, 1),
        }
    }

    /// Whether an address needs no proof. One that speaks from a hub's own port does: two hubs that somebody has made each
    /// other's members, each twice, would pass on each other's words for ever; and no hub sends a cookie back.
    fn is_trusted(&self, id: Id) -> bool {
        let ip = id.address.ip();
        let is_hub = id.address.port() == self.ports[id.port].number();
        !is_hub && (ip.is_loopback() || self.shared.udp_trust.iter().any(|net| net.contains(&ip)))
    }

    /// Who is no member is heard in the lobby, by its address.
    fn speech(&self, pump: &Pump, address: SocketAddr, body: &[u8]) {
        let lobby = self.shared.lobby();
        if body.len() > self.shared.defaults.message_bytes {
            return self.shared.metrics.dropped(Dropped::TooLong, 1);
        }
        let disk_is_behind = self.shared.posts.history.as_ref().is_some_and(|it| it.is_pressed());
        if disk_is_behind || lobby.tail.with(|log| log.pressed(0, NOBODYS_WORKER)) {
            return self.shared.metrics.dropped(Dropped::Slowed, 1);
        }
        let author = Author { number: 0, name: Some(Name::address(&address.to_string())) };
        self.shared.append(
            pump.worker,
            lobby,
            self.shared.now(),
            Entry::speech(author, None, body),
        );
        self.shared.metrics.worker(pump.worker).messages(1);
    }

    /// The one answer to an address that has proved nothing: never longer than three times what it sent (RFC 9000 §8.1).
    fn give_cookie(&mut self, now: Duration, id: Id, route: Route, join: &Join, datagram: &[u8]) {
        let epoch = cookie::epoch(now);
        if self.given.0 != epoch {
            self.given = (epoch, BTreeMap::new());
        }
        let given = &mut self.given.1;
        let ip = sessions::host(id.address.ip());
        if given.len() < COOKIE_ADDRESSES || given.contains_key(&ip) {
            let count = given.entry(ip).or_default();
            if *count >= COOKIES_OF_ADDRESS {
                return self.shared.metrics.dropped(Dropped::Unproven, 1);
            }
            *count += 1;
        }
        let cookie = self.cookies.make(id.address, join.room.as_str(), now);
        let end = if datagram.ends_with(b"\n") { "\n" } else { "" };
        let answer = format!("/join {} {cookie}{end}", join.typed);
        if answer.len() <= 3 * datagram.len() {
            // One that the kernel doesn't take now is one that was lost: the client asks again.
            let _lost = self.ports[id.port].send(route, answer.as_bytes());
        }
    }

    /// An address that is proved becomes a member of a room, and of no other before.
    fn join(&mut self, pump: &mut Pump, id: Id, route: Route, room: &Name, after: Option<At>) {
        let shared = Arc::clone(&self.shared);
        let now = shared.now();
        if !self.sessions.has_room(id.address.ip()) {
            return shared.metrics.dropped(Dropped::Full, 1);
        }
        let sink = Sink::Datagram(Box::new(Datagrams::new(Rc::clone(&self.ports[id.port]), route)));
        let worker = pump.worker;
        let conn = pump.add(sink, |slot| {
            Arc::new(Conn::new(Peer::Ip(id.address), now, worker, slot, false, (0, 1)))
        });
        conn.set_heard();
        conn.set_transport(Transport::Udp);
        if shared.arrive(&conn).is_err() {
            shared.metrics.refused(Refused::Full);
            return pump.remove(conn.slot);
        }
        shared.came(&conn);
        let look = Look { wire: Wire::Datagram, ..shared.defaults.look };
        let session = Session::new(conn.number(), look, shared.defaults.message_bytes);
        let mut voice = Voice::new(session, []);
        moves::enter(&shared, &conn, &mut voice, room, after);
        voice.announce(&shared, &conn, now);
        voice.flush(&shared, &conn);
        let talk = Box::new(Talk::datagrams(&shared, &conn, voice));
        self.sessions.add(now, id, Who::Member(talk, conn));
    }

    /// An address speaks for a member from now on.
    fn attach(&mut self, now: Duration, id: Id, conn: &Arc<Conn>, key: &str, rest: &[u8]) {
        let of = self.attached.get(&conn.number()).copied().unwrap_or_default();
        if !self.sessions.has_room(id.address.ip()) || of >= UDP_ATTACHED {
            return self.shared.metrics.dropped(Dropped::Full, 1);
        }
        self.shared.keys.spend(conn);
        *self.attached.entry(conn.number()).or_default() += 1;
        self.sessions.add(now, id, Who::Attached(Arc::clone(conn), key.into()));
        let told = Item::Attached(id.address.to_string().into());
        conn.claim(told.cost());
        self.shared.posts.to(conn, Mail::Private(Arc::clone(conn), told));
        if !rest.is_empty() && !self.shared.keys.say(conn, rest) {
            self.shared.metrics.dropped(Dropped::Slowed, 1);
        }
    }

    /// An address speaks for a member no more.
    fn detach(&mut self, id: Id) {
        if let Some(Who::Attached(conn, _)) = self.sessions.remove(id) {
            self.detached(&conn);
        }
    }

    fn detached(&mut self, conn: &Conn) {
        if let Some(count) = self.attached.get_mut(&conn.number()) {
            *count -= 1;
            if *count == 0 {
                self.attached.remove(&conn.number());
            }
        }
    }

    /// Nothing has come from there for too long.
    fn silent(&mut self, pump: &mut Pump, id: Id, who: Who) {
        if let Who::Attached(conn, _) = who {
            self.detached(&conn);
        } else if let Who::Member(mut talk, conn) = who {
            tracing::debug!(number = conn.number(), peer = %id.address, "silent for too long");
            if conn.stage() == Stage::Heard {
                let look = talk.voice.session.look();
                let sentence = say(look.lang, "silent-closed", &[]);
                let farewell = reply::farewell(To::unasked(look), Ending::Silent, &sentence, &[]);
                talk.voice.depart(&self.shared, &conn, None, farewell.into());
                gone(pump, &conn);
            } else {
                self.over(pump, Who::Member(talk, conn));
            }
        }
    }

    /// The hub has ended a member: it leaves now.
    fn over(&self, pump: &mut Pump, who: Who) {
        if let Who::Member(mut talk, conn) = who {
            talk.voice.depart(&self.shared, &conn, None, bytes::Bytes::new());
            gone(pump, &conn);
        }
    }
}

/// Nothing more is heard from a member by UDP: once all is written that is due, it is gone.
fn gone(pump: &mut Pump, conn: &Arc<Conn>) {
    if let Some((slot, _)) = pump.slot(conn) {
        pump.reader_gone(slot);
    }
}
