//! A terminal made inside: job control and window size, seen from its outer end.

use std::fs::File;
use std::io::{Read, Write};

use bailiwick_sandbox::terminal::{Job, JobEvent, Place};
use bailiwick_sandbox::{Exit, Running, Sandbox, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;

use crate::bench::{Bench, Refuse};

fn start(bench: &Bench, script: &str) -> (Running, File) {
    let mut plan = bench.plan(&["/bin/bash", "-c", script]);
    plan.environment.push(("TERM".into(), "xterm".into()));
    plan.stdio.streams = [Stream::Terminal, Stream::Terminal, Stream::Terminal];
    let mut running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let terminal = running.take_terminal().unwrap();
    (running, terminal.into())
}

/// Reads until `wanted` was seen.
fn read_until(terminal: &mut File, wanted: &str) -> String {
    let mut seen = String::new();
    let mut buffer = [0; 1024];
    while !seen.contains(wanted) {
        let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
        assert_eq!(
            poll(&mut [PollFd::new(&*terminal, PollFlags::IN)], Some(&patience)).unwrap(),
            1,
            "{seen}"
        );
        let length = terminal.read(&mut buffer).unwrap_or_else(|error| panic!("{error} after {seen}"));
        seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    seen
}

fn next(running: &mut Running) -> JobEvent {
    let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
    for _ in 0..100 {
        if let Some(event) = running.next_event().unwrap() {
            return event;
        }
        assert_eq!(poll(&mut [PollFd::new(&running.events(), PollFlags::IN)], Some(&patience)).unwrap(), 1);
    }
    panic!("no event");
}

#[test]
fn the_program_has_a_terminal_of_its_own() {
    let bench = Bench::new();
    let (running, mut terminal) = start(
        &bench,
        "tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo yes; read x; echo got $x > out",
    );
    let seen = read_until(&mut terminal, "yes");
    assert!(seen.contains("/dev/pts/0") && seen.contains("24 80"), "{seen}");
    terminal.write_all(b"input\n").unwrap();
    assert_eq!(running.wait(), Exit::Code(0));
    assert_eq!(bench.left("out").as_deref(), Some("got input\n"));
}

#[test]
fn keys_are_signals() {
    let bench = Bench::new();
    let (running, mut terminal) =
        start(&bench, "trap 'echo interrupted > out; exit 5' INT; echo ready; read x");
    read_until(&mut terminal, "ready");
    terminal.write_all(b"\x03").unwrap();
    assert_eq!(running.wait(), Exit::Code(5));
    assert_eq!(bench.left("out").as_deref(), Some("interrupted\n"));
}

#[test]
fn the_program_can_be_stopped_and_continued() {
    let bench = Bench::new();
    let (mut running, mut terminal) = start(&bench, "echo ready; read x; echo \"$x\" > out");
    read_until(&mut terminal, "ready");
    terminal.write_all(b"\x1a").unwrap();
    assert_eq!(next(&mut running), JobEvent::Stopped(Signal::TSTP));
    running.resume(Place::Foreground).unwrap();
    terminal.write_all(b"back\n").unwrap();
    assert_eq!(next(&mut running), JobEvent::Exited);
    assert_eq!(running.wait(), Exit::Code(0));
    assert_eq!(bench.left("out").as_deref(), Some("back\n"));
}

#[test]
fn in_the_background_it_may_not_read() {
    let bench = Bench::new();
    let mut plan = bench.plan(&["/bin/cat"]);
    plan.stdio.streams = [Stream::Terminal, Stream::Terminal, Stream::Terminal];
    plan.stdio.foreground = false;
    let mut running = Sandbox::prepare(plan).unwrap().start(Vec::new(), Refuse::all()).unwrap();
    let mut terminal: File = running.take_terminal().unwrap().into();
    assert_eq!(next(&mut running), JobEvent::Stopped(Signal::TTIN));
    running.resume(Place::Foreground).unwrap();
    terminal.write_all(b"x\n\x04").unwrap();
    assert_eq!(next(&mut running), JobEvent::Exited);
    assert_eq!(running.wait(), Exit::Code(0));
}

#[test]
fn a_size_that_changes_is_a_signal() {
    let bench = Bench::new();
    let (running, mut terminal) =
        start(&bench, "trap 'stty size > out; exit' WINCH; echo ready; while :; do read -t 1 x; done");
    read_until(&mut terminal, "ready");
    let size = rustix::termios::Winsize { ws_row: 50, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    assert_eq!(running.wait(), Exit::Code(0));
    assert_eq!(bench.left("out").as_deref(), Some("50 132\n"));
}

#[test]
fn the_terminal_cannot_be_typed_into() {
    let bench = Bench::new();
    let (running, mut terminal) = start(
        &bench,
        "python3 -c 'import fcntl,termios\ntry: fcntl.ioctl(0, termios.TIOCSTI, b\"x\"); print(\"typed\")\nexcept OSError as e: print(\"errno\", e.errno)'",
    );
    let seen = read_until(&mut terminal, "errno 1");
    assert!(!seen.contains("typed"), "{seen}");
    running.wait();
}
