//! The second run of the tests, as a user who is not root.
//!
//! The test binaries, the product and the tracked files are laid out where that user can read them (a clone in root's home is
//! closed to everybody else), in the shape of a target directory, so that a test finds the product beside itself as it always does.

use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tempfile::TempDir;

use super::tally::Tally;
use crate::process::{self, Ended};
use crate::repo::Repo;
use crate::tools;

/// Longest run of one test binary.
const LIMIT: Duration = Duration::from_secs(25 * 60);

/// Used where `/etc/passwd` has no ordinary user; any uid that owns nothing serves.
const SPARE_ID: u32 = 54_321;

/// Who runs the tests the second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct User {
    uid: u32,
    gid: u32,
}

/// One executable that `cargo test --no-run` built.
#[derive(Debug)]
struct Built {
    path: PathBuf,
    /// The package's directory, relative to the root: where cargo starts its tests.
    package: PathBuf,
    is_test: bool,
}

/// Runs every test binary of the workspace but ours as another user.
pub(super) fn run(repo: &Repo, packages: &[String], tally: &mut Tally) -> Result<()> {
    ensure!(process::on_path("setpriv"), "`setpriv` (package util-linux) is not installed");
    let user = ordinary_user(&std::fs::read_to_string("/etc/passwd").unwrap_or_default());
    let built = built(repo, packages)?;
    let stage = Stage::lay_out(repo, user, &built)?;
    eprintln!("running the tests again as uid {} in {}", user.uid, stage.root().display());
    let mut lost = Vec::new();
    for binary in built.iter().filter(|binary| binary.is_test) {
        let before = *tally;
        let mut command = stage.command(binary)?;
        let ended = process::watch(&mut command, LIMIT, |line| {
            println!("{line}");
            tally.read(line);
        })?;
        let green = matches!(ended, Ended::Exited(status) if status.success());
        if !green {
            lost.push(binary.package.display().to_string());
            if tally.failed() == before.failed() {
                tally.lost_suite();
            }
        }
    }
    if lost.is_empty() { Ok(()) } else { bail!("tests failed in {}", lost.join(", ")) }
}

/// The first account that a person could have.
fn ordinary_user(passwd: &str) -> User {
    let spare = User { uid: SPARE_ID, gid: SPARE_ID };
    let people = passwd.lines().filter_map(|line| {
        let mut fields = line.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    });
    people.filter(|user| (1000..60_000).contains(&user.uid)).min_by_key(|user| user.uid).unwrap_or(spare)
}

#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    executable: Option<PathBuf>,
    manifest_path: Option<PathBuf>,
    profile: Option<Profile>,
}

#[derive(Debug, Deserialize)]
struct Profile {
    test: bool,
}

fn built(repo: &Repo, packages: &[String]) -> Result<Vec<Built>> {
    let mut built: Vec<Built> = product(repo).into_iter().collect();
    let messages = process::output(
        process::cargo()
            .args(["test", "--no-run", "--locked", "--message-format", "json"])
            .args(packages)
            .current_dir(repo.root()),
    )?;
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).context("parsing cargo's messages")?;
        let (Some(path), Some(manifest), Some(profile)) =
            (message.executable, message.manifest_path, message.profile)
        else {
            continue;
        };
        let directory = manifest.parent().context("a manifest has no directory")?;
        let package =
            directory.strip_prefix(repo.root()).context("a test outside the repository")?.to_path_buf();
        if message.reason == "compiler-artifact" && profile.test && package != Path::new("xtask") {
            built.push(Built { path, package, is_test: true });
        }
    }
    ensure!(built.iter().any(|binary| binary.is_test), "cargo built no test");
    Ok(built)
}

/// The binary itself, which the run before this one has built.
fn product(repo: &Repo) -> Option<Built> {
    let path = repo.target().join("debug/bailiwick");
    path.is_file().then(|| Built { path, package: "crates/cli".into(), is_test: false })
}

/// What the other user can see of this repository.
#[derive(Debug)]
struct Stage {
    directory: TempDir,
    user: User,
}

impl Stage {
    fn lay_out(repo: &Repo, user: User, built: &[Built]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("bailiwick-test-").tempdir()?;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))?;
        let stage = Self { directory, user };
        repo.copy_to(&stage.root().join("repo"))?;
        for binary in built {
            let to = stage.place(binary)?;
            std::fs::create_dir_all(to.parent().context("a binary without a directory")?)?;
            if std::fs::hard_link(&binary.path, &to).is_err() {
                std::fs::copy(&binary.path, &to)
                    .with_context(|| format!("copying {}", binary.path.display()))?;
            }
        }
        if tools::directory(repo).is_dir() {
            process::run(
                Command::new("cp").arg("-a").arg(tools::directory(repo)).arg(stage.root().join("tools")),
            )?;
        }
        for own in ["home", "tmp"] {
            let path = stage.root().join(own);
            std::fs::create_dir(&path)?;
            chown(&path, Some(user.uid), Some(user.gid))?;
        }
        Ok(stage)
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    /// `target/debug/x` and `target/debug/deps/y` keep their places relative to each other.
    fn place(&self, binary: &Built) -> Result<PathBuf> {
        let name = binary.path.file_name().context("a binary without a name")?;
        let directory = if binary.is_test { "target/debug/deps" } else { "target/debug" };
        Ok(self.root().join(directory).join(name))
    }

    fn command(&self, binary: &Built) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                &self.user.uid.to_string(),
                "--regid",
                &self.user.gid.to_string(),
                "--clear-groups",
            ])
            .arg("--")
            .arg(self.place(binary)?)
            .current_dir(self.root().join("repo").join(&binary.package))
            .env_clear()
            .env("PATH", self.path())
            .env("HOME", self.root().join("home"))
            .env("TMPDIR", self.root().join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("RUST_BACKTRACE", "1")
            .env("BAILIWICK_TEST_REPO", self.root().join("repo"))
            .env("BAILIWICK_TEST_TOOLS", self.root().join("tools"));
        Ok(command)
    }

    /// Our own `PATH` without what the other user cannot enter.
    fn path(&self) -> OsString {
        let ours = std::env::var_os("PATH").unwrap_or_default();
        let open = std::env::split_paths(&ours).filter(|directory| open_to_all(directory));
        std::env::join_paths(open).unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into())
    }
}

fn open_to_all(directory: &Path) -> bool {
    directory.ancestors().all(|ancestor| {
        std::fs::metadata(ancestor)
            .is_ok_and(|metadata| metadata.is_dir() && metadata.permissions().mode() & 0o5 == 0o5)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_ordinary_account_is_chosen() {
        let passwd = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nb:x:1001:1002::/:\na:x:1000:1000::/:\nbad\n";
        assert_eq!(ordinary_user(passwd), User { uid: 1000, gid: 1000 });
        assert_eq!(ordinary_user("root:x:0:0::/root:/bin/sh\n"), User { uid: SPARE_ID, gid: SPARE_ID });
    }

    #[test]
    fn a_closed_ancestor_closes_a_directory() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        std::fs::set_permissions(outer.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!open_to_all(&inner));
        assert!(open_to_all(Path::new("/usr/bin")));
    }
}
