//! What a life is to be like: drawn from its seed before it begins.

use std::time::Duration;

use trappe_core::keep::Keep;

use crate::{
    server::Config,
    sim::{chance::Chance, hub, members::Kind, model::Promises, net::Weather, process::Pace},
};

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) on_disk: bool,
    pub(crate) promises: Promises,
    /// The rooms that there may be; the lobby is the first.
    pub(crate) rooms: Vec<String>,
    /// Who is there from the start.
    pub(crate) members: Vec<Kind>,
    pub(crate) steps: usize,
    pub(crate) weather: Weather,
    pub(crate) pace: Pace,
    /// How likely what is, in this life.
    pub(crate) weights: Weights,
}

/// How likely each kind of step is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weights {
    /// Long texts, in percent.
    pub(crate) long: u64,
    pub(crate) moves: u64,
    pub(crate) cuts: u64,
    pub(crate) deaths: u64,
    pub(crate) disk: u64,
    pub(crate) deaf: u64,
    /// Much is said at once.
    pub(crate) floods: u64,
}

const NAMES: [&str; 8] =
    ["lobby", "jardin", "cave", "grenier", "salon", "cuisine", "atelier", "couloir"];

impl Plan {
    pub(crate) fn draw(chance: &mut Chance) -> Plan {
        let on_disk = chance.percent(75);
        let mut config = hub::config(*chance.pick(&[1, 1, 2, 3]));
        config.retain_messages = *chance.pick(&[3, 20, 100, 1000]);
        config.retain_bytes = *chance.pick(&[2 << 10, 16 << 10, 1 << 20]);
        config.lag_room_bytes = *chance.pick(&[8 << 10, 32 << 10, 512 << 10, 8 << 20]);
        config.lag_total_bytes = *chance.pick(&[64 << 10, 1 << 20, 256 << 20]);
        config.greet = *chance.pick(&[0, 3, 10]);
        config.notices = chance.percent(70);
        config.raw_gap_skip = chance.percent(20);
        let keep = on_disk && chance.percent(25);
        if keep {
            config.keep = match chance.within(0..=2) {
                0 => Keep { messages: Some(chance.within(1..=60)), ..Keep::default() },
                1 => Keep { bytes: Some(chance.within(200..=20_000)), ..Keep::default() },
                _ => Keep { age: Some(chance.time(secs(1)..=secs(30))), ..Keep::default() },
            };
        }
        let rooms = chance.size(1..=NAMES.len());
        let members = (0..chance.size(3..=7)).map(|_| kind(chance)).collect();
        let some = |chance: &mut Chance, weights: &[u64]| *chance.pick(weights);
        Plan {
            promises: Promises { disk: on_disk, forgets: keep || !on_disk },
            config,
            on_disk,
            rooms: NAMES[..rooms].iter().map(|name| (*name).to_owned()).collect(),
            members,
            steps: chance.size(80..=250),
            weather: weather(chance),
            pace: pace(chance),
            weights: Weights {
                long: some(chance, &[0, 5, 30]),
                moves: some(chance, &[0, 2, 6]),
                cuts: some(chance, &[0, 2, 6]),
                deaths: some(chance, &[0, 1, 2, 4]),
                disk: some(chance, &[0, 0, 2]),
                deaf: some(chance, &[0, 2, 6]),
                floods: some(chance, &[0, 0, 0, 2]),
            },
        }
    }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Which kind a member is.
pub(crate) fn kind(chance: &mut Chance) -> Kind {
    chance.weighted(&[
        (4, Kind::Library),
        (5, Kind::Json),
        (3, Kind::Text),
        (1, Kind::Raw),
        (1, Kind::Post),
    ])
}

/// What becomes of bytes on their way: a good network in one of three cases.
pub(crate) fn weather(chance: &mut Chance) -> Weather {
    if chance.one_in(3) {
        return Weather::default();
    }
    let least = chance.within(0..=5);
    Weather {
        delay_ms: (least, least + chance.within(0..=40)),
        most: *chance.pick(&[7, 100, 1000, usize::MAX]),
        buffer: *chance.pick(&[256, 2 << 10, 16 << 10, 64 << 10]),
        choke_one_in: *chance.pick(&[0, 0, 3, 20]),
    }
}

/// How fast the hub's threads and its disk are.
pub(crate) fn pace(chance: &mut Chance) -> Pace {
    if chance.one_in(3) {
        return Pace::default();
    }
    Pace {
        wait_one_in: *chance.pick(&[0, 3, 20]),
        wait_ms: chance.within(1..=20),
        disk_ms: *chance.pick(&[0, 1, 10, 80]),
    }
}
