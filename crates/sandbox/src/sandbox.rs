//! From a plan to a running program: prepare, start, wait.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use bailiwick_sandbox_sys::{Channel, Check, Listener, Order, Program, Received, Report, landlock_abi};

use crate::compile::{self, compile};
use crate::error::SandboxError;
use crate::evidence::{Evidence, Namespaces, Tier, layers};
use crate::mediation::{Connector, Listeners, Mediator, Pool, Unreachable};
use crate::plan::{InjectedFile, Network, Plan};
use crate::running::Running;
use crate::warden::Warden;
use crate::{measure, remedy};

/// The way in.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Makes the sandbox up to the point where it needs to know its session: namespaces, network and listeners, file system,
    /// and the measured executable. Nothing of the program runs.
    ///
    /// # Errors
    /// [`SandboxError`]; whatever was made is gone again.
    pub fn prepare(mut plan: Plan) -> Result<Prepared, SandboxError> {
        let canary = Canary::create(&plan.state)?;
        let program = Arc::new(compile(&plan, &canary.0)?);
        let (channel, inner) = Channel::pair().map_err(SandboxError::doing("create a socket pair"))?;
        let warden = Warden::spawn(Arc::clone(&program), inner).map_err(not_spawned)?;
        // Our copies of the program's streams would keep its pipes open.
        plan.stdio.streams = [0; 3].map(|_| crate::plan::Stream::Terminal);
        let mut prepared = Prepared {
            plan,
            program,
            channel,
            warden,
            canary: Some(canary),
            listeners: None,
            addresses: None,
            diagnosis: None,
            terminal: None,
            executable: None,
            namespaces: Namespaces::default(),
        };
        prepared.await_prepared()?;
        Ok(prepared)
    }
}

/// A sandbox in which nothing runs yet. Dropped, it is gone.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    program: Arc<Program>,
    channel: Channel,
    warden: Warden,
    canary: Option<Canary>,
    listeners: Option<Listeners>,
    addresses: Option<crate::mediation::Addresses>,
    diagnosis: Option<OwnedFd>,
    terminal: Option<OwnedFd>,
    executable: Option<Executable>,
    namespaces: Namespaces,
}

#[derive(Clone, Debug)]
struct Executable {
    path: PathBuf,
    sha256: String,
}

impl Prepared {
    /// The listeners, once.
    pub fn take_listeners(&mut self) -> Option<Listeners> {
        self.listeners.take()
    }

    /// The outer end of the terminal inside, once. Whoever sets that terminal up does it before the program runs.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// SHA-256 of the file that will be executed, in hexadecimal.
    #[must_use]
    pub fn executable_sha256(&self) -> &str {
        self.executable.as_ref().map_or("", |executable| &executable.sha256)
    }

    /// Locks the sandbox down, lets it attack itself, and only then lets the program run.
    ///
    /// `files` are added to those of the plan, and win over them. `mediator` answers its connects, unless the plan says that
    /// nobody does.
    ///
    /// # Errors
    /// [`SandboxError`]; whatever was made is gone again, and nothing of the program has run.
    pub fn start(
        mut self,
        files: Vec<InjectedFile>,
        mediator: Arc<dyn Mediator>,
    ) -> Result<Running, SandboxError> {
        self.plan.files = last_of_each_path(std::mem::take(&mut self.plan.files), files);
        let packed = self.packed_files()?;
        self.channel.send(Order::Start, Some(packed.as_fd())).map_err(|_| SandboxError::Vanished)?;
        drop(packed);
        let listener = self.expect(|report| matches!(report, Report::Filtered))?;
        let fd = listener.descriptors.into_iter().next().ok_or(SandboxError::Vanished)?;
        let mediator: Arc<dyn Mediator> = match self.plan.network {
            Network::None => Arc::new(Unreachable),
            Network::Mediated => mediator,
        };
        let addresses = self.addresses.ok_or(SandboxError::Vanished)?;
        let pool = Pool::start(Listener::new(fd), Connector::new(addresses, self.diagnosis.take(), mediator))
            .map_err(SandboxError::doing("start a thread"))?;
        let tested = self.expect(|report| matches!(report, Report::SelfTested(_)))?;
        if let Report::SelfTested(passed) = tested.report {
            require_all(passed)?;
        }
        pool.open();
        self.channel.send(Order::Launch, None).map_err(|_| SandboxError::Vanished)?;
        self.expect(|report| matches!(report, Report::Started(_)))?;
        drop(self.canary.take());
        let evidence = self.evidence()?;
        Ok(Running::new(self.channel, self.warden, self.terminal, evidence, addresses.netns_cookie))
    }

