//! An early, friendly look at a child's grant, at delegation. It decides nothing: conjunction does.

use crate::{Capability, Constraint, Exercise, Grant, Session, Test};

/// A child's grant names something that a grant above it plainly does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{operation}` on `{resource}` is not within the grant above it")]
pub struct WideningError {
    /// The child's resource pattern.
    pub resource: String,
    /// The child's operation pattern.
    pub operation: String,
}

impl Grant {
    /// Whether everything this names could be allowed by `above`, the grant of a session with `below` below it, of which the last is the
    /// one this is for. Passing this allows nothing.
    ///
    /// # Errors
    /// The first capability that could not.
    pub fn lint_within(&self, above: &Self, below: &[&Session]) -> Result<(), WideningError> {
        for capability in &self.capabilities {
            for operation in &capability.operations {
                let inside = above.capabilities.iter().any(|wider| {
                    capability.could_be_within(wider, below)
                        && wider.operations.iter().any(|allowed| operation.within(allowed))
                });
                if !inside {
                    return Err(WideningError {
                        resource: capability.resource.0.clone(),
                        operation: operation.0.clone(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl Capability {
    fn could_be_within(&self, wider: &Self, below: &[&Session]) -> bool {
        let effects = match (&self.effects, &wider.effects) {
            (Some(mine), Some(allowed)) => mine.iter().all(|effect| allowed.contains(effect)),
            // What is not said is narrowed by what stands above.
            _ => true,
        };
        let constraints = wider.constraints.iter().all(|limit| {
            self.constraints
                .iter()
                .filter(|mine| mine.argument == limit.argument)
                .all(|mine| mine.within(limit))
        });
        let handed = match &wider.exercise {
            Exercise::Holder => true,
            only @ Exercise::DelegateOnly { .. } => only.allows(below),
        };
        self.resource.within(&wider.resource) && effects && constraints && handed
    }
}

impl Constraint {
    /// Whether everything that satisfies this satisfies `limit` too, as far as that can be told.
    fn within(&self, limit: &Self) -> bool {
        match (&self.test, &limit.test) {
            (Test::AtMost(mine), Test::AtMost(most)) => mine <= most,
            (Test::Equals(value), limit) => limit.holds(value),
            (Test::OneOf(values), limit) => values.iter().all(|value| limit.holds(value)),
            (Test::Within(mine), Test::Within(_)) => limit.test.holds(&mine.as_str().into()),
            // Nothing to compare by: both are asked of each action.
            (Test::AtMost(_) | Test::Within(_), _) => true,
        }
    }
}
