//! A program on a terminal of its own, driven as a person drives one: type, look at the screen, wait for something to appear.

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};
use rustix::process::{Pid, Signal};

/// Longest wait for something to appear. It bounds a hang, it measures nothing.
const LIMIT: Duration = Duration::from_secs(60);

/// The session on a pseudo-terminal; the program is killed when dropped.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    screen: Arc<(Mutex<Screen>, Condvar)>,
}

struct Screen {
    parser: vt100::Parser,
    raw: Vec<u8>,
    ended: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal")
            .field("child", &self.child)
            .field("screen", &self.screen)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen")
            .field("bytes", &self.raw.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl Terminal {
    /// Starts a command on a terminal of that size. Only what a test needs of `std::process::Command` is taken over: program,
    /// arguments, working directory and environment.
    pub fn spawn(command: &std::process::Command, rows: u16, columns: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("opening a pseudo-terminal");
        pty.resize(Size::new(rows, columns)).unwrap();
        let mut on_terminal = Command::new(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                on_terminal = on_terminal.env(name, value);
            }
        }
        if let Some(directory) = command.get_current_dir() {
            on_terminal = on_terminal.current_dir(directory);
        }
        let child = on_terminal.spawn(pts).expect("starting a program on a terminal");
        let parser = vt100::Parser::new(cells(rows), cells(columns), 0);
        let screen = Arc::new((Mutex::new(Screen { parser, raw: Vec::new(), ended: false }), Condvar::new()));
        let pty = Arc::new(pty);
        watch(Arc::clone(&pty), Arc::clone(&screen));
        Self { pty, child, screen }
    }

    /// Types text, control characters included (`"\x03"` is Ctrl-C).
    pub fn send(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).expect("typing on the terminal");
    }

    /// Waits until the screen shows the text; panics with the screen when it does not.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        self.wait(&format!("`{text}` on the screen"), |screen| {
            screen.parser.screen().contents().contains(text)
        });
    }

    /// Waits until the text has passed over the terminal at any time since `mark`, a value of [`Terminal::mark`].
    #[track_caller]
    pub fn expect_since(&self, mark: usize, text: &str) {
        self.wait(&format!("`{text}` in the output"), |screen| {
            String::from_utf8_lossy(screen.raw.get(mark..).unwrap_or_default()).contains(text)
        });
    }

    /// How many bytes the program has written so far.
    pub fn mark(&self) -> usize {
        self.screen.0.lock().unwrap().raw.len()
    }

    /// What a person sees now.
    pub fn contents(&self) -> String {
        self.screen.0.lock().unwrap().parser.screen().contents()
    }

    /// Is the alternate screen (full-screen programs) on?
    pub fn is_full_screen(&self) -> bool {
        self.screen.0.lock().unwrap().parser.screen().alternate_screen()
    }

    /// Every byte that the program wrote.
    pub fn raw(&self) -> Vec<u8> {
        self.screen.0.lock().unwrap().raw.clone()
    }

    /// Changes the terminal's size; the kernel tells the program.
    pub fn resize(&self, rows: u16, columns: u16) {
        self.screen.0.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
        self.pty.resize(Size::new(rows, columns)).expect("resizing the terminal");
    }

    /// The terminal's modes, to compare before and after.
    pub fn modes(&self) -> rustix::termios::Termios {
        rustix::termios::tcgetattr(&*self.pty).expect("reading the terminal's modes")
    }

    /// The program's process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program itself.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        let _ = rustix::process::kill_process(pid, signal);
    }

    /// Waits until the program has ended and its output is at an end.
    #[track_caller]
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        self.wait("the end of the program", |screen| screen.ended);
        self.child.wait().unwrap()
    }

    #[track_caller]
    fn wait(&self, what: &str, seen: impl Fn(&Screen) -> bool) {
        let deadline = Instant::now() + LIMIT;
        let mut screen = self.screen.0.lock().unwrap();
        while !seen(&screen) {
            let left = deadline.saturating_duration_since(Instant::now());
            let text = screen.parser.screen().contents();
            assert!(!left.is_zero(), "no {what} after {LIMIT:?}; the screen is:\n{text}");
            assert!(!screen.ended, "the program ended without {what}; the screen is:\n{text}");
            screen = self.screen.1.wait_timeout(screen, left).unwrap().0;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a terminal has rows and columns")
}

/// Reads until the last process on the terminal is gone (the kernel then says `EIO`).
fn watch(pty: Arc<Pty>, screen: Arc<(Mutex<Screen>, Condvar)>) {
    std::thread::spawn(move || {
        let mut chunk = vec![0; 16 * 1024];
        loop {
            let length = (&*pty).read(&mut chunk).unwrap_or_default();
            let mut seen = screen.0.lock().unwrap();
            let bytes = chunk.get(..length).unwrap_or_default();
            seen.parser.process(bytes);
            seen.raw.extend_from_slice(bytes);
            seen.ended = length == 0;
            screen.1.notify_all();
            if seen.ended {
                break;
            }
        }
    });
}
