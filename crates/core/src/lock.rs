//! Locks: stop orders, effective at once.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{InstanceId, LockId, Name, Session, SessionId, Timestamp};

/// What a lock stops.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", content = "of", rename_all = "snake_case")]
pub enum LockTarget {
    /// All sessions of one agent.
    Agent(Name),
    /// Every session.
    Everything,
    /// All sessions of one attested run.
    Instance(InstanceId),
    /// All actions on one resource.
    Resource(Name),
    /// One session and everything it delegated.
    Session(SessionId),
    /// All sessions that one user initiated.
    User(Name),
}

/// A stop order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// This lock.
    pub id: LockId,
    /// What it stops.
    pub target: LockTarget,
    /// Why, for the person who is stopped.
    pub reason: String,
    /// Who set it.
    pub by: Name,
    /// When.
    pub at: Timestamp,
}

impl LockTarget {
    /// Whether this stops `session` itself. A session is also stopped when one of its ancestors is: ask each.
    pub fn stops(&self, session: &Session) -> bool {
        match self {
            Self::Agent(name) => session.agent == *name,
            Self::Everything => true,
            Self::Instance(instance) => session.instance == *instance,
            Self::Resource(_) => false,
            Self::Session(id) => session.id == *id,
            Self::User(name) => session.initiator.name() == name,
        }
    }

    /// Whether this stops actions on the resource called `name`.
    pub fn stops_resource(&self, name: &Name) -> bool {
        match self {
            Self::Resource(locked) => locked == name,
            Self::Agent(_) | Self::Everything | Self::Instance(_) | Self::Session(_) | Self::User(_) => false,
        }
    }
}

impl fmt::Display for LockTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent(name) => write!(f, "agent:{name}"),
            Self::Everything => write!(f, "everything"),
            Self::Instance(id) => write!(f, "instance:{id}"),
            Self::Resource(name) => write!(f, "resource:{name}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::User(name) => write!(f, "user:{name}"),
        }
    }
}

/// A text does not say what to lock.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not say what to lock: write `session:ses_…`, `agent:NAME`, `user:NAME`, `resource:NAME`, `instance:ins_…` or `everything`"
)]
pub struct ParseLockTargetError(String);

impl FromStr for LockTarget {
    type Err = ParseLockTargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = match text.split_once(':') {
            None if text == "everything" => Some(Self::Everything),
            Some(("agent", name)) => name.parse().ok().map(Self::Agent),
            Some(("instance", id)) => id.parse().ok().map(Self::Instance),
            Some(("resource", name)) => name.parse().ok().map(Self::Resource),
            Some(("session", id)) => id.parse().ok().map(Self::Session),
            Some(("user", name)) => name.parse().ok().map(Self::User),
            None | Some(_) => None,
        };
        parsed.ok_or_else(|| ParseLockTargetError(text.to_owned()))
    }
}
