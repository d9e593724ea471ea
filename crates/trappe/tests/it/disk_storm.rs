//! A busy room whose server dies again and again: who speaks says again what wasn't acknowledged, who listens comes back
//! to where it was. At the end it is compared what was said, acknowledged, heard and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::disk_lab::{Cut, Disk, kill};
use crate::disk_log::{Heard, Log, Program, read};
use crate::hub::Hub;
use crate::json_peer::JsonPeer;
use crate::peer::Peer;
use crate::process::PATIENCE;

/// Messages that one sender has under way at most; more than fit in one commit, less than 1024 (PROTOCOL §5).
const WINDOW: u64 = 48;

/// The last message of all.
const LAST: &str = "fin";

/// What everybody in the room waits for.
#[derive(Debug, Default)]
struct State {
    /// The number of the server's present life, and its port; none while it is dead.
    port: Option<(u32, u16)>,
    acked: u64,
    ready: usize,
    over: bool,
}

/// The same, shared.
#[derive(Clone, Default)]
struct Board(Arc<(Mutex<State>, Condvar)>);

impl Board {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().expect("no thread panics while it holds this")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, mut found: impl FnMut(&State) -> Option<T>) -> T {
        let mut state = self.state();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            let (next, waited) = self.0.1.wait_timeout(state, 2 * PATIENCE).expect("no panics");
            state = next;
            assert!(!waited.timed_out(), "waited in vain for {what}: {state:?}");
        }
    }

    /// The next life of the server after life `after`; none if there is nothing more to say.
    fn next_life(&self, after: u32) -> (u32, u16) {
        self.wait("another life", |state| state.port.filter(|(life, _)| *life > after))
    }
}

/// How a life of the server ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// kill -9.
    Kill,
    /// The same, and what wasn't synced is lost.
    Cut(Cut),
}

/// Who speaks, and what became of it.
#[derive(Debug)]
struct Sender {
    name: String,
    session: Option<(String, u64)>,
    /// The greatest id that it has sent.
    sent: u64,
    /// What was acknowledged: number, and the life in which it was told so.
    acked: BTreeMap<u64, (u64, u32)>,
    /// What was delivered and is not kept: its sender was told so.
    refused: BTreeSet<u64>,
}

impl Sender {
    fn start(board: &Board, number: usize) -> JoinHandle<Sender> {
        let board = board.clone();
        thread::spawn(move || {
            let name = format!("s{number}");
            let (acked, refused) = (BTreeMap::new(), BTreeSet::new());
            let mut sender = Sender { name, session: None, sent: 0, acked, refused };
            let mut life = 0;
            loop {
                let port;
                (life, port) = board.next_life(life);
                if sender.speak(&board, life, port) {
                    return sender;
                }
            }
        })
    }

    fn op(&self, id: u64) -> String {
        format!(
            "{}\n",
            json!({"op": "send", "room": "lobby", "text": format!("{} {id}", self.name), "id": id})
        )
    }

    fn open(&self) -> impl Iterator<Item = u64> {
        (1..=self.sent).filter(|id| !self.acked.contains_key(id) && !self.refused.contains(id))
    }

    /// One life of the server; true: everything is said.
    fn speak(&mut self, board: &Board, life: u32, port: u16) -> bool {
        let mut program = Program::connect(port);
        let mut hello = json!({"op": "hello", "rooms": [{"room": "lobby"}]});
        if let Some((session, _)) = &self.session {
            hello["session"] = json!(session);
        }
        program.send(&format!("{hello}\n"));
        let Some(hello) = program.first("hello") else { return false };
        let token = hello["session"].as_str().expect("it has one").to_owned();
        let known = (token, hello["sid"].as_u64().expect("it has one"));
        let name = &self.name;
        assert!(self.acked.is_empty() || self.session.as_ref() == Some(&known), "{name}: {hello}");
        self.session = Some(known);
        let again: String = self.open().map(|id| self.op(id)).collect();
        program.send(&again);
        let mut open: BTreeSet<u64> = self.open().collect();
        // While the disk refuses there is no use in haste.
        let mut window = WINDOW;
        loop {
            let over = board.state().over;
            if over && open.is_empty() {
                return true;
            }
            let mut more = String::new();
            while !over && (open.len() as u64) < window {
                self.sent += 1;
                open.insert(self.sent);
                more += &self.op(self.sent);
            }
            program.send(&more);
            // One answer, and whatever others say before it.
            let answer = loop {
                let Some(it) = program.next() else { return false };
                if it.starts_with("{\"ev\":\"ack\",\"room\"") || it.starts_with("{\"ev\":\"error\"")
                {
                    break serde_json::from_str::<Value>(&it).expect("it is JSON");
                }
            };
            let id = answer["id"].as_u64().unwrap_or_else(|| panic!("{}: {answer}", self.name));
            assert!(open.remove(&id), "{}: answered twice: {answer}", self.name);
            if answer["ev"] == "ack" {
                self.acked.insert(id, (answer["seq"].as_u64().expect("a number"), life));
                board.change(|state| state.acked += 1);
                window = WINDOW;
            } else {
                assert_eq!(answer["code"], "not-stored", "{answer}");
                self.refused.insert(id);
                window = 1;
            }
        }
    }
}

