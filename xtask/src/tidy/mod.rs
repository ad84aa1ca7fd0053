//! `cargo xtask tidy`: the rules of the house that no compiler checks.
//!
//! Each rule is a pure function from the repository's text (or its dependency graph) to problems, so that each has tests that
//! break it. A rule never repairs anything.

mod documents;
mod edges;
mod manifests;
mod purity;
mod source;
mod supply;
mod words;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::metadata::Metadata;
use crate::repo::Repo;

/// A broken rule: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    place: String,
    what: String,
}

impl Problem {
    /// A problem with a file or package as a whole.
    pub(crate) fn new(place: impl fmt::Display, what: impl Into<String>) -> Self {
        Self { place: place.to_string(), what: what.into() }
    }

    /// A problem with one line, counted from 1.
    pub(crate) fn at(file: &File, line: usize, what: impl Into<String>) -> Self {
        Self::new(format_args!("{}:{line}", file.path.display()), what)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// One text file of the repository; the path is relative to its root.
#[derive(Debug, Clone)]
pub(crate) struct File {
    path: PathBuf,
    text: String,
}

impl File {
    #[cfg(test)]
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    /// Code that is in no product: integration tests, unit tests moved to their own file, examples.
    fn is_test(&self) -> bool {
        let directory = self.path.iter().any(|part| part == "tests" || part == "examples");
        directory || self.path.ends_with("tests.rs")
    }

    /// `core` for `crates/core/src/id.rs`.
    fn crate_directory(&self) -> Option<&str> {
        let mut parts = self.path.iter();
        (parts.next()? == "crates").then(|| parts.next()?.to_str())?
    }

    /// Numbered lines before the first inline test module: by our convention it is the last item of a file.
    fn production_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let end = lines
            .windows(2)
            .position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {"))
            .unwrap_or(lines.len());
        lines.into_iter().take(end).enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// Runs every rule and lists every problem.
pub(crate) fn run(repo: &Repo) -> Result<()> {
    let files = read(repo)?;
    let metadata = Metadata::read(repo)?;
    let manifest = text(&files, "Cargo.toml").context("there is no Cargo.toml")?;
    let mut problems = Vec::new();
    problems.extend(files.iter().flat_map(source::check));
    problems.extend(files.iter().flat_map(purity::check));
    problems.extend(files.iter().flat_map(words::check));
    problems.extend(manifests::check(manifest, &files));
    problems.extend(documents::check(text(&files, "ARCHITECTURE.md"), &files));
    problems.extend(documents::attacks(text(&files, documents::ATTACKS), &files));
    problems.extend(edges::check(&metadata));
    problems.extend(supply::check(text(&files, "deny.toml"), &metadata)?);
    for problem in &problems {
        eprintln!("{problem}");
    }
    if problems.is_empty() { Ok(()) } else { bail!("tidy found {} problems", problems.len()) }
}

fn text<'f>(files: &'f [File], path: &str) -> Option<&'f str> {
    files.iter().find(|file| file.path == Path::new(path)).map(|file| file.text.as_str())
}

/// Every file that is UTF-8; binary files have no lines to judge.
fn read(repo: &Repo) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for path in repo.files()? {
        let bytes = std::fs::read(repo.join(&path)).with_context(|| format!("reading {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path, text });
        }
    }
    Ok(files)
}
