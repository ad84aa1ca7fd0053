//! Which socket files belong to listeners of the sandbox's own network namespace (sock_diag(7), `UNIX_DIAG_VFS`).
//!
//! The kernel's word, not that of any name: a listener of the host is in another network namespace and never in this list.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::os;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const REQUEST_DUMP: u16 = 0x1 | 0x300;
const SHOW_VFS: u32 = 2;
const UNIX_DIAG_VFS: u16 = 1;
const LISTENING: u32 = 1 << 10;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`, `struct unix_diag_msg`, `struct rtattr`.
const MESSAGE: usize = 16;
const ANSWER: usize = 16;
const ATTRIBUTE: usize = 4;

/// A file, as the kernel counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct SocketFile {
    /// Major and minor number of its file system.
    pub(super) device: (u32, u32),
    pub(super) inode: u64,
}

/// Asks the kernel.
#[derive(Debug)]
pub(super) struct SocketFiles(Mutex<Questions>);

/// The socket, and the number of the last question: an answer to another one, that was left half read, says nothing of this one.
#[derive(Debug)]
struct Questions {
    socket: OwnedFd,
    number: u32,
}

impl SocketFiles {
    /// From a `NETLINK_SOCK_DIAG` socket that was made in the sandbox's network namespace.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self(Mutex::new(Questions { socket, number: 0 }))
    }

    /// Whether somebody in that namespace listens at the file. The kernel tells 32 bits of an inode's number, so a file with a
    /// larger one belongs to nobody.
    ///
    /// # Errors
    /// If the kernel cannot be asked.
    pub(super) fn listening(&self, file: &SocketFile) -> io::Result<bool> {
        let Ok(inode) = u32::try_from(file.inode) else { return Ok(false) };
        let device = file.device.0 << 20 | file.device.1;
        let mut questions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        questions.number = questions.number.wrapping_add(1);
        let Questions { socket, number } = &*questions;
        send(socket, &request(*number), SendFlags::empty())?;
        let mut found = false;
        let mut buffer = [0; 32 * 1024];
        loop {
            let (length, _) = recv(socket, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = buffer.get(..length).unwrap_or_default();
            while let Some((kind, asked, body, after)) = message(rest) {
                match kind {
                    _ if asked != *number => {}
                    NLMSG_DONE => return Ok(found),
                    NLMSG_ERROR => return Err(os(libc::ECONNREFUSED)),
                    _ => found |= body.get(ANSWER..).and_then(file_of) == Some((inode, device)),
                }
                rest = after;
            }
        }
    }
}

/// `struct unix_diag_req` for all listeners.
fn request(number: u32) -> Vec<u8> {
    let mut request = Vec::new();
    request.extend_from_slice(&(MESSAGE as u32 + 24).to_ne_bytes());
    request.extend_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request.extend_from_slice(&REQUEST_DUMP.to_ne_bytes());
    request.extend_from_slice(&number.to_ne_bytes());
    request.extend_from_slice(&[0; 4]); // port id
    request.extend_from_slice(&[libc::AF_UNIX as u8, 0, 0, 0]);
    request.extend_from_slice(&LISTENING.to_ne_bytes());
    request.extend_from_slice(&0u32.to_ne_bytes());
    request.extend_from_slice(&SHOW_VFS.to_ne_bytes());
    request.extend_from_slice(&[0; 8]); // cookie
    request
}

/// The kind of the first message, the question it answers, its body, and what follows it.
fn message(bytes: &[u8]) -> Option<(u16, u32, &[u8], &[u8])> {
    let length = word(bytes, 0)? as usize;
    let (kind, asked) = (half(bytes, 4)?, word(bytes, 8)?);
    let body = bytes.get(MESSAGE..length)?;
    Some((kind, asked, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Inode and device of the attribute `UNIX_DIAG_VFS`.
fn file_of(mut attributes: &[u8]) -> Option<(u32, u32)> {
    loop {
        let length = usize::from(half(attributes, 0)?);
        if half(attributes, 2)? == UNIX_DIAG_VFS {
            return Some((word(attributes, ATTRIBUTE)?, word(attributes, ATTRIBUTE + 4)?));
        }
        attributes = attributes.get(length.max(ATTRIBUTE).next_multiple_of(4)..)?;
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::os::linux::fs::MetadataExt;
    use std::os::unix::net::UnixListener;

    use rustix::net::{AddressFamily, SocketType, netlink, socket};

    use super::*;

    #[test]
    fn a_listener_of_ones_own_network_is_known_and_a_dead_one_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let diagnosis = socket(AddressFamily::NETLINK, SocketType::RAW, Some(netlink::SOCK_DIAG)).unwrap();
        let files = SocketFiles::new(diagnosis);
        let metadata = std::fs::metadata(&path).unwrap();
        let device = (rustix::fs::major(metadata.st_dev()), rustix::fs::minor(metadata.st_dev()));
        let file = SocketFile { device, inode: metadata.st_ino() };
        assert!(files.listening(&file).unwrap());
        let large = SocketFile { inode: file.inode | 1 << 32, ..file };
        assert!(!files.listening(&large).unwrap(), "the kernel tells half of the number");
        drop(listener);
        // A child that another test is just starting has it too, until it is executed.
        let gone = (0..1000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            !files.listening(&file).unwrap()
        });
        assert!(gone);
    }
}
