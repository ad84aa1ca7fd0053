//! Where state is kept, as traits named for what is done with it, so that one node's SQLite and many nodes' PostgreSQL are told apart
//! only by whoever opens them.
//!
//! [`StateStore`] is what must not be lost: sessions, locks, what workspaces were exposed to, sealed secrets, settings. [`LedgerIndex`] answers questions about the
//! ledger, and can be thrown away and built again from it. Nothing here holds a secret in plain text, and nothing here decides.

#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod explain;
mod exposure;
mod index;
mod reference;
mod row;
mod sitting;
mod state;

pub use error::StoreError;
pub use explain::{Answered, Evidence, explain};
pub use exposure::ExposureStore;
pub use index::{Growth, LedgerIndex, LogFilter};
pub use reference::Reference;
pub use row::{answer_word, approval_word, attempted, row};
pub use sitting::SittingStore;
pub use state::{Ended, SealedChange, SealedRow, StateStore, StoredSession};
