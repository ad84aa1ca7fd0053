//! The socket between supervisor and sandbox: one message, one set of descriptors, never a partial read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::raw::{Errno, errno, uninterrupted};
use crate::wire::{Order, Report, SIZE, WORDS, Words};

/// The most descriptors that one message carries.
pub(crate) const MAX_DESCRIPTORS: usize = 5;

/// Room for one control message with [`MAX_DESCRIPTORS`] descriptors, aligned as the kernel wants it.
#[repr(align(8))]
struct ControlBuffer([u8; 64]);

/// The supervisor's end.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A report and the descriptors that came with it.
#[derive(Debug)]
pub struct Received {
    /// What was said.
    pub report: Report,
    /// The descriptors, in the order the report documents.
    pub descriptors: Vec<OwnedFd>,
}

impl Channel {
    /// Two connected ends; the second is for the sandbox.
    ///
    /// # Errors
    /// If the process has no descriptor left.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let mut ends = [-1; 2];
        // SAFETY: `ends` has room for the two descriptors.
        let result = unsafe {
            libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC, 0, ends.as_mut_ptr())
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just given us both descriptors.
        Ok(unsafe { (Self(OwnedFd::from_raw_fd(ends[0])), OwnedFd::from_raw_fd(ends[1])) })
    }

    /// Sends an order, with at most one descriptor.
    ///
    /// # Errors
    /// If the sandbox is gone.
    pub fn send(&self, order: Order, descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let raw = descriptor.map(|fd| fd.as_raw_fd());
        send(self.0.as_raw_fd(), &order.encode(), raw.as_slice()).map_err(io::Error::from_raw_os_error)
    }

    /// The next report; `None` if the sandbox is gone.
    ///
    /// # Errors
    /// If the message is not one of ours.
    pub fn receive(&self) -> io::Result<Option<Received>> {
        self.receive_with(0)
    }

    /// Like [`receive`](Self::receive), but fails with `WouldBlock` if there is none yet.
    ///
    /// # Errors
    /// See there.
    pub fn try_receive(&self) -> io::Result<Option<Received>> {
        self.receive_with(libc::MSG_DONTWAIT)
    }

    fn receive_with(&self, flags: i32) -> io::Result<Option<Received>> {
        let mut descriptors = [-1; MAX_DESCRIPTORS];
        let got = match receive(self.0.as_raw_fd(), &mut descriptors, flags) {
            Ok(got) => got,
            // A sandbox that was killed with an unread order behind it ends the connection this way.
            Err(libc::ECONNRESET) => None,
            Err(errno) => return Err(io::Error::from_raw_os_error(errno)),
        };
        let Some((words, count)) = got else { return Ok(None) };
        // SAFETY: the kernel has just given us these descriptors and nothing else owns them.
        let descriptors =
            descriptors.iter().take(count).map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }).collect();
        let report = Report::decode(words).ok_or_else(|| io::Error::from_raw_os_error(libc::EPROTO))?;
        Ok(Some(Received { report, descriptors }))
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends one message. Safe in a process that must not allocate.
pub(crate) fn send(socket: RawFd, words: &Words, descriptors: &[RawFd]) -> Result<(), Errno> {
    if descriptors.len() > MAX_DESCRIPTORS {
        return Err(libc::EINVAL);
    }
    let mut control = ControlBuffer([0; 64]);
    let mut vector = libc::iovec { iov_base: words.as_ptr().cast_mut().cast(), iov_len: SIZE };
    // SAFETY: `message` points at live buffers; the control buffer has room for MAX_DESCRIPTORS descriptors, so
    // CMSG_FIRSTHDR and CMSG_DATA stay inside it.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        if !descriptors.is_empty() {
            let bytes = size_of_val(descriptors) as u32;
            message.msg_control = control.0.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(bytes) as _;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(bytes) as _;
            std::ptr::copy_nonoverlapping(
                descriptors.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                size_of_val(descriptors),
            );
        }
        uninterrupted(|| match libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) {
            -1 => Err(errno()),
            _ => Ok(()),
        })
    }
}

/// Receives one message into `descriptors`; `None` at the end. Safe in a process that must not allocate.
pub(crate) fn receive(
    socket: RawFd,
    descriptors: &mut [RawFd; MAX_DESCRIPTORS],
    flags: i32,
) -> Result<Option<(Words, usize)>, Errno> {
    let mut words: Words = [0; WORDS];
    let mut control = ControlBuffer([0; 64]);
    let mut vector = libc::iovec { iov_base: words.as_mut_ptr().cast(), iov_len: SIZE };
    // SAFETY: `message` points at live, exclusive buffers whose lengths it states.
    let (length, message) = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut vector;
        message.msg_iovlen = 1;
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = size_of::<ControlBuffer>() as _;
        let length = uninterrupted(|| {
            match libc::recvmsg(socket, &raw mut message, flags | libc::MSG_CMSG_CLOEXEC) {
                -1 => Err(errno()),
                length => Ok(length.cast_unsigned()),
            }
        })?;
        (length, message)
    };
    if length == 0 {
        return Ok(None);
    }
    let mut count = 0;
    // SAFETY: the kernel filled the control buffer and `msg_controllen`; CMSG_FIRSTHDR checks it, and `cmsg_len` is at
    // most what it wrote.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() && (*header).cmsg_type == libc::SCM_RIGHTS {
            let bytes = (*header).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
            count = (bytes / size_of::<RawFd>()).min(MAX_DESCRIPTORS);
            std::ptr::copy_nonoverlapping(
                libc::CMSG_DATA(header),
                descriptors.as_mut_ptr().cast::<u8>(),
                count * size_of::<RawFd>(),
            );
        }
    }
    if length != SIZE || message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        for fd in descriptors.iter().take(count) {
            crate::raw::close(*fd);
        }
        return Err(libc::EPROTO);
    }
    Ok(Some((words, count)))
}
