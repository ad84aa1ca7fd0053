//! Debian packages: downloaded and unpacked, not installed, so that no root is needed and the machine stays as it was.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::present;
use crate::process;

/// Program, the package that has it, and where it lies in the package.
const PROGRAMS: [(&str, &str, &str); 6] = [
    ("docker-registry", "docker-registry", "usr/bin/docker-registry"),
    ("gh", "gh", "usr/bin/gh"),
    ("skopeo", "skopeo", "usr/bin/skopeo"),
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
        for library in libraries(package)? {
            unpack(&root, &library).with_context(|| format!("fetching {library} for {package}"))?;
        }
        symlink(Path::new("../debian").join(place), &link).with_context(|| format!("linking {program}"))?;
    }
    Ok(())
}

/// The libraries that a package needs and the machine does not have. Whoever runs the program says where they lie (`LD_LIBRARY_PATH`).
fn libraries(package: &str) -> Result<Vec<String>> {
    let needs = process::output(Command::new("apt-cache").args(["depends", "--important", package]))?;
    let names = needs.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    let missing = |name: &&str| {
        let mut query = Command::new("dpkg-query");
        let status = process::output(query.args(["-W", "-f", "${db:Status-Status}", name]));
        !status.is_ok_and(|status| status == "installed")
    };
    Ok(names.filter(|name| name.starts_with("lib")).filter(missing).map(str::to_owned).collect())
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
