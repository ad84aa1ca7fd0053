//! The daemon's two sockets. `daemon.sock` speaks HTTP: every command is a client of it, and the same routes will serve a network.
//! `launch.sock` speaks the launch protocol: one connection is one session.
//!
//! This crate renders what the authority says; it must never decide. Both sockets lie in the home, which no sandbox sees, and both
//! check whose process is on the other side.

mod failure;
mod launch;
mod peer;
mod routes;
mod workspace;

pub use failure::Failure;
pub use launch::serve_launch;
pub use routes::serve_http;
pub use workspace::{hand_off, problem as workspace_problem, record_left_before};
