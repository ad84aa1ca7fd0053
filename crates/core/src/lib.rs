//! The nouns of Bailiwick, and the algebra between them.
//!
//! Everything else speaks in these types: a protocol adapter turns bytes into an [`Action`], the policy turns an action and the
//! [`Session`]s above it into a [`Decision`], the ledger records both. This crate must never do I/O, read a clock, draw a random
//! number or be asynchronous: time and identifiers are parameters, so that every rule here can be tested as arithmetic.

mod action;
mod approval;
mod claim;
mod decision;
mod digest;
mod effect;
mod grant;
mod id;
mod label;
mod lock;
mod operation;
mod page;
mod principal;
mod problem;
mod process;
mod repository;
mod session;
mod shown;
mod task;
mod timestamp;

pub use action::{Action, Arguments, ResourceRef, Value};
pub use approval::{Answer, Approval, Scope, Subject};
pub use claim::{
    Claimed, ClaimedCall, ClaimedId, ClaimedPrompt, HookEvent, Moment, ParseClaimedIdError, PromptOrigin,
};
pub use decision::{Decision, Obligation, Permit, Reason, ReasonCode, Refusal};
pub use digest::{Digest, ParseDigestError};
pub use effect::{EffectClass, Effects};
pub use grant::{Capability, Constraint, Exercise, Grant, GrantShortfall, NamePattern, Test, WideningError};
pub use id::{
    ActionId, AgentId, ApprovalId, Id, InstanceId, Kind, LockId, ParseIdError, RecordId, ResourceId,
    SessionId, TaskId, UserId, kind,
};
pub use label::{Confidentiality, Integrity, Labels};
pub use lock::{Lock, LockTarget};
pub use operation::{Operation, ParseOperationError};
pub use principal::{AgentName, Initiator, Name, ParseNameError};
pub use problem::Problem;
pub use process::ProcessFacts;
pub use repository::Repositories;
pub use session::{Chain, ChainError, Session, SessionEnd};
pub use shown::shown;
pub use task::Task;
pub use timestamp::{ParseTimestampError, Timestamp};
