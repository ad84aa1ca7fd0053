//! A person's terminal, for measuring: it shows what arrives, and answers what a program asks it, as a real one does.

use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use pty_process::blocking::Pty;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;
/// It bounds a hang.
const LIMIT: Duration = Duration::from_secs(60);

/// What programs ask a terminal when they start, and what xterm says.
const ANSWERS: [(&[u8], &[u8]); 6] = [
    (b"\x1b[6n", b"\x1b[1;1R"),
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[>c", b"\x1b[>41;390;0c"),
    (b"\x1b[?u", b"\x1b[?0u"),
    (b"\x1b]10;?", b"\x1b]10;rgb:d0d0/d0d0/d0d0\x1b\\"),
    (b"\x1b]11;?", b"\x1b]11;rgb:1010/1010/1010\x1b\\"),
];

/// A program on a terminal of its own; it is killed when this is dropped.
pub(super) struct Terminal {
    pty: Pty,
    child: Child,
    parser: vt100::Parser,
    chunk: Vec<u8>,
}

impl Terminal {
    /// Starts the command, with the environment that was set on it and no other.
    pub(super) fn spawn(command: &Command) -> Result<Self> {
        let (pty, pts) = pty_process::blocking::open()?;
        pty.resize(pty_process::Size::new(ROWS, COLUMNS))?;
        let mut started = pty_process::blocking::Command::new(command.get_program())
            .args(command.get_args())
            .env("TERM", "xterm-256color");
        for (name, value) in command.get_envs() {
            started = match value {
                Some(value) => started.env(name, value),
                None => started.env_remove(name),
            };
        }
        if let Some(directory) = command.get_current_dir() {
            started = started.current_dir(directory);
        }
        let child = started.spawn(pts).with_context(|| format!("starting {command:?}"))?;
        let cells = |count| NonZero::new(count).context("a terminal has cells");
        let parser = vt100::Parser::new(cells(ROWS)?, cells(COLUMNS)?, 0);
        Ok(Self { pty, child, parser, chunk: vec![0; 64 * 1024] })
    }

    /// Types.
    pub(super) fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.pty.write_all(text.as_bytes())?)
    }

    /// Waits until the screen shows the text.
    pub(super) fn expect(&mut self, text: &str) -> Result<()> {
        let until = Instant::now() + LIMIT;
        while !self.parser.screen().contents().contains(text) {
            let Some(length) = self.read(until)? else {
                bail!("no `{text}` on the screen:\n{}", self.parser.screen().contents());
            };
            self.parser.process(&self.chunk[..length]);
            self.answer(length)?;
        }
        Ok(())
    }

    /// Waits until nothing has arrived for half a second.
    pub(super) fn settle(&mut self) -> Result<()> {
        const QUIET: Duration = Duration::from_millis(500);
        let until = Instant::now() + LIMIT;
        while self.arrives(QUIET)? && Instant::now() < until {
            let Some(length) = self.read(until)? else { bail!("the program ended") };
            self.parser.process(&self.chunk[..length]);
            self.answer(length)?;
        }
        Ok(())
    }

    /// Waits until these bytes pass, without drawing anything.
    pub(super) fn expect_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let until = Instant::now() + LIMIT;
        let mut tail = Vec::new();
        loop {
            let Some(length) = self.read(until)? else { bail!("no `{}`", bytes.escape_ascii()) };
            let seen = &self.chunk[..length];
            tail.extend_from_slice(&seen[length.saturating_sub(bytes.len())..]);
            if seen.windows(bytes.len()).any(|window| window == bytes)
                || tail.windows(bytes.len()).any(|window| window == bytes)
            {
                return Ok(());
            }
            tail.drain(..tail.len().saturating_sub(bytes.len()));
        }
    }

    /// How many bytes arrived; none at the end of the program, or when the time is over.
    fn read(&mut self, until: Instant) -> Result<Option<usize>> {
        let left = until.saturating_duration_since(Instant::now());
        let screen = || self.parser.screen().contents();
        ensure!(self.arrives(left)?, "nothing arrived within {LIMIT:?}; the screen:\n{}", screen());
        match self.pty.read(&mut self.chunk) {
            Ok(0) => Ok(None),
            Ok(length) => Ok(Some(length)),
            // What the kernel says once nobody has the other side any more.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn arrives(&self, within: Duration) -> Result<bool> {
        let within = Timespec::try_from(within)?;
        let mut fds = [PollFd::from_borrowed_fd(self.pty.as_fd(), PollFlags::IN)];
        Ok(poll(&mut fds, Some(&within))? > 0)
    }

    /// Answers in the order in which it was asked, as terminals do.
    fn answer(&mut self, length: usize) -> Result<()> {
        let shown = &self.chunk[..length];
        let answer_at = |at: usize| {
            ANSWERS.iter().find(|(question, _)| shown[at..].starts_with(question)).map(|(_, answer)| *answer)
        };
        let answers: Vec<u8> = (0..length).filter_map(answer_at).flatten().copied().collect();
        if !answers.is_empty() {
            self.pty.write_all(&answers)?;
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
