//! The system calls of the sandbox, and the only crate of the project with `unsafe`.
//!
//! Two halves. [`spawn`] starts a process in new namespaces; that process is a copy of a program that may have many threads, so
//! it must never allocate, lock or unwind. It therefore *interprets a flat [`Program`]* that was computed beforehand: every path
//! is already a C string, the seccomp filter already bytes, the netlink requests already encoded. Whatever fails is sent back as
//! a [`Step`] and an error number. The other half are thin, safe wrappers that the supervisor needs and no safe crate offers:
//! seccomp notifications, sockets taken from another process, descriptors passed with messages.
//!
//! This crate decides nothing: which paths, which system calls and which rights is the business of `bailiwick-sandbox`.

mod channel;
mod child;
mod kernel;
mod notify;
mod program;
mod raw;
mod socket;
mod spawn;
mod wire;

pub use channel::{Channel, Received};
pub use kernel::{landlock_abi, landlock_errata, set_not_dumpable};
pub use notify::{Listener, Notification};
pub use program::{
    Bind, BpfInstruction, Check, Identity, LandlockProgram, Mount, NetworkProgram, Program, ResourceLimit,
    SelfTest, StdioProgram, Sysctl, TerminalProgram, WindowSize, encode_files,
};
pub use socket::{
    SocketFacts, bind_socket, connect_socket, dissolve_socket, netns_cookie, peer_connected, read_memory,
    send_timeout, set_send_timeout, socket_facts, take_descriptor, tcp_state,
};
pub use spawn::{Spawned, spawn};
pub use wire::{Order, Report, Step};
