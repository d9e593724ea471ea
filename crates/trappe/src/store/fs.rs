//! The files of the data folder: the system's. In a simulated world (`--cfg sim`) those of its disk, under the same
//! names.

#[cfg(not(sim))]
pub(super) use std::{
    fs::{
        DirBuilder, File, OpenOptions, exists, hard_link, metadata, read_to_string, remove_file,
        rename, set_permissions, symlink_metadata,
    },
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
};

#[cfg(sim)]
pub(super) use crate::sim::disk::files::{
    DirBuilder, DirBuilderExt, File, FileExt, MetadataExt, OpenOptions, OpenOptionsExt, exists,
    hard_link, may_write, metadata, read_to_string, remove_file, rename, set_permissions,
    symlink_metadata,
};

/// Whether this process may make files in a folder.
#[cfg(not(sim))]
pub(super) fn may_write(folder: &std::path::Path) -> std::io::Result<()> {
    use nix::unistd::{AccessFlags, access};
    Ok(access(folder, AccessFlags::W_OK | AccessFlags::X_OK)?)
}
