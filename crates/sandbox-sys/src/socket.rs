//! Sockets: of the new process, and those the supervisor takes from a process inside.

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use crate::raw::{Errno, errno};

/// An Internet address of either family.
#[derive(Clone, Copy)]
pub(crate) enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Address {
    pub(crate) fn family(self) -> i32 {
        match self {
            Self::V4(_) => libc::AF_INET,
            Self::V6(_) => libc::AF_INET6,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => Self::V6(address.octets()),
        }
    }
}

fn done(result: i32) -> Result<(), Errno> {
    if result == -1 { Err(errno()) } else { Ok(()) }
}

fn outside<T>(result: Result<T, Errno>) -> io::Result<T> {
    result.map_err(io::Error::from_raw_os_error)
}

pub(crate) fn open(family: i32, kind: i32, protocol: i32) -> Result<RawFd, Errno> {
    // SAFETY: takes no pointer.
    match unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) } {
        -1 => Err(errno()),
        fd => Ok(fd),
    }
}

pub(crate) fn listen(fd: RawFd, backlog: i32) -> Result<(), Errno> {
    // SAFETY: takes no pointer.
    done(unsafe { libc::listen(fd, backlog) })
}

/// Calls `call` with the address in the kernel's form.
fn with_sockaddr<T>(
    address: Address,
    port: u16,
    scope: u32,
    call: impl FnOnce(*const libc::sockaddr, u32) -> T,
) -> T {
    match address {
        Address::V4(octets) => {
            let raw = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: port.to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(octets) },
                sin_zero: [0; 8],
            };
            call((&raw const raw).cast(), size_of_val(&raw) as u32)
        }
        Address::V6(octets) => {
            let raw = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: port.to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: octets },
                sin6_scope_id: scope,
            };
            call((&raw const raw).cast(), size_of_val(&raw) as u32)
        }
    }
}

pub(crate) fn bind_raw(fd: RawFd, address: Address, port: u16) -> Result<(), Errno> {
    // SAFETY: `with_sockaddr` passes a live address and its size.
    with_sockaddr(address, port, 0, |raw, size| done(unsafe { libc::bind(fd, raw, size) }))
}

pub(crate) fn connect_raw(fd: RawFd, address: Address, port: u16) -> Result<(), Errno> {
    // SAFETY: `with_sockaddr` passes a live address and its size.
    with_sockaddr(address, port, 0, |raw, size| done(unsafe { libc::connect(fd, raw, size) }))
}

/// Binds a socket to an address exactly as given (a mapped IPv6 address stays one).
///
/// # Errors
/// Those of bind(2).
pub fn bind_socket(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    outside(bind_raw(socket.as_raw_fd(), address.ip().into(), address.port()))
}

/// Connects a socket to an address exactly as given (a mapped IPv6 address stays one).
///
/// # Errors
/// Those of connect(2).
pub fn connect_socket(socket: BorrowedFd<'_>, address: SocketAddr) -> io::Result<()> {
    outside(connect_raw(socket.as_raw_fd(), address.ip().into(), address.port()))
}

/// Undoes a connect (`AF_UNSPEC`, connect(2)).
///
/// # Errors
/// Those of connect(2).
pub fn dissolve_socket(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: all-zero is a valid `struct sockaddr` of family AF_UNSPEC.
    let none: libc::sockaddr = unsafe { std::mem::zeroed() };
    // SAFETY: `none` is a live address of the size passed.
    outside(done(unsafe { libc::connect(socket.as_raw_fd(), &raw const none, size_of_val(&none) as u32) }))
}

fn option<T: Copy>(socket: BorrowedFd<'_>, level: i32, name: i32) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut size = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` has room for `size` bytes; every option read here is plain data for which all-zero is valid.
    unsafe {
        outside(done(libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            value.as_mut_ptr().cast(),
            &raw mut size,
        )))?;
        Ok(value.assume_init())
    }
}

/// What a socket is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SocketFacts {
    /// `AF_*`.
    pub domain: i32,
    /// `SOCK_*`.
    pub kind: i32,
    /// `IPPROTO_*`.
    pub protocol: i32,
}

