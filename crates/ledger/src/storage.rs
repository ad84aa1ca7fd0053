//! The few file operations that the ledger stands on, as a trait, so that a test can put a disk underneath that loses what was not
//! synced. Paths are relative to the ledger's directory, with `/` between their parts.
//!
//! An implementation must never report a sync that did not happen: every acknowledgement rests on it.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

/// A place for files.
pub trait Storage: Debug + Send + Sync + 'static {
    /// The bytes of a file.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names in a directory, in any order; none where there is no such directory.
    ///
    /// # Errors
    /// If it cannot be read.
    fn list(&self, dir: &str) -> io::Result<Vec<String>>;

    /// Writes a whole file, making the directories above it. Nothing of this is durable yet.
    ///
    /// # Errors
    /// If not all of it could be written.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()>;

    /// Opens a file for writing at offsets.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] where there is none.
    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>>;

    /// Renames a file over whatever has the other name. Durable once the directory is synced.
    ///
    /// # Errors
    /// If it cannot be.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file, or a directory with all that is in it. What is not there is removed already.
    ///
    /// # Errors
    /// If it cannot be.
    fn remove(&self, path: &str) -> io::Result<()>;

    /// Makes names in a directory durable: what was made, renamed or removed there.
    ///
    /// # Errors
    /// If that cannot be confirmed.
    fn sync_dir(&self, dir: &str) -> io::Result<()>;

    /// Makes a file's bytes and length durable.
    ///
    /// # Errors
    /// If that cannot be confirmed.
    fn sync_file(&self, path: &str) -> io::Result<()> {
        self.open(path)?.sync()
    }

    /// Makes these files durable, with their names and the directories on the way to them.
    ///
    /// # Errors
    /// If that cannot be confirmed.
    fn sync_files(&self, paths: &[String]) -> io::Result<()> {
        sync_each(self, paths)
    }

    /// Replaces a file in one step: after a crash it is the old one or the new one, whole; once this returns, the new one.
    ///
    /// # Errors
    /// If that cannot be confirmed.
    fn replace(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let beside = format!("{path}.new");
        self.write(&beside, bytes)?;
        self.sync_file(&beside)?;
        self.rename(&beside, path)?;
        self.sync_dir(path.rsplit_once('/').map_or("", |(dir, _)| dir))
    }
}

/// A file open for writing.
pub trait StorageFile: Debug + Send + Sync {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// If not all of it could be written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable (`fdatasync`).
    ///
    /// # Errors
    /// If that cannot be confirmed. What is on the disk is unknown from then on.
    fn sync(&self) -> io::Result<()>;
}

/// More files than this are synced together with the whole file system, which costs one journal commit instead of one each.
const SYNC_TOGETHER: usize = 24;

/// A directory of the real file system, held by one writer at most or by any number of readers.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
    /// Keeps other writers out while it is open.
    _lock: Option<File>,
}

/// A ledger directory cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Another process writes this ledger.
    #[error("another daemon writes the ledger in {}: stop it, or set `BAILIWICK_HOME` to another directory", .0.display())]
    Locked(PathBuf),
    /// The file system refuses.
    #[error("cannot use {} for the ledger: {source}", path.display())]
    Io {
        /// Which directory or file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl Disk {
    /// The directory `root`, made if need be (mode 0700), for the one writer it may have.
    ///
    /// # Errors
    /// If another process has it, or the file system cannot lock or sync.
    pub fn for_writing(root: &Path) -> Result<Self, DiskError> {
        let fail = |source| DiskError::Io { path: root.to_owned(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(fail)?;
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(root.join("lock")).map_err(fail)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DiskError::Locked(root.to_owned())),
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let disk = Self { root: root.to_owned(), _lock: Some(lock) };
        disk.sync_dir("").map_err(fail)?;
        Ok(disk)
    }

    /// The directory `root`, for reading only; a writer may be at work in it.
    ///
    /// # Errors
    /// If it is not there.
    pub fn for_reading(root: &Path) -> Result<Self, DiskError> {
        match fs::metadata(root) {
            Ok(found) if found.is_dir() => Ok(Self { root: root.to_owned(), _lock: None }),
            Ok(_) => {
                Err(DiskError::Io { path: root.to_owned(), source: io::ErrorKind::NotADirectory.into() })
            }
            Err(source) => Err(DiskError::Io { path: root.to_owned(), source }),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }
}

impl Storage for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(path))
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(self.path(dir)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(path);
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(true).write(true).mode(0o600);
        let file = match options.open(&path) {
            // Only below what is there: a home that was removed must not come back with half a ledger in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.root.is_dir() => {
                let above = path.parent().unwrap_or(&self.root);
                fs::DirBuilder::new().recursive(true).mode(0o700).create(above)?;
                options.open(&path)?
            }
            other => other?,
        };
        file.write_all_at(bytes, 0)
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(self.path(path))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let path = self.path(path);
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        File::open(self.path(dir))?.sync_all()
    }

    fn sync_files(&self, paths: &[String]) -> io::Result<()> {
        if paths.len() > SYNC_TOGETHER {
            // Reports write errors of the whole file system since Linux 5.8.
            return Ok(rustix::fs::syncfs(File::open(&self.root)?)?);
        }
        sync_each(self, paths)
    }
}

fn sync_each<S: Storage + ?Sized>(storage: &S, paths: &[String]) -> io::Result<()> {
    let mut dirs = BTreeSet::from([""]);
    for path in paths {
        storage.sync_file(path)?;
        dirs.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
    }
    dirs.into_iter().try_for_each(|dir| storage.sync_dir(dir))
}

impl StorageFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file that is not there, as `None`.
pub(crate) fn optional<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
