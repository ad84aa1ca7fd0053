//! An approval: a person's yes or no to one action, bound to exactly what was shown.

use serde::{Deserialize, Serialize};

use crate::{Action, ActionId, ApprovalId, Digest, Name, SessionId, Timestamp};

/// A person's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It must not happen.
    No,
    /// It may happen.
    Yes,
}

/// What a yes is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// This very effect, once.
    #[default]
    Effect,
    /// The same operation on the same target, for as long as the session lives.
    Target,
}

/// What a yes is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Subject {
    /// The very effect, as the policies in force decided it.
    pub effect: Digest,
    /// The operation on its target, whatever it carries, as the policies in force decided it.
    pub target: Digest,
}

impl Subject {
    /// What a yes to `action` would be compared with, while the policies of `version` are in force: others would ask other questions.
    /// On one target, the arguments that `vary` do not count.
    pub fn of(action: &Action, version: Digest, vary: &[String]) -> Self {
        Self { effect: under(action.digest(), version), target: under(action.target_digest(vary), version) }
    }

    /// The same where two persons are needed: a yes that was given where one was enough is none to this.
    #[must_use]
    pub fn of_two_persons(self) -> Self {
        let two = Digest::of(b"two persons");
        Self { effect: under(self.effect, two), target: under(self.target, two) }
    }
}

/// `digest` where something else holds as well.
fn under(digest: Digest, what: Digest) -> Digest {
    Digest::of(&[digest.as_bytes().as_slice(), what.as_bytes()].concat())
}

/// A person's yes or no to one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// This approval.
    pub id: ApprovalId,
    /// The action that was shown.
    pub act: ActionId,
    /// Under whose authority it was attempted.
    pub session: SessionId,
    /// What was shown, as digests.
    pub subject: Subject,
    /// What was said.
    pub answer: Answer,
    /// What a yes is good for.
    pub scope: Scope,
    /// Who said it.
    pub by: Name,
    /// When.
    pub at: Timestamp,
    /// Until when a yes is good.
    pub expires_at: Timestamp,
}
