//! The file itself: whose it is, and how a new one takes its place.

use std::{
    io::{ErrorKind, Read},
    path::Path,
};

use rusqlite::Connection;

use super::{
    error::{DbError, OpenError, db, file},
    folder::{Folder, beside},
    fs::{self, File},
    schema::{APPLICATION_ID, MIGRATIONS, VERSION},
};

/// What a file's header is.
pub(super) enum Header {
    Ours,
    /// Zeros, which no program writes there.
    Blank,
}

/// Looks at a file's header, as <https://www.sqlite.org/fileformat2.html#the_database_header> has it, before anything opens it.
pub(super) fn recognize(path: &Path) -> Result<Header, OpenError> {
    let mut header = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    match read {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(OpenError::Foreign),
        other => other.map_err(file("look at the history"))?,
    }
    if header == [0; 100] {
        return Ok(Header::Blank);
    }
    let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("four bytes"));
    if !header.starts_with(b"SQLite format 3\0") || word(68) != APPLICATION_ID.cast_unsigned() {
        return Err(OpenError::Foreign);
    }
    match word(60) {
        newer if newer > VERSION => Err(OpenError::Newer(newer)),
        _ => Ok(Header::Ours),
    }
}

/// Makes an empty database, whole or not at all.
pub(super) fn create(folder: &Folder) -> Result<(), DbError> {
    let new = folder.new_database();
    make(&new)?;
    place(folder, &new)
}

/// Makes an empty database under another name than that of the one that is used.
pub(super) fn make(new: &Path) -> Result<(), DbError> {
    let doing = "make the history";
    remove(new, &["", "-journal", "-wal", "-shm"]).map_err(file(doing))?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    let made = File::create(new).and_then(|_| fs::set_permissions(new, private));
    made.map_err(file(doing))?;
    let connection = Connection::open(new).map_err(db(doing))?;
    let set = format!(
        "PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;"
    );
    connection
        .execute_batch("PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; BEGIN;")
        .and_then(|()| connection.execute_batch(&MIGRATIONS.concat()))
        .and_then(|()| connection.execute_batch(&set))
        .map_err(db(doing))
}

/// Puts a new database, which nobody has open, in the place of the one that is used.
pub(super) fn place(folder: &Folder, new: &Path) -> Result<(), DbError> {
    let path = folder.database();
    let placed = File::open(new)
        .and_then(|file| file.sync_all())
        // The log of a file that is gone would be taken for the new one's.
        .and_then(|()| remove(&path, &["-wal", "-shm"]))
        .and_then(|()| remove(new, &["-wal", "-shm"]))
        .and_then(|()| fs::rename(new, &path))
        .and_then(|()| folder.sync());
    placed.map_err(file("make the history"))
}

/// Removes a database's files, those that there are.
fn remove(path: &Path, ends: &[&str]) -> std::io::Result<()> {
    for end in ends {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
