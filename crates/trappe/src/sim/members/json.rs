//! A program of JSON lines, written by hand: it says everything under a number of its own, comes back to its session
//! and its positions, and says again what wasn't acknowledged.

mod hear;

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    sync::mpsc::UnboundedReceiver,
    task::spawn_local,
    time::{Instant, sleep, timeout},
};

use super::{Body, Next, Order};
use crate::sim::{
    chance::Chance,
    model::{How, Place},
    net::{self, Stream},
};

/// From here on the numbers of questions, so that they are no message's.
const ASKS_FROM: u64 = 1_000_000;

/// How long a session is good after its connection's end, with a margin (PROTOCOL §5: 2 minutes).
const SESSION_KEPT: Duration = Duration::from_secs(110);

/// Messages that it remembers to have been acknowledged, to say them again.
const DONE: usize = 50;

/// Something that it said, and waits for.
#[derive(Clone, Debug)]
struct Said {
    room: String,
    text: String,
    /// It was given to a connection of this session: the hub may have heard it.
    risky: bool,
}

/// A room that it is in.
#[derive(Debug, Default)]
struct Stay {
    /// Up to where it has had everything; none until the hub has told where it is.
    at: Option<Place>,
    /// What it has had beyond that.
    ahead: BTreeSet<u64>,
    /// The last that it heard.
    last: u64,
    /// What it asked for has come: from here on it is new.
    is_live: bool,
    /// It has asked for what it had once more.
    again: Option<Again>,
    is_leaving: bool,
}

/// Everything after a number is wanted once more.
#[derive(Debug)]
struct Again {
    /// By the question of this id.
    id: u64,
    /// The number; none once it has begun to come.
    after: Option<u64>,
}

/// What it has asked, and what has come of it so far.
#[derive(Debug)]
struct Asked {
    id: u64,
    room: String,
    /// How many messages; or the word that is to be in them.
    what: Result<usize, String>,
    /// What was acknowledged when it asked, at last.
    acked: u64,
    found: Vec<(u64, String)>,
    /// Of some it was told that they aren't there.
    has_gaps: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Json {
    body: Body,
    chance: Chance,
    session: Option<String>,
    /// Something that it said in this session was acknowledged: the hub knows it, also after a crash.
    is_known: bool,
    /// When its last connection ended.
    away_since: Instant,
    sends: BTreeMap<u64, Said>,
    done: BTreeMap<u64, Said>,
    next_id: u64,
    next_ask: u64,
    rooms: BTreeMap<String, Stay>,
    /// The epoch of each room, as it was last told.
    epochs: BTreeMap<String, String>,
    joins: BTreeMap<u64, (String, Option<Place>)>,
    asked: Option<Asked>,
    /// The id of the hello that wasn't answered yet.
    hello: Option<u64>,
    /// What is to be written.
    out: Vec<u8>,
    /// The life of the hub to which it is connected.
    hub: u32,
}

/// How a connection ended.
enum End {
    Lost,
    /// Nobody wants anything of the member any more.
    Over,
}

impl Stay {
    /// This number was had.
    fn had(&mut self, seq: u64) {
        if self.at.as_ref().is_some_and(|at| seq > at.seq) {
            self.ahead.insert(seq);
        }
        self.close_up();
    }

    /// Nothing up to this number comes any more.
    fn skip(&mut self, seq: u64) {
        if let Some(at) = &mut self.at {
            at.seq = at.seq.max(seq);
            let at = at.seq;
            self.ahead.retain(|ahead| *ahead > at);
        }
        self.close_up();
    }

    fn close_up(&mut self) {
        let Some(at) = &mut self.at else { return };
        while self.ahead.remove(&(at.seq + 1)) {
            at.seq += 1;
        }
    }

    /// It stands here, whatever was.
    fn stands(&mut self, place: Place) {
        (self.at, self.ahead) = (Some(place), BTreeSet::new());
    }
}

impl Json {
    pub(crate) fn new(body: Body, chance: Chance, rooms: Vec<String>) -> Json {
        Json {
            body,
            chance,
            session: None,
            is_known: false,
            away_since: Instant::now(),
            sends: BTreeMap::new(),
            done: BTreeMap::new(),
            next_id: 1,
            next_ask: ASKS_FROM,
            rooms: rooms.into_iter().map(|room| (room, Stay::default())).collect(),
            epochs: BTreeMap::new(),
            joins: BTreeMap::new(),
            asked: None,
            hello: None,
            out: Vec::new(),
            hub: 0,
        }
    }

