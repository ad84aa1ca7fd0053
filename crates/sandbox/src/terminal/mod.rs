//! The user's terminal while a sandbox runs on it.
//!
//! A program inside never holds a descriptor of a host terminal: with one it could read what the user types elsewhere, push
//! keystrokes into the user's shell (`TIOCSTI`) or leave the terminal unusable. It gets a pseudo-terminal born in the
//! sandbox's own `devpts` instead, and this module carries bytes, size, signals and job control between the two.
//!
//! It must never: hand a terminal descriptor through, leave the user's terminal in raw mode, block on one side while the
//! other side or a signal waits, or lose what the program wrote before it ended.
//!
//! * [`StdioPlan`] decides what each standard descriptor of the launcher becomes inside.
//! * [`PtyProxy`] runs the foreground of a sandbox that has a terminal; [`attend`] of one that has none.
//! * [`Job`] is what both need from the sandbox: its events, and ways to signal and continue it.
//! * [`AllowList`], an [`OutputFilter`], decides what a program may do to the terminal; an [`InputFilter`] is where a hot key of ours
//!   takes its place.

mod ancestry;
mod aside;
mod attend;
mod filter;
mod job;
mod proxy;
mod queue;
mod relay;
mod signals;
mod stdio;
mod user;

#[cfg(test)]
mod tests;

use std::io;

pub use aside::Aside;
pub use attend::attend;
pub use filter::{AllowList, InputFilter, OutputFilter, Unfiltered};
pub use job::{Ending, Job, JobEvent, Place};
pub use proxy::PtyProxy;
pub use relay::Relay;
pub use stdio::{Descriptor, StdioPlan};
pub use user::UserTerminal;

/// Why the terminal could not be carried.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminalError {
    /// A standard descriptor is something that must not go inside, such as a directory (which would be a way out of
    /// the mount namespace) or a block device.
    #[error(
        "standard descriptor {descriptor} is a {kind}, which cannot be given to a sandbox; redirect it to a file, a pipe or /dev/null"
    )]
    Descriptor {
        /// 0, 1 or 2.
        descriptor: i32,
        /// What it is.
        kind: &'static str,
    },
    /// A system call on one of the terminals, the signal pipe or the job failed.
    #[error("cannot {doing}")]
    System {
        /// What was attempted, as words that follow "cannot".
        doing: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl TerminalError {
    /// For `map_err`: names what was being done.
    fn doing<E: Into<io::Error>>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::System { doing, source: source.into() }
    }
}
