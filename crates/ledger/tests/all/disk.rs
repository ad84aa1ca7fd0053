//! A disk in memory that remembers every operation, and can say what would be left of it had the power been cut after any of them.
//!
//! It promises no more than POSIX does: bytes are durable once their file is synced, names once their directory is. What is not, is
//! lost, kept, or half of both, independently of each other.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Condvar, Mutex},
};

use bailiwick_core::Digest;
use bailiwick_ledger::storage::{Storage, StorageFile};

type Inode = usize;

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
enum Op {
    Link {
        path: String,
        inode: Option<Inode>,
    },
    Unlink {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Truncate {
        inode: Inode,
    },
    Write {
        inode: Inode,
        offset: usize,
        bytes: Vec<u8>,
    },
    SyncFile {
        inode: Inode,
    },
    SyncDir {
        dir: String,
    },
    /// Not the disk's: somebody was told that this record is safe.
    Acknowledged {
        index: u64,
        leaf: Digest,
    },
}

/// Which syncs are only said to have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lie {
    #[default]
    None,
    Files,
    Dirs,
}

/// How a cut treats what was not synced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    /// All of it is lost.
    Drop,
    /// None is: the process died, not the machine.
    Keep,
    /// Each write whole, lost, or torn at sectors, as this seed has it.
    Tear(u64),
}

/// Names (directories have no inode) and contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    names: BTreeMap<String, Option<Inode>>,
    files: Vec<Vec<u8>>,
}

#[derive(Debug, Default)]
struct State {
    start: Image,
    now: Image,
    ops: Vec<Op>,
    lie: Lie,
    /// The sync of a file, counted from now, that fails; all later ones succeed, as on Linux.
    failing: Option<usize>,
    /// Syncs of files wait while this is set.
    held: bool,
}

/// The disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk(Arc<(Mutex<State>, Condvar)>);

impl SimDisk {
    pub(crate) fn new(start: Image, lie: Lie) -> Self {
        let state = State { now: start.clone(), start, lie, ..State::default() };
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    fn state<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        body(&mut self.0.0.lock().unwrap())
    }

    pub(crate) fn acknowledged(&self, index: u64, leaf: Digest) {
        self.state(|state| state.ops.push(Op::Acknowledged { index, leaf }));
    }

    pub(crate) fn fail_sync(&self, after: usize) {
        self.state(|state| state.failing = Some(after));
    }

    pub(crate) fn hold_syncs(&self, held: bool) {
        self.state(|state| state.held = held);
        self.0.1.notify_all();
    }

    /// How many operations there were.
    pub(crate) fn len(&self) -> usize {
        self.state(|state| state.ops.len())
    }

    /// Everything, as if it had been synced.
    pub(crate) fn image(&self) -> Image {
        self.state(|state| state.now.clone())
    }

    /// What is left if the power is cut after `count` operations; and who had been told by then that which record is safe.
    pub(crate) fn cut(&self, count: usize, cut: Cut) -> (Image, Vec<(u64, Digest)>) {
        self.state(|state| {
            let mut crash = Crash { durable: state.start.clone(), ..Crash::default() };
            let mut acknowledged = Vec::new();
            for op in &state.ops[..count] {
                if let Op::Acknowledged { index, leaf } = op {
                    acknowledged.push((*index, *leaf));
                }
                crash.apply(op);
            }
            (crash.left(cut), acknowledged)
        })
    }

    fn sync(&self, inode: Inode) -> io::Result<()> {
        let mut state = self.0.0.lock().unwrap();
        while state.held {
            state = self.0.1.wait(state).unwrap();
        }
        match state.failing {
            Some(0) => {
                state.failing = None;
                return Err(io::Error::other("the disk is broken"));
            }
            Some(count) => state.failing = Some(count - 1),
            None => {}
        }
        if state.lie != Lie::Files {
            state.ops.push(Op::SyncFile { inode });
        }
        Ok(())
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Image {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Link { path, inode } => drop(self.names.insert(path.clone(), *inode)),
            Op::Unlink { path } => drop(self.names.remove(path)),
            Op::Rename { from, to } => {
                if let Some(inode) = self.names.remove(from) {
                    self.names.insert(to.clone(), inode);
                }
            }
            Op::Truncate { inode } => self.file(*inode).clear(),
            Op::Write { inode, offset, bytes } => {
                let file = self.file(*inode);
                file.resize(file.len().max(offset + bytes.len()), 0);
                file[*offset..offset + bytes.len()].copy_from_slice(bytes);
            }
            Op::SyncFile { .. } | Op::SyncDir { .. } | Op::Acknowledged { .. } => {}
        }
    }

    fn file(&mut self, inode: Inode) -> &mut Vec<u8> {
        if self.files.len() <= inode {
            self.files.resize(inode + 1, Vec::new());
        }
        &mut self.files[inode]
    }

    /// Without names that lie in directories which are not there.
    fn reachable(mut self) -> Self {
        let names = self.names.clone();
        let there = |path: &str| path.match_indices('/').all(|(end, _)| names.contains_key(&path[..end]));
        self.names.retain(|path, _| there(path));
        // Also a file whose bytes are all lost is there: its inode must not be given to another.
        let inodes = self.names.values().flatten().max().map_or(0, |inode| inode + 1);
        self.files.resize(self.files.len().max(inodes), Vec::new());
        self
    }
}

