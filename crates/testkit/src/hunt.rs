//! Looks for a secret from outside: in the memory of processes, in what they were started with, in files.
//!
//! A hunt that finds nothing says something only beside one that found a marker put there on purpose.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes read at a time. Neighbouring reads overlap by the needle's length.
const CHUNK: usize = 1 << 20;

/// Where a needle was found in a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In its arguments (`/proc/PID/cmdline`).
    Arguments,
    /// In the environment it was started with (`/proc/PID/environ`).
    Environment,
    /// In readable memory; the mapping's name (`[heap]`, a file, empty for anonymous memory).
    Memory(String),
}

/// Every living descendant of a process, itself not included.
pub fn descendants(ancestor: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = processes().filter_map(|pid| Some((pid, parent(pid)?))).collect();
    let mut family = BTreeSet::from([ancestor]);
    let mut growing = true;
    while growing {
        growing = false;
        for (pid, parent) in &parents {
            growing |= family.contains(parent) && family.insert(*pid);
        }
    }
    family.remove(&ancestor);
    family
}

/// Processes that run this executable, by the name the kernel gives it.
pub fn running(program: &Path) -> Vec<u32> {
    let is_it = |pid: &u32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    processes().filter(is_it).collect()
}

/// Who holds the lock of flock(2) on a file, as `/proc/locks` tells it (proc(5)).
pub fn lock_holder(file: &Path) -> Option<u32> {
    use std::os::linux::fs::MetadataExt;
    let about = std::fs::metadata(file).ok()?;
    let device = about.st_dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let id = format!("{major:02x}:{minor:02x}:{}", about.st_ino());
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let mut held = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    held.find(|fields| fields.get(1) == Some(&"FLOCK") && fields.get(5) == Some(&id.as_str()))?
        .get(4)?
        .parse()
        .ok()
}

/// Where the needle is in a process.
///
/// # Errors
/// If this user may not read that process's memory.
pub fn in_process(pid: u32, needle: &[u8]) -> io::Result<Vec<Place>> {
    let mut places = Vec::new();
    let start =
        |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).map(|bytes| contains(&bytes, needle));
    if start("cmdline")? {
        places.push(Place::Arguments);
    }
    if start("environ")? {
        places.push(Place::Environment);
    }
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    for line in std::fs::read_to_string(format!("/proc/{pid}/maps"))?.lines() {
        let Some((from, to, name)) = readable(line) else { continue };
        if region_contains(&memory, from, to, needle) {
            places.push(Place::Memory(name));
        }
    }
    Ok(places)
}

/// Regular files below a directory that contain the needle. Links are not followed.
pub fn in_files(root: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(in_files(&path, needle)),
            Ok(kind)
                if kind.is_file() && std::fs::read(&path).is_ok_and(|bytes| contains(&bytes, needle)) =>
            {
                found.push(path);
            }
            _ => {}
        }
    }
    found
}

/// Is the needle in these bytes?
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn processes() -> impl Iterator<Item = u32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Field 4 of `/proc/PID/stat`; the name in field 2 may contain anything, so it is read from its last bracket on.
fn parent(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

/// Start, end and name of a mapping that can be read and holds data of the process.
fn readable(line: &str) -> Option<(u64, u64, String)> {
    let mut fields = line.split_whitespace();
    let (range, modes) = (fields.next()?, fields.next()?);
    let name = fields.nth(3).unwrap_or_default().to_owned();
    let (from, to) = range.split_once('-')?;
    let wanted = modes.starts_with('r') && !matches!(name.as_str(), "[vvar]" | "[vsyscall]");
    wanted.then_some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?, name))
}

fn region_contains(memory: &File, from: u64, to: u64, needle: &[u8]) -> bool {
    let mut chunk = vec![0; CHUNK + needle.len()];
    let step = u64::try_from(CHUNK).unwrap();
    let mut at = from;
    while at < to {
        let left = usize::try_from(to - at).unwrap().min(chunk.len());
        // A mapping may have gone, or a page of it cannot be read (a file that shrank): there is nothing to find there.
        let length = memory.read_at(&mut chunk[..left], at).unwrap_or_default();
        if contains(&chunk[..length], needle) {
            return true;
        }
        at += step;
    }
    false
}
