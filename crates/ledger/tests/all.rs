//! Integration tests of the ledger: through its public face, on a disk that loses what was not synced.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "all/disk.rs"]
mod disk;
#[path = "all/failure.rs"]
mod failure;
#[path = "all/power_cut.rs"]
mod power_cut;
