//! Labels: what a session has been exposed to. A monotone lattice: labels only ever rise, along the session tree and over time.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// How far what a session has read can be trusted. Greater is worse.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Integrity {
    /// Only what the initiating user said.
    User,
    /// The organisation's own records.
    Organisation,
    /// Outside text that somebody vetted.
    Vetted,
    /// Strangers' text.
    #[default]
    Untrusted,
}

/// How confidential what a session has read is. Greater is more confidential.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Confidentiality {
    /// Anyone may know.
    #[default]
    Public,
    /// For the organisation.
    Internal,
    /// For few.
    Confidential,
    /// For named persons.
    Restricted,
}

/// The labels of a session or of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// The least trusted thing seen.
    pub integrity: Integrity,
    /// The most confidential thing seen.
    pub confidentiality: Confidentiality,
    /// The compartments whose data was seen.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compartments: BTreeSet<String>,
}

impl Labels {
    /// The bottom of the lattice: nothing but the user's own words, nothing confidential.
    pub const CLEAN: Self = Self {
        integrity: Integrity::User,
        confidentiality: Confidentiality::Public,
        compartments: BTreeSet::new(),
    };

    /// The least labels at least as high as both.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            integrity: self.integrity.max(other.integrity),
            confidentiality: self.confidentiality.max(other.confidentiality),
            compartments: self.compartments.union(&other.compartments).cloned().collect(),
        }
    }

    /// Whether these are at most as high as `other` in every respect.
    pub fn at_most(&self, other: &Self) -> bool {
        self.integrity <= other.integrity
            && self.confidentiality <= other.confidentiality
            && self.compartments.is_subset(&other.compartments)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels() -> impl Strategy<Value = Labels> {
        let integrity = prop::sample::select(vec![
            Integrity::User,
            Integrity::Organisation,
            Integrity::Vetted,
            Integrity::Untrusted,
        ]);
        let confidentiality = prop::sample::select(vec![
            Confidentiality::Public,
            Confidentiality::Internal,
            Confidentiality::Confidential,
            Confidentiality::Restricted,
        ]);
        let compartments = prop::collection::btree_set("[a-c]", 0..3);
        (integrity, confidentiality, compartments).prop_map(|(integrity, confidentiality, compartments)| {
            Labels { integrity, confidentiality, compartments }
        })
    }

    proptest! {
        #[test]
        fn join_is_the_least_upper_bound(a in labels(), b in labels(), c in labels()) {
            let join = a.join(&b);
            prop_assert!(a.at_most(&join) && b.at_most(&join));
            prop_assert_eq!(&join, &b.join(&a));
            prop_assert_eq!(&join.join(&c), &a.join(&b.join(&c)));
            prop_assert_eq!(&a.join(&a), &a);
            prop_assert!(!(a.at_most(&c) && b.at_most(&c)) || join.at_most(&c));
        }
    }
}
