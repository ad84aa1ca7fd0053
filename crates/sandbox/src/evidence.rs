//! What was proved about a sandbox before its program ran.

use std::path::PathBuf;

use bailiwick_sandbox_sys::Check;
use serde::{Deserialize, Serialize};

/// Proof of one sandbox, for its session's record.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// How far this host lets the sandbox go.
    pub tier: Tier,
    /// SHA-256 of the executed file, in hexadecimal.
    pub executable_sha256: String,
    /// Its path inside.
    pub executable: PathBuf,
    /// The kernel.
    pub kernel: String,
    /// Its Landlock ABI.
    pub landlock_abi: u32,
    /// The user id, the same inside and outside.
    pub uid: u32,
    /// What holds, each with what proved it.
    pub layers: Vec<Layer>,
    /// What this host does not offer and the sandbox did without.
    pub missing: Vec<String>,
    /// The namespaces.
    pub namespaces: Namespaces,
    /// Limits in force.
    pub limits: Vec<String>,
}

/// How far a host lets the sandbox go.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Tier {
    /// No sandbox is possible.
    T0,
    /// Landlock and seccomp only.
    T1,
    /// And user namespaces: the default.
    T2,
}

/// One layer and its proof.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// The attempt, inside this sandbox, whose outcome proves it.
    pub proven_by: String,
}

/// Inode numbers of the sandbox's namespaces.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Namespaces {
    /// User ids.
    pub user: u64,
    /// Mounts.
    pub mount: u64,
    /// Processes.
    pub pid: u64,
    /// Network.
    pub network: u64,
    /// System V and POSIX message queues.
    pub ipc: u64,
    /// Host name.
    pub uts: u64,
    /// Control groups.
    pub cgroup: u64,
}

impl From<[u64; 7]> for Namespaces {
    fn from([user, mount, pid, network, ipc, uts, cgroup]: [u64; 7]) -> Self {
        Self { user, mount, pid, network, ipc, uts, cgroup }
    }
}

/// The layer that a check of the self-test belongs to.
pub(crate) fn layer_of(check: Check) -> &'static str {
    match check {
        Check::HiddenFile | Check::ReadOnlyRoot => "mount view",
        Check::Workspace => "workspace",
        Check::Landlock => "landlock",
        Check::SocketFamily | Check::SocketProtocol | Check::SystemCall => "seccomp",
        Check::Namespaces => "no new namespaces",
        Check::Connect => "mediated connect",
        Check::Capabilities | Check::NoNewPrivileges => "no privileges",
        Check::FirstProcess => "process namespace",
        Check::UserId => "user namespace",
        _ => "other",
    }
}

/// Every check as a layer; only called when all of them held.
pub(crate) fn layers() -> Vec<Layer> {
    Check::ALL
        .iter()
        .map(|check| Layer { name: layer_of(*check).into(), proven_by: check.describe().into() })
        .collect()
}
