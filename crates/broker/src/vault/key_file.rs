//! The key file: 32 random bytes beside the database, readable by its owner only.
//!
//! It protects copies of the database (a backup, a disk image), not against another program of the same user. It must never be
//! replaced in place: a new key is staged beside it, the rows are rewrapped in one transaction, and only then it is moved over, so
//! that at every moment one of the two files opens the database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::{
    VaultError,
    seal::{KEY_LENGTH, KeyId, VaultKey, random_key},
};

/// Where the vault's key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    path: PathBuf,
}

/// A key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It could not be read or written.
    #[error("cannot {attempt} the vault's key file {}: {source}", path.display())]
    Io {
        /// What was attempted.
        attempt: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others can read it.
    #[error(
        "the vault's key file {0} has mode {1:04o}: others may have read it; run `chmod 600 {0}`, and, \
         if that may have happened, replace every secret at its issuer and with `bailiwick secret set NAME`", path.display(), mode & 0o7777
    )]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else could change it.
    #[error("the vault's key file {} belongs to uid {owner}, not to {us}: run as its owner, or give it back with `chown {us} {}`",
        path.display(), path.display())]
    NotOurs {
        /// Which file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// It is no key.
    #[error("the vault's key file {} is not a key of {KEY_LENGTH} bytes: restore it from a backup", path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
    },
}

impl KeyFile {
    /// The key file at `path`, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates it with a new key. An existing file is an error, never overwritten.
    pub(super) fn create(&self) -> Result<VaultKey, VaultError> {
        create(&self.path)
    }

    /// The key in it; `None` where there is no file.
    pub(super) fn load(&self) -> Result<Option<VaultKey>, VaultError> {
        load(&self.path)
    }

    /// The key with this id, from the file or from a rotation that was interrupted after the rows were written. In that case
    /// the rotation is completed.
    pub(super) fn load_matching(&self, id: KeyId) -> Result<VaultKey, VaultError> {
        let current = self.load()?;
        match current {
            Some(key) if key.id() == id => Ok(key),
            current => match load(&self.staged_path())? {
                Some(staged) if staged.id() == id => {
                    self.promote()?;
                    Ok(staged)
                }
                _ => Err(match current {
                    Some(key) => {
                        VaultError::WrongKey { path: self.path.clone(), needed: id, found: key.id() }
                    }
                    None => VaultError::KeyMissing { path: self.path.clone(), needed: id },
                }),
            },
        }
    }

    /// A new key beside the current one. One that is there already is used, and never replaced: rows may be sealed with it if an
    /// earlier rotation was cut off.
    pub(super) fn stage(&self) -> Result<VaultKey, VaultError> {
        let path = self.staged_path();
        match load(&path) {
            Ok(Some(key)) => Ok(key),
            Ok(None) => create(&path),
            // Cut off while it was written, and so before anything was sealed with it.
            Err(VaultError::KeyFile(KeyFileError::NotAKey { path })) => {
                let failed = |source| KeyFileError::Io { attempt: "replace", path: path.clone(), source };
                fs::remove_file(&path).map_err(failed)?;
                create(&path)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the staged key the current one.
    pub(super) fn promote(&self) -> Result<(), VaultError> {
        fs::rename(self.staged_path(), &self.path)
            .and_then(|()| sync_directory(&self.path))
            .map_err(|source| KeyFileError::Io { attempt: "replace", path: self.path.clone(), source }.into())
    }

    fn staged_path(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".next");
        name.into()
    }
}

fn create(path: &Path) -> Result<VaultKey, VaultError> {
    let bytes = random_key()?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(bytes.as_slice())?;
            file.sync_all()
        })
        .and_then(|()| sync_directory(path))
        .map_err(|source| KeyFileError::Io { attempt: "create", path: path.to_owned(), source })?;
    VaultKey::new(&bytes)
}

/// A file that was just created survives a power cut only once its directory is on stable storage.
fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if parent != Path::new("") => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

fn load(path: &Path) -> Result<Option<VaultKey>, VaultError> {
    let failed = |source| KeyFileError::Io { attempt: "read", path: path.to_owned(), source };
    // A link could lead to a file of somebody else's choice; a FIFO could make us wait.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error).into()),
    };
    let metadata = file.metadata().map_err(failed)?;
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        return Err(KeyFileError::NotOurs { path: path.to_owned(), owner: metadata.uid(), us }.into());
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(KeyFileError::Exposed { path: path.to_owned(), mode: metadata.mode() }.into());
    }
    let not_a_key = || KeyFileError::NotAKey { path: path.to_owned() };
    if !metadata.is_file() || metadata.len() != KEY_LENGTH as u64 {
        return Err(not_a_key().into());
    }
    let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
    file.read_exact(bytes.as_mut_slice()).map_err(failed)?;
    // What a file system leaves after a power cut in the middle of creation.
    if bytes.iter().all(|byte| *byte == bytes[0]) {
        return Err(not_a_key().into());
    }
    VaultKey::new(&bytes).map(Some)
}
