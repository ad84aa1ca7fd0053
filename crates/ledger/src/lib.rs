//! The ledger: who did what, under whose authority, written down before it happens, in a form that anyone can check.
//!
//! [`tree`], [`tile`], [`note`], [`checkpoint`] and [`tlog_proof`] are pure: arithmetic and text, after RFC 6962 and the C2SP
//! specifications. [`record`] is what a leaf says. [`Writer`] appends records so that what it acknowledged cannot be lost; [`verify()`]
//! checks a whole ledger offline; [`LogReader`] makes proofs for third parties.
//!
//! What it must never do: acknowledge what is not where it was promised to be, hold a secret or free text about a person, or say that
//! a ledger nobody outside has witnessed proves anything against the owner of the machine.

pub mod checkpoint;
mod edge;
mod layout;
pub mod note;
mod reader;
pub mod record;
pub mod signer;
pub mod storage;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
mod verify;
mod wal;
mod writer;

pub use reader::{LogReader, ReadError, stored_key};
pub use record::{
    Answered, ApprovalFact, Attempt, AttemptContext, AttemptRef, CapturedCount, CredentialPattern,
    CredentialRefresh, CredentialUse, DaemonStarted, DecisionCounts, Entry, Event, Gap, HookReport,
    LockLifted, LockSet, Outcome, OutcomeStatus, Record, RefreshPhase, SessionClosed, SessionExtended,
    SessionMeasured, SessionOpened, SetLoaded, WorkspaceForgotten, WorkspaceQuarantined,
};
pub use signer::Signer;
pub use storage::Disk;
pub use verify::{Problem, Report, verify};
pub use writer::{AppendError, Appending, Durability, OpenError, Options, Receipt, Stored, Writer};
