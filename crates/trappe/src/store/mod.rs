//! What is kept on disk: one SQLite database in a folder that is one server's alone. `docs/storage.md` describes it.
//!
//! Nothing here knows of rooms that are open, or of threads: `server::history` does.

mod check;
mod db;
mod error;
mod file;
mod folder;
mod fs;
mod journal;
mod open;
mod pages;
mod prune;
mod read;
mod row;
mod salvage;
mod schema;
mod tables;
mod transaction;
mod transfer;
mod visit;

#[cfg(test)]
mod tests;

pub use self::error::OpenError;
pub(crate) use self::{
    check::{Finding, check},
    db::Store,
    error::DbError,
    folder::Folder,
    journal::{Entry, Piece},
    open::{NewEpoch, Note, Opened, open, reopen},
    prune::{Keep, MESSAGE_BYTES},
    read::Reader,
    row::{Row, StoredMessage},
    tables::{Cause, Hole, StoredPost, StoredRoom, StoredSession},
    transaction::Transaction,
    transfer::{Bad, ExportError, ImportError, export, import},
    visit::{RoomState, Visit, VisitError},
};
