//! The processes of these tests: this test binary again, told by its environment what to be.
//!
//! `session` becomes the leader of a session on its standard input and executes the command. `proxy` is a launcher.
//! `shim` is what a sandbox's first process is to the launcher: leader of the inner session, parent of the program.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, Signal, WaitOptions, getpgrp, ioctl_tiocsctty, kill_process_group, setsid, waitpid,
};
use rustix::pty::{grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{tcgetpgrp, tcsetpgrp};

use super::PTY;
use crate::terminal::{Descriptor, Ending, InputFilter, Job, JobEvent, Place, PtyProxy, StdioPlan, attend};

const ROLE: &str = "BAILIWICK_TERMINAL_ROLE";
const COMMAND: &str = "BAILIWICK_TERMINAL_COMMAND";
const WRITES: &str = "BAILIWICK_TERMINAL_WRITES";
const PLACE: &str = "BAILIWICK_TERMINAL_PLACE";
pub(super) const GRACE_MS: &str = "BAILIWICK_TERMINAL_GRACE_MS";
pub(super) const PANIC: &str = "BAILIWICK_TERMINAL_PANIC";

/// The command line and environment of a role.
pub(super) fn role(name: &str, command: &[&str]) -> Command {
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "terminal::tests::roles::role_process", "--nocapture", "--test-threads=1"]);
    process.env(ROLE, name).env(COMMAND, command.join("\u{1f}"));
    process
}

/// The same as one line for a shell.
pub(super) fn role_line(name: &str, command: &[&str]) -> String {
    let process = role(name, command);
    let quoted = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap().replace('\'', r"'\''"));
    let variables = process
        .get_envs()
        .map(|(key, value)| format!("{}={}", key.to_str().unwrap(), quoted(value.unwrap())));
    let words = std::iter::once(process.get_program()).chain(process.get_args()).map(quoted);
    format!("env {}", variables.chain(words).collect::<Vec<_>>().join(" "))
}

/// Not a test of its own: the entry of every other process here. Run as a test it has no role and nothing to do.
#[test]
fn role_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let command = std::env::var(COMMAND).unwrap();
    let command: Vec<&str> = command.split('\u{1f}').collect();
    match role.as_str() {
        "session" => session(&command),
        "proxy" => proxy(&command),
        "shim" => shim(&command),
        other => panic!("no such role: {other}"),
    }
}

fn session(command: &[&str]) {
    setsid().unwrap();
    ioctl_tiocsctty(std::io::stdin()).unwrap();
    let mut next = if command[0] == "proxy" { role("proxy", &command[1..]) } else { plain(command) };
    panic!("cannot execute {command:?}: {}", next.exec());
}

fn plain(command: &[&str]) -> Command {
    let mut process = Command::new(command[0]);
    process.args(&command[1..]);
    for variable in [ROLE, COMMAND, PLACE, WRITES] {
        process.env_remove(variable);
    }
    process
}

