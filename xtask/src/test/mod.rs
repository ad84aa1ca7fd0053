//! `cargo xtask test`: the whole bar, cheapest check first, every check run even when one before it failed.
//!
//! Ends with one plain line, `N passed, N failed`, summed over every test binary that ran. As root the tests run twice: a defence
//! that only holds for root, or a test that only passes as root, is not one.

mod second_user;
mod tally;

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::generate;
use crate::process::{self, Ended};
use crate::repo::Repo;
use crate::tidy;
use crate::tools;

use self::tally::Tally;

/// No suite of ours needs a tenth of this, on two cores and from nothing.
const LIMIT: Duration = Duration::from_secs(50 * 60);

/// Arguments of `cargo xtask test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// As root: do not run the tests a second time as another user.
    #[arg(long)]
    once: bool,
    /// Run the tests of these packages only, without the checks.
    #[arg(short, long)]
    package: Vec<String>,
    /// Do not fetch programs that the tool tests drive; cases that lack one say so.
    #[arg(long)]
    offline: bool,
    /// Drive every agent there is a profile for, not only the two that are small.
    #[arg(long)]
    all_agents: bool,
}

/// Runs everything and fails if anything did.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let mut failures = Vec::new();
    let checks = if args.package.is_empty() { CHECKS } else { &[] };
    for (name, check) in checks {
        if let Err(error) = check(repo) {
            eprintln!("error: {name}: {error:#}");
            failures.push(*name);
        }
    }
    if !args.offline
        && let Err(error) = tools::fetch_all(repo, args.all_agents)
    {
        eprintln!("warning: {error:#}; the cases that need these tools will say \"not tested on this host\"");
    }
    let mut tally = Tally::default();
    if let Err(error) = suites(repo, args, &mut tally) {
        eprintln!("error: tests: {error:#}");
        failures.push("tests");
    }
    if !failures.is_empty() {
        eprintln!("failed: {}", failures.join(", "));
    }
    println!("{tally}");
    if failures.is_empty() && tally.is_green() { Ok(()) } else { bail!("not everything passed") }
}

type Check = fn(&Repo) -> Result<()>;

/// Cheapest first.
const CHECKS: &[(&str, Check)] = &[
    ("fmt", |repo| process::run(process::cargo().args(["fmt", "--all", "--check"]).current_dir(repo.root()))),
    ("tidy", tidy::run),
    ("deny", deny),
    ("clippy", clippy),
    ("gen", |repo| generate::run(repo, &generate::Args::check())),
];

fn clippy(repo: &Repo) -> Result<()> {
    process::run(
        process::cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])
            .current_dir(repo.root()),
    )
}

/// The real `cargo deny` where it is installed; [`tidy`] applies the same file's rules everywhere.
fn deny(repo: &Repo) -> Result<()> {
    if !process::on_path("cargo-deny") {
        eprintln!("note: cargo-deny is not installed; tidy has applied the rules of deny.toml");
        return Ok(());
    }
    process::run(
        process::cargo().args(["deny", "check", "bans", "licenses", "sources"]).current_dir(repo.root()),
    )
}

fn suites(repo: &Repo, args: &Args, tally: &mut Tally) -> Result<()> {
    let packages = packages(args);
    // Tests of other packages drive the binary too; those that do not may still run where it does not compile.
    let product = process::run(
        process::cargo().args(["build", "--locked", "--package", "bailiwick"]).current_dir(repo.root()),
    );
    let mut command = process::cargo();
    command.args(["test", "--no-fail-fast", "--locked"]).args(&packages).current_dir(repo.root());
    command.env("BAILIWICK_TEST_TOOLS", tools::directory(repo));
    let first = as_this_user(&mut command, tally);
    if !rustix::process::geteuid().is_root() || args.once {
        return product.and(first);
    }
    let second = second_user::run(repo, &packages, tally).context("as another user");
    product.and(first).and(second)
}

/// Which packages, in cargo's words.
fn packages(args: &Args) -> Vec<String> {
    if args.package.is_empty() {
        return vec!["--workspace".to_owned()];
    }
    args.package.iter().flat_map(|package| ["--package".to_owned(), package.clone()]).collect()
}

fn as_this_user(command: &mut std::process::Command, tally: &mut Tally) -> Result<()> {
    let ended = process::watch(command, LIMIT, |line| {
        println!("{line}");
        tally.read(line);
    })?;
    match ended {
        Ended::Exited(status) if status.success() => Ok(()),
        Ended::Exited(status) => bail!("cargo test: {status}"),
        Ended::TimedOut => {
            bail!("cargo test did not end within {} minutes and was killed", LIMIT.as_secs() / 60)
        }
    }
}
