//! A folder for a server's history, on a disk that fails when the test says so.
//!
//! `tests/disk/shim.c` stands between the server and the C library (`LD_PRELOAD`): it refuses writes and syncs, delays them,
//! sets the clock, and remembers what was synced, so that a test can take away everything else as a power cut does.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, thread};

use crate::hub::{Hub, trappe};
use crate::process::{Ended, PATIENCE, Process};
use crate::tools::tool;

/// What stands between the server and the C library.
const SHIM: &str = include_str!("../disk/shim.c");

/// A page: what a disk writes whole or not at all.
const PAGE: usize = 4096;

/// Set where a test runs itself behind the shim, to the folder of its disk.
const INSIDE: &str = "TRAPPE_TEST_DISK";

/// What a test sets for the disk, and what is counted there: the place of each in the control file.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Word {
    /// [`FITS`], [`NOTHING_FITS`], or [`ONLY_ROOM`].
    Full = 0,
    /// With [`ONLY_ROOM`]: by how many bytes files may still grow.
    Room = 1,
    /// So many syncs fail with `EIO`; -1: each does.
    SyncFails = 2,
    /// How long each sync takes.
    SyncMs = 3,
    /// Seconds that are added to the time of day.
    ClockS = 4,
    /// Processes that were started behind the shim.
    Starts = 8,
    /// Writes to files of the folder.
    Writes = 9,
    /// Syncs of files of the folder, or of itself.
    Syncs = 10,
    /// Writes that were refused, or done in part.
    WritesRefused = 11,
    /// Syncs that failed.
    SyncsRefused = 12,
}

/// The disk has room.
pub(crate) const FITS: i64 = 0;
/// No write is taken at all.
pub(crate) const NOTHING_FITS: i64 = 1;
/// What makes a file longer is taken only as far as [`Word::Room`] goes.
pub(crate) const ONLY_ROOM: i64 = 2;

/// What a power cut leaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cut {
    /// Exactly what was synced.
    Synced,
    /// Of the rest a random part, page by page.
    Torn(u64),
}

/// A folder that a server may keep its history in, and the disk that it is on. Removed when it is dropped.
pub(crate) struct Disk {
    root: PathBuf,
    control: File,
    /// None: the disk is just a disk.
    shim: Option<PathBuf>,
    is_ours: bool,
}

/// On which side of the shim a test is.
pub(crate) enum Side {
    /// Behind it: what it does to files is done to this disk.
    Inside(Disk),
    /// The part inside has ended.
    Outside(Disk),
}

impl Disk {
    /// A disk that does what disks do.
    pub(crate) fn plain() -> Disk {
        Disk::make(None)
    }

    /// A disk that fails on demand; none where the shim can't be made.
    pub(crate) fn faulty() -> Option<Disk> {
        tool("gcc")?;
        Some(Disk::make(Some(shim())))
    }

    fn make(shim: Option<PathBuf>) -> Disk {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root = temporary().join(format!("disk-{}-{number}", process::id()));
        // One of a process that had the same number and was killed.
        drop(fs::remove_dir_all(&root));
        for folder in ["", "shadow", "data"] {
            fs::create_dir(root.join(folder)).expect("the target folder is ours");
        }
        fs::write(root.join("control"), [0; PAGE]).expect("the folder is ours");
        Disk::at(root, shim, true)
    }

    fn at(root: PathBuf, shim: Option<PathBuf>, is_ours: bool) -> Disk {
        let control = File::options().read(true).write(true).open(root.join("control"));
        Disk { control: control.expect("it was made with the folder"), root, shim, is_ours }
    }

    /// A test that runs itself behind the shim first, as a program of its own.
    #[track_caller]
    pub(crate) fn both_sides() -> Option<Side> {
        if let Some(root) = env::var_os(INSIDE) {
            return Some(Side::Inside(Disk::at(root.into(), None, false)));
        }
        let disk = Disk::faulty()?;
        let test = thread::current().name().expect("each test has a thread").to_owned();
        let mut inside = Command::new(env::current_exe().expect("this program is a file"));
        inside.args(["--exact", &test, "--nocapture"]).env(INSIDE, &disk.root);
        let ended = disk.behind(&mut inside).output().expect("it starts");
        let said = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        assert!(ended.status.success(), "behind the shim {test} failed:\n{said}");
        assert!(said.contains("1 passed"), "{test} did not run behind the shim:\n{said}");
        Some(Side::Outside(disk))
    }