/// Runs the program of `command` and says how it went in a line on standard error.
fn proxy(command: &[&str]) {
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let plan = StdioPlan::of([input.as_fd(), output.as_fd(), error.as_fd()]).unwrap();
    let grace = std::env::var(GRACE_MS).map_or(20_000, |ms| ms.parse().unwrap());
    let grace = Duration::from_millis(grace);
    let ended = match plan.user_terminal().unwrap() {
        Some(user) => {
            let master = openpt(PTY).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let slave = ioctl_tiocgptpeer(&master, PTY).unwrap();
            let mut proxy = PtyProxy::new(master, user).unwrap().grace(grace).place(plan.place());
            if std::env::var_os(PANIC).is_some() {
                proxy = proxy.filter_input(Box::new(Panicking));
            }
            let mut job = ShimJob::start(command, Some(slave), &plan);
            (proxy.run(&mut job).unwrap(), job.finish())
        }
        None => {
            let mut job = ShimJob::start(command, None, &plan);
            (attend(&mut job, grace).unwrap(), job.finish())
        }
    };
    let (ending, status) = ended;
    // In one write: others write to the same terminal.
    let line = format!("\n[ended {} {status}]\n", words(ending));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

fn words(ending: Ending) -> String {
    match ending {
        Ending::Exited => "exited".into(),
        Ending::TerminalGone => "terminal-gone".into(),
        Ending::Signalled(signal) => format!("signalled-{}", signal.as_raw()),
    }
}

#[derive(Debug)]
struct Panicking;

impl InputFilter for Panicking {
    fn typed(&mut self, _: &[u8], _: &mut Vec<u8>, _: &mut Vec<u8>) {
        panic!("as the test asked");
    }
}

/// A job at the other end of a socket, in lines of text.
struct ShimJob {
    socket: UnixStream,
    lines: Vec<u8>,
    shim: std::process::Child,
    status: String,
}

impl ShimJob {
    fn start(command: &[&str], slave: Option<OwnedFd>, plan: &StdioPlan<'_>) -> Self {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_nonblocking(true).unwrap();
        let shim = role("shim", command);
        // The shell's ignored SIGTTOU survives exec: the shim moves its program in and out of the foreground.
        let mut process = Command::new("/bin/sh");
        process.args(["-c", "trap '' TTOU; exec \"$@\"", "sh"]).arg(shim.get_program()).args(shim.get_args());
        for (key, value) in shim.get_envs() {
            process.env(key, value.unwrap());
        }
        process.stdin(OwnedFd::from(theirs));
        if plan.becomes()[1] == Descriptor::Terminal {
            process.stdout(Stdio::null()).env(WRITES, "terminal");
        }
        if let Some(slave) = slave {
            process.stderr(slave);
        }
        process.env(PLACE, if plan.place() == Place::Foreground { "foreground" } else { "background" });
        Self { socket, lines: Vec::new(), shim: process.spawn().unwrap(), status: String::new() }
    }

    fn send(&mut self, line: &str) -> std::io::Result<()> {
        match self.socket.write_all(format!("{line}\n").as_bytes()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    fn finish(mut self) -> String {
        self.shim.kill().unwrap();
        self.shim.wait().unwrap();
        self.status
    }
}

impl Job for ShimJob {
    fn events(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn next_event(&mut self) -> std::io::Result<Option<JobEvent>> {
        let mut chunk = [0; 256];
        match self.socket.read(&mut chunk) {
            Ok(0) => return Ok(Some(JobEvent::Exited)),
            Ok(count) => self.lines.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let Some(end) = self.lines.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.lines.drain(..=end).collect();
        let line = String::from_utf8(line).unwrap();
        let (what, number) = line.trim().split_once(' ').unwrap();
        Ok(Some(match what {
            "stopped" => JobEvent::Stopped(Signal::from_named_raw(number.parse().unwrap()).unwrap()),
            _ => {
                self.status = line.trim().replace(' ', "-");
                JobEvent::Exited
            }
        }))
    }

    fn signal(&mut self, signal: Signal) -> std::io::Result<()> {
        self.send(&format!("signal {}", signal.as_raw()))
    }

    fn resume(&mut self, place: Place) -> std::io::Result<()> {
        self.send(if place == Place::Foreground { "resume foreground" } else { "resume background" })
    }
}

fn shim(command: &[&str]) {
    setsid().unwrap();
    let error = std::io::stderr();
    let has_terminal = ioctl_tiocsctty(&error).is_ok();
    let terminal = has_terminal.then(|| error.as_fd().try_clone_to_owned().unwrap());
    let control = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());

    // The program waits until its group is where it belongs: what is typed before would reach us.
    let (gate, open) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    fcntl_setfd(&gate, FdFlags::empty()).unwrap();
    let wait = format!("read -r <&{0}; exec {0}<&-; exec \"$@\"", gate.as_raw_fd());
    let mut program = plain(&[&["/bin/bash", "-c", &wait, "gate"], command].concat());
    program.process_group(0);
    match &terminal {
        Some(terminal) => program.stdin(terminal.try_clone().unwrap()),
        None => program.stdin(Stdio::null()),
    };
    let place = std::env::var(PLACE).unwrap();
    if std::env::var_os(WRITES).is_some()
        && let Some(terminal) = &terminal
    {
        program.stdout(terminal.try_clone().unwrap());
    }
    #[expect(clippy::zombie_processes, reason = "waited for by number, for its stops too")]
    let program = program.spawn().unwrap();
    let group = Pid::from_raw(program.id().cast_signed()).unwrap();
    if place == "foreground" {
        put(terminal.as_ref(), group);
    }
    drop(gate);
    rustix::io::write(&open, b"\n").unwrap();
    drop(open);
    let orders = control.try_clone().unwrap();
    std::thread::spawn(move || obey(orders, group, terminal.as_ref()));
    report(control, group);
}

fn put(terminal: Option<&OwnedFd>, group: Pid) {
    if let Some(terminal) = terminal {
        tcsetpgrp(terminal, group).unwrap();
    }
}

fn obey(orders: UnixStream, program: Pid, terminal: Option<&OwnedFd>) {
    for line in BufReader::new(orders).lines() {
        let line = line.unwrap();
        let (what, how) = line.split_once(' ').unwrap();
        if what == "resume" {
            put(terminal, if how == "foreground" { program } else { getpgrp() });
            let _ = kill_process_group(program, Signal::CONT);
        } else {
            let signal = Signal::from_named_raw(how.parse().unwrap()).unwrap();
            let foreground = terminal.and_then(|terminal| tcgetpgrp(terminal).ok());
            let group = foreground.filter(|&group| group != getpgrp()).unwrap_or(program);
            let _ = kill_process_group(group, signal);
        }
    }
}

fn report(mut control: UnixStream, program: Pid) {
    loop {
        let (_, status) = waitpid(Some(program), WaitOptions::UNTRACED).unwrap().unwrap();
        let line = if let Some(signal) = status.stopping_signal() {
            format!("stopped {signal}")
        } else if let Some(signal) = status.terminating_signal() {
            format!("killed {signal}")
        } else {
            format!("status {}", status.exit_status().unwrap())
        };
        writeln!(control, "{line}").unwrap();
        if !status.stopped() {
            return;
        }
    }
}
