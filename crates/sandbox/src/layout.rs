//! From a [`Plan`] to the list of mounts and the Landlock rules that go with it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use bailiwick_sandbox_sys::{Bind, Identity, Mount};

use crate::error::SandboxError;
use crate::etc;
use crate::landlock::Access;
use crate::paths::{c_string, canonical, in_root};
use crate::plan::Plan;

const RDONLY: u64 = 0x1;
const NOSUID: u64 = 0x2;
const NODEV: u64 = 0x4;
const NOEXEC: u64 = 0x8;

/// Flags of a directory of the host that is only looked at.
pub(crate) const READ_ONLY: u64 = RDONLY | NOSUID | NODEV;
/// Flags of a directory of the host that is worked in.
const READ_WRITE: u64 = NOSUID | NODEV;

/// The operating system's directories. Where the host has a link, so has the sandbox.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Writable, in memory, gone at the end.
const SCRATCH: &[(&str, u32, u64)] = &[
    ("tmp", 0o1777, NOSUID | NODEV),
    ("var/tmp", 0o1777, NOSUID | NODEV),
    ("run", 0o755, NOSUID | NODEV),
    ("dev/shm", 0o1777, NOSUID | NODEV),
];
/// What root outside could read there although it has no capability.
const PROC_OF_ROOT: &[&str] = &[
    "proc/kcore",
    "proc/kmsg",
    "proc/kpagecount",
    "proc/kpageflags",
    "proc/kpagecgroup",
    "proc/keys",
    "proc/timer_list",
    "proc/vmallocinfo",
    "proc/slabinfo",
    "proc/sysrq-trigger",
];

/// A file of the root that no Landlock rule covers, for the self-test.
pub(crate) const FORBIDDEN: &str = "/.bailiwick/forbidden";

/// The new file system.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) mounts: Vec<Mount>,
    pub(crate) rules: Vec<(PathBuf, Access)>,
    /// The workspace without symbolic links.
    pub(crate) workdir: PathBuf,
}

/// A directory of the host at a path inside.
struct Shown {
    source: PathBuf,
    writable: bool,
    optional: bool,
}

pub(crate) fn layout(plan: &Plan, uid: u32, gid: u32) -> Result<Layout, SandboxError> {
    let workdir = canonical(&plan.workdir)?;
    let shown = shown(plan, &workdir)?;
    let mut mounts = system_mounts()?;
    mounts.extend(etc::mounts(uid, gid)?);
    mounts.push(Mount::File { target: in_root(Path::new(FORBIDDEN))?, mode: 0o644, contents: Vec::new() });
    for (target, shown) in &shown {
        mounts.push(Mount::Bind(bind(target, shown)?));
    }
    for path in &plan.protected {
        mounts.extend(protect(path, &workdir)?);
    }
    mounts.push(Mount::Proc);
    if uid == 0 {
        for target in PROC_OF_ROOT {
            mounts.push(Mount::Mask { target: c_string(target)? });
        }
    }
    for path in &plan.masks {
        for target in mask_targets(path) {
            mounts.push(Mount::Mask { target: in_root(&target)? });
        }
    }
    Ok(Layout { mounts, rules: rules(&shown), workdir })
}

fn system_mounts() -> Result<Vec<Mount>, SandboxError> {
    let mut mounts = Vec::new();
    for path in SYSTEM.iter().map(Path::new) {
        let Ok(metadata) = fs::symlink_metadata(path) else { continue };
        let target = in_root(path)?;
        mounts.push(if metadata.is_symlink() {
            let to =
                fs::read_link(path).map_err(|source| SandboxError::Path { path: path.into(), source })?;
            Mount::Symlink { target, to: c_string(to)? }
        } else {
            let source = c_string(path)?;
            Mount::Bind(Bind { source, target, attributes: READ_ONLY, identity: None, optional: false })
        });
    }
    for name in DEVICES {
        let source = c_string(format!("/dev/{name}"))?;
        let target = c_string(format!("dev/{name}"))?;
        mounts.push(Mount::Bind(Bind {
            source,
            target,
            attributes: NOSUID | NOEXEC,
            identity: None,
            optional: true,
        }));
    }
    mounts.push(Mount::Terminals);
    let links = [
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
        ("ptmx", "pts/ptmx"),
    ];
    for (name, to) in links {
        mounts.push(Mount::Symlink { target: c_string(format!("dev/{name}"))?, to: c_string(to)? });
    }
    for (target, mode, attributes) in SCRATCH {
        mounts.push(Mount::Scratch { target: c_string(target)?, mode: *mode, attributes: *attributes });
    }
    Ok(mounts)
}

