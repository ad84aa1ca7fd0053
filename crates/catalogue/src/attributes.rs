//! What a resource is, for the policy: facts a person states about it. The policy sees these, never addresses.

use std::collections::BTreeSet;

use bailiwick_core::{Confidentiality, Integrity, Labels};
use serde::{Deserialize, Serialize};

/// Facts about a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Attributes {
    /// How confidential what is in it may be.
    pub sensitivity: Confidentiality,
    /// How far what it says can be trusted. Where nobody said: not at all.
    pub integrity: Integrity,
    /// Whose data is in it, where that is kept apart: `["payroll"]`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub compartments: BTreeSet<String>,
    /// Which environment it belongs to: `production`, `staging`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Whether what is changed in it can be changed back. Where nobody said: no.
    pub reversible: bool,
}

impl Default for Attributes {
    /// What holds where nobody said anything: internal, untrusted, irreversible.
    fn default() -> Self {
        Self {
            sensitivity: Confidentiality::Internal,
            integrity: Integrity::Untrusted,
            compartments: BTreeSet::new(),
            environment: None,
            owner: None,
            reversible: false,
        }
    }
}

impl Attributes {
    /// What a session has been exposed to once it was answered by such a resource.
    pub fn labels(&self) -> Labels {
        Labels {
            integrity: self.integrity,
            confidentiality: self.sensitivity,
            compartments: self.compartments.clone(),
        }
    }
}
