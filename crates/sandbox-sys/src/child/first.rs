//! Process 1: starts the program, reaps, passes on signals, reports, and takes everything with it when it ends.

use std::os::fd::RawFd;

use super::{At, CHANNEL, Executable, Fault, Outcome, Prepared, STDIO, say};
use crate::channel::{self, MAX_DESCRIPTORS};
use crate::raw::{self, Errno};
use crate::socket;
use crate::wire::{Order, Report, Step};

/// The terminal the program is given.
pub(super) struct Terminal {
    /// Its inner end.
    pub(super) inner: Option<RawFd>,
    /// Whether the program starts in its foreground.
    pub(super) foreground: bool,
}

impl Terminal {
    fn give_to(&self, group: i32) -> Result<(), Errno> {
        match self.inner {
            Some(inner) if self.foreground => raw::set_foreground(inner, group),
            _ => Ok(()),
        }
    }
}

/// Forks the program off and waits for its end. Never returns `Ok`.
pub(super) fn launch_and_wait(
    prepared: &Prepared,
    executable: &Executable<'_>,
    terminal: &Terminal,
) -> Outcome<()> {
    if let Some(inner) = terminal.inner {
        raw::ioctl_number(inner, libc::TIOCSCTTY as libc::c_ulong, 0).at(Step::Terminal, 2)?;
    }
    let signals = raw::child_signals().at(Step::Fork, 0)?;
    let (read, write) = raw::pipe().at(Step::Fork, 1)?;
    let program = raw::fork(0, None).at(Step::Fork, 2)?;
    if program == 0 {
        raw::close(read);
        let fault = become_program(prepared, executable, terminal);
        let _ = raw::write_all(write, &fault.errno.to_ne_bytes());
        raw::exit(126);
    }
    raw::close(write);
    // Both sides do it, so that neither can be too early.
    let _ = raw::setpgid(program, program);
    let _ = terminal.give_to(program);
    for stream in STDIO {
        raw::close(stream);
    }
    let mut errno = [0; 4];
    if raw::read(read, &mut errno).at(Step::Fork, 3)? != 0 {
        return Err(Fault { step: Step::Execute, item: 0, errno: i32::from_ne_bytes(errno) });
    }
    raw::close(read);
    raw::close(executable.fd);
    say(Report::Started(program), &[])?;
    Wait { program, terminal: terminal.inner, signals }.run()
}

/// Runs in the program's own process until it is replaced.
fn become_program(prepared: &Prepared, executable: &Executable<'_>, terminal: &Terminal) -> Fault {
    let attached = raw::setpgid(0, 0).and_then(|()| {
        terminal.give_to(raw::getpid())?;
        for (stream, standard) in STDIO.into_iter().zip(0..) {
            raw::dup3(stream, standard, 0)?;
        }
        raw::unblock_all_signals()
    });
    if let Err(errno) = attached {
        return Fault { step: Step::Stdio, item: 0, errno };
    }
    let (argv, environment) = (prepared.argv.as_ptr(), prepared.environment.as_ptr());
    let errno = if is_script(executable.fd) {
        // The interpreter opens the script by name; a descriptor that closes on exec is gone by then.
        raw::execveat(libc::AT_FDCWD, executable.path, argv, environment, 0)
    } else {
        raw::execveat(executable.fd, c"", argv, environment, libc::AT_EMPTY_PATH)
    };
    Fault { step: Step::Execute, item: 0, errno }
}

fn is_script(fd: RawFd) -> bool {
    let mut magic = [0; 2];
    // SAFETY: the pointer and length describe a live, exclusive array.
    let length = unsafe { libc::pread(fd, magic.as_mut_ptr().cast(), magic.len(), 0) };
    length == 2 && magic == *b"#!"
}

struct Wait {
    program: i32,
    terminal: Option<RawFd>,
    signals: RawFd,
}

impl Wait {
    fn run(&self) -> Outcome<()> {
        loop {
            let (ordered, changed) = raw::poll_two(CHANNEL, self.signals).at(Step::Order, 3)?;
            if changed {
                self.reap();
            }
            if ordered {
                self.obey();
            }
        }
    }

    fn reap(&self) {
        let mut discarded = [0; 128];
        while raw::read(self.signals, &mut discarded).is_ok() {}
        while let Some((pid, status)) = raw::next_child() {
            if pid != self.program {
                continue;
            }
            if libc::WIFSTOPPED(status) {
                let _ = say(Report::Stopped(libc::WSTOPSIG(status)), &[]);
            } else if libc::WIFCONTINUED(status) {
                let _ = say(Report::Continued, &[]);
            } else {
                let report = if libc::WIFSIGNALED(status) {
                    Report::Killed(libc::WTERMSIG(status))
                } else {
                    Report::Exited(libc::WEXITSTATUS(status))
                };
                let _ = say(report, &[]);
                raw::exit(0);
            }
        }
    }

    fn obey(&self) {
        let mut descriptors = [-1; MAX_DESCRIPTORS];
        let order = match channel::receive(CHANNEL, &mut descriptors, 0) {
            Ok(Some((words, _))) => Order::decode(words),
            // The supervisor is gone: so is everything in here.
            Ok(None) | Err(_) => raw::exit(125),
        };
        match order {
            Some(Order::Signal(signal)) => {
                let group = self
                    .terminal
                    .and_then(|terminal| raw::foreground(terminal).ok())
                    .filter(|group| *group > 1);
                let _ = raw::kill(-group.unwrap_or(self.program), signal);
            }
            Some(Order::Resume { foreground }) => {
                if let Some(terminal) = self.terminal.filter(|_| foreground) {
                    let _ = raw::set_foreground(terminal, self.program);
                }
                let _ = raw::kill(-self.program, libc::SIGCONT);
            }
            Some(Order::Socket { v6 }) => hand_out_socket(v6),
            Some(Order::Start | Order::Launch) | None => {}
        }
    }
}

/// The supervisor connects it: what it means to reach is decided outside.
fn hand_out_socket(v6: bool) {
    let family = if v6 { libc::AF_INET6 } else { libc::AF_INET };
    let socket = socket::open(family, libc::SOCK_STREAM, libc::IPPROTO_TCP).ok();
    let _ = say(Report::Socket, socket.as_slice());
    if let Some(socket) = socket {
        raw::close(socket);
    }
}
