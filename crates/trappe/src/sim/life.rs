//! One life of the world: made of one number, from its first step to the last look at what is left.

mod ending;
mod faults;
mod plan;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use tokio::{
    sync::mpsc::unbounded_channel,
    task::{LocalSet, spawn_local},
    time::sleep,
};

use self::plan::Plan;
use super::{
    chance::{self, Chance},
    clock,
    disk::{Disk, DiskState},
    hub::Hub,
    members::{
        Body, Doing, Kind, Member, Order, Tally, World, json::Json, library::Library, post,
        text::Text,
    },
    model::{Model, Who},
    net, process,
};

/// What came of a life.
#[derive(Debug)]
pub(crate) struct Lived {
    pub(crate) tally: Tally,
    /// The promise that was broken, if one was.
    pub(crate) broken: Option<String>,
    pub(crate) trace: Vec<String>,
    /// The life in one number: all that was observed, and all bytes that came through the network.
    pub(crate) digest: u64,
}

/// What is counted of a life, in the order in which it is told.
pub(crate) const COUNTED: [&str; 20] = [
    "steps",
    "said",
    "acked",
    "given up",
    "heard",
    "gaps",
    "greeted",
    "resumed",
    "joins",
    "asked",
    "kept",
    "hubs",
    "kills",
    "power cuts",
    "deaths by the disk",
    "stops",
    "disk faults",
    "cuts",
    "lulls",
    "virtual seconds",
];

/// Lives the life of this seed.
pub(crate) fn live(seed: u64) -> Lived {
    let runtime = process::runtime(seed);
    let disk = Disk::new();
    let mut chance = chance::fork("life");
    let plan = Plan::draw(&mut chance);
    let world = Rc::new(RefCell::new(None));
    let lived = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(LocalSet::new().run_until(async {
            clock::begin();
            net::begin();
            process::begin();
            let all = World::new(Model::new(plan.promises));
            world.replace(Some(all.clone()));
            Life::new(plan, chance, &disk, all).run().await;
        }));
    }));
    // What is left of it ends before its disk does.
    drop(runtime);
    let world = world.take().expect("it has begun");
    world.with(|told| {
        told.tally.insert("virtual seconds", told.lasted().as_secs());
        let panic = process::panic().map(|said| format!("no panic: {said}"));
        let other = lived.is_err().then(|| "the world itself has come to an end".to_owned());
        Lived {
            broken: told.model.broken().map(str::to_owned).or(panic).or(other),
            tally: std::mem::take(&mut told.tally),
            digest: told.digest() ^ net::digest(),
            trace: told.trace().to_vec(),
        }
    })
}

/// A life as it goes on.
struct Life<'a> {
    plan: Plan,
    chance: Chance,
    disk: &'a Disk,
    world: World,
    hub: Option<Hub>,
    members: Vec<Member>,
    /// How many were ever there.
    came: Who,
    /// How many texts were ever said.
    texts: u64,
    disk_state: DiskState,
    /// Steps until something is as it was: the hub runs, the disk is well, who is cut off isn't.
    down_for: usize,
    ill_for: usize,
    cut_for: usize,
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Say,
    Burst,
    Flood,
    Chorus,
    Wait,
    WaitLong,
    Join,
    Leave,
    Again,
    History,
    Search,
    Repeat,
    Deaf,
    Hear,
    Cut,
    TakeOver,
    Drain,
    Reset,
    ResetAll,
    Stall,
    Partition,
    Weather,
    Pace,
    Kill,
    PowerCut,
    Stop,
    DieIn,
    DiskFails,
    Lull,
    Come,
    Go,
}

