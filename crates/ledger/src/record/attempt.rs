//! An attempt: everything that was known and decided before an effect.

use bailiwick_core::{
    Action, ActionId, ApprovalId, Arguments, Chain, Claimed, Decision, Digest, Effects, Initiator,
    InstanceId, Labels, Name, Operation, ProcessFacts, Refusal, ResourceRef, SessionId, TaskId, Timestamp,
    Value,
};
use serde::{Deserialize, Serialize};

/// Bytes of a target, or of one text among the arguments, that are kept. The digest covers the whole.
const MAX_TEXT: usize = 1024;
/// Bytes of all arguments that are kept; more, and only the digest stands for them.
const MAX_ARGUMENTS: usize = 16 * 1024;
/// Bytes of a decision's reasons that are kept; more, and the most decisive one stands for them.
const MAX_DECISION: usize = 12 * 1024;

/// An action was attempted and decided; nothing has happened yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The action.
    pub act: ActionId,
    /// What was decided, by which policies and why.
    pub decision: Decision,
    /// Who initiated the work.
    pub initiator: Initiator,
    /// Which agent performs it.
    pub agent: Name,
    /// In which run.
    pub instance: InstanceId,
    /// The path of sessions from the root, where there is a delegation; empty for a root session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<SessionId>,
    /// The agents of those sessions, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Name>,
    /// For which task.
    pub task: TaskId,
    /// Which process opened the connection, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessFacts>,
    /// What its agent claims it belongs to. Evidence, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
    /// On what.
    pub resource: ResourceRef,
    /// Doing what.
    pub operation: Operation,
    /// With which effects.
    pub effects: Effects,
    /// What lies in the resource and is meant, cut to a length that fits.
    pub target: String,
    /// The digest of the whole action, before anything was cut.
    pub digest: Digest,
    /// The arguments, cut to a length that fits; absent where they are too much altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Arguments>,
    /// The digest of the body that was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Digest>,
    /// What the session had been exposed to.
    pub labels: Labels,
    /// Until when the permission holds: the earliest end on the path of sessions.
    pub expires_at: Timestamp,
    /// Whether the session is observed: it only reads, without credentials, and also what is not listed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// The policy set that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_version: Option<Digest>,
    /// The credential that will be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialUse>,
    /// Whether a human's yes was required, and whose it was.
    pub approval: ApprovalFact,
    /// How many identical attempts this record stands for, where several were folded into one.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u32,
}

const fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde calls")]
const fn is_one(count: &u32) -> bool {
    *count == 1
}

/// A credential as the record knows it: where it came from, and a fingerprint. Never the credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialUse {
    /// The name of its source.
    pub source: String,
    /// How it was come by.
    pub pattern: CredentialPattern,
    /// A keyed hash (HMAC-SHA-256 under a key of the vault's) of the credential, which joins its uses and cannot be guessed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// How a credential is come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialPattern {
    /// Minted short-lived for this use.
    Brokered,
    /// Handed out by an answer in the same session, and kept outside.
    Captured,
    /// Exchanged for the initiator's own authority.
    Federated,
    /// Stored, injected and rotated.
    Static,
}

/// Whether a human's yes was required first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalFact {
    /// Whether it was.
    pub required: bool,
    /// The approval that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<ApprovalId>,
    /// By whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Name>,
}

/// What an attempt is recorded with besides the action, its sessions and its decision.
#[derive(Clone, Debug, Default)]
pub struct AttemptContext {
    /// The policy set that decided.
    pub policy_version: Option<Digest>,
    /// The credential that will be used.
    pub credential: Option<CredentialUse>,
    /// Whether a human's yes was required.
    pub approval: ApprovalFact,
}

impl Attempt {
    /// The record of `action`, decided so for the acting session of `chain`.
    pub fn new(action: &Action, chain: &Chain<'_>, decision: Decision, context: AttemptContext) -> Self {
        let acting = chain.acting();
        let path: Vec<_> = chain.iter().filter(|_| acting.parent.is_some()).collect();
        let required = context.approval.required || matches!(decision, Decision::Hold(_));
        Self {
            act: action.id,
            decision: clip_decision(decision),
            initiator: acting.initiator.clone(),
            agent: acting.agent.clone(),
            instance: acting.instance,
            chain: path.iter().map(|session| session.id).collect(),
            agents: path.iter().map(|session| session.agent.clone()).collect(),
            task: acting.task.id,
            process: action.process.as_ref().map(clip_process),
            claimed: action.claimed.clone(),
            resource: clip_resource(&action.resource),
            operation: action.operation.clone(),
            effects: action.effects,
            target: clip(&action.target),
            digest: action.digest(),
            arguments: clip_arguments(&action.arguments),
            body: action.body,
            labels: chain.labels(),
            expires_at: chain.expires_at(),
            observed: chain.is_observed(),
            policy_version: context.policy_version,
            credential: context.credential,
            approval: ApprovalFact { required, ..context.approval },
            count: 1,
        }
    }
}

/// `text`, or its beginning and how much is missing.
fn clip(text: &str) -> String {
    if text.len() <= MAX_TEXT {
        return text.to_owned();
    }
    let end = (0..=MAX_TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}… ({} bytes in all)", &text[..end], text.len())
}

fn clip_resource(resource: &ResourceRef) -> ResourceRef {
    match resource {
        ResourceRef::Agent { .. } | ResourceRef::Listed { .. } => resource.clone(),
        ResourceRef::Unlisted { address } => ResourceRef::Unlisted { address: clip(address) },
    }
}

pub(super) fn clip_process(process: &ProcessFacts) -> ProcessFacts {
    ProcessFacts {
        executable: process.executable.as_deref().map(clip),
        name: process.name.as_deref().map(clip),
        ..process.clone()
    }
}

fn clip_decision(decision: Decision) -> Decision {
    match decision {
        Decision::Hold(refusal) => Decision::Hold(clip_refusal(refusal)),
        Decision::Permit(_) => decision,
        Decision::Refuse(refusal) => Decision::Refuse(clip_refusal(refusal)),
    }
}

fn clip_refusal(mut refusal: Refusal) -> Refusal {
    for reason in &mut refusal.reasons {
        reason.detail = clip(&reason.detail);
        reason.fix = reason.fix.as_deref().map(clip);
    }
    if serde_json::to_vec(&refusal.reasons).is_ok_and(|bytes| bytes.len() > MAX_DECISION) {
        refusal.reasons.truncate(1);
    }
    refusal
}

fn clip_value(value: &Value) -> Value {
    match value {
        Value::Boolean(_) | Value::Integer(_) => value.clone(),
        Value::Text(text) => Value::Text(clip(text)),
        Value::List(values) => Value::List(values.iter().map(clip_value).collect()),
        Value::Record(values) => {
            Value::Record(values.iter().map(|(name, value)| (clip(name), clip_value(value))).collect())
        }
    }
}

fn clip_arguments(arguments: &Arguments) -> Option<Arguments> {
    let clipped: Arguments = arguments.iter().map(|(name, value)| (clip(name), clip_value(value))).collect();
    let length = serde_json::to_vec(&clipped).ok()?.len();
    (length <= MAX_ARGUMENTS).then_some(clipped)
}
