//! What the terminal needs to know of the program inside, and nothing more, so that it can be tried with any program.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::process::Signal;

/// The program inside, as the launcher sees it.
///
/// The sandbox's first process is expected to be the leader of the session whose controlling terminal is the inner one,
/// and to run the program in a process group of its own, as a shell does: only then does the kernel stop the program on
/// Ctrl-Z (a stop signal from the terminal is discarded in an orphaned process group), and only then is there someone
/// who sees that it stopped.
pub trait Job {
    /// A descriptor that polls readable when [`Job::next_event`] has something to say.
    fn events(&self) -> BorrowedFd<'_>;

    /// The next event, or `None` if there is none yet. Must not block.
    ///
    /// # Errors
    /// Whatever keeps the events from being read; the caller treats it as the end of the job.
    fn next_event(&mut self) -> io::Result<Option<JobEvent>>;

    /// Sends a signal to the foreground process group of the inner terminal or, without one, to the program's group.
    /// Signalling a program that is gone is not an error.
    ///
    /// # Errors
    /// When the sandbox cannot be reached.
    fn signal(&mut self, signal: Signal) -> io::Result<()>;

    /// Puts the program's group in the given place of the inner terminal (where there is one), then sends it `SIGCONT`.
    ///
    /// # Errors
    /// When the sandbox cannot be reached.
    fn resume(&mut self, place: Place) -> io::Result<()>;
}

/// What happened inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEvent {
    /// The program was stopped by this signal, and waits to be continued.
    Stopped(Signal),
    /// The program ended, and everything else inside with it. How it ended is the launcher's to know.
    Exited,
}

/// Whether the program may read from its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its group is the terminal's foreground group.
    Foreground,
    /// It is not: reading stops it with `SIGTTIN`, which is how the launcher learns that it wants the keyboard.
    Background,
}

/// Why the launcher's foreground loop came to its end. In all but the first case the sandbox may still live, and the
/// launcher is expected to kill it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The program ended.
    Exited,
    /// The user's terminal went away, and the program did not end by the `SIGHUP` it was sent.
    TerminalGone,
    /// This signal was forwarded, and the program did not end in the time it had, or the signal was repeated.
    Signalled(Signal),
}
