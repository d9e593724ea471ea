//! All unfinished bytes of all connections share one bound; the largest goes first (PROTOCOL §2, rule 5).

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use trappe_core::limits::UNFINISHED_POOL_BYTES;

use super::conn::Conn;

/// Changes smaller than this aren't told to the pool: most messages never are.
const STEP: usize = 4096;

#[derive(Debug, Default)]
struct Inner {
    total: usize,
    by_size: BTreeMap<(usize, u64), Arc<Conn>>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Inner>);

impl Pool {
    /// A connection holds `now` bytes of an unfinished message; `known` is what the pool knew of it, and knows from now on.
    pub(super) fn update(&self, conn: &Arc<Conn>, known: &mut usize, now: usize) {
        let now = now / STEP * STEP;
        if now == *known {
            return;
        }
        let mut pool = self.0.lock();
        let key = |bytes: usize| (bytes, conn.number());
        pool.by_size.remove(&key(*known));
        pool.total = pool.total + now - *known;
        *known = now;
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
    }
}
