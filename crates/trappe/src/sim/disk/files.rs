//! What the store does with files beside SQLite, on this thread's disk: of `std::fs` as much as it uses, under the same
//! names.

use std::{
    fs::{Permissions, TryLockError},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    path::Path,
};

use nix::{errno::Errno, unistd::Uid};

use super::{
    FOLDER,
    state::{Failure, Handle, State},
    with,
};

/// What a path leads to.
pub(super) enum Place<'p> {
    /// The folder that the data folder is in.
    Parent,
    Folder,
    File(&'p str),
}

/// Nothing else is on this disk.
pub(super) fn place(path: &Path) -> Result<Place<'_>, Failure> {
    let folder = Path::new(FOLDER);
    if path == folder {
        return Ok(Place::Folder);
    }
    if Some(path) == folder.parent() {
        return Ok(Place::Parent);
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.filter(|_| path.parent() == Some(folder));
    name.map(Place::File).ok_or(Failure::NotThere)
}

fn named(path: &Path) -> Result<&str, Failure> {
    match place(path)? {
        Place::File(name) => Ok(name),
        Place::Folder | Place::Parent => Err(Failure::NotThere),
    }
}

/// What is known of a file or folder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metadata {
    is_dir: bool,
    bytes: u64,
    inode: u64,
    written: u64,
}

impl Metadata {
    pub(crate) fn is_dir(&self) -> bool {
        self.is_dir
    }

    pub(crate) fn is_file(&self) -> bool {
        !self.is_dir
    }

    /// There are none on this disk.
    #[expect(clippy::unused_self, reason = "as std::fs has it")]
    pub(crate) fn is_symlink(&self) -> bool {
        false
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes
    }
}

/// As `std::os::unix::fs` has it.
pub(crate) trait MetadataExt {
    fn ino(&self) -> u64;
    fn uid(&self) -> u32;
    fn mtime(&self) -> i64;
    fn mtime_nsec(&self) -> i64;
}

impl MetadataExt for Metadata {
    fn ino(&self) -> u64 {
        self.inode
    }

    fn uid(&self) -> u32 {
        Uid::effective().as_raw()
    }

    /// How often it was written to: all that anybody asks is whether it was.
    fn mtime(&self) -> i64 {
        i64::try_from(self.written).unwrap_or(i64::MAX)
    }

    fn mtime_nsec(&self) -> i64 {
        0
    }
}

fn look(disk: &State, place: &Place<'_>) -> Result<Metadata, Failure> {
    disk.is_up()?;
    let folder = Metadata { is_dir: true, bytes: 0, inode: 0, written: disk.names.written };
    match place {
        Place::Parent => Ok(folder),
        Place::Folder if disk.names.is_made => Ok(folder),
        Place::Folder => Err(Failure::NotThere),
        Place::File(name) => {
            let (inode, node) = disk.named(name)?;
            let (bytes, written) = (node.len() as u64, node.written);
            Ok(Metadata { is_dir: false, bytes, inode, written })
        }
    }
}

pub(crate) fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    let place = place(path.as_ref())?;
    Ok(with(|disk| look(disk, &place))?)
}

/// The same: there are no symbolic links.
pub(crate) fn symlink_metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    metadata(path)
}

pub(crate) fn exists(path: impl AsRef<Path>) -> io::Result<bool> {
    match metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        found => found.map(|_| true),
    }
}

/// Whether this process may make files there: it may wherever there is something.
pub(crate) fn may_write(folder: &Path) -> io::Result<()> {
    metadata(folder).map(|_| ())
}

pub(crate) fn remove_file(path: impl AsRef<Path>) -> io::Result<()> {
    let name = named(path.as_ref())?;
    Ok(with(|disk| disk.remove(name))?)
}

pub(crate) fn rename(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (named(from.as_ref())?, named(to.as_ref())?);
    Ok(with(|disk| disk.rename(from, to))?)
}

pub(crate) fn hard_link(from: impl AsRef<Path>, to: impl AsRef<Path>) -> io::Result<()> {
    let (from, to) = (named(from.as_ref())?, named(to.as_ref())?);
    Ok(with(|disk| disk.link(from, to))?)
}

/// Whatever is there is this user's.
pub(crate) fn set_permissions(path: impl AsRef<Path>, _: Permissions) -> io::Result<()> {
    metadata(path).map(|_| ())
}

pub(crate) fn read_to_string(path: impl AsRef<Path>) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.read_to_string(&mut text)?;
    Ok(text)
}

/// Makes folders.
#[derive(Debug, Default)]
pub(crate) struct DirBuilder;

/// As `std::os::unix::fs` has it.
pub(crate) trait DirBuilderExt {
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl DirBuilderExt for DirBuilder {
    fn mode(&mut self, _: u32) -> &mut DirBuilder {
        self
    }
}

impl DirBuilder {
    pub(crate) fn new() -> DirBuilder {
        DirBuilder
    }

    #[expect(clippy::unused_self, reason = "as std::fs has it")]
    pub(crate) fn create(&self, path: impl AsRef<Path>) -> io::Result<()> {
        match place(path.as_ref())? {
            Place::Folder => Ok(with(State::make_folder)?),
            Place::Parent => Err(Failure::IsThere.into()),
            Place::File(_) => Err(Failure::NotThere.into()),
        }
    }
}

/// How a file is to be opened.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "as std::fs has it")]
pub(crate) struct OpenOptions {
    write: bool,
    create: bool,
    create_new: bool,
    truncate: bool,
}

/// As `std::os::unix::fs` has it.
pub(crate) trait OpenOptionsExt {
    fn mode(&mut self, mode: u32) -> &mut Self;
}

impl OpenOptionsExt for OpenOptions {
    fn mode(&mut self, _: u32) -> &mut OpenOptions {
        self
    }
}

impl OpenOptions {
    pub(crate) fn new() -> OpenOptions {
        OpenOptions::default()
    }

