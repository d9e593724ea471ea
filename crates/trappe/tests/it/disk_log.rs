//! What a room gives who asks for all of it, and whether that is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde_json::{Value, json};

use crate::peer::Peer;

/// A message as a program is given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Its number.
    pub(crate) seq: u64,
    /// Who said it.
    pub(crate) sid: u64,
    /// The number that its sender gave it.
    pub(crate) id: Option<u64>,
    /// What was said.
    pub(crate) text: String,
    /// When.
    pub(crate) time: String,
}

/// What a room gives who asks for all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Log {
    /// The life of the room.
    pub(crate) epoch: String,
    /// The messages, as they came.
    pub(crate) heard: Vec<Heard>,
    /// What is announced to be missing: from, to, why.
    pub(crate) gaps: Vec<(u64, u64, String)>,
    /// The room's present position.
    pub(crate) end: u64,
}

impl Log {
    /// Notes what an event tells.
    pub(crate) fn take(&mut self, event: &Value) {
        let number = |key: &str| event[key].as_u64();
        match event["ev"].as_str() {
            Some("msg") => self.heard.push(Heard {
                seq: number("seq").expect("it has one"),
                // Who posts over HTTP has none.
                sid: number("sid").unwrap_or(0),
                id: number("id"),
                text: event["text"].as_str().expect("the tests say text").to_owned(),
                time: event["ts"].as_str().expect("it has one").to_owned(),
            }),
            Some("gap") => {
                let (from, to) = (number("from").unwrap_or(0), number("to").unwrap_or(0));
                let cause = event["cause"].as_str().expect("it has one");
                self.gaps.push((from, to, cause.to_owned()));
            }
            _ => {}
        }
    }

    /// The numbers and texts.
    pub(crate) fn texts(&self) -> BTreeMap<u64, String> {
        self.heard.iter().map(|it| (it.seq, it.text.clone())).collect()
    }

    /// The same messages as in another, by number and text.
    #[track_caller]
    pub(crate) fn assert_same(&self, other: &Log, what: &str) {
        let (ours, theirs) = (self.texts(), other.texts());
        let numbers: BTreeSet<&u64> = ours.keys().chain(theirs.keys()).collect();
        let mut differ = numbers.iter().filter(|it| ours.get(**it) != theirs.get(**it));
        let count = differ.clone().count();
        let Some(first) = differ.next() else { return };
        let (our, their) = (ours.get(*first), theirs.get(*first));
        panic!(
            "{what}: {count} differ, the first is {first}: {our:?}, {their:?}; {:?} {:?}",
            self.gaps, other.gaps
        );
    }

    /// Messages come in order, each once, and each number that is missing in between, or at the end, is announced once. Gaps of
    /// other causes than these are not.
    #[track_caller]
    pub(crate) fn assert_whole(&self, causes: &[&str]) {
        let back = self.heard.windows(2).find(|pair| pair[0].seq >= pair[1].seq);
        assert_eq!(back, None, "out of order");
        let mut runs: Vec<(u64, u64)> = self.heard.iter().map(|it| (it.seq, it.seq)).collect();
        for (from, to, cause) in &self.gaps {
            assert!(causes.contains(&cause.as_str()), "a gap {from}..{to} {cause}");
            runs.push((*from, *to));
        }
        runs.sort_unstable();
        let mut next = 1;
        for (from, to) in runs {
            assert_eq!(
                from, next,
                "what comes between is neither there nor announced: {:?}",
                self.gaps
            );
            next = to + 1;
        }
        assert_eq!(self.end, next - 1, "up to the end: {:?}", self.gaps);
    }
}

/// A connection of a program that may end at any moment.
pub(crate) struct Program {
    peer: Peer,
}

impl Program {
    /// Connects, and asks for JSON.
    pub(crate) fn connect(port: u16) -> Program {
        let mut peer = Peer::connect(port);
        peer.say("/format json");
        Program { peer }
    }

    /// The next line. None: the server is gone.
    pub(crate) fn next(&mut self) -> Option<String> {
        let line = self.peer.next_line()?;
        Some(String::from_utf8(line).expect("the hub writes UTF-8"))
    }

    /// The first event of a kind, the ones before it passed over.
    pub(crate) fn first(&mut self, ev: &str) -> Option<Value> {
        let begin = format!("{{\"ev\":\"{ev}\"");
        loop {
            let line = self.next()?;
            if line.starts_with(&begin) {
                return Some(serde_json::from_str(&line).expect("it is JSON"));
            }
        }
    }

    /// Writes lines; a server that is gone shows when it is read from.
    pub(crate) fn send(&mut self, lines: &str) {
        drop(self.peer.writer().write_all(lines.as_bytes()));
    }
}

/// All that a room gives, from `after` on: a position, or a number of its present life.
#[track_caller]
pub(crate) fn read(port: u16, room: &str, after: &Value) -> Log {
    let mut program = Program::connect(port);
    let rooms = json!([{"room": room, "after": after}]);
    program.send(&format!("{}\n", json!({"op": "hello", "rooms": rooms})));
    let mut log = Log::default();
    loop {
        let line = program.next().expect("it stays");
        let event: Value = serde_json::from_str(&line).expect("it is JSON");
        if event["ev"] == "live" {
            let position = event["pos"].as_str().and_then(|it| it.split_once('@'));
            let (epoch, seq) = position.expect("EPOCH@SEQ");
            (log.epoch, log.end) = (epoch.to_owned(), seq.parse().expect("a number"));
            return log;
        }
        assert_ne!(event["ev"], "error", "{line}");
        log.take(&event);
    }
}
