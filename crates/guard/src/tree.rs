//! The workspace as files: opened below one directory without following a link, read whole, moved aside, written anew.
//!
//! The agent changes the tree while we look. So nothing is done by a path of several names: a directory is opened first, and what
//! happens in it happens to one name of it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, ResolveFlags, Stat, fchmod, fstat, openat, openat2,
    readlinkat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::rel::Rel;

/// Bytes of a file that are looked at; what is larger is no configuration that a person wrote.
pub(crate) const LARGEST: u64 = 4 << 20;
/// What a file is called while it is moved aside: found again after a crash.
pub(crate) const ASIDE: &str = ".bailiwick-aside-";

/// Never out of the workspace, never through a link.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// A workspace.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    path: PathBuf,
}

/// One name in an open directory.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) dir: OwnedFd,
    pub(crate) name: OsString,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Stamp {
    ino: u64,
    size: i64,
    mtime: (i64, u64),
    ctime: (i64, u64),
    mode: u32,
}

impl From<&Stat> for Stamp {
    fn from(stat: &Stat) -> Self {
        Self {
            ino: stat.st_ino,
            size: stat.st_size,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
            ctime: (stat.st_ctime, stat.st_ctime_nsec),
            mode: stat.st_mode,
        }
    }
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Absent,
    Directory,
    /// A file, whole, and its permission bits.
    File {
        bytes: Vec<u8>,
        mode: u32,
    },
    /// A link and where it leads.
    Link(Vec<u8>),
    /// A file too large to be looked at, a pipe, a socket, a device, or one that cannot be read.
    Other(&'static str),
}

impl Tree {
    /// The workspace at `path`, which has no links in it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(Self { root: openat(CWD, path, flags, Mode::empty())?, path: path.to_owned() })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a directory of the workspace.
    pub(crate) fn dir(&self, rel: &Rel) -> io::Result<OwnedFd> {
        let path = if rel.is_top() { Path::new(".") } else { rel.as_path() };
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match self.open_beneath(path, flags) {
            Err(Errno::ACCESS) if self.make_readable(path) => Ok(self.open_beneath(path, flags)?),
            opened => Ok(opened?),
        }
    }