    fn await_prepared(&mut self) -> Result<(), SandboxError> {
        loop {
            let Received { report, descriptors } = self.next()?;
            match report {
                Report::Namespaces(inodes) => self.namespaces = inodes.into(),
                Report::Listening => {
                    let (listeners, diagnosis) = Listeners::new(descriptors)
                        .map_err(SandboxError::doing("take over the listeners"))?;
                    self.addresses = Some(listeners.addresses);
                    self.listeners = Some(listeners);
                    self.diagnosis = diagnosis;
                }
                Report::Found(index) => self.measure(index, descriptors)?,
                Report::NotFound(libc::ENOENT) => return Err(SandboxError::NotFound { name: self.name() }),
                Report::NotFound(errno) => return Err(self.not_executable(errno)),
                Report::Prepared => {
                    self.terminal = descriptors.into_iter().next();
                    return Ok(());
                }
                _ => return Err(SandboxError::Vanished),
            }
        }
    }

    fn measure(&mut self, index: u64, descriptors: Vec<OwnedFd>) -> Result<(), SandboxError> {
        let found = usize::try_from(index).ok().and_then(|index| self.program.candidates.get(index));
        let (path, fd) = found.zip(descriptors.into_iter().next()).ok_or(SandboxError::Vanished)?;
        let sha256 = measure::sha256(&File::from(fd), &self.plan.state)
            .map_err(|source| SandboxError::NotExecutable { name: self.name(), source })?;
        let path =
            PathBuf::from(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.to_bytes()));
        self.executable = Some(Executable { path, sha256 });
        Ok(())
    }

    /// The next report; a failure is the error it stands for.
    fn next(&self) -> Result<Received, SandboxError> {
        let received = self.channel.receive().map_err(SandboxError::doing("hear from the sandbox"))?;
        match received {
            None => Err(SandboxError::Vanished),
            Some(Received { report: Report::Failed(step, item, errno), .. }) => {
                Err(self.failed(step, item, errno))
            }
            Some(other) => Ok(other),
        }
    }

    fn expect(&self, wanted: impl Fn(&Report) -> bool) -> Result<Received, SandboxError> {
        self.next().and_then(|received| {
            if wanted(&received.report) { Ok(received) } else { Err(SandboxError::Vanished) }
        })
    }

    fn failed(&self, step: bailiwick_sandbox_sys::Step, item: u64, errno: i32) -> SandboxError {
        use bailiwick_sandbox_sys::Step;
        if step == Step::Execute {
            return self.not_executable(errno);
        }
        let files: Vec<PathBuf> = self.plan.files.iter().map(|file| file.path.clone()).collect();
        let refused = matches!(errno, libc::EPERM | libc::EACCES);
        let early = matches!(
            step,
            Step::IdMap
                | Step::Hostname
                | Step::Loopback
                | Step::Propagation
                | Step::SourceMount
                | Step::Root
                | Step::Mount
        );
        SandboxError::Step {
            step,
            item: compile::item(&self.program, &files, step, item),
            source: io::Error::from_raw_os_error(errno),
            fix: (refused && early).then(remedy::namespaces),
        }
    }

    fn not_executable(&self, errno: i32) -> SandboxError {
        SandboxError::NotExecutable { name: self.name(), source: io::Error::from_raw_os_error(errno) }
    }

    fn name(&self) -> std::ffi::OsString {
        self.plan.argv.first().cloned().unwrap_or_default()
    }

    fn packed_files(&self) -> Result<File, SandboxError> {
        let doing = SandboxError::doing::<io::Error>;
        let packed = compile::pack(&self.plan.files)?;
        let fd = rustix::fs::memfd_create("bailiwick-files", rustix::fs::MemfdFlags::CLOEXEC)
            .map_err(SandboxError::doing("create a file in memory"))?;
        let mut file = File::from(fd);
        file.write_all(&packed).map_err(doing("fill a file in memory"))?;
        file.rewind().map_err(doing("rewind a file in memory"))?;
        Ok(file)
    }

    fn evidence(&self) -> Result<Evidence, SandboxError> {
        let executable = self.executable.clone().ok_or(SandboxError::Vanished)?;
        let mut missing = Vec::new();
        let mut absent = |condition: bool, name: &str| {
            if condition {
                missing.push(name.to_owned());
            }
        };
        let abi = landlock_abi();
        absent(abi < 4, "landlock: TCP rights (ABI 4)");
        absent(abi < 6, "landlock: scopes (ABI 6)");
        absent(abi < 9, "landlock: named unix sockets (ABI 9)");
        absent(self.addresses.is_none_or(|addresses| addresses.tcp6.is_none()), "IPv6");
        let limits = &self.plan.limits;
        let root = rustix::process::geteuid().is_root();
        let own_pids = compile::has_own_pid_max();
        absent(
            root && !own_pids,
            "limit of processes (root is exempt from RLIMIT_NPROC; Linux 6.14 has pid_max)",
        );
        let mut in_force = vec![
            format!("open files {}", limits.open_files),
            format!("memory files {} bytes", limits.memory_bytes),
        ];
        if !root || own_pids {
            in_force.push(format!("processes {}", limits.processes));
        }
        Ok(Evidence {
            tier: Tier::T2,
            executable_sha256: executable.sha256,
            executable: executable.path,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            landlock_abi: abi,
            uid: rustix::process::geteuid().as_raw(),
            layers: layers(),
            missing,
            namespaces: self.namespaces,
            limits: in_force,
        })
    }
}

