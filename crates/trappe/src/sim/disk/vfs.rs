//! SQLite's way to this thread's disk: a file system as <https://www.sqlite.org/vfs.html> has it, that does what
//! SQLite's own for Unix does.
//!
//! All code without Rust's guarantees is here. SQLite promises that a file is used by one thread at a time and closed
//! once; nothing of the disk itself is reached by a pointer.

#![expect(unsafe_code, reason = "SQLite calls, and is called, in C")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::Path,
    ptr, slice,
    sync::{
        Once,
        atomic::{Ordering::SeqCst, fence},
    },
};

use rusqlite::ffi::{
    self, SQLITE_ACCESS_EXISTS, SQLITE_BUSY, SQLITE_CANTOPEN, SQLITE_FCNTL_HAS_MOVED, SQLITE_FULL,
    SQLITE_IOCAP_POWERSAFE_OVERWRITE, SQLITE_IOCAP_SUBPAGE_READ, SQLITE_IOERR_CLOSE,
    SQLITE_IOERR_DELETE, SQLITE_IOERR_DELETE_NOENT, SQLITE_IOERR_DIR_FSYNC, SQLITE_IOERR_FSTAT,
    SQLITE_IOERR_FSYNC, SQLITE_IOERR_LOCK, SQLITE_IOERR_READ, SQLITE_IOERR_SHMLOCK,
    SQLITE_IOERR_SHMMAP, SQLITE_IOERR_SHORT_READ, SQLITE_IOERR_TRUNCATE, SQLITE_IOERR_WRITE,
    SQLITE_NOTFOUND, SQLITE_OK, SQLITE_OPEN_CREATE, SQLITE_OPEN_EXCLUSIVE,
    SQLITE_OPEN_MAIN_JOURNAL, SQLITE_OPEN_READWRITE, SQLITE_OPEN_SUPER_JOURNAL, SQLITE_OPEN_WAL,
    SQLITE_SHM_EXCLUSIVE, SQLITE_SHM_UNLOCK, sqlite3_file, sqlite3_io_methods, sqlite3_vfs,
};

use super::{
    files::{Place, place},
    locks::Region,
    state::{Failure, Handle, State},
    with,
};

/// What SQLite's own file system takes for the size of a sector.
const SECTOR_BYTES: c_int = 4096;
/// The longest path, with its end.
const PATH_BYTES: c_int = 512;
/// When it is for SQLite, in milliseconds of its own: 24 November 2025. Nothing that is stored asks for it.
const NOW_MS: i64 = 210_866_760_000_000 + 1_764_000_000_000;

/// A file as SQLite holds it.
#[repr(C)]
struct VfsFile {
    /// First: SQLite knows this part.
    base: sqlite3_file,
    /// What [`open`] made; null where it couldn't.
    open: *mut Open,
}

/// What is known of an open file.
struct Open {
    handle: Handle,
    /// Its name in the folder; none: it has none, and is gone with this.
    name: Option<String>,
    /// Its name is new: it goes to the disk with the first sync.
    syncs_name: bool,
    /// What SQLite has pointers to.
    regions: Vec<Region>,
}

/// Makes this the file system of all that opens a database in this process. The first to be called decides.
pub(super) fn register() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let vfs = Box::leak(Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: c_int::try_from(size_of::<VfsFile>()).expect("it is small"),
            mxPathname: PATH_BYTES,
            pNext: ptr::null_mut(),
            zName: c"simulated".as_ptr(),
            pAppData: ptr::null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_path),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: None,
            xGetLastError: None,
            xCurrentTimeInt64: Some(now),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        }));
        // SAFETY: it lives for ever, and its functions are those that SQLite documents.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(code, SQLITE_OK, "SQLite takes another file system");
    });
}

