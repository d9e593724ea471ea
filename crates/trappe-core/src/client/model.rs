//! A hub as small as it can be that keeps the protocol's promises (PROTOCOL §5): one room, sessions, a disk that
//! takes what was said now and then, crashes that lose the rest. For the properties.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

const TS: &str = "2026-11-23T17:18:45.656Z";

/// Something said in the room.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) seq: u64,
    sid: u64,
    id: u64,
    pub(super) text: String,
    /// It is on disk.
    stored: bool,
}

/// A connection: what is on its way to the client, in lines.
#[derive(Debug, Default)]
pub(super) struct Link {
    pub(super) down: VecDeque<String>,
    up: Vec<u8>,
    session: Option<String>,
    /// The next line comes twice.
    pub(super) doubles: bool,
}

#[derive(Debug)]
pub(super) struct Model {
    epoch: u64,
    pub(super) log: Vec<Said>,
    next_seq: u64,
    /// What crashes left unused.
    unused: Vec<(u64, u64)>,
    sessions: BTreeMap<String, u64>,
    /// Sessions that were made: their tokens are never made again.
    tokens: u64,
    /// Members there were: a hub that keeps nothing counts from the first again.
    members: u64,
    /// By client; none: there is no connection.
    pub(super) links: Vec<Option<Link>>,
}

impl Model {
    pub(super) fn new(clients: usize) -> Self {
        Self {
            epoch: 0,
            log: Vec::new(),
            next_seq: 1,
            unused: Vec::new(),
            sessions: BTreeMap::new(),
            tokens: 0,
            members: 0,
            links: (0..clients).map(|_| None).collect(),
        }
    }

    pub(super) fn epoch(&self) -> String {
        format!("{:a>10}", char::from(b'a' + u8::try_from(self.epoch % 26).expect("a letter")))
    }

    /// Bytes come from a client.
    pub(super) fn hear(&mut self, client: usize, bytes: &[u8]) {
        let Some(link) = &mut self.links[client] else { return };
        link.up.extend_from_slice(bytes);
        while let Some(link) = &mut self.links[client]
            && let Some(end) = link.up.iter().position(|&byte| byte == b'\n')
        {
            let whole: Vec<u8> = link.up.drain(..=end).collect();
            self.line(client, &String::from_utf8_lossy(&whole));
        }
    }

    fn tell(&mut self, client: usize, event: &Value) {
        if let Some(link) = &mut self.links[client] {
            let line = format!("{event}\n");
            if std::mem::take(&mut link.doubles) {
                link.down.push_back(line.clone());
            }
            link.down.push_back(line);
        }
    }

    fn line(&mut self, client: usize, line: &str) {
        if line == "\n" {
            return;
        }
        if line.starts_with('/') {
            return self.tell(client, &json!({"ev": "ack", "op": "format"}));
        }
        let op: Value = serde_json::from_str(line).expect("a client writes JSON");
        let id = op["id"].clone();
        match op["op"].as_str().expect("an op") {
            "hello" => self.hello(client, &op),
            "send" => self.send(client, &op),
            "ping" => self.tell(client, &json!({"ev": "pong", "text": "", "id": id})),
            other => panic!("{other} isn't asked for here"),
        }
    }

