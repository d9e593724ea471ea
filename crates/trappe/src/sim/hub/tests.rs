//! The smallest worlds: that the hub and its clients live there at all, that a life is made of its seed alone, and what
//! a killed hub leaves.

use std::{cell::RefCell, rc::Rc, sync::Weak, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::{LocalSet, spawn_local},
    time::{Instant, sleep, timeout},
};

use super::*;
use crate::{
    client::Options,
    sim::{
        chance::{self, Chance},
        clock,
        disk::Disk,
        net::{Stream, Weather},
        process::Pace,
    },
};

/// Runs a life of `seed`.
fn live<T>(seed: u64, life: impl AsyncFnOnce() -> T) -> T {
    let runtime = process::runtime(seed);
    let lived = runtime.block_on(LocalSet::new().run_until(async {
        clock::begin();
        net::begin();
        process::begin();
        life().await
    }));
    assert_eq!(process::panic(), None, "of seed {seed}");
    lived
}

/// What happened, and when, in milliseconds.
#[derive(Clone, Default)]
struct Trace(Rc<RefCell<Vec<(u128, String)>>>);

impl Trace {
    fn note(&self, began: Instant, what: String) {
        self.0.borrow_mut().push((began.elapsed().as_millis(), what));
    }

    fn has(&self, text: &str) -> bool {
        self.0.borrow().iter().any(|(_, what)| what.contains(text))
    }
}

/// A client of lines.
struct Raw(Stream, Vec<u8>);

impl Raw {
    async fn connect(name: &str) -> Raw {
        Raw(net::connect(name).await.expect("the hub listens").0, Vec::new())
    }

    async fn say(&mut self, line: &str) {
        self.0.write_all(format!("{line}\n").as_bytes()).await.expect("it is read");
    }

    /// The next line; none: the end. Dropped before it is ready, it has lost nothing.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.1.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.1.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            let mut buffer = [0; 256];
            match self.0.read(&mut buffer).await {
                Ok(n) if n > 0 => self.1.extend_from_slice(&buffer[..n]),
                _ => return None,
            }
        }
    }

    /// All lines up to the one that ends so.
    async fn until(&mut self, end: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(line) = self.line().await
            && !line.ends_with(end)
        {
            lines.push(line);
        }
        lines
    }
}

/// Two who talk in lines, and one who does with the client library. Gives all that they heard, what came through the
/// network, and when it was over.
fn talk(seed: u64, workers: usize) -> (Vec<(u128, String)>, u64, Duration) {
    let (trace, digest, took) = live(seed, async || {
        let began = Instant::now();
        net::set_weather(Weather { delay_ms: (0, 30), most: 40, buffer: 2000, choke_one_in: 20 });
        process::set_pace(Pace { wait_one_in: 5, wait_ms: 5, disk_ms: 20 });
        let hub = Hub::start(config(workers), None).expect("nothing is in the way");
        let trace = Trace::default();
        for name in ["alice", "bob"] {
            let trace = trace.clone();
            spawn_local(async move {
                let mut raw = Raw::connect(name).await;
                raw.say(&format!("/name {name}")).await;
                for n in 0..20 {
                    raw.say(&format!("{name} says {n}")).await;
                    let heard = timeout(Duration::from_millis(50), raw.line()).await;
                    if let Ok(Some(line)) = heard {
                        trace.note(began, format!("{name}: {line}"));
                    }
                }
                while let Some(line) = raw.line().await {
                    trace.note(began, format!("{name}: {line}"));
                }
            });
        }
        let options = Options::new("sim:carol").expect("it is a place").name("carol");
        let (client, mut events) = options.connect().await.expect("the hub is there");
        let heard = trace.clone();
        spawn_local(async move {
            while let Some(event) = events.next().await {
                heard.note(began, format!("carol: {event:?}"));
            }
        });
        for n in 0..20 {
            let position = client.send("lobby", &format!("carol says {n}")).await;
            trace.note(began, format!("carol: {position:?}"));
        }
        let all = ["alice: <carol> carol says 19", "bob: <carol> carol says 19"];
        while !all.iter().all(|text| trace.has(text)) {
            sleep(Duration::from_millis(100)).await;
            assert!(began.elapsed().as_secs() < 60, "{:#?}", trace.0);
        }
        hub.stop().await;
        sleep(Duration::from_secs(1)).await;
        drop(client);
        (trace, net::digest(), began.elapsed())
    });
    (trace.0.take(), digest, took)
}

