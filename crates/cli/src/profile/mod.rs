//! Profiles at work: which one a program has, what of the person's goes into its private home, and who it may be.
//!
//! What is read here is the person's own, never the workspace's. What stands in a private home was written by a hostile program: it is
//! never read, and never followed.

pub(crate) mod agents;
pub(crate) mod copies;
pub(crate) mod library;
pub(crate) mod login;
pub(crate) mod memory;
pub(crate) mod private_home;
pub(crate) mod takeover;
