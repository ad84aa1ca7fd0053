//! Binding and connecting sockets by directory and name.
//!
//! A socket address holds 108 bytes (unix(7)), a home directory may be longer: the directory is opened and the socket is named
//! through `/proc/self/fd`, so that long homes work.

use std::{io, os::fd::OwnedFd, os::unix::net::UnixStream, path::Path};

use rustix::{
    fs::{self, Mode, OFlags},
    net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType},
};

/// Pending connections a listener holds.
const BACKLOG: i32 = 128;

/// A listening seqpacket socket called `name` in `directory`, replacing a stale one.
///
/// # Errors
/// If the directory cannot be opened or the name cannot be bound.
pub fn bind_seqpacket(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    bind(directory, name, SocketType::SEQPACKET)
}

/// A listening stream socket called `name` in `directory`, replacing a stale one.
///
/// # Errors
/// If the directory cannot be opened or the name cannot be bound.
pub fn bind_stream(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    bind(directory, name, SocketType::STREAM)
}

/// A seqpacket connection to the socket called `name` in `directory`.
///
/// # Errors
/// If nobody listens there.
pub fn connect_seqpacket(directory: &Path, name: &str) -> io::Result<OwnedFd> {
    connect(directory, name, SocketType::SEQPACKET)
}

/// A stream connection to the socket called `name` in `directory`.
///
/// # Errors
/// If nobody listens there.
pub fn connect_stream(directory: &Path, name: &str) -> io::Result<UnixStream> {
    connect(directory, name, SocketType::STREAM).map(UnixStream::from)
}

fn bind(directory: &Path, name: &str, kind: SocketType) -> io::Result<OwnedFd> {
    let parent = open(directory)?;
    match fs::unlinkat(&parent, name, fs::AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &address(&parent, name)?)?;
    fs::chmodat(&parent, name, Mode::RUSR | Mode::WUSR, fs::AtFlags::empty())?;
    net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn connect(directory: &Path, name: &str, kind: SocketType) -> io::Result<OwnedFd> {
    let parent = open(directory)?;
    let socket = net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    net::connect(&socket, &address(&parent, name)?)?;
    Ok(socket)
}

fn open(directory: &Path) -> io::Result<OwnedFd> {
    Ok(fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn address(parent: &OwnedFd, name: &str) -> io::Result<SocketAddrUnix> {
    use std::os::fd::AsRawFd;
    Ok(SocketAddrUnix::new(format!("/proc/self/fd/{}/{name}", parent.as_raw_fd()))?)
}
