//! The laws of a listener in several rooms, tried on random histories: it enters and leaves as it likes.

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;

use super::{
    batch::Life,
    item::Item,
    listener::{Listener, Next, Views},
    log::{Log, Retain},
    state::StateView,
    view::View,
};
use crate::{
    command::{Epoch, Format, Lang},
    encode::{Look, Wire},
    framing::Framing,
    message::{Author, Entry, Kind},
    name::Name,
};

const READER: u64 = 1;
const ROOMS: u32 = 3;

/// One step.
#[derive(Clone, Debug)]
enum Step {
    /// A member says something in a room; the reader only where it is.
    Say(u32, u64),
    /// The reader is wanted in a room, or out of it.
    Enter(u32),
    Leave(u32),
    /// What was said in a room is published.
    Seal(u32),
    /// The reader is written to: its socket takes so many bytes.
    Write(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let room = 0..ROOMS;
    let step = prop_oneof![
        5 => (room.clone(), 1..4u64).prop_map(|(room, who)| Step::Say(room, who)),
        2 => room.clone().prop_map(Step::Enter),
        1 => room.clone().prop_map(Step::Leave),
        3 => room.prop_map(Step::Seal),
        4 => (0..900usize).prop_map(Step::Write),
    ];
    prop::collection::vec(step, 1..150)
}

/// What stands in the private queue for the shell.
#[derive(Debug)]
enum Act {
    /// To read a room from a log index and seq on.
    Enter(u32, (u64, u64)),
    Leave(u32),
}

/// The views of the rooms that somebody reads.
struct Shards(BTreeMap<u32, View>);

impl Views for Shards {
    fn view(&self, room: u32) -> Option<&View> {
        self.0.get(&room)
    }

    fn state(&self, _: u32) -> Option<&StateView> {
        None
    }
}

struct World {
    logs: Vec<Log<()>>,
    shards: Shards,
    listener: Listener<Act>,
    /// Where the reader is, as far as it knows: since which seq.
    inside: BTreeMap<u32, u64>,
    wire: Vec<u8>,
}

impl World {
    fn new(echo: bool) -> World {
        let look = Look {
            format: Format::Json,
            framing: Framing::Auto,
            wire: Wire::Stream,
            lang: Lang::En,
            quiet: false,
        };
        let retain = Retain { messages: 1000, bytes: 1 << 20 };
        let life = |room: u32| {
            let name = Name::parse(&format!("r{room}")).expect("a name");
            Life::new(name, Epoch::from_random(room.into()), Arc::default())
        };
        let lives: Vec<_> = (0..ROOMS).map(life).collect();
        let log = |life: &Arc<Life>| Log::new(Arc::clone(life), retain, 8 << 20, 1);
        let logs: Vec<Log<()>> = lives.iter().map(log).collect();
        let views = lives.iter().zip(&logs).zip(0..);
        let views = views.map(|((life, log), room)| {
            (room, View::new(Arc::clone(life), log.kept(), log.sealed()))
        });
        let shards = Shards(views.collect());
        let mut listener = Listener::new(look);
        listener.push(Item::Look(look, echo));
        World { logs, shards, listener, inside: BTreeMap::new(), wire: Vec::new() }
    }

    fn log(&mut self, room: u32) -> &mut Log<()> {
        &mut self.logs[room as usize]
    }

    fn append(&mut self, room: u32, entry: Entry<'_>) {
        let own = entry.author.number == READER;
        let appended = self.log(room).append(0, entry, 0);
        if own {
            self.listener.spoke(room, appended.index + 1);
        }
    }

