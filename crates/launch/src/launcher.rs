//! The launcher's side: open a session, ask about each connection, hear the order to stop, go on with a successor daemon.
//!
//! Threads of the mediation pool ask at the same time; one reader thread hands each its answer. While there is no daemon, every
//! question is refused at once: nothing waits for a daemon that may never come.

use std::{
    collections::HashMap,
    fmt, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use bailiwick_core::{Problem, ProcessFacts};

use crate::{
    Channel, ChannelError, Connect, Ends, Exited, FromDaemon, FromLauncher, Hello, Hold, Measured, Open,
    Opened, PROTOCOL, Stop, Transport, Verdict, connect_seqpacket,
};

/// What a process sees while no daemon answers: the connection is refused.
const NOBODY_ANSWERS: Verdict = Verdict::Refuse { errno: 111 };
/// How long a daemon may take over one question.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long a daemon may take to put the end of a session on record.
const END_DEADLINE: Duration = Duration::from_secs(10);
/// How long a successor of a daemon that went away is waited for.
const SUCCESSOR_DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks for a successor.
const SUCCESSOR_INTERVAL: Duration = Duration::from_millis(100);

type Wire = Channel<FromDaemon, FromLauncher>;

/// Called once, from the reader thread, when the session ends from outside.
pub type StopHandler = Box<dyn FnOnce(Stop) + Send>;

/// Called from the reader thread each time the session waits for a person.
pub type HoldHandler = Box<dyn Fn(Hold) + Send + Sync>;

/// Called from the reader thread when the session's time is almost up.
pub type EndsHandler = Box<dyn Fn(Ends) + Send + Sync>;

/// Called from the reader thread while no daemon answers: may start one.
pub type Reviver = Box<dyn Fn() + Send + Sync>;

/// What a launcher does about what it hears.
pub struct Handlers {
    /// About the end of the session.
    pub stop: StopHandler,
    /// About a question to a person.
    pub hold: HoldHandler,
    /// About the end of its time.
    pub ends: EndsHandler,
    /// About a daemon that is gone.
    pub revive: Reviver,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").finish_non_exhaustive()
    }
}

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The connection failed.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// Nobody listens.
    #[error("no daemon answers in `{}`", .0.display())]
    NoDaemon(PathBuf, #[source] io::Error),
    /// The daemon is of another build.
    #[error("the daemon is build {daemon}, this is build {launcher}")]
    OtherBuild {
        /// The daemon's build.
        daemon: String,
        /// This build.
        launcher: String,
    },
    /// The daemon said no.
    #[error(transparent)]
    Refused(#[from] Problem),
}

/// A session, seen from the launcher.
pub struct Launcher {
    shared: Arc<Shared>,
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Launcher").finish_non_exhaustive()
    }
}

struct Shared {
    directory: PathBuf,
    hello: Hello,
    open: Open,
    listeners: Vec<OwnedFd>,
    state: Mutex<State>,
    next: AtomicU64,
    on_stop: Mutex<Option<StopHandler>>,
    on_hold: HoldHandler,
    on_ends: EndsHandler,
    revive: Reviver,
}

#[derive(Default)]
struct State {
    wire: Option<Arc<Wire>>,
    waiting: HashMap<u64, mpsc::SyncSender<Verdict>>,
    noted: Option<mpsc::SyncSender<()>>,
    measured: Option<Measured>,
    keepsake: Option<String>,
    over: bool,
}