/// A program that hears everything, and goes on where it was.
fn ear(board: &Board) -> JoinHandle<Log> {
    let board = board.clone();
    thread::spawn(move || {
        let (mut log, mut life, mut position) = (Log::default(), 0, Value::Null);
        loop {
            let port;
            (life, port) = board.next_life(life);
            let mut program = Program::connect(port);
            let room = match &position {
                Value::Null => json!({"room": "lobby"}),
                after => json!({"room": "lobby", "after": after}),
            };
            program.send(&format!("{}\n", json!({"op": "hello", "rooms": [room]})));
            let Some(hello) = program.first("hello") else { continue };
            if position.is_null() {
                position = hello["rooms"][0]["pos"].clone();
                let epoch = position.as_str().and_then(|it| it.split('@').next());
                log.epoch = epoch.expect("EPOCH@SEQ").into();
                board.change(|state| state.ready += 1);
            }
            while let Some(text) = program.next() {
                let event: Value = serde_json::from_str(&text).expect("it is JSON");
                log.take(&event);
                if event["text"] == LAST {
                    return log;
                }
                let last = event["to"].as_u64().or(event["seq"].as_u64());
                if let Some(last) = last.filter(|_| event["ev"] == "msg" || event["ev"] == "gap") {
                    position = json!(format!("{}@{last}", log.epoch));
                }
            }
        }
    })
}

/// A reader of bare lines: what it heard in each life.
fn raw(board: &Board) -> JoinHandle<Vec<(u32, Vec<String>)>> {
    let board = board.clone();
    thread::spawn(move || {
        let (mut lives, mut life) = (Vec::new(), 0);
        loop {
            let port;
            (life, port) = board.next_life(life);
            let mut peer = Peer::connect(port);
            peer.send("/format raw\n/ping da\n");
            let mut heard = Vec::new();
            let mut is_there = false;
            while let Some(text) = peer.next_line() {
                let text = String::from_utf8(text).expect("the tests say text");
                if is_there && !text.starts_with("* ") {
                    heard.push(text.clone());
                }
                if text == "* pong da" {
                    is_there = true;
                    if life == 1 {
                        board.change(|state| state.ready += 1);
                    }
                }
                if text == LAST {
                    lives.push((life, heard));
                    return lives;
                }
            }
            lives.push((life, heard));
        }
    })
}

/// What came out of it.
pub(crate) struct Outcome {
    /// What is kept at the end.
    pub(crate) log: Log,
    /// What was acknowledged, by number.
    pub(crate) acked: BTreeMap<u64, String>,
    /// How many messages got the error `not-stored`.
    pub(crate) refused: usize,
}

impl Outcome {
    /// Everything that was acknowledged is there, and everything else is announced.
    #[track_caller]
    pub(crate) fn assert_kept(&self, log: &Log) {
        log.assert_whole(&["not-stored", "unused"]);
        assert_eq!(log.epoch, self.log.epoch, "positions are still good");
        let there = log.texts();
        let lost: Vec<_> =
            self.acked.iter().filter(|(seq, it)| there.get(seq) != Some(it)).collect();
        assert!(lost.is_empty(), "{} lost, the first is {:?}; {:?}", lost.len(), lost[0], log.gaps);
    }
}

/// Lets some speak and others listen while the server's lives end as `ends` say, each after `each` acknowledgements; `now`
/// is called with the number of acknowledgements, each time that so many more have come as `each` / 4. Then everything is
/// checked. Gives the last server, too.
#[track_caller]
pub(crate) fn storm(
    disk: &Disk,
    args: &[&str],
    ends: &[End],
    each: u64,
    mut now: impl FnMut(u64),
) -> (Hub, Outcome) {
    let board = Board::default();
    let mut hub = disk.start(args);
    let (ears, raws) = ([ear(&board), ear(&board)], raw(&board));
    let alive = |life: u32, hub: &Hub| {
        let port = hub.port();
        board.change(|state| state.port = Some((life, port)));
    };
    alive(1, &hub);
    board.wait("the listeners", |state| (state.ready == 3).then_some(()));
    let senders: Vec<_> = (1..=4).map(|number| Sender::start(&board, number)).collect();
    let mut wanted = 0;
    for (life, end) in (2..).zip(ends.iter().map(Some).chain([None])) {
        for _ in 0..4 {
            wanted += each / 4;
            board.wait("acknowledgements", |state| (state.acked >= wanted).then_some(()));
            now(wanted);
        }
        let Some(end) = end else { break };
        kill(hub);
        board.change(|state| state.port = None);
        if let End::Cut(cut) = end {
            disk.power_cut(*cut);
        }
        hub = disk.start(args);
        alive(life, &hub);
        wanted = board.state().acked;
    }
    board.change(|state| state.over = true);
    let senders: Vec<Sender> =
        senders.into_iter().map(|it| it.join().expect("it has said all")).collect();
    let mut last = JsonPeer::lines(&hub);
    let answer = last.ask(&json!({"op": "send", "text": LAST, "id": 1}));
    drop(answer);
    let ears = ears.map(|it| it.join().expect("it heard the last message"));
    let raws = raws.join().expect("it heard the last message");
    let log = read(hub.port(), "lobby", &json!(0));
    check(&log, &senders, &ears, &raws);
    let acked = |it: &Sender| {
        let name = it.name.clone();
        let acked = it.acked.iter().map(move |(id, (seq, _))| (*seq, format!("{name} {id}")));
        acked.collect::<Vec<_>>()
    };
    let acked = senders.iter().flat_map(acked).collect();
    let refused = senders.iter().map(|it| it.refused.len()).sum();
    (hub, Outcome { log, acked, refused })
}

