//! A worker: a thread with a runtime of its own, one pump, and the readers of its connections.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    net::UdpSocket,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    runtime,
    task::JoinSet,
    time::{self, Instant},
};
use trappe_core::{
    encode::Look,
    limits::{EXPIRY, HTTP_HEAD, SILENCE, SILENCE_AHEAD},
    reply::{self, Ending, To},
    room::{item::Item, listener::Views, view::View},
    words::say,
};

use super::{
    RELIEF, Shared, accept,
    conn::{Conn, Stage},
    end_process,
    mail::{Act, Mail},
    metrics::Refused,
    pump::{Pump, Slot},
    reader::Reader,
    spawn,
    udp::Udp,
    yield_now,
};
use crate::net::{address::Peer, listen::Listener, sink::Sink, stream::TcpStream};

/// A mailbox that grew beyond this many mails is given back.
const MAIL_KEPT: usize = 4096;

/// Starts worker `number`, which accepts on `listeners` and reads datagrams from `sockets`; its thread ends when the server stops.
pub(super) fn start(
    shared: &Arc<Shared>,
    number: usize,
    listeners: Vec<Listener>,
    sockets: Vec<UdpSocket>,
) -> io::Result<JoinHandle<()>> {
    let shared = Arc::clone(shared);
    let rt = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
        rt.block_on(work(shared, number, listeners, sockets));
        // Readers that still drain have had their time.
        rt.shutdown_background();
    })
}

/// What a worker does, until the server stops.
pub(crate) async fn work(
    shared: Arc<Shared>,
    number: usize,
    listeners: Vec<Listener>,
    sockets: Vec<UdpSocket>,
) {
    let acceptors = accept::start(&shared, listeners);
    let udp = (!sockets.is_empty()).then(|| Udp::new(&shared, sockets)).transpose();
    let udp = udp.unwrap_or_else(|error| {
        tracing::error!(%error, "can't wait for datagrams: nobody is heard by UDP");
        None
    });
    Worker::new(shared, number, acceptors, udp).run().await;
}

/// What the runtime's timers don't tell apart.
const ALARM_GRAIN: Duration = Duration::from_millis(1);

/// One timer for all that a worker waits for. It is set anew for what comes earlier only: who is heard puts its own end off, and
/// each setting costs a call of the system. So it may ring for nothing, once.
#[derive(Default)]
struct Alarm(Option<Pin<Box<time::Sleep>>>);

impl Alarm {
    fn set(&mut self, after: Option<Duration>) {
        let due = after.map(|after| Instant::now() + after);
        match (due, &mut self.0) {
            (Some(due), None) => self.0 = Some(Box::pin(time::sleep_until(due))),
            (Some(due), Some(set)) if due + ALARM_GRAIN < set.deadline() => {
                set.as_mut().reset(due);
            }
            _ => {}
        }
    }

    async fn rings(&mut self) {
        match &mut self.0 {
            Some(set) => set.as_mut().await,
            None => std::future::pending().await,
        }
        self.0 = None;
    }
}

struct Worker {
    shared: Arc<Shared>,
    pump: Pump,
    mail: Vec<Mail>,
    /// Connections that have said nothing yet, in the order of their deadlines.
    silent: VecDeque<(Duration, Arc<Conn>)>,
    /// Those of them that a browser may have opened ahead of time, in the order of theirs.
    ahead: VecDeque<(Duration, Arc<Conn>)>,
    /// Readers that haven't read for the last time.
    reading: usize,
    acceptors: JoinSet<()>,
    /// Members by UDP, if this worker looks after them.
    udp: Option<Udp>,
    last_read: bool,
    close_by: Option<Instant>,
}

