//! `cargo xtask fuzz`: libFuzzer against everything that reads an attacker's bytes. The fuzz crate stands outside the workspace, because it is
//! built with instrumentation.

use anyhow::{Result, ensure};

use crate::process;
use crate::repo::Repo;

/// The targets, each a file in `fuzz/targets`.
const TARGETS: [&str; 5] = ["terminal", "answers", "heads", "config", "meaning"];

/// Arguments of `cargo xtask fuzz`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Targets; without any, all of them.
    #[arg(value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long each is tried, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Tries each target for a while. What makes one fail is left in `target/fuzz/NAME`.
pub(crate) fn run(repo: &Repo, args: &Args) -> Result<()> {
    let installed =
        process::cargo().args(["fuzz", "--version"]).output().is_ok_and(|done| done.status.success());
    ensure!(installed, "cargo-fuzz is not installed: cargo install cargo-fuzz");
    let all = TARGETS.map(str::to_owned);
    let targets = if args.targets.is_empty() { &all[..] } else { &args.targets[..] };
    for target in targets {
        let place = repo.target().join("fuzz").join(target);
        let (corpus, found) = (place.join("corpus"), place.join("found"));
        for directory in [&corpus, &found] {
            std::fs::create_dir_all(directory)?;
        }
        let mut command = process::cargo();
        // The sanitizers need a nightly compiler; what is looked for here are broken promises and panics, and there is no unsafe code.
        command
            .args(["fuzz", "run", "--sanitizer", "none", "--fuzz-dir"])
            .arg(repo.join("fuzz"))
            .arg(target)
            .arg(&corpus)
            .args(["--", &format!("-max_total_time={}", args.seconds)])
            .arg(format!("-artifact_prefix={}/", found.display()))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_TARGET_DIR", repo.target().join("fuzz/build"))
            .current_dir(repo.root());
        process::run(&mut command)?;
    }
    Ok(())
}
