//! What an agent said of itself through a hook: which prompt, which tool. A claim, never more.

use bailiwick_core::{HookEvent, ProcessFacts};
use serde::{Deserialize, Serialize};

use super::attempt::clip_process;

/// An agent's hook was called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookReport {
    /// What the agent claims. Absent in a record that only counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<HookEvent>,
    /// Which process brought it, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessFacts>,
    /// How many reports before this one are not on record, because there were too many.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl HookReport {
    /// The record of `claim`, brought by `process`.
    pub fn new(claim: HookEvent, process: Option<&ProcessFacts>, folded: u64) -> Self {
        Self { claim: Some(claim), process: process.map(clip_process), folded }
    }

    /// A record that only counts what is not on record.
    pub const fn of_folded(folded: u64) -> Self {
        Self { claim: None, process: None, folded }
    }
}