#[test]
fn a_life_is_made_of_its_seed_alone() {
    for workers in 1..=3 {
        let (first, again, other) = (talk(7, workers), talk(7, workers), talk(8, workers));
        assert_eq!(first, again);
        assert_ne!(first.1, other.1);
        for who in ["alice", "bob"] {
            for n in 0..20 {
                let line = format!("{who}: <carol> carol says {n}");
                let times = first.0.iter().filter(|(_, what)| *what == line).count();
                assert_eq!(times, 1, "{line} in {:#?}", first.0);
            }
        }
    }
}

fn start(workers: usize, disk: &Disk) -> Hub {
    Hub::start(config(workers), Some(disk.folder())).expect("nothing is in the way")
}

/// Ends a hub in one of the ways in which hubs end.
async fn end(hub: Hub, disk: &Disk, chance: &mut Chance) {
    let power = chance.one_in(2);
    match chance.within(0..=3) {
        0 => hub.stop().await,
        1 => {
            disk.die_in(Some(chance.within(1..=60).try_into().expect("few")));
            let _or_idle = timeout(Duration::from_secs(1), process::frozen()).await;
            disk.die();
            hub.kill();
        }
        _ => {
            disk.die();
            hub.kill();
        }
    }
    disk.die();
    disk.come_back(power);
    disk.die_in(None);
}

/// A hub that is killed again and again while somebody speaks, over what it has kept. Gives what is kept in the end,
/// what came through the network, and how often it was killed.
fn survive(seed: u64, workers: usize) -> (Vec<String>, u64, usize) {
    live(seed, async || {
        net::set_weather(Weather { delay_ms: (0, 10), most: 300, buffer: 4000, choke_one_in: 9 });
        process::set_pace(Pace { wait_one_in: 9, wait_ms: 3, disk_ms: 8 });
        let disk = Disk::new();
        let mut chance = chance::fork("world");
        let mut hub = Some(start(workers, &disk));
        let options = Options::new("sim:carol").expect("it is a place").name("carol");
        let (client, mut events) = options.start();
        spawn_local(async move { while events.next().await.is_some() {} });
        let talker = spawn_local(async move {
            for n in 0..100 {
                client.send("lobby", &format!("says {n}")).await.expect("it is there");
            }
        });
        let mut ended: Vec<Weak<Shared>> = Vec::new();
        while !talker.is_finished() {
            sleep(Duration::from_millis(chance.within(1..=800))).await;
            if let Some(running) = hub.take_if(|_| chance.one_in(2)) {
                ended.push(Arc::downgrade(running.shared()));
                end(running, &disk, &mut chance).await;
            } else if chance.one_in(2) {
                net::reset_all();
            } else {
                net::partition(true);
            }
            sleep(Duration::from_millis(chance.within(1..=300))).await;
            net::partition(false);
            hub.get_or_insert_with(|| start(workers, &disk));
        }
        talker.await.expect("it has said all");
        let mut dora = Raw::connect("dora").await;
        dora.say("/history 1000\n/ping").await;
        let lines = dora.until("pong").await;
        let left = ended.iter().filter(|shared| shared.strong_count() > 0).count();
        assert_eq!(left, 0, "nothing is left of {} hubs", ended.len());
        (lines, net::digest(), ended.len())
    })
}

