//! Runs one attack in one place: without a sandbox, under bubblewrap, or under Bailiwick.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Pid, Signal, kill_process_group};
use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, ptsname, unlockpt};

use crate::Result;
use crate::cases::{Setup, leaked_variables};
use crate::stage::Stage;

/// Longer than any attack takes on a busy machine; it bounds a hang, it measures nothing.
const LIMIT: Duration = Duration::from_secs(90);

const PTY: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

/// Where an attack runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// As it is. Here an attack has to succeed, or it proves nothing elsewhere.
    Unsandboxed,
    /// Under `bwrap`, for comparison.
    Bubblewrap,
    /// Under `bailiwick run`.
    Bailiwick,
}

impl Place {
    /// Its heading.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsandboxed => "unsandboxed",
            Self::Bubblewrap => "bubblewrap",
            Self::Bailiwick => "bailiwick",
        }
    }
}

/// The programs that attacks are run by.
#[derive(Debug, Clone)]
pub struct Launchers {
    /// `bwrap`, where there is one.
    pub bubblewrap: Option<PathBuf>,
    /// What is put before the attack's command line: `bailiwick run --` with its path.
    pub bailiwick: Option<Vec<OsString>>,
    /// `BAILIWICK_HOME`.
    pub home: PathBuf,
}

impl Launchers {
    /// The places that exist on this host.
    #[must_use]
    pub fn places(&self) -> Vec<Place> {
        let mut places = vec![Place::Unsandboxed];
        places.extend(self.bubblewrap.is_some().then_some(Place::Bubblewrap));
        places.extend(self.bailiwick.is_some().then_some(Place::Bailiwick));
        places
    }

    fn prefix(&self, place: Place, work: &Path) -> Vec<OsString> {
        match place {
            Place::Unsandboxed => Vec::new(),
            Place::Bubblewrap => {
                let mut words: Vec<OsString> = self.bubblewrap.iter().map(Into::into).collect();
                words.extend(["--ro-bind", "/", "/", "--bind"].map(Into::into));
                words.extend([work.into(), work.into()]);
                let rest =
                    ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--unshare-all", "--new-session"];
                words.extend(rest.map(Into::into));
                words
            }
            Place::Bailiwick => self.bailiwick.clone().unwrap_or_default(),
        }
    }
}

/// What a run left to be judged, besides what it did to the host.
#[derive(Debug, Default)]
pub struct Ran {
    /// What it printed: standard output, or everything on its terminal.
    pub output: String,
    /// Standard error, for messages.
    pub errors: String,
    /// What waits to be read on the host's terminal.
    pub typed: String,
    /// It had to be killed.
    pub overran: bool,
}

/// An attack about to be run.
#[derive(Debug)]
pub struct Attack<'a> {
    /// Where.
    pub place: Place,
    /// With what around it.
    pub setup: Setup,
    /// Its name.
    pub name: &'a str,
    /// `KEY=VALUE` words for the probe.
    pub arguments: Vec<String>,
    /// Its files.
    pub stage: &'a Stage,
}

