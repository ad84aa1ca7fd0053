//! `expected.toml`: what each attack must come to, and what holds it.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Result;
use crate::judge::Observed;

/// What has to come of an attack under Bailiwick.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing at all.
    Closed,
    /// It may do what it tried: the layer that is named holds what could follow.
    ByDesign,
    /// It may have its effect for a moment; nothing of it is left when the run has ended.
    AtExit,
}

impl Verdict {
    /// Whether reality is as expected. It may not even be better where something is open by design: the table would be
    /// wrong, and somebody would rely on it.
    #[must_use]
    pub fn holds(self, observed: Observed) -> bool {
        match self {
            Self::Closed => observed == Observed::Closed,
            Self::AtExit => observed != Observed::Open,
            Self::ByDesign => observed == Observed::Open,
        }
    }

    /// As it stands in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ByDesign => "by design",
            Self::AtExit => "at exit",
        }
    }
}

/// One line of the file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// What must come of it.
    pub verdict: Verdict,
    /// Which layer closes it, or contains what it leaves open.
    pub layer: String,
}

/// By the attack's name.
pub type Expected = BTreeMap<String, Expectation>;

/// The committed table.
///
/// # Errors
/// When it does not parse.
pub fn expected() -> Result<Expected> {
    Ok(toml::from_str(include_str!("../expected.toml"))?)
}
