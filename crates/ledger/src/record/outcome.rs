//! An outcome: how an action that was permitted ended.

use bailiwick_core::{ActionId, Digest, Labels};
use serde::{Deserialize, Serialize};

use super::CredentialUse;

/// Where the attempt is that an outcome closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRef {
    /// The attempt's index in the ledger.
    pub index: u64,
    /// The attempt's leaf hash.
    pub leaf: Digest,
}

/// How an action ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The action.
    pub act: ActionId,
    /// Its attempt.
    pub attempt: AttemptRef,
    /// How it ended.
    pub status: OutcomeStatus,
    /// The protocol's own code, such as the HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u32>,
    /// What went wrong, in our words; never the upstream's text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Bytes sent upstream.
    pub bytes_sent: u64,
    /// Bytes received from upstream.
    pub bytes_received: u64,
    /// From the permission to the end, in milliseconds.
    pub duration_ms: u64,
    /// The credential that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialUse>,
    /// How many times a secret was taken out of the response.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub scrubbed: u64,
    /// How many credentials the response handed out, and were kept outside.
    #[serde(default, skip_serializing_if = "CapturedCount::is_none")]
    pub captured: CapturedCount,
    /// What the session has been exposed to from now on, where that changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<Labels>,
}

/// How many credentials a response handed out, by where they stood in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedCount {
    /// Cookies that it set.
    #[serde(default, skip_serializing_if = "none")]
    pub cookies: u32,
    /// Fields of its body.
    #[serde(default, skip_serializing_if = "none")]
    pub fields: u32,
}

impl CapturedCount {
    /// Whether there were none.
    pub const fn is_none(&self) -> bool {
        self.cookies == 0 && self.fields == 0
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn none(count: &u32) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How an action ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeStatus {
    /// Stopped on the way by a lock, an expiry or a budget.
    Cut,
    /// The upstream, or the way to it, failed.
    Failed,
    /// Carried out, whatever the upstream answered.
    Ok,
    /// Nobody knows whether it took effect.
    Unknown,
    /// Given up by whoever asked, before it was carried out.
    Withdrawn,
}

impl OutcomeStatus {
    /// The word as it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Failed => "failed",
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Withdrawn => "withdrawn",
        }
    }
}
