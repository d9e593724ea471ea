//! The folder in which a server keeps what it keeps: made, checked, and one server's alone.

use std::{
    fs::TryLockError,
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;

use super::{
    error::{DbError, OpenError, file},
    fs::{self, DirBuilderExt, File, MetadataExt, OpenOptions, OpenOptionsExt},
};

/// The database.
pub(super) const DATABASE: &str = "history.db";
/// Held by the server that uses the folder; its process id stands in it.
const LOCK: &str = "lock";
/// What the last start of a server left beside the database.
const LIFE: &str = "life";

/// A folder that this process holds.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

/// What stands in the file beside the database: how often it was opened, whether it was closed, and which file it was. A
/// database that says otherwise was put there by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) starts: u64,
    pub(super) clean: bool,
    /// Damage was met that only the next start can mend.
    pub(super) damaged: bool,
    pub(super) inode: u64,
}

impl Folder {
    /// Takes a folder for this process alone; it is made if its parent is there.
    ///
    /// # Errors
    /// [`OpenError`], one for each cause.
    pub(crate) fn open(dir: &Path) -> Result<Folder, OpenError> {
        make(dir)?;
        check(dir)?;
        keep_name(dir).map_err(|error| denied(&error))?;
        let path = dir.join(LOCK);
        refuse_link(&path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut lock = options.open(&path).map_err(|error| denied(&error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                let _unknown = lock.read_to_string(&mut pid);
                return Err(OpenError::Used { pid: pid.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => return Err(OpenError::Other(error.to_string())),
        }
        let named = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        named.map_err(|error| denied(&error))?;
        let folder = Folder { dir: dir.to_path_buf(), _lock: lock };
        refuse_link(&folder.database())?;
        Ok(folder)
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    /// Where a database is made before it takes the place of that one.
    pub(super) fn new_database(&self) -> PathBuf {
        beside(&self.database(), ".new")
    }

    /// Where the log of the database is, which is brought into it from time to time.
    pub(super) fn wal(&self) -> PathBuf {
        beside(&self.database(), "-wal")
    }

    /// The file that the database is, if it is there.
    pub(super) fn inode(&self) -> Option<u64> {
        Some(fs::metadata(self.database()).ok()?.ino())
    }

    pub(super) fn life(&self) -> Option<Life> {
        let text = fs::read_to_string(self.dir.join(LIFE)).ok()?;
        let value = |key: &str| -> Option<u64> {
            let mut words = text.split_whitespace();
            words.find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
        };
        let clean = value("clean")? == 1;
        let damaged = value("damaged").unwrap_or(0) == 1;
        Some(Life { starts: value("starts")?, clean, damaged, inode: value("inode")? })
    }

    /// Damage was met that hinders the writer: the next start makes a new database of what is sound.
    pub(crate) fn mark_damaged(&self) -> Result<(), DbError> {
        match self.life() {
            Some(life) if !life.damaged => self.set_life(Life { damaged: true, ..life }),
            _ => Ok(()),
        }
    }

    pub(super) fn set_life(&self, life: Life) -> Result<(), DbError> {
        let Life { starts, clean, damaged, inode } = life;
        let (clean, damaged) = (u8::from(clean), u8::from(damaged));
        let text = format!("starts={starts} clean={clean} damaged={damaged} inode={inode}\n");
        let (path, new) = (self.dir.join(LIFE), self.dir.join("life.new"));
        let write = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            // Made anew: one that lies there may be a link to elsewhere.
            options.write(true).create_new(true).mode(0o600);
            let _none = fs::remove_file(&new);
            let mut file = options.open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            self.sync()
        };
        write().map_err(file("write down that the history is in use"))
    }

    /// What was made, renamed or removed in the folder is so also after a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// A file beside another, whose name goes on.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(end);
    name.into()
}

fn make(dir: &Path) -> Result<(), OpenError> {
    match fs::symlink_metadata(dir) {
        Ok(found) if found.is_symlink() => return Err(OpenError::Link(dir.to_path_buf())),
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(OpenError::NotAFolder),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return Err(OpenError::NotAFolder);
        }
        Err(error) => return Err(denied(&error)),
    }
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(OpenError::NoParent),
        Err(error) => Err(denied(&error)),
    }
}

/// The folder is there also after a power cut: its name stands in the one that it is in. At each start, since whoever
/// made it may have been killed before this.
fn keep_name(dir: &Path) -> io::Result<()> {
    let parent = match dir.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => return Ok(()),
    };
    // In one that this user may not read it has made nothing, or nothing more can be done for it.
    let Ok(parent) = File::open(parent) else { return Ok(()) };
    match parent.sync_all() {
        // There are file systems that sync no folders.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

fn check(dir: &Path) -> Result<(), OpenError> {
    let found = fs::metadata(dir).map_err(|error| denied(&error))?;
    let me = Uid::effective();
    if found.uid() != me.as_raw() && !me.is_root() {
        return Err(OpenError::Owner(found.uid()));
    }
    fs::may_write(dir).map_err(|error| denied(&error))
}

fn refuse_link(path: &Path) -> Result<(), OpenError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_symlink() => Err(OpenError::Link(path.to_path_buf())),
        Ok(found) if !found.is_file() => Err(OpenError::Foreign),
        _ => Ok(()),
    }
}

fn denied(error: &io::Error) -> OpenError {
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => OpenError::Denied,
        _ => OpenError::Other(error.to_string()),
    }
}
