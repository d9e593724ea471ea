//! The thread that writes history: what has been published since the last commit is the next one.
//!
//! While a commit waits for the disk more arrives, and makes the next: a lone message is on disk after one fsync, and under
//! load thousands share one. A disk that refuses makes a gap in the history: those who wait are told, and the writer tries
//! again until it can go on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, SeqCst},
    },
    task::Waker,
    time::Duration,
};

use tokio::time::Instant;
use trappe_core::{
    limits::{
        HISTORY_BUSY_ROWS, HISTORY_FILED_IDLE, HISTORY_GATHERED, HISTORY_INDEXED, HISTORY_PLACES,
        HISTORY_RETRY, HISTORY_TIDY, HISTORY_TIDY_ROWS, HISTORY_TIDY_SOON, HISTORY_WAITING_BYTES,
        ITEM_BYTES,
    },
    room::item::Item,
    words::say,
};

use super::{
    History,
    backlog::{Backlog, Rooms, Unfiled},
    books::{Books, Settled, journal, places},
    condvar::{Until, Waited, pause},
    inbox::{Inbox, Job, take_group},
    kept::{Fate, Waiter, Waiting},
    lost::{LostRuns, forget_lost, write_lost},
    new_epoch,
};
use crate::{
    server::{Shared, conn::Conn, mail::Mail, room::Room, voice},
    store::{self, DbError, Folder, Keep, Piece, Store, Transaction},
};

