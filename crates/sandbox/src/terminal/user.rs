//! The user's own terminal: what is read from and written to it, and its settings.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{
    OptionalActions, QueueSelector, Termios, Winsize, tcflush, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr,
};

use super::TerminalError;
use super::ancestry::own_group;

/// Bytes per write to a terminal that could not be opened without blocking. `poll` says "writable" when less than this
/// many are waiting to go out (`WAKEUP_CHARS` of the kernel's line discipline), so a write of this size does not stick.
const CAREFUL_WRITE: usize = 256;

/// The terminal the launcher was started on.
#[derive(Debug)]
pub struct UserTerminal {
    input: Option<OwnedFd>,
    output: OwnedFd,
    largest_write: usize,
}

impl UserTerminal {
    /// Takes the terminal's two directions: `input` is what the user types (none if the launcher can only write to it).
    ///
    /// The terminal is opened again where the kernel allows it, so that "do not block" is a property of our descriptors
    /// and not of the ones shared with the user's shell.
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    pub fn new(input: Option<BorrowedFd<'_>>, output: BorrowedFd<'_>) -> Result<Self, TerminalError> {
        let failed = || TerminalError::doing("duplicate the user's terminal");
        let input = match input {
            Some(fd) => {
                Some(open_again(fd, OFlags::RDONLY).or_else(|_| fd.try_clone_to_owned()).map_err(failed())?)
            }
            None => None,
        };
        let (output, largest_write) = match open_again(output, OFlags::WRONLY) {
            Ok(fd) => (fd, usize::MAX),
            Err(_) => (output.try_clone_to_owned().map_err(failed())?, CAREFUL_WRITE),
        };
        Ok(Self { input, output, largest_write })
    }

    pub(super) fn input(&self) -> Option<BorrowedFd<'_>> {
        self.input.as_ref().map(AsFd::as_fd)
    }

    pub(super) fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    /// Most bytes to write at once.
    pub(super) fn largest_write(&self) -> usize {
        self.largest_write
    }

    pub(super) fn settings(&self) -> rustix::io::Result<Termios> {
        tcgetattr(&self.output)
    }

    pub(super) fn size(&self) -> rustix::io::Result<Winsize> {
        tcgetwinsize(&self.output)
    }

    /// Whether we may use the keyboard now.
    pub(super) fn is_ours_now(&self) -> bool {
        is_foreground(self.output())
    }
}

/// Whether our process group is the terminal's foreground group. A terminal that is not our controlling one has no
/// foreground group for us to be in, and nobody to share it with.
pub(super) fn is_foreground(terminal: BorrowedFd<'_>) -> bool {
    tcgetpgrp(terminal).map_or(true, |group| own_group() == Some(group.as_raw_pid()))
}

fn open_again(fd: BorrowedFd<'_>, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?)
}

/// Raw mode, for as long as this value lives: every key goes to the program, none acts on the launcher. Dropping it gives
/// the terminal back, also while a panic unwinds.
#[derive(Debug)]
pub(super) struct RawMode {
    terminal: OwnedFd,
    before: Termios,
    raw: Termios,
    discard_typed: bool,
}

impl RawMode {
    pub(super) fn enter(user: &UserTerminal) -> Result<Self, TerminalError> {
        let terminal =
            user.output.try_clone().map_err(TerminalError::doing("put the terminal in raw mode"))?;
        let before = tcgetattr(&terminal).map_err(TerminalError::doing("put the terminal in raw mode"))?;
        let mut raw = before.clone();
        raw.make_raw();
        let guard = Self { terminal, before, raw, discard_typed: true };
        guard.apply()?;
        Ok(guard)
    }

    /// Sets raw mode again, after something else may have changed the terminal.
    pub(super) fn apply(&self) -> Result<(), TerminalError> {
        tcsetattr(&self.terminal, OptionalActions::Now, &self.raw)
            .map_err(TerminalError::doing("put the terminal in raw mode"))
    }

    /// Gives the terminal back and keeps what was typed: the user's shell reads on where we stopped.
    pub(super) fn leave(mut self) {
        self.discard_typed = false;
    }
}

impl Drop for RawMode {
    /// Gives the terminal back and discards what was typed and not read: the end of a paste, or a terminal's answer to a
    /// question of the program, must not become a command of the user's shell.
    fn drop(&mut self) {
        // In the background the terminal is someone else's, and touching it would stop us (SIGTTOU).
        if !is_foreground(self.terminal.as_fd()) {
            return;
        }
        // A terminal that is gone needs neither; there is nobody to tell.
        if self.discard_typed {
            let _ = tcflush(&self.terminal, QueueSelector::IFlush);
        }
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
