//! Where the repository is and which files belong to it.
//!
//! "Belong" is git's answer: tracked, or untracked and not ignored, so that a rule is seen to be broken before the commit and
//! never by a file that will not be part of one.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The checkout that this `xtask` was built from.
#[derive(Debug, Clone)]
pub(crate) struct Repo {
    root: PathBuf,
}

impl Repo {
    /// The parent of this package's directory.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent directory")?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// The workspace root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A path below the workspace root.
    pub(crate) fn join(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Cargo's target directory, which `CARGO_TARGET_DIR` may have moved.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.join("target"), PathBuf::from)
    }

    /// Paths, relative to the root, of every file git tracks or would track.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        let listing = process::output(
            Command::new("git")
                .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
                .current_dir(&self.root),
        )?;
        let mut files: Vec<PathBuf> =
            listing.split('\0').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        files.retain(|path| self.join(path).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Copies every file of [`Repo::files`] below `destination`, keeping modes.
    pub(crate) fn copy_to(&self, destination: &Path) -> Result<()> {
        for file in self.files()? {
            let to = destination.join(&file);
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
            }
            std::fs::copy(self.join(&file), &to).with_context(|| format!("copying {}", file.display()))?;
        }
        Ok(())
    }
}
