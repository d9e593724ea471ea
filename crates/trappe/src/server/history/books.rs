//! What the writer knows of what is on disk, and how a transaction adds to it.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map},
    sync::Arc,
};

use trappe_core::{
    command::Epoch,
    limits::{HISTORY_PLACES, SENT_IDS},
    message::{Kind, Record, Tag},
    name::Name,
    room::batch::Batch,
};

use super::History;
use crate::{
    server::{identity::Identity, room::Room},
    store::{DbError, Entry, MESSAGE_BYTES, Piece, Store, StoredMessage, StoredPost, Transaction},
};

/// How many members' numbers are taken in advance.
pub(super) const MEMBERS_RESERVED: u64 = 1000;

/// A session that is on disk.
#[derive(Debug)]
struct Session {
    identity: Arc<Identity>,
    /// Messages with a number of their own since the old ones were last forgotten.
    sent: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Books {
    /// How many numbers are reserved for a room at a time.
    block: u64,
    /// Rooms that are on disk, and the epoch that is written there.
    rooms: BTreeMap<u32, Epoch>,
    sessions: BTreeMap<u64, Session>,
    /// The member number from which on none is on disk.
    members: u64,
    /// What isn't counted on disk yet.
    uncounted: BTreeMap<u32, Counts>,
}

/// Messages of a room, what they take, and the last of them.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    messages: u64,
    bytes: u64,
    last: u64,
}

/// What a transaction does, known to be so once it is committed.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) rooms: BTreeMap<u32, RoomState>,
    pub(super) filed: BTreeMap<u32, Filed>,
    /// Messages that are on disk with it, filed or not.
    pub(super) messages: u64,
    /// Sessions that weren't on disk before it.
    pub(super) sessions: Vec<u64>,
    /// The greatest number of a member that speaks in it.
    members: u64,
    /// The number from which on none was given yet, as it is written; 0: it isn't.
    reserved: u64,
}

/// What a transaction does to one room.
#[derive(Debug)]
pub(super) struct RoomState {
    pub(super) room: Arc<Room>,
    pub(super) no: u32,
    /// The number after the last message in it.
    pub(super) next: u64,
    /// Where the reserved numbers end.
    pub(super) until: u64,
    /// They were reserved in this transaction.
    pub(super) is_reserved: bool,
    pub(super) epoch: Epoch,
}

/// What a transaction files of one room.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) room: Arc<Room>,
    messages: u64,
    bytes: u64,
    /// The last message.
    pub(super) last: u64,
}

impl Settled {
    /// What is done to a room; none if it isn't kept.
    fn of(&mut self, room: &Arc<Room>, history: &History) -> Option<&mut RoomState> {
        let no = room.kept.as_ref()?.no;
        let state = self.rooms.entry(no).or_insert_with(|| {
            let known = history.catalogue.lock();
            RoomState {
                room: Arc::clone(room),
                no,
                next: 0,
                until: known.get(no).map_or(0, |(_, _, _, until)| until),
                is_reserved: false,
                epoch: room.life.epoch(),
            }
        });
        // Of a room that was forgotten and made again meanwhile, the later one.
        state.room = Arc::clone(room);
        Some(state)
    }

    /// A batch is on disk with this transaction. Its room's number there; none if it isn't kept.
    pub(super) fn add(
        &mut self,
        room: &Arc<Room>,
        batch: &Batch,
        history: &History,
    ) -> Option<u32> {
        let state = self.of(room, history)?;
        state.next = batch.end_seq();
        let no = state.no;
        for record in spoken(batch) {
            self.messages += 1;
            self.members = self.members.max(record.author.number);
        }
        Some(no)
    }
}

impl Books {
    pub(super) fn new(rooms: BTreeMap<u32, Epoch>, block: u64, members: u64) -> Books {
        Books { block, rooms, sessions: BTreeMap::new(), members, uncounted: BTreeMap::new() }
    }

    /// A session of an earlier life of the server is on disk already.
    pub(super) fn know_session(&mut self, sid: u64, identity: Arc<Identity>) {
        self.sessions.insert(sid, Session { identity, sent: 0 });
    }

    /// Files what was said.
    pub(super) fn file(
        &mut self,
        transaction: &mut Transaction<'_>,
        settled: &mut Settled,
        (no, room): (u32, &Arc<Room>),
        batch: &Batch,
    ) -> Result<(), DbError> {
        let filed = settled.filed.entry(no).or_insert_with(|| Filed {
            room: Arc::clone(room),
            messages: 0,
            bytes: 0,
            last: 0,
        });
        for record in spoken(batch) {
            let message = message(batch, record);
            transaction.message(no, &message)?;
            self.tag(transaction, no, record)?;
            filed.messages += 1;
            filed.bytes += message.body.len() as u64 + MESSAGE_BYTES;
            filed.last = record.seq;
        }
        Ok(())
    }

    /// By what the sender knows its message, so that it isn't said twice also after a restart.
    fn tag(
        &mut self,
        transaction: &mut Transaction<'_>,
        room: u32,
        record: &Record,
    ) -> Result<(), DbError> {
        match &record.tag {
            None => Ok(()),
            Some(Tag::Id(id)) => {
                let sid = record.author.number;
                let Some(session) = self.sessions.get_mut(&sid) else { return Ok(()) };
                session.sent += 1;
                transaction.sent(sid, *id, room, record.seq)
            }
            Some(Tag::Key(post)) => transaction.posted(&StoredPost {
                key: post.key.to_string(),
                time_us: record.time_us,
                room,
                digest: post.digest,
                seq: record.seq,
            }),
        }
    }

