//! What was settled about a profile's logins at an earlier run: `logins/PROFILE.toml`. No secrets.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use bailiwick_core::Name;
use serde::{Deserialize, Serialize};

/// What is remembered of one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    /// Whether the person said no to taking over what they have.
    pub(crate) declined: bool,
    /// What is known about each account that is no secret, by resource.
    pub(crate) facts: BTreeMap<Name, BTreeMap<String, String>>,
}

impl Memory {
    /// What is remembered; nothing where the file is not there or cannot be read.
    pub(crate) fn of(home: &Path, profile: &Name) -> Self {
        let text = fs::read_to_string(file(home, profile)).unwrap_or_default();
        toml::from_str(&text).unwrap_or_default()
    }

    /// Remembers it.
    pub(crate) fn keep(&self, home: &Path, profile: &Name) -> io::Result<()> {
        let path = file(home, profile);
        fs::create_dir_all(home.join("logins"))?;
        let text = toml::to_string(self).map_err(io::Error::other)?;
        let partial = path.with_extension("partial");
        fs::write(&partial, text)?;
        fs::rename(partial, path)
    }
}

fn file(home: &Path, profile: &Name) -> PathBuf {
    home.join("logins").join(format!("{profile}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_remembered() {
        let home = tempfile::tempdir().unwrap();
        let profile: Name = "codex".parse().unwrap();
        assert_eq!(Memory::of(home.path(), &profile), Memory::default());
        let facts = BTreeMap::from([("account".to_owned(), "a-1".to_owned())]);
        let memory = Memory { declined: true, facts: BTreeMap::from([("chatgpt".parse().unwrap(), facts)]) };
        memory.keep(home.path(), &profile).unwrap();
        assert_eq!(Memory::of(home.path(), &profile), memory);
    }
}
