//! Which repository a workspace is a clone of: branches may be pushed there without asking.
//!
//! The workspace is the agent's to write, so what it says is believed once: at the first run there, and kept outside. A workspace that says
//! something else later says so to the person, and pushes there wait.

use std::{collections::BTreeSet, fs, io, os::unix::fs::OpenOptionsExt as _, path::Path, process::Command};

use bailiwick_core::{Digest, Repositories};
use serde::{Deserialize, Serialize};

use crate::environment::Environment;

/// What is kept of a workspace.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    /// For whoever looks at the file; the file's name stands for the exact path.
    workspace: String,
    origin: Option<String>,
}

/// What the session is about, as far as its workspace tells, and what the person should know about that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) repositories: Repositories,
    pub(crate) warning: Option<String>,
}

/// The host that the workspace is a clone of, if that is still the repository that was seen there first.
pub(crate) fn host(workspace: &Path, environment: &Environment) -> io::Result<Option<String>> {
    let Some(url) = url_of(workspace, environment) else { return Ok(None) };
    let now = Repositories::name_of(&url);
    let same = now.is_some() && first_seen(workspace, &environment.home, now.clone())? == now;
    Ok(Repositories::host_of(&url).filter(|_| same))
}

/// Looks at `workspace`; what was seen there first is kept in the home.
pub(crate) fn look(workspace: &Path, environment: &Environment) -> io::Result<Origin> {
    let now = clone_of(workspace, environment);
    let known = first_seen(workspace, &environment.home, now.clone())?;
    let names: BTreeSet<String> = known.iter().cloned().collect();
    let repositories = Repositories { names, branches: default_branch(workspace).into_iter().collect() };
    let warning = match &now {
        Some(now) if known.as_ref() != Some(now) => Some(format!(
            "the workspace is now a clone of `{now}`, and was of {}: pushes there wait for you; if that is right, run with \
             `--repository {now}`",
            known.map_or_else(|| "none when it was first used".to_owned(), |known| format!("`{known}`"))
        )),
        _ => None,
    };
    Ok(Origin { repositories, warning })
}

fn clone_of(workspace: &Path, environment: &Environment) -> Option<String> {
    Repositories::name_of(&url_of(workspace, environment)?)
}

/// The address of `origin`, by git's own reading of the file, without what it includes.
fn url_of(workspace: &Path, environment: &Environment) -> Option<String> {
    let config = workspace.join(".git/config");
    if !fs::symlink_metadata(&config).is_ok_and(|found| found.is_file()) {
        return None;
    }
    let said = Command::new(environment.program("git", workspace)?)
        .args(["config", "--no-includes", "--file"])
        .arg(&config)
        .args(["--get", "remote.origin.url"])
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .current_dir("/")
        .output()
        .ok()?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}

/// The branch that the origin calls its own. It can only add to what is protected.
fn default_branch(workspace: &Path) -> Option<String> {
    let head = workspace.join(".git/refs/remotes/origin/HEAD");
    // An agent before us may have left a pipe there, which nobody ever writes to, or something without an end.
    if !fs::symlink_metadata(&head).is_ok_and(|found| found.is_file() && found.len() < 4096) {
        return None;
    }
    let text = fs::read_to_string(head).ok()?;
    Some(text.trim().strip_prefix("ref: refs/remotes/origin/")?.to_owned())
}

fn first_seen(workspace: &Path, home: &Path, now: Option<String>) -> io::Result<Option<String>> {
    let directory = home.join("workspaces");
    let name = Digest::of(workspace.as_os_str().as_encoded_bytes()).to_string().replace(':', "-");
    let file = directory.join(name + ".json");
    match fs::read(&file) {
        Ok(text) => {
            let known: Known = serde_json::from_slice(&text).map_err(|error| {
                io::Error::other(format!("`{}` cannot be read: {error}; remove it", file.display()))
            })?;
            Ok(known.origin)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A workspace that is no clone yet may become one, by the agent's own doing: that is not remembered as the person's.
            fs::create_dir_all(&directory)?;
            let known = Known { workspace: workspace.display().to_string(), origin: now.clone() };
            write_new(&file, &serde_json::to_vec(&known)?)?;
            Ok(now)
        }
        Err(error) => Err(error),
    }
}

