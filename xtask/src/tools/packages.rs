//! Debian packages: downloaded and unpacked, not installed, so that no root is needed and the machine stays as it was.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::present;
use crate::process;

/// Program, the package that has it, and where it lies in the package.
const PROGRAMS: [(&str, &str, &str); 4] = [
    ("gh", "gh", "usr/bin/gh"),
    ("wget", "wget", "usr/bin/wget"),
    ("less", "less", "usr/bin/less"),
    ("vim", "vim-tiny", "usr/bin/vim.tiny"),
];

/// Packages whose program the machine does not have.
pub(super) fn missing() -> Vec<&'static str> {
    PROGRAMS.iter().filter(|(program, ..)| !present(program)).map(|(_, package, _)| *package).collect()
}

/// Unpacks the missing ones below `tools/debian` and links their programs into `tools/bin`.
pub(super) fn fetch(tools: &Path) -> Result<()> {
    let root = tools.join("debian");
    for (program, package, place) in PROGRAMS.iter().filter(|(program, ..)| !present(program)) {
        let link = tools.join("bin").join(program);
        if link.exists() {
            continue;
        }
        unpack(&root, package).with_context(|| format!("fetching {package}"))?;
        symlink(Path::new("../debian").join(place), &link).with_context(|| format!("linking {program}"))?;
    }
    Ok(())
}

fn unpack(root: &Path, package: &str) -> Result<()> {
    let archive = tempfile::tempdir()?;
    announce_size(package)?;
    process::run(Command::new("apt-get").args(["download", package]).current_dir(archive.path()))?;
    std::fs::create_dir_all(root)?;
    for entry in std::fs::read_dir(archive.path())? {
        process::run(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(root))?;
    }
    Ok(())
}

/// `apt-cache` knows the size before anything is fetched.
fn announce_size(package: &str) -> Result<()> {
    let record = process::output(Command::new("apt-cache").args(["show", "--no-all-versions", package]))?;
    let size = record.lines().find_map(|line| line.strip_prefix("Size: ")).unwrap_or("unknown");
    eprintln!("fetching {package} ({size} bytes) from Debian's packages");
    Ok(())
}
