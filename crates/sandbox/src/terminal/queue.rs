//! Bytes on their way to a descriptor that may not take them all at once.

use std::os::fd::AsFd;

use rustix::io::Errno;

/// Above this many bytes waiting, the other side is not read, so that a slow reader slows the writer down, as a pipe
/// would. Filters may push a queue past it by what they add to one chunk.
const HIGH_WATER: usize = 64 * 1024;

/// A queue of bytes in front of a descriptor.
#[derive(Debug, Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    sent: usize,
}

/// What became of an attempt to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrote {
    /// This many bytes went out; zero when the descriptor takes none now.
    Some(usize),
    /// The other side is gone for good.
    Gone,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() - self.sent < HIGH_WATER
    }

    /// The buffer to append to.
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.sent = 0;
    }

    /// Writes once, at most `limit` bytes.
    pub(super) fn write_to(&mut self, to: impl AsFd, limit: usize) -> Wrote {
        let waiting = &self.bytes[self.sent..];
        if waiting.is_empty() {
            return Wrote::Some(0);
        }
        match rustix::io::write(to, &waiting[..waiting.len().min(limit)]) {
            Ok(count) => {
                self.sent += count;
                self.compact();
                Wrote::Some(count)
            }
            Err(Errno::AGAIN | Errno::INTR) => Wrote::Some(0),
            Err(_) => Wrote::Gone,
        }
    }

    fn compact(&mut self) {
        if self.is_empty() {
            self.clear();
        } else if self.sent >= HIGH_WATER {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}
