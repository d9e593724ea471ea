//! The disk under the figures: its file system, a folder for each run, and how often the device was told to flush.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};

const MOUNTS: &str = "/proc/self/mountinfo";
/// File systems that keep nothing: to wait for them costs nothing either.
const IN_MEMORY: &[&str] = &["tmpfs", "ramfs"];
/// Where a device's count of completed flushes stands in its `stat` (Documentation/block/stat.rst of the kernel).
const FLUSHES: usize = 15;

/// A folder on a disk, and what is known of the disk.
pub(super) struct Disk {
    folder: PathBuf,
    /// `ext4 on /dev/vda (rw,relatime)`.
    pub(super) words: String,
    /// The device's counters, where it has any.
    counters: Option<PathBuf>,
    made: AtomicU64,
}

/// A folder of one run; it goes with this value.
pub(super) struct Fresh(PathBuf);

impl Disk {
    /// The disk under `folder`, which is made; an error if it is memory.
    pub(super) fn under(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let folder =
            folder.canonicalize().with_context(|| format!("finding {}", folder.display()))?;
        let mounts = fs::read_to_string(MOUNTS).with_context(|| format!("reading {MOUNTS}"))?;
        let mount = mount_of(&folder, &mounts)
            .with_context(|| format!("{MOUNTS} doesn't show what {} lies on", folder.display()))?;
        ensure!(
            !IN_MEMORY.contains(&mount.kind),
            "{} lies on {}, in memory: name a folder on a disk with $CARGO_TARGET_DIR",
            folder.display(),
            mount.kind
        );
        let words = format!("{} on {} ({})", mount.kind, mount.source, mount.options);
        Ok(Self { words, counters: counters(mount.device), folder, made: AtomicU64::new(0) })
    }

    /// A new folder with nothing in it.
    pub(super) fn fresh(&self) -> Result<Fresh> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder.join(format!("store-{}-{number}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Fresh(folder))
    }

    /// How often the device has flushed its cache, for whomever.
    pub(super) fn flushes(&self) -> Option<u64> {
        let stat = fs::read_to_string(self.counters.as_ref()?).ok()?;
        stat.split_whitespace().nth(FLUSHES)?.parse().ok()
    }
}

impl Fresh {
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        // What stays lies under target/, and the next run makes another.
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// A line of the table of mounts.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    device: &'a str,
    kind: &'a str,
    source: &'a str,
    options: &'a str,
}

/// The mount that a folder lies on (proc(5)): the deepest, and of several at one place the last.
fn mount_of<'a>(folder: &Path, mounts: &'a str) -> Option<Mount<'a>> {
    let mut best: Option<(usize, Mount<'a>)> = None;
    for line in mounts.lines() {
        let Some((place, what)) = line.split_once(" - ") else { continue };
        let place: Vec<&str> = place.split(' ').collect();
        let what: Vec<&str> = what.split(' ').collect();
        let ([_, _, device, _, point, options, ..], [kind, source, ..]) = (&place[..], &what[..])
        else {
            continue;
        };
        if folder.starts_with(point) && best.as_ref().is_none_or(|(deep, _)| *deep <= point.len()) {
            best = Some((point.len(), Mount { device, kind, source, options }));
        }
    }
    best.map(|(_, mount)| mount)
}

/// The counters of a device `MAJOR:MINOR`; a partition's flushes are counted at its disk only.
fn counters(device: &str) -> Option<PathBuf> {
    let own = Path::new("/sys/dev/block").join(device).canonicalize().ok()?;
    let disk = if own.join("partition").exists() { own.parent()?.to_path_buf() } else { own };
    Some(disk.join("stat")).filter(|stat| stat.exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n\
30 27 0:27 / /tmp rw shared:1 - tmpfs tmpfs rw\n\
31 30 254:1 /x /tmp/work rw,noatime shared:2 master:1 - xfs /dev/vdb rw\n";

    #[test]
    fn a_folder_lies_on_its_deepest_mount() {
        let of = |folder: &str| mount_of(Path::new(folder), TABLE).map(|mount| mount.kind);
        assert_eq!(of("/srv/target"), Some("ext4"));
        assert_eq!(of("/tmp/target"), Some("tmpfs"));
        assert_eq!(of("/tmpfile"), Some("ext4"));
        let mount = mount_of(Path::new("/tmp/work/target"), TABLE).expect("it is there");
        assert_eq!(mount.device, "254:1");
        assert_eq!((mount.source, mount.options), ("/dev/vdb", "rw,noatime"));
        assert_eq!(mount_of(Path::new("/x"), "nonsense\n"), None);
    }
}