    pub(crate) fn read(&mut self, _: bool) -> &mut OpenOptions {
        self
    }

    pub(crate) fn write(&mut self, write: bool) -> &mut OpenOptions {
        self.write = write;
        self
    }

    pub(crate) fn create(&mut self, create: bool) -> &mut OpenOptions {
        self.create = create;
        self
    }

    pub(crate) fn create_new(&mut self, create: bool) -> &mut OpenOptions {
        self.create_new = create;
        self
    }

    pub(crate) fn truncate(&mut self, truncate: bool) -> &mut OpenOptions {
        self.truncate = truncate;
        self
    }

    pub(crate) fn open(&self, path: impl AsRef<Path>) -> io::Result<File> {
        let place = place(path.as_ref())?;
        let what = with(|disk| match place {
            Place::File(name) => self.open_file(disk, name).map(What::File),
            _ if self.write => Err(Failure::IsThere),
            Place::Folder => look(disk, &place).map(|_| What::Folder),
            Place::Parent => look(disk, &place).map(|_| What::Parent),
        });
        Ok(File { what: what?, at: 0, may_write: self.write })
    }

    fn open_file(&self, disk: &mut State, name: &str) -> Result<Handle, Failure> {
        let handle = match disk.open(name) {
            Ok(_) if self.create_new => return Err(Failure::IsThere),
            Err(Failure::NotThere) if self.create || self.create_new => disk.create(name)?,
            opened => opened?,
        };
        if self.truncate && disk.node(handle)?.len() > 0 {
            disk.cut(handle, 0)?;
        }
        Ok(handle)
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    Parent,
    Folder,
    File(Handle),
}

/// An open file, or folder.
#[derive(Debug)]
pub(crate) struct File {
    what: What,
    /// Where the next byte is read or written.
    at: usize,
    may_write: bool,
}

/// As `std::os::unix::fs` has it.
pub(crate) trait FileExt {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()>;
}

impl FileExt for File {
    fn read_exact_at(&self, into: &mut [u8], at: u64) -> io::Result<()> {
        let (handle, at) = (self.handle()?, offset(at)?);
        match with(|disk| disk.read(handle, at, into))? {
            size if size == into.len() => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }
}

fn offset(at: u64) -> io::Result<usize> {
    usize::try_from(at).map_err(|_| Errno::EINVAL.into())
}

impl File {
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().read(true).open(path)
    }

    pub(crate) fn create(path: impl AsRef<Path>) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path)
    }

    fn handle(&self) -> io::Result<Handle> {
        match self.what {
            What::File(handle) => Ok(handle),
            What::Folder | What::Parent => Err(Errno::EISDIR.into()),
        }
    }

    fn handle_to_write(&self) -> io::Result<Handle> {
        if self.may_write { self.handle() } else { Err(Errno::EBADF.into()) }
    }

    pub(crate) fn metadata(&self) -> io::Result<Metadata> {
        let found = with(|disk| match self.what {
            What::Parent => look(disk, &Place::Parent),
            What::Folder => look(disk, &Place::Folder),
            What::File(handle) => {
                let node = disk.node(handle)?;
                let (bytes, written) = (node.len() as u64, node.written);
                Ok(Metadata { is_dir: false, bytes, inode: handle.node, written })
            }
        });
        Ok(found?)
    }

    pub(crate) fn set_len(&self, size: u64) -> io::Result<()> {
        let (handle, size) = (self.handle_to_write()?, offset(size)?);
        Ok(with(|disk| disk.cut(handle, size))?)
    }

    pub(crate) fn sync_all(&self) -> io::Result<()> {
        let synced = with(|disk| match self.what {
            What::Parent => disk.sync_parent(),
            What::Folder => disk.sync_names(),
            What::File(handle) => disk.sync(handle),
        });
        Ok(synced?)
    }

    pub(crate) fn try_lock(&self) -> Result<(), TryLockError> {
        let handle = self.handle().map_err(TryLockError::Error)?;
        let locked = with(|disk| {
            let held_by = &mut disk.node(handle)?.held_by;
            Ok(*held_by.get_or_insert(handle.id) == handle.id)
        });
        match locked {
            Ok(true) => Ok(()),
            Ok(false) => Err(TryLockError::WouldBlock),
            Err(failure) => Err(TryLockError::Error(failure.into())),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let What::File(handle) = self.what {
            let _of_a_dead_process = with(|disk| {
                let held_by = &mut disk.node(handle)?.held_by;
                held_by.take_if(|holder| *holder == handle.id);
                Ok(())
            });
        }
    }
}

impl Read for File {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (handle, at) = (self.handle()?, self.at);
        let size = with(|disk| disk.read(handle, at, into))?;
        self.at += size;
        Ok(size)
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (handle, at) = (self.handle_to_write()?, self.at);
        with(|disk| disk.write(handle, at, bytes))?;
        self.at += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for File {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let (from, by) = match to {
            SeekFrom::Start(at) => (at, 0),
            SeekFrom::Current(by) => (self.at as u64, by),
            SeekFrom::End(by) => (self.metadata()?.len(), by),
        };
        let at = from.checked_add_signed(by).ok_or(Errno::EINVAL)?;
        self.at = offset(at)?;
        Ok(at)
    }
}
