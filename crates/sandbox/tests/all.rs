//! The sandbox, tried on the real kernel, as whoever runs the tests.
//!
//! A verdict comes from outside: a file of the host, an accepted connection, a process that lives. What a program inside says
//! about itself is only believed where it can gain nothing by it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "all/bench.rs"]
mod bench;
#[path = "all/files.rs"]
mod files;
#[path = "all/inward.rs"]
mod inward;
#[path = "all/network.rs"]
mod network;
#[path = "all/process.rs"]
mod process;
#[path = "all/races.rs"]
mod races;
#[path = "all/terminal.rs"]
mod terminal;
