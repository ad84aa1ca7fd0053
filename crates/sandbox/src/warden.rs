//! The thread that is the sandbox's parent.
//!
//! `PR_SET_PDEATHSIG` follows the thread that called `clone`, so that thread must live exactly as long as the sandbox. This one
//! does nothing else: it makes the first process and waits for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use bailiwick_sandbox_sys::{Program, spawn};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, pidfd_send_signal, waitpid};

/// The sandbox's parent.
#[derive(Debug)]
pub(crate) struct Warden {
    pid: i32,
    pidfd: OwnedFd,
    thread: Option<JoinHandle<Option<WaitStatus>>>,
}

impl Warden {
    /// Makes the sandbox's first process.
    pub(crate) fn spawn(program: Arc<Program>, channel: OwnedFd) -> io::Result<Self> {
        let (send, receive) = mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("bailiwick-warden".into()).spawn(move || {
            let spawned = spawn(&program, channel.as_fd());
            drop((program, channel));
            let pid = spawned.as_ref().ok().and_then(|spawned| Pid::from_raw(spawned.pid));
            let _ = send.send(spawned);
            reap(pid?)
        })?;
        let spawned = receive.recv().map_err(|_| io::Error::other("the warden thread ended"))??;
        Ok(Self { pid: spawned.pid, pidfd: spawned.pidfd, thread: Some(thread) })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Ends every process of the sandbox.
    pub(crate) fn kill(&self) {
        // It fails only if there is nobody left.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Waits until every process of the sandbox is gone.
    pub(crate) fn join(&mut self) -> Option<WaitStatus> {
        self.thread.take()?.join().ok().flatten()
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.kill();
        self.join();
    }
}

fn reap(pid: Pid) -> Option<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Some(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
}
