//! Those who live in the world: what they have in common, and what all of them tell.

pub(crate) mod json;
pub(crate) mod library;
pub(crate) mod post;
pub(crate) mod text;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    rc::Rc,
    time::Duration,
};

use tokio::{sync::mpsc::UnboundedSender, time::Instant};

use super::{
    model::{How, Model, Place, Who},
    net::Link,
};

/// What happens next to a member with a connection of its own.
enum Next {
    Order(Option<Order>),
    Read(io::Result<usize>),
    Written(io::Result<usize>),
}

/// Something that a member is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Says a text in a room that it is in.
    Say(String, String),
    /// Says once more what was acknowledged already.
    Repeat,
    /// Enters a room, after a place if one is given.
    Join(String, Option<Place>),
    Leave(String),
    /// Wants everything once more that it had in a room, from so many numbers back on.
    Again(String, u64),
    /// Asks for the last messages of a room.
    History(String, usize),
    /// Asks for the messages of a room in which a word is.
    Search(String, String),
    /// Reads, or doesn't.
    Read(bool),
    /// Drops its connection without a word, and comes back.
    Cut,
    /// Takes its session over from a new connection, while the old one is still there.
    TakeOver,
    /// Says goodbye in good order once all is acknowledged, and begins anew.
    Drain,
}

/// Which kind of member it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `trappe::client`.
    Library,
    /// A program of JSON lines, written by hand.
    Json,
    /// A person with `nc`.
    Text,
    /// A program that reads bodies alone.
    Raw,
    /// Who posts by HTTP.
    Post,
}

/// What a member is doing, for who gives the orders.
#[derive(Debug, Default)]
pub(crate) struct Doing {
    /// It is connected, and greeted.
    pub(crate) is_there: bool,
    /// It doesn't read for now.
    pub(crate) is_deaf: bool,
    /// It waits for an answer to a question.
    pub(crate) asks: bool,
    /// The rooms that it is in, or on its way to, each with up to where it has had it.
    pub(crate) rooms: BTreeMap<String, Option<Place>>,
    /// Connections from which it has taken its session over, and that the hub hasn't ended yet; each with whether
    /// that is promised no more.
    pub(crate) ghosts: Vec<Rc<Cell<bool>>>,
    /// Its connection.
    pub(crate) link: Option<Link>,
}

/// A member, as who gives the orders has it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) who: Who,
    pub(crate) kind: Kind,
    pub(crate) orders: UnboundedSender<Order>,
    pub(crate) doing: Rc<RefCell<Doing>>,
}

/// What a member has to have to live.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) who: Who,
    pub(crate) world: World,
    pub(crate) doing: Rc<RefCell<Doing>>,
}

/// What came of a life, in numbers: so that one in which nothing happens is seen.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// Everything that is told, by whomever.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) model: Model,
    pub(crate) tally: Tally,
    /// Which life of the hub it is, from 1.
    pub(crate) hub: u32,
    /// Nothing happens any more: who ends now has heard all that there is.
    pub(crate) is_over: bool,
    began: Instant,
    /// When the last line was noted.
    noted: Duration,
    trace: Vec<String>,
    digest: u64,
    /// Messages of each room, as far as they are known to have been acknowledged: to ask for.
    pub(crate) places: BTreeMap<String, BTreeSet<Place>>,
}

/// The same, shared by all who live on this thread.
#[derive(Clone, Debug)]
pub(crate) struct World(Rc<RefCell<Told>>);

impl World {
    pub(crate) fn new(model: Model) -> World {
        World(Rc::new(RefCell::new(Told {
            model,
            tally: Tally::new(),
            hub: 0,
            is_over: false,
            began: Instant::now(),
            noted: Duration::ZERO,
            trace: Vec::new(),
            digest: 0xcbf2_9ce4_8422_2325,
            places: BTreeMap::new(),
        })))
    }

