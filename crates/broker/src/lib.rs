//! The only code that sees a secret in plain text: the vault it rests in, the sources it comes from, its way into a request, and
//! its removal from what comes back.
//!
//! ```text
//!   Vault ──► Broker::open(&CredentialSpec) ──► Opened ──► inject(&mut request::Parts)
//!                                                 └──────► scrubber() over everything that answers
//! ```
//!
//! What an answer hands out that is a credential itself goes into [`Captures`], and a dummy inside.
//!
//! Before any of it, [`Brought`] takes out what the agent itself put where credentials go. Nothing here decides whether a request
//! may be made, and no type of this crate gives a secret away: not by an accessor, not in `Debug`, not in an error.
//!
//! The vault blocks on its store where its documentation says so; everything on the way of a request reads memory only.

mod answer;
mod broker;
mod brought;
mod captures;
mod fingerprint;
mod inject;
mod oauth;
mod renewal;
mod scrub;
mod secret;
mod vault;

pub use answer::{UnscrubbableError, ask_for_plain, check as check_answer};
pub use broker::{Broker, BrokerError, Opened};
pub use brought::{Brought, BroughtError, Position, Treatment};
pub use captures::{CaptureError, Captured, Captures, PresentError, Presented, Site, stand_in};
pub use fingerprint::Fingerprint;
pub use inject::InjectError;
pub use oauth::{Refresh, RefreshError};
pub use scrub::{Patterns, ScrubbedBody, Scrubber, Sought, Sweep};
pub use secret::{Secret, SecretError};
pub use vault::{
    Change, KeyFile, KeyFileError, KeyId, Place, Purpose, Sealed, SealedStore, StoreFault, Unlock, Vault,
    VaultError,
};
