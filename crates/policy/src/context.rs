//! What an action is decided in the light of.

use bailiwick_catalogue::Resource;
use bailiwick_core::{Chain, LockTarget, Timestamp};

use crate::PolicySet;

/// The circumstances of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub(crate) now: Timestamp,
    pub(crate) chain: &'a Chain<'a>,
    pub(crate) policies: &'a PolicySet,
    pub(crate) locks: &'a [LockTarget],
    pub(crate) resource: Option<&'a Resource>,
    pub(crate) approved: bool,
}

impl<'a> Context<'a> {
    /// At the moment `now`, for the acting session of `chain`, by `policies`. Without locks, and with nothing known upstream.
    pub const fn new(now: Timestamp, chain: &'a Chain<'a>, policies: &'a PolicySet) -> Self {
        Self { now, chain, policies, locks: &[], resource: None, approved: false }
    }

    /// With these locks in force.
    #[must_use]
    pub const fn with_locks(self, locks: &'a [LockTarget]) -> Self {
        Self { locks, ..self }
    }

    /// With this catalogue entry behind the action's resource. An action on a listed resource without its entry is refused.
    #[must_use]
    pub const fn with_resource(self, resource: Option<&'a Resource>) -> Self {
        Self { resource, ..self }
    }

    /// With a human's yes to exactly this action.
    #[must_use]
    pub const fn with_approval(self) -> Self {
        Self { approved: true, ..self }
    }
}
