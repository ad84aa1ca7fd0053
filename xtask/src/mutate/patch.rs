//! The header of a mutation: lines before the diff that say what it removes and who must notice.
//!
//! ```text
//! # removes: the gateway drops credentials that the agent brings
//! # test: cargo test -p bailiwick-gateway --test all own_token_is_refused
//! diff --git …
//! ```

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// One committed mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// The file's name without `.patch`.
    pub(super) name: String,
    /// The defence, in words.
    pub(super) removes: String,
    /// Arguments of `cargo test`.
    pub(super) test: Vec<String>,
    /// Files that the diff changes, relative to the root.
    pub(super) files: Vec<PathBuf>,
    /// Where it lies.
    pub(super) path: PathBuf,
}

/// Every `*.patch` of the directory, by name.
pub(super) fn read_all(directory: &Path) -> Result<Vec<Patch>> {
    let mut patches = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| format!("listing {}", directory.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "patch") {
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            patches.push(parse(&path, &text).with_context(|| format!("in {}", path.display()))?);
        }
    }
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

fn parse(path: &Path, text: &str) -> Result<Patch> {
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(name)?.strip_prefix(": "))
    };
    let removes = field("removes").context("has no `# removes: …` line")?.trim().to_owned();
    let test = field("test").context("has no `# test: cargo test …` line")?;
    let test = test.trim().strip_prefix("cargo test ").context("its test is not a `cargo test …`")?;
    let test: Vec<String> = test.split_whitespace().map(Into::into).collect();
    ensure!(
        test.iter().any(|word| word == "-p" || word == "--package"),
        "its test names no package (`-p …`)"
    );
    let files: Vec<PathBuf> = text
        .lines()
        .filter_map(|line| line.strip_prefix("+++ b/"))
        .map(|file| PathBuf::from(file.trim()))
        .collect();
    ensure!(!files.is_empty(), "changes no file (the diff must have `+++ b/…` lines)");
    ensure!(files.iter().all(|file| !file.iter().any(|part| part == "..")), "reaches outside the repository");
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Patch { name, removes, test, files, path: path.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# removes: the lock\n# test: cargo test -p bailiwick-core lock\n--- a/crates/core/src/x.rs\n+++ b/crates/core/src/x.rs\n";

    #[test]
    fn the_header_is_read() {
        let patch = parse(Path::new("mutations/lock.patch"), GOOD).unwrap();
        assert_eq!(patch.name, "lock");
        assert_eq!(patch.removes, "the lock");
        assert_eq!(patch.test, ["-p", "bailiwick-core", "lock"]);
        assert_eq!(patch.files, [Path::new("crates/core/src/x.rs")]);
    }

    #[test]
    fn an_incomplete_patch_is_refused() {
        let refused = |text: &str| assert!(parse(Path::new("x.patch"), text).is_err(), "{text}");
        refused(&GOOD.replace("# removes", "# about"));
        refused(&GOOD.replace("# test: cargo test", "# test: true"));
        refused(&GOOD.replace("-p bailiwick-core ", ""));
        refused(&GOOD.replace("+++ b/crates", "+++ b/../crates"));
        refused(&GOOD.replace("+++ b/", "+++ "));
    }
}
