//! `cargo xtask`: everything the repository can do to itself, one module per command.
//!
//! It exists so that a fresh clone needs nothing but a Rust toolchain: no shell scripts, no task runner. It never needs
//! root (what it fetches goes to `target/tools`), and no product crate may depend on it.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: its output is its product"
)]

mod bench;
mod demo;
mod fuzz;
mod generate;
mod metadata;
mod mutate;
mod process;
mod repo;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;

/// The repository's own commands.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Format, lints, tidy, supply chain, generated files and every test; as root the tests run twice.
    Test(test::Args),
    /// The rules of the house that no compiler checks.
    Tidy,
    /// Write (or with `--check` compare) JSON Schemas and the command-line reference.
    Gen(generate::Args),
    /// Build the product and play its demo.
    Demo(demo::Args),
    /// Remove each defence in turn and see its test fail.
    Mutate(mutate::Args),
    /// Run the benchmarks.
    Bench(bench::Args),
    /// Try everything that reads an attacker's bytes with libFuzzer.
    Fuzz(fuzz::Args),
    /// Fetch the third-party programs that the tool tests drive into `target/tools`.
    Tools(tools::Args),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let repo = Repo::find()?;
    match cli.command {
        Command::Test(args) => test::run(&repo, &args),
        Command::Tidy => tidy::run(&repo),
        Command::Gen(args) => generate::run(&repo, &args),
        Command::Demo(args) => demo::run(&repo, &args),
        Command::Mutate(args) => mutate::run(&repo, &args),
        Command::Bench(args) => bench::run(&repo, &args),
        Command::Fuzz(args) => fuzz::run(&repo, &args),
        Command::Tools(args) => tools::run(&repo, &args),
    }
}
