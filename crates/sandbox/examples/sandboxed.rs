//! Runs one command in an offline sandbox whose workspace is the current directory.
//!
//! `sandboxed CMD…`; the evidence goes to standard error if `SANDBOX_EVIDENCE` is set. For trying out and for measuring; the
//! product's command is `bailiwick run`.

#![expect(clippy::print_stderr, reason = "an example speaks to whoever runs it")]

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bailiwick_sandbox::{
    Connect, Limits, Mediator, Network, Plan, Sandbox, SandboxError, Stdio, Stream, Verdict, WindowSize,
};

struct Nobody;

impl Mediator for Nobody {
    fn connect(&self, _: Connect) -> Verdict {
        Verdict::Refuse(libc::EACCES)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("sandboxed: {error}");
            if let Some(fix) = error.fix() {
                eprintln!("  fix: {fix}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn run() -> Result<u8, SandboxError> {
    let begin = std::time::Instant::now();
    let stdio = Stdio {
        streams: [duplicate(std::io::stdin()), duplicate(std::io::stdout()), duplicate(std::io::stderr())],
        window: WindowSize { rows: 24, columns: 80 },
        foreground: true,
    };
    let plan = Plan {
        argv: std::env::args_os().skip(1).collect(),
        environment: std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TERM").collect(),
        workdir: std::env::current_dir().unwrap_or_default(),
        home: None,
        read_only: Vec::new(),
        shown: Vec::new(),
        writable: Vec::new(),
        protected: Vec::new(),
        masks: Vec::new(),
        files: Vec::new(),
        stdio,
        network: Network::None,
        limits: Limits::default(),
        state: std::env::var_os("SANDBOX_STATE").map_or_else(default_state, PathBuf::from),
    };
    let prepared = Sandbox::prepare(plan)?;
    let prepared_after = begin.elapsed();
    let running = prepared.start(Vec::new(), Arc::new(Nobody))?;
    if std::env::var_os("SANDBOX_EVIDENCE").is_some() {
        eprintln!("prepared after {prepared_after:?}, started after {:?}", begin.elapsed());
        eprintln!("{:#?}", running.evidence());
    }
    Ok(running.wait().code())
}

fn default_state() -> PathBuf {
    let mut name = OsString::from("/var/tmp/bailiwick-example-");
    name.push(rustix::process::geteuid().as_raw().to_string());
    PathBuf::from(name)
}

/// A terminal is not passed through: without a proxy, the program gets none.
fn duplicate(stream: impl AsFd) -> Stream {
    let fd = stream.as_fd();
    let copy = if rustix::termios::isatty(fd) { None } else { fd.try_clone_to_owned().ok() };
    match copy.or_else(|| std::fs::File::open("/dev/null").ok().map(Into::into)) {
        Some(fd) => Stream::Descriptor(fd),
        None => Stream::Terminal,
    }
}
