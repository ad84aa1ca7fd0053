//! The new file system, built from nothing: what the program does not name does not exist in it.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::{At, Fault, Outcome};
use crate::program::{Bind, Mount, Program, Sysctl};
use crate::raw::{self, Errno, MountAttr};
use crate::wire::Step;

const RDONLY: u64 = 0x1;
const NOSUID: u64 = 0x2;
const NODEV: u64 = 0x4;
const NOEXEC: u64 = 0x8;

/// Our own corner of the root: empty things that hide others, files on their way to their place.
const CORNER: &CStr = c".bailiwick";
const EMPTY_FILE: &CStr = c".bailiwick/empty";
const EMPTY_DIRECTORY: &CStr = c".bailiwick/none";

/// The longest name of a directory entry, with its NUL.
const NAME: usize = 256;

/// Builds the root and attaches it at `/tmp` of the old one. Sources are opened first: the new root covers some of them.
pub(super) fn build(program: &Program, sources: &mut [RawFd]) -> Outcome<RawFd> {
    raw::make_private(c"/").at(Step::Propagation, 0)?;
    for (index, (mount, slot)) in program.mounts.iter().zip(sources.iter_mut()).enumerate() {
        if let Mount::Bind(bind) = mount {
            *slot = open_source(bind, index)?;
        }
    }
    let root = new_root(program).at(Step::Root, 0)?;
    for (index, (mount, source)) in program.mounts.iter().zip(sources.iter()).enumerate() {
        place(root, mount, *source, &program.sysctls, index)?;
    }
    Ok(root)
}

/// Makes the root itself read-only. What lies on it as a mount of its own keeps its flags.
pub(super) fn seal(root: RawFd) -> Result<(), Errno> {
    set_attributes(root, RDONLY | NOSUID | NODEV | NOEXEC, false)
}

fn open_source(bind: &Bind, index: usize) -> Outcome<RawFd> {
    let tree = match raw::open_tree(libc::AT_FDCWD, &bind.source, true) {
        Ok(tree) => tree,
        Err(libc::ENOENT | libc::ENOTDIR | libc::EACCES) if bind.optional => return Ok(-1),
        Err(errno) => return Err(errno).at(Step::SourceMount, index),
    };
    if let Some(identity) = bind.identity {
        let now = raw::fstat(tree).at(Step::SourceMount, index)?;
        if (now.dev, now.ino) != (identity.dev, identity.ino) {
            return Err(libc::ESTALE).at(Step::SourceChanged, index);
        }
    }
    set_attributes(tree, bind.attributes, true).at(Step::SourceMount, index)?;
    Ok(tree)
}

