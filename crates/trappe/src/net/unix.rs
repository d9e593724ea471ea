//! Unix sockets: a file that only its owner and group may use, and that is there exactly as long as its server.
//!
//! Whoever starts or ends on a path holds a lock on the folder meanwhile, so that of two servers that find the same stale
//! socket one waits, and then finds it answered. The lock is the folder's own (flock(2)): no further file is left behind.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    net::TcpStream,
    os::{
        fd::OwnedFd,
        unix::{
            ffi::OsStrExt,
            fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use nix::{
    fcntl::{AT_FDCWD, OFlag},
    sys::stat::{FchmodatFlags, Mode, fchmodat},
};
use socket2::{Domain, SockAddr, Socket, Type};
use trappe_core::limits::{BACKLOG, SOCKET_LOCK, SOCKET_LOCK_RETRY, SOCKET_PATH_BYTES};

/// The owner and the group, nobody else.
const MODE: u32 = 0o660;

/// Why there is no socket at a path. Nothing was changed there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SocketError {
    /// Somebody answers there.
    #[error("somebody listens there already")]
    Used,
    /// A symbolic link lies there; it isn't followed.
    #[error("it is a symbolic link")]
    Link,
    /// A folder lies there.
    #[error("it is a folder")]
    Folder,
    /// Something else than a socket lies there.
    #[error("it is a file, not a socket")]
    File,
    /// The path doesn't fit into a socket's address.
    #[error("the path is too long: more than {SOCKET_PATH_BYTES} bytes")]
    Long,
    /// The folder that it would lie in doesn't exist.
    #[error("its folder doesn't exist")]
    Nowhere,
    /// Not permitted: the folder, or what lies there already.
    #[error("not permitted")]
    Denied,
    /// Anything else that the system refused.
    #[error("{0}")]
    System(io::Error),
}

impl From<io::Error> for SocketError {
    fn from(error: io::Error) -> SocketError {
        match error.kind() {
            io::ErrorKind::AddrInUse => SocketError::Used,
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SocketError::Nowhere,
            io::ErrorKind::PermissionDenied => SocketError::Denied,
            _ => SocketError::System(error),
        }
    }
}

/// A listening socket's file. Dropped, it is removed, unless another one has taken its place.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is: device and inode, and, where the file system knows it, when it was made. The number of an inode is
/// given again to the next file as soon as the last socket that is bound to it is closed.
type Identity = (u64, u64, Option<SystemTime>);

/// Listens at `path`. A stale socket there, one that nobody answers on, is replaced; nothing else is.
///
/// From its first moment on the socket is open to nobody but the owner and the group (mode 0660), whatever the umask.
///
/// # Errors
/// [`SocketError`]; nothing is changed then, but that a stale socket may be gone.
pub(crate) fn bind(path: &Path) -> Result<(UnixListener, SocketFile), SocketError> {
    if path.as_os_str().as_bytes().len() > SOCKET_PATH_BYTES {
        return Err(SocketError::Long);
    }
    let _lock = lock_folder_of(path)?;
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // On Linux the file gets the mode of the socket, less the umask: never more than this (unix(7); tests hold it).
    let socket = File::from(OwnedFd::from(socket));
    socket.set_permissions(fs::Permissions::from_mode(MODE))?;
    let socket = Socket::from(OwnedFd::from(socket));
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    match open(&socket, path) {
        Ok(file) => Ok((OwnedFd::from(socket).into(), file)),
        Err(error) => {
            // It is our own, of a moment ago; the first error says more than one of this.
            let _kept = fs::remove_file(path);
            Err(error.into())
        }
    }
}

/// The file of a socket that is bound gets its mode, and is listened on.
fn open(socket: &Socket, path: &Path) -> io::Result<SocketFile> {
    // What the umask took away is given back; should the file have been exchanged for a link, that isn't followed.
    let mode = Mode::from_bits_truncate(MODE);
    fchmodat(AT_FDCWD, path, mode, FchmodatFlags::NoFollowSymlink)?;
    socket.listen(BACKLOG)?;
    Ok(SocketFile { identity: identity(&fs::symlink_metadata(path)?), path: path.to_owned() })
}

/// Connects to the socket at `path`. The stream is one like those of TCP for everything but its addresses.
///
/// # Errors
/// What the system says; `WouldBlock` where too many wait there to be accepted.
pub(crate) fn connect(path: &Path) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // It is answered at once or not at all, but a blocking socket would wait while the queue there is full.
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(OwnedFd::from(socket).into())
}

/// An accepted stream as one of the kind that the rest of the server knows: reading, writing and shutting down are the
/// same for the kernel.
pub(crate) fn as_tcp(stream: UnixStream) -> TcpStream {
    OwnedFd::from(stream).into()
}

/// Removes a socket that nobody answers on; says what else lies there.
fn clear(path: &Path) -> Result<(), SocketError> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let kind = found.file_type();
    if kind.is_symlink() {
        return Err(SocketError::Link);
    }
    if kind.is_dir() {
        return Err(SocketError::Folder);
    }
    if !kind.is_socket() {
        return Err(SocketError::File);
    }
    match connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            tracing::info!(?path, "a stale socket is removed: nobody answers there");
            Ok(fs::remove_file(path)?)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(SocketError::Denied),
        // Gone by itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // It answers, or its queue is full, or it is of another type: alive in any case.
        _ => Err(SocketError::Used),
    }
}

fn identity(found: &fs::Metadata) -> Identity {
    (found.dev(), found.ino(), found.created().ok())
}

/// The folder that `path` lies in, locked until this is dropped. Not for ever: anybody who may read the folder can hold it.
fn lock_folder_of(path: &Path) -> io::Result<File> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    // Anything but a folder isn't opened at all: a FIFO would wait for its writer.
    let flags = OFlag::O_DIRECTORY.bits();
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(parent.unwrap_or_else(|| Path::new(".")))?;
    let until = Instant::now() + SOCKET_LOCK;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another program keeps its folder locked",
                ));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(SOCKET_LOCK_RETRY),
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Without the lock it stays: the next server finds it stale.
        let Ok(_lock) = lock_folder_of(&self.path) else { return };
        if fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity) {
            // It may lie in a folder that has become unwritable.
            let _kept = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests;
