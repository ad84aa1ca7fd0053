//! `cargo xtask gen`: what is generated is committed, and a check fails when it has drifted.
//!
//! The product writes its own references (it alone knows its types and flags) with the hidden command `bailiwick generate DIR`;
//! here they are only compared with, or copied to, the places listed in [`OUTPUTS`].

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::repo::Repo;

/// Files and directories, the same below `DIR` and below the repository's root. A directory is owned whole: what the product
/// does not write there is stale.
const OUTPUTS: [&str; 3] = ["schema", "docs/cli.md", "docs/operations.md"];

/// Arguments of `cargo xtask gen`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Change nothing; fail when a committed file differs.
    #[arg(long)]
    check: bool,
}

impl Args {
    /// Compare only.
    pub(crate) fn check() -> Self {
        Self { check: true }
    }
}

/// Generates, or checks what was generated.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    process::run(process::cargo().args(["build", "--package", "bailiwick"]).current_dir(repo.root()))?;
    let fresh = repo.target().join("gen");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh)?;
    }
    std::fs::create_dir_all(&fresh)?;
    process::run(Command::new(repo.target().join("debug/bailiwick")).arg("generate").arg(&fresh))?;
    let drift = drift(&fresh, repo.root())?;
    if drift.is_empty() {
        return Ok(());
    }
    if args.check {
        let names: Vec<_> = drift.iter().map(|path| path.display().to_string()).collect();
        bail!("generated files differ: {}; run `cargo xtask gen` and commit", names.join(", "));
    }
    drift.iter().try_for_each(|path| adopt(&fresh, repo.root(), path))
}

/// Relative paths that are missing, stale or different in `committed`.
fn drift(fresh: &Path, committed: &Path) -> Result<Vec<PathBuf>> {
    let mut drifted = Vec::new();
    for output in OUTPUTS {
        let mut paths = BTreeSet::new();
        collect(fresh, Path::new(output), &mut paths)?;
        if paths.is_empty() {
            bail!("`bailiwick generate` wrote no {output}");
        }
        collect(committed, Path::new(output), &mut paths)?;
        drifted.extend(paths.into_iter().filter(|path| contents(fresh, path) != contents(committed, path)));
    }
    Ok(drifted)
}

fn contents(base: &Path, path: &Path) -> Option<Vec<u8>> {
    std::fs::read(base.join(path)).ok()
}

fn collect(base: &Path, path: &Path, into: &mut BTreeSet<PathBuf>) -> Result<()> {
    let full = base.join(path);
    if full.is_file() {
        into.insert(path.to_path_buf());
    } else if full.is_dir() {
        for entry in std::fs::read_dir(&full).with_context(|| format!("listing {}", full.display()))? {
            collect(base, &path.join(entry?.file_name()), into)?;
        }
    }
    Ok(())
}

fn adopt(fresh: &Path, committed: &Path, path: &Path) -> Result<()> {
    let to = committed.join(path);
    let Some(bytes) = contents(fresh, path) else {
        eprintln!("removed {}", path.display());
        return std::fs::remove_file(&to).with_context(|| format!("removing {}", to.display()));
    };
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    eprintln!("wrote {}", path.display());
    std::fs::write(&to, bytes).with_context(|| format!("writing {}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(base: &Path, path: &str, text: &str) {
        let full = base.join(path);
        std::fs::create_dir_all(full.parent().unwrap()).unwrap();
        std::fs::write(full, text).unwrap();
    }

    fn complete(base: &Path) {
        write(base, "schema/log.json", "{}");
        write(base, "docs/cli.md", "# run");
        write(base, "docs/operations.md", "# Operations");
    }

    #[test]
    fn changed_missing_and_stale_files_are_drift() {
        let (fresh, committed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        complete(fresh.path());
        complete(committed.path());
        assert!(drift(fresh.path(), committed.path()).unwrap().is_empty());
        write(committed.path(), "docs/cli.md", "# old");
        write(committed.path(), "schema/gone.json", "{}");
        write(fresh.path(), "schema/run.json", "{}");
        let drifted = drift(fresh.path(), committed.path()).unwrap();
        assert_eq!(
            drifted,
            [Path::new("schema/gone.json"), Path::new("schema/run.json"), Path::new("docs/cli.md")]
        );
        for path in &drifted {
            adopt(fresh.path(), committed.path(), path).unwrap();
        }
        assert!(drift(fresh.path(), committed.path()).unwrap().is_empty());
    }

    #[test]
    fn a_product_that_writes_nothing_is_an_error() {
        let (fresh, committed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        complete(committed.path());
        assert!(drift(fresh.path(), committed.path()).is_err());
    }
}
