//! Questions about the ledger. An index follows the ledger and is never in the way of writing it; lost or stale, it is built again.

use std::pin::Pin;

use bailiwick_core::SessionId;
use bailiwick_wire::{Attempted, Explanation, LogRow};

use crate::StoreError;

/// Which attempts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Of this session only.
    pub session: Option<SessionId>,
    /// Decided so only: `permit`, `hold` or `refuse`.
    pub decision: Option<String>,
}

/// Completes once the index has grown.
pub type Growth = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What has been put on record, by question. Answers include everything that was acknowledged before the call.
///
/// Calls may block on the disk for a few milliseconds; none is for the hot path.
pub trait LedgerIndex: std::fmt::Debug + Send + Sync {
    /// Attempts in the order of the ledger, with their indexes: the first `limit` after the index `after`, or the latest `limit`.
    ///
    /// # Errors
    /// If the index cannot be read, or has not caught up with the ledger in time.
    fn log(
        &self,
        filter: &LogFilter,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, LogRow)>, StoreError>;

    /// The attempts of one session with all that was parsed of them, in the order of the ledger: the first `limit` from the index
    /// `from` on.
    ///
    /// # Errors
    /// As [`LedgerIndex::log`].
    fn attempts(&self, session: SessionId, from: u64, limit: usize) -> Result<Vec<Attempted>, StoreError>;

    /// The five answers for one action: by its id, a unique beginning or its last four or more characters, or `-` for the latest.
    ///
    /// # Errors
    /// [`StoreError::Ambiguous`] if several fit; otherwise as [`LedgerIndex::log`].
    fn explain(&self, reference: &str) -> Result<Option<Explanation>, StoreError>;

    /// Completes once the index has grown since this call.
    fn grows(&self) -> Growth;

    /// How many records of the ledger it has taken in.
    fn position(&self) -> u64;
}