    /// A session that gives its messages numbers of its own.
    pub(super) fn session(
        &mut self,
        transaction: &mut Transaction<'_>,
        settled: &mut Settled,
        sid: u64,
        identity: &Arc<Identity>,
        name: Option<&Name>,
    ) -> Result<(), DbError> {
        transaction.session(sid, identity.digest(), name)?;
        settled.members = settled.members.max(sid);
        if let btree_map::Entry::Vacant(place) = self.sessions.entry(sid) {
            place.insert(Session { identity: Arc::clone(identity), sent: 0 });
            settled.sessions.push(sid);
        }
        Ok(())
    }

    /// Nobody can come back to it any more.
    pub(super) fn end_session(
        &mut self,
        transaction: &mut Transaction<'_>,
        sid: u64,
    ) -> Result<(), DbError> {
        self.sessions.remove(&sid);
        transaction.end_session(sid)
    }

    /// Nothing of a room is kept any more.
    pub(super) fn forget_room(
        &mut self,
        transaction: &mut Transaction<'_>,
        no: u32,
    ) -> Result<(), DbError> {
        self.rooms.remove(&no);
        transaction.forget_room(no)
    }

    /// It isn't on disk after all.
    pub(super) fn forget_session(&mut self, sid: u64) {
        self.sessions.remove(&sid);
    }

    /// The end of a transaction: what it has counted, numbers for what comes next, and old ids that go.
    pub(super) fn reserve(
        &mut self,
        transaction: &mut Transaction<'_>,
        settled: &mut Settled,
    ) -> Result<(), DbError> {
        for (no, state) in &mut settled.rooms {
            let epoch = state.room.life.epoch();
            // Asked for long before they run short.
            let left = state.until.saturating_sub(state.next);
            if self.rooms.get(no) != Some(&epoch) || left < self.block / 4 * 3 {
                state.until = state.next + self.block;
                (state.epoch, state.is_reserved) = (epoch, true);
                transaction.room(*no, &state.room.life.name, epoch, state.until)?;
            }
        }
        if settled.members + MEMBERS_RESERVED / 2 > self.members {
            settled.reserved = settled.members + MEMBERS_RESERVED;
            transaction.next_member(settled.reserved)?;
        }
        for (sid, session) in &mut self.sessions {
            if session.sent > 2 * SENT_IDS {
                session.sent = 0;
                if let Some(floor) = session.identity.floor() {
                    transaction.trim_sent(*sid, floor)?;
                }
            }
        }
        Ok(())
    }

    /// The transaction is on disk.
    pub(super) fn committed(&mut self, settled: &Settled) {
        self.members = self.members.max(settled.reserved);
        for (no, filed) in &settled.filed {
            let counts = self.uncounted.entry(*no).or_default();
            counts.messages += filed.messages;
            counts.bytes += filed.bytes;
            counts.last = filed.last;
        }
        let reserved = settled.rooms.iter().filter(|(_, state)| state.is_reserved);
        self.rooms.extend(reserved.map(|(no, state)| (*no, state.epoch)));
    }

    /// Writes down how many messages the rooms have. Not with each of them: it would be a page more for each commit, and after
    /// a crash the few that weren't counted are.
    pub(super) fn count(&mut self, store: &mut Store) -> Result<(), DbError> {
        if self.uncounted.is_empty() {
            return Ok(());
        }
        let mut transaction = store.write()?;
        for (no, Counts { messages, bytes, last }) in &self.uncounted {
            transaction.counts(*no, *messages, *bytes, *last)?;
        }
        transaction.commit()?;
        self.uncounted.clear();
        Ok(())
    }

    /// Whether a room is on disk.
    pub(super) fn has_room(&self, no: u32) -> bool {
        self.rooms.contains_key(&no)
    }
}

/// The messages of a batch.
fn spoken(batch: &Batch) -> impl Iterator<Item = &Record> {
    batch.records.iter().filter(|record| record.kind == Kind::Speech)
}

/// A message as it is stored.
fn message<'a>(batch: &'a Batch, record: &'a Record) -> StoredMessage<'a> {
    StoredMessage {
        seq: record.seq,
        time_us: record.time_us,
        sid: record.author.number,
        mid: record.id(),
        author: record.author.name.as_ref().map(Name::as_str),
        body: batch.body(record),
    }
}

/// Adds what was said to a piece of the journal.
pub(super) fn journal(piece: &mut Piece, room: u32, batch: &Batch) {
    for record in spoken(batch) {
        let post = match &record.tag {
            Some(Tag::Key(post)) => Some((&*post.key, &post.digest)),
            _ => None,
        };
        piece.push(&Entry { room, message: message(batch, record), post });
    }
}

/// In how many places of the database the batches are filed, as far as they are counted: rooms, and who gave its messages
/// numbers.
pub(super) fn places<'a>(batches: impl Iterator<Item = (u32, &'a Batch)>) -> usize {
    let mut places = BTreeSet::new();
    for (no, batch) in batches {
        places.insert((u64::from(no), 0));
        for record in spoken(batch).filter(|record| record.tag.is_some()) {
            places.insert((record.author.number, 1));
        }
        if places.len() > HISTORY_PLACES {
            break;
        }
    }
    places.len()
}
