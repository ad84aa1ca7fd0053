//! seccomp user notifications (seccomp_unotify(2)): the system calls that wait for the supervisor's answer.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::raw::{errno, uninterrupted};

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
const ID_VALID: libc::c_ulong = 0x4008_2102;
const SET_FLAGS: libc::c_ulong = 0x4008_2104;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct RawNotification {
    id: u64,
    pid: u32,
    flags: u32,
    nr: i32,
    arch: u32,
    instruction_pointer: u64,
    args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct RawResponse {
    id: u64,
    val: i64,
    error: i32,
    flags: u32,
}

/// A system call that waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Notification {
    /// Names this waiting call and no other, as long as it waits.
    pub id: u64,
    /// The thread, in the supervisor's process namespace.
    pub thread: u32,
    /// System call number.
    pub number: i32,
    /// Arguments, unchecked.
    pub arguments: [u64; 6],
}

/// The receiving end of a filter's notifications.
#[derive(Debug)]
pub struct Listener(OwnedFd);

impl Listener {
    /// Takes over a descriptor returned by seccomp(2). Where the kernel can, a waiting call is handed over without a detour
    /// through the scheduler.
    #[must_use]
    pub fn new(fd: OwnedFd) -> Self {
        let synchronous: libc::c_ulong = 1;
        // SAFETY: the argument is a number. Linux before 6.6 refuses, which costs only speed.
        unsafe { libc::ioctl(fd.as_raw_fd(), SET_FLAGS, synchronous) };
        Self(fd)
    }

    /// Waits for a call; `None` when no process under the filter is left. Not to be called by two threads at once: before
    /// Linux 6.11 the one that loses the race would wait for ever.
    ///
    /// # Errors
    /// Never in practice.
    pub fn receive(&self) -> io::Result<Option<Notification>> {
        loop {
            if !self.wait()? {
                return Ok(None);
            }
            let mut raw = RawNotification::default();
            // SAFETY: the kernel wants a zeroed `struct seccomp_notif` and fills it.
            let result = unsafe { libc::ioctl(self.0.as_raw_fd(), RECEIVE, &raw mut raw) };
            match if result == 0 { 0 } else { errno() } {
                0 => {
                    let RawNotification { id, pid: thread, nr: number, args: arguments, .. } = raw;
                    return Ok(Some(Notification { id, thread, number, arguments }));
                }
                // The caller was killed between the two calls, or a signal came.
                libc::ENOENT | libc::EINTR => {}
                other => return Err(io::Error::from_raw_os_error(other)),
            }
        }
    }

    fn wait(&self) -> io::Result<bool> {
        let mut poll = libc::pollfd { fd: self.0.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: `poll` is a live, exclusive `struct pollfd`.
        uninterrupted(|| match unsafe { libc::poll(&raw mut poll, 1, -1) } {
            -1 => Err(errno()),
            _ => Ok(()),
        })
        .map_err(io::Error::from_raw_os_error)?;
        Ok(poll.revents & libc::POLLIN != 0)
    }

    /// Whether the call still waits: then its thread has not moved, and what was read of it belongs to it.
    #[must_use]
    pub fn is_waiting(&self, notification: &Notification) -> bool {
        // SAFETY: reads one u64.
        unsafe { libc::ioctl(self.0.as_raw_fd(), ID_VALID, &raw const notification.id) == 0 }
    }

    /// Lets the call return 0, or fail with an error number.
    pub fn answer(&self, notification: &Notification, result: Result<(), i32>) {
        let error = result.err().map_or(0, |errno| -errno.abs());
        self.respond(&RawResponse { id: notification.id, val: 0, error, flags: 0 });
    }

    fn respond(&self, response: &RawResponse) {
        // SAFETY: reads one `struct seccomp_notif_resp`. It fails only if nobody waits any more.
        unsafe { libc::ioctl(self.0.as_raw_fd(), SEND, std::ptr::from_ref(response)) };
    }
}
