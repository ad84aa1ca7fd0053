//! `BAILIWICK_HOME`: the one directory where state lives, and the lock that makes one daemon its owner.
//!
//! Refuses a directory that others can read, and a file system that cannot lock or sync: what is promised durable must be.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use bailiwick_catalogue::DECLARED;
use rustix::fs::{FlockOperation, flock};

/// A home whose owner this process is, until it is dropped.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    _lock: File,
}

/// Why a directory cannot be the home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Another daemon owns it.
    #[error("another daemon{} owns `{}`", .pid.map(|pid| format!(", process {pid},")).unwrap_or_default(), .path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
        /// The daemon's process, if it has said so already.
        pid: Option<u32>,
    },
    /// It cannot be made or opened.
    #[error("cannot use `{}` for BAILIWICK_HOME: {source}", .path.display())]
    Io {
        /// The directory or the file in it.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It belongs to somebody else, or others may read it.
    #[error("`{}` must belong to you and be closed to others", .0.display())]
    Open(PathBuf),
}

impl HomeError {
    /// What would make it work.
    #[must_use]
    pub fn fix(&self) -> String {
        match self {
            Self::Busy { pid: Some(pid), .. } => {
                format!("use the daemon that is there, or stop it: kill {pid}")
            }
            Self::Busy { pid: None, .. } => "use the daemon that is there, or stop it".to_owned(),
            Self::Io { .. } => "set BAILIWICK_HOME to a directory of your own on a local disk".to_owned(),
            Self::Open(path) => {
                format!("chmod 700 {}   (or set BAILIWICK_HOME to a directory of your own)", path.display())
            }
        }
    }
}

impl Home {
    /// Makes `path` the home of this process: creates what is missing, and locks it.
    ///
    /// # Errors
    /// If another daemon owns it, others can read it, or its file system cannot lock or sync.
    pub fn own(path: &Path) -> Result<Self, HomeError> {
        create(path)?;
        let lock_path = path.join("daemon.lock");
        let at = |source| HomeError::Io { path: lock_path.clone(), source };
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(at)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(HomeError::Busy { path: path.to_owned(), pid: owner(&mut lock) });
            }
            Err(errno) => return Err(at(errno.into())),
        }
        sign(&mut lock).map_err(at)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the ledger lies.
    pub fn ledger(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// Whether the directory is still there. A daemon without a home exits.
    pub fn exists(&self) -> bool {
        self.path.join("daemon.lock").exists()
    }
}

/// Writes into the lock who holds it, for whoever finds it held.
fn sign(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    write!(lock, "{}", std::process::id())?;
    lock.sync_all()
}

/// Who holds the lock, as far as it says so.
fn owner(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.rewind().ok()?;
    lock.read_to_string(&mut text).ok()?;
    text.parse().ok()
}

/// Creates the home and the directories a person edits in, closed to others. A home that was not there yet declares what is public and
/// read without a credential ([`DECLARED`]), as files that a person can change and remove.
///
/// # Errors
/// If it cannot be created, or is open to others: then nothing is made in it.
pub fn create(path: &Path) -> Result<(), HomeError> {
    let new = !path.exists();
    make(path)?;
    closed(path)?;
    ["resources", "policies", "sessions"].iter().try_for_each(|part| make(&path.join(part)))?;
    if new { DECLARED.iter().try_for_each(|name| declare(&path.join("resources"), name)) } else { Ok(()) }
}

fn declare(resources: &Path, name: &str) -> Result<(), HomeError> {
    let path = resources.join(format!("{name}.toml"));
    let text = format!(
        "# Declared when this home was made: read by grammar, without a credential. `bailiwick resource remove {name}` refuses it from \
         then on.\ntemplate = \"{name}\"\n"
    );
    // Another process may be making the same home: what is there already is whole, and stays.
    let partial = resources.join(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&partial, text).and_then(|()| match fs::hard_link(&partial, &path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        Ok(()) | Err(_) => fs::remove_file(&partial),
    });
    written.map_err(|source| HomeError::Io { path, source })
}

fn make(path: &Path) -> Result<(), HomeError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| HomeError::Io { path: path.to_owned(), source })
}

fn closed(path: &Path) -> Result<(), HomeError> {
    let metadata = fs::metadata(path).map_err(|source| HomeError::Io { path: path.to_owned(), source })?;
    if metadata.uid() != rustix::process::getuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(HomeError::Open(path.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn has_one_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b");
        let home = Home::own(&path).unwrap();
        assert!(
            matches!(Home::own(&path), Err(HomeError::Busy { pid, .. }) if pid == Some(std::process::id()))
        );
        drop(home);
        Home::own(&path).unwrap();
    }

    #[test]
    fn a_new_home_declares_what_is_public_and_another_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new");
        create(&path).unwrap();
        let snapshot = crate::Snapshot::load(&path, &crate::Settings::default()).unwrap();
        assert_eq!(snapshot.catalogue.iter().count(), DECLARED.len());
        assert!(snapshot.catalogue.iter().all(|resource| resource.credential.is_none()));
        fs::remove_file(path.join("resources/npm.toml")).unwrap();
        create(&path).unwrap();
        assert!(!path.join("resources/npm.toml").exists());
    }

    #[test]
    fn refuses_a_directory_open_to_others() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(Home::own(directory.path()), Err(HomeError::Open(_))));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
