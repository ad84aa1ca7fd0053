//! `run --report FILE`: what the run was, as JSON, written also when it is killed.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bailiwick_core::SessionId;
use bailiwick_wire::{HandOff, Tally};
use schemars::JsonSchema;
use serde::Serialize;

/// The report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The session; absent without a daemon.
    pub(crate) session: Option<SessionId>,
    /// The session that delegated it, if one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<SessionId>,
    /// Whether it was there to find out what the agent needs: reads only, without credentials, at any host.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) observed: bool,
    /// What was proved about the sandbox before the agent ran.
    pub(crate) evidence: serde_json::Value,
    /// Actions permitted, held, refused.
    pub(crate) actions: Tally,
    /// What it left in the workspace: what was moved into quarantine, and what takes effect when a person runs it.
    pub(crate) workspace: HandOff,
    /// How the agent ended.
    pub(crate) exit: Exit,
    /// Why it was ended from outside, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stopped: Option<String>,
}

/// How the agent ended.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub(crate) struct Exit {
    /// Its exit code, if it ended by itself.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
}

impl Report {
    /// Writes it whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let (partial, mut file) = partial(path)?;
        serde_json::to_writer_pretty(&mut file, self)?;
        writeln!(file)?;
        file.sync_all()?;
        fs::rename(partial, path)
    }
}

/// Whether a report could be written there.
pub(crate) fn can_be_written(path: &Path) -> io::Result<()> {
    let (partial, _) = partial(path)?;
    fs::remove_file(partial)
}

/// A new file beside it. Never one that is there: the agent may have planted a link, in its workspace, to a file of the host.
fn partial(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    match fs::remove_file(&partial) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = File::create_new(&partial)?;
    Ok((partial, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_planted_link_is_not_followed() {
        let workspace = tempfile::tempdir().unwrap();
        let (host, report) = (workspace.path().join("host"), workspace.path().join("report.json"));
        fs::write(&host, "mine").unwrap();
        for planted in ["report.json.partial", "report.json"] {
            std::os::unix::fs::symlink(&host, workspace.path().join(planted)).unwrap();
        }
        can_be_written(&report).unwrap();
        std::os::unix::fs::symlink(&host, workspace.path().join("report.json.partial")).unwrap();
        let written = Report {
            session: None,
            parent: None,
            observed: false,
            evidence: serde_json::Value::Null,
            actions: Tally::default(),
            workspace: HandOff::default(),
            exit: Exit { code: Some(0), signal: None },
            stopped: None,
        };
        written.write(&report).unwrap();
        assert_eq!(fs::read_to_string(&host).unwrap(), "mine");
        assert!(fs::symlink_metadata(&report).unwrap().is_file());
    }
}