impl Worker {
    fn new(shared: Arc<Shared>, number: usize, acceptors: JoinSet<()>, udp: Option<Udp>) -> Worker {
        let pump = Pump::new(Arc::clone(&shared), number);
        Worker {
            shared,
            pump,
            mail: Vec::new(),
            silent: VecDeque::new(),
            ahead: VecDeque::new(),
            reading: 0,
            acceptors,
            udp,
            last_read: false,
            close_by: None,
        }
    }

    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let post = &shared.posts.workers[self.pump.worker];
        let mut alarm = Alarm::default();
        loop {
            if self.pump.is_idle() {
                alarm.set(self.next_deadline());
                let udp = &self.udp;
                let datagrams = poll_fn(|cx| match udp {
                    Some(udp) => udp.poll_work(cx),
                    None => Poll::Pending,
                });
                tokio::select! {
                    biased;
                    () = post.bell.heard() => {}
                    () = datagrams => {}
                    () = alarm.rings() => {}
                }
            }
            // Other senders' lines that have arrived by now join the batch.
            yield_now().await;
            let round = catch_unwind(AssertUnwindSafe(|| self.round()));
            if round.is_err() {
                // A pump that panics may have torn its members' state: the service starts the process anew.
                tracing::error!(worker = self.pump.worker, "the pump panicked: the process ends");
                end_process();
            }
            if self.is_over() {
                return;
            }
        }
    }

    fn round(&mut self) {
        if let Some(udp) = &mut self.udp {
            udp.read(&mut self.pump);
        }
        self.read_mail();
        if self.admit_silent() {
            self.read_mail();
        }
        if !self.pump.ending.is_empty() {
            self.pump.expire();
        }
        self.pump.pace();
        self.pump.rested();
        self.pump.turn();
        if let Some(udp) = &self.udp {
            udp.flush();
        }
        let tally = std::mem::take(&mut self.pump.tally);
        self.shared.metrics.worker(self.pump.worker).add(&tally);
        self.shared.relieve();
    }

    /// Reads the mail; what was said meanwhile is sealed, and comes back as mail of its own.
    fn read_mail(&mut self) {
        let (mut sealed, mut said) = (true, false);
        while std::mem::take(&mut sealed) {
            let mut mail = std::mem::take(&mut self.mail);
            self.shared.posts.workers[self.pump.worker].take(&mut mail);
            for mail in mail.drain(..) {
                if let Mail::Said(room) = mail {
                    room.seal(&self.shared.posts, self.pump.worker);
                    (sealed, said) = (true, true);
                } else {
                    self.read(mail);
                }
            }
            if mail.capacity() <= MAIL_KEPT {
                self.mail = mail;
            }
        }
        if let Some(history) = self.shared.posts.history.as_ref().filter(|_| said) {
            history.write();
        }
    }

    fn next_deadline(&self) -> Option<Duration> {
        let now = self.shared.now();
        let silent = [&self.silent, &self.ahead].into_iter().filter_map(VecDeque::front);
        let silence = silent.map(|(due, _)| due.saturating_sub(now)).min();
        let expiry = (!self.pump.ending.is_empty()).then_some(EXPIRY);
        let close = self.close_by.map(|by| by.saturating_duration_since(Instant::now()));
        let relief = self.shared.is_over().then_some(RELIEF);
        let in_time = |due: Duration| due.saturating_sub(now);
        let paced = self.pump.paced.front().map(|(due, _)| in_time(*due));
        let resting = self.pump.resting.front().map(|(due, ..)| in_time(*due));
        let sessions = self.udp.as_ref().and_then(Udp::due).map(in_time);
        [silence, expiry, close, relief, paced, resting, sessions].into_iter().flatten().min()
    }

    fn is_over(&self) -> bool {
        self.pump.closing
            && (self.pump.slots.is_empty() || self.close_by.is_some_and(|by| Instant::now() >= by))
    }

    fn read(&mut self, mail: Mail) {
        match mail {
            Mail::Mine(stream, peer) => self.accepted(stream, peer),
            Mail::Accepted(stream, peer) => match TcpStream::from_std(stream) {
                Ok(stream) => self.accepted(stream, peer),
                Err(error) => tracing::warn!(%peer, %error, "can't register a connection: closed"),
            },
            Mail::Said(room) => room.publish(&self.shared.posts),
            Mail::Spoke(conn, room, until) => {
                if let Some((_, slot)) = self.pump.slot(&conn) {
                    slot.listener.spoke(room, until);
                }
            }
            Mail::Batch(room, batch) => self.pump.batch(&room, batch),
            Mail::View(room, kept, end) => {
                let view = View::new(Arc::clone(&room.life), kept, end);
                self.pump.open(room, view);
            }
            Mail::Enter(conn, room, at) => {
                if let Some((id, _)) = self.pump.slot(&conn) {
                    self.pump.enter(id, &room, at);
                }
            }
            Mail::Changed(room) => self.pump.changed(&room),
            Mail::Past(conn, past) => self.pump.past(&conn, &past),
            Mail::Private(conn, item) => self.private(&conn, item),
            Mail::Refuse(conn, bytes) => self.refuse(&conn, bytes),
            Mail::Withdraw(conn) => {
                if let Some((id, _)) = self.pump.slot(&conn) {
                    self.pump.exit_all(id);
                }
            }
            Mail::Finish(conn, ends, farewell) => {
                if let Some((id, _)) = self.pump.slot(&conn) {
                    self.pump.finish(id, &ends, farewell);
                }
            }
            Mail::Supersede(conn) => {
                if let Some((id, slot)) = self.pump.slot(&conn) {
                    let look = slot.listener.look();
                    let sentence = say(look.lang, "superseded", &[]);
                    let farewell =
                        reply::farewell(To::unasked(look), Ending::Superseded, &sentence, &[]);
                    self.pump.finish(id, &[], farewell.into());
                }
            }
            Mail::ReadLast => {
                self.reading -= 1;
                self.report_last_read();
            }
            Mail::ReaderGone(conn, read_last) => {
                self.reading -= usize::from(!read_last);
                if let Some((id, _)) = self.pump.slot(&conn) {
                    self.pump.reader_gone(id);
                }
                self.report_last_read();
            }
            Mail::Watched(conn) => {
                if let Some((_, slot)) = self.pump.slot(&conn) {
                    slot.watched = conn.is_watched();
                }
            }
            Mail::Census(tell) => {
                // Whoever asked may have gone meanwhile.
                let _gone = tell.send(self.pump.census());
            }
            Mail::Writable(id, serial) => self.pump.writable(id, serial),
            Mail::Squeeze(room) => self.pump.squeeze(&room),
            Mail::LastRead => {
                self.acceptors.abort_all();
                self.last_read = true;
                if let Some(udp) = &mut self.udp {
                    udp.read_last(&mut self.pump);
                }
                for (_, slot) in &self.pump.slots {
                    slot.conn.advance(Stage::LastRead);
                }
                self.report_last_read();
            }
            Mail::Close => self.close(),
        }
    }

    fn private(&mut self, conn: &Arc<Conn>, item: Item<Act>) {
        match self.pump.slot(conn) {
            Some((id, slot)) if !slot.dead => {
                slot.listener.push(item);
                self.pump.urge(id);
            }
            // Nobody will read it; but its reader, if there still is one, goes on to the end.
            _ => {
                conn.release(item.cost());
                if let Item::Act(act) | Item::Leave(_, act) = item {
                    self.pump.cancel(conn.number(), &act);
                }
            }
        }
    }

    fn report_last_read(&mut self) {
        if self.last_read && self.reading == 0 {
            self.last_read = false;
            self.shared.drained();
        }
    }

    fn close(&mut self) {
        self.pump.closing = true;
        self.close_by = Some(Instant::now() + trappe_core::limits::DRAIN);
        let ids: Vec<u32> = self.pump.slots.iter().map(|(_, slot)| slot.conn.slot).collect();
        for id in ids {
            let slot = &self.pump.slots[id as usize];
            let look = slot.listener.look();
            // Whoever is no member (yet) has no end to be told of.
            let farewell = if slot.conn.number() == 0 {
                Vec::new()
            } else {
                let views = slot.listener.cursors().filter_map(|c| self.pump.shards.view(c.room()));
                let rooms: Vec<_> =
                    views.map(|view| (view.life().name.as_str(), view.position())).collect();
                let sentence = say(look.lang, "shutting-down", &[]);
                reply::farewell(To::unasked(look), Ending::Shutdown, &sentence, &rooms)
            };
            let views = slot
                .listener
                .cursors()
                .filter_map(|c| Some((c.room(), self.pump.shards.view(c.room())?.end())));
            let heads: Vec<(u32, u64)> = views.collect();
            self.pump.finish(id, &heads, farewell.into());
        }
    }

    fn accepted(&mut self, stream: TcpStream, peer: Peer) {
        let (shared, worker) = (&self.shared, self.pump.worker);
        let now = shared.now();
        let refused = !shared.open && !peer.is_local();
        let (read, write) = stream.into_split();
        // It hears what is said from now on, whenever it turns out to be a member.
        let entry = shared.lobby.tail.with(|log| (log.next(), log.position().seq + 1));
        let make = |slot| Arc::new(Conn::new(peer, now, worker, slot, refused, entry));
        let conn = self.pump.add(Sink::Stream(write), make);
        // Where no lines are spoken nobody listens in silence: it is waited for as a request is.
        let patience = if self.shared.only.lines { SILENCE } else { HTTP_HEAD };
        self.silent.push_back((now + patience, Arc::clone(&conn)));
        self.reading += 1;
        if self.last_read || self.pump.closing {
            conn.advance(Stage::LastRead);
        }
        spawn(Reader::new(Arc::clone(&self.shared), conn, read));
    }

    /// Whoever has said nothing for long enough is a member now (or is told why it can't be). Tells whether there was any.
    fn admit_silent(&mut self) -> bool {
        let now = self.shared.now();
        let mut admitted = false;
        let is_due = |silent: &VecDeque<(Duration, Arc<Conn>)>| {
            silent.front().is_some_and(|(due, _)| *due <= now)
        };
        loop {
            let (conn, waited) = if is_due(&self.ahead) {
                (self.ahead.pop_front(), true)
            } else if is_due(&self.silent) {
                (self.silent.pop_front(), false)
            } else {
                break;
            };
            let Some((_, conn)) = conn else { break };
            let leaving = |slot: &Slot| slot.reader_gone || slot.ending.is_some();
            if conn.stage() != Stage::Silent
                || self.pump.slot(&conn).is_none_or(|(_, slot)| leaving(slot))
            {
                continue;
            }
            let opened = |from| self.shared.browsers.may_have_opened(conn.since(), from);
            if !waited && conn.peer.ip().is_some_and(opened) {
                self.ahead.push_back((now + SILENCE_AHEAD, conn));
                continue;
            }
            admitted = true;
            if conn.refused {
                let refusal = self.shared.refusal(&conn);
                self.refuse(&conn, refusal);
            } else if !self.shared.only.lines {
                self.refuse(&conn, Bytes::new());
            } else if self.shared.admit(&conn).is_err() {
                self.shared.metrics.refused(Refused::Full);
                let look = self.shared.defaults.look;
                let full = full_line(look);
                self.refuse(&conn, full);
            }
        }
        for silent in [&mut self.silent, &mut self.ahead] {
            if silent.is_empty() && silent.capacity() > 1024 {
                *silent = VecDeque::new();
            }
        }
        admitted
    }

    fn refuse(&mut self, conn: &Arc<Conn>, bytes: Bytes) {
        if let Some((id, slot)) = self.pump.slot(conn) {
            if !slot.wrote && !bytes.is_empty() {
                let item = Item::Bytes(bytes);
                conn.claim(item.cost());
                slot.listener.push(item);
            }
            self.pump.finish(id, &[], Bytes::new());
        }
    }
}

/// The line for who finds the hub full.
pub(super) fn full_line(look: Look) -> Bytes {
    let mut out = Vec::new();
    look.error(&mut out, "full", &say(look.lang, "full-members", &[]));
    out.into()
}