/// SQLite's random numbers begin anew, with those of the disk of whoever needs the first one.
pub(super) fn forget_randomness() {
    // SAFETY: without a place for them that is all it does.
    unsafe { ffi::sqlite3_randomness(0, ptr::null_mut()) };
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// What SQLite is told.
fn told(done: Result<(), Failure>, otherwise: c_int) -> c_int {
    match done {
        Ok(()) => SQLITE_OK,
        Err(Failure::Full) => SQLITE_FULL,
        Err(_) => otherwise,
    }
}

fn size(number: impl TryInto<usize>) -> usize {
    number.try_into().unwrap_or_else(|_| unreachable!("SQLite gives no negative sizes"))
}

/// The name in the folder that a path stands for.
///
/// # Safety
/// `path` is a C string that lives as long as SQLite's call.
unsafe fn name_of<'p>(path: *const c_char) -> Result<&'p str, Failure> {
    // SAFETY: as the caller promises.
    let path = unsafe { CStr::from_ptr(path) }.to_str().map_err(|_| Failure::NotThere)?;
    match place(Path::new(path))? {
        Place::File(name) => Ok(name),
        Place::Folder | Place::Parent => Err(Failure::NotThere),
    }
}

/// What [`open`] made.
///
/// # Safety
/// `file` was opened here, is not closed yet, and nobody else uses it during this call: SQLite sees to all of it.
unsafe fn opened<'f>(file: *mut sqlite3_file) -> &'f mut Open {
    // SAFETY: `open` put it there, `close` alone takes it away.
    unsafe { &mut *(*file.cast::<VfsFile>()).open }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let file = file.cast::<VfsFile>();
    // SAFETY: SQLite made room for it. What has no methods isn't closed.
    unsafe { (*file).base.pMethods = ptr::null() };
    // SAFETY: a path is a C string, or none.
    let name = (!path.is_null()).then(|| unsafe { name_of(path) });
    let made = match name {
        None => with(State::nameless).map(|handle| (handle, None, false)),
        Some(name) => name.and_then(|name| with(|disk| open_named(disk, name, flags))),
    };
    let Ok((handle, name, syncs_name)) = made else { return SQLITE_CANTOPEN };
    let open = Box::into_raw(Box::new(Open { handle, name, syncs_name, regions: Vec::new() }));
    // SAFETY: SQLite made room for both.
    unsafe {
        (*file).open = open;
        (*file).base.pMethods = &raw const METHODS;
        if let Some(out) = out_flags.as_mut() {
            *out = flags;
        }
    }
    SQLITE_OK
}

fn open_named(
    disk: &mut State,
    name: &str,
    flags: c_int,
) -> Result<(Handle, Option<String>, bool), Failure> {
    let makes = flags & SQLITE_OPEN_CREATE != 0;
    let handle = match disk.open(name) {
        Ok(_) if makes && flags & SQLITE_OPEN_EXCLUSIVE != 0 => return Err(Failure::IsThere),
        Err(Failure::NotThere) if makes => disk.create(name)?,
        opened => opened?,
    };
    let journals = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
    let syncs_name = makes && flags & journals != 0 && flags & SQLITE_OPEN_READWRITE != 0;
    Ok((handle, Some(name.to_owned()), syncs_name))
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: `open` made it, and it is closed once.
    let open = unsafe { Box::from_raw((*file.cast::<VfsFile>()).open) };
    let closed = with(|disk| {
        disk.close(open.handle);
        if open.name.is_none() {
            disk.forget(open.handle);
        }
        Ok(())
    });
    // Also what a dead process had open is closed.
    told(closed.or(Ok(())), SQLITE_IOERR_CLOSE)
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    into: *mut c_void,
    amount: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite gives an open file and a place of that size, which nobody else has.
    let (open, into) =
        unsafe { (opened(file), slice::from_raw_parts_mut(into.cast::<u8>(), size(amount))) };
    match with(|disk| disk.read(open.handle, size(at), into)) {
        Ok(read) if read == into.len() => SQLITE_OK,
        Ok(read) => {
            into[read..].fill(0);
            SQLITE_IOERR_SHORT_READ
        }
        Err(_) => {
            into.fill(0);
            SQLITE_IOERR_READ
        }
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    bytes: *const c_void,
    amount: c_int,
    at: i64,
) -> c_int {
    // SAFETY: SQLite gives an open file and so many bytes.
    let (open, bytes) =
        unsafe { (opened(file), slice::from_raw_parts(bytes.cast::<u8>(), size(amount))) };
    told(with(|disk| disk.write(open.handle, size(at), bytes)), SQLITE_IOERR_WRITE)
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, to: i64) -> c_int {
    // SAFETY: it is open.
    let open = unsafe { opened(file) };
    told(with(|disk| disk.cut(open.handle, size(to))), SQLITE_IOERR_TRUNCATE)
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: it is open.
    let open = unsafe { opened(file) };
    let synced = with(|disk| disk.sync(open.handle));
    if synced.is_ok() && std::mem::take(&mut open.syncs_name) {
        // SQLite's own doesn't look at how this ends.
        let _either_way = with(State::sync_names);
    }
    told(synced, SQLITE_IOERR_FSYNC)
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, out: *mut i64) -> c_int {
    // SAFETY: it is open, and there is a place for the answer.
    let (open, out) = unsafe { (opened(file), &mut *out) };
    let found = with(|disk| Ok(disk.node(open.handle)?.len()));
    told(found.map(|bytes| *out = i64::try_from(bytes).unwrap_or(i64::MAX)), SQLITE_IOERR_FSTAT)
}

/// Whether it could be had, as SQLite is told.
fn had(lock: Result<bool, Failure>, otherwise: c_int) -> c_int {
    match lock {
        Ok(true) => SQLITE_OK,
        Ok(false) => SQLITE_BUSY,
        Err(_) => otherwise,
    }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, wanted: c_int) -> c_int {
    // SAFETY: it is open.
    let Open { handle, .. } = *unsafe { opened(file) };
    had(with(|disk| Ok(disk.node(handle)?.locks.lock(handle.id, wanted))), SQLITE_IOERR_LOCK)
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, left: c_int) -> c_int {
    // SAFETY: it is open.
    let Open { handle, .. } = *unsafe { opened(file) };
    let _of_a_dead_process = with(|disk| {
        disk.node(handle)?.locks.unlock(handle.id, left);
        Ok(())
    });
    SQLITE_OK
}

unsafe extern "C" fn check_reserved(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: it is open, and there is a place for the answer.
    let (open, out) = unsafe { (opened(file), &mut *out) };
    let reserved = with(|disk| Ok(disk.node(open.handle)?.locks.is_reserved()));
    *out = c_int::from(reserved.unwrap_or(false));
    SQLITE_OK
}

unsafe extern "C" fn control(file: *mut sqlite3_file, what: c_int, out: *mut c_void) -> c_int {
    if what != SQLITE_FCNTL_HAS_MOVED {
        return SQLITE_NOTFOUND;
    }
    // SAFETY: it is open, and there is a place for the answer.
    let (open, out) = unsafe { (opened(file), &mut *out.cast::<c_int>()) };
    let is_named = |disk: &mut State| {
        open.name.as_ref().is_none_or(|name| disk.names.get(name) == Some(open.handle.node))
    };
    *out = c_int::from(!with(|disk| Ok(is_named(disk))).unwrap_or(true));
    SQLITE_OK
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR_BYTES
}

unsafe extern "C" fn characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SUBPAGE_READ
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    region: c_int,
    bytes: c_int,
    make: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: it is open, and there is a place for the answer.
    let (open, out) = unsafe { (opened(file), &mut *out) };
    *out = ptr::null_mut();
    let (handle, region) = (open.handle, size(region));
    let mapped =
        with(|disk| Ok(disk.node(handle)?.shared.map(handle.id, region, size(bytes), make != 0)));
    match mapped {
        Ok(None) => SQLITE_OK,
        Ok(Some(memory)) => {
            // Made of atomics, it may be changed behind a shared reference; `regions` keeps it for as long as SQLite
            // has it.
            *out = memory.as_ptr().cast_mut().cast();
            open.regions.push(memory);
            SQLITE_OK
        }
        Err(_) => SQLITE_IOERR_SHMMAP,
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: it is open.
    let Open { handle, .. } = *unsafe { opened(file) };
    let bits = ((1 << count) - 1) << first;
    if flags & SQLITE_SHM_UNLOCK != 0 {
        let _of_a_dead_process = with(|disk| {
            disk.node(handle)?.shared.unlock(handle.id, bits);
            Ok(())
        });
        return SQLITE_OK;
    }
    let alone = flags & SQLITE_SHM_EXCLUSIVE != 0;
    let lock = with(|disk| Ok(disk.node(handle)?.shared.lock(handle.id, bits, alone)));
    had(lock, SQLITE_IOERR_SHMLOCK)
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    fence(SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: it is open.
    let open = unsafe { opened(file) };
    let handle = open.handle;
    let _of_a_dead_process = with(|disk| {
        disk.node(handle)?.shared.unmap(handle.id);
        Ok(())
    });
    open.regions.clear();
    SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, path: *const c_char, syncs_names: c_int) -> c_int {
    // SAFETY: a path is a C string.
    let removed = unsafe { name_of(path) }.and_then(|name| with(|disk| disk.remove(name)));
    match removed {
        Err(Failure::NotThere) => SQLITE_IOERR_DELETE_NOENT,
        Ok(()) if syncs_names != 0 => told(with(State::sync_names), SQLITE_IOERR_DIR_FSYNC),
        removed => told(removed, SQLITE_IOERR_DELETE),
    }
}

unsafe extern "C" fn access(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    what: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: a path is a C string, and there is a place for the answer.
    let (name, out) = unsafe { (name_of(path), &mut *out) };
    let bytes = name.and_then(|name| with(|disk| Ok(disk.named(name)?.1.len())));
    // An empty file is taken for none, as by SQLite's own.
    *out = c_int::from(bytes.is_ok_and(|bytes| bytes > 0 || what != SQLITE_ACCESS_EXISTS));
    SQLITE_OK
}

unsafe extern "C" fn full_path(
    _: *mut sqlite3_vfs,
    path: *const c_char,
    most: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a path is a C string.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes_with_nul();
    if bytes.len() > size(most) {
        return SQLITE_CANTOPEN;
    }
    // SAFETY: there is a place of `most` bytes for the answer, which is no longer.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    SQLITE_OK
}

unsafe extern "C" fn randomness(_: *mut sqlite3_vfs, amount: c_int, out: *mut c_char) -> c_int {
    // SAFETY: there is a place of that size, which nobody else has.
    let out = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), size(amount)) };
    out.fill(0);
    let _without_a_disk = with(|disk| {
        disk.fill(out);
        Ok(())
    });
    amount
}

/// Nobody waits here: whoever would have to be waited for is on the same thread.
unsafe extern "C" fn sleep(_: *mut sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn now(_: *mut sqlite3_vfs, out: *mut i64) -> c_int {
    // SAFETY: there is a place for the answer.
    unsafe { *out = NOW_MS };
    SQLITE_OK
}
