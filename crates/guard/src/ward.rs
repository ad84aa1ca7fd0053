//! One workspace under guard: from the baseline to the last look, through one thread that reacts to what changes.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bailiwick_core::{Digest, Timestamp};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::baseline::{Baseline, Known};
use crate::guards::{GuardError, HandOff, Overrun, RunsLater};
use crate::judge::{Removed, Verdict, judge};
use crate::quarantine::{Item, Kept, Quarantine};
use crate::rel::Rel;
use crate::rules::Hold;
use crate::tree::{Found, Place, Stamp, Tree, name_before};
use crate::walk::{Held, Roots, Sorter, Visitor, makes_git, walk};
use crate::watch::{Change, Watch};

/// How long a file that is being written is left alone, so that all of it goes into quarantine. A file that was moved into its place
/// is complete.
const SETTLE: Duration = Duration::from_millis(40);
/// How long the content of a file is compared after it changed: a mapping of it may go on changing it without a trace.
const WARM: Duration = Duration::from_secs(60);
/// Files that are looked at in one turn.
const TURN: usize = 200;
/// Files whose content is compared in one turn without a reason.
const SAMPLE: usize = 8;
/// Milliseconds that one turn waits for git in all, however many locks lie there.
const GIT_PATIENCE: u32 = 20;
/// Items of one session; one that brings more does not mean to stop.
const MOST: usize = 500;
/// Between two looks through everything where watches are not to be had.
const RESCAN: Duration = Duration::from_secs(1);
/// Files that are listed at the end.
const MOST_SHOWN: usize = 1000;

/// A workspace under guard.
pub(crate) struct Ward {
    tree: Tree,
    baseline: Baseline,
    sorter: Sorter,
    watch: Watch,
    tracked: BTreeMap<Rel, Tracked>,
    turn: Option<Rel>,
    sessions: Vec<Resident>,
    /// What was found while no session was known: an earlier one left it.
    left_before: Vec<Item>,
    quarantine: Quarantine,
    baseline_file: PathBuf,
    rescan_at: Option<Instant>,
    /// Milliseconds that this turn still waits for git.
    git_patience: u32,
    /// Nothing has changed since everything was looked at without an agent.
    pub(crate) settled: bool,
    _lock: File,
}

/// A file that is held and may stay for now.
struct Tracked {
    held: Held,
    stamp: Option<Stamp>,
    warm_until: Instant,
    /// Since when it has been seen to be one that must go.
    bad_since: Option<Instant>,
}

/// A session in the workspace.
struct Resident {
    id: String,
    unlocked: Vec<Rel>,
    items: Vec<Item>,
    overrun: Option<Overrun>,
}

/// Collects what a walk sees.
struct Collect<'w> {
    watch: Option<&'w mut Watch>,
    held: Vec<(Rel, Held, Stamp)>,
}

impl Visitor for Collect<'_> {
    fn directory(&mut self, rel: &Rel, dir: &OwnedFd, roots: &Roots) {
        if let Some(watch) = &mut self.watch {
            watch.add(rel, dir, roots);
        }
    }

    fn held(&mut self, rel: Rel, held: Held, stamp: Stamp) {
        self.held.push((rel, held, stamp));
    }
}