#[test]
fn what_is_acknowledged_survives_each_end() {
    for (seed, workers) in [(0, 1), (1, 2), (2, 3), (3, 2)] {
        let lived = survive(seed, workers);
        let (lines, _, ended) = &lived;
        assert!(*ended > 2, "of seed {seed}: {ended}");
        for n in 0..100 {
            let said = |line: &&String| line.ends_with(&format!("> says {n}"));
            assert_eq!(lines.iter().filter(said).count(), 1, "{n} of seed {seed}: {lines:#?}");
        }
        assert_eq!(survive(seed, workers), lived, "of seed {seed}");
    }
}

/// A post under an idempotency key, until it is answered; the answer's last line.
async fn post(said: &str) -> String {
    loop {
        let mut raw = Raw::connect("curl").await;
        let request = format!(
            "POST /rooms/lobby/messages HTTP/1.1\r\nHost: localhost\r\nX-Trappe: 1\r\n\
             Idempotency-Key: {said}\r\nContent-Length: {}\r\n\r\n{said}",
            said.len()
        );
        let sent = raw.0.write_all(request.as_bytes()).await;
        let lines = raw.until("nothing ends so").await;
        if sent.is_ok()
            && let Some(line) = lines.last().filter(|line| line.contains("seq"))
        {
            return line.clone();
        }
        sleep(Duration::from_millis(500)).await;
    }
}

#[test]
fn what_is_posted_again_under_its_key_is_said_once() {
    let (first, again, lines) = live(5, async || {
        let disk = Disk::new();
        net::set_weather(Weather { delay_ms: (0, 10), most: 90, ..Weather::default() });
        let hub = start(2, &disk);
        let first = post("bonjour").await;
        disk.die();
        hub.kill();
        disk.come_back(true);
        let _hub = start(2, &disk);
        let again = post("bonjour").await;
        let mut dora = Raw::connect("dora").await;
        dora.say("/history 1000\n/ping").await;
        (first, again, dora.until("pong").await)
    });
    assert_eq!(first, again);
    assert_eq!(lines.iter().filter(|line| line.ends_with("bonjour")).count(), 1, "{lines:#?}");
}

/// Where a hub keeps nothing for those who come back: who is lost in the middle of a pass costs nobody else a word.
fn listen(seed: u64) {
    live(seed, async || {
        let disk = Disk::new();
        // A member that is lost leaves once all that it said is on disk. Until then it is one that can't be written to.
        process::set_pace(Pace { disk_ms: 50, ..Pace::default() });
        let nothing = Config { retain_messages: 0, retain_bytes: 0, ..config(1) };
        let _hub = Hub::start(nothing, Some(disk.folder())).expect("nothing is in the way");
        let mut chance = chance::fork("world");
        let mut talker = Raw::connect("talker").await;
        let mut listeners = Vec::new();
        for _ in 0..6 {
            let (stream, link) = net::connect("listener").await.expect("the hub listens");
            let mut listener = Raw(stream, Vec::new());
            listener.say("\n/format json").await;
            listeners.push((listener, link));
        }
        for n in 0..5 {
            let lost = chance.size(0..=listeners.len() - 2);
            let (mut lost, link) = listeners.remove(lost);
            sleep(Duration::from_millis(100)).await;
            lost.say(r#"{"op":"send","text":"goodbye","id":1}"#).await;
            sleep(Duration::from_millis(3)).await;
            link.reset();
            sleep(Duration::from_millis(chance.within(1..=20))).await;
            talker.say(&format!("says {n}.")).await;
        }
        talker.say("the end").await;
        for (mut listener, _) in listeners {
            let mut heard = Vec::new();
            while let Some(line) = listener.line().await
                && !line.contains("the end")
            {
                heard.push(line);
            }
            for n in 0..5 {
                let said = |line: &&String| line.contains(&format!("says {n}."));
                assert_eq!(heard.iter().filter(said).count(), 1, "{n} of seed {seed}: {heard:#?}");
            }
        }
    });
}

#[test]
fn who_is_lost_in_the_middle_of_a_pass_costs_nobody_else_a_word() {
    (0..20).for_each(listen);
}