/// What the socket is, as the kernel knows it.
///
/// # Errors
/// `ENOTSOCK` if it is none.
pub fn socket_facts(socket: BorrowedFd<'_>) -> io::Result<SocketFacts> {
    Ok(SocketFacts {
        domain: option(socket, libc::SOL_SOCKET, libc::SO_DOMAIN)?,
        kind: option(socket, libc::SOL_SOCKET, libc::SO_TYPE)?,
        protocol: option(socket, libc::SOL_SOCKET, libc::SO_PROTOCOL)?,
    })
}

/// A number that two sockets share exactly if they are in the same network namespace.
///
/// # Errors
/// `ENOTSOCK` if it is none.
pub fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    const SO_NETNS_COOKIE: i32 = 71;
    option(socket, libc::SOL_SOCKET, SO_NETNS_COOKIE)
}

/// The TCP state (`TCP_CLOSE` is 7, see tcp(7) `TCP_INFO`).
///
/// # Errors
/// If it is no TCP socket.
pub fn tcp_state(socket: BorrowedFd<'_>) -> io::Result<u8> {
    option(socket, libc::IPPROTO_TCP, libc::TCP_INFO)
}

/// Whether the socket has a peer.
#[must_use]
pub fn peer_connected(socket: BorrowedFd<'_>) -> bool {
    let mut address = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut size = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `address` has room for `size` bytes.
    unsafe { libc::getpeername(socket.as_raw_fd(), address.as_mut_ptr().cast(), &raw mut size) == 0 }
}

/// How long a blocking connect or send on this socket waits; zero means for ever.
///
/// # Errors
/// `ENOTSOCK` if it is none.
pub fn send_timeout(socket: BorrowedFd<'_>) -> io::Result<Duration> {
    let value: libc::timeval = option(socket, libc::SOL_SOCKET, libc::SO_SNDTIMEO)?;
    let micros = u32::try_from(value.tv_usec).unwrap_or(0);
    Ok(Duration::from_secs(value.tv_sec.unsigned_abs()) + Duration::from_micros(u64::from(micros)))
}

/// Sets what [`send_timeout`] tells.
///
/// # Errors
/// `ENOTSOCK` if it is none.
pub fn set_send_timeout(socket: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let value = libc::timeval {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_usec: timeout.subsec_micros().into(),
    };
    // SAFETY: SO_SNDTIMEO reads one `struct timeval`.
    outside(done(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_SNDTIMEO,
            (&raw const value).cast(),
            size_of_val(&value) as u32,
        )
    }))
}

/// A copy of descriptor `number` of thread `thread` (pidfd_getfd(2)).
///
/// # Errors
/// `EBADF` if the thread has no such descriptor, `ESRCH` if it is gone, `EPERM` if it may not be looked into.
pub fn take_descriptor(thread: u32, number: i32) -> io::Result<OwnedFd> {
    const PIDFD_THREAD: i32 = libc::O_EXCL;
    // SAFETY: takes no pointer.
    let mut pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, thread, PIDFD_THREAD) };
    if pidfd < 0 && errno() == libc::EINVAL {
        // Linux before 6.9 opens thread group leaders only; their threads share descriptors unless they went out of their way.
        // SAFETY: takes no pointer.
        pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, thread_group(thread)?, 0) };
    }
    let pidfd = own(pidfd)?;
    // SAFETY: takes no pointer.
    own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) })
}

fn own(fd: libc::c_long) -> io::Result<OwnedFd> {
    match i32::try_from(fd) {
        // SAFETY: the kernel has just given us this descriptor and nothing else owns it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn thread_group(thread: u32) -> io::Result<u32> {
    let status = std::fs::read_to_string(format!("/proc/{thread}/status"))?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("Tgid:"))
        .and_then(|number| number.trim().parse().ok())
        .ok_or_else(|| io::Error::from_raw_os_error(libc::ESRCH))
}

/// Copies memory of another process, once (process_vm_readv(2)); returns how much there was.
///
/// # Errors
/// `EFAULT` if nothing is mapped there, `ESRCH`, `EPERM`.
pub fn read_memory(thread: u32, address: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let remote = libc::iovec { iov_base: address as usize as *mut libc::c_void, iov_len: buffer.len() };
    let thread = i32::try_from(thread).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: `local` describes a live, exclusive slice; `remote` is only dereferenced by the kernel in the other process.
    let length = unsafe { libc::process_vm_readv(thread, &raw const local, 1, &raw const remote, 1, 0) };
    usize::try_from(length).map_err(|_| io::Error::last_os_error())
}