    /// Puts the shim before what `command` runs.
    fn behind<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let Some(shim) = &self.shim else { return command };
        command.env("LD_PRELOAD", shim).env("DISK_FOLDER", self.data());
        command.env("DISK_CONTROL", self.root.join("control"));
        command.env("DISK_SHADOW", self.root.join("shadow"))
    }

    /// The folder itself.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.data().join(name)
    }

    /// A place beside the folder, on no disk that fails.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The command that runs a server on it, which speaks English.
    pub(crate) fn server(&self, args: &[&str]) -> Command {
        let mut command = trappe(&["server", "--port", "0", "--lang", "en", "--data"]);
        command.arg(self.data()).args(args);
        self.behind(&mut command);
        command
    }

    /// Starts a server on it.
    #[track_caller]
    pub(crate) fn start(&self, args: &[&str]) -> Hub {
        Hub::launch(&mut self.server(args))
    }

    /// Starts a server on it that must refuse, and gives the one sentence that it says why in.
    #[track_caller]
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        refusal(&Process::spawn(&mut self.server(args)).end())
    }

    /// Sets a word of the control file.
    pub(crate) fn set(&self, word: Word, value: i64) {
        let place = 8 * u64::from(word as u8);
        self.control.write_all_at(&value.to_ne_bytes(), place).expect("the file is there");
    }

    /// Reads one.
    pub(crate) fn get(&self, word: Word) -> i64 {
        let mut value = [0; 8];
        let place = 8 * u64::from(word as u8);
        self.control.read_exact_at(&mut value, place).expect("the file is there");
        i64::from_ne_bytes(value)
    }

    /// All files of the folder, with what is in them.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        names(&self.data())
            .into_iter()
            .map(|(name, path)| (name, fs::read(path).expect("it is a file of ours")))
            .collect()
    }

    /// Puts the power off, after the server was killed: what is left in the folder is what had reached the disk. A file stays
    /// the file that it was (its inode), as it does on a disk.
    pub(crate) fn power_cut(&self, cut: Cut) {
        let mut random = match cut {
            Cut::Synced => None,
            Cut::Torn(seed) => Some(Random::new(seed)),
        };
        let known: BTreeMap<u64, u64> = self
            .list("files")
            .into_iter()
            .map(|(ino, id)| (ino, id.parse().expect("a number")))
            .collect();
        let current: Vec<(u64, String)> = names(&self.data())
            .into_iter()
            .filter_map(|(name, path)| {
                let inode = fs::metadata(path).expect("it is there").ino();
                Some((*known.get(&inode)?, name))
            })
            .collect();
        // The folder is written as a whole: a file system keeps a journal of names.
        let has_names = random.as_mut().is_some_and(|random| random.below(2) == 0);
        let left = if has_names { current.clone() } else { self.list("names") };
        let stage = self.root.join("stage");
        fs::create_dir(&stage).expect("the folder is ours");
        for (id, name) in left {
            let synced = fs::read(self.root.join("shadow").join(id.to_string()));
            let synced = synced.expect("each file has a shadow");
            let (place, now) = (stage.join(&name), current.iter().find(|(it, _)| *it == id));
            let now = now.map(|(_, name)| self.file(name));
            let bytes = match (&mut random, &now) {
                (Some(random), Some(now)) => {
                    torn(&synced, &fs::read(now).expect("it is there"), random)
                }
                _ => synced,
            };
            if let Some(now) = now {
                fs::rename(now, &place).expect("both are in our folder");
            }
            fs::write(&place, bytes).expect("there is room");
            fs::set_permissions(&place, Permissions::from_mode(0o600)).expect("it is ours");
        }
        for (_, path) in names(&self.data()) {
            fs::remove_file(path).expect("it is ours");
        }
        for (name, path) in names(&stage) {
            fs::rename(path, self.file(&name)).expect("both are in our folder");
        }
        fs::remove_dir(&stage).expect("it is empty");
        self.forget();
    }

    /// What is in the folder now is on disk: a test has put it there.
    pub(crate) fn forget(&self) {
        let shadow = self.root.join("shadow");
        fs::remove_dir_all(&shadow).and_then(|()| fs::create_dir(&shadow)).expect("it is ours");
    }

    /// A list that the shim has written: a number and a word on each line.
    fn list(&self, name: &str) -> Vec<(u64, String)> {
        let list = fs::read_to_string(self.root.join("shadow").join(name));
        let list = list.expect("the shim was there");
        list.lines()
            .map(|line| {
                let (number, word) = line.split_once(' ').expect("a number and a word");
                (number.parse().expect("a number"), word.to_owned())
            })
            .collect()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What a failure leaves is what whoever looks for its cause wants to see.
        if self.is_ours && !thread::panicking() {
            drop(fs::remove_dir_all(&self.root));
        }
    }
}