impl Ward {
    /// Begins: looks through what an earlier session left, or remembers what is there.
    pub(crate) fn begin(workspace: &Path, directory: &Path, state: &Path) -> Result<Self, GuardError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| GuardError::Io { path, source }
        };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(at(directory))?;
        let lock = lock(&directory.join("lock"), workspace)?;
        let baseline_file = directory.join("baseline.json");
        let left = Baseline::read(&baseline_file).map_err(at(&baseline_file))?;
        let tree = Tree::open(workspace).map_err(at(workspace))?;
        let watch = Watch::new().map_err(at(workspace))?;
        let mut ward = Self {
            sorter: Sorter { state: state.to_owned(), led_to: Vec::new() },
            tree,
            baseline: Baseline { workspace: workspace.to_owned(), ..Baseline::default() },
            watch,
            tracked: BTreeMap::new(),
            turn: None,
            sessions: Vec::new(),
            left_before: Vec::new(),
            quarantine: Quarantine::new(directory.join("quarantine")),
            baseline_file,
            rescan_at: None,
            git_patience: GIT_PATIENCE,
            settled: false,
            _lock: lock,
        };
        match left {
            Some(baseline) => {
                ward.sorter.led_to = baseline.led_to();
                ward.baseline = baseline;
                ward.look_through(true);
            }
            None => ward.remember().map_err(at(workspace))?,
        }
        Ok(ward)
    }

    /// Takes the baseline. What the configuration leads to is only known once that has been read: hence twice, where it leads anywhere.
    fn remember(&mut self) -> io::Result<()> {
        loop {
            for (rel, held, stamp) in self.walk(true) {
                if held.hold == Hold::Show {
                    self.baseline.shown.insert(rel, stamp);
                    continue;
                }
                match self.tree.look(&rel)?.0 {
                    Found::File { bytes, mode } => {
                        self.baseline.held.insert(rel.clone(), Known::file(bytes, mode));
                    }
                    Found::Link(target) => {
                        self.baseline.held.insert(rel.clone(), Known::Link { target });
                    }
                    Found::Absent | Found::Directory | Found::Other(_) => {}
                }
                self.track(rel, held, Some(stamp));
            }
            let led_to = self.baseline.led_to();
            if led_to == self.sorter.led_to {
                break;
            }
            self.sorter.led_to = led_to;
        }
        self.baseline.write(&self.baseline_file)
    }

    fn walk(&mut self, thorough: bool) -> Vec<(Rel, Held, Stamp)> {
        self.walk_from(Rel::default(), Vec::new().into(), thorough)
    }

    fn walk_from(&mut self, rel: Rel, roots: Roots, thorough: bool) -> Vec<(Rel, Held, Stamp)> {
        let mut collect = Collect { watch: Some(&mut self.watch), held: Vec::new() };
        let complete = walk(&self.tree, &self.sorter, (rel, roots), thorough, &mut collect);
        let held = collect.held;
        if !complete || self.watch.full {
            self.rescan_at.get_or_insert_with(|| Instant::now() + RESCAN);
        }
        held
    }

    /// Looks at everything, and takes away what may not stay.
    fn look_through(&mut self, thorough: bool) -> Vec<(Rel, Held, Stamp)> {
        let seen = self.walk(thorough);
        for (rel, held, _) in &seen {
            self.consider(rel, *held, true);
        }
        // What had a moment to go and was not come across: it is gone, or lies where no walk leads any more.
        let waiting = self.tracked.iter().filter(|(_, tracked)| tracked.bad_since.is_some());
        let waiting: Vec<_> = waiting.map(|(rel, tracked)| (rel.clone(), tracked.held)).collect();
        for (rel, held) in waiting {
            self.consider(&rel, held, true);
        }
        seen
    }

    /// What becomes readable when something changes.
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        self.watch.descriptor()
    }

    /// How long nothing needs to be done unless something changes.
    pub(crate) fn patience(&self) -> Duration {
        let busy = self.tracked.values().any(|tracked| tracked.bad_since.is_some());
        Duration::from_millis(if busy { 10 } else { 50 })
    }

    /// Reacts to what has changed, and looks at files that may have.
    pub(crate) fn turn(&mut self) {
        self.git_patience = GIT_PATIENCE;
        let changes = self.watch.changes();
        self.settled &= changes.is_empty();
        for change in changes {
            match change {
                Change::Overflow => drop(self.look_through(false)),
                Change::Appeared { at, roots, name, directory, moved } => {
                    self.appeared(&at, &roots, &at.child(&name), directory, moved);
                    if makes_git(Path::new(&name)) {
                        self.subtree(at, roots);
                    }
                }
            }
        }
        if self.rescan_at.is_some_and(|at| at <= Instant::now()) {
            self.rescan_at = None;
            let began = Instant::now();
            self.look_through(false);
            if self.watch.full {
                self.rescan_at = Some(Instant::now() + RESCAN.max(began.elapsed() * 4));
            }
        }
        self.look_at_some();
    }

    fn appeared(&mut self, at: &Rel, roots: &Roots, rel: &Rel, directory: bool, moved: bool) {
        if directory {
            return self.subtree(rel.clone(), Arc::clone(roots));
        }
        let held = self.sorter.file(rel, roots).or_else(|| {
            self.sorter
                .link(&self.tree, rel)
                .filter(|_| matches!(self.tree.look(rel), Ok((Found::Link(_), _))))
        });
        debug_assert_eq!(*at, rel.parent());
        if let Some(held) = held {
            self.consider(rel, held, moved);
        }
    }

    fn subtree(&mut self, rel: Rel, roots: Roots) {
        for (rel, held, _) in self.walk_from(rel, roots, false) {
            self.consider(&rel, held, false);
        }
    }

    /// Compares files that are held with what they were.
    fn look_at_some(&mut self) {
        let start = self.turn.take();
        let from = start.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let later = self
            .tracked
            .range((from.clone(), std::ops::Bound::Unbounded))
            .take(TURN)
            .map(|(rel, _)| rel.clone());
        let some: Vec<Rel> = later.collect();
        self.turn = (some.len() == TURN).then(|| some[TURN - 1].clone());
        let pending = self.tracked.iter().filter(|(_, tracked)| tracked.bad_since.is_some());
        let pending: Vec<Rel> =
            pending.map(|(rel, _)| rel.clone()).filter(|rel| !some.contains(rel)).collect();
        let now = Instant::now();
        let offset = usize::try_from(rand_offset()).unwrap_or(0);
        for (index, rel) in some.iter().chain(&pending).enumerate() {
            let Some(tracked) = self.tracked.get(rel) else { continue };
            let held = tracked.held;
            let sampled = (index + offset) % some.len().max(1) < SAMPLE;
            let due = tracked.bad_since.is_some() || tracked.warm_until > now || sampled;
            if due || self.stamp(rel) != tracked.stamp {
                self.consider(rel, held, false);
            }
        }
    }

    fn stamp(&self, rel: &Rel) -> Option<Stamp> {
        let place = self.tree.place(rel).ok()?;
        let stat = rustix::fs::statat(&place.dir, &place.name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(Stamp::from(&stat))
    }

    fn track(&mut self, rel: Rel, held: Held, stamp: Option<Stamp>) {
        let tracked = self.tracked.entry(rel).or_insert_with(|| Tracked {
            held,
            stamp,
            warm_until: Instant::now(),
            bad_since: None,
        });
        if tracked.stamp != stamp {
            tracked.warm_until = Instant::now() + WARM;
        }
        (tracked.held, tracked.stamp, tracked.bad_since) = (held, stamp, None);
    }

    /// Looks at one file, and takes it away if it may not stay. A file that may still be written to has a moment, unless it is
    /// `complete`.
    fn consider(&mut self, rel: &Rel, held: Held, complete: bool) {
        if held.hold == Hold::Show || self.unlocked(rel) {
            return;
        }
        let (found, stamp) = match self.tree.look(rel) {
            Ok(looked) => looked,
            // It changed while we looked: the next turn looks again.
            Err(_) => (Found::Other("changing"), None),
        };
        if matches!(found, Found::Absent | Found::Directory) {
            self.tracked.remove(rel);
            return;
        }
        let verdict = judge(&self.tree, &self.baseline, rel, held.hold, &found);
        if verdict == Verdict::Pass {
            return self.track(rel.clone(), held, stamp);
        }
        let since = self.tracked.get(rel).and_then(|tracked| tracked.bad_since);
        let waited = since.is_some_and(|since| since.elapsed() >= SETTLE);
        if !complete && !waited && matches!(found, Found::File { .. }) {
            let since = since.unwrap_or_else(Instant::now);
            self.track(rel.clone(), held, stamp);
            if let Some(tracked) = self.tracked.get_mut(rel) {
                tracked.bad_since = Some(since);
            }
            return;
        }
        self.tracked.remove(rel);
        let done = match verdict {
            Verdict::Pass => Ok(()),
            Verdict::Remove => self.remove(rel, held),
            Verdict::Clean { bytes, removed } => self.clean(rel, held, &found, bytes, &removed),
        };
        if done.is_err() {
            // Not lost: looked at again in the next turn, for as long as it is there.
            self.track(rel.clone(), held, None);
            if let Some(tracked) = self.tracked.get_mut(rel) {
                tracked.bad_since = Some(Instant::now());
            }
        }
    }

    fn unlocked(&self, rel: &Rel) -> bool {
        self.sessions
            .iter()
            .flat_map(|session| &session.unlocked)
            .any(|path| rel.as_path().starts_with(path.as_path()))
    }

    /// Moves a file aside, keeps it, and puts back what was there before.
    fn remove(&mut self, rel: &Rel, held: Held) -> io::Result<()> {
        let place = self.tree.place(rel)?;
        let Some(aside) = place.move_aside()? else { return Ok(()) };
        let mut found = place.look(&aside)?.0;
        if found == Found::Other("not readable") {
            place.open_up(&aside);
            found = place.look(&aside)?.0;
        }
        // A crash may have left it aside: then it belongs where it was before that.
        let origin = place.name.clone();
        let before = name_before(&origin).map(|name| rel.parent().child(&name));
        let rel = before.as_ref().unwrap_or(rel);
        let (kept, bytes) = match found {
            Found::File { bytes, mode } => (Kept::File { mode }, bytes),
            Found::Link(target) => {
                (Kept::Link { target: String::from_utf8_lossy(&target).into_owned() }, target)
            }
            Found::Other(what) => (Kept::Lost { what: what.to_owned() }, Vec::new()),
            Found::Absent | Found::Directory => return Ok(()),
        };
        let place = Place { name: rel.as_path().file_name().unwrap_or_default().to_owned(), ..place };
        let put_back = self.put_back(&place, rel)?;
        self.keep(rel, held, kept, &bytes, put_back)?;
        place.remove(&aside)?;
        place.sync();
        Ok(())
    }

    fn put_back(&mut self, place: &Place, rel: &Rel) -> io::Result<bool> {
        match self.baseline.held.get(rel) {
            Some(Known::File { bytes, mode }) => place.put(bytes, *mode),
            Some(Known::Link { target }) => {
                let target: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(target);
                Ok(rustix::fs::symlinkat(target, &place.dir, &place.name).is_ok())
            }
            None => Ok(false),
        }
    }

    /// Swaps a configuration for itself without what may not stay.
    fn clean(
        &mut self,
        rel: &Rel,
        held: Held,
        found: &Found,
        mut bytes: Vec<u8>,
        removed: &[Removed],
    ) -> io::Result<()> {
        let place = self.tree.place(rel)?;
        let (mut found, mut removed) = (found.clone(), removed.to_vec());
        for _ in 0..16 {
            let Found::File { mode, .. } = found else { return self.remove(rel, held) };
            let aside = place.write_aside(&bytes, mode)?;
            let_git_finish(&place, &mut self.git_patience);
            // Writing took its time. The moment in which git could read what is to be swapped back is kept short.
            let swapped = if place.look(&place.name)?.0 == found {
                place.exchange(&aside)
            } else {
                Err(Errno::AGAIN.into())
            };
            match swapped {
                Ok(()) => {}
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
                    place.remove(&aside)?;
                    found = place.look(&place.name)?.0;
                    match judge(&self.tree, &self.baseline, rel, held.hold, &found) {
                        Verdict::Pass => return Ok(()),
                        Verdict::Remove => return self.remove(rel, held),
                        Verdict::Clean { bytes: again, removed: gone } => (bytes, removed) = (again, gone),
                    }
                    continue;
                }
                Err(error) if Errno::from_io_error(&error) == Some(Errno::INVAL) => {
                    rustix::fs::renameat(&place.dir, &aside, &place.dir, &place.name)?;
                }
                Err(error) => {
                    place.remove(&aside)?;
                    return Err(error);
                }
            }
            let swapped = place.look(&aside)?.0;
            if swapped == found || swapped == Found::Absent {
                let names = removed.iter().map(|removed| removed.name.clone()).collect();
                let text: String = removed.iter().map(|removed| removed.text.as_str()).collect();
                self.keep(rel, held, Kept::Variables { names }, text.as_bytes(), false)?;
                place.remove(&aside)?;
                let stamp = self.stamp(rel);
                self.track(rel.clone(), held, stamp);
                return Ok(());
            }
            // It was written once more meanwhile: that version counts.
            place.exchange(&aside)?;
            place.remove(&aside)?;
            found = place.look(&place.name)?.0;
            match judge(&self.tree, &self.baseline, rel, held.hold, &found) {
                Verdict::Pass => return Ok(()),
                Verdict::Remove => return self.remove(rel, held),
                Verdict::Clean { bytes: again, removed: gone } => (bytes, removed) = (again, gone),
            }
        }
        self.remove(rel, held)
    }

    fn keep(&mut self, rel: &Rel, held: Held, kept: Kept, bytes: &[u8], put_back: bool) -> io::Result<()> {
        let digest = Digest::of(bytes);
        let same = |item: &&Item| item.path == *rel && item.digest == digest && item.kept == kept;
        let earlier = self.sessions.iter().flat_map(|session| &session.items).find(same).cloned();
        let item = match earlier {
            // The same once more: one copy of it is enough.
            Some(item) => item,
            None => self.quarantine.keep(
                Item {
                    id: String::new(),
                    at: moment(),
                    workspace: self.tree.path().to_owned(),
                    path: rel.clone(),
                    kept,
                    why: held.why.to_owned(),
                    sessions: self.sessions.iter().map(|session| session.id.clone()).collect(),
                    digest,
                    put_back,
                },
                bytes,
            )?,
        };
        if self.sessions.is_empty() {
            self.left_before.push(item.clone());
        }
        for session in &mut self.sessions {
            session.items.push(item.clone());
            if session.items.len() >= MOST
                && let Some(overrun) = session.overrun.take()
            {
                overrun();
            }
        }
        Ok(())
    }

    /// A session begins here.
    pub(crate) fn enter(&mut self, id: &str, unlocked: Vec<Rel>, overrun: Overrun) {
        self.settled = false;
        self.sessions.push(Resident {
            id: id.to_owned(),
            unlocked,
            items: Vec::new(),
            overrun: Some(overrun),
        });
    }

    /// What an earlier session had left, once.
    pub(crate) fn left_before(&mut self) -> Vec<Item> {
        std::mem::take(&mut self.left_before)
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.sessions.iter().any(|session| session.id == id)
    }

    /// Looks through everything once more, and says what was found in session `id`.
    pub(crate) fn hand_off(&mut self, id: &str) -> HandOff {
        self.watch.changes();
        let seen = self.look_through(true);
        self.settled = true;
        let mut items: Vec<Item> = Vec::new();
        for item in self.sessions.iter().filter(|session| session.id == id).flat_map(|session| &session.items)
        {
            if !items.iter().any(|known| known.id == item.id) {
                items.push(item.clone());
            }
        }
        let changed = seen.into_iter().filter(|(rel, held, stamp)| {
            held.hold == Hold::Show && self.baseline.shown.get(rel) != Some(stamp)
        });
        let runs_later = changed.map(|(rel, held, _)| RunsLater { path: rel, why: held.why.to_owned() });
        HandOff {
            quarantined: items,
            runs_later: runs_later.take(MOST_SHOWN).collect(),
            watched: !self.watch.full,
        }
    }

    /// A session ends here. Whether it was the last.
    pub(crate) fn leave(&mut self, id: &str) -> bool {
        let unlocked: Vec<Rel> =
            self.sessions.iter().filter(|s| s.id == id).flat_map(|s| s.unlocked.clone()).collect();
        self.sessions.retain(|session| session.id != id);
        if !unlocked.is_empty() {
            self.accept_all(&unlocked);
        }
        self.sessions.is_empty()
    }

    /// What an unlocked session wrote is the person's now.
    fn accept_all(&mut self, unlocked: &[Rel]) {
        for (rel, held, _) in self.walk(true) {
            let meant = unlocked.iter().any(|path| rel.as_path().starts_with(path.as_path()));
            if meant
                && held.hold != Hold::Show
                && let Ok((Found::File { bytes, mode }, _)) = self.tree.look(&rel)
            {
                self.baseline.held.insert(rel, Known::file(bytes, mode));
            }
        }
        // If it cannot be kept, these files are quarantined after a crash: the safe side.
        let _ = self.baseline.write(&self.baseline_file);
    }

    /// Puts an item back, as the person's own.
    pub(crate) fn restore(&mut self, item: &Item, bytes: Vec<u8>) -> Result<(), GuardError> {
        let rel = &item.path;
        let failed = |source| GuardError::Io { path: self.tree.path().join(rel.as_path()), source };
        self.tree.make_directories(&rel.parent()).map_err(failed)?;
        let place = self.tree.place(rel).map_err(failed)?;
        let now = place.look(&place.name).map_err(failed)?.0;
        let known = match &item.kept {
            Kept::File { mode } => {
                self.make_room(&place, item, &now)?;
                place.put(&bytes, *mode).map_err(failed)?;
                Known::file(bytes, *mode)
            }
            Kept::Link { .. } => {
                self.make_room(&place, item, &now)?;
                let target: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&bytes);
                rustix::fs::symlinkat(target, &place.dir, &place.name)
                    .map_err(|errno| failed(errno.into()))?;
                Known::Link { target: bytes }
            }
            Kept::Variables { .. } => {
                let (mut text, mode) = match now {
                    Found::File { bytes, mode } => (bytes, mode),
                    Found::Absent => (Vec::new(), 0o644),
                    _ => return Err(GuardError::Occupied(rel.clone())),
                };
                text.extend(bytes);
                let aside = place.write_aside(&text, mode).map_err(failed)?;
                rustix::fs::renameat(&place.dir, &aside, &place.dir, &place.name)
                    .map_err(|errno| failed(errno.into()))?;
                Known::file(text, mode)
            }
            Kept::Lost { .. } => return Err(GuardError::Lost(rel.clone())),
        };
        self.baseline.held.insert(rel.clone(), known);
        self.sorter.led_to = self.baseline.led_to();
        self.baseline.write(&self.baseline_file).map_err(failed)
    }

    /// Takes away what stands where an item goes: what was there before the session goes into quarantine in its turn.
    fn make_room(&self, place: &Place, item: &Item, now: &Found) -> Result<(), GuardError> {
        let (kept, bytes) = match now {
            Found::Absent => return Ok(()),
            Found::File { bytes, mode } if item.put_back => (Kept::File { mode: *mode }, bytes.clone()),
            _ => return Err(GuardError::Occupied(item.path.clone())),
        };
        let failed = |source| GuardError::Io { path: self.tree.path().join(item.path.as_path()), source };
        let replaced = Item {
            at: moment(),
            kept,
            digest: Digest::of(&bytes),
            put_back: false,
            why: "was here before you took another".to_owned(),
            ..item.clone()
        };
        self.quarantine.keep(replaced, &bytes).map_err(failed)?;
        place.remove(&place.name).map_err(failed)
    }

    /// The workspace.
    pub(crate) fn workspace(&self) -> &Path {
        self.tree.path()
    }

    /// The last look: nothing is left to be looked through.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if !self.settled {
            self.watch.changes();
            self.look_through(true);
        }
        let left = self.tracked.values().any(|tracked| tracked.bad_since.is_some());
        if left {
            return Err(io::Error::other("something could not be moved into quarantine"));
        }
        Baseline::remove(&self.baseline_file)
    }
}

