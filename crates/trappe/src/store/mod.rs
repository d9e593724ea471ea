//! What is kept on disk: one SQLite database in a folder that is one server's alone. `docs/storage.md` describes it.
//!
//! Nothing here knows of rooms that are open, or of threads: `server::history` does.

mod db;
mod error;
mod folder;
mod open;
mod pages;
mod prune;
mod read;
mod row;
mod salvage;
mod schema;

#[cfg(test)]
mod tests;

pub use self::error::OpenError;
pub(crate) use self::{
    db::{Cause, Hole, Store, StoredPost, Transaction},
    error::DbError,
    folder::Folder,
    open::{NewEpoch, Note, StoredRoom, StoredSession, open, reopen},
    prune::{Keep, MESSAGE_BYTES},
    read::Reader,
    row::{Row, StoredMessage},
};