impl<'a> Life<'a> {
    fn new(plan: Plan, chance: Chance, disk: &'a Disk, world: World) -> Life<'a> {
        Life {
            plan,
            chance,
            disk,
            world,
            hub: None,
            members: Vec::new(),
            came: 0,
            texts: 0,
            disk_state: DiskState::Well,
            down_for: 0,
            ill_for: 0,
            cut_for: 0,
        }
    }

    /// Lives until everything is over, or a promise is broken.
    async fn run(mut self) {
        let plan = format!("{:?}", self.plan);
        self.world.note(&plan);
        self.start_hub();
        net::set_weather(self.plan.weather);
        process::set_pace(self.plan.pace);
        for kind in self.plan.members.clone() {
            self.comes(kind);
        }
        for _ in 0..self.plan.steps {
            self.step().await;
            if self.look() {
                return;
            }
        }
        self.end().await;
    }

    /// Whether a promise is broken. Sees to a hub that has died by itself, too.
    fn look(&mut self) -> bool {
        if process::panic().is_some() {
            return true;
        }
        if self.disk.has_died() && self.hub.is_some() {
            self.world.count("deaths by the disk");
            let power = self.chance.one_in(2);
            self.hub_dies(power);
        }
        self.look_at_bounds();
        self.world.with(|told| told.model.broken().is_some())
    }

    /// What the hub keeps is bounded.
    fn look_at_bounds(&mut self) {
        let Some(hub) = &self.hub else { return };
        let config = &self.plan.config;
        let room =
            u64::try_from(config.lag_room_bytes).unwrap_or(u64::MAX).max(config.retain_bytes);
        // A batch is kept whole; what isn't published yet, or waits for the disk, comes on top.
        let slack = if self.plan.on_disk { 4 << 20 } else { 160 << 10 };
        let most = room * self.plan.rooms.len() as u64 + slack;
        let kept = hub.shared().kept_bytes();
        if kept > most {
            let sentence = format!("bounds hold: the rooms keep {kept} bytes, {most} at most");
            self.world.with(|told| told.model.breaks(sentence));
        }
    }

    /// What happens next.
    fn next_step(&mut self) -> Step {
        let weights = self.plan.weights;
        self.chance.weighted(&[
            (50, Step::Say),
            (4, Step::Burst),
            (weights.floods, Step::Flood),
            (4, Step::Chorus),
            (20, Step::Wait),
            (3, Step::WaitLong),
            (weights.moves, Step::Join),
            (weights.moves / 2, Step::Leave),
            (2, Step::Again),
            (2, Step::History),
            (1, Step::Search),
            (1, Step::Repeat),
            (weights.deaf, Step::Deaf),
            (weights.deaf, Step::Hear),
            (weights.cuts, Step::Cut),
            (weights.cuts, Step::TakeOver),
            (weights.cuts / 2, Step::Drain),
            (weights.cuts, Step::Reset),
            (weights.cuts / 2, Step::ResetAll),
            (weights.cuts, Step::Stall),
            (weights.cuts / 2, Step::Partition),
            (1, Step::Weather),
            (1, Step::Pace),
            (weights.deaths, Step::Kill),
            (weights.deaths, Step::PowerCut),
            (weights.deaths / 2, Step::Stop),
            (weights.deaths, Step::DieIn),
            (if self.plan.on_disk { weights.disk } else { 0 }, Step::DiskFails),
            (1, Step::Lull),
            (1, Step::Come),
            (1, Step::Go),
        ])
    }

    async fn step(&mut self) {
        self.world.count("steps");
        self.passes();
        let step = self.next_step();
        match step {
            Step::Say => self.someone_says(),
            Step::Flood => {
                let who = self.someone();
                self.world.note(&format!("a flood by {}", self.members[who].who));
                for _ in 0..self.chance.size(50..=120) {
                    let bytes = self.chance.size(500..=3000);
                    self.says_so_much(who, bytes);
                }
            }
            Step::Burst => {
                let who = self.someone();
                for _ in 0..self.chance.size(2..=30) {
                    self.says(who);
                }
            }
            Step::Chorus => {
                for who in 0..self.members.len() {
                    self.says(who);
                }
            }
            Step::Wait => self.waits(Duration::ZERO, Duration::from_millis(200)).await,
            Step::WaitLong => {
                self.waits(Duration::from_millis(500), Duration::from_secs(8)).await;
            }
            Step::Join
            | Step::Leave
            | Step::Again
            | Step::History
            | Step::Search
            | Step::Repeat => {
                self.asks(step);
            }
            Step::Deaf | Step::Hear => {
                let who = self.someone();
                self.orders(who, Order::Read(step == Step::Hear));
            }
            Step::Cut | Step::TakeOver | Step::Drain => {
                let who = self.someone();
                let order = match step {
                    Step::Cut => Order::Cut,
                    Step::TakeOver => Order::TakeOver,
                    _ => Order::Drain,
                };
                self.world.note(&format!("{order:?} {who}"));
                self.orders(who, order);
            }
            Step::Reset
            | Step::ResetAll
            | Step::Stall
            | Step::Partition
            | Step::Weather
            | Step::Pace => {
                self.the_network_suffers(step);
            }
            Step::Kill => self.hub_dies(false),
            Step::PowerCut => self.hub_dies(true),
            Step::Stop => self.hub_stops().await,
            Step::DieIn => {
                let ops = u32::try_from(self.chance.within(1..=60)).unwrap_or(1);
                self.world.note(&format!("the disk ends the hub in {ops}"));
                self.disk.die_in(Some(ops));
            }
            Step::DiskFails => self.disk_fails(),
            Step::Lull => self.lull(false).await,
            Step::Come if self.members.len() < 10 => {
                let kind = plan::kind(&mut self.chance);
                self.comes(kind);
            }
            Step::Go if self.members.len() > 2 => {
                let who = self.someone();
                let member = self.members.remove(who);
                self.world.note(&format!("{} goes", member.who));
            }
            Step::Come | Step::Go => {}
        }
        self.waits(Duration::ZERO, Duration::from_millis(3)).await;
    }

    async fn waits(&mut self, least: Duration, most: Duration) {
        sleep(self.chance.time(least..=most)).await;
    }

    /// A step has passed for all that lasts.
    fn passes(&mut self) {
        if self.hub.is_none() {
            self.down_for = self.down_for.saturating_sub(1);
            if self.down_for == 0 {
                self.start_hub();
            }
        }
        if self.disk_state != DiskState::Well {
            self.ill_for = self.ill_for.saturating_sub(1);
            if self.ill_for == 0 {
                self.disk_heals();
            }
        }
        if self.cut_for > 0 {
            self.cut_for -= 1;
            if self.cut_for == 0 {
                self.network_heals();
            }
        }
    }

    // ---- who is there ----

    /// Somebody comes.
    fn comes(&mut self, kind: Kind) {
        let who = self.came;
        self.came += 1;
        let doing = Rc::new(RefCell::new(Doing::default()));
        let (orders, obeyed) = unbounded_channel();
        let body = Body { who, world: self.world.clone(), doing: Rc::clone(&doing) };
        let chance = chance::fork(&format!("member {who}"));
        let mut rooms = vec![self.plan.rooms[0].clone()];
        rooms.extend(self.plan.rooms[1..].iter().filter(|_| self.chance.one_in(3)).cloned());
        self.world.note(&format!("{who} comes, {kind:?}"));
        match kind {
            Kind::Library => drop(spawn_local(Library::new(body, chance, rooms).live(obeyed))),
            Kind::Json => drop(spawn_local(Json::new(body, chance, rooms).live(obeyed))),
            Kind::Text | Kind::Raw => {
                // A gap that was owed in text isn't told to who is in raw by then.
                let config = &self.plan.config;
                let skips_gaps = config.raw_gap_skip
                    || config.lag_room_bytes.min(config.lag_total_bytes) < 128 << 10;
                let text = Text::new(body, chance, kind == Kind::Raw, skips_gaps);
                drop(spawn_local(text.live(obeyed)));
            }
            Kind::Post => drop(spawn_local(post::live(body, chance, obeyed))),
        }
        self.members.push(Member { who, kind, orders, doing });
    }

    /// One of those who are there.
    fn someone(&mut self) -> usize {
        self.chance.size(0..=self.members.len() - 1)
    }

    fn orders(&self, who: usize, order: Order) {
        // Who has come to an end obeys nobody.
        let _gone = self.members[who].orders.send(order);
    }

    fn someone_says(&mut self) {
        let who = self.someone();
        self.says(who);
    }

    /// A member says something new in one of its rooms.
    fn says(&mut self, who: usize) {
        let bytes = if self.chance.percent(self.plan.weights.long) {
            let most = if self.chance.one_in(10) { 9000 } else { 1500 };
            self.chance.size(1..=most)
        } else {
            0
        };
        self.says_so_much(who, bytes);
    }

    fn says_so_much(&mut self, who: usize, bytes: usize) {
        let rooms: Vec<String> = self.members[who].doing.borrow().rooms.keys().cloned().collect();
        if rooms.is_empty() {
            return;
        }
        let room = self.chance.pick(&rooms).clone();
        self.texts += 1;
        let mut text = format!("m{}k{}z", self.members[who].who, self.texts);
        if bytes > 0 {
            text.push(' ');
            text.push_str(&"x".repeat(bytes));
        }
        self.orders(who, Order::Say(room, text));
    }

    /// A member asks for something.
    fn asks(&mut self, step: Step) {
        let who = self.someone();
        let is_in: Vec<String> = self.members[who].doing.borrow().rooms.keys().cloned().collect();
        if is_in.is_empty() {
            return;
        }
        let room = self.chance.pick(&is_in).clone();
        let order = match step {
            Step::Join => {
                let room = self.chance.pick(&self.plan.rooms).clone();
                let after = self.chance.one_in(2).then(|| self.some_place(&room)).flatten();
                Order::Join(room, after)
            }
            Step::Leave => Order::Leave(room),
            Step::Again => Order::Again(room, self.chance.within(0..=40)),
            Step::History => Order::History(room, self.chance.size(1..=30)),
            Step::Search => {
                let word = format!("m{}k", self.chance.within(0..=5));
                Order::Search(room, word)
            }
            _ => Order::Repeat,
        };
        self.orders(who, order);
    }

    /// A place in a room where something was acknowledged.
    fn some_place(&mut self, room: &str) -> Option<super::model::Place> {
        let places: Vec<_> =
            self.world.with(|told| told.places.get(room).map(|it| it.iter().cloned().collect()))?;
        Some(self.chance.pick(&places).clone())
    }
}