/// What is durable, and what is not yet.
#[derive(Debug, Default)]
struct Crash {
    durable: Image,
    contents: BTreeMap<Inode, Vec<Op>>,
    names: BTreeMap<String, Vec<Op>>,
}

impl Crash {
    fn apply(&mut self, op: &Op) {
        match op {
            Op::Link { path, .. } | Op::Unlink { path } | Op::Rename { to: path, .. } => {
                self.names.entry(parent(path).to_owned()).or_default().push(op.clone());
            }
            Op::Truncate { inode } | Op::Write { inode, .. } => {
                self.contents.entry(*inode).or_default().push(op.clone());
            }
            Op::SyncFile { inode } => {
                let ops = self.contents.remove(inode).unwrap_or_default();
                ops.iter().for_each(|op| self.durable.apply(op));
            }
            Op::SyncDir { dir } => {
                let ops = self.names.remove(dir).unwrap_or_default();
                ops.iter().for_each(|op| self.durable.apply(op));
            }
            Op::Acknowledged { .. } => {}
        }
    }

    fn left(mut self, cut: Cut) -> Image {
        let mut random = match cut {
            Cut::Drop => return self.durable.reachable(),
            Cut::Keep => None,
            Cut::Tear(seed) => Some(Random(seed | 1)),
        };
        for ops in std::mem::take(&mut self.names).into_values() {
            // A directory's journal keeps its order: some beginning of it is there.
            let kept = random.as_mut().map_or(ops.len(), |random| random.below(ops.len() + 1));
            ops[..kept].iter().for_each(|op| self.durable.apply(op));
        }
        for op in std::mem::take(&mut self.contents).into_values().flatten() {
            match &mut random {
                None => self.durable.apply(&op),
                Some(random) => self.tear(&op, random),
            }
        }
        self.durable.reachable()
    }

    fn tear(&mut self, op: &Op, random: &mut Random) {
        const SECTOR: usize = 512;
        match (op, random.below(3)) {
            (_, 0) => {}
            (Op::Write { inode, offset, bytes }, 1) => {
                for (at, sector) in (0..).step_by(SECTOR).zip(bytes.chunks(SECTOR)) {
                    if random.below(2) == 0 {
                        let part = Op::Write { inode: *inode, offset: offset + at, bytes: sector.to_vec() };
                        self.durable.apply(&part);
                    }
                }
            }
            _ => self.durable.apply(op),
        }
    }
}

/// xorshift64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

impl State {
    fn perform(&mut self, op: Op) {
        self.now.apply(&op);
        self.ops.push(op);
    }

    fn inode(&self, path: &str) -> io::Result<Inode> {
        self.now.names.get(path).copied().flatten().ok_or_else(missing)
    }
}

impl Storage for SimDisk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.state(|state| {
            let inode = state.inode(path)?;
            Ok(state.now.files.get(inode).cloned().unwrap_or_default())
        })
    }

    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.state(|state| {
            let names = state.now.names.keys().filter(|path| parent(path) == dir);
            Ok(names.map(|path| path.rsplit('/').next().unwrap().to_owned()).collect())
        })
    }

    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.state(|state| {
            for (end, _) in path.match_indices('/') {
                if !state.now.names.contains_key(&path[..end]) {
                    state.perform(Op::Link { path: path[..end].to_owned(), inode: None });
                }
            }
            let inode = match state.inode(path) {
                Ok(inode) => {
                    state.perform(Op::Truncate { inode });
                    inode
                }
                Err(_) => {
                    let inode = state.now.files.len();
                    state.now.file(inode);
                    state.perform(Op::Link { path: path.to_owned(), inode: Some(inode) });
                    inode
                }
            };
            state.perform(Op::Write { inode, offset: 0, bytes: bytes.to_vec() });
            Ok(())
        })
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let inode = self.state(|state| state.inode(path))?;
        Ok(Arc::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        assert_eq!(parent(from), parent(to), "renames stay within a directory: another would need two syncs");
        self.state(|state| {
            state.inode(from)?;
            state.perform(Op::Rename { from: from.to_owned(), to: to.to_owned() });
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        self.state(|state| {
            let below = format!("{path}/");
            let names = state.now.names.keys().filter(|name| *name == path || name.starts_with(&below));
            for path in names.rev().cloned().collect::<Vec<_>>() {
                state.perform(Op::Unlink { path });
            }
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &str) -> io::Result<()> {
        self.state(|state| {
            if !dir.is_empty() && !state.now.names.contains_key(dir) {
                return Err(missing());
            }
            if state.lie != Lie::Dirs {
                state.ops.push(Op::SyncDir { dir: dir.to_owned() });
            }
            Ok(())
        })
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: Inode,
}

impl StorageFile for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).unwrap();
        let op = Op::Write { inode: self.inode, offset, bytes: bytes.to_vec() };
        self.disk.state(|state| state.perform(op));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync(self.inode)
    }
}
