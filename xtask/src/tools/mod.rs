//! `cargo xtask tools`: third-party programs that the tests drive, fetched into `target/tools`, never installed, never as root.
//!
//! What the machine already has is used as it is. Each fetch says first what it takes and from which registry. A machine without
//! a network simply lacks them, and the cases that need one say so.

mod npm;
mod packages;
mod pip;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::process;
use crate::repo::Repo;

/// Arguments of `cargo xtask tools`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Say what would be fetched, and from where.
    #[arg(long)]
    dry_run: bool,
    /// Also the agents that only `cargo xtask test --all-agents` drives.
    #[arg(long)]
    all_agents: bool,
}

/// Where fetched tools lie: `bin/` with entry points, and one directory per kind.
pub(crate) fn directory(repo: &Repo) -> PathBuf {
    repo.target().join("tools")
}

/// Fetches, or lists.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    if !args.dry_run {
        return fetch_all(repo, args.all_agents);
    }
    println!("Debian, into target/tools/debian: {}", packages::missing().join(" "));
    println!("PyPI, into target/tools/python: {}", pip::WHEELS.join(" "));
    println!("PyPI, into target/tools/node24: {}", pip::NODE);
    for (name, package, size) in agents(args.all_agents) {
        println!("npm, into target/tools/agents/{name}: {package} ({size})");
    }
    Ok(())
}

/// Fetches everything that is not there yet. Tries all before it reports what failed.
pub(crate) fn fetch_all(repo: &Repo, all_agents: bool) -> Result<()> {
    let tools = directory(repo);
    std::fs::create_dir_all(tools.join("bin"))?;
    let outcomes = [
        ("Debian packages", packages::fetch(&tools)),
        ("Python clients", pip::fetch(&tools)),
        ("Node 24", pip::fetch_node(&tools)),
        ("agents", npm::fetch(&tools, &agents(all_agents))),
    ];
    let mut failed = Vec::new();
    for (name, outcome) in outcomes {
        if let Err(error) = outcome {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("could not fetch {}", failed.join("; ")) }
}

fn agents(all: bool) -> Vec<(&'static str, &'static str, &'static str)> {
    let more = if all { &npm::MORE_AGENTS[..] } else { &[] };
    npm::AGENTS.iter().chain(more).copied().collect()
}

/// Is that program on `PATH`?
fn present(program: &str) -> bool {
    process::on_path(program)
}
