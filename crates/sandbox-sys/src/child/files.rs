//! Files that exist only in the sandbox: its hosts file, its trust store.
//!
//! In a directory of the new root the file is simply made. Where a directory of the host lies, the host must not get a new
//! file, so the target has to exist and is covered.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::{At, Outcome, mounts};
use crate::raw::{self, Errno};
use crate::wire::Step;

const IN_PASSING: &CStr = c".bailiwick/file";
/// The longest path, with its NUL.
const PATH: usize = 4096;
const CHUNK: usize = 16 * 1024;

/// Reads `encode_files` from `packed` and puts each file in place.
pub(super) fn unpack(root: RawFd, packed: RawFd) -> Outcome<()> {
    let mut index = 0;
    while let Some(header) = header(packed).at(Step::InjectedFile, index)? {
        one(root, packed, &header).at(Step::InjectedFile, index)?;
        index += 1;
    }
    Ok(())
}

struct Header {
    mode: u32,
    path: usize,
    contents: usize,
}

fn header(packed: RawFd) -> Result<Option<Header>, Errno> {
    let mut bytes = [0; 24];
    let length = raw::read(packed, &mut bytes)?;
    if length == 0 {
        return Ok(None);
    }
    if length != bytes.len() {
        return Err(libc::EBADMSG);
    }
    let mut numbers = bytes.chunks_exact(8).map(|chunk| chunk.try_into().map_or(0, u64::from_le_bytes));
    let mut next = || numbers.next().unwrap_or_default();
    let (mode, path, contents) = (next() as u32, next() as usize, next() as usize);
    if path == 0 || path > PATH { Err(libc::ENAMETOOLONG) } else { Ok(Some(Header { mode, path, contents })) }
}

fn one(root: RawFd, packed: RawFd, header: &Header) -> Result<(), Errno> {
    let mut buffer = [0; PATH];
    let path = buffer.get_mut(..header.path).ok_or(libc::ENAMETOOLONG)?;
    if raw::read(packed, path)? != path.len() {
        return Err(libc::EBADMSG);
    }
    let path = CStr::from_bytes_with_nul(path).map_err(|_| libc::EBADMSG)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY;
    let fd = raw::openat(root, IN_PASSING, flags, 0o600)?;
    copy(packed, fd, header.contents)?;
    raw::fchmod(fd, header.mode)?;
    raw::close(fd);
    let tree = mounts::read_only_copy(root, IN_PASSING)?;
    cover(root, tree, path.to_bytes())?;
    raw::unlinkat(root, IN_PASSING)
}

/// Puts the mount of a file on its target.
fn cover(root: RawFd, tree: RawFd, path: &[u8]) -> Result<(), Errno> {
    let ours = raw::fstat(root)?.dev;
    let parent = match mounts::parent(root, path, false) {
        Ok((parent, _)) => parent,
        // Not there yet: it can only be made in a directory of the new root.
        Err(libc::ENOENT) => return mounts::attach(root, tree, path),
        Err(errno) => return Err(errno),
    };
    let theirs = raw::fstat(parent)?.dev != ours;
    let exists = theirs && {
        let (_, name) = mounts::parent(root, path, false)?;
        raw::openat(parent, name.as_c_str(), libc::O_PATH | libc::O_NOFOLLOW, 0).map(raw::close).is_ok()
    };
    raw::close(parent);
    if theirs && !exists { Err(libc::ENOENT) } else { mounts::attach(root, tree, path) }
}

fn copy(from: RawFd, to: RawFd, mut left: usize) -> Result<(), Errno> {
    let mut buffer = [0; CHUNK];
    while left > 0 {
        let room = buffer.get_mut(..left.min(CHUNK)).unwrap_or_default();
        let length = raw::read(from, room)?;
        if length == 0 {
            return Err(libc::EBADMSG);
        }
        raw::write_all(to, room.get(..length).unwrap_or_default())?;
        left -= length;
    }
    Ok(())
}
