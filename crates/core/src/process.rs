//! What is known of the process that opened a connection.
//!
//! These facts are evidence and may tighten a decision. They must never be the reason to permit: whoever holds a connection may
//! hand it to another process of the same sandbox.

use serde::{Deserialize, Serialize};

/// A process, as its supervisor saw it while the calling thread was stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessFacts {
    /// Process id in the supervisor's own pid namespace.
    pub pid: u32,
    /// The executable's path as the kernel names it, possibly ending in ` (deleted)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<String>,
    /// The thread's own name (`comm`), which the process may set as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Start time in clock ticks since boot, which tells a reused pid apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
}

impl ProcessFacts {
    /// The last part of the executable's path, or the thread's name, or `?`.
    pub fn short(&self) -> &str {
        self.executable
            .as_deref()
            .and_then(|path| path.rsplit('/').next())
            .or(self.name.as_deref())
            .unwrap_or("?")
    }
}