    /// Lives until nobody gives orders any more.
    pub(crate) async fn live(mut self, mut orders: UnboundedReceiver<Order>) {
        let name = format!("json {}", self.body.who);
        loop {
            self.tell_doing(false);
            if let Ok((stream, link)) = net::connect(&name).await {
                self.hub = self.body.world.hub();
                self.body.does(|doing| doing.link = Some(link));
                let end = self.talk(stream, &mut orders).await;
                self.is_cut_off();
                if matches!(end, End::Over) {
                    return;
                }
            }
            let pause = self.chance.time(Duration::from_millis(1)..=Duration::from_millis(400));
            sleep(pause).await;
        }
    }

    /// Talks until the connection ends.
    async fn talk(&mut self, stream: Stream, orders: &mut UnboundedReceiver<Order>) -> End {
        let (mut reader, mut writer) = split(stream);
        self.greet();
        let (mut buffer, mut line) = (vec![0; 4096], Vec::new());
        let mut is_broken = false;
        loop {
            self.tell_doing(self.hello.is_none());
            let is_deaf = self.body.does(|doing| doing.is_deaf);
            let next = tokio::select! {
                biased;
                order = orders.recv() => Next::Order(order),
                read = reader.read(&mut buffer), if !is_deaf => Next::Read(read),
                written = writer.write(&self.out), if !self.out.is_empty() && !is_broken => Next::Written(written),
            };
            match next {
                Next::Order(None) => return End::Over,
                Next::Order(Some(Order::Cut)) => return End::Lost,
                Next::Order(Some(Order::TakeOver)) if self.hello.is_none() => {
                    let is_let_go = Rc::default();
                    self.body.does(|doing| doing.ghosts.push(Rc::clone(&is_let_go)));
                    spawn_local(haunt(self.body.clone(), is_let_go, reader, writer));
                    return End::Lost;
                }
                Next::Order(Some(order)) => self.obey(order),
                Next::Read(Ok(count)) if count > 0 => {
                    for &byte in &buffer[..count] {
                        if byte == b'\n' {
                            let event = serde_json::from_slice(&line);
                            match event {
                                Ok(event) => self.hears(&event),
                                Err(_) => self.hears_no_json(&line),
                            }
                            line.clear();
                        } else {
                            line.push(byte);
                        }
                    }
                }
                Next::Read(_) => return End::Lost,
                Next::Written(Ok(count)) if count > 0 => drop(self.out.drain(..count)),
                // What the hub had to say is still to be read.
                Next::Written(_) => is_broken = true,
            }
        }
    }

    /// What a new connection begins with.
    fn greet(&mut self) {
        self.body.begins();
        let id = self.ask_id();
        self.hello = Some(id);
        let rooms: Vec<Value> = self
            .rooms
            .iter()
            .map(|(room, stay)| match &stay.at {
                Some(at) => json!({"room": room, "after": format!("{}@{}", at.epoch, at.seq)}),
                None => json!({"room": room}),
            })
            .collect();
        let mut hello = json!({"op": "hello", "rooms": rooms, "id": id});
        if let Some(session) = &self.session {
            hello["session"] = json!(session);
        }
        // The empty line is none; after it no pause ends a line.
        self.out = b"\n/format json\n".to_vec();
        self.op(&hello);
    }

    /// The connection is gone, and with it what was on its way.
    fn is_cut_off(&mut self) {
        if self.hello.is_none() {
            self.away_since = Instant::now();
        }
        self.body.note("is cut off");
        self.out.clear();
        self.joins.clear();
        self.asked = None;
        let left: Vec<String> = self
            .rooms
            .iter()
            .filter(|(_, stay)| stay.is_leaving)
            .map(|(room, _)| room.clone())
            .collect();
        for room in left {
            self.is_out_of(&room);
        }
        for stay in self.rooms.values_mut() {
            (stay.again, stay.is_live) = (None, false);
        }
        self.body.does(|doing| {
            doing.link = None;
            doing.is_deaf = false;
        });
    }

    /// Who gives the orders learns how things are.
    fn tell_doing(&mut self, is_there: bool) {
        let rooms = self.rooms.iter().filter(|(_, stay)| !stay.is_leaving);
        let rooms = rooms.map(|(room, stay)| (room.clone(), stay.at.clone())).collect();
        let asks = self.asked.is_some()
            || !self.joins.is_empty()
            || self
                .rooms
                .values()
                .any(|stay| stay.is_leaving || stay.again.is_some() || !stay.is_live);
        self.body.does(|doing| {
            (doing.is_there, doing.asks, doing.rooms) = (is_there, asks, rooms);
        });
    }

    fn op(&mut self, op: &Value) {
        self.out.extend_from_slice(format!("{op}\n").as_bytes());
    }

    fn ask_id(&mut self) -> u64 {
        self.next_ask += 1;
        self.next_ask
    }

