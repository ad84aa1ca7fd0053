//! What was in a workspace before an agent touched it: the one thing that tells a person's files from an agent's.
//!
//! It is taken while no agent runs there, kept outside, and synced before one starts. It stays until the last session of the workspace
//! has been looked through: whoever finds one finds a workspace that has not been. A second session never takes its own.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::git::config::{self, Entry};
use crate::rel::Rel;
use crate::rules::Hold;
use crate::tree::Stamp;

/// What was there.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// The workspace, for people and for finding it again after a crash.
    #[serde(with = "crate::rel::path_text")]
    pub(crate) workspace: PathBuf,
    /// Everything that is held.
    pub(crate) held: BTreeMap<Rel, Known>,
    /// What is only shown, to tell what changed.
    pub(crate) shown: BTreeMap<Rel, Stamp>,
}

/// A file that is held, as it was.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Known {
    File {
        #[serde(serialize_with = "as_base64", deserialize_with = "from_base64")]
        bytes: Vec<u8>,
        mode: u32,
    },
    Link {
        #[serde(serialize_with = "as_base64", deserialize_with = "from_base64")]
        target: Vec<u8>,
    },
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(de::Error::custom)
}

impl Known {
    pub(crate) fn file(bytes: Vec<u8>, mode: u32) -> Self {
        Self::File { bytes, mode }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::File { bytes, .. } => Some(bytes),
            Self::Link { .. } => None,
        }
    }

    /// Whether a file is as it was. A hook that could not be executed and now can is another file.
    pub(crate) fn is(&self, now: &[u8], now_mode: u32) -> bool {
        matches!(self, Self::File { bytes, mode } if bytes == now && (mode & 0o111 != 0 || now_mode & 0o111 == 0))
    }
}

impl Baseline {
    /// The one kept in `file`, if there is one.
    pub(crate) fn read(file: &Path) -> io::Result<Option<Self>> {
        match fs::read(file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Keeps it in `file`, on stable storage.
    pub(crate) fn write(&self, file: &Path) -> io::Result<()> {
        let partial = file.with_extension("partial");
        let mut out = File::create(&partial)?;
        out.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        out.sync_all()?;
        fs::rename(&partial, file)?;
        sync_directory(file)
    }

    /// Forgets it: the workspace has been looked through.
    pub(crate) fn remove(file: &Path) -> io::Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync_directory(file),
        }
    }

    /// Files that the person's own git configuration leads to: what it includes, the hooks it names, the programs it runs. Only as
    /// dangerous as they are named, so they are on no list.
    pub(crate) fn led_to(&self) -> Vec<(Rel, bool, Hold)> {
        let configurations = self.held.iter().filter(|(rel, _)| {
            rel.as_path().file_name().is_some_and(|name| name == "config" || name == "config.worktree")
        });
        configurations
            .filter_map(|(rel, known)| Some((rel, config::parse(known.bytes()?)?)))
            .flat_map(|(rel, entries)| {
                entries.into_iter().flat_map(move |entry| leads(&self.workspace, rel, &entry))
            })
            .collect()
    }
}

/// Where one variable leads, whether everything below it counts, and how it is held.
fn leads(workspace: &Path, config: &Rel, entry: &Entry) -> Vec<(Rel, bool, Hold)> {
    use std::os::unix::ffi::OsStrExt;
    let git = config.parent();
    let worktree =
        if git.as_path().file_name().is_some_and(|name| name == ".git") { git.parent() } else { git.clone() };
    let value = entry.value.as_deref().unwrap_or_default();
    let path = |text: &[u8]| Path::new(std::ffi::OsStr::from_bytes(text)).to_path_buf();
    let at = |from: &Rel, text: &[u8]| {
        let path = path(text);
        let rel = match path.strip_prefix(workspace) {
            Ok(below) if workspace.is_absolute() => Rel::new(below),
            _ => from.join_lexically(&path),
        };
        rel.filter(|rel| !rel.is_top())
    };
    match entry.parts() {
        (b"include" | b"includeif", _, b"path") => {
            at(&git, value).map(|rel| (rel, false, Hold::GitConfig)).into_iter().collect()
        }
        (b"core", None, b"hookspath") => {
            let hooks = at(&worktree, value).into_iter();
            hooks.map(|rel| (rel, true, Hold::Quarantine)).collect()
        }
        (b"core", None, b"attributesfile" | b"fsmonitor" | b"sshcommand" | b"pager" | b"editor")
        | (b"filter", Some(_), _)
        | (b"diff" | b"merge", Some(_), b"command" | b"textconv" | b"driver")
        | (b"credential", _, b"helper") => {
            let words = value
                .split(u8::is_ascii_whitespace)
                .filter(|word| word.contains(&b'/') || word.contains(&b'.'));
            words.filter_map(|word| at(&worktree, word)).map(|rel| (rel, false, Hold::Quarantine)).collect()
        }
        _ => Vec::new(),
    }
}

/// A name is durable when its directory is.
pub(crate) fn sync_directory(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_persons_configuration_names_is_held_too() {
        let text = "[include]\npath = ../.gitconfig\n[core]\nhooksPath = tools/hooks\n[filter \"x\"]\nclean = python3 tools/clean.py %f\n[include]\npath=/etc/x\n";
        let mut baseline = Baseline::default();
        baseline
            .held
            .insert(Rel::new("a/.git/config").unwrap(), Known::file(text.as_bytes().to_vec(), 0o644));
        let led: Vec<_> =
            baseline.led_to().into_iter().map(|(rel, below, hold)| (rel.to_string(), below, hold)).collect();
        assert_eq!(
            led,
            [
                ("a/.gitconfig".to_owned(), false, Hold::GitConfig),
                ("a/tools/hooks".to_owned(), true, Hold::Quarantine),
                ("a/tools/clean.py".to_owned(), false, Hold::Quarantine),
            ]
        );
    }

    #[test]
    fn a_baseline_survives_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("baseline.json");
        assert!(Baseline::read(&file).unwrap().is_none());
        let mut baseline = Baseline { workspace: "w".into(), ..Baseline::default() };
        baseline.held.insert(Rel::new("x").unwrap(), Known::file(vec![0, 255], 0o755));
        baseline.write(&file).unwrap();
        let again = Baseline::read(&file).unwrap().unwrap();
        assert!(again.held[&Rel::new("x").unwrap()].is(&[0, 255], 0o755));
        Baseline::remove(&file).unwrap();
        assert!(Baseline::read(&file).unwrap().is_none());
        fs::write(&file, "{").unwrap();
        assert!(Baseline::read(&file).is_err(), "a damaged baseline is not an absent one");
    }
}
