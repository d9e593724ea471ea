//! What was said and is not on disk, until that is written down there.

use std::collections::BTreeMap;

use super::books::Books;
use crate::store::{Cause, DbError, Hole, Transaction};

/// Runs of messages, each by its first and its last, by their rooms.
pub(super) type LostRuns = BTreeMap<u32, Vec<(u64, u64)>>;

/// What was lost is written down, but of rooms that aren't on disk yet.
pub(super) fn forget_lost(lost: &mut LostRuns, books: &Books) {
    lost.retain(|no, _| !books.has_room(*no));
}

/// Writes down what was lost, of rooms that are on disk.
pub(super) fn write_lost(
    transaction: &mut Transaction<'_>,
    lost: &LostRuns,
    books: &Books,
    damaged: bool,
) -> Result<(), DbError> {
    for (no, runs) in lost.iter().filter(|(no, _)| books.has_room(**no)) {
        for &(first, last) in runs {
            match transaction.hole(*no, &Hole { first, last, cause: Cause::NotStored }) {
                // What is missing there is told as damaged, as the rest of it.
                Err(error) if damaged && error.is_damaged() => {}
                written => written?,
            }
        }
    }
    Ok(())
}