fn new_root(program: &Program) -> Result<RawFd, Errno> {
    let options = [
        (c"size", program.memory_size.as_c_str()),
        (c"nr_inodes", program.memory_files.as_c_str()),
        (c"mode", c"0755"),
    ];
    let root = raw::new_filesystem(c"tmpfs", &options, NOSUID | NODEV)?;
    let place = raw::open(c"/tmp", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    raw::move_mount(root, place)?;
    raw::close(place);
    raw::mkdirat(root, CORNER, 0o755)?;
    raw::mkdirat(root, EMPTY_DIRECTORY, 0o555)?;
    let empty = raw::openat(root, EMPTY_FILE, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o444)?;
    raw::close(empty);
    Ok(root)
}

fn place(root: RawFd, mount: &Mount, source: RawFd, sysctls: &[Sysctl], index: usize) -> Outcome<()> {
    match mount {
        Mount::Directory { target, mode } => directory(root, target.as_bytes(), *mode).map(raw::close),
        Mount::Symlink { target, to } => symlink(root, target, to),
        Mount::File { target, mode, contents } => file(root, target, *mode, contents),
        Mount::Bind(_) if source < 0 => Ok(()),
        Mount::Bind(bind) => attach(root, source, bind.target.as_bytes()),
        Mount::Scratch { target, mode, attributes } => scratch(root, target, *mode, *attributes),
        Mount::Proc => return proc(root, sysctls, index),
        Mount::Terminals => terminals(root),
        Mount::Mask { target } => mask(root, target.as_bytes()),
    }
    .at(Step::Mount, index)
}

/// Puts the detached mount `tree` at `target`, making what it stands on.
pub(super) fn attach(root: RawFd, tree: RawFd, target: &[u8]) -> Result<(), Errno> {
    let place = if raw::fstat(tree)?.is_dir() {
        directory(root, target, 0o755)?
    } else {
        let (parent, name) = parent(root, target, true)?;
        let place = regular(parent, name.as_c_str());
        raw::close(parent);
        place?
    };
    let result = raw::move_mount(tree, place);
    raw::close(place);
    raw::close(tree);
    result
}

/// A regular file to stand on; made if there is none. A symbolic link is never followed.
fn regular(parent: RawFd, name: &CStr) -> Result<RawFd, Errno> {
    match raw::openat(parent, name, libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY, 0o644) {
        Ok(made) => raw::close(made),
        Err(libc::EEXIST) => {}
        Err(errno) => return Err(errno),
    }
    let place = raw::openat(parent, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
    if raw::fstat(place)?.is_regular() { Ok(place) } else { Err(libc::ELOOP) }
}

/// Opens a directory of the new root, making it and its parents. No component may be a symbolic link: the directories of the
/// agent's home are its own to replace, and this runs with more rights than it has.
pub(super) fn directory(root: RawFd, path: &[u8], mode: u32) -> Result<RawFd, Errno> {
    walk(root, path, Some(mode))
}

fn walk(root: RawFd, path: &[u8], create: Option<u32>) -> Result<RawFd, Errno> {
    let mut current = raw::openat(root, c".", libc::O_PATH | libc::O_DIRECTORY, 0)?;
    let mut components = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).peekable();
    while let Some(component) = components.next() {
        let name = Name::new(component)?;
        if let Some(mode) = create {
            let mode = if components.peek().is_some() { 0o755 } else { mode };
            match raw::mkdirat(current, name.as_c_str(), mode) {
                Ok(()) | Err(libc::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_DIRECTORY;
        let next = raw::openat(current, name.as_c_str(), flags, 0);
        raw::close(current);
        current = next?;
    }
    Ok(current)
}

/// The directory that holds `path`, and its last component.
pub(super) fn parent(root: RawFd, path: &[u8], create: bool) -> Result<(RawFd, Name), Errno> {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let (above, name) = match cut {
        Some(cut) => (path.get(..cut).unwrap_or_default(), path.get(cut + 1..).unwrap_or_default()),
        None => (&[][..], path),
    };
    let name = Name::new(name)?;
    Ok((walk(root, above, create.then_some(0o755))?, name))
}

/// One component of a path, NUL-terminated, without allocating.
pub(super) struct Name([u8; NAME]);

impl Name {
    pub(super) fn new(component: &[u8]) -> Result<Self, Errno> {
        if component.is_empty() || component == b"." || component == b".." {
            return Err(libc::EINVAL);
        }
        let mut name = [0; NAME];
        let room = name.get_mut(..component.len()).ok_or(libc::ENAMETOOLONG)?;
        room.copy_from_slice(component);
        if component.len() == NAME { Err(libc::ENAMETOOLONG) } else { Ok(Self(name)) }
    }

    pub(super) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

fn symlink(root: RawFd, target: &CStr, to: &CStr) -> Result<(), Errno> {
    let (parent, name) = parent(root, target.to_bytes(), true)?;
    let result = raw::symlinkat(to, parent, name.as_c_str());
    raw::close(parent);
    result
}

fn file(root: RawFd, target: &CStr, mode: u32, contents: &[u8]) -> Result<(), Errno> {
    let (parent, name) = parent(root, target.to_bytes(), true)?;
    let flags = libc::O_CREAT | libc::O_EXCL | libc::O_WRONLY | libc::O_NOFOLLOW;
    let fd = raw::openat(parent, name.as_c_str(), flags, 0o600)?;
    raw::close(parent);
    let result = raw::write_all(fd, contents).and_then(|()| raw::fchmod(fd, mode));
    raw::close(fd);
    result
}

fn scratch(root: RawFd, target: &CStr, mode: u32, attributes: u64) -> Result<(), Errno> {
    let place = directory(root, target.to_bytes(), 0o700)?;
    let writable = raw::openat(place, c".", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    raw::fchmod(writable, mode)?;
    raw::close(writable);
    let tree = raw::open_tree(root, target, false)?;
    set_attributes(tree, attributes, false)?;
    let result = raw::move_mount(tree, place);
    raw::close(tree);
    raw::close(place);
    result
}

/// Kernel settings are written through the new instance before it becomes read-only.
fn proc(root: RawFd, sysctls: &[Sysctl], index: usize) -> Outcome<()> {
    let tree = raw::new_filesystem(c"proc", &[], NOSUID | NODEV | NOEXEC).at(Step::Mount, index)?;
    for (number, sysctl) in sysctls.iter().enumerate() {
        let written = raw::openat(tree, &sysctl.path, libc::O_WRONLY, 0).and_then(|fd| {
            let result = raw::write_all(fd, &sysctl.value);
            raw::close(fd);
            result
        });
        match written {
            Err(errno) if sysctl.required => {
                return Err(Fault { step: Step::Sysctl, item: number as u64, errno });
            }
            _ => {}
        }
    }
    set_attributes(tree, RDONLY, false).at(Step::Mount, index)?;
    attach(root, tree, b"proc").at(Step::Mount, index)
}

fn terminals(root: RawFd) -> Result<(), Errno> {
    let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
    let tree = raw::new_filesystem(c"devpts", &options, NOSUID | NOEXEC)?;
    attach(root, tree, b"dev/pts")
}

fn mask(root: RawFd, target: &[u8]) -> Result<(), Errno> {
    let (parent, name) = match parent(root, target, false) {
        Ok(found) => found,
        Err(libc::ENOENT | libc::ENOTDIR | libc::ELOOP) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let found = raw::openat(parent, name.as_c_str(), libc::O_PATH | libc::O_NOFOLLOW, 0);
    raw::close(parent);
    let place = match found {
        Ok(place) => place,
        Err(libc::ENOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let empty = if raw::fstat(place)?.is_dir() { EMPTY_DIRECTORY } else { EMPTY_FILE };
    let tree = raw::open_tree(root, empty, false)?;
    set_attributes(tree, RDONLY | NOSUID | NODEV | NOEXEC, false)?;
    let result = raw::move_mount(tree, place);
    raw::close(tree);
    raw::close(place);
    result
}

pub(super) fn set_attributes(tree: RawFd, set: u64, recursive: bool) -> Result<(), Errno> {
    raw::mount_setattr(tree, recursive, &MountAttr { set, clear: 0, propagation: 0, userns_fd: 0 })
}

/// A detached read-only copy of a file or directory of the new root.
pub(super) fn read_only_copy(root: RawFd, path: &CStr) -> Result<RawFd, Errno> {
    let tree = raw::open_tree(root, path, false)?;
    set_attributes(tree, RDONLY | NOSUID | NODEV | NOEXEC, false)?;
    Ok(tree)
}
