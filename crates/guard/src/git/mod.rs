//! What git makes of its files: configuration, and files that name another directory.

pub(crate) mod config;
pub(crate) mod keys;
