//! Git as a child that reads what an agent sent: no configuration of anybody, no network, no questions, and bounded time and memory.

use std::{
    process::{Child, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal, pidfd_open, pidfd_send_signal, prlimit};

use crate::{Unseen, scratch::Scratch};

/// The most memory that it may have, in bytes of address space.
const MEMORY: u64 = 1 << 30;

/// A child that is killed when its time is over, or when nobody waits for it any more.
#[derive(Debug)]
pub(crate) struct Confined {
    pub(crate) child: Child,
    /// Closed when it is dropped, which ends the watch.
    _watch: mpsc::Sender<()>,
}

/// `git` on this repository.
pub(crate) fn git(scratch: &Scratch) -> Command {
    let directory = scratch.path();
    let mut command = Command::new("git");
    command
        .env_clear()
        .env("PATH", scratch.search())
        .env("GIT_DIR", directory)
        .env("HOME", directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .current_dir(directory);
    command
}

impl Confined {
    /// Starts `command`, for at most `time`.
    ///
    /// # Errors
    /// If it cannot be started, or not be bounded.
    pub(crate) fn start(command: &mut Command, time: Duration) -> Result<Self, Unseen> {
        let failed = |error: std::io::Error| Unseen::Git(error.to_string());
        let mut child = command.spawn().map_err(failed)?;
        match watch(&child, time) {
            Ok(watch) => Ok(Self { child, _watch: watch }),
            Err(error) => {
                // It is ours, and not waited for yet.
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(error))
            }
        }
    }
}

/// Bounds the memory of `child` and kills it after `time`, unless what is returned was dropped before.
fn watch(child: &Child, time: Duration) -> std::io::Result<mpsc::Sender<()>> {
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let id = id.ok_or_else(|| std::io::Error::other("the child has no process id"))?;
    let process = pidfd_open(id, PidfdFlags::empty())?;
    prlimit(Some(id), Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) })?;
    let (sender, receiver) = mpsc::channel::<()>();
    thread::Builder::new().name("git-watch".to_owned()).spawn(move || {
        if receiver.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout) {
            // It may have ended meanwhile, which is as well.
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    })?;
    Ok(sender)
}

impl Drop for Confined {
    fn drop(&mut self) {
        // Fails if it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
