//! The JSON of the daemon's API, as types that both sides share. Shapes are part of the product: a field is added with a default or not
//! at all. Nothing here does anything.

use bailiwick_core::{
    ActionId, Answer, Approval, ApprovalId, Arguments, Claimed, Decision, Digest, Effects, Grant, Labels,
    Lock, LockTarget, Name, Operation, ResourceRef, Scope, Session, SessionEnd, SessionId, Timestamp,
};
use serde::{Deserialize, Serialize};

/// `GET /v1/health`: which daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Health {
    /// Its build.
    pub build: String,
    /// Its process id.
    pub pid: u32,
    /// The home it owns.
    pub home: String,
    /// Sessions going on.
    pub sessions: usize,
    /// Records in the ledger.
    pub records: u64,
    /// Whether the ledger still takes records.
    pub ledger_ok: bool,
    /// Files that could not be loaded; what was loaded before them is still in force.
    pub problems: Vec<String>,
}

/// One session, in `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SessionView {
    /// The session itself.
    #[serde(flatten)]
    pub session: Session,
    /// When it really ends: the earliest on the path to its root.
    pub ends_at: Timestamp,
    /// How it ended, if it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<SessionEnd>,
    /// Actions permitted, held, refused.
    pub actions: Tally,
    /// Actions under way.
    pub under_way: usize,
    /// The sessions above it, root first; empty for a root session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Above>,
    /// What it has been exposed to by now.
    #[serde(default = "clean")]
    pub seen: Labels,
    /// What it may do in all: what every grant on the path to its root allows.
    #[serde(default)]
    pub effective: Grant,
}

const fn clean() -> Labels {
    Labels::CLEAN
}

/// What a workspace has been exposed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WorkspaceView {
    /// Its directory.
    pub workspace: String,
    /// The join of what every session that works there, above or below it, was exposed to.
    pub labels: Labels,
}

/// Which workspace is to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Its directory.
    pub workspace: String,
}

/// More time for a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRequest {
    /// For how many milliseconds from now; absent: as long as it was given first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_ms: Option<u64>,
}

/// A session that another was delegated from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Above {
    /// Which.
    pub id: SessionId,
    /// Its agent.
    pub agent: Name,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// What it may do, before everything above it has its say.
    pub grant: Grant,
}

/// How many actions were decided in which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Tally {
    /// Permitted.
    pub permit: u64,
    /// Held for approval.
    pub hold: u64,
    /// Refused.
    pub refuse: u64,
}

/// `POST /v1/locks`: a stop order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockRequest {
    /// What to stop.
    pub target: LockTarget,
    /// Why, for whoever is stopped.
    pub reason: String,
}

/// The answer to a stop order, given once it is durable and in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LockReport {
    /// The lock.
    pub lock: Lock,
    /// The sessions that it ended.
    pub sessions: Vec<SessionId>,
    /// The actions that were under way and were cut.
    pub cut: usize,
    /// The nodes that confirmed.
    pub confirmed: Vec<String>,
    /// How long it took until everything was cut and the lock was durable, in milliseconds.
    pub took_ms: u64,
    /// What is odd about it: that it names nothing known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// One line of a card.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CardLine {
    /// What it is about: `what`, `where`, `target`, `with`, `undo`, `body`, `why`, `who`, `agent`, `task`, `through`, `claimed`.
    pub label: String,
    /// What is so. One line; no character in it is obeyed by a terminal.
    pub text: String,
}

/// A question to a person: `GET /v1/approvals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ApprovalView {
    /// This approval.
    pub id: ApprovalId,
    /// The session that asks.
    pub session: SessionId,
    /// Its agent.
    pub agent: Name,
    /// The action on record.
    pub act: ActionId,
    /// What an answer must name: it stands for everything on the card.
    pub digest: Digest,
    /// What it is about, in one line.
    pub line: String,
    /// `open`, `yes`, `used`, `no`, `expired`.
    pub state: String,
    /// Identical attempts that wait on the wire for the answer.
    pub waiting: usize,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// Until when an answer is taken.
    pub open_until: Timestamp,
    /// The answer, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The card.
    pub card: Vec<CardLine>,
}

/// `POST /v1/approvals/ID`: a person's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    /// Yes or no.
    pub answer: Answer,
    /// What a yes is good for.
    #[serde(default)]
    pub scope: Scope,
    /// The digest that was shown: an answer to anything else is refused.
    pub digest: Digest,
}

