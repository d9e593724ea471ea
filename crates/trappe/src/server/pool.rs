//! All unfinished bytes of all connections share one bound; the largest goes first (PROTOCOL §2, rule 5). What an HTTP
//! request holds counts with them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use trappe_core::limits::UNFINISHED_POOL_BYTES;

use super::conn::Conn;

/// Changes smaller than this aren't told to the pool: most messages never are.
const STEP: usize = 4096;

#[derive(Debug, Default)]
struct Inner {
    total: usize,
    /// By bytes, and by where the connection is in memory: some have no number.
    by_size: BTreeMap<(usize, usize), Arc<Conn>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Pool(Mutex<Inner>);

/// What one connection holds in memory of what is unfinished; it counts for as long as this lives.
#[derive(Debug)]
pub(crate) struct Share {
    pool: Arc<Pool>,
    conn: Arc<Conn>,
    /// What the pool knows of it.
    known: AtomicUsize,
}

impl Share {
    pub(crate) fn new(pool: &Arc<Pool>, conn: &Arc<Conn>) -> Share {
        Share { pool: Arc::clone(pool), conn: Arc::clone(conn), known: AtomicUsize::new(0) }
    }

    /// It holds so many bytes now.
    pub(crate) fn set(&self, bytes: usize) {
        let known = self.known.load(Relaxed);
        self.known.store(self.pool.update(&self.conn, known, bytes), Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Pool {
    /// A connection holds `now` bytes of what is unfinished, where the pool knew of `known`. Returns what it knows now.
    fn update(&self, conn: &Arc<Conn>, known: usize, now: usize) -> usize {
        let now = now / STEP * STEP;
        if now == known {
            return now;
        }
        let mut pool = self.0.lock();
        let key = |bytes: usize| (bytes, Arc::as_ptr(conn).addr());
        pool.by_size.remove(&key(known));
        pool.total = pool.total + now - known;
        if now > 0 {
            pool.by_size.insert(key(now), Arc::clone(conn));
        }
        let mut left = pool.total;
        for ((bytes, _), largest) in pool.by_size.iter().rev() {
            if left <= UNFINISHED_POOL_BYTES {
                break;
            }
            left -= bytes;
            largest.evict();
        }
        now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::address::Peer;

    #[test]
    fn when_the_pool_is_full_the_largest_goes_first() {
        let pool = Pool::default();
        let peer = Peer::Unix;
        let conns: Vec<Arc<Conn>> = (1..=3)
            .map(|number| {
                let conn = Arc::new(Conn::new(peer, Duration::ZERO, 0, 0, false, (0, 1)));
                conn.set_number(number);
                conn
            })
            .collect();
        let mut known = [0; 3];
        let sizes =
            [UNFINISHED_POOL_BYTES / 4, UNFINISHED_POOL_BYTES / 2, UNFINISHED_POOL_BYTES / 4];
        for ((conn, known), size) in conns.iter().zip(&mut known).zip(sizes) {
            *known = pool.update(conn, *known, size);
        }
        assert!(conns.iter().all(|c| !c.take_evicted()), "it just fits");
        known[2] = pool.update(&conns[2], known[2], UNFINISHED_POOL_BYTES / 4 + STEP);
        let evicted: Vec<bool> = conns.iter().map(|c| c.take_evicted()).collect();
        assert_eq!(evicted, [false, true, false]);
        pool.update(&conns[1], known[1], 0);
        pool.update(&conns[0], known[0], 0);
        pool.update(&conns[2], known[2], 0);
        assert_eq!(pool.0.lock().total, 0);
        assert!(pool.0.lock().by_size.is_empty());
    }
}
