//! Putting files into a private home. A hostile program has had it to itself: any directory in it may by now be a link to one of ours.
//!
//! So each step is taken from the directory before it and refuses links, and a file is never opened for writing: a new one is made
//! beside it and takes its place.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::OwnedFd,
    path::{Component, Path},
};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

/// A private home, seen from outside.
#[derive(Debug)]
pub(crate) struct PrivateHome(OwnedFd);

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl PrivateHome {
    /// The one at `path`, which is ours.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, DIRECTORY, Mode::empty())?))
    }

    /// Whether anything is at `path`, link or not.
    pub(crate) fn has(&self, path: &Path) -> bool {
        let found = self
            .directory(path, false)
            .and_then(|(directory, name)| Ok(statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?));
        found.is_ok()
    }

    /// Makes `contents` the file at `path`, closed to others.
    ///
    /// # Errors
    /// If something on the way is not a directory, or what is there cannot be replaced by a file.
    pub(crate) fn put(&self, path: &Path, contents: &[u8], executable: bool) -> io::Result<()> {
        let (directory, name) = self.directory(path, true)?;
        let partial = format!(".bailiwick-{}", uuid::Uuid::new_v4().simple());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = if executable { Mode::RWXU } else { Mode::RUSR | Mode::WUSR };
        let mut file = File::from(openat(&directory, &partial, flags, mode)?);
        let put =
            file.write_all(contents).and_then(|()| Ok(renameat(&directory, &partial, &directory, name)?));
        if put.is_err() {
            let _ = unlinkat(&directory, &partial, AtFlags::empty());
        }
        put
    }

    /// The directory that `path` lies in, and its name there.
    fn directory<'p>(&self, path: &'p Path, make: bool) -> io::Result<(OwnedFd, &'p std::ffi::OsStr)> {
        let odd = || io::Error::new(io::ErrorKind::InvalidInput, "it is not a path below the home");
        let name = path.file_name().ok_or_else(odd)?;
        let mut directory = self.0.try_clone()?;
        for part in path.parent().unwrap_or(Path::new("")).components() {
            let Component::Normal(part) = part else { return Err(odd()) };
            let mut next = openat(&directory, part, DIRECTORY, Mode::empty());
            if make && matches!(next, Err(Errno::NOENT)) {
                match rustix::fs::mkdirat(&directory, part, Mode::RWXU) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
                next = openat(&directory, part, DIRECTORY, Mode::empty());
            }
            directory = next?;
        }
        Ok((directory, name))
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_link_that_was_planted_is_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (home, host) = (scratch.path().join("home"), scratch.path().join("host"));
        fs::create_dir_all(home.join("real")).unwrap();
        fs::create_dir(&host).unwrap();
        fs::write(host.join("file"), "mine").unwrap();
        symlink(&host, home.join("dir")).unwrap();
        symlink(host.join("file"), home.join("real/file")).unwrap();
        let private = PrivateHome::at(&home).unwrap();
        private.put(Path::new("new/deep/file"), b"1", false).unwrap();
        assert!(private.put(Path::new("dir/file"), b"2", false).is_err());
        assert!(private.put(Path::new("dir/other"), b"2", false).is_err());
        assert!(private.put(Path::new("../file"), b"2", false).is_err());
        private.put(Path::new("real/file"), b"3", false).unwrap();
        assert_eq!(fs::read_to_string(host.join("file")).unwrap(), "mine");
        assert_eq!(fs::read_dir(&host).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(home.join("real/file")).unwrap(), "3");
        assert_eq!(fs::read_to_string(home.join("new/deep/file")).unwrap(), "1");
        assert!(private.has(Path::new("dir")) && !private.has(Path::new("dir/file")));
        assert_eq!(fs::read_dir(home.join("real")).unwrap().count(), 1, "something was left behind");
    }
}
