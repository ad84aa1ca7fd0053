//! Putting something on stable storage from where nobody may block: what waits for it waits, and the rest goes on.

use std::sync::Arc;

use bailiwick_core::{Reason, ReasonCode};
use bailiwick_store::StoreError;

/// It is not certain that it is on stable storage.
#[derive(Debug, thiserror::Error)]
#[error("what must outlive the daemon cannot be kept: {0}")]
pub(crate) struct Unkept(pub(crate) String);

impl Unkept {
    /// Why an action that rests on it is refused.
    pub(crate) fn reason(&self) -> Reason {
        Reason::new(ReasonCode::LedgerUnavailable, self.to_string())
            .with_fix("free disk space under BAILIWICK_HOME, then restart the daemon")
    }
}

/// Has `store` write, and waits until it has.
///
/// # Errors
/// If it did not.
pub(crate) async fn keep<S: ?Sized + Send + Sync + 'static>(
    store: &Arc<S>,
    write: impl FnOnce(&S) -> Result<(), StoreError> + Send + 'static,
) -> Result<(), Unkept> {
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || write(store.as_ref())).await {
        Ok(written) => written.map_err(|error| Unkept(error.to_string())),
        Err(error) => Err(Unkept(error.to_string())),
    }
}
