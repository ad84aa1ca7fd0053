//! What may happen. One function decides every action, whatever protocol carries it: [`decide`].
//!
//! The order is fixed: locks, the sessions' own ends, the catalogue, every grant up the chain, then the policies, in Cedar. What no
//! policy permits is refused; what a policy cannot decide is refused. An action that only step-up guardrails stand against, and that a
//! human's yes would allow, is held.
//!
//! This crate must never do I/O, read a clock or keep anything between decisions but compiled policies.

mod cases;
mod context;
mod decide;
mod index;
mod preset;
mod problem;
mod request;
mod schema;
mod set;

pub use cases::{Case, CaseFailure, run_cases};
pub use context::Context;
pub use decide::{decide, suggested_name};
pub use preset::{PRESETS, preset};
pub use problem::PolicyProblem;
pub use schema::schema;
pub use set::{PolicySet, Stated};

#[cfg(test)]
mod tests;
