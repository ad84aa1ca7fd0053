//! Notices changes in a tree of directories from outside (inotify(7)).
//!
//! Only what changes names is asked for: a build that writes thousands of files costs next to nothing. Changes within a file that is
//! held are found by looking at it, which also sees what inotify does not: writes through a mapping or another name of the file.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use rustix::fs::inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init};
use rustix::io::Errno;

use crate::rel::Rel;
use crate::tree::through;
use crate::walk::Roots;

/// A change.
#[derive(Debug)]
pub(crate) enum Change {
    /// Some changes are unknown: everything must be looked at.
    Overflow,
    /// A name appeared in a directory, or (directories only) changed its permissions.
    Appeared { at: Rel, roots: Roots, name: OsString, directory: bool, moved: bool },
}

/// Watches on directories.
#[derive(Debug)]
pub(crate) struct Watch {
    fd: Arc<OwnedFd>,
    directories: HashMap<i32, (Rel, Roots)>,
    /// The system gives no more watches.
    pub(crate) full: bool,
}

impl Watch {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = Arc::new(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
        Ok(Self { fd, directories: HashMap::new(), full: false })
    }

    /// What becomes readable when there is a change.
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// Watches an open directory, under the name that it has now.
    pub(crate) fn add(&mut self, rel: &Rel, dir: &OwnedFd, roots: &Roots) {
        let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
        match add_watch(&self.fd, through(dir), flags) {
            Ok(watch) => {
                self.directories.insert(watch, (rel.clone(), Arc::clone(roots)));
            }
            Err(Errno::NOENT | Errno::ACCESS) => {}
            Err(_) => self.full = true,
        }
    }

    /// Everything that has changed since the last call.
    pub(crate) fn changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut buffer = [MaybeUninit::uninit(); 64 << 10];
        let fd = Arc::clone(&self.fd);
        let mut reader = Reader::new(&*fd, &mut buffer);
        while let Ok(event) = reader.next() {
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                changes.push(Change::Overflow);
                continue;
            }
            if flags.contains(ReadFlags::IGNORED) {
                self.directories.remove(&event.wd());
                continue;
            }
            let directory = flags.contains(ReadFlags::ISDIR);
            let appeared = flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO);
            let (Some(name), Some((at, roots))) = (event.file_name(), self.directories.get(&event.wd()))
            else {
                continue;
            };
            if appeared || directory {
                changes.push(Change::Appeared {
                    at: at.clone(),
                    roots: Arc::clone(roots),
                    name: OsStr::from_bytes(name.to_bytes()).to_owned(),
                    directory,
                    moved: flags.contains(ReadFlags::MOVED_TO),
                });
            }
        }
        changes
    }
}
