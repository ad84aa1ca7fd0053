//! Looks through a workspace: which files are on the list, which directories are git's, which links lead where the agent writes.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, fstat, statat};

use crate::rel::Rel;
use crate::rules::{self, Hold};
use crate::tree::{Stamp, Tree, gone};

/// The numbers of leading names of a path after which a git directory begins.
pub(crate) type Roots = Arc<[usize]>;

/// Directories of other people's packages: what is built from them is no work that a person looks through.
const VENDORED: &[&[u8]] = &[b"node_modules", b"site-packages", b"target", b"vendor"];

/// Why a file is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) hold: Hold,
    pub(crate) why: &'static str,
}

/// How files are told apart.
#[derive(Debug)]
pub(crate) struct Sorter {
    /// Where the agent writes outside the workspace, seen from the host: links into it are never a person's.
    pub(crate) state: PathBuf,
    /// Files that the person's configuration leads to, and whether everything below counts.
    pub(crate) led_to: Vec<(Rel, bool, Hold)>,
}

impl Sorter {
    /// How the file at `rel` is held, if it is.
    pub(crate) fn file(&self, rel: &Rel, roots: &[usize]) -> Option<Held> {
        let led = self.led_to.iter().find(|(led, below, _)| {
            if *below { rel.as_path().starts_with(led.as_path()) } else { rel == led }
        });
        if let Some((_, _, hold)) = led {
            return Some(Held { hold: *hold, why: "your git configuration names it" });
        }
        let names = rel.names();
        let rule = rules::find(&names, roots)?;
        let unseen = rule.hold == Hold::Show && names.iter().any(|name| VENDORED.contains(name));
        let sample =
            rule.glob == "GIT/hooks/**" && names.last().is_some_and(|name| name.ends_with(b".sample"));
        (!unseen && !sample).then_some(Held { hold: rule.hold, why: &rule.why })
    }

    /// How a link on no list is held: one into the agent's own files is a way around every list. Both what it says and where it leads
    /// for us count: `/proc/1/root` leads to files that are somebody else's inside.
    pub(crate) fn link(&self, tree: &Tree, rel: &Rel) -> Option<Held> {
        let link = tree.path().join(rel.as_path());
        let said = rustix::fs::readlink(&link, Vec::new()).ok().map(|text| {
            let said = Path::new(std::ffi::OsStr::from_bytes(text.as_bytes()));
            plain(&link.parent().unwrap_or(tree.path()).join(said))
        });
        let inside = |target: PathBuf| target.starts_with(&self.state) || target.starts_with("/proc");
        let held = [said, tree.leads_to(rel)].into_iter().flatten().any(inside);
        held.then_some(Held { hold: Hold::Quarantine, why: "leads to files of the sandbox" })
    }
}

/// The absolute path without `.` and `..`, as written: no link is followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// What a walk sees.
pub(crate) trait Visitor {
    /// A directory, before its names are read: from now on changes in it must be noticed.
    fn directory(&mut self, rel: &Rel, dir: &OwnedFd, roots: &Roots);
    /// A file, link or anything else that is held.
    fn held(&mut self, rel: Rel, held: Held, stamp: Stamp);
}

/// Walks from `start`. Whether everything could be looked at.
pub(crate) fn walk(
    tree: &Tree,
    sorter: &Sorter,
    start: (Rel, Roots),
    thorough: bool,
    visitor: &mut impl Visitor,
) -> bool {
    let mut complete = true;
    let mut stack = vec![start];
    while let Some((rel, roots)) = stack.pop() {
        match one(tree, sorter, (&rel, roots), thorough, visitor) {
            Ok(below) => stack.extend(below),
            Err(error) if gone(&error) || error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(_) => complete = false,
        }
    }
    complete
}

fn one(
    tree: &Tree,
    sorter: &Sorter,
    (rel, mut roots): (&Rel, Roots),
    thorough: bool,
    visitor: &mut impl Visitor,
) -> io::Result<Vec<(Rel, Roots)>> {
    let dir = match tree.dir(rel) {
        Err(error) if thorough && error.kind() == io::ErrorKind::PermissionDenied => opened(tree, rel)?,
        dir => dir?,
    };
    let names = list(&dir)?;
    if is_git(rel, &names) && roots.last() != Some(&rel.names().len()) {
        roots = roots.iter().copied().chain([rel.names().len()]).collect();
    }
    visitor.directory(rel, &dir, &roots);
    // Read again: what came before the watch is in no event.
    let names = list(&dir)?;
    let mut below = Vec::new();
    for (name, kind) in names {
        let child = rel.child(&name);
        let kind = match kind {
            FileType::Unknown => match statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        if kind == FileType::Directory {
            below.push((child, Arc::clone(&roots)));
            continue;
        }
        let held = sorter.file(&child, &roots);
        let held = if kind == FileType::Symlink { held.or_else(|| sorter.link(tree, &child)) } else { held };
        if let (Some(held), Ok(stat)) = (held, statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW)) {
            visitor.held(child, held, Stamp::from(&stat));
        }
    }
    Ok(below)
}

/// Opens a directory that its owner has closed to everyone; what lies in it would take effect once it is open again.
fn opened(tree: &Tree, rel: &Rel) -> io::Result<OwnedFd> {
    use rustix::fs::{OFlags, openat};
    let place = tree.place(rel)?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = openat(&place.dir, &place.name, flags, Mode::empty())?;
    let mode = Mode::from_raw_mode(fstat(&path)?.st_mode);
    rustix::fs::chmod(crate::tree::through(&path), mode | Mode::RUSR | Mode::WUSR | Mode::XUSR)?;
    tree.dir(rel)
}

fn list(dir: &OwnedFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push((std::ffi::OsStr::from_bytes(name).to_owned(), entry.file_type()));
        }
    }
    Ok(names)
}

/// Whether git takes a directory for one of its own: by its name, or because it has what one has (gitrepository-layout(5)). Broader
/// than git's own test, which also wants a readable `HEAD` that may be written last.
fn is_git(rel: &Rel, names: &[(OsString, FileType)]) -> bool {
    let names: HashSet<&[u8]> = names.iter().map(|(name, _)| name.as_bytes()).collect();
    rel.as_path().file_name().is_some_and(|name| name == ".git")
        || names.contains(b"commondir".as_slice())
        || (names.contains(b"objects".as_slice()) && names.contains(b"refs".as_slice()))
}

/// Whether a new name may make its directory one of git's.
pub(crate) fn makes_git(name: &Path) -> bool {
    ["commondir", "objects", "refs"].iter().any(|part| name == Path::new(part))
}
