//! The embedded store against real files: the conformance suite, and what is SQLite's own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "all/index.rs"]
mod index;
#[path = "all/state.rs"]
mod state;
