//! The copy of the repository in which defences are removed.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::patch::Patch;
use crate::process::{self, Ended};
use crate::repo::Repo;
use crate::tools;

/// A test that runs longer than this hangs; that is no proof of anything.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// How a test run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Run {
    /// At least one test ran and all passed.
    Green,
    /// It was built, ran and failed.
    Red,
    /// The copy does not compile.
    Uncompiled,
    /// The filter names no test.
    NoTest,
    /// Killed at the limit.
    Hung,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Green => "green",
            Self::Red => "red",
            Self::Uncompiled => "not compiling",
            Self::NoTest => "not there (its filter names no test)",
            Self::Hung => "hanging",
        })
    }
}

/// A copied tree below `target/mutate` and its own target directory, kept between runs so that only what changed is rebuilt.
#[derive(Debug)]
pub(super) struct Scratch {
    repo: Repo,
    tree: PathBuf,
    target: PathBuf,
}

impl Scratch {
    pub(super) fn lay_out(repo: &Repo) -> Result<Self> {
        let base = repo.target().join("mutate");
        let scratch = Self { repo: repo.clone(), tree: base.join("tree"), target: base.join("target") };
        std::fs::create_dir_all(&scratch.tree)?;
        scratch.refresh()?;
        Ok(scratch)
    }

    /// Brings the copy up to date, touching only files that differ: cargo rebuilds by modification time.
    fn refresh(&self) -> Result<()> {
        let files = self.repo.files()?;
        for file in &files {
            let (from, to) = (self.repo.join(file), self.tree.join(file));
            if std::fs::read(&from).ok() == std::fs::read(&to).ok() {
                continue;
            }
            std::fs::create_dir_all(to.parent().context("a file without a directory")?)?;
            std::fs::write(&to, std::fs::read(&from)?)?;
            std::fs::set_permissions(&to, std::fs::metadata(&from)?.permissions())?;
        }
        remove_strangers(&self.tree, &self.tree, &files)
    }

    /// Applies a patch, or says why it no longer applies.
    pub(super) fn apply(&self, patch: &Patch) -> Result<()> {
        let ended = process::run(
            Command::new("git")
                .args(["apply", "--whitespace=nowarn"])
                .arg(&patch.path)
                .current_dir(&self.tree)
                .env(
                    "GIT_CEILING_DIRECTORIES",
                    self.tree.parent().context("the scratch tree has no parent")?,
                ),
        );
        ended.context("the patch does not apply")
    }

    /// Puts the original files back.
    pub(super) fn revert(&self, patch: &Patch) -> Result<()> {
        for file in &patch.files {
            let bytes =
                std::fs::read(self.repo.join(file)).with_context(|| format!("reading {}", file.display()))?;
            std::fs::write(self.tree.join(file), bytes)?;
        }
        Ok(())
    }

    /// Builds, then runs the named test.
    pub(super) fn test(&self, arguments: &[String]) -> Result<Run> {
        if !self.build(arguments)? {
            return Ok(Run::Uncompiled);
        }
        let mut ran: u64 = 0;
        let mut command = self.cargo();
        command.arg("test").args(arguments);
        let ended = process::watch(&mut command, LIMIT, |line| {
            let count = line.strip_prefix("running ").and_then(|rest| rest.split(' ').next());
            ran += count.and_then(|count| count.parse::<u64>().ok()).unwrap_or_default();
        })?;
        Ok(match ended {
            Ended::TimedOut => Run::Hung,
            Ended::Exited(_) if ran == 0 => Run::NoTest,
            Ended::Exited(status) if status.success() => Run::Green,
            Ended::Exited(_) => Run::Red,
        })
    }

    fn build(&self, arguments: &[String]) -> Result<bool> {
        let build: Vec<&String> = arguments.iter().take_while(|argument| *argument != "--").collect();
        let mut commands = Vec::new();
        if drives_the_product(arguments) {
            let mut product = self.cargo();
            product.args(["build", "--quiet", "--package", "bailiwick"]);
            commands.push(product);
        }
        let mut tests = self.cargo();
        tests.args(["test", "--quiet", "--no-run"]).args(build);
        commands.push(tests);
        for command in &mut commands {
            process::announce(command);
            if !command.status().context("starting cargo")?.success() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn cargo(&self) -> Command {
        let mut command = process::cargo();
        command.current_dir(&self.tree).env("CARGO_TARGET_DIR", &self.target);
        command.env("BAILIWICK_TEST_TOOLS", tools::directory(&self.repo));
        command
    }
}

/// The suites outside `crates` start the built binary.
fn drives_the_product(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument.ends_with("-tests"))
}

/// Deletes files of the copy that the repository no longer has; a stale module could keep a test green.
fn remove_strangers(base: &std::path::Path, directory: &std::path::Path, known: &[PathBuf]) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let relative = path.strip_prefix(base)?;
        if path.is_dir() {
            remove_strangers(base, &path, known)?;
        } else if relative != std::path::Path::new("Cargo.lock") && !known.iter().any(|file| file == relative)
        {
            std::fs::remove_file(&path)?;
        }
    }
    if directory == base || std::fs::read_dir(directory)?.next().is_some() {
        return Ok(());
    }
    match std::fs::remove_dir(directory) {
        Ok(()) => Ok(()),
        Err(error) => bail!("removing {}: {error}", directory.display()),
    }
}
