//! A room's shared state: the latest value of each key, and listeners that are a cursor on its changes (PROTOCOL §6).
//!
//! Each change has a number, and a value keeps the number of the change that set it. Who has had everything up to change N is
//! sent the values with a greater number: what was overwritten meanwhile isn't there any more, and so is never sent.
//! That is all there is to conflation, to a late joiner (N is 0), and to one who reads slowly.
//!
//! [`State`] is the room's, behind a lock of the shell's; each worker with members that follow it has a [`StateView`], which
//! it brings up to date by [`State::take`].

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;

use crate::{
    encode::{Look, state::Values},
    limits::{
        STATE_BYTES, STATE_KEYS, STATE_PORTION_BYTES, STATE_SENDERS, STATE_TOTAL_BYTES,
        STATE_VALUE_BYTES,
    },
    message::Author,
    room::batch::Life,
    state_key::StateKey,
};

/// What a remembered version takes.
const VERSION_BYTES: usize = size_of::<(u64, u32)>();
/// Made changes that are kept for others who need the same: one for each look in use, hardly ever more.
const MADE: usize = 16;

/// The value of a key, since one change.
#[derive(Debug)]
pub struct Value {
    /// The number of the change, from 1.
    pub seq: u64,
    /// The key.
    pub key: StateKey,
    /// The version that its sender gave it.
    pub version: Option<u32>,
    /// Who set it.
    pub from: Author,
    /// When, in microseconds since 1970.
    pub time_us: u64,
    /// The value; empty where the key was taken away.
    pub body: Bytes,
}

impl Value {
    /// Whether the key was taken away.
    fn is_gone(&self) -> bool {
        self.body.is_empty()
    }
}

#[derive(Debug)]
struct Held {
    value: Arc<Value>,
    /// The last version of each sender, by number; the one that came longest ago first.
    versions: Vec<(u64, u32)>,
}

impl Held {
    fn bytes(&self) -> usize {
        cost(&self.value.key, self.value.body.len(), self.versions.len())
    }
}

fn cost(key: &StateKey, body: usize, versions: usize) -> usize {
    STATE_VALUE_BYTES + key.as_str().len() + body + versions * VERSION_BYTES
}

/// What [`State::set`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The number of the change.
    pub seq: u64,
    /// The workers (a bit for each) that are to be told: they follow, and haven't been told since they last took.
    pub tell: u64,
}

/// Why a value was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// The sender has set a version of this key that is as new, or newer.
    #[error("the version is not newer than the sender's last")]
    Stale,
    /// [`STATE_KEYS`], [`STATE_BYTES`] or [`STATE_TOTAL_BYTES`] are reached.
    #[error("the state is full")]
    Full,
}

/// The state of one room. See the module.
#[derive(Debug)]
pub struct State {
    held: BTreeMap<StateKey, Held>,
    /// The same values by number.
    by_seq: BTreeMap<u64, Arc<Value>>,
    seq: u64,
    gone: usize,
    bytes: usize,
    /// What the states of all rooms take.
    all: Arc<AtomicUsize>,
    /// Workers with members that follow.
    workers: u64,
    /// Those of them that were told of a change, and haven't taken it.
    told: u64,
}

impl State {
    /// An empty state; `all` counts the bytes of all rooms' states.
    #[must_use]
    pub fn new(all: Arc<AtomicUsize>) -> State {
        State {
            held: BTreeMap::new(),
            by_seq: BTreeMap::new(),
            seq: 0,
            gone: 0,
            bytes: 0,
            all,
            workers: 0,
            told: 0,
        }
    }

    /// Replaces the value of a key; an empty one takes the key away. `version`, where there is one, must be newer than the last
    /// that the same sender gave for this key.
    ///
    /// # Errors
    /// [`SetError`]; nothing has changed then.
    pub fn set(
        &mut self,
        time_us: u64,
        from: Author,
        key: StateKey,
        version: Option<u32>,
        body: &[u8],
    ) -> Result<Changed, SetError> {
        let held = self.held.get(&key);
        if held.is_none() && body.is_empty() {
            return Ok(Changed { seq: self.seq, tell: 0 });
        }
        let mut versions = held.map_or_else(Vec::new, |held| held.versions.clone());
        if let Some(version) = version {
            if let Some(at) = versions.iter().position(|(sender, _)| *sender == from.number) {
                if !is_newer(version, versions[at].1) {
                    return Err(SetError::Stale);
                }
                versions.remove(at);
            } else if versions.len() >= STATE_SENDERS {
                versions.remove(0);
            }
            versions.push((from.number, version));
        }
        let (before, was_gone) = held.map_or((0, false), |h| (h.bytes(), h.value.is_gone()));
        self.make_room(&key, held.is_none(), before, cost(&key, body.len(), versions.len()))?;
        self.seq += 1;
        let value = Value {
            seq: self.seq,
            key: key.clone(),
            version,
            from,
            time_us,
            body: Bytes::copy_from_slice(body),
        };
        let value = Arc::new(value);
        self.by_seq.insert(self.seq, Arc::clone(&value));
        self.gone += usize::from(value.is_gone());
        self.gone -= usize::from(was_gone);
        let held = Held { value, versions };
        self.count(held.bytes(), before);
        if let Some(old) = self.held.insert(key, held) {
            self.by_seq.remove(&old.value.seq);
        }
        let tell = self.workers & !self.told;
        self.told |= tell;
        Ok(Changed { seq: self.seq, tell })
    }

