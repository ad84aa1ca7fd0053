//! A session's beginning, measurement and end.

use std::collections::BTreeMap;

use bailiwick_core::{
    ActionId, Digest, Grant, Initiator, InstanceId, Labels, Name, Session, SessionEnd, SessionId, TaskId,
    Timestamp, Value,
};
use serde::{Deserialize, Serialize};

/// A session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionOpened {
    /// The session that delegated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// The action of that session which delegated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<ActionId>,
    /// Who initiated the work.
    pub initiator: Initiator,
    /// Which agent acts.
    pub agent: Name,
    /// Which run of it.
    pub instance: InstanceId,
    /// What for.
    pub task: TaskId,
    /// The digest of the task's words.
    pub statement: Digest,
    /// What it may do, without words.
    pub grant: Grant,
    /// What it starts having seen.
    pub labels: Labels,
    /// Delegations above it.
    pub depth: u16,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Whether it only reads, without credentials, and also what is not listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
}

impl From<&Session> for SessionOpened {
    fn from(session: &Session) -> Self {
        Self {
            parent: session.parent,
            act: None,
            initiator: session.initiator.clone(),
            agent: session.agent.clone(),
            instance: session.instance,
            task: session.task.id,
            statement: session.task.statement_digest(),
            grant: session.grant.without_words(),
            labels: session.labels.clone(),
            depth: session.depth,
            expires_at: session.expires_at,
            observed: session.observed,
        }
    }
}

/// A session's instance was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMeasured {
    /// The digest of the evidence, as the session keeps it.
    pub digest: Digest,
    /// The evidence: tier, digest of the executable, what the self-test proved.
    pub evidence: BTreeMap<String, Value>,
}

/// A person gave a session another end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionExtended {
    /// When it ends at the latest from then on.
    pub expires_at: Timestamp,
    /// By whom.
    pub by: Name,
}

/// A session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionClosed {
    /// How.
    pub end: SessionEnd,
    /// What was decided in it.
    pub actions: DecisionCounts,
}

/// How often something was decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionCounts {
    /// Permitted.
    pub permit: u64,
    /// Held.
    pub hold: u64,
    /// Refused.
    pub refuse: u64,
}
