//! System calls as functions that return an error number instead of touching anything else.
//!
//! Every function here is safe to call between `clone` and `execve` in a process copied from a threaded one: none of them
//! allocates, takes a lock or unwinds.

use std::ffi::CStr;
use std::os::fd::RawFd;

use libc::{c_int, c_long, c_uint, c_ulong, c_void};

/// An `errno` value.
pub(crate) type Errno = i32;

/// Identity and kind of an open file.
#[derive(Clone, Copy)]
pub(crate) struct Stat {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) mode: u32,
}

impl Stat {
    pub(crate) fn is_dir(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    pub(crate) fn is_regular(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

pub(crate) fn errno() -> Errno {
    // SAFETY: `__errno_location` returns the address of this thread's errno, always valid.
    unsafe { *libc::__errno_location() }
}

fn check(result: c_long) -> Result<c_long, Errno> {
    if result == -1 { Err(errno()) } else { Ok(result) }
}

fn check_fd(result: c_long) -> Result<RawFd, Errno> {
    check(result).map(|fd| fd as RawFd)
}

fn done(result: c_int) -> Result<(), Errno> {
    check(c_long::from(result)).map(|_| ())
}

/// Retries `call` while a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(libc::EINTR) => {}
            other => return other,
        }
    }
}

pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` runs no destructor and never returns.
    unsafe { libc::_exit(code) }
}

pub(crate) fn openat(dir: RawFd, path: &CStr, flags: c_int, mode: c_uint) -> Result<RawFd, Errno> {
    // SAFETY: `path` is NUL-terminated and outlives the call.
    check_fd(c_long::from(unsafe { libc::openat(dir, path.as_ptr(), flags | libc::O_CLOEXEC, mode) }))
}

pub(crate) fn open(path: &CStr, flags: c_int, mode: c_uint) -> Result<RawFd, Errno> {
    openat(libc::AT_FDCWD, path, flags, mode)
}

pub(crate) fn close(fd: RawFd) {
    // SAFETY: closing a number this process owns; an error leaves it closed on Linux.
    let _ = unsafe { libc::close(fd) };
}

pub(crate) fn close_range(first: u32, last: u32) -> Result<(), Errno> {
    if first > last {
        return Ok(());
    }
    // SAFETY: takes no pointer.
    check(unsafe { libc::syscall(libc::SYS_close_range, c_ulong::from(first), c_ulong::from(last), 0) })
        .map(|_| ())
}

/// Makes `to` mean what `from` means; `flags` is 0 or `O_CLOEXEC`.
pub(crate) fn dup3(from: RawFd, to: RawFd, flags: c_int) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    check(c_long::from(unsafe { libc::dup3(from, to, flags) })).map(|_| ())
}

/// A pipe, close-on-exec: reading end, writing end.
pub(crate) fn pipe() -> Result<(RawFd, RawFd), Errno> {
    let mut ends = [-1; 2];
    // SAFETY: `ends` has room for the two descriptors.
    done(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok((ends[0], ends[1]))
}

/// Duplicates to a number of at least `floor`, close-on-exec.
pub(crate) fn dup_above(fd: RawFd, floor: RawFd) -> Result<RawFd, Errno> {
    // SAFETY: takes no pointer.
    check_fd(c_long::from(unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, floor) }))
}

pub(crate) fn mkdirat(dir: RawFd, path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated and outlives the call.
    done(unsafe { libc::mkdirat(dir, path.as_ptr(), mode) })
}

pub(crate) fn symlinkat(to: &CStr, dir: RawFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both strings are NUL-terminated and outlive the call.
    done(unsafe { libc::symlinkat(to.as_ptr(), dir, path.as_ptr()) })
}

pub(crate) fn unlinkat(dir: RawFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated and outlives the call.
    done(unsafe { libc::unlinkat(dir, path.as_ptr(), 0) })
}

pub(crate) fn fchmod(fd: RawFd, mode: u32) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::fchmod(fd, mode) })
}

fn to_stat(raw: &libc::stat) -> Stat {
    Stat { dev: raw.st_dev, ino: raw.st_ino, mode: raw.st_mode }
}

pub(crate) fn fstat(fd: RawFd) -> Result<Stat, Errno> {
    // SAFETY: all-zero is a valid `struct stat`; the kernel fills it.
    let mut raw: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `raw` is a valid, exclusive `struct stat`.
    done(unsafe { libc::fstat(fd, &raw mut raw) })?;
    Ok(to_stat(&raw))
}

/// Follows a final symbolic link.
pub(crate) fn stat(path: &CStr) -> Result<Stat, Errno> {
    // SAFETY: all-zero is a valid `struct stat`; the kernel fills it.
    let mut raw: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: `path` is NUL-terminated, `raw` valid and exclusive.
    done(unsafe { libc::fstatat(libc::AT_FDCWD, path.as_ptr(), &raw mut raw, 0) })?;
    Ok(to_stat(&raw))
}

/// Whether the real capabilities and ids may execute the file.
pub(crate) fn may_execute(fd: RawFd) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | libc::AT_EACCESS;
    // SAFETY: the empty string is NUL-terminated and static.
    check(unsafe { libc::syscall(libc::SYS_faccessat2, fd, c"".as_ptr(), libc::X_OK, flags) }).map(|_| ())
}

pub(crate) fn write_all(fd: RawFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length describe a live slice.
        let written =
            uninterrupted(
                || check(unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) } as c_long),
            )?;
        bytes = bytes.get(written as usize..).unwrap_or_default();
    }
    Ok(())
}

pub(crate) fn read(fd: RawFd, buffer: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the pointer and length describe a live, exclusive slice.
    uninterrupted(|| check(unsafe { libc::read(fd, buffer.as_mut_ptr().cast(), buffer.len()) } as c_long))
        .map(|n| n as usize)
}

pub(crate) fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    let fd = open(path, libc::O_WRONLY, 0)?;
    let result = write_all(fd, bytes);
    close(fd);
    result
}

/// A detached copy of the mount tree at `path`, submounts included.
pub(crate) fn open_tree(dir: RawFd, path: &CStr, recursive: bool) -> Result<RawFd, Errno> {
    let mut flags = 1 /* OPEN_TREE_CLONE */ | libc::O_CLOEXEC | libc::AT_EMPTY_PATH;
    if recursive {
        flags |= 0x8000; // AT_RECURSIVE
    }
    // SAFETY: `path` is NUL-terminated and outlives the call.
    check_fd(unsafe { libc::syscall(libc::SYS_open_tree, dir, path.as_ptr(), flags) })
}

pub(crate) fn mount_setattr(fd: RawFd, recursive: bool, attr: &MountAttr) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { 0x8000 } else { 0 };
    let size = size_of::<MountAttr>();
    // SAFETY: `attr` is a live `struct mount_attr` of the size passed.
    check(unsafe {
        libc::syscall(libc::SYS_mount_setattr, fd, c"".as_ptr(), flags, std::ptr::from_ref(attr), size)
    })
    .map(|_| ())
}

/// Attaches the mount `from` on the place `to`, both given as descriptors.
pub(crate) fn move_mount(from: RawFd, to: RawFd) -> Result<(), Errno> {
    const EMPTY_PATHS: c_int = 0x04 | 0x40; // MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    // SAFETY: both paths are static empty strings.
    check(unsafe { libc::syscall(libc::SYS_move_mount, from, c"".as_ptr(), to, c"".as_ptr(), EMPTY_PATHS) })
        .map(|_| ())
}

/// A new file system instance of type `kind`, detached; `options` are key and value pairs.
pub(crate) fn new_filesystem(
    kind: &CStr,
    options: &[(&CStr, &CStr)],
    attributes: u64,
) -> Result<RawFd, Errno> {
    // SAFETY: `kind` is NUL-terminated and outlives the call.
    let context = check_fd(unsafe {
        libc::syscall(libc::SYS_fsopen, kind.as_ptr(), 1 /* FSOPEN_CLOEXEC */)
    })?;
    let result = configure(context, options).and_then(|()| {
        // SAFETY: takes no pointer.
        check_fd(unsafe {
            libc::syscall(libc::SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, attributes)
        })
    });
    close(context);
    result
}

fn configure(context: RawFd, options: &[(&CStr, &CStr)]) -> Result<(), Errno> {
    const SET_STRING: c_uint = 1;
    const CREATE: c_uint = 6;
    for (key, value) in options {
        // SAFETY: key and value are NUL-terminated and outlive the call.
        check(unsafe {
            libc::syscall(libc::SYS_fsconfig, context, SET_STRING, key.as_ptr(), value.as_ptr(), 0)
        })?;
    }
    let none = std::ptr::null::<c_void>();
    // SAFETY: FSCONFIG_CMD_CREATE takes null pointers.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, context, CREATE, none, none, 0) }).map(|_| ())
}

/// Stops mounts from being shared with the rest of the system, in both directions.
pub(crate) fn make_private(path: &CStr) -> Result<(), Errno> {
    let none = std::ptr::null();
    // SAFETY: `path` is NUL-terminated; the other pointers may be null for a change of propagation.
    done(unsafe { libc::mount(none, path.as_ptr(), none, libc::MS_REC | libc::MS_PRIVATE, std::ptr::null()) })
}

/// Makes the current directory the root and lets go of the old root (pivot_root(2), "pivot_root(".", ".")").
pub(crate) fn enter_root() -> Result<(), Errno> {
    // SAFETY: static strings.
    check(unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) })?;
    // SAFETY: static string.
    done(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
    chdir(c"/")
}

pub(crate) fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: `path` is NUL-terminated and outlives the call.
    done(unsafe { libc::chdir(path.as_ptr()) })
}

pub(crate) fn fchdir(fd: RawFd) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::fchdir(fd) })
}

pub(crate) fn sethostname(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the pointer and length describe a live slice.
    done(unsafe { libc::sethostname(name.as_ptr().cast(), name.len()) })
}

pub(crate) fn prctl(option: c_int, a: c_ulong, b: c_ulong) -> Result<c_int, Errno> {
    // SAFETY: only called with options whose arguments are numbers.
    check(c_long::from(unsafe { libc::prctl(option, a, b, 0, 0) })).map(|value| value as c_int)
}

pub(crate) fn setrlimit(resource: u32, soft: u64, hard: u64) -> Result<(), Errno> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    let none = std::ptr::null::<libc::rlimit>();
    // SAFETY: `limit` is a live `struct rlimit`; the old value is not asked for.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, &raw const limit, none) }).map(|_| ())
}

/// The hard limit now in force.
pub(crate) fn hard_limit(resource: u32) -> Result<u64, Errno> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let none = std::ptr::null::<libc::rlimit>();
    // SAFETY: `limit` is a live, exclusive `struct rlimit`; nothing is set.
    check(unsafe { libc::syscall(libc::SYS_prlimit64, 0, resource, none, &raw mut limit) })?;
    Ok(limit.rlim_max)
}

pub(crate) fn setsid() -> Result<(), Errno> {
    // SAFETY: takes no argument.
    done(unsafe { libc::setsid() })
}

pub(crate) fn setpgid(pid: i32, group: i32) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::setpgid(pid, group) })
}

pub(crate) fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::kill(pid, signal) })
}

pub(crate) fn getpid() -> i32 {
    // SAFETY: always succeeds.
    unsafe { libc::getpid() }
}

pub(crate) fn getuid() -> u32 {
    // SAFETY: always succeeds.
    unsafe { libc::getuid() }
}

/// The foreground process group of the terminal.
pub(crate) fn foreground(terminal: RawFd) -> Result<i32, Errno> {
    let mut group = 0;
    // SAFETY: TIOCGPGRP writes one pid_t.
    done(unsafe { libc::ioctl(terminal, libc::TIOCGPGRP, &raw mut group) })?;
    Ok(group)
}

/// Makes `group` the foreground process group of the terminal.
pub(crate) fn set_foreground(terminal: RawFd, group: i32) -> Result<(), Errno> {
    // SAFETY: TIOCSPGRP reads one pid_t.
    done(unsafe { libc::ioctl(terminal, libc::TIOCSPGRP, &raw const group) })
}

/// An ioctl whose argument is a number.
pub(crate) fn ioctl_number(fd: RawFd, request: c_ulong, argument: c_ulong) -> Result<c_int, Errno> {
    // SAFETY: only called with requests whose argument is a number.
    check(c_long::from(unsafe { libc::ioctl(fd, request, argument) })).map(|value| value as c_int)
}

pub(crate) fn unlock_pty(master: RawFd) -> Result<(), Errno> {
    let unlock: c_int = 0;
    // SAFETY: TIOCSPTLCK reads one int.
    done(unsafe { libc::ioctl(master, libc::TIOCSPTLCK, &raw const unlock) })
}

pub(crate) fn set_window(terminal: RawFd, rows: u16, columns: u16) -> Result<(), Errno> {
    let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCSWINSZ reads one `struct winsize`.
    done(unsafe { libc::ioctl(terminal, libc::TIOCSWINSZ, &raw const size) })
}

/// Delivers every signal again.
pub(crate) fn unblock_all_signals() -> Result<(), Errno> {
    // SAFETY: a sigset is plain data; `sigemptyset` initialises it.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        done(libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()))
    }
}

/// Forgets the handlers of the program this process was copied from: they would run on its memory.
pub(crate) fn default_signal_handlers() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid disposition; numbers that cannot be changed fail harmlessly.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = libc::SIG_DFL;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// A descriptor that becomes readable when a child changes state. The signal must be blocked.
pub(crate) fn child_signals() -> Result<RawFd, Errno> {
    // SAFETY: a sigset is plain data; `sigemptyset` initialises it.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        check_fd(c_long::from(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)))
    }
}

/// Waits until one of two descriptors is readable or hung up.
pub(crate) fn poll_two(first: RawFd, second: RawFd) -> Result<(bool, bool), Errno> {
    let mut set = [
        libc::pollfd { fd: first, events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: second, events: libc::POLLIN, revents: 0 },
    ];
    // SAFETY: the pointer and length describe a live, exclusive array.
    uninterrupted(|| check(c_long::from(unsafe { libc::poll(set.as_mut_ptr(), 2, -1) })))?;
    let [first, second] = set;
    Ok((first.revents != 0, second.revents != 0))
}

/// What became of a child, if anything did.
pub(crate) fn next_child() -> Option<(i32, i32)> {
    let mut status: c_int = 0;
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    // SAFETY: `status` is a live, exclusive int.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, options) };
    (pid > 0).then_some((pid, status))
}

/// `clone` without a new stack, as `fork` does it but without running anything of libc.
pub(crate) fn fork(flags: c_ulong, pidfd: Option<&mut c_int>) -> Result<i32, Errno> {
    let slot = pidfd.map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let none = std::ptr::null_mut::<c_void>();
    // SAFETY: without CLONE_VM the child gets a copy of this memory and stack; the callers only run functions of this
    // module in it. `slot` is null or a live int, as CLONE_PIDFD wants.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags | libc::SIGCHLD as c_ulong, none, slot, none, none)
    })?;
    Ok(pid as i32)
}

pub(crate) fn execveat(
    fd: RawFd,
    path: &CStr,
    argv: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    flags: c_int,
) -> Errno {
    // SAFETY: the callers pass null-terminated arrays of NUL-terminated strings that outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_execveat, fd, path.as_ptr(), argv, envp, flags) };
    check(result).err().unwrap_or(libc::EINVAL)
}
