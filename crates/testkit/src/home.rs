//! A `BAILIWICK_HOME` and a user's home for one test, gone when dropped.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// Private directories of one test. The product's daemon ends by itself when its home is gone.
#[derive(Debug)]
pub struct TempHome {
    directory: TempDir,
}

impl TempHome {
    /// Empty directories with short paths.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("bw-").tempdir().unwrap();
        for name in ["home", "user", "work"] {
            // As the product would make it: closed to others.
            std::fs::DirBuilder::new().mode(0o700).create(directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    /// The value of `BAILIWICK_HOME`.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("home")
    }

    /// The value of `HOME`.
    pub fn user(&self) -> PathBuf {
        self.directory.path().join("user")
    }

    /// A workspace: the working directory of commands.
    pub fn workspace(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Room for a test's own files, outside all three.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file below `BAILIWICK_HOME`, for example `resources/forge.toml`.
    pub fn write(&self, path: &str, text: &str) {
        let full = self.path().join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }
}

impl Default for TempHome {
    fn default() -> Self {
        Self::new()
    }
}
