//! An action: one attempt, parsed and canonical. The only thing the policy decides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ActionId, Claimed, Digest, Effects, Name, Operation, ProcessFacts, SessionId, Timestamp};

/// An argument's value. No floating point: two spellings of one number must not be two values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Value>),
    /// Named values.
    Record(BTreeMap<String, Value>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

/// The parsed arguments of an action, by name.
pub type Arguments = BTreeMap<String, Value>;

/// What an action is aimed at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ResourceRef {
    /// An agent that work is handed to.
    Agent {
        /// The agent's name.
        name: Name,
    },
    /// A catalogue entry.
    Listed {
        /// The entry's name.
        name: Name,
    },
    /// Something the catalogue does not know. Never permitted, but for reads of an observed session.
    Unlisted {
        /// The address the agent asked for, as it would be declared: `https://host:port`, `tcp://host:port`.
        address: String,
    },
}

impl ResourceRef {
    /// The name of the entry or the agent, or the address of what is not listed.
    pub fn name(&self) -> &str {
        match self {
            Self::Agent { name } | Self::Listed { name } => name.as_str(),
            Self::Unlisted { address } => address,
        }
    }

    /// What grants, policies and the log call it: an agent is `agent:NAME`, which no entry can be called.
    pub fn qualified(&self) -> String {
        match self {
            Self::Agent { name } => format!("agent:{name}"),
            Self::Listed { .. } | Self::Unlisted { .. } => self.name().to_owned(),
        }
    }

    /// The name of a catalogue entry; `None` for an agent, and for what the catalogue does not know.
    pub fn listed(&self) -> Option<&Name> {
        match self {
            Self::Listed { name } => Some(name),
            Self::Agent { .. } | Self::Unlisted { .. } => None,
        }
    }
}

/// One attempt.
///
/// A protocol adapter makes it from bytes, canonicalising once: what is decided is what is forwarded. It carries no secret and no
/// credential, not even a dummy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// This action.
    pub id: ActionId,
    /// When it was attempted.
    pub at: Timestamp,
    /// Under whose authority.
    pub session: SessionId,
    /// By which process, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessFacts>,
    /// What its agent claims it belongs to. Like the process: evidence, never a reason to permit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// On what.
    pub resource: ResourceRef,
    /// Doing what.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// What lies in the resource and is meant: a path, a repository, a table. Text for people and for the record.
    pub target: String,
    /// The parsed arguments.
    pub arguments: Arguments,
    /// The digest of the body that was looked at, where one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Digest>,
    /// The digest of what else the request says, such as its header fields but for those that change from one to the next. Taken where
    /// a person is to be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Digest>,
}

/// What a digest covers. Maps are ordered, so the bytes are canonical.
#[derive(Serialize)]
struct Covered<'a> {
    arguments: &'a Arguments,
    body: Option<Digest>,
    effects: Effects,
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<Digest>,
    operation: &'a Operation,
    resource: &'a ResourceRef,
    target: &'a str,
}

impl Action {
    /// The digest of what would happen: resource, operation, effects, target, arguments, body and head. Two attempts of the same thing
    /// have the same digest, whoever makes them and whenever.
    pub fn digest(&self) -> Digest {
        self.covered(&self.arguments, self.body, self.head)
    }

    /// The digest of the operation on its target, whatever it carries: without body and head, and without the arguments that `vary` from
    /// request to request on one target.
    pub fn target_digest(&self, vary: &[String]) -> Digest {
        let mut arguments = self.arguments.clone();
        arguments.retain(|name, _| !vary.contains(name));
        self.covered(&arguments, None, None)
    }

    fn covered(&self, arguments: &Arguments, body: Option<Digest>, head: Option<Digest>) -> Digest {
        let covered = Covered {
            arguments,
            body,
            effects: self.effects,
            head,
            operation: &self.operation,
            resource: &self.resource,
            target: &self.target,
        };
        // No value can fail to be written; an empty text could only come from memory running out, and stands for no action.
        Digest::of(&serde_json::to_vec(&covered).unwrap_or_default())
    }
}