/// `PUT /v1/secrets/NAME`: a secret to keep. Never sent back.
#[derive(Clone, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretValue {
    /// The secret.
    pub value: String,
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// A secret, without what it is: `GET /v1/secrets`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct SecretView {
    /// Its name.
    pub name: Name,
    /// How often it has been set since it was last forgotten.
    pub version: u64,
}

/// `POST /v1/reload`: what is in force now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Loaded {
    /// Resources in the catalogue.
    pub resources: usize,
    /// Policies in force, presets included.
    pub policies: usize,
    /// The version of both together.
    pub version: String,
    /// Why a newer set was not taken; empty when what lies there is in force.
    pub problems: Vec<String>,
}

/// Something that was moved out of a workspace because it would have taken effect outside: `GET /v1/quarantine`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quarantined {
    /// What to call it by.
    pub id: String,
    /// When it was found.
    pub at: Timestamp,
    /// The workspace.
    pub workspace: String,
    /// Where in it. Odd characters are percent-encoded.
    pub path: String,
    /// `file`, `link`, `variables` of a git configuration, or `lost`.
    pub kind: String,
    /// The variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<String>,
    /// When it would have taken effect.
    pub why: String,
    /// Whether what was there before the session is there again.
    pub put_back: bool,
}

/// One of them, with what it is: `GET /v1/quarantine/ID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct QuarantineContent {
    /// What it is called and where it was.
    #[serde(flatten)]
    pub item: Quarantined,
    /// Its text. Written by an agent: escape it before it reaches a terminal.
    pub content: String,
}

/// A file that a session wrote and that takes effect when a person runs, builds or pushes the work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RunsLater {
    /// Where in the workspace. Odd characters are percent-encoded.
    pub path: String,
    /// When it takes effect.
    pub why: String,
}

/// What a session left in its workspace: `POST /v1/sessions/ID/hand-off`, once its agent has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HandOff {
    /// What was moved into quarantine.
    pub quarantined: Vec<Quarantined>,
    /// What takes effect later.
    pub runs_later: Vec<RunsLater>,
}

/// An answer that says nothing but yes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Done {
    /// Always true.
    pub ok: bool,
}

/// One row of the log: an attempt, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LogRow {
    /// The action.
    pub act: ActionId,
    /// When it was attempted.
    pub at: Timestamp,
    /// Under whose authority.
    pub session: SessionId,
    /// Which agent.
    pub agent: Name,
    /// Which program opened the connection, as far as known.
    pub process: Option<String>,
    /// What its agent claims it belongs to: the prompt and the tool call. Evidence, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// On which resource: its name, or the address of what is not listed.
    pub resource: String,
    /// Doing what.
    pub operation: String,
    /// To what in it.
    pub target: String,
    /// `permit`, `hold` or `refuse`.
    pub decision: String,
    /// Why, where it was not permitted.
    pub reason: Option<String>,
    /// Whether and by whom it was approved: `required`, or the approver; absent where none was required.
    pub approval: Option<String>,
    /// `ok`, `failed`, `cut`, `withdrawn`, `unknown`, absent while it is under way or where nothing was to happen.
    pub outcome: Option<String>,
    /// How many identical attempts the row stands for.
    pub count: u32,
}

/// An attempt with all that was parsed of it: `GET /v1/sessions/ID/attempts`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Attempted {
    /// Its index in the ledger.
    pub index: u64,
    /// The action.
    pub act: ActionId,
    /// Under whose authority.
    pub session: SessionId,
    /// Whether that session is observed.
    #[serde(default)]
    pub observed: bool,
    /// On what.
    pub resource: ResourceRef,
    /// Doing what.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// To what in it, cut to a length that fits a record.
    pub target: String,
    /// The arguments, cut to a length that fits a record; absent where they are too much altogether.
    #[serde(default)]
    pub arguments: Option<Arguments>,
    /// What was decided, and why.
    pub decision: Decision,
    /// How it ended, as in the log.
    #[serde(default)]
    pub outcome: Option<String>,
    /// What went wrong, in our own words.
    #[serde(default)]
    pub error: Option<String>,
    /// How many identical attempts it stands for.
    pub count: u32,
}

/// The five answers for one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Explanation {
    /// Which human, workflow or system initiated it.
    pub initiator: String,
    /// Which agent performed it.
    pub agent: String,
    /// Which tools, APIs and resources were involved.
    pub resource: String,
    /// What was permitted, and for how long.
    pub permission: String,
    /// Whether approval was required first.
    pub approval: String,
    /// The row of the log.
    pub action: LogRow,
    /// The records it rests on: their indexes in the ledger.
    pub records: Vec<u64>,
}
