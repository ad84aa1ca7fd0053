//! `cargo xtask demo`: builds the binary, plays its self-contained demo, and says how to go on.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::repo::Repo;

/// Arguments of `cargo xtask demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Passed on to `bailiwick demo`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds and runs; installs nothing.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    process::run(process::cargo().args(["build", "--package", "bailiwick"]).current_dir(repo.root()))?;
    process::run(Command::new(repo.target().join("debug/bailiwick")).arg("demo").args(&args.rest))?;
    eprintln!();
    eprintln!("To use it on your own work:");
    eprintln!("  cargo install --path crates/cli");
    eprintln!("  bailiwick run -- bash");
    Ok(())
}