/// Everything of the host beside the system, by its path inside; a parent comes before what lies in it.
fn shown(plan: &Plan, workdir: &Path) -> Result<BTreeMap<PathBuf, Shown>, SandboxError> {
    let mut shown = BTreeMap::new();
    for path in &plan.read_only {
        let Ok(real) = canonical(path) else { continue };
        if path == Path::new("/") || real == Path::new("/") {
            return Err(SandboxError::OddPath { path: path.clone() });
        }
        // A directory reached by a link is shown at both paths: what is in it may point to either.
        for target in [path.clone(), real.clone()] {
            if in_root(&target).is_ok() && !is_system(&target) {
                shown.insert(target, Shown { source: real.clone(), writable: false, optional: true });
            }
        }
    }
    for other in &plan.shown {
        let source = canonical(&other.source)?;
        shown.insert(other.at.clone(), Shown { source, writable: false, optional: true });
    }
    if let Some(home) = &plan.home {
        let source = canonical(&home.host_dir)?;
        shown.insert(home.mount_at.clone(), Shown { source, writable: true, optional: false });
    }
    for path in &plan.writable {
        let source = canonical(path)?;
        shown.insert(source.clone(), Shown { source, writable: true, optional: false });
    }
    let source = workdir.to_path_buf();
    shown.insert(source.clone(), Shown { source, writable: true, optional: false });
    Ok(without_repeats(shown))
}

/// Leaves out read-only directories that something of the same kind, or the writable place they lie in, already shows as they are.
fn without_repeats(shown: BTreeMap<PathBuf, Shown>) -> BTreeMap<PathBuf, Shown> {
    let repeats = |target: &Path, entry: &Shown| {
        let above = target.ancestors().skip(1).find_map(|path| shown.get(path).map(|shown| (path, shown)));
        above.is_some_and(|(path, parent)| {
            let same = target.strip_prefix(path).is_ok_and(|rest| parent.source.join(rest) == entry.source);
            same && !entry.writable
        })
    };
    let keep: Vec<PathBuf> = shown
        .iter()
        .filter(|(target, entry)| !repeats(target, entry))
        .map(|(target, _)| target.clone())
        .collect();
    shown.into_iter().filter(|(target, _)| keep.binary_search(target).is_ok()).collect()
}

fn is_system(path: &Path) -> bool {
    SYSTEM.iter().any(|system| path.starts_with(system))
}

fn bind(target: &Path, shown: &Shown) -> Result<Bind, SandboxError> {
    let metadata = fs::metadata(&shown.source)
        .map_err(|source| SandboxError::Path { path: shown.source.clone(), source })?;
    Ok(Bind {
        source: c_string(&shown.source)?,
        target: in_root(target)?,
        attributes: if shown.writable { READ_WRITE } else { READ_ONLY },
        identity: Some(Identity { dev: metadata.dev(), ino: metadata.ino() }),
        optional: shown.optional,
    })
}

/// Makes a directory of the workspace read-only; one that has become a link, or is gone, is passed over.
fn protect(path: &Path, workdir: &Path) -> Result<Option<Mount>, SandboxError> {
    let real =
        path.canonicalize().ok().filter(|real| real == path && real.starts_with(workdir) && real.is_dir());
    let Some(source) = real else { return Ok(None) };
    let shown = Shown { source, writable: false, optional: true };
    Ok(Some(Mount::Bind(bind(path, &shown)?)))
}

/// A mask hides the file at its own path and, for a link, the file it leads to.
fn mask_targets(path: &Path) -> Vec<PathBuf> {
    let mut targets = vec![path.to_path_buf()];
    if let Ok(real) = path.canonicalize()
        && real != path
    {
        targets.push(real);
    }
    targets
}

fn rules(shown: &BTreeMap<PathBuf, Shown>) -> Vec<(PathBuf, Access)> {
    let mut rules = vec![(PathBuf::from("/"), Access::List)];
    rules.extend(SYSTEM.iter().chain(&["/etc", "/proc"]).map(|path| (PathBuf::from(path), Access::Read)));
    rules.push((PathBuf::from("/dev"), Access::Device));
    rules.extend(SCRATCH.iter().map(|(path, ..)| (Path::new("/").join(path), Access::Write)));
    rules.extend(
        shown.iter().map(|(target, shown)| {
            (target.clone(), if shown.writable { Access::Write } else { Access::Read })
        }),
    );
    rules
}