    fn open_beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        // EAGAIN: something was renamed meanwhile, and the kernel cannot say that we did not leave.
        for _ in 0..64 {
            match openat2(&self.root, path, flags, Mode::empty(), RESOLVE) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return opened,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Lets us list a directory that others can use without being able to list it: what lies in it takes effect all the same.
    fn make_readable(&self, path: &Path) -> bool {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let Ok(dir) = self.open_beneath(path, flags) else { return false };
        let Ok(stat) = fstat(&dir) else { return false };
        let mode = Mode::from_raw_mode(stat.st_mode);
        mode.contains(Mode::XUSR)
            && !mode.contains(Mode::RUSR)
            && rustix::fs::chmod(through(&dir), mode | Mode::RUSR).is_ok()
    }

    /// The directory that `rel` lies in, and its name there.
    pub(crate) fn place(&self, rel: &Rel) -> io::Result<Place> {
        let name = rel.as_path().file_name().ok_or(Errno::ISDIR)?.to_owned();
        Ok(Place { dir: self.dir(&rel.parent())?, name })
    }

    /// Makes the directories of `rel` that are missing.
    pub(crate) fn make_directories(&self, rel: &Rel) -> io::Result<()> {
        let mut made = Rel::default();
        for name in rel.as_path() {
            match rustix::fs::mkdirat(self.dir(&made)?, name, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            made = made.child(name);
        }
        Ok(())
    }

    /// What `rel` stands for, and its stamp.
    pub(crate) fn look(&self, rel: &Rel) -> io::Result<(Found, Option<Stamp>)> {
        match self.place(rel) {
            Ok(place) => place.look(&place.name),
            Err(error) if gone(&error) => Ok((Found::Absent, None)),
            Err(error) => Err(error),
        }
    }

    /// Where following every link leads from `rel`; only for judging links.
    pub(crate) fn leads_to(&self, rel: &Rel) -> Option<PathBuf> {
        self.path.join(rel.as_path()).canonicalize().ok()
    }

    /// Whether `rel` can be reached as a directory without a link, or is not there at all.
    pub(crate) fn plainly_within(&self, rel: &Rel) -> bool {
        match self.dir(rel) {
            Ok(_) => true,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// Whether there is nothing (any more) where a file was looked for.
pub(crate) fn gone(error: &io::Error) -> bool {
    let codes = [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV];
    Errno::from_io_error(error).is_some_and(|errno| codes.contains(&errno))
}

/// A path to an open file itself, whatever its name has become.
pub(crate) fn through(fd: &impl AsRawFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", fd.as_raw_fd()))
}

impl Place {
    /// What `name` in this directory stands for. Never waits, and follows nothing.
    pub(crate) fn look(&self, name: &OsStr) -> io::Result<(Found, Option<Stamp>)> {
        let stat = match statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok((Found::Absent, None)),
            Err(errno) => return Err(errno.into()),
        };
        let found = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Found::Directory,
            FileType::Symlink => match readlinkat(&self.dir, name, Vec::new()) {
                Ok(target) => Found::Link(target.into_bytes()),
                Err(errno) if errno == Errno::NOENT || errno == Errno::INVAL => return self.look_again(),
                Err(errno) => return Err(errno.into()),
            },
            FileType::RegularFile => return self.read(name, &stat),
            _ => Found::Other("not a file"),
        };
        Ok((found, Some(Stamp::from(&stat))))
    }

    /// The name changed between two looks: whoever asked asks again.
    fn look_again(&self) -> io::Result<(Found, Option<Stamp>)> {
        Err(io::Error::from(Errno::AGAIN))
    }

    fn read(&self, name: &OsStr, seen: &Stat) -> io::Result<(Found, Option<Stamp>)> {
        if u64::try_from(seen.st_size).unwrap_or(u64::MAX) > LARGEST {
            return Ok((Found::Other("too large"), Some(Stamp::from(seen))));
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = match openat(&self.dir, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::ACCESS) => return Ok((Found::Other("not readable"), Some(Stamp::from(seen)))),
            Err(Errno::NOENT | Errno::LOOP) => return self.look_again(),
            Err(errno) => return Err(errno.into()),
        };
        let stat = fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return self.look_again();
        }
        let mut bytes = Vec::new();
        File::from(fd).take(LARGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LARGEST {
            return Ok((Found::Other("too large"), Some(Stamp::from(&stat))));
        }
        Ok((Found::File { bytes, mode: stat.st_mode & 0o777 }, Some(Stamp::from(&stat))))
    }

    /// Moves the name aside: from here on it takes no effect. `None` if it is gone already.
    pub(crate) fn move_aside(&self) -> io::Result<Option<OsString>> {
        for _ in 0..16 {
            let aside = aside_name(&self.name)?;
            match renameat_with(&self.dir, &self.name, &self.dir, &aside, RenameFlags::NOREPLACE) {
                Ok(()) => return Ok(Some(aside)),
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::EXIST) => {}
                // Not every file system knows the flag; the name is random.
                Err(Errno::INVAL) => {
                    rustix::fs::renameat(&self.dir, &self.name, &self.dir, &aside)?;
                    return Ok(Some(aside));
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Makes a file readable for us that the agent has closed; it has been moved aside.
    pub(crate) fn open_up(&self, name: &OsStr) {
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if let Ok(fd) = openat(&self.dir, name, flags, Mode::empty()) {
            let _ = rustix::fs::chmod(through(&fd), Mode::RUSR | Mode::WUSR);
        }
    }

    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        match unlinkat(&self.dir, name, AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A new file beside the name, whole.
    pub(crate) fn write_aside(&self, bytes: &[u8], mode: u32) -> io::Result<OsString> {
        let aside = aside_name(&self.name)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let fd = openat(&self.dir, &aside, flags, Mode::RUSR | Mode::WUSR)?;
        let mut file = File::from(fd);
        let written = file.write_all(bytes).and_then(|()| {
            fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
            file.sync_all()
        });
        match written {
            Ok(()) => Ok(aside),
            Err(error) => {
                let _ = self.remove(&aside);
                Err(error)
            }
        }
    }

    /// Puts `bytes` at the name if nothing is there. Whether it did.
    pub(crate) fn put(&self, bytes: &[u8], mode: u32) -> io::Result<bool> {
        let aside = self.write_aside(bytes, mode)?;
        let put = match renameat_with(&self.dir, &aside, &self.dir, &self.name, RenameFlags::NOREPLACE) {
            Ok(()) => return Ok(true),
            Err(Errno::INVAL) => {
                rustix::fs::linkat(&self.dir, &aside, &self.dir, &self.name, AtFlags::empty())
            }
            Err(errno) => Err(errno),
        };
        self.remove(&aside)?;
        match put {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Swaps the name with a file beside it, so that nothing written in between is lost. What was there is at `aside` then.
    pub(crate) fn exchange(&self, aside: &OsStr) -> io::Result<()> {
        Ok(renameat_with(&self.dir, &self.name, &self.dir, aside, RenameFlags::EXCHANGE)?)
    }

    pub(crate) fn sync(&self) {
        let _ = rustix::fs::fsync(self.dir.as_fd());
    }
}

/// A new name that keeps the old one, so that a file found after a crash can be put back where it belongs.
fn aside_name(name: &OsStr) -> io::Result<OsString> {
    let mut aside = OsString::from(format!("{ASIDE}{}-", random()?));
    if name.len() + aside.len() <= 255 {
        aside.push(name);
    }
    Ok(aside)
}

/// The name that a file moved aside had, if `name` is one of those.
pub(crate) fn name_before(name: &OsStr) -> Option<OsString> {
    let rest = name.as_bytes().strip_prefix(ASIDE.as_bytes())?;
    let (_, name) = rest.split_at_checked(17)?;
    (!name.is_empty()).then(|| OsString::from_vec(name.to_vec()))
}

/// Sixteen random hexadecimal digits.
pub(crate) fn random() -> io::Result<String> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    Ok(hex::encode(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn rel(path: &str) -> Rel {
        Rel::new(path).unwrap()
    }

    #[test]
    fn no_link_is_followed_and_nothing_outside_is_opened() {
        let (ours, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(outside.path().join("git")).unwrap();
        fs::write(outside.path().join("git/config"), "host").unwrap();
        symlink(outside.path(), ours.path().join("out")).unwrap();
        symlink(outside.path().join("git/config"), ours.path().join("config")).unwrap();
        let tree = Tree::open(ours.path()).unwrap();
        assert!(tree.dir(&rel("out/git")).is_err());
        assert_eq!(tree.look(&rel("out/git/config")).unwrap().0, Found::Absent);
        assert!(matches!(tree.look(&rel("config")).unwrap().0, Found::Link(_)));
        let place = tree.place(&rel("config")).unwrap();
        let aside = place.move_aside().unwrap().unwrap();
        place.remove(&aside).unwrap();
        assert!(place.put(b"new", 0o644).unwrap());
        assert_eq!(fs::read_to_string(outside.path().join("git/config")).unwrap(), "host");
    }

    #[test]
    fn what_is_put_never_replaces() {
        let ours = tempfile::tempdir().unwrap();
        fs::write(ours.path().join("a"), "theirs").unwrap();
        let place = Tree::open(ours.path()).unwrap().place(&rel("a")).unwrap();
        assert!(!place.put(b"new", 0o644).unwrap());
        assert_eq!(fs::read_to_string(ours.path().join("a")).unwrap(), "theirs");
        assert_eq!(fs::read_dir(ours.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_moved_aside_is_known_again() {
        assert_eq!(name_before(&aside_name(OsStr::new(".envrc")).unwrap()), Some(".envrc".into()));
        assert_eq!(name_before(&aside_name(OsStr::new(&"x".repeat(255))).unwrap()), None);
        assert_eq!(name_before(OsStr::new(".envrc")), None);
    }

    #[test]
    fn a_pipe_does_not_hold_us_up() {
        let ours = tempfile::tempdir().unwrap();
        rustix::fs::mknodat(CWD, ours.path().join("p"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let tree = Tree::open(ours.path()).unwrap();
        assert_eq!(tree.look(&rel("p")).unwrap().0, Found::Other("not a file"));
    }
}
