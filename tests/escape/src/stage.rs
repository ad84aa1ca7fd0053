//! A user's home, a workspace in it, and what lies around: made anew for every attack.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::Result;

/// The files of one attack.
#[derive(Debug)]
pub struct Stage {
    root: PathBuf,
    /// Below the shared `/tmp`, which a sandbox may replace.
    tmp: tempfile::TempDir,
    /// Printed by whoever could read what is not theirs.
    pub secret: String,
    /// The name of a private file.
    pub private_name: String,
    /// Lies in the launcher's environment.
    pub environment_secret: String,
    /// What the attack says to a trap.
    pub mark: String,
}

impl Stage {
    /// Lays everything out below `root`.
    ///
    /// # Errors
    /// When a file cannot be made.
    pub fn lay_out(root: &Path, state: &Path, probe: &Path) -> Result<Self> {
        let random = random()?;
        let stage = Self {
            root: root.to_owned(),
            tmp: tempfile::Builder::new().prefix("bailiwick-escape-").tempdir_in("/tmp")?,
            secret: format!("SECRET-MARKER-{random}"),
            private_name: format!("private-MARKER-{random}"),
            environment_secret: format!("ENVIRONMENT-MARKER-{random}"),
            mark: format!("MARK-{random}"),
        };
        stage.write("home/.ssh/id_ed25519", &stage.secret)?;
        stage.write("home/.aws/credentials", &stage.secret)?;
        stage.write(&format!("home/{}", stage.private_name), "")?;
        stage.write("home/.bashrc", "# the user's\n")?;
        stage.write("outside/secret", &stage.secret)?;
        stage.write("outside/file", "intact\n")?;
        stage.write("outside/input", "input\n")?;
        stage.write("outside/log", "what was logged before\n")?;
        stage.write("bin/agent", "#!/bin/sh\n")?;
        fs::set_permissions(stage.path("bin/agent"), fs::Permissions::from_mode(0o755))?;
        fs::write(stage.tmp.path().join("secret"), &stage.secret)?;
        fs::write(state.join("secret"), &stage.secret)?;
        fs::write(state.join("policy"), "intact\n")?;
        symlink(state, stage.path("state"))?;
        symlink(stage.tmp.path(), stage.path("tmp"))?;
        stage.workspace(probe)?;
        Ok(stage)
    }

    fn workspace(&self, probe: &Path) -> Result<()> {
        let work = "home/work/site";
        for name in ["HEAD", "hooks/pre-commit.sample", "info/exclude", "objects/.keep", "refs/.keep"] {
            self.write(&format!("{work}/.git/{name}"), "ref: refs/heads/main\n")?;
        }
        self.write(&format!("{work}/.git/config"), "[core]\n\trepositoryformatversion = 0\n")?;
        self.write(&format!("{work}/vendor/sub/.git/HEAD"), "ref: refs/heads/main\n")?;
        self.write(&format!("{work}/vendor/sub/.git/hooks/.keep"), "")?;
        self.write(&format!("{work}/.env"), &self.secret)?;
        self.write(&format!("{work}/CLAUDE.md"), "# Rules\n")?;
        self.write(&format!("{work}/Makefile"), "all:\n")?;
        symlink(self.path("outside/secret"), self.work().join("link-secret"))?;
        symlink(self.path("outside/file"), self.work().join("link-file"))?;
        symlink(self.path("home/docker.sock"), self.work().join("link-sock"))?;
        fs::copy(probe, self.work().join("probe"))?;
        Ok(())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().ok_or("a file has a parent")?)?;
        fs::write(path, text)?;
        Ok(())
    }

    /// A file or directory below the stage.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The user's home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The workspace, where the attack starts.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path("home/work/site")
    }

    /// The shared temporary directory of this stage.
    #[must_use]
    pub fn tmp(&self) -> &Path {
        self.tmp.path()
    }
}

/// Sixteen hexadecimal digits that nobody can guess.
///
/// # Errors
/// When the kernel has no random bytes.
pub fn random() -> Result<String> {
    use std::io::Read;
    let mut bytes = [0; 8];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
