//! The sandbox: a plan becomes a running program that can reach nothing but what the plan names.
//!
//! [`Sandbox::prepare`] makes namespaces, a network with nothing in it but our listeners, and a file system from nothing;
//! [`Prepared::start`] drops every privilege, applies Landlock and seccomp, lets the sandbox attack itself, and executes the
//! measured program; [`Running`] is its life. Every `connect` inside waits for a [`Mediator`].
//!
//! It needs no root and no service. It fails closed: whatever is missing or does not hold ends the start with an error that
//! says what would help, and nothing of the program has run.
//!
//! ```no_run
//! # use bailiwick_sandbox::{Connect, Mediator, Plan, Sandbox, SandboxError, Verdict};
//! # fn example(plan: Plan) -> Result<(), SandboxError> {
//! struct Nobody;
//! impl Mediator for Nobody {
//!     fn connect(&self, _: Connect) -> Verdict {
//!         Verdict::Refuse(13) // EACCES
//!     }
//! }
//! let prepared = Sandbox::prepare(plan)?;
//! let running = prepared.start(Vec::new(), std::sync::Arc::new(Nobody))?;
//! let exit = running.wait();
//! # let _ = exit; Ok(()) }
//! ```

mod compile;
mod credential_files;
mod doctor;
pub mod environment;
mod error;
mod etc;
mod evidence;
mod inward;
mod landlock;
mod layout;
mod measure;
mod mediation;
mod netlink;
mod paths;
mod plan;
mod remedy;
mod running;
mod sandbox;
mod seccomp;
pub mod terminal;
mod tools;
pub mod trust;
mod warden;
mod workspace;

pub use bailiwick_sandbox_sys::WindowSize;
pub use credential_files::holds_credentials;
pub use doctor::{Check, Diagnosis, doctor};
pub use error::SandboxError;
pub use evidence::{Evidence, Layer, Namespaces, Tier};
pub use inward::Inward;
pub use mediation::{Addresses, Connect, Listeners, Mediator, ProcessFacts, Verdict};
pub use netlink::{INSIDE_V4, INSIDE_V6};
pub use plan::{InjectedFile, Limits, Network, Plan, PrivateHome, Shown, Stdio, Stream};
pub use remedy::apparmor_profile;
pub use running::{Exit, Killer, Running};
pub use sandbox::{Prepared, Sandbox};
pub use tools::{Tools, directory_of, tools};
pub use workspace::{hook_directories, validate_workdir, workspace_masks};
