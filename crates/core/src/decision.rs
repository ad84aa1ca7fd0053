//! A decision: permit, hold or refuse, and why.
//!
//! There is no boolean on purpose: whoever handles a decision handles all three.

use serde::{Deserialize, Serialize};

/// What was decided about one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// May happen once a human says yes to exactly this.
    Hold(Refusal),
    /// May happen.
    Permit(Permit),
    /// Must not happen.
    Refuse(Refusal),
}

/// A permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// The policies that determined it.
    pub policies: Vec<String>,
    /// What must be done along with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub obligations: Vec<Obligation>,
}

/// Something that must be done along with a permitted action. One that is not known refuses the action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Obligation {
    /// What to do: `log`, `redact`, `cap`, `notify`.
    pub kind: String,
    /// To what, or how much.
    #[serde(default)]
    pub value: String,
}

/// Why something may not happen, or not yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// What decided it, most decisive first. Never empty.
    pub reasons: Vec<Reason>,
    /// The policies that determined it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Whether the yes must come from somebody else than the person whose work it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub two_person: bool,
}

/// One reason, for people and for the model that reads the refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// A stable code.
    pub code: ReasonCode,
    /// What was wrong, in one sentence.
    pub detail: String,
    /// What would make it work: a command for the person, or what to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Stable codes of reasons.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ReasonCode {
    /// A person said no.
    ApprovalDenied,
    /// A policy wants a human's yes.
    ApprovalRequired,
    /// A budget is used up.
    BudgetExhausted,
    /// The agent brought a credential of its own.
    CredentialBrought,
    /// The credential that the resource needs is not there.
    CredentialMissing,
    /// A policy forbids it.
    Forbidden,
    /// A grant on the way to the root does not cover it.
    GrantExceeded,
    /// The session's labels rule it out.
    LabelsExceeded,
    /// The ledger cannot record it.
    LedgerUnavailable,
    /// A lock stops it.
    Locked,
    /// What was sent could not be understood in exactly one way.
    Malformed,
    /// No policy permits it.
    NotPermitted,
    /// The session is observed, and only reads.
    Observed,
    /// The session asked too often, and waits for a person.
    Paused,
    /// A policy could not be evaluated.
    PolicyError,
    /// Too much at once.
    QuotaExceeded,
    /// The session or one above it has ended.
    SessionEnded,
    /// The resource does not declare such a stream. The same may be asked in ordinary requests.
    StreamUndeclared,
    /// The connection cannot be tied to a process of the session.
    Unattributed,
    /// The catalogue does not know the address.
    Unlisted,
    /// An upstream's answer breaks a rule.
    UpstreamRefused,
    /// The upstream cannot be reached or verified.
    UpstreamUnreachable,
}

impl ReasonCode {
    /// The code as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalDenied => "approval_denied",
            Self::ApprovalRequired => "approval_required",
            Self::BudgetExhausted => "budget_exhausted",
            Self::CredentialBrought => "credential_brought",
            Self::CredentialMissing => "credential_missing",
            Self::Forbidden => "forbidden",
            Self::GrantExceeded => "grant_exceeded",
            Self::LabelsExceeded => "labels_exceeded",
            Self::LedgerUnavailable => "ledger_unavailable",
            Self::Locked => "locked",
            Self::Malformed => "malformed",
            Self::NotPermitted => "not_permitted",
            Self::Observed => "observed",
            Self::Paused => "paused",
            Self::PolicyError => "policy_error",
            Self::QuotaExceeded => "quota_exceeded",
            Self::SessionEnded => "session_ended",
            Self::StreamUndeclared => "stream_undeclared",
            Self::Unattributed => "unattributed",
            Self::Unlisted => "unlisted",
            Self::UpstreamRefused => "upstream_refused",
            Self::UpstreamUnreachable => "upstream_unreachable",
        }
    }
}

impl Reason {
    /// A reason without a fix.
    pub fn new(code: ReasonCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), fix: None }
    }

    /// The same reason, saying what would make it work.
    #[must_use]
    pub fn with_fix(self, fix: impl Into<String>) -> Self {
        Self { fix: Some(fix.into()), ..self }
    }
}

impl Refusal {
    /// A refusal for one reason.
    pub fn because(reason: Reason) -> Self {
        Self { reasons: vec![reason], policies: Vec::new(), two_person: false }
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::because(reason)
    }
}

impl Decision {
    /// The word for the record: `permit`, `hold` or `refuse`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Hold(_) => "hold",
            Self::Permit(_) => "permit",
            Self::Refuse(_) => "refuse",
        }
    }

    /// The policies that determined it.
    pub fn policies(&self) -> &[String] {
        match self {
            Self::Hold(refusal) | Self::Refuse(refusal) => &refusal.policies,
            Self::Permit(permit) => &permit.policies,
        }
    }

    /// The most decisive reason, where there is one.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Hold(refusal) | Self::Refuse(refusal) => refusal.reasons.first(),
            Self::Permit(_) => None,
        }
    }
}
