//! The sandbox attacks itself before it lets the program run.
//!
//! Each check tries something and looks at what the kernel answers. The supervisor decides what a miss means.

use std::ffi::CStr;

use super::lock;
use crate::program::{Check, SelfTest};
use crate::raw::{self, Errno};
use crate::socket::{self, Address};

/// The mask of checks that held.
pub(super) fn run(test: &SelfTest) -> u64 {
    Check::ALL.iter().filter(|check| holds(**check, test)).fold(0, |mask, check| mask | check.bit())
}

fn holds(check: Check, test: &SelfTest) -> bool {
    match check {
        Check::HiddenFile => matches!(open(&test.hidden, libc::O_RDONLY), Err(libc::ENOENT | libc::ENOTDIR)),
        Check::Landlock => {
            raw::stat(&test.forbidden).is_ok() && open(&test.forbidden, libc::O_RDONLY) == Err(libc::EACCES)
        }
        Check::ReadOnlyRoot => {
            matches!(create(c"/.bailiwick-self-test"), Err(libc::EROFS | libc::EACCES))
        }
        Check::Workspace => workspace_is_writable(&test.workdir),
        Check::SocketFamily => socket_errno(libc::AF_VSOCK, libc::SOCK_STREAM, 0) == libc::EAFNOSUPPORT,
        Check::SocketProtocol => {
            socket_errno(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP) == libc::EPROTONOSUPPORT
        }
        Check::SystemCall => keyring_errno() == libc::EPERM,
        Check::Namespaces => new_namespace_errno() == libc::EPERM,
        Check::Connect => connect_errno() == test.connect_answer,
        Check::Capabilities => lock::capabilities() == Ok([0; 6]) && bounding_set_is_empty(),
        Check::NoNewPrivileges => raw::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0) == Ok(1),
        Check::FirstProcess => raw::getpid() == 1,
        Check::UserId => raw::getuid() == test.uid,
    }
}

fn open(path: &CStr, flags: i32) -> Result<(), Errno> {
    raw::open(path, flags, 0).map(raw::close)
}

fn create(path: &CStr) -> Result<(), Errno> {
    raw::open(path, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o600).map(raw::close)
}

/// An unnamed file first, which leaves nothing behind; not every file system has them.
fn workspace_is_writable(workdir: &CStr) -> bool {
    match raw::open(workdir, libc::O_TMPFILE | libc::O_RDWR, 0o600) {
        Ok(fd) => {
            raw::close(fd);
            true
        }
        Err(libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL) => {
            let Ok(dir) = raw::open(workdir, libc::O_RDONLY | libc::O_DIRECTORY, 0) else { return false };
            let name = c".bailiwick-self-test";
            let made = raw::openat(dir, name, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o600);
            let gone = made.map(raw::close).and_then(|()| raw::unlinkat(dir, name));
            raw::close(dir);
            gone.is_ok()
        }
        Err(_) => false,
    }
}

fn socket_errno(family: i32, kind: i32, protocol: i32) -> Errno {
    match socket::open(family, kind, protocol) {
        Ok(fd) => {
            raw::close(fd);
            0
        }
        Err(errno) => errno,
    }
}

fn keyring_errno() -> Errno {
    const GET_KEYRING_ID: i32 = 0;
    const PROCESS_KEYRING: i32 = -2;
    // SAFETY: takes no pointer.
    match unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, PROCESS_KEYRING, 0) } {
        -1 => raw::errno(),
        _ => 0,
    }
}

fn new_namespace_errno() -> Errno {
    match raw::fork(libc::CLONE_NEWUSER.cast_unsigned().into(), None) {
        Ok(0) => raw::exit(0),
        Ok(_) => 0,
        Err(errno) => errno,
    }
}

/// 192.0.2.1 is for documentation and never routed (RFC 5737).
fn connect_errno() -> Errno {
    let Ok(fd) = socket::open(libc::AF_INET, libc::SOCK_STREAM, 0) else { return 0 };
    let result = socket::connect_raw(fd, Address::V4([192, 0, 2, 1]), 9);
    raw::close(fd);
    result.err().unwrap_or(0)
}

fn bounding_set_is_empty() -> bool {
    (0..64).all(|capability| {
        matches!(raw::prctl(libc::PR_CAPBSET_READ, capability, 0), Ok(0) | Err(libc::EINVAL))
    })
}