    fn hello(&mut self, client: usize, op: &Value) {
        let known = op["session"].as_str().filter(|it| self.sessions.contains_key(*it));
        let resumed = known.is_some();
        let session = known.map_or_else(
            || {
                (self.tokens, self.members) = (self.tokens + 1, self.members + 1);
                let token = format!("s{}", self.tokens);
                self.sessions.insert(token.clone(), self.members);
                token
            },
            str::to_owned,
        );
        for link in self.links.iter_mut().filter(|link| {
            link.as_ref().is_some_and(|link| link.session.as_deref() == Some(&session))
        }) {
            *link = None;
        }
        if let Some(link) = &mut self.links[client] {
            link.session = Some(session.clone());
        }
        let sid = self.sessions[&session];
        let after = op["rooms"][0]["after"].as_str().map(str::to_owned);
        let head = format!("{}@{}", self.epoch(), self.next_seq - 1);
        let pos = after.clone().unwrap_or_else(|| head.clone());
        let mut hello = json!({"ev": "hello", "session": session, "sid": sid, "name": format!("client-{sid}"),
            "rooms": [{"room": "lobby", "pos": pos}], "id": op["id"]});
        if resumed {
            hello["resumed"] = true.into();
        }
        self.tell(client, &hello);
        let Some(after) = after else { return };
        let (epoch, seq) = after.split_once('@').expect("EPOCH@SEQ");
        let mut seq: u64 = seq.parse().expect("a number");
        if epoch != self.epoch() {
            let oldest = format!("{}@1", self.epoch());
            self.tell(client, &json!({"ev": "gap", "room": "lobby", "cause": "epoch", "oldest": oldest, "id": op["id"]}));
            seq = 0;
        }
        let mut items: Vec<(u64, Value)> = self.unused.iter().map(|&(from, to)| {
            (to, json!({"ev": "gap", "room": "lobby", "from": from.max(seq + 1), "to": to, "cause": "unused"}))
        }).collect();
        items.extend(self.log.iter().map(|said| {
            let mut event = msg(said);
            event["old"] = true.into();
            if said.sid == sid {
                event["own"] = true.into();
            }
            (said.seq, event)
        }));
        items.sort_by_key(|(at, _)| *at);
        for (_, event) in items.into_iter().filter(|(at, _)| *at > seq) {
            self.tell(client, &event);
        }
        self.tell(client, &json!({"ev": "live", "room": "lobby", "pos": head, "id": op["id"]}));
    }

    fn send(&mut self, client: usize, op: &Value) {
        let session = self.links[client].as_ref().and_then(|link| link.session.as_ref());
        let sid = self.sessions[session.expect("the hello comes first")];
        let id = op["id"].as_u64().expect("an id");
        let text = op["text"].as_str().expect("a text").to_owned();
        if let Some(said) = self.log.iter().find(|said| (said.sid, said.id) == (sid, id)) {
            // Acknowledged again, or when the disk has it.
            if said.stored {
                let ack = json!({"ev": "ack", "room": "lobby", "seq": said.seq, "id": id});
                self.tell(client, &ack);
            }
            return;
        }
        let new = Said { seq: self.next_seq, sid, id, text, stored: false };
        self.next_seq += 1;
        let event = msg(&new);
        self.log.push(new);
        for other in 0..self.links.len() {
            let greeted = self.links[other].as_ref().is_some_and(|link| link.session.is_some());
            if other != client && greeted {
                self.tell(other, &event);
            }
        }
    }

    /// The disk has everything: it is acknowledged, in one order or the other.
    pub(super) fn store(&mut self, backwards: bool) {
        let mut acks: Vec<(u64, u64, u64)> = Vec::new();
        for said in self.log.iter_mut().filter(|said| !said.stored) {
            said.stored = true;
            acks.push((said.sid, said.seq, said.id));
        }
        if backwards {
            acks.reverse();
        }
        for (sid, seq, id) in acks {
            let holder = self.links.iter().position(|link| {
                let session = link.as_ref().and_then(|link| link.session.as_ref());
                session.is_some_and(|session| self.sessions.get(session) == Some(&sid))
            });
            if let Some(client) = holder {
                self.tell(client, &json!({"ev": "ack", "room": "lobby", "seq": seq, "id": id}));
            }
        }
    }

    /// What isn't on disk is lost, and its numbers are never given again. With `all` everything is, as without a disk.
    pub(super) fn crash(&mut self, all: bool) {
        for link in &mut self.links {
            *link = None;
        }
        if all {
            let (tokens, epoch) = (self.tokens, self.epoch + 1);
            *self = Self { epoch, tokens, ..Self::new(self.links.len()) };
            return;
        }
        self.log.retain(|said| said.stored);
        let from =
            self.log.last().map_or(0, |said| said.seq).max(self.unused.last().map_or(0, |it| it.1))
                + 1;
        self.next_seq += 7;
        self.unused.push((from, self.next_seq - 1));
    }

    /// Nobody comes back to a client's session any more.
    pub(super) fn forget(&mut self, client: usize) {
        if let Some(session) = self.links[client].take().and_then(|link| link.session) {
            self.sessions.remove(&session);
        }
    }
}

fn msg(said: &Said) -> Value {
    json!({"ev": "msg", "room": "lobby", "seq": said.seq, "from": format!("client-{}", said.sid), "sid": said.sid,
        "ts": TS, "text": said.text, "id": said.id})
}
