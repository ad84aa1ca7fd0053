//! Workspaces under guard, rendered: what was moved away, and what runs later.

use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf, sync::Arc, time::Duration};

use bailiwick_authority::{Authority, LiveSession};
use bailiwick_core::{Problem, SessionId};
use bailiwick_guard::{Enter, GuardError, Guards, HandOff, Item, Kept};
use bailiwick_launch::Open;
use bailiwick_ledger::WorkspaceQuarantined;

/// How long the processes of a sandbox whose launcher died may take to end.
const LAST_BREATH: Duration = Duration::from_secs(1);

/// Begins to guard the workspace of `session`.
pub(crate) async fn enter(
    guards: &Arc<Guards>,
    authority: &Arc<Authority>,
    session: &Arc<LiveSession>,
    open: &Open,
) -> Result<(), Problem> {
    let (guards, session, authority) = (Arc::clone(guards), Arc::clone(session), Arc::clone(authority));
    let path = |bytes: &Vec<u8>| PathBuf::from(OsString::from_vec(bytes.clone()));
    let (workspace, unlocked) = (path(&open.workspace), open.writable.iter().map(path).collect::<Vec<_>>());
    let owner = Arc::clone(&authority);
    let entered = tokio::task::spawn_blocking(move || {
        let id = session.id().to_string();
        let overrun = Box::new(move || {
            owner.end(&session, "it did not stop writing files that take effect outside its sandbox");
        });
        guards.enter(Enter { workspace: &workspace, session: &id, unlocked: &unlocked, overrun })
    });
    let entered = entered.await.map_err(|error| Problem::new(500, "workspace", error.to_string()))?;
    record_left_before(&authority, &entered.map_err(|error| problem(&error))?).await;
    Ok(())
}

/// Ends guarding it, and puts on record what was found. `dead`: whether the agent's processes are known to have ended.
pub(crate) async fn leave(guards: &Arc<Guards>, authority: &Authority, session: SessionId, dead: bool) {
    let guards = Arc::clone(guards);
    let linger = if dead { Duration::ZERO } else { LAST_BREATH };
    let left = tokio::task::spawn_blocking(move || guards.leave(&session.to_string(), linger)).await;
    match left {
        Ok(Ok(left)) => authority.quarantined(records(session, &left)).await,
        Ok(Err(error)) => tracing::error!(%error, %session, "a workspace could not be looked through"),
        Err(error) => tracing::error!(%error, %session, "a workspace could not be looked through"),
    }
}

fn records(session: SessionId, left: &HandOff) -> Vec<WorkspaceQuarantined> {
    left.quarantined.iter().map(|item| record(item, Some(session))).collect()
}

/// Puts on record what sessions left that ended with their daemon.
pub async fn record_left_before(authority: &Authority, items: &[Item]) {
    authority.quarantined(items.iter().map(|item| record(item, None)).collect()).await;
}

fn record(item: &Item, session: Option<SessionId>) -> WorkspaceQuarantined {
    WorkspaceQuarantined {
        written_in: session,
        workspace: session.is_none().then(|| item.workspace.display().to_string()),
        item: item.id.clone(),
        path: item.path.to_string(),
        variables: variables(item),
        content: item.digest,
    }
}

fn variables(item: &Item) -> Vec<String> {
    match &item.kept {
        Kept::Variables { names } => names.clone(),
        Kept::File { .. } | Kept::Link { .. } | Kept::Lost { .. } => Vec::new(),
    }
}

/// An item, for people and programs.
pub(crate) fn quarantined(item: &Item) -> bailiwick_wire::Quarantined {
    let kind = match &item.kept {
        Kept::File { .. } => "file",
        Kept::Link { .. } => "link",
        Kept::Variables { .. } => "variables",
        Kept::Lost { .. } => "lost",
    };
    bailiwick_wire::Quarantined {
        id: item.id.clone(),
        at: item.at,
        workspace: item.workspace.display().to_string(),
        path: item.path.to_string(),
        kind: kind.to_owned(),
        variables: variables(item),
        why: item.why.clone(),
        put_back: item.put_back,
    }
}

/// What a session left, for people and programs.
#[must_use]
pub fn hand_off(left: &HandOff) -> bailiwick_wire::HandOff {
    let later = |file: &bailiwick_guard::RunsLater| bailiwick_wire::RunsLater {
        path: file.path.to_string(),
        why: file.why.clone(),
    };
    bailiwick_wire::HandOff {
        quarantined: left.quarantined.iter().map(quarantined).collect(),
        runs_later: left.runs_later.iter().map(later).collect(),
    }
}

/// Why it cannot be, and what would make it work.
#[must_use]
pub fn problem(error: &GuardError) -> Problem {
    let (status, fix) = match error {
        GuardError::NotFound(_) => (404, "bailiwick quarantine list"),
        GuardError::Occupied(_) => {
            (409, "move it away, then restore again; `bailiwick quarantine show ID` shows the other")
        }
        GuardError::Busy(_) => (409, "wait until that session has ended, or work in another directory"),
        GuardError::Outside(_) => (400, "name a file below the workspace with `--writable PATH`"),
        GuardError::Lost(_) => (409, "bailiwick quarantine discard ID"),
        GuardError::Io { .. } => (500, "use a workspace of your own, on a local disk"),
    };
    Problem::new(status, "workspace", error.to_string()).with_fix(fix)
}
