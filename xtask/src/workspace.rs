//! Where the workspace is, and which files belong to it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
}

/// One text file of the tree.
#[derive(Clone, Debug)]
pub(crate) struct TextFile {
    /// Relative to the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Workspace {
    /// Finds the root from the manifest that cargo runs, which follows a clone that was moved.
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").into());
        let root =
            Path::new(&manifest).parent().context("xtask stands in no workspace")?.to_path_buf();
        ensure!(root.join("Cargo.lock").is_file(), "no Cargo.lock in {}", root.display());
        Ok(Self { root })
    }

    /// Cargo, at the root. xtask itself runs under cargo, whose variables would make every crate look changed.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).current_dir(&self.root);
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
            command.env_remove(name);
        }
        command
    }

    /// The folder that cargo builds in.
    pub(crate) fn target(&self) -> PathBuf {
        let named = std::env::var_os("CARGO_TARGET_DIR");
        self.root.join(named.unwrap_or_else(|| "target".into()))
    }

    /// Every text file that git has or would take: what `.gitignore` names is left out, and so is what isn't UTF-8.
    pub(crate) fn text_files(&self) -> Result<Vec<TextFile>> {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .context("running git ls-files")?;
        ensure!(
            listed.status.success(),
            "git ls-files: {}",
            String::from_utf8_lossy(&listed.stderr).trim()
        );
        let names = String::from_utf8(listed.stdout).context("a file name that is not UTF-8")?;
        let mut paths: Vec<&str> = names.split('\0').filter(|name| !name.is_empty()).collect();
        paths.sort_unstable();
        paths.dedup();
        // What can't be read as text was deleted but not yet committed, or is binary: nothing to say about it here.
        Ok(paths
            .into_iter()
            .filter_map(|path| {
                let text = std::fs::read_to_string(self.root.join(path)).ok()?;
                Some(TextFile { path: path.to_owned(), text })
            })
            .collect())
    }
}
