//! What cargo says about the dependency graph: the few fields that the rules look at.
//!
//! `cargo metadata` also lists packages that no enabled feature pulls in, so what really is in the product comes from `cargo tree`.

use std::collections::BTreeSet;

use serde::Deserialize;

use anyhow::{Context, Result};

use crate::process;
use crate::repo::Repo;

/// Packages of the resolved graph, ours and others'.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) workspace_members: Vec<String>,
    /// `name v1.2.3` of every package that the product is built from, build scripts and macros included.
    #[serde(skip)]
    pub(crate) product: BTreeSet<String>,
}

/// One package version.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression, if the author gave one.
    pub(crate) license: Option<String>,
    /// `None` for packages by path.
    pub(crate) source: Option<String>,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` is a normal dependency; else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set when the dependency is by path.
    pub(crate) path: Option<String>,
}

impl Metadata {
    /// Reads the locked graph of this workspace for the platform we build on.
    pub(crate) fn read(repo: &Repo) -> Result<Self> {
        let json = process::output(
            process::cargo()
                .args(["metadata", "--format-version", "1", "--locked"])
                .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
                .current_dir(repo.root()),
        )
        .context("reading the dependency graph (is Cargo.lock committed and up to date?)")?;
        let mut metadata: Self = serde_json::from_str(&json).context("parsing `cargo metadata`")?;
        metadata.product = product(repo)?;
        Ok(metadata)
    }

    /// Packages by others that are in the product.
    pub(crate) fn foreign(&self) -> Vec<&Package> {
        let ours = |package: &Package| self.workspace_members.contains(&package.id);
        let shipped =
            |package: &Package| self.product.contains(&format!("{} v{}", package.name, package.version));
        self.packages.iter().filter(|package| !ours(package) && shipped(package)).collect()
    }

    /// Our own packages.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

/// The graph of the one binary that we ship.
fn product(repo: &Repo) -> Result<BTreeSet<String>> {
    let tree = process::output(
        process::cargo()
            .args(["tree", "--locked", "--package", "bailiwick", "--edges", "normal,build"])
            .args(["--prefix", "none", "--format", "{p}"])
            .current_dir(repo.root()),
    )?;
    let first_two = |line: &str| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    Ok(tree.lines().filter_map(first_two).collect())
}
