//! Whatever is cut, delayed, doubled or overtaken between a hub and its clients, and whenever the hub crashes: each
//! send ends once, and what was acknowledged is passed on once, in order, to everybody else.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{
    Config, Ended, Event, Lost, Machine, Output, Position, SendError,
    model::{Link, Model},
};

const CLIENTS: usize = 3;

/// Something that happens.
#[derive(Debug, Clone, Copy)]
enum Step {
    Say(usize),
    /// The connection takes what the client has to write, and so many bytes of it arrive.
    Up(usize, usize),
    /// So many bytes arrive at the client.
    Down(usize, usize),
    /// The next line to a client comes twice.
    Double(usize),
    /// An acknowledgement is overtaken by what follows it.
    Overtake(usize),
    Cut(usize),
    Store(bool),
    Crash,
    /// A crash of a hub without a disk.
    Loss,
    Forget(usize),
    Time(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        8 => client.clone().prop_map(Step::Say),
        8 => (client.clone(), 1..400_usize).prop_map(|(client, bytes)| Step::Up(client, bytes)),
        8 => (client.clone(), 1..600_usize).prop_map(|(client, bytes)| Step::Down(client, bytes)),
        2 => client.clone().prop_map(Step::Double),
        2 => client.clone().prop_map(Step::Overtake),
        2 => client.clone().prop_map(Step::Cut),
        4 => any::<bool>().prop_map(Step::Store),
        1 => Just(Step::Crash),
        1 => client.prop_map(Step::Forget),
        4 => any::<u16>().prop_map(Step::Time),
    ]
}

struct World {
    now: Duration,
    model: Model,
    machines: Vec<Machine>,
    /// Written, and not arrived yet.
    up: Vec<Vec<u8>>,
    said: Vec<(usize, u64, String)>,
    ends: BTreeMap<(usize, u64), Result<Position, SendError>>,
    /// What each client was passed on.
    heard: Vec<Vec<(Position, String)>>,
    random: u64,
}

impl World {
    fn new() -> Self {
        let config = Config {
            name: None,
            rooms: vec![("lobby".to_owned(), None)],
            retry: None,
            first_or_never: false,
            outbox_sends: 100,
            outbox_bytes: 1 << 20,
            message_bytes: 1 << 16,
            echo: false,
            quiet: false,
            lang: None,
        };
        let mut world = Self {
            now: Duration::ZERO,
            model: Model::new(CLIENTS),
            machines: (0..CLIENTS).map(|_| Machine::new(Duration::ZERO, config.clone())).collect(),
            up: vec![Vec::new(); CLIENTS],
            said: Vec::new(),
            ends: BTreeMap::new(),
            heard: vec![Vec::new(); CLIENTS],
            random: 1,
        };
        world.settle();
        // Everybody is there before anything goes wrong: who wasn't there is promised nothing.
        world.calm();
        world
    }

    fn lose(&mut self, client: usize) {
        self.model.links[client] = None;
        self.up[client].clear();
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.machines[client].handle_lost(self.now, Lost::Closed, self.random);
    }

    /// Does what the machines ask for, but writing and reading.
    fn settle(&mut self) {
        for client in 0..CLIENTS {
            while let Some(output) = self.machines[client].poll_output() {
                match output {
                    Output::Connect => {
                        self.up[client].clear();
                        self.model.links[client] = Some(Link::default());
                        self.machines[client].handle_connected(self.now);
                    }
                    Output::Disconnect => self.lose(client),
                    Output::Sent(id, end) => {
                        let before = self.ends.insert((client, id), end);
                        assert_eq!(before, None, "send {id} of {client} ends twice");
                    }
                    Output::Event(Event::Message(message)) => {
                        let text = message.text().into_owned();
                        self.heard[client].push((message.position, text));
                    }
                    Output::Event(Event::Ended(why)) => panic!("{client} ended: {why:?}"),
                    _ => {}
                }
            }
        }
        // A connection that the hub's end took with it.
        for client in 0..CLIENTS {
            if self.model.links[client].is_none() {
                self.lose(client);
            }
        }
    }

    fn up(&mut self, client: usize, bytes: usize) {
        if let Some(more) = self.machines[client].poll_transmit() {
            self.up[client].extend(more);
        }
        let count = bytes.min(self.up[client].len());
        let arrived: Vec<u8> = self.up[client].drain(..count).collect();
        self.model.hear(client, &arrived);
    }

