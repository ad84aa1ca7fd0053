//! From a command line to a table: finds the programs, enters the world, runs the suite.

use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::suite::Suite;
use crate::{Result, world};

/// Builds the probe, goes into the world with this same program, and there runs the cases whose names begin with `only`.
/// True if all is as expected.
///
/// # Errors
/// When the suite cannot judge.
pub fn main(only: &str) -> Result<bool> {
    let arguments = vec![OsString::from(only)];
    if world::is_inside() {
        inside(only)
    } else {
        Ok(outside(&env::current_exe()?, arguments)?.status()?.success())
    }
}

/// The command that does it, for a program that calls [`inside`] when [`world::is_inside`].
///
/// # Errors
/// When the probe cannot be built.
pub fn outside(program: &Path, arguments: Vec<OsString>) -> Result<Command> {
    // Kept for the command's life and the system's own cleaning: the caller may run it as another user, much later.
    let folder = tempfile::Builder::new().prefix("bailiwick-probe-").tempdir_in("/var/tmp")?.keep();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))?;
    let probe = world::build_probe(&folder)?;
    world::enter(program, &probe, arguments)
}

/// Runs the suite here, prints the table, and says whether all is as expected.
///
/// # Errors
/// When the suite cannot judge.
pub fn inside(only: &str) -> Result<bool> {
    let suite = Suite::new(world::probe()?, bubblewrap(), bailiwick())?;
    let report = suite.run(only)?;
    write!(std::io::stdout(), "{report}")?;
    Ok(report.differences().is_empty() && report.tested() > 0)
}

/// `bwrap`, where this host has it.
#[must_use]
pub fn bubblewrap() -> Option<PathBuf> {
    let beside = beside_us("tools/debian/usr/bin/bwrap").into_iter().chain(beside_us("tools/bin/bwrap"));
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::var_os("BAILIWICK_BWRAP").map(PathBuf::from);
    let on_path = env::split_paths(&path).map(|directory| directory.join("bwrap"));
    named.into_iter().chain(on_path).chain(beside).find(|path| path.is_file())
}

/// The command line before an attack's own.
fn bailiwick() -> Option<Vec<OsString>> {
    if let Some(launcher) = env::var_os("BAILIWICK_ESCAPE_LAUNCHER") {
        return Some(launcher.to_str()?.split_whitespace().map(Into::into).collect());
    }
    Some(vec![product()?.into(), "run".into(), "--".into()])
}

/// The product of this build.
#[must_use]
pub fn product() -> Option<PathBuf> {
    let named = env::var_os("BAILIWICK_BIN").map(PathBuf::from);
    named.or_else(|| beside_us("bailiwick")).filter(|path| path.is_file())
}

/// A file of the target directory that this program lies in, or of its profile.
fn beside_us(name: &str) -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    program.ancestors().skip(1).take(3).map(|directory| directory.join(name)).find(|path| path.is_file())
}