    /// Does something with what was told.
    pub(crate) fn with<T>(&self, what: impl FnOnce(&mut Told) -> T) -> T {
        what(&mut self.0.borrow_mut())
    }

    /// Writes a line of the trace.
    pub(crate) fn note(&self, line: &str) {
        self.with(|told| told.note(line));
    }

    /// Counts something.
    pub(crate) fn count(&self, what: &'static str) {
        self.with(|told| *told.tally.entry(what).or_default() += 1);
    }

    pub(crate) fn hub(&self) -> u32 {
        self.with(|told| told.hub)
    }
}

impl Told {
    pub(crate) fn note(&mut self, line: &str) {
        self.noted = self.began.elapsed();
        let line = format!("{:>12} {line}", self.noted.as_micros());
        for byte in line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if ALOUD.get() {
            let _closed = writeln!(std::io::stdout(), "{line}");
        }
        self.trace.push(line);
    }

    /// How long this life has lasted, when its last line was noted.
    pub(crate) fn lasted(&self) -> Duration {
        self.noted
    }

    /// Everything that was noted, each line with its time in microseconds.
    pub(crate) fn trace(&self) -> &[String] {
        &self.trace
    }

    /// The trace in one number: of two runs with the same seed it is the same.
    pub(crate) fn digest(&self) -> u64 {
        self.digest
    }
}

impl Body {
    pub(crate) fn note(&self, line: &str) {
        self.world.note(&format!("{:>3} {line}", self.who));
    }

    pub(crate) fn does<T>(&self, what: impl FnOnce(&mut Doing) -> T) -> T {
        what(&mut self.doing.borrow_mut())
    }

    /// It begins to speak JSON: cut short, the first line may be a slash alone, which is speech (docs/protocol.md §3).
    pub(crate) fn begins(&self) {
        self.writes("lobby", "/format json");
    }

    /// It begins to say something.
    pub(crate) fn says(&self, room: &str, text: &str, how: How) {
        self.note(&format!("says {} in {room}", shown(text)));
        self.world.with(|told| {
            *told.tally.entry("said").or_default() += 1;
            told.model.says(self.who, room, text, how);
        });
    }

    /// It writes something that isn't speech, and may become so where it is cut short.
    pub(crate) fn writes(&self, room: &str, text: &str) {
        self.world.with(|told| told.model.writes(self.who, room, text));
    }

    /// What it said is acknowledged.
    pub(crate) fn is_acked(&self, room: &str, text: &str, place: &Place, hub: Option<u32>) {
        self.note(&format!("ack {} {}@{}", shown(text), place.epoch, place.seq));
        self.world.with(|told| {
            *told.tally.entry("acked").or_default() += 1;
            told.places.entry(room.to_owned()).or_default().insert(place.clone());
            told.model.acked(text, place, hub);
        });
    }

    /// It is told that what it said isn't there, or that nobody can tell.
    pub(crate) fn gives_up(&self, text: &str, why: &str) {
        self.note(&format!("lost {} {why}", shown(text)));
        self.world.with(|told| {
            *told.tally.entry("given up").or_default() += 1;
            told.model.given_up(text);
        });
    }

    /// Something is as it should never be.
    pub(crate) fn breaks(&self, sentence: &str) {
        self.note(&format!("!! {sentence}"));
        let who = self.who;
        self.world.with(|told| told.model.breaks(format!("member {who}: {sentence}")));
    }
}

thread_local! {
    static ALOUD: Cell<bool> = const { Cell::new(false) };
}

/// Whether what is noted on this thread is written to standard output, too, at once.
pub(crate) fn tell_aloud(aloud: bool) {
    ALOUD.set(aloud);
}

/// A text as the trace has it.
pub(crate) fn shown(text: &str) -> String {
    let word = text.split(' ').next().unwrap_or_default();
    if text.len() > word.len() { format!("{word}+{}", text.len()) } else { word.to_owned() }
}
