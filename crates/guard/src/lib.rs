//! The workspace guard: a hook, configuration or task file that an agent wrote must not take effect outside the sandbox without
//! the person's yes.
//!
//! What may run later is a list of globs ([`rules`]). Before a session starts, what is there of it is remembered, outside, durably
//! (the *baseline*). While it goes on, the workspace is watched from outside; what matches the list and is not as it was is moved
//! into *quarantine*. Git configuration is judged key by key, so that ordinary git goes on working inside.
//!
//! Nothing here follows a link that the agent planted, believes a name of its, or depends on the sandbox. It decides about files
//! only, and never runs one.

mod baseline;
mod git;
mod guards;
mod judge;
mod quarantine;
mod rel;
mod rules;
mod tree;
mod walk;
mod ward;
mod watch;

pub use git::config::{Entry as ConfigEntry, parse as parse_git_config};
pub use guards::{Enter, GuardError, Guards, HandOff, Overrun, RunsLater};
pub use quarantine::{Item, Kept};
pub use rel::Rel;
pub use rules::{Hold, Rule, pushed, rules};
