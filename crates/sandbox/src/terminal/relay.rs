//! Copies between a host descriptor that must not go inside and a pipe that may.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::JoinHandle;

use rustix::pipe::{PipeFlags, pipe_with};

use super::TerminalError;

/// A standard descriptor carried by copying.
#[derive(Debug)]
pub struct Relay {
    thread: JoinHandle<io::Result<u64>>,
}

impl Relay {
    /// Copies what arrives on `host` to the inside. Returns the end to give to the program.
    ///
    /// The copying thread may wait on `host` for ever; it does not keep the launcher from ending, and must not be joined.
    ///
    /// # Errors
    /// When there is no descriptor or thread left.
    pub fn input(host: BorrowedFd<'_>) -> Result<OwnedFd, TerminalError> {
        let (inside, ours) = pipe()?;
        Self::copy(duplicate(host)?, ours)?;
        Ok(inside)
    }

    /// Copies what the program writes to `host`. Returns the end to give to the program, and the relay to
    /// [`finish`](Relay::finish) when everything inside has ended.
    ///
    /// # Errors
    /// When there is no descriptor or thread left.
    pub fn output(host: BorrowedFd<'_>) -> Result<(OwnedFd, Self), TerminalError> {
        let (ours, inside) = pipe()?;
        Ok((inside, Self::copy(ours, duplicate(host)?)?))
    }

    /// Waits until the last byte is copied. Every copy of the inner end must be closed first.
    ///
    /// # Errors
    /// What kept the bytes from arriving, such as a host side that was closed.
    pub fn finish(self) -> io::Result<u64> {
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the copying thread failed")))
    }

    fn copy(from: OwnedFd, to: OwnedFd) -> Result<Self, TerminalError> {
        let thread = std::thread::Builder::new()
            .name("stdio-relay".into())
            .spawn(move || copy(&mut File::from(from), &mut File::from(to)))
            .map_err(TerminalError::doing("start a thread for a standard descriptor"))?;
        Ok(Self { thread })
    }
}

/// Not [`io::copy`]: it splices, and a splice that waits for a socket holds the pipe's lock, so that whoever reads, polls or closes
/// the other end of the pipe hangs with it, and cannot even be killed.
fn copy(from: &mut File, to: &mut File) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0;
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..length).unwrap_or_default())?;
        total += length as u64;
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd), TerminalError> {
    pipe_with(PipeFlags::CLOEXEC).map_err(TerminalError::doing("make a pipe for a standard descriptor"))
}

fn duplicate(fd: BorrowedFd<'_>) -> Result<OwnedFd, TerminalError> {
    fd.as_fd().try_clone_to_owned().map_err(TerminalError::doing("duplicate a standard descriptor"))
}
