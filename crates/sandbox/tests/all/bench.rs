//! A throw-away host directory, and sandboxes in it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use bailiwick_sandbox::{
    Connect, Exit, InjectedFile, Limits, Listeners, Mediator, Network, Plan, Prepared, Running, Sandbox,
    SandboxError, Stdio, Stream, Verdict, WindowSize,
};

pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A workspace, our own state beside it, and a secret that no sandbox may see.
pub(crate) struct Bench {
    pub(crate) scratch: tempfile::TempDir,
}

pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("bailiwick-test-").tempdir().unwrap();
        for name in ["work", "state", "home", "tools"] {
            fs::create_dir(scratch.path().join(name)).unwrap();
        }
        fs::write(scratch.path().join("secret"), "MARKER-secret").unwrap();
        Self { scratch }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// A plan that runs `argv` in the workspace, without any stream.
    pub(crate) fn plan(&self, argv: &[&str]) -> Plan {
        Plan {
            argv: argv.iter().map(OsString::from).collect(),
            environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
            workdir: self.path("work"),
            home: None,
            read_only: Vec::new(),
            shown: Vec::new(),
            writable: Vec::new(),
            protected: Vec::new(),
            masks: Vec::new(),
            files: Vec::new(),
            stdio: Stdio {
                streams: [null(), null(), null()],
                window: WindowSize { rows: 24, columns: 80 },
                foreground: true,
            },
            network: Network::Mediated,
            limits: Limits::default(),
            state: self.path("state"),
        }
    }

    /// Runs a shell script to its end.
    pub(crate) fn shell(&self, script: &str) -> Outcome {
        run(self.plan(&["/bin/sh", "-c", script]), Refuse::all()).unwrap()
    }

    /// Runs a Python program to its end.
    pub(crate) fn python(&self, program: &str) -> Outcome {
        run(self.plan(&[PYTHON, "-c", program]), Refuse::all()).unwrap()
    }

    /// What the program left in the workspace.
    pub(crate) fn left(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path("work").join(name)).ok()
    }
}

pub(crate) fn null() -> Stream {
    Stream::Descriptor(File::options().read(true).write(true).open("/dev/null").unwrap().into())
}

/// Runs a plan to its end, with its output captured.
pub(crate) fn run(plan: Plan, mediator: Arc<dyn Mediator>) -> Result<Outcome, SandboxError> {
    let (prepared, capture) = prepare(plan)?;
    let running = prepared.start(Vec::new(), mediator)?;
    Ok(capture.finish(running))
}

/// Makes a sandbox whose output is captured.
pub(crate) fn prepare(mut plan: Plan) -> Result<(Prepared, Capture), SandboxError> {
    let (stdout, out) = pipe();
    let (stderr, err) = pipe();
    let [input, ..] = plan.stdio.streams;
    plan.stdio.streams = [input, Stream::Descriptor(out), Stream::Descriptor(err)];
    let prepared = Sandbox::prepare(plan)?;
    Ok((prepared, Capture { stdout: drain(stdout), stderr: drain(stderr) }))
}

pub(crate) struct Capture {
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
}

impl Capture {
    pub(crate) fn finish(self, running: Running) -> Outcome {
        let exit = running.wait();
        Outcome { exit, stdout: self.stdout.join().unwrap(), stderr: self.stderr.join().unwrap() }
    }
}

pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap()
}

fn drain(fd: OwnedFd) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        File::from(fd).read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// A mediator that writes down what it is asked.
pub(crate) struct Log<F> {
    calls: Mutex<Vec<Connect>>,
    verdict: F,
}

impl<F: Fn(&Connect) -> Verdict + Send + Sync> Log<F> {
    pub(crate) fn new(verdict: F) -> Arc<Self> {
        Arc::new(Self { calls: Mutex::new(Vec::new()), verdict })
    }

    pub(crate) fn calls(&self) -> Vec<Connect> {
        self.calls.lock().unwrap().clone()
    }
}

impl<F: Fn(&Connect) -> Verdict + Send + Sync> Mediator for Log<F> {
    fn connect(&self, connect: Connect) -> Verdict {
        self.calls.lock().unwrap().push(connect.clone());
        (self.verdict)(&connect)
    }
}

pub(crate) struct Refuse(i32);

impl Refuse {
    pub(crate) fn all() -> Arc<Self> {
        Arc::new(Self(libc::EACCES))
    }
}

impl Mediator for Refuse {
    fn connect(&self, _: Connect) -> Verdict {
        Verdict::Refuse(self.0)
    }
}

pub(crate) fn injected(path: &Path, contents: &str) -> InjectedFile {
    InjectedFile { path: path.into(), contents: contents.into(), mode: 0o644 }
}

/// Processes of the host that live in this process namespace (by inode number), with their state letter.
pub(crate) fn processes_in(namespace: u64) -> Vec<(u32, char)> {
    let link = format!("pid:[{namespace}]");
    let own = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| own(&entry))
        .filter(|pid| {
            fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|found| found == Path::new(&link))
        })
        .filter_map(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some((pid, stat.rsplit_once(") ")?.1.chars().next()?))
        })
        .collect()
}

/// Listeners as standard sockets.
pub(crate) struct Servers {
    pub(crate) tcp4: std::net::TcpListener,
    pub(crate) tcp6: Option<std::net::TcpListener>,
    pub(crate) dns_udp: std::net::UdpSocket,
    pub(crate) dns_tcp: std::net::TcpListener,
    pub(crate) addresses: bailiwick_sandbox::Addresses,
}

impl From<Listeners> for Servers {
    fn from(listeners: Listeners) -> Self {
        Self {
            tcp4: listeners.tcp4.into(),
            tcp6: listeners.tcp6.map(Into::into),
            dns_udp: listeners.dns_udp.into(),
            dns_tcp: listeners.dns_tcp.into(),
            addresses: listeners.addresses,
        }
    }
}
