//! Why a sandbox did not start, and what to do about it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use bailiwick_sandbox_sys::Step;

/// Why a sandbox did not start. Nothing of the program has run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SandboxError {
    /// The plan names no program.
    #[error("no command to run")]
    NoCommand,
    /// The program is not there.
    #[error("`{}` was not found inside the sandbox", name.display())]
    NotFound {
        /// As it was asked for.
        name: OsString,
    },
    /// The program is there but cannot be run.
    #[error("`{}` cannot be executed: {source}", name.display())]
    NotExecutable {
        /// As it was asked for.
        name: OsString,
        /// Why.
        source: io::Error,
    },
    /// A string that the kernel cannot be given.
    #[error("`{}` contains a NUL byte", what.display())]
    NulByte {
        /// The string.
        what: OsString,
    },
    /// A path that is not absolute and plain.
    #[error("`{}` is not an absolute path without `.` and `..`", path.display())]
    OddPath {
        /// The path.
        path: PathBuf,
    },
    /// A path that must exist does not, or cannot be looked at.
    #[error("cannot use `{}`: {source}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory that must not become a workspace.
    #[error("`{}` cannot be the workspace: {reason}", path.display())]
    Workspace {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A standard stream that would carry authority inside.
    #[error("standard stream {number} is {kind}, which cannot be given to a sandbox")]
    Stream {
        /// 0, 1 or 2.
        number: usize,
        /// What it is.
        kind: &'static str,
    },
    /// The kernel has no Landlock, or an old one.
    #[error("this kernel offers Landlock ABI {abi}, and {} is needed", crate::landlock::FLOOR)]
    NoLandlock {
        /// What there is; 0 for none.
        abi: u32,
    },
    /// No system call list for this machine.
    #[error("the sandbox knows the system calls of x86_64 and aarch64 only")]
    UnknownMachine,
    /// This user may not create the namespaces.
    #[error("cannot create namespaces: {source}")]
    NoNamespaces {
        /// What the kernel said.
        source: io::Error,
        /// What would allow it.
        fix: String,
    },
    /// A step of the new process failed.
    #[error("could not {}{}: {source}", step.describe(), item.as_ref().map(|item| format!(" `{item}`")).unwrap_or_default())]
    Step {
        /// Which.
        step: Step,
        /// On what.
        item: Option<String>,
        /// What the kernel said.
        source: io::Error,
        /// What would help, where that is known.
        fix: Option<String>,
    },
    /// The self-test found a layer that does not hold.
    #[error("the sandbox does not hold: not true that {}", missed.join(", nor that "))]
    SelfTest {
        /// The checks that failed.
        missed: Vec<&'static str>,
    },
    /// The new process ended without saying why.
    #[error("the sandbox ended before the program started")]
    Vanished,
    /// A system call of ours failed.
    #[error("cannot {doing}: {source}")]
    System {
        /// What was attempted, to be read after "cannot".
        doing: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl SandboxError {
    /// For `map_err`: names what was being done.
    pub(crate) fn doing<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { doing, source: source.into() }
    }

    /// The exit code of `run` for this error: 127 not found, 126 not executable, 125 anything of ours.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }

    /// What would make it work, where that is known.
    #[must_use]
    pub fn fix(&self) -> Option<&str> {
        match self {
            Self::NoNamespaces { fix, .. } => Some(fix),
            Self::Step { fix, .. } => fix.as_deref(),
            Self::NoLandlock { .. } => Some("boot Linux 5.19 or later with `landlock` in the `lsm=` list"),
            Self::NotFound { .. } => {
                Some("name a program on PATH, or give its directory with --readable PATH")
            }
            Self::NoCommand => Some("name a program: bailiwick run -- CMD"),
            Self::NotExecutable { source, .. } => Some(not_executable(source)),
            Self::Workspace { .. } => Some("choose a project directory with --workdir"),
            Self::Stream { .. } => Some("redirect it to a file, a pipe or /dev/null"),
            _ => None,
        }
    }
}

/// What would make a program that is there run: what execve(2) says of it is all that is known.
fn not_executable(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            "its interpreter (first line `#!`) or loader is not there inside: give its directory with --readable PATH"
        }
        io::ErrorKind::PermissionDenied => "chmod +x the file, or name what runs it, as in `-- sh FILE`",
        _ => "name a program built for this machine, or what runs it, as in `-- sh FILE`",
    }
}