impl Launcher {
    /// Opens a session with the daemon that listens in `directory`, handing over `listeners`.
    ///
    /// # Errors
    /// If no daemon listens, it is of another build, or it refuses.
    pub fn open(
        directory: &Path,
        build: &str,
        open: Open,
        listeners: Vec<OwnedFd>,
        handlers: Handlers,
    ) -> Result<(Self, Opened), LaunchError> {
        let hello = Hello { build: build.to_owned(), protocol: PROTOCOL };
        let wire = dial(directory, &hello)?;
        let opened = request(&wire, &open, &listeners)?;
        let state = State { keepsake: Some(opened.keepsake.clone()), ..State::default() };
        let shared = Arc::new(Shared {
            directory: directory.to_owned(),
            hello,
            open,
            listeners,
            state: Mutex::new(state),
            next: AtomicU64::new(1),
            on_stop: Mutex::new(Some(handlers.stop)),
            on_hold: handlers.hold,
            on_ends: handlers.ends,
            revive: handlers.revive,
        });
        let reader = Arc::clone(&shared);
        let wire = Arc::new(wire);
        shared.lock().wire = Some(Arc::clone(&wire));
        thread::Builder::new()
            .name("launch-reader".to_owned())
            .spawn(move || reader.read(wire))
            .map_err(ChannelError::Io)?;
        Ok((Self { shared }, opened))
    }

    /// Reports what was measured and waits until it is on record.
    ///
    /// # Errors
    /// If the daemon is gone.
    pub fn measured(&self, measured: Measured) -> Result<(), LaunchError> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let wire = {
            let mut state = self.shared.lock();
            state.measured = Some(measured.clone());
            state.noted = Some(sender);
            state.wire.clone().ok_or(ChannelError::Closed)?
        };
        wire.send(&FromLauncher::Measured(measured), &[])?;
        receiver.recv_timeout(ANSWER_DEADLINE).map_err(|_| ChannelError::Closed)?;
        Ok(())
    }

    /// Asks what to do with one wish to connect. Never blocks for long, and never says yes by itself.
    pub fn connect(
        &self,
        process: ProcessFacts,
        src: std::net::SocketAddr,
        dst: std::net::SocketAddr,
        transport: Transport,
    ) -> Verdict {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::sync_channel(1);
        let wire = {
            let mut state = self.shared.lock();
            let Some(wire) = state.wire.clone() else { return NOBODY_ANSWERS };
            state.waiting.insert(id, sender);
            wire
        };
        let asked = wire.send(&FromLauncher::Connect(Connect { id, process, src, dst, transport }), &[]);
        let answer = asked.ok().and_then(|()| receiver.recv_timeout(ANSWER_DEADLINE).ok());
        self.shared.lock().waiting.remove(&id);
        answer.unwrap_or(NOBODY_ANSWERS)
    }

    /// Says how the agent ended. The session ends with it: waits until that is on record, or the daemon is gone, or for too long.
    pub fn exited(&self, exited: Exited) {
        let (sender, receiver) = mpsc::sync_channel(1);
        let wire = {
            let mut state = self.shared.lock();
            state.over = true;
            state.noted = Some(sender);
            state.wire.take()
        };
        // The daemon sees the end of the connection in any case.
        if wire.is_some_and(|wire| wire.send(&FromLauncher::Exited(exited), &[]).is_ok()) {
            let _ended = receiver.recv_timeout(END_DEADLINE);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until the session is over, moving on to a successor daemon when one goes away.
    fn read(&self, mut wire: Arc<Wire>) {
        loop {
            self.read_one(&wire);
            drop(wire);
            match self.find_successor() {
                Some(next) => wire = next,
                None => return,
            }
        }
    }

    /// Reads from one daemon until it is gone.
    fn read_one(&self, wire: &Wire) {
        while let Ok(packet) = wire.receive() {
            match packet.frame {
                FromDaemon::Answer(answer) => {
                    if let Some(waiting) = self.lock().waiting.remove(&answer.id) {
                        let _ = waiting.try_send(answer.verdict);
                    }
                }
                FromDaemon::Noted => {
                    if let Some(noted) = self.lock().noted.take() {
                        let _ = noted.try_send(());
                    }
                }
                FromDaemon::Hold(hold) => (self.on_hold)(hold),
                FromDaemon::Ends(ends) => (self.on_ends)(ends),
                FromDaemon::Stop(stop) => self.stop(stop),
                FromDaemon::Failed(problem) => self.stop(lost(problem.detail)),
                FromDaemon::Hello(_) | FromDaemon::Opened(_) => {}
            }
        }
        let mut state = self.lock();
        state.wire = None;
        state.waiting.clear();
        state.noted = None;
    }

    fn find_successor(&self) -> Option<Arc<Wire>> {
        let deadline = Instant::now() + SUCCESSOR_DEADLINE;
        while Instant::now() < deadline {
            let (over, keepsake) = {
                let state = self.lock();
                (state.over, state.keepsake.clone())
            };
            if over {
                return None;
            }
            match self.resume(keepsake) {
                Ok(wire) => return Some(wire),
                Err(LaunchError::Refused(problem)) => {
                    self.stop(lost(problem.detail));
                    return None;
                }
                // A successor would make it again, empty: nothing there knows this session.
                Err(LaunchError::NoDaemon(..)) if !self.directory.is_dir() => {
                    self.stop(lost(format!("`{}` was removed", self.directory.display())));
                    return None;
                }
                Err(LaunchError::NoDaemon(..)) => {
                    (self.revive)();
                    thread::sleep(SUCCESSOR_INTERVAL);
                }
                Err(LaunchError::Channel(_) | LaunchError::OtherBuild { .. }) => {
                    thread::sleep(SUCCESSOR_INTERVAL);
                }
            }
        }
        self.stop(lost("the daemon went away and none took its place".to_owned()));
        None
    }

    fn resume(&self, keepsake: Option<String>) -> Result<Arc<Wire>, LaunchError> {
        let wire = dial(&self.directory, &self.hello)?;
        let open = Open { resume: keepsake, ..self.open.clone() };
        let opened = request(&wire, &open, &self.listeners)?;
        let wire = Arc::new(wire);
        let mut state = self.lock();
        state.keepsake = Some(opened.keepsake);
        state.wire = Some(Arc::clone(&wire));
        if let Some(measured) = state.measured.clone() {
            drop(state);
            wire.send(&FromLauncher::Measured(measured), &[])?;
        }
        Ok(wire)
    }

    fn stop(&self, stop: Stop) {
        self.lock().over = true;
        let handler = self.on_stop.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handler) = handler {
            handler(stop);
        }
    }
}

