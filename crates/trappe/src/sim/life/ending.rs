//! Times in which nothing goes wrong: everybody catches up. And the last look at what is left.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep, timeout},
};

use super::Life;
use crate::{
    sim::{
        disk::DiskState,
        members::Order,
        model::{Entry, Gap, Place},
        net::{self, Weather},
        process::{self, Pace},
    },
    store::{Visit, check},
};

/// By then everybody is back, whose hub is there: the longest pause of a client, and what its silence costs.
const BACK: Duration = Duration::from_secs(110);

/// By then who is there has everything, and an answer to everything.
const CAUGHT_UP: Duration = Duration::from_secs(10);

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(100);

impl Life<'_> {
    /// Nothing goes wrong for a while, and nothing is said: everybody catches up by what was said before.
    pub(super) async fn lull(&mut self, is_last: bool) {
        self.world.note("a lull");
        self.world.count("lulls");
        self.disk.die_in(None);
        if self.disk_state != DiskState::Well {
            self.disk_heals();
        }
        self.network_heals();
        net::set_weather(Weather::default());
        process::set_pace(Pace::default());
        for who in 0..self.members.len() {
            self.orders(who, Order::Read(true));
        }
        if self.look() {
            return;
        }
        if self.hub.is_none() {
            self.start_hub();
        }
        let began = Instant::now();
        self.wait_for_all().await;
        let took = began.elapsed();
        self.world.note(&format!("all is quiet after {took:?}"));
        if !is_last {
            net::set_weather(self.plan.weather);
            for link in net::links() {
                link.set_weather(self.plan.weather);
            }
            process::set_pace(self.plan.pace);
        }
    }

    /// Waits until everybody is there and has everything.
    async fn wait_for_all(&mut self) {
        let begun = Instant::now();
        // Since when all are there.
        let mut all = begun;
        loop {
            if self.look() {
                return;
            }
            // Also for who was on its way here.
            for link in net::links() {
                link.set_weather(Weather::default());
            }
            let now = Instant::now();
            let missing = if let Some(away) = self.who_is_away() {
                all = now;
                (now >= begun + BACK).then_some(away)
            } else {
                let Some(behind) = self.who_is_behind() else { return };
                (now >= all + CAUGHT_UP).then_some(behind)
            };
            if let Some(missing) = missing {
                let sentence = format!("in the end everybody has everything: {missing}");
                return self.world.with(|told| told.model.breaks(sentence));
            }
            sleep(LOOK).await;
        }
    }

    fn who_is_away(&self) -> Option<String> {
        let away = self.members.iter().find(|member| !member.doing.borrow().is_there);
        away.map(|member| format!("member {} ({:?}) isn't", member.who, member.kind))
    }

    fn who_is_behind(&self) -> Option<String> {
        self.world.with(|told| {
            for member in &self.members {
                let (who, kind) = (member.who, member.kind);
                if let Some(text) = told.model.waits_for(who).first() {
                    let text: String = text.chars().take(30).collect();
                    return Some(format!("member {who} ({kind:?}) waits for {text:?}"));
                }
                if !member.doing.borrow().ghosts.is_empty() {
                    return Some(format!("member {who} has two connections: it took itself over"));
                }
                if member.doing.borrow().asks {
                    return Some(format!("member {who} ({kind:?}) waits for an answer"));
                }
                for room in member.doing.borrow().rooms.keys() {
                    if let Some((seq, text)) = told.model.is_behind(who, room) {
                        let text: String = text.chars().take(30).collect();
                        return Some(format!(
                            "member {who} ({kind:?}) of {room} hasn't heard {seq} ({text:?})"
                        ));
                    }
                }
            }
            None
        })
    }

    /// Everything ends well, and is looked at.
    pub(super) async fn end(&mut self) {
        self.lull(true).await;
        if self.look() {
            return;
        }
        for room in self.plan.rooms.clone() {
            let read = timeout(BACK, self.reads_all(&room)).await;
            if read.is_err() {
                let sentence = format!("in the end everybody has everything: {room} can't be read");
                self.world.with(|told| told.model.breaks(sentence));
            }
            if self.look() {
                return;
            }
        }
        // Who is told no numbers can't be asked whether it has everything.
        sleep(Duration::from_secs(2)).await;
        // Nobody gives them orders any more: they end, and tell what they have.
        self.world.with(|told| told.is_over = true);
        self.members.clear();
        sleep(Duration::from_millis(50)).await;
        self.world.with(|told| told.model.judge());
        if self.look() {
            return;
        }
        self.hub_stops().await;
        self.look_at_the_disk();
    }

    /// Reads all that is kept of a room.
    async fn reads_all(&mut self, room: &str) {
        let (who, hub) = (self.came, self.world.hub());
        self.came += 1;
        let Ok((mut stream, _)) = net::connect("reader").await else { return };
        let hello = json!({"op": "hello", "rooms": [{"room": room, "after": 0}], "id": 1});
        let begun = stream.write_all(format!("\n/format json\n{hello}\n").as_bytes()).await;
        if begun.is_err() {
            return;
        }
        let (mut buffer, mut rest) = (vec![0; 16 << 10], Vec::new());
        let (mut epoch, mut oldest, mut kept, mut slow) =
            (String::new(), 1, Vec::new(), Vec::new());
        loop {
            let Ok(count @ 1..) = stream.read(&mut buffer).await else { return };
            rest.extend_from_slice(&buffer[..count]);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let event: Value = serde_json::from_slice(&line).unwrap_or_default();
                let seq = event["seq"].as_u64().unwrap_or_default();
                let text = event["text"].as_str().unwrap_or_default();
                match event["ev"].as_str().unwrap_or_default() {
                    "hello" if event["id"] == 1 => {
                        let place = event["rooms"][0]["pos"].as_str().and_then(Place::parse);
                        let Some(place) = place else { return };
                        epoch.clone_from(&place.epoch);
                        self.world.with(|told| {
                            told.model.is_in_epoch(room, &place.epoch, hub);
                            told.model.enters(who, room, &place, Entry::New, false);
                        });
                    }
                    "msg" if !epoch.is_empty() => {
                        kept.push((seq, text.to_owned()));
                        self.world.with(|told| told.model.hears(who, room, seq, text, Some(hub)));
                    }
                    "gap" if !epoch.is_empty() => {
                        let gap = Gap {
                            from: event["from"].as_u64(),
                            to: event["to"].as_u64(),
                            cause: event["cause"].as_str().unwrap_or_default().to_owned(),
                            oldest: event["oldest"].as_str().and_then(Place::parse),
                        };
                        self.world.note(&format!("reader of {room}: gap {event}"));
                        if gap.cause == "slow" {
                            slow.extend(gap.from.zip(gap.to));
                        }
                        if let Some(first) = &gap.oldest {
                            oldest = first.seq;
                        }
                        if let Some(to) = gap.to.filter(|_| gap.cause == "forgotten") {
                            oldest = to + 1;
                        }
                        self.world.with(|told| told.model.misses(who, room, &gap, hub));
                    }
                    "live" => {
                        self.world.note(&format!("{room} keeps {} messages", kept.len()));
                        return self.world.with(|told| {
                            *told.tally.entry("kept").or_default() += kept.len() as u64;
                            told.model.is_kept((room, &epoch), oldest, &slow, &kept);
                        });
                    }
                    _ => {}
                }
            }
        }
    }

    /// What is on the disk is sound.
    fn look_at_the_disk(&mut self) {
        if !self.plan.on_disk {
            return;
        }
        let looked =
            Visit::open(self.disk.folder()).map(|mut visit| check(&mut visit, &mut |_| {}));
        let sentence = match looked {
            Ok(Ok(report)) if report.is_sound() => return,
            Ok(Ok(report)) => format!("{report:?}"),
            Ok(Err(error)) => format!("it can't be read: {error}"),
            Err(error) => format!("it can't be opened: {error}"),
        };
        self.world.with(|told| told.model.breaks(format!("the disk is sound: {sentence}")));
    }
}
