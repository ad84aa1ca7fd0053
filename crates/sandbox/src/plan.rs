//! What a sandbox should be, as data. Made by the composition root; nothing here reads the environment or a file.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use bailiwick_sandbox_sys::WindowSize;

/// A sandbox to be.
#[derive(Debug)]
pub struct Plan {
    /// The program and its arguments.
    pub argv: Vec<OsString>,
    /// The environment, already filtered (see [`environment`](crate::environment)).
    pub environment: Vec<(OsString, OsString)>,
    /// The workspace: writable, visible at its own path, where the program starts.
    pub workdir: PathBuf,
    /// The home directory.
    pub home: Option<PrivateHome>,
    /// Directories and files of the host that are visible, read-only, at their own paths. Those that do not exist are passed over.
    pub read_only: Vec<PathBuf>,
    /// Files and directories of the host that are visible, read-only, at other paths than their own.
    pub shown: Vec<Shown>,
    /// Directories of the host that are writable at their own paths.
    pub writable: Vec<PathBuf>,
    /// Directories below something writable that are read-only all the same: where git looks for hooks.
    pub protected: Vec<PathBuf>,
    /// Files and directories that look empty inside although something above them is visible.
    pub masks: Vec<PathBuf>,
    /// Files that exist only inside, in memory, read-only.
    pub files: Vec<InjectedFile>,
    /// Standard input, output and error.
    pub stdio: Stdio,
    /// Who answers its connects.
    pub network: Network,
    /// What it may use up.
    pub limits: Limits,
    /// A directory of ours, never visible inside, for measured digests and the self-test.
    pub state: PathBuf,
}

/// A home directory that keeps its path but is another directory.
#[derive(Clone, Debug)]
pub struct PrivateHome {
    /// The directory on the host.
    pub host_dir: PathBuf,
    /// Its path inside.
    pub mount_at: PathBuf,
}

/// Something of the host at another path.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The file or directory on the host.
    pub source: PathBuf,
    /// Its absolute path inside.
    pub at: PathBuf,
}

/// A file that exists only inside.
#[derive(Clone, Debug)]
pub struct InjectedFile {
    /// Its absolute path inside.
    pub path: PathBuf,
    /// What is in it.
    pub contents: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

/// Standard input, output and error.
#[derive(Debug)]
pub struct Stdio {
    /// What each stream is.
    pub streams: [Stream; 3],
    /// Size of the terminal inside, where a stream is one.
    pub window: WindowSize,
    /// Whether the program starts in the foreground of that terminal.
    pub foreground: bool,
}

/// One standard stream.
#[derive(Debug)]
pub enum Stream {
    /// A file, a pipe or `/dev/null`, passed through.
    Descriptor(OwnedFd),
    /// The terminal made inside the sandbox; its outer end is [`Running::take_terminal`](crate::Running::take_terminal).
    Terminal,
}

/// Who answers the sandbox's connects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Network {
    /// Nobody: loopback inside works, everything else is unreachable.
    None,
    /// The mediator given to [`Prepared::start`](crate::Prepared::start).
    Mediated,
}

/// What the sandbox may use up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Processes and threads.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// Bytes of everything in memory: `/tmp`, `/run`, `/dev/shm`.
    pub memory_bytes: u64,
    /// Files in memory.
    pub memory_files: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { processes: 4096, open_files: 65_536, memory_bytes: 4 << 30, memory_files: 1 << 20 }
    }
}
