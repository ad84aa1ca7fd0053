//! Records: what the ledger says. One record is one JSON object; its bytes, as stored, are the leaf.
//!
//! An action has two: an [`Attempt`], durable before any effect, and an [`Outcome`] that points back at it. Together they answer who
//! initiated it, which agent performed it, on what, with what permission until when, and whether approval was required.
//!
//! A record must never hold a secret, a prompt, a task's words or a response: digests and references stand for them. Whoever verifies
//! hashes the stored bytes and never writes them anew, so a record may gain fields without old ones changing.

use bailiwick_core::{Digest, LockId, RecordId, SessionEnd, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

mod attempt;
mod envelope;
mod hook;
mod outcome;
mod session;

pub use attempt::{ApprovalFact, Attempt, AttemptContext, CredentialPattern, CredentialUse};
pub use envelope::{Envelope, MAX_RECORD};
pub(crate) use envelope::{Pairing, prefix};
pub use hook::HookReport;
pub use outcome::{AttemptRef, CapturedCount, Outcome, OutcomeStatus};
pub use session::{DecisionCounts, SessionClosed, SessionExtended, SessionMeasured, SessionOpened};

/// One entry, as its author hands it in. The ledger adds an id and the link to the session's record before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// When, by the author's clock. The order of records is their index, not this.
    pub at: Timestamp,
    /// Which session it belongs to, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// A person said yes or no.
    Approval(Box<Answered>),
    /// An action was attempted and decided; nothing has happened yet.
    Attempt(Box<Attempt>),
    /// The catalogue was loaded or changed.
    CatalogueLoaded(SetLoaded),
    /// Tokens were about to be refreshed, or were.
    CredentialRefresh(CredentialRefresh),
    /// A daemon began to write this ledger.
    DaemonStarted(DaemonStarted),
    /// Records that should be here and are not, and why.
    Gap(Gap),
    /// An agent's hook was called.
    Hook(Box<HookReport>),
    /// A stop order took effect.
    Lock(LockSet),
    /// A stop order was lifted.
    LockLifted(LockLifted),
    /// How an action ended.
    Outcome(Box<Outcome>),
    /// The policy set was loaded or changed.
    PolicyLoaded(SetLoaded),
    /// A session ended.
    SessionClosed(SessionClosed),
    /// A person gave a session more time.
    SessionExtended(SessionExtended),
    /// A session's instance was measured.
    SessionMeasured(SessionMeasured),
    /// A session began.
    SessionOpened(Box<SessionOpened>),
    /// A person said that what a workspace was exposed to is not there any more.
    WorkspaceForgotten(WorkspaceForgotten),
    /// A file that runs later was moved out of a workspace.
    WorkspaceQuarantined(WorkspaceQuarantined),
}

/// A person said that what a workspace was exposed to is not there any more: sessions there begin anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceForgotten {
    /// The directory.
    pub workspace: String,
    /// What it was exposed to.
    pub labels: bailiwick_core::Labels,
    /// By whom.
    pub by: bailiwick_core::Name,
}

/// A file that runs later, or variables of one, was moved out of a workspace. It may have been found after its session had ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceQuarantined {
    /// The session in which it was written; absent where it was left by one that ended with its daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_in: Option<SessionId>,
    /// The workspace, where no session says which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<String>,
    /// What people call it by.
    pub item: String,
    /// Where in the workspace.
    pub path: String,
    /// Which variables, where it is a git configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// The digest of what was moved away.
    pub content: Digest,
}

/// A set of policies or resources came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetLoaded {
    /// The digest of the whole set.
    pub version: Digest,
    /// How many policies or resources it has.
    pub count: u64,
}

/// Tokens of an OAuth client were about to be refreshed, or were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRefresh {
    /// The secret's name in the vault.
    pub source: String,
    /// The token endpoint.
    pub endpoint: String,
    /// How far it came.
    pub phase: RefreshPhase,
    /// What went wrong, in our own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a refresh came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshPhase {
    /// The issuer is about to be asked.
    Attempt,
    /// There are no new tokens.
    Failed,
    /// The new tokens are in the vault.
    Kept,
}

/// A daemon began to write this ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStarted {
    /// Which build.
    pub build: String,
    /// Its process id.
    pub pid: u32,
    /// How many records the ledger had recovered.
    pub recovered: u64,
}

/// A person said yes or no. A field of its own: an approval has a session and a time as the record has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The answer, and what it is bound to.
    pub approval: bailiwick_core::Approval,
}

/// A stop order took effect. A field of its own: a lock has an id and a time as the record has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockSet {
    /// The stop order.
    pub lock: bailiwick_core::Lock,
}

/// A stop order was lifted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockLifted {
    /// Which.
    pub lock: LockId,
    /// By whom.
    pub by: bailiwick_core::Name,
}

/// Something that was to be recorded and could not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Who should have recorded it.
    pub producer: String,
    /// How many records are missing, as far as known.
    pub missing: u64,
    /// Why.
    pub detail: String,
}

impl Record {
    /// An entry about a session.
    pub fn of_session(at: Timestamp, session: SessionId, event: Event) -> Self {
        Self { at, session: Some(session), event }
    }

    /// An entry that belongs to no session.
    pub fn of_daemon(at: Timestamp, event: Event) -> Self {
        Self { at, session: None, event }
    }

    /// Whether the session has no records after this.
    pub(crate) const fn closes(&self) -> bool {
        matches!(self.event, Event::SessionClosed(_))
    }
}

/// A record as it is read back.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Entry {
    /// The version of the form; 1.
    pub v: u32,
    /// This record.
    pub id: RecordId,
    /// The leaf hash of the session's record before.
    #[serde(default)]
    pub prev: Option<Digest>,
    /// What its author wrote.
    #[serde(flatten)]
    pub record: Record,
}

impl Entry {
    /// Reads a leaf.
    ///
    /// # Errors
    /// If the bytes are not a record of a form this build knows.
    pub fn parse(leaf: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(leaf)
    }
}

impl SessionClosed {
    /// A session that ended so.
    pub fn because(end: SessionEnd, actions: DecisionCounts) -> Self {
        Self { end, actions }
    }
}

#[cfg(test)]
pub(crate) mod tests;
