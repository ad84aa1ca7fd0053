//! The foreground of a sandbox without a terminal: signals and job control only.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;

use super::ancestry::would_be_continued;
use super::proxy::timeout_until;
use super::signals::{Asked, Signals};
use super::{Ending, Job, JobEvent, Place, TerminalError};

/// Waits for the program to end, passing signals on to it. `grace` is how long it has to end after a signal that would
/// have ended the launcher.
///
/// # Errors
/// When signals cannot be taken over or waited for.
pub fn attend(job: &mut dyn Job, grace: Duration) -> Result<Ending, TerminalError> {
    let mut attendant = Attendant { signals: Signals::take()?, grace, asked_to_end: None };
    loop {
        attendant.wait(job)?;
        for asked in attendant.signals.arrived() {
            if let Some(ending) = attendant.on_signal(asked, job)? {
                return Ok(ending);
            }
        }
        while let Some(event) = job.next_event().map_err(TerminalError::doing("hear from the sandbox"))? {
            match event {
                JobEvent::Exited => return Ok(Ending::Exited),
                JobEvent::Stopped(_) => attendant.stop_along(job)?,
            }
        }
        if let Some((signal, until)) = attendant.asked_to_end
            && Instant::now() >= until
        {
            return Ok(Ending::Signalled(signal));
        }
    }
}

struct Attendant {
    signals: Signals,
    grace: Duration,
    asked_to_end: Option<(Signal, Instant)>,
}

impl Attendant {
    fn wait(&self, job: &dyn Job) -> Result<(), TerminalError> {
        let events = job.events();
        let mut fds = [
            PollFd::from_borrowed_fd(self.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(events, PollFlags::IN),
        ];
        let timeout = timeout_until(self.asked_to_end.map(|(_, until)| until));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(errno) => Err(TerminalError::doing("wait for the sandbox")(errno)),
        }
    }

    fn on_signal(&mut self, asked: Asked, job: &mut dyn Job) -> Result<Option<Ending>, TerminalError> {
        match asked {
            Asked::Resize => Ok(None),
            Asked::Die(signal) => Ok(Some(Ending::Signalled(signal))),
            // Nobody stops the program for us here, so it is stopped in a way that it cannot decline.
            Asked::Pass(Signal::TSTP) => {
                job.signal(Signal::STOP).map_err(TerminalError::doing("stop the sandbox"))?;
                self.stop_along(job)?;
                Ok(None)
            }
            Asked::Pass(signal) => {
                job.signal(signal).map_err(TerminalError::doing("signal the sandbox"))?;
                Ok(None)
            }
            Asked::End(signal) => {
                job.signal(signal).map_err(TerminalError::doing("signal the sandbox"))?;
                let repeated = self.asked_to_end.is_some();
                self.asked_to_end.get_or_insert((signal, Instant::now() + self.grace));
                Ok(repeated.then_some(Ending::Signalled(signal)))
            }
            Asked::Continued => {
                job.resume(Place::Background).map_err(TerminalError::doing("continue the sandbox"))?;
                Ok(None)
            }
        }
    }

    /// Stops with the program, so that the user's shell sees a stopped job, and continues it when we are continued.
    fn stop_along(&mut self, job: &mut dyn Job) -> Result<(), TerminalError> {
        if would_be_continued()
            && let Some(signal) = self.signals.stop_until_continued()?
        {
            job.signal(signal).map_err(TerminalError::doing("signal the sandbox"))?;
            self.asked_to_end.get_or_insert((signal, Instant::now() + self.grace));
        }
        job.resume(Place::Background).map_err(TerminalError::doing("continue the sandbox"))
    }
}
