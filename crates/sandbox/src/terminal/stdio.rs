//! What becomes of the launcher's standard descriptors inside.
//!
//! A descriptor is authority that no later path check sees. A directory opens `..` across the mount namespace, a unix
//! socket carries descriptors, a terminal takes `ioctl`s, a file changes its mode and loses its contents; so what may pass
//! as it is, is listed, and the rest is carried by copying or refused.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, fstatfs, major, minor};
use rustix::termios::isatty;

use super::user::is_foreground;
use super::{Place, TerminalError, UserTerminal};

/// `/dev/null`: major 1, minor 3 (Documentation/admin-guide/devices.txt).
const NULL_DEVICE: (u32, u32) = (1, 3);
/// `PIPEFS_MAGIC` (linux/magic.h): pipes without a name.
const PIPES: u64 = 0x5049_5045;

/// What a standard descriptor becomes inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// It is a terminal: inside stands the inner pseudo-terminal.
    Terminal,
    /// A pipe without a name, or `/dev/null`: the same descriptor inside.
    Pass,
    /// A file, a socket, a named pipe or a device: inside stands one end of a pipe, and a [`Relay`](super::Relay) copies.
    Relay,
}

impl Descriptor {
    fn of(descriptor: i32, fd: BorrowedFd<'_>) -> Result<Self, TerminalError> {
        let stat = fstat(fd).map_err(TerminalError::doing("look at a standard descriptor"))?;
        let refuse = |kind| Err(TerminalError::Descriptor { descriptor, kind });
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if isatty(fd) => Ok(Self::Terminal),
            FileType::CharacterDevice if (major(stat.st_rdev), minor(stat.st_rdev)) == NULL_DEVICE => {
                Ok(Self::Pass)
            }
            FileType::Fifo if is_nameless(fd) => Ok(Self::Pass),
            FileType::Fifo | FileType::RegularFile | FileType::CharacterDevice | FileType::Socket => {
                Ok(Self::Relay)
            }
            FileType::Directory => refuse("directory"),
            FileType::BlockDevice => refuse("block device"),
            FileType::Symlink | FileType::Unknown => refuse("descriptor of an unknown kind"),
        }
    }
}

fn is_nameless(pipe: BorrowedFd<'_>) -> bool {
    fstatfs(pipe).is_ok_and(|about| u64::try_from(about.f_type).is_ok_and(|kind| kind == PIPES))
}

/// The three standard descriptors of a launcher, and what each becomes inside.
#[derive(Debug)]
pub struct StdioPlan<'a> {
    fds: [BorrowedFd<'a>; 3],
    becomes: [Descriptor; 3],
}

impl<'a> StdioPlan<'a> {
    /// Looks at standard input, output and error, in this order.
    ///
    /// # Errors
    /// [`TerminalError::Descriptor`] for one that must not go inside in any form.
    pub fn of(fds: [BorrowedFd<'a>; 3]) -> Result<Self, TerminalError> {
        let [input, output, error] = fds;
        let becomes = [Descriptor::of(0, input)?, Descriptor::of(1, output)?, Descriptor::of(2, error)?];
        Ok(Self { fds, becomes })
    }

    /// What standard input, output and error become.
    #[must_use]
    pub fn becomes(&self) -> [Descriptor; 3] {
        self.becomes
    }

    /// Whether output and error are one file, as after `> log 2>&1`: carried together, their lines keep their order.
    #[must_use]
    pub fn shares_output(&self) -> bool {
        let [_, output, error] = self.fds;
        let same = || {
            let (output, error) = (fstat(output).ok()?, fstat(error).ok()?);
            Some((output.st_dev, output.st_ino) == (error.st_dev, error.st_ino))
        };
        self.becomes[1..] == [Descriptor::Relay; 2] && same() == Some(true)
    }

    /// Whether the sandbox needs an inner pseudo-terminal.
    #[must_use]
    pub fn wants_terminal(&self) -> bool {
        self.becomes.contains(&Descriptor::Terminal)
    }

    /// Where the program starts. In a pipeline (one of input and output is no terminal) it starts in the background, so
    /// that it does not take the keyboard from its neighbour: of `bailiwick run -- make | less`, it is less that reads
    /// keys. So it does when the launcher itself was started in the background. Once it reads its terminal it is stopped
    /// for that (`SIGTTIN`), and [`PtyProxy`](super::PtyProxy) gives it the keyboard.
    #[must_use]
    pub fn place(&self) -> Place {
        let [input, output, _] = self.becomes;
        let terminals = input == Descriptor::Terminal && output == Descriptor::Terminal;
        if terminals && is_foreground(self.fds[0]) { Place::Foreground } else { Place::Background }
    }

    /// The user's terminal, if any of the three is one: written to through the first of output, error and input that can
    /// be written, read through the first of input, output and error that can be read.
    ///
    /// # Errors
    /// When a descriptor cannot be duplicated.
    pub fn user_terminal(&self) -> Result<Option<UserTerminal>, TerminalError> {
        let input = self.first_terminal([0, 1, 2], OFlags::RDONLY);
        match self.first_terminal([1, 2, 0], OFlags::WRONLY).or(input) {
            Some(output) => UserTerminal::new(input, output).map(Some),
            None => Ok(None),
        }
    }

    fn first_terminal(&self, order: [usize; 3], access: OFlags) -> Option<BorrowedFd<'a>> {
        order
            .into_iter()
            .filter(|&index| self.becomes[index] == Descriptor::Terminal)
            .map(|index| self.fds[index])
            .find(|fd| opened_for(fd.as_fd(), access))
    }
}

fn opened_for(fd: BorrowedFd<'_>, access: OFlags) -> bool {
    fcntl_getfl(fd).is_ok_and(|flags| {
        let mode = flags & OFlags::ACCMODE;
        mode == OFlags::RDWR || mode == access
    })
}