    fn down(&mut self, client: usize, mut bytes: usize) {
        while bytes > 0
            && let Some(link) = &mut self.model.links[client]
            && let Some(mut line) = link.down.pop_front()
        {
            let rest = line.split_off(bytes.min(line.len()));
            bytes -= line.len();
            if !rest.is_empty() {
                link.down.push_front(rest);
            }
            self.machines[client].handle_bytes(self.now, line.as_bytes());
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Say(client) => {
                let text = format!("c{client} {}", self.said.len());
                if let Ok(id) = self.machines[client].send("lobby", text.as_bytes()) {
                    self.said.push((client, id, text));
                }
            }
            Step::Up(client, bytes) => self.up(client, bytes),
            Step::Down(client, bytes) => self.down(client, bytes),
            Step::Double(client) => {
                if let Some(link) = &mut self.model.links[client] {
                    link.doubles = true;
                }
            }
            Step::Overtake(client) => {
                if let Some(link) = &mut self.model.links[client] {
                    let begins = |line: &String, ev: &str| line.starts_with(ev);
                    let at = link
                        .down
                        .iter()
                        .skip(1)
                        .position(|line| begins(line, "{\"ev\":\"ack\",\"id\""));
                    if let Some(at) = at.map(|at| at + 1)
                        && at + 1 < link.down.len()
                        && !begins(&link.down[at + 1], "{\"ev\":\"hello\"")
                    {
                        link.down.swap(at, at + 1);
                    }
                }
            }
            Step::Cut(client) => self.lose(client),
            Step::Store(backwards) => self.model.store(backwards),
            Step::Crash => self.model.crash(false),
            Step::Loss => self.model.crash(true),
            Step::Forget(client) => self.model.forget(client),
            Step::Time(ms) => self.pass(Duration::from_millis(ms.into())),
        }
        self.settle();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        for machine in &mut self.machines {
            machine.handle_timeout(self.now);
        }
    }

    /// Nothing goes wrong any more, until nothing is due.
    fn calm(&mut self) {
        for _ in 0..12 {
            for _ in 0..4 {
                for client in 0..CLIENTS {
                    self.up(client, usize::MAX);
                    self.model.store(false);
                    self.down(client, usize::MAX);
                    self.settle();
                }
            }
            self.pass(Duration::from_secs(5));
            self.settle();
        }
    }

    fn check(&self, lossless: bool) {
        assert_eq!(self.ends.len(), self.said.len(), "each send ends");
        for (client, id, text) in &self.said {
            let end = &self.ends[&(*client, *id)];
            let said: Vec<_> = self.model.log.iter().filter(|said| said.text == *text).collect();
            match end {
                Ok(position) if lossless => {
                    assert_eq!(said.len(), 1, "{text} was acknowledged");
                    assert_eq!(position, &Position { epoch: self.model.epoch(), seq: said[0].seq });
                }
                Ok(_) | Err(SendError::Unconfirmed) => {
                    assert!(said.len() <= 1, "{text} was said twice");
                }
                Err(other) => panic!("{text}: {other}"),
            }
            for (listener, heard) in self.heard.iter().enumerate() {
                let times = heard.iter().filter(|(_, it)| it == text).count();
                if listener == *client {
                    assert!(times == 0 || end.is_err(), "{text} came back to who said it");
                } else if lossless && end.is_ok() {
                    assert_eq!(times, 1, "{listener} heard {text} so often");
                } else {
                    assert!(times <= 1, "{listener} heard {text} {times} times");
                }
            }
        }
        for (listener, heard) in self.heard.iter().enumerate() {
            for pair in heard.windows(2) {
                let ((one, _), (next, text)) = (&pair[0], &pair[1]);
                let ordered = one.epoch != next.epoch || one.seq < next.seq;
                assert!(ordered, "{listener} heard {text} out of order: {one} then {next}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn what_is_acknowledged_is_passed_on_once_and_in_order_whatever_the_network_does(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.calm();
        world.check(true);
    }

    #[test]
    fn a_hub_that_keeps_nothing_leaves_sends_in_doubt_and_repeats_none(
        steps in prop::collection::vec(prop_oneof![12 => step(), 1 => Just(Step::Loss)], 1..150),
    ) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        world.calm();
        world.check(false);
    }

    #[test]
    fn no_bytes_make_a_client_panic(
        pieces in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "\\{\"ev\":\"(hello|msg|ack|gap|live|bye|state|error|x)\",\"(room|seq|id|pos|to|text|code)\":(1|\"lobby\"|\"a@1\"|null|18446744073709551615)\\}\n".prop_map(String::into_bytes),
                Just(b"{\"ev\":\"gap\",\"room\":\"lobby\",\"from\":1,\"to\":18446744073709551615,\"cause\":\"slow\"}\n".to_vec()),
                Just(b"{\"ev\":\"msg\",\"room\":\"lobby\",\"seq\":18446744073709551615,\"from\":\"b\",\"ts\":\"2026-11-23T17:18:45.656Z\",\"text\":\"\"}\n".to_vec()),
                Just(b"{\"ev\":\"live\",\"room\":\"lobby\",\"pos\":\"aaaaaaaaaa@18446744073709551615\"}\n".to_vec()),
                Just(b"{\"ev\":\"ack\",\"room\":\"lobby\",\"seq\":0,\"id\":1}\n".to_vec()),
            ],
            0..40,
        ),
    ) {
        let mut world = World::new();
        let machine = &mut world.machines[0];
        drop(machine.send("lobby", b"a"));
        for piece in pieces {
            machine.handle_bytes(world.now, &piece);
            drop(machine.poll_transmit());
            while machine.poll_output().is_some() {}
        }
        machine.handle_lost(world.now, Lost::Closed, 7);
        machine.shut();
        prop_assert!(machine.has_ended());
        let last = std::iter::from_fn(|| machine.poll_output()).last();
        prop_assert!(last.is_none() || last == Some(Output::Event(Event::Ended(Ended::Closed))));
    }
}
