//! Questions to the kernel that need no sandbox.

use std::io;

/// The Landlock ABI of this kernel; 0 without Landlock (landlock_create_ruleset(2)).
#[must_use]
pub fn landlock_abi() -> u32 {
    landlock_query(1)
}

/// The bit set of Landlock errata fixed in this kernel; 0 if it cannot say.
#[must_use]
pub fn landlock_errata() -> u32 {
    landlock_query(2)
}

fn landlock_query(flags: u32) -> u32 {
    let none = std::ptr::null::<libc::c_void>();
    // SAFETY: with a query flag the attribute must be null and its size zero.
    let answer = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0usize, flags) };
    u32::try_from(answer).unwrap_or(0)
}

/// Keeps other processes of the same user from reading this process's memory or attaching to it, and keeps its memory out of
/// core dumps.
///
/// # Errors
/// Never on Linux.
pub fn set_not_dumpable() -> io::Result<()> {
    crate::raw::prctl(libc::PR_SET_DUMPABLE, 0, 0).map(|_| ()).map_err(io::Error::from_raw_os_error)
}
