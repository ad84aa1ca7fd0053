//! The world that is attacked: a network name space of our own, whose loopback answers for outside addresses.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Set in the process that is in it.
const INSIDE: &str = "BAILIWICK_ESCAPE_INSIDE";

/// Where the probe lies, for the process that is in it.
const PROBE: &str = "BAILIWICK_ESCAPE_PROBE";

/// Whether this process is in it.
#[must_use]
pub fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// The probe that was built outside.
///
/// # Errors
/// Outside.
pub fn probe() -> Result<PathBuf> {
    Ok(env::var_os(PROBE).ok_or("no probe was built")?.into())
}

/// Compiles the probe.
///
/// # Errors
/// When there is no C compiler, or it refuses.
pub fn build_probe(into: &Path) -> Result<PathBuf> {
    let probe = into.join("probe");
    let sources = sources()?;
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources)?.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    let output = Command::new("cc")
        .args(["-O1", "-Wall", "-Wextra", "-Wno-unused-result", "-o"])
        .arg(&probe)
        .args(&files)
        .args(["-lpthread", "-lrt"])
        .output()
        .map_err(|error| format!("the probe needs a C compiler (Debian: build-essential): {error}"))?;
    if !output.status.success() {
        return Err(format!("the probe does not compile: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(probe)
}

/// The tests may run as a user who cannot read the directory that they were compiled in, and then start in a copy of it.
fn sources() -> Result<PathBuf> {
    let candidates = [PathBuf::from("probe"), Path::new(env!("CARGO_MANIFEST_DIR")).join("probe")];
    let found = candidates.into_iter().find(|path| path.join("main.c").is_file());
    Ok(found.ok_or("tests/escape/probe is not here")?)
}

/// The same program again with `arguments`, in the world, with the rights this user has anyway: nothing in it may be easier to
/// attack than the host, or harder.
///
/// # Errors
/// When the current program cannot be found.
pub fn enter<I: IntoIterator<Item = OsString>>(
    program: &Path,
    probe: &Path,
    arguments: I,
) -> Result<Command> {
    let mut command = Command::new("unshare");
    let script = r#""$1" netup && shift && exec "$@""#;
    if rustix::process::geteuid().is_root() {
        command.args(["--net", "--", "sh", "-c", script, "sh"]).arg(probe).arg(program);
    } else {
        command.args([
            "--user",
            "--map-current-user",
            "--keep-caps",
            "--net",
            "--",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        command.arg(probe).args(["setpriv", "--inh-caps=-all", "--ambient-caps=-all", "--"]).arg(program);
    }
    command.args(arguments).env(INSIDE, "1").env(PROBE, probe);
    Ok(command)
}
