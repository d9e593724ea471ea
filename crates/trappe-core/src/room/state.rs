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
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use bytes::Bytes;

use crate::{
    encode::{Look, state::Values},
    limits::{
        STATE_BYTES, STATE_GONE, STATE_KEYS, STATE_PORTION_BYTES, STATE_SENDERS, STATE_TOTAL_BYTES,
        STATE_VALUE_BYTES,
    },
    message::Author,
    reply::To,
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
    /// The keys that were taken away, by the change that did it.
    gone: BTreeMap<u64, StateKey>,
    /// No key that was taken away by an earlier change, or this one, need be remembered any more: who hasn't had everything up to
    /// here gets everything anew.
    forgotten: u64,
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
            gone: BTreeMap::new(),
            forgotten: 0,
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
        if held.is_none() && body.is_empty() && version.is_none() {
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
        let before = held.map_or(0, Held::bytes);
        let is_new = held.is_none_or(|held| held.value.is_gone());
        // Whoever takes something away is never refused.
        if !body.is_empty() {
            self.make_room(&key, is_new, before, cost(&key, body.len(), versions.len()))?;
        }
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
        if value.is_gone() {
            self.gone.insert(self.seq, key.clone());
        }
        self.by_seq.insert(self.seq, Arc::clone(&value));
        let held = Held { value, versions };
        self.count(held.bytes(), before);
        if let Some(old) = self.held.insert(key, held) {
            self.by_seq.remove(&old.value.seq);
            self.gone.remove(&old.value.seq);
        }
        while self.gone.len() > STATE_GONE {
            self.forget_oldest();
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
        if is_new && self.len() >= STATE_KEYS {
            return Err(SetError::Full);
        }
        let more = after.saturating_sub(before);
        let fits = |state: &State| {
            state.bytes + more <= STATE_BYTES && state.all.load(Relaxed) + more <= STATE_TOTAL_BYTES
        };
        while more > 0 && !fits(self) {
            // The key's own memory is none that could be had: it is counted as what is there before.
            if self.gone.first_key_value().is_none_or(|(_, oldest)| oldest == key) {
                return Err(SetError::Full);
            }
            self.forget_oldest();
        }
        Ok(())
    }

    /// Forgets the key that was taken away longest ago, and its senders' versions.
    fn forget_oldest(&mut self) {
        let Some((seq, key)) = self.gone.pop_first() else { return };
        self.forgotten = seq;
        self.by_seq.remove(&seq);
        if let Some(held) = self.held.remove(&key) {
            self.count(0, held.bytes());
        }
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
        self.held.len() - self.gone.len()
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

    /// What has changed since `after`, for a worker; it is told of the next change again.
    pub fn take(&mut self, worker: usize, after: u64) -> Taken {
        self.told &= !(1 << worker);
        let forgotten = self.forgotten;
        let from = if after < forgotten { 0 } else { after };
        let values = self.by_seq.range(from + 1..).map(|(_, value)| Arc::clone(value)).collect();
        Taken { values, whole: from < after, forgotten }
    }
}

/// What a worker takes of a room's state.
#[derive(Debug)]
pub struct Taken {
    /// In the order of their changes.
    values: Vec<Arc<Value>>,
    /// They are all that there are: a key that was taken away since has been forgotten.
    whole: bool,
    /// See [`State`].
    forgotten: u64,
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

/// Where somebody who follows a state is. At first: at its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// It has had everything up to this change.
    at: u64,
    /// The last change when it began: of what is up to there it is given what is there.
    begun: u64,
}

/// Changes as one look gets them.
#[derive(Debug)]
struct Made {
    look: Look,
    after: Place,
    upto: Place,
    bytes: Bytes,
}

/// A room's state as one worker has it.
#[derive(Debug)]
pub struct StateView {
    life: Arc<Life>,
    by_seq: BTreeMap<u64, Arc<Value>>,
    seqs: BTreeMap<StateKey, u64>,
    /// The keys that were taken away.
    gone: BTreeSet<u64>,
    seq: u64,
    /// Whoever hasn't had everything up to here gets everything anew.
    forgotten: u64,
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
            gone: BTreeSet::new(),
            seq: 0,
            forgotten: 0,
            made: RefCell::default(),
        }
    }

    /// The last change that it has.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Takes what [`State::take`] gave for everything after [`seq`](Self::seq).
    pub fn apply(&mut self, taken: Taken) {
        if taken.whole {
            self.by_seq.clear();
            self.seqs.clear();
            self.gone.clear();
        }
        self.forgotten = taken.forgotten;
        while let Some(seq) = self.gone.pop_first() {
            if seq > self.forgotten {
                self.gone.insert(seq);
                break;
            }
            if let Some(value) = self.by_seq.remove(&seq) {
                self.seqs.remove(&value.key);
            }
        }
        for value in taken.values {
            self.seq = self.seq.max(value.seq);
            if value.is_gone() {
                self.gone.insert(value.seq);
            }
            if let Some(old) = self.seqs.insert(value.key.clone(), value.seq) {
                self.by_seq.remove(&old);
                self.gone.remove(&old);
            }
            self.by_seq.insert(value.seq, value);
        }
        // Also where the last change is one that was forgotten.
        self.seq = self.seq.max(self.forgotten);
        self.made.borrow_mut().clear();
    }

    /// The next portion for who has got to `place`: its bytes, and where it is then. They may be none, where what has changed is
    /// nothing to a newcomer. None: there is no change.
    pub(crate) fn after(&self, place: Place, look: Look) -> Option<(Bytes, Place)> {
        if place.at >= self.seq {
            return None;
        }
        // Where it began is of no interest once it is beyond; nor is whether it wants notices.
        let begun = if place.begun > place.at { place.begun } else { 0 };
        let (place, look) = (Place { begun, ..place }, Look { quiet: false, ..look });
        let mut made = self.made.borrow_mut();
        if let Some(it) = made.iter().find(|it| it.look == look && it.after == place) {
            return Some((it.bytes.clone(), it.upto));
        }
        let (bytes, upto) = self.make(place, look);
        let bytes = Bytes::from(bytes);
        if made.len() >= MADE {
            made.remove(0);
        }
        made.push(Made { look, after: place, upto, bytes: bytes.clone() });
        Some((bytes, upto))
    }

    fn make(&self, mut place: Place, look: Look) -> (Vec<u8>, Place) {
        let mut out = Vec::new();
        if place.at == 0 {
            place.begun = self.seq;
        } else if place.at.max(place.begun) < self.forgotten {
            // It may have keys of which nobody knows any more that they were taken away: it begins anew, and is told so.
            let keys = self.by_seq.len() - self.gone.len();
            To::unasked(look).following_anew(&mut out, self.life.name.as_str(), keys);
            place = Place { at: 0, begun: self.seq };
        }
        let mut values = Values::new(look, self.life.name.as_str());
        let mut upto = self.seq;
        for value in self.by_seq.range(place.at + 1..).map(|(_, value)| value) {
            // Who begins has no use for keys that aren't there.
            if !value.is_gone() || value.seq > place.begun {
                values.add(value, None);
            }
            if values.len() >= STATE_PORTION_BYTES {
                upto = value.seq;
                break;
            }
        }
        out.append(&mut values.finish());
        (out, Place { at: upto, ..place })
    }
}

#[cfg(test)]
mod tests;
