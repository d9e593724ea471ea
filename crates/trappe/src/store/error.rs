//! What can go wrong with what is kept on disk.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DbError {
    /// There is no room left on the disk.
    #[error("{doing}: the disk is full ({source})")]
    Full {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file is damaged.
    #[error("{doing}: the file is damaged ({source})")]
    Damaged {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// Anything else that the system or SQLite refused.
    #[error("{doing}: {source}")]
    Other {
        /// What was being done.
        doing: &'static str,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A file beside the database could not be read or written.
    #[error("{doing}: {source}")]
    File {
        /// What was being done.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A newer version wrote it.
    #[error("history.db is of a newer version ({0})")]
    Newer(u32),
    /// What had been acknowledged is not there any more.
    #[error("what had been stored is not there any more")]
    Forgetful,
}

impl DbError {
    /// Whether the disk is full: it may have room again at any time.
    pub(crate) fn is_full(&self) -> bool {
        matches!(self, DbError::Full { .. })
    }

    /// Whether the file itself is damaged.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self, DbError::Damaged { .. })
    }
}

/// A failure of SQLite while something was being done.
pub(super) fn db(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> DbError {
    move |source| match source.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => DbError::Full { doing, source },
        _ if is_damage(&source) => DbError::Damaged { doing, source },
        _ => DbError::Other { doing, source },
    }
}

/// Whether the file is what is wrong. Every statement is a constant that fits the form of the database: one that SQLite
/// doesn't understand, or a value of a kind that can't be there, is damage too.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, SqlInputError,
        SqliteFailure, Utf8Error,
    };
    match error {
        SqliteFailure(error, _) | SqlInputError { error, .. } => {
            let is_sql = error.extended_code == rusqlite::ffi::SQLITE_ERROR;
            is_sql || matches!(error.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        }
        FromSqlConversionFailure(..)
        | IntegralValueOutOfRange(..)
        | InvalidColumnType(..)
        | Utf8Error(..) => true,
        _ => false,
    }
}

/// A failure of the system while something was being done.
pub(super) fn file(doing: &'static str) -> impl FnOnce(io::Error) -> DbError {
    move |source| DbError::File { doing, source }
}

/// Why what is kept can't be used. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The folder in which it is to be made doesn't exist.
    #[error("its parent folder doesn't exist")]
    NoParent,
    /// It is a file.
    #[error("it isn't a folder")]
    NotAFolder,
    /// It, or a file in it, is a symbolic link.
    #[error("{} is a symbolic link", .0.display())]
    Link(PathBuf),
    /// It belongs to another user.
    #[error("it belongs to another user ({0})")]
    Owner(u32),
    /// This user may not write there.
    #[error("permission denied")]
    Denied,
    /// Another server uses it.
    #[error("another server uses it")]
    Used {
        /// Its process id, if that can be known.
        pid: Option<u32>,
    },
    /// The file isn't a history of trappe's.
    #[error("history.db isn't a history of trappe's")]
    Foreign,
    /// The file is of a newer version.
    #[error("history.db is of a newer version ({0})")]
    Newer(u32),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<DbError> for OpenError {
    fn from(error: DbError) -> OpenError {
        match error {
            DbError::Newer(version) => OpenError::Newer(version),
            error => OpenError::Other(error.to_string()),
        }
    }
}
