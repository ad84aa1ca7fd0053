//! Every workspace under guard, for whoever runs sessions: the daemon, or a launcher without one.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bailiwick_core::Digest;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::baseline::Baseline;
use crate::quarantine::{Item, Quarantine};
use crate::rel::Rel;
use crate::ward::{Ward, quarantines};

/// Called once when a session does not stop writing what may not stay.
pub type Overrun = Box<dyn FnOnce() + Send>;

/// Why a workspace cannot be guarded, or a quarantine not be opened.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A session that another process watches is going on there.
    #[error("another session, which a launcher without a daemon watches, is going on in `{}`", .0.display())]
    Busy(PathBuf),
    /// The system refused.
    #[error("`{}` cannot be guarded: {source}", .path.display())]
    Io {
        /// The workspace, or a file of ours.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is to stay writable does not lie in the workspace.
    #[error("`{}` does not lie in the workspace", .0.display())]
    Outside(PathBuf),
    /// There is no such item.
    #[error("nothing in quarantine is called `{0}`")]
    NotFound(String),
    /// Something else is where it should go.
    #[error("`{0}` is there, and is not what was there before the session; move it away first")]
    Occupied(Rel),
    /// It could not be kept.
    #[error("`{0}` could not be kept, and cannot come back")]
    Lost(Rel),
}

/// What a session was found to have left in its workspace.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HandOff {
    /// What was moved into quarantine.
    pub quarantined: Vec<Item>,
    /// What it wrote that takes effect when a person runs, builds or pushes the work.
    pub runs_later: Vec<RunsLater>,
    /// Whether changes were noticed at once. Otherwise they were looked for every second: the system had no watches left.
    pub watched: bool,
}

/// A file that takes effect later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunsLater {
    /// Where.
    pub path: Rel,
    /// When.
    pub why: String,
}

/// A session that begins in a workspace.
pub struct Enter<'a> {
    /// The workspace, without links.
    pub workspace: &'a Path,
    /// The session.
    pub session: &'a str,
    /// What may be written in spite of the list.
    pub unlocked: &'a [PathBuf],
    /// Ends the session.
    pub overrun: Overrun,
}

impl std::fmt::Debug for Enter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Enter")
            .field("workspace", &self.workspace)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// All workspaces under guard.
#[derive(Debug)]
pub struct Guards {
    state: PathBuf,
    guarded: Mutex<HashMap<PathBuf, Arc<Guarded>>>,
}

/// One workspace.
#[derive(Debug, Default)]
struct Guarded(Mutex<Shift>);

#[derive(Debug, Default)]
struct Shift {
    ward: Option<Ward>,
    /// A thread looks after it.
    watched: bool,
}

impl Guarded {
    fn lock(&self) -> MutexGuard<'_, Shift> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guards {
    /// Guards that keep what they know below `state`, the home that no sandbox sees.
    pub fn new(state: &Path) -> Self {
        let state = state.canonicalize().unwrap_or_else(|_| state.to_owned());
        Self { state, guarded: Mutex::default() }
    }

    fn workspaces(&self) -> PathBuf {
        self.state.join("workspaces")
    }

    fn directory(&self, workspace: &Path) -> PathBuf {
        let digest = Digest::of(workspace.as_os_str().as_encoded_bytes()).to_string();
        self.workspaces().join(digest.trim_start_matches("sha256:").get(..16).unwrap_or_default())
    }

    fn guarded(&self, workspace: &Path) -> Arc<Guarded> {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(guarded.entry(workspace.to_owned()).or_default())
    }

    /// Looks through the workspaces of sessions that ended with their daemon, and says what was moved away. Their baselines stay until a
    /// session there ends well: an agent may be running still.
    pub fn reconcile(&self) -> (Vec<Item>, Vec<GuardError>) {
        let Ok(entries) = std::fs::read_dir(self.workspaces()) else { return (Vec::new(), Vec::new()) };
        let left =
            entries.flatten().filter_map(|entry| Baseline::read(&entry.path().join("baseline.json")).ok()?);
        let look = |baseline: Baseline| {
            let workspace = baseline.workspace;
            let guarded = self.guarded(&workspace);
            let shift = guarded.lock();
            if shift.ward.is_some() {
                return None;
            }
            let ward = Ward::begin(&workspace, &self.directory(&workspace), &self.state);
            Some(ward.map(|mut ward| ward.left_before()))
        };
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for looked in left.filter_map(look) {
            match looked {
                Ok(items) => found.extend(items),
                Err(error) => errors.push(error),
            }
        }
        (found, errors)
    }

    /// A session begins: from now on its workspace is guarded. Before this returns, nothing of the agent may run; what an earlier
    /// session left has been looked through, and what of it was moved away comes back.
    ///
    /// # Errors
    /// If the workspace cannot be guarded. Then the session must not begin.
    pub fn enter(&self, enter: Enter<'_>) -> Result<Vec<Item>, GuardError> {
        let unlocked = enter.unlocked.iter().map(|path| below(enter.workspace, path));
        let unlocked = unlocked.collect::<Result<Vec<_>, _>>()?;
        let guarded = self.guarded(enter.workspace);
        let mut shift = guarded.lock();
        let ward = match &mut shift.ward {
            Some(ward) => ward,
            none => none.insert(Ward::begin(enter.workspace, &self.directory(enter.workspace), &self.state)?),
        };
        let left_before = ward.left_before();
        ward.enter(enter.session, unlocked, enter.overrun);
        if !shift.watched {
            shift.watched = true;
            let guarded = Arc::clone(&guarded);
            let spawned = std::thread::Builder::new().name("guard".to_owned()).spawn(move || watch(&guarded));
            if let Err(source) = spawned {
                shift.watched = false;
                return Err(GuardError::Io { path: enter.workspace.to_owned(), source });
            }
        }
        Ok(left_before)
    }

