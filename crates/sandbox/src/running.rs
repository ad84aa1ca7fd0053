//! A running sandbox.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::Sender;

use bailiwick_sandbox_sys::{Channel, Order, Received, Report};
use rustix::process::Signal;

use crate::evidence::Evidence;
use crate::inward::{Inward, Made};
use crate::terminal::{Job, JobEvent, Place};
use crate::warden::Warden;

/// How the program ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By this signal.
    Signal(i32),
}

impl Exit {
    /// The exit code that a shell would give: 128+n for signal n.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128u8.wrapping_add(signal.unsigned_abs() as u8),
        }
    }
}

/// A sandbox whose program runs. Dropped, everything in it is killed.
#[derive(Debug)]
pub struct Running {
    channel: Arc<Channel>,
    warden: Warden,
    terminal: Option<OwnedFd>,
    evidence: Evidence,
    netns_cookie: u64,
    made: Option<Sender<Made>>,
    exit: Option<Exit>,
}

impl Running {
    pub(crate) fn new(
        channel: Channel,
        warden: Warden,
        terminal: Option<OwnedFd>,
        evidence: Evidence,
        netns_cookie: u64,
    ) -> Self {
        let channel = Arc::new(channel);
        Self { channel, warden, terminal, evidence, netns_cookie, made: None, exit: None }
    }

    /// What was proved before the program ran.
    #[must_use]
    pub fn evidence(&self) -> &Evidence {
        &self.evidence
    }

    /// Process id of the sandbox's first process, outside.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.warden.pid()
    }

    /// A descriptor of the sandbox's first process: readable when all is over.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.warden.pidfd()
    }

    /// The outer end of the terminal inside, once.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Connects to listeners inside, from any thread. It works while events are read ([`Job::next_event`], [`Running::wait`]). One at
    /// a time: a second one takes over from the first.
    pub fn inward(&mut self) -> Inward {
        let (inward, made) = Inward::new(Arc::clone(&self.channel), self.netns_cookie);
        self.made = Some(made);
        inward
    }

    /// Ends every process inside.
    pub fn kill(&self) {
        self.warden.kill();
    }

    /// A handle that can end every process inside from another thread.
    ///
    /// # Errors
    /// If no descriptor is left.
    pub fn killer(&self) -> io::Result<Killer> {
        self.warden.pidfd().try_clone_to_owned().map(Killer)
    }

    /// Waits for the program's end, and for the end of everything else inside.
    pub fn wait(mut self) -> Exit {
        while self.exit.is_none() {
            match self.channel.receive() {
                Ok(Some(received)) => self.note(received),
                Ok(None) | Err(_) => break,
            }
        }
        self.finish()
    }

    fn note(&mut self, received: Received) {
        match received.report {
            Report::Socket => {
                if let Some(made) = &self.made {
                    // Whoever asked may be gone.
                    let _ = made.send(received.descriptors.into_iter().next());
                }
            }
            Report::Exited(code) => self.exit = Some(Exit::Code(code as u8)),
            Report::Killed(signal) => self.exit = Some(Exit::Signal(signal)),
            _ => {}
        }
    }

    fn finish(&mut self) -> Exit {
        // The first process ends by itself after its report; if it does not answer any more, it is ended.
        if self.exit.is_none() {
            self.warden.kill();
        }
        let status = self.warden.join();
        let killed = status.and_then(rustix::process::WaitStatus::terminating_signal);
        self.exit.unwrap_or(Exit::Signal(killed.unwrap_or(libc::SIGKILL)))
    }
}

/// Ends every process of one sandbox, and can mean no other.
#[derive(Debug)]
pub struct Killer(OwnedFd);

impl Killer {
    /// Ends every process inside.
    pub fn kill(&self) {
        // It fails only if there is nobody left.
        let _ = rustix::process::pidfd_send_signal(&self.0, Signal::KILL);
    }
}

impl Job for Running {
    fn events(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }

    fn next_event(&mut self) -> io::Result<Option<JobEvent>> {
        if self.exit.is_some() {
            return Ok(Some(JobEvent::Exited));
        }
        loop {
            let received = match self.channel.try_receive() {
                Ok(Some(received)) => received,
                Ok(None) => return Ok(Some(JobEvent::Exited)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            let report = received.report;
            self.note(received);
            match report {
                Report::Stopped(signal) => {
                    if let Some(signal) = Signal::from_named_raw(signal) {
                        return Ok(Some(JobEvent::Stopped(signal)));
                    }
                }
                _ if self.exit.is_some() => return Ok(Some(JobEvent::Exited)),
                _ => {}
            }
        }
    }

    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        self.order(Order::Signal(signal.as_raw()))
    }

    fn resume(&mut self, place: Place) -> io::Result<()> {
        self.order(Order::Resume { foreground: place == Place::Foreground })
    }
}

impl Running {
    fn order(&self, order: Order) -> io::Result<()> {
        match self.channel.send(order, None) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPIPE | libc::ECONNRESET)) => Ok(()),
            other => other,
        }
    }
}
