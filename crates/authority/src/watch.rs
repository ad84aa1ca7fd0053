//! Noticing that a person edited a file. By looking at names, sizes and times twice a second: it needs nothing of the file system, and
//! misses no editor's way of replacing a file.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What was there when it was looked at last.
#[derive(Debug)]
pub(crate) struct Changes {
    home: PathBuf,
    seen: Vec<Seen>,
}

type Seen = (PathBuf, u64, Option<SystemTime>);

impl Changes {
    pub(crate) fn of(home: &Path) -> Self {
        Self { home: home.to_owned(), seen: look(home) }
    }

    /// Whether anything changed since the last call.
    pub(crate) fn any(&mut self) -> bool {
        let now = look(&self.home);
        let changed = now != self.seen;
        self.seen = now;
        changed
    }
}

fn look(home: &Path) -> Vec<Seen> {
    let directories = [home.join("resources"), home.join("policies")];
    let entries =
        directories.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten().flatten());
    let paths = entries.map(|entry| entry.path()).chain([home.join("bailiwick.toml")]);
    let mut seen: Vec<Seen> = paths
        .filter_map(|path| {
            let metadata = fs::metadata(&path).ok()?;
            Some((path, metadata.len(), metadata.modified().ok()))
        })
        .collect();
    seen.sort();
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_a_file_come_change_and_go() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("policies")).unwrap();
        let mut changes = Changes::of(home.path());
        assert!(!changes.any());
        let file = home.path().join("policies/a.cedar");
        fs::write(&file, "1").unwrap();
        assert!(changes.any() && !changes.any());
        fs::write(&file, "22").unwrap();
        assert!(changes.any());
        fs::remove_file(&file).unwrap();
        assert!(changes.any() && !changes.any());
    }
}
