//! Where the repository that a process pushes from keeps its objects. It is a hint: whatever is found there is hashed before it is believed,
//! so a wrong directory costs a comparison, and never makes one come out well.

use std::{
    fs,
    io::Read,
    os::unix::ffi::OsStrExt as _,
    path::{Component, Path, PathBuf},
};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};

/// The longest file that names a directory, in bytes.
const LONGEST: u64 = 4096;

/// The objects of the repository that `directory`, or one above it, belongs to. Nothing above `top` is looked at.
pub fn store_of(directory: &Path, top: &Path) -> Option<PathBuf> {
    let plain =
        |path: &Path| path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain(directory) || !directory.starts_with(top) {
        return None;
    }
    let above = directory.ancestors().take_while(|above| above.starts_with(top));
    above
        .filter_map(repository)
        .map(|repository| common(&repository).join("objects"))
        .find(|store| store.is_dir())
}

/// The repository whose top is `directory`: its `.git`, the directory that such a file names, or itself if it is bare.
fn repository(directory: &Path) -> Option<PathBuf> {
    let inner = directory.join(".git");
    match fs::symlink_metadata(&inner) {
        Ok(found) if found.is_dir() => Some(inner),
        Ok(found) if found.is_file() => named(&inner, b"gitdir: ", directory),
        Ok(_) => None,
        Err(_) => directory.join("HEAD").is_file().then(|| directory.to_owned()),
    }
}

/// What several working trees share, for the part of one of them.
fn common(repository: &Path) -> PathBuf {
    named(&repository.join("commondir"), b"", repository).unwrap_or_else(|| repository.to_owned())
}

/// The path that the file at `path` holds after `prefix`, from `base`.
fn named(path: &Path, prefix: &[u8], base: &Path) -> Option<PathBuf> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::empty()).ok()?;
    let regular =
        fstat(&file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile);
    let mut content = Vec::new();
    fs::File::from(file).take(LONGEST).read_to_end(&mut content).ok().filter(|_| regular)?;
    let line = content.split(|byte| *byte == b'\n').next()?.strip_prefix(prefix)?;
    (!line.is_empty()).then(|| base.join(std::ffi::OsStr::from_bytes(line)))
}
