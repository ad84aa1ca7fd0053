//! Signals as something to poll, so that no work happens in a signal handler.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::TerminalError;

/// Passed on to the program; they would have ended the launcher, so the program has to end in time.
const ENDING: [Signal; 2] = [Signal::HUP, Signal::TERM];

/// Passed on to the program, which may take them as it likes: many take Ctrl-C for "stop what you are doing".
const PASSED: [Signal; 5] = [Signal::INT, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::TSTP];

/// For the launcher alone.
const OWN: [Signal; 2] = [Signal::WINCH, Signal::CONT];

/// Would end the launcher at once; taken so that the terminal is given back first.
const FATAL: [Signal; 5] = [Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::XCPU, Signal::IO];

/// What a signal that arrived asks of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The user's terminal has another size.
    Resize,
    /// We were continued.
    Continued,
    /// Pass it on; nothing else.
    Pass(Signal),
    /// Pass it on, and see that the program ends.
    End(Signal),
    /// End now.
    Die(Signal),
}

/// The signals of this process, taken for as long as this value lives. When it is dropped they have their default effect
/// again, so that a launcher that is cleaning up can be ended like any other program.
#[derive(Debug)]
pub(super) struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
    released: Arc<AtomicBool>,
}

impl Signals {
    pub(super) fn take() -> Result<Self, TerminalError> {
        let failed = || TerminalError::doing("take over the signals of the launcher");
        let released = Arc::new(AtomicBool::new(false));
        let all = || ENDING.into_iter().chain(PASSED).chain(OWN).chain(FATAL).map(Signal::as_raw);
        // A handler, once installed, stays. This action gives the default effect back after release. It comes first, as
        // actions run in the order they were added: after the one that wakes us, it could see the release that the very
        // same signal led to, and end us for it.
        for signal in all() {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&released))
                .map_err(failed())?;
        }
        let (read, write) = UnixStream::pair().map_err(failed())?;
        read.set_nonblocking(true).map_err(failed())?;
        write.set_nonblocking(true).map_err(failed())?;
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, all()).map_err(failed())?;
        Ok(Self { delivery, released })
    }

    /// Polls readable when [`Signals::arrived`] has something.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }

    /// What arrived since the last call, in no particular order.
    pub(super) fn arrived(&mut self) -> Vec<Asked> {
        self.delivery.pending().filter_map(Signal::from_named_raw).filter_map(asked).collect()
    }

    /// Stops this process, and returns when it was continued: with the signal to end, if one came meanwhile. What else
    /// arrived is forgotten; the caller looks at the terminal afresh, and a Ctrl-Z has been heeded.
    ///
    /// Another thread may be the one that takes the stop, some moments later; the `SIGCONT` is what says it is over.
    pub(super) fn stop_until_continued(&mut self) -> Result<Option<Signal>, TerminalError> {
        kill_process(getpid(), Signal::STOP).map_err(TerminalError::doing("stop the launcher"))?;
        let mut end = None;
        loop {
            let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(TerminalError::doing("wait to be continued")(errno)),
            }
            let arrived = self.arrived();
            for asked in &arrived {
                if let Asked::End(signal) | Asked::Die(signal) = asked {
                    end = Some(*signal);
                }
            }
            if arrived.contains(&Asked::Continued) {
                return Ok(end);
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.released.store(true, Ordering::SeqCst);
    }
}

fn asked(signal: Signal) -> Option<Asked> {
    Some(match signal {
        Signal::WINCH => Asked::Resize,
        Signal::CONT => Asked::Continued,
        signal if ENDING.contains(&signal) => Asked::End(signal),
        signal if PASSED.contains(&signal) => Asked::Pass(signal),
        signal if FATAL.contains(&signal) => Asked::Die(signal),
        _ => return None,
    })
}
