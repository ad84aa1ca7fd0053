//! TLS inside a sandbox ends at the gateway, under an authority that only this session trusts.
//!
//! It must never mint for a name that the connection was not meant for, never let a private key leave this process except sealed for a
//! successor, and never mint on a lock that another session waits on.

mod accept;
mod authority;
mod leaves;

pub(crate) use accept::{TlsError, accept};
pub(crate) use authority::{AuthorityError, SessionAuthority};
pub(crate) use leaves::{Leaves, Offer, Subject};
