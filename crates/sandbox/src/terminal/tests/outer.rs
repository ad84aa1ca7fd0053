//! The terminal a user sits at, played by the test.

use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use super::PTY;
use super::roles::role;

/// How long anything may take before the test fails. Nothing is measured by it.
const AT_MOST: Duration = Duration::from_secs(30);

pub(super) struct Outer {
    master: OwnedFd,
    /// Kept open so that settings can be read after the launcher ended.
    _slave: OwnedFd,
    child: Leader,
    shown: Vec<u8>,
    looked_at: usize,
    pub(super) settings_before: String,
}

/// The leader of the terminal's session: when it is killed, the kernel hangs the terminal up for all others on it.
struct Leader(Child);

impl Drop for Leader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Outer {
    /// A launcher as the leader of the terminal's session, running `command`.
    pub(super) fn launcher(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let command: Vec<&str> = std::iter::once("proxy").chain(command.iter().copied()).collect();
        Self::session(&command, variables)
    }

    /// Any command as the leader of the terminal's session.
    pub(super) fn led(command: &[&str]) -> Self {
        Self::session(command, &[])
    }

    /// A shell with job control.
    pub(super) fn shell() -> Self {
        let mut outer =
            Self::session(&["bash", "--norc", "--noprofile", "--noediting", "-i"], &[("PS1", "PROMPT> ")]);
        outer.wait_for("PROMPT> ");
        outer
    }

    fn session(command: &[&str], variables: &[(&str, &str)]) -> Self {
        let master = openpt(PTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let slave = ioctl_tiocgptpeer(&master, PTY).unwrap();
        tcsetwinsize(&master, size(40, 100)).unwrap();
        let settings_before = settings(&master);
        let mut process: Command = role("session", command);
        process.envs(variables.iter().copied()).env("TERM", "xterm").env_remove("LESS");
        process.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        let child = Leader(process.stderr(slave.try_clone().unwrap()).spawn().unwrap());
        Self { master, _slave: slave, child, shown: Vec::new(), looked_at: 0, settings_before }
    }

    pub(super) fn type_keys(&self, keys: &str) {
        let mut left = keys.as_bytes();
        while !left.is_empty() {
            let count = rustix::io::write(&self.master, left).unwrap();
            left = &left[count..];
        }
    }

    /// Reads the screen until `text` is shown, after everything waited for before.
    pub(super) fn wait_for(&mut self, text: &str) {
        let until = Instant::now() + AT_MOST;
        loop {
            let unseen = &self.shown[self.looked_at..];
            if let Some(at) = unseen.windows(text.len()).position(|window| window == text.as_bytes()) {
                self.looked_at += at + text.len();
                return;
            }
            assert!(Instant::now() < until, "never showed {text:?}; the screen:\n{}", self.tail());
            self.read(until);
        }
    }

    fn read(&mut self, until: Instant) {
        let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
        let left = until.saturating_duration_since(Instant::now());
        poll(&mut fds, Some(&Timespec::try_from(left).unwrap())).unwrap();
        let mut chunk = [0; 65536];
        if !fds[0].revents().is_empty()
            && let Ok(count) = rustix::io::read(&self.master, &mut chunk)
        {
            self.shown.extend_from_slice(&chunk[..count]);
        }
    }

    pub(super) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// The end of the screen, for messages.
    fn tail(&self) -> String {
        String::from_utf8_lossy(&self.shown[self.shown.len().saturating_sub(4000)..]).into_owned()
    }

    pub(super) fn resize(&self, rows: u16, columns: u16) {
        tcsetwinsize(&self.master, size(rows, columns)).unwrap();
    }

    pub(super) fn settings(&self) -> String {
        settings(&self.master)
    }

    pub(super) fn is_raw(&self) -> bool {
        !tcgetattr(&self.master).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    /// Waits until the launcher has taken, or given back, the terminal.
    pub(super) fn wait_raw(&mut self, raw: bool) {
        let until = Instant::now() + AT_MOST;
        while self.is_raw() != raw {
            self.read(Instant::now() + Duration::from_millis(5));
            assert!(
                Instant::now() < until,
                "terminal never became raw={raw}; the screen:\n{}",
                self.screen()
            );
        }
    }

    pub(super) fn kill(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Closes the terminal, and waits for the launcher to end.
    pub(super) fn hang_up(self) -> ExitStatus {
        let Self { master, _slave, mut child, .. } = self;
        drop((master, _slave));
        child.0.wait().unwrap()
    }

    /// Waits for the launcher to end, and checks that the terminal is as it was.
    pub(super) fn assert_ended(&mut self, how: &str) {
        self.wait_for(&format!("[ended {how}]"));
        assert_eq!(self.settings(), self.settings_before, "terminal settings after the end");
        self.child.0.wait().unwrap();
    }

    /// Waits for the child, whatever it did; says whether it succeeded.
    pub(super) fn wait_child(&mut self) -> bool {
        self.child.0.wait().unwrap().success()
    }
}

fn size(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

fn settings(terminal: &OwnedFd) -> String {
    format!("{:?}", tcgetattr(terminal).unwrap())
}
