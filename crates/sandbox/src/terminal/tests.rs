//! A real outer terminal, a launcher on it in a process of its own, and programs on a real inner terminal.

mod attacking;
mod carrying;
mod outer;
mod parts;
mod roles;
mod suspending;

use rustix::pty::OpenptFlags;

/// How every terminal here is opened: not inherited, or another test's process keeps it from hanging up.
const PTY: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);