impl Attack<'_> {
    /// Runs it, calling `watch` over and over until it has ended.
    ///
    /// # Errors
    /// When it cannot be started or its surroundings cannot be made.
    pub fn run(mut self, launchers: &Launchers, mut watch: impl FnMut()) -> Result<Ran> {
        let terminal = (self.setup == Setup::Terminal).then(HostTerminal::open).transpose()?;
        let tty = terminal.as_ref().map_or("none", |terminal| &terminal.path);
        self.arguments.push(format!("tty={tty}"));
        let mut command = self.command(launchers)?;
        let log = match &terminal {
            Some(terminal) => {
                let slave = || terminal.slave.try_clone();
                command.stdin(slave()?).stdout(slave()?).stderr(slave()?);
                None
            }
            None => self.redirect(&mut command)?,
        };
        let mut child = command.spawn()?;
        // Our copies of what the child got would keep its pipes open.
        drop(command);
        let output = match &terminal {
            Some(terminal) => collect(File::from(terminal.master.try_clone()?)),
            None => collect(child.stdout.take().ok_or("no output")?),
        };
        let errors = child.stderr.take().map(collect);
        let overran = wait(&mut child, &mut watch)?;
        drop(log);
        let typed = terminal.as_ref().map(HostTerminal::typed).unwrap_or_default();
        drop(terminal);
        let soon = Duration::from_secs(5);
        Ok(Ran {
            output: text(output.recv_timeout(soon).unwrap_or_default()),
            errors: errors
                .map(|errors| text(errors.recv_timeout(soon).unwrap_or_default()))
                .unwrap_or_default(),
            typed,
            overran,
        })
    }

    fn command(&self, launchers: &Launchers) -> Result<Command> {
        let work = self.stage.work();
        let mut words: Vec<OsString> = match self.setup {
            Setup::Terminal => ["setsid", "--ctty", "--wait"].map(Into::into).to_vec(),
            Setup::Inherited => {
                let script = r#"exec 8</ 9<"$1"; shift; exec "$@""#;
                let mut words = ["sh", "-c", script, "sh"].map(OsString::from).to_vec();
                words.push(self.stage.path("outside/secret").into());
                words
            }
            _ => Vec::new(),
        };
        words.extend(launchers.prefix(self.place, &work));
        words.push(work.join("probe").into());
        words.push(self.name.into());
        words.extend(self.arguments.iter().map(Into::into));
        let (program, arguments) = words.split_first().ok_or("an empty command line")?;
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&work).env_clear().process_group(0);
        command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()));
        command.env("HOME", self.stage.home()).env("BAILIWICK_HOME", &launchers.home);
        command.env("TERM", "xterm").env("LANG", "C.UTF-8").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for variable in leaked_variables(self.name) {
            command.env(variable, format!("/nonexistent/{}", self.stage.environment_secret));
        }
        if self.setup == Setup::Terminal {
            // setsid(1) forks when it leads a group, and would not wait for the terminal.
            command.process_group(0);
        }
        Ok(command)
    }

    /// Standard streams other than the usual ones. What is returned has to live until the attack has ended.
    fn redirect(&self, command: &mut Command) -> Result<Option<UnixStream>> {
        match self.setup {
            Setup::FileInput => {
                command.stdin(File::open(self.stage.path("outside/input"))?);
            }
            Setup::LogError => {
                command.stderr(OpenOptions::new().append(true).open(self.stage.path("outside/log"))?);
            }
            Setup::SocketInput => {
                let (ours, theirs) = UnixStream::pair()?;
                pass(&ours, &File::open(self.stage.path("outside/secret"))?)?;
                command.stdin(OwnedFd::from(theirs));
                return Ok(Some(ours));
            }
            _ => {}
        }
        Ok(None)
    }
}

/// Puts a descriptor into a socket's queue (`SCM_RIGHTS`).
fn pass(socket: &UnixStream, file: &File) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file.as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err("no room for a descriptor".into());
    }
    sendmsg(socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty())?;
    Ok(())
}

fn collect(mut stream: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let (mut all, mut chunk) = (Vec::new(), [0; 16384]);
        // A terminal ends with an error, a pipe with nothing.
        while let Ok(count) = stream.read(&mut chunk) {
            if count == 0 {
                break;
            }
            all.extend_from_slice(&chunk[..count]);
        }
        let _ = send.send(all);
    });
    receive
}

fn wait(child: &mut Child, watch: &mut impl FnMut()) -> Result<bool> {
    let until = Instant::now() + LIMIT;
    loop {
        watch();
        if child.try_wait()?.is_some() {
            return Ok(false);
        }
        if Instant::now() >= until {
            let group = Pid::from_raw(i32::try_from(child.id())?).ok_or("no process")?;
            // It may have ended just now.
            let _ = kill_process_group(group, Signal::KILL);
            child.wait()?;
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// The terminal of a user, with the test at the other end of it.
struct HostTerminal {
    master: OwnedFd,
    slave: OwnedFd,
    path: String,
}

impl HostTerminal {
    fn open() -> Result<Self> {
        let master = openpt(PTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let slave = ioctl_tiocgptpeer(&master, PTY)?;
        let path = ptsname(&master, Vec::new())?.into_string()?;
        Ok(Self { master, slave, path })
    }

    /// What a shell would read on it now.
    fn typed(&self) -> String {
        let flags = rustix::fs::fcntl_getfl(&self.slave).map(|flags| flags | rustix::fs::OFlags::NONBLOCK);
        if flags.and_then(|flags| rustix::fs::fcntl_setfl(&self.slave, flags)).is_err() {
            return String::new();
        }
        let mut bytes = vec![0; 4096];
        let count = read_once(&self.slave, &mut bytes).unwrap_or(0);
        bytes.truncate(count);
        text(bytes)
    }
}

fn read_once(fd: impl AsFd, into: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::io::read(fd, into)?)
}
