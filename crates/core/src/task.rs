//! A task: the declared purpose of some work.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Digest, Repositories, TaskId};

/// The declared purpose of some work. The sentence is data for people and for the record; it never grants anything by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// This task.
    pub id: TaskId,
    /// What the work is for, in the initiator's own words.
    pub statement: String,
    /// What it is about, where that is known.
    #[serde(default)]
    pub repositories: Repositories,
    /// Pages that the person named word for word ([`Task::pages_in`]): they may be read although they are not listed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pages: BTreeSet<String>,
}

impl Task {
    /// A task that is about nothing that could be named.
    pub fn new(id: TaskId, statement: impl Into<String>) -> Self {
        Self {
            id,
            statement: statement.into(),
            repositories: Repositories::default(),
            pages: BTreeSet::new(),
        }
    }

    /// The digest of the statement, which stands for it wherever free text must not be stored.
    pub fn statement_digest(&self) -> Digest {
        Digest::of(self.statement.as_bytes())
    }
}