/// Written aside and moved: half a file is never found.
fn write_new(file: &Path, text: &[u8]) -> io::Result<()> {
    let aside = file.with_extension(format!("{}.new", std::process::id()));
    let mut open = fs::OpenOptions::new();
    io::Write::write_all(&mut open.write(true).create_new(true).mode(0o600).open(&aside)?, text)?;
    fs::rename(aside, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clone(workspace: &Path, url: &str) {
        fs::create_dir_all(workspace.join(".git/refs/remotes/origin")).unwrap();
        fs::write(workspace.join(".git/config"), format!("[remote \"origin\"]\n\turl = {url}\n")).unwrap();
        fs::write(workspace.join(".git/refs/remotes/origin/HEAD"), "ref: refs/remotes/origin/next\n")
            .unwrap();
    }

    /// With `home`, and git where it is.
    fn environment(home: &Path) -> Environment {
        let path = std::env::var_os("PATH").unwrap();
        Environment {
            home: home.to_owned(),
            user_home: home.to_owned(),
            current_dir: home.to_owned(),
            variables: vec![("PATH".into(), path)],
        }
    }

    fn names(origin: &Origin) -> Vec<&str> {
        origin.repositories.names.iter().map(String::as_str).collect()
    }

    #[test]
    fn what_is_seen_first_is_believed_and_what_comes_later_is_told() {
        let (home, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        clone(workspace.path(), "https://forge.example/acme/site.git");
        let first = look(workspace.path(), &environment(home.path())).unwrap();
        assert_eq!((names(&first), &first.warning), (vec!["acme/site"], &None));
        assert!(first.repositories.protected().contains("refs/heads/next"));
        clone(workspace.path(), "https://forge.example/evil/site.git");
        let later = look(workspace.path(), &environment(home.path())).unwrap();
        assert_eq!(names(&later), ["acme/site"]);
        assert!(later.warning.unwrap().contains("--repository evil/site"));
    }

    #[test]
    fn a_clone_that_the_agent_made_is_not_the_persons() {
        let (home, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(look(workspace.path(), &environment(home.path())).unwrap(), Origin::default());
        clone(workspace.path(), "https://forge.example/evil/site.git");
        let later = look(workspace.path(), &environment(home.path())).unwrap();
        assert!(names(&later).is_empty() && later.warning.is_some());
    }

    #[test]
    fn a_pipe_where_the_default_branch_stands_is_not_waited_for() {
        let workspace = tempfile::tempdir().unwrap();
        clone(workspace.path(), "https://forge.example/acme/site.git");
        let head = workspace.path().join(".git/refs/remotes/origin/HEAD");
        fs::remove_file(&head).unwrap();
        assert!(Command::new("mkfifo").arg(&head).status().unwrap().success());
        assert_eq!(default_branch(workspace.path()), None);
    }

    /// An agent of an earlier session put a `git` into a directory of the workspace that is on the person's `PATH`.
    #[test]
    fn a_program_that_lies_in_the_workspace_is_not_run() {
        use std::os::unix::fs::PermissionsExt as _;
        let (home, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        clone(workspace.path(), "https://forge.example/acme/site.git");
        let mark = home.path().join("ran");
        let planted = |directory: &Path| {
            fs::create_dir_all(directory).unwrap();
            let script = format!("#!/bin/sh\ntouch {}\n", mark.display());
            fs::write(directory.join("git"), script).unwrap();
            fs::set_permissions(directory.join("git"), fs::Permissions::from_mode(0o755)).unwrap();
        };
        let looked = |directory: &Path| {
            let mut environment = environment(home.path());
            let path = environment.variables[0].1.to_str().unwrap().to_owned();
            environment.variables[0].1 = format!("{}:{path}", directory.display()).into();
            look(workspace.path(), &environment).unwrap()
        };
        for directory in [workspace.path().join("bin"), home.path().join("link")] {
            planted(&workspace.path().join("bin"));
            let _ = std::os::unix::fs::symlink(workspace.path().join("bin"), home.path().join("link"));
            assert_eq!(names(&looked(&directory)), ["acme/site"]);
            assert!(!mark.exists(), "{}", directory.display());
        }
        // Elsewhere it is the person's own.
        let own = home.path().join("own");
        planted(&own);
        looked(&own);
        assert!(mark.exists());
    }

    #[test]
    fn what_a_configuration_includes_is_not_read() {
        let (home, workspace) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        clone(workspace.path(), "x\n[include]\n\tpath = other");
        fs::write(workspace.path().join(".git/other"), "[remote \"origin\"]\n\turl = https://f/evil/site\n")
            .unwrap();
        assert!(names(&look(workspace.path(), &environment(home.path())).unwrap()).is_empty());
    }
}
