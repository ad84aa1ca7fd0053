//! The scope index: which policies could apply to an action at all, found by what their scopes name, so that a decision costs the same
//! among ten policies and among ten thousand.
//!
//! Leaving a policy out that applies would change decisions, so each is filed under exactly one thing that its scope *requires*, and
//! under "always" when it requires nothing.

use std::collections::{BTreeSet, HashMap};

use cedar_policy::{ActionConstraint, EntityUid, Policy, PrincipalConstraint, ResourceConstraint};

/// Policies by what they require.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScopeIndex {
    always: Vec<usize>,
    by_entity: HashMap<EntityUid, Vec<usize>>,
}

impl ScopeIndex {
    /// The index of `policies`, by their positions.
    pub(crate) fn new<'a>(policies: impl IntoIterator<Item = &'a Policy>) -> Self {
        let mut index = Self::default();
        for (position, policy) in policies.into_iter().enumerate() {
            match required(policy) {
                None => index.always.push(position),
                Some(entities) => {
                    for entity in entities {
                        index.by_entity.entry(entity).or_default().push(position);
                    }
                }
            }
        }
        index
    }

    /// The policies that could apply where `entities` are the principal, the action, the resource, and everything they are in.
    pub(crate) fn candidates<'a>(&self, entities: impl IntoIterator<Item = &'a EntityUid>) -> Vec<usize> {
        let named = entities.into_iter().filter_map(|entity| self.by_entity.get(entity)).flatten();
        let all: BTreeSet<usize> = self.always.iter().chain(named).copied().collect();
        all.into_iter().collect()
    }
}

/// The entities of which one must be there for the policy to apply; `None` if its scope requires nothing. The resource is looked at
/// first, since most policies of a large set name one.
fn required(policy: &Policy) -> Option<Vec<EntityUid>> {
    match policy.resource_constraint() {
        ResourceConstraint::Eq(uid) | ResourceConstraint::In(uid) | ResourceConstraint::IsIn(_, uid) => {
            return Some(vec![uid]);
        }
        ResourceConstraint::Any | ResourceConstraint::Is(_) => {}
    }
    match policy.principal_constraint() {
        PrincipalConstraint::Eq(uid) | PrincipalConstraint::In(uid) | PrincipalConstraint::IsIn(_, uid) => {
            return Some(vec![uid]);
        }
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => {}
    }
    match policy.action_constraint() {
        ActionConstraint::Any => None,
        ActionConstraint::Eq(uid) => Some(vec![uid]),
        ActionConstraint::In(uids) => Some(uids),
    }
}