/// Nothing that was acknowledged is lost, nothing is doubled, nothing invented, and there is one order.
#[track_caller]
fn check(log: &Log, senders: &[Sender], ears: &[Log], raws: &[(u32, Vec<String>)]) {
    log.assert_whole(&["unused", "not-stored"]);
    let kept: BTreeMap<u64, &Heard> = log.heard.iter().map(|it| (it.seq, it)).collect();
    let mut texts: BTreeMap<&str, u64> = BTreeMap::new();
    for heard in &log.heard {
        assert_eq!(texts.insert(&heard.text, heard.seq), None, "said twice: {heard:?}");
    }
    for sender in senders {
        let (_, sid) = sender.session.as_ref().expect("it has spoken");
        for (id, (seq, life)) in &sender.acked {
            let found = kept.get(seq).map(|it| (it.sid, it.id, it.text.as_str()));
            let text = format!("{} {id}", sender.name);
            assert_eq!(
                found,
                Some((*sid, Some(*id), text.as_str())),
                "{text} was acknowledged as {seq} in life {life}"
            );
        }
        let mut ids: Vec<u64> = Vec::new();
        for heard in log.heard.iter().filter(|it| it.sid == *sid) {
            ids.push(heard.id.expect("each has one"));
        }
        assert!(ids.is_sorted(), "{} is out of order", sender.name);
        let invented = ids.iter().find(|id| **id > sender.sent);
        assert_eq!(invented, None, "{} never said that", sender.name);
    }
    let said: usize = senders.iter().map(|it| it.acked.len()).sum();
    let refused: usize = senders.iter().map(|it| it.refused.len()).sum();
    // What was refused may be there all the same: it was never acknowledged.
    let there = log.heard.len() - 1;
    assert!((said..=said + refused).contains(&there), "{said} acknowledged, {there} kept");
    let of_life = |life: u32| -> BTreeSet<String> {
        let acked = |it: &Sender| {
            let name = it.name.clone();
            let acked = it.acked.iter().filter(move |(_, (_, in_life))| *in_life == life);
            acked.map(move |(id, _)| format!("{name} {id}")).collect::<Vec<_>>()
        };
        senders.iter().flat_map(acked).collect()
    };
    for ear in ears {
        assert_eq!(ear.epoch, log.epoch, "positions are still good");
        let heard: BTreeMap<u64, &Heard> = ear.heard.iter().map(|it| (it.seq, it)).collect();
        assert_eq!(heard.len(), ear.heard.len(), "a number twice");
        assert!(ear.heard.is_sorted_by_key(|it| it.seq), "out of order");
        for (seq, it) in &kept {
            let also = heard.get(seq).unwrap_or_else(|| panic!("missed {it:?}; {:?}", ear.gaps));
            assert_eq!(also, it, "two readers, one room");
        }
        // What it heard besides is what the dead server hadn't yet, or couldn't, write down.
        for (seq, it) in heard.iter().filter(|(seq, _)| !kept.contains_key(seq)) {
            let gone = log.gaps.iter().any(|(from, to, _)| from <= seq && seq <= to);
            assert!(gone, "where is {it:?}? {:?}", log.gaps);
        }
    }
    let order: Vec<&str> = log.heard.iter().map(|it| it.text.as_str()).collect();
    for (life, lines) in raws {
        let heard: Vec<&str> =
            lines.iter().map(String::as_str).filter(|it| texts.contains_key(it)).collect();
        let acked = of_life(*life);
        // What is on disk of it is one run of the room's order; the rest was said again later.
        let first = heard
            .first()
            .map_or(0, |it| order.iter().position(|its| its == it).expect("it is kept"));
        let same = heard.iter().zip(&order[first..]).take_while(|(a, b)| a == b).count();
        let late = heard[same..].iter().find(|it| acked.contains(**it));
        assert_eq!(late, None, "in life {life} acknowledged, but not in its place");
    }
}
