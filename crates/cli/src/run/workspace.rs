//! The workspace under guard, seen from a run: what stays writable, what the agent left, and what is said about it.

use std::path::{Path, PathBuf};

use bailiwick_client::Client;
use bailiwick_core::SessionId;
use bailiwick_guard::{Enter, Guards};
use bailiwick_wire::HandOff;

use super::ours;
use crate::{command::quarantine::what, environment::Environment, output::Failure};

/// Files that are named at the end; the report and `bailiwick quarantine list` name all.
const NAMED: usize = 8;
/// The session of a run without a daemon, to its own guards.
const OFFLINE: &str = "offline";

/// Said once for each home.
const WINDOW: &str = "bailiwick: what the agent writes in the workspace is yours to run: code it wrote runs as you when you build, test or \
                      start it. What would run by itself (hooks, editor and agent settings) is kept out; see docs/workspace.md";

/// Paths of the workspace that `--writable` names, without `.` and links above them.
pub(crate) fn writable(
    paths: &[PathBuf],
    environment: &Environment,
    workdir: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    let within = |path: &PathBuf| {
        let mut path = environment.absolute(path);
        if let (Some(parent), Some(name)) =
            (path.parent().and_then(|parent| parent.canonicalize().ok()), path.file_name())
        {
            path = parent.join(name);
        }
        if path.starts_with(workdir) && path != workdir {
            return Ok(path);
        }
        Err(Failure::usage(format!(
            "`{}` does not lie in the workspace `{}`",
            path.display(),
            workdir.display()
        ))
        .fix("name a file below the workspace with `--writable PATH`"))
    };
    paths.iter().map(within).collect()
}

/// Without a daemon the launcher guards the workspace itself.
pub(crate) struct Here(Guards);

impl Here {
    /// Begins. Whatever ended badly before is looked through first.
    pub(crate) fn enter(
        environment: &Environment,
        workdir: &Path,
        writable: &[PathBuf],
        overrun: bailiwick_guard::Overrun,
    ) -> Result<Self, Failure> {
        let guards = Guards::new(&environment.home);
        // Without a daemon there is no record; what was left before is in quarantine, and listed there.
        let enter = Enter { workspace: workdir, session: OFFLINE, unlocked: writable, overrun };
        guards.enter(enter).map_err(|error| failed(&error))?;
        Ok(Self(guards))
    }

    /// The agent has ended: what it left.
    pub(crate) fn leave(self) -> Result<HandOff, Failure> {
        let left = self.0.leave(OFFLINE, std::time::Duration::ZERO).map_err(|error| failed(&error))?;
        Ok(bailiwick_api::hand_off(&left))
    }
}

fn failed(error: &bailiwick_guard::GuardError) -> Failure {
    let problem = bailiwick_api::workspace_problem(error);
    let failure = ours(&problem.code, &problem.detail);
    match &problem.fix {
        Some(fix) => failure.fix(fix),
        None => failure,
    }
}

/// What the agent of a session left, once it has ended.
pub(crate) fn left(environment: &Environment, session: SessionId) -> HandOff {
    let left = Client::new(&environment.home).post(&format!("/v1/sessions/{session}/hand-off"), &());
    left.unwrap_or_default()
}

/// What the evidence says about the workspace.
pub(crate) fn evidence(writable: &[PathBuf], protected: &[PathBuf]) -> serde_json::Value {
    let text = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    serde_json::json!({ "mode": "direct", "writable": text(writable), "read_only": text(protected) })
}

/// The lines that tell a person what to look at.
pub(crate) fn lines(left: &HandOff) -> Vec<String> {
    let mut lines = Vec::new();
    if !left.quarantined.is_empty() {
        lines.push(format!(
            "bailiwick: moved into quarantine, because it would have taken effect outside: {}",
            named(left.quarantined.iter().map(what).collect())
        ));
        let first = left.quarantined.first().map(|item| item.id.as_str()).unwrap_or_default();
        lines.push(format!(
            "  look with `bailiwick quarantine list` and `show {first}`; take it with `bailiwick quarantine restore {first}`"
        ));
    }
    if !left.runs_later.is_empty() {
        lines.push(format!(
            "bailiwick: runs later, when you build, push or start an agent: {}",
            named(left.runs_later.iter().map(|file| file.path.clone()).collect())
        ));
    }
    lines
}

fn named(mut names: Vec<String>) -> String {
    names.dedup();
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    let names = names.join(", ");
    if more == 0 { names } else { format!("{names} and {more} more") }
}

/// What a person should know before the first run of all.
pub(crate) fn first_run(environment: &Environment) -> Option<&'static str> {
    let told = environment.home.join("workspaces").join("told");
    std::fs::create_dir_all(told.parent()?).ok()?;
    std::fs::File::create_new(told).ok().map(|_| WINDOW)
}

#[cfg(test)]
mod tests {
    use bailiwick_wire::RunsLater;

    use super::*;

    #[test]
    fn the_window_is_told_once() {
        let home = tempfile::tempdir().unwrap();
        let environment = Environment {
            home: home.path().to_owned(),
            user_home: home.path().to_owned(),
            current_dir: home.path().to_owned(),
            variables: Vec::new(),
        };
        assert!(first_run(&environment).is_some_and(|line| line.contains("docs/workspace.md")));
        assert!(first_run(&environment).is_none());
    }

    #[test]
    fn the_lines_name_some_and_count_the_rest() {
        assert!(lines(&HandOff::default()).is_empty());
        let file = |index: usize| RunsLater { path: format!("f{index}"), why: String::new() };
        let left = HandOff { quarantined: Vec::new(), runs_later: (0..10).map(file).collect() };
        assert!(lines(&left)[0].ends_with("f0, f1, f2, f3, f4, f5, f6, f7 and 2 more"), "{:?}", lines(&left));
    }
}
