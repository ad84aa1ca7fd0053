//! What GraphQL requests mean, as data: queries read, each mutation is an operation. The parser is the gateway's.

use std::collections::BTreeMap;

use bailiwick_core::{Effects, Operation};
use serde::Serialize;

use crate::{Mints, words::fits};

/// What GraphQL requests to a resource mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Graphql {
    /// What mutations mean, first match first.
    pub mutations: Vec<Mutation>,
    /// The operation of a mutation that nothing describes.
    pub other: Operation,
    /// Its effects.
    pub other_effects: Effects,
    /// Whether the tenant's values are compared without regard to case.
    pub caseless: bool,
    /// Fields of the query type that name no tenant and give none away.
    pub shared: Vec<String>,
    /// By field of the query type, which argument names which capture of the tenant.
    pub tenant: BTreeMap<String, BTreeMap<String, String>>,
    /// The values allowed for each capture; empty where the resource has no tenant.
    pub allowed: BTreeMap<String, Vec<String>>,
}

/// What some mutations mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mutation {
    /// The fields of the mutation type.
    pub names: Vec<String>,
    /// What they do.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// What they mint.
    pub mints: Mints,
}

impl Graphql {
    /// What the mutation `field` means: operation, effects, and whether it would hand out a credential that nothing captures.
    pub fn mutation(&self, field: &str) -> (&Operation, Effects, bool) {
        let known =
            self.mutations.iter().find(|mutation| mutation.names.iter().any(|name| fits(name, field)));
        match known {
            Some(known) => (&known.operation, known.effects, known.mints == Mints::Refused),
            None => (&self.other, self.other_effects, false),
        }
    }

    /// Whether `value` is one that the tenant's `capture` may have.
    pub fn is_allowed(&self, capture: &str, value: &str) -> bool {
        let same = |own: &String| own == value || (self.caseless && own.eq_ignore_ascii_case(value));
        self.allowed.get(capture).is_some_and(|allowed| allowed.iter().any(same))
    }

    /// The operations that mutations can be.
    pub(crate) fn operations(&self) -> Vec<(Operation, Effects)> {
        let named = self.mutations.iter().map(|mutation| (mutation.operation.clone(), mutation.effects));
        named.chain([(self.other.clone(), self.other_effects)]).collect()
    }
}