fn lost(reason: String) -> Stop {
    Stop { end: bailiwick_core::SessionEnd::Lost, reason }
}

fn dial(directory: &Path, hello: &Hello) -> Result<Wire, LaunchError> {
    let socket = connect_seqpacket(directory, "launch.sock")
        .map_err(|error| LaunchError::NoDaemon(directory.to_owned(), error))?;
    let wire = Wire::new(socket);
    wire.send(&FromLauncher::Hello(hello.clone()), &[])?;
    match wire.receive()?.frame {
        FromDaemon::Hello(daemon) if daemon == *hello => Ok(wire),
        FromDaemon::Hello(daemon) => {
            Err(LaunchError::OtherBuild { daemon: daemon.build, launcher: hello.build.clone() })
        }
        FromDaemon::Failed(problem) => Err(problem.into()),
        FromDaemon::Answer(_)
        | FromDaemon::Ends(_)
        | FromDaemon::Hold(_)
        | FromDaemon::Noted
        | FromDaemon::Opened(_)
        | FromDaemon::Stop(_) => Err(ChannelError::Frame("the daemon did not say hello".to_owned()).into()),
    }
}

fn request(wire: &Wire, open: &Open, listeners: &[OwnedFd]) -> Result<Opened, LaunchError> {
    let borrowed: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    wire.send(&FromLauncher::Open(Box::new(open.clone())), &borrowed)?;
    match wire.receive()?.frame {
        FromDaemon::Opened(opened) => Ok(*opened),
        FromDaemon::Failed(problem) => Err(problem.into()),
        FromDaemon::Answer(_)
        | FromDaemon::Ends(_)
        | FromDaemon::Hello(_)
        | FromDaemon::Hold(_)
        | FromDaemon::Noted
        | FromDaemon::Stop(_) => {
            Err(ChannelError::Frame("the daemon did not open a session".to_owned()).into())
        }
    }
}