impl std::fmt::Debug for Ward {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ward").field("workspace", &self.tree.path()).finish_non_exhaustive()
    }
}

/// Waits while git writes this file, as its lock says (`config.lock`), for at most `patience` milliseconds: an agent may leave as many as
/// it likes. git opens the file twice meanwhile, and would mix two versions.
fn let_git_finish(place: &Place, patience: &mut u32) {
    let mut lock = place.name.clone();
    lock.push(".lock");
    let is_there = || rustix::fs::statat(&place.dir, &lock, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).is_ok();
    while *patience > 0 && is_there() {
        *patience -= 1;
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn lock(path: &Path, workspace: &Path) -> Result<File, GuardError> {
    let at = |source| GuardError::Io { path: path.to_owned(), source };
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map_err(at)?;
    // A child that is just being started has our descriptors for a moment.
    for _ in 0..50 {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            Err(errno) => return Err(at(errno.into())),
        }
    }
    Err(GuardError::Busy(workspace.to_owned()))
}

fn moment() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Where the sample of a turn begins.
fn rand_offset() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() / 50
}

#[cfg(test)]
mod tests;

/// The quarantines of all workspaces below `directory`.
pub(crate) fn quarantines(directory: &Path) -> Vec<Quarantine> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.flatten().map(|entry| Quarantine::new(entry.path().join("quarantine"))).collect()
}
