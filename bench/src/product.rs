//! The product as a user has it: a home of its own, its daemon, and commands inside its sandbox.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use bailiwick_testkit::TempHome;
use serde::de::DeserializeOwned;

use crate::measure::ms;

/// The core that clients and upstreams share, as in every comparison here.
pub(crate) const CLIENT_CORE: &str = "0";
/// The core of whatever stands between: our daemon, or a peer.
pub(crate) const PROXY_CORE: &str = "1";

/// One user with the product.
pub(crate) struct Product {
    program: PathBuf,
    home: TempHome,
    daemon: Option<Daemon>,
}

/// A server that ends with its handle.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self(quiet.spawn().with_context(|| format!("starting {command:?}"))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // SIGTERM first, so that a server with children ends them too.
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        for _ in 0..200 {
            if asked.is_err() || matches!(self.0.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Product {
    pub(crate) fn new() -> Result<Self> {
        let program = std::env::var_os("BAILIWICK_BIN")
            .map_or_else(|| "target/release/bailiwick".into(), PathBuf::from);
        ensure!(program.is_file(), "{} is not built; use `cargo xtask bench`", program.display());
        let program = program.canonicalize()?;
        Ok(Self { program, home: TempHome::new(), daemon: None })
    }

    /// The user's workspace.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.home.workspace()
    }

    /// Room outside the workspace.
    pub(crate) fn scratch(&self) -> &Path {
        self.home.scratch()
    }

    /// A command of the product.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.prepare(Command::new(&self.program), arguments)
    }

    /// The same, held on one core.
    fn pinned(&self, core: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("taskset");
        command.args(["-c", core]).arg(&self.program);
        self.prepare(command, arguments)
    }

    fn prepare(&self, mut command: Command, arguments: &[&str]) -> Command {
        command
            .args(arguments)
            .current_dir(self.home.workspace())
            .env("HOME", self.home.user())
            .env("BAILIWICK_HOME", self.home.path())
            .env("BAILIWICK_LOG", "warn");
        command
    }

    /// Starts the daemon on the proxies' core, and waits until it answers.
    pub(crate) fn serve(&mut self) -> Result<u32> {
        let daemon = Daemon::spawn(&mut self.pinned(PROXY_CORE, &["serve"]))?;
        let id = daemon.id();
        let socket = self.home.path().join("daemon.sock");
        wait_until("the daemon", || std::os::unix::net::UnixStream::connect(&socket).is_ok())?;
        self.daemon = Some(daemon);
        Ok(id)
    }

    /// Declares an upstream.
    pub(crate) fn add(&self, name: &str, address: &str, more: &[&str], secret: &str) -> Result<()> {
        let mut command = self.command(&["resource", "add", name, "--address", address]);
        let mut child =
            command.args(more).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        if let Some(mut input) = child.stdin.take() {
            std::io::Write::write_all(&mut input, secret.as_bytes())?;
        }
        ensure!(child.wait()?.success(), "`bailiwick resource add {name}` failed");
        Ok(())
    }

    /// A command inside the sandbox, on the clients' core.
    pub(crate) fn inside(&self, options: &[&str], argv: &[&str]) -> Result<Command> {
        let own = own_directory()?;
        let mut arguments = vec!["run", "--readable", &own];
        arguments.extend(options);
        arguments.push("--");
        arguments.extend(argv);
        Ok(self.pinned(CLIENT_CORE, &arguments))
    }
}

/// This executable.
pub(crate) fn own() -> Result<String> {
    Ok(std::env::current_exe()?.to_string_lossy().into_owned())
}

fn own_directory() -> Result<String> {
    let own = std::env::current_exe()?;
    Ok(own.parent().context("an executable lies in a directory")?.to_string_lossy().into_owned())
}

/// This executable again, outside any sandbox, on the clients' core.
pub(crate) fn outside(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new("taskset");
    command.args(["-c", CLIENT_CORE]).arg(own()?).args(arguments);
    Ok(command)
}

/// Runs to the end; the time it took in milliseconds.
pub(crate) fn timed(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status()?;
    let took = ms(started.elapsed());
    ensure!(status.success(), "{command:?}: {status}");
    Ok(took)
}

/// Runs to the end and reads what it printed last.
pub(crate) fn result<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last).with_context(|| format!("{command:?} printed {text}"))
}

/// Polls until something is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) -> Result<()> {
    for _ in 0..1500 {
        if is_so() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    bail!("{what} did not come up within 15 s")
}
