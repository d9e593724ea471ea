//! What is kept on disk: one SQLite database in a folder that is one server's alone. `docs/storage.md` describes it.
//!
//! Nothing here knows of rooms that are open, or of threads: `server::history` does.

#[cfg_attr(not(test), expect(dead_code, reason = "`trappe history` is what uses it"))]
mod check;
mod db;
mod error;
mod file;
mod folder;
#[cfg_attr(not(test), expect(dead_code, reason = "`trappe history` is what uses it"))]
mod import;
#[cfg_attr(not(test), expect(dead_code, reason = "`trappe history` is what uses it"))]
mod look;
mod open;
mod pages;
mod prune;
mod read;
mod row;
mod salvage;
mod schema;
mod tables;
mod transaction;

#[cfg(test)]
mod tests;

pub use self::error::OpenError;
#[expect(unused_imports, reason = "`trappe history` is what uses it")]
pub(crate) use self::{
    check::{Finding, Report, check},
    import::{Import, ImportError, Imported},
    look::{Export, Exported, RoomInfo},
};
pub(crate) use self::{
    db::Store,
    error::DbError,
    folder::Folder,
    open::{NewEpoch, Note, open, reopen},
    prune::{Keep, MESSAGE_BYTES},
    read::Reader,
    row::{Row, StoredMessage},
    tables::{Cause, Hole, StoredPost, StoredRoom, StoredSession},
    transaction::Transaction,
};
