//! The way to an upstream: where its name leads, whether that is allowed, whether it is who it says, and connections that wait for
//! the next request.
//!
//! Nothing here may run before a permit. It must never reach an address that the resource does not declare or imply, and never hand out
//! a TLS connection whose certificate was not verified for the name that was decided.

mod dial;
mod guard;
mod pool;
mod resolve;
mod token;
mod trust;

pub(crate) use dial::{DialError, Protocol};
pub(crate) use pool::{Connection, Key, Lent, Pool, Sender};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub(crate) use token::Issuers;
pub(crate) use trust::Trust;
