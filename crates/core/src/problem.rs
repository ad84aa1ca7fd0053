//! The problem document (RFC 9457) in which every refusal and failure is told, on the wire, in `--json` and to the model.

use serde::{Deserialize, Serialize};

use crate::{ActionId, ApprovalId, Decision, ReasonCode};

/// A problem: what was wrong, what decided it, and what would make it work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Problem {
    /// A short, stable title.
    pub title: String,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// A stable code.
    pub code: String,
    /// What was wrong, in one sentence.
    pub detail: String,
    /// The command or change that would make it work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// The action on record, for `bailiwick explain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionId>,
    /// What a person can say yes or no to, for `bailiwick approval show`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<ApprovalId>,
    /// The policies that determined it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

impl Problem {
    /// The media type of a problem document.
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// A problem outside any decision.
    pub fn new(status: u16, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let code = code.into();
        Self {
            title: code.replace('_', " "),
            status,
            code,
            detail: detail.into(),
            fix: None,
            action: None,
            approval: None,
            policies: Vec::new(),
        }
    }

    /// The same problem, saying what would make it work.
    #[must_use]
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }

    /// The problem that a decision other than permit is for the one who asked. `None` for a permit.
    pub fn of(decision: &Decision, action: ActionId) -> Option<Self> {
        let reason = decision.reason()?;
        let status = match reason.code {
            ReasonCode::LedgerUnavailable => 503,
            ReasonCode::Malformed => 400,
            ReasonCode::QuotaExceeded => 429,
            // Clients that prefer a WebSocket take this as the word to go on without (RFC 9110 §15.5.22).
            ReasonCode::StreamUndeclared => 426,
            ReasonCode::UpstreamRefused | ReasonCode::UpstreamUnreachable => 502,
            ReasonCode::ApprovalDenied
            | ReasonCode::ApprovalRequired
            | ReasonCode::BudgetExhausted
            | ReasonCode::CredentialBrought
            | ReasonCode::CredentialMissing
            | ReasonCode::Forbidden
            | ReasonCode::GrantExceeded
            | ReasonCode::LabelsExceeded
            | ReasonCode::Locked
            | ReasonCode::NotPermitted
            | ReasonCode::Observed
            | ReasonCode::Paused
            | ReasonCode::PolicyError
            | ReasonCode::SessionEnded
            | ReasonCode::Unattributed
            | ReasonCode::Unlisted => 403,
        };
        let mut problem = Self::new(status, reason.code.as_str(), reason.detail.clone());
        problem.fix.clone_from(&reason.fix);
        problem.action = Some(action);
        problem.policies = decision.policies().to_vec();
        Some(problem)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.detail)?;
        match &self.fix {
            Some(fix) => write!(f, "\n  to fix: {fix}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Problem {}
