//! `clone` into new namespaces.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::child::{self, Prepared};
use crate::program::Program;
use crate::raw;

/// The sandbox's first process, seen from outside.
#[derive(Debug)]
pub struct Spawned {
    /// Its process id in the supervisor's process namespace.
    pub pid: i32,
    /// A descriptor that means this process and never another one.
    pub pidfd: OwnedFd,
}

/// Starts the sandbox's first process, which interprets `program` and reports on `channel`.
///
/// The process dies with *the thread that calls this* (`PR_SET_PDEATHSIG` follows threads), so that thread has to live as long
/// as the sandbox; it also dies with the other end of `channel`. The caller must reap it.
///
/// # Errors
/// `ENOSPC`, `EPERM`, `EUSERS`: this user may not create these namespaces. Anything else: no memory, no process left.
pub fn spawn(program: &Program, channel: BorrowedFd<'_>) -> io::Result<Spawned> {
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_PIDFD;
    let mut prepared = Prepared {
        argv: pointers(&program.argv),
        environment: pointers(&program.environment),
        sources: vec![-1; program.mounts.len()],
    };
    let mut pidfd = -1;
    let old = SignalMask::block_all()?;
    let result = raw::fork(namespaces.cast_unsigned().into(), Some(&mut pidfd));
    if result == Ok(0) {
        child::run(program, &mut prepared, channel.as_raw_fd());
    }
    drop(old);
    let pid = result.map_err(io::Error::from_raw_os_error)?;
    // SAFETY: `clone` succeeded in the parent, so CLONE_PIDFD stored a new descriptor that nothing else owns.
    Ok(Spawned { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) } })
}

/// A null-terminated array of pointers into `strings`, which must outlive its use.
fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
}

/// Holds every signal back while the child is made: a handler of ours must never run in it.
struct SignalMask(libc::sigset_t);

impl SignalMask {
    fn block_all() -> io::Result<Self> {
        // SAFETY: sigsets are plain data; `sigfillset` and the call initialise them.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut old: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            match libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut old) {
                0 => Ok(Self(old)),
                errno => Err(io::Error::from_raw_os_error(errno)),
            }
        }
    }
}

impl Drop for SignalMask {
    fn drop(&mut self) {
        // SAFETY: `self.0` was filled by the kernel.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