/// Ends a server as nothing else does: without a word.
#[track_caller]
pub(crate) fn kill(mut hub: Hub) {
    hub.signal("KILL");
    assert_eq!(hub.ended_within(PATIENCE).code, None, "a signal ended it");
}

/// Ends a server as one does; gives what its log said.
#[track_caller]
pub(crate) fn stop(mut hub: Hub) -> String {
    hub.signal("TERM");
    let ended = hub.ended_within(PATIENCE);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.err
}

/// The one sentence with which a server refuses to start.
#[track_caller]
pub(crate) fn refusal(ended: &Ended) -> String {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.out.contains("listening"), "it says that it listens: {ended:?}");
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 1, "one sentence, not more: {ended:?}");
    lines[0].to_owned()
}

/// A folder of the build's for what tests make.
fn temporary() -> PathBuf {
    fs::canonicalize(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made it")
}

/// The shim, compiled unless it is there.
fn shim() -> PathBuf {
    static SHARED: OnceLock<PathBuf> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        SHIM.hash(&mut hasher);
        let shared = temporary().join(format!("disk-{:016x}.so", hasher.finish()));
        if !shared.exists() {
            let (source, new) = (shared.with_extension("c"), shared.with_extension("new"));
            fs::write(&source, SHIM).expect("the target folder is ours");
            let mut gcc = Command::new("gcc");
            gcc.args([
                "-std=gnu17",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-shared",
                "-fPIC",
                "-o",
            ]);
            let made = gcc.arg(&new).arg(&source).args(["-ldl", "-lpthread"]).output();
            let made = made.expect("gcc starts");
            let said = String::from_utf8_lossy(&made.stderr);
            assert!(made.status.success(), "gcc refuses the shim:\n{said}");
            fs::rename(&new, &shared).expect("the target folder is ours");
        }
        shared
    });
    shared.clone()
}

/// The files of a folder, by name.
fn names(folder: &Path) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(folder).expect("it is ours");
    let paths = entries.map(|entry| entry.expect("it is ours").path());
    let name = |path: &Path| path.file_name().expect("it has one").to_string_lossy().into_owned();
    paths.map(|path| (name(&path), path)).collect()
}

/// What was synced of a file, with a random part of the pages that it had since, and a random part of its growth.
fn torn(synced: &[u8], now: &[u8], random: &mut Random) -> Vec<u8> {
    let (least, most) = (synced.len().min(now.len()), synced.len().max(now.len()));
    let size = match random.below(3) {
        0 => synced.len(),
        1 => now.len(),
        _ => least + random.index(most - least + 1) / PAGE * PAGE,
    };
    let mut bytes = vec![0; size];
    for (at, page) in bytes.chunks_mut(PAGE).enumerate() {
        let from = if random.below(2) == 0 { now } else { synced };
        let part = from.get(at * PAGE..).unwrap_or_default();
        let count = part.len().min(page.len());
        page[..count].copy_from_slice(&part[..count]);
    }
    bytes
}

/// xorshift64 (Marsaglia 2003): equal seeds give equal numbers.
pub(crate) struct Random(u64);

impl Random {
    /// Any seed will do.
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The low bits of the first few are poor.
        (self.0 >> 11) % limit
    }

    /// The same for a place in memory.
    pub(crate) fn index(&mut self, limit: usize) -> usize {
        usize::try_from(self.below(limit as u64)).expect("it is below a usize")
    }
}