    /// Makes sure that `after` bytes fit where `before` are now; keys that were taken away make room.
    fn make_room(
        &mut self,
        key: &StateKey,
        is_new: bool,
        before: usize,
        after: usize,
    ) -> Result<(), SetError> {
        let fits = |state: &State| {
            let more = after.saturating_sub(before);
            state.held.len() + usize::from(is_new) <= STATE_KEYS
                && (more == 0
                    || state.bytes + more <= STATE_BYTES
                        && state.all.load(Relaxed) + more <= STATE_TOTAL_BYTES)
        };
        while !fits(self) {
            let gone = self.by_seq.values().find(|value| value.is_gone() && value.key != *key);
            let Some(gone) = gone.filter(|_| self.gone > 0).cloned() else {
                return Err(SetError::Full);
            };
            self.by_seq.remove(&gone.seq);
            self.gone -= 1;
            if let Some(held) = self.held.remove(&gone.key) {
                self.count(0, held.bytes());
            }
        }
        Ok(())
    }

    fn count(&mut self, more: usize, less: usize) {
        self.bytes = self.bytes + more - less;
        self.all.fetch_add(more, Relaxed);
        self.all.fetch_sub(less, Relaxed);
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &StateKey) -> Option<Arc<Value>> {
        let value = self.held.get(key).map(|held| &held.value);
        value.filter(|value| !value.is_gone()).cloned()
    }

    /// How many keys have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len() - self.gone
    }

    /// Whether no key has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A worker has members that follow from now on, or none any more.
    pub fn follow(&mut self, worker: usize, follows: bool) {
        let bit = 1 << worker;
        self.workers = if follows { self.workers | bit } else { self.workers & !bit };
        self.told &= self.workers;
    }

    /// The values that were set since change `after`, for a worker, in order; it is told of the next change again.
    pub fn take(&mut self, worker: usize, after: u64) -> Vec<Arc<Value>> {
        self.told &= !(1 << worker);
        self.by_seq.range(after + 1..).map(|(_, value)| Arc::clone(value)).collect()
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Relaxed);
    }
}

/// Whether version `v` is newer than `than`: serial-number arithmetic (RFC 1982 §3.2, 32 bits). Of two that are half of all
/// numbers apart neither is newer.
fn is_newer(v: u32, than: u32) -> bool {
    matches!(v.wrapping_sub(than), 1..0x8000_0000)
}

/// Changes as one look gets them.
#[derive(Debug)]
struct Made {
    look: Look,
    after: u64,
    upto: u64,
    bytes: Bytes,
}

/// A room's state as one worker has it.
#[derive(Debug)]
pub struct StateView {
    life: Arc<Life>,
    by_seq: BTreeMap<u64, Arc<Value>>,
    seqs: BTreeMap<StateKey, u64>,
    seq: u64,
    /// What was made since the last change, for whoever needs the same.
    made: RefCell<Vec<Made>>,
}

impl StateView {
    /// A view that has nothing yet.
    #[must_use]
    pub fn new(life: Arc<Life>) -> StateView {
        StateView {
            life,
            by_seq: BTreeMap::new(),
            seqs: BTreeMap::new(),
            seq: 0,
            made: RefCell::default(),
        }
    }

    /// The last change that it has.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes what [`State::take`] gave for everything after [`seq`](Self::seq).
    pub fn apply(&mut self, values: Vec<Arc<Value>>) {
        for value in values {
            debug_assert!(value.seq > self.seq, "changes come in order");
            self.seq = value.seq;
            if let Some(old) = self.seqs.insert(value.key.clone(), value.seq) {
                self.by_seq.remove(&old);
            }
            self.by_seq.insert(value.seq, value);
        }
        // The room has forgotten some of the keys that were taken away; which, nobody said.
        while self.by_seq.len() > STATE_KEYS {
            let gone = self.by_seq.values().find(|value| value.is_gone()).map(|value| value.seq);
            let Some(value) = gone.and_then(|seq| self.by_seq.remove(&seq)) else { break };
            self.seqs.remove(&value.key);
        }
        self.made.borrow_mut().clear();
    }

    /// The next portion for who has had everything up to change `after`: its bytes, and up to where that is. They may be none,
    /// where what has changed is nothing to a newcomer. None: there is no change.
    pub(crate) fn after(&self, after: u64, look: Look) -> Option<(Bytes, u64)> {
        if after >= self.seq {
            return None;
        }
        // Whether it wants notices makes no difference here.
        let look = Look { quiet: false, ..look };
        let mut made = self.made.borrow_mut();
        if let Some(it) = made.iter().find(|it| it.look == look && it.after == after) {
            return Some((it.bytes.clone(), it.upto));
        }
        let (bytes, upto) = self.make(after, look);
        if made.len() >= MADE {
            made.remove(0);
        }
        made.push(Made { look, after, upto, bytes: bytes.clone() });
        Some((bytes, upto))
    }

    fn make(&self, after: u64, look: Look) -> (Bytes, u64) {
        let mut values = Values::new(look, self.life.name.as_str());
        for value in self.by_seq.range(after + 1..).map(|(_, value)| value) {
            // A newcomer has no use for keys that aren't there.
            if after > 0 || !value.is_gone() {
                values.add(value, None);
            }
            if values.len() >= STATE_PORTION_BYTES {
                return (values.finish().into(), value.seq);
            }
        }
        (values.finish().into(), self.seq)
    }
}

#[cfg(test)]
mod tests;
