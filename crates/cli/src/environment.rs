//! The environment, read once.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::output::Failure;

/// What is taken from the environment.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// `BAILIWICK_HOME`, or its default.
    pub(crate) home: PathBuf,
    /// The user's home directory.
    pub(crate) user_home: PathBuf,
    /// The directory the command was given in.
    pub(crate) current_dir: PathBuf,
    /// Everything, for the sandbox's own allow-list.
    pub(crate) variables: Vec<(OsString, OsString)>,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Result<Self, Failure> {
        let user_home = env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
            .ok_or_else(|| Failure::usage("HOME is not set to a directory").fix("export HOME=/home/you"))?;
        let home = bailiwick_home(&user_home)?;
        let current_dir = env::current_dir().map_err(|error| {
            Failure::usage(format!("the current directory cannot be used: {error}")).fix("cd")
        })?;
        Ok(Self { home, user_home, current_dir, variables: env::vars_os().collect() })
    }

    /// The value of one variable.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsString> {
        self.variables.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// A program that we run ourselves, outside: from `PATH`, but from nowhere below `workspace`, where an agent may have put one of that name.
    pub(crate) fn program(&self, name: &str, workspace: &Path) -> Option<PathBuf> {
        let workspace = workspace.canonicalize().ok()?;
        let real = |path: PathBuf| path.canonicalize().ok().filter(|real| real.is_file());
        env::split_paths(self.variable("PATH")?)
            .filter(|directory| directory.is_absolute())
            .filter(|directory| directory.canonicalize().is_ok_and(|real| !real.starts_with(&workspace)))
            .filter_map(|directory| {
                let path = directory.join(name);
                real(path.clone()).filter(|real| !real.starts_with(&workspace)).map(|_| path)
            })
            .next()
    }

    /// `path`, made absolute against the directory the command was given in.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        self.current_dir.join(path)
    }
}

fn bailiwick_home(user_home: &Path) -> Result<PathBuf, Failure> {
    if let Some(home) = env::var_os("BAILIWICK_HOME") {
        let home = PathBuf::from(home);
        return if home.is_absolute() {
            Ok(home)
        } else {
            let detail = format!("BAILIWICK_HOME must be an absolute path, not `{}`", home.display());
            Err(Failure::usage(detail).fix("export BAILIWICK_HOME=/a/directory/of/your/own   (or unset it)"))
        };
    }
    let data = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|data| data.is_absolute());
    Ok(data.unwrap_or_else(|| user_home.join(".local/share")).join("bailiwick"))
}