    /// Gives a message to the connection.
    fn send(&mut self, id: u64) {
        let Some(said) = self.sends.get_mut(&id).or_else(|| self.done.get_mut(&id)) else { return };
        said.risky = true;
        let op = json!({"op": "send", "room": said.room, "text": said.text, "id": id});
        self.op(&op);
    }

    fn obey(&mut self, order: Order) {
        let is_free = self.hello.is_none() && self.asked.is_none() && self.joins.is_empty();
        match order {
            Order::Say(room, text)
                if self.rooms.get(&room).is_some_and(|stay| !stay.is_leaving) =>
            {
                self.body.says(&room, &text, How::Numbered);
                let id = self.next_id;
                self.next_id += 1;
                self.sends.insert(id, Said { room, text, risky: false });
                if self.hello.is_none() {
                    self.send(id);
                }
            }
            Order::Repeat if self.hello.is_none() => {
                let done = self.done.iter().filter(|(_, said)| self.is_live_in(&said.room));
                let ids: Vec<u64> = done.map(|(id, _)| *id).collect();
                if !ids.is_empty() {
                    let id = *self.chance.pick(&ids);
                    self.body.note(&format!("repeats {id}"));
                    self.send(id);
                }
            }
            Order::Join(room, after) if is_free && !self.rooms.contains_key(&room) => {
                let id = self.ask_id();
                let mut op = json!({"op": "join", "room": room, "id": id});
                if let Some(after) = &after {
                    op["after"] = json!(format!("{}@{}", after.epoch, after.seq));
                }
                self.body.note(&format!("joins {room} after {after:?}"));
                self.op(&op);
                self.joins.insert(id, (room, after));
            }
            Order::Leave(room)
                if is_free && self.rooms.values().filter(|stay| !stay.is_leaving).count() > 1 =>
            {
                let Some(stay) = self.rooms.get_mut(&room) else { return };
                stay.is_leaving = true;
                self.body.note(&format!("leaves {room}"));
                let id = self.ask_id();
                self.op(&json!({"op": "leave", "room": room, "id": id}));
            }
            Order::Again(room, back) if is_free => {
                let id = self.ask_id();
                let Some(stay) = self.rooms.get_mut(&room) else { return };
                let Some(at) = stay.at.clone().filter(|_| stay.is_live && !stay.is_leaving) else {
                    return;
                };
                let after = at.seq.saturating_sub(back);
                let again = Again { id, after: Some(after) };
                (stay.again, stay.is_live) = (Some(again), false);
                self.body.note(&format!("wants {room} again after {after}"));
                let after = format!("{}@{after}", at.epoch);
                self.op(&json!({"op": "resume", "room": room, "after": after, "id": id}));
            }
            Order::History(room, count) if is_free && self.is_live_in(&room) => {
                let id = self.ask_id();
                self.op(&json!({"op": "history", "room": room, "n": count, "id": id}));
                self.asks(id, room, Ok(count));
            }
            Order::Search(room, word) if is_free && self.is_live_in(&room) => {
                let id = self.ask_id();
                self.op(&json!({"op": "search", "room": room, "words": word, "id": id}));
                self.asks(id, room, Err(word));
            }
            Order::Read(reads) => self.body.does(|doing| doing.is_deaf = !reads),
            _ => {}
        }
    }

    fn asks(&mut self, id: u64, room: String, what: Result<usize, String>) {
        let epoch = self.epochs.get(&room).map_or("", String::as_str);
        let acked = self.body.world.with(|told| told.model.last_acked(&room, epoch));
        self.asked = Some(Asked { id, room, what, acked, found: Vec::new(), has_gaps: false });
    }

    fn is_live_in(&self, room: &str) -> bool {
        self.rooms.get(room).is_some_and(|stay| stay.is_live && !stay.is_leaving)
    }

    /// It has left a room.
    fn is_out_of(&mut self, room: &str) {
        self.rooms.remove(room);
        let who = self.body.who;
        self.body.world.with(|told| told.model.leaves(who, room));
    }
}

/// The connection from which a session was taken over: the hub ends it. Nobody looks at what it still says there.
async fn haunt(
    body: Body,
    is_let_go: Rc<Cell<bool>>,
    mut reader: ReadHalf<Stream>,
    _writer: WriteHalf<Stream>,
) {
    let mut buffer = vec![0; 1024];
    // Where the session wasn't taken over after all, it is an earlier connection of somebody else.
    while !is_let_go.get() {
        match timeout(Duration::from_millis(200), reader.read(&mut buffer)).await {
            Ok(Ok(1..)) | Err(_) => {}
            Ok(_) => break,
        }
    }
    body.note("its earlier connection has ended");
    body.does(|doing| doing.ghosts.retain(|ghost| !Rc::ptr_eq(ghost, &is_let_go)));
}
