//! The parts that need no second process.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::pipe::pipe;
use rustix::pty::{grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::PTY;
use crate::terminal::user::RawMode;
use crate::terminal::{Descriptor, Place, Relay, StdioPlan, TerminalError, UserTerminal};

fn terminal() -> (OwnedFd, OwnedFd) {
    let master = openpt(PTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = ioctl_tiocgptpeer(&master, PTY).unwrap();
    (master, slave)
}

#[test]
fn what_may_pass_is_listed() {
    let (_master, slave) = terminal();
    let (read, write) = pipe().unwrap();
    let null = File::open("/dev/null").unwrap();
    let plan = StdioPlan::of([slave.as_fd(), write.as_fd(), null.as_fd()]).unwrap();
    assert_eq!(plan.becomes(), [Descriptor::Terminal, Descriptor::Pass, Descriptor::Pass]);
    assert_eq!(plan.place(), Place::Background);
    assert!(plan.wants_terminal());

    let (socket, _other) = UnixStream::pair().unwrap();
    let zero = File::open("/dev/zero").unwrap();
    let file = tempfile::tempfile().unwrap();
    let plan = StdioPlan::of([socket.as_fd(), zero.as_fd(), file.as_fd()]).unwrap();
    assert_eq!(plan.becomes(), [Descriptor::Relay; 3]);
    assert!(!plan.shares_output());
    assert!(StdioPlan::of([null.as_fd(), file.as_fd(), file.as_fd()]).unwrap().shares_output());
    assert!(!plan.wants_terminal() && plan.user_terminal().unwrap().is_none());

    let folder = File::open("/").unwrap();
    let refused = StdioPlan::of([read.as_fd(), folder.as_fd(), null.as_fd()]).unwrap_err();
    assert!(matches!(refused, TerminalError::Descriptor { descriptor: 1, kind: "directory" }));
}

#[test]
fn a_terminal_on_both_sides_starts_in_the_foreground() {
    let (_master, slave) = terminal();
    let null = File::open("/dev/null").unwrap();
    let plan = StdioPlan::of([slave.as_fd(), slave.as_fd(), null.as_fd()]).unwrap();
    assert_eq!(plan.place(), Place::Foreground);
    assert!(plan.user_terminal().unwrap().is_some());
}

#[test]
fn what_was_typed_and_not_read_is_discarded_at_the_end_and_kept_when_suspended() {
    for (keeps, expected) in [(false, ""), (true, "typed ahead")] {
        let (master, slave) = terminal();
        let before = format!("{:?}", tcgetattr(&slave).unwrap());
        let user = UserTerminal::new(Some(slave.as_fd()), slave.as_fd()).unwrap();
        let raw = RawMode::enter(&user).unwrap();
        assert_ne!(format!("{:?}", tcgetattr(&slave).unwrap()), before);
        rustix::io::write(&master, b"typed ahead").unwrap();
        if keeps {
            raw.leave();
        } else {
            drop(raw);
        }
        assert_eq!(format!("{:?}", tcgetattr(&slave).unwrap()), before);

        let mut now = tcgetattr(&slave).unwrap();
        now.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &now).unwrap();
        // A mark behind what was typed: reading up to it needs no waiting.
        rustix::io::write(&master, b"|").unwrap();
        let (mut read, mut file) = (Vec::new(), File::from(slave.try_clone().unwrap()));
        while !read.ends_with(b"|") {
            let mut byte = [0];
            file.read_exact(&mut byte).unwrap();
            read.push(byte[0]);
        }
        assert_eq!(read, format!("{expected}|").as_bytes());
    }
}

#[test]
fn a_program_may_leave_its_input_while_nothing_arrives() {
    let (mut host, ours) = UnixStream::pair().unwrap();
    let inside = Relay::input(ours.as_fd()).unwrap();
    host.write_all(b"x").unwrap();
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut inside = File::from(inside);
        inside.read_exact(&mut [0]).unwrap();
        drop(inside);
        ended.send(()).unwrap();
    });
    end.recv_timeout(std::time::Duration::from_secs(30)).unwrap();
    drop(host);
}

#[test]
fn a_relay_copies_to_the_last_byte() {
    let (mut host, ours) = UnixStream::pair().unwrap();
    let inside = Relay::input(ours.as_fd()).unwrap();
    drop(ours);
    host.write_all(b"for the program").unwrap();
    drop(host);
    let mut read = String::new();
    File::from(inside).read_to_string(&mut read).unwrap();
    assert_eq!(read, "for the program");

    let (mut host, ours) = UnixStream::pair().unwrap();
    let (inside, relay) = Relay::output(ours.as_fd()).unwrap();
    drop(ours);
    let text = "x".repeat(300_000);
    let reader = std::thread::spawn(move || {
        let mut read = String::new();
        host.read_to_string(&mut read).unwrap();
        read
    });
    File::from(inside).write_all(text.as_bytes()).unwrap();
    assert_eq!(relay.finish().unwrap(), 300_000);
    assert_eq!(reader.join().unwrap(), text);
}
