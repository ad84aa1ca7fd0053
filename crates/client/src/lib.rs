//! The client of the daemon's API over `daemon.sock`.
//!
//! Every command of the CLI is a client of these routes; the same routes will serve a network. This crate must never read the
//! environment or decide anything.

mod client;

pub use client::{Client, ClientError};
