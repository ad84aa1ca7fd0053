//! The frames, as types. Adding a field is compatible when it has a default; anything else raises [`PROTOCOL`].

use std::{collections::BTreeSet, net::SocketAddr};

use bailiwick_core::{
    ApprovalId, Name, Problem, ProcessFacts, Repositories, SessionEnd, SessionId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// The version of these frames. Both sides must speak the same.
pub const PROTOCOL: u32 = 1;

/// Who is speaking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The build of the binary, for telling two builds apart.
    pub build: String,
    /// The version of the frames.
    pub protocol: u32,
}

/// Asks for a session. The listeners travel beside this frame, in the order `tcp4 tcp6 dns_udp dns_tcp`;
/// without `tcp6` on a kernel without IPv6.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Open {
    /// What the work is for.
    pub task: String,
    /// Which agent.
    pub agent: Name,
    /// The profile chosen for the program.
    pub profile: Name,
    /// What the work is about, besides what the task's words name.
    #[serde(default)]
    pub repositories: Repositories,
    /// Pages that the person's own words name.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pages: BTreeSet<String>,
    /// The command, cut to what fits a record.
    pub argv: Vec<String>,
    /// The workspace.
    pub workdir: String,
    /// The workspace's path itself, which need not be text.
    pub workspace: Vec<u8>,
    /// Files of the workspace that run later and may be written all the same: paths that need not be text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writable: Vec<Vec<u8>>,
    /// How long at most, in milliseconds.
    pub ttl_ms: u64,
    /// Whether a person is at a terminal.
    pub terminal: bool,
    /// The session that delegates this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<SessionId>,
    /// A narrower grant than everything the parent may do, as JSON of a grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<bailiwick_core::Grant>,
    /// Whether the session is there to find out what its agent needs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// Continues a session whose daemon went away: the keepsake of [`Opened`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<String>,
    /// What stands inside in the place of credentials. It opens nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dummies: Vec<Dummy>,
    /// Hosts that the program tells about itself: refused like any other, with repeats folded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// Where the listeners are bound inside; absent when the sandbox has no network at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<ListenerAddresses>,
}

/// What stands inside in the place of one credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dummy {
    /// The resource whose credential it stands for.
    pub resource: Name,
    /// The text of it.
    pub text: String,
}

/// Where the listeners are bound inside the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenerAddresses {
    /// IPv4 connections.
    pub tcp4: SocketAddr,
    /// IPv6 connections, where the kernel has IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp6: Option<SocketAddr>,
    /// The resolver, UDP and TCP.
    pub dns: SocketAddr,
}

/// A session is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The session.
    pub session: SessionId,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// The session's own certificate authority, PEM, for the trust stores inside.
    pub authority_pem: String,
    /// What the launcher hands to a successor of this daemon to go on with the same session. Sealed; means nothing to anyone else.
    pub keepsake: String,
}

/// What the launcher measured when it started the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// The evidence, as the sandbox wrote it.
    pub evidence: serde_json::Value,
}

/// TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A process inside wants to connect. The socket is bound to `src` and waits for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// Pairs the answer.
    pub id: u64,
    /// Who wants to.
    pub process: ProcessFacts,
    /// The source address that the connection will have.
    pub src: SocketAddr,
    /// The destination, read once.
    pub dst: SocketAddr,
    /// TCP or UDP.
    pub transport: Transport,
}

/// What to do with a wish to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Connect it to where it wants to go, which is inside the sandbox.
    Inside,
    /// Connect it to the gateway's listener.
    Listener,
    /// Fail it with this errno.
    Refuse {
        /// The errno the process sees.
        errno: i32,
    },
}

/// The answer to a [`Connect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Which wish.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// How the agent's process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// Its exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
}

/// The session waits for a person: tell the one at the terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// What can be answered.
    pub approval: ApprovalId,
    /// What it is about, in one line in which no character is obeyed by a terminal.
    pub line: String,
}

/// The session's time is almost up: tell the person at the terminal, who may give it more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    /// The session.
    pub session: SessionId,
    /// When it ends.
    pub at: Timestamp,
}

/// The session ended from outside: end the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// How it ended.
    pub end: SessionEnd,
    /// Why, for the person at the terminal.
    pub reason: String,
}

/// From the launcher to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum FromLauncher {
    /// See [`Connect`].
    Connect(Connect),
    /// See [`Exited`].
    Exited(Exited),
    /// See [`Hello`].
    Hello(Hello),
    /// See [`Measured`].
    Measured(Measured),
    /// See [`Open`].
    Open(Box<Open>),
}

/// From the daemon to the launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "snake_case")]
pub enum FromDaemon {
    /// See [`Answer`].
    Answer(Answer),
    /// See [`Ends`].
    Ends(Ends),
    /// What was asked for failed; the connection ends.
    Failed(Problem),
    /// See [`Hello`].
    Hello(Hello),
    /// See [`Hold`].
    Hold(Hold),
    /// What was measured is on record; the agent may start.
    Noted,
    /// See [`Opened`].
    Opened(Box<Opened>),
    /// See [`Stop`].
    Stop(Stop),
}