    fn step(&mut self, step: &Step) {
        let author = |number| Author { number, name: None };
        match *step {
            Step::Say(room, number) if number != READER || self.inside.contains_key(&room) => {
                self.append(room, Entry::speech(author(number), None, b"x"));
            }
            Step::Enter(room) if !self.inside.contains_key(&room) => {
                let (at, _) = self.log(room).enter(0, READER);
                self.inside.insert(room, at.1);
                self.listener.push(Item::Act(Act::Enter(room, at)));
                self.append(room, Entry::notice(author(READER), Kind::Joined));
            }
            Step::Leave(room) if self.inside.remove(&room).is_some() => {
                self.append(room, Entry::notice(author(READER), Kind::Left(None)));
                self.listener.push(Item::Act(Act::Leave(room)));
            }
            Step::Say(..) | Step::Enter(_) | Step::Leave(_) => {}
            Step::Seal(room) => {
                if let Some(batch) = self.log(room).seal() {
                    self.shards.0.get_mut(&room).expect("each has a view").push(batch);
                }
            }
            Step::Write(room) => self.write(room),
        }
    }

    /// Writes as the pump does, to a socket that takes `left` bytes.
    fn write(&mut self, mut left: usize) {
        while left > 0 {
            match self.listener.next(&self.shards) {
                Next::Idle | Next::Done => return,
                Next::Act(Act::Enter(room, at)) => {
                    self.listener.enter(READER, room, &self.shards.0[&room], at);
                }
                Next::Act(Act::Leave(room)) => {
                    self.listener.exit(room);
                }
                Next::TooLong(_) => unreachable!("no datagrams here"),
                Next::Ask(..) | Next::Wait => unreachable!("no store here"),
                Next::Half => {
                    let n = self.listener.half().len().min(left);
                    self.wire.extend_from_slice(&self.listener.half()[..n]);
                    self.listener.half_written(n);
                    left -= n;
                }
                Next::Records(i) => {
                    let view = &self.shards.0[&self.listener.cursor(i).room()];
                    let run = self.listener.runs(i, view).next().map(|run| run.bytes);
                    let Some(bytes) = run else {
                        self.listener.nothing_ahead(i, view);
                        continue;
                    };
                    let n = bytes.len().min(left);
                    self.wire.extend_from_slice(&bytes[..n]);
                    self.listener.written(i, view, n);
                    left -= n;
                }
            }
        }
    }
}

/// What came: the room, the number, whose it is, and whether it was marked as the reader's own.
fn messages(wire: &[u8]) -> Vec<(u32, u64, u64, bool)> {
    let text = str::from_utf8(wire).expect("JSON is UTF-8");
    assert!(text.is_empty() || text.ends_with('\n'), "nothing is torn at the end: {text:?}");
    let events = text.lines().map(|line| {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|_| panic!("torn: {line}"))
    });
    let said = events.filter(|event| event["ev"] == "msg");
    said.map(|event| {
        let room = event["room"].as_str().and_then(|room| room[1..].parse().ok());
        let number = |key: &str| event[key].as_u64().expect("a number");
        (room.expect("a room"), number("seq"), number("sid"), event["own"] == true)
    })
    .collect()
}

proptest! {
    #[test]
    fn each_room_comes_in_its_order_once_and_without_a_hole(steps in steps(), echo: bool) {
        let mut world = World::new(echo);
        for step in &steps {
            world.step(step);
        }
        for room in 0..ROOMS {
            world.step(&Step::Seal(room));
        }
        world.write(usize::MAX);
        let came = messages(&world.wire);
        for room in 0..ROOMS {
            let seqs: Vec<u64> = came.iter().filter(|m| m.0 == room).map(|m| m.1).collect();
            prop_assert!(seqs.is_sorted_by(|a, b| a < b), "twice, or out of order: {seqs:?}");
            // Where the reader is still inside, nothing of others is missing since it came.
            if let Some(&since) = world.inside.get(&room) {
                let view = &world.shards.0[&room];
                let mut index = view.oldest();
                while let Some((batch, i)) = view.record(index) {
                    let record = &batch.records[i];
                    let due = record.seq >= since && (echo || record.author.number != READER);
                    prop_assert!(!due || seqs.contains(&record.seq), "{} of {room}", record.seq);
                    index += 1;
                }
            }
        }
        for (room, seq, sid, own) in came {
            prop_assert!(sid != READER || echo, "its own {seq} of {room} came back");
            prop_assert_eq!(own, sid == READER, "{} of {}", seq, room);
        }
    }
}
