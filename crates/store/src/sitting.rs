//! What waits for people, and what they said: one document for each session, whose form is for others to know.

use bailiwick_core::SessionId;

use crate::StoreError;

/// The questions of sessions. Every change is durable when its call returns.
pub trait SittingStore: std::fmt::Debug + Send + Sync {
    /// Keeps the questions of a session, as JSON text, in place of what was kept before.
    ///
    /// # Errors
    /// If it is not JSON, the session is not there, or it is not certain that it is durable.
    fn put_sitting(&self, session: SessionId, body: &str) -> Result<(), StoreError>;

    /// The questions of a session; `None` where it never had any, or they were removed.
    ///
    /// # Errors
    /// If the store cannot be read.
    fn sitting(&self, session: SessionId) -> Result<Option<String>, StoreError>;

    /// Forgets the questions of a session.
    ///
    /// # Errors
    /// If that cannot be made durable.
    fn remove_sitting(&self, session: SessionId) -> Result<(), StoreError>;
}