    /// Looks through the workspace of a session whose agent has ended, and says what it left.
    pub fn hand_off(&self, session: &str) -> Option<HandOff> {
        let guarded = self.of(session)?;
        let mut shift = guarded.lock();
        shift.ward.as_mut().map(|ward| ward.hand_off(session))
    }

    /// A session ends. Waits for `linger` before the last look: where nobody can say that the agent's processes have ended, they are
    /// about to. What was found in it comes back.
    ///
    /// # Errors
    /// If something could not be moved away. It is looked for again before the next session there begins.
    pub fn leave(&self, session: &str, linger: Duration) -> Result<HandOff, GuardError> {
        let Some(guarded) = self.of(session) else { return Ok(HandOff::default()) };
        std::thread::sleep(linger);
        let mut shift = guarded.lock();
        let Some(ward) = shift.ward.as_mut() else { return Ok(HandOff::default()) };
        let left = ward.hand_off(session);
        if ward.leave(session) {
            let finished = ward.finish();
            let path = ward.workspace().to_owned();
            shift.ward = None;
            finished.map_err(|source| GuardError::Io { path, source })?;
        }
        Ok(left)
    }

    /// The workspace that `session` is in.
    fn of(&self, session: &str) -> Option<Arc<Guarded>> {
        let all: Vec<_> = {
            let guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
            guarded.values().cloned().collect()
        };
        all.into_iter().find(|guarded| guarded.lock().ward.as_ref().is_some_and(|ward| ward.has(session)))
    }

    /// Everything in quarantine, oldest first.
    pub fn items(&self) -> Vec<Item> {
        let mut items: Vec<_> = quarantines(&self.workspaces()).iter().flat_map(Quarantine::items).collect();
        items.sort_by_key(|item| item.at);
        items
    }

    /// One item and its bytes.
    ///
    /// # Errors
    /// If it is not there.
    pub fn item(&self, id: &str) -> Result<(Item, Vec<u8>), GuardError> {
        let (quarantine, item) = self.find(id)?;
        let bytes = quarantine.content(&item).map_err(|source| failed(&item.workspace, source))?;
        Ok((item, bytes))
    }

    /// The person's yes: puts an item back where it came from. It counts as the person's from then on.
    ///
    /// # Errors
    /// If it is not there, or something else is in its place.
    pub fn restore(&self, id: &str) -> Result<Item, GuardError> {
        let (quarantine, item) = self.find(id)?;
        let bytes = quarantine.content(&item).map_err(|source| failed(&item.workspace, source))?;
        let guarded = self.guarded(&item.workspace);
        let mut shift = guarded.lock();
        if let Some(ward) = &mut shift.ward {
            ward.restore(&item, bytes)?;
        } else {
            let mut ward = Ward::begin(&item.workspace, &self.directory(&item.workspace), &self.state)?;
            ward.restore(&item, bytes)?;
            ward.finish().map_err(|source| failed(&item.workspace, source))?;
        }
        quarantine.discard(&item).map_err(|source| failed(&item.workspace, source))?;
        Ok(item)
    }

    /// The person's no: removes an item for good.
    ///
    /// # Errors
    /// If it is not there.
    pub fn discard(&self, id: &str) -> Result<Item, GuardError> {
        let (quarantine, item) = self.find(id)?;
        quarantine.discard(&item).map_err(|source| failed(&item.workspace, source))?;
        Ok(item)
    }

    fn find(&self, id: &str) -> Result<(Quarantine, Item), GuardError> {
        let mut found = Vec::new();
        for quarantine in quarantines(&self.workspaces()) {
            let items =
                quarantine.items().into_iter().filter(|item| !id.is_empty() && item.id.starts_with(id));
            found.extend(items.map(|item| (quarantine.clone(), item)));
        }
        let one = found.pop().filter(|_| found.is_empty());
        one.ok_or_else(|| GuardError::NotFound(id.escape_debug().to_string()))
    }
}

impl Drop for Guards {
    /// Whoever goes away leaves the baselines: a successor goes on from them.
    fn drop(&mut self) {
        for guarded in self.guarded.get_mut().unwrap_or_else(PoisonError::into_inner).values() {
            guarded.lock().ward = None;
        }
    }
}

/// Looks after one workspace until its last session has left.
fn watch(guarded: &Guarded) {
    loop {
        let (descriptor, patience) = {
            let mut shift = guarded.lock();
            let Some(ward) = &mut shift.ward else {
                shift.watched = false;
                return;
            };
            ward.turn();
            (ward.descriptor(), ward.patience())
        };
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(&*descriptor, PollFlags::IN)], Some(&timeout));
    }
}

fn below(workspace: &Path, path: &Path) -> Result<Rel, GuardError> {
    let rel = if path.is_absolute() { path.strip_prefix(workspace).ok() } else { Some(path) };
    let top = Rel::default();
    rel.and_then(|rel| top.join_lexically(rel))
        .filter(|rel| !rel.is_top())
        .ok_or_else(|| GuardError::Outside(path.to_owned()))
}

fn failed(path: &Path, source: io::Error) -> GuardError {
    GuardError::Io { path: path.to_owned(), source }
}