fn require_all(passed: u64) -> Result<(), SandboxError> {
    let missed: Vec<&'static str> =
        Check::ALL.iter().filter(|check| passed & check.bit() == 0).map(|check| check.describe()).collect();
    if missed.is_empty() { Ok(()) } else { Err(SandboxError::SelfTest { missed }) }
}

fn not_spawned(source: io::Error) -> SandboxError {
    match source.raw_os_error() {
        Some(libc::EPERM | libc::ENOSPC | libc::EUSERS | libc::EINVAL) => {
            SandboxError::NoNamespaces { source, fix: remedy::namespaces() }
        }
        _ => SandboxError::System { doing: "start a process", source },
    }
}

/// A file of the host that the self-test must not find. Gone when dropped.
#[derive(Debug)]
struct Canary(PathBuf);

impl Canary {
    fn create(state: &std::path::Path) -> Result<Self, SandboxError> {
        let wrap = |source| SandboxError::Path { path: state.into(), source };
        fs::create_dir_all(state).map_err(wrap)?;
        let state = state.canonicalize().map_err(wrap)?;
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(SandboxError::doing("get random bytes"))?;
        let path = state.join(format!("self-test-{}", hex::encode(random)));
        File::create_new(&path).map_err(|source| SandboxError::Path { path: path.clone(), source })?;
        Ok(Self(path))
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl AsFd for Prepared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

/// Later files win. Only one may be packed for a path: nothing can be mounted over a file that has no name any more.
fn last_of_each_path(files: Vec<InjectedFile>, later: Vec<InjectedFile>) -> Vec<InjectedFile> {
    let mut last: Vec<InjectedFile> = Vec::with_capacity(files.len() + later.len());
    for file in files.into_iter().chain(later) {
        last.retain(|other| other.path != file.path);
        last.push(file);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_check_that_did_not_pass_stops_the_run_and_is_named() {
        let all = Check::ALL.iter().fold(0, |passed, check| passed | check.bit());
        assert!(require_all(all).is_ok());
        for check in Check::ALL {
            let error = require_all(all & !check.bit()).unwrap_err();
            assert!(
                matches!(&error, SandboxError::SelfTest { missed } if *missed == [check.describe()]),
                "{error}"
            );
        }
    }
}
