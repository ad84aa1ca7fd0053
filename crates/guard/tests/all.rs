//! The guard from outside: a directory, an agent that writes in it, real git.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "all/world.rs"]
mod world;

#[path = "all/crash.rs"]
mod crash;
#[path = "all/differential.rs"]
mod differential;
#[path = "all/git.rs"]
mod git;
#[path = "all/listed.rs"]
mod listed;
#[path = "all/quarantine.rs"]
mod quarantine;
#[path = "all/races.rs"]
mod races;
