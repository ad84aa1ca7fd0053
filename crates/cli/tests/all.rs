//! The command line, as a person uses it: above all what it says when something is wrong.
//!
//! A failure passes when the exit code is the promised one, what was wrong is named, and what the message says would help does help.
//! Every test has its own homes; a daemon that it started ends when they are gone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

#[path = "all/damage.rs"]
mod damage;
#[path = "all/demo.rs"]
mod demo;
#[path = "all/examples.rs"]
mod examples;
#[path = "all/extended.rs"]
mod extended;
#[path = "all/files.rs"]
mod files;
#[path = "all/guard.rs"]
mod guard;
#[path = "all/homes.rs"]
mod homes;
#[path = "all/hooks.rs"]
mod hooks;
#[path = "all/opaque.rs"]
mod opaque;
#[path = "all/owners.rs"]
mod owners;
#[path = "all/programs.rs"]
mod programs;
#[path = "all/published.rs"]
mod published;
#[path = "all/shapes.rs"]
mod shapes;
#[path = "all/sitting.rs"]
mod sitting;
#[path = "all/told.rs"]
mod told;
#[path = "all/undone.rs"]
mod undone;
#[path = "all/unknown.rs"]
mod unknown;
#[path = "all/workspaces.rs"]
mod workspaces;
