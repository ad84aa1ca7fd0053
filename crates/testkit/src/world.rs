//! One user on one machine: homes, an authority that their upstreams are certified by, and the product.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::hunt::lock_holder;
use crate::product::{Bailiwick, Finished, LIMIT, finish};
use crate::{TempHome, Terminal, TestCa, tools};

/// The credential that only the gateway has. Seen inside a sandbox, at another upstream or in any file, it is a leak.
pub const TOKEN: &str = "MARKER-real-token-5f1c0d8e";

/// Everything a test of the whole product starts from.
#[derive(Debug)]
pub struct World {
    /// The user's directories.
    pub home: TempHome,
    /// Who certifies the upstreams of this test.
    pub ca: TestCa,
    /// The authority's certificate, in a file.
    pub pem: PathBuf,
}

impl World {
    /// A user who has used nothing yet.
    pub fn new() -> Self {
        let (home, ca) = (TempHome::new(), TestCa::new());
        let pem = ca.write_pem(home.scratch());
        Self { home, ca, pem }
    }

    /// The product, with a `PATH` that every user has: where this machine's own tools lie in somebody's home does not matter.
    pub fn bailiwick(&self) -> Bailiwick<'_> {
        Bailiwick::new(&self.home).env("PATH", "/usr/local/bin:/usr/bin:/bin")
    }

    /// Declares a resource that is opened with [`TOKEN`], given on standard input.
    #[track_caller]
    pub fn add(&self, name: &str, address: &str, template: &str) {
        self.declare(name, address, template, "--token-stdin");
    }

    /// Declares a resource that needs no credential.
    #[track_caller]
    pub fn add_open(&self, name: &str, address: &str, template: &str) {
        self.declare(name, address, template, "--no-credential");
    }

    #[track_caller]
    fn declare(&self, name: &str, address: &str, template: &str, credential: &str) {
        let mut command = self.bailiwick().command(["resource", "add", name, "--address", address]);
        command.args(["--template", template, credential, "--ca"]).arg(&self.pem);
        finish(command, TOKEN.as_bytes(), LIMIT).ok();
    }

    /// Keeps [`TOKEN`] as the secret `name`.
    #[track_caller]
    pub fn set_secret(&self, name: &str) {
        finish(self.bailiwick().command(["secret", "set", name]), TOKEN.as_bytes(), LIMIT).ok();
    }

    /// Runs a shell script inside, under `set -eu`.
    #[track_caller]
    pub fn script(&self, script: &str) -> Finished {
        finish(self.run(["bash", "-c", &format!("set -eu\n{script}")]), b"", LIMIT)
    }

    /// Ends the daemon without a word, and waits until it is gone.
    #[track_caller]
    pub fn kill_daemon(&self) {
        let lock = self.home.path().join("daemon.lock");
        let begun = Instant::now();
        // The kernel's list of locks is read piece by piece, and may miss one while others come and go.
        let pid = loop {
            if let Some(pid) = lock_holder(&lock) {
                break pid;
            }
            assert!(begun.elapsed() < LIMIT, "no daemon is there");
            std::thread::sleep(Duration::from_millis(5));
        };
        let daemon = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has such an id");
        kill_process(daemon, Signal::KILL).expect("it is ours");
        let begun = Instant::now();
        while lock_holder(&lock) == Some(pid) {
            assert!(begun.elapsed() < LIMIT, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// `run` with this command inside, and the fetched tools readable.
    pub fn run<I, A>(&self, inside: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = self.bailiwick().command(["run", "--task", "work on acme/site and acme/large"]);
        if tools::directory().is_dir() {
            command.arg("--readable").arg(tools::directory());
        }
        command.arg("--").args(inside);
        command
    }

    /// The same on a terminal of 24 rows and 80 columns.
    pub fn terminal<I, A>(&self, inside: I) -> Terminal
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        Terminal::spawn(&self.run(inside), 24, 80)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}