/// The writer. See the module.
pub(super) struct Writer {
    shared: Arc<Shared>,
    history: Arc<History>,
    folder: Folder,
    keep: Keep,
    /// None while the disk refuses.
    store: Option<Store>,
    books: Books,
    backlog: Backlog,
    /// When nothing will have been said for a while, unless something is said before.
    quiet_at: Instant,
    /// What was lost and isn't written down as such yet. While the disk refuses all is lost, which is one run for each room; what
    /// doesn't fit into the inbox is written down with the next commit.
    lost: LostRuns,
    /// Messages lost since the disk last worked.
    lost_count: u64,
    retry_at: Instant,
    tidy_at: Instant,
    /// When those go into the index for searching that aren't there yet.
    index_at: Option<Instant>,
    /// Damage was met that only the next start can mend.
    damaged: bool,
    /// What can't be filed for it stays in the journal, for the next start; nothing more is written there.
    left: bool,
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        history: Arc<History>,
        folder: Folder,
        keep: Keep,
        store: Store,
        books: Books,
    ) -> Writer {
        let now = Instant::now();
        Writer {
            shared,
            history,
            folder,
            keep,
            store: Some(store),
            books,
            backlog: Backlog::default(),
            quiet_at: now,
            lost: BTreeMap::new(),
            lost_count: 0,
            retry_at: now,
            tidy_at: now,
            index_at: Some(now),
            damaged: false,
            left: false,
        }
    }

    /// Works until the server has stopped.
    pub(super) async fn run(mut self) {
        loop {
            let mut jobs = VecDeque::from(self.wait().await);
            while !jobs.is_empty() {
                let (group, bytes, last) = take_group(&mut jobs);
                pause().await;
                self.commit(group).await;
                self.done(bytes);
                if let Some(members) = last {
                    return self.close(members).await;
                }
            }
            self.tidy().await;
        }
    }

    /// What has come since; waits for it. Empty: there is time for other things.
    async fn wait(&mut self) -> Vec<(Job, usize)> {
        let (history, inbox) = (&self.history, &self.history.inbox);
        let until = |inbox: &Inbox| {
            if !inbox.is_empty() || self.has_to_tidy() {
                return Until::Now;
            }
            Until::Time(if self.store.is_none() {
                self.retry_at
            } else {
                let file_at = (!self.backlog.is_empty()).then_some(self.quiet_at);
                [self.index_at, file_at].into_iter().flatten().fold(self.tidy_at, Instant::min)
            })
        };
        history.more.wait(inbox, until).await;
        // A transaction for each message that nobody waits for would cost more than passing it on to a hundred.
        let may_gather = |inbox: &Inbox| {
            let is_waited_for = history.waiting.load(SeqCst) > 0;
            inbox.may_wait() && !is_waited_for && !history.hurried.load(Relaxed)
        };
        if may_gather(&inbox.lock()) {
            let until = Instant::now() + HISTORY_GATHERED;
            // Known before it is looked again: who comes to wait after that look tells.
            history.gathers.store(true, SeqCst);
            let until = |inbox: &Inbox| {
                if may_gather(inbox) { Until::Time(until) } else { Until::Now }
            };
            while history.more.wait(inbox, until).await == Waited::Told {}
            history.gathers.store(false, SeqCst);
        }
        let mut inbox = inbox.lock();
        if self.backlog.is_empty() {
            // Nothing is unfiled, whoever waited for it.
            history.hurried.store(false, Relaxed);
        }
        inbox.take()
    }

    fn done(&self, bytes: usize) {
        let is_relieved = {
            let mut inbox = self.history.inbox.lock();
            inbox.done(bytes);
            self.history.counts.waiting.store(inbox.bytes() as u64, Relaxed);
            // Under its lock, as it is pressed: else the one could miss the other.
            inbox.bytes() <= HISTORY_WAITING_BYTES / 4 && self.history.is_pressed()
        };
        if is_relieved {
            self.history.relieved();
        }
    }

    /// Writes jobs in one transaction; whoever waited for one of them is told afterwards.
    async fn commit(&mut self, group: Vec<Job>) {
        self.reopen();
        let mut settled = Settled::default();
        let result = match &self.store {
            None => Err(None),
            Some(_) => self.write(&group, &mut settled).map_err(Some),
        };
        pause().await;
        match result {
            Ok(()) => self.tell_stored(settled),
            Err(error) => {
                if let Some(error) = error {
                    self.fail(&error);
                }
                // One that was there before still is: it may have another name only. Its ids are still to be filed.
                settled.sessions.iter().for_each(|sid| self.books.forget_session(*sid));
                for job in &group {
                    match job {
                        Job::Batch(room, batch) => {
                            self.lose(room, batch.first_seq, batch.end_seq());
                        }
                        Job::Session(_, identity, _) => identity.set_kept(0),
                        _ => {}
                    }
                }
            }
        }
        for job in group {
            match job {
                Job::Lost(room, from, next) => self.lose(&room, from, next),
                // Whoever waits has everything before this dealt with.
                Job::Leave(conn, ends, farewell) => {
                    self.shared.posts.to(&conn, Mail::Finish(Arc::clone(&conn), ends, farewell));
                }
                Job::Flush(tell) => {
                    let _or_gone = tell.send(());
                }
                _ => {}
            }
        }
    }

    fn write(&mut self, group: &[Job], settled: &mut Settled) -> Result<(), DbError> {
        if !group.iter().any(Job::is_written) {
            return Ok(());
        }
        let batches =
            || group.iter().filter_map(Job::batch).map(|(kept, _, batch)| (kept.no, &**batch));
        let in_piece =
            !self.left && (!self.backlog.is_empty() || places(batches()) > HISTORY_PLACES);
        let said: usize = batches().map(|(_, batch)| batch.records.len()).sum();
        let now = Instant::now();
        // Twice as much is filed as is said: it catches up, and nobody waits for all of it.
        let (filed, piece_done) = self.backlog.take(2 * said + HISTORY_PLACES, false, now);
        let result = self.transact(group, settled, in_piece, (&filed, piece_done));
        // From its end on: a slow disk isn't quiet.
        self.quiet_at = Instant::now() + HISTORY_FILED_IDLE;
        if result.is_err() {
            self.backlog.put_back(filed);
            return result;
        }
        self.backlog.filed();
        if in_piece {
            self.backlog.add(group.iter().filter_map(Job::batch), now);
            // Before any of it is told to be stored.
            for (kept, ..) in group.iter().filter_map(Job::batch) {
                kept.set_unfiled(self.backlog.first(kept.no));
            }
        }
        Ok(())
    }

    fn transact(
        &mut self,
        group: &[Job],
        settled: &mut Settled,
        in_piece: bool,
        (filed, piece_done): (&Rooms, Option<u64>),
    ) -> Result<(), DbError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let mut transaction = store.write()?;
        let mut piece = Piece::default();
        for (no, unfiled) in filed {
            file(&mut self.books, &mut transaction, settled, (*no, unfiled))?;
        }
        if let Some(done) = piece_done {
            transaction.filed(done)?;
        }
        for job in group {
            match job {
                Job::Batch(room, batch) => match settled.add(room, batch, &self.history) {
                    None => {}
                    Some(no) if in_piece => journal(&mut piece, no, batch),
                    Some(no) => {
                        self.books.file(&mut transaction, settled, (no, room), batch)?;
                    }
                },
                Job::Session(sid, identity, name) => {
                    self.books.session(&mut transaction, settled, *sid, identity, name.as_ref())?;
                }
                Job::EndSession(sid) => self.books.end_session(&mut transaction, *sid)?,
                Job::Forget(no) => self.books.forget_room(&mut transaction, *no)?,
                Job::Lost(..) | Job::Leave(..) | Job::Flush(_) | Job::Close(_) => {}
            }
        }
        if !piece.is_empty() {
            transaction.journal(self.backlog.next_piece(), &piece)?;
        }
        write_lost(&mut transaction, &self.lost, &self.books, self.damaged)?;
        self.books.reserve(&mut transaction, settled)?;
        transaction.commit()?;
        self.history.counts.commits.fetch_add(1, Relaxed);
        forget_lost(&mut self.lost, &self.books);
        Ok(())
    }

    /// A step of filing, if it is time for one.
    async fn file_due(&mut self) -> Result<(), DbError> {
        let now = Instant::now();
        if self.has_to_file(now) {
            // Who waits for more than this asks again.
            self.history.hurried.store(false, Relaxed);
            self.file_some().await?;
        }
        Ok(())
    }

    /// Files what is in the journal, or some of it.
    async fn file_some(&mut self) -> Result<(), DbError> {
        let (filed, piece_done) = self.backlog.take(HISTORY_TIDY_ROWS, true, Instant::now());
        let mut settled = Settled::default();
        if let Err(error) = self.transact(&[], &mut settled, false, (&filed, piece_done)) {
            self.backlog.put_back(filed);
            return Err(error);
        }
        self.backlog.filed();
        pause().await;
        self.tell_stored(settled);
        Ok(())
    }

    /// What was committed is known to be so.
    fn tell_stored(&mut self, settled: Settled) {
        self.books.committed(&settled);
        self.history.counts.stored.fetch_add(settled.messages, Relaxed);
        if !settled.filed.is_empty() {
            self.index_at.get_or_insert_with(|| Instant::now() + HISTORY_INDEXED);
        }
        for (no, filed) in settled.filed {
            self.history.catalogue.lock().filed(no, filed.last);
            if let Some(kept) = &filed.room.kept {
                kept.set_unfiled(self.backlog.first(no));
            }
        }
        let mut told = Vec::new();
        for (no, state) in settled.rooms {
            if state.is_reserved {
                let (epoch, until) = (state.epoch, state.until);
                let wakers = state.room.tail.with(|log| log.reserved(epoch, until, new_epoch()));
                wakers.into_iter().for_each(Waker::wake);
            }
            self.history.catalogue.lock().stored(no, state.epoch, state.next, state.until);
            if let Some(kept) = &state.room.kept {
                let waited = kept.stored(state.next).into_iter();
                told.extend(waited.map(|told| (Arc::clone(&state.room), told)));
            }
        }
        self.tell(told);
        self.history.committed();
    }

    /// The messages `from..next` of a room are not on disk, and won't be.
    fn lose(&mut self, room: &Arc<Room>, from: u64, next: u64) {
        let Some(kept) = &room.kept else { return };
        if next <= from {
            return;
        }
        self.lost_count += next - from;
        self.history.counts.lost.fetch_add(next - from, Relaxed);
        let runs = self.lost.entry(kept.no).or_default();
        match runs.last_mut() {
            Some((_, to)) if *to + 1 == from => *to = next - 1,
            _ => runs.push((from, next - 1)),
        }
        let wakers = room.tail.with(trappe_core::room::log::Log::go_on_without);
        wakers.into_iter().for_each(Waker::wake);
        self.history.catalogue.lock().lost(kept.no, next);
        let told = kept.lost(from, next).into_iter().map(|told| (Arc::clone(room), told));
        self.tell(told.collect());
        self.history.committed();
    }

    /// Tells those who waited, each member in the order in which it spoke.
    fn tell(&self, mut told: Vec<(Arc<Room>, (Waiting, Fate))>) {
        self.history.waiting.fetch_sub(told.len(), SeqCst);
        told.sort_unstable_by_key(|(_, (waiting, _))| waiting.order);
        // What one member is told at once is one item of its queue.
        let mut places: BTreeMap<*const Conn, usize> = BTreeMap::new();
        let mut replies: Vec<(Arc<Conn>, Vec<u8>, usize)> = Vec::new();
        for (room, (Waiting { position, who, .. }, fate)) in told {
            match who {
                Waiter::Request(tell) => {
                    let _or_gone = tell.send(fate == Fate::Stored);
                }
                Waiter::Member(conn, to) => {
                    let place = *places.entry(Arc::as_ptr(&conn)).or_insert_with(|| {
                        replies.push((Arc::clone(&conn), Vec::new(), 0));
                        replies.len() - 1
                    });
                    let (_, out, count) = &mut replies[place];
                    *count += 1;
                    match fate {
                        Fate::Stored => to.spoke(out, room.name().as_str(), true, position),
                        _ => to.not_stored(out, room.name().as_str(), position),
                    }
                }
            }
        }
        for (conn, bytes, count) in replies {
            voice::send(&self.shared, &conn, Item::Bytes(bytes.into()));
            // From here on the reply itself takes their place in the queue.
            conn.release(count * ITEM_BYTES);
        }
    }

    /// The disk has refused: until it is tried again nothing is written.
    fn fail(&mut self, error: &DbError) {
        if error.is_damaged() {
            self.mark_damaged(error);
        }
        self.store = None;
        self.retry_at = Instant::now() + HISTORY_RETRY;
        if !self.history.failing.swap(true, Relaxed) {
            self.lost_count = 0;
            let id = if error.is_full() { "disk-full" } else { "disk-failed" };
            let (lang, error) = (self.shared.lang(), error.to_string());
            self.shared.tell(say(lang, id, &[("error", error.as_str().into())]));
        }
    }

    /// Tries the disk again, where it has refused and that is some time ago.
    fn reopen(&mut self) {
        if self.store.is_some() || Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + HISTORY_RETRY;
        match self.try_again() {
            Ok(store) => {
                self.store = Some(store);
                self.history.failing.store(false, Relaxed);
                let lost = std::mem::take(&mut self.lost_count);
                self.shared.tell(say(self.shared.lang(), "disk-back", &[("count", lost.into())]));
            }
            Err(error) => {
                if error.is_damaged() {
                    self.leave_unfiled(&error);
                }
                tracing::debug!(%error, "the disk still refuses");
            }
        }
    }

    /// A store that was closed for an error is only used again when what it had acknowledged is still there, and what is
    /// lost is written down as such.
    fn try_again(&mut self) -> Result<Store, DbError> {
        let mut store = store::reopen(&self.folder)?;
        let known: Vec<(u32, u64)> = self.history.catalogue.lock().last_stored();
        if !store.verify_last(&known)? {
            return Err(DbError::Forgetful);
        }
        let mut transaction = store.write()?;
        // What is acknowledged and not filed yet is written anew, whatever became of it.
        if !self.left {
            transaction.clear_journal()?;
        }
        let mut settled = Settled::default();
        for (no, unfiled) in self.backlog.all() {
            transaction.take_out(no, unfiled.first(), unfiled.next() - 1)?;
            file(&mut self.books, &mut transaction, &mut settled, (no, unfiled))?;
        }
        write_lost(&mut transaction, &self.lost, &self.books, self.damaged)?;
        transaction.commit()?;
        self.backlog = Backlog::default();
        self.tell_stored(settled);
        // There has to be room in the database too, and not just in its log: else it would refuse again in a moment.
        store.checkpoint()?;
        forget_lost(&mut self.lost, &self.books);
        Ok(store)
    }

    fn has_to_tidy(&self) -> bool {
        let now = Instant::now();
        let is_due = self.index_at.is_some_and(|at| at <= now) || self.tidy_at <= now;
        self.store.is_some() && (is_due || self.has_to_file(now))
    }

    fn has_to_file(&self, now: Instant) -> bool {
        self.store.is_some()
            && !self.backlog.is_empty()
            && (self.quiet_at <= now || self.history.hurried.load(Relaxed))
    }

    /// What can wait: the index for searching, what is too old, and the log of the database itself.
    async fn tidy(&mut self) {
        self.reopen();
        let filed = match self.file_due().await {
            Err(error) if error.is_damaged() => {
                self.leave_unfiled(&error);
                Ok(())
            }
            filed => filed,
        };
        match filed.and_then(|()| self.tidy_some()) {
            Err(error) if error.is_damaged() => self.mark_damaged(&error),
            Err(error) => self.fail(&error),
            Ok(()) => {}
        }
    }

    /// What is acknowledged, and can't be filed for damage, stays in the journal: the next start, which salvages, finds it
    /// there. Else it would be tried again and again, and nobody's messages stored meanwhile.
    fn leave_unfiled(&mut self, error: &DbError) {
        self.mark_damaged(error);
        self.left = true;
        for (_, unfiled) in std::mem::take(&mut self.backlog).all() {
            if let Some(kept) = &unfiled.room.kept {
                kept.set_unfiled(None);
            }
        }
        self.history.committed();
    }

    /// Old messages, or the index, can't be got at: what is said is stored all the same, and the next start mends it.
    fn mark_damaged(&mut self, error: &DbError) {
        if std::mem::replace(&mut self.damaged, true) {
            return;
        }
        if let Err(error) = self.folder.mark_damaged() {
            tracing::warn!(%error, "the next start won't know of the damage");
        }
        let (lang, error) = (self.shared.lang(), error.to_string());
        self.shared.tell(say(lang, "store-damaged", &[("error", error.as_str().into())]));
    }

    fn tidy_some(&mut self) -> Result<(), DbError> {
        let Some(store) = &mut self.store else { return Ok(()) };
        if store.needs_checkpoint() {
            store.checkpoint()?;
        }
        if !self.lost.is_empty() {
            let mut transaction = store.write()?;
            write_lost(&mut transaction, &self.lost, &self.books, self.damaged)?;
            transaction.commit()?;
            forget_lost(&mut self.lost, &self.books);
        }
        if self.damaged {
            (self.index_at, self.tidy_at) = (None, Instant::now() + HISTORY_TIDY);
            return Ok(());
        }
        let now = Instant::now();
        if self.index_at.is_some_and(|at| at <= now) {
            let is_quiet = self.quiet_at <= now;
            self.books.count(store)?;
            let more = store.index(if is_quiet { HISTORY_TIDY_ROWS } else { HISTORY_BUSY_ROWS })?;
            // Who waits for an acknowledgement comes first: under load the index has a tenth of the time.
            let pause = if is_quiet { Duration::ZERO } else { 9 * now.elapsed() };
            self.index_at = more.then(|| Instant::now() + pause);
            return Ok(());
        }
        if now >= self.tidy_at {
            let now_us = self.shared.unix_us(self.shared.now());
            self.books.count(store)?;
            let pruned = store.prune(&self.keep, now_us, HISTORY_TIDY_ROWS)?;
            let mut catalogue = self.history.catalogue.lock();
            for (no, oldest) in pruned.oldest {
                catalogue.pruned(no, oldest);
            }
            self.tidy_at = now + if pruned.more { HISTORY_TIDY_SOON } else { HISTORY_TIDY };
        }
        Ok(())
    }

    /// Everything is written: the exact numbers go to the disk, so that the next start goes on from there.
    async fn close(mut self, members: u64) {
        self.reopen();
        while self.store.is_some() && !self.backlog.is_empty() {
            if let Err(error) = self.file_some().await {
                self.fail(&error);
            }
        }
        let exact = self.history.catalogue.lock().exact();
        let lost = !self.lost.is_empty();
        if let Some(mut store) = self.store.take()
            && !lost
            && let Err(error) = self
                .books
                .count(&mut store)
                // What was said last is found also while no server runs.
                .and_then(|()| store.index(HISTORY_TIDY_ROWS).map(|_| ()))
                .and_then(|()| store.close(&self.folder, &exact, members))
        {
            tracing::warn!(%error, "the history was not closed cleanly: the next start says so");
        }
    }
}

/// Files what was said in a room.
fn file(
    books: &mut Books,
    transaction: &mut Transaction<'_>,
    settled: &mut Settled,
    (no, unfiled): (u32, &Unfiled),
) -> Result<(), DbError> {
    let Unfiled { room, batches } = unfiled;
    batches.iter().try_for_each(|batch| books.file(transaction, settled, (no, room), batch))
}
