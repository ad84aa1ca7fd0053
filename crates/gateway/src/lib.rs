//! The data plane: one session's way out, where every attempt is parsed once, decided, recorded and only then forwarded.
//!
//! ```text
//!   inside                      this crate                                          upstream
//!   name ─────► dns ──► names   (a synthetic address; nothing is resolved)
//!   connect ──► connect ──────► sources   (who may arrive, and where it was meant to go)
//!   bytes ────► tls ──► http ──► Gate::admit ──► Admission ──► upstream ───────────► bytes
//! ```
//!
//! A [`Gateway`] serves many sessions; each has a [`Plane`] of its own, with its own names, certificate authority and upstream connections,
//! and all of it ends when the session's stop is pulled. Nothing here decides, and nothing here sees a secret.

mod connect;
mod dns;
mod dummies;
mod fold;
mod forges;
mod gateway;
mod http;
mod limits;
mod names;
mod opaque;
mod plane;
mod sources;
mod tls;
mod tracked;
mod upstream;

pub use gateway::Gateway;
pub use http::HOOK_PATH;
pub use http::{Case, Meaning};
pub use limits::Limits;
pub use names::{HOOK_ADDRESS, HOOK_HOST};
pub use plane::Plane;
pub use upstream::{Resolve, Resolved, SystemResolver};
