//! Where files go that may not stay: outside the workspace, each with where it came from and why, until a person decides.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use bailiwick_core::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::baseline::sync_directory;
use crate::rel::Rel;
use crate::tree::random;

/// One file, or some variables of one.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Item {
    /// What people call it by.
    pub id: String,
    /// When it was found.
    pub at: Timestamp,
    /// The workspace.
    #[serde(with = "crate::rel::path_text")]
    pub workspace: PathBuf,
    /// Where in it.
    pub path: Rel,
    /// What was taken away.
    pub kept: Kept,
    /// When it would have taken effect.
    pub why: String,
    /// The sessions that were going on there.
    pub sessions: Vec<String>,
    /// The digest of what was taken away.
    pub digest: Digest,
    /// Whether what was there before the session is there again.
    pub put_back: bool,
}

/// What was taken away.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kept {
    /// A file. Its bytes lie beside this.
    File {
        /// Its permission bits.
        mode: u32,
    },
    /// A link.
    Link {
        /// Where it leads.
        target: String,
    },
    /// Variables of a git configuration; the file itself stayed. Their text lies beside this.
    Variables {
        /// Their names.
        names: Vec<String>,
    },
    /// Something that could not be kept.
    Lost {
        /// What it was.
        what: String,
    },
}

/// The quarantine of one workspace.
#[derive(Clone, Debug)]
pub(crate) struct Quarantine(PathBuf);

impl Quarantine {
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Keeps an item, on stable storage.
    pub(crate) fn keep(&self, mut item: Item, bytes: &[u8]) -> io::Result<Item> {
        item.id = random()?.get(..8).unwrap_or_default().to_owned();
        let directory = self.0.join(&item.id);
        DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        write(&directory.join("content"), bytes)?;
        write(&directory.join("item.json"), &serde_json::to_vec(&item).map_err(io::Error::other)?)?;
        sync_directory(&directory.join("item.json"))?;
        sync_directory(&directory)?;
        Ok(item)
    }

    /// Everything in it, oldest first. What cannot be read is passed over: it was being written when we died.
    pub(crate) fn items(&self) -> Vec<Item> {
        let Ok(entries) = fs::read_dir(&self.0) else { return Vec::new() };
        let read =
            |path: PathBuf| serde_json::from_slice::<Item>(&fs::read(path.join("item.json")).ok()?).ok();
        let mut items: Vec<_> = entries.flatten().filter_map(|entry| read(entry.path())).collect();
        items.sort_by_key(|item| item.at);
        items
    }

    pub(crate) fn content(&self, item: &Item) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(&item.id).join("content"))
    }

    pub(crate) fn discard(&self, item: &Item) -> io::Result<()> {
        fs::remove_dir_all(self.0.join(&item.id))
    }
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
