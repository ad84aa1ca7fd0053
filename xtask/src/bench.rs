//! `cargo xtask bench`: builds and runs the benchmark crate, which stands outside the workspace so that its peers and
//! optimised builds never slow a test run.

use anyhow::{Result, ensure};

use crate::process;
use crate::repo::Repo;

/// Arguments of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Benchmark to run and its options; without any, all of them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds the product and the benchmarks in release mode, then runs them.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let manifest = repo.join("bench/Cargo.toml");
    ensure!(manifest.is_file(), "there is no benchmark crate at {}", manifest.display());
    process::run(
        process::cargo().args(["build", "--release", "--package", "bailiwick"]).current_dir(repo.root()),
    )?;
    process::run(
        process::cargo()
            .args(["run", "--quiet", "--release", "--manifest-path"])
            .arg(&manifest)
            .arg("--")
            .args(&args.rest)
            .env("BAILIWICK_BIN", repo.target().join("release/bailiwick"))
            .env("BAILIWICK_TEST_TOOLS", repo.target().join("tools"))
            .current_dir(repo.root()),
    )
}
