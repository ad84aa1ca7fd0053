//! Runs the built `bailiwick` as a user would: its own home, a clean environment, a deadline, and the whole output.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::home::TempHome;

/// Longer than any healthy command needs on a busy machine; it bounds a hang, it measures nothing.
pub const LIMIT: Duration = Duration::from_secs(120);

/// The product with one home.
#[derive(Debug)]
pub struct Bailiwick<'h> {
    home: &'h TempHome,
    program: PathBuf,
    environment: Vec<(OsString, OsString)>,
    removed: Vec<OsString>,
}

impl<'h> Bailiwick<'h> {
    /// The binary of this build: `BAILIWICK_BIN`, or the one beside the running test.
    pub fn new(home: &'h TempHome) -> Self {
        Self { home, program: program(), environment: Vec::new(), removed: Vec::new() }
    }

    /// Sets a variable for every command, for example `SSL_CERT_FILE`.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The binary.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command with the test's environment, in its workspace, not yet run.
    pub fn command<I, A>(&self, arguments: I) -> Command
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.home.workspace()).env_clear().envs(self.variables());
        command
    }

    /// Runs to its end with that on standard input.
    pub fn run_with<I, A>(&self, input: &[u8], arguments: I) -> Finished
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        finish(self.command(arguments), input, LIMIT)
    }

    /// Runs to its end with nothing on standard input.
    pub fn run<I, A>(&self, arguments: I) -> Finished
    where
        I: IntoIterator<Item = A>,
        A: AsRef<OsStr>,
    {
        self.run_with(b"", arguments)
    }

    /// The variables that every command gets.
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables: Vec<(OsString, OsString)> = ["PATH", "TMPDIR"]
            .into_iter()
            .filter_map(|name| Some((name.into(), std::env::var_os(name)?)))
            .collect();
        variables.push(("HOME".into(), self.home.user().into()));
        variables.push(("BAILIWICK_HOME".into(), self.home.path().into()));
        variables.push(("LANG".into(), "C.UTF-8".into()));
        variables.push(("TERM".into(), "xterm-256color".into()));
        variables.extend(self.environment.iter().cloned());
        variables.retain(|(name, _)| !self.removed.contains(name));
        variables
    }
}

fn program() -> PathBuf {
    let beside = || std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("bailiwick");
    let program = std::env::var_os("BAILIWICK_BIN").map_or_else(beside, PathBuf::from);
    assert!(program.is_file(), "{} is not built; run `cargo build -p bailiwick` first", program.display());
    program
}

/// A command that ended.
#[derive(Debug)]
pub struct Finished {
    /// The command line, for messages.
    pub line: String,
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// The exit code, or 128 + n for signal n.
    pub fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap()
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Panics with everything that was printed unless the exit code is that one.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert!(
            self.code() == code,
            "{}: exit {} instead of {code}\n--- stdout\n{}\n--- stderr\n{}",
            self.line,
            self.code(),
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Panics unless it succeeded.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.expect_code(0)
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.stdout)
            .unwrap_or_else(|error| panic!("{}: {error} in {}{}", self.line, self.stdout(), self.stderr()))
    }

    /// Standard output as one JSON value a line.
    #[track_caller]
    pub fn ndjson<T: DeserializeOwned>(&self) -> Vec<T> {
        let output = self.stdout();
        let lines = output.lines().filter(|line| !line.trim().is_empty());
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error} in {line}", self.line))
            })
            .collect()
    }
}

/// Runs a prepared command; panics when it has not ended, or something it left holds its output open, at the limit.
#[track_caller]
pub fn finish(mut command: Command, input: &[u8], limit: Duration) -> Finished {
    let line = format!("{:?}", DisplayLine(&command));
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("starting {line}: {error}"));
    let stdout = collect(child.stdout.take().unwrap());
    let stderr = collect(child.stderr.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let deadline = Instant::now() + limit;
    let (Some(stdout), Some(stderr)) = (until(&stdout, deadline), until(&stderr, deadline)) else {
        abandon(&mut child);
        panic!("{line}: still running, or its output is held open, after {limit:?}");
    };
    let status = child.wait().unwrap();
    Finished { line, status, stdout, stderr }
}

/// Ends a command that overran, and says nothing more about it.
fn abandon(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let _ = sender.send(bytes);
    });
    receiver
}

fn until(output: &Receiver<Vec<u8>>, deadline: Instant) -> Option<Vec<u8>> {
    output.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

struct DisplayLine<'c>(&'c Command);

impl std::fmt::Debug for DisplayLine<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&Path::new(self.0.get_program()).file_name().unwrap_or_default().to_string_lossy())?;
        self.0.get_args().try_for_each(|argument| write!(f, " {}", argument.to_string_lossy()))
    }
}
