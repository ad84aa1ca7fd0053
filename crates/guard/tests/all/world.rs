//! A workspace, a home of ours, and git as a person has it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use bailiwick_guard::{Enter, Guards, HandOff};
use tempfile::TempDir;

/// Bounds a hang; measures nothing.
const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) scratch: TempDir,
    pub(crate) guards: Guards,
}

impl World {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("bw-").tempdir().unwrap();
        for name in ["state", "work"] {
            fs::create_dir(scratch.path().join(name)).unwrap();
        }
        let guards = Guards::new(&scratch.path().join("state"));
        Self { scratch, guards }
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap().join("work")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.work().join(path)
    }

    /// Writes a file and what it lies in.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok()
    }

    pub(crate) fn enter(&self, session: &str) {
        self.enter_with(session, &[]);
    }

    pub(crate) fn enter_with(&self, session: &str, unlocked: &[PathBuf]) {
        let workspace = self.work();
        let enter = Enter { workspace: &workspace, session, unlocked, overrun: Box::new(|| {}) };
        self.guards.enter(enter).unwrap();
    }

    pub(crate) fn leave(&self, session: &str) -> HandOff {
        self.guards.leave(session, Duration::ZERO).unwrap()
    }

    /// The paths in quarantine that a hand-off names.
    pub(crate) fn quarantined(left: &HandOff) -> Vec<String> {
        let mut paths: Vec<_> = left.quarantined.iter().map(|item| item.path.to_string()).collect();
        paths.sort();
        paths.dedup();
        paths
    }

    /// Git as the person outside runs it, with a configuration of nobody's.
    pub(crate) fn git(&self, directory: &Path, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(arguments)
            .current_dir(directory)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("HOME", self.scratch.path())
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.com")])
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(crate) fn git_ok(&self, directory: &Path, arguments: &[&str]) -> String {
        let output = self.git(directory, arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {arguments:?}: {text}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A repository with one commit, at `path` of the workspace.
    pub(crate) fn repository(&self, path: &str) -> PathBuf {
        let directory = self.path(path);
        fs::create_dir_all(&directory).unwrap();
        self.git_ok(&directory, &["init", "-q", "-b", "main"]);
        fs::write(directory.join("README"), "x\n").unwrap();
        self.git_ok(&directory, &["add", "README"]);
        self.git_ok(&directory, &["commit", "-q", "-m", "one"]);
        directory
    }
}

/// Waits until it holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
