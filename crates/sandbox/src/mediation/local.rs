//! Local sockets: a connect by name reaches who listens inside, and nobody else.
//!
//! A socket file of the host may lie in the workspace, and its name reaches across every namespace. So the file is opened here,
//! once; the kernel is asked which socket files belong to listeners of the sandbox's own network namespace; and the caller's socket
//! is connected to the very file that was looked at, so that it cannot be exchanged in between. An abstract name means nothing
//! outside its network namespace (unix(7)).

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::net::{SocketAddrUnix, connect};

use super::os;
use super::socket_files::{SocketFile, SocketFiles};

/// `sun_family`.
const FAMILY: usize = 2;

/// The caller's `struct sockaddr_un`.
#[derive(Debug, Eq, PartialEq)]
enum Name<'a> {
    Abstract(&'a [u8]),
    Path(&'a Path),
}

/// Connects to listeners of one sandbox by their names.
#[derive(Debug)]
pub(super) struct Locals {
    files: Option<SocketFiles>,
}

impl Locals {
    /// `diagnosis` is a socket of the sandbox's network namespace that the kernel answers; without it only abstract names work.
    pub(super) fn new(diagnosis: Option<OwnedFd>) -> Self {
        Self { files: diagnosis.map(SocketFiles::new) }
    }

    /// Connects `socket`, of a thread that stands still, to the address that the thread wrote.
    ///
    /// # Errors
    /// Those of connect(2) for local sockets; a listener outside is one that is not there.
    pub(super) fn connect(&self, socket: BorrowedFd<'_>, thread: u32, address: &[u8]) -> io::Result<()> {
        match name(address)? {
            Name::Abstract(name) => Ok(connect(socket, &SocketAddrUnix::new_abstract_name(name)?)?),
            Name::Path(path) => self.by_path(socket, thread, path),
        }
    }

    fn by_path(&self, socket: BorrowedFd<'_>, thread: u32, path: &Path) -> io::Result<()> {
        let file = open(thread, path)?;
        let which = identify(thread, file.as_fd())?;
        let inside = self.files.as_ref().map_or(Ok(false), |files| files.listening(&which))?;
        if !inside {
            return Err(os(libc::ECONNREFUSED));
        }
        Ok(connect(socket, &SocketAddrUnix::new(own_path(file.as_fd()))?)?)
    }
}

fn name(address: &[u8]) -> io::Result<Name<'_>> {
    let (family, path) = address.split_at_checked(FAMILY).ok_or_else(|| os(libc::EINVAL))?;
    if i32::from(u16::from_ne_bytes([family[0], family[1]])) != libc::AF_UNIX || path.len() > 108 {
        return Err(os(libc::EINVAL));
    }
    match path {
        [] => Err(os(libc::EINVAL)),
        [0, name @ ..] => Ok(Name::Abstract(name)),
        _ => {
            let end = CStr::from_bytes_until_nul(path).map_or(path, CStr::to_bytes);
            Ok(Name::Path(Path::new(std::ffi::OsStr::from_bytes(end))))
        }
    }
}

/// Opens what the thread calls `path`, by its own root and working directory.
fn open(thread: u32, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = rustix::fs::open(process_path(thread, "root"), flags | OFlags::DIRECTORY, Mode::empty())?;
    let absolute = if path.is_absolute() {
        path.to_owned()
    } else {
        fs::read_link(process_path(thread, "cwd"))?.join(path)
    };
    let inside = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    Ok(rustix::fs::openat2(root, &absolute, flags, Mode::empty(), inside)?)
}

/// The file's inode and the file system it lies in, as the kernel itself counts them: what stat(2) says differs on layered
/// file systems.
fn identify(thread: u32, file: BorrowedFd<'_>) -> io::Result<SocketFile> {
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", file.as_raw_fd()))?;
    let field = |name: &str| -> Option<u64> {
        about.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    let mounts = fs::read_to_string(process_path(thread, "mountinfo"))?;
    let found = || {
        let device = device_of_mount(&mounts, field("mnt_id:")?)?;
        Some(SocketFile { device, inode: field("ino:")? })
    };
    found().ok_or_else(|| os(libc::ECONNREFUSED))
}

/// The third field of the mount's line (proc(5), `mountinfo`).
fn device_of_mount(mounts: &str, id: u64) -> Option<(u32, u32)> {
    let line = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let fields =
        line.into_iter().find(|fields| fields.first().and_then(|own| own.parse().ok()) == Some(id))?;
    let (major, minor) = fields.get(2)?.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn process_path(thread: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{thread}/{name}"))
}

fn own_path(file: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_kernel_reads_them() {
        let family = u16::try_from(libc::AF_UNIX).unwrap().to_ne_bytes();
        let address = |rest: &[u8]| [&family[..], rest].concat();
        assert_eq!(name(&address(b"/a\0garbage")).unwrap(), Name::Path(Path::new("/a")));
        assert_eq!(name(&address(b"unterminated")).unwrap(), Name::Path(Path::new("unterminated")));
        assert_eq!(name(&address(b"\0a\0b")).unwrap(), Name::Abstract(b"a\0b"));
        for bad in [&b""[..], &family, &[9, 9, b'a'], &address(&[b'a'; 109])] {
            assert_eq!(name(bad).unwrap_err().raw_os_error(), Some(libc::EINVAL));
        }
    }

    #[test]
    fn a_mount_is_found_by_its_number() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n1021 21 0:45 / /tmp rw - tmpfs tmpfs rw\n";
        assert_eq!(device_of_mount(mounts, 1021), Some((0, 45)));
        assert_eq!(device_of_mount(mounts, 102), None);
    }
}
